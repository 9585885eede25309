"""GOV.UK Notify: its recipients' CSV, its address rules and its ``((placeholders))``.

Rules as published in Notify's own guidance: headings match without regard to case, spaces,
underscores and dashes; at most 100,000 rows a file; a letter has 3 to 7 address lines, the last a
UK postcode or a country.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trials.definition.wording import Fragment, fragments, placeholder
from trials.errors import Invalid, Problem

Medium = Literal["email", "sms", "letter"]

MOST_ROWS = 100_000
"""Rows Notify takes in one file."""

ADDRESS = tuple(f"address line {i}" for i in range(1, 8))
_ALIASES = {"email": "emailaddress", "phone": "phonenumber", "mobile": "phonenumber"}
_HEADINGS: Mapping[str, str] = {
    **{re.sub(r"\W", "", heading): heading for heading in ADDRESS},
    "emailaddress": "email address",
    "phonenumber": "phone number",
    "postcode": "postcode",
}
_MEDIA: Mapping[str, Medium] = {"letter": "letter", "email": "email", "sms": "sms"}
_FIRST: Mapping[Medium, str] = {
    "email": "email address",
    "sms": "phone number",
    "letter": "address line 1",
}
_POSTCODE = re.compile(r"(GIR ?0AA|[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2})", re.IGNORECASE)
_BAD_START = tuple('@()=[]"\\/,<>~')
_NO_ABODE = re.compile(r"n\.? ?f\.? ?a\.?|no fixed (abode|address)", re.IGNORECASE)
_PHONE = re.compile(r"\+?[\d\s().-]{7,25}")
_EMAIL = re.compile(r"[^\s@=+\-][^\s@]*@[^\s@]+\.[^\s@]+")


def normalise(heading: str) -> str:
    """A heading as Notify compares it; our ``email`` and ``phone`` are its full names."""
    plain = re.sub(r"[\s_-]", "", heading).lower()
    return _ALIASES.get(plain, plain)


def medium_for(columns: Sequence[str], channel: str | None = None) -> Medium:
    """What is sent: as the trial's channel says, else as the list's columns allow.

    Raises:
        Invalid: the list has no column to send to.
    """
    wanted = _MEDIA.get(channel or "")
    media: tuple[Medium, ...] = (wanted,) if wanted else ("letter", "email", "sms")
    present = {normalise(column) for column in columns}
    for medium in media:
        if normalise(_FIRST[medium]) in present:
            return medium
    needed = " or ".join(_FIRST[medium] for medium in media)
    problem = Problem("columns", f"there is no column {needed}", "add it to the list of units")
    raise Invalid("the list cannot be sent with Notify", [problem])


def recipients(columns: Sequence[str], medium: Medium) -> dict[str, str]:
    """Notify's headings, in its order, and the list's column for each."""
    found = {normalise(column): column for column in reversed(columns)}
    if medium != "letter":
        heading = _FIRST[medium]
        return {heading: found[normalise(heading)]}
    wanted = [*ADDRESS, "postcode"]
    return {h: found[normalise(h)] for h in wanted if normalise(h) in found}


def unfit(row: Mapping[str, str], headings: Mapping[str, str], medium: Medium) -> str | None:
    """Why Notify would refuse to send to ``row``, without repeating its cells; None if it would."""
    cells = [row[column].strip() for column in headings.values()]
    if medium == "email":
        return None if _EMAIL.fullmatch(cells[0]) else "the email address is not one"
    if medium == "sms":
        enough = sum(c.isdigit() for c in cells[0]) >= 7
        return None if enough and _PHONE.fullmatch(cells[0]) else "the phone number is not one"
    return _unfit_address([cell for cell in cells if cell])


def _unfit_address(lines: Sequence[str]) -> str | None:
    if any(_NO_ABODE.fullmatch(line) for line in lines):
        return "the address says no fixed abode, which Notify rejects"
    if not 3 <= len(lines) <= 7:
        return f"the address has {len(lines)} lines; Notify needs 3 to 7"
    if any(line.startswith(_BAD_START) for line in lines):
        return "an address line begins with a sign Notify does not allow"
    if not all(any(c.isalnum() for c in line) for line in lines[:2]):
        return "the first two address lines need letters or numbers"
    last = lines[-1]
    if _POSTCODE.fullmatch(last) or (not any(c.isdigit() for c in last) and len(last) > 3):
        return None
    return "the last address line is neither a UK postcode nor a country"


@dataclass(frozen=True, slots=True)
class Field:
    """A placeholder column of the file: its heading and its value for a row."""

    heading: str
    value: Callable[[Mapping[str, str]], str]


@dataclass(frozen=True, slots=True)
class NotifyTemplate:
    """An arm's wording as a Notify template, with the columns that fill it."""

    text: str
    fields: tuple[Field, ...]


def to_notify(
    wording: str, columns: Sequence[str], headings: Mapping[str, str] | None = None
) -> NotifyTemplate:
    """``wording`` with ``((placeholders))``, for pasting into Notify.

    A plain column keeps its name. What Notify cannot compute is computed by us and sent as a
    column of its own: ``{{ amount | money }}`` is ``((amount money))`` and the first ``{% if %}``
    is ``((part 1))``. A column that Notify sends to (``headings``) goes under Notify's heading.

    Raises:
        Invalid: the wording cannot be used with these columns.
    """
    sent = {column: heading for heading, column in (headings or {}).items()}
    fields: dict[str, Field] = {}
    text, parts = [], 0
    for piece in fragments(wording, columns):
        if piece.text is not None:
            text.append(piece.text)
            continue
        parts += piece.column is None
        heading = _heading(piece, parts, sent)
        text.append(f"(({heading}))")
        if piece.filters or piece.column not in sent:
            fields.setdefault(normalise(heading), Field(heading, piece.render))
    return NotifyTemplate("".join(text), tuple(fields.values()))


def _heading(piece: Fragment, parts: int, sent: Mapping[str, str]) -> str:
    if piece.column is None:
        return f"part {parts}"
    return " ".join([sent.get(piece.column, piece.column), *piece.filters])


def from_notify(text: str) -> str:
    """A Notify template as a wording: ``((name))`` and ``((name??text))``.

    Notify shows a conditional's text when its cell says yes, y, true, t or 1; the wording tests
    for the same, in lower case.
    """

    def wording(match: re.Match[str]) -> str:
        name, conditional, shown = match[1].partition("??")
        column = placeholder(name.strip())
        if not conditional:
            return f"{{{{ {column} }}}}"
        tests = " or ".join(f"{column}|trim|lower == '{v}'" for v in ("yes", "y", "true", "t", "1"))
        return f"{{% if {tests} %}}{shown}{{% endif %}}"

    return re.sub(r"\(\(([^()]+(?:\([^()]*\)[^()]*)*)\)\)", wording, text)
