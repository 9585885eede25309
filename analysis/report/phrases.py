"""How one metric is spoken of: per how many units, fewer or lower, and what happened to them.

Shares and counts are told as natural frequencies ("of every 1,000 households, about 25 fewer …"),
which people judge better than percentages (Gigerenzer and Hoffrage 1995); other measures in their
own units.
"""

from __future__ import annotations

import re

from analysis.report.figures import (
    MINUS,
    lower_first,
    number,
    percent,
    plural,
    significant,
    singular,
)
from analysis.report.reading import Interval, metric_title
from trials.definition.model import Metric

_BASES = (1_000, 10_000, 100_000, 1_000_000)
_DETERMINERS = frozenset(
    [
        "a",
        "an",
        "any",
        "at",
        "the",
        "no",
        "one",
        "two",
        "more",
        "fewer",
        "less",
        "another",
        "some",
        "every",
        "their",
        "its",
    ]
)
_VERBS = frozenset(
    [
        "paid",
        "gave",
        "set",
        "said",
        "rose",
        "fell",
        "rang",
        "sent",
        "voted",
        "went",
        "left",
        "got",
        "took",
        "did",
        "made",
        "read",
        "saw",
        "used",
        "kept",
        "lost",
        "came",
        "told",
        "wrote",
        "had",
        "was",
        "were",
        "spoke",
        "found",
        "chose",
    ]
)
_BREAKS = frozenset(
    [
        "within",
        "in",
        "after",
        "at",
        "by",
        "of",
        "on",
        "for",
        "from",
        "to",
        "about",
        "during",
        "per",
        "with",
        "before",
    ]
)
_AFTER_A_VERB = _DETERMINERS | _BREAKS | {"us", "them", "again", "", "it"}
_SINGULAR = frozenset({"summons", "business", "address", "access", "process", "illness"})
_SHARE_WORDS = ("rate", "share", "proportion", "percentage")
_TIMES = frozenset({"handle_seconds", "wait_seconds"})


def base_of(metric: Metric, found: Interval | None) -> int | None:
    """Per how many units a share or a count is told so that whole numbers say something.

    1,000 unless the whole interval is within about two in a thousand of zero; ``None`` for a
    metric that is told in its own units.
    """
    if metric.kind not in ("proportion", "count"):
        return None
    ends = [] if found is None else [found.estimate, found.low, found.high]
    largest = max((abs(end) for end in ends if end is not None), default=0.0)
    if largest == 0:
        return _BASES[0]
    return next((base for base in _BASES if largest * base >= 2.5), _BASES[-1])


def amount(metric: Metric, value: float, base: int | None) -> str:
    """The size of a difference or a level without its sign: ``20``, ``12.3 seconds``, ``£4.10``."""
    size = abs(value)
    if base is not None:
        scaled = size * base
        return number(scaled) if scaled >= 0.95 or scaled == 0 else _small(scaled)
    if metric.value in _TIMES:
        return f"{number(size, 1 if size < 100 else 0)} seconds"
    if metric.value == "cost":
        return f"£{number(size, 2)}" if size >= 0.01 or size == 0 else f"£{significant(size, 1)}"
    return significant(size, 3)


def _small(scaled: float) -> str:
    """Less than one of many: one decimal, or said to be less than that."""
    return f"{scaled:.1f}" if scaled >= 0.05 else "less than 0.1"


def measured(metric: Metric, value: float) -> str:
    """The level of a metric in an arm: ``12.0%``, ``271 per 1,000``, ``151 seconds``."""
    if metric.kind == "proportion":
        return percent(value, 1 if abs(value) >= 0.01 or value == 0 else 2)
    sign = MINUS if value < 0 else ""
    if metric.kind == "count":
        base = base_of(metric, None) or 1
        return f"{sign}{amount(metric, value, base)} per {base:,}"
    return f"{sign}{amount(metric, value, None)}"


def way(metric: Metric, value: float) -> str:
    """The word for the direction of a change: fewer, more, shorter, longer, lower, higher."""
    if metric.kind in ("proportion", "count"):
        return "more" if value > 0 else "fewer"
    if metric.value in _TIMES:
        return "longer" if value > 0 else "shorter"
    return "higher" if value > 0 else "lower"


def signed(metric: Metric, value: float, base: int | None) -> str:
    """``20 fewer``, ``5 more``, ``no difference``."""
    return "no difference" if value == 0 else f"{amount(metric, value, base)} {way(metric, value)}"


def span(metric: Metric, found: Interval, base: int | None) -> str:
    """The interval in words: ``between 8 and 32 fewer``, ``anywhere from 8 fewer to 5 more``."""
    low, high = found.low, found.high
    if low is None or high is None:
        return _half_open(metric, low, high, base)
    if low * high <= 0:
        if low == high:
            return "no difference"
        return f"anywhere from {signed(metric, low, base)} to {signed(metric, high, base)}"
    near, far = sorted((low, high), key=abs)
    if amount(metric, near, base) == amount(metric, far, base):
        return f"close to {signed(metric, far, base)}"
    return f"between {_bare(metric, near, base)} and {signed(metric, far, base)}"


def _bare(metric: Metric, value: float, base: int | None) -> str:
    """The nearer end of an interval; its unit is said once, with the farther end."""
    return amount(metric, value, base).removesuffix(" seconds")


def _half_open(metric: Metric, low: float | None, high: float | None, base: int | None) -> str:
    """An interval with one end, or none."""
    end = low if low is not None else high
    if end is None:
        return "no limits could be given"
    if end == 0:
        return "no fewer" if low is not None else "no more"
    inward = (low is not None) == (end > 0)
    return f"{'at least' if inward else 'at most'} {signed(metric, end, base)}"


def each(unit: str, base: int | None) -> str:
    """``1,000 households``, or the plural alone for a metric in its own units."""
    return plural(unit) if base is None else f"{base:,} {plural(unit)}"


def happened(metric: Metric) -> str:
    """What befell the unit, as a predicate in the past: ``had any contact``, ``paid in full``."""
    title = lower_first(metric_title(metric))
    first, then = [*title.split(), "it", ""][:2]
    if first in _VERBS or (first.endswith("ed") and then in _AFTER_A_VERB):
        return title
    if first == "the" or any(word in title.split() for word in _SHARE_WORDS):
        return f"counted towards ‘{title}’"
    plural_first = first.endswith("s") and first not in _SINGULAR
    if first in _DETERMINERS or plural_first or _head(title).endswith("s"):
        return f"had {title}"
    return f"had {'an' if first[0] in 'aeiou' else 'a'} {title}"


def _head(title: str) -> str:
    """The noun a title is about: the word before the first preposition."""
    words = title.split()
    cut = next((i for i, word in enumerate(words) if word in _BREAKS), len(words))
    return words[max(cut - 1, 0)] if words else ""


def things(metric: Metric, size: str = "") -> str:
    """What a count counts, to follow "fewer": ``agent-handled contacts within 28 days``.

    Of one there is a single ``agent-handled contact``.
    """
    title = re.sub(r"^number of ", "", lower_first(metric_title(metric)))
    title = re.sub(r" (per|for each|for every) [a-z]+", "", title)
    head = _head(title)
    if not head.endswith("s"):
        return f"of ‘{title}’"
    return title.replace(head, singular(head), 1) if size == "1" else title
