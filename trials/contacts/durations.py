"""How long a thing took, in seconds: from seconds, milliseconds, ``hh:mm:ss`` or ISO 8601."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final, Literal

from trials.contacts.record import Fault

DurationUnit = Literal["s", "ms", "min"]

LONGEST: Final = 30 * 86_400
"""Nothing in a contact takes longer than thirty days: such a value is in the wrong unit."""

_NO_DURATION: Final = Fault("not a duration", "write it in seconds or as hh:mm:ss")
_PER_SECOND: Final[dict[DurationUnit, float]] = {"s": 1.0, "ms": 1e-3, "min": 60.0}
_CLOCK = re.compile(r"(?:(\d+)\s*(?:d|days?|\.)\s*)?(?:(\d+):)?(\d+):(\d{2})(?:[.,](\d+))?")
_WORDS = re.compile(
    r"(?:(\d+)\s*d(?:ays?)?)?\s*(?:(\d+)\s*h(?:(?:ou)?rs?)?)?\s*(?:(\d+)\s*m(?:in(?:ute)?s?)?)?"
    r"\s*(?:(\d+(?:\.\d+)?)\s*s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?|\d{1,3}(?:,\d{3})+(?:\.\d{1,9})?")


@lru_cache(maxsize=8192)
def seconds(text: str, unit: DurationUnit = "s") -> int | Fault:
    """``text`` in whole seconds (halves upwards), or why it cannot be read.

    A bare number is in ``unit``; two parts (``4:30``) are minutes and seconds.
    """
    if len(text) > 40:
        return _NO_DURATION
    value = _value(text.strip(), unit)
    if value is None:
        return _NO_DURATION
    if value > LONGEST:
        remedy = "if these are milliseconds, say so under [units] in a mapping"
        return Fault("longer than thirty days", remedy)
    return math.floor(value + 0.5)


def _value(text: str, unit: DurationUnit) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text.replace(",", "")) * _PER_SECOND[unit]
    if match := _CLOCK.fullmatch(text):
        return _clock(match)
    match = _ISO.fullmatch(text) or _WORDS.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + rest


def _clock(match: re.Match[str]) -> float | None:
    days, hours, minutes, rest, fraction = match.groups()
    if hours is not None and int(minutes) > 59:
        return None
    if int(rest) > 59:
        return None
    whole = int(days or 0) * 86_400 + int(hours or 0) * 3_600 + int(minutes) * 60 + int(rest)
    return whole + float(f"0.{fraction or 0}")
