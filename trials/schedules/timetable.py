"""At what time and on which days a trial's analyses run; anybody who runs it may change that."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from trials import audit, clock, registry
from trials.errors import Conflict, SignpostError
from trials.schedules.rules import DAYS, Days, time_of_day
from trials.store.tables import TimetableRow

USUAL_AT = "07:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When a trial's analyses run. Version 0 is the usual one, which nobody has changed."""

    at: str = USUAL_AT
    days: Days = "working-days"
    paused: bool = False
    version: int = 0


def of(session: Session, trial_id: int) -> Timetable:
    """A trial's timetable."""
    row = session.get(TimetableRow, trial_id)
    if row is None:
        return Timetable()
    days: Days = "every-day" if row.days == "every-day" else "working-days"
    return Timetable(at=row.at, days=days, paused=row.paused, version=row.version)


def change(session: Session, key: str, wanted: Timetable, *, actor: str) -> Timetable:
    """Put ``wanted`` in place of version ``wanted.version``.

    Raises:
        SignpostError: the time cannot be used.
        Conflict: somebody else changed it first.
    """
    time_of_day(wanted.at)
    if wanted.days not in DAYS:
        raise SignpostError("the days are not known", "choose working days or every day")
    trial = registry.row_of(session, key, lock=True)
    before = of(session, trial.id)
    if before.version != wanted.version:
        raise Conflict("somebody else has changed the timetable meanwhile", "look at it again")
    row = session.get(TimetableRow, trial.id) or TimetableRow(trial_id=trial.id)
    row.at, row.days, row.paused = wanted.at, wanted.days, wanted.paused
    row.version, row.updated_at, row.updated_by = before.version + 1, clock.now(), actor
    session.add(row)
    audit.record(session, "timetable changed", key, actor=actor, detail={
        "at": row.at, "days": row.days, "paused": row.paused})  # fmt: skip
    return of(session, trial.id)
