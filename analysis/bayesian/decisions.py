"""What a posterior means for the decision: the plan's rule, the guardrails, and running longer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scipy import special

from analysis.bayesian.posterior import Posterior, normal_loss
from analysis.bayesian.priors import Better
from analysis.estimates import Absent

Choice = Literal["ship", "stop-for-harm", "blocked-by-guardrail", "not-yet"]


class Rule(Protocol):
    """The plan's probabilities (its ``Decision``)."""

    @property
    def ship_if_probability(self) -> float:
        """Ship when the probability of better reaches this."""
        ...

    @property
    def stop_for_harm_probability(self) -> float:
        """Stop when the probability of worse reaches this."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the plan's rule says, and why, in sentences."""

    choice: Choice
    probability_better: float
    guardrails: Mapping[str, float]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "choice": self.choice, "probability_better": self.probability_better,
            "guardrail_breach": dict(self.guardrails), "reasons": list(self.reasons),
        }  # fmt: skip


def breach_probability(posterior: Posterior, *, margin: float) -> float:
    """The probability that a guardrail is worse than its margin allows.

    ``margin`` is the plan's non-inferiority margin, positive and absolute.
    """
    worse = 1.0 if posterior.better == "lower" else -1.0
    if posterior.draws is None:
        return float(special.ndtr((worse * posterior.mean - margin) / posterior.sd))
    return float((worse * posterior.draws > margin).mean())


def decide(
    primary: Posterior | Absent, *, rule: Rule, guardrails: Mapping[str, float] | None = None
) -> Verdict | Absent:
    """Apply the plan's rule.

    ``guardrails`` maps each guardrail to its breach probability. Shipping asks that the primary is
    better with the plan's probability and that every guardrail holds with that same probability.
    """
    if isinstance(primary, Absent):
        return primary
    chances = dict(guardrails or {})
    good, bad = primary.probability_better, 1 - primary.probability_better
    limit = 1 - rule.ship_if_probability
    broken = {name: p for name, p in chances.items() if p > limit}
    ship = f"the plan ships at {rule.ship_if_probability:.0%}"
    reasons = [f"The probability that it is better is {good:.1%}; {ship}."]
    reasons += [
        f"The probability that {name} is worse than its margin is {p:.1%}; the plan allows "
        f"{limit:.0%}." for name, p in broken.items()
    ]  # fmt: skip
    choice: Choice = "not-yet"
    if bad >= rule.stop_for_harm_probability:
        choice = "stop-for-harm"
        reasons.append(f"The probability of harm is {bad:.1%}; the plan stops at "
                       f"{rule.stop_for_harm_probability:.0%}.")  # fmt: skip
    elif good >= rule.ship_if_probability:
        choice = "blocked-by-guardrail" if broken else "ship"
    return Verdict(
        choice=choice, probability_better=good, guardrails=chances, reasons=tuple(reasons)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What more of the same trial would be worth.

    ``information`` is the factor by which the trial's information would grow. ``value`` and
    ``perfect`` are the expected gains per unit, in the metric's units, from deciding with the
    extra data or with the truth instead of now; ``ship_probability`` the chance that the plan's
    rule ships then; ``sd_after`` the posterior sd expected then.
    """

    information: float
    value: float
    perfect: float
    ship_probability: float
    harm_probability: float
    sd_after: float

    def to_json(self) -> dict[str, float]:
        """Plain data."""
        return {
            "information": self.information, "value": self.value, "perfect": self.perfect,
            "ship_probability": self.ship_probability, "harm_probability": self.harm_probability,
            "sd_after": self.sd_after,
        }  # fmt: skip


def value_of_running(
    posterior: Posterior, *, se: float, information: float, rule: Rule
) -> Running | Absent:
    """The value of running on until the information has grown by a factor (``information`` > 1).

    Expected value of sample information in the normal model (Raiffa & Schlaifer 1961, sec. 5.4):
    the posterior mean to come is normal about today's with variance today's minus tomorrow's
    posterior variance. ``se`` is the standard error of the estimate today.
    """
    if not (math.isfinite(se) and se > 0) or information <= 1:
        return Absent("no-more-information", "There is no further information to value.")
    extra = (information - 1) / se**2
    after = (posterior.sd**-2 + extra) ** -0.5
    spread = math.sqrt(max(posterior.sd**2 - after**2, 0.0))
    gain = _gain(posterior.mean, posterior.better)
    ship = float(special.ndtri(rule.ship_if_probability))
    harm = float(special.ndtri(rule.stop_for_harm_probability))
    return Running(
        information=information, value=max(normal_loss(gain, spread) - max(gain, 0.0), 0.0),
        perfect=min(posterior.expected_loss, posterior.expected_loss_keep),
        ship_probability=float(special.ndtr((gain - ship * after) / spread)),
        harm_probability=float(special.ndtr((-gain - harm * after) / spread)), sd_after=after,
    )  # fmt: skip


def _gain(mean: float, better: Better) -> float:
    return -mean if better == "lower" else mean
