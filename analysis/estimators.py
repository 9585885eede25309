"""Which estimator a plan means: from a metric, a design and a grouped table to one contrast.

Pure. The table's keys decide on strata and clusters (:mod:`analysis.frequentist.comparison`); what
is decided here is the estimand of the metric's kind and what the plan asks for by name.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.adaptive import (
    adaptive_difference,
    adaptive_interaction,
    adaptive_mean,
    adaptive_ratio,
    batches_of,
)
from analysis.frequentist.arms import ArmMean, arm_means, arm_ratios
from analysis.frequentist.bootstrap import wild_cluster
from analysis.frequentist.difference import difference, ratio
from analysis.frequentist.missing import inverse_probability, inverse_probability_ratio
from analysis.frequentist.ratio_metric import ratio_difference, ratio_of_ratios
from analysis.frequentist.stepped_wedge import wedge_difference, wedge_ratio
from analysis.frequentist.subgroups import Interaction, interaction
from analysis.frequentist.survival import (
    horizon_of,
    restricted_mean,
    restricted_mean_difference,
    restricted_mean_ratio,
)
from analysis.precision import named, planned_interval, small_sample
from analysis.tables import Floats, Grouped, LifeTable
from trials.definition.model import Metric, Trial

Outcome = Estimate | Absent
FEW_CLUSTERS = 40
"""With no more clusters than this in both arms they are few."""

UNSEGMENTED = frozenset({"ratio", "time-to-event"})
"""Kinds of metric that are not compared between segments."""

DOZEN, MOST_SPREAD = 12, 0.5
UNEVEN = (
    "with fewer than a dozen clusters of very unequal sizes CR2 is used instead of the bootstrap, "
    "which rejects too often there; a randomisation p-value is exact"
)

_NEVER_NEGATIVE = frozenset({"proportion", "count", "time-to-event"})

_SEED, _DRAWS = 20260401, 1999
_NORMAL = 1.959963984540054


def difference_of(
    trial: Trial, metric: Metric, table: Grouped, arm: int, *, level: float, adjust: bool = False
) -> Outcome:
    """The metric's difference, arm less control, by the estimator that the plan means."""
    if _is_wedge(trial, table):
        return _wedge(metric, table, arm, level=level)
    if table.shares is not None:
        return _adaptive(metric, table, arm, level=level)
    if metric.kind == "ratio":
        return ratio_difference(table, arm, level=level)
    lives, horizon = _follow_up(metric, table), horizon_of(metric.window)
    if lives is not None and not adjust:
        return restricted_mean_difference(lives, arm, horizon=horizon, level=level)
    return _of_means(trial, metric, table, arm, level=level, adjust=adjust)


def _of_means(
    trial: Trial, metric: Metric, table: Grouped, arm: int, *, level: float, adjust: bool
) -> Outcome:
    """A difference in means, as the plan wants it for unknown outcomes, clusters and shares."""
    if metric.missing == "inverse-probability" and _some_missing(table):
        return inverse_probability(table, arm, level=level)
    by_bootstrap = trial.analysis.few_clusters == "wild-bootstrap" and few_clusters(table, arm)
    if by_bootstrap and not too_uneven(table, arm):
        return wild(table, arm, level=level)
    found = named(metric, difference(table, arm, level=level, adjust=adjust))
    if by_bootstrap and isinstance(found, Estimate):
        return replace(found, notes=(*found.notes, UNEVEN))
    if adjust:
        return found
    asked = planned_interval(trial.analysis.interval, metric, table, arm, found, level=level)
    return small_sample(metric, table, arm, asked, level=level)


def ratio_of(
    trial: Trial, metric: Metric, table: Grouped, arm: int, *, level: float, adjust: bool = False
) -> Outcome:
    """The metric's ratio, arm over control, by the same model.

    Fieller's limits may run below nought, where the ratio of what is never negative cannot lie:
    such an interval starts at nought, which covers no less often.
    """
    found = _ratio(trial, metric, table, arm, level=level, adjust=adjust)
    if isinstance(found, Absent) or metric.kind not in _NEVER_NEGATIVE or found.low >= 0:
        return found
    return replace(found, low=0.0)


def _ratio(
    trial: Trial, metric: Metric, table: Grouped, arm: int, *, level: float, adjust: bool
) -> Outcome:
    if _is_wedge(trial, table):
        return _unratioed() if metric.kind == "ratio" else wedge_ratio(table, arm, level=level)
    if table.shares is not None:
        return _adaptive(metric, table, arm, level=level, ratio=True)
    if metric.kind == "ratio":
        return ratio_of_ratios(table, arm, level=level)
    if metric.missing == "inverse-probability" and _some_missing(table):
        return inverse_probability_ratio(table, arm, level=level)
    lives = _follow_up(metric, table)
    if lives is not None and not adjust:
        return restricted_mean_ratio(lives, arm, horizon=horizon_of(metric.window), level=level)
    return named(metric, ratio(table, arm, level=level, adjust=adjust))


def interaction_of(metric: Metric, table: Grouped, by: str, arm: int) -> Interaction | Absent:
    """Whether the arm's effect differs between the levels of the segment ``by``."""
    if metric.kind in UNSEGMENTED:
        return Absent("not-of-this-kind", f"This is not tested on a {metric.kind}.")
    if table.shares is not None:
        return adaptive_interaction(table, by, arm)
    return interaction(table, by, arm)


def arms_of(metric: Metric, table: Grouped) -> list[ArmMean]:
    """Every arm by itself: its mean, its ratio, or its restricted mean time in days."""
    if metric.kind == "ratio":
        return arm_ratios(table)
    if table.shares is not None:
        return _adaptive_arms(metric, table)
    lives = _follow_up(metric, table)
    if lives is not None:
        return [_lived(metric, lives, i) for i in range(len(lives.arms))]
    return arm_means(table, kind="proportion" if metric.kind == "proportion" else "mean")


def few_clusters(table: Grouped, arm: int) -> bool:
    """Whether the two arms have few clusters, so that asymptotics are to be doubted."""
    return table.cluster is not None and len(_sizes(table, arm)) <= FEW_CLUSTERS


def too_uneven(table: Grouped, arm: int) -> bool:
    """Whether clusters are so few and unequal that the bootstrap rejects true nulls too often."""
    sizes = _sizes(table, arm)
    return len(sizes) < DOZEN and float(sizes.std()) > MOST_SPREAD * float(sizes.mean())


def _sizes(table: Grouped, arm: int) -> Floats:
    """The units in each cluster of the two arms."""
    if table.cluster is None:
        raise ValueError("the table has no clusters")
    two = np.isin(table.arm, (arm, table.control)) & (table.n > 0) & (table.cluster.codes >= 0)
    _, into = np.unique(table.cluster.codes[two], return_inverse=True)
    return np.bincount(into, table.n[two]).astype(float)


def wild(table: Grouped, arm: int, *, level: float) -> Outcome:
    """The wild cluster bootstrap from a fixed seed, so that a plan gives one answer."""
    rng = np.random.default_rng([_SEED, arm])
    return wild_cluster(table, arm, rng, level=level, draws=_DRAWS)


def _adaptive(
    metric: Metric, table: Grouped, arm: int, *, level: float, ratio: bool = False
) -> Outcome:
    """Where shares followed the outcomes, every unit counts by its own stored chance."""
    if metric.kind == "ratio":
        return Absent(
            "not-where-shares-move",
            "A ratio metric is not estimated where shares follow the outcomes: read its two parts "
            "by themselves.",
        )
    compared = adaptive_ratio if ratio else adaptive_difference
    return compared(batches_of(table), arm=arm, control=table.control, level=level)


def _adaptive_arms(metric: Metric, table: Grouped) -> list[ArmMean]:
    """The arms' means by the same scores, so that their differences are those reported."""
    made, done = batches_of(table), []
    for plain in arm_means(table, kind="proportion" if metric.kind == "proportion" else "mean"):
        found = adaptive_mean(made, arm=plain.arm)
        if isinstance(found, Absent):
            done.append(plain)
            continue
        ends = found[0] + np.array([0.0, -_NORMAL, _NORMAL]) * found[1]
        if metric.kind == "proportion":
            ends = np.clip(ends, 0.0, 1.0)
        mean, low, high = ends.tolist()
        done.append(replace(plain, mean=mean, low=low, high=high))
    return done


def _is_wedge(trial: Trial, table: Grouped) -> bool:
    wedge = trial.design.kind == "stepped-wedge"
    return wedge and table.period is not None and table.cluster is not None


def _wedge(metric: Metric, table: Grouped, arm: int, *, level: float) -> Outcome:
    if metric.kind == "ratio":
        return _unratioed()
    return wedge_difference(table, arm, level=level)


def _unratioed() -> Absent:
    return Absent(
        "not-in-a-stepped-wedge",
        "A ratio metric is not estimated in a stepped wedge: read its two parts by themselves.",
    )


def _follow_up(metric: Metric, table: Grouped) -> LifeTable | None:
    """Everybody's follow-up, the unfinished too; clusters are compared on finished windows."""
    if metric.kind != "time-to-event" or table.cluster is not None:
        return None
    return table.lives


def _some_missing(table: Grouped) -> bool:
    return table.missing is not None and bool(table.missing.sum() > 0)


def _lived(metric: Metric, lives: LifeTable, arm: int) -> ArmMean:
    rows = lives.arm == arm
    own = ArmMean(arm=arm, name=lives.arms[arm],
                  n=float((lives.events + lives.censored)[rows].sum()))  # fmt: skip
    found = restricted_mean(lives, arm, horizon=horizon_of(metric.window))
    if isinstance(found, Absent):
        return own
    sd = None if found.se is None else found.se * math.sqrt(own.n)
    return replace(own, mean=found.estimate, sd=sd, low=found.low, high=found.high)
