"""A trial's plan run in the background."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from trials import clock, jobs, registry
from trials.jobs import Job
from trials.store.engine import Store
from trials.store.tables import RunRow
from web.jobs.handlers import Progress


def analyse(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Run the plan of ``payload["trial"]`` and store the run.

    ``payload``: ``trial``, and if wanted ``school``, ``cutoff`` (ISO 8601; else the moment the job
    was asked for) and ``seed``. A run that an earlier attempt has stored is answered, not repeated.
    """
    from analysis import health as counting
    from analysis import study

    wanted = job.payload
    cutoff = datetime.fromisoformat(wanted["cutoff"]) if wanted.get("cutoff") else job.created_at
    order = study.Order(
        key=wanted["trial"], school=wanted.get("school", "both"), cutoff=cutoff,
        seed=int(wanted.get("seed", 1)), actor=f"{job.actor} (job {job.id})",
    )  # fmt: skip
    if (done := _earlier(store, order)) is not None:
        return done
    progress("Reading the log and computing", None)
    result = study.analyse(
        store, order, lambda stage, share: progress(f"Sampling {stage}", int(100 * share))
    )
    _tell(store, order.key, result["run"]["id"])
    progress("Counting", None)
    found = counting.take(store, order.key)
    return {"trial": order.key, "run": result["run"]["id"], "health": found}


def _tell(store: Store, key: str, run: int) -> None:
    """Have whatever of the run cannot wait told to those who look after the trial."""
    with store.write() as session:
        jobs.enqueue(session, "mail", payload={"occasion": "alert", "trial": key}, subject=key,
                     key=f"alert/{key}/{run}", actor="the clock")  # fmt: skip


def health(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Count how ``payload["trial"]`` fares; the answer is what its health page shows."""
    from analysis import health as counting

    progress("Counting", None)
    return {"trial": job.payload["trial"], "health": counting.take(store, job.payload["trial"])}


def _earlier(store: Store, order: Any) -> dict[str, Any] | None:
    """What an attempt stored whose worker died before it could say so."""
    with store.read() as session:
        found = session.scalar(
            sa.select(RunRow.id).where(
                RunRow.trial_id == registry.row_of(session, order.key).id,
                RunRow.actor == order.actor, RunRow.cutoff == clock.epoch(order.cutoff),
            )
        )  # fmt: skip
    if found is None:
        return None
    _tell(store, order.key, found)
    return {"trial": order.key, "run": found}
