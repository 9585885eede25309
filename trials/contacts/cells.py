"""What a cell says: words, yes or no, numbers and closed lists, from how people write them.

Every function takes a cell's text and gives a value, ``None`` for a cell that says nothing
(blank, ``-``, ``n/a``, ``#####``), or a :class:`~trials.contacts.record.Fault`. A fault never
repeats the cell: a cell may hold anything, a name or a telephone number included.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal, TypeVar

from trials.contacts.record import CHANNELS, OUTCOMES, Channel, Fault, Outcome

LONGEST_TEXT: Final = 200
LONGEST_CELL: Final = 10_000
PRINTED: Final = "remove line breaks and control characters"
NOT_A_NUMBER: Final = Fault("not a number", "write it as 12.5")

NOTHING: Final[dict[str, str]] = {
    "": "blank",
    "-": "a dash",
    "–": "a dash",
    "—": "a dash",
    "--": "a dash",
    "n/a": "not applicable",
    "na": "not applicable",
    "#n/a": "a spreadsheet's error value",
    "nil": "not given",
    "none": "not given",
    "null": "not given",
    "nan": "not given",
    "(blank)": "blank",
    "(not set)": "not given",
    "not known": "not known",
    "..": "not available",
    "tbc": "to be confirmed",
}
"""Cells that say nothing, with the reason that is reported for them (never read as zero)."""

_HASHES = re.compile(r"#{2,}")
_SHEET_ERROR = re.compile(r"#(?:REF|DIV/0|VALUE|NAME|NUM|NULL|SPILL|CALC)[!?]?", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_LONG_DIGITS = re.compile(r"(?:\d[\s\-]?){9,}")
_PHONE = re.compile(r"(?:\+|\b0)(?:[\s()./\-–]{0,3}\d){9,}")
_MOBILE = re.compile(r"(?:\+?44|0044|0)7[1-9]\d{8}")
_NUMBER = re.compile(r"[+-]?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,9})?")

_YES: Final = frozenset({"yes", "y", "true", "t", "1", "1.0"})
_NO: Final = frozenset({"no", "n", "false", "f", "0", "0.0"})

CHANNEL_WORDS: Final[dict[str, Channel]] = {
    "call": "phone",
    "inboundcall": "phone",
    "telephone": "phone",
    "telephony": "phone",
    "voice": "phone",
    "voicemail": "phone",
    "chat": "webchat",
    "livechat": "webchat",
    "message": "webchat",
    "messaging": "webchat",
    "whatsapp": "social",
    "facebook": "social",
    "twitter": "social",
    "socialmedia": "social",
    "socialexpression": "social",
    "mail": "email",
    "onlineform": "form",
    "webform": "form",
    "contactusform": "form",
    "eform": "form",
    "post": "letter",
    "paper": "letter",
    "text": "sms",
    "textmessage": "sms",
    "inperson": "face-to-face",
    "f2f": "face-to-face",
    "counter": "face-to-face",
    "reception": "face-to-face",
    "walkin": "face-to-face",
    "visit": "face-to-face",
    "online": "web",
    "website": "web",
    "selfserve": "web",
    "selfservice": "web",
    "portal": "web",
}
OUTCOME_WORDS: Final[dict[str, Outcome]] = {
    "answered": "handled",
    "completed": "handled",
    "connected": "handled",
    "abandoned": "abandoned-in-queue",
    "lost": "abandoned-in-queue",
    "abandonedinivr": "ended-in-ivr",
    "ivrexit": "ended-in-ivr",
    "callback": "call-back",
    "callbackrequested": "call-back",
    "selfserve": "self-served",
    "contained": "self-served",
    "transfer": "transferred",
    "rejected": "refused",
    "unknown": "other",
}

Key = TypeVar("Key", Channel, Outcome)


def fold(name: str) -> str:
    """A name without case, spaces and punctuation: ``Queue Name`` and ``queueName`` are one."""
    return "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())


def why_nothing(text: str) -> str | None:
    """Why a cell says nothing (``blank``, ``a spreadsheet's overflow``), or ``None`` if it does."""
    bare = text.strip()
    if reason := NOTHING.get(bare.casefold()):
        return reason
    if _HASHES.fullmatch(bare):
        return "a spreadsheet's overflow: the column was too narrow to show the number"
    return "a spreadsheet's error value" if _SHEET_ERROR.fullmatch(bare) else None


@lru_cache(maxsize=8192)
def words(text: str) -> str | Fault | None:
    """A short label: Unicode NFC, inner white space as single spaces.

    An e-mail address, nine digits in a row or a telephone number however it is spaced is refused:
    it belongs in an identifier's column.
    """
    if why_nothing(text) is not None:
        return None
    clean = " ".join(unicodedata.normalize("NFC", text).split())
    if len(clean) > LONGEST_TEXT:
        return Fault(f"longer than {LONGEST_TEXT} characters", "give a code or a short label")
    if not clean.isprintable():
        return Fault("holds characters that cannot be printed", PRINTED)
    if _identifies(clean):
        says = "holds what looks like an e-mail address or a telephone number"
        return Fault(says, "move it to the column of an identifier, which is hashed")
    return clean


def _identifies(text: str) -> bool:
    plain = re.sub("%40", "@", text)
    return any(sign.search(plain) for sign in (_EMAIL, _LONG_DIGITS, _PHONE))


def line(text: str) -> str | Fault | None:
    """The council's own line or queue: a label, or one of its own telephone numbers.

    A mobile number is refused: in a shifted row it is the caller's.
    """
    bare = re.sub(r"[\s()+-]", "", text)
    if _MOBILE.fullmatch(bare):
        remedy = "name the queue, or give the council's own number a name in a mapping"
        return Fault("is a mobile telephone number", remedy)
    if bare.isascii() and bare.isdigit() and 3 <= len(bare) <= 15:
        return " ".join(text.split())
    return words(text)


def yes_no(text: str) -> bool | Fault | None:
    """Yes or no, true or false, 1 or 0."""
    bare = text.strip().casefold()
    if bare in _YES:
        return True
    if bare in _NO:
        return False
    return None if why_nothing(text) is not None else Fault("neither yes nor no", "write yes or no")


def number(text: str) -> float | Fault | None:
    """A number, with or without thousands commas, a pound sign, or brackets for negative."""
    if why_nothing(text) is not None:
        return None
    bare = text.strip().removeprefix("£").strip()
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    return float(bare.replace(",", "")) if _NUMBER.fullmatch(bare) else NOT_A_NUMBER


def channel(text: str) -> Channel | Fault | None:
    """One of the contract's channels, from its name or a usual word for it."""
    return _channel(text if len(text) <= LONGEST_TEXT else "?")


def outcome(text: str) -> Outcome | Fault | None:
    """One of the contract's outcomes, from its name or a usual word for it."""
    return _outcome(text if len(text) <= LONGEST_TEXT else "?")


@lru_cache(maxsize=4096)
def _channel(text: str) -> Channel | Fault | None:
    return _choice(text, "channel", {**CHANNEL_WORDS, **{fold(c): c for c in CHANNELS}})


@lru_cache(maxsize=4096)
def _outcome(text: str) -> Outcome | Fault | None:
    return _choice(text, "outcome", {**OUTCOME_WORDS, **{fold(o): o for o in OUTCOMES}})


def _choice(
    text: str, what: Literal["channel", "outcome"], known: dict[str, Key]
) -> Key | Fault | None:
    if why_nothing(text) is not None:
        return None
    name = fold(text)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest is {known[near[0]]}; " if near else ""
    ours = ", ".join(CHANNELS if what == "channel" else OUTCOMES)
    return Fault(f"not a known {what}", f"{hint}use {ours}, or map the word in a mapping")
