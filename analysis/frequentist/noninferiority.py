"""Guardrails: is the harm, if any, smaller than the margin that the plan allows?

Every verdict is read off the interval, so a test and its interval cannot disagree. ``margin`` is
positive, in the metric's own units; ``better`` says which direction is good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from analysis.estimates import Absent, Estimate, critical, upper_tail

Better = Literal["lower", "higher"]
Verdict = Literal["superior", "non-inferior", "inconclusive", "inferior"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A non-inferiority verdict.

    ``harm`` is the estimate turned so that positive is worse; ``bound`` the largest harm that the
    data allow, one-sided at ``alpha``; ``p`` tests harm of at least the margin. ``superior`` and
    ``inferior`` use the same one-sided bounds against no effect and against the margin.
    """

    verdict: Verdict
    margin: float
    harm: float
    bound: float
    p: float | None
    alpha: float

    @property
    def passes(self) -> bool:
        """Whether harm beyond the margin is ruled out."""
        return self.verdict in ("superior", "non-inferior")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Two one-sided tests (Schuirmann 1987): equivalent where the interval lies in the margins."""

    equivalent: bool
    low: float
    high: float
    p: float | None


def non_inferiority(
    difference: Estimate | Absent, *, margin: float, better: Better, alpha: float = 0.05
) -> Guardrail | Absent:
    """Whether ``difference`` (arm less control) rules out harm of ``margin`` or more.

    An estimate without a standard error (a score interval) must come at level ``1 - 2 alpha``.

    Raises:
        ValueError: the margin is not positive.
    """
    if margin <= 0:
        raise ValueError("a non-inferiority margin is a positive number")
    if isinstance(difference, Absent):
        return difference
    worse = difference.negated() if better == "higher" else difference
    limits = one_sided(worse, alpha)
    if isinstance(limits, Absent):
        return limits
    low, high = limits
    return Guardrail(
        verdict=_verdict(low, high, margin), margin=margin, harm=worse.estimate, bound=high,
        p=_tail(worse, margin), alpha=alpha,
    )  # fmt: skip


def equivalence(
    difference: Estimate | Absent, *, low: float, high: float, alpha: float = 0.05
) -> Equivalence | Absent:
    """Whether ``difference`` lies between ``low`` and ``high`` at ``alpha`` on either side."""
    if isinstance(difference, Absent):
        return difference
    limits = one_sided(difference, alpha)
    if isinstance(limits, Absent):
        return limits
    upper, lower = _tail(difference, high), _tail(difference.negated(), -low)
    return Equivalence(
        equivalent=low < limits[0] and limits[1] < high, low=limits[0], high=limits[1],
        p=None if upper is None or lower is None else max(upper, lower),
    )  # fmt: skip


def one_sided(estimate: Estimate, alpha: float) -> tuple[float, float] | Absent:
    """Lower and upper one-sided limits, each at ``alpha``: the interval of level 1 - 2 alpha."""
    if estimate.se is None:
        if abs(estimate.level - (1 - 2 * alpha)) < 1e-9:
            return estimate.low, estimate.high
        return Absent("level-mismatch", "This interval has another level than the margin needs.")
    half = critical(1 - 2 * alpha, estimate.df) * estimate.se
    return estimate.estimate - half, estimate.estimate + half


def _verdict(low: float, high: float, margin: float) -> Verdict:
    if high < 0:
        return "superior"
    if high < margin:
        return "non-inferior"
    return "inferior" if low >= margin else "inconclusive"


def _tail(estimate: Estimate, margin: float) -> float | None:
    """One-sided p-value against a true value of ``margin`` or more."""
    if estimate.se is None or estimate.se <= 0:
        return None
    return upper_tail((margin - estimate.estimate) / estimate.se, estimate.df)
