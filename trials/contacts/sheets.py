"""What every file of rows becomes, whether it is CSV, XLSX or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trials.contacts.cells import LONGEST_CELL, fold
from trials.contacts.record import Fault, Refused

Row = tuple[int, list[str]]


@dataclass(slots=True)
class Sheet:
    """A header and its rows. ``place`` is what a row is counted by: ``line`` or ``row``."""

    header: tuple[str, ...]
    rows: Iterator[Row | Refused]
    place: str = "line"

    def columns(self) -> dict[str, int]:
        """The position of each column by its folded name (without case and punctuation)."""
        return {fold(name): i for i, name in enumerate(self.header) if name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a text file is laid out, where it is not what the first lines suggest."""

    encoding: str = "utf-8"
    delimiter: str | None = None
    skip_lines: int = 0
    sheet: str | None = None


AS_SEEN: Final = Layout()


def unreadable(cells: Sequence[str]) -> Fault | None:
    """Why a row's cells cannot be used as text, or ``None``."""
    joined = "".join(cells)
    if not joined.isascii():
        if any("\udc80" <= c <= "\udcff" for c in joined):
            return Fault("not UTF-8 (Windows-1252, perhaps)", "save the file as CSV UTF-8")
        if any("\ud800" <= c <= "\udfff" for c in joined):
            return Fault("holds half a character", "export the file again")
    if len(joined) > LONGEST_CELL and any(len(c) > LONGEST_CELL for c in cells):
        says = f"a field is longer than {LONGEST_CELL:,} characters"
        return Fault(says, "leave free text out of the export")
    return None
