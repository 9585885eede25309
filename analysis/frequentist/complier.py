"""The effect on compliers: on those who took up the treatment because they were offered it.

The table carries, beside the outcome, whether each unit was in fact treated: ``d`` and ``dd`` are
its sum and sum of squares and ``dy`` its product with the outcome. The estimate is the ratio of
the two intention-to-treat effects (Wald 1940; Imbens & Angrist 1994), which is two-stage least
squares with the same strata; errors are those of the outcome less the effect times the uptake.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from analysis.estimates import Absent, Estimate, critical
from analysis.frequentist.cluster import Robust
from analysis.frequentist.comparison import Comparison, compare
from analysis.frequentist.difference import interval
from analysis.frequentist.fieller import fieller
from analysis.tables import Floats, Grouped

WEAK_BELOW = 10.0
"""A first-stage F below this calls for the Anderson-Rubin interval (Staiger & Stock 1997)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complier:
    """The effect on compliers with what it rests on.

    ``effect`` has the delta-method interval, or Anderson and Rubin's where ``first_stage_f``
    (robust) is below ten; ``anderson_rubin`` is always given: a pair of limits, infinite where the
    data do not bound the effect. ``compliers`` is the effect of the offer on uptake.
    """

    effect: Estimate | Absent
    compliers: Estimate | Absent
    first_stage_f: float
    anderson_rubin: tuple[float, float]


def complier_effect(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Complier | Absent:
    """Effect of being treated on those whom the offer of ``arm`` moved to be treated."""
    model = compare(table, arm, table.control if versus is None else versus)
    return model if isinstance(model, Absent) else complier_from(model, level=level)


def complier_from(model: Comparison, *, level: float = 0.95) -> Complier | Absent:
    """The same from any comparison whose table carries the uptake.

    Raises:
        ValueError: the table carries no uptake.
    """
    two = model.table
    if two.d is None or two.dd is None or two.dy is None:
        raise ValueError("the effect on compliers needs the uptake in d, dd and dy")
    first = _with(model, two.d, two.dd)
    if abs(first.estimate) < 1e-12:
        return Absent("no-compliers", "The offer did not change how many were treated.")
    value = model.infer(model.effect).estimate / first.estimate
    left = _with(model, two.y - value * two.d, two.yy - 2 * value * two.dy + value**2 * two.dd)
    strength = math.inf if first.se == 0 else (first.estimate / first.se) ** 2
    limits = _anderson_rubin(model, first, left, level)
    result = replace(left, estimate=value, se=left.se / abs(first.estimate))
    effect = interval(
        result, level=level, notes=model.notes, clustered=model.clustered,
        method=f"effect on compliers, two-stage least squares, {model.method}",
    )  # fmt: skip
    if strength < WEAK_BELOW and isinstance(effect, Estimate):
        effect = _weak(effect, limits, model)
    return Complier(
        effect=effect, compliers=interval(first, level=level, clustered=model.clustered),
        first_stage_f=strength, anderson_rubin=limits,
    )  # fmt: skip


def _with(model: Comparison, y: Floats, yy: Floats) -> Robust:
    other = model.with_outcome(y, yy)
    return other.infer(other.effect)


def _anderson_rubin(
    model: Comparison, first: Robust, left: Robust, level: float
) -> tuple[float, float]:
    """Effects at which outcome less effect times uptake does not differ between the arms.

    The acceptance region of a quadratic in the effect: an interval, the line, or (shown as the
    line) two rays.
    """
    two = model.table
    if two.d is None or two.dd is None or two.dy is None or left.df <= 0:
        return -math.inf, math.inf
    top = model.infer(model.effect)
    both = _with(model, two.y + two.d, two.yy + 2 * two.dy + two.dd)
    covariance = (both.se**2 - top.se**2 - first.se**2) / 2
    t = critical(level, left.df)
    limits = fieller((top.estimate, first.estimate), (top.se**2, covariance, first.se**2), t)
    return (-math.inf, math.inf) if limits is None else limits


def _weak(effect: Estimate, limits: tuple[float, float], model: Comparison) -> Estimate:
    return replace(
        effect, low=limits[0], high=limits[1], se=None, p=_p(model),
        method=f"effect on compliers, Anderson–Rubin interval, {model.method}",
        notes=(*effect.notes, "the offer hardly changed uptake: a weak instrument"),
    )  # fmt: skip


def _p(model: Comparison) -> float | None:
    """The test of no effect on compliers is that of the offer on the outcome."""
    whole = interval(model.infer(model.effect), clustered=model.clustered)
    return None if isinstance(whole, Absent) else whole.p
