"""Sample-ratio mismatch: does each arm hold the share of units that the plan gave it?

Pearson's chi-squared test of goodness of fit to the *planned* shares at p < 0.001 (Fabijan et al.
2019, "Diagnosing sample ratio mismatch"), over the planned arms and never over those that happen
to appear: an arm that nobody was given counts as an empty arm, and an arm that should have nobody
but has somebody fails outright. Two arms with few units, or few units in all, are tested exactly.

Where the shares were changed on the way, units are compared with what each allocation epoch
promised: observed minus expected is added over epochs, and so is its multinomial covariance, so
that the degrees of freedom are right whatever the epochs (a Wald form that is Pearson's chi-squared
when there is one epoch).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import gammaln

from analysis.checks.check import (
    FAIL_P,
    UNTITLED,
    Check,
    called,
    listed,
    not_applicable,
    p_text,
    percent,
)
from trials.plurals import counted, plural

Floats = npt.NDArray[np.float64]

SMALLEST_EXPECTED = 5.0
"""Below this expected count the chi-squared distribution is not to be trusted."""
LARGEST_ENUMERATION = 200_000


@dataclass(frozen=True, slots=True)
class Split:
    """Units per planned arm in one part of the trial: an epoch, a stratum, a rung.

    ``counts`` are randomisation units (clusters where clusters were randomised); ``weights`` are
    the shares in force there, or empty where the plan's own apply.
    """

    name: str
    counts: Mapping[str, int]
    weights: Mapping[str, float] = field(default_factory=dict)


def sample_ratio(
    counts: Mapping[str, int],
    weights: Mapping[str, float],
    *,
    epochs: Sequence[Split] = (),
    strata: Sequence[Split] = (),
    rungs: Sequence[Split] = (),
    history: Sequence[Mapping[str, int]] = (),
    unit: str = "unit",
    alpha: float = FAIL_P,
    titles: Mapping[str, str] = UNTITLED,
) -> Check:
    """Whether the arms hold the planned shares, overall and in each part.

    Args:
        counts: units assigned to each arm; a planned arm that is left out has none.
        weights: the plan's weight of each arm (any scale); 0 means nobody should be given it.
        epochs: the same by allocation epoch, with the weights then in force. When given, ``counts``
            are judged against the sum of what the epochs promised.
        strata: the same by stratum (tested with Bonferroni's correction).
        rungs: the units still present at each later rung in order (sent, linked, outcome known).
        history: the cumulative counts at each look so far (days, say), for the p-value that stays
            valid however often one looks; it is added to the details.
        unit: what was randomised, in the singular.
        alpha: the error rate of the check.
        titles: what the sentences call the arms, by key.

    Returns:
        ``fail`` on a mismatch overall or in an epoch (arms given at different times are compared
        across whatever else changed), ``warn`` when a later rung or a stratum alone is off,
        ``not-applicable`` before anybody is assigned.
    """
    if not any(w > 0 for w in weights.values()):
        return not_applicable("sample-ratio", "No arm of the plan has a share above nought.")
    total = sum(counts.values())
    if total == 0:
        return not_applicable("sample-ratio", f"No {unit} has been assigned yet.")
    trespass = _trespassers(counts, weights, epochs)
    if trespass:
        return _trespassed(trespass, counts, unit, titles)
    p = _p_over(epochs, weights, counts)
    parts = [
        *_parts("epoch", epochs, weights, alpha),
        *_parts("stratum", strata, weights, alpha),
        *_parts("rung", rungs, weights, alpha),
    ]
    off = [part for part in parts if part["p"] < part["alpha"]]
    promised = _expected(counts, weights, epochs)
    found = _Found(p=p, failed=p < alpha, off=off, counts=counts, promised=promised,
                   titles=titles)  # fmt: skip
    arms = _planned(weights)
    seen = [[look.get(a, 0) for a in arms] for look in history]
    always = sequential_p(seen, [weights[a] for a in arms]) if history and not epochs else None
    return Check(
        key="sample-ratio",
        verdict="fail" if found.failed or _in_time(off) else "warn" if off else "pass",
        p=p,
        says=_says(found, unit),
        what_to_do=_causes(found),
        details={"counts": dict(counts), "expected": promised, "parts": parts,
                 "sequential_p": always},
    )  # fmt: skip


def _in_time(off: Sequence[Mapping[str, Any]]) -> bool:
    """Whether allocation itself departed from the plan for a while."""
    return any(part["kind"] == "epoch" for part in off)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the test found, for the two sentences."""

    p: float
    failed: bool
    off: Sequence[Mapping[str, Any]]
    counts: Mapping[str, int]
    promised: Mapping[str, float]
    titles: Mapping[str, str]

    @property
    def empty(self) -> list[str]:
        """Arms that were promised units and have none."""
        return [a for a, n in self.promised.items() if n > 0 and self.counts.get(a, 0) == 0]


def goodness_of_fit(counts: Sequence[float], weights: Sequence[float]) -> float:
    """The p-value of observed counts against weights: exact when few, else Pearson's chi-squared.

    Raises:
        ValueError: a weight is not above nought, or the lengths differ.
    """
    observed, share = np.asarray(counts, float), np.asarray(weights, float)
    if observed.shape != share.shape or np.any(~(share > 0)):
        raise ValueError("every count needs a weight above nought")
    if len(observed) < 2 or observed.sum() == 0:
        return 1.0
    share = share / share.sum()
    expected = observed.sum() * share
    if expected.min() < SMALLEST_EXPECTED:
        exact = _exact(observed, share)
        if exact is not None:
            return exact
    return float(stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(observed) - 1))


def log_e_value(
    counts: Sequence[float], weights: Sequence[float], *, concentration: float = 100.0
) -> float:
    """The log of the multinomial e-value of Lindon and Malek (2022) for the counts so far.

    The Bayes factor of a Dirichlet(concentration × shares) mixture against the planned shares. It
    is a martingale under the plan, so the chance that it *ever* passes 1/alpha is at most alpha,
    however often one looks. A larger ``concentration`` looks for smaller departures but needs more
    units before it can react; 100 to 1,000 suits some thousands of units.
    """
    n, share = np.asarray(counts, float), np.asarray(weights, float)
    if np.any(~(share > 0)):
        raise ValueError("every count needs a weight above nought")
    share = share / share.sum()
    prior = concentration * share
    mixture = gammaln(prior.sum()) - gammaln(prior.sum() + n.sum())
    return float(mixture + (gammaln(prior + n) - gammaln(prior)).sum() - (n * np.log(share)).sum())


def sequential_p(
    history: Sequence[Sequence[float]], weights: Sequence[float], *, concentration: float = 100.0
) -> float:
    """The always-valid p-value after the cumulative ``history`` of counts: the least 1/e so far."""
    if len(history) == 0:
        return 1.0
    top = max(log_e_value(counts, weights, concentration=concentration) for counts in history)
    return float(min(1.0, np.exp(-top)))


def _exact(observed: Floats, share: Floats) -> float | None:
    """The exact multinomial p-value (outcomes no likelier than the one seen), if cheap enough."""
    n, k = round(float(observed.sum())), len(observed)
    if k == 2:
        return float(stats.binomtest(round(float(observed[0])), n, float(share[0])).pvalue)
    if comb(n + k - 1, k - 1) > LARGEST_ENUMERATION:
        return None
    bars = np.array(list(combinations(range(n + k - 1), k - 1)))
    walls = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), n + k - 1)])
    log_p = stats.multinomial.logpmf(np.diff(walls, axis=1) - 1, n, share)
    seen = stats.multinomial.logpmf(np.round(observed), n, share)
    return float(min(1.0, np.exp(log_p[log_p <= seen + 1e-9]).sum()))


def _planned(weights: Mapping[str, float]) -> list[str]:
    return [arm for arm, weight in weights.items() if weight > 0]


def _p_of(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    arms = _planned(weights)
    return goodness_of_fit([counts.get(a, 0) for a in arms], [weights[a] for a in arms])


def _p_over(
    epochs: Sequence[Split], weights: Mapping[str, float], counts: Mapping[str, int]
) -> float:
    """The p-value over all epochs: a Wald test of the summed departures."""
    if len({tuple(sorted(_shares(e.weights or weights).items())) for e in epochs}) <= 1:
        used = epochs[0].weights if epochs and epochs[0].weights else weights
        return _p_of(counts, used)
    arms = sorted({a for e in epochs for a in (e.weights or weights)})
    gap, cov = np.zeros(len(arms)), np.zeros((len(arms), len(arms)))
    for epoch in epochs:
        shares = _shares(epoch.weights or weights)
        share = np.array([shares.get(a, 0.0) for a in arms])
        seen = np.array([float(epoch.counts.get(a, 0)) for a in arms])
        gap += seen - seen.sum() * share
        cov += seen.sum() * (np.diag(share) - np.outer(share, share))
    rank = int(np.linalg.matrix_rank(cov, hermitian=True))
    if rank == 0:
        return 1.0
    return float(stats.chi2.sf(gap @ np.linalg.pinv(cov, hermitian=True) @ gap, rank))


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {arm: weight / total for arm, weight in weights.items()} if total > 0 else {}


def _expected(
    counts: Mapping[str, int], weights: Mapping[str, float], epochs: Sequence[Split]
) -> dict[str, float]:
    """What the plan promised each arm, in units."""
    parts = epochs or (Split("all", counts),)
    promised = dict.fromkeys(weights, 0.0)
    for part in parts:
        units = sum(part.counts.values())
        for arm, share in _shares(part.weights or weights).items():
            promised[arm] = promised.get(arm, 0.0) + units * share
    return promised


def _parts(
    kind: str, splits: Sequence[Split], weights: Mapping[str, float], alpha: float
) -> list[dict[str, Any]]:
    """One line a part: its p-value and the level it is judged at (Bonferroni within its kind)."""
    return [
        {
            "kind": kind,
            "name": split.name,
            "counts": dict(split.counts),
            "p": _p_of(split.counts, split.weights or weights),
            "alpha": alpha / len(splits),
        }
        for split in splits
        if sum(split.counts.values()) > 0
    ]


def _trespassers(
    counts: Mapping[str, int], weights: Mapping[str, float], epochs: Sequence[Split]
) -> list[str]:
    """Arms that hold units although the plan (or an epoch) gave them no share."""
    parts = epochs or (Split("all", counts),)
    found = [
        arm
        for part in parts
        for arm, n in part.counts.items()
        if n > 0 and (part.weights or weights).get(arm, 0.0) <= 0
    ]
    return list(dict.fromkeys(found))


def _trespassed(
    arms: list[str], counts: Mapping[str, int], unit: str, titles: Mapping[str, str]
) -> Check:  # fmt: skip
    units = sum(counts.get(a, 0) for a in arms)
    names = listed([called(a, titles) for a in arms])
    verb = "is" if units == 1 else "are"
    return Check(
        key="sample-ratio",
        verdict="fail",
        p=0.0,
        says=f"{counted(units, unit).capitalize()} {verb} in {names}, which the plan gives nobody.",
        what_to_do="The allocation in use is not the plan's: find where these were assigned, "
        "and do not use the result until it is explained.",
        details={"counts": dict(counts), "arms": arms},
    )


def _says(found: _Found, unit: str) -> str:
    total = sum(found.promised.values())
    shares = listed([
        f"{called(arm, found.titles)} holds {percent(found.counts.get(arm, 0) / total)} "
        f"of {plural(unit)} (planned {percent(value / total)})"
        for arm, value in found.promised.items() if value > 0
    ])  # fmt: skip
    if found.failed:
        return f"The arms do not have their planned shares: {shares}; {p_text(found.p)}."
    if found.off:
        where = listed([
            part["name"] if part["kind"] == "epoch" else f"{part['kind']} {part['name']}"
            for part in found.off
        ])  # fmt: skip
        return f"The arms have their planned shares overall but not in {where}."
    return f"The arms have their planned shares: {shares}."


def _causes(found: _Found) -> str:
    """The likeliest causes, from where the mismatch shows."""
    if not found.failed and not found.off:
        return ""
    if found.empty and found.failed:
        return (
            f"Nobody was given {listed([called(a, found.titles) for a in found.empty])}: check "
            "that the platform or the mailing really serves it, and do not use the result until "
            "that is settled."
        )
    where: dict[str, list[str]] = {}
    for part in found.off:
        where.setdefault(part["kind"], []).append(part["name"])
    if not found.failed and list(where) == ["rung"]:
        return (
            f"Units were lost unevenly on the way to {listed(where['rung'])}: look for failed "
            "deliveries, returned letters, or people who could be linked in one arm only."
        )
    if "stratum" in where:
        return (
            f"Look at {listed(where['stratum'])} first: a filter, a device or a print batch that "
            "treats one arm differently; do not use the result until it is explained."
        )
    if "epoch" in where:
        return (
            f"Look at what changed in epoch {listed(where['epoch'])}: a new split that reached "
            "only part of the traffic, or people kept in their old arm."
        )
    return (
        "Likely causes: a cache or redirect that serves one arm more, bots, a filter applied "
        "after assignment, or lost records in one arm; do not use the result until it is explained."
    )
