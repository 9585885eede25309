"""When something is due: rules in Europe/London wall time, and the moments they give.

Pure. Times between 01:00 and 01:59 are refused: that hour is missing on one night of March and
comes twice on one of October. Working days are Monday to Friday without England's bank holidays;
what falls on another day moves to the next working day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Literal, get_args

from trials import clock
from trials.designs.switchback import bank_holidays
from trials.errors import SignpostError

Every = Literal["once", "day", "week", "month", "quarter"]
Days = Literal["working-days", "every-day"]
DAYS: tuple[Days, ...] = get_args(Days)
_QUARTERS = (1, 4, 7, 10)
_HORIZONS = (timedelta(days=10), timedelta(days=40), timedelta(days=400))
"""How far ahead the next moment is looked for: near first, as it is nearly always near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``every`` day, Monday, first of the month or quarter, or ``once`` on ``first``, at ``at``.

    ``first`` and ``last`` are the days between which it holds.
    """

    every: Every
    at: str
    days: Days = "working-days"
    first: date | None = None
    last: date | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        ends = {"first": self.first, "last": self.last}
        return {"every": self.every, "at": self.at, "days": self.days,
                **{name: day.isoformat() for name, day in ends.items() if day}}  # fmt: skip

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rule:
        """Read back what :meth:`to_json` wrote."""
        ends = {n: date.fromisoformat(data[n]) for n in ("first", "last") if data.get(n)}
        return cls(every=data["every"], at=data["at"], days=data["days"], **ends)


def time_of_day(text: str) -> time:
    """``07:30`` as a time.

    Raises:
        SignpostError: it is none, or lies in the hour that clock changes leave out or repeat.
    """
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise SignpostError(f"{text!r} is not a time of day", "write it as 07:30")
    if text.startswith("01:"):
        raise SignpostError("a time between 01:00 and 01:59 is missing on one night of the year "
                            "and comes twice on another", "choose 02:00 or later")  # fmt: skip
    return time.fromisoformat(text)


def moments(rule: Rule, after: datetime, until: datetime) -> list[datetime]:
    """The moments (UTC) of ``rule`` that lie after ``after`` and not after ``until``, in order."""
    at = time_of_day(rule.at)
    first = clock.london(after).date() - timedelta(days=14)  # a moved day may lie that far back
    last = clock.london(until).date()
    found = {
        datetime.combine(_moved(day, rule.days), at, clock.LONDON).astimezone(UTC)
        for day in _days(rule, first, last)
    }
    return sorted(m for m in found if after < m <= until)


def following(rule: Rule, after: datetime) -> datetime | None:
    """The next moment of ``rule`` after ``after``; ``None`` where there is none any more."""
    start = max(after, clock.start_of_day(rule.first)) if rule.first else after
    for horizon in _HORIZONS:
        if found := moments(rule, after, start + horizon):
            return found[0]
    return None


def is_working_day(day: date) -> bool:
    """Monday to Friday and no bank holiday in England."""
    return day.weekday() < 5 and day not in _bank_holidays(day.year)


@cache
def _bank_holidays(year: int) -> frozenset[date]:
    return bank_holidays(date(year, 1, 1), date(year, 12, 31))


def _moved(day: date, days: Days) -> date:
    while days == "working-days" and not is_working_day(day):
        day += timedelta(days=1)
    return day


def _days(rule: Rule, first: date, last: date) -> Iterator[date]:
    """The days of the rule, before any is moved."""
    if rule.every == "once":
        if rule.first is not None and rule.first <= last:
            yield rule.first
        return
    day = max(first, rule.first) if rule.first else first
    end = min(last, rule.last) if rule.last else last
    while day <= end:
        if _holds(rule, day):
            yield day
        day += timedelta(days=1)


def _holds(rule: Rule, day: date) -> bool:
    if rule.every == "day":
        return rule.days == "every-day" or is_working_day(day)
    if rule.every == "week":
        return day.weekday() == 0
    return day.day == 1 and (rule.every == "month" or day.month in _QUARTERS)
