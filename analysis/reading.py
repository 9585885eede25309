"""Reading a trial's log once: everything that its analysis needs, as grouped tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import ibis
import numpy as np
import sqlalchemy as sa
from ibis import ir
from sqlalchemy.orm import Session

from analysis import redrawing
from analysis.coding import Coding
from analysis.compress import (
    coding,
    compressed,
    contacts,
    crossing,
    deflected,
    frame,
    linking,
    periods,
    shapes,
)
from analysis.compress import log as contact_log
from analysis.compress.compressed import Compressed
from analysis.compress.engine import Log, open_log
from analysis.compress.frame import Asked
from analysis.crossing import Crossings
from analysis.deflection import DeflectionTables
from analysis.estimates import Absent
from analysis.linking import Linking, totals
from analysis.tables import Amounts, Grouped, Histogram, LifeTable, Paths
from trials import registry
from trials.contacts import reasons, second_coding
from trials.contacts.taxonomy import Taxonomy
from trials.definition.model import Trial
from trials.online import adaptive
from trials.people import bulk
from trials.plurals import counted
from trials.store.engine import Store
from trials.store.tables import PEOPLE, ArmRow, CodeRow, MetricRow, SourceRow, TrialRow

WEEK = 7 * 86_400

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the log holds for one trial. ``reach`` is how far the contact log goes (epoch)."""

    data: Compressed
    tables: Mapping[str, Grouped | Absent]
    lives: Mapping[str, LifeTable] = field(default_factory=dict)
    shapes: Mapping[str, Histogram | Amounts] = field(default_factory=dict)
    ways: Paths | None = None
    deflection: DeflectionTables | Absent
    linked: Mapping[str, int] = field(default_factory=dict)
    linking: Linking | None = None
    coding: Coding | None = None
    crossings: Crossings | None = None
    newest: int | None = None
    drawn: redrawing.Drawn | None = None
    reach: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store says beside the log: metric numbers, wrap codes and their meanings."""

    numbers: Mapping[str, int]
    codes: Sequence[contact_log.Code]
    taxonomy: Taxonomy
    listed_until: int = 0
    bulk: tuple[int, int] = (0, 0)
    others: Mapping[int, crossing.Neighbour] = field(default_factory=dict)
    shares: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    twice: coding.Twice = ()


def known(session: Session, trial_id: int) -> Known:
    """Look it all up."""
    numbers = session.execute(
        sa.select(MetricRow.key, MetricRow.id).where(MetricRow.trial_id == trial_id)
    )
    codes = session.execute(
        sa.select(CodeRow.id, SourceRow.name, CodeRow.topic, CodeRow.code).join(
            SourceRow, SourceRow.id == CodeRow.source_id
        )
    )
    until = bulk.excluded_until(session, trial_id)
    return Known(
        numbers={key: number for key, number in numbers},  # noqa: C416 - rows are not plain tuples
        codes=[contact_log.Code(*row) for row in codes],
        taxonomy=reasons.load(session),
        listed_until=until,
        bulk=bulk.counted(session, until),
        others=_others(session, trial_id),
        shares=adaptive.shares(session, trial_id),
        twice=second_coding.kept(session),
    )


def _others(session: Session, trial_id: int) -> dict[int, crossing.Neighbour]:
    """Every other trial, by number, with its arms."""
    rows = session.execute(
        sa.select(TrialRow.id, TrialRow.key, ArmRow.id, ArmRow.key)
        .join(ArmRow, ArmRow.trial_id == TrialRow.id)
        .where(TrialRow.id != trial_id)
        .order_by(TrialRow.id, ArmRow.position)
    )
    found: dict[int, tuple[str, dict[int, str]]] = {}
    for number, key, arm_id, arm in rows:
        found.setdefault(number, (key, {}))[1][arm_id] = arm
    return {n: crossing.Neighbour(key=key, arms=arms) for n, (key, arms) in found.items()}


def read(
    store: Store, record: registry.TrialRecord, arm_ids: list[int], beside: Known, *, cutoff: int
) -> Read:
    """One pass over the log for all metrics it can give; the others are absent with a reason."""
    with open_log(store) as log:
        return everything(log, record, arm_ids, beside, cutoff=cutoff)


def tables(
    store: Store, record: registry.TrialRecord, arm_ids: list[int], beside: Known, *, cutoff: int
) -> Mapping[str, Grouped | Absent]:
    """The grouped tables of all metrics, as :func:`read` makes them but for histograms."""
    with open_log(store) as log:
        return _Reading(log, record.id, record.definition, arm_ids, beside, cutoff).tables()


def measure(
    store: Store, record: registry.TrialRecord, arm_ids: list[int], beside: Known, key: str, *,
    cutoff: int,
) -> Grouped | Absent:  # fmt: skip
    """The grouped table of one metric, as :func:`read` makes it, and nothing else of the log."""
    with open_log(store) as log:
        reading = _Reading(log, record.id, record.definition, arm_ids, beside, cutoff)
        return reading.table(key)


def everything(
    log: Log, record: registry.TrialRecord, arm_ids: list[int], beside: Known, *, cutoff: int
) -> Read:
    """The same in whatever engine holds the log: the definitions are one Ibis expression."""
    return _Reading(log, record.id, record.definition, arm_ids, beside, cutoff).everything()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """Units, who holds what, their contacts, the metrics with their caps, and their groups.

    ``values`` are the tables of what units did; ``main`` is everybody's value of the primary.
    """

    units: ir.Table
    named: ir.Table
    linked: ir.Table | None
    values: list[ir.Table]
    asked: list[Asked]
    primary: Asked
    main: ir.Table
    data: Compressed
    lives: dict[str, LifeTable]


@dataclass(slots=True)
class _Reading:
    """A pass over the log under way."""

    log: Log
    trial_id: int
    trial: Trial
    arm_ids: list[int]
    beside: Known
    cutoff: int
    reach: int | None = None
    ways: Paths | None = None
    followed: ir.Table | None = None

    def everything(self) -> Read:
        found = self._gathered()
        units, linked, capped = found.units, found.linked, found.asked
        data, lives = found.data, found.lives
        distributions = self._shapes(found)
        whole = {
            one.metric.key: self._histogram(one, found, distributions)
            for one in capped
            if _values_matter(one, data.metrics[one.metric.key])
        }
        return Read(
            data=data,
            tables={m.key: self._complete(m.key, found, whole.get(m.key))
                    for m in self.trial.metrics},
            lives={} if self.trial.design.adaptive else lives, shapes=distributions,
            deflection=self._deflection(units, linked), ways=self.ways,
            linked=self._people(linked), linking=self._linking(found),
            coding=self._coding(units, linked),
            reach=self.reach, newest=self._newest(linked),
            drawn=self._drawn(found), crossings=self._crossings(found),
        )  # fmt: skip

    def table(self, key: str) -> Grouped | Absent:
        return self._complete(key, self._gathered())

    def tables(self) -> dict[str, Grouped | Absent]:
        found = self._gathered()
        return {metric.key: self._complete(metric.key, found) for metric in self.trial.metrics}

    def _complete(
        self, key: str, found: _Gathered, histogram: Histogram | None = None
    ) -> Grouped | Absent:
        """A metric's table with all that belongs to it, or why there is none."""
        table = self._usable(key, found.data)
        if isinstance(table, Absent):
            return table
        return self._beside(replace(table, histogram=histogram, lives=found.lives.get(key)))

    def _gathered(self) -> _Gathered:
        self.reach = contact_log.reach(self.log)
        asked = [self._asked(key) for key in self.beside.numbers if self._planned(key)]
        asked.sort(key=lambda one: [m.key for m in self.trial.metrics].index(one.metric.key))
        everyone = frame.units(
            self.log, self.trial_id, self._control, attributes=compressed.of_attributes(self.trial)
        )
        units = self.log.keep("frame", periods.placed(everyone, self.trial))
        until = self.beside.listed_until
        named = self.log.keep(
            "holders", contact_log.holders(self.log, units, self.trial_id, listed_until=until)
        )
        linked = self._linked(units, named, asked)
        values = self._values(units, linked, asked)
        capped = self._caps(frame.valued(units, values, asked), asked)
        pre = self._pre(capped)
        valued = frame.valued(units, values, capped, pre)
        table = frame.cells(valued, capped, pre, self._uptake(valued, capped))
        data = compressed.build(table.to_pyarrow(), self.trial, self.arm_ids, capped, pre)
        lives = {
            one.metric.key: deflected.life_table(units, values[-1], one, self.trial, self.arm_ids)
            for one in capped if one.metric.kind == "time-to-event" and linked is not None
        }  # fmt: skip
        primary = next(one for one in capped if one.metric.role == "primary")
        return _Gathered(units=units, named=named, linked=linked, values=values, asked=capped,
                         primary=primary, main=frame.valued(units, values, [primary], pre),
                         data=data, lives=lives)  # fmt: skip

    def _crossings(self, found: _Gathered) -> Crossings | None:
        """Who was reached by two arms or is in two trials, where units are what is randomised."""
        if self.trial.design.kind in periods.OVER_TIME:
            return None
        if found.primary.metric.denominator is not None:
            return None
        read = crossing.read(
            self.log, found.main, found.primary, self._pre(found.asked), self.trial,
            self.trial_id, self.arm_ids, self.beside.others, listed_until=self.beside.listed_until,
        )  # fmt: skip
        return None if read is None else replace(read, table=self._beside(read.table))

    def _shapes(self, found: _Gathered) -> dict[str, Histogram | Amounts]:
        """The distributions that the models of counts and of amounts take."""
        take: dict[str, Callable[..., Histogram | Amounts | None]] = {
            "count": shapes.histogram, "mean": shapes.amounts,
        }  # fmt: skip
        made = {
            one.metric.key: self._shape(take[one.metric.kind], one, found)
            for one in found.asked if one.metric.kind in take
        }  # fmt: skip
        return {key: shape for key, shape in made.items() if shape is not None}

    def _shape(self, take: Callable[..., S], one: Asked, found: _Gathered) -> S:
        table = found.data.metrics[one.metric.key]
        return take(frame.some(found.units, found.values, one), one, table, self.arm_ids)

    def _beside(self, table: Grouped) -> Grouped:
        """A table with its batches' shares, where these followed the outcomes."""
        if self.trial.design.adaptive is None or table.stratum is None:
            return table
        of = np.array([self.beside.shares[int(level)] for level in table.stratum.levels])
        return replace(table, shares=of[table.stratum.codes], lives=None)

    @property
    def _control(self) -> int:
        return self.arm_ids[[arm.control for arm in self.trial.arms].index(True)]

    def _uptake(self, valued: ir.Table, asked: Sequence[Asked]) -> ir.BooleanValue | None:
        """Whether each unit took the treatment up; ``None`` where the plan does not ask."""
        key = self.trial.analysis.uptake
        if key is None:
            return None
        if key == "exposure":
            return valued.took
        return valued[f"{next(o for o in asked if o.metric.key == key).column}_y"] > 0

    def _histogram(
        self, one: Asked, found: _Gathered, known: Mapping[str, Histogram | Amounts]
    ) -> Histogram:
        """Every value of a metric: that of the models where they have it, else read by itself."""
        made = known.get(one.metric.key)
        return made if isinstance(made, Histogram) else self._shape(shapes.histogram, one, found)

    def _drawn(self, found: _Gathered) -> redrawing.Drawn | None:
        """The entries of the list's draw, where it can be made again and is not too long."""
        data = found.data
        entries = data.clusters if self.trial.design.kind == "cluster" else data.assigned
        if not redrawing.can_redraw(self.trial) or sum(entries or ()) > redrawing.MOST:
            return None
        return redrawing.entries(self.log, found.main, found.primary, self.trial, self.arm_ids)

    def _planned(self, key: str) -> bool:
        return any(metric.key == key for metric in self.trial.metrics)

    def _asked(self, key: str) -> Asked:
        metric = self.trial.metric(key)
        cutoff = self.cutoff
        if metric.source == "contacts" and self.reach is not None:
            cutoff = min(cutoff, self.reach)
        return Asked(metric=metric, number=self.beside.numbers[key], cutoff=cutoff)

    def _pre(self, asked: Sequence[Asked]) -> list[Asked]:
        wanted = {
            name.removeprefix("pre:")
            for name in self.trial.analysis.adjust if name.startswith("pre:")
        }  # fmt: skip
        return [one for one in asked if one.metric.key in wanted]

    def _linked(self, units: ir.Table, named: ir.Table, asked: Sequence[Asked]) -> ir.Table | None:
        """The trial's contacts with their meanings; ``None`` where there is no contact log."""
        if self.reach is None:
            return None
        windows = [one.metric.window or 0 for one in asked if one.metric.source == "contacts"]
        after = max([*windows, self.window])
        before = max([one.metric.window or 0 for one in self._pre(asked)], default=0)
        fields = contacts.fields(asked)
        # What followed a contact of the window's last day lies a week beyond the window.
        found = contact_log.linked(
            self.log, units, named, before=before, after=max(after, self.window + WEEK),
            cutoff=self.cutoff, fields=fields,
        )  # fmt: skip
        meanings = contact_log.meanings(self.beside.codes, self.beside.taxonomy)
        coded = contact_log.coded(found, ibis.memtable(meanings), fields)
        self.followed = self.log.keep("linked", coded)
        return self.followed.filter(self.followed.since < after)

    @property
    def window(self) -> int:
        """The window of deflection: the primary's if it is one of contacts, else a week."""
        primary = self.trial.primary
        if primary.source == "contacts" and primary.window:
            return primary.window
        of_contacts = [m.window for m in self.trial.metrics if m.source == "contacts" and m.window]
        return max(of_contacts, default=WEEK)

    def _values(
        self, units: ir.Table, linked: ir.Table | None, asked: Sequence[Asked]
    ) -> list[ir.Table]:
        pre = self._pre(asked)
        outcomes = [one for one in asked if one.metric.source == "outcomes" or linked is None]
        tables = []
        if outcomes:
            measured = frame.measured(self.log, units, outcomes, self.trial_id, pre)
            tables.append(self.log.keep("measured", measured))
        of_contacts = [one for one in asked if one.metric.source == "contacts"]
        if of_contacts and linked is not None:
            counted = contacts.measured(linked, of_contacts, pre)
            tables.append(self.log.keep("counted", counted))
        return tables

    def _caps(self, valued: ir.Table, asked: list[Asked]) -> list[Asked]:
        """Fix each winsorising cap as the pooled quantile of the matured units' values."""
        done = []
        for one in asked:
            if one.metric.cap is not None:
                used = valued.filter(valued[one.use] > 0)
                cap = contacts.quantile(used[f"{one.column}_y"], one.metric.cap)
                done.append(one if cap is None else replace(one, cap=cap))
            else:
                done.append(one)
        return done

    def _usable(self, key: str, data: Compressed) -> Grouped | Absent:
        metric, table = self.trial.metric(key), data.metrics[key]
        if metric.source == "contacts" and self.reach is None:
            return Absent("no-contact-log", "No contact log has been imported yet.")
        if metric.kind == "time-to-event" and metric.source == "outcomes":
            return Absent("not-measured", "Times to an event are read from the contact log.")
        if table.total > 0:
            return self._refuse_only_ones(key, table)
        if data.open_units[key] >= data.units:
            return Absent("not-matured", "Nobody has completed the outcome window yet.")
        if metric.source == "contacts":
            return Absent("no-times", "It is not known when anybody was assigned or exposed.")
        return Absent("no-outcomes", f"No outcome has been imported for {key!r}.")

    def _refuse_only_ones(self, key: str, table: Grouped) -> Grouped | Absent:
        """A list of those who did it, taken as if it were everybody, would say that all did it."""
        metric = self.trial.metric(key)
        missing = float(table.missing.sum()) if table.missing is not None else 0.0
        listed_only = metric.absent_means == "missing" and table.y.sum() == table.n.sum()
        if metric.kind == "proportion" and metric.source == "outcomes" and listed_only and missing:
            return Absent(
                "only-ones",
                f"Every value of {key!r} is 1, with {counted(missing, 'unit')} without one: if no "
                'row means that it did not happen, set absent_means = "zero" in the metric.',
            )
        return table

    def _deflection(self, units: ir.Table, linked: ir.Table | None) -> DeflectionTables | Absent:
        if linked is None or self.followed is None:
            return Absent("no-contact-log", "No contact log has been imported yet.")
        if not any(metric.source == "contacts" for metric in self.trial.metrics):
            return Absent("not-planned", "The plan has no metric over the contact log.")
        coded = bool(self.beside.taxonomy.reasons)
        asked = deflected.wanted(linked, window=self.window, coded=coded,
                                 sampled=bool(self.beside.twice))  # fmt: skip
        cutoff = min(self.cutoff, self.reach or self.cutoff)
        per_unit = self.log.keep("per_unit", deflected.per_unit(linked, asked))
        rows = deflected.cells(units, per_unit, asked, cutoff=cutoff).to_pyarrow()
        if not rows.num_rows:
            return Absent("not-matured", "Nobody has completed the window of deflection yet.")
        self.ways = shapes.ways(units, per_unit, self.trial, self.arm_ids, window=self.window,
                                cutoff=cutoff)  # fmt: skip
        places: tuple[tuple[Literal["line", "channel"], tuple[str, ...]], ...] = (
            ("line", asked.lines), ("channel", asked.channels),
        )  # fmt: skip
        followed = [
            deflected.repeats(self.followed, self.trial, self.arm_ids, labels, by=by, window=WEEK,
                              within=self.window, cutoff=cutoff)
            for by, labels in places
        ]  # fmt: skip
        return deflected.tables(
            rows, self.trial, self.arm_ids, asked, [one for one in followed if one is not None]
        )

    def _people(self, linked: ir.Table | None) -> dict[str, int]:
        """Contacts linked, by the kind of identifier that did it."""
        if linked is None:
            return {}
        rows: list[dict[str, Any]] = (
            linked.group_by("tier").aggregate(n=linked.count()).to_pyarrow().to_pylist()
        )
        return {PEOPLE[row["tier"]]: int(row["n"]) for row in rows}

    def _linking(self, found: _Gathered) -> Linking | None:
        """Link rates by arm; ``None`` where no unit carries an identifier."""
        can = self.log.keep("linkable", linking.linkable(found.named))
        arms = linking.by_arm(self.log, found.units, can, found.linked, self.trial, self.arm_ids,
                              cutoff=self.cutoff)  # fmt: skip
        if not totals(arms):
            return None
        metric = found.primary.metric
        of_people = metric.kind == "proportion" and metric.source == "contacts"
        outcomes = (
            linking.outcomes(found.main, can, found.primary, self.trial, self.arm_ids)
            if of_people and found.linked is not None else {}
        )  # fmt: skip
        before, after = self.beside.bulk
        return Linking(arms=tuple(arms), outcomes=outcomes, bulk_callers=before,
                       listed_too_late=after)  # fmt: skip

    def _coding(self, units: ir.Table, linked: ir.Table | None) -> Coding | None:
        """How contacts are coded by arm; ``None`` where the plan does not look at contacts."""
        if linked is None or not any(m.source == "contacts" for m in self.trial.metrics):
            return None
        cutoff = min(self.cutoff, self.reach or self.cutoff)
        arms = coding.by_arm(units, linked, self.trial, self.arm_ids, self.beside.codes,
                             window=self.window, cutoff=cutoff)  # fmt: skip
        return Coding(
            window_days=self.window / frame.DAY, arms=arms,
            mapped=bool(self.beside.taxonomy.reasons),
            sample=coding.sample(linked, self.beside.twice, self.trial, self.arm_ids),
        )  # fmt: skip

    def _newest(self, linked: ir.Table | None) -> int | None:
        """When the newest contact in the log was made."""
        if linked is None:
            return None
        newest = self.log.table("contacts").occurred_at.max().execute()
        return None if newest is None else int(newest)


def _values_matter(one: Asked, table: Grouped) -> bool:
    """Whether the sums are not enough: quantiles, the model of a count, trimming for response."""
    metric = one.metric
    lost = table.missing is not None and bool(table.missing.sum() > 0)
    trimmed = metric.kind in ("mean", "count") and metric.source == "outcomes" and lost
    return bool(metric.quantiles) or metric.kind == "count" or trimmed
