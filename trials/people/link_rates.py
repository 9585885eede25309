"""How many of an arm's people or contacts could be linked, whether arms differ, and what then.

A unit that no identifier links looks as if it never made contact. If the arms link differently, a
difference in contacts may be a difference in linking: the test says whether they do, the bounds
say how large the effect can be at worst and at best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import optimize, stats

from trials.people.identifiers import KINDS, Kind

ALPHA: Final = 0.01
"""Below this p-value the arms are said to link differently: as with the sample-ratio test, few
false alarms over many trials, while a harmful difference in large samples is far below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLinks:
    """One arm's units (or contacts that carry their arm): how many, and linked by which kind."""

    arm: str
    total: int
    by_tier: Mapping[Kind, int]

    @property
    def linked(self) -> int:
        """All that some identifier links."""
        return sum(self.by_tier.values())

    @property
    def rate(self) -> float | None:
        """The share linked; ``None`` of an empty arm."""
        return self.linked / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTest:
    """Whether the arms link alike. ``p_tiers`` also compares by which kind they are linked."""

    p: float
    p_tiers: float
    widest: tuple[str, str, float]
    differs: bool
    says: str


def compare(arms: Sequence[ArmLinks], *, alpha: float = ALPHA) -> LinkTest | None:
    """Pearson's test (Fisher's exact for two arms with few) of linked or not by arm.

    ``None`` if there are not two arms, or all or none of the units are linked.
    """
    arms = [arm for arm in arms if arm.total]
    linked = np.array([arm.linked for arm in arms])
    missed = np.array([arm.total for arm in arms]) - linked
    if len(arms) < 2 or linked.sum() == 0 or missed.sum() == 0:
        return None
    p = independence(np.array([linked, missed]))
    kinds = [kind for kind in KINDS if any(arm.by_tier.get(kind) for arm in arms)]
    tiers = [[arm.by_tier.get(kind, 0) for arm in arms] for kind in kinds]
    rates = [(arm.arm, arm.linked / arm.total) for arm in arms]
    low, high = min(rates, key=lambda r: r[1]), max(rates, key=lambda r: r[1])
    differs = p < alpha
    says = (
        f"Links differ between arms: {high[1]:.1%} in {high[0]}, {low[1]:.1%} in {low[0]} "
        f"(p = {p:.2g})."
        if differs
        else f"Arms link alike: {low[1]:.1%} to {high[1]:.1%} (p = {p:.2g})."
    )
    return LinkTest(
        p=p, p_tiers=independence(np.array([*tiers, missed.tolist()])),
        widest=(high[0], low[0], high[1] - low[1]), differs=differs, says=says,
    )  # fmt: skip


def independence(table: np.ndarray) -> float:
    """The p-value of Pearson's test of rows by columns; Fisher's for a two-by-two with few.

    Every row and every column must hold something.
    """
    done = stats.chi2_contingency(table, correction=False)
    if table.shape == (2, 2) and (done.expected_freq < 5).any():
        return float(stats.fisher_exact(table).pvalue)
    return float(done.pvalue)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOutcomes:
    """One arm's units, how many could be linked, and how many of those made contact."""

    units: int
    linked: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectBounds:
    """What the difference in proportions (treatment − control) can be.

    ``low`` and ``high`` bound the effect for any behaviour of the units that were not linked
    (Horowitz and Manski 2000); ``ci_low`` and ``ci_high`` are Imbens and Manski's (2004) interval
    for the effect itself. ``trimmed`` are Lee's (2009) bounds for the units that would be linked in
    either arm, valid if the arm moves linking in one direction only.
    """

    low: float
    high: float
    ci_low: float
    ci_high: float
    trimmed: tuple[float, float] | None
    level: float = 0.95


def bounds(
    treatment: ArmOutcomes, control: ArmOutcomes, *, level: float = 0.95
) -> EffectBounds | None:
    """The bounds on the effect that linking leaves open; ``None`` for an arm without units."""
    if not treatment.units or not control.units:
        return None
    (t_low, t_high), (c_low, c_high) = _open(treatment), _open(control)
    low, high = t_low - c_high, t_high - c_low
    se_low = _se(t_low, treatment.units, c_high, control.units)
    se_high = _se(t_high, treatment.units, c_low, control.units)
    c = _imbens_manski(high - low, max(se_low, se_high), level)
    return EffectBounds(
        low=low, high=high,
        ci_low=max(-1.0, low - c * se_low), ci_high=min(1.0, high + c * se_high),
        trimmed=_lee(treatment, control), level=level,
    )  # fmt: skip


def _open(arm: ArmOutcomes) -> tuple[float, float]:
    missed = arm.units - arm.linked
    return arm.events / arm.units, (arm.events + missed) / arm.units


def _se(p: float, n: int, q: float, m: int) -> float:
    return float(np.sqrt(p * (1 - p) / n + q * (1 - q) / m))


def _imbens_manski(width: float, se: float, level: float) -> float:
    """The c that solves Φ(c + width / se) − Φ(−c) = level (their equation 7)."""
    if se <= 0:
        return 0.0

    def short(c: float) -> float:
        return float(stats.norm.cdf(c + width / se) - stats.norm.cdf(-c)) - level

    return float(optimize.brentq(short, 0.0, 10.0))


def _lee(treatment: ArmOutcomes, control: ArmOutcomes) -> tuple[float, float] | None:
    if not treatment.linked or not control.linked:
        return None
    t_rate, c_rate = treatment.linked / treatment.units, control.linked / control.units
    t_mean, c_mean = treatment.events / treatment.linked, control.events / control.linked
    if t_rate >= c_rate:
        low, high = _trimmed(t_mean, 1 - c_rate / t_rate)
        return low - c_mean, high - c_mean
    low, high = _trimmed(c_mean, 1 - t_rate / c_rate)
    return t_mean - high, t_mean - low


def _trimmed(mean: float, share: float) -> tuple[float, float]:
    """The mean of a yes-or-no outcome with ``share`` of the units taken off the top or bottom."""
    if share >= 1:
        return 0.0, 1.0
    return max(0.0, (mean - share) / (1 - share)), min(1.0, mean / (1 - share))
