"""A published KPI table as it was printed: indicators in rows, periods in columns.

Every cell keeps its text. A cell that says nothing (``#####``, ``n/a``, ``-``, blank) is missing
with its reason and never zero. A heading says what it covers: ``Jul-22``, ``October 2022``,
``21/22`` (a financial year), ``Q2 22/23``, ``Nov-22 (to 21st)`` (a part month).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import IO, Final, Literal

from trials.contacts import cells
from trials.contacts.cells import fold
from trials.contacts.reading import sheet
from trials.contacts.record import Fault, Refused
from trials.contacts.sheets import Row
from trials.errors import Invalid, Problem

Indicator = Literal[
    "offered", "answered", "abandoned", "answered-rate", "abandoned-rate", "wait", "handle",
    "fcr", "service-level",
]  # fmt: skip
Unit = Literal["count", "percent", "seconds"]

UNITS: Final[dict[Indicator, Unit]] = {
    "offered": "count", "answered": "count", "abandoned": "count", "answered-rate": "percent",
    "abandoned-rate": "percent", "wait": "seconds", "handle": "seconds", "fcr": "percent",
    "service-level": "percent",
}  # fmt: skip
HIGHER_IS_BETTER: Final = frozenset({"answered-rate", "fcr", "service-level"})
LOWER_IS_BETTER: Final = frozenset({"abandoned-rate", "wait", "handle"})

_NAMES: Final[dict[str, Indicator]] = {
    "callsoffered": "offered", "offered": "offered", "contactsoffered": "offered",
    "callsreceived": "offered", "callsanswered": "answered", "answered": "answered",
    "callshandled": "answered", "contactsanswered": "answered", "callsabandoned": "abandoned",
    "abandoned": "abandoned", "percentanswered": "answered-rate", "answeredrate": "answered-rate",
    "answerrate": "answered-rate", "percentofcallsanswered": "answered-rate",
    "percentabandoned": "abandoned-rate", "abandonmentrate": "abandoned-rate",
    "abandonedrate": "abandoned-rate", "percentofcallsabandoned": "abandoned-rate",
    "averagewait": "wait", "averagewaittime": "wait", "averagespeedofanswer": "wait",
    "averagehandlingtime": "handle", "averagehandletime": "handle", "aht": "handle",
    "firstcallresolution": "fcr", "firstcontactresolution": "fcr", "fcr": "fcr",
    "servicelevel": "service-level",
}  # fmt: skip
TITLES: Final[dict[Indicator, str]] = {
    "offered": "calls offered", "answered": "calls answered", "abandoned": "calls abandoned",
    "answered-rate": "% answered", "abandoned-rate": "% abandoned", "wait": "average wait",
    "handle": "average handling time", "fcr": "first call resolution",
    "service-level": "service level",
}  # fmt: skip

_UNIT = re.compile(r"\((?:s|secs?|seconds)\)", re.IGNORECASE)
_MONTH = re.compile(r"([A-Za-z]{3,9})\.?[\s\-/']*(\d{4}|\d{2})")
_ISO_MONTH = re.compile(r"(\d{4})[-/](0?[1-9]|1[0-2])(?:[-/]01)?(?: 00:00:00)?")
_YEAR = re.compile(r"(?:FY\s*)?(\d{4}|\d{2})\s*[/–-]\s*(\d{4}|\d{2})", re.IGNORECASE)
_QUARTER = re.compile(r"Q([1-4])\s*(?:FY\s*)?(\d{4}|\d{2})\s*[/–-]\s*(\d{4}|\d{2})", re.IGNORECASE)
_UNTIL = re.compile(
    r"\(?\s*(?:up\s*)?to\s*(?:the\s*)?(\d{1,2})(?:st|nd|rd|th)?[^)]*\)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Period:
    """What a column covers, both days inclusive; ``whole`` is false for a part month."""

    label: str
    start: date
    end: date
    whole: bool = True

    @property
    def working_days(self) -> int:
        """Monday to Friday without the bank holidays of England."""
        off = _bank_holidays(self.start.year, self.end.year)
        days = (self.end - self.start).days + 1
        every = (self.start + timedelta(days=n) for n in range(days))
        return sum(day.weekday() < 5 and day not in off for day in every)


@cache
def _bank_holidays(first: int, last: int) -> frozenset[date]:
    import holidays

    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=range(first, last + 1)))


@dataclass(frozen=True, slots=True)
class Cell:
    """One printed figure: its text and its value, or why there is none.

    Counts are whole numbers, rates percentages (85.25), times seconds.
    """

    text: str
    value: float | None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class KpiTable:
    """The printed figures by indicator and then by the period's label, and the targets.

    ``unread`` names rows and columns that are not known indicators or periods.
    """

    periods: tuple[Period, ...]
    figures: Mapping[Indicator, Mapping[str, Cell]]
    targets: Mapping[Indicator, float]
    unread: tuple[Problem, ...]
    source: str = ""

    def cell(self, indicator: Indicator, label: str) -> Cell:
        """The figure, or a missing one if the table has no such row."""
        found = self.figures.get(indicator, {}).get(label)
        return found or Cell("", None, f"the table has no row for {TITLES[indicator]}")

    def value(self, indicator: Indicator, label: str) -> float | None:
        """The figure's value, ``None`` if it is missing."""
        return self.cell(indicator, label).value


def read(stream: IO[bytes], *, source: str = "") -> KpiTable:
    """The KPI table in a CSV or XLSX file; ``source`` says where it was printed.

    Raises:
        Invalid: no column is a period or no row a known indicator.
        SignpostError: the file cannot be read at all.
    """
    table = sheet(stream)
    rows = [row for row in table.rows if not isinstance(row, Refused)]
    return of(table.header, rows, source=source)


def of(header: Sequence[str], rows: Sequence[Row], *, source: str = "") -> KpiTable:
    """The KPI table with that header and those rows (line and cells); see :func:`read`."""
    periods, unread = _periods(header)
    if not periods:
        says = "no column is a period such as Jul-22, 21/22 or Q2 22/23"
        raise Invalid("the KPI table", [Problem("header", says, "", 1)])
    figures: dict[Indicator, dict[str, Cell]] = {}
    targets: dict[Indicator, float] = {}
    at_target = next((i for i, name in enumerate(header) if fold(name) == "target"), None)
    for line, texts in rows:
        indicator = indicator_of(texts[0]) if texts else None
        if indicator is None:
            unread.append(Problem(f"line {line}", "the row is not a known indicator", "", line))
            continue
        figures[indicator] = {
            period.label: read_cell(texts[i], indicator) for i, period in periods if i < len(texts)
        }
        target = read_cell(texts[at_target], indicator).value if at_target is not None else None
        if target is not None:
            targets[indicator] = target
    if not figures:
        raise Invalid("the KPI table", [Problem("", "no row is a known indicator")])
    return KpiTable(tuple(p for _, p in periods), figures, targets, tuple(unread), source)


def _periods(header: Sequence[str]) -> tuple[list[tuple[int, Period]], list[Problem]]:
    found: list[tuple[int, Period]] = []
    unread: list[Problem] = []
    for i, name in enumerate(header[1:], start=1):
        if fold(name) in {"", "target"}:
            continue
        period = period_of(name)
        if period is None:
            unread.append(Problem(f"column {i + 1}", "the heading is not a period", "", 1))
        else:
            found.append((i, period))
    return found, unread


def indicator_of(name: str) -> Indicator | None:
    """The indicator a row's first cell names: ``% answered``, ``Average wait (s)``."""
    bare = _UNIT.sub("", name.replace("%", " percent "))
    return _NAMES.get(fold(bare))


def read_cell(text: str, indicator: Indicator) -> Cell:
    """A printed figure; what says nothing is missing with its reason, never zero."""
    bare = text.strip()
    if (why := cells.why_nothing(bare)) is not None:
        return Cell(bare, None, why)
    value = cells.number(bare.removesuffix("%").strip())
    if isinstance(value, Fault) or value is None:
        value = _clock(bare) if UNITS[indicator] == "seconds" else None
        if value is None:
            return Cell(bare, None, "not a number")
    if UNITS[indicator] == "percent" and not bare.endswith("%") and 0 < value <= 1:
        value *= 100  # a fraction, as spreadsheets keep percentages
    return Cell(bare, value)


def _clock(text: str) -> float | None:
    from trials.contacts import durations

    done = durations.seconds(text)
    return None if isinstance(done, Fault) else float(done)


def period_of(label: str) -> Period | None:
    """What a heading covers, or ``None`` if it is no period."""
    text = " ".join(label.split())
    until = _UNTIL.search(text)
    bare = _UNTIL.sub("", text).strip() if until else text
    span = _span(bare)
    if span is None:
        return None
    start, end = span
    if until is None:
        return Period(text, start, end)
    last = start + timedelta(days=int(until[1]) - 1)
    return Period(text, start, last, whole=last == end) if start <= last <= end else None


def _span(text: str) -> tuple[date, date] | None:
    try:
        year_first = _financial(text) if "/" in text else None
        return year_first or _month(text) or _financial(text)
    except (ValueError, OverflowError):
        return None


def _month(text: str) -> tuple[date, date] | None:
    if match := _MONTH.fullmatch(text):
        month = _month_number(match[1])
        return None if month is None else _whole_month(_century(match[2]), month)
    if match := _ISO_MONTH.fullmatch(text):
        return _whole_month(int(match[1]), int(match[2]))
    return None


def _month_number(name: str) -> int | None:
    for number in range(1, 13):
        full = calendar.month_name[number].lower()
        if full.startswith(name.lower()) or name.lower() == "sept" == full[:4]:
            return number
    return None


def _whole_month(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def _financial(text: str) -> tuple[date, date] | None:
    """April to March, or a quarter of it."""
    if match := _QUARTER.fullmatch(text):
        first, quarter = _century(match[2]), int(match[1])
        if _century(match[3]) != first + 1:
            return None
        start = date(first + (quarter == 4), 1 if quarter == 4 else 3 * quarter + 1, 1)
        return start, _whole_month(start.year, start.month + 2)[1]
    if (match := _YEAR.fullmatch(text)) and _century(match[2]) == _century(match[1]) + 1:
        first = _century(match[1])
        return date(first, 4, 1), date(first + 1, 3, 31)
    return None


def _century(digits: str) -> int:
    return int(digits) + (2000 if len(digits) == 2 else 0)
