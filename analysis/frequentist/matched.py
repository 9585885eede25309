"""Matched areas: the places with the change against the untouched places most like them before.

For each treated area the nearest untouched areas by their values before the start; the estimate is
the mean of the treated areas' changes less their matches' changes. Its chance variation is seen by
pretending that the change happened in untouched areas instead, as many at a time as were treated
(placebo tests in space; Abadie, Diamond and Hainmueller 2010), so p can be no smaller than one over
the number of such groups.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.quasi import Panel, QuasiResult, graded
from analysis.tables import Floats, Ints

MOST_PLACEBOS = 2000
POOR_MATCH = 0.25
"""A gap before the start, in standard deviations, that adjustment should not be trusted with."""


def matched_areas(
    panel: Panel, *, matches: int = 3, level: float = 0.95, seed: int = 1
) -> QuasiResult:
    """The effect in the treated areas by comparison with their matches.

    Args:
        panel: one value per area and period.
        matches: how many untouched areas each treated one is compared with.
        level: coverage of the interval, by inverting the placebo test.
        seed: for the placebo groups, where there are too many to try all.
    """
    treated = np.flatnonzero(panel.treated)
    donors = np.flatnonzero(~panel.treated)
    if treated.size == 0 or donors.size < matches + treated.size:
        says = f"There must be treated areas and, for each, {matches} untouched ones to match."
        return graded("matched-areas", Absent("too-few-areas", says))
    before = panel.y[:, : panel.start]
    change = panel.y[:, panel.start :].mean(axis=1) - before.mean(axis=1)

    order = closest(before)

    def effect_in(areas: Ints, among: Ints) -> float:
        chosen = nearest(order, areas, among, matches)
        return float((change[areas] - change[chosen].mean(axis=1)).mean())

    groups = _placebo_groups(donors, treated.size, seed)
    placebo = np.array([effect_in(g, np.setdiff1d(donors, g)) for g in groups])
    chosen = nearest(order, treated, donors, matches)
    gaps = _gaps(before, treated, chosen)
    return graded(
        "matched-areas",
        _inverted(effect_in(treated, donors), placebo, level),
        warnings=_warnings(gaps, len(groups), level),
        details={
            "matches": {panel.areas[t]: [panel.areas[i] for i in m]
                        for t, m in zip(treated, chosen, strict=True)},
            "gap_before": {panel.areas[t]: float(g) for t, g in zip(treated, gaps, strict=True)},
            "placebos": len(groups),
        },
    )  # fmt: skip


def _placebo_groups(donors: Ints, size: int, seed: int) -> list[Ints]:
    """Every group of as many donors as there are treated areas, or a random selection of them."""
    if comb(donors.size, size) <= MOST_PLACEBOS:
        return [np.array(group) for group in combinations(donors.tolist(), size)]
    rng = np.random.default_rng(seed)
    return [rng.choice(donors, size, replace=False) for _ in range(MOST_PLACEBOS)]


def _warnings(gaps: Floats, placebos: int, level: float) -> list[str]:
    found = []
    if np.abs(gaps).max() > POOR_MATCH:
        found.append("A treated area has no close match before the start.")
    least = 1 / (placebos + 1)
    if least > 1 - level:
        found.append(f"With {placebos} placebo groups no p-value can be below {least:.2f}.")
    return found


def closest(before: Floats) -> Ints:
    """For each area all areas, from the one whose values before the start lie nearest."""
    gaps = ((before[:, None, :] - before[None, :, :]) ** 2).mean(axis=2)
    return np.argsort(gaps, axis=1, kind="stable").astype(np.int64)


def nearest(order: Ints, areas: Ints, among: Ints, matches: int) -> Ints:
    """For each of ``areas`` its nearest ``matches`` of ``among`` (areas by matches)."""
    allowed = np.zeros(order.shape[0], bool)
    allowed[among] = True
    return np.array([order[a][allowed[order[a]]][:matches] for a in areas], np.int64)


def _gaps(before: Floats, treated: Ints, chosen: Ints) -> Floats:
    """How far the treated areas lay from their matches before, in standard deviations of areas."""
    level = before.mean(axis=1)
    spread = float(level.std(ddof=1)) or 1.0
    return np.array([(level[t] - level[m].mean()) / spread
                     for t, m in zip(treated, chosen, strict=True)])  # fmt: skip


def _inverted(effect: float, placebo: Floats, level: float) -> Estimate:
    """The placebo p-value, and the effects that the same test would not reject.

    The interval is unbounded where there are too few placebos to reject anything.
    """
    size, order = placebo.size, np.sort(np.abs(placebo))
    p = (1 + int((order >= abs(effect) - 1e-12).sum())) / (size + 1)
    # An effect e is rejected when (1 + #{|placebo| >= |effect − e|}) / (size + 1) <= 1 − level.
    reject = int(np.floor((1 - level) * (size + 1) + 1e-9))
    half = float(order[size - reject]) if reject >= 1 else float("inf")
    return Estimate(
        estimate=effect, low=effect - half, high=effect + half, p=p, level=level,
        method="matched areas, placebo tests in space",
    )  # fmt: skip
