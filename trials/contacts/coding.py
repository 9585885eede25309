"""Whether the arms are coded alike, and what the avoidable share can be when not all is coded.

Agents code in a hurry: some contacts get no code, many get "other", and an agent who can see the
trial may code its contacts differently. These functions take counts of contacts by arm and
category; where people contact the council more than once, give the counts of each person's first
contact, for the tests treat contacts as independent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from trials.contacts.agreement import Interval, NotKnown
from trials.contacts.record import Category

UNCODED: Final = "uncoded"
_OTHER = re.compile(
    r"\b(?:other|general|misc(?:ellaneous)?|enquir(?:y|ies) only|not listed|n/?a)\b", re.IGNORECASE
)

Counts = Mapping[str, Mapping[str, int]]
"""Contacts by arm and then by code or category; :data:`UNCODED` for those without a code."""


def is_other(code: str) -> bool:
    """Whether a code is one of those that say nothing: "other", "general enquiry", "misc"."""
    return _OTHER.search(code) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How one arm's contacts are coded.

    ``coded`` and ``other`` are shares of all contacts; ``entropy`` is that of the codes given, in
    bits (a low one is a sign that agents pick the first of the list).
    """

    arm: str
    contacts: int
    coded: Interval
    other: Interval
    entropy: float


def coverage(counts: Counts, *, level: float = 0.95) -> list[Coverage]:
    """Coverage, "other" share and entropy of each arm that has contacts."""
    done = []
    for arm, codes in counts.items():
        total = sum(codes.values())
        if total == 0:
            continue
        coded = {code: n for code, n in codes.items() if code != UNCODED}
        others = sum(n for code, n in coded.items() if is_other(code))
        done.append(
            Coverage(
                arm=arm,
                contacts=total,
                coded=wilson(sum(coded.values()), total, level=level),
                other=wilson(others, total, level=level),
                entropy=_entropy(coded),
            )
        )
    return done


def _entropy(codes: Mapping[str, int]) -> float:
    total = sum(codes.values())
    shares = [n / total for n in codes.values() if n > 0]
    return sum(-p * math.log2(p) for p in shares)


def wilson(successes: int, total: int, *, level: float = 0.95) -> Interval:
    """A proportion with Wilson's (1927) score interval.

    Raises:
        ValueError: ``total`` is not above 0.
    """
    done = stats.binomtest(successes, total).proportion_ci(level, method="wilson")
    return Interval(
        estimate=successes / total, low=float(done.low), high=float(done.high), level=level,
        method="Wilson (1927)",
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingDifference:
    """The test that the arms' contacts are coded alike.

    ``p`` small: the codes differ between arms, by a real effect or by the way of coding; the
    double-coded sample tells which. ``largest`` is the arm and code that differ most from what
    equal coding would give (the standardised residual), ``cramers_v`` the size of it all.
    """

    statistic: float
    df: int
    p: float
    method: str
    cramers_v: float
    largest: tuple[str, str, float]


def coding_difference(
    counts: Counts, rng: np.random.Generator, *, resamples: int = 9999
) -> CodingDifference | NotKnown:
    """Pearson's test of arms × codes, the uncoded as a code of their own.

    Where more than a fifth of the expected counts is below 5, or any below 1 (Cochran 1954), the
    p-value comes from ``resamples`` random tables with the same margins.
    """
    arms = [arm for arm, codes in counts.items() if sum(codes.values()) > 0]
    codes = sorted({code for arm in arms for code, n in counts[arm].items() if n > 0})
    if len(arms) < 2 or len(codes) < 2:
        return NotKnown("one-code", "there are not two arms and two codes to compare")
    table = np.array([[counts[arm].get(code, 0) for code in codes] for arm in arms])
    done = stats.chi2_contingency(table, correction=False)
    sparse = bool((done.expected_freq < 1).any() or (done.expected_freq < 5).mean() > 0.2)
    p, method = float(done.pvalue), "Pearson's chi-squared test"
    if sparse:
        monte_carlo = stats.MonteCarloMethod(n_resamples=resamples, rng=rng)
        p = float(stats.chi2_contingency(table, correction=False, method=monte_carlo).pvalue)
        method = f"Pearson's statistic, {resamples:,} random tables with the same margins"
    return CodingDifference(
        statistic=float(done.statistic), df=int(done.dof), p=p, method=method,
        cramers_v=math.sqrt(done.statistic / (table.sum() * (min(table.shape) - 1))),
        largest=_largest(table, done.expected_freq, arms, codes),
    )  # fmt: skip


def _largest(
    table: np.ndarray, expected: np.ndarray, arms: list[str], codes: list[str]
) -> tuple[str, str, float]:
    total = table.sum()
    rows, columns = table.sum(axis=1) / total, table.sum(axis=0) / total
    spread = np.sqrt(expected * (1 - rows)[:, None] * (1 - columns)[None, :])
    residual = np.divide(table - expected, spread, out=np.zeros(table.shape), where=spread > 0)
    i, j = np.unravel_index(int(np.abs(residual).argmax()), residual.shape)
    return arms[int(i)], codes[int(j)], float(residual[i, j])


@dataclass(frozen=True, slots=True, kw_only=True)
class AvoidableShare:
    """What part of the contacts was avoidable: among the coded, and its bounds among all.

    ``low`` takes every unclassified contact as of value, ``high`` every one as avoidable; no
    assumption about the uncoded can lead outside (Manski 1990).
    """

    contacts: int
    classified: int
    among_coded: Interval | NotKnown
    low: float
    high: float


def avoidable_share(
    by_category: Mapping[Category, int],
    *,
    uncoded: int = 0,
    avoidable: float | None = None,
    level: float = 0.95,
) -> AvoidableShare | NotKnown:
    """The avoidable share of contacts with its bounds.

    ``avoidable`` is the sum of the avoidable shares over the classified contacts; without it every
    contact outside ``value`` and ``unclassified`` counts in full.
    """
    classified = sum(n for c, n in by_category.items() if c != "unclassified")
    unknown = uncoded + by_category.get("unclassified", 0)
    total = classified + unknown
    if total == 0:
        return NotKnown("no-contacts", "there are no contacts")
    wanted = classified - by_category.get("value", 0) if avoidable is None else avoidable
    among = (
        _share(wanted, classified, level)
        if classified
        else NotKnown("nothing-coded", "no contact is classified")
    )
    return AvoidableShare(
        contacts=total, classified=classified, among_coded=among, low=wanted / total,
        high=(wanted + unknown) / total,
    )  # fmt: skip


def _share(wanted: float, classified: int, level: float) -> Interval:
    """Wilson's interval, with a fractional count of successes where shares are partial.

    Partial shares vary less than yes or no, so that the interval is then on the wide side.
    """
    z = float(stats.norm.isf((1 - level) / 2))
    p, n = wanted / classified, classified
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Interval(
        estimate=p, low=max(0.0, centre - half), high=min(1.0, centre + half), level=level,
        method="Wilson (1927)",
    )  # fmt: skip
