"""Switchback: the whole line changes its message by time, in an order drawn at random.

For a telephone platform that can only switch by the clock. Opening hours are cut into periods;
the periods of one weekday and hour are a stratum, and within a stratum the weeks are allocated in
permuted blocks (:mod:`trials.designs.blocks`, the period's start in UTC being its key), so that
no arm is favoured by a time of day, a day of the week or the season. The first minutes of a period
(*burn-in*) are not analysed: callers who came under the last message are still in the queue.

Alternating in fixed step is not offered: it can run in time with opening hours and bill runs
(Bojinov, Simchi-Levi & Zhao 2023, on drawing switchbacks at random).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

import numpy as np

from trials.clock import LONDON, london
from trials.definition.hours import DAYS, Hours
from trials.designs.base import Allocation, Redraw, Roster
from trials.designs.blocks import Blocked
from trials.designs.tickets import Flags, Ints
from trials.errors import Invalid, Problem

DAY = 86_400


def bank_holidays(starts: date, ends: date) -> frozenset[date]:
    """England's bank holidays from ``starts`` to ``ends``."""
    import holidays

    years = range(starts.year, ends.year + 1)
    known = holidays.country_holidays("GB", subdiv="ENG", years=years)
    return frozenset(day for day in known if starts <= day <= ends)


@dataclass(frozen=True, slots=True)
class Calendar:
    """When the line is open: ``starts`` to ``ends`` (both included) but for ``closed`` days."""

    starts: date
    ends: date
    hours: Hours
    closed: frozenset[date] = frozenset()

    def spans(self, day: date) -> list[tuple[datetime, datetime]]:
        """The opening spans of ``day``, in Europe/London."""
        if day in self.closed:
            return []
        return [
            (
                _at(day, opens),
                _at(day, closes) if closes > opens else _at(day + timedelta(1), closes),
            )
            for opens, closes in sorted(self.hours.get(day.weekday(), ()))
        ]

    def days(self) -> Iterator[date]:
        """Every day from the first to the last."""
        for i in range((self.ends - self.starts).days + 1):
            yield self.starts + timedelta(i)


@dataclass(frozen=True, slots=True)
class Period:
    """One period: ``starts`` to ``ends``, analysed from ``counts_from``; all in UTC."""

    starts: datetime
    ends: datetime
    counts_from: datetime
    stratum: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """What runs at a moment: the period's number, the arm's code, and whether it is burn-in."""

    period: int
    arm: int
    burn_in: bool


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which arm runs when. ``allocation`` has one entry a period."""

    trial: str
    periods: tuple[Period, ...]
    allocation: Allocation

    @property
    def arm(self) -> Ints:
        """The arm code of every period."""
        return self.allocation.arm

    def at(self, moment: datetime) -> Slot | None:
        """What runs at ``moment`` (aware); None while the line is closed."""
        when = moment.astimezone(UTC)
        i = bisect_right(self.periods, when, key=lambda p: p.starts) - 1
        if i < 0 or when >= self.periods[i].ends:
            return None
        return Slot(i, int(self.arm[i]), when < self.periods[i].counts_from)

    def lookup(self, epochs: Ints) -> tuple[Ints, Flags]:
        """The period of each moment (seconds since 1970), -1 while closed; and if it is burn-in."""
        starts, ends, counts = (
            np.array([int(getattr(p, name).timestamp()) for p in self.periods], np.int64)
            for name in ("starts", "ends", "counts_from")
        )
        found = np.searchsorted(starts, epochs, side="right") - 1
        inside = (found >= 0) & (epochs < ends[found])
        return np.where(inside, found, -1), inside & (epochs < counts[found])

    def rows(self) -> list[dict[str, str]]:
        """The schedule for printing: a row a period, in Europe/London wall time."""
        return [
            {
                "period": str(i),
                "date": f"{london(p.starts):%Y-%m-%d}",
                "weekday": DAYS[london(p.starts).weekday()],
                "from": f"{london(p.starts):%H:%M}",
                "to": f"{london(p.ends):%H:%M}",
                "counts_from": f"{london(p.counts_from):%H:%M}",
                "arm": self.allocation.arms[arm],
            }
            for i, (p, arm) in enumerate(zip(self.periods, self.arm.tolist(), strict=True), 1)
        ]

    def runs(self) -> Iterator[tuple[datetime, datetime, int]]:
        """Stretches under one arm without a break: start, end, arm code."""
        numbered = zip(self.periods, self.arm.tolist(), strict=True)
        joined: list[tuple[datetime, datetime, int]] = []
        for _, same in groupby(numbered, key=lambda pair: pair[1]):
            for period, arm in same:
                if joined and joined[-1][1] == period.starts and joined[-1][2] == arm:
                    joined[-1] = (joined[-1][0], period.ends, arm)
                else:
                    joined.append((period.starts, period.ends, arm))
        yield from joined

    def icalendar(self, *, made: datetime, titles: Mapping[str, str] | None = None) -> bytes:
        """The schedule as an iCalendar file: an event for every stretch under one arm.

        Args:
            made: the moment to stamp it with.
            titles: what to call each arm; its key where there is none.
        """
        from icalendar import Calendar as Ical
        from icalendar import Event

        ical = Ical()
        ical.add("prodid", "-//Signpost//switchback schedule//EN")
        ical.add("version", "2.0")
        ical.add("x-wr-calname", f"Trial {self.trial}")
        for starts, ends, arm in self.runs():
            key = self.allocation.arms[arm]
            event = Event()
            event.add("uid", f"{self.trial}-{starts:%Y%m%dT%H%M%SZ}@signpost")
            event.add("dtstamp", made)
            event.add("dtstart", starts)
            event.add("dtend", ends)
            event.add("summary", (titles or {}).get(key) or key)
            event.add("description", f"Trial {self.trial}: play the message “{key}”.")
            ical.add_component(event)
        return bytes(ical.to_ical())


@dataclass(frozen=True, slots=True)
class Switchback:
    """A switchback over ``calendar`` in periods of ``period`` seconds."""

    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    calendar: Calendar
    period: int
    burn_in: int = 0

    def periods(self) -> tuple[Period, ...]:
        """Every period, in order.

        A day's last period ends when the line closes; what is no longer than the burn-in is left
        out. Periods of a day or longer run from first opening to last closing.

        Raises:
            Invalid: there is none, or the burn-in leaves nothing of a period.
        """
        if self.burn_in >= self.period:
            says = "is not shorter than the period"
            raise Invalid("the schedule cannot be drawn", [Problem("[design] burn_in", says)])
        if self.period % DAY and self.period > DAY:
            says = "is longer than a day but not a whole number of days"
            raise Invalid("the schedule cannot be drawn", [Problem("[design] period", says)])
        cut = self._of_days() if self.period >= DAY else self._of_hours()
        found = tuple(p for p in cut if p.ends > p.counts_from)
        if not found:
            says = "the line is never open between the trial's first and last day"
            raise Invalid("the schedule cannot be drawn", [Problem("[trial] starts, ends", says)])
        return found

    def draw(self, *, seed: int, trial: str) -> Schedule:
        """The schedule; the same seed, trial and calendar give the same one.

        Raises:
            Invalid: there are no periods, or fewer than arms.
        """
        periods = self.periods()
        keys = [f"{p.starts:%Y-%m-%dT%H:%M:%SZ}" for p in periods]
        roster = Roster(keys, strata=[p.stratum for p in periods])
        return Schedule(trial, periods, self._blocked().draw(roster, seed=seed, trial=trial))

    def redraws(self, allocation: Allocation) -> Redraw:
        """A function that draws the periods again under the same calendar."""
        return self._blocked().redraws(allocation)

    def redraw(self, allocation: Allocation, rng: np.random.Generator) -> Ints:
        """Arm codes of the same periods under a fresh draw."""
        return self._blocked().redraw(allocation, rng)

    def _blocked(self) -> Blocked:
        return Blocked(self.arms, self.ratio, stratified=True, permuted=True)

    def _of_hours(self) -> Iterator[Period]:
        step = timedelta(seconds=self.period)
        for day in self.calendar.days():
            for opens, closes in self.calendar.spans(day):
                start = opens
                while start < closes:
                    # Wall time, so that nine o'clock stays nine o'clock when the clocks change.
                    end = min(start + step, closes)
                    yield self._period(start, end, (DAYS[day.weekday()], f"{start:%H:%M}"))
                    start = end

    def _of_days(self) -> Iterator[Period]:
        length = self.period // DAY
        days = list(self.calendar.days())
        for i in range(0, len(days), length):
            spans = [span for day in days[i : i + length] for span in self.calendar.spans(day)]
            if spans:
                name = DAYS[days[i].weekday()] if length == 1 else f"{length} days"
                yield self._period(spans[0][0], spans[-1][1], (name,))

    def _period(self, start: datetime, end: datetime, stratum: tuple[str, ...]) -> Period:
        begins, stops = start.astimezone(UTC), end.astimezone(UTC)
        return Period(begins, stops, begins + timedelta(seconds=self.burn_in), stratum)


def _at(day: date, when: time) -> datetime:
    return datetime.combine(day, when, LONDON)
