"""Looking early at declared times: group-sequential bounds and what they cost.

The error rate is spent by the information actually in (Lan and DeMets 1983), so a bound depends
only on the looks up to its own: late data, an extra or a missed look never change the bounds
already used. Bounds are two-sided and symmetric unless said otherwise. How to read a result under
them is in :mod:`analysis.frequentist.looks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from analysis.frequentist.spending import OBRIEN_FLEMING, Spending
from analysis.frequentist.walk import Walk, crossing, start

HIGHEST = 38.0
"""|Z| beyond which no double-precision probability is left: such a bound is never crossed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look: its share of the planned information and what stops the trial there.

    ``efficacy`` bounds |Z| (Z when one-sided), infinite where nothing may be spent yet;
    ``futility`` bounds Z in the direction of benefit from below, or ``None``; ``nominal_p`` is the
    p-value that would just reach the bound; ``spent`` the error used up to and with this look.
    """

    fraction: float
    efficacy: float
    futility: float | None
    nominal_p: float
    spent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inflation:
    """What looking early costs in units, and saves.

    ``factor``: maximum sample size relative to a trial without looks; ``expected_null`` and
    ``expected_effect``: average size relative to it with no effect and with the planned one;
    ``drift``: mean of Z at full information under the planned effect.
    """

    factor: float
    expected_null: float
    expected_effect: float
    drift: float


def boundaries(
    fractions: Sequence[float],
    *,
    alpha: float = 0.05,
    sides: int = 2,
    spending: Spending = OBRIEN_FLEMING,
    final: bool = True,
    timing: Sequence[float] | None = None,
) -> tuple[Look, ...]:
    """The efficacy bounds at looks with these shares of the planned information.

    Args:
        fractions: actual information at each look over that planned, increasing.
        alpha: the trial's error rate, both sides together when ``sides`` is 2.
        sides: 1 or 2.
        spending: how it is spent.
        final: whether the last look ends the trial and so uses all that is left, whatever share
            of the information has come in.
        timing: the share of the plan's time at each look, where the error is spent by that rather
            than by the information (Lan and DeMets 1989); only ratios of ``fractions`` matter then.

    Raises:
        ValueError: the shares do not increase, or alpha is out of range.
    """
    if not 0 < alpha < 0.5 * sides:
        raise ValueError("alpha must lie between 0 and 0.5 a side")
    walk, looks, used = start(fractions), [], 0.0
    for k, t in enumerate(fractions):
        last = final and k == len(fractions) - 1
        when = t if timing is None else timing[k]
        due = alpha / sides if last else spending.spent(when, alpha / sides)
        bound = _bound(walk, t, due - used, sides)
        used = max(used, due)
        looks.append(
            Look(
                fraction=float(t),
                efficacy=bound,
                futility=None,
                nominal_p=float(sides * special.ndtr(-bound)),
                spent=sides * used,
            )
        )
        walk = walk.onward(t, -bound if sides == 2 else -np.inf, bound)
    return tuple(looks)


def wang_tsiatis(
    fractions: Sequence[float], *, shape: float, alpha: float = 0.05, sides: int = 2
) -> tuple[float, ...]:
    """Classical bounds c·t^(shape − ½): Pocock at shape ½, O'Brien–Fleming at 0 (1987)."""
    form = np.asarray(fractions, float) ** (shape - 0.5)

    def excess(c: float) -> float:
        upper = list(c * form)
        lower = [-b for b in upper] if sides == 2 else None
        return crossing(fractions, upper, lower).total - alpha

    low = float(-special.ndtri(alpha / sides) / form.max())
    c = optimize.brentq(excess, 0.5 * low, 12.0, xtol=1e-12)
    return tuple(float(b) for b in c * form)


def with_futility(
    looks: Sequence[Look], drift: float, *, beta: float, spending: Spending = OBRIEN_FLEMING
) -> tuple[Look, ...]:
    """The same looks with non-binding futility bounds that spend ``beta`` under ``drift``.

    Non-binding: the efficacy bounds do not lean on them, so going on regardless is allowed and
    costs no error. At the end of the planned information futility and efficacy meet.
    """
    walk = start([look.fraction for look in looks], drift)
    done, used = [], 0.0
    for look in looks:
        due = spending.spent(look.fraction, beta)
        bound = min(_lower(walk, look.fraction, due - used), look.efficacy)
        used = max(used, due)
        done.append(replace(look, futility=bound))
        walk = walk.onward(look.fraction, bound, look.efficacy)
    return tuple(done)


@lru_cache(maxsize=256)
def inflation(
    fractions: tuple[float, ...],
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: int = 2,
    spending: Spending = OBRIEN_FLEMING,
    futility: Spending | None = None,
) -> Inflation:
    """How many more units a plan with these looks needs than one without.

    Raises:
        ValueError: ``power`` is not above alpha and below 1.
    """
    if not alpha / sides < power < 1:
        raise ValueError("power must lie between alpha and 1")
    looks = boundaries(fractions, alpha=alpha, sides=sides, spending=spending)
    fixed = float(special.ndtri(power) - special.ndtri(alpha / sides))
    drift = _drift(looks, power, futility, fixed)
    if futility is not None:
        looks = with_futility(looks, drift, beta=1 - power, spending=futility)
    factor = (drift / fixed) ** 2
    return Inflation(
        factor=factor,
        expected_null=factor * _expected(looks, 0.0, sides),
        expected_effect=factor * _expected(looks, drift, sides),
        drift=drift,
    )


def _bound(walk: Walk, t: float, due: float, sides: int) -> float:
    """The bound that is first crossed at ``t`` with chance ``due`` a side."""

    def chance(b: float) -> float:
        both = walk.above(t, b) + (walk.below(t, -b) if sides == 2 else 0.0)
        return both / sides

    if due <= 0 or chance(HIGHEST) >= due:
        return float("inf")
    low = 0.0 if sides == 2 else -HIGHEST
    if chance(low) <= due:
        return low
    return _log_root(chance, due, low, HIGHEST)


def _lower(walk: Walk, t: float, due: float) -> float:
    """The bound from below that is first crossed at ``t`` with chance ``due``."""
    middle = walk.drift * np.sqrt(t)
    low, high = middle - HIGHEST, middle + HIGHEST
    if due <= 0:
        return float("-inf")
    if walk.below(t, high) <= due:
        return float(high)
    return -_log_root(lambda b: walk.below(t, -b), due, -high, -low)


def _log_root(chance: Callable[[float], float], due: float, low: float, high: float) -> float:
    """Where a falling ``chance`` equals ``due``, found on the log scale."""
    floor = 1e-320

    def gap(b: float) -> float:
        return float(np.log(max(chance(b), floor)) - np.log(due))

    return float(optimize.brentq(gap, low, high, xtol=1e-12, rtol=1e-14))


def _drift(looks: Sequence[Look], power: float, futility: Spending | None, fixed: float) -> float:
    """The drift at which the looks reach ``power`` in the direction of benefit."""
    fractions, upper = [x.fraction for x in looks], [x.efficacy for x in looks]

    def gap(drift: float) -> float:
        if futility is None:
            return sum(crossing(fractions, upper, drift=drift).upper) - power
        met = with_futility(looks, drift, beta=1 - power, spending=futility)
        floor = [x.futility if x.futility is not None else -np.inf for x in met]
        return sum(crossing(fractions, upper, floor, drift=drift).upper) - power

    return float(optimize.brentq(gap, 0.9 * fixed, 2.5 * fixed, xtol=1e-9))


def _expected(looks: Sequence[Look], drift: float, sides: int) -> float:
    """Average share of the planned information used when the bounds are kept."""
    fractions, upper = [x.fraction for x in looks], [x.efficacy for x in looks]
    floor = [
        look.futility if look.futility is not None else -look.efficacy if sides == 2 else -np.inf
        for look in looks
    ]
    met = crossing(fractions, upper, floor, drift=drift)
    stops = np.array(met.upper) + np.array(met.lower)
    going = 1 - stops[:-1].sum()
    return float(stops[:-1] @ np.array(fractions[:-1]) + going * fractions[-1])
