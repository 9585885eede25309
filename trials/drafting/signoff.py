"""Who agreed to which version, what still stands between a draft and its launch, and the launch.

An approval holds for the version its giver saw, by hash. A later edit takes it back by itself:
the hash no longer fits, and the page says so. Whoever asks signs as improvement lead; nobody signs
in two roles, except that one person may answer for data protection and for equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, lifecycle, registry
from trials.drafting import amending, drafts, forecasts, steps
from trials.drafting import content as contents
from trials.drafting.checklist import Check, Signature, checklist
from trials.drafting.drafts import Draft
from trials.drafting.screening import MAY_SIGN, ROLES, Role, Screening, screen
from trials.errors import Conflict, NotPermitted, SignpostError
from trials.store.tables import SignOffRow

Verdict = Literal["approved", "returned"]
_TOGETHER = frozenset({"data-protection", "equality"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signoff:
    """Everything about the agreement to a draft."""

    screening: Screening
    signatures: tuple[Signature, ...]
    checks: tuple[Check, ...]

    @property
    def waiting(self) -> tuple[Role, ...]:
        """The roles that have not approved the draft as it is."""
        return tuple(s.role for s in self.signatures if s.standing != "approved")

    @property
    def ready(self) -> bool:
        """Whether nothing stands in the way of the launch."""
        return all(check.weight != "stops" for check in self.checks)


def standing(session: Session, draft: Draft) -> Signoff:
    """Where the agreement to a draft stands."""
    screening = screen(draft.content)
    rows = list(
        session.scalars(
            sa.select(SignOffRow).where(SignOffRow.draft_id == draft.id).order_by(SignOffRow.id)
        )
    )
    latest = {row.role: row for row in rows}
    signatures = tuple(_signature(role, latest.get(role), draft) for role in screening.roles)
    return Signoff(
        screening=screening,
        signatures=signatures,
        checks=(
            *amending.checks(session, draft),
            *checklist(draft, screening, signatures),
        ),
    )


def conversation(session: Session, number: int) -> list[Signature]:
    """Everything that was said of a draft, the latest first."""
    rows = session.scalars(
        sa.select(SignOffRow).where(SignOffRow.draft_id == number).order_by(SignOffRow.id.desc())
    )
    return [
        Signature(
            role=_role(row.role),
            standing=_verdict(row.verdict),
            by=row.by,
            at=row.at,
            comment=row.comment,
        )
        for row in rows
    ]


def ask(session: Session, number: int, *, saw: str, actor: str) -> Draft:
    """Put the version ``saw`` up for approval and sign it as improvement lead.

    Raises:
        Conflict: the draft has changed meanwhile, is closed, or is not complete.
        SignpostError: it is never to be trialled.
    """
    row = drafts.row_of(session, number, lock=True)
    draft = drafts.load(session, number)
    _refuse_stale(draft, saw)
    lacks = steps.missing(draft.content)
    broken = contents.problems(draft.content)
    if lacks or broken:
        first = next(iter(lacks.values()))[0] if lacks else str(broken[0])
        raise Conflict(f"the draft is not complete: it still lacks {first}", "fill it in first")
    refused = screen(draft.content).refused
    if refused:
        raise SignpostError(refused[0], "choose another service or message")
    row.asked_hash, row.asked_at, row.asked_by = saw, clock.now(), actor
    _add(session, draft, role="improvement-lead", verdict="approved", comment="", actor=actor)
    audit.record(
        session,
        "approval asked for",
        draft.key,
        actor=actor,
        detail={"version": draft.version, "hash": saw},
    )
    return drafts.load(session, number)


def sign(
    session: Session,
    number: int,
    *,
    role: Role,
    verdict: Verdict,
    comment: str,
    saw: str,
    actor: str,
    account: str,
) -> Signoff:
    """Approve the version ``saw``, or return it with a comment.

    Raises:
        NotPermitted: the account does not sign in this role, or its holder wrote or signed it.
        Conflict: the draft has changed since it was read, or was not put up.
        SignpostError: it is returned without a comment.
    """
    drafts.row_of(session, number, lock=True)
    draft = drafts.load(session, number)
    _refuse_stale(draft, saw)
    if not draft.asked:
        raise Conflict("nobody has asked for approval of this version", "ask its author to do so")
    if role not in may_sign(session, draft, actor=actor, account=account):
        raise NotPermitted(
            f"you cannot sign this draft as {ROLES[role].lower()}",
            "somebody else with that role has to",
        )
    if verdict == "returned" and not comment.strip():
        raise SignpostError("say what should change", "write a comment for the author")
    _add(session, draft, role=role, verdict=verdict, comment=comment.strip(), actor=actor)
    audit.record(
        session,
        f"draft {verdict}",
        draft.key,
        actor=actor,
        detail={"role": role, "version": draft.version, "hash": saw},
    )
    return standing(session, draft)


def may_sign(session: Session, draft: Draft, *, actor: str, account: str) -> tuple[Role, ...]:
    """The roles in which this person may sign the draft as it is; none for who wrote any of it."""
    if not draft.asked or not draft.open or actor == draft.asked_by:
        return ()
    if actor in {version.by for version in drafts.history(session, draft.id)}:
        return ()
    signatures = standing(session, draft).signatures
    mine = {s.role for s in signatures if s.by == actor and s.standing == "approved"}
    allowed = MAY_SIGN.get(account, ())
    return tuple(
        s.role
        for s in signatures
        if s.role in allowed
        and s.role not in mine
        and (mine | {s.role} <= _TOGETHER or not mine)
        and (s.standing != "approved" or s.by == actor)
    )


def waits_for(session: Session, draft: Draft, *, actor: str, account: str) -> tuple[Role, ...]:
    """The roles in which this person has still to answer; one that returned it has answered."""
    roles = may_sign(session, draft, actor=actor, account=account)
    if not roles:
        return ()
    answered = {
        s.role
        for s in standing(session, draft).signatures
        if s.standing in ("approved", "returned")
    }
    return tuple(role for role in roles if role not in answered)


def launch(
    session: Session, number: int, *, actor: str, reason: str = "", hasten: bool = False
) -> Draft:
    """Register the trial, keep its forecasts, lock its plan and go live; or amend the locked plan.

    Raises:
        NotPermitted: an amendment lets a result be read sooner, and ``hasten`` is not given.
        Conflict: something on the checklist stands in the way, or the trial is past that point.
        SignpostError: an amendment has no reason, or would touch what people were given.
    """
    row = drafts.row_of(session, number, lock=True)
    draft = drafts.load(session, number)
    if not draft.open:
        raise Conflict(f"this draft was {draft.state} already", "open the trial's page")
    stops = [c for c in standing(session, draft).checks if c.weight == "stops"]
    if stops:
        raise Conflict(f"the trial cannot be launched yet: {stops[0].says}", "see the checklist")
    trial = contents.trial_of(draft.content)
    if draft.kind == "amendment":
        before = registry.definition_of(registry.row_of(session, draft.key, lock=True))
        amending.refuse_hastening(before, trial, allowed=hasten)
        lifecycle.amend(session, trial, actor=actor, reason=reason)
    else:
        registry.add(session, trial, actor=actor)
        notes = contents.get(draft.content, "workshop.forecasts")
        forecasts.keep(session, trial, notes, actor=actor)
        lifecycle.launch(session, trial.key, actor=actor)
    row.state, row.updated_at, row.updated_by = "launched", clock.now(), actor
    return drafts.load(session, number)


def _signature(role: Role, row: SignOffRow | None, draft: Draft) -> Signature:
    if row is None:
        return Signature(role=role, standing="waiting")
    held = _verdict(row.verdict) if row.hash == draft.hash else "outdated"
    return Signature(role=role, standing=held, by=row.by, at=row.at, comment=row.comment)


def _refuse_stale(draft: Draft, saw: str) -> None:
    if not draft.open:
        raise Conflict(f"this draft was {draft.state} already", "open the trial's page")
    if saw != draft.hash:
        raise Conflict(
            f"{draft.updated_by} changed the draft after you opened it",
            "read it again, then decide",
        )


def _add(
    session: Session, draft: Draft, *, role: Role, verdict: Verdict, comment: str, actor: str
) -> None:
    session.add(
        SignOffRow(
            draft_id=draft.id,
            role=role,
            verdict=verdict,
            hash=draft.hash,
            comment=comment,
            at=clock.now(),
            by=actor,
        )
    )
    session.flush()


def _role(text: str) -> Role:
    return next(role for role in ROLES if role == text)


def _verdict(text: str) -> Verdict:
    return "approved" if text == "approved" else "returned"
