"""What is past its time, removed in the background."""

from __future__ import annotations

from typing import Any

from trials import settings
from trials.jobs import Job
from trials.people import retention
from trials.people.identifiers import Hasher
from trials.store.engine import Store
from web.jobs.handlers import Progress


def apply(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Apply the council's rule of retention; a second time finds nothing left to remove."""
    here = settings.load(database_url=store.url.render_as_string(hide_password=False))
    progress("Removing what is past its time", None)
    done = retention.run(
        store, hasher=Hasher(here.identifier_key), trial_days=here.retention_days,
        contact_days=here.contact_days, actor=f"{job.actor} (job {job.id})",
    )  # fmt: skip
    return done.to_json()
