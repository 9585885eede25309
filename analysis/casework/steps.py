"""What happens next in each trial: a step, its owner, its date, and the reminders that went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.scaling.realisation import NextStep, reminder_due
from trials import audit, clock, registry
from trials.errors import Conflict, Invalid, NotFound, Problem, SignpostError
from trials.store.tables import NextStepRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A next step as it is kept: ``version`` guards against rival edits."""

    id: int
    trial: str
    step: NextStep
    remind_on: date | None
    outcome: str
    version: int


def set_step(
    session: Session, key: str, *, what: str, owner: str, due: date, actor: str,
    remind_on: date | None = None,
) -> Step:  # fmt: skip
    """Say what happens next, who does it and by when.

    Raises:
        Invalid: nothing is to be done, nobody does it, or the reminder comes after the date.
    """
    problems = []
    if not what.strip():
        problems.append(Problem("what", "is not given", "say what is to be done"))
    if not owner.strip():
        problems.append(Problem("owner", "is not given", "name one person"))
    if remind_on is not None and remind_on > due:
        problems.append(Problem("reminder", "comes after the date itself", "give an earlier day"))
    if problems:
        raise Invalid("the next step", problems)
    row = NextStepRow(
        trial_id=registry.row_of(session, key).id, what=what.strip(), owner=owner.strip(), due=due,
        remind_on=remind_on, done_on=None, outcome="", reminded={"on": []}, version=1,
        at=clock.now(), actor=actor,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "next step set", key, actor=actor,
                 detail={"what": row.what, "due": due.isoformat()})  # fmt: skip
    return _step(key, row)


def finish_step(
    session: Session, number: int, *, on: date, outcome: str, actor: str,
    version: int | None = None, trial: str | None = None,
) -> Step:  # fmt: skip
    """Say that a step is done, and what came of it; with ``trial``, only a step of that trial.

    Raises:
        NotFound: there is no such step.
        Conflict: it was finished, or changed since it was read.
    """
    row = session.get(NextStepRow, number, with_for_update=True)
    key = None if row is None else session.scalar(
        sa.select(TrialRow.key).where(TrialRow.id == row.trial_id)
    )  # fmt: skip
    if row is None or key is None or (trial is not None and trial != key):
        raise NotFound(f"there is no next step {number}", "see the trial's page")
    if row.done_on is not None or (version is not None and version != row.version):
        raise Conflict("somebody else has changed this step", "read what it says now")
    row.done_on, row.outcome, row.version = on, outcome.strip(), row.version + 1
    audit.record(session, "next step done", key, actor=actor,
                 detail={"what": row.what, "on": on.isoformat(),
                         "outcome": row.outcome})  # fmt: skip
    return _step(key, row)


def steps(session: Session, key: str | None = None) -> tuple[Step, ...]:
    """The steps of a trial, or of all trials: those open first, the soonest first."""
    query = (
        sa.select(TrialRow.key, NextStepRow)
        .join(TrialRow, TrialRow.id == NextStepRow.trial_id)
        .order_by(NextStepRow.done_on.is_not(None), NextStepRow.due, NextStepRow.id)
    )
    if key is not None:
        query = query.where(NextStepRow.trial_id == registry.row_of(session, key).id)
    return tuple(_step(trial, row) for trial, row in session.execute(query).all())


def reminders(session: Session, today: date) -> tuple[tuple[Step, date], ...]:
    """The open steps whose owner is to be reminded today, each with the day it is reminded for."""
    found = []
    for step in steps(session):
        day = reminder_due(step.step, today) or _asked_for(step, today)
        if day is not None:
            found.append((step, day))
    return tuple(found)


def _asked_for(step: Step, today: date) -> date | None:
    """The reminder on a day of the owner's own choosing."""
    day = step.remind_on
    if day is None or step.step.done_on is not None or day > today:
        return None
    return None if any(sent >= day for sent in step.step.reminded_on) else day


def reminded(session: Session, number: int, on: date) -> None:
    """Keep that the owner was reminded, so that it is done once."""
    row = session.get(NextStepRow, number, with_for_update=True)
    if row is None:
        raise SignpostError(f"there is no next step {number}")
    row.reminded = {"on": sorted({*row.reminded["on"], on.isoformat()})}


def overdue(found: Sequence[Step], today: date) -> tuple[Step, ...]:
    """The open steps whose date has passed."""
    return tuple(s for s in found if s.step.done_on is None and s.step.due < today)


def default_due(today: date) -> date:
    """Four weeks from today: what a form proposes."""
    return today + timedelta(weeks=4)


def _step(key: str, row: NextStepRow) -> Step:
    sent = tuple(date.fromisoformat(day) for day in row.reminded["on"])
    return Step(
        id=row.id, trial=key, remind_on=row.remind_on, outcome=row.outcome, version=row.version,
        step=NextStep(what=row.what, owner=row.owner, due=row.due, done_on=row.done_on,
                      reminded_on=sent),
    )  # fmt: skip


def step_json(step: Step) -> dict[str, Any]:
    """A step as data."""
    s = step.step
    return {
        "id": step.id, "trial": step.trial, "what": s.what, "owner": s.owner,
        "due": s.due.isoformat(),
        "remind_on": step.remind_on.isoformat() if step.remind_on else None,
        "done_on": s.done_on.isoformat() if s.done_on else None, "outcome": step.outcome,
    }  # fmt: skip
