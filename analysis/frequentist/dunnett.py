"""Dunnett's test: several arms against one control, with simultaneous intervals.

The contrasts share the control, so their statistics are correlated by the product of
``lambda_i = sqrt(v0 / (v0 + v_i))``, where ``v`` is the variance of an arm's mean (Dunnett 1955;
for unequal arms Dunnett 1964). Given the control's error z and the pooled standard deviation s
(both standardised) the contrasts are independent, and what is left is a two-dimensional integral:
trapezoid over z, Gauss–Legendre over s. It is deterministic, unlike the quasi-Monte Carlo of
general libraries. Upper tails are integrated as such and never as one minus a probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from analysis.estimates import Absent, Estimate
from analysis.frequentist.multiplicity import Outcome

Floats = npt.NDArray[np.float64]

WIDEST = 9.0
"""Standard deviations of the control's error integrated over; beyond lie 2e-19."""
LEGENDRE = 64
LARGE_DF = 5000.0
"""Above this the pooled standard deviation is taken as known (the p-value moves by < 1e-7)."""


def exceedance(
    critical: float, lambdas: Sequence[float], df: float | None = None, *, sides: int = 2
) -> float:
    """The chance, with no effect at all, that any contrast's statistic exceeds ``critical``.

    Args:
        critical: the value the largest statistic (its absolute value for ``sides=2``) must pass.
        lambdas: one per contrast, in [0, 1); see the module's text.
        df: degrees of freedom of the common variance; ``None`` for a normal reference.
        sides: 1 or 2.
    """
    weight_s, s = _scale_nodes(df)
    lam = np.clip(np.asarray(lambdas, float), 0.0, 1 - 1e-12)
    rest = np.sqrt(1 - lam**2)
    step = min(0.1, 0.3 * float(rest.min(initial=1.0) / max(float(lam.max(initial=0.0)), 0.1)))
    z = np.linspace(-WIDEST, WIDEST, 2 * int(np.ceil(WIDEST / step)) + 1)
    weight_z = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    edge = critical * s[:, None, None]
    shift = z[None, :, None] * lam
    tail = special.ndtr((-edge + shift) / rest)
    if sides == 2:
        tail = tail + special.ndtr((-edge - shift) / rest)
    any_over = -np.expm1(np.log1p(-np.minimum(tail, 1 - 1e-16)).sum(axis=2))
    return float(min(1.0, weight_s @ (any_over @ weight_z)))


def critical_value(
    alpha: float, lambdas: Sequence[float], df: float | None = None, *, sides: int = 2
) -> float:
    """The value that the largest of the statistics passes with probability ``alpha``.

    It lies between the single comparison's and Bonferroni's, so where the integral's own error
    puts it outside (one comparison, or contrasts that all but coincide) the nearer of them stands.
    """
    low = _isf(alpha / sides, df)
    high = _isf(alpha / sides / max(len(lambdas), 1), df)

    def excess(c: float) -> float:
        return exceedance(c, lambdas, df, sides=sides) - alpha

    if low >= high or excess(low) <= 0:
        return low
    if excess(high) >= 0:
        return high
    return float(optimize.brentq(excess, low, high, xtol=1e-12))


def lambdas_of(n_control: float, n_arms: Sequence[float]) -> list[float]:
    """``lambda_i`` for arms of equal variance: sqrt(n_i / (n_i + n_0))."""
    return [float(np.sqrt(n / (n + n_control))) for n in n_arms]


def dunnett(
    n: Sequence[float],
    means: Sequence[float],
    variances: Sequence[float],
    *,
    control: int = 0,
    level: float = 0.95,
) -> list[Estimate | Absent]:
    """Each arm's mean minus the control's, under one common variance (Dunnett 1955, 1964).

    Args:
        n: units with a known outcome in each arm.
        means: each arm's mean.
        variances: each arm's sample variance (divisor n − 1).
        control: which arm is the control; it has no entry in the answer.
        level: joint coverage of all intervals.

    Returns:
        One estimate an arm in order, with raw and adjusted p; ``Absent`` where it cannot be had.
    """
    size, mean, var = (np.asarray(v, float) for v in (n, means, variances))
    others = [i for i in range(len(size)) if i != control]
    df = float(size.sum() - len(size))
    if size[control] < 1 or df < 1:
        return [Absent("too-few-units", "There are too few units to estimate the spread.")] * len(
            others
        )
    pooled = float((np.where(size > 1, (size - 1) * var, 0.0)).sum() / df)
    contrasts: list[Outcome] = []
    for i in others:
        if size[i] < 1:
            contrasts.append(Absent("empty-arm", "Nobody with a known outcome is in the arm."))
            continue
        se = float(np.sqrt(pooled * (1 / size[i] + 1 / size[control])))
        contrasts.append(
            Estimate.from_t(
                float(mean[i] - mean[control]), se, df=df, level=level, method="Dunnett"
            )
        )
    adjusted = from_contrasts(contrasts, pooled / float(size[control]), alpha=1 - level)
    return [a for a in adjusted if a is not None]


def from_contrasts(
    contrasts: Sequence[Outcome], control_variance: float, *, alpha: float = 0.05
) -> list[Outcome]:
    """Any estimates against one control, with Dunnett-adjusted p and simultaneous intervals.

    Each contrast keeps its own error and degrees of freedom, and the correlation is the one its
    errors imply (Hasler and Hothorn 2008), so unequal variances and regression-adjusted estimates
    are allowed. A contrast that could not be had counts in the family as if it were independent.

    Args:
        contrasts: estimates of arm minus control on an additive scale; ``se`` is required.
        control_variance: the variance of the control's mean on the same scale.
        alpha: the family's error rate.
    """
    lambdas = [
        _lambda(control_variance, c.se) if isinstance(c, Estimate) and c.se else 0.0
        for c in contrasts
    ]
    return [_adjusted(c, lambdas, alpha) if isinstance(c, Estimate) else c for c in contrasts]


def _lambda(control_variance: float, se: float) -> float:
    return float(np.sqrt(min(control_variance / se**2, 1 - 1e-9)))


def _adjusted(contrast: Estimate, lambdas: Sequence[float], alpha: float) -> Outcome:
    if not contrast.se or contrast.p is None:
        return Absent("no-variation", "The outcome does not vary: there is no error to judge by.")
    df = contrast.df
    statistic = _isf(contrast.p / 2, df)
    p = exceedance(statistic, lambdas, df) if np.isfinite(statistic) else 0.0
    critical = critical_value(alpha, lambdas, df)
    by = critical / _isf((1 - contrast.level) / 2, df)
    return replace(
        contrast,
        p_adjusted=float(max(p, contrast.p)),
        level=1 - alpha,
        low=contrast.estimate - by * (contrast.estimate - contrast.low),
        high=contrast.estimate + by * (contrast.high - contrast.estimate),
    )


def _isf(tail: float, df: float | None) -> float:
    """The value that a normal (``df`` None) or t variable passes with chance ``tail`` < 1/2."""
    # At nought SciPy answers with the infinity of the wrong sign.
    return abs(float(special.ndtri(tail) if df is None else special.stdtrit(df, tail)))


def _scale_nodes(df: float | None) -> tuple[Floats, Floats]:
    """Weights and nodes for s = chi/sqrt(df); a single node where it is known."""
    if df is None or df > LARGE_DF:
        return np.ones(1), np.ones(1)
    half = df / 2
    low, high = (
        np.sqrt(special.gammaincinv(half, 1e-17) / half),
        np.sqrt(special.gammainccinv(half, 1e-17) / half),
    )
    x, w = np.polynomial.legendre.leggauss(LEGENDRE)
    s = 0.5 * (high - low) * x + 0.5 * (high + low)
    # The density of chi-squared at df s², times 2 df s for the change of variable.
    log_density = (half - 1) * np.log(half * s**2) - half * s**2 - special.gammaln(half)
    density = df * s * np.exp(log_density)
    return 0.5 * (high - low) * w * density, s
