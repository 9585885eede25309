"""Reading a table of wrap codes: reasons for calling, their calls, and how many had no e-mail.

Columns ``topic``, ``reason``, ``calls``, ``no_email``; perhaps ``avoidable_share`` with
``avoidable_low`` and ``avoidable_high`` (fractions), ``control`` and ``owner``. Other columns are
passed over and named. A table is taken whole or not at all, and what is refused is told by its
line without repeating the cell, which may hold anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, get_args

from analysis.scaling.opportunity import Control, Reason
from trials.contacts import cells
from trials.contacts.reading import opened, sheet
from trials.contacts.record import Fault, Refused
from trials.errors import Invalid, Problem

NEEDED = ("topic", "reason", "calls", "no_email")
MAY_HAVE = ("avoidable_share", "avoidable_low", "avoidable_high", "control", "owner")
MOST_ROWS = 5_000
_MOST_CALLS = 10**9
Cell = TypeVar("Cell")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonTable:
    """The reasons of a table, and the columns that were passed over."""

    reasons: tuple[Reason, ...]
    passed_over: tuple[str, ...]


class _BadRow(ValueError):
    """Why a row cannot be used, as a clause."""


def read_reasons(text: str) -> tuple[Reason, ...]:
    """Reasons from CSV text. Raises as :func:`read_table`."""
    return read_table(io.BytesIO(text.encode())).reasons


def read_table(source: Path | IO[bytes]) -> ReasonTable:
    """Reasons from a CSV, XLSX or Parquet file, perhaps gzipped.

    Raises:
        Invalid: a column is missing, a row cannot be used, a reason comes twice or there is none;
            every problem is named with its line.
        SignpostError: the file is damaged, of a kind that cannot be read, or not there.
    """
    with opened(source) as plain:
        found = sheet(plain)
        places = found.columns()
        _columns(places)
        reasons, problems = _rows(found.rows, places, found.place)
    if problems:
        raise Invalid("the reasons", problems)
    if not reasons:
        raise Invalid("the reasons", [Problem("the table", "has no rows", "give a row a reason")])
    known = {cells.fold(name) for name in (*NEEDED, *MAY_HAVE)}
    over = tuple(name for name in found.header if name and cells.fold(name) not in known)
    return ReasonTable(reasons=tuple(reasons), passed_over=over)


def to_data(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    """Reasons as plain data, to be kept."""
    return [asdict(r) for r in reasons]


def from_data(rows: Iterable[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """The reasons that :func:`to_data` made."""
    return tuple(
        Reason(**{**row, "avoidable": tuple(row["avoidable"]) if row["avoidable"] else None})
        for row in rows
    )


def _columns(places: Mapping[str, int]) -> None:
    absent = [name for name in NEEDED if cells.fold(name) not in places]
    if absent:
        remedy = f"the first line names the columns: {', '.join(NEEDED)}"
        raise Invalid(
            "the reasons", [Problem("line 1", f"has no column {', '.join(absent)}", remedy, 1)]
        )


def _rows(
    rows: Iterable[tuple[int, list[str]] | Refused], places: Mapping[str, int], place: str
) -> tuple[list[Reason], list[Problem]]:
    reasons: list[Reason] = []
    problems: list[Problem] = []
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        if isinstance(row, Refused):
            problems.append(_wrong(place, row.file_line, row.says))
            continue
        line, given = row
        if not any(cell.strip() for cell in given):
            continue
        try:
            reason = _reason(_Row(given, places))
        except _BadRow as failure:
            problems.append(_wrong(place, line, str(failure)))
            continue
        key = (cells.fold(reason.topic), cells.fold(reason.reason))
        if key in first:
            problems.append(
                _wrong(place, line, f"has the topic and reason of {place} {first[key]}")
            )
            continue
        first[key] = line
        reasons.append(reason)
        if len(reasons) > MOST_ROWS:
            remedy = "add up the rarest reasons first"
            return [], [Problem("the table", f"has more than {MOST_ROWS:,} rows", remedy)]
    return reasons, problems


def _wrong(place: str, line: int, says: str) -> Problem:
    return Problem(f"{place} {line}", says, "correct the row", line)


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of a row by the name of their column."""

    given: Sequence[str]
    places: Mapping[str, int]

    def get(self, name: str, read: Callable[[str], Cell | Fault | None]) -> Cell | None:
        """A cell as ``read`` has it; ``None`` where it says nothing."""
        at = self.places.get(cells.fold(name))
        found = None if at is None else read(self.given[at])
        if isinstance(found, Fault):
            raise _BadRow(f"{name} is {found.says}")
        return found

    def need(self, name: str, read: Callable[[str], Cell | Fault | None]) -> Cell:
        """The same of a cell that must say something."""
        found = self.get(name, read)
        if found is None:
            raise _BadRow(f"{name} is empty")
        return found


def _reason(row: _Row) -> Reason:
    calls, no_email = _count(row, "calls"), _count(row, "no_email")
    if no_email > calls:
        raise _BadRow(f"{no_email:,} of {calls:,} calls cannot be without e-mail")
    return Reason(
        topic=row.need("topic", cells.words),
        reason=row.need("reason", cells.words),
        calls=calls,
        no_email=no_email,
        avoidable=_avoidable(row),
        control=_control(row),
        owner=row.get("owner", _owner) or "",
    )


def _count(row: _Row, name: str) -> int:
    found = row.need(name, cells.number)
    if found != int(found) or not 0 <= found <= _MOST_CALLS:
        raise _BadRow(f"{name} is not a whole number from 0 up")
    return int(found)


def _avoidable(row: _Row) -> tuple[float, float, float] | None:
    share = row.get("avoidable_share", cells.number)
    low, high = (row.get(f"avoidable_{end}", cells.number) for end in ("low", "high"))
    if share is None:
        if low is not None or high is not None:
            raise _BadRow("avoidable_share is empty, but its range is given")
        return None
    low, high = share if low is None else low, share if high is None else high
    if not 0 <= low <= share <= high <= 1:
        raise _BadRow(f"avoidable share {low:g} ≤ {share:g} ≤ {high:g} ≤ 1 does not hold")
    return low, share, high


def _control(row: _Row) -> Control:
    text = (row.get("control", cells.words) or "unknown").casefold()
    found = next((c for c in get_args(Control) if c == text), None)
    if found is None:
        raise _BadRow(f"control is not one of {', '.join(get_args(Control))}")
    return found  # type: ignore[no-any-return]  # get_args forgets that they are Controls


def _owner(text: str) -> str | Fault | None:
    """A team or an officer's address at work, which a reason's label may not hold."""
    clean = " ".join(text.split())
    if cells.why_nothing(clean) is not None:
        return None
    if len(clean) > cells.LONGEST_TEXT or not clean.isprintable():
        return Fault(f"not a name of at most {cells.LONGEST_TEXT} characters", "shorten it")
    return clean
