"""What a paper is made of: headings, text, tables and pictures as plain data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Role = Literal["body", "lead", "note", "callout"]
Style = Literal["report", "one-page", "poster"]
_UPRIGHT = 6
"""The most columns that a page standing upright holds without breaking its figures."""
_WHOLE = 8
"""The most rows of a table that is not broken over pages."""
_FIGURE = re.compile(r"(?:(?:less|more) than )?[−+-]?£?\d.{0,22}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the paper's title is level 1, so blocks begin at 2."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; ``lead`` opens, ``note`` steps back, ``callout`` must not be missed."""

    text: str
    role: Role = "body"


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list of points."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption; the first cell of each row is its header.

    ``small`` is set in smaller type, for reference rather than for reading; ``turned`` asks for a
    page on its side, which a table of many columns has anyway.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    small: bool = False
    turned: bool = False

    @property
    def wide(self) -> bool:
        """Whether it is set on a page turned on its side."""
        return self.turned or len(self.columns) > _UPRIGHT

    @property
    def short(self) -> bool:
        """Whether it is kept whole on one page."""
        return len(self.rows) <= _WHOLE


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as SVG text, with the words that say what it shows to those who cannot see it."""

    svg: str
    alt: str
    caption: str = ""
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text exactly as people received it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """A few figures set large, each with what it means."""

    items: tuple[tuple[str, str], ...]


Block = Heading | Text | Bullets | Table | Picture | Verbatim | Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A whole paper: its title, whose it is, when it was made, and its blocks in order."""

    key: str
    kind: str
    title: str
    subtitle: str
    organisation: str
    generated: str
    blocks: tuple[Block, ...]
    style: Style = "report"

    def headings(self) -> Iterator[str]:
        """The headings of level 2: the paper's contents."""
        return (b.text for b in self.blocks if isinstance(b, Heading) and b.level == 2)


def is_figure(cell: str) -> bool:
    """Whether a cell is a short figure, as ``−3.1 to −0.69``, that is never broken over lines."""
    return _FIGURE.fullmatch(cell) is not None


def facts(caption: str, rows: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> Table:
    """A table of names and values."""
    return Table(caption, ("Item", "Detail"), tuple(rows))
