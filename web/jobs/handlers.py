"""What a worker can do: a kind of job and the function that does it.

A handler gets the job, the open database and a way to say how far it has come; it answers a JSON
document without personal data. It runs in the worker's own process, never in a web process, so it
may load PyMC. Doing the same job twice must be harmless: a worker may die after the work is stored
and before it is noted. Handlers are named, not imported, so that a web page can list the kinds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

from trials.errors import NotFound
from trials.jobs import Job
from trials.store.engine import Store

Progress: TypeAlias = Callable[[str, int | None], None]
"""Told a stage in words and, where it is known, the percentage done."""

Handler: TypeAlias = Callable[[Job, Store, Progress], dict[str, Any]]

HANDLERS = {
    "analyse": "web.jobs.analysing:analyse",
    "health": "web.jobs.analysing:health",
    "explore": "web.jobs.exploring:explore",
    "import-units": "web.jobs.intake:units",
    "import-assignments": "web.jobs.intake:assignments",
    "import-exposures": "web.jobs.intake:exposures",
    "import-outcomes": "web.jobs.intake:outcomes",
    "import-contacts": "web.jobs.intake:contacts",
    "import-reasons": "web.jobs.intake:reasons",
    "import-codings": "web.jobs.intake:codings",
    "move-shares": "web.jobs.shares:move",
    "make-paper": "web.jobs.papers:make",
    "mail": "web.jobs.mails:handle",
    "retention": "web.jobs.keeping:apply",
}

TITLES = {
    "analyse": "Analysis",
    "health": "Health check",
    "explore": "Question outside the plan",
    "import-units": "Units from a file",
    "import-assignments": "Assignments from a file",
    "import-exposures": "Exposures from a file",
    "import-outcomes": "Outcomes from a file",
    "import-contacts": "Contacts from a file",
    "import-reasons": "Wrap codes and their reasons from a file",
    "import-codings": "Sample of contacts coded twice",
    "move-shares": "Shares of the versions moved",
    "make-paper": "Paper",
    "mail": "Mails",
    "retention": "Removal of what is past its time",
}


def handler(place: str | None, kind: str) -> Handler:
    """The function at ``place`` (``module:name``). Raises ``NotFound`` where there is none."""
    if place is None:
        raise NotFound(f"this version does not know jobs of the kind {kind!r}",
                       "bring every worker to the same version")  # fmt: skip
    module, name = place.split(":")
    found: Handler = getattr(importlib.import_module(module), name)
    return found


def title(kind: str) -> str:
    """A kind of job in words."""
    return TITLES.get(kind, kind.replace("-", " ").capitalize())
