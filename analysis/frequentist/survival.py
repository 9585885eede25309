"""Time to an event, such as the next call: Kaplan-Meier, restricted means and log-rank.

Events at a time come before censorings at the same time. The estimands that go in a report are the
share without the event by a day, and the restricted mean: the average number of days without the
event up to a horizon that the plan fixes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.estimates import Absent, Estimate, critical, upper_tail
from analysis.frequentist import difference as means
from analysis.tables import Floats, Grouped, Ints, LifeTable

Moments = tuple[float, float]
Mask = npt.NDArray[np.bool_]

_ALIKE = "Within each arm everybody's time was the same by then: no uncertainty to show."


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A Kaplan-Meier curve: one entry a time at which something happened.

    ``at_risk`` counts those followed up to just before the time; ``survival`` is the share without
    the event just after it; ``se`` is Greenwood's; ``low`` and ``high`` are pointwise limits on the
    log-log scale (Kalbfleisch & Prentice 1980).
    """

    time: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    survival: Floats
    se: Floats
    low: Floats
    high: Floats

    def at(self, time: float) -> int:
        """The index of the last entry not after ``time``; -1 before the first."""
        return int(np.searchsorted(self.time, time, side="right")) - 1

    @property
    def followed(self) -> float:
        """The longest follow-up of anybody."""
        return float(self.time[-1]) if len(self.time) else 0.0


Measure = Callable[[Curve], Moments]

THIN = 20
"""Within strata that follow fewer than this many of an arm, Greenwood's variance is too small: that
of a lone unit is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRank:
    """Observed and expected events in the arm, their variance, and the test."""

    observed: float
    expected: float
    variance: float
    z: float
    p: float


def kaplan_meier(table: LifeTable, arm: int, *, level: float = 0.95) -> Curve:
    """Kaplan-Meier curve of one arm, all its strata together; empty where nobody was followed."""
    time, events, censored = _times(table, table.arm == arm)
    ended = events + censored
    at_risk = ended[::-1].cumsum()[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - events / at_risk)
        hazard = np.where(at_risk > events, events / (at_risk * (at_risk - events)), 0.0)
    greenwood = np.cumsum(hazard)
    low, high = _loglog(survival, greenwood, level)
    return Curve(
        time=time, at_risk=at_risk, events=events, censored=censored, survival=survival,
        se=survival * np.sqrt(greenwood), low=low, high=high,
    )  # fmt: skip


def at_risk(table: LifeTable, times: Floats) -> Ints:
    """How many of each arm are still followed without the event at each time: arms by times."""
    ended = table.events + table.censored
    return np.array([
        [int(ended[(table.arm == a) & (table.time >= t)].sum()) for t in times]
        for a in range(len(table.arms))
    ])  # fmt: skip


def restricted_mean(
    table: LifeTable, arm: int, *, horizon: float, level: float = 0.95
) -> Estimate | Absent:
    """Mean time without the event up to ``horizon``, in the table's time unit.

    The variance is the integral of Greenwood's (Klein & Moeschberger 2003, eq 4.5.2), that of the
    estimator and not of the time itself.
    """
    curve = kaplan_meier(table, arm, level=level)
    lacking = _short(table, arm, curve, horizon)
    if lacking is not None:
        return lacking
    mean, variance = _area(curve, horizon)
    half = critical(level) * math.sqrt(variance)
    return Estimate(
        estimate=mean, se=math.sqrt(variance), low=mean - half, high=mean + half, level=level,
        method="restricted mean, Kaplan–Meier, Greenwood variance",
    )  # fmt: skip


def restricted_mean_difference(
    table: LifeTable,
    arm: int,
    *,
    horizon: float,
    versus: int | None = None,
    level: float = 0.95,
) -> Estimate | Absent:
    """Difference in restricted means: average time without the event gained by ``horizon``.

    With strata it is the average over strata, weighted by their share of the sample; where some are
    thin (:data:`THIN`) or not followed to the horizon, the difference of :func:`pseudo_values`.
    """
    versus = table.control if versus is None else versus
    if _thin(table, (arm, versus), horizon):
        made = pseudo_values(table, (arm, versus), horizon=horizon)
        return made if isinstance(made, Absent) else _restricted(
            means.difference(made, arm, versus=versus, level=level)
        )  # fmt: skip
    found = _over_strata(table, (arm, versus), lambda c: _area(c, horizon), horizon, level)
    method = "difference in restricted means, Kaplan–Meier, Greenwood variance"
    return found if isinstance(found, Absent) else replace(found, method=method)


def restricted_mean_ratio(
    table: LifeTable,
    arm: int,
    *,
    horizon: float,
    versus: int | None = None,
    level: float = 0.95,
) -> Estimate | Absent:
    """Ratio of restricted means (strata pooled by their share), delta method on the log scale.

    Royston & Parmar (2013), section 2.3; ``p`` is against a ratio of one.
    """
    versus = table.control if versus is None else versus
    if _thin(table, (arm, versus), horizon):
        whole = pseudo_values(table, (arm, versus), horizon=horizon)
        return whole if isinstance(whole, Absent) else _restricted(
            means.ratio(whole, arm, versus=versus, level=level)
        )  # fmt: skip
    found: list[Moments] = []
    for code in (arm, versus):
        made = _pooled_area(table, code, horizon)
        if isinstance(made, Absent):
            return made
        found.append(made)
    (top, top_var), (bottom, bottom_var) = found
    if min(top, bottom) <= 0 or top_var + bottom_var <= 0:
        return Absent("no-variation", _ALIKE)
    se = math.sqrt(top_var / top**2 + bottom_var / bottom**2)
    return Estimate.from_t(
        math.log(top / bottom), se, df=None, level=level,
        method="ratio of restricted means, Kaplan–Meier, delta method on the log scale",
    ).exponentiated()  # fmt: skip


def pseudo_values(
    table: LifeTable, arms: tuple[int, int], *, horizon: float
) -> Grouped | Absent:  # fmt: skip
    """Each unit's part in its arm's restricted mean, as an outcome; other arms only weigh strata.

    A unit's pseudo-value is ``n`` times the mean less ``n - 1`` times the mean without the unit
    (Andersen, Hansen & Klein 2004). Without censoring it is the unit's own time up to the horizon.
    """
    value = np.zeros(len(table.arm)), np.zeros(len(table.arm))
    for arm in arms:
        rows = table.arm == arm
        curve = kaplan_meier(table, arm)
        lacking = _short(table, arm, curve, horizon)
        if lacking is not None:
            return lacking
        mean, n = _area(curve, horizon)[0], float(curve.at_risk[0])
        for kind, events in enumerate((1.0, 0.0)):
            for time in np.unique(table.time[rows]):
                at = curve.at(time)
                if (curve.events, curve.censored)[kind][at] <= 0:
                    continue
                without = _left_out(curve, at, events, horizon)
                value[kind][rows & (table.time == time)] = n * mean - (n - 1) * without
    ended = table.events + table.censored
    y = table.events * value[0] + table.censored * value[1]
    yy = table.events * value[0] ** 2 + table.censored * value[1] ** 2
    return Grouped(
        arms=table.arms, control=table.control, weights=(1.0,) * len(table.arms), arm=table.arm,
        n=ended.astype(float), y=y, yy=yy, stratum=table.stratum,
    )  # fmt: skip


def horizon_of(window: int | None) -> float:
    """A window of seconds as the horizon in days, a day begun counting whole."""
    return float(-(-(window or 0) // 86_400))


def survival_difference(
    table: LifeTable,
    arm: int,
    *,
    time: float,
    versus: int | None = None,
    level: float = 0.95,
) -> Estimate | Absent:
    """Difference in the share without the event by ``time``, with Greenwood's variance."""
    versus = table.control if versus is None else versus
    found = _over_strata(table, (arm, versus), lambda c: _share(c, time), time, level)
    method = "difference in Kaplan–Meier shares, Greenwood variance"
    return found if isinstance(found, Absent) else replace(found, method=method)


def log_rank(table: LifeTable, arm: int, *, versus: int | None = None) -> LogRank | Absent:
    """Log-rank test of two arms, stratified where the table has strata (Mantel 1966)."""
    versus = table.control if versus is None else versus
    if not (_followed(table, arm) and _followed(table, versus)):
        return Absent("empty-arm", "An arm has nobody who was followed.")
    parts = [_log_rank_sums(part, arm, versus) for _, part in _strata(table)]
    observed, expected, variance = (float(sum(p[i] for p in parts)) for i in range(3))
    if variance <= 0:
        return Absent("no-events", "Nothing happened while both arms were being followed.")
    z = (observed - expected) / math.sqrt(variance)
    return LogRank(
        observed=observed, expected=expected, variance=variance, z=z,
        p=2 * upper_tail(abs(z)),
    )  # fmt: skip


def _restricted(found: Estimate | Absent) -> Estimate | Absent:
    """An estimate from pseudo-values, named."""
    if isinstance(found, Absent):
        return found
    return replace(found, method=f"restricted means, Kaplan–Meier pseudo-values, {found.method}")


def _thin(table: LifeTable, arms: tuple[int, int], horizon: float) -> bool:
    """Whether some stratum is too thin, or too short, for a curve of each arm of its own."""
    if table.stratum is None:
        return False
    for _, part in _strata(table):
        for arm in arms:
            curve = kaplan_meier(part, arm)
            followed = curve.at_risk[0] if len(curve.time) else 0.0
            if followed < THIN or _short(part, arm, curve, horizon) is not None:
                return True
    return False


def _left_out(curve: Curve, at: int, events: float, horizon: float) -> float:
    """The area under the curve without one unit whose follow-up ended at entry ``at``."""
    at_risk = curve.at_risk - (np.arange(len(curve.time)) <= at)
    died = curve.events.copy()
    died[at] -= events
    hazard = np.divide(died, at_risk, out=np.zeros_like(died), where=at_risk > 0)
    return _area(replace(curve, at_risk=at_risk, events=died, survival=np.cumprod(1 - hazard)),
                 horizon)[0]  # fmt: skip


def _times(table: LifeTable, rows: Mask) -> tuple[Floats, Floats, Floats]:
    time, code = np.unique(table.time[rows], return_inverse=True)
    events = np.bincount(code, table.events[rows], len(time)).astype(float)
    censored = np.bincount(code, table.censored[rows], len(time)).astype(float)
    return time.astype(float), events, censored


def _loglog(survival: Floats, greenwood: Floats, level: float) -> tuple[Floats, Floats]:
    """Pointwise limits; a share of one or zero has none and is its own."""
    z = critical(level)
    inside = (survival > 0) & (survival < 1)
    low, high = survival.copy(), survival.copy()
    logs = np.log(survival[inside])
    half = z * np.sqrt(greenwood[inside]) / np.abs(logs)
    low[inside] = np.exp(logs * np.exp(half))
    high[inside] = np.exp(logs * np.exp(-half))
    return low, high


def _area(curve: Curve, horizon: float) -> tuple[float, float]:
    """Area under the curve up to the horizon and the variance of that area."""
    upto = curve.time < horizon
    edges = np.concatenate([[0.0], curve.time[upto], [horizon]])
    heights = np.concatenate([[1.0], curve.survival[upto]])
    pieces = heights * np.diff(edges)
    beyond = pieces[::-1].cumsum()[::-1][1:]
    n, d = curve.at_risk[upto], curve.events[upto]
    left = n - d
    terms = np.divide(beyond**2 * d, n * left, out=np.zeros_like(n), where=left > 0)
    return float(pieces.sum()), float(terms.sum())


def _pooled_area(table: LifeTable, arm: int, horizon: float) -> Moments | Absent:
    """An arm's restricted mean over the strata, and its variance."""
    parts = _strata(table)
    total = sum(size for size, _ in parts)
    mean = variance = 0.0
    for size, part in parts:
        curve = kaplan_meier(part, arm)
        lacking = _short(part, arm, curve, horizon)
        if lacking is not None:
            return lacking
        area = _area(curve, horizon)
        mean += size / total * area[0]
        variance += (size / total) ** 2 * area[1]
    return mean, variance


def _share(curve: Curve, time: float) -> tuple[float, float]:
    index = curve.at(time)
    return (1.0, 0.0) if index < 0 else (float(curve.survival[index]), float(curve.se[index]) ** 2)


def _short(table: LifeTable, arm: int, curve: Curve, horizon: float) -> Absent | None:
    """Whether the arm was followed long enough for the horizon."""
    name = table.arms[arm]
    if not len(curve.time) or curve.at_risk[0] <= 0:
        return Absent("empty-arm", f"Nobody in “{name}” was followed.")
    if curve.followed < horizon and curve.survival[-1] > 0:
        return Absent(
            "horizon-beyond-follow-up",
            f"“{name}” was followed to {table.time_unit} {curve.followed:g}, short of {horizon:g}.",
        )
    return None


def _contrast(
    table: LifeTable, arms: tuple[int, int], measure: Measure, until: float
) -> Moments | Absent:
    """Difference of a measure of two arms' curves, and its variance."""
    found: list[Moments] = []
    for arm in arms:
        curve = kaplan_meier(table, arm)
        lacking = _short(table, arm, curve, until)
        if lacking is not None:
            return lacking
        found.append(measure(curve))
    return found[0][0] - found[1][0], found[0][1] + found[1][1]


def _over_strata(
    table: LifeTable, arms: tuple[int, int], measure: Measure, until: float, level: float
) -> Estimate | Absent:
    """The average over strata of a difference between two arms."""
    parts = _strata(table)
    total = sum(size for size, _ in parts)
    value = variance = 0.0
    for size, part in parts:
        found = _contrast(part, arms, measure, until)
        if isinstance(found, Absent):
            return found
        value += size / total * found[0]
        variance += (size / total) ** 2 * found[1]
    if variance <= 0:
        return Absent("no-variation", _ALIKE)
    return Estimate.from_t(value, math.sqrt(variance), df=None, level=level)


def _strata(table: LifeTable) -> list[tuple[float, LifeTable]]:
    """Each stratum's number of people and its table; one entry where there are no strata."""
    size = table.events + table.censored
    if table.stratum is None:
        return [(float(size.sum()), table)]
    codes = table.stratum.codes
    return [
        (float(size[codes == code].sum()), _rows(table, codes == code)) for code in np.unique(codes)
    ]


def _rows(table: LifeTable, rows: Mask) -> LifeTable:
    return replace(
        table, arm=table.arm[rows], time=table.time[rows], events=table.events[rows],
        censored=table.censored[rows], stratum=None,
    )  # fmt: skip


def _followed(table: LifeTable, arm: int) -> bool:
    return bool((table.events + table.censored)[table.arm == arm].sum() > 0)


def _log_rank_sums(table: LifeTable, arm: int, versus: int) -> tuple[float, float, float]:
    """Observed, expected (in ``arm``) and hypergeometric variance over one stratum."""
    rows = (table.arm == arm) | (table.arm == versus)
    time, code = np.unique(table.time[rows], return_inverse=True)
    first = table.arm[rows] == arm
    events, ended = table.events[rows], (table.events + table.censored)[rows]
    size = len(time)
    d = np.bincount(code, events, size)
    d1 = np.bincount(code, events * first, size)
    n = np.bincount(code, ended, size)[::-1].cumsum()[::-1]
    n1 = np.bincount(code, ended * first, size)[::-1].cumsum()[::-1]
    share = np.divide(n1, n, out=np.zeros(size), where=n > 0)
    spare = np.divide(n - d, n - 1, out=np.zeros(size), where=n > 1)
    return float(d1.sum()), float((d * share).sum()), float((d * share * (1 - share) * spare).sum())
