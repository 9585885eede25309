"""The few ways an arm's wording may change a column before printing it.

All take and give text, so a wording can never compute. ``default`` also stands in for a blank
cell, since a list of units has blanks where a database would have nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

_MONEY = re.compile(r"([+-]?)£?([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,15})(\.\d{1,6})?")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DATES = ("%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y", "%d %B %Y", "%d %b %Y")


class Unfit(ValueError):
    """A cell does not hold what a filter needs. The message does not repeat the cell."""


def money(text: str) -> str:
    """An amount of pounds: ``1234.5`` is ``£1,234.50``, whole pounds keep their pence."""
    match = _MONEY.fullmatch(text.strip().replace(" ", ""))
    if match is None or (match[1] and match[2]):
        raise Unfit("is not an amount of money")
    amount = Decimal(match[3].replace(",", "") + (match[4] or "")).quantize(
        Decimal("0.01"), ROUND_HALF_UP
    )
    sign = "-" if "-" in (match[1], match[2]) and amount else ""
    return f"{sign}£{amount:,}"


def day(text: str) -> str:
    """A date: ``2026-04-01`` and ``01/04/2026`` are ``1 April 2026``."""
    plain = text.strip()
    try:
        return spelled(date.fromisoformat(plain[:10] if _ISO.fullmatch(plain) else plain))
    except ValueError:
        pass
    for form in _DATES:
        try:
            return spelled(datetime.strptime(plain, form).date())  # noqa: DTZ007 - only a date
        except ValueError:
            continue
    raise Unfit("is not a date")


def spelled(when: date) -> str:
    """``when`` as ``1 April 2026``."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def number(text: str) -> str:
    """A whole number or decimal with thousands marked: ``12345`` is ``12,345``."""
    plain = text.strip().replace(",", "")
    if re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,6})?", plain) is None:
        raise Unfit("is not a number")
    return f"{Decimal(plain):,}"


def capitalize(text: str) -> str:
    """The first letter upper case, the others lower."""
    return text.capitalize()


def title(text: str) -> str:
    """Each word's first letter upper case: ``o'neill-smith`` is ``O'Neill-Smith``."""
    raised = re.sub(r"(?<![^\W_])[^\W\d_]", lambda m: m[0].upper(), text.lower())
    return re.sub(r"(?<=['’])S\b", "s", raised)


def default(text: str, instead: str) -> str:
    """``instead`` where the cell is blank."""
    return text if text.strip() else instead


PLAIN: Mapping[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "title": title,
    "capitalize": capitalize,
    "trim": str.strip,
    "money": money,
    "date": day,
    "number": number,
}
"""Filters without an argument."""

WITH_TEXT: Mapping[str, Callable[[str, str], str]] = {"default": default, "d": default}
"""Filters with one argument, a text in quotes."""
