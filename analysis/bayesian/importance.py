"""Posteriors of counts, amounts and contact paths in a tenth of a second, without a sampler.

The posterior's mode and curvature give a multivariate t proposal (Laplace's approximation with
heavier tails); draws from it are weighted by the exact density (Rubin 1987), so the answer is that
of the model and not of the approximation, and the effective sample size says how well it went.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from analysis.bayesian.closed_form import ArmPosteriors
from analysis.bayesian.models import amounts, counts, paths
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.posterior import Posterior, Rope, draws_posterior, resampled
from analysis.bayesian.priors import Better
from analysis.estimates import Absent
from analysis.tables import Floats

LogDensity = Callable[[Floats], float]

DRAWS = 4000
TAIL_DF = 5.0
ENOUGH = 400.0  # effective draws below which the answer is withheld

_SECOND: dict[str, Any] = {counts.KEY: counts, amounts.KEY: amounts, paths.KEY: paths}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """Draws of a parameter vector (draws × parameters) with importance weights that sum to 1."""

    theta: Floats
    weights: Floats
    ess: float


def quick_posterior(
    data: ModelData,
    *,
    better: Better,
    rope: Rope | None = None,
    level: float = 0.95,
    seed: int = 0,
    draws: int = DRAWS,
) -> ArmPosteriors | Absent:
    """The posteriors of all arms' effects for a count, amount or contact-paths model.

    Absent when the mode is not found or too few draws carry the weight; the sampled model is then
    the way.
    """
    second = _SECOND[data.model]
    drawn = laplace_importance(
        lambda theta: second.log_density(theta, data), second.start(data),
        draws=draws, rng=np.random.default_rng(seed),
    )  # fmt: skip
    if isinstance(drawn, Absent):
        return drawn
    levels = second.levels(drawn.theta, data)
    return _arm_posteriors(data, levels, drawn, better=better, rope=rope, level=level)


def _arm_posteriors(
    data: ModelData, levels: Floats, drawn: Weighted, *, better: Better, rope: Rope | None,
    level: float,
) -> ArmPosteriors:  # fmt: skip
    size, title = len(data.arms), data.model.replace("-", " ")
    effects: list[Posterior | Absent | None] = [
        Absent("arm-empty", f"Nobody with a known outcome was in {arm}.") for arm in data.arms
    ]
    effects[data.order[0]] = None
    for k, arm in enumerate(data.order[1:], start=1):
        effects[arm] = draws_posterior(
            levels[:, k] - levels[:, 0], weights=drawn.weights, better=better, rope=rope,
            level=level, prior=data.prior, ess=drawn.ess,
            model=f"{title}, normal prior on the difference (Laplace, importance draws)",
        )  # fmt: skip
    rows = resampled(np.arange(len(levels), dtype=float), drawn.weights).astype(np.int64)
    table = np.zeros((len(levels), size))
    table[:, list(data.order)] = levels[rows]
    return ArmPosteriors(
        arms=data.arms, control=data.order[0], effects=tuple(effects), levels=table,
        present=tuple(i in data.order for i in range(size)),
    )  # fmt: skip


def laplace_importance(
    log_density: LogDensity, start: Floats, *, draws: int, rng: np.random.Generator
) -> Weighted | Absent:
    """Importance draws from a density known up to a constant, around its mode."""
    with np.errstate(all="ignore"):
        found = optimize.minimize(
            lambda x: -_finite(log_density(x)), start, method="BFGS", options={"gtol": 1e-4}
        )
        precision = -_hessian(log_density, found.x)
        values, vectors = np.linalg.eigh((precision + precision.T) / 2)
        if not np.all(np.isfinite(values)) or values.min() <= 0:
            return Absent("no-mode", "The posterior has no clear peak to draw around.")
        root = vectors / np.sqrt(values)
        z = rng.standard_normal((draws, len(start)))
        scale = np.sqrt(rng.chisquare(TAIL_DF, draws) / TAIL_DF)[:, None]
        z = z / scale
        theta = found.x + z @ root.T
        proposal = -(TAIL_DF + len(start)) / 2 * np.log1p((z**2).sum(axis=1) / TAIL_DF)
        log_weight = np.array([_finite(log_density(row)) for row in theta]) - proposal
    weights = np.exp(log_weight - log_weight.max())
    weights /= weights.sum()
    ess = float(1 / np.sum(weights**2))
    if ess < min(ENOUGH, draws / 10):
        return Absent("few-effective-draws", f"Only {ess:.0f} of {draws} draws carry weight.")
    return Weighted(theta=theta, weights=weights, ess=ess)


def _finite(value: float) -> float:
    return value if np.isfinite(value) else -1e300


def _hessian(f: LogDensity, x: Floats) -> Floats:
    """Central differences, with steps of a quarter of a posterior sd along each axis."""
    size = len(x)
    step = np.array([_step(f, x, i) for i in range(size)])
    out = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            out[i, j] = out[j, i] = _mixed(f, x, i, j, step)
    return out


def _mixed(f: LogDensity, x: Floats, i: int, j: int, step: Floats) -> float:
    a, b = np.zeros(len(x)), np.zeros(len(x))
    a[i], b[j] = step[i], step[j]
    if i == j:
        return float((f(x + a) - 2 * f(x) + f(x - a)) / step[i] ** 2)
    total = f(x + a + b) - f(x + a - b) - f(x - a + b) + f(x - a - b)
    return float(total / (4 * step[i] * step[j]))


def _step(f: LogDensity, x: Floats, i: int) -> float:
    """A step that lowers the log density by about 1/32, a quarter of a conditional sd."""
    top, unit, step = f(x), np.eye(len(x))[i], 1e-3
    for _ in range(40):
        fall = top - (f(x + step * unit) + f(x - step * unit)) / 2
        if 0.01 < fall < 0.1:
            break
        step *= 2.0 if fall < 0.01 else 0.6
    return step
