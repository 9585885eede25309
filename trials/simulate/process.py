"""How one person's contacts follow one another, as a small continuous-time Markov chain.

Waiting for something is a state with an exponential delay; when it ends the person makes contact,
and what becomes of that contact decides the next state:

* ``NEED``: something will come up after the message, with the unit's own probability;
* ``AGAIN``: a call was not answered; the person rings back, with probability ``retry``;
* ``FURTHER``: a contact was handled, and another need follows;
* ``BOOKED``: the council rings back, soon and surely.

There are two chains a unit. One starts with the exposure where that is a contact (``index``), one
with a need; what follows an index contact never depends on the needs of the other. The same
description is drawn from here and solved exactly in :mod:`trials.simulate.truth`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trials.simulate import calibration as known
from trials.simulate.arrays import Floats, Ints, Mask
from trials.simulate.rehearsal import Baseline

NEED, AGAIN, FURTHER, BOOKED, INDEX = range(5)
"""What a contact arises from."""
PHONE, WEBCHAT, EMAIL, FORM = range(4)
"""Positions in :data:`trials.simulate.calibration.CHANNELS`."""

BOOKED_DAYS = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The arm-independent part. Probabilities unless the name says days.

    ``channels`` are the shares of phone, webchat, email and form among contacts that do not follow
    a failed call; after a webchat that was the index contact, every further contact is a call.
    """

    answered: float
    retry: float
    retry_days: float
    need_days: float
    again: float
    again_days: float
    cross_line: float
    channels: tuple[float, ...]

    @classmethod
    def of(cls, baseline: Baseline) -> Process:
        """The process that a rehearsal's baseline describes."""
        within = -math.expm1(-known.RETURN_WINDOW / baseline.return_days)
        shares = np.array([getattr(baseline.channels, c) for c in known.CHANNELS])
        return cls(
            answered=baseline.answered, retry=min(baseline.returns / within, 1.0),
            retry_days=baseline.return_days, need_days=baseline.need_days, again=baseline.again,
            again_days=baseline.again_days, cross_line=baseline.cross_line,
            channels=tuple(shares / shares.sum()),
        )  # fmt: skip

    def mix(self, kind: int, *, index_chain: bool) -> Floats:
        """The channels of a contact that arises from a state."""
        if kind in (AGAIN, BOOKED) or index_chain:
            return np.array([1.0, 0.0, 0.0, 0.0])
        return np.array(self.channels)

    def handled(self, kind: int) -> Floats:
        """How likely a contact is to be handled, by channel: only calls can fail."""
        return np.array([1.0 if kind == BOOKED else self.answered, 1.0, 1.0, 1.0])

    def days(self, kind: int) -> float:
        """The mean delay before a contact that arises from a state."""
        return (self.need_days, self.retry_days, self.again_days, BOOKED_DAYS)[kind]


@dataclass(frozen=True, slots=True)
class Index:
    """The index contact of each unit, where the exposure is a contact.

    ``reaches_agent`` and ``call_back`` are what becomes of it (the rest fail), ``further`` the
    probability of another need once it was handled.
    """

    channel: int
    reaches_agent: Floats
    call_back: Floats
    further: Floats


@dataclass(frozen=True, slots=True)
class Attempts:
    """Contacts made: one entry each. ``day`` is since the exposure, ``own`` the trial's line."""

    unit: Ints
    day: Floats
    kind: Ints
    channel: Ints
    own: Mask
    handled: Mask
    booked: Mask

    def __len__(self) -> int:
        return len(self.unit)

    @classmethod
    def joined(cls, parts: list[Attempts]) -> Attempts:
        """Several as one."""
        return cls(*(np.concatenate([getattr(p, f) for p in parts]) for f in cls.__slots__))


@dataclass(frozen=True, slots=True)
class _Waiting:
    """People between two contacts: what they wait for, since when, on which line and chain."""

    unit: Ints
    day: Floats
    kind: Ints
    own: Mask
    index_chain: Mask

    def where(self, rows: Mask) -> _Waiting:
        return _Waiting(*(getattr(self, f)[rows] for f in self.__slots__))


def draw(
    process: Process, need: Floats, index: Index | None, *, horizon: float,
    rng: np.random.Generator,
) -> Attempts:  # fmt: skip
    """The contacts of ``len(need)`` units within ``horizon`` days of their exposure.

    ``need`` is each unit's probability that something comes up after the message.
    """
    done, waiting = _begin(process, need, index, rng)
    while len(waiting.unit):
        delay = np.array([process.days(k) for k in (NEED, AGAIN, FURTHER, BOOKED)])[waiting.kind]
        day = waiting.day + delay * rng.standard_exponential(len(waiting.unit))
        soon = day <= horizon
        waiting = waiting.where(soon)
        made = _contacts(process, waiting, day[soon], rng)
        done.append(made)
        waiting = _next(process, made, waiting.index_chain, rng)
    return Attempts.joined(done)


def _begin(
    process: Process, need: Floats, index: Index | None, rng: np.random.Generator
) -> tuple[list[Attempts], _Waiting]:
    """The index contacts, and who waits for what at the start."""
    needing = np.flatnonzero(rng.random(len(need)) < need)
    first = _waiting(needing, NEED, index_chain=False)
    if index is None:
        return [], first
    n = len(need)
    u = rng.random(n)
    handled = u < index.reaches_agent
    booked = ~handled & (u < index.reaches_agent + index.call_back)
    made = Attempts(
        np.arange(n), np.zeros(n), np.full(n, INDEX), np.full(n, index.channel),
        np.ones(n, dtype=bool), handled, booked,
    )  # fmt: skip
    further = _next(process, made, np.ones(n, dtype=bool), rng, further=index.further)
    parts = [first, further]
    return [made], _Waiting(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in _Waiting.__slots__)
    )


def _waiting(unit: Ints, kind: int, *, index_chain: bool) -> _Waiting:
    n = len(unit)
    return _Waiting(
        unit, np.zeros(n), np.full(n, kind), np.ones(n, dtype=bool), np.full(n, index_chain)
    )


def _contacts(
    process: Process, waiting: _Waiting, day: Floats, rng: np.random.Generator
) -> Attempts:
    n = len(day)
    calls = waiting.index_chain | (waiting.kind == AGAIN) | (waiting.kind == BOOKED)
    drawn = np.searchsorted(np.cumsum(process.channels)[:-1], rng.random(n), side="right")
    channel = np.where(calls, PHONE, drawn)
    sure = (channel != PHONE) | (waiting.kind == BOOKED)
    handled = sure | (rng.random(n) < process.answered)
    return Attempts(
        waiting.unit, day, waiting.kind, channel, waiting.own, handled, np.zeros(n, dtype=bool)
    )


def _next(
    process: Process, made: Attempts, index_chain: Mask, rng: np.random.Generator,
    *, further: Floats | None = None,
) -> _Waiting:  # fmt: skip
    """Who waits for what after these contacts. Needs do not recur in the index chain."""
    n = len(made)
    again = np.where(index_chain, 0.0, process.again) if further is None else further
    u = rng.random(n)
    more = made.handled & (u < again)
    back = ~made.handled & ~made.booked & (u < process.retry)
    go = more | back | made.booked
    kind = np.where(made.handled, FURTHER, np.where(made.booked, BOOKED, AGAIN))
    own = made.own & (made.booked | (rng.random(n) >= process.cross_line))
    return _Waiting(made.unit, made.day, kind, own, index_chain).where(go)
