"""Prior and posterior predictive checks: could the model have made data like these?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from analysis.bayesian.models import MODELS
from analysis.bayesian.models.base import ModelData, Params
from analysis.bayesian.sampler import Sampled
from analysis.tables import Floats

Kind = Literal["prior", "posterior"]
QUANTILES = (0.025, 0.25, 0.5, 0.75, 0.975)
EXTREME = 0.01
HISTOGRAM_BINS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One figure of the data beside the same figure of replicated data.

    ``quantiles`` are those of the replicates at 2.5, 25, 50, 75 and 97.5%; ``tail`` is twice the
    smaller share of replicates at or beyond the observed value (at most 1).
    """

    statistic: str
    observed: float
    quantiles: tuple[float, ...]
    tail: float
    bins: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def unusual(self) -> bool:
        """Whether replicates this far out are rare."""
        return self.tail < EXTREME

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "statistic": self.statistic, "observed": self.observed,
            "quantiles": list(self.quantiles), "tail": self.tail, "unusual": self.unusual,
            "bins": list(self.bins), "counts": list(self.counts),
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """All checks of one kind, with a sentence."""

    kind: Kind
    checks: tuple[Check, ...]
    says: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "checks": [c.to_json() for c in self.checks], "says": self.says}


def prior_checks(data: ModelData, *, replicates: int = 200, seed: int = 0) -> Checks:
    """Whether the data lie within what the model held possible before it saw them."""
    rng, model = np.random.default_rng(seed), MODELS[data.model]
    draws = (model.draw_prior(data, rng) for _ in range(replicates))
    return _checks("prior", data, draws, rng)


def posterior_checks(
    data: ModelData, sampled: Sampled, *, replicates: int = 200, seed: int = 0
) -> Checks:
    """Whether data replicated from the fitted model look like the data it was fitted to."""
    rng = np.random.default_rng(seed)
    flat = {name: sampled.flat(name) for name in sampled.values}
    size = len(next(iter(flat.values())))
    rows = rng.choice(size, min(replicates, size), replace=False)
    draws = (unpadded({name: value[row] for name, value in flat.items()}, data) for row in rows)
    return _checks("posterior", data, draws, rng)


def unpadded(draw: Params, data: ModelData) -> Params:
    """One posterior draw as the model's ``replicate`` wants it."""
    out = dict(draw)
    if data.model == "binomial":
        out.setdefault("stratum", np.zeros(1))
        out.setdefault("segment_baseline", np.zeros(1))
        out.setdefault("heterogeneity", np.zeros((data.sizes["arms"] - 1, 1)))
    return out


def _checks(
    kind: Kind, data: ModelData, draws: Iterable[Params], rng: np.random.Generator
) -> Checks:
    model = MODELS[data.model]
    seen = model.statistics(data)
    made: dict[str, list[float]] = {name: [] for name in seen}
    for draw in draws:
        for name, value in model.statistics(model.replicate(draw, data, rng)).items():
            if name in made:
                made[name].append(value)
    checks = tuple(
        _check(name, seen[name], np.asarray(values)) for name, values in made.items() if values
    )
    return Checks(kind=kind, checks=checks, says=_says(kind, checks))


def _check(name: str, observed: float, values: Floats) -> Check:
    values = values[np.isfinite(values)]
    least = (1 + min((values <= observed).sum(), (values >= observed).sum())) / (1 + len(values))
    counts, edges = np.histogram(values, bins=HISTOGRAM_BINS)
    return Check(
        statistic=name, observed=observed, tail=float(min(2 * least, 1.0)),
        quantiles=tuple(float(q) for q in np.quantile(values, QUANTILES)),
        bins=tuple(float(e) for e in edges), counts=tuple(int(c) for c in counts),
    )  # fmt: skip


def _says(kind: Kind, checks: tuple[Check, ...]) -> str:
    odd = [c.statistic for c in checks if c.unusual]
    if kind == "prior":
        if not odd:
            return "The data lie within what the priors held possible."
        return f"The priors held {', '.join(odd)} as observed to be very unlikely."
    if not odd:
        return "Data replicated from the fitted model look like the data."
    return f"The fitted model does not reproduce {', '.join(odd)}: read its answer with care."
