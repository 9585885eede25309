"""A paper made in the background: setting type takes seconds, and a dossier more."""

from __future__ import annotations

from typing import Any

from trials.jobs import Job
from trials.store.engine import Store
from web.jobs.handlers import Progress


def make(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Make the paper of ``payload`` (``trial``, ``paper``, ``format``, ``organisation``).

    A second attempt finds the paper that the first one kept.
    """
    from analysis.casework import papers

    wanted = job.payload
    progress("Writing it and setting it", None)
    kept, _ = papers.make(store, papers.Wanted(
        key=wanted["trial"], kind=next(k for k in papers.KINDS if k == wanted["paper"]),
        fmt=next(f for f in papers.FORMATS if f == wanted["format"]), actor=job.actor,
        organisation=wanted["organisation"]))  # fmt: skip
    return {"trial": kept.trial, "paper": kept.id}
