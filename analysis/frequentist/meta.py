"""Putting several trials or sites together: random-effects meta-analysis.

The variance between trials is DerSimonian and Laird's (truncated at zero), Paule and Mandel's or
restricted maximum likelihood; the interval of the mean is normal or Hartung and Knapp's; the
prediction interval says where the effect in the next place may lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, special

from analysis.estimates import Absent, Estimate, critical
from analysis.tables import Floats

TauMethod = Literal["dersimonian-laird", "paule-mandel", "reml", "ml", "equal"]

_FAR = 1e8


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A pooled effect.

    ``tau2`` is the variance between trials; ``q`` Cochran's heterogeneity statistic with p-value
    ``q_p``; ``i2`` the percentage of variance that is between trials (Higgins & Thompson 2002);
    ``prediction`` the interval for the effect in a new trial (Higgins, Thompson & Spiegelhalter
    2009, eq 12; ``None`` with fewer than three); ``weights`` add to one.
    """

    mean: Estimate
    tau2: float
    q: float
    q_p: float
    i2: float
    prediction: tuple[float, float] | None
    weights: tuple[float, ...]


def pool(
    effects: Floats,
    errors: Floats,
    *,
    tau: TauMethod = "reml",
    hartung_knapp: bool = True,
    level: float = 0.95,
) -> Pooled | Absent:
    """Random-effects mean of ``effects`` with standard ``errors``.

    Hartung & Knapp (2001) scale the variance of the mean and refer it to t with k - 1 degrees of
    freedom; their factor is not let fall below one (Röver, Knapp & Friede 2015), so that the
    interval is never narrower than the classical one at equal effects.

    Raises:
        ValueError: a standard error is not positive.
    """
    y, v = np.asarray(effects, float), np.asarray(errors, float) ** 2
    if (v <= 0).any():
        raise ValueError("standard errors are positive")
    if len(y) < 2:
        return Absent("too-few-trials", "It takes two trials or more to pool.")
    tau2 = between_variance(y, v, tau)
    w = 1 / (v + tau2)
    mean, se = float(w @ y / w.sum()), float(1 / math.sqrt(w.sum()))
    k, q = len(y), _q(y, v, 0.0)
    if hartung_knapp:
        se *= math.sqrt(max(_q(y, v, tau2) / (k - 1), 1.0))
    method = f"random effects, {tau}" + (", Hartung–Knapp" if hartung_knapp else "")
    estimate = Estimate.from_t(
        mean, se, df=float(k - 1) if hartung_knapp else None, level=level, method=method
    )
    return Pooled(
        mean=estimate, tau2=tau2, q=q, q_p=float(special.chdtrc(k - 1, q)), i2=_i2(v, tau2),
        prediction=_prediction(mean, se, tau2, k, level),
        weights=tuple(float(x) for x in w / w.sum()),
    )  # fmt: skip


def between_variance(y: Floats, v: Floats, method: TauMethod) -> float:
    """The variance between trials, never negative."""
    if method == "equal" or len(y) < 2:
        return 0.0
    if method == "dersimonian-laird":
        w = 1 / v
        spare = float(w.sum() - (w**2).sum() / w.sum())
        return max(0.0, (_q(y, v, 0.0) - (len(y) - 1)) / spare)
    if method == "paule-mandel":
        return _root(lambda t: _q(y, v, t) - (len(y) - 1))
    return _maximum(y, v, restricted=method == "reml")


def _q(y: Floats, v: Floats, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _root(f: Callable[[float], float]) -> float:
    """Where a decreasing function of the variance between trials crosses zero."""
    if f(0.0) <= 0:
        return 0.0
    top = 1.0
    while f(top) > 0 and top < _FAR:
        top *= 4
    return float(optimize.brentq(f, 0.0, top, xtol=1e-14, rtol=1e-13))


def _maximum(y: Floats, v: Floats, *, restricted: bool) -> float:
    """(Restricted) maximum likelihood, from the best of a grid down to the root of the slope."""

    def loss(tau2: float) -> float:
        w = 1 / (v + tau2)
        value = float(np.log(v + tau2).sum() + _q(y, v, tau2))
        return value + math.log(float(w.sum())) if restricted else value

    scale = max(float(np.var(y)), float(v.max()), 1e-300)
    grid = np.concatenate([[0.0], scale * np.geomspace(1e-6, 1e2, 161)])
    best = int(np.argmin([loss(t) for t in grid]))
    if best == 0 and loss(float(grid[1])) >= loss(0.0):
        return 0.0
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)])
    found = _slope_root(y, v, low, high, restricted=restricted)
    return found if loss(found) <= loss(0.0) else 0.0


def _slope_root(y: Floats, v: Floats, low: float, high: float, *, restricted: bool) -> float:
    def slope(tau2: float) -> float:
        w = 1 / (v + tau2)
        mean = w @ y / w.sum()
        extra = float((w**2).sum() / w.sum()) if restricted else 0.0
        return float(w.sum() - w**2 @ (y - mean) ** 2) - extra

    if slope(low) * slope(high) > 0:
        return low
    return float(optimize.brentq(slope, low, high, xtol=1e-15, rtol=1e-13))


def _i2(v: Floats, tau2: float) -> float:
    w = 1 / v
    typical = (len(v) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum())
    return float(100 * tau2 / (tau2 + typical))


def _prediction(
    mean: float, se: float, tau2: float, k: int, level: float
) -> tuple[float, float] | None:
    if k < 3:
        return None
    half = critical(level, k - 2) * math.sqrt(tau2 + se**2)
    return mean - half, mean + half
