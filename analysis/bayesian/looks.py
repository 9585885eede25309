"""The posterior as it grew: cumulative posteriors at the declared looks, and what looking costs.

A posterior probability means the same whenever it is read, but a rule that ships the first time it
passes a threshold is wrong more often the more often it is applied. The rate is computed here for
the plan's own prior and looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from analysis.bayesian.posterior import Posterior, Rope, effect_posterior
from analysis.bayesian.priors import Better, NormalPrior, effect_prior
from analysis.estimates import Absent, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The posterior at one look: its date or name, and the share of the planned data."""

    label: str
    fraction: float
    posterior: Posterior | Absent

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "label": self.label,
            "fraction": self.fraction,
            "posterior": self.posterior.to_json(),
        }


def cumulative(
    looks: Sequence[tuple[str, float, Estimate | Absent]],
    *,
    prior: NormalPrior,
    better: Better,
    rope: Rope | None = None,
    level: float = 0.95,
) -> tuple[Look, ...]:
    """The posterior at each look from (label, fraction, estimate on the data so far)."""
    return tuple(
        Look(label=label, fraction=fraction, posterior=_at(
            estimate, prior=prior, better=better, rope=rope, level=level))
        for label, fraction, estimate in looks
    )  # fmt: skip


def _at(
    estimate: Estimate | Absent, *, prior: NormalPrior, better: Better, rope: Rope | None,
    level: float,
) -> Posterior | Absent:  # fmt: skip
    if isinstance(estimate, Absent):
        return estimate
    if estimate.se is None:
        return Absent("no-standard-error", "There is no usable standard error.")
    return effect_posterior(
        estimate.estimate, estimate.se, prior=prior, better=better, rope=rope, level=level,
        df=estimate.df,
    )  # fmt: skip


def false_alarm_rate(
    fractions: Sequence[float],
    *,
    final_se: float,
    prior: NormalPrior,
    threshold: float,
    seed: int = 0,
    paths: int = 200_000,
) -> tuple[float, float]:
    """How often a treatment without any effect would pass the threshold at one of the looks.

    Simulated paths of the estimate with independent increments of information; returns the rate
    and its Monte Carlo standard error. The direction does not matter under a prior centred on
    zero; otherwise it is for "lower is better".
    """
    given, rng = effect_prior(prior), np.random.default_rng(seed)
    steps = np.diff(np.concatenate([[0.0], np.asarray(fractions, float)]))
    score = np.cumsum(rng.standard_normal((paths, len(steps))) * np.sqrt(steps), axis=1)
    information = np.asarray(fractions) / final_se**2
    estimate = score / np.asarray(fractions) * final_se
    precision = information + given.precision
    mean = (estimate * information + given.mean * given.precision) / precision
    passed = -mean * np.sqrt(precision) >= float(special.ndtri(threshold))
    rate = float(passed.any(axis=1).mean())
    return rate, float(np.sqrt(rate * (1 - rate) / paths))
