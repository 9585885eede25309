"""The book of what is due: kept in step with what is wanted, and fired from, once an occasion.

Each occasion is one row, unique by schedule and moment, written in the same transaction as the job
that it asks for. So it matters to nobody how often, or by how many clocks, the alarm rings: the
second ring finds the row. After an outage only the latest occasion is run; the others are on
record as missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock, jobs
from trials.schedules.rules import Rule, following, moments
from trials.store.tables import JobRow, ScheduleRow, ScheduleRunRow, TrialRow
from trials.store.upsert import insert

State = Literal["fired", "missed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A schedule as it should be."""

    key: str
    kind: str
    rule: Rule
    trial_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An occasion that has come."""

    schedule_id: int
    key: str
    kind: str
    trial: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """The job that an occasion asks for, or why it asks for none."""

    kind: str = ""
    payload: Mapping[str, Any] | None = None
    subject: str = ""
    skip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One occasion as it is shown: when it was due, when it fired, and what became of its job."""

    key: str
    kind: str
    trial: str | None
    due_at: datetime
    fired_at: datetime
    state: State
    why: str
    job: jobs.Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """What is due next."""

    key: str
    kind: str
    trial: str | None
    at: datetime


def sync(session: Session, wanted: list[Wanted], *, of_trial: int | None = None) -> int:
    """Make the book say what is wanted; answers how many schedules changed.

    With ``of_trial`` only that trial's schedules are looked at. A schedule that is no longer wanted
    keeps its row and its history and is never due again.
    """
    query = sa.select(ScheduleRow)
    if of_trial is not None:
        query = query.where(ScheduleRow.trial_id == of_trial)
    rows = {row.key: row for row in session.scalars(query)}
    changed = sum(_put(session, rows.pop(one.key, None), one) for one in wanted)
    for row in rows.values():
        if row.next_at is not None:
            row.next_at = None
            changed += 1
    return changed


def _put(session: Session, row: ScheduleRow | None, wanted: Wanted) -> bool:
    now, rule = clock.now(), wanted.rule.to_json()
    if row is None:
        values = {"key": wanted.key, "kind": wanted.kind, "trial_id": wanted.trial_id,
                  "rule": rule, "since": now, "next_at": following(wanted.rule, now)}  # fmt: skip
        session.execute(insert(session, ScheduleRow).values(values)
                        .on_conflict_do_nothing(index_elements=["key"]))  # fmt: skip
        return True
    if row.rule == rule and row.next_at is not None:
        return False
    since = _done(session, row) if wanted.rule.every == "once" else now
    after = following(wanted.rule, since)
    if row.rule == rule and after is None:
        return False
    row.rule, row.next_at = rule, after
    return True


def _done(session: Session, row: ScheduleRow) -> datetime:
    """Up to when the schedule has been seen to."""
    last = session.scalar(
        sa.select(sa.func.max(ScheduleRunRow.due_at, type_=ScheduleRunRow.due_at.type))
        .where(ScheduleRunRow.schedule_id == row.id)
    )  # fmt: skip
    return max(last, row.since) if last else row.since


def due(session: Session) -> list[int]:
    """The schedules whose time has come."""
    now = clock.now()
    return list(session.scalars(
        sa.select(ScheduleRow.id).where(ScheduleRow.next_at <= now).order_by(ScheduleRow.next_at)
    ))  # fmt: skip


def fire(session: Session, schedule_id: int, ask: Callable[[Session, Due], Ask]) -> int | None:
    """Run what a schedule has due: its latest moment; earlier ones are noted as missed.

    ``ask`` says which job the occasion asks for. Answers the job's number; ``None`` where nothing
    was due, the occasion was skipped, or another clock had fired it.
    """
    row = session.scalar(
        sa.select(ScheduleRow).where(ScheduleRow.id == schedule_id).with_for_update()
        .execution_options(populate_existing=True)
    )  # fmt: skip
    now = clock.now()
    if row is None or row.next_at is None or row.next_at > now:
        return None
    rule = Rule.from_json(row.rule)
    came = [row.next_at, *moments(rule, row.next_at, now)]
    row.next_at = following(rule, now)
    for missed in came[:-1]:
        _note(session, row.id, missed, state="missed", why="the clock was not running")
    return _fire_one(session, row, came[-1], ask)


def _fire_one(
    session: Session, row: ScheduleRow, at: datetime, ask: Callable[[Session, Due], Ask]
) -> int | None:
    trial = session.scalar(sa.select(TrialRow.key).where(TrialRow.id == row.trial_id))
    wanted = ask(session, Due(schedule_id=row.id, key=row.key, kind=row.kind, trial=trial, at=at))
    if wanted.payload is None:
        _note(session, row.id, at, state="skipped", why=wanted.skip)
        return None
    run = _note(session, row.id, at, state="fired", why="")
    if run is None:
        return None
    job = jobs.enqueue(session, wanted.kind, payload=wanted.payload, subject=wanted.subject,
                       key=f"schedule/{row.key}/{at.isoformat()}", actor="clock")  # fmt: skip
    session.execute(sa.update(ScheduleRunRow).where(ScheduleRunRow.id == run).values(job_id=job))
    return job


def _note(
    session: Session, schedule_id: int, at: datetime, *, state: State, why: str
) -> int | None:
    """Write an occasion down; ``None`` where it has been written down before."""
    values = {"schedule_id": schedule_id, "due_at": at, "fired_at": clock.now(), "state": state,
              "why": why}  # fmt: skip
    number: int | None = session.scalar(
        insert(session, ScheduleRunRow).values(values)
        .on_conflict_do_nothing(index_elements=["schedule_id", "due_at"])
        .returning(ScheduleRunRow.id)
    )  # fmt: skip
    return number


def occasions(session: Session, *, trial: str | None = None, limit: int = 100) -> list[Occasion]:
    """What has come and what became of it, the latest first."""
    query = (
        sa.select(ScheduleRunRow, ScheduleRow, TrialRow.key, JobRow.id)
        .join(ScheduleRow, ScheduleRow.id == ScheduleRunRow.schedule_id)
        .outerjoin(TrialRow, TrialRow.id == ScheduleRow.trial_id)
        .outerjoin(JobRow, JobRow.id == ScheduleRunRow.job_id)
        .order_by(ScheduleRunRow.due_at.desc(), ScheduleRunRow.id.desc()).limit(limit)
    )  # fmt: skip
    if trial is not None:
        query = query.where(TrialRow.key == trial)
    return [
        Occasion(key=schedule.key, kind=schedule.kind, trial=key, due_at=run.due_at,
                 fired_at=run.fired_at, state=cast("State", run.state), why=run.why,
                 job=jobs.load(session, job) if job else None)
        for run, schedule, key, job in session.execute(query)
    ]  # fmt: skip


def alarms(session: Session) -> dict[int, datetime]:
    """When each schedule that is still due is due next, by its number."""
    query = sa.select(ScheduleRow.id, ScheduleRow.next_at)
    rows = session.execute(query.where(ScheduleRow.next_at.is_not(None)))
    return {number: at for number, at in rows if at is not None}


def coming(session: Session, *, trial: str | None = None) -> list[Coming]:
    """What is due next, the soonest first."""
    query = (
        sa.select(ScheduleRow, TrialRow.key)
        .outerjoin(TrialRow, TrialRow.id == ScheduleRow.trial_id)
        .where(ScheduleRow.next_at.is_not(None)).order_by(ScheduleRow.next_at, ScheduleRow.key)
    )  # fmt: skip
    if trial is not None:
        query = query.where(TrialRow.key == trial)
    return [Coming(key=row.key, kind=row.kind, trial=key, at=row.next_at)
            for row, key in session.execute(query) if row.next_at is not None]  # fmt: skip
