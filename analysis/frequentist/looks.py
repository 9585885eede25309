"""Results under planned looks: what to report while going on, and what on stopping.

* While going on: the repeated confidence interval (Jennison and Turnbull 1989).
* On stopping: the p-value, interval and median-unbiased estimate under stage-wise ordering
  (Tsiatis, Rosner and Mehta 1984), which agree with the bounds by construction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import optimize, special

from analysis.estimates import Absent, Estimate
from analysis.frequentist.sequential import Look, boundaries, with_futility
from analysis.frequentist.spending import OBRIEN_FLEMING, Spending
from analysis.frequentist.walk import start
from trials.plurals import counted

Decision = Literal["continue", "effect", "futility", "no-effect"]

_LEAST_ERROR, _LARGEST_ERROR = 1e-12, 0.99


def stage_wise(estimate: Estimate, looks: Sequence[Look], *, level: float = 0.95) -> Estimate:
    """A result at the last of ``looks``, allowing for the earlier ones (two-sided bounds).

    Args:
        estimate: the ordinary estimate at that look.
        looks: all looks up to and with it.
        level: coverage wanted.

    Returns:
        The median-unbiased estimate with the stage-wise interval and p-value.

    Raises:
        ValueError: the estimate carries no error to standardise by.
    """
    z = standardised(estimate)
    if z is None:
        raise ValueError("the estimate has no standard error")
    t = looks[-1].fraction
    # On the drift scale the ordinary estimate is z/sqrt(t); one unit of it is this much effect.
    unit = _effective_se(estimate, z) * np.sqrt(t)
    upper, lower = _tails(looks, z, 0.0)

    def at(chance: float) -> float:
        low, high = _bracket(looks, z, chance)
        return float(
            optimize.brentq(lambda d: _tails(looks, z, d)[0] - chance, low, high, xtol=1e-10)
        )

    return replace(
        estimate,
        estimate=float(unit * at(0.5)),
        low=float(unit * at((1 - level) / 2)),
        high=float(unit * at((1 + level) / 2)),
        p=min(1.0, 2 * min(upper, lower)),
        level=level,
        method=f"{estimate.method}; stage-wise ordering over {_counted(looks)}".lstrip("; "),
    )


def _counted(looks: Sequence[Look]) -> str:
    return counted(len(looks), "look")


def repeated(estimate: Estimate, look: Look, *, level: float = 0.95) -> Estimate | Absent:
    """The repeated confidence interval at a look that does not end the trial.

    ``level`` is the coverage at all looks together that the look's bound stands for.
    """
    z = standardised(estimate)
    if z is None:
        return Absent("no-variation", "The outcome does not vary: there is no error to judge by.")
    half = look.efficacy * _effective_se(estimate, z)
    return replace(
        estimate,
        low=estimate.estimate - half,
        high=estimate.estimate + half,
        p=None,
        level=level,
        method=f"{estimate.method}; repeated confidence interval".lstrip("; "),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the looks so far say.

    ``decision`` is ``effect`` (a bound was crossed, in either direction), ``futility``,
    ``no-effect`` (the last look passed without crossing) or ``continue``; ``look`` counts from 1.
    ``ordinary`` is the estimate at that look without regard to the others.
    """

    decision: Decision
    look: int
    z: float
    bounds: tuple[Look, ...]
    estimate: Estimate | Absent
    ordinary: Estimate

    def at(self, level: float) -> Estimate | Absent:
        """The estimate at another coverage; while going on it keeps that of its bounds."""
        if self.decision == "continue" or isinstance(self.estimate, Absent):
            return self.estimate
        return stage_wise(self.ordinary, self.bounds, level=level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The looks so far of a hypothesis that does not itself end the trial.

    ``fractions``, ``timing``, ``final`` and ``spending`` are those of
    :func:`analysis.frequentist.sequential.boundaries`.
    """

    fractions: tuple[float, ...]
    timing: tuple[float, ...]
    final: bool
    spending: Spending = OBRIEN_FLEMING

    def nominal(self, alpha: float) -> float:
        """The p-value that would just reach the last of the looks' bounds at ``alpha``."""
        looks = boundaries(
            self.fractions, alpha=alpha, spending=self.spending, final=self.final,
            timing=self.timing,
        )  # fmt: skip
        return looks[-1].nominal_p

    def p(self, nominal: float) -> float:
        """The least error rate whose bound an ordinary p-value reaches (Liu and Anderson 2008).

        Valid at every look at once, so also at one that another hypothesis chose.
        """
        if nominal >= self.nominal(_LARGEST_ERROR):
            return 1.0
        if nominal <= self.nominal(_LEAST_ERROR):
            return _LEAST_ERROR
        return float(np.exp(optimize.brentq(
            lambda log: self.nominal(math.exp(log)) - nominal,
            math.log(_LEAST_ERROR), math.log(_LARGEST_ERROR), xtol=1e-9,
        )))  # fmt: skip


def read(
    estimates: Sequence[Estimate],
    fractions: Sequence[float],
    *,
    final: bool,
    alpha: float = 0.05,
    spending: Spending = OBRIEN_FLEMING,
    futility: tuple[float, float, Spending] | None = None,
    better: Literal["lower", "higher"] = "lower",
    timing: Sequence[float] | None = None,
) -> Reading | Absent:
    """Judge the looks made so far.

    Args:
        estimates: the ordinary estimate at each look, the latest last.
        fractions: the share of the planned information each had.
        final: whether the latest look is the plan's last.
        alpha: two-sided error rate of the trial.
        spending: how it is spent.
        futility: (drift of the planned effect, beta, its spending) for non-binding futility.
        better: which sign of the estimate is a benefit.
        timing: the share of the plan's time at each look, where the error is spent by that.

    Returns:
        The reading at the first look that crossed a bound, else at the latest.
    """
    if not estimates:
        return Absent("no-look", "No look has been made yet.")
    if np.any(~(np.diff([0.0, *fractions]) > 0)):
        return Absent("information-not-growing", "A look holds no more information than the last.")
    looks = boundaries(fractions, alpha=alpha, spending=spending, final=final, timing=timing)
    if futility is not None:
        drift, beta, spends = futility
        looks = with_futility(looks, drift, beta=beta, spending=spends)
    deviates = [standardised(estimate) for estimate in estimates]
    known = [z for z in deviates if z is not None]
    if len(known) < len(deviates):
        return Absent("no-variation", "The outcome does not vary, so no look can be judged.")
    sign = -1.0 if better == "lower" else 1.0
    decisions = [
        _decide(z, sign * z, look, last=final and k == len(looks) - 1)
        for k, (z, look) in enumerate(zip(known, looks, strict=True))
    ]
    k = next((i for i, d in enumerate(decisions) if d != "continue"), len(looks) - 1)
    told = (
        repeated(estimates[k], looks[k], level=1 - alpha)
        if decisions[k] == "continue"
        else stage_wise(estimates[k], looks[: k + 1], level=1 - alpha)
    )
    return Reading(
        decision=decisions[k], look=k + 1, z=known[k], bounds=looks[: k + 1], estimate=told,
        ordinary=estimates[k],
    )  # fmt: skip


def standardised(estimate: Estimate) -> float | None:
    """The normal deviate with the estimate's own p-value; ``None`` without an error.

    A t statistic is taken to the normal scale through its p-value, which keeps each look's
    nominal level exact (Jennison and Turnbull 2000, section 3.3).
    """
    if not estimate.se:
        return None
    z = estimate.estimate / estimate.se
    if estimate.df is not None:
        tail = float(special.stdtr(estimate.df, -abs(z)))
        z = float(np.copysign(-special.ndtri(tail), z)) if tail > 0 else z
    return float(z)


def _decide(z: float, benefit: float, look: Look, *, last: bool) -> Decision:
    if abs(z) >= look.efficacy:
        return "effect"
    if last:
        return "no-effect"
    if look.futility is not None and benefit <= look.futility:
        return "futility"
    return "continue"


def _effective_se(estimate: Estimate, z: float) -> float:
    """The standard error that turns the estimate into its normal deviate."""
    return float(estimate.estimate / z) if z else float(estimate.se or 0.0)


def _tails(looks: Sequence[Look], z: float, drift: float) -> tuple[float, float]:
    """Chances of a result at least as far up, and at least as far down, in stage-wise order."""
    walk, up, down = start([x.fraction for x in looks], drift), 0.0, 0.0
    for look in looks[:-1]:
        up += walk.above(look.fraction, look.efficacy)
        down += walk.below(look.fraction, -look.efficacy)
        walk = walk.onward(look.fraction, -look.efficacy, look.efficacy)
    t = looks[-1].fraction
    return up + walk.above(t, z), down + walk.below(t, z)


def _bracket(looks: Sequence[Look], z: float, chance: float) -> tuple[float, float]:
    """Drifts between which the upper tail passes ``chance``."""
    centre, reach = z / np.sqrt(looks[-1].fraction), 4.0 / np.sqrt(looks[0].fraction)
    low, high = centre - reach, centre + reach
    while _tails(looks, z, low)[0] > chance:
        low -= reach
    while _tails(looks, z, high)[0] < chance:
        high += reach
    return float(low), float(high)
