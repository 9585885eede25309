"""Intervals and tests for proportions that stay right in small samples and at rare events.

Counts come as ``(events, units)`` pairs. None of these intervals knows of strata or clusters: they
are given beside the robust one, and in its place where an arm has no events.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import optimize, stats

from analysis.estimates import Absent, Estimate, critical, upper_tail
from analysis.tables import Grouped

Count = tuple[float, float]
_EDGE = 1e-12
_ROUNDING = 1e-15


def is_binary(table: Grouped) -> bool:
    """Whether every known outcome is zero or one, as the sums show."""
    return bool(((table.y == table.yy) & (table.y >= 0) & (table.y <= table.n)).all())


def wilson(
    events: float, units: float, *, level: float = 0.95, df: float | None = None
) -> tuple[float, float]:
    """Wilson (1927) score limits of a proportion.

    ``units`` may be an effective sample size and ``df`` then gives a t quantile in place of the
    normal one (Dean & Pagano 2015).

    Raises:
        ValueError: there are no units.
    """
    if units <= 0:
        raise ValueError("a proportion needs at least one unit")
    z = critical(level, df)
    p = events / units
    centre = p + z**2 / (2 * units)
    half = z * math.sqrt(max(p * (1 - p) / units + z**2 / (4 * units**2), 0.0))
    scale = 1 + z**2 / units
    low = 0.0 if events <= 0 else max((centre - half) / scale, 0.0)
    high = 1.0 if events >= units else min((centre + half) / scale, 1.0)
    return low, high


def newcombe(treated: Count, control: Count, *, level: float = 0.95) -> Estimate | Absent:
    """Difference of two proportions, hybrid score interval (Newcombe 1998, method 10)."""
    if lacking := _lacking(treated, control):
        return lacking
    p1, p0 = treated[0] / treated[1], control[0] / control[1]
    l1, u1 = wilson(*treated, level=level)
    l0, u0 = wilson(*control, level=level)
    return Estimate(
        estimate=p1 - p0,
        low=p1 - p0 - math.hypot(p1 - l1, u0 - p0),
        high=p1 - p0 + math.hypot(u1 - p1, p0 - l0),
        level=level,
        method="difference in proportions, Newcombe hybrid score interval",
    )


def miettinen_nurminen(
    treated: Count, control: Count, *, level: float = 0.95, corrected: bool = True
) -> Estimate | Absent:
    """Difference of two proportions, score interval (Miettinen & Nurminen 1985, eqs 8 and 9).

    ``corrected`` multiplies the variance by ``N/(N-1)``; without it the interval is Mee's (1984).
    """
    if lacking := _lacking(treated, control):
        return lacking
    value = treated[0] / treated[1] - control[0] / control[1]
    z = critical(level)

    def excess(delta: float) -> float:
        return difference_score(treated, control, delta, corrected=corrected)

    low = -1.0 if value <= -1 else _root(lambda d: excess(d) - z, -1.0, value)
    high = 1.0 if value >= 1 else _root(lambda d: excess(d) + z, value, 1.0)
    at_zero = excess(0.0)
    return Estimate(
        estimate=value, low=low, high=high, level=level, p=2 * upper_tail(abs(at_zero)),
        method="difference in proportions, Miettinen–Nurminen score interval",
    )  # fmt: skip


def difference_score(
    treated: Count, control: Count, delta: float, *, corrected: bool = True
) -> float:
    """Score statistic (standard normal) for a difference of ``delta``.

    Farrington & Manning (1990) without the correction.
    """
    (x1, n1), (x0, n0) = treated, control
    p0 = restricted_control(treated, control, delta)
    p1 = min(max(p0 + delta, 0.0), 1.0)
    variance = p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0
    if corrected:
        variance *= (n1 + n0) / (n1 + n0 - 1)
    gap = x1 / n1 - x0 / n0 - delta
    if abs(gap) < _ROUNDING:
        return 0.0
    # However small, a variance is compared with its gap: many units of none make both tiny.
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap)


def restricted_control(treated: Count, control: Count, delta: float) -> float:
    """Maximum likelihood estimate of the control proportion when the difference is ``delta``.

    The root of the cubic of Miettinen & Nurminen (1985), appendix 1, in closed form.
    """
    (x1, n1), (x0, n0) = treated, control
    total = n1 + n0
    if x1 + x0 in (0, total):  # At an edge, where rounding would cost the root half its digits.
        return max(0.0, -delta) if x1 + x0 == 0 else min(1.0, 1.0 - delta)
    l3 = total
    l2 = (n1 + 2 * n0) * delta - total - (x1 + x0)
    l1 = (n0 * delta - total - 2 * x0) * delta + x1 + x0
    l0 = x0 * delta * (1 - delta)
    q = l2**3 / (3 * l3) ** 3 - l1 * l2 / (6 * l3**2) + l0 / (2 * l3)
    inside = l2**2 / (3 * l3) ** 2 - l1 / (3 * l3)
    p = math.copysign(math.sqrt(max(inside, 0.0)), q)
    cosine = q / p**3 if abs(p) > _EDGE else 0.0
    angle = (math.pi + math.acos(min(max(cosine, -1.0), 1.0))) / 3
    root = 2 * p * math.cos(angle) - l2 / (3 * l3)
    return float(np.clip(root, max(0.0, -delta), min(1.0, 1.0 - delta)))


def koopman(treated: Count, control: Count, *, level: float = 0.95) -> Estimate | Absent:
    """Ratio of two proportions, score interval (Koopman 1984).

    The upper limit is infinite where the control has no event but the other arm has.
    """
    if lacking := _lacking(treated, control):
        return lacking
    (x1, n1), (x0, n0) = treated, control
    if x1 <= 0 and x0 <= 0:
        return Absent("no-events", "Neither arm has an event, so there is no ratio.")
    if x0 <= 0:
        return Absent("control-mean-zero", "The control has no event, so there is no ratio.")
    value = (x1 / n1) / (x0 / n0)
    limit = critical(level) ** 2

    def excess(log_ratio: float) -> float:
        return ratio_score(treated, control, math.exp(log_ratio)) - limit

    centre = math.log(value) if value > 0 else -_reach(lambda r: excess(-r), 0.0)
    low = 0.0 if value <= 0 else math.exp(-_edge(lambda r: excess(-r), -centre))
    high = math.exp(_edge(excess, centre))
    return Estimate(
        estimate=value, low=low, high=high, level=level,
        p=float(stats.chi2.sf(ratio_score(treated, control, 1.0), 1)),
        method="ratio of proportions, Koopman score interval",
    )  # fmt: skip


def ratio_score(treated: Count, control: Count, ratio: float) -> float:
    """Squared score statistic (chi-squared, 1 df) for a ratio of proportions (Koopman 1984)."""
    (x1, n1), (x0, n0) = treated, control
    total = n1 + n0
    b = n1 * ratio + x1 + n0 + x0 * ratio
    product = 4 * total * ratio * (x1 + x0)
    # The smaller root of  total·ratio·p0² − b·p0 + (x1 + x0) = 0, in the form that cancels least.
    p0 = 2 * (x1 + x0) / (b + math.sqrt(max(b**2 - product, 0.0)))
    p1 = min(p0 * ratio, 1.0)
    p0 = min(p0, 1.0)
    return _chi(x1, n1, p1) + _chi(x0, n0, p0)


def katz(treated: Count, control: Count, *, level: float = 0.95) -> Estimate | Absent:
    """Ratio of two proportions, log interval (Katz et al. 1978); needs an event in both arms."""
    if lacking := _lacking(treated, control):
        return lacking
    (x1, n1), (x0, n0) = treated, control
    if x1 <= 0 or x0 <= 0:
        return Absent("no-events", "An arm has no event, so the log of its proportion is unknown.")
    se = math.sqrt(max(1 / x1 - 1 / n1 + 1 / x0 - 1 / n0, 0.0))
    if se == 0:
        return Absent("no-variation", "Everybody in both arms had the event.")
    return Estimate.from_t(
        math.log((x1 / n1) / (x0 / n0)), se, df=None, level=level,
        method="ratio of proportions, Katz log interval",
    ).exponentiated()  # fmt: skip


def exact_p(
    treated: Count,
    control: Count,
    *,
    test: Literal["barnard", "boschloo", "fisher"] = "boschloo",
) -> float | Absent:
    """Two-sided exact p-value for two proportions; a test only, it has no matching interval here.

    Barnard (1945), Boschloo (1970) or Fisher (1935), from SciPy. The first two condition on the
    arms' sizes alone and are slow above some thousand units, where Fisher's is used.
    """
    if lacking := _lacking(treated, control):
        return lacking
    (x1, n1), (x0, n0) = treated, control
    table = np.array([[x1, x0], [n1 - x1, n0 - x0]]).round().astype(int)
    if not table.any(axis=1).all():
        return 1.0
    if test == "fisher" or n1 + n0 > 1000:
        return float(stats.fisher_exact(table).pvalue)
    exact = stats.barnard_exact if test == "barnard" else stats.boschloo_exact
    return min(float(exact(table).pvalue), 1.0)


def needs_exact(treated: Count, control: Count) -> bool:
    """Whether some cell of the two-by-two table is expected to hold fewer than five units."""
    (x1, n1), (x0, n0) = treated, control
    share = (x1 + x0) / (n1 + n0)
    return min(n1, n0) * min(share, 1 - share) < 5


def _chi(x: float, n: float, p: float) -> float:
    gap = x - n * p
    if abs(gap) < _EDGE * max(1.0, n):
        return 0.0
    spread = n * p * (1 - p)
    return gap**2 / spread if spread > 0 else math.inf


def _lacking(treated: Count, control: Count) -> Absent | None:
    if treated[1] > 0 and control[1] > 0:
        return None
    return Absent("empty-arm", "An arm has nobody with a known outcome.")


def _root(f: Callable[[float], float], low: float, high: float) -> float:
    """The root of a decreasing function in an interval; an end where it does not cross."""
    low, high = low + _EDGE, high - _EDGE
    if f(low) <= 0:
        return low - _EDGE
    if f(high) >= 0:
        return high + _EDGE
    return float(optimize.brentq(f, low, high, xtol=1e-13, rtol=1e-13))


def _reach(f: Callable[[float], float], start: float) -> float:
    """A point at or above ``start`` where ``f`` is below zero, stepping outwards from it."""
    for step in np.linspace(0, 60, 241):
        if f(start + step) < 0:
            return float(start + step)
    return start + 60.0


def _edge(f: Callable[[float], float], centre: float) -> float:
    """Where ``f``, negative at ``centre``, turns positive above it."""
    step = 0.5
    while f(centre + step) < 0:
        step *= 2
        if step > 600:
            return math.inf
    return float(optimize.brentq(f, centre, centre + step, xtol=1e-13, rtol=1e-13))
