"""Stepped wedges: clusters cross from one arm to the other at staggered, randomised times.

Cluster and period effects are both taken out (Hussey & Hughes 2007), since later periods hold more
of the new arm; errors are CR2 by cluster. With few clusters the order of crossing is drawn again
instead (:func:`wedge_randomisation_test`).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.cluster import Robust, robust_fit
from analysis.frequentist.comparison import Comparison
from analysis.frequentist.complier import Complier, complier_from
from analysis.frequentist.difference import interval
from analysis.frequentist.randomisation import RandomisationTest, Redraw
from analysis.frequentist.regression import Cells, Functional, fit
from analysis.tables import Floats, Grouped, Ints


def wedge_model(table: Grouped, arm: int, *, versus: int | None = None) -> Comparison | Absent:
    """Cluster effects (absorbed), period effects and one effect of the arm.

    Raises:
        ValueError: the table lacks clusters or periods.
    """
    if table.cluster is None or table.period is None:
        raise ValueError("a stepped wedge's table has clusters and periods")
    versus = table.control if versus is None else versus
    known = (table.n > 0) & (table.cluster.codes >= 0) & (table.period.codes >= 0)
    two = table.where(known & np.isin(table.arm, (arm, versus)))
    lacking = _lacking(two, arm, versus)
    if lacking is not None:
        return lacking
    treated = two.arm == arm
    cells, group_share, period_share = _cells(two, treated.astype(float))
    off = Functional(x=np.append(period_share, 0.0), group=group_share)
    return Comparison(
        table=two, in_treated=treated, cells=cells, saturated=False, control=off,
        treated=replace(off, x=np.append(period_share, 1.0)),
        method="cluster and period effects, CR2 by cluster, Bell–McCaffrey df",
    )  # fmt: skip


def wedge_difference(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Effect of ``arm`` against ``versus`` within clusters and periods."""
    model = wedge_model(table, arm, versus=versus)
    if isinstance(model, Absent):
        return model
    result = _result(model)
    if result is None:
        return _confounded()
    return interval(result, level=level, method=model.method, clustered=True)


def wedge_ratio(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """The mean under ``arm`` over that under ``versus`` for the clusters and periods of the trial.

    The means are those of the model with everybody under one arm, then the other. With cluster
    effects they rest on the trial's own clusters, of which the mean of all outcomes says how high
    they lay; it is taken as known, as the robust errors take it (each cluster's residuals add up
    to nought). Both means are then fixed by the effect, and so the ratio's limits are those of
    :func:`wedge_difference`: one lies outside exactly where no effect does. Infinite where the
    effect's limit leaves nothing without the arm.
    """
    model = wedge_model(table, arm, versus=versus)
    effect = wedge_difference(table, arm, versus=versus, level=level)
    if isinstance(model, Absent) or isinstance(effect, Absent):
        return model if isinstance(model, Absent) else effect
    two = model.table
    total = float(two.n.sum())
    mean, share = float(two.y.sum()) / total, float(two.n[model.in_treated].sum()) / total

    def over(difference: float) -> float:
        without = mean - share * difference
        return 1 + difference / without if without > 0 else math.inf

    if mean - share * effect.estimate <= 0:
        return Absent("control-mean-zero", "The mean it is compared with is not above zero.")
    assert effect.se is not None
    slope = mean / (mean - share * effect.estimate) ** 2
    return replace(
        effect, estimate=over(effect.estimate), low=over(effect.low), high=over(effect.high),
        se=slope * effect.se, method=f"ratio of means, {model.method}",
    )  # fmt: skip


def wedge_complier_effect(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Complier | Absent:
    """Effect on those who were treated because their cluster had crossed (uptake in ``d``)."""
    model = wedge_model(table, arm, versus=versus)
    if isinstance(model, Absent):
        return model
    return _confounded() if _result(model) is None else complier_from(model, level=level)


def wedge_randomisation_test(
    table: Grouped,
    redraw: Redraw,
    rng: np.random.Generator,
    *,
    arm: int,
    versus: int | None = None,
    draws: int = 999,
) -> RandomisationTest | Absent:
    """Randomisation p-value of the studentised effect, re-drawing when each cluster crosses.

    ``redraw`` gives for each cluster, in the order of the cluster codes that occur, the code of
    the first period in which it has ``arm`` (beyond the last period: never).
    """
    model = wedge_model(table, arm, versus=versus)
    if isinstance(model, Absent):
        return model
    result = _result(model)
    if result is None:
        return _confounded()
    if result.se == 0:
        return Absent("no-variation", "Every cluster had the same outcome.")
    cluster, period = _codes(model.table)
    seen = result.estimate / result.se
    starts = (np.asarray(redraw(rng)) for _ in range(draws))
    others = np.array([_redrawn(model, (period >= s[cluster]).astype(float)) for s in starts])
    beyond = int((np.abs(others) >= abs(seen) * (1 - 1e-9)).sum())
    p = (1 + beyond) / (1 + draws)
    return RandomisationTest(
        p=p, statistic=seen, draws=draws, exact=False, mcse=float(np.sqrt(p * (1 - p) / draws))
    )


def _lacking(two: Grouped, arm: int, versus: int) -> Absent | None:
    n = np.bincount(two.arm, two.n, len(two.arms))
    for code in (arm, versus):
        if n[code] == 0:
            return Absent("empty-arm", f"Nobody in “{two.arms[code]}” has a known outcome.")
    if two.cluster is None or len(np.unique(two.cluster.codes)) < 3:
        return Absent("too-few-clusters", "A stepped wedge needs at least three clusters.")
    return None


def _codes(two: Grouped) -> tuple[Ints, Ints]:
    if two.cluster is None or two.period is None:
        raise ValueError("a stepped wedge's table has clusters and periods")
    cluster = np.unique(two.cluster.codes, return_inverse=True)[1].astype(np.int64)
    return cluster, two.period.codes


def _cells(two: Grouped, treated: Floats) -> tuple[Cells, Floats, Floats]:
    """The cells of the model, and the shares of people by cluster and by period."""
    cluster, codes = _codes(two)
    period = np.unique(codes, return_inverse=True)[1]
    periods, clusters = int(period.max()) + 1, int(cluster.max()) + 1
    dummies = (period[:, None] == np.arange(1, periods)).astype(float)
    cells = Cells(
        n=two.n, y=two.y, yy=two.yy, x=np.column_stack([dummies, treated]), group=cluster,
        groups=clusters, cluster=cluster,
    )  # fmt: skip
    total = two.n.sum()
    share = np.bincount(period, two.n, periods)[1:] / total
    return cells, np.bincount(cluster, two.n, clusters) / total, share


def _result(model: Comparison) -> Robust | None:
    """The effect; ``None`` where clusters and periods explain the arm.

    The arm is the last column, so that it is the one left out where it is a sum of the others.
    """
    fitted = fit(model.cells)
    estimable = model.cells.x.shape[1] - 1 in fitted.kept
    return robust_fit(fitted, model.effect) if estimable else None


def _redrawn(model: Comparison, treated: Floats) -> float:
    """The studentised effect had the clusters crossed at other times; zero where it has none."""
    x = np.column_stack([model.cells.x[:, :-1], treated])
    result = _result(replace(model, cells=replace(model.cells, x=x)))
    return 0.0 if result is None or result.se == 0 else result.estimate / result.se


def _confounded() -> Absent:
    return Absent("not-estimable", "The arm cannot be told apart from the clusters and periods.")
