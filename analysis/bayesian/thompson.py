"""Adaptive allocation by Thompson sampling with a floor, and the analysis that is valid for it.

Only for channels whose outcome is known within a day or so: weights move between batches, and are
stored with every assignment. A plain difference of means is biased under adaptive weights
(Villar, Bowden & Wason 2015), so the analysis weights each unit by the inverse of its own stored
probability, and batches by the square root of it, which keeps the estimate asymptotically normal
(Hadad, Hirshberg, Zhan, Wager & Athey 2021, PNAS 118(15): adaptively weighted scores with the
constant-allocation weights √e).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.bayesian.priors import Better
from analysis.estimates import Absent, Estimate
from analysis.tables import Floats

SLOW_DAYS = 2.0


def thompson_weights(
    levels: Floats, *, better: Better, floor: float, present: Sequence[bool] | None = None
) -> Floats:
    """Each arm's next share: the probability that it is best, but never below ``floor``.

    ``levels`` are joint posterior draws of the arms' means (draws × arms), as in
    ``ArmPosteriors.levels``. An arm without units yet (``present`` false) has no draws of its own
    and gets the share it would have under equal allocation.

    Raises:
        ValueError: the floor leaves nothing to share out.
    """
    arms = levels.shape[1]
    if not 0 <= floor * arms <= 1:
        raise ValueError(f"a floor of {floor} is too high for {arms} arms")
    known = np.ones(arms, bool) if present is None else np.asarray(present, bool)
    best = np.full(arms, 1 / arms)
    if known.any():
        sign = 1.0 if better == "lower" else -1.0
        winner = np.flatnonzero(known)[(sign * levels[:, known]).argmin(axis=1)]
        best = np.bincount(winner, minlength=arms) / len(levels)
        best = np.where(known, best * known.sum() / arms, 1 / arms)
    return np.asarray(floor + (1 - floor * arms) * best)


def slow_outcome_warning(window_days: float, batch_days: float) -> str | None:
    """A warning where outcomes come too late for the weights to learn from them."""
    if window_days <= max(SLOW_DAYS, batch_days):
        return None
    return (
        f"The outcome takes {window_days:g} days and the weights change every {batch_days:g}: by "
        "the time they have learnt, most people have been assigned. Use fixed shares."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Units assigned under one set of weights: ``weights`` as stored, sums of outcomes by arm."""

    weights: Floats
    n: Floats
    y: Floats
    yy: Floats


def adaptive_means(batches: Sequence[Batch], *, arm: int) -> tuple[float, float] | Absent:
    """An arm's mean and standard error from adaptively weighted scores.

    A unit's score is augmented inverse-probability weighted, Γ = m̂ + 1{arm}(y − m̂)/e, with m̂ the
    arm's mean in *earlier* batches, so that it is unbiased given the past (the first batch, whose
    weights are fixed in advance, uses its own mean); scores are averaged with weights √e (e the
    arm's stored probability).
    """
    gamma: list[float] = []
    size: list[float] = []
    square: list[float] = []
    weight: list[float] = []
    seen_n = seen_y = 0.0
    for batch in batches:
        e = float(batch.weights[arm])
        if e <= 0:
            return Absent(
                "no-overlap", "An arm had no chance of being drawn in one of the batches."
            )
        n, y, yy = (float(v[arm]) for v in (batch.n, batch.y, batch.yy))
        guess = seen_y / seen_n if seen_n > 0 else y / max(n, 1.0)
        total = float(batch.n.sum())
        gamma.append(total * guess + (y - n * guess) / e)
        residual = yy - 2 * guess * y + n * guess**2
        square.append(total * guess**2 + 2 * guess * (y - n * guess) / e + residual / e**2)
        size.append(total)
        weight.append(math.sqrt(e))
        seen_n, seen_y = seen_n + n, seen_y + y
    if seen_n < 2:
        return Absent("arm-empty", "The arm has fewer than two units.")
    g, n_b, s, h = (np.asarray(v) for v in (gamma, size, square, weight))
    mean = float((h @ g) / (h @ n_b))
    spread = h**2 @ (s - 2 * mean * g + n_b * mean**2)
    return mean, math.sqrt(max(float(spread), 0.0)) / float(h @ n_b)


def adaptive_difference(
    batches: Sequence[Batch], *, arm: int, control: int, level: float = 0.95
) -> Estimate | Absent:
    """The difference of two arms under adaptive allocation, with a normal interval.

    The variances add: a unit's scores for two arms covary only by the product of the two guesses'
    errors, which is of second order.
    """
    treated, baseline = adaptive_means(batches, arm=arm), adaptive_means(batches, arm=control)
    if isinstance(treated, Absent):
        return treated
    if isinstance(baseline, Absent):
        return baseline
    se = math.hypot(treated[1], baseline[1])
    if se == 0:
        return Absent("no-variance", "Every outcome was the same.")
    return Estimate.from_t(
        treated[0] - baseline[0], se, df=None, level=level,
        method="adaptively weighted augmented inverse-probability scores (Hadad et al. 2021)",
    )  # fmt: skip
