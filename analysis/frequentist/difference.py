"""The difference and the ratio of two arms' means, by the estimator that the design calls for."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.estimates import Absent, Estimate, critical
from analysis.frequentist.cluster import FEW, Robust, cr_covariance, nest
from analysis.frequentist.comparison import Comparison, compare
from analysis.frequentist.fieller import WEAK, fieller
from analysis.frequentist.proportions import Count, is_binary, koopman, newcombe
from analysis.frequentist.regression import fit, hc_covariance
from analysis.tables import Grouped

_ROUNDING = 1e-6
_NOTHING = 1e-12
"""A mean that is this small beside the outcome's own size is nought and rounding of adjustment."""

_FLAT = 1e-7
"""An error that is this small beside the outcome's spread is the rounding of a perfect fit."""

_ALIKE = "Within each arm every unit had the same outcome: no uncertainty to show."


def difference(
    table: Grouped,
    arm: int,
    *,
    versus: int | None = None,
    level: float = 0.95,
    adjust: bool = False,
) -> Estimate | Absent:
    """Mean of ``arm`` less mean of ``versus`` (default: the control), in the metric's own units.

    The table decides the estimator (see :func:`analysis.frequentist.comparison.compare`): HC2
    with Welch-Satterthwaite degrees of freedom; within strata where it has them; CR2 with
    Bell-McCaffrey degrees of freedom where it has clusters; Lin's (2013) adjustment for its
    covariates where ``adjust`` is set.
    """
    versus = table.control if versus is None else versus
    model = compare(table, arm, versus, adjust=adjust)
    if isinstance(model, Absent):
        return model
    result = model.infer(model.effect)
    if adjust and not result.identified:
        plain = difference(table, arm, versus=versus, level=level)
        return _noted(plain, "too few units for the covariates: not adjusted")
    if result.se <= _FLAT * _spread(table):
        return _no_variation(table, arm, versus, level)
    return interval(
        result, level=level, method=model.method, notes=model.notes, clustered=model.clustered
    )


def ratio(
    table: Grouped,
    arm: int,
    *,
    versus: int | None = None,
    level: float = 0.95,
    adjust: bool = False,
) -> Estimate | Absent:
    """Mean of ``arm`` over mean of ``versus``, with the same model as :func:`difference`.

    The interval is the delta method's on the log scale; Fieller's where the control mean is
    within four standard errors of zero or the other mean is not positive (for plain proportions
    Koopman's score interval then). ``se`` is in ratio units; ``p`` is against a ratio of one.
    """
    versus = table.control if versus is None else versus
    model = compare(table, arm, versus, adjust=adjust)
    if isinstance(model, Absent):
        return model
    return ratio_from(model, table, arm, versus=versus, level=level)


def ratio_from(
    model: Comparison, table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """The ratio of a model's two means; ``table`` is what the model was made from."""
    versus = table.control if versus is None else versus
    top, bottom = model.infer(model.treated), model.infer(model.control)
    if bottom.estimate <= _NOTHING * math.sqrt(float(table.yy.sum()) / float(table.n.sum())):
        return Absent("control-mean-zero", "The mean it is compared with is not above zero.")
    if top.se == 0.0 and bottom.se == 0.0:
        return Absent("no-variation", _ALIKE)
    if top.estimate <= 0 or bottom.se * WEAK > bottom.estimate:
        return _weak_ratio(table, model, (arm, versus), (top, bottom), level)
    functional = model.treated.times(1 / top.estimate) - model.control.times(1 / bottom.estimate)
    on_log = replace(model.infer(functional), estimate=math.log(top.estimate / bottom.estimate))
    if not on_log.identified:
        return _unidentified()
    logs = interval(on_log, level=level, clustered=model.clustered)
    return logs if isinstance(logs, Absent) else _from_logs(logs, model)


def _spread(table: Grouped) -> float:
    """The standard deviation of the outcome over everybody."""
    n = float(table.n.sum())
    mean = float(table.y.sum()) / n
    return math.sqrt(max(0.0, float(table.yy.sum()) / n - mean**2))


def interval(
    result: Robust,
    *,
    level: float = 0.95,
    method: str = "",
    notes: tuple[str, ...] = (),
    clustered: bool = False,
) -> Estimate | Absent:
    """A t interval from a robust estimate, or why there is none."""
    if not result.identified or result.df <= 0:
        return _unidentified()
    if result.se == 0.0:
        return Absent("no-variation", _ALIKE)
    estimate = Estimate.from_t(
        result.estimate, result.se, df=result.df, level=level, method=method, notes=notes
    )
    if clustered and result.df < FEW - _ROUNDING:
        note = "fewer than three degrees of freedom: only a randomisation p-value can be relied on"
        return replace(estimate, p=None, notes=(*notes, note))
    return estimate


def _unidentified() -> Absent:
    return Absent(
        "variance-not-identified",
        "The comparison rests on single units or clusters, so its error cannot be estimated.",
    )


def _noted(value: Estimate | Absent, note: str) -> Estimate | Absent:
    return value if isinstance(value, Absent) else replace(value, notes=(*value.notes, note))


def _no_variation(table: Grouped, arm: int, versus: int, level: float) -> Estimate | Absent:
    """Nobody converted, or everybody did: a score interval still says how far off one may be."""
    if table.cluster is None and is_binary(table):
        return newcombe(*_counts(table, (arm, versus)), level=level)
    return Absent("no-variation", _ALIKE)


def _counts(table: Grouped, arms: tuple[int, int]) -> tuple[Count, Count]:
    n, y, _ = table.per_arm()
    first, second = arms
    return (float(y[first]), float(n[first])), (float(y[second]), float(n[second]))


def _weak_ratio(
    table: Grouped,
    model: Comparison,
    arms: tuple[int, int],
    means: tuple[Robust, Robust],
    level: float,
) -> Estimate | Absent:
    top, bottom = means
    if _plain(model) and is_binary(table):
        return koopman(*_counts(table, arms), level=level)
    value = top.estimate / bottom.estimate
    contrast = model.infer(model.treated - model.control.times(value))
    if not contrast.identified or contrast.df <= 0:
        return _unidentified()
    t = critical(level, contrast.df)
    limits = fieller((top.estimate, bottom.estimate), _covariance(model), t)
    return Estimate(
        estimate=value,
        low=-math.inf if limits is None else limits[0],
        high=math.inf if limits is None else limits[1],
        se=contrast.se / bottom.estimate,
        df=contrast.df,
        p=_p(model, contrast.df),
        level=level,
        method=f"ratio, Fieller interval, {model.method}",
        notes=(*model.notes, *(() if limits else ("the control is too near zero for limits",))),
    )


def _p(model: Comparison, df: float) -> float | None:
    """The p-value of a ratio of one: of no difference, with the interval's degrees of freedom."""
    effect = model.infer(model.effect)
    told = interval(replace(effect, df=df), clustered=model.clustered)
    return None if isinstance(told, Absent) else told.p


def _plain(model: Comparison) -> bool:
    return model.saturated and model.cells.groups == 2


def _covariance(model: Comparison) -> tuple[float, float, float]:
    functionals = [model.treated, model.control]
    if model.cells.cluster is None:
        v = hc_covariance(fit(model.cells), functionals)
    else:
        cells, first = nest(model.cells, model.treated)
        second = nest(model.cells, model.control)[1]
        v = cr_covariance(fit(cells), [first, second])
    return float(v[0, 0]), float(v[0, 1]), float(v[1, 1])


def _from_logs(logs: Estimate, model: Comparison) -> Estimate:
    return replace(
        logs.exponentiated(),
        method=f"ratio of means, delta method on the log scale, {model.method}",
        notes=(*model.notes, *logs.notes),
    )
