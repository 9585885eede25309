"""Posteriors of several arms without a sampler: exact for rates, importance draws for the rest.

The generative model of a rate: the control's p₀ ~ Beta(1, 1); each other arm's rate is p₀ + δ with
δ ~ Normal(mean, sd) cut to what keeps the rate between 0 and 1. A flat prior makes every rate
Beta(1, 1) on its own. Arms share p₀ and are independent given it, so everything is an integral in
one or two dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from scipy.interpolate import CubicSpline

from analysis.bayesian.posterior import Posterior, Rope, grid_posterior, refined
from analysis.bayesian.priors import Better, EffectPrior, NormalPrior, effect_prior
from analysis.bayesian.quadrature import log_integral, support
from analysis.estimates import Absent
from analysis.tables import Floats, Grouped

DRAWS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmPosteriors:
    """The posteriors of all arms of one metric.

    ``effects`` has one entry a planned arm: its effect against the control, ``None`` at the
    control itself, or the reason why there is none. ``levels`` holds joint draws of every arm's
    own mean (draws × arms; a column of an empty arm is zero and ``present`` says so).
    """

    arms: tuple[str, ...]
    control: int
    effects: tuple[Posterior | Absent | None, ...]
    levels: Floats
    present: tuple[bool, ...]

    def probability_best(self, better: Better) -> Floats:
        """For each arm (control included) the probability that its mean is the best."""
        sign = 1.0 if better == "lower" else -1.0
        values = np.where(np.asarray(self.present), sign * self.levels, np.inf)
        best = values.argmin(axis=1)
        return np.bincount(best, minlength=len(self.arms)) / len(best)


def binomial_posterior(
    table: Grouped,
    *,
    prior: NormalPrior,
    better: Better,
    rope: Rope | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> ArmPosteriors | Absent:
    """Exact posteriors of the differences between arms' rates, by quadrature.

    Strata, segments and clusters are summed over: for a design that needs them use the sampled
    model or :func:`analysis.bayesian.posterior.effect_posterior` on the planned estimate. Absent
    when the control arm is empty.
    """
    n, y, _ = table.per_arm()
    problem = _refuse(table, n, y)
    if problem is not None:
        return problem
    rates = _Rates(y, n, table.control, effect_prior(prior))
    effects = tuple(
        None if arm == table.control
        else Absent("arm-empty", f"Nobody with a known outcome was in {table.arms[arm]}.")
        if n[arm] == 0
        else rates.effect(arm, better=better, rope=rope, level=level)
        for arm in range(len(table.arms))
    )  # fmt: skip
    levels = rates.draws(DRAWS, np.random.default_rng(seed))
    return ArmPosteriors(
        arms=table.arms, control=table.control, effects=effects, levels=levels,
        present=tuple(bool(size > 0) for size in n),
    )  # fmt: skip


def _refuse(table: Grouped, n: Floats, y: Floats) -> Absent | None:
    if n[table.control] == 0:
        return Absent("arm-empty", "Nobody with a known outcome was in the control arm.")
    if np.any(y < 0) or np.any(y > n):
        return Absent("not-a-proportion", "A rate needs outcomes that are 0 or 1.")
    return None


class _Rates:
    """The joint posterior of the control's rate and every arm's difference from it."""

    def __init__(self, y: Floats, n: Floats, control: int, prior: EffectPrior) -> None:
        self.y, self.n, self.control, self.prior = y, n, control, prior
        self.others = [a for a in range(len(n)) if a != control and n[a] > 0]
        rough = _spread(self._mean(control), 100)
        evidence = {a: self._log_evidence(a, rough) for a in self.others}
        total = self._log_rate(control, rough) + sum(evidence.values(), np.zeros(len(rough)))
        self.grid = refined(rough, total, nats=60.0, size=401)
        self.evidence = {
            a: _Extended(self.grid, self._log_evidence(a, self.grid)) for a in self.others
        }

    def _mean(self, arm: int) -> float:
        return float((self.y[arm] + 1) / (self.n[arm] + 2))

    def _log_rate(self, arm: int, p: Floats) -> Floats:
        return np.asarray(
            special.xlogy(self.y[arm], p) + special.xlog1py(self.n[arm] - self.y[arm], -p)
        )

    def _rate_slope(self, arm: int, p: Floats) -> Floats:
        failures = self.n[arm] - self.y[arm]
        return np.asarray(self.y[arm] / np.maximum(p, _TINY) - failures / np.maximum(1 - p, _TINY))

    def _log_prior(self, delta: Floats, p0: Floats) -> Floats:
        """The cut normal's log density; flat is uniform, whose normaliser is one."""
        if self.prior.flat:
            return np.zeros(np.broadcast(delta, p0).shape)
        m, s = self.prior.mean, self.prior.sd
        z = (delta - m) / s
        return np.asarray(
            -0.5 * z**2 - log_mass((-p0 - m) / s, (1 - p0 - m) / s) - np.log(s * _ROOT2PI)
        )

    def _log_evidence(self, arm: int, p0: Floats) -> Floats:
        """Log of an arm's likelihood given the control's rate, its own effect integrated out."""
        start = p0[:, None]
        pull = self.prior.precision

        def log_f(p: Floats) -> Floats:
            delta, at = _like(p, p0, start)
            return self._log_rate(arm, p) + self._log_prior(delta, at)

        def slope(p: Floats) -> Floats:
            delta, _ = _like(p, p0, start)
            return self._rate_slope(arm, p) - pull * (delta - self.prior.mean)

        return log_integral(log_f, slope, np.zeros(len(p0)), np.ones(len(p0)))

    def _log_marginal(self, arm: int, delta: Floats) -> Floats:
        """Log posterior density of one arm's effect, the control's rate integrated out."""
        shift = delta[:, None]
        rest = [self.evidence[a] for a in self.others if a != arm]

        def log_f(p0: Floats) -> Floats:
            d = delta if p0.ndim == 1 else shift
            out = self._log_rate(self.control, p0) + self._log_rate(arm, p0 + d)
            return out + self._log_prior(d, p0) + sum(e(p0) for e in rest)

        def slope(p0: Floats) -> Floats:
            d = delta if p0.ndim == 1 else shift
            out = self._rate_slope(self.control, p0) + self._rate_slope(arm, p0 + d)
            return np.asarray(out + sum(e.slope(p0) for e in rest))

        return log_integral(log_f, slope, np.maximum(0.0, -delta), np.minimum(1.0, 1 - delta))

    def effect(self, arm: int, *, better: Better, rope: Rope | None, level: float) -> Posterior:
        """The posterior of one arm's difference from the control."""
        seen = self._mean(arm) - self._mean(self.control)
        centres = [seen] if self.prior.flat else [seen, self.prior.mean]
        rough = np.unique(np.concatenate([_spread((c + 1) / 2, 80) * 2 - 1 for c in centres]))
        grid = _with_zero(refined(rough, self._log_marginal(arm, rough), size=801))
        return grid_posterior(
            grid, self._log_marginal(arm, grid), better=better, rope=rope, level=level,
            prior=self.prior,
            model="binomial arms, Beta(1, 1) control rate, normal prior on the difference (exact)",
        )  # fmt: skip

    def draws(self, size: int, rng: np.random.Generator) -> Floats:
        """Joint draws of every arm's rate (draws × arms)."""
        density = self._log_rate(self.control, self.grid)
        density = density + sum((e(self.grid) for e in self.evidence.values()), 0.0)
        p0 = _invert(self.grid[None, :], density[None, :], rng.random((1, size)))[0]
        out = np.zeros((size, len(self.n)))
        out[:, self.control] = p0
        for arm in self.others:
            out[:, arm] = self._given(arm, p0, rng)
        return out

    def _given(self, arm: int, p0: Floats, rng: np.random.Generator) -> Floats:
        pull = self.prior.precision
        column = p0[:, None]

        def log_f(p: Floats) -> Floats:
            delta, _ = _like(p, p0, column)
            return self._log_rate(arm, p) - 0.5 * pull * (delta - self.prior.mean) ** 2

        def slope(p: Floats) -> Floats:
            delta, _ = _like(p, p0, column)
            return self._rate_slope(arm, p) - pull * (delta - self.prior.mean)

        start, mode, end = support(log_f, slope, np.zeros(len(p0)), np.ones(len(p0)))
        steps = np.linspace(-1, 1, 241)
        reach = np.where(steps < 0, (mode - start)[:, None], (end - mode)[:, None])
        grid = mode[:, None] + steps * np.abs(steps) * reach  # denser at the mode
        return _invert(grid, log_f(grid), rng.random((len(p0), 1)))[:, 0]


def _with_zero(grid: Floats) -> Floats:
    """Finer about zero, where the density has a cliff when one arm's rate is all but zero."""
    steps = np.geomspace(1e-7, 1e-1, 60) * (grid[-1] - grid[0])
    near = np.concatenate([-steps, [0.0], steps])
    return np.unique(np.concatenate([grid, near[(near > grid[0]) & (near < grid[-1])]]))


class _Extended:
    """A cubic spline that goes on in a straight line beyond its ends."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self.low, self.high = float(x[0]), float(x[-1])
        self.spline = CubicSpline(x, y)
        self.first = self.spline.derivative()

    def __call__(self, x: Floats) -> Floats:
        inside = np.clip(x, self.low, self.high)
        return np.asarray(self.spline(inside) + self.first(inside) * (x - inside))

    def slope(self, x: Floats) -> Floats:
        """The derivative."""
        return np.asarray(self.first(np.clip(x, self.low, self.high)))


_TINY = 1e-300
_ROOT2PI = float(np.sqrt(2 * np.pi))


def log_mass(low: Any, high: Any) -> Floats:
    """Log of the standard normal's mass between ``low`` and ``high``, right in either tail."""
    a, b = np.broadcast_arrays(np.asarray(low, float), np.asarray(high, float))
    flip = a > 0
    a, b = np.where(flip, -b, a), np.where(flip, -a, b)
    upper = special.log_ndtr(b)
    with np.errstate(divide="ignore"):
        return np.asarray(upper + np.log1p(-np.exp(special.log_ndtr(a) - upper)))


def _like(p: Floats, flat_p0: Floats, column: Floats) -> tuple[Floats, Floats]:
    """Difference from, and shape of, the control's rate for one point or many points a row."""
    p0 = flat_p0 if p.ndim == 1 else column
    return p - p0, p0


def _spread(centre: float, size: int) -> Floats:
    """Points of (0, 1): dense about ``centre`` and towards both ends, on every scale."""
    steps = np.geomspace(1e-9, 1.0, size)
    around = np.concatenate([centre - steps, centre + steps, steps / 2, 1 - steps / 2])
    return np.unique(around[(around > 1e-12) & (around < 1 - 1e-12)])


def _invert(grid: Floats, log_density: Floats, uniform: Floats) -> Floats:
    """Inverse-CDF draws, row by row, from densities on grids (trapezium rule)."""
    density = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    steps = np.diff(grid, axis=1) * (density[:, 1:] + density[:, :-1]) / 2
    running = np.concatenate([np.zeros((len(grid), 1)), np.cumsum(steps, axis=1)], axis=1)
    running /= running[:, -1:]
    return np.stack([np.interp(u, c, g) for u, c, g in zip(uniform, running, grid, strict=True)])
