"""The shape in which every posterior of an effect travels, and the ways to make one.

``mean`` and the rest are in the metric's own units; the effect is treatment minus control whatever
the direction of better. ``expected_loss`` is what shipping the treatment costs on average in the
worlds where it is worse, ``expected_loss_keep`` what keeping the control costs in the worlds where
the treatment is better (both per unit, in the metric's units, never negative).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import special
from scipy.interpolate import CubicSpline

from analysis.bayesian.priors import Better, EffectPrior, NormalPrior, effect_prior
from analysis.estimates import Absent
from analysis.tables import Floats

Rope = tuple[float, float]

T_BECOMES_NORMAL = 200.0  # above this many degrees of freedom the two agree to three digits
GRID = 2001


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """The posterior of one absolute effect.

    ``rhat``, ``ess`` and ``divergences`` are ``None`` for an exact answer, which needs no
    sampler. ``draws`` (one effect a draw) is kept for what is computed later and never
    serialised. ``absolute`` says that prior and posterior are on the metric's own scale.
    """

    mean: float
    sd: float
    low: float
    high: float
    probability_better: float
    expected_loss: float
    expected_loss_keep: float
    probability_in_rope: float | None = None
    level: float = 0.95
    better: Better = "lower"
    model: str = ""
    rhat: float | None = None
    ess: float | None = None
    divergences: int | None = None
    draws: Floats | None = field(default=None, repr=False, compare=False)
    prior: EffectPrior | None = None
    rope: Rope | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a number that is not one: the caller owes an ``Absent`` instead."""
        for name in ("mean", "sd", "low", "high", "probability_better", "expected_loss"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} is not a finite number; return Absent instead")

    def to_json(self) -> dict[str, Any]:
        """The contract's ``posterior`` object, with the prior and the notes beside it."""
        return {
            "mean": self.mean,
            "sd": self.sd,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "probability_better": self.probability_better,
            "probability_in_rope": self.probability_in_rope,
            "expected_loss": self.expected_loss,
            "expected_loss_keep": self.expected_loss_keep,
            "model": self.model,
            "rhat": self.rhat,
            "ess": self.ess,
            "divergences": self.divergences,
            "prior": None if self.prior is None else self.prior.to_json(),
            **({"notes": list(self.notes)} if self.notes else {}),
        }

    def sample(self, size: int, rng: np.random.Generator) -> Floats:
        """``size`` effects from this posterior: the kept draws resampled, or the exact normal."""
        if self.draws is None:
            return rng.normal(self.mean, self.sd, size)
        return rng.choice(self.draws, size, replace=len(self.draws) < size)

    def noted(self, *notes: str) -> Posterior:
        """The same posterior with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def effect_posterior(
    estimate: float,
    se: float,
    *,
    prior: NormalPrior,
    better: Better,
    rope: Rope | None = None,
    level: float = 0.95,
    df: float | None = None,
) -> Posterior | Absent:
    """The posterior of an absolute effect from its estimate and standard error, at once.

    Conjugate normal-normal: precisions add and the mean is their weighted mean (Gelman et al.,
    Bayesian Data Analysis, 3rd ed., eq. 2.11-2.12). With few degrees of freedom ``df`` (few
    clusters or periods) the likelihood is the t density of the estimate instead, integrated on a
    grid. Absent when there is no usable standard error.
    """
    if not (math.isfinite(estimate) and math.isfinite(se)) or se <= 0:
        return Absent("no-standard-error", "There is no usable standard error.")
    given = effect_prior(prior)
    if df is not None and df < T_BECOMES_NORMAL:
        return _t_normal(estimate, se, df, given, better=better, rope=rope, level=level)
    precision = given.precision + 1 / se**2
    mean = (given.mean * given.precision + estimate / se**2) / precision
    return normal_posterior(
        mean, precision**-0.5, better=better, rope=rope, level=level, prior=given,
        model="normal likelihood of the estimate, normal prior on the effect (exact)",
    )  # fmt: skip


def normal_posterior(
    mean: float,
    sd: float,
    *,
    better: Better,
    rope: Rope | None,
    level: float,
    model: str,
    prior: EffectPrior | None = None,
    notes: tuple[str, ...] = (),
) -> Posterior:
    """The summary of a normal posterior, in closed form."""
    half = -float(special.ndtri((1 - level) / 2)) * sd
    sign = 1.0 if better == "lower" else -1.0
    return Posterior(
        mean=mean, sd=sd, low=mean - half, high=mean + half, level=level, better=better,
        probability_better=float(special.ndtr(-sign * mean / sd)),
        probability_in_rope=_normal_mass(mean, sd, rope),
        expected_loss=normal_loss(sign * mean, sd),
        expected_loss_keep=normal_loss(-sign * mean, sd),
        model=model, prior=prior, rope=rope, notes=notes,
    )  # fmt: skip


def normal_loss(mean: float, sd: float) -> float:
    """E[max(x, 0)] for x normal: ``mean·Φ(mean/sd) + sd·φ(mean/sd)`` (the unit normal loss)."""
    z = mean / sd
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return max(float(mean * special.ndtr(z) + sd * density), 0.0)


def _normal_mass(mean: float, sd: float, rope: Rope | None) -> float | None:
    if rope is None:
        return None
    low, high = ((end - mean) / sd for end in rope)
    if low > 0:  # by symmetry, so that a far tail keeps its digits
        low, high = -high, -low
    return float(special.ndtr(high) - special.ndtr(low))


def _t_normal(
    estimate: float, se: float, df: float, prior: EffectPrior, *, better: Better,
    rope: Rope | None, level: float,
) -> Posterior | Absent:  # fmt: skip
    model = f"t likelihood of the estimate ({df:.3g} degrees of freedom), "
    if prior.flat:
        return _t_flat(estimate, se, df, prior, better=better, rope=rope, level=level,
                       model=model + "flat prior (exact)")  # fmt: skip
    scale = min(se, prior.sd)
    steps = np.geomspace(1e-3 * scale, 40 * (prior.sd + se), 1500)
    rough = np.unique([c + s * steps for c in {estimate, prior.mean} for s in (-1.0, 1.0)])
    values = _t_log(rough, estimate, se, df, prior)
    inside = refined(rough, values)
    mode = rough[values.argmax()]
    ends = np.arcsinh((inside[[0, -1]] - mode) / scale)
    grid = mode + scale * np.sinh(np.linspace(ends[0], ends[1], GRID))
    return grid_posterior(
        grid, _t_log(grid, estimate, se, df, prior), better=better, rope=rope, level=level,
        prior=prior, model=model + "normal prior on the effect (quadrature)",
    )  # fmt: skip


def _t_flat(
    estimate: float, se: float, df: float, prior: EffectPrior, *, better: Better,
    rope: Rope | None, level: float, model: str,
) -> Posterior | Absent:  # fmt: skip
    if df <= 2:
        return Absent("too-few-degrees-of-freedom", "With two degrees of freedom or fewer, a flat "
                      "prior gives a posterior without a variance.")  # fmt: skip
    sign = 1.0 if better == "lower" else -1.0
    z = sign * estimate / se
    quantile = special.stdtrit(df, (np.arange(4000) + 0.5) / 4000)
    half = -float(special.stdtrit(df, (1 - level) / 2)) * se
    mass = None
    if rope is not None:
        a, b = ((end - estimate) / se for end in rope)
        mass = _unit(float(special.stdtr(df, b) - special.stdtr(df, a)))
    return Posterior(
        mean=estimate, sd=se * math.sqrt(df / (df - 2)), low=estimate - half, high=estimate + half,
        level=level, better=better, probability_better=float(special.stdtr(df, -z)),
        probability_in_rope=mass, expected_loss=se * _t_loss(z, df),
        expected_loss_keep=se * _t_loss(-z, df), model=model, prior=prior, rope=rope,
        draws=estimate + se * quantile,
    )  # fmt: skip


def _t_loss(z: float, df: float) -> float:
    """E[max(z + T, 0)] for T standard t: the t counterpart of the unit normal loss."""
    log_density = (
        special.gammaln((df + 1) / 2) - special.gammaln(df / 2)
        - 0.5 * math.log(df * math.pi) - (df + 1) / 2 * math.log1p(z * z / df)
    )  # fmt: skip
    tail = (df + z * z) / (df - 1) * math.exp(float(log_density))
    return max(float(tail + z * special.stdtr(df, z)), 0.0)


def _t_log(x: Floats, estimate: float, se: float, df: float, prior: EffectPrior) -> Floats:
    likelihood = -(df + 1) / 2 * np.log1p(((x - estimate) / se) ** 2 / df)
    return np.asarray(likelihood - 0.5 * prior.precision * (x - prior.mean) ** 2)


def refined(grid: Floats, log_density: Floats, *, nats: float = 45.0, size: int = GRID) -> Floats:
    """A regular grid over the part of ``grid`` within ``nats`` of the highest log density."""
    inside = np.flatnonzero(log_density > log_density.max() - nats)
    low, high = max(inside[0] - 1, 0), min(inside[-1] + 1, len(grid) - 1)
    return np.linspace(grid[low], grid[high], size)


def grid_posterior(
    grid: Floats,
    log_density: Floats,
    *,
    better: Better,
    rope: Rope | None,
    level: float,
    model: str,
    prior: EffectPrior | None = None,
    draws: Floats | None = None,
    notes: tuple[str, ...] = (),
) -> Posterior:
    """The summary of a posterior known as a log density (any constant) on a fine grid.

    The density is interpolated by a cubic spline and integrated exactly from each end, so that
    neither tail is a difference of two large numbers. Without ``draws`` the quantiles at 4,000
    equally spaced probabilities stand in for them.
    """
    density = np.exp(log_density - log_density.max())
    below, moment = _Integral(grid, density), _Integral(grid, density * grid)
    total = below.total
    mean = moment.total / total
    sd = math.sqrt(max(_Integral(grid, density * (grid - mean) ** 2).total / total, 0.0))
    low, high = below.inverse(total * np.array([(1 - level) / 2, (1 + level) / 2]))
    left, right = below.upto(0.0) / total, below.beyond(0.0) / total
    up, down = max(moment.beyond(0.0), 0) / total, max(-moment.upto(0.0), 0) / total
    lower = better == "lower"
    return Posterior(
        mean=mean, sd=sd, low=float(low), high=float(high), level=level, better=better,
        probability_better=_unit(left if lower else right),
        probability_in_rope=None if rope is None else _unit(
            (below.upto(rope[1]) - below.upto(rope[0])) / total),
        expected_loss=up if lower else down, expected_loss_keep=down if lower else up,
        model=model, prior=prior, rope=rope, notes=notes,
        draws=below.inverse(total * (np.arange(4000) + 0.5) / 4000) if draws is None else draws,
    )  # fmt: skip


class _Integral:
    """The running integral of a density on a grid, from its left end."""

    def __init__(self, grid: Floats, density: Floats) -> None:
        self.grid = grid
        self.spline = CubicSpline(grid, density).antiderivative()
        self.mirror = CubicSpline(-grid[::-1], density[::-1]).antiderivative()
        self.total = float(self.spline(grid[-1]))

    def upto(self, x: float) -> float:
        """The integral up to ``x``, nothing before the grid and no more after it."""
        return float(self.spline(min(max(x, self.grid[0]), self.grid[-1])))

    def beyond(self, x: float) -> float:
        """The integral from ``x`` on, added up from the right end."""
        return float(self.mirror(min(max(-x, -self.grid[-1]), -self.grid[0])))

    def inverse(self, value: Floats) -> Floats:
        """Where the integral reaches ``value``."""
        places = np.arange(0, len(self.grid) - 1 + 1e-9, 1 / 16)
        fine = np.interp(places, np.arange(len(self.grid)), self.grid)
        running = np.maximum.accumulate(self.spline(fine))
        rising = np.concatenate([[True], np.diff(running) > 0])
        return np.asarray(np.interp(value, running[rising], fine[rising]))


def _unit(value: float) -> float:
    return float(min(max(value, 0.0), 1.0))


def draws_posterior(
    draws: Floats,
    *,
    better: Better,
    rope: Rope | None,
    level: float,
    model: str,
    prior: EffectPrior | None = None,
    weights: Floats | None = None,
    rhat: float | None = None,
    ess: float | None = None,
    divergences: int | None = None,
    notes: tuple[str, ...] = (),
) -> Posterior:
    """The summary of effects drawn from a posterior (``weights`` for importance draws)."""
    share = np.full(len(draws), 1 / len(draws)) if weights is None else weights / weights.sum()
    mean = float(share @ draws)
    good = draws < 0 if better == "lower" else draws > 0
    harm = draws if better == "lower" else -draws
    low, high = weighted_quantiles(draws, share, ((1 - level) / 2, (1 + level) / 2))
    return Posterior(
        mean=mean, sd=math.sqrt(float(share @ (draws - mean) ** 2)), low=low, high=high,
        level=level, better=better, probability_better=_unit(float(share @ good)),
        probability_in_rope=None if rope is None else _unit(
            float(share @ ((draws >= rope[0]) & (draws <= rope[1])))),
        expected_loss=float(share @ np.maximum(harm, 0)),
        expected_loss_keep=float(share @ np.maximum(-harm, 0)),
        model=model, prior=prior, rope=rope, rhat=rhat, ess=ess, divergences=divergences,
        draws=draws if weights is None else resampled(draws, share), notes=notes,
    )  # fmt: skip


def resampled(draws: Floats, share: Floats) -> Floats:
    """As many equally weighted draws, by systematic resampling (Kitagawa 1996)."""
    places = (np.arange(len(draws)) + 0.5) / len(draws)
    chosen = np.searchsorted(np.cumsum(share), places)
    return draws[np.minimum(chosen, len(draws) - 1)]


def weighted_quantiles(
    draws: Floats, share: Floats, probabilities: tuple[float, ...]
) -> tuple[float, ...]:
    """Quantiles of weighted draws, interpolated at the middle of each draw's share."""
    order = np.argsort(draws)
    middle = np.cumsum(share[order]) - share[order] / 2
    return tuple(float(q) for q in np.interp(probabilities, middle, draws[order]))
