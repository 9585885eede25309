"""The decision on a trial beside what was recommended; dissent needs a reviewer and a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.casework.cases import Ask, case_of
from analysis.scaling.decision import Decision, Recommendation, dissent
from trials import audit, clock, lifecycle, registry
from trials.errors import SignpostError
from trials.store.tables import DecisionRow, RunRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision on record. ``recommended`` is ``None`` where nothing could be recommended."""

    decided: str
    recommended: str | None
    reason: str
    reviewer: str
    dissents: bool
    at: datetime
    actor: str
    run: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A decision to take: ``reviewer`` is who answers for it where it dissents."""

    key: str
    decision: str
    reason: str
    actor: str
    reviewer: str = ""


def decide(session: Session, wish: Wish) -> registry.TrialRecord:
    """Record what is to become of a trial, beside what was recommended.

    Raises:
        Conflict: the trial has not been stopped.
        SignpostError: no reason is given, or the decision differs from the recommendation without
            a named reviewer.
    """
    recommended = recommendation(session, wish.key)
    decided = _decision(wish.decision)
    differs = recommended is not None and dissent(
        Recommendation(decision=recommended, reasons=()), decided=decided,
        reviewer=wish.reviewer, reason=wish.reason,
    )  # fmt: skip
    record = lifecycle.decide(session, wish.key, decided, actor=wish.actor, reason=wish.reason)
    session.add(DecisionRow(
        trial_id=record.id, run_id=_latest_run(session, record.id), recommended=recommended,
        decided=decided, reason=wish.reason.strip(), reviewer=wish.reviewer.strip(),
        dissents=bool(differs), at=clock.now(), actor=wish.actor,
    ))  # fmt: skip
    if differs:
        audit.record(session, "decision dissents", wish.key, actor=wish.actor, detail={
            "recommended": recommended, "decided": decided, "reviewer": wish.reviewer.strip(),
            "reason": wish.reason})  # fmt: skip
    return registry.load(session, wish.key)


def recommendation(session: Session, key: str) -> Decision | None:
    """What the case recommends; where there is no case, what the plan's rule says; else nothing."""
    try:
        found: Decision = case_of(session, Ask(key=key)).case.recommendation.decision
    except SignpostError:
        result = registry.latest_result(session, key) or {}
    else:
        return found
    if result.get("withheld"):
        return None
    says = str((result.get("verdict") or {}).get("decision"))
    known: tuple[Decision, ...] = get_args(Decision)
    return next((d for d in known if d == says), None)


def latest(session: Session, key: str) -> Decided | None:
    """The decision on a trial, if one was taken."""
    trial_id = registry.row_of(session, key).id
    row = session.scalar(
        sa.select(DecisionRow)
        .where(DecisionRow.trial_id == trial_id)
        .order_by(DecisionRow.id.desc())
        .limit(1)
    )
    if row is None:
        return None
    return _decided(row)


def recent(session: Session, limit: int = 50) -> tuple[tuple[str, str, Decided], ...]:
    """The last decisions on any trial, the newest first: each trial's key, its title, and it."""
    query = (
        sa.select(TrialRow.key, TrialRow.title, DecisionRow)
        .join(TrialRow, TrialRow.id == DecisionRow.trial_id)
        .order_by(DecisionRow.id.desc())
        .limit(limit)
    )
    return tuple((key, title, _decided(row)) for key, title, row in session.execute(query))


def _decided(row: DecisionRow) -> Decided:
    return Decided(
        decided=row.decided, recommended=row.recommended, reason=row.reason,
        reviewer=row.reviewer, dissents=row.dissents, at=row.at, actor=row.actor, run=row.run_id,
    )  # fmt: skip


def _decision(text: str) -> Decision:
    known: tuple[Decision, ...] = get_args(Decision)
    found = next((d for d in known if d == text), None)
    if found is None:
        remedy = f"use one of {', '.join(get_args(Decision))}"
        raise SignpostError(f"{text!r} is not a decision", remedy)
    return found


def _latest_run(session: Session, trial_id: int) -> int | None:
    newest = sa.select(sa.func.max(RunRow.id)).where(RunRow.trial_id == trial_id)
    found: int | None = session.scalar(newest)
    return found
