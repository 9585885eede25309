"""Where the two schools agree or differ on one contrast, and why, in a paragraph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.bayesian.posterior import Posterior
from analysis.estimates import Absent, Estimate

NEAR = 0.1  # a shift below a tenth of a standard error is not worth a word
WIDE = 0.05  # nor is a difference of interval widths below five per cent


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the two schools compare; ``agree`` is about the decision.

    ``shift`` is in standard errors, towards the prior if positive; ``width_ratio`` is posterior
    over confidence interval.
    """

    agree: bool
    shift: float
    width_ratio: float
    paragraph: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "agree": self.agree, "shift": self.shift, "width_ratio": self.width_ratio,
            "says": self.paragraph,
        }  # fmt: skip


def agreement(
    estimate: Estimate | Absent,
    posterior: Posterior | Absent,
    *,
    alpha: float = 0.05,
    threshold: float = 0.95,
    looks: int = 1,
) -> Agreement | Absent:
    """Compare the frequentist estimate with the posterior of the same contrast.

    ``looks`` is how many times the data were looked at under the plan so far: beyond one, the
    posterior's probability is not protected against stopping at a lucky moment.
    """
    if isinstance(estimate, Absent):
        return estimate
    if isinstance(posterior, Absent):
        return posterior
    if estimate.se is None or estimate.se <= 0:
        return Absent("no-standard-error", "The estimate has no standard error to compare.")
    shift = _shift(estimate, posterior)
    ratio = (posterior.high - posterior.low) / (estimate.high - estimate.low)
    significant = estimate.p is not None and _p(estimate) < alpha and _good(estimate, posterior)
    convinced = posterior.probability_better >= threshold
    sentences = [
        _decisions(
            estimate, posterior, alpha=alpha, threshold=threshold,
            significant=significant, convinced=convinced,
        ),
        *_size(posterior, shift), *_width(estimate, posterior, ratio),
    ]  # fmt: skip
    if looks > 1:
        sentences.append(
            f"The data have been looked at {looks} times: the confidence interval's error rate "
            "accounts for it when the plan's looks do, the posterior probability does not."
        )
    return Agreement(
        agree=significant == convinced, shift=shift, width_ratio=ratio,
        paragraph=" ".join(sentences),
    )  # fmt: skip


def _p(estimate: Estimate) -> float:
    p = estimate.p_adjusted if estimate.p_adjusted is not None else estimate.p
    return 1.0 if p is None else p


def _good(estimate: Estimate, posterior: Posterior) -> bool:
    return estimate.estimate < 0 if posterior.better == "lower" else estimate.estimate > 0


def _shift(estimate: Estimate, posterior: Posterior) -> float:
    se = estimate.se or 1.0
    towards = 0.0 if posterior.prior is None else posterior.prior.mean
    sign = 1.0 if towards >= estimate.estimate else -1.0
    return sign * (posterior.mean - estimate.estimate) / se


def _decisions(
    estimate: Estimate, posterior: Posterior, *, alpha: float, threshold: float,
    significant: bool, convinced: bool,
) -> str:  # fmt: skip
    facts = (
        f"p = {_p(estimate):.2g} against a level of {alpha:g}, and a probability of better of "
        f"{posterior.probability_better:.1%} against a threshold of {threshold:.0%}"
    )
    if significant == convinced:
        verdict = "an improvement" if significant else "no sufficient sign of an improvement"
        return f"Both schools find {verdict}: {facts}."
    if convinced:
        return (
            f"The posterior passes the plan's threshold, the test does not reach its level: "
            f"{facts}. A one-sided probability of {threshold:.0%} is a weaker demand than a "
            f"two-sided p below {alpha:g} (about {1 - alpha / 2:.1%} with a flat prior)."
        )
    return (
        f"The test is significant, the posterior stays below the plan's threshold: {facts}. "
        "The prior holds the estimate to be exaggerated by chance more likely than not."
    )


def _size(posterior: Posterior, shift: float) -> tuple[str, ...]:
    if abs(shift) < NEAR:
        return ("The two estimates are all but the same.",)
    if shift > 0 and posterior.prior is not None and not posterior.prior.flat:
        pulled = (
            f"The posterior mean lies {shift:.2f} standard errors from the estimate, towards the "
            f"prior ({posterior.prior.says()}), as it should when the data leave room for doubt."
        )
        return (pulled,)
    other = (
        f"The posterior mean differs by {abs(shift):.2f} standard errors, which the prior does not "
        "explain: the model makes other use of the data (pooling, skewness, or covariates)."
    )
    return (other,)


def _width(estimate: Estimate, posterior: Posterior, ratio: float) -> tuple[str, ...]:
    if abs(ratio - 1) < WIDE or abs(estimate.level - posterior.level) > 1e-9:
        return ()
    if ratio < 1:
        why = "narrower, because the prior or the model adds information"
    else:
        why = "wider, because the model allows for more variation than the standard error"
    return (f"The credible interval is {abs(ratio - 1):.0%} {why}.",)
