"""Individual, stratified and cluster allocation: exact shares, permuted blocks, whole clusters.

The draw, in full (a *ticket* is defined in :mod:`trials.designs.tickets`; all sorting of text is
by code point):

1. What is drawn is the unit, or the cluster where the design has clusters. Its *label of
   stratum* is its levels joined by U+001F (empty without strata).
2. **Holdout** p/q, if any: everything is put in order of (label, ticket ``holdout``). Number
   the places i = 0, 1, … across all strata and let s be the ticket ``holdout-start`` of the
   empty key as a number below q: place i is held out when ⌊((i+1)p+s)/q⌋ > ⌊(ip+s)/q⌋.
3. The rest is put in order of (label, key). Each stratum is cut into **blocks** in that order.
   Without strata: one block. With strata: block j (from 0) of stratum L has K·(m+c) places,
   where K is the sum of the weights' smallest whole-number ratio, m the smallest number with
   K·m ≥ 4 and c the ticket of PURPOSE ``block:j``, KEY L, below 3; the last block is cut to
   what is left.
4. Each block's places are **shared** among the arms in proportion to the ratio. Only a block
   whose size is not a multiple of K has places left over; see
   :func:`trials.designs.shares.shares`, with the block's label L.
5. Within each block the units are put in order of their ticket, PURPOSE ``unit`` (or
   ``cluster``), KEY the unit; the first places take the first arm, the next the second, …

Because blocks follow the order of the keys, neighbouring account numbers or UPRNs are spread
over the arms too; because the last block is cut, every arm's count in every stratum is its exact
share rounded down or up.

Sources: Zelen (1974) on stratified permuted blocks; Madow (1949) on systematic sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from trials.designs.base import HELD_OUT, JOIN, Allocation, Redraw, Roster, check, factorise
from trials.designs.shares import shares
from trials.designs.tickets import Chance, Flags, Floats, Generator, Ints, Tickets
from trials.errors import Invalid, Problem

SMALLEST_BLOCK = 4
BLOCK_SIZES = 3
"""A block's size is one of this many consecutive multiples of the ratio."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What is drawn (units or clusters), by label of stratum and key."""

    keys: list[str]
    labels: list[str]
    """The strata's labels, sorted."""
    stratum: Ints


@dataclass(frozen=True, slots=True)
class Blocked:
    """Allocation in blocks, of units or of whole clusters, within strata or not.

    ``ratio`` is the arms' weights as whole numbers; ``holdout`` the share kept out of all arms.
    """

    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    stratified: bool = False
    clustered: bool = False
    permuted: bool = False
    """Cut strata into blocks of varying size (else a stratum is one block)."""
    holdout: Fraction = Fraction(0)

    @property
    def purpose(self) -> str:
        """The PURPOSE of the tickets that order the entries within a block."""
        return "cluster" if self.clustered else "unit"

    def draw(self, roster: Roster, *, seed: int, trial: str) -> Allocation:
        """See :class:`trials.designs.base.ListDesign`."""
        check(roster, strata=self.stratified, clusters=self.clustered)
        tickets = Tickets(seed, trial)
        entries, of_unit = self._entries(roster)
        kept = np.flatnonzero(~self._held_out(entries, tickets))
        order = kept[_canonical(entries, kept)]
        sizes = np.bincount(entries.stratum[order], minlength=len(entries.labels))
        keys = [entries.keys[i] for i in order]
        codes, blocks = self._allocate(sizes, keys, entries.labels, tickets)
        arm, block, position = (np.full(len(entries.keys), HELD_OUT, np.int64) for _ in range(3))
        arm[order], block[order], position[order] = codes, blocks, np.arange(len(order))
        self._everyone_used(arm)
        return self._allocation(entries, of_unit, arm=arm, block=block, position=position)

    def redraws(self, allocation: Allocation) -> Redraw:
        """See :class:`trials.designs.base.ListDesign`."""
        drawn = np.flatnonzero(allocation.arm != HELD_OUT)
        _, first, of_unit = np.unique(
            allocation.cluster[drawn], return_index=True, return_inverse=True
        )
        stratum = allocation.stratum[drawn][first]
        order = np.lexsort((allocation.position[drawn][first], stratum))
        sizes = np.bincount(stratum)
        units, labels = range(len(order)), [""] * len(sizes)

        def redraw(rng: np.random.Generator) -> Ints:
            codes, _ = self._allocate(sizes, units, labels, Generator(rng))
            entry = np.empty_like(codes)
            entry[order] = codes
            arm = np.full(len(allocation), HELD_OUT, np.int64)
            arm[drawn] = entry[of_unit]
            return arm

        return redraw

    def redraw(self, allocation: Allocation, rng: np.random.Generator) -> Ints:
        """See :class:`trials.designs.base.ListDesign`."""
        return self.redraws(allocation)(rng)

    def probabilities(self, allocation: Allocation) -> Floats:
        """See :class:`trials.designs.base.ListDesign`."""
        share = np.asarray(self.ratio, float) / sum(self.ratio)
        return np.where(allocation.arm[:, None] == HELD_OUT, 0.0, share[None, :])

    def _entries(self, roster: Roster) -> tuple[Entries, Ints]:
        """What is drawn, and for each unit the entry it belongs to."""
        texts = [JOIN.join(levels) for levels in roster.strata or ()] if self.stratified else None
        labels, stratum = factorise(texts) if texts else ([""], np.zeros(len(roster), np.int64))
        if not self.clustered or roster.clusters is None:
            own = np.arange(len(roster), dtype=np.int64)
            return Entries(list(roster.keys), labels, stratum), own
        names, of_unit = factorise(roster.clusters)
        first = np.unique(of_unit, return_index=True)[1]
        split = np.flatnonzero(stratum != stratum[first][of_unit])
        if split.size:
            raise Invalid("the units cannot be drawn", [_split(i) for i in split.tolist()])
        return Entries(names, labels, stratum[first]), of_unit

    def _held_out(self, entries: Entries, tickets: Tickets) -> Flags:
        out = np.zeros(len(entries.keys), np.bool)
        p, q = self.holdout.numerator, self.holdout.denominator
        if p:
            order = np.lexsort((*tickets.noise("holdout", entries.keys), entries.stratum))
            start = tickets.number("holdout-start", "", q)
            steps = (np.arange(len(order) + 1) * p + start) // q
            out[order] = np.diff(steps) > 0
        return out

    def _allocate(
        self, sizes: Ints, keys: Sequence[str] | range, labels: Sequence[str], chance: Chance
    ) -> tuple[Ints, Ints]:
        """Arm and block of every entry, entries in order of stratum and key."""
        owner, places = self._blocks(sizes, labels, chance)
        named = (
            [labels[i] for i in owner.tolist()] if len(labels) > 1 else list(labels) * len(owner)
        )
        counts = shares(places, self.ratio, labels=named, arms=self.arms, chance=chance)
        block = np.repeat(np.arange(len(places)), places)
        order = np.lexsort((*chance.noise(self.purpose, keys), block))
        arm = np.empty(len(keys), np.int64)
        arm[order] = np.repeat(np.tile(np.arange(len(self.arms)), len(places)), counts.ravel())
        return arm, block

    def _blocks(self, sizes: Ints, labels: Sequence[str], chance: Chance) -> tuple[Ints, Ints]:
        """For each block, in order, its stratum and its number of places."""
        if not self.permuted:
            used = np.flatnonzero(sizes)
            return used, sizes[used]
        unit = sum(self.ratio)
        least = -(-SMALLEST_BLOCK // unit)
        used = np.flatnonzero(sizes)
        most = -(-sizes[used] // (unit * least))
        first = np.cumsum(most) - most
        owner = np.repeat(used, most)
        number = np.arange(len(owner)) - np.repeat(first, most)
        length = unit * (least + _block_choices(owner, number, labels, chance))
        start = np.cumsum(length) - length
        taken = start - np.repeat(start[first], most)
        places = np.minimum(length, sizes[owner] - taken)
        return owner[places > 0], places[places > 0]

    def _everyone_used(self, arm: Ints) -> None:
        empty = np.flatnonzero(np.bincount(arm[arm >= 0], minlength=len(self.arms)) == 0)
        if empty.size:
            remedy = "add units, raise the arm's weight or remove the arm"
            what = "cluster" if self.clustered else "unit"
            problems = [
                Problem(f"arm {self.arms[i]}", f"would be given no {what}", remedy) for i in empty
            ]
            raise Invalid("the list is too short for the arms", problems)

    def _allocation(
        self, entries: Entries, of_unit: Ints, *, arm: Ints, block: Ints, position: Ints
    ) -> Allocation:
        share = np.append(np.asarray(self.ratio, float) / sum(self.ratio), float(self.holdout))
        return Allocation(
            arm=arm[of_unit],
            stratum=entries.stratum[of_unit],
            cluster=of_unit,
            position=position[of_unit],
            probability=share[arm][of_unit],
            block=block[of_unit] if self.permuted else None,
            arms=self.arms,
            strata=tuple(
                tuple(label.split(JOIN)) if self.stratified else () for label in entries.labels
            ),
        )


def _canonical(entries: Entries, kept: Ints) -> Ints:
    """The order of ``kept`` by label of stratum and then key."""
    by_key = np.array(sorted(range(len(kept)), key=[entries.keys[i] for i in kept].__getitem__))
    return by_key[np.argsort(entries.stratum[kept][by_key], kind="stable")].astype(np.int64)


def _block_choices(owner: Ints, number: Ints, labels: Sequence[str], chance: Chance) -> Ints:
    """Which of the block sizes each block takes; tickets ``block:j`` of the stratum's label."""
    if not isinstance(chance, Tickets):
        return chance.below("block", range(len(owner)), BLOCK_SIZES)
    chosen = [
        chance.number(f"block:{j}", labels[s], BLOCK_SIZES)
        for s, j in zip(owner.tolist(), number.tolist(), strict=True)
    ]
    return np.array(chosen, np.int64)


def _split(unit: int) -> Problem:
    remedy = "units of one cluster must share every stratum; stratify by a column of the cluster"
    return Problem(f"row {unit + 1}", "differs in stratum from its cluster", remedy)
