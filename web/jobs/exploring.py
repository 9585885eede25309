"""A question outside the plan, answered in the background."""

from __future__ import annotations

from typing import Any

from trials.jobs import Job
from trials.store.engine import Store
from web.jobs.handlers import Progress


def explore(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Answer ``payload["measure"]`` by ``payload["segment"]`` for ``payload["trial"]``."""
    from analysis import exploring

    wanted = job.payload
    progress("Reading the log and computing", None)
    place = exploring.explore(store, exploring.Order(
        key=wanted["trial"], measure=wanted["measure"], segment=wanted["segment"], actor=job.actor,
    ))  # fmt: skip
    return {"trial": wanted["trial"], "question": place}
