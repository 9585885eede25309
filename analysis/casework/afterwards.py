"""After the decision: the roll-out and its holdback, the effect measured again, adoption."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.casework.cases import Ask, case_of, shown_result
from analysis.estimates import Absent, Estimate
from analysis.scaling.ranges import Range
from analysis.scaling.realisation import (
    Adoption,
    Realised,
    Rollout,
    Wave,
    compare,
    plan_rollout,
)
from trials import audit, clock, registry
from trials.errors import Conflict, Invalid, Problem
from trials.store.tables import AdoptionRow, HoldbackRow, RolloutRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutWish:
    """A roll-out to plan: in so many waves from ``starts``, with a share held back as it was."""

    eligible: int
    holdback_share: float
    waves: int
    starts: date
    days_between: int


def set_rollout(session: Session, key: str, wish: RolloutWish, *, actor: str) -> Rollout:
    """Plan a roll-out; the day to measure again follows from how long the effect is taken to last.

    Raises:
        Invalid: nobody is reached, or the holdback is no usable share.
        Conflict: there is no case yet, so the half-life of the effect is not known.
    """
    case = case_of(session, Ask(key=key)).case
    plan = plan_rollout(
        wish.eligible, holdback_share=wish.holdback_share, waves=wish.waves, starts=wish.starts,
        days_between=wish.days_between, half_life_months=case.retest_after_months,
    )  # fmt: skip
    trial_id = registry.row_of(session, key, lock=True).id
    last = session.scalar(
        sa.select(sa.func.max(RolloutRow.number)).where(RolloutRow.trial_id == trial_id)
    )
    session.add(RolloutRow(
        trial_id=trial_id, number=(last or 0) + 1, eligible=wish.eligible,
        held_back=plan.held_back, remeasure_on=plan.remeasure_on, at=clock.now(), actor=actor,
        document={"holdback_share": wish.holdback_share, "waves": [
            {"number": w.number, "starts": w.starts.isoformat(), "units": w.units}
            for w in plan.waves]},
    ))  # fmt: skip
    audit.record(session, "roll-out planned", key, actor=actor, detail={
        "waves": wish.waves, "held_back": plan.held_back,
        "remeasure_on": plan.remeasure_on.isoformat()})  # fmt: skip
    return plan


def rollout(session: Session, key: str) -> Rollout | None:
    """The roll-out as planned last, if any."""
    trial_id = registry.row_of(session, key).id
    row = session.scalar(
        sa.select(RolloutRow)
        .where(RolloutRow.trial_id == trial_id)
        .order_by(RolloutRow.number.desc())
        .limit(1)
    )
    if row is None:
        return None
    waves = tuple(
        Wave(number=w["number"], starts=date.fromisoformat(w["starts"]), units=w["units"])
        for w in row.document["waves"]
    )
    return Rollout(waves=waves, held_back=row.held_back, remeasure_on=row.remeasure_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The effect on the holdback: contacts avoided per 1,000 units, with its standard error."""

    on: date
    estimate: float
    standard_error: float
    source: str


def measure_holdback(session: Session, key: str, found: Measured, *, actor: str) -> None:
    """Keep what the holdback shows beside what the trial claimed, as the claim stands today.

    Raises:
        Invalid: a figure is impossible or has no source.
        Conflict: the trial claims nothing.
    """
    problems = []
    if not math.isfinite(found.estimate):
        problems.append(Problem("effect", "is not a number", "give contacts per 1,000"))
    if not (math.isfinite(found.standard_error) and found.standard_error > 0):
        problems.append(Problem("standard error", "is not more than nothing", "give it"))
    if not found.source.strip():
        problems.append(Problem("source", "is not given", "say where the measurement is"))
    if problems:
        raise Invalid("the holdback", problems)
    claim = _claim(session, key)
    session.add(HoldbackRow(
        trial_id=registry.row_of(session, key).id, on=found.on, estimate=found.estimate / 1000,
        standard_error=found.standard_error / 1000, claim=claim, source=found.source.strip(),
        at=clock.now(), actor=actor,
    ))  # fmt: skip
    audit.record(session, "holdback measured", key, actor=actor, detail={
        "on": found.on.isoformat(), "per_1000": found.estimate})  # fmt: skip


def _claim(session: Session, key: str) -> dict[str, float]:
    """The net effect per unit that the case rests on."""
    record, result = shown_result(session, key)
    contrasts = (result.get("deflection") or {}).get("contrasts", ())
    arm = (result.get("verdict") or {}).get("arm")
    chosen = next((c for c in contrasts if c["arm"] == arm), contrasts[0] if contrasts else None)
    if chosen is None or chosen["net"].get("estimate") is None:
        raise Conflict(f"trial {record.key!r} claims no net deflection", "analyse it first")
    per = float(result["deflection"]["per"])
    return {k: chosen["net"][n] / per
            for k, n in (("median", "estimate"), ("low", "low"), ("high", "high"))}  # fmt: skip


def realised(session: Session, key: str) -> tuple[tuple[date, Realised | Absent], ...]:
    """Every measurement on the holdback beside its claim, the latest first."""
    trial_id = registry.row_of(session, key).id
    rows = session.scalars(
        sa.select(HoldbackRow)
        .where(HoldbackRow.trial_id == trial_id)
        .order_by(HoldbackRow.on.desc(), HoldbackRow.id.desc())
    )
    return tuple((row.on, _compared(row)) for row in rows)


def _compared(row: HoldbackRow) -> Realised | Absent:
    found = Estimate.from_t(row.estimate, row.standard_error, df=None, method=row.source)
    return compare(Range(**row.claim, unit="contacts per unit"), found)


def observe(session: Session, key: str, found: Adoption, *, note: str, actor: str) -> None:
    """Keep how far a change has become ordinary practice; a second count of a day replaces it.

    Raises:
        Invalid: more are reached than eligible, or more as designed than reached.
    """
    if not 0 <= found.delivered_as_designed <= found.reached <= found.eligible:
        says = "as designed ≤ reached ≤ eligible does not hold"
        raise Invalid("the adoption", [Problem("counts", says, "check the three figures")])
    trial_id = registry.row_of(session, key, lock=True).id
    row = session.scalar(
        sa.select(AdoptionRow).where(AdoptionRow.trial_id == trial_id, AdoptionRow.on == found.on)
    ) or AdoptionRow(trial_id=trial_id, on=found.on)
    row.eligible, row.reached = found.eligible, found.reached
    row.as_designed, row.note = found.delivered_as_designed, note.strip()
    row.at, row.actor = clock.now(), actor
    session.add(row)
    audit.record(session, "adoption observed", key, actor=actor, detail={
        "on": found.on.isoformat(), "eligible": found.eligible, "reached": found.reached,
        "as_designed": found.delivered_as_designed})  # fmt: skip


def adoption(session: Session, key: str) -> tuple[Adoption, ...]:
    """Every count of adoption, the earliest first."""
    trial_id = registry.row_of(session, key).id
    rows = session.scalars(
        sa.select(AdoptionRow).where(AdoptionRow.trial_id == trial_id).order_by(AdoptionRow.on)
    )
    return tuple(
        Adoption(on=r.on, eligible=r.eligible, reached=r.reached,
                 delivered_as_designed=r.as_designed)
        for r in rows
    )  # fmt: skip
