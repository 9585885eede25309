"""What each arm looked like by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from analysis.estimates import critical
from analysis.frequentist.cluster import Robust, robust
from analysis.frequentist.fieller import fieller
from analysis.frequentist.proportions import wilson
from analysis.frequentist.regression import Cells, Functional
from analysis.tables import Floats, Grouped

MeanKind = Literal["proportion", "count", "mean", "ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmMean:
    """An arm's units, clusters, mean, standard deviation and interval of the mean.

    What cannot be had is ``None``: the mean of an empty arm, the interval of a single unit.
    """

    arm: int
    name: str
    n: float
    clusters: int | None = None
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The contract's fields of an arm."""
        return {
            "arm": self.name, "n": int(self.n), "clusters": self.clusters, "mean": self.mean,
            "sd": self.sd, "low": self.low, "high": self.high,
        }  # fmt: skip


def arm_means(table: Grouped, *, kind: MeanKind = "mean", level: float = 0.95) -> list[ArmMean]:
    """One entry for each planned arm, in the plan's order.

    The interval is Wilson's for a proportion and Student's otherwise. With clusters it rests on
    CR2: Student's with Bell-McCaffrey degrees of freedom, or Wilson's at the effective sample size
    (Dean & Pagano 2015). ``kind`` ``"ratio"`` is sum over sum with a delta-method interval.
    """
    if kind == "ratio":
        return arm_ratios(table, level=level)
    return [_arm_mean(table, arm, kind, level) for arm in range(len(table.arms))]


def _arm_mean(table: Grouped, arm: int, kind: MeanKind, level: float) -> ArmMean:
    own = table.where((table.arm == arm) & (table.n > 0))
    n = own.total
    name = table.arms[arm]
    clusters = None if own.cluster is None else len(np.unique(own.cluster.codes))
    if n == 0:
        return ArmMean(arm=arm, name=name, n=0, clusters=clusters)
    mean = float(own.y.sum() / n)
    within = np.maximum(own.yy - own.y**2 / own.n, 0.0) + own.n * (own.y / own.n - mean) ** 2
    sd = float(np.sqrt(within.sum() / (n - 1))) if n > 1 else None
    limits = _limits(own, mean, sd, kind, level)
    low, high = (None, None) if limits is None else limits
    return ArmMean(arm=arm, name=name, n=n, clusters=clusters, mean=mean, sd=sd, low=low, high=high)


def _limits(
    own: Grouped, mean: float, sd: float | None, kind: MeanKind, level: float
) -> tuple[float, float] | None:
    if own.cluster is not None:
        return _clustered_limits(own, mean, kind, level)
    if kind == "proportion":
        return wilson(float(own.y.sum()), own.total, level=level)
    if sd is None:
        return None
    half = critical(level, own.total - 1) * sd / math.sqrt(own.total)
    return mean - half, mean + half


def _clustered_limits(
    own: Grouped, mean: float, kind: MeanKind, level: float
) -> tuple[float, float] | None:
    clusters = 0 if own.cluster is None else len(np.unique(own.cluster.codes))
    if clusters < 2:
        return None
    result = mean_of(own, own.y, own.yy)
    if kind == "proportion":
        spread = mean * (1 - mean)
        effective = spread / result.se**2 if result.se > 0 else float(clusters)
        return wilson(mean * effective, effective, level=level, df=result.df)
    half = critical(level, result.df) * result.se
    return mean - half, mean + half


def mean_of(own: Grouped, y: Floats, yy: Floats) -> Robust:
    """Mean of an outcome (given by its sums) over an arm's cells; HC2, or CR2 by cluster."""
    cells = Cells(
        n=own.n, y=y, yy=yy, x=np.zeros((own.cells, 0)),
        cluster=None if own.cluster is None else own.cluster.codes,
        group=np.zeros(own.cells, dtype=np.int64), groups=1,
    )  # fmt: skip
    return robust(cells, Functional(x=np.zeros(0), group=np.ones(1)))


def arm_ratios(table: Grouped, *, level: float = 0.95) -> list[ArmMean]:
    """Each arm's ratio of sums with Fieller's (1954) limits; ``n`` counts units.

    ``sd`` is the standard deviation of the linearised outcome. Limits are ``None`` where the
    denominator may be zero.
    """
    return [arm_ratio(table, arm, level) for arm in range(len(table.arms))]


def arm_ratio(table: Grouped, arm: int, level: float) -> ArmMean:
    """One arm's entry of :func:`arm_ratios`."""
    own = table.where((table.arm == arm) & (table.n > 0))
    name, n = table.arms[arm], own.total
    clusters = None if own.cluster is None else len(np.unique(own.cluster.codes))
    d, dd, dy = denominator(own)
    if n == 0 or d.sum() <= 0:
        return ArmMean(arm=arm, name=name, n=n, clusters=clusters)
    value = float(own.y.sum() / d.sum())
    if n < 2 or (clusters is not None and clusters < 2):
        return ArmMean(arm=arm, name=name, n=n, clusters=clusters, mean=value)
    spread = float((own.yy - 2 * value * dy + value**2 * dd).sum()) / (n - 1)
    limits = _fieller_limits(own, value, level)
    return ArmMean(
        arm=arm, name=name, n=n, clusters=clusters, mean=value,
        sd=math.sqrt(max(spread, 0.0)) / float(d.sum() / n),
        low=None if limits is None else limits[0], high=None if limits is None else limits[1],
    )  # fmt: skip


def _fieller_limits(own: Grouped, value: float, level: float) -> tuple[float, float] | None:
    d, dd, dy = denominator(own)
    top, bottom = mean_of(own, own.y, own.yy), mean_of(own, d, dd)
    both = mean_of(own, own.y + d, own.yy + 2 * dy + dd)
    contrast = mean_of(own, own.y - value * d, own.yy - 2 * value * dy + value**2 * dd)
    if contrast.df <= 0:
        return None
    covariance = (both.se**2 - top.se**2 - bottom.se**2) / 2
    t = critical(level, contrast.df)
    return fieller((top.estimate, bottom.estimate), (top.se**2, covariance, bottom.se**2), t)


def denominator(table: Grouped) -> tuple[Floats, Floats, Floats]:
    """A ratio metric's sums of the denominator, of its square and of its product."""
    if table.d is None or table.dd is None or table.dy is None:
        raise ValueError("a ratio metric's table carries d, dd and dy")
    return table.d, table.dd, table.dy
