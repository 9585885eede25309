"""The clock: APScheduler rings, the book decides.

Any number of clocks may be started; the one that has the lease ``clock`` is active, the others
wait for it to run out. The active one keeps an alarm in APScheduler's store for each schedule's
next moment and looks at the book every few seconds besides, so that neither a lost alarm nor one
that rings twice does harm. Before it fires anything it makes sure, in the same transaction, that
it still has the lease.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from trials import clock as present
from trials import leases
from trials.errors import SignpostError
from trials.schedules import book
from trials.store.engine import Store
from web.jobs import derived
from web.jobs.worker import name

_log = logging.getLogger("signpost.clock")
LEASE = "clock"
LENGTH = timedelta(seconds=30)
LOOK_SECONDS = 15
SYNC_SECONDS = 60

_active: Clock | None = None


def ring(schedule_id: int) -> None:
    """What an alarm calls; an alarm left by a dead clock finds the living one."""
    if _active is not None:
        _active.fire(schedule_id)


def tick(store: Store, owner: str | None = None) -> list[int]:
    """Fire everything that is due; answers the jobs asked for.

    With ``owner``, only while that owner has the lease.
    """
    with store.read() as session:
        found = book.due(session)
    fired = [fire(store, number, owner) for number in found]
    return [job for job in fired if job is not None]


def fire(store: Store, schedule_id: int, owner: str | None) -> int | None:
    """Fire one schedule, if it is due and the lease is still ours."""
    with store.write() as session:
        if owner is not None and not leases.held(session, LEASE, owner):
            return None
        return book.fire(session, schedule_id, derived.ask)


def sync(store: Store) -> int:
    """Bring the book into step with the trials' plans."""
    with store.write() as session:
        return book.sync(session, derived.wanted(session))


class Clock:
    """One clock of a database, active or waiting."""

    def __init__(self, store: Store, *, length: timedelta = LENGTH) -> None:
        self._store, self._length = store, length
        self.name = name()
        self._scheduler: Any = None
        self._alarms: dict[int, datetime] = {}
        self._synced: datetime | None = None

    def run(self, stop: threading.Event) -> None:
        """Be active whenever the lease can be had, until told to stop."""
        try:
            while not stop.is_set():
                self.step()
                stop.wait(self._length.total_seconds() / 3)
        finally:
            self._stand_down()
            self._give_up()

    def step(self) -> bool:
        """Renew or try to take the lease, and act on it; whether this clock is active."""
        try:
            with self._store.write() as session:
                mine = leases.take(session, LEASE, self.name, length=self._length)
        except SignpostError as failure:
            _log.warning("the clock stands down: %s", failure)
            mine = False
        if mine and self._scheduler is None:
            self._stand_up()
        elif not mine and self._scheduler is not None:
            self._stand_down()
        return mine

    def fire(self, schedule_id: int) -> None:
        """Fire one schedule and set its next alarm."""
        fire(self._store, schedule_id, self.name)
        self._set_alarms()

    def look(self) -> None:
        """Bring the book up to date, fire what is due, set the alarms."""
        try:
            now = present.now()
            if self._synced is None or now - self._synced >= timedelta(seconds=SYNC_SECONDS):
                sync(self._store)
                self._synced = now
            tick(self._store, self.name)
            self._set_alarms()
        except SignpostError as failure:
            _log.warning("the clock looks again later: %s", failure)

    def _stand_up(self) -> None:
        global _active
        _log.info("this clock is active")
        self._scheduler = _scheduler(self._store)
        self._alarms, self._synced, _active = {}, None, self
        self._scheduler.start()
        self._scheduler.add_job(self.look, "interval", seconds=LOOK_SECONDS, jobstore="memory",
                                next_run_time=present.now())  # fmt: skip

    def _stand_down(self) -> None:
        global _active  # noqa: PLW0603 - the same
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None:
            _log.info("this clock is no longer active")
            # It would wait with its own lock held, which a look under way needs to come to its end.
            scheduler.shutdown(wait=False)
        if _active is self:
            _active = None

    def _give_up(self) -> None:
        try:
            with self._store.write() as session:
                leases.give_up(session, LEASE, self.name)
        except SignpostError as failure:
            _log.warning("the lease runs out by itself: %s", failure)

    def _set_alarms(self) -> None:
        """One alarm a schedule, at its next moment; those of others that are gone are removed."""
        scheduler = self._scheduler
        if scheduler is None:  # it has stood down meanwhile
            return
        with self._store.read() as session:
            wanted = book.alarms(session)
        for number, at in wanted.items():
            if self._alarms.get(number) != at:
                scheduler.add_job(
                    "web.jobs.clock:ring", "date", run_date=at, args=[number],
                    id=f"schedule-{number}", replace_existing=True,
                )  # fmt: skip
        for job in scheduler.get_jobs("default"):
            if int(job.id.split("-")[1]) not in wanted:
                scheduler.remove_job(job.id, "default")
        self._alarms = wanted


def _scheduler(store: Store) -> Any:
    """APScheduler with its jobs in our database. A late alarm still rings, and rings once."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.jobstores.memory import MemoryJobStore
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    engine = store.engine.execution_options(signpost_write=True)
    return BackgroundScheduler(
        jobstores={"default": SQLAlchemyJobStore(engine=engine), "memory": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone=present.LONDON,
    )
