"""What the answer owes to the prior: always the same four priors, and the one that tips it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy import special

from analysis.bayesian.posterior import Posterior, Rope, effect_posterior
from analysis.bayesian.priors import (
    Better,
    EffectPrior,
    NormalPrior,
    effect_prior,
    enthusiastic,
    flat,
    sceptical,
)
from analysis.estimates import Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The posterior under each standard prior, by the prior's label.

    ``robust`` says whether the plan's threshold is reached under all or under none of them;
    ``tipping_sd`` is the sd of a sceptical prior (mean 0) just tight enough to undo a probability
    of better that reaches ``threshold`` under the flat prior.
    """

    posteriors: dict[str, Posterior | Absent]
    threshold: float
    robust: bool
    tipping_sd: float | Absent
    says: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        tipping = self.tipping_sd
        return {
            "posteriors": {name: p.to_json() for name, p in self.posteriors.items()},
            "threshold": self.threshold, "robust": self.robust, "says": self.says,
            "tipping_sd": tipping.to_json() if isinstance(tipping, Absent) else tipping,
        }  # fmt: skip


def sensitivity(
    estimate: float,
    se: float,
    *,
    prior: NormalPrior,
    better: Better,
    mde: float | None = None,
    rope: Rope | None = None,
    level: float = 0.95,
    df: float | None = None,
    threshold: float = 0.95,
) -> Sensitivity:
    """Posteriors of one estimate under the planned, flat, sceptical and enthusiastic priors.

    A flat planned prior has no width to take a half of: the other two are then as wide as the
    effect planned for, or without one the effect that data so precise find four times in five.
    """
    given = effect_prior(prior)
    size = given if not given.flat else EffectPrior(sd=abs(mde or 0) or _FOUND * se)
    beside = (sceptical(size), enthusiastic(size, better=better, mde=mde))
    wanted = (flat(), *beside) if given.flat else (given, flat(), *beside)
    posteriors = {
        one.label: effect_posterior(
            estimate, se, prior=one, better=better, rope=rope, level=level, df=df
        )
        for one in wanted
    }
    reached = [
        p.probability_better >= threshold for p in posteriors.values() if isinstance(p, Posterior)
    ]
    robust = bool(reached) and len(set(reached)) == 1
    tipping = tipping_sd(estimate, se, better=better, threshold=threshold)
    return Sensitivity(
        posteriors=posteriors, threshold=threshold, robust=robust, tipping_sd=tipping,
        says=_says(posteriors, threshold, robust=robust),
    )  # fmt: skip


def tipping_sd(estimate: float, se: float, *, better: Better, threshold: float) -> float | Absent:
    """The sd of a normal prior about zero at which the probability of better is ``threshold``.

    The reverse-Bayes question of Matthews (2001), in the normal model: with z = estimate/se the
    posterior's z is z·√(s²/(s² + se²)), so s = se·c/√(z² − c²) with c the threshold's quantile.
    Absent when not even the data alone reach the threshold.
    """
    if not (math.isfinite(estimate) and math.isfinite(se)) or se <= 0:
        return Absent("no-standard-error", "There is no usable standard error.")
    z = (-estimate if better == "lower" else estimate) / se
    c = float(special.ndtri(threshold))
    if z <= c:
        return Absent("not-reached", "The data alone do not reach the threshold.")
    return se * c / math.sqrt(z * z - c * c)


_FOUND = 2.8
"""Standard errors of an effect that a two-sided 5% test finds with 80% power: 1.96 + 0.84."""

_COUNTED = {1: "one", 2: "two", 3: "three", 4: "four"}


def _says(posteriors: dict[str, Posterior | Absent], threshold: float, *, robust: bool) -> str:
    found = {k: p for k, p in posteriors.items() if isinstance(p, Posterior)}
    if not found:
        return "No posterior could be computed."
    low = min(found.values(), key=lambda p: p.probability_better)
    high = max(found.values(), key=lambda p: p.probability_better)
    span = (
        f"The probability of better lies between {low.probability_better:.1%} and "
        f"{high.probability_better:.1%} over the {_COUNTED[len(found)]} priors"
    )
    if robust:
        side = "at or above" if low.probability_better >= threshold else "below"
        return f"{span}, always {side} the plan's {threshold:.0%}: the prior does not decide."
    lost = [k for k, p in found.items() if p.probability_better < threshold]
    return (
        f"{span}; under the {' and the '.join(lost)} prior it stays below the plan's "
        f"{threshold:.0%}, so the choice of prior matters here."
    )
