"""The pass over the log, as one Ibis expression: from units and their outcomes to cells.

The expression compiles to every engine that may hold the log. Times are whole seconds, joins are
on numbers, and no aggregate depends on whether an engine's outer join fills NULL or 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
from ibis import ir

from analysis.compress.engine import Log
from trials.definition.model import Metric

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A metric of the plan, its number in the store, and the moment up to which it is read."""

    metric: Metric
    number: int
    cutoff: int
    cap: float | None = None

    @property
    def column(self) -> str:
        """A column name that any engine takes."""
        return f"m{self.number}"

    @property
    def open(self) -> str:
        """The column of units whose window has not closed: one for all metrics that it serves."""
        return f"open_{self._closes}"

    @property
    def use(self) -> str:
        """The column of units that count: one for all metrics that agree on who does."""
        if self.metric.source == "contacts":
            return f"use_contacts_{self._closes}"
        if self.metric.absent_means == "zero":
            return f"use_all_{self._closes}"
        return f"{self.column}_use"

    @property
    def _closes(self) -> str:
        return f"{'any' if self.metric.window is None else self.metric.window}_{self.cutoff}"


def units(log: Log, trial_id: int, control: int, *, attributes: bool = True) -> ir.Table:
    """Everyone assigned to an arm: one row a unit, with the start of the window.

    Columns ``unit_id, arm_id, stratum, cluster, attributes, epoch, assigned_at, start, exposed``
    and ``took``; ``start`` is the first exposure if one is recorded, else the assignment, 0 if
    neither is known. ``took`` is whether the unit met any arm but the control (number ``control``),
    its own where the exposure does not say which. Without ``attributes`` that column is empty:
    where no segment or covariate comes from it, reading it is wasted and splits cells for nothing.
    """
    given = log.table("assignments")
    given = given.filter(given.trial_id == trial_id, given.arm_id.notnull())
    met = log.table("exposures")
    # 2: to another arm than the control; 1: to an arm that is not said.
    to = ibis.ifelse(met.arm_id.isnull(), 1, ibis.ifelse(met.arm_id != control, 2, 0))
    first = (
        met.filter(met.trial_id == trial_id)
        .group_by("unit_id")
        .aggregate(first=met.exposed_at.min(), to=to.max())
    )
    if attributes:
        people = log.table("units").select("id", "attributes")
        given = given.join(people, given.unit_id == people.id)
    else:
        given = given.mutate(attributes=ibis.null("string"))
    joined = given.left_join(first, "unit_id")
    to = ibis.coalesce(joined.to, 0)
    return joined.select(
        "unit_id", "arm_id", "stratum", "cluster", "attributes", "epoch", "assigned_at",
        start=ibis.coalesce(joined.first, joined.assigned_at),
        exposed=joined.first.notnull(),
        took=(to == 2) | ((to == 1) & (joined.arm_id != control)),
    )  # fmt: skip


def measured(
    log: Log, frame: ir.Table, asked: Sequence[Asked], trial_id: int, pre: Sequence[Asked] = ()
) -> ir.Table:
    """One row for every unit with an outcome: per metric its value, and its value before.

    For each metric ``mN``: ``mN_y`` (a proportion's largest, otherwise the sum of its values in
    the window), ``mN_k`` (how many values there were) and, of those in ``pre``, ``mN_pre`` (the sum
    in a window of the same length before the start).
    """
    log_table = log.table("outcomes")
    rows = log_table.filter(log_table.trial_id == trial_id)
    starts = frame.select("unit_id", "start")
    rows = rows.join(starts, "unit_id").select(
        "unit_id", "metric_id", "observed_at", "value", "start"
    )
    columns: dict[str, ir.Value] = {}
    covariates = {one.column for one in pre}
    for one in asked:
        inside, before = _window(rows, one)
        mine = rows.metric_id == one.number
        reduce = "max" if one.metric.kind == "proportion" else "sum"
        value = ibis.ifelse(mine & inside, rows.value, 0.0)
        columns[f"{one.column}_y"] = getattr(value, reduce)()
        columns[f"{one.column}_k"] = ibis.ifelse(mine & inside, 1, 0).sum()
        if one.column in covariates:
            columns[f"{one.column}_pre"] = ibis.ifelse(mine & before, rows.value, 0.0).sum()
    return rows.group_by("unit_id").aggregate(**columns)


def _window(rows: ir.Table, one: Asked) -> tuple[ir.BooleanValue, ir.BooleanValue]:
    """Whether a value counts, and whether it belongs to the time before.

    A value without a time was taken by its source as the outcome, and a unit without a start has
    no window to test.
    """
    at, start = rows.observed_at, rows.start
    timeless = (at == 0) | (start == 0)
    after = (at >= start) & (at <= one.cutoff)
    before = ~timeless & (at < start)
    if one.metric.window is not None:
        after &= at < start + one.metric.window
        before &= at >= start - one.metric.window
    return timeless | after, before


def valued(
    frame: ir.Table, values: Sequence[ir.Table], asked: Sequence[Asked], pre: Sequence[Asked] = ()
) -> ir.Table:
    """The frame with every unit's ``_y`` (capped), and whether the unit counts, for each metric.

    :attr:`Asked.use` is 1 where the window has closed and the outcome is known; :attr:`Asked.open`
    is 1 where the window has not closed yet; those in ``pre`` have their ``_pre`` too. ``values``
    are the tables of :func:`measured` and of :func:`analysis.compress.contacts.measured`.
    """
    wanted = {f"{one.column}_{part}" for one in (*asked, *pre) for part in ("y", "k", "pre")}
    joined = frame
    for table in values:
        mine = [name for name in table.columns if name in wanted]
        if mine:
            joined = joined.left_join(table.select("unit_id", *mine), "unit_id")
            joined = joined.drop("unit_id_right")
    return _valued(joined, frame.columns, asked, pre)


def some(frame: ir.Table, values: Sequence[ir.Table], one: Asked) -> ir.Table:
    """The rows of :func:`valued` whose value is not what a unit without a row has.

    They are few beside all units, and an engine finds the others only by reading everybody.
    """
    name = f"{one.column}_y"
    (table,) = (table for table in values if name in table.columns)
    mine = [part for part in (name, f"{one.column}_k") if part in table.columns]
    rows = table.filter(table[name] != if_none(one)).select("unit_id", *mine)
    return _valued(frame.join(rows, "unit_id"), frame.columns, [one], [])


def _valued(
    joined: ir.Table, keep: Sequence[str], asked: Sequence[Asked], pre: Sequence[Asked]
) -> ir.Table:
    columns: dict[str, ir.Value] = {}
    for one in asked:
        y = ibis.coalesce(joined[f"{one.column}_y"].cast("float64"), if_none(one))
        y = ibis.least(y, one.cap) if one.cap is not None else y
        known = _known(joined, one)
        open_ = _open(joined, one)
        columns[one.use] = ibis.ifelse(known & ~open_, 1, 0)
        columns[one.open] = ibis.ifelse(open_, 1, 0)
        columns[f"{one.column}_y"] = ibis.ifelse(known & ~open_, y, 0.0)
    for one in pre:
        columns[f"{one.column}_pre"] = ibis.coalesce(
            joined[f"{one.column}_pre"].cast("float64"), 0.0
        )
    return joined.select(*keep, **columns)


def if_none(one: Asked) -> float:
    """The outcome of a unit without a row: nothing, or for a time to an event the whole window."""
    return whole_days(one) if one.metric.kind == "time-to-event" else 0.0


def whole_days(one: Asked) -> float:
    """A metric's window in days, a day begun counting whole."""
    return float(-(-(one.metric.window or 0) // DAY))


def _known(joined: ir.Table, one: Asked) -> ir.BooleanValue:
    """Whether a unit's outcome is known; without contacts in the log it is known to be none."""
    if one.metric.source == "contacts":
        return joined.start > 0
    if one.metric.absent_means == "zero":
        return ibis.literal(value=True)
    return ibis.coalesce(joined[f"{one.column}_k"].cast("int64"), 0) > 0


def _open(frame: ir.Table, one: Asked) -> ir.BooleanValue:
    if one.metric.window is None:
        return frame.start > one.cutoff
    return (frame.start > 0) & (frame.start + one.metric.window > one.cutoff)


def cells(
    table: ir.Table, asked: Sequence[Asked], pre: Sequence[Asked] = (),
    uptake: ir.BooleanValue | None = None, also: Sequence[str] = (),
) -> ir.Table:  # fmt: skip
    """One row a cell: its keys, its size and the sums of every metric, in one aggregation.

    ``use`` and ``open`` are counted once for all metrics that agree on them, as ``_n``.
    ``pre`` lists the metrics whose values before the start are covariates, hence keys; ``uptake``
    says of each unit whether it took the treatment up; ``also`` names further keys.
    """
    keys = ["arm_id", "stratum", "cluster", "attributes", *(f"{one.column}_pre" for one in pre),
            *also]  # fmt: skip
    keys += ["period"] if "period" in table.columns else []
    sums: dict[str, ir.Value] = {"units": table.count()}
    by_key = {one.metric.key: one for one in asked}
    for one in asked:
        y, use = table[f"{one.column}_y"], table[one.use]
        sums[f"{one.use}_n"] = use.sum()
        sums[f"{one.column}_s"] = y.sum()
        sums[f"{one.column}_ss"] = (y * y).sum()
        sums[f"{one.open}_n"] = table[one.open].sum()
        if uptake is not None:
            took = ibis.ifelse(uptake, 1, 0) * use
            sums[f"{one.column}_u"] = took.sum()
            sums[f"{one.column}_uy"] = (took * y).sum()
        if one.metric.denominator is not None:
            below = by_key[one.metric.denominator]
            d = table[f"{below.column}_y"] * use
            sums[f"{one.column}_d"] = d.sum()
            sums[f"{one.column}_dd"] = (d * d).sum()
            sums[f"{one.column}_dy"] = (d * y).sum()
    return table.group_by(keys).aggregate(**sums).order_by(keys)
