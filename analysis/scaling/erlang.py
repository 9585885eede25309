"""Long-run behaviour of one telephone line: Erlang B, Erlang C and Erlang A.

Callers arrive at random (Poisson), handling times and patience are exponential, and ``agents``
answer in order of arrival. Erlang C lets everybody wait for ever; Erlang A (M/M/n+M: Palm 1957;
Garnett, Mandelbaum & Reiman 2002) lets each caller hang up after a random patience. Everything is
computed from ratios of neighbouring state probabilities summed as logarithms inside a window
around their mode, so that 5,000 agents and 100,000 calls an hour neither overflow nor take long.

Times are in seconds; ``load`` is the offered load in erlangs (calls a second times handling time).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from analysis.tables import Floats

# Half-width of the window of states, in standard deviations: exp(-12**2 / 2) is below 1e-31.
_WIDTH = 12.0
_MARGIN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """What callers meet in the long run.

    ``wait_answered`` is the mean wait of answered calls (the average speed of answer) and
    ``wait_all`` that of everyone, hang-ups included, both in seconds and infinite where the queue
    grows without bound; ``abandoned``, ``delayed`` (anyone who waits at all), ``occupancy`` and
    ``service_level`` (answered within the threshold, of all offered) are fractions.
    """

    wait_answered: float
    wait_all: float
    abandoned: float
    delayed: float
    occupancy: float
    service_level: float

    def between(self, other: Steady, share: float) -> Steady:
        """The straight line from here (``share`` 0) to ``other`` (``share`` 1)."""
        names = ("wait_answered", "wait_all", "abandoned", "delayed", "occupancy", "service_level")
        mixed = {n: (1 - share) * getattr(self, n) + share * getattr(other, n) for n in names}
        return Steady(**mixed)


def erlang_b(load: float, agents: int) -> float:
    """The share of calls that find every one of ``agents`` busy when nobody may wait.

    Erlang (1917); equal to the recursion ``B(k) = a B(k-1) / (k + a B(k-1))``.
    """
    _check(load, agents)
    weights = _below(load, agents, _floor_of(load, agents))
    return float(weights[-1] / weights.sum())


def erlang_c(load: float, agents: int) -> float:
    """The share of calls that wait when everybody waits; 1 where ``agents`` ≤ ``load``."""
    blocked = erlang_b(load, agents)
    if agents <= load:
        return 1.0
    return blocked / (1 - load / agents * (1 - blocked))


def steady(
    load: float, agents: float, *, aht: float, patience: float | None, within: float = 0.0
) -> Steady:
    """The long run of a line with ``agents`` (a fraction is a straight line between integers).

    ``patience`` is its mean in seconds, ``None`` for callers who never hang up (Erlang C);
    ``within`` is the threshold of the service level. Raises ``ValueError`` for fewer than one
    agent, a negative load, or times that are not positive.
    """
    if not (aht > 0 and (patience is None or patience > 0) and within >= 0):
        raise ValueError("handling time and patience must be positive, the threshold not negative")
    whole = math.floor(agents)
    _check(load, whole)
    ratio = None if patience is None else patience / aht
    lower = _solve(load, whole, ratio, aht, within)
    if whole == agents:
        return lower
    return lower.between(_solve(load, whole + 1, ratio, aht, within), agents - whole)


def _check(load: float, agents: int) -> None:
    if not (math.isfinite(load) and load >= 0):
        raise ValueError("the offered load must be a number of at least 0 erlangs")
    if agents < 1:
        raise ValueError("at least one agent is needed")


@lru_cache(maxsize=8192)
def _solve(load: float, agents: int, ratio: float | None, aht: float, within: float) -> Steady:
    if load == 0:
        return Steady(
            wait_answered=0, wait_all=0, abandoned=0, delayed=0, occupancy=0, service_level=1
        )
    if ratio is None:
        return _patient(load, agents, aht, within)
    return _impatient(load, agents, ratio, aht, within)


def _patient(load: float, agents: int, aht: float, within: float) -> Steady:
    """Erlang C: mean wait ``C h / (n - a)``, service level ``1 - C exp(-(n - a) t / h)``."""
    waits = erlang_c(load, agents)
    spare = agents - load
    wait = waits * aht / spare if spare > 0 else math.inf
    served_soon = 1 - waits * math.exp(-spare * within / aht) if spare > 0 else 0.0
    return Steady(
        wait_answered=wait,
        wait_all=wait,
        abandoned=0.0,
        delayed=waits,
        occupancy=min(load / agents, 1.0),
        service_level=served_soon,
    )


def _impatient(load: float, agents: int, ratio: float, aht: float, within: float) -> Steady:
    """Erlang A, in units of the handling time; ``ratio`` is patience over handling time.

    Someone who joins as the k-th in the queue is served with probability ``n / (n + k/ratio)``
    and, if served, has waited a sum of exponentials with rates ``n + i/ratio``, i = 1…k.
    """
    first, p = _states(load, agents, ratio)
    queue_from = max(first, agents)
    waiting = p[queue_from - first :]
    k = np.arange(queue_from - agents + 1, queue_from - agents + 1 + len(waiting), dtype=np.float64)
    length = float((waiting * (k - 1)).sum())
    served_if = agents / (agents + k / ratio)
    answered_late = waiting * served_if
    at_once = float(p[: queue_from - first].sum())
    answered = at_once + float(answered_late.sum())
    waits = _waits_if_served(k, agents, ratio)
    soon = at_once + _served_within(answered_late, k, agents=agents, ratio=ratio, t=within / aht)
    gone = min(length / ratio / load, 1.0)
    return Steady(
        wait_answered=float((answered_late * waits).sum()) / answered * aht,
        wait_all=length / load * aht,
        abandoned=gone,
        delayed=float(waiting.sum()),
        occupancy=min(load * (1 - gone) / agents, 1.0),
        service_level=min(soon, 1.0),
    )


def _waits_if_served(k: Floats, agents: int, ratio: float) -> Floats:
    """Mean wait of the k-th in the queue, given service: the sum of 1/(n + i/ratio) to k."""
    start = 0.0
    if k[0] > 1:
        skipped = np.arange(1, k[0], dtype=np.float64)
        start = float((1 / (agents + skipped / ratio)).sum())
    return np.asarray(start + np.cumsum(1 / (agents + k / ratio)), dtype=np.float64)


def _served_within(late: Floats, k: Floats, *, agents: int, ratio: float, t: float) -> float:
    """How much of ``late`` is answered within ``t`` handling times.

    A sum of exponentials with rates ``x + i`` (i = 1…k) is minus the logarithm of a
    Beta(x + 1, k) variable (Rényi's representation), hence an incomplete beta function.
    """
    if t <= 0:
        return 0.0
    heavy = late > late.max(initial=0.0) * 1e-18
    share = special.betainc(k[heavy], agents * ratio + 1, -math.expm1(-t / ratio))
    return float((late[heavy] * share).sum())


def _states(load: float, agents: int, ratio: float) -> tuple[int, Floats]:
    """The first state kept and the probabilities of it and all after it that matter."""
    spread = math.sqrt(load * ratio)
    mode = load if load < agents else agents + (load - agents) * ratio
    heavy_low = math.floor(mode - _WIDTH * spread) - _MARGIN
    first = heavy_low if heavy_low > agents else _floor_of(load, agents)
    tail = _WIDTH * spread + _MARGIN
    if load < agents:
        tail = min(tail, _MARGIN - 80 / math.log(load / agents))
    last = math.ceil(max(mode, agents) + tail)
    j = np.arange(first + 1, last + 1, dtype=np.float64)
    leave = np.minimum(j, agents) + np.maximum(j - agents, 0) / ratio
    return first, _normalised(np.log(load / leave))


def _below(load: float, agents: int, first: int) -> Floats:
    """Probabilities of the states from ``first`` to all ``agents`` busy, nobody waiting."""
    return _normalised(np.log(load / np.arange(first + 1, agents + 1, dtype=np.float64)))


def _floor_of(load: float, agents: int) -> int:
    """The lowest state worth keeping when the queue may be empty (never the last one)."""
    peak = min(load, agents)
    return min(max(0, math.floor(peak - _WIDTH * math.sqrt(peak)) - _MARGIN), agents - 1)


def _normalised(log_ratios: Floats) -> Floats:
    """Probabilities from the logs of the ratios of each state to the one before."""
    logs = np.concatenate([[0.0], np.cumsum(log_ratios)])
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum(), dtype=np.float64)
