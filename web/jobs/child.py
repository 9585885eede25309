"""The process in which a worker's jobs run, so that one that hangs or eats memory can be ended.

It is spawned (never forked, which copies locks that other threads hold), opens its own database,
and is kept warm between jobs: PyMC is loaded once. It dies with its parent.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from trials.errors import Invalid, SignpostError, Unavailable
from trials.jobs import Job
from trials.store.engine import Store
from web import logs
from web.jobs.handlers import HANDLERS, handler

_log = logging.getLogger("signpost.worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """How far a job has come."""

    stage: str
    percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job that ended well, and what it answers."""

    result: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A job that ended badly. ``again`` says that another attempt may do better."""

    says: str
    again: bool
    detail: dict[str, Any] | None = None


Message = Progressed | Done | Failed


class Child:
    """One such process, and the pipe to it."""

    def __init__(self, url: str, *, warm: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(
            target=_serve, args=(theirs, url, warm), daemon=True, name="signpost-job"
        )
        self._process.start()
        theirs.close()

    @property
    def alive(self) -> bool:
        """Whether it can still answer."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    def give(self, job: Job) -> None:
        """Hand it a job; one at a time."""
        self._pipe.send((job, HANDLERS.get(job.kind)))

    def heard(self, seconds: float) -> Message | None:
        """The next thing it says; ``None`` when it says nothing for so long, or has died."""
        try:
            return self._pipe.recv() if self._pipe.poll(seconds) else None
        except (EOFError, OSError):
            self._process.join(1)
            return None

    def memory(self) -> int:
        """Bytes of memory it holds; 0 where the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        except (OSError, ValueError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._pipe.close()
        self._process.terminate()
        self._process.join(2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(pipe: Connection, url: str, warm: bool) -> None:  # noqa: FBT001 - spawned by position
    """Take jobs from the pipe until it closes."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    logs.begin()
    store = Store.open(url)
    if warm:
        _warm()
    while True:
        try:
            job, place = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_run(job, place, store, pipe))


def _warm() -> None:
    """Load what an analysis needs, so that the first one need not wait for it."""
    from analysis.bayesian.loading import without_numba

    without_numba()
    import pymc  # noqa: F401 - loaded for those that come after

    from analysis import study  # noqa: F401 - the same


def _run(job: Job, place: str | None, store: Store, pipe: Connection) -> Message:
    try:
        result = handler(place, job.kind)(
            job, store, lambda stage, percent: pipe.send(Progressed(stage=stage, percent=percent))
        )
        return Done(result=result)
    except SignpostError as refused:
        return _refusal(refused)
    except MemoryError:
        return Failed(says="it needed more memory than there is", again=False)
    except Exception as failure:  # noqa: BLE001 - whatever it was, the worker goes on
        # The trace names places in the program; the message could quote somebody's data.
        kind = type(failure).__name__
        where = "".join(traceback.format_list(traceback.extract_tb(failure.__traceback__)))
        _log.error("job %s (%s) failed with %s\n%s", job.id, job.kind, kind, where)
        return Failed(says=f"something unexpected went wrong ({kind})", again=True)


def _refusal(refused: SignpostError) -> Failed:
    """What was refused stays refused; a database that was busy or away may be there next time."""
    again = isinstance(refused, Unavailable) or isinstance(
        refused.__cause__, sa.exc.OperationalError
    )
    detail = None
    if isinstance(refused, Invalid):
        detail = {"problems_in_all": len(refused.problems), "problems": [
            {"line": p.line, "place": p.place, "says": p.says, "remedy": p.remedy}
            for p in refused.problems[:5_000]
        ]}  # fmt: skip
    return Failed(says=str(refused), again=again, detail=detail)
