"""Pre-specified segments: each one's contrast, whether they differ, and shrunken effects.

A segment's own contrast is noisy and the most striking of several is biased, so beside it go a
test of whether the effect differs between segments at all and an effect pulled towards the mean
by as much as the segments are alike (partial pooling; Gelman et al. 2013, section 5.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist.cluster import cluster_sums, cr_covariance, cr_df, is_nested, too_wide
from analysis.frequentist.comparison import stratum_codes
from analysis.frequentist.difference import difference
from analysis.frequentist.regression import Cells, Fit, Functional, fit, hc_covariance, hc_df
from analysis.tables import Floats, Grouped

LEAST = 50
"""A segment needs this many units in both arms for a contrast of its own."""

_GRID = 1601
_SPAN = 60.0
_NEGLIGIBLE = 1e-14
_MOST_STEPS, _CLOSE = 200, 1e-11


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentEffect:
    """One level of a segment and its difference."""

    level: str
    difference: Estimate | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """A Wald test that the effect is the same in every level.

    ``f`` has ``df1`` and ``df2`` degrees of freedom; ``levels`` counts the levels compared.
    """

    f: float
    df1: float
    df2: float
    p: float
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """Partially pooled effects: posterior means, deviations and intervals, in the given order.

    ``mean`` and ``mean_sd`` are those of the average effect, ``tau`` the posterior mean of the
    standard deviation between levels.
    """

    effects: tuple[Estimate, ...]
    mean: float
    mean_sd: float
    tau: float


def segment_effects(
    table: Grouped,
    by: str,
    arm: int,
    *,
    versus: int | None = None,
    level: float = 0.95,
    least: float = LEAST,
    adjust: bool = False,
) -> list[SegmentEffect]:
    """The difference within every level of the segment ``by``, in the order of its levels."""
    versus = table.control if versus is None else versus
    found = []
    for name in table.segments[by].levels:
        part = table.segment(by, name)
        n = part.per_arm()[0]
        value: Estimate | Absent
        if min(n[arm], n[versus]) < least:
            value = Absent("too-few-units", f"Fewer than {least:g} units in an arm.")
        else:
            value = difference(part, arm, versus=versus, level=level, adjust=adjust)
        found.append(SegmentEffect(level=name, difference=value))
    return found


def interaction(
    table: Grouped, by: str, arm: int, *, versus: int | None = None, least: float = LEAST
) -> Interaction | Absent:
    """Whether the effect differs between the levels of ``by``.

    The quadratic form of the contrasts between levels, from one model of all of them (clusters
    may span levels), is referred to Hotelling's distribution with the smallest of the contrasts'
    Bell-McCaffrey degrees of freedom, which errs cautious (Pustejovsky & Tipton 2018, section 3.2).
    """
    versus = table.control if versus is None else versus
    part = _two_arms(table, by, (arm, versus), least)
    levels = np.unique(part.segments[by].codes)
    if len(levels) < 2:
        return Absent("one-level", "Fewer than two levels have enough units in both arms.")
    fitted, functionals = _effects_model(part, by, arm)
    if set(fitted.dropped) & set(range(len(levels))):
        return Absent("not-estimable", "A level's effect cannot be told apart from its strata.")
    contrasts = [f - functionals[0] for f in functionals[1:]]
    covariance, df = _covariance(fitted, contrasts)
    values = np.array([fitted.value(c) for c in contrasts])
    q = len(contrasts)
    if np.linalg.matrix_rank(covariance) < q or df <= q - 1:
        return Absent("variance-not-identified", "Too few units or clusters for this comparison.")
    wald = float(values @ np.linalg.solve(covariance, values))
    df2 = df - q + 1
    f = df2 / (df * q) * wald
    return Interaction(f=f, df1=q, df2=df2, p=float(stats.f.sf(f, q, df2)), levels=len(levels))


def shrink(
    effects: Floats, errors: Floats, *, tau_scale: float | None = None, level: float = 0.95
) -> Shrunk | Absent:
    """Normal-normal partial pooling, integrating over the deviation between levels on a grid.

    ``tau_scale`` is the scale of a half-normal prior on that deviation; without it the prior is
    uniform, which needs three levels or more to be proper (Gelman 2006, section 3.2).

    Raises:
        ValueError: a standard error is not positive.
    """
    y, s = np.asarray(effects, float), np.asarray(errors, float)
    if (s <= 0).any():
        raise ValueError("standard errors are positive")
    if len(y) < 2 or (len(y) < 3 and tau_scale is None):
        return Absent("too-few-levels", "Too few levels to learn how much they differ.")
    tau, weight = _supported(*_tau_grid(y, s, tau_scale))
    precision = 1 / (s**2 + tau[:, None] ** 2)
    centre_var = 1 / precision.sum(axis=1)
    centre = centre_var * (precision @ y)
    pull = s**2 * precision
    means = (1 - pull) * y + pull * centre[:, None]
    variances = (1 - pull) * s**2 + pull**2 * centre_var[:, None]
    mean = float(weight @ centre)
    spread = float(weight @ (centre_var + (centre - mean) ** 2))
    return Shrunk(
        effects=_mixtures(weight, means, variances, level),
        mean=mean, mean_sd=math.sqrt(spread), tau=float(weight @ tau),
    )  # fmt: skip


def _two_arms(table: Grouped, by: str, arms: tuple[int, int], least: float) -> Grouped:
    """The two arms' cells in levels with enough units, and with a known cluster."""
    rows = (table.n > 0) & np.isin(table.arm, arms) & (table.segments[by].codes >= 0)
    if table.cluster is not None:
        rows &= table.cluster.codes >= 0
    part = table.where(rows)
    codes = part.segments[by].codes
    size = len(part.segments[by].levels)
    n = np.array([np.bincount(codes, part.n * (part.arm == a), size) for a in arms])
    return part.where((n.min(axis=0) >= max(least, 2))[codes])


def _effects_model(part: Grouped, by: str, arm: int) -> tuple[Fit, list[Functional]]:
    """Levels by strata absorbed and one effect a level."""
    level = np.unique(part.segments[by].codes, return_inverse=True)[1]
    levels = int(level.max()) + 1
    stratum = stratum_codes(part.stratum, part.cells)
    _, group = np.unique(level * (int(stratum.max()) + 1) + stratum, return_inverse=True)
    if part.cluster is not None and too_wide(part.cluster.codes, group.astype(np.int64)):
        group = level
    x = (level[:, None] == np.arange(levels)) * (part.arm == arm)[:, None].astype(float)
    cells = Cells(
        n=part.n, y=part.y, yy=part.yy, x=x, group=group.astype(np.int64),
        groups=int(group.max()) + 1,
        cluster=None if part.cluster is None else part.cluster.codes,
    )  # fmt: skip
    if cells.cluster is not None and not is_nested(cells.cluster, group.astype(np.int64)):
        cells = cells.dense()
    fitted = fit(cells)
    return fitted, [fitted.column(j) for j in range(levels)]


def _covariance(fitted: Fit, contrasts: list[Functional]) -> tuple[Floats, float]:
    if fitted.cells.cluster is None:
        return hc_covariance(fitted, contrasts), min(hc_df(fitted, c) for c in contrasts)
    sums = cluster_sums(fitted)
    df = min(cr_df(fitted, c, sums=sums)[0] for c in contrasts)
    return cr_covariance(fitted, contrasts, sums=sums), df


def _tau_grid(y: Floats, s: Floats, scale: float | None) -> tuple[Floats, Floats]:
    """Values of the deviation between levels and their posterior weights (trapezium rule)."""
    reach = _SPAN * max(float(np.ptp(y)), float(s.max()))
    reach = reach if scale is None else min(reach, 8 * scale)
    tau = reach * np.linspace(0.0, 1.0, _GRID) ** 3
    precision = 1 / (s**2 + tau[:, None] ** 2)
    centre = (precision @ y) / precision.sum(axis=1)
    log = 0.5 * np.log(precision).sum(axis=1) - 0.5 * np.log(precision.sum(axis=1))
    log -= 0.5 * (precision * (y - centre[:, None]) ** 2).sum(axis=1)
    if scale is not None:
        log -= 0.5 * (tau / scale) ** 2
    weight = np.exp(log - log.max()) * np.gradient(tau)
    weight[[0, -1]] /= 2
    return tau, weight / weight.sum()


def _supported(tau: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The grid without points whose weight cannot move a printed digit."""
    some = weight > _NEGLIGIBLE * weight.max()
    return tau[some], weight[some] / weight[some].sum()


def _mixtures(
    weight: Floats, means: Floats, variances: Floats, level: float
) -> tuple[Estimate, ...]:
    """Mean, deviation and quantiles of mixtures of normals, one a column."""
    mean, tail = weight @ means, (1 - level) / 2
    sd = np.sqrt(weight @ (variances + (means - mean) ** 2))
    scale = 1 / np.sqrt(variances)
    low, high = (_quantiles(weight, means, scale, (mean, sd), q) for q in (tail, 1 - tail))
    return tuple(
        Estimate(estimate=e, se=s, low=a, high=b, level=level,
                 method="partial pooling, normal–normal")
        for e, s, a, b in np.column_stack([mean, sd, low, high]).tolist()
    )  # fmt: skip


def _quantiles(
    weight: Floats, means: Floats, scale: Floats, moments: tuple[Floats, Floats], q: float
) -> Floats:
    """The ``q`` quantile of every mixture at once.

    Newton's steps on the normal scale, where a single normal needs one; a step that leaves the
    bracket (Cantelli's inequality gives one for any distribution) halves it instead.
    """
    (mean, sd), aim = moments, float(special.ndtri(q))
    below, above = mean - math.sqrt((1 - q) / q) * sd, mean + math.sqrt(q / (1 - q)) * sd
    value = mean + aim * sd
    for _ in range(_MOST_STEPS):
        z = (value - means) * scale
        chance = weight @ special.ndtr(z)
        low = chance < q
        below, above = np.where(low, value, below), np.where(low, above, value)
        reached = special.ndtri(chance)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            slope = (weight @ (np.exp(-z * z / 2) * scale)) / np.exp(-reached * reached / 2)
            step = value - (reached - aim) / slope
        inside = (step >= below) & (step <= above)
        before, value = value, np.where(inside, step, (below + above) / 2)
        if (np.abs(value - before) <= _CLOSE * sd).all():
            break
    return value
