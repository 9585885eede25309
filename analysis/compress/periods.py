"""Trials that are randomised over time: which period each unit belongs to.

A switchback gives a whole line to one arm for a period, so the period is what was randomised: it
is the unit's cluster, and its place in the calendar (weekday and hour) the stratum. In a stepped
wedge clusters go over one after another: the cluster stays and the period is the stratum. Units of
a period's burn-in, and of times outside the calendar, belong to no period and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ibis import ir

from trials import clock
from trials.definition.model import Trial
from trials.designs import switchback_for, wedge_for

OVER_TIME = frozenset({"switchback", "stepped-wedge"})
_SCHEMA = pa.schema([
    ("period", pa.string()), ("place", pa.int64()), ("calendar", pa.string()),
    ("begins", pa.int64()), ("counts_from", pa.int64()), ("finishes", pa.int64()),
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """One period: its name in the order of time, its calendar stratum, and its moments (epoch)."""

    name: str
    stratum: str
    begins: int
    counts_from: int
    finishes: int

    @property
    def says(self) -> str:
        """When it begins, for people."""
        return f"{clock.london(datetime.fromtimestamp(self.begins, UTC)):%Y-%m-%d %H:%M}"


def spans(trial: Trial) -> tuple[Span, ...]:
    """Every period of the trial in order; none for a design that has none.

    Raises:
        Invalid: the calendar is not complete.
    """
    if trial.design.kind == "switchback":
        return tuple(
            Span(f"{i:06d}", " ".join(p.stratum), _epoch(p.starts), _epoch(p.counts_from),
                 _epoch(p.ends))
            for i, p in enumerate(switchback_for(trial).periods())
        )  # fmt: skip
    if trial.design.kind == "stepped-wedge":
        wedge = wedge_for(trial)
        starts = [clock.epoch(clock.start_of_day(day)) for day in wedge.periods()]
        ends = [*starts[1:], clock.epoch(clock.end_of_day(wedge.ends))]
        burn = trial.design.burn_in
        return tuple(
            Span(f"{i:06d}", f"{i:06d}", a, a + burn, b)
            for i, (a, b) in enumerate(zip(starts, ends, strict=True))
        )  # fmt: skip
    return ()


def follows(periods: tuple[Span, ...], names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether each named period begins where the one before it ends."""
    joined = {b.name for a, b in pairwise(periods) if a.finishes == b.begins}
    return np.array([name in joined for name in names], dtype=bool)


def placed(units: ir.Table, trial: Trial) -> ir.Table:
    """The units with their ``period``, and the cluster and the stratum that it makes.

    A unit's own time is that of its assignment, or of its exposure where that is not known. Where
    shares followed the outcomes the stratum is the batch: within it everybody had the same chances.
    """
    if trial.design.adaptive is not None:
        return units.mutate(stratum=units.epoch.cast("string"))
    if trial.design.kind not in OVER_TIME:
        return units
    rows = [
        {"period": s.name, "place": i, "calendar": s.stratum, "begins": s.begins,
         "counts_from": s.counts_from, "finishes": s.finishes}
        for i, s in enumerate(spans(trial))
    ]  # fmt: skip
    calendar = ibis.memtable(pa.Table.from_pylist(rows, schema=_SCHEMA))
    own = units.mutate(moment=ibis.ifelse(units.assigned_at > 0, units.assigned_at, units.start))
    joined = own.join(
        calendar, [own.moment >= calendar.counts_from, own.moment < calendar.finishes]
    )
    cluster = joined.place if trial.design.kind == "switchback" else joined.cluster
    kept = [name for name in units.columns if name not in ("stratum", "cluster")]
    return joined.select(*kept, "period", stratum=joined.calendar, cluster=cluster)


def has_strata(trial: Trial) -> bool:
    """Whether comparisons are made within strata."""
    within = bool(trial.design.strata) or trial.design.adaptive is not None
    return within or trial.design.kind in OVER_TIME


def has_clusters(trial: Trial) -> bool:
    """Whether what was randomised is more than a unit."""
    return trial.design.cluster is not None or trial.design.kind == "switchback"


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())
