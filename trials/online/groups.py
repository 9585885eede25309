"""Group commit: callers who arrive while a commit is under way share the next one.

Whoever comes first works for all who wait; nobody is answered before what they sent is on the disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


@dataclass(slots=True)
class _Waiting(Generic[Job, Done]):
    job: Job
    done: Done | None = None
    failed: BaseException | None = None
    over: bool = False


class Group(Generic[Job, Done]):
    """Runs ``work`` on whatever jobs have gathered; one run at a time.

    ``work`` takes jobs in the order of their arrival and answers one result for each, after all of
    them are durable; what it raises is raised to every caller of that run.
    """

    def __init__(self, work: Callable[[Sequence[Job]], Sequence[Done]], *, most: int = 100) -> None:
        self._work, self._most = work, most
        self._waiting: list[_Waiting[Job, Done]] = []
        self._gather, self._turn = threading.Lock(), threading.Lock()

    def do(self, job: Job) -> Done:
        """Have ``job`` done, perhaps with others; answers when it is."""
        mine: _Waiting[Job, Done] = _Waiting(job)
        with self._gather:
            self._waiting.append(mine)
        with self._turn:
            while not mine.over:
                self._run()
        if mine.failed is not None:
            raise mine.failed
        assert mine.done is not None
        return mine.done

    def _run(self) -> None:
        with self._gather:
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            results = self._work([waiting.job for waiting in some])
            for waiting, result in zip(some, results, strict=True):
                waiting.done = result
        except Exception as failure:  # noqa: BLE001 - raised again to each caller of this run
            for waiting in some:
                waiting.failed = failure
        finally:
            for waiting in some:
                waiting.over = True
