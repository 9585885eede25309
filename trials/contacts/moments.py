"""When a contact happened: the many ways in which systems write a time, as seconds since 1970.

A time with an offset (or ``Z``) is exact. A time without one is wall time, by default in
Europe/London, and British: day before month.

**The repeated hour.** On the last Sunday of October every wall time from 01:00 to 01:59 comes
twice. In a file in ascending order the first pass is summer time and a step back of the clock
starts the second; in a file in descending order it is the other way round. In a file without
order each such time is read as the first pass (summer time), and counted in :attr:`guessed`.
A wall time that the clocks skipped in March is read as if the clock had not been put forward.
A date without a time is read as noon and counted in :attr:`without_time`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from trials import clock
from trials.contacts.record import Fault

DateOrder = Literal["dmy", "mdy", "ymd"]

EARLIEST: Final = 631_152_000
"""1 January 1990: anything before it is a mistake of the file."""

_FAR: Final = 253_370_764_800  # the year 9999

_TIME = (
    r"(?:(?:T|,?\s+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|z|UTC|GMT|BST|[+-]\d{2}(?::?\d{2})?)?)?"
)
_ISO = re.compile(r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})" + _TIME)
_NUMERIC = re.compile(r"(?P<first>\d{1,2})[/.-](?P<then>\d{1,2})[/.-](?P<year>\d{4}|\d{2})" + _TIME)
_NAMED = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s-](?P<name>[A-Za-z]{3,9})\.?,?[\s-]"
    r"(?P<year>\d{4}|\d{2})" + _TIME
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?:T?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})Z?)?"
)
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_EPOCH_UNITS: Final = {10: 1, 13: 1_000, 16: 1_000_000}

_NOT_A_TIME: Final = Fault(
    "not a date and time that can be read", "write it as 2026-04-30 14:05:00"
)
_TOO_EARLY: Final = Fault("before 1990", "correct the year")
_FUTURE: Final = Fault("in the future", "correct the year, or the order of day and month")
_SERIAL: Final = Fault("a spreadsheet's serial number", "format the column as date and time")


class Moments:
    """Reads times in file order; the order is what tells the two passes of October apart."""

    __slots__ = ("_latest", "_order", "_region_is_london", "_walls", "_zone", "without_time")

    def __init__(
        self,
        *,
        zone: str = "Europe/London",
        order: DateOrder = "dmy",
        passes: Passes | None = None,
    ) -> None:
        self._zone = ZoneInfo(zone)
        self._region_is_london = zone == "Europe/London"
        self._order = order
        self._latest = clock.epoch(clock.now()) + 86_400
        self._walls = Passes() if passes is None else passes
        self.without_time = 0

    def allow_future(self) -> None:
        """Read dates to come as well (the end of a validity, a plan)."""
        self._latest = _FAR

    @property
    def guessed(self) -> int:
        """Times in the repeated hour that the file's order could not place."""
        return self._walls.guessed

    def read(self, text: str) -> int | Fault:
        """``text`` as seconds since 1970, or why it cannot be read."""
        parsed = self._parse(text.strip())
        if isinstance(parsed, Fault):
            return parsed
        seconds = self._absolute(parsed) if isinstance(parsed, datetime) else parsed
        if seconds < EARLIEST:
            return _TOO_EARLY
        return _FUTURE if seconds > self._latest else seconds

    def _parse(self, text: str) -> datetime | int | Fault:
        if text.isascii() and text.isdigit() and len(text) in _EPOCH_UNITS:
            return int(text) // _EPOCH_UNITS[len(text)]
        match = _ISO.fullmatch(text) or _NUMERIC.fullmatch(text)
        match = match or _NAMED.fullmatch(text) or _COMPACT.fullmatch(text)
        if match is None:
            return (
                _SERIAL if re.fullmatch(r"[34567]\d{4}(\.\d+)?( 0?\.\d+)?", text) else _NOT_A_TIME
            )
        try:
            return self._wall(match.groupdict(), zulu=text.endswith("Z"))
        except (ValueError, OverflowError, KeyError):
            return _NOT_A_TIME

    def _wall(self, parts: dict[str, str | None], *, zulu: bool) -> datetime:
        year, month, day = self._date(parts)
        if parts["hour"] is None:
            self.without_time += 1
            return datetime(year, month, day, 12)  # noqa: DTZ001 - wall time; the zone comes later
        hour = _hour(int(parts["hour"]), parts.get("half"))
        wall = datetime(  # noqa: DTZ001 - wall time; the zone comes later
            year, month, day, hour, int(parts["minute"] or 0), int(parts["second"] or 0)
        )
        offset = _offset("Z" if zulu else parts.get("zone"))
        return wall if offset is None else wall.replace(tzinfo=offset)

    def _date(self, parts: dict[str, str | None]) -> tuple[int, int, int]:
        year = int(parts["year"] or 0)
        year += 2000 if year < 100 else 0
        if name := parts.get("name"):
            return year, _MONTHS.index(name[:3].lower()) + 1, int(parts["day"] or 0)
        if parts.get("first") is None:
            return year, int(parts["month"] or 0), int(parts["day"] or 0)
        first, then = int(parts["first"] or 0), int(parts["then"] or 0)
        return (year, first, then) if self._order == "mdy" else (year, then, first)

    def _absolute(self, moment: datetime) -> int:
        if moment.tzinfo is not None:
            return int(moment.timestamp())
        wall = int(moment.replace(tzinfo=UTC).timestamp())
        fold = self._walls.fold(wall, repeated=self._is_repeated(moment))
        return int(moment.replace(tzinfo=self._zone, fold=fold).timestamp())

    def _is_repeated(self, wall: datetime) -> bool:
        if self._region_is_london and (wall.month != 10 or wall.hour != 1):  # a cheap way out
            return False
        first = wall.replace(tzinfo=self._zone).utcoffset()
        second = wall.replace(tzinfo=self._zone, fold=1).utcoffset()
        return first is not None and second is not None and second < first


class Passes:
    """Which pass of a repeated hour a wall time belongs to, from the order of the file.

    A wall time is given in seconds as if it were UTC.
    """

    __slots__ = ("_direction", "_last", "_sorted", "_state", "guessed")

    def __init__(self) -> None:
        self._direction = 0
        self._sorted = True
        self._last: int | None = None
        self._state: tuple[int, int] | None = None
        self.guessed = 0

    def fold(self, wall: int, *, repeated: bool) -> int:
        """0 for the first pass, 1 for the second; ``wall`` are the times in file order."""
        if not repeated:
            self._follow(wall)
            return 0
        if self._direction == 0 or not self._sorted:
            self.guessed += 1
            return 0
        fold = 0 if self._direction > 0 else 1
        if self._state is not None and self._state[0] // 86_400 == wall // 86_400:
            last, fold = self._state
            if (wall < last) if self._direction > 0 else (wall > last):
                fold = 1 if self._direction > 0 else 0
        self._state = (wall, fold)
        return fold

    def follow(self, walls: NDArray[np.int64]) -> None:
        """Many times at once, in file order, none of them in a repeated hour."""
        if len(walls) == 0:
            return
        start = walls[0] if self._last is None else self._last
        steps = np.sign(np.diff(walls, prepend=start))
        steps = steps[steps != 0]
        if len(steps):
            self._direction = self._direction or int(steps[0])
            self._sorted = self._sorted and bool((steps == self._direction).all())
        self._last = int(walls[-1])

    def _follow(self, wall: int) -> None:
        if self._last is not None and wall != self._last:
            step = 1 if wall > self._last else -1
            self._sorted = self._sorted and self._direction in {0, step}
            self._direction = self._direction or step
        self._last = wall


def _hour(hour: int, half: str | None) -> int:
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("an hour with am or pm is 1 to 12")
    return hour % 12 + (12 if half[0] in "pP" else 0)


def _offset(zone: str | None) -> timezone | None:
    if zone is None:
        return None
    if zone in {"Z", "z", "UTC", "GMT"}:
        return UTC
    if zone == "BST":
        return timezone(timedelta(hours=1))
    digits = zone[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 14 or minutes > 59:
        raise ValueError("no such offset")
    return timezone((1 if zone[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
