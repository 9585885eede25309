"""The ledger of files taken in, and the report that each import gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import Problem
from trials.store.tables import ImportRow

Progress = Callable[[int], None]
BATCH = 20_000


def silent(_rows: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an import did. ``repeated`` means that the very same file had been taken before."""

    kind: str
    file: str
    rows: int
    added: int = 0
    unchanged: int = 0
    corrected: int = 0
    refused: int = 0
    repeated: bool = False
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the command line's ``--json`` gives it."""
        return {
            "kind": self.kind, "file": self.file, "rows": self.rows, "added": self.added,
            "unchanged": self.unchanged, "corrected": self.corrected, "refused": self.refused,
            "repeated": self.repeated, "notes": list(self.notes),
            "problems": [
                {"line": p.line, "says": p.says, "remedy": p.remedy} for p in self.problems
            ],
            **self.detail,
        }  # fmt: skip


def seen_before(
    session: Session, *, trial_id: int | None, kind: str, fingerprint: str
) -> ImportRow | None:
    """The earlier import of the very same bytes, if they were all taken."""
    return session.scalar(
        sa.select(ImportRow)
        .where(ImportRow.kind == kind, ImportRow.fingerprint == fingerprint)
        .where(ImportRow.trial_id == trial_id, ImportRow.refused == 0)
        .limit(1)
    )


def repeated(earlier: ImportRow, file: str) -> Report:
    """The report on a file that had been taken before: nothing changed."""
    day = clock.london(earlier.at).strftime("%d %B %Y at %H:%M").lstrip("0")
    return Report(
        kind=earlier.kind, file=file, rows=earlier.rows, unchanged=earlier.rows, repeated=True,
        notes=(f"this very file was imported on {day}; nothing changed",),
    )  # fmt: skip


def begin(session: Session, *, kind: str, fingerprint: str, actor: str) -> ImportRow:
    """The ledger's row of an import under way, so that rows can carry its number at once.

    It becomes visible with the rest of the transaction; :func:`enter` completes it.
    """
    row = ImportRow(
        kind=kind, fingerprint=fingerprint, rows=0, added=0, unchanged=0, corrected=0, refused=0,
        detail={}, at=clock.now(), actor=actor,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def enter(
    session: Session, report: Report, *, trial_id: int | None, subject: str, fingerprint: str,
    actor: str, row: ImportRow | None = None,
) -> ImportRow:  # fmt: skip
    """Write the import into the ledger and the audit log, within its own transaction.

    ``row`` is what :func:`begin` gave, where the import began with it.
    """
    if row is None:
        row = begin(session, kind=report.kind, fingerprint=fingerprint, actor=actor)
    row.trial_id = trial_id
    row.rows, row.added, row.unchanged = report.rows, report.added, report.unchanged
    row.corrected, row.refused = report.corrected, report.refused
    row.detail = dict(report.detail)
    session.flush()
    audit.record(session, f"{report.kind} imported", subject, actor=actor, detail={
        "rows": report.rows, "added": report.added, "corrected": report.corrected,
        "refused": report.refused, "fingerprint": fingerprint})  # fmt: skip
    return row
