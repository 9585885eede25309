"""What the pages and the API read: trials, their records, their latest results.

One door for both, so that no view knows of sessions, and a test can hand in another.
"""

from __future__ import annotations

from typing import Any, Protocol

from analysis.report.withhold import withheld
from trials import registry
from trials.errors import SignpostError
from trials.registry import TrialRecord, TrialSummary
from trials.store import migrate
from trials.store.engine import Store


class Catalogue(Protocol):
    """Everything that a page about trials needs."""

    def summaries(self) -> list[TrialSummary]:
        """Every trial, the latest first."""
        ...

    def record(self, key: str) -> TrialRecord:
        """All that is kept of one trial. Raises ``NotFound``."""
        ...

    def result(self, key: str) -> dict[str, Any] | None:
        """The latest result of a trial, if any, as it may be shown. Raises ``NotFound``."""
        ...

    def troubles(self) -> list[str]:
        """Why the service is not ready; empty when it is."""
        ...


class StoreCatalogue:
    """The catalogue of a database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def summaries(self) -> list[TrialSummary]:
        """Every trial, the latest first."""
        with self._store.read() as session:
            return registry.summaries(session)

    def record(self, key: str) -> TrialRecord:
        """All that is kept of one trial. Raises ``NotFound``."""
        with self._store.read() as session:
            return registry.load(session, key)

    def result(self, key: str) -> dict[str, Any] | None:
        """The latest result of a trial, if any, as it may be shown. Raises ``NotFound``."""
        with self._store.read() as session:
            found = registry.latest_result(session, key)
        return None if found is None else withheld(found)

    def troubles(self) -> list[str]:
        """Why the service is not ready; empty when it is."""
        try:
            at, head = migrate.current(self._store), migrate.head()
        except SignpostError as failure:
            return [failure.says]
        except Exception as failure:  # noqa: BLE001 - whatever went wrong, the answer is "not ready"
            return [f"the database cannot be reached ({type(failure).__name__})"]
        return [] if at == head else [f"the schema is at {at or 'nothing'} and not at {head}"]
