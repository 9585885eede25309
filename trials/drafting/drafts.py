"""Drafts in the database: saved at every step, with every version kept.

A save says which version it was written against. Where somebody else has saved since, what
touches other fields is merged; a field that both changed is refused with :class:`Clash`, which
carries what is saved now, so that the second person can see both and decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, lifecycle, registry
from trials.definition import plan, toml
from trials.definition.model import Trial
from trials.drafting import content as contents
from trials.drafting.content import Content
from trials.errors import Conflict, Invalid, NotFound
from trials.store.tables import DraftRow, DraftVersionRow, TrialRow

Kind = Literal["trial", "amendment"]
OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft as it stands."""

    id: int
    key: str
    kind: Kind
    title: str
    state: str
    origin: str
    idea_id: int | None
    content: Content
    version: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    updated_by: str
    asked_hash: str | None
    asked_at: datetime | None
    asked_by: str | None

    @property
    def hash(self) -> str:
        """The hash of what people would agree to now."""
        return contents.agreed_hash(self.content)

    @property
    def asked(self) -> bool:
        """Whether the version as it stands has been put up for approval."""
        return self.asked_hash == self.hash

    @property
    def open(self) -> bool:
        """Whether it can still be changed."""
        return self.state == OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One save: which step, when and by whom."""

    number: int
    step: str
    at: datetime
    by: str


class Clash(Conflict):
    """Somebody else changed the same fields first. ``saved`` holds what they are now, by path."""

    def __init__(self, draft: Draft, saved: Mapping[str, Any]) -> None:
        self.draft = draft
        self.saved = dict(saved)
        super().__init__(
            f"{draft.updated_by} changed this while you were writing", "compare both and save again"
        )


def start(
    session: Session, content: Content, *, origin: str, actor: str, idea_id: int | None = None
) -> Draft:
    """A new draft under a key of its own."""
    title = str(content["trial"].get("title") or "Untitled trial")
    content["trial"]["key"] = contents.new_key(
        str(content["trial"].get("key") or title), _taken(session)
    )
    return _insert(session, content, kind="trial", origin=origin, actor=actor, idea_id=idea_id)


def start_amendment(session: Session, key: str, *, actor: str) -> Draft:
    """A draft that changes the locked plan of a trial, or the one that is open already.

    Raises:
        NotFound: there is no such trial.
        Conflict: it has not been launched, or it is over.
    """
    row = registry.row_of(session, key)
    if row.state not in lifecycle.AMENDABLE:
        raise Conflict(
            f"trial {key!r} is {row.state}", "only the plan of a running trial is amended"
        )
    known = session.scalar(
        sa.select(DraftRow).where(
            DraftRow.key == key, DraftRow.kind == "amendment", DraftRow.state == OPEN
        )
    )
    if known is not None:
        return _draft(known)
    before = session.scalar(
        sa.select(DraftRow)
        .where(DraftRow.key == key, DraftRow.state == "launched")
        .order_by(DraftRow.id.desc())
        .limit(1)
    )
    content = contents.from_trial(registry.definition_of(row))
    content["workshop"] = dict(before.content.get("workshop", {})) if before else {}
    content["workshop"]["amends"] = plan.plan_hash(registry.definition_of(row))
    return _insert(session, content, kind="amendment", origin=f"trial {key}", actor=actor)


def adopt(session: Session, key: str, *, actor: str) -> Draft:
    """The draft of a trial that was registered by file and is not launched yet.

    Raises:
        NotFound: there is no such trial.
        Conflict: it has been launched.
    """
    row = registry.row_of(session, key)
    if row.state not in registry.DRAFT_STATES:
        raise Conflict(f"trial {key!r} has been launched", "amend its plan instead")
    known = session.scalar(
        sa.select(DraftRow).where(DraftRow.key == key, DraftRow.state == OPEN).limit(1)
    )
    if known is not None:
        return _draft(known)
    content = contents.from_trial(registry.definition_of(row))
    return _insert(session, content, kind="trial", origin=f"trial {key}", actor=actor)


def load(session: Session, number: int) -> Draft:
    """The draft. Raises ``NotFound``."""
    return _draft(row_of(session, number))


def of_trial(session: Session, key: str) -> Draft | None:
    """The draft that a trial is being, or was, written in; the newest."""
    row = session.scalar(
        sa.select(DraftRow)
        .where(DraftRow.key == key, DraftRow.state != "discarded")
        .order_by(DraftRow.id.desc())
        .limit(1)
    )
    return None if row is None else _draft(row)


def all_of_trial(session: Session, key: str) -> list[Draft]:
    """Every draft that a trial was or is being written or changed in, the first first."""
    rows = session.scalars(
        sa.select(DraftRow)
        .where(DraftRow.key == key, DraftRow.state != "discarded")
        .order_by(DraftRow.id)
    )
    return [_draft(row) for row in rows]


def everything(session: Session) -> list[Draft]:
    """The open drafts, the latest touched first."""
    rows = session.scalars(
        sa.select(DraftRow).where(DraftRow.state == OPEN).order_by(DraftRow.updated_at.desc())
    )
    return [_draft(row) for row in rows]


def history(session: Session, number: int) -> list[Version]:
    """Every save, the latest first."""
    rows = session.execute(
        sa.select(
            DraftVersionRow.number, DraftVersionRow.step, DraftVersionRow.at, DraftVersionRow.by
        )
        .where(DraftVersionRow.draft_id == number)
        .order_by(DraftVersionRow.number.desc())
    )
    return [Version(number=r.number, step=r.step, at=r.at, by=r.by) for r in rows]


def as_it_was(session: Session, number: int, version: int) -> Content:
    """The content of one version. Raises ``NotFound``."""
    found = session.scalar(
        sa.select(DraftVersionRow.content).where(
            DraftVersionRow.draft_id == number, DraftVersionRow.number == version
        )
    )
    if found is None:
        raise NotFound(f"the draft has no version {version}", "open its history")
    return dict(found)


def save(
    session: Session, number: int, *, step: str, base: int, values: Mapping[str, Any], actor: str
) -> Draft:
    """Set every path of ``values``, which were written against version ``base``.

    Saving what is there already changes nothing.

    Raises:
        NotFound: there is no such draft.
        Conflict: it is closed.
        Clash: somebody changed one of the same paths since ``base``.
    """
    row = row_of(session, number, lock=True)
    _refuse_closed(row)
    now = dict(row.content)
    if base != row.version:
        _refuse_rival(session, row, base, values)
    after = contents.changed(now, values)
    if after == now:
        return _draft(row)
    _write(session, row, after, step=step, actor=actor)
    return _draft(row)


def discard(session: Session, number: int, *, actor: str) -> Draft:
    """Put a draft away. It stays on record."""
    row = row_of(session, number, lock=True)
    _refuse_closed(row)
    row.state, row.updated_at, row.updated_by = "discarded", clock.now(), actor
    audit.record(session, "draft discarded", f"draft {number}", actor=actor)
    return _draft(row)


def to_toml(draft: Draft) -> str:
    """The draft as a trial file, as far as it goes."""
    try:
        return toml.write(contents.trial_of(draft.content))
    except Invalid:
        return toml.write_data({t: draft.content.get(t) for t in contents.TABLES})


def from_toml(text: str) -> Content:
    """The content of a draft from a trial file. Raises ``Invalid`` with every line at fault."""
    return contents.from_trial(toml.read(text, "the file"))


def template(trial: Trial, owner: str) -> Content:
    """The content of a draft made from a specimen: everything of it but its dates and owner."""
    content = contents.from_trial(trial)
    for name in ("starts", "ends"):
        content["trial"].pop(name, None)
    content["design"].pop("seed", None)
    content["trial"]["owner"] = owner
    return content


def row_of(session: Session, number: int, *, lock: bool = False) -> DraftRow:
    """The draft's row. Raises ``NotFound``."""
    query = sa.select(DraftRow).where(DraftRow.id == number)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NotFound("there is no such draft", "look for it in the list of drafts")
    return row


def _refuse_closed(row: DraftRow) -> None:
    if row.state != OPEN:
        raise Conflict(
            f"this draft was {row.state} and cannot be changed",
            "start another, or amend the trial's plan",
        )


def _refuse_rival(session: Session, row: DraftRow, base: int, values: Mapping[str, Any]) -> None:
    then, now = as_it_was(session, row.id, base), dict(row.content)
    rival = {
        path: contents.get(now, path)
        for path, value in values.items()
        if contents.get(then, path) != contents.get(now, path)
        and (contents.get(now, path) or None) != (value or None)
    }
    if rival:
        raise Clash(_draft(row), rival)


def _taken(session: Session) -> set[str]:
    drafts = sa.select(DraftRow.key).where(DraftRow.state != "discarded")
    return {*session.scalars(drafts), *session.scalars(sa.select(TrialRow.key))}


def _insert(
    session: Session,
    content: Content,
    *,
    kind: Kind,
    origin: str,
    actor: str,
    idea_id: int | None = None,
) -> Draft:
    now = clock.now()
    row = DraftRow(
        key=content["trial"]["key"],
        kind=kind,
        title=str(content["trial"].get("title") or ""),
        state=OPEN,
        origin=origin,
        idea_id=idea_id,
        content={},
        version=0,
        created_at=now,
        created_by=actor,
        updated_at=now,
        updated_by=actor,
        asked_hash=None,
        asked_at=None,
        asked_by=None,
    )
    session.add(row)
    session.flush()
    _write(session, row, content, step="start", actor=actor)
    return _draft(row)


def _write(session: Session, row: DraftRow, content: Content, *, step: str, actor: str) -> None:
    row.content, row.version = content, row.version + 1
    row.title = str(content["trial"].get("title") or "Untitled trial")[:200]
    row.updated_at, row.updated_by = clock.now(), actor
    session.add(
        DraftVersionRow(
            draft_id=row.id,
            number=row.version,
            step=step,
            content=content,
            at=row.updated_at,
            by=actor,
        )
    )
    audit.record(
        session,
        "draft saved",
        f"draft {row.id}",
        actor=actor,
        detail={"key": row.key, "step": step, "version": row.version},
    )


def _draft(row: DraftRow) -> Draft:
    kind: Kind = "amendment" if row.kind == "amendment" else "trial"
    return Draft(
        id=row.id,
        key=row.key,
        kind=kind,
        title=row.title,
        state=row.state,
        origin=row.origin,
        idea_id=row.idea_id,
        content=row.content,
        version=row.version,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=row.updated_by,
        asked_hash=row.asked_hash,
        asked_at=row.asked_at,
        asked_by=row.asked_by,
    )
