"""The queue of work that is too long for a web request.

Truth is one table. A worker takes a job with a single ``UPDATE … RETURNING`` and holds it by a
lease that it must keep renewing; only the present holder may report on it or end it. A worker that
dies lets its lease run out, and another takes the job up again, at most ``ATTEMPTS`` times, so a
job that kills its worker ends as failed instead of killing the next one for ever.

Payloads carry keys and file names of the private folder, never a person's identifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock
from trials.errors import Conflict, NotFound
from trials.store.base import Moment
from trials.store.tables import JobRow
from trials.store.upsert import insert

State = Literal["queued", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ATTEMPTS = 3
LEASE = timedelta(seconds=60)
BACK_OFF = (timedelta(seconds=10), timedelta(minutes=2))
"""How long a job rests after its first and its second failure."""

DIED = "the worker stopped {n} times while it ran this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stood when it was read."""

    id: int
    kind: str
    subject: str
    payload: dict[str, Any]
    state: State
    owner: str | None
    attempts: int
    stage: str
    percent: int | None
    cancelling: bool
    result: dict[str, Any] | None
    error: str | None
    actor: str
    created_at: datetime
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def over(self) -> bool:
        """Nothing more will happen to it."""
        return self.state in {"done", "failed", "cancelled"}


def enqueue(
    session: Session,
    kind: str,
    *,
    payload: Mapping[str, Any],
    subject: str,
    key: str,
    actor: str,
    due_at: datetime | None = None,
) -> int:
    """Ask for a job within the caller's write transaction; answers its number.

    The same ``key`` asks for the same job: a form sent twice, or two clocks that fire together,
    make one. ``subject`` is what the job is about, a trial's key as a rule.
    """
    now = clock.now()
    values = {
        "kind": kind, "subject": subject, "payload": dict(payload), "key": key, "state": "queued",
        "attempts": 0, "stage": "", "cancelling": False, "actor": actor, "created_at": now,
        "due_at": due_at or now,
    }  # fmt: skip
    added: int | None = session.scalar(
        insert(session, JobRow).values(values).on_conflict_do_nothing(index_elements=["key"])
        .returning(JobRow.id)
    )  # fmt: skip
    if added is None:
        added = session.scalar(sa.select(JobRow.id).where(JobRow.key == key))
    assert added is not None
    return added


def keep(
    session: Session, kind: str, *, subject: str, key: str, result: Mapping[str, Any], actor: str
) -> None:
    """Keep what was done at once as a finished job, so that pages find it where they look.

    The same ``key`` keeps the same job, with the result it was first given.
    """
    now = clock.now()
    session.execute(
        insert(session, JobRow)
        .values(kind=kind, subject=subject, payload={"trial": subject}, key=key, state="done",
                attempts=1, stage="Finished", percent=100, cancelling=False, actor=actor,
                created_at=now, due_at=now, started_at=now, finished_at=now, result=dict(result))
        .on_conflict_do_nothing(index_elements=["key"])
    )  # fmt: skip


def claim(session: Session, owner: str, *, lease: timedelta = LEASE) -> Job | None:
    """Take the next job that is due, or whose holder has let its lease run out."""
    now = clock.now()
    _bury(session, now)
    lost = sa.and_(JobRow.state == "running", JobRow.until < now)
    due = sa.and_(JobRow.state == "queued", JobRow.due_at <= now)
    chosen = (
        sa.select(JobRow.id).where(sa.or_(due, lost)).order_by(JobRow.due_at, JobRow.id)
        .limit(1).with_for_update(skip_locked=True)
    )  # fmt: skip
    row = session.execute(
        sa.update(JobRow).where(JobRow.id == chosen.scalar_subquery())
        .values(state="running", owner=owner, until=now + lease, attempts=JobRow.attempts + 1,
                started_at=sa.func.coalesce(JobRow.started_at, now, type_=Moment()),
                stage="Starting", percent=None, error=None)
        .returning(JobRow.id),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    return None if row is None else load(session, row[0])


def _bury(session: Session, now: datetime) -> None:
    """A job that has outlived its holder too often, or that was to be cancelled, is over."""
    lost = sa.and_(JobRow.state == "running", JobRow.until < now)
    session.execute(
        sa.update(JobRow).where(lost, JobRow.attempts >= ATTEMPTS)
        .values(state="failed", error=DIED.format(n=ATTEMPTS), finished_at=now, owner=None,
                until=None),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    session.execute(
        sa.update(JobRow).where(lost, JobRow.cancelling)
        .values(state="cancelled", finished_at=now, owner=None, until=None),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a holder learns when it renews: is the job still its own, is it to stop?"""

    mine: bool
    cancelling: bool = False


def renew(
    session: Session, job: Job, *, stage: str, percent: int | None, lease: timedelta = LEASE
) -> Held:
    """Keep the lease and say how far the work has come; only the present holder may."""
    row = session.execute(
        _mine(job).values(until=clock.now() + lease, stage=stage[:200], percent=percent)
        .returning(JobRow.cancelling),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    return Held(mine=False) if row is None else Held(mine=True, cancelling=bool(row[0]))


def finish(session: Session, job: Job, result: Mapping[str, Any]) -> bool:
    """End a job well; ``False`` where somebody else holds it by now."""
    return _end(session, job, state="done", result=dict(result), stage="Finished", percent=100)


def fail(
    session: Session, job: Job, says: str, *, again: bool, detail: Mapping[str, Any] | None = None
) -> bool:
    """End an attempt badly; with ``again`` the job is tried once more, while it has attempts left.

    ``says`` is a sentence for the person who asked, ``detail`` what else there is to know (every
    line that was refused); ``False`` where somebody else holds the job.
    """
    if not again or job.attempts >= ATTEMPTS:
        result = None if detail is None else dict(detail)
        return _end(session, job, state="failed", error=says, stage="", result=result)
    rest = BACK_OFF[min(job.attempts, len(BACK_OFF)) - 1]
    row = session.execute(
        _mine(job).values(state="queued", owner=None, until=None, error=says, stage="To be retried",
                          percent=None, due_at=clock.now() + rest)
        .returning(JobRow.id),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    return row is not None


def stopped(session: Session, job: Job) -> bool:
    """End a job that was cancelled while it ran; ``False`` where somebody else holds it."""
    return _end(session, job, state="cancelled", stage="")


def give_back(session: Session, job: Job) -> bool:
    """Put a job back as if it had not been begun, because its worker is told to stop."""
    row = session.execute(
        _mine(job).values(state="queued", owner=None, until=None, stage="", percent=None,
                          attempts=JobRow.attempts - 1)
        .returning(JobRow.id),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    return row is not None


def _mine(job: Job) -> sa.Update:
    """The job, if its holder and attempt are still those of ``job``."""
    return sa.update(JobRow).where(
        JobRow.id == job.id, JobRow.state == "running", JobRow.owner == job.owner,
        JobRow.attempts == job.attempts,
    )  # fmt: skip


def _end(session: Session, job: Job, **values: Any) -> bool:
    row = session.execute(
        _mine(job).values(owner=None, until=None, finished_at=clock.now(), **values)
        .returning(JobRow.id),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    return row is not None


def cancel(session: Session, job_id: int) -> Job:
    """Stop a job: at once where it waits, at its holder's next renewal where it runs.

    Raises:
        NotFound: there is no such job.
        Conflict: it is over already.
    """
    session.execute(
        sa.update(JobRow).where(JobRow.id == job_id, JobRow.state == "queued")
        .values(state="cancelled", cancelling=True, finished_at=clock.now()),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    session.execute(
        sa.update(JobRow).where(JobRow.id == job_id, JobRow.state == "running")
        .values(cancelling=True),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    job = load(session, job_id)
    if job.over and not job.cancelling:
        raise Conflict("this work is over already", "look at its page for what came of it")
    return job


def load(session: Session, job_id: int) -> Job:
    """A job as it stands. Raises ``NotFound``."""
    row = session.get(JobRow, job_id, populate_existing=True)
    if row is None:
        raise NotFound(f"there is no job {job_id}", "see the list of jobs")
    return _job(row)


def latest(session: Session, *, subject: str | None = None, limit: int = 100) -> list[Job]:
    """The jobs asked for last, the newest first; of one subject where it is given."""
    query = sa.select(JobRow).order_by(JobRow.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(JobRow.subject == subject)
    return [_job(row) for row in session.scalars(query)]


def counts(session: Session) -> dict[str, int]:
    """How many jobs are in each state."""
    rows = session.execute(sa.select(JobRow.state, sa.func.count()).group_by(JobRow.state))
    return {**dict.fromkeys(STATES, 0), **dict(rows.tuples().all())}


def oldest_wait(session: Session) -> timedelta:
    """How long the job that has waited longest has been due; nought where none waits."""
    due = session.scalar(
        sa.select(sa.func.min(JobRow.due_at)).where(JobRow.state == "queued")
    )  # fmt: skip
    return max(timedelta(0), clock.now() - due) if due else timedelta(0)


def _job(row: JobRow) -> Job:
    names = Job.__dataclass_fields__
    return Job(**{name: getattr(row, name) for name in names})
