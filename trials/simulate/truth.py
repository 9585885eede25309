"""What the planted process implies, computed exactly and not by drawing.

For a chain with generator ``Q`` among its waiting states and start ``p``, the expected time in
each state up to ``W`` is ``p Q^-1 (exp(QW) - I)``; times the rate at which the state ends it is the
expected number of contacts that arise from it. Stopping the chain at the first contact that
matches turns the same sum into the probability that there is one (Kemeny & Snell 1976, chapter 3;
Norris 1997, section 3.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from scipy import linalg

from trials.definition.model import Metric
from trials.simulate import calibration as known
from trials.simulate.arrays import Floats
from trials.simulate.process import AGAIN, BOOKED, FURTHER, NEED, Process

Match = Floats
"""Weights by line (own, other), channel and fate (failed, handled): how surely a contact counts."""

_STATES = ((NEED, 0), (AGAIN, 0), (AGAIN, 1), (FURTHER, 0), (FURTHER, 1), (BOOKED, 0))
"""The waiting states: what is waited for, and on which line (0 own, 1 another)."""


@dataclass(frozen=True)
class Chain:
    """One of a unit's two chains. In the index chain all contacts are calls and needs end."""

    process: Process
    index_chain: bool

    @property
    def _again(self) -> float:
        return 0.0 if self.index_chain else self.process.again

    @cached_property
    def _contacts(self) -> Floats:
        """Probability of each contact (line, channel, fate) when a state ends."""
        table = np.zeros((len(_STATES), 2, 4, 2))
        for s, (kind, line) in enumerate(_STATES):
            mix = self.process.mix(kind, index_chain=self.index_chain)
            handled = self.process.handled(kind)
            table[s, line, :, 1] = mix * handled
            table[s, line, :, 0] = mix * (1 - handled)
        return table

    def after(self, line: int, *, handled: bool, further: float | None = None) -> Floats:
        """Where a person waits after a contact on a line: the distribution over states."""
        more = (self._again if further is None else further) if handled else self.process.retry
        kind = FURTHER if handled else AGAIN
        cross = 1.0 if line else self.process.cross_line
        start = np.zeros(len(_STATES))
        start[_STATES.index((kind, 1))] = more * cross
        start[_STATES.index((kind, 0))] += more * (1 - cross)
        return start

    def _visits(self, start: Floats, stop: Match, days: float) -> Floats:
        """Expected contacts out of each state up to ``days``, the chain stopping at a match."""
        return np.asarray(start @ _visits(self, stop.tobytes(), days))

    def leading(self, stop: Match) -> Floats:
        """Where the end of a wait leads, contacts in ``stop`` ending the chain: state by state."""
        moves = np.array([
            [self.after(line, handled=bool(fate)) for fate in (0, 1)] for line in (0, 1)
        ])  # fmt: skip
        return np.asarray(np.einsum("slcf,lcf,lft->st", self._contacts, 1 - stop, moves))

    def count(self, start: Floats, match: Match, days: float) -> float:
        """The expected number of contacts that match."""
        visits = self._visits(start, np.zeros((2, 4, 2)), days)
        return float(np.einsum("s,slcf,lcf->", visits, self._contacts, match))

    def first(self, start: Floats, match: Match, stop: Match, days: float) -> float:
        """The probability that the first contact in ``stop`` also matches (``match <= stop``)."""
        visits = self._visits(start, stop, days)
        return float(np.einsum("s,slcf,lcf->", visits, self._contacts, match))


@lru_cache(maxsize=4096)
def _visits(chain: Chain, stop: bytes, days: float) -> Floats:
    """Expected contacts out of each state (column) from a start in each state (row)."""
    rates = np.array([1 / chain.process.days(kind) for kind, _ in _STATES])
    going = chain.leading(np.frombuffer(stop).reshape(2, 4, 2))
    q = rates[:, None] * (going - np.eye(len(rates)))
    return np.asarray(np.linalg.solve(q, linalg.expm(q * days) - np.eye(len(rates))) * rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What an arm plants in one kind of people, before their own multiplier.

    ``need`` is the probability of a need at multiplier 1; the index probabilities are those of
    :class:`~trials.simulate.process.Index`, ``further`` at multiplier 1.
    """

    need: float
    reaches_agent: float = 0.0
    call_back: float = 0.0
    further: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Which contacts are recorded against their unit.

    ``linked`` is the share of units with identifiers on record, ``shown`` the chance that a
    contact carries one, by channel; the index contact is always recorded.
    """

    linked: float
    shown: Floats

    @classmethod
    def everything(cls) -> Seen:
        """All contacts, as if nobody withheld a number."""
        return cls(linked=1.0, shown=np.ones(4))


@dataclass(frozen=True)
class Solver:
    """Expectations for a person of a given behaviour and multiplier."""

    process: Process
    index_channel: int | None
    days: float

    @cached_property
    def _needs(self) -> Chain:
        return Chain(self.process, index_chain=False)

    @cached_property
    def _calls(self) -> Chain:
        return Chain(self.process, index_chain=True)

    def need_for(self, contact: float) -> float:
        """The probability of a need that gives ``contact``, that of a handled contact in time."""
        handled = handled_match()
        return contact / self._needs.first(_start(NEED), handled, handled, self.days)

    def mean(self, b: Behaviour, m: float, match: Match, seen: Seen) -> float:
        """The expected number of recorded contacts that match."""
        shown = match * seen.shown[:, None]
        total = m * b.need * self._needs.count(_start(NEED), shown, self.days) * seen.linked
        if self.index_channel is None:
            return float(total)
        for probability, start, fate in self._fates(b, m):
            chain = self._calls.count(start, shown, self.days) * seen.linked
            total += probability * (float(match[0, self.index_channel, fate]) + chain)
        return float(total)

    def any(self, b: Behaviour, m: float, match: Match, seen: Seen) -> float:
        """The probability of at least one recorded contact that matches."""
        linked = self._any(b, m, match, match * seen.shown[:, None])
        unlinked = self._any(b, m, match, np.zeros_like(match))
        return seen.linked * linked + (1 - seen.linked) * unlinked

    def _any(self, b: Behaviour, m: float, match: Match, shown: Match) -> float:
        none = 1 - m * b.need * self._needs.first(_start(NEED), shown, shown, self.days)
        if self.index_channel is None:
            return 1 - none
        silent = 0.0
        for probability, start, fate in self._fates(b, m):
            later = self._calls.first(start, shown, shown, self.days)
            silent += probability * (1 - match[0, self.index_channel, fate]) * (1 - later)
        return float(1 - none * silent)

    def gross(self, b: Behaviour, m: float, seen: Seen) -> float:
        """The probability that the index contact reaches an agent.

        Where the exposure is no contact, the index contact is the first one recorded after it.
        """
        if self.index_channel is not None:
            return b.reaches_agent
        stop = np.ones((2, 4, 2)) * seen.shown[:, None]
        match = stop * handled_match()
        first = self._needs.first(_start(NEED), match, stop, self.days)
        return m * b.need * first * seen.linked

    def _fates(self, b: Behaviour, m: float) -> list[tuple[float, Floats, int]]:
        """What may become of the index contact: probability, where it leads, handled or not."""
        after = self._calls.after
        return [
            (b.reaches_agent, after(0, handled=True, further=m * b.further), 1),
            (b.call_back, _start(BOOKED), 0),
            (1 - b.reaches_agent - b.call_back, after(0, handled=False), 0),
        ]


def _start(kind: int) -> Floats:
    start = np.zeros(len(_STATES))
    start[_STATES.index((kind, 0))] = 1.0
    return start


def handled_match() -> Match:
    """Every agent-handled contact, any line and channel."""
    match = np.zeros((2, 4, 2))
    match[:, :, 1] = 1.0
    return match


def match_of(where: Mapping[str, Any], line: str) -> Match | None:
    """The contacts that a metric's filter keeps; ``None`` where it looks at more than can be known.

    Known are ``handled``, ``channel`` and whether ``line`` is the trial's own.
    """
    match = np.ones((2, 4, 2))
    for name, asked in where.items():
        values = asked if isinstance(asked, list | tuple) else [asked]
        if name == "handled":
            match *= np.array([False in values, True in values])
        elif name == "channel":
            match *= np.array([c in values for c in known.CHANNELS])[:, None]
        elif name == "line" and values == [line]:
            match *= np.array([1.0, 0.0])[:, None, None]
        else:
            return None
    return match


def averaged(value: Callable[[float], float], moments: tuple[float, float]) -> float:
    """The mean of a quadratic of the multiplier, from the multiplier's first two moments.

    Every expectation here is at most quadratic in it: a unit has two chains, each linear.
    """
    v0, v1, v2 = value(0.0), value(0.5), value(1.0)
    curve = 2 * v0 - 4 * v1 + 2 * v2
    slope = v2 - v0 - curve
    return v0 + slope * moments[0] + curve * moments[1]


def expected(metric: Metric, line: str) -> tuple[Literal["mean", "any"], Match] | None:
    """How a metric over contacts is computed; ``None`` where no closed form is known."""
    if metric.source != "contacts" or metric.kind not in {"proportion", "count"}:
        return None
    match = match_of(metric.where, line)
    if match is None:
        return None
    return ("any" if metric.kind == "proportion" else "mean"), match
