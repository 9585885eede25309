"""The analysis that is valid where shares followed the outcomes: adaptively weighted scores.

A plain difference of means is biased there: an arm that began badly by chance is given to fewer
people and keeps its bad mean (Villar, Bowden & Wason 2015), and if outcomes drift, arms are
compared across times. Each unit's score is augmented inverse-probability weighted with its own
stored probability e, Γ_a = m̂_a + 1{a}(y − m̂_a)/e_a, with m̂ from *earlier* batches, so that it is
unbiased given the past (the first batch, whose shares were fixed in advance, takes its own means).
Batches are weighted by h = 1/√Σ(1/e), known before the batch began, which steadies the variance
and so keeps the estimate asymptotically normal (Hadad, Hirshberg, Zhan, Wager & Athey 2021, PNAS
118(15)). All arms share h, so that a drift common to them cancels: what is estimated is the average
of the batches' effects with weights h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.estimates import Absent, Estimate, critical
from analysis.frequentist.fieller import fieller
from analysis.frequentist.subgroups import LEAST, Interaction
from analysis.tables import Floats, Grouped

METHOD = "adaptively weighted scores, by the stored chance of each unit (Hadad et al. 2021)"
_NO_CHANCE = Absent("no-overlap", "An arm had no chance of being drawn in one of the batches.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Units given arms under one set of shares: ``weights`` as stored, sums of outcomes by arm."""

    weights: Floats
    n: Floats
    y: Floats
    yy: Floats


def batches_of(table: Grouped) -> list[Batch]:
    """The batches of a table with stored shares, in the order of time; empty ones left out.

    Raises:
        ValueError: the table has no shares.
    """
    if table.shares is None or table.stratum is None:
        raise ValueError("the table has no stored shares")
    k, codes, levels = len(table.arms), table.stratum.codes, table.stratum.levels
    found = []
    for code in sorted(np.unique(codes), key=lambda c: int(levels[c])):
        rows = codes == code
        n, y, yy = (
            np.bincount(table.arm[rows], v[rows], k).astype(float)
            for v in (table.n, table.y, table.yy)
        )
        if n.sum():
            found.append(Batch(weights=table.shares[rows][0], n=n, y=y, yy=yy))
    return found


def adaptive_difference(
    batches: Sequence[Batch], *, arm: int, control: int, level: float = 0.95
) -> Estimate | Absent:
    """Arm less control, with a normal interval."""
    found = _scored(batches, {arm: 1.0, control: -1.0})
    if isinstance(found, Absent):
        return found
    estimate, se = found
    if se == 0:
        return Absent("no-variance", "Every outcome was the same.")
    return Estimate.from_t(estimate, se, df=None, level=level, method=METHOD)


def adaptive_mean(batches: Sequence[Batch], *, arm: int) -> tuple[float, float] | Absent:
    """An arm's mean and its standard error; two of these differ by :func:`adaptive_difference`."""
    return _scored(batches, {arm: 1.0})


def adaptive_ratio(
    batches: Sequence[Batch], *, arm: int, control: int, level: float = 0.95
) -> Estimate | Absent:
    """Arm over control: the ratio of two :func:`adaptive_mean`, with Fieller's (1954) limits.

    The limits leave out a ratio of one exactly where those of :func:`adaptive_difference` leave
    out nought, and ``p`` is the same, so that the two never point different ways. Where the
    control's own interval reaches zero the limits are infinite. ``se`` is in ratio units.
    """
    top = _scored(batches, {arm: 1.0})
    bottom = _scored(batches, {control: 1.0})
    effect = adaptive_difference(batches, arm=arm, control=control, level=level)
    if isinstance(top, Absent) or isinstance(bottom, Absent) or isinstance(effect, Absent):
        return next(one for one in (top, bottom, effect) if isinstance(one, Absent))
    if bottom[0] <= 0:
        return Absent("control-mean-zero", "The mean it is compared with is not above zero.")
    value = top[0] / bottom[0]
    contrast = _scored(batches, {arm: 1.0, control: -value})
    assert not isinstance(contrast, Absent)
    assert effect.se is not None
    # Both variances and that of the difference, all from the same scores, give the covariance.
    shared = (top[1] ** 2 + bottom[1] ** 2 - effect.se**2) / 2
    limits = fieller(
        (top[0], bottom[0]), (top[1] ** 2, shared, bottom[1] ** 2), critical(level)
    )  # fmt: skip
    low, high = (-math.inf, math.inf) if limits is None else limits
    return Estimate(
        estimate=value, low=low, high=high, se=contrast[1] / bottom[0], p=effect.p, level=level,
        method=f"ratio, Fieller interval, {METHOD}",
        notes=() if limits else ("the control is too near zero for limits",),
    )  # fmt: skip


def adaptive_interaction(
    table: Grouped, by: str, arm: int, *, least: float = LEAST
) -> Interaction | Absent:
    """Whether the effect differs between the levels of ``by``, by Cochran's (1954) Q.

    Each level's effect is its own :func:`adaptive_difference`. Levels hold different units, drawn
    independently with chances known before, so the effects are uncorrelated. Q over its degrees
    of freedom is referred to F with those of the smallest arm of a level, which errs cautious.
    """
    effects, smallest = [], math.inf
    for name in table.segments[by].levels:
        part = table.segment(by, name)
        n = part.per_arm()[0]
        fewest = float(min(n[arm], n[table.control]))
        if fewest < least:
            continue
        found = adaptive_difference(batches_of(part), arm=arm, control=table.control)
        if isinstance(found, Absent):
            return Absent("variance-not-identified", f"In “{name}” {_lower(found.why)}")
        effects.append((found.estimate, found.se or 0.0))
        smallest = min(smallest, fewest)
    if len(effects) < 2:
        return Absent("one-level", "Fewer than two levels have enough units in both arms.")
    values, errors = np.array(effects).T
    weight = errors**-2
    q = len(values) - 1
    f = float(weight @ (values - np.average(values, weights=weight)) ** 2) / q
    df = smallest - 1
    return Interaction(f=f, df1=q, df2=df, p=float(stats.f.sf(f, q, df)), levels=q + 1)


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _scored(
    batches: Sequence[Batch], contrast: Mapping[int, float]
) -> tuple[float, float] | Absent:
    """The weighted mean of the scores Σ_a contrast_a Γ_a, and its standard error."""
    signs = np.zeros(len(batches[0].weights) if batches else 0)
    for code, sign in contrast.items():
        if len(signs):
            signs[code] = sign
    seen_n, seen_y = np.zeros(len(signs)), np.zeros(len(signs))
    weight, size, first, second = [], [], [], []
    for batch in batches:
        e = batch.weights
        if (e <= 0).any():
            return _NO_CHANCE
        own = batch.y / np.maximum(batch.n, 1)
        guess = np.where(seen_n > 0, seen_y / np.maximum(seen_n, 1), own)
        base, total = float(signs @ guess), float(batch.n.sum())
        off = float(signs @ ((batch.y - batch.n * guess) / e))
        square = batch.yy - 2 * guess * batch.y + batch.n * guess**2
        weight.append(1 / math.sqrt(float((1 / e).sum())))
        size.append(total)
        first.append(total * base + off)
        second.append(total * base**2 + 2 * base * off + float(signs**2 @ (square / e**2)))
        seen_n, seen_y = seen_n + batch.n, seen_y + batch.y
    if not len(signs) or (seen_n[signs != 0] < 2).any():
        return Absent("arm-empty", "An arm has fewer than two units with a known outcome.")
    h, n, g, s = (np.asarray(v) for v in (weight, size, first, second))
    mean = float((h @ g) / (h @ n))
    spread = float(h**2 @ (s - 2 * mean * g + n * mean**2))
    return mean, math.sqrt(max(spread, 0.0)) / float(h @ n)
