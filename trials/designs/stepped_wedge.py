"""Stepped wedge: clusters go over from the control to the new version one group after another.

The trial's time is cut into T periods. Clusters are shared as evenly as can be among T - 1
*sequences*, drawn like the arms of any other list (:mod:`trials.designs.blocks`; the sequences'
keys are ``step-1``, ``step-2`` …). Sequence s is under the control up to period s and under the new
version from period s + 1 on, so every period compares clusters that have gone over with clusters
that have not (Hussey & Hughes 2007; Hemming & Taljaard 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from trials.designs.base import Allocation, Redraw, Roster
from trials.designs.blocks import Blocked
from trials.designs.tickets import Ints
from trials.errors import Invalid, Problem

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Wedge:
    """Who goes over when. ``allocation`` holds the sequence of every cluster as its arm code."""

    clusters: tuple[str, ...]
    starts: tuple[date, ...]
    """The first day of every period."""
    ends: date
    allocation: Allocation

    @property
    def sequence(self) -> Ints:
        """The sequence of every cluster, from 0."""
        return self.allocation.arm

    def treated(self, sequence: Ints | None = None) -> Ints:
        """1 where a cluster is under the new version, else 0: clusters × periods.

        Pass the ``sequence`` of a redraw to see it under that draw.
        """
        order = self.sequence if sequence is None else sequence
        return (np.arange(len(self.starts))[None, :] > order[:, None]).astype(np.int64)

    def crosses(self, cluster: str) -> date:
        """The day ``cluster`` goes over."""
        return self.starts[int(self.sequence[self.clusters.index(cluster)]) + 1]

    def period(self, day: date) -> int | None:
        """The period ``day`` is in; None outside the trial."""
        if not self.starts[0] <= day <= self.ends:
            return None
        return sum(day >= start for start in self.starts) - 1

    def rows(self) -> list[dict[str, str]]:
        """For printing: each cluster, its sequence and the day it goes over, in that order."""
        listed = sorted(zip(self.sequence.tolist(), self.clusters, strict=True))
        return [
            {
                "cluster": cluster,
                "sequence": str(step + 1),
                "goes_over": self.starts[step + 1].isoformat(),
            }
            for step, cluster in listed
        ]


@dataclass(frozen=True, slots=True)
class SteppedWedge:
    """A wedge from ``starts`` to ``ends`` (both included) in periods of ``period`` seconds."""

    starts: date
    ends: date
    period: int
    stratified: bool = False

    def periods(self) -> tuple[date, ...]:
        """The first day of every period; a last one shorter than half is part of the one before.

        Raises:
            Invalid: the period is not whole days, or there are fewer than three periods.
        """
        if self.period % _DAY:
            says = "is not a whole number of days"
            raise Invalid("the wedge cannot be drawn", [Problem("[design] period", says)])
        first = list(self._starts())
        if len(first) > 1 and 2 * ((self.ends - first[-1]).days + 1) < self.period // _DAY:
            first.pop()
        if len(first) < 3:
            says = f"gives {len(first)} periods; a stepped wedge needs three or more"
            remedy = "shorten it, or lengthen the trial"
            raise Invalid("the wedge cannot be drawn", [Problem("[design] period", says, remedy)])
        return tuple(first)

    def draw(self, roster: Roster, *, seed: int, trial: str) -> Wedge:
        """Draw the clusters' sequences. The roster's keys are the clusters, each once.

        Raises:
            Invalid: there are fewer clusters than sequences, or the roster cannot be drawn.
        """
        starts = self.periods()
        allocation = self._blocked().draw(roster, seed=seed, trial=trial)
        return Wedge(tuple(roster.keys), starts, self.ends, allocation)

    def redraws(self, allocation: Allocation) -> Redraw:
        """A function that draws the clusters' sequences again."""
        return self._blocked().redraws(allocation)

    def redraw(self, allocation: Allocation, rng: np.random.Generator) -> Ints:
        """The clusters' sequences under a fresh draw."""
        return self.redraws(allocation)(rng)

    def _blocked(self) -> Blocked:
        steps = tuple(f"step-{i}" for i in range(1, len(self.periods())))
        return Blocked(steps, (1,) * len(steps), stratified=self.stratified)

    def _starts(self) -> Iterator[date]:
        day = self.starts
        while day <= self.ends:
            yield day
            day += timedelta(seconds=self.period)
