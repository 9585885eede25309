"""Opening hours as people write them, such as ``Mon-Fri 09:00-12:00, 13:00-17:00``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import time
from itertools import pairwise
from typing import TypeAlias

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Hours: TypeAlias = Mapping[int, tuple[tuple[time, time], ...]]
"""Opening spans by weekday (0 is Monday), in order; a weekday that is not there is closed.

A span that closes at 00:00 closes at midnight.
"""

ALWAYS: Hours = {day: ((time(0), time(0)),) for day in range(7)}

_LINE = re.compile(r"([A-Za-z]+)(?:\s*(?:-|–|to)\s*([A-Za-z]+))?\s+(\d.*)")
_SPAN = re.compile(r"(\d{1,2}):(\d\d)\s*(?:-|–|to)\s*(\d{1,2}):(\d\d)")


def parse(lines: Sequence[str]) -> Hours:
    """Opening hours from one line for each group of days.

    Raises:
        ValueError: a line cannot be read, a span does not end after it begins, or two overlap;
            the message says which line.
    """
    spans: dict[int, list[tuple[time, time]]] = {}
    for line in lines:
        for day, span in _line(line):
            spans.setdefault(day, []).append(span)
    for day, listed in spans.items():
        listed.sort()
        for (_, closes), (opens, _) in pairwise(listed):
            if closes > opens or closes == time(0):
                raise ValueError(f"two spans of {DAYS[day]} overlap")
    return {day: tuple(spans[day]) for day in sorted(spans)}


def text(hours: Hours) -> list[str]:
    """Opening hours a day a line: ``Monday 09:00 to 17:00``."""
    return [
        f"{DAYS[day]} " + ", ".join(f"{a:%H:%M} to {b:%H:%M}" for a, b in hours[day])
        for day in sorted(hours)
    ]


def _line(line: str) -> Iterator[tuple[int, tuple[time, time]]]:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ValueError(f"{line!r} is not like 'Mon-Fri 09:00-17:00'")
    first = _day(match[1], line)
    last = _day(match[2], line) if match[2] else first
    days = [(first + i) % 7 for i in range((last - first) % 7 + 1)]
    spans = [_span(part.strip(), line) for part in match[3].split(",")]
    for day in days:
        for span in spans:
            yield day, span


def _day(name: str, line: str) -> int:
    plain = name.casefold()
    found = [
        i for i, day in enumerate(DAYS) if len(plain) >= 2 and day.casefold().startswith(plain)
    ]
    if len(found) != 1:
        raise ValueError(f"{name!r} in {line!r} is not a day of the week")
    return found[0]


def _span(part: str, line: str) -> tuple[time, time]:
    match = _SPAN.fullmatch(part)
    if match is None:
        raise ValueError(f"{part!r} in {line!r} is not like '09:00-17:00'")
    opens, closes = (_time(match[i], match[i + 1], line) for i in (1, 3))
    if closes <= opens and closes != time(0):
        raise ValueError(f"{part!r} in {line!r} does not end after it begins")
    return opens, closes


def _time(hour: str, minute: str, line: str) -> time:
    try:
        return time(
            int(hour) % 24 if int(hour) == 24 and minute == "00" else int(hour), int(minute)
        )
    except ValueError:
        raise ValueError(f"{hour}:{minute} in {line!r} is not a time of day") from None
