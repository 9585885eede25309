"""Whole columns of times: the usual shapes read as columns of digits, London's clock applied.

The shapes are ``2022-07-04 09:30:00``, with ``T`` and with ``Z``, and ``04/07/2022 09:30:00``, each
also without the seconds. Every other text, and every time that needs a closer look, is marked for
:class:`~trials.contacts.moments.Moments`, whose meaning of these shapes is the same.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trials import clock
from trials.contacts.fast_columns import Ints, Mask, text_bytes
from trials.contacts.moments import EARLIEST

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shape:
    """A way of writing a time: its length, where its parts are, and which signs stand where."""

    length: int
    year: int
    month: int
    day: int
    second: int | None
    signs: tuple[tuple[int, bytes], ...]
    exact: bool = False


_ISO: Final = ((4, b"-"), (7, b"-"), (10, b" T"), (13, b":"))
_BRITISH: Final = ((2, b"/"), (5, b"/"), (10, b" "), (13, b":"))
SHAPES: Final = (
    Shape(19, 0, 5, 8, 17, (*_ISO, (16, b":"))),
    Shape(20, 0, 5, 8, 17, (*_ISO, (16, b":"), (19, b"Z")), exact=True),
    Shape(16, 0, 5, 8, None, _ISO),
    Shape(19, 6, 3, 0, 17, (*_BRITISH, (16, b":"))),
    Shape(16, 6, 3, 0, None, _BRITISH),
)
_DAYS: Final = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Times:
    """A column of times.

    ``at`` is in seconds since 1970; ``wall`` as written, in seconds as if it were UTC; ``exact``
    marks times with their zone, ``odd`` those that need a closer look (not read, out of range, or
    in an hour that comes twice), whose ``at`` means nothing.
    """

    at: Ints
    wall: Ints
    exact: Mask
    odd: Mask


def read(column: pa.Array) -> Times:
    """The times of a column of texts without nulls."""
    offsets, data = text_bytes(column)
    lengths = np.diff(offsets)
    wall = np.zeros(len(lengths), dtype=np.int64)
    exact = np.zeros(len(lengths), dtype=bool)
    odd = np.ones(len(lengths), dtype=bool)
    for shape in SHAPES:
        rows = np.flatnonzero(odd & (lengths == shape.length))
        if len(rows) == 0:
            continue
        seconds, fits = _parsed(data[offsets[rows][:, None] + np.arange(shape.length)], shape)
        wall[rows[fits]] = seconds[fits]
        exact[rows[fits]] = shape.exact
        odd[rows[fits]] = False
    return _located(wall, exact, odd)


def _parsed(text: Bytes, shape: Shape) -> tuple[Ints, Mask]:
    """The seconds of texts of one shape, and which of them have it and are real times."""
    fits = np.ones(len(text), dtype=bool)
    for place, signs in shape.signs:
        fits &= np.isin(text[:, place], np.frombuffer(signs, dtype=np.uint8))
    places = [place for place, _ in shape.signs]
    digits = np.delete(text, places, axis=1)
    fits &= ((digits >= 0x30) & (digits <= 0x39)).all(axis=1)
    year = _number(text, shape.year, 4)
    month, day = _number(text, shape.month, 2), _number(text, shape.day, 2)
    hour, minute = _number(text, 11, 2), _number(text, 14, 2)
    second = np.zeros_like(hour) if shape.second is None else _number(text, shape.second, 2)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    longest = _DAYS[np.clip(month, 1, 12) - 1] + (leap & (month == 2))
    fits &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= longest)
    fits &= (hour < 24) & (minute < 60) & (second < 60)
    return _days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second, fits


def _number(text: Bytes, start: int, size: int) -> Ints:
    value = np.zeros(len(text), dtype=np.int64)
    for place in range(start, start + size):
        value = value * 10 + text[:, place] - 0x30
    return value


def _days(year: Ints, month: Ints, day: Ints) -> Ints:
    """Days since 1970 of dates in the Gregorian calendar, years counted from 1 March."""
    years = year - (month <= 2)
    since_march = (month + 9) % 12
    of_year = (153 * since_march + 2) // 5 + day - 1
    return years * 365 + years // 4 - years // 100 + years // 400 + of_year - 719_468


def _located(wall: Ints, exact: Mask, odd: Mask) -> Times:
    zone = london()
    ahead = zone.offset[np.searchsorted(zone.begins, wall, side="right") - 1]
    at = np.where(exact, wall, wall - ahead)
    which = np.searchsorted(zone.repeats_from, wall, side="right") - 1
    twice = ~exact & (which >= 0) & (wall < zone.repeats_to[np.maximum(which, 0)])
    outside = (at < EARLIEST + 86_400) | (at > clock.epoch(clock.now()))
    return Times(at, wall, exact, odd | twice | outside)


@dataclass(frozen=True, slots=True)
class Zone:
    """London's changes of clock as wall times (seconds as if UTC).

    From ``begins[i]`` on the clock is ``offset[i]`` ahead of UTC; in the hours from
    ``repeats_from`` to ``repeats_to`` every wall time comes twice.
    """

    begins: Ints
    offset: Ints
    repeats_from: Ints
    repeats_to: Ints


@cache
def london(until: int = 2050) -> Zone:
    """The changes from 1990 to ``until``, as the time-zone database has them."""
    begins, offsets, first, last = [-(2**62)], [_offset(EARLIEST)], [], []
    for moment in _changes(EARLIEST, int(datetime(until, 1, 1, tzinfo=UTC).timestamp())):
        before, after = _offset(moment - 1), _offset(moment)
        # In the hour that is skipped the old offset goes on; in the one repeated it is asked for.
        begins.append(moment + max(before, after))
        offsets.append(after)
        if after < before:
            first.append(moment + after)
            last.append(moment + before)
    return Zone(*(np.array(part, dtype=np.int64) for part in (begins, offsets, first, last)))


def _offset(moment: int) -> int:
    shift = clock.from_epoch(moment).astimezone(clock.LONDON).utcoffset()
    return int((shift or timedelta()).total_seconds())


def _changes(start: int, end: int) -> list[int]:
    """The moments at which the offset changes: looked at by the week, found to the second."""
    week = 7 * 86_400
    return [
        _change(begin, begin + week)
        for begin in range(start, end, week)
        if _offset(begin) != _offset(begin + week)
    ]


def _change(begin: int, end: int) -> int:
    """The first second from ``begin`` on whose offset is another one than at ``begin``."""
    old = _offset(begin)
    span = range(begin, end)
    return span[bisect_left(span, True, key=lambda moment: _offset(moment) != old)]
