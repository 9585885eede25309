"""The first rows of an upload, with everything that could name a person masked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from trials import files
from trials.contacts import mapping
from trials.contacts.cells import fold
from trials.contacts.mapping import ColumnMapping
from trials.contacts.reading import opened, sheet
from trials.contacts.record import Refused
from trials.contacts.rows import FIELDS
from trials.contacts.sources import identify
from trials.contacts.sources.common import starts_like_json
from trials.definition.model import Trial
from trials.people.identifiers import KINDS

ROWS = 5
_LONGEST = 60
_PLAIN = {
    "units": (),
    "assignments": ("arm", "assigned_at"),
    "exposures": ("exposed_at", "arm"),
    "outcomes": ("metric", "value", "observed_at"),
    "codings": ("first", "second", "arm"),
}
_NAMING = frozenset({"contact_id", "unit", *KINDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The header and the first rows; ``source`` is the system a contact log is known to be of.

    ``masked`` says whether anything is hidden; a file that is no table has no columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    masked: bool
    source: str | None = None


def of_file(path: Path, kind: str, trial: Trial) -> Preview:
    """The preview of a file about units. Raises ``Invalid`` where it cannot be read."""
    with files.open_table(path) as table:
        rows = [tuple(row) for _, row in islice(table.rows, ROWS)]
        if kind == "reasons":
            plain = {fold(name) for name in table.columns}
        else:
            own = set(trial.columns) - {trial.design.cluster or ""}
            plain = {fold(n) for n in (*_PLAIN[kind], *own, *(m.key for m in trial.metrics))}
        return _masked(table.columns, rows, plain - {fold(name) for name in _NAMING})


def of_contacts(path: Path, how: ColumnMapping | None = None) -> Preview:
    """The preview of a contact log, read as ``how`` says where its columns were mapped."""
    with opened(path) as stream:
        source = how.name if how else identify(stream)
        if starts_like_json(stream):
            return Preview(columns=(), rows=(), masked=False, source=source)
        made = sheet(stream, how.layout) if how else sheet(stream)
        rows = [tuple(r[1]) for r in islice(made.rows, ROWS) if not isinstance(r, Refused)]
        return _masked(made.header, rows, _told_plainly(how), source)


def _told_plainly(how: ColumnMapping | None) -> set[str]:
    named = {
        fold(c)
        for field, names in (how.columns if how else {}).items()
        for c in names
        if field in _NAMING
    }
    fields = [f for f in FIELDS if f not in _NAMING]
    known = {fold(f) for f in fields} | {word for f in fields for word in mapping.usual(f)}
    mapped = {
        fold(c)
        for field, names in (how.columns if how else {}).items()
        for c in names
        if field not in _NAMING
    }
    return (known | mapped) - named


def _masked(
    columns: Iterable[str], rows: list[tuple[str, ...]], plain: set[str], source: str | None = None
) -> Preview:
    columns = tuple(columns)
    shown = [fold(name) in plain for name in columns]
    return Preview(
        columns=columns,
        source=source,
        masked=not all(shown),
        rows=tuple(
            tuple(
                cell[:_LONGEST] if ok else mask(cell) for cell, ok in zip(row, shown, strict=False)
            )
            for row in rows
        ),
    )


def mask(cell: str) -> str:
    """A cell hidden but for its last two characters, and those only of a long one."""
    cell = cell.strip()
    if not cell:
        return ""
    return f"••••{cell[-2:]}" if len(cell) >= 8 else "••••"
