"""Learning across trials: a hierarchical normal meta-analysis integrated on a grid.

Trial i in group g measures yᵢ ~ Normal(θᵢ, sᵢ); θᵢ = μ + a_g + bᵢ with μ ~ Normal(m, s),
a_g ~ Normal(0, ω), bᵢ ~ Normal(0, τ), τ and ω half-normal (Gelman 2006 on why not inverse gamma).
Given (τ, ω) everything is normal, so posteriors are finite mixtures of normals over the
grid, exact up to its spacing, without a sampler: each trial's result is shrunk towards what trials
like it found (the cure of the winner's curse), and the effect to expect in a new setting follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from scipy import optimize, special

from analysis.bayesian.posterior import Posterior, Rope
from analysis.bayesian.priors import Better, EffectPrior, NormalPrior
from analysis.estimates import Absent
from analysis.tables import Floats

Spread = Literal["half-normal", "uniform"]
TAU_POINTS, TAU_POINTS_GROUPED, OMEGA_POINTS = 400, 80, 25
NEARLY_FLAT = 1e4
FEW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One trial's contribution: its estimate on a common scale, and where it comes from.

    ``group`` is the area, channel or technique by which trials are pooled; ``imported`` marks a
    finding of another council's trial pack.
    """

    trial: str
    estimate: float
    se: float
    group: str = ""
    imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Normals:
    """A finite mixture of normals, one component a grid point (``weights`` sum to 1)."""

    means: Floats
    sds: Floats
    weights: Floats
    _found: dict[float, float] = field(default_factory=dict, compare=False, repr=False)
    """Quantiles found before: a page asks for the same ends several times."""

    @property
    def mean(self) -> float:
        """The mixture's mean."""
        return float(self.weights @ self.means)

    @property
    def sd(self) -> float:
        """The mixture's standard deviation."""
        second = self.weights @ (self.sds**2 + (self.means - self.mean) ** 2)
        return math.sqrt(float(second))

    def below(self, x: float) -> float:
        """The probability of less than ``x``."""
        return float(self.weights @ special.ndtr((x - self.means) / self.sds))

    def quantile(self, probability: float) -> float:
        """The value with this much probability below it."""
        if probability in self._found:
            return self._found[probability]
        low = float(np.min(self.means - 40 * self.sds))
        high = float(np.max(self.means + 40 * self.sds))
        found = optimize.brentq(lambda x: self.below(x) - probability, low, high, xtol=1e-13)
        self._found[probability] = float(found)
        return self._found[probability]

    def spread_out(self, size: int) -> Floats:
        """Draws that stand for the mixture: its quantiles at equally spaced probabilities."""
        ends = self.quantile(0.1 / size), self.quantile(1 - 0.1 / size)
        x = np.linspace(*ends, 1000)
        running = special.ndtr((x[:, None] - self.means) / self.sds) @ self.weights
        return np.asarray(np.interp((np.arange(size) + 0.5) / size, running, x))

    def draws(self, size: int, rng: np.random.Generator) -> Floats:
        """Draws from the mixture."""
        part = rng.choice(len(self.weights), size, p=self.weights)
        return rng.normal(self.means[part], self.sds[part])

    def posterior(
        self, *, better: Better, rope: Rope | None = None, level: float = 0.95, model: str = "",
        prior: EffectPrior | None = None, notes: tuple[str, ...] = (),
    ) -> Posterior:  # fmt: skip
        """The mixture's summary in the shape of every other posterior."""
        up, down = self._losses()
        lower = better == "lower"
        below = self.below(0.0)
        return Posterior(
            mean=self.mean, sd=self.sd, low=self.quantile((1 - level) / 2),
            high=self.quantile((1 + level) / 2), level=level, better=better,
            probability_better=below if lower else 1 - below,
            probability_in_rope=None if rope is None else self.below(rope[1]) - self.below(rope[0]),
            expected_loss=up if lower else down, expected_loss_keep=down if lower else up,
            model=model, prior=prior, rope=rope, draws=self.spread_out(1000), notes=notes,
        )  # fmt: skip

    def _losses(self) -> tuple[float, float]:
        z = self.means / self.sds
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        up = self.weights @ (self.means * special.ndtr(z) + self.sds * density)
        return max(float(up), 0.0), max(float(up) - self.mean, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """What the portfolio says together.

    ``average`` is μ, ``trials`` each trial's shrunk effect in the order given, ``groups`` each
    group's mean, ``predictive`` the true effect in a new setting of an unseen group and
    ``in_group`` in a new setting of each group; ``tau`` and ``omega`` are grids with weights.
    """

    findings: tuple[Finding, ...]
    average: Normals
    trials: tuple[Normals, ...]
    groups: dict[str, Normals]
    predictive: Normals
    in_group: dict[str, Normals]
    tau: Floats
    tau_weights: Floats
    omega: Floats
    omega_weights: Floats
    notes: tuple[str, ...] = ()

    @property
    def tau_mean(self) -> float:
        """The posterior mean of the sd between trials."""
        return float(self.tau_weights @ self.tau)

    def tau_quantile(self, probability: float) -> float:
        """A quantile of the sd between trials, interpolated on its grid."""
        running = np.cumsum(self.tau_weights) - self.tau_weights / 2
        return float(np.interp(probability, running, self.tau))

    def informed_prior(self, group: str | None = None) -> EffectPrior:
        """The prior for the next trial: the predictive for its group, with its provenance."""
        basis = self.predictive if group is None else self.in_group.get(group, self.predictive)
        where = "all areas" if group is None or group not in self.in_group else group
        used = [f for f in self.findings if where == "all areas" or f.group == group]
        names = ", ".join(f.trial + (" (imported)" if f.imported else "") for f in used)
        return EffectPrior(
            mean=basis.mean, sd=basis.sd, label="informed",
            source=f"predicted from {len(self.findings)} trials; of {where}: {names}",
        )  # fmt: skip

    def to_json(self, level: float = 0.95) -> dict[str, Any]:
        """Plain data: raw beside shrunk for every trial, the groups, and what to expect next."""
        low, high = (1 - level) / 2, (1 + level) / 2

        def one(x: Normals) -> dict[str, float]:
            ends = {"low": x.quantile(low), "high": x.quantile(high)}
            return {"mean": x.mean, "sd": x.sd, **ends}

        return {
            "average": one(self.average), "predictive": one(self.predictive),
            "tau": {"mean": self.tau_mean, "median": self.tau_quantile(0.5),
                    "low": self.tau_quantile(low), "high": self.tau_quantile(high)},
            "groups": {name: one(x) for name, x in self.groups.items()},
            "in_group": {name: one(x) for name, x in self.in_group.items()},
            "trials": [
                {"trial": f.trial, "group": f.group, "imported": f.imported,
                 "raw": {"estimate": f.estimate, "se": f.se}, "shrunk": one(x)}
                for f, x in zip(self.findings, self.trials, strict=True)
            ],
            "notes": list(self.notes),
        }  # fmt: skip


def pool(
    findings: Sequence[Finding],
    *,
    prior: NormalPrior | None = None,
    tau_scale: float | None = None,
    spread: Spread = "half-normal",
    tau_limit: float | None = None,
) -> Pooled | Absent:
    """Pool trials' estimates on one scale.

    ``prior`` is on the average effect (flat without one); ``tau_scale`` the scale of the
    half-normal prior of τ and ω (by default half the prior's sd or, without a prior, the root mean
    square of the standard errors and of the estimates' spread). ``spread="uniform"`` gives τ a flat
    prior up to ``tau_limit`` (by default thirty times the scale), which needs three trials or more.
    """
    usable = [f for f in findings if math.isfinite(f.estimate) and math.isfinite(f.se) and f.se > 0]
    if len(usable) < (3 if spread == "uniform" else 1):
        return Absent("too-few-trials", "There are too few trials with a usable standard error.")
    problem = _Problem(tuple(usable), prior, tau_scale, spread, tau_limit)
    return problem.solve()


class _Problem:
    """The joint normal model given (τ, ω), and its mixture over the grid."""

    def __init__(
        self, findings: tuple[Finding, ...], prior: NormalPrior | None, scale: float | None,
        spread: Spread, limit: float | None,
    ) -> None:  # fmt: skip
        self.findings = findings
        self.y = np.array([f.estimate for f in findings])
        self.v = np.array([f.se for f in findings]) ** 2
        self.spread: Spread = spread
        typical = math.sqrt(float(np.mean(self.v) + self.y.var()))
        self.flat = prior is None or math.isinf(prior.sd)
        self.m = 0.0 if prior is None else prior.mean
        self.s = NEARLY_FLAT * typical if self.flat or prior is None else prior.sd
        default = typical if self.flat or prior is None else prior.sd / 2
        self.scale = scale or default
        self.limit = limit or 30 * self.scale
        names = tuple(dict.fromkeys(f.group for f in findings))
        self.groups = names if len(names) > 1 else ()
        self.code = np.array([names.index(f.group) for f in findings])
        self.member = (self.code[:, None] == np.arange(len(names))).astype(float)

    def _grids(self) -> tuple[Floats, Floats]:
        points = TAU_POINTS_GROUPED if self.groups else TAU_POINTS
        reach = 6 * self.scale if self.spread == "half-normal" else self.limit
        tau = reach * np.linspace(0, 1, points) ** 1.5
        omega = 6 * self.scale * np.linspace(0, 1, OMEGA_POINTS) ** 1.5
        return tau, (omega if self.groups else np.zeros(1))

    def solve(self) -> Pooled:
        """All mixtures."""
        tau, omega = self._grids()
        tau_cell, omega_cell = (x.ravel() for x in np.meshgrid(tau, omega, indexing="ij"))
        log, known = self._given(tau_cell[:, None], omega_cell[:, None])
        if self.spread == "half-normal":
            log = log - 0.5 * (tau_cell / self.scale) ** 2
        log = log - 0.5 * (omega_cell / self.scale) ** 2
        weight = np.exp(log - log.max()).reshape(len(tau), len(omega))
        weight *= _trapezium(tau)[:, None] * _trapezium(omega)[None, :]
        weight /= weight.sum()
        flat = weight.ravel()
        keep = flat > flat.max() * 1e-12

        def mixtures(name: str) -> list[Normals]:
            mean, variance = (x[keep] for x in known[name])
            share = flat[keep] / flat[keep].sum()
            return [
                Normals(means=mean[:, i], sds=np.sqrt(variance[:, i]), weights=share)
                for i in range(mean.shape[1])
            ]

        named = range(len(self.groups))
        by_group, in_group = mixtures("groups"), mixtures("in_group")
        return Pooled(
            findings=self.findings, average=mixtures("average")[0],
            predictive=mixtures("predictive")[0], trials=tuple(mixtures("trials")),
            groups={self.groups[i]: by_group[i] for i in named},
            in_group={self.groups[i]: in_group[i] for i in named},
            tau=tau, tau_weights=weight.sum(axis=1), omega=omega,
            omega_weights=weight.sum(axis=0), notes=self._notes(),
        )  # fmt: skip

    def _given(self, tau: Floats, omega: Floats) -> tuple[Floats, dict[str, tuple[Floats, Floats]]]:
        """Log p(y | τ, ω) and the means and variances of all unknowns, a row a grid cell.

        A group's trials enter through their weighted mean, whose variance about μ is 1/W + ω²;
        then μ, the groups' means and the trials' effects follow in turn, each a weighted mean.
        """
        noise = self.v + tau**2
        total = (1 / noise) @ self.member
        mean = (self.y / noise) @ self.member / total
        spread = 1 / total + omega**2
        precision = self.s**-2 + (1 / spread).sum(axis=1, keepdims=True)
        mu = (self.m * self.s**-2 + (mean / spread).sum(axis=1, keepdims=True)) / precision
        log = -0.5 * (
            np.log(noise).sum(axis=1) + ((self.y - mean[:, self.code]) ** 2 / noise).sum(axis=1)
            + np.log(total).sum(axis=1) + np.log(spread).sum(axis=1) + np.log(precision)[:, 0]
            + ((mean - mu) ** 2 / spread).sum(axis=1) + (mu[:, 0] - self.m) ** 2 * self.s**-2
        )  # fmt: skip
        back = 1 / (total * spread)  # how far a group's mean is drawn back to μ
        group = (1 - back) * mean + back * mu
        group_var = omega**2 * back + back**2 / precision
        pull = self.v / noise
        trial_var = tau**2 * pull + pull**2 * group_var[:, self.code]
        return log, {
            "average": (mu, 1 / precision), "predictive": (mu, 1 / precision + omega**2 + tau**2),
            "groups": (group, group_var), "in_group": (group, group_var + tau**2),
            "trials": ((1 - pull) * self.y + pull * group[:, self.code], trial_var),
        }  # fmt: skip

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if len(self.y) < FEW:
            notes.append(
                f"Only {len(self.y)} trials: how much effects differ between trials rests mostly "
                "on the prior."
            )
        if any(f.imported for f in self.findings):
            notes.append("Some of the trials were imported from another council.")
        return tuple(notes)


def _trapezium(grid: Floats) -> Floats:
    """Trapezium weights of a grid, 1 for a single point."""
    if len(grid) == 1:
        return np.ones(1)
    steps = np.diff(grid)
    return np.concatenate([[steps[0] / 2], (steps[1:] + steps[:-1]) / 2, [steps[-1] / 2]])
