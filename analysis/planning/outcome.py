"""What an outcome's kind means for planning: the effect's scale and the spread of one unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.planning.request import Direction, Guardrail, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """An effect and the variance of one unit's outcome, in each arm and under the null.

    The error of a comparison of n0 and n1 units is sqrt(control/n0 + treated/n1) if the effect is
    true, and sqrt(null·(1/n0 + 1/n1)) if there is none. ``student`` says whether the spread itself
    is estimated, so that the t distribution applies.
    """

    effect: float
    control: float
    treated: float
    null: float
    student: bool


def spread(
    kind: Kind,
    *,
    baseline: float | None,
    sd: float | None,
    effect: float,
    direction: Direction = "lower",
    weight: float = 1.0,
) -> Spread:
    """The spread behind an absolute ``effect`` on a superiority question.

    Args:
        kind: the outcome's kind.
        baseline: the control's mean.
        sd: standard deviation between units.
        effect: its absolute size.
        direction: which way.
        weight: treated units per control unit, which weights a pooled rate.
    """
    if kind == "proportion" and baseline is not None:
        return _proportions(baseline, effect, direction, weight)
    if kind == "time-to-event" and baseline is not None:
        return _survival(baseline, effect, direction, weight)
    if kind == "count" and baseline is not None and (sd is None or sd**2 > baseline > 0):
        return _counts(baseline, sd, effect, direction, weight)
    variance = (sd or 0.0) ** 2
    return Spread(
        effect=effect, control=variance, treated=variance, null=variance, student=kind == "mean"
    )


def non_inferiority(guardrail: Guardrail) -> Spread:
    """The spread behind ruling out a worsening of ``margin`` when nothing has changed."""
    g = guardrail
    if g.kind in ("proportion", "time-to-event"):
        variance = g.baseline * (1 - g.baseline)
    else:
        variance = g.sd**2 if g.sd is not None else g.baseline
    return Spread(
        effect=g.margin, control=variance, treated=variance, null=variance,
        student=g.kind == "mean",
    )  # fmt: skip


def _proportions(p0: float, effect: float, direction: Direction, weight: float) -> Spread:
    """Two rates, with the pooled rate under the null (Fleiss, Levin and Paik 2003, eq. 4.14)."""
    p1 = _shifted(p0, effect, direction)
    pooled = (p0 + weight * p1) / (1 + weight)
    return Spread(
        effect=effect, control=p0 * (1 - p0), treated=p1 * (1 - p1), null=pooled * (1 - pooled),
        student=False,
    )  # fmt: skip


def _counts(
    baseline: float, sd: float | None, effect: float, direction: Direction, weight: float
) -> Spread:
    """Two mean counts: Poisson, or negative binomial with one dispersion (Zhu and Lakkis 2014)."""
    other = max(baseline - effect if direction == "lower" else baseline + effect, 0.0)
    dispersion = 0.0 if sd is None else (sd**2 - baseline) / baseline**2

    def variance(mean: float) -> float:
        return mean + dispersion * mean**2

    return Spread(
        effect=effect, control=variance(baseline), treated=variance(other),
        null=variance((baseline + weight * other) / (1 + weight)), student=False,
    )  # fmt: skip


def _survival(p0: float, effect: float, direction: Direction, weight: float) -> Spread:
    """The log hazard ratio under proportional hazards, judged by its events (Schoenfeld 1983).

    Its variance is 1/(events·share0·share1) over both arms, here spread over units.
    """
    p1 = min(max(_shifted(p0, effect, direction), 1e-9), 1 - 1e-9)
    log_ratio = abs(np.log(np.log1p(-p1) / np.log1p(-p0)))
    events = (p0 + weight * p1) / (1 + weight)
    return Spread(
        effect=float(log_ratio), control=1 / events, treated=1 / events, null=1 / events,
        student=False,
    )  # fmt: skip


def _shifted(p0: float, effect: float, direction: Direction) -> float:
    return min(max(p0 - effect if direction == "lower" else p0 + effect, 0.0), 1.0)
