"""How long a message is in the terms of its channel: seconds, parts, words or pages."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from trials.definition.model import Channel
from trials.plurals import counted

SPOKEN_PER_MINUTE = 150
"""Words a minute of a recorded announcement at a pace that can be followed."""
PAUSE = 0.5
"""Seconds between sentences."""
LONGEST_GREETING = 30
ABANDONED_FROM = 60
"""44% of those who hang up do so 60 to 120 seconds into the call, around the message."""
_PAGE = 400
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_DOUBLE = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True, slots=True)
class Length:
    """A message's length in words, and a warning where it is too long for its channel."""

    says: str
    warns: str = ""


@dataclass(frozen=True, slots=True)
class Sms:
    """A text message: its parts and whether it needs the wide alphabet (3GPP TS 23.038)."""

    characters: int
    parts: int
    wide: bool


def sms(text: str) -> Sms:
    """160 characters in one part, 153 in each of several; 70 and 67 with the wide alphabet."""
    wide = any(c not in _BASIC and c not in _DOUBLE for c in text)
    size = len(text.encode("utf-16-le")) // 2 if wide else sum(1 + (c in _DOUBLE) for c in text)
    one, many = (70, 67) if wide else (160, 153)
    return Sms(size, 1 if size <= one else math.ceil(size / many), wide)


def seconds(text: str) -> int:
    """How long it takes to read aloud; figures are read digit by digit."""
    spoken = re.sub(r"\d", " digit ", text)
    words = len(re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", spoken))
    stops = len(re.findall(r"[.!?:;]+(?=\s|$)", text))
    return round(words * 60 / SPOKEN_PER_MINUTE + stops * PAUSE)


def length(text: str, channel: Channel | None) -> Length:
    """The rendered message's length as its channel counts it."""
    if not text.strip():
        return Length("No wording")
    if channel == "ivr":
        return _spoken(text)
    if channel == "sms":
        return _sent(text)
    return _written(text, channel)


def _spoken(text: str) -> Length:
    took = seconds(text)
    warns = ""
    if took >= ABANDONED_FROM:
        warns = "Callers who hang up do so around the message: under half a minute holds them."
    elif took > LONGEST_GREETING:
        warns = "Over half a minute: say the two things most callers need first."
    return Length(f"About {took} seconds when read aloud", warns)


def _sent(text: str) -> Length:
    found = sms(text)
    parts = counted(found.parts, "text message")
    warns = ""
    if found.wide:
        odd = next(c for c in text if c not in _BASIC and c not in _DOUBLE)
        warns = f"The character {odd} halves what fits in a message: leave it out if you can."
    return Length(f"{found.characters} characters, sent as {parts}", warns)


def _written(text: str, channel: Channel | None) -> Length:
    words = len(text.split())
    said = counted(words, "word")
    if channel == "letter":
        pages = max(1, math.ceil(words / _PAGE))
        return Length(f"{said}, about {counted(pages, 'page')}")
    return Length(said)
