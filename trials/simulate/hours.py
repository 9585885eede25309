"""When things happen: arrivals over the week, and delays that keep to opening hours.

A delay is first drawn in plain days. Callers can only ring when a line is open, so each whole week
since the exposure is stretched: the part of that week that has passed becomes the same part of its
arrivals. Order is kept, and a delay below or above a whole number of weeks stays so, which is what
lets expectations be exact (:mod:`trials.simulate.truth`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import holidays
import numpy as np

from trials import clock
from trials.simulate.arrays import Floats, Ints

HOUR, DAY = 3600, 86_400
_THIN = 1e-9
"""Arrivals an hour when closed: keeps the running total invertible."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Arrivals summed from the start of a calendar to each hour (``total`` at ``hour``)."""

    hour: Floats
    total: Floats

    def at(self, when: Floats) -> Floats:
        """Arrivals up to a moment (epoch seconds)."""
        return np.interp(when, self.hour, self.total)

    def when(self, total: Floats) -> Floats:
        """The moment up to which so many arrivals came."""
        return np.interp(total, self.total, self.hour)

    def arrivals(self, first: int, last: int, share: Floats) -> Floats:
        """Moments from ``first`` to ``last`` at the given shares (0 to 1) of the arrivals."""
        low, high = self.at(np.array([first, last], dtype=float))
        return self.when(low + share * (high - low))

    def after(self, start: Floats, days: Floats, *, block: float) -> Floats:
        """``days`` after ``start``, each block of so many days stretched over its arrivals."""
        blocks = np.floor(days / block)
        low = start + blocks * block * DAY
        before, beyond = self.at(low), self.at(low + block * DAY)
        return self.when(before + (days / block - blocks) * (beyond - before))


def profile(week: Floats, first: date, last: date, *, closed_on_holidays: bool) -> Profile:
    """A profile from ``first`` to the end of ``last``.

    ``week`` holds relative arrivals by hour of the week in Europe/London, Monday first. Bank
    holidays of England have none where ``closed_on_holidays``.
    """
    start = int(clock.start_of_day(first).timestamp()) // HOUR * HOUR
    hours = int((clock.end_of_day(last).timestamp() - start) // HOUR) + 1
    shut = _bank_holidays(first, last) if closed_on_holidays else frozenset()
    weights = np.array([_weight(week, start + i * HOUR, shut) for i in range(hours)])
    edges = start + HOUR * np.arange(hours + 1, dtype=float)
    return Profile(edges, np.concatenate([[0.0], np.cumsum(weights + _THIN)]))


def _weight(week: Floats, moment: int, shut: frozenset[date]) -> float:
    local = clock.london(datetime.fromtimestamp(moment, UTC))
    return 0.0 if local.date() in shut else float(week[local.weekday() * 24 + local.hour])


def _bank_holidays(first: date, last: date) -> frozenset[date]:
    years = range(first.year, last.year + 1)
    return frozenset(holidays.country_holidays("GB", subdiv="ENG", years=years))


def day_numbers(when: Floats) -> Ints:
    """The calendar day in Europe/London of each moment, as days since 1970."""
    grid = np.unique(np.floor(when / HOUR)).astype(np.int64)
    days = [
        (clock.london(datetime.fromtimestamp(int(h) * HOUR, UTC)).date() - date(1970, 1, 1)).days
        for h in grid
    ]
    return np.array(days, dtype=np.int64)[np.searchsorted(grid, np.floor(when / HOUR))]


def day_number(day: date) -> int:
    """A calendar day as days since 1970."""
    return (day - date(1970, 1, 1)) // timedelta(days=1)
