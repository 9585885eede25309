"""What the council's own history says: spread, intra-cluster correlation, variation by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.estimates import Absent
from analysis.tables import Grouped

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterHistory:
    """What past data say about planning with clusters.

    ``icc`` with its interval (``low``, ``high``), the number of ``clusters``, their mean ``size``
    and its coefficient of variation ``cv``, and the outcome's overall ``mean`` and ``sd``.
    """

    icc: float
    low: float
    high: float
    clusters: int
    size: float
    cv: float
    mean: float
    sd: float


def intra_cluster_correlation(table: Grouped, *, level: float = 0.95) -> ClusterHistory | Absent:
    """The ANOVA estimate of the intra-cluster correlation from grouped cells.

    (MSB − MSW) / (MSB + (n₀ − 1)·MSW) with n₀ the adjusted mean size (Donner and Koval 1980), and
    Searle's F interval at n₀, exact for normal outcomes in equal clusters. Arms are pooled: give
    data from before a trial, or of one arm. A negative estimate is returned as it is; plan with 0.
    """
    if table.cluster is None:
        return Absent("no-clusters", "The data carry no cluster.")
    known = table.where(table.cluster.codes >= 0)
    assert known.cluster is not None
    _, into = np.unique(known.cluster.codes, return_inverse=True)
    size, total = np.bincount(into, known.n), np.bincount(into, known.y)
    size, total = size[size > 0], total[size > 0]
    k, units = len(size), float(size.sum())
    if k < 2 or units <= k:
        return Absent(
            "too-few-clusters", "At least two clusters, one of more than one unit, are needed."
        )
    mean, squares = float(total.sum() / units), float(known.yy.sum())
    between = float((total**2 / size).sum() - units * mean**2) / (k - 1)
    within = max(squares - float((total**2 / size).sum()), 0.0) / (units - k)
    n0 = (units - float((size**2).sum()) / units) / (k - 1)
    if between + (n0 - 1) * within <= 0:
        return Absent("no-variation", "The outcome does not vary.")
    low, high = _searle(between, within, n0, (k - 1, units - k), level)
    return ClusterHistory(
        icc=(between - within) / (between + (n0 - 1) * within),
        low=low,
        high=high,
        clusters=k,
        size=units / k,
        cv=float(size.std(ddof=1) / size.mean()),
        mean=mean,
        sd=float(np.sqrt(max(squares - units * mean**2, 0.0) / (units - 1))),
    )


def ratio_sd(table: Grouped) -> float | Absent:
    """The standard deviation of a ratio metric's linearised value, (y − R·d) / mean of d.

    It is what ``PowerRequest.sd`` asks for: with it a ratio is planned like a mean (delta method;
    Deng, Knoblich and Lu 2018).
    """
    if table.d is None or table.dd is None or table.dy is None:
        return Absent("no-denominator", "The metric has no denominator.")
    n, d = table.total, float(table.d.sum())
    if n < 2 or d <= 0:
        return Absent("too-few-units", "At least two units and a denominator above 0 are needed.")
    ratio = float(table.y.sum()) / d
    squares = float(table.yy.sum() - 2 * ratio * table.dy.sum() + ratio**2 * table.dd.sum())
    return float(np.sqrt(max(squares, 0.0) / (n - 1)) / (d / n))


def period_cv(counts: Sequence[float], labels: Sequence[str] | None = None) -> float | Absent:
    """The coefficient of variation between periods, after what their labels explain.

    Args:
        counts: the metric in each past period (calls in a day, say).
        labels: what the analysis will adjust for, such as the day of the week.
    """
    y = np.asarray(counts, float)
    groups = np.unique(np.asarray(labels) if labels is not None else np.zeros(len(y)),
                       return_inverse=True)[1]  # fmt: skip
    k = int(groups.max(initial=-1)) + 1
    if len(y) - k < 1:
        return Absent("too-few-periods", "There are too few periods for their labels.")
    if y.mean() <= 0:
        return Absent("nothing-happened", "The past periods hold no contacts.")
    fitted = (np.bincount(groups, y) / np.bincount(groups))[groups]
    return float(np.sqrt(((y - fitted) ** 2).sum() / (len(y) - k)) / y.mean())


def _searle(
    between: float, within: float, n0: float, df: tuple[float, float], level: float
) -> tuple[float, float]:
    """The interval for the correlation by inverting the F ratio (Searle 1971)."""
    if within == 0:
        return 1.0, 1.0
    f, tail = between / within, (1 - level) / 2
    low, high = f / stats.f.isf(tail, *df), f / stats.f.isf(1 - tail, *df)
    floor = -1 / (n0 - 1) if n0 > 1 else -1.0
    ends = [(v - 1) / (v + n0 - 1) if v + n0 > 1 else floor for v in (low, high)]
    return max(float(ends[0]), floor), min(float(ends[1]), 1.0)
