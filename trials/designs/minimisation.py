"""Minimisation: each entry goes, most likely, where it evens out the arms on several factors.

Entries are taken one after another. For each arm the imbalance that would follow if the entry
joined it is summed over the factors (the range of the arms' counts at the entry's level, counts in
proportion to the arms' weights; the total count is a factor too). One of the arms with least
imbalance, drawn evenly among ties, is *preferred* and taken with probability 0.8 where arms have
equal weights, else another (Pocock & Simon 1975). With unequal weights the probabilities are those
of Han, Enas & McEntegart (2009), which keep the ratio on average.

In a list, entries are taken in the order of their tickets, PURPOSE ``minimise``; the entry's own
chance is the ticket ``minimise-arm``: its first 8 bytes / 2^64 draw the arm and its bytes 9 to 16
break ties. A redraw replays the whole sequence in the same order with fresh chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trials.designs.base import HELD_OUT, Allocation, Redraw, Roster, check, factorise
from trials.designs.tickets import Floats, Ints, Tickets
from trials.errors import Invalid, Problem

PREFERENCE = 0.8


@dataclass(frozen=True, slots=True)
class Minimised:
    """Minimisation over the roster's covariates, all of them taken as categories."""

    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    clustered: bool = False
    preference: float = PREFERENCE

    def draw(self, roster: Roster, *, seed: int, trial: str) -> Allocation:
        """See :class:`trials.designs.base.ListDesign`."""
        check(roster, strata=False, clusters=self.clustered)
        keys = roster.clusters if self.clustered and roster.clusters else roster.keys
        names, of_unit = factorise(keys)
        if not roster.covariates or len(names) < len(self.arms):
            says = "no factor is given" if not roster.covariates else "there are fewer than arms"
            raise Invalid("the units cannot be minimised", [Problem("units", says)])
        first = np.unique(of_unit, return_index=True)[1]
        labels, profile = _profiles(roster, first)
        tickets = Tickets(seed, trial)
        order = np.lexsort(tickets.noise("minimise", names))
        high, low = reversed([w[order] / 2.0**64 for w in tickets.noise("minimise-arm", names)])
        levels = _levels(labels)
        codes = self.sequence(levels[profile[order]], high[:, None], low[:, None])[:, 0]
        arm, position = np.empty(len(names), np.int64), np.empty(len(names), np.int64)
        arm[order], position[order] = codes, np.arange(len(names))
        share = np.asarray(self.ratio, float) / sum(self.ratio)
        return Allocation(
            arm=arm[of_unit],
            stratum=profile[of_unit],
            cluster=of_unit,
            position=position[of_unit],
            probability=share[arm][of_unit],
            block=None,
            arms=self.arms,
            strata=labels,
        )

    def redraws(self, allocation: Allocation) -> Redraw:
        """See :class:`trials.designs.base.ListDesign`."""

        def redraw(rng: np.random.Generator) -> Ints:
            return self.redraw(allocation, rng)

        return redraw

    def redraw(self, allocation: Allocation, rng: np.random.Generator) -> Ints:
        """See :class:`trials.designs.base.ListDesign`."""
        return np.asarray(self.redraw_many(allocation, rng, times=1)[0], np.int64)

    def redraw_many(self, allocation: Allocation, rng: np.random.Generator, *, times: int) -> Ints:
        """Many redraws at once (times × units), at hardly more than the cost of one."""
        drawn = np.flatnonzero(allocation.arm != HELD_OUT)
        _, first, of_unit = np.unique(
            allocation.cluster[drawn], return_index=True, return_inverse=True
        )
        order = np.argsort(allocation.position[drawn][first], kind="stable")
        levels = _levels(allocation.strata)[allocation.stratum[drawn][first][order]]
        shape = (len(order), times)
        entry = np.empty((len(order), times), np.int64)
        entry[order] = self.sequence(levels, rng.random(shape), rng.random(shape))
        arm = np.full((times, len(allocation)), HELD_OUT, np.int64)
        arm[:, drawn] = entry[of_unit].T
        return arm

    def probabilities(self, allocation: Allocation) -> Floats:
        """See :class:`trials.designs.base.ListDesign`: the long-run shares."""
        share = np.asarray(self.ratio, float) / sum(self.ratio)
        return np.where(allocation.arm[:, None] == HELD_OUT, 0.0, share[None, :])

    def sequence(self, levels: Ints, chance: Floats, ties: Floats) -> Ints:
        """Arm codes of entries taken in order, for several replays side by side.

        Args:
            levels: entries × factors, each factor's levels numbered apart from the others'.
            chance: entries × replays, uniform; draws the arm.
            ties: entries × replays, uniform; chooses among arms that are as good.
        """
        replays, k = chance.shape[1], len(self.arms)
        factors = np.column_stack([np.zeros(len(levels), np.int64), levels + 1])
        counts = np.zeros((replays, int(factors.max()) + 1, k))
        steps = 1.0 / np.asarray(self.ratio, float)
        table = self._chances().cumsum(axis=1)
        rows, arms = np.arange(replays), np.empty((len(levels), replays), np.int64)
        for i, at in enumerate(factors):
            best = _preferred(counts[:, at, :], steps, ties[i])
            code = np.minimum((chance[i][:, None] >= table[best]).sum(axis=1), k - 1)
            counts[rows[:, None], at[None, :], code[:, None]] += steps[code][:, None]
            arms[i] = code
        return arms

    def _chances(self) -> Floats:
        """The probability of each arm (columns) when each arm (rows) is preferred."""
        share = np.asarray(self.ratio, float)
        least = int(np.argmin(share))
        slack = (1 - self.preference) / (share.sum() - share[least])
        table = np.outer(np.full(len(share), slack), share)
        np.fill_diagonal(table, 1 - slack * (share.sum() - share))
        return table


def _preferred(counts: Floats, steps: Floats, ties: Floats) -> Ints:
    """The arm with least imbalance in each replay, ties drawn evenly.

    ``counts`` is replays × factors × arms, each divided by the arm's weight.
    """
    k = counts.shape[2]
    score = np.empty((counts.shape[0], k))
    for arm in range(k):
        joined = counts.copy()
        joined[:, :, arm] += steps[arm]
        score[:, arm] = np.ptp(joined, axis=2).sum(axis=1)
    best = score <= score.min(axis=1, keepdims=True) + 1e-9
    pick = np.floor(ties * best.sum(axis=1)).astype(np.int64)
    return np.asarray(np.argmax(best.cumsum(axis=1) > pick[:, None], axis=1), np.int64)


def _profiles(roster: Roster, first: Ints) -> tuple[tuple[tuple[str, ...], ...], Ints]:
    """The distinct combinations of levels, sorted, and each entry's."""
    columns = [[str(values[i]) for i in first.tolist()] for values in roster.covariates.values()]
    profiles = list(zip(*columns, strict=True))
    labels = sorted(set(profiles))
    index = {label: code for code, label in enumerate(labels)}
    return tuple(labels), np.array([index[p] for p in profiles], np.int64)


def _levels(labels: Sequence[tuple[str, ...]]) -> Ints:
    """For each profile the number of its level in every factor, numbered across factors."""
    numbers: dict[tuple[int, str], int] = {}
    coded = [
        [numbers.setdefault((f, level), len(numbers)) for f, level in enumerate(label)]
        for label in labels
    ]
    return np.array(coded, np.int64)
