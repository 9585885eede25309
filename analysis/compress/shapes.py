"""Distributions beyond sums, for the models: histograms of counts, amounts, the ways units went."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import numpy as np
from ibis import ir

from analysis.compress import frame
from analysis.compress.compressed import Columns
from analysis.compress.frame import Asked
from analysis.tables import Amounts, Grouped, Histogram, Ints, Key, Paths
from trials.definition.model import Trial

WAYS = (
    "no agent", "no agent at first, then one", "no agent at first, then several times",
    "no agent at first, then another channel", "an agent once", "an agent twice",
    "an agent three times", "an agent four times or more", "an agent, then another channel",
    "an agent, then another channel again and again",
)  # fmt: skip
"""The ways a unit can go: whether the index contact reached an agent, and what followed."""

AT_FIRST = (False,) * 4 + (True,) * 6
LIKELY = (0.0, 1.0, 2.0, 1.0, 1.0, 2.0, 3.0, 4.0, 2.0, 3.0)  # contacts of a way that nobody went


def histogram(some: ir.Table, one: Asked, table: Grouped, arm_ids: Sequence[int]) -> Histogram:
    """How many units of each arm had each value of a metric, of those whose outcome is known.

    ``some`` holds the units with another value than one without a row has, as
    :func:`analysis.compress.frame.some` gives them; ``table``, the metric's own, has them all.
    """
    used = some.filter(some[one.use] > 0)
    counted = used.group_by("arm_id", value=used[f"{one.column}_y"]).aggregate(n=used.count())
    columns = Columns(counted.to_pyarrow())
    arm, n = _codes(columns, arm_ids), columns.floats("n")
    others = table.per_arm()[0] - np.bincount(arm, n, len(table.arms))
    left = np.flatnonzero(others)
    value = frame.if_none(one) if one.cap is None else min(frame.if_none(one), one.cap)
    return Histogram(
        arms=table.arms, control=table.control, arm=np.concatenate([left, arm]),
        value=np.concatenate([np.full(len(left), value), columns.floats("value")]),
        n=np.concatenate([others[left], n]),
    )  # fmt: skip


def amounts(
    some: ir.Table, one: Asked, table: Grouped, arm_ids: Sequence[int]
) -> Amounts | None:  # fmt: skip
    """Sums of logarithms by arm of the known outcomes; ``None`` if any is negative.

    ``some`` and ``table`` are those of :func:`histogram`.
    """
    used = some.filter(some[one.use] > 0)
    y = used[f"{one.column}_y"]
    log = ibis.ifelse(y > 0, y, 1.0).ln()
    counted = used.group_by("arm_id").aggregate(
        positive=ibis.ifelse(y > 0, 1.0, 0.0).sum(), total=log.sum(), square=(log * log).sum(),
        least=y.min(),
    )  # fmt: skip
    columns = Columns(counted.to_pyarrow())
    if (columns.floats("least") < 0).any():
        return None
    arm, k = _codes(columns, arm_ids), len(table.arms)
    positive, log_sum, log_square = (
        np.bincount(arm, columns.floats(name), k).astype(float)
        for name in ("positive", "total", "square")
    )
    return Amounts(
        arms=table.arms, control=table.control, arm=np.arange(k), n=table.per_arm()[0],
        positive=positive, log_sum=log_sum, log_square=log_square,
    )  # fmt: skip


def ways(
    units: ir.Table, per_unit: ir.Table, trial: Trial, arm_ids: Sequence[int], *, window: int,
    cutoff: int,
) -> Paths:  # fmt: skip
    """Which way each matured unit went, from :func:`analysis.compress.deflected.per_unit`.

    A way costs the mean number of agent contacts of those who went it, over all arms.
    """
    ripe = units.filter(units.start > 0, units.start + window <= cutoff)
    joined = ripe.left_join(per_unit.select("unit_id", "index", "all", "moved"), "unit_id")
    index, handled, moved = (ibis.coalesce(joined[c], 0.0) for c in ("index", "all", "moved"))
    way = ibis.cases(
        (handled == 0, 0),
        ((index == 0) & (moved > 0), 3), ((index == 0) & (handled == 1), 1), (index == 0, 2),
        ((moved > 0) & (handled == 2), 8), (moved > 0, 9), (handled == 1, 4), (handled == 2, 5),
        (handled == 3, 6), else_=7,
    )  # fmt: skip
    counted = joined.group_by("arm_id", way=way).aggregate(n=joined.count(), made=handled.sum())
    columns = Columns(counted.to_pyarrow())
    code = columns.floats("way").astype(np.int64)
    n, made = columns.floats("n"), columns.floats("made")
    size = np.bincount(code, n, len(WAYS))
    mean = np.divide(np.bincount(code, made, len(WAYS)), size, out=np.array(LIKELY),
                     where=size > 0)  # fmt: skip
    return Paths(
        arms=_names(trial), control=_control(trial), arm=_codes(columns, arm_ids),
        path=Key(name="way", codes=code, levels=WAYS), n=n, index_handled=AT_FIRST,
        contacts=tuple(float(m) for m in mean),
    )  # fmt: skip


def _names(trial: Trial) -> tuple[str, ...]:
    return tuple(arm.key for arm in trial.arms)


def _control(trial: Trial) -> int:
    return next(i for i, arm in enumerate(trial.arms) if arm.control)


def _codes(columns: Columns, arm_ids: Sequence[int]) -> Ints:
    code = {number: i for i, number in enumerate(arm_ids)}
    return np.array([code[int(a)] for a in columns.floats("arm_id")], dtype=np.int64)
