"""Numbers, dates and nouns as a British reader expects to see them. Pure text, no statistics."""

from __future__ import annotations

import math
from datetime import date, datetime, time, timedelta

from trials import clock, plurals

MINUS = "−"
plural, counted, singular = plurals.plural, plurals.counted, plurals.singular


def number(value: float, places: int = 0) -> str:
    """``1234.5`` as ``1,234`` (or with ``places`` decimals); a true minus sign, never "-0"."""
    text = f"{abs(value):,.{places}f}"
    nothing = not any(digit in text for digit in "123456789")
    return text if value >= 0 or nothing else f"{MINUS}{text}"


def significant(value: float, figures: int = 3) -> str:
    """``value`` to about ``figures`` significant figures, without an exponent."""
    if value == 0:
        return "0"
    places = figures - 1 - math.floor(math.log10(abs(value)))
    return number(value, min(max(places, 0), 12))


def percent(fraction: float, places: int = 1) -> str:
    """``0.173`` as ``17.3%``."""
    return f"{number(fraction * 100, places)}%"


def points(fraction: float) -> str:
    """A difference of shares in percentage points: ``-0.02`` as ``−2.0``; tiny ones in full."""
    scaled = fraction * 100
    return number(scaled, 1) if scaled == 0 or abs(scaled) >= 1 else significant(scaled, 2)


def chance(probability: float) -> str:
    """A probability as a percentage that never claims certainty."""
    if probability > 0.999:
        return "more than 99.9%"
    if probability < 0.001:
        return "less than 0.1%"
    places = 1 if probability > 0.99 or probability < 0.01 else 0
    return percent(probability, places)


def p_value(p: float) -> str:
    """A p-value to three decimals, or ``less than 0.001``."""
    return "less than 0.001" if p < 0.001 else f"{p:.3f}"


def level(coverage: float) -> str:
    """The coverage of an interval: ``0.95`` as ``95%``, ``0.9833`` as ``98.3%``."""
    places = 0 if abs(coverage * 100 - round(coverage * 100)) < 1e-9 else 1
    return percent(coverage, places)


def numbered(written: str, noun: str) -> str:
    """``1 contact``, ``0.8 contacts``: the noun after a number that is written already."""
    return f"{written} {noun if written == '1' else plural(noun)}"


def day(value: date | datetime | str | None) -> str:
    """``2026-04-01`` as ``1 April 2026``; a moment is shown by its date in London."""
    found = _moment(value)
    if found is None:
        return "not set"
    return f"{found.day} {found:%B %Y}"


def moment(value: datetime | str | None) -> str:
    """A moment in London: ``1 April 2026 at 2:05pm``."""
    found = _moment(value)
    if found is None:
        return "not known"
    if not isinstance(found, datetime):
        return day(found)
    hour = found.hour % 12 or 12
    return f"{day(found)} at {hour}:{found:%M}{'am' if found.hour < 12 else 'pm'}"


def until(value: datetime | str | None) -> str:
    """The moment up to which data count: midnight is told as the end of the day before."""
    found = _moment(value)
    if isinstance(found, datetime) and found.time() == time.min:
        return f"the end of {day(found - timedelta(days=1))}"
    return moment(value)


def _moment(value: date | datetime | str | None) -> date | datetime | None:
    """``value`` in London time; text is read as ISO 8601, and anything else is not known."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        return clock.london(value) if value.tzinfo else value
    return value


def span_of_time(seconds: int) -> str:
    """A duration in words: 1209600 is ``14 days``."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return counted(seconds // size, name)
    raise AssertionError(seconds)  # every whole number of seconds divides by one


def listed(items: list[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def capital(text: str) -> str:
    """The text with its first letter a capital and the rest as it is."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """The text as it reads in the middle of a sentence: an abbreviation keeps its capitals."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def sentence(text: str) -> str:
    """The text as a sentence: capital first, one full stop last."""
    trimmed = text.strip()
    if not trimmed:
        return ""
    return capital(trimmed) if trimmed[-1] in ".?!" else f"{capital(trimmed)}."
