"""Stratified allocation of units that arrive one at a time.

The pure part: what the next arm is, given how far a stratum has got. The caller keeps the
counters and makes sure that two arrivals never take the same place.

**Permuted blocks.** Block b (from 0) of stratum L has K·(m+c) places as in
:mod:`trials.designs.blocks`, with c the ticket ``online-block:b`` of L below 3; its places 0, 1, …
are ordered by their tickets ``online-place:b:PLACE`` of L, and in that order take the first arm
until its share is used up, then the second. Every arm of every arrival is thereby settled at launch
by the seed and can be recomputed, but nobody who lacks the seed can know the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trials.designs.base import JOIN, Redraw
from trials.designs.blocks import BLOCK_SIZES, SMALLEST_BLOCK
from trials.designs.tickets import Ints, Tickets


@dataclass(frozen=True, slots=True)
class Place:
    """How far a stratum has got: places ``used`` of the ``block``. A new one starts at (0, 0)."""

    block: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True)
class PermutedBlocks:
    """Permuted blocks of varying size, within strata."""

    ratio: tuple[int, ...]
    seed: int
    trial: str

    def take(self, stratum: Sequence[str], place: Place) -> tuple[int, Place]:
        """The arm code of the next arrival in ``stratum``, and the counter to store with it."""
        arms = self.block(stratum, place.block)
        done = place.used + 1 == len(arms)
        after = Place(place.block + 1, 0) if done else Place(place.block, place.used + 1)
        return arms[place.used], after

    def number(self, stratum: Sequence[str], place: Place) -> int:
        """How many arrivals of ``stratum`` came before ``place``."""
        return place.used + sum(len(self.block(stratum, b)) for b in range(place.block))

    def arm(self, stratum: Sequence[str], number: int) -> int:
        """The arm code of arrival ``number`` (from 0) of ``stratum``."""
        block = 0
        while number >= (length := len(self.block(stratum, block))):
            number, block = number - length, block + 1
        return self.block(stratum, block)[number]

    def block(self, stratum: Sequence[str], number: int) -> tuple[int, ...]:
        """The arm codes of one block, in order of arrival."""
        return _block(self.ratio, self.seed, self.trial, JOIN.join(stratum), number)

    def redraws(self, stratum: Ints, number: Ints) -> Redraw:
        """A function that draws again the arms of arrivals ``number`` (from 0) of each stratum."""
        whole, least = np.array(self.ratio), -(-SMALLEST_BLOCK // sum(self.ratio))
        met = [np.flatnonzero(stratum == code) for code in np.unique(stratum)]

        def redraw(rng: np.random.Generator) -> Ints:
            arm = np.empty(len(number), np.int64)
            for rows in met:
                most = -(-(int(number[rows].max()) + 1) // (least * sum(self.ratio)))
                times = least + rng.integers(0, BLOCK_SIZES, most)
                shares = times[:, None] * whole
                arms = np.repeat(np.tile(np.arange(len(whole)), most), shares.ravel())
                block = np.repeat(np.arange(most), shares.sum(axis=1))
                arm[rows] = arms[np.lexsort((rng.random(len(arms)), block))][number[rows]]
            return arm

        return redraw


@lru_cache(maxsize=4096)
def _block(
    ratio: tuple[int, ...], seed: int, trial: str, label: str, number: int
) -> tuple[int, ...]:
    tickets, unit = Tickets(seed, trial), sum(ratio)
    times = -(-SMALLEST_BLOCK // unit)
    times += tickets.number(f"online-block:{number}", label, BLOCK_SIZES)
    arms = [code for code, share in enumerate(ratio) for _ in range(share * times)]
    purpose = f"online-place:{number}"
    order = sorted(range(len(arms)), key=lambda p: tickets.digest(f"{purpose}:{p}", label))
    places = dict(zip(order, arms, strict=True))
    return tuple(places[p] for p in range(len(arms)))
