"""Ratio metrics: a sum over another sum, such as handling time a call or cost a contact.

The unit of analysis is what was randomised, not the call. The delta method replaces each unit's
pair ``(y, d)`` by the linearised outcome ``(y - R d) / mean(d)`` with ``R`` its arm's ratio
(Deng, Knoblich & Lu 2018, section 3), whose sums follow from those of ``y``, ``d`` and their
products. Strata, clusters and degrees of freedom are then those of any difference in means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.arms import arm_ratio, denominator
from analysis.frequentist.comparison import Comparison, compare
from analysis.frequentist.difference import interval
from analysis.frequentist.fieller import WEAK
from analysis.tables import Grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ratios:
    """Both arms' ratios and mean denominators, treated first, and the linearised comparison."""

    values: tuple[float, float]
    denominators: tuple[float, float]
    linear: Comparison


def ratio_difference(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Ratio metric of ``arm`` less that of ``versus``, in the metric's own units.

    Delta method; where a mean denominator is within four standard errors of zero, the arms'
    Fieller limits are combined instead (MOVER; Zou & Donner 2008, eq 4).
    """
    versus = table.control if versus is None else versus
    found = _ratios(table, arm, versus)
    if isinstance(found, Absent):
        return found
    value = found.values[0] - found.values[1]
    model = found.linear
    given = interval(
        replace(model.infer(model.effect), estimate=value), level=level, notes=model.notes,
        method=f"difference of ratio metrics, delta method, {model.method}",
        clustered=model.clustered,
    )  # fmt: skip
    if isinstance(given, Absent) or not _weak(found):
        return given
    return _mover(given, table, (arm, versus), found)


def ratio_of_ratios(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Ratio metric of ``arm`` over that of ``versus``, delta method on the log scale."""
    versus = table.control if versus is None else versus
    found = _ratios(table, arm, versus)
    if isinstance(found, Absent):
        return found
    top, bottom = found.values
    if min(top, bottom) <= 0:
        return Absent("control-mean-zero", "An arm's ratio is not above zero: no log scale.")
    model = found.linear
    functional = model.treated.times(1 / top) - model.control.times(1 / bottom)
    logs = interval(
        replace(model.infer(functional), estimate=math.log(top / bottom)), level=level,
        method=f"ratio of ratio metrics, delta method on the log scale, {model.method}",
        notes=model.notes, clustered=model.clustered,
    )  # fmt: skip
    return logs if isinstance(logs, Absent) else logs.exponentiated()


def _ratios(table: Grouped, arm: int, versus: int) -> _Ratios | Absent:
    model = compare(table, arm, versus)
    if isinstance(model, Absent):
        return model
    two = model.table
    d, dd, dy = denominator(two)
    over = model.with_outcome(d, dd)
    bottom = (over.infer(over.treated).estimate, over.infer(over.control).estimate)
    if min(bottom) <= 0:
        return Absent("denominator-zero", "An arm's denominator is not above zero.")
    top = (model.infer(model.treated).estimate, model.infer(model.control).estimate)
    values = (top[0] / bottom[0], top[1] / bottom[1])
    r = np.where(model.in_treated, values[0], values[1])
    scale = np.where(model.in_treated, bottom[0], bottom[1])
    u, uu = (two.y - r * d) / scale, (two.yy - 2 * r * dy + r**2 * dd) / scale**2
    return _Ratios(values=values, denominators=bottom, linear=model.with_outcome(u, uu))


def _weak(found: _Ratios) -> bool:
    """Whether a mean denominator is uncertain enough for the delta method to fail."""
    model = found.linear
    d, dd, _ = denominator(model.table)
    over = model.with_outcome(d, dd)
    errors = (over.infer(over.treated).se, over.infer(over.control).se)
    return any(WEAK * e > m for e, m in zip(errors, found.denominators, strict=True))


def _mover(
    given: Estimate, table: Grouped, arms: tuple[int, int], found: _Ratios
) -> Estimate | Absent:
    limits = [arm_ratio(table, a, given.level) for a in arms]
    (low1, high1), (low0, high0) = [(a.low, a.high) for a in limits]
    if low1 is None or high1 is None or low0 is None or high0 is None:
        return Absent("denominator-weak", "An arm's denominator may be zero: no limits exist.")
    r1, r0 = found.values
    return replace(
        given, low=given.estimate - math.hypot(r1 - low1, high0 - r0),
        high=given.estimate + math.hypot(high1 - r1, r0 - low0),
        method=f"difference of ratio metrics, Fieller limits combined, {found.linear.method}",
    )  # fmt: skip
