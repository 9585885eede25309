"""Passages that the law prescribes: marked, and the same in every arm.

A protected passage stands between two comments of the wording, which print nothing::

    {# protected: council tax regulations #}
    If you do not pay within seven days …
    {# end protected #}

A passage may also come from a column of the list, named in the arm's payload as
``{ protected = ["statutory_text"] }``. Either way every arm that has a wording carries each
passage unchanged and in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trials.definition.model import Arm

OPEN = "{# protected #}"
CLOSE = "{# end protected #}"
_MARK = re.compile(r"\{#-?\s*(end\s+protected|protected)\b\s*:?\s*(.*?)\s*-?#\}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A protected passage: its text without the marks, and the reason given for it."""

    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a wording, protected or free."""

    text: str
    protected: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm whose protected passages are not those of the others."""

    arm: str
    says: str
    remedy: str


def passages(wording: str) -> tuple[Passage, ...]:
    """The protected passages of a wording, in order.

    Raises:
        ValueError: a mark opens twice, or closes what was not opened; one sentence.
    """
    found: list[Passage] = []
    opened: re.Match[str] | None = None
    for mark in _MARK.finditer(wording):
        closes = mark[1].lower().startswith("end")
        if closes and opened is None:
            raise ValueError("a protected passage ends without having begun")
        if not closes and opened is not None:
            raise ValueError("a protected passage begins inside another")
        if opened is not None:
            found.append(Passage(_plain(wording[opened.end() : mark.start()]), opened[2]))
        opened = None if closes else mark
    if opened is not None:
        raise ValueError("a protected passage has no end")
    return tuple(found)


def parts(wording: str) -> tuple[Part, ...]:
    """The wording cut at its marks, which are left out. Unsound marks protect nothing."""
    try:
        passages(wording)
    except ValueError:
        return (Part(wording, protected=False),)
    found: list[Part] = []
    start, protected = 0, False
    for mark in _MARK.finditer(wording):
        found.append(Part(wording[start : mark.start()], protected=protected))
        start, protected = mark.end(), not protected
    found.append(Part(wording[start:], protected=protected))
    return tuple(part for part in found if part.text)


def columns(arms: Sequence[Arm]) -> tuple[str, ...]:
    """The columns that carry protected text, named in the payload of any arm."""
    named = [
        str(name)
        for arm in arms
        if isinstance(arm.payload, dict)
        for name in arm.payload.get("protected", ())
    ]
    return tuple(dict.fromkeys(named))


def differences(arms: Sequence[Arm]) -> Iterator[Difference]:
    """Every arm that leaves out, adds, moves or changes a protected passage."""
    told = [arm for arm in arms if arm.wording.strip()]
    read: list[tuple[Arm, tuple[Passage, ...]]] = []
    for arm in told:
        try:
            read.append((arm, passages(arm.wording)))
        except ValueError as unsound:
            yield Difference(arm.key, str(unsound), f"write {OPEN} before it and {CLOSE} after it")
    if read:
        first, wanted = next(((a, p) for a, p in read if a.control), read[0])
        for arm, found in read:
            if [p.text for p in found] != [p.text for p in wanted]:
                yield Difference(
                    arm.key,
                    f"its protected passages are not those of {first.key!r}",
                    "copy each passage unchanged, in the same order",
                )
    for name in columns(arms):
        for arm in told:
            if not re.search(rf"\{{\{{\s*{re.escape(name)}\s*\}}\}}", arm.wording):
                yield Difference(
                    arm.key,
                    f"it leaves out the protected text {name}",
                    f"write {{{{ {name} }}}} where it belongs, unfiltered",
                )


def _plain(text: str) -> str:
    """The passage with its spacing evened out: where a line is broken means nothing."""
    return " ".join(text.split())
