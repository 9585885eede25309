"""When nothing was randomised: a series or a panel read from a file or the log, and judged.

The answers are weaker evidence than a trial's. Each carries its grade and a watermark, says so in
its own sentence, and is stored with no trial, so that it is never read on the same scale as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import sqlalchemy as sa

from analysis.estimates import Absent
from analysis.frequentist.interrupted import Series, interrupted_time_series, placebo_breaks
from analysis.frequentist.matched import matched_areas
from analysis.frequentist.quasi import (
    Panel,
    QuasiResult,
    before_after,
    difference_in_differences,
)
from analysis.tables import Floats, number
from trials import clock, files
from trials.errors import Invalid, Problem, SignpostError
from trials.store.engine import Store
from trials.store.tables import ContactRow

Method = Literal["interrupted", "differences", "matched", "before-after"]
Every = Literal["day", "week"]
METHODS: tuple[Method, ...] = get_args(Method)
HOUR = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of observed data.

    Attributes:
        method: the design; see :mod:`analysis.frequentist.quasi`.
        start: the first period with the change, as the file writes it.
        treated: the areas in which something changed.
        value: the column of the outcome (``count`` by default).
        exposure: the column of what the counts come from.
        events: columns that mark known disturbances.
        season: periods in a season; ``harmonics`` pairs of waves for it.
        slope_change: whether the trend may change, and not only the level.
        matches: untouched areas that each treated one is compared with.
        placebos: breaks pretended before the change, as a check of the method.
        level: coverage of the interval.
    """

    method: Method
    start: str
    treated: tuple[str, ...] = ()
    value: str = "count"
    exposure: str | None = None
    events: tuple[str, ...] = ()
    season: float | None = None
    harmonics: int = 0
    slope_change: bool = False
    matches: int = 3
    placebos: int = 0
    level: float = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Values of areas (one or more) by periods in order; ``events`` has a column each."""

    periods: tuple[str, ...]
    areas: tuple[str, ...]
    y: Floats
    exposure: Floats | None = None
    events: Floats | None = None


def read(path: Path, question: Question) -> Observed:
    """A file of one row a period (and ``area``, where it has that column).

    Raises:
        Invalid: a column is missing, a value is no number, or an area lacks a period.
    """
    found: dict[tuple[str, str], list[float]] = {}
    problems: list[Problem] = []
    wanted = [question.value, *([question.exposure] if question.exposure else []), *question.events]
    with files.open_table(path) as table:
        places = [_place(table, name) for name in ("period", *wanted)]
        area = table.index("area")
        for line, row in table.rows:
            key = ("" if area is None else row[area].strip(), row[places[0]].strip())
            numbers = [number(row[p]) for p in places[1:]]
            if key in found:
                problems.append(Problem(f"line {line}", f"repeats {' '.join(key).strip()}"))
            bad = [w for w, n in zip(wanted, numbers, strict=True) if n is None]
            problems += [Problem(f"line {line}", f"{name} is not a number") for name in bad]
            found[key] = [n or 0.0 for n in numbers]
    if problems:
        raise Invalid(path.name, problems)
    return _arranged(path.name, found, question)


def from_log(
    store: Store, *, every: Every = "week", line: str | None = None, channel: str | None = None
) -> Observed:
    """Contacts in the log by day or by week (Monday to Sunday, whole weeks), in London's time.

    Raises:
        SignpostError: the log holds no such contact.
    """
    hour = (ContactRow.occurred_at // HOUR).label("hour")
    query = sa.select(hour, sa.func.count())
    for column, wanted in ((ContactRow.line, line), (ContactRow.channel, channel)):
        query = query if wanted is None else query.where(column == wanted)
    with store.read() as session:
        rows = session.execute(query.group_by(hour)).all()
    if not rows:
        raise SignpostError("the log holds no such contact", "check --line and --channel")
    days: dict[date, int] = {}
    for since, n in rows:
        day = clock.london(clock.from_epoch(int(since) * HOUR)).date()
        days[day] = days.get(day, 0) + int(n)
    periods = _by_day(days) if every == "day" else _by_week(days)
    if len(periods) < 2:
        raise SignpostError(f"the log does not hold two whole {every}s", "choose --every day")
    counts = np.array([list(periods.values())], float)
    return Observed(periods=tuple(periods), areas=("all",), y=counts)


def judge(data: Observed, question: Question) -> dict[str, Any]:
    """The answer as JSON-ready data: watermark, grade, estimate, warnings, and a sentence.

    Raises:
        SignpostError: the start or an area is not in the data.
    """
    start = _start(data, question)
    result = _result(data, question, start)
    return {
        **result.to_json(), "says": said(result, question),
        "start": data.periods[start], "periods": list(data.periods),
        "series": {a: row.tolist() for a, row in zip(data.areas, data.y, strict=True)},
        "placebo_breaks": _placebos(data, question, start),
    }  # fmt: skip


def said(result: QuasiResult, question: Question) -> str:
    """The finding in a sentence that begins with what it is not."""
    found = result.estimate
    if isinstance(found, Absent):
        return f"{result.watermark} There is no estimate: {found.why}"
    if result.scale == "ratio":
        change = [100 * (v - 1) for v in (found.estimate, found.low, found.high)]
        size = f"{abs(change[0]):.1f}% {'lower' if change[0] < 0 else 'higher'}"
        span = f"{change[1]:+.1f}% to {change[2]:+.1f}%"
    else:
        size = f"{abs(found.estimate):.4g} {'lower' if found.estimate < 0 else 'higher'}"
        span = "unbounded" if not np.isfinite(found.low + found.high) else (
            f"{found.low:+.4g} to {found.high:+.4g}")  # fmt: skip
    against = {
        "interrupted": "than the periods before foretold",
        "differences": "than the change elsewhere foretold",
        "matched": "than in the areas most like them",
        "before-after": "than before",
    }[question.method]
    return (
        f"{result.watermark} From {question.start} on the outcome was {size} {against} "
        f"({question.level:.0%} interval {span})."
    )


def _result(data: Observed, question: Question, start: int) -> QuasiResult:
    if question.method == "interrupted":
        series = _series(data, question, start)
        return interrupted_time_series(series, **_options(question), level=question.level)
    if question.method == "before-after":
        rate = _rate(data)[_rows(data, question)].mean(axis=0)
        return before_after(rate[:start].tolist(), rate[start:].tolist(), level=question.level)
    panel = Panel(areas=data.areas, y=_rate(data), start=start,
                  treated=np.isin(data.areas, question.treated))  # fmt: skip
    if question.method == "differences":
        return difference_in_differences(panel, level=question.level)
    return matched_areas(panel, matches=question.matches, level=question.level)


def _options(question: Question) -> dict[str, Any]:
    return {"season": question.season, "harmonics": question.harmonics,
            "slope_change": question.slope_change}  # fmt: skip


def _series(data: Observed, question: Question, start: int) -> Series:
    rows = _rows(data, question)
    return Series(
        counts=data.y[rows].sum(axis=0), after=np.arange(len(data.periods)) >= start,
        exposure=None if data.exposure is None else data.exposure[rows].sum(axis=0),
        events=data.events,
    )  # fmt: skip


def _placebos(data: Observed, question: Question, start: int) -> list[dict[str, Any]]:
    """What the method finds where nothing happened."""
    if question.method != "interrupted" or question.placebos < 1:
        return []
    at = np.unique(np.linspace(start * 0.3, start * 0.7, question.placebos).round().astype(int))
    series = _series(data, question, start)
    found = placebo_breaks(series, at.tolist(), **_options(question), level=question.level)
    return [{"at": data.periods[k], "estimate": told.to_json()} for k, told in found]


def _rate(data: Observed) -> Floats:
    return data.y if data.exposure is None else data.y / data.exposure


def _rows(data: Observed, question: Question) -> list[int]:
    """The treated areas; all of them where none is named."""
    return [i for i, a in enumerate(data.areas) if not question.treated or a in question.treated]


def _start(data: Observed, question: Question) -> int:
    unknown = sorted(set(question.treated) - set(data.areas))
    if unknown:
        raise SignpostError(f"there is no area {unknown[0]!r}", f"areas: {', '.join(data.areas)}")
    later = [i for i, p in enumerate(data.periods) if p >= question.start]
    if not later or later[0] == 0:
        raise SignpostError(
            f"no period lies {'before' if later else 'from'} {question.start} "
            f"{'' if later else 'on'}".rstrip(),
            f"periods run from {data.periods[0]} to {data.periods[-1]}",
        )
    return later[0]


def _arranged(
    name: str, found: Mapping[tuple[str, str], Sequence[float]], question: Question
) -> Observed:
    areas = sorted({area for area, _ in found})
    periods = sorted({period for _, period in found})
    gaps = [(a, p) for a in areas for p in periods if (a, p) not in found]
    if gaps or not found:
        says = f"{' '.join(gaps[0]).strip()} is missing" if gaps else "there are no rows"
        remedy = "give every area every period, or leave the area out"
        raise Invalid(name, [Problem("", says, remedy)])
    cube = np.array([[found[a, p] for p in periods] for a in areas], float)
    first = 2 if question.exposure else 1
    exposure = cube[:, :, 1] if question.exposure else None
    if exposure is not None and (exposure <= 0).any():
        raise Invalid(name, [Problem("", f"{question.exposure} is not above 0 everywhere")])
    return Observed(
        periods=tuple(periods), areas=tuple(a or "all" for a in areas), y=cube[:, :, 0],
        exposure=exposure, events=cube[0, :, first:] if question.events else None,
    )  # fmt: skip


def _place(table: files.Table, name: str) -> int:
    place = table.index(name)
    if place is None:
        says = f"there is no column {name!r}"
        raise Invalid(table.name, [Problem("line 1", says, f"columns: {', '.join(table.columns)}")])
    return place


def _by_day(days: Mapping[date, int]) -> dict[str, int]:
    """Every day between the first and the last, quiet ones at nought."""
    first, last = min(days), max(days)
    every = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return {day.isoformat(): days.get(day, 0) for day in every}


def _by_week(days: Mapping[date, int]) -> dict[str, int]:
    """Whole weeks only: those cut by the log's ends would look quiet."""
    first = min(days) + timedelta(days=-min(days).weekday() % 7)
    last = max(days)
    weeks: dict[str, int] = {}
    while first + timedelta(days=6) <= last:
        inside = (first + timedelta(days=i) for i in range(7))
        weeks[first.isoformat()] = sum(days.get(day, 0) for day in inside)
        first += timedelta(days=7)
    return weeks


__all__ = ["METHODS", "Observed", "Question", "from_log", "judge", "read", "said"]
