"""The shares of a trial moved in the background."""

from __future__ import annotations

from typing import Any

from trials import registry
from trials.jobs import Job
from trials.online import adaptive
from trials.store.engine import Store
from web.jobs.handlers import Progress


def move(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Move the shares of ``payload["trial"]``; an earlier attempt's are answered, not repeated."""
    from analysis import adapting

    key, actor = job.payload["trial"], f"{job.actor} (job {job.id})"
    with store.read() as session:
        row = registry.row_of(session, key)
        done = next((s for s in adaptive.history(session, row.id) if s.actor == actor), None)
        if done is not None:
            return {"trial": key, "batch": done.number, "shares": done.shares, "why": ""}
    progress("Reading the outcomes known so far", None)
    moved = adapting.move(store, key, actor=actor)
    return {"trial": key, "batch": moved.batch, "shares": moved.shares, "why": moved.why}
