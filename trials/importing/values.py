"""Single values of a file: times, numbers, flags."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta

from trials import clock

_BRITISH = re.compile(r"^\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4}")
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$|^\d{8}$")
_YES = frozenset({"1", "1.0", "yes", "y", "true", "t"})
_NO = frozenset({"0", "0.0", "no", "n", "false", "f"})
_EARLIEST, _LATEST = 0, 4_102_444_800  # 1970 to 2100: anything else is a slip of the pen


class ValueRefused(ValueError):
    """A value that cannot be used; the message completes "the column …"."""


def moment(text: str, *, end_of_day: bool = False) -> int:
    """ISO 8601 text as epoch seconds in UTC.

    A time without an offset is Europe/London wall time. A date alone means its first second, or
    its last one with ``end_of_day`` (something seen that day was seen after the morning's letter).

    Raises:
        ValueRefused: the text is no ISO 8601 date or time.
    """
    stripped = text.strip()
    if _BRITISH.match(stripped):
        raise ValueRefused("is not an ISO date; write the year first, as in 2026-04-30")
    try:
        parsed = datetime.fromisoformat(stripped)
    except ValueError:
        raise ValueRefused("is not a date or time; write it as 2026-04-30T14:05:00") from None
    if end_of_day and _DAY.match(stripped):
        parsed += timedelta(days=1) - timedelta(seconds=1)
    seconds = clock.epoch(parsed)
    if not _EARLIEST < seconds < _LATEST:
        raise ValueRefused("lies before 1970 or after 2100")
    return seconds


def number(text: str) -> float:
    """A finite number with a full stop as its decimal mark.

    Raises:
        ValueRefused: the text is anything else; British thousands commas are refused too, because
            ``1,234`` and ``1,5`` cannot be told apart safely.
    """
    try:
        value = float(text)
    except ValueError:
        hint = " without thousands separators" if "," in text else ""
        raise ValueRefused(f"is not a number; write it{hint} as in 12.5") from None
    if not math.isfinite(value):
        raise ValueRefused("is not a finite number")
    return value


def flag(text: str) -> float:
    """1 for yes, 0 for no (also y/n, true/false, 1/0).

    Raises:
        ValueRefused: the text is anything else.
    """
    lowered = text.strip().casefold()
    if lowered in _YES:
        return 1.0
    if lowered in _NO:
        return 0.0
    raise ValueRefused("is neither 0 nor 1; a proportion takes one of the two for each unit")
