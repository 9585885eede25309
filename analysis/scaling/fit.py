"""Working backwards: the staffing that meets a target, and the line behind what was observed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import optimize

from analysis.scaling.erlang import Steady, steady
from trials.errors import Invalid, Problem

# Mean patience is looked for between these multiples of the handling time.
_PATIENCE_RANGE = (1e-4, 1e4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A line that reproduces an observed wait and abandonment; ``patience`` is in seconds."""

    agents: float
    patience: float


def agents_for(wait: Callable[[float], float], target: float, *, start: float) -> float:
    """The fewest agents (with a fraction) whose ``wait`` in seconds is at most ``target``.

    ``wait`` must fall as agents are added; ``start`` is where to begin looking. Between integers
    the wait is the straight line, so the answer solves it exactly; from an infinite wait the next
    integer is returned. One agent is the least anybody can roster.
    """
    low, high = _bracket(lambda n: wait(float(n)) <= target, max(1, math.ceil(start)))
    if low == 0:
        return 1.0
    if math.isinf(wait(float(low))) or wait(float(high)) == target:
        return float(high)
    return float(optimize.brentq(lambda n: wait(n) - target, low, high, xtol=1e-9))


def _bracket(enough: Callable[[int], bool], start: int) -> tuple[int, int]:
    """Neighbouring integers, the lower not ``enough`` (or 0) and the upper ``enough``."""
    step, high = 1, start
    while not enough(high):
        high, step = high + step, step * 2
    low, step = high - 1, 1
    while low > 0 and enough(low):
        high, low, step = low, max(0, low - step), step * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return low, high


def fit(load: float, *, aht: float, wait: float, abandoned: float) -> Fitted:
    """The line that shows these figures: its agents and its callers' mean patience.

    ``wait`` is the mean wait of answered calls in seconds and ``abandoned`` the share that hangs
    up, both at this ``load`` in Erlang A. For each patience one staffing gives the abandonment;
    of these the one with the right wait is found. Raises :class:`~trials.errors.Invalid` where
    no line gives both.
    """

    def staffing(patience: float) -> float:
        return _agents_losing(load, abandoned, aht=aht, patience=patience)

    def gap(log_patience: float) -> float:
        patience = math.exp(log_patience)
        at = steady(load, staffing(patience), aht=aht, patience=patience)
        return at.wait_answered - wait

    low, high = (math.log(aht * edge) for edge in _PATIENCE_RANGE)
    try:
        low, high = _narrow(gap, low, high, first=math.log(wait / abandoned))
        patience = math.exp(optimize.brentq(gap, low, high, xtol=1e-10))
    except ValueError:
        raise _unreachable(wait, abandoned) from None
    return Fitted(agents=staffing(patience), patience=patience)


def _narrow(
    gap: Callable[[float], float], low: float, high: float, *, first: float
) -> tuple[float, float]:
    """A bracket near ``first``: patience is close to wait over abandonment (P_ab = E[W] / τ)."""
    step, centre = 0.2, min(max(first, low), high)
    left = right = centre
    while gap(left) > 0:
        if left <= low:
            raise ValueError("no patience is short enough")
        left, step = max(low, left - step), step * 2
    while gap(right) < 0:
        if right >= high:
            raise ValueError("no patience is long enough")
        right, step = min(high, right + step), step * 2
    return left, right


def _agents_losing(load: float, abandoned: float, *, aht: float, patience: float) -> float:
    """The staffing at which exactly the share ``abandoned`` hangs up."""

    def at(agents: int) -> Steady:
        return steady(load, agents, aht=aht, patience=patience)

    start = max(1, math.floor(load * (1 - abandoned)))
    low, high = _bracket(lambda n: at(n).abandoned <= abandoned, start)
    if low == 0:
        raise ValueError("one agent already loses fewer")
    more, fewer = at(low).abandoned, at(high).abandoned
    return low + (more - abandoned) / (more - fewer)


def _unreachable(wait: float, abandoned: float) -> Invalid:
    says = f"no line loses {abandoned:.2%} of callers and answers the rest after {wait:g} s"
    remedy = "check that both figures count the same calls"
    return Invalid("the observed figures", [Problem("wait and abandoned", says, remedy)])
