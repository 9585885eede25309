"""How hard a message is to read, and how long it takes.

The grade is Kincaid, Fishburne, Rogers and Chissom's (1975): ``0.39 words/sentence + 11.8
syllables/word - 15.59``; the reading age is the grade plus five, as a British child is five when
school begins. Syllables are the hyphenation points of British English (pyphen) or the groups of
vowels, whichever are more, since hyphenation never leaves a single letter alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import pyphen

PLAIN = 9
"""The reading age the Government Digital Service writes for."""
_SENTENCE = re.compile(r"[.!?:]+(?=\s|$)|\n\s*\n|\n(?=\s*[-*•])")
_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT = re.compile(r"(?:[^aeiouy]e|[^aeiouydt]ed|[^aeiouyscxzg]es)$")
_APART = re.compile(r"(?<![ctgs])i[ao](?!us|n)|ea$|[aeiou]ing$|eo(?!p)|[^qg]ua")


@dataclass(frozen=True, slots=True)
class Readability:
    """A message's figures. ``age`` is in years, at least five."""

    words: int
    sentences: int
    syllables: int
    grade: float

    @property
    def age(self) -> int:
        """The reading age in whole years."""
        return max(5, round(self.grade + 5))


@cache
def _hyphens() -> pyphen.Pyphen:
    return pyphen.Pyphen(lang="en_GB")


def syllables(word: str) -> int:
    """How many syllables a word has."""
    plain = re.sub(r"[^a-z]", "", word.lower())
    if not plain:
        return 0
    groups = len(_VOWELS.findall(plain)) + len(_APART.findall(plain))
    if _SILENT.search(plain) and groups > 1 and not plain.endswith(("le", "led", "les")):
        groups -= 1
    return max(1, groups, len(_hyphens().positions(plain)) + 1)


def readability(text: str) -> Readability | None:
    """The figures of a rendered message; ``None`` where it has no words."""
    words = _WORD.findall(text)
    if not words:
        return None
    sentences = max(1, sum(bool(_WORD.search(part)) for part in _SENTENCE.split(text)))
    total = sum(syllables(word) for word in words)
    grade = 0.39 * len(words) / sentences + 11.8 * total / len(words) - 15.59
    return Readability(len(words), sentences, total, grade)
