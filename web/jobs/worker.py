"""The worker: takes one job after another, watches the process that does it, keeps the lease.

The job runs in a child (:mod:`web.jobs.child`). Here nothing long happens, so the lease is renewed
in time; a job that takes too long, eats too much memory, or is cancelled, costs its child and not
the worker. A worker that finds its lease gone drops the job without a word: it is another's.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from trials import jobs
from trials.errors import SignpostError
from trials.jobs import Job
from trials.settings import Settings
from trials.store.engine import Store
from web.jobs import uploads
from web.jobs.child import Child, Done, Failed, Message, Progressed

_log = logging.getLogger("signpost.worker")
POLL_SECONDS = 1.0
"""How long an idle worker waits before it looks again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a single job may use."""

    seconds: float = 3600
    memory: int = 4 << 30
    lease: timedelta = jobs.LEASE


def name() -> str:
    """This worker's own name: no two are alike."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"


class Worker:
    """One worker of a database."""

    def __init__(
        self, store: Store, settings: Settings, *, limits: Limits | None = None, warm: bool = True
    ) -> None:
        self._store, self._settings = store, settings
        self._limits = limits or Limits()
        self._warm, self.name = warm, name()
        self._child: Child | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; a job under way is then given back."""
        if self._warm:
            self._ready()
        swept = 0.0
        try:
            while not stop.is_set():
                if time.monotonic() - swept > 3600:
                    uploads.sweep(self._settings.home)
                    swept = time.monotonic()
                if not self._one(stop):
                    stop.wait(POLL_SECONDS)
        finally:
            self.close()

    def _one(self, stop: threading.Event) -> bool:
        """One job, if there is one; a database that is away for a while is waited for."""
        try:
            return self.step(stop)
        except SignpostError as failure:
            _log.warning("the worker waits: %s", failure)
            stop.wait(POLL_SECONDS * 5)
            return False

    def step(self, stop: threading.Event | None = None) -> bool:
        """Take and do one job; ``False`` where none is due."""
        with self._store.write() as session:
            job = jobs.claim(session, self.name, lease=self._limits.lease)
        if job is None:
            return False
        _log.info("job %s (%s) begins, attempt %s", job.id, job.kind, job.attempts)
        self._do(job, stop or threading.Event())
        return True

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ready(self) -> Child:
        if self._child is None or not self._child.alive:
            url = self._store.url.render_as_string(hide_password=False)
            self._child = Child(url, warm=self._warm)
        return self._child

    def _do(self, job: Job, stop: threading.Event) -> None:
        """See a job through; where that fails its child goes too, as it may still be at it."""
        try:
            self._watched(job, stop)
        except BaseException:
            self.close()
            raise

    def _watched(self, job: Job, stop: threading.Event) -> None:
        child = self._ready()
        child.give(job)
        watch = _Watch(job=job, limits=self._limits, child=child)
        message: Message | None = None
        while not isinstance(message, Done | Failed):
            if stop.is_set():
                self.close()
                self._settle(job, None)
                return
            message = watch.next()
            if watch.renewal_due and not self._renewed(watch):
                return
        self._settle(job, message)
        if not child.alive or (isinstance(message, Failed) and message.again):
            self.close()

    def _renewed(self, watch: _Watch) -> bool:
        """Keep the lease; ``False`` where the job was cancelled or is another's by now."""
        with self._store.write() as session:
            held = jobs.renew(session, watch.job, stage=watch.stage, percent=watch.percent,
                              lease=self._limits.lease)  # fmt: skip
            if held.mine and held.cancelling:
                jobs.stopped(session, watch.job)
        watch.renewed()
        if held.mine and not held.cancelling:
            return True
        self.close()
        if held.mine:
            self._tidy(watch.job)
        return False

    def _settle(self, job: Job, message: Done | Failed | None) -> None:
        with self._store.write() as session:
            if message is None:
                jobs.give_back(session, job)
            elif isinstance(message, Done):
                jobs.finish(session, job, message.result)
            else:
                jobs.fail(session, job, message.says, again=message.again, detail=message.detail)
            over = jobs.load(session, job.id).over
        if over:
            self._tidy(job)

    def _tidy(self, job: Job) -> None:
        """The uploaded file has served its purpose."""
        if token := job.payload.get("file"):
            uploads.drop(self._settings.home, str(token))


class _Watch:
    """What is known of a job under way, and when it has had enough."""

    def __init__(self, *, job: Job, limits: Limits, child: Child) -> None:
        self.job, self._limits, self._child = job, limits, child
        self.stage = "Starting"
        self.percent: int | None = None
        self._began = self._renewed = time.monotonic()
        self._changed = True

    def next(self) -> Message | None:
        """The next word from the child, or what its silence amounts to."""
        message = self._child.heard(0.2)
        if isinstance(message, Progressed):
            self._changed = True
            self.stage, self.percent = message.stage, message.percent
        if isinstance(message, Done | Failed):
            return message
        return self._overdone() or message

    def _overdone(self) -> Failed | None:
        if time.monotonic() - self._began > self._limits.seconds:
            self._child.end()
            minutes = f"{self._limits.seconds / 60:,.3g}"
            return Failed(says=f"it took longer than the {minutes} minutes that a job may take",
                          again=False)  # fmt: skip
        if self._child.memory() > self._limits.memory:
            self._child.end()
            most = f"{self._limits.memory >> 20:,} MB"
            return Failed(says=f"it needed more than the {most} of memory that a job may use",
                          again=False)  # fmt: skip
        if not self._child.alive:
            return Failed(says="the process that ran it stopped", again=True)
        return None

    @property
    def renewal_due(self) -> bool:
        """At most once a second where there is news, else at a third of the lease."""
        since = time.monotonic() - self._renewed
        return since > self._limits.lease.total_seconds() / 3 or (since > 1 and (
            self._changed or since > 2))  # fmt: skip

    def renewed(self) -> None:
        """The lease has been renewed now."""
        self._renewed, self._changed = time.monotonic(), False
