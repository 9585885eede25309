"""Several questions in one trial: adjusted p-values, and intervals that agree with them.

A family is declared by the plan, so its size is fixed before the data: a p-value that could not be
had still counts as a member (as if it were 1), which can only make the others more cautious.

* Holm (1979): step-down Bonferroni; the chance of any false finding is at most alpha.
* Hochberg (1988): the step-up form; the same guarantee for independent or positively dependent
  tests (contrasts with one control are).
* Benjamini and Hochberg (1995): the expected share of false findings among the findings.

Intervals come from the same call as the p-values, so the two cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.estimates import Absent, Estimate

Method = Literal["holm", "hochberg", "benjamini-hochberg", "none"]
Outcome = Estimate | Absent | None
Floats = npt.NDArray[np.float64]

NAMES: dict[str, str] = {
    "holm": "Holm",
    "hochberg": "Hochberg",
    "benjamini-hochberg": "Benjamini–Hochberg",
    "none": "no adjustment",
}


def adjust(p_values: Sequence[float | None], method: str) -> list[float | None]:
    """The p-values of one declared family, adjusted; ``None`` stays ``None``.

    Args:
        p_values: raw two-sided p-values in any order; ``None`` where there is none.
        method: ``holm``, ``hochberg``, ``benjamini-hochberg`` or ``none``.

    Raises:
        ValueError: ``method`` is unknown (Dunnett's needs the contrasts themselves: see
            :mod:`analysis.frequentist.dunnett`), or a p-value lies outside [0, 1].
    """
    if method not in _ADJUSTERS:
        raise ValueError(f"{method!r} does not adjust p-values; use one of {', '.join(NAMES)}")
    raw = np.array([1.0 if p is None else p for p in p_values], dtype=float)
    if np.any(~((raw >= 0) & (raw <= 1))):
        raise ValueError("a p-value must lie between 0 and 1")
    adjusted = _ADJUSTERS[method](raw) if raw.size else raw
    return [None if p is None else float(a) for p, a in zip(p_values, adjusted, strict=True)]


def levels(
    p_values: Sequence[float | None], method: str, *, alpha: float = 0.05
) -> list[float | None]:
    """The coverage at which each interval agrees with its adjusted p-value.

    An interval at this level leaves out "no effect" exactly when the adjusted p is at most
    ``alpha``, and is never narrower than the unadjusted one.

    Holm and Hochberg: 1 − alpha·p/p_adjusted (for Bonferroni's first step that is 1 − alpha/m).
    Each covers at its own level; jointly they are not guaranteed to, because intervals that follow
    Holm's decisions and cover jointly say no more than the sign (Strassburger and Bretz 2008).
    Benjamini–Hochberg: 1 − R·alpha/m with R findings, the false-coverage-rate interval of
    Benjamini and Yekutieli (2005).
    """
    adjusted = adjust(p_values, method)
    if method == "benjamini-hochberg":
        found = sum(1 for p in adjusted if p is not None and p <= alpha)
        share = max(found, 1) / max(len(adjusted), 1)
        return [None if p is None else 1 - alpha * share for p in adjusted]
    return [
        None if p is None or a is None else _compatible(p, a, len(adjusted), alpha, method)
        for p, a in zip(p_values, adjusted, strict=True)
    ]


def family(
    estimates: Sequence[Outcome],
    method: str,
    *,
    alpha: float = 0.05,
    recompute: Callable[[int, float], Outcome] | None = None,
) -> list[Outcome]:
    """The estimates of one declared family, with adjusted p-values and intervals to match.

    Args:
        estimates: in any order; an absence stays as it is but counts in the family.
        method: as in :func:`adjust`.
        alpha: the family's error rate.
        recompute: gives estimate number ``i`` at another coverage. Without it an interval's two
            arms are stretched by the ratio of the reference quantiles, which is exact for t and
            normal intervals and an approximation for the others.
    """
    raw = [e.p if isinstance(e, Estimate) else None for e in estimates]
    adjusted = adjust(raw, method)
    wanted = levels(raw, method, alpha=alpha)
    done: list[Outcome] = []
    for i, estimate in enumerate(estimates):
        level = wanted[i]
        if not isinstance(estimate, Estimate) or level is None:
            done.append(estimate)
            continue
        again = recompute(i, level) if recompute else stretched(estimate, level)
        whole = again if isinstance(again, Estimate) else stretched(estimate, level)
        done.append(replace(whole, p=estimate.p, p_adjusted=adjusted[i]))
    return done


def stretched(estimate: Estimate, level: float) -> Estimate:
    """The same estimate with its interval at another coverage (by its reference distribution)."""
    if level == estimate.level:
        return estimate
    tails = (1 - level) / 2, (1 - estimate.level) / 2
    reference = special.ndtri if estimate.df is None else partial(special.stdtrit, estimate.df)
    by = float(reference(tails[0]) / reference(tails[1]))
    return replace(
        estimate,
        level=level,
        low=estimate.estimate - by * (estimate.estimate - estimate.low),
        high=estimate.estimate + by * (estimate.high - estimate.estimate),
    )


def stretched_logs(ratio: Estimate, level: float) -> Estimate:
    """The same ratio with its interval at another coverage, stretched on the log scale."""
    low, middle, high = (math.log(end) for end in (ratio.low, ratio.estimate, ratio.high))
    logs = stretched(replace(ratio, estimate=middle, low=low, high=high, se=None), level)
    return replace(logs.exponentiated(), se=ratio.se)


def _compatible(p: float, adjusted: float, size: int, alpha: float, method: str) -> float:
    """The coverage 1 − alpha·p/p_adjusted, with the limits where either p is 0 or capped at 1."""
    if method == "none":
        return 1 - alpha
    share = p / adjusted if adjusted > 0 else 1 / size
    return 1 - alpha * min(1.0, max(share, 1 / size))


def _holm(p: Floats) -> Floats:
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _back(stepped, order)


def _hochberg(p: Floats) -> Floats:
    order = np.argsort(-p, kind="stable")
    stepped = np.minimum.accumulate(p[order] * np.arange(1, len(p) + 1))
    return _back(stepped, order)


def _benjamini_hochberg(p: Floats) -> Floats:
    order = np.argsort(-p, kind="stable")
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    return _back(stepped, order)


def _none(p: Floats) -> Floats:
    return p


def _back(stepped: Floats, order: npt.NDArray[np.intp]) -> Floats:
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


_ADJUSTERS: dict[str, Callable[[Floats], Floats]] = {
    "holm": _holm,
    "hochberg": _hochberg,
    "benjamini-hochberg": _benjamini_hochberg,
    "none": _none,
}
