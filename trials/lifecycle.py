"""The life of a trial: draft, ready, live, paused, stopped, decided.

Launch locks the plan and commits to the seed: the commitment is published before any unit list
exists, and the seed is revealed when the trial stops, so that anyone who holds the list can
recompute who got what.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, registry, sharing
from trials.definition import plan
from trials.definition.model import Trial
from trials.designs.verify import commit
from trials.errors import Conflict, SignpostError
from trials.store.tables import AssignmentRow, OutcomeRow, PlanRow, SealRow, TrialRow

Act = Literal["launch", "pause", "resume", "stop", "decide"]
AMENDABLE = ("live", "paused")
"""The states in which a locked plan may still be changed, openly."""
DECISIONS = ("scale", "scale-with-conditions", "extend", "adapt", "stop")


@dataclass(frozen=True, slots=True)
class Move:
    """An act: the states it is allowed from and the state it leads to."""

    allowed: tuple[str, ...]
    to: str
    past: str


MOVES: dict[Act, Move] = {
    "launch": Move(("draft", "ready"), "live", "launched"),
    "pause": Move(("live",), "paused", "paused"),
    "resume": Move(("paused",), "live", "resumed"),
    "stop": Move(("live", "paused"), "stopped", "stopped"),
    "decide": Move(("stopped",), "decided", "decided"),
}


def launch(session: Session, key: str, *, actor: str) -> registry.TrialRecord:
    """Lock the plan, commit to the seed and go live.

    Raises:
        Conflict: the trial is past that point, or its share of the namespace is not free.
    """
    row = _moved(session, key, "launch")
    trial = registry.definition_of(row)
    sharing.claim(session, row, trial)
    _lock(session, row, trial, number=1, actor=actor, reason="")
    seal = _seal(session, row, trial)
    audit.record(session, "trial launched", key, actor=actor, detail={
        "plan_hash": plan.plan_hash(trial), "seed_commitment": seal.commitment,
        "left_open": registry.missing_for_launch(trial)})  # fmt: skip
    return registry.load(session, key)


def pause(session: Session, key: str, *, actor: str, reason: str = "") -> registry.TrialRecord:
    """Give everybody the control for the time being; nobody new is assigned."""
    return _simple(session, key, "pause", actor, reason)


def resume(session: Session, key: str, *, actor: str, reason: str = "") -> registry.TrialRecord:
    """Go on after a pause."""
    return _simple(session, key, "resume", actor, reason)


def stop(session: Session, key: str, *, actor: str, reason: str = "") -> registry.TrialRecord:
    """End assignment for good and reveal the seed."""
    row = _moved(session, key, "stop")
    seal = session.get(SealRow, row.id)
    detail: dict[str, object] = {"reason": reason}
    if seal is not None:
        seal.revealed_at = clock.now()
        detail |= {"seed": seal.seed, "nonce": seal.nonce}
    audit.record(session, "trial stopped", key, actor=actor, detail=detail)
    return registry.load(session, key)


def decide(
    session: Session, key: str, decision: str, *, actor: str, reason: str
) -> registry.TrialRecord:
    """Record what is to become of it, and why.

    Raises:
        SignpostError: the decision is none of the five, or no reason is given.
        Conflict: the trial has not been stopped.
    """
    if decision not in DECISIONS:
        raise SignpostError(f"{decision!r} is not a decision", f"use one of {', '.join(DECISIONS)}")
    if not reason.strip():
        raise SignpostError("a decision needs its reason", "give it with --reason")
    row = _moved(session, key, "decide")
    row.decision = decision
    audit.record(session, "trial decided", key, actor=actor,
                 detail={"decision": decision, "reason": reason})  # fmt: skip
    return registry.load(session, key)


def amend(session: Session, trial: Trial, *, actor: str, reason: str) -> registry.TrialRecord:
    """Change a locked plan openly: a new version with its reason, beside the old one.

    Raises:
        SignpostError: there is no reason, nothing changes, or the change would touch what people
            have already been given.
        Conflict: the plan is not locked yet, or the trial is over: what its people did is known.
    """
    row = registry.row_of(session, trial.key, lock=True)
    before = registry.definition_of(row)
    if row.state in registry.DRAFT_STATES:
        raise Conflict(f"trial {trial.key!r} has not been launched", "use 'signpost trial add'")
    if row.state not in AMENDABLE:
        raise Conflict(f"trial {trial.key!r} is {row.state}, and its plan stays as it was run",
                       "ask under Exploratory, or start a new trial")  # fmt: skip
    if not reason.strip():
        raise SignpostError("an amendment needs its reason", "give it with --reason")
    if plan.plan_hash(trial) == plan.plan_hash(before):
        raise SignpostError("the plan is the same as before", "nothing needs amending")
    refuse_touching_allocation(session, row, before, trial)
    registry.write_definition(session, row, trial)
    latest = sa.select(sa.func.max(PlanRow.number)).where(PlanRow.trial_id == row.id)
    number = (session.scalar(latest) or 0) + 1
    _lock(session, row, trial, number=number, actor=actor, reason=reason)
    audit.record(session, "plan amended", trial.key, actor=actor, detail={
        "plan_hash": plan.plan_hash(trial), "reason": reason, "number": number - 1})  # fmt: skip
    return registry.load(session, trial.key)


def seed_of(session: Session, trial_id: int) -> int:
    """The sealed seed, for the draw itself. Raises ``Conflict`` when nothing has been sealed."""
    seal = session.get(SealRow, trial_id)
    if seal is None:
        raise Conflict("the trial has not been launched, so there is no sealed seed",
                       "launch it with 'signpost trial launch KEY'")  # fmt: skip
    return int(seal.seed)


def _simple(session: Session, key: str, act: Act, actor: str, reason: str) -> registry.TrialRecord:
    _moved(session, key, act)
    audit.record(session, f"trial {MOVES[act].past}", key, actor=actor, detail={"reason": reason})
    return registry.load(session, key)


def _moved(session: Session, key: str, act: Act) -> TrialRow:
    row = registry.row_of(session, key, lock=True)
    move = MOVES[act]
    if row.state not in move.allowed:
        wanted = " or ".join(move.allowed)
        raise Conflict(
            f"trial {key!r} is {row.state}, and only a trial that is {wanted} can be {move.past}",
            _next_step(key, row.state),
        )
    row.state = move.to
    row.version += 1
    row.updated_at = clock.now()
    return row


def _next_step(key: str, state: str) -> str:
    for act, move in MOVES.items():
        if state in move.allowed:
            return f"the next step is 'signpost trial {act} {key}'"
    return "its life has ended; start a new trial for a new question"


def _lock(
    session: Session, row: TrialRow, trial: Trial, *, number: int, actor: str, reason: str
) -> None:
    measured = sa.select(sa.func.count()).where(OutcomeRow.trial_id == row.id)
    session.add(
        PlanRow(
            trial_id=row.id, number=number, hash=plan.plan_hash(trial),
            document=plan.document(trial), definition=registry.stored(trial),
            locked_at=clock.now(), locked_by=actor, reason=reason,
            outcomes_before=session.scalar(measured.select_from(OutcomeRow)) or 0,
        )
    )  # fmt: skip
    session.flush()


def _seal(session: Session, row: TrialRow, trial: Trial) -> SealRow:
    """Commit to the plan's own seed, or to a fresh one of 128 bits where the plan names none."""
    seed = trial.design.seed if trial.design.seed is not None else secrets.randbits(128)
    nonce = secrets.token_hex(16)
    seal = SealRow(trial_id=row.id, seed=str(seed), nonce=nonce, committed_at=clock.now(),
                   commitment=commit(seed, nonce, trial.key),
                   shared_holdout=sharing.holdout(session))  # fmt: skip
    session.add(seal)
    session.flush()
    return seal


def anybody_given(session: Session, trial_id: int) -> bool:
    """Whether anybody has been assigned to an arm."""
    query = sa.select(AssignmentRow.unit_id).where(AssignmentRow.trial_id == trial_id).limit(1)
    return session.scalar(query) is not None


def refuse_touching_allocation(
    session: Session, row: TrialRow, before: Trial, after: Trial
) -> None:
    """Refuse an amendment that would touch what people have already been given.

    Raises:
        SignpostError: people have been assigned, and arms, weights or design would change.
    """
    if not anybody_given(session, row.id):
        return
    same = [(a.key, a.weight, a.control) for a in before.arms] == [
        (a.key, a.weight, a.control) for a in after.arms
    ]
    widened = before.design.model_copy(update={"coverage": after.design.coverage})
    if after.design.coverage < before.design.coverage:
        raise SignpostError("coverage can only rise: nobody who is in may drop out",
                            "to take in nobody new, pause the trial")  # fmt: skip
    if not same or widened != after.design:
        raise SignpostError(
            "arms, weights and design cannot change once people have been assigned",
            "stop this trial and register a new one",
        )
