"""Quantiles of an outcome, such as the median wait, from its histogram.

An arm's limits are order statistics whose ranks come from the binomial distribution, exact for any
distribution and conservative for discrete ones (Hahn & Meeker 1991, section 5.2). Two arms' limits
are combined by the method of variance estimates recovery (MOVER; Zou & Donner 2008, eq 4).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.tables import Floats, Histogram


def quantile(
    table: Histogram, arm: int, *, q: float = 0.5, level: float = 0.95
) -> Estimate | Absent:
    """The ``q``-quantile of an arm (inverse of its empirical distribution) with exact limits.

    Raises:
        ValueError: ``q`` is not between 0 and 1.
    """
    if not 0 < q < 1:
        raise ValueError("a quantile lies between 0 and 1")
    rows = (table.arm == arm) & (table.n > 0)
    order = np.argsort(table.value[rows], kind="stable")
    value, upto = table.value[rows][order], table.n[rows][order].cumsum()
    if not len(value):
        return Absent("empty-arm", f"Nobody in “{table.arms[arm]}” has a known outcome.")
    n, tail = float(upto[-1]), (1 - level) / 2
    low = float(stats.binom.ppf(tail, n, q))
    high = float(stats.binom.isf(tail, n, q)) + 1
    if low < 1 or high > n:
        return Absent("too-few-units", "There are too few units for limits of this quantile.")
    return Estimate(
        estimate=_ranked(value, upto, max(math.ceil(n * q - 1e-9), 1)),
        low=_ranked(value, upto, low), high=_ranked(value, upto, high), level=level,
        method=f"{q:g}-quantile, order-statistic limits",
    )  # fmt: skip


def quantile_difference(
    table: Histogram,
    arm: int,
    *,
    q: float = 0.5,
    versus: int | None = None,
    level: float = 0.95,
) -> Estimate | Absent:
    """The ``q``-quantile of ``arm`` less that of ``versus``."""
    versus = table.control if versus is None else versus
    first, second = (quantile(table, a, q=q, level=level) for a in (arm, versus))
    if isinstance(first, Absent):
        return first
    if isinstance(second, Absent):
        return second
    value = first.estimate - second.estimate
    return Estimate(
        estimate=value, level=level,
        low=value - math.hypot(first.estimate - first.low, second.high - second.estimate),
        high=value + math.hypot(first.high - first.estimate, second.estimate - second.low),
        method=f"difference of {q:g}-quantiles, order-statistic limits combined",
    )  # fmt: skip


def _ranked(value: Floats, upto: Floats, rank: float) -> float:
    """The value of a rank counted from one."""
    return float(value[int(np.searchsorted(upto, rank - 1e-9))])
