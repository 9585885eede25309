"""Cells that a spreadsheet will show and never run.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break (or the full-width form of
a sign) is read as a formula by spreadsheets. Such a cell gets an apostrophe in front, which
spreadsheets hide. A signed number, also with spaces, commas, a point, a percent sign or brackets
as in a telephone number, can do no harm and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]\(?\d[\d ,.()]*(?:[eE][+-]?\d+)?%?")


def guard(cell: str) -> str:
    """``cell``, with an apostrophe in front if a spreadsheet might run it."""
    if cell and cell[0] in _STARTS and _NUMBER.fullmatch(cell) is None:
        return f"'{cell}"
    return cell


def guard_row(cells: Iterable[str]) -> list[str]:
    """Every cell of a row, guarded."""
    return [guard(cell) for cell in cells]
