"""The same trial drawn again and again, in memory: what claims about repeated draws rest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trials.simulate import people, planted, run
from trials.simulate.arrays import Floats, Ints, Mask
from trials.simulate.hours import DAY, day_number, day_numbers
from trials.simulate.log import ON_RECORD, Log
from trials.simulate.people import People
from trials.simulate.rehearsal import Rehearsal


@dataclass(frozen=True, slots=True)
class Counted:
    """One draw of a trial: one entry a unit, and the truth of that draw.

    ``gross`` and ``net`` are as recorded (contacts that can be traced); ``epoch`` numbers the
    stretches of constant allocation, ``cluster`` is ``None`` where units were drawn singly.
    """

    arm: Ints
    gross: Floats
    net: Floats
    stratum: Ints
    epoch: Ints
    cluster: Ints | None
    truth: dict[str, Any]


@dataclass(frozen=True)
class Repeated:
    """A rehearsal ready to be drawn many times."""

    rehearsal: Rehearsal

    def draws(self, count: int, *, seed: int) -> Iterator[Counted]:
        """``count`` independent draws, each of all units at once."""
        plan = planted.Planted.of(self.rehearsal)
        hours = run.hours_of(self.rehearsal)
        numbers = np.arange(self.rehearsal.plan.units)
        for child in np.random.SeedSequence(seed).spawn(count):
            rng = np.random.default_rng(child)
            common = people.shared(self.rehearsal, hours.arrivals, rng)
            drawn = people.people(self.rehearsal, numbers, common, hours.arrivals, rng)
            log = run.contacts(self.rehearsal, plan, drawn, hours, rng)
            yield self._counted(plan, drawn, log)

    def _counted(self, plan: planted.Planted, drawn: People, log: Log) -> Counted:
        ledger = planted.Ledger(plan)
        ledger.add(drawn, tuple(arm.key for arm in self.rehearsal.trial.arms))
        gross, net = self._per_unit(drawn, log)
        kept = ~drawn.lost
        strata = people.strata_of(self.rehearsal.trial, drawn.columns, len(drawn))
        return Counted(
            arm=drawn.arm[kept], gross=gross[kept], net=net[kept], stratum=strata[kept],
            epoch=self._epoch(drawn)[kept],
            cluster=None if drawn.cluster is None else drawn.cluster[kept],
            truth=planted.truths(self.rehearsal, ledger),
        )  # fmt: skip

    def _per_unit(self, drawn: People, log: Log) -> tuple[Floats, Floats]:
        """Whether the first recorded contact was handled, and how many were, in the window."""
        since = log.occurred - drawn.start[log.person]
        recorded = log.index | (log.linked & (log.trace == ON_RECORD))
        inside: Mask = recorded & (since >= 0) & (since <= self.rehearsal.window_days * DAY)
        unit, handled = log.person[inside], log.handled[inside]
        net = np.bincount(unit, handled, len(drawn)).astype(float)
        # The log is in order of time, so that a unit's first entry is its first contact.
        who, first = np.unique(unit, return_index=True)
        gross: Floats = np.zeros(len(drawn))
        gross[who] = handled[first]
        return gross, net

    def _epoch(self, drawn: People) -> Ints:
        starts = sorted(day_number(epoch.starts) for epoch in self.rehearsal.plan.epochs)
        if not starts:
            return np.zeros(len(drawn), dtype=np.int64)
        return np.searchsorted(np.array(starts), day_numbers(drawn.assigned), side="right")
