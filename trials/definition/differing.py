"""What one wording changes of another, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

Change = Literal["same", "added", "removed"]
_WORD = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\S+|\s+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Run:
    """Words that go together: kept, added or removed."""

    change: Change
    text: str


@dataclass(frozen=True, slots=True)
class Sides:
    """Two wordings beside each other: the first with what goes, the second with what comes."""

    before: tuple[Run, ...]
    after: tuple[Run, ...]
    added: int
    removed: int


def compare(before: str, after: str) -> Sides:
    """The two sides; ``added`` and ``removed`` count words."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    left = [
        Run("same" if tag == "equal" else "removed", "".join(old[a:b])) for tag, a, b, _, _ in steps
    ]
    right = [
        Run("same" if tag == "equal" else "added", "".join(new[c:d])) for tag, _, _, c, d in steps
    ]
    return Sides(
        before=tuple(_whole(left)),
        after=tuple(_whole(right)),
        added=_words(right),
        removed=_words(left),
    )


def _whole(runs: list[Run]) -> Iterator[Run]:
    return (run for run in runs if run.text)


def _words(runs: list[Run]) -> int:
    return sum(len(run.text.split()) for run in runs if run.change != "same")
