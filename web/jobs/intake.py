"""Files taken in by a worker: the very functions that the command line calls.

``payload``: ``file`` (the token of the upload), ``trial`` where the file belongs to one, and if
wanted ``keep_good_rows``, ``source`` (contacts, codings) or ``mapping`` (contacts) and ``format``
(units). The answer is the import's report; the worker deletes the upload once the job is over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trials import enrolment, settings
from trials.contacts import load, second_coding
from trials.contacts import reasons as reason_files
from trials.importing import assignments as assignment_files
from trials.importing import exposures as exposure_files
from trials.importing import outcomes as outcome_files
from trials.importing.ledger import Progress as Rows
from trials.importing.ledger import Report
from trials.jobs import Job
from trials.people.identifiers import Hasher
from trials.plurals import counted
from trials.settings import Settings
from trials.store.engine import Store
from web.jobs import mappings, uploads
from web.jobs.handlers import Progress

MOST_PROBLEMS = 5_000
"""So many refused rows are kept of an import: a page shows the first, a file all of them."""


def units(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Randomise a list of units; one file per arm is laid out to be fetched within a day."""
    here, path = _opened(job, store)
    request = enrolment.Request(
        key=job.payload["trial"], path=path, out=uploads.outbound(here.home, job.id),
        fmt=job.payload.get("format", "csv"), keep_good_rows=_keep(job),
    )  # fmt: skip
    report = enrolment.enrol(store, request, hasher=Hasher(here.identifier_key), actor=job.actor,
                             progress=_rows(progress))  # fmt: skip
    document = _document(job, report)
    return {**document, "files": [Path(name).name for name in document.get("files", [])]}


def assignments(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Take in a trial that was randomised elsewhere."""
    return _of_trial(assignment_files.add, job, store, progress)


def exposures(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Take in when each unit met its arm."""
    return _of_trial(exposure_files.add, job, store, progress)


def outcomes(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Take in outcomes that were measured elsewhere."""
    return _of_trial(outcome_files.add, job, store, progress)


def contacts(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Take in a contact log."""
    here, path = _opened(job, store)
    report = load.add(
        store, path, hasher=Hasher(here.identifier_key), actor=job.actor,
        source=_source(here, job), keep_good_rows=_keep(job), progress=_rows(progress),
    )  # fmt: skip
    return _document(job, report)


def reasons(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Take in what wrap codes mean."""
    _, path = _opened(job, store)
    progress("Reading the file", None)
    return _document(job, reason_files.add(store, path, actor=job.actor))


def codings(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Keep a sample of contacts coded twice, and tell how far the coders agree."""
    _, path = _opened(job, store)
    progress("Reading the file", None)
    source = job.payload.get("source")
    with store.read() as session:
        known = second_coding.categories(session, source)
    pairs = second_coding.read(path, known)
    report = second_coding.keep(store, path, pairs, source=source, actor=job.actor)
    return {**_document(job, report), "agreement": second_coding.agreement(pairs)}


def _of_trial(adder: Any, job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    here, path = _opened(job, store)
    report = adder(
        store, job.payload["trial"], path, hasher=Hasher(here.identifier_key), actor=job.actor,
        keep_good_rows=_keep(job), progress=_rows(progress),
    )  # fmt: skip
    return _document(job, report)


def _opened(job: Job, store: Store) -> tuple[Settings, Path]:
    here = settings.load(database_url=store.url.render_as_string(hide_password=False))
    return here, uploads.path_of(here.home, job.payload["file"])


def _source(here: Settings, job: Job) -> str | None:
    """The system a log is of, or the file of the mapping that its columns were saved under."""
    if name := job.payload.get("mapping"):
        return str(mappings.path_of(here.home, name))
    return job.payload.get("source")


def _keep(job: Job) -> bool:
    return bool(job.payload.get("keep_good_rows"))


def _rows(progress: Progress) -> Rows:
    return lambda rows: progress(f"{counted(rows, 'row')} read", None)


def _document(job: Job, report: Report) -> dict[str, Any]:
    """The report, its list of refused rows cut to what one file of them can hold."""
    document = report.to_json()
    refused = document["problems"]
    return {"trial": job.payload.get("trial"), **document, "problems": refused[:MOST_PROBLEMS],
            "problems_in_all": len(refused)}  # fmt: skip
