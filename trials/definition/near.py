"""Did you mean …?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``; ``None`` when there are none at all.

    The nearest is always named, however unlike, because a wrong guess costs a reader nothing
    and the right one saves a search.
    """
    words = list(known)
    if not words:
        return None
    close = get_close_matches(word.lower(), words, n=1, cutoff=0.0)
    return close[0] if close else words[0]


def listed(words: Iterable[str]) -> str:
    """``a, b or c``."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} or {items[-1]}"
