"""How contacts are coded by arm, counted where the log lives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import cast

import ibis
import pyarrow as pa
from ibis import ir

from analysis.coding import ArmCodes, Sample
from analysis.compress.deflected import handled
from analysis.compress.log import Code
from trials.contacts.coding import UNCODED
from trials.contacts.record import Category
from trials.contacts.taxonomy import LEVELS
from trials.definition.model import Trial

Twice = Sequence[tuple[int, str, str]]
"""Contacts coded twice: number, first category, second category."""
_TWICE = pa.schema([("contact", pa.int64()), ("first", pa.string()), ("second", pa.string())])


def by_arm(
    frame: ir.Table, linked: ir.Table, trial: Trial, arm_ids: Sequence[int],
    codes: Sequence[Code], *, window: int, cutoff: int,
) -> tuple[ArmCodes, ...]:  # fmt: skip
    """Each arm's codes and categories: the first handled contact of every unit that has matured."""
    names = {code.id: f"{code.topic}{LEVELS}{code.code}" if code.topic else code.code
             for code in codes}  # fmt: skip
    by_code: dict[int, Counter[str]] = {number: Counter() for number in arm_ids}
    by_category: dict[int, Counter[Category]] = {number: Counter() for number in arm_ids}
    avoidable = dict.fromkeys(arm_ids, 0.0)
    for row in _firsts(frame, linked, window=window, cutoff=cutoff).to_pyarrow().to_pylist():
        arm, n = int(row["arm_id"]), int(row["n"])
        known = row["code_id"] is not None
        by_code[arm][names[int(row["code_id"])] if known else UNCODED] += n
        if row["category"] is not None:
            by_category[arm][cast(Category, row["category"])] += n
            avoidable[arm] += n * (row["share"] or 0.0)
    return tuple(
        ArmCodes(arm=arm.key, by_code=by_code[number], by_category=by_category[number],
                 avoidable=avoidable[number])
        for arm, number in zip(trial.arms, arm_ids, strict=True)
    )  # fmt: skip


def _firsts(frame: ir.Table, linked: ir.Table, *, window: int, cutoff: int) -> ir.Table:
    ripe = frame.filter(frame.start > 0, frame.start + window <= cutoff).select("unit_id")
    inside = handled(linked, window).semi_join(ripe, "unit_id")
    order = ibis.window(group_by=inside.unit_id, order_by=[inside.occurred_at, inside.contact])
    placed = inside.mutate(place=ibis.row_number().over(order))
    first = placed.filter(placed.place == 0)
    return first.group_by(["arm_id", "code_id", "category", "share"]).aggregate(n=first.count())


def sample(linked: ir.Table, twice: Twice, trial: Trial, arm_ids: Sequence[int]) -> Sample | None:
    """The trial's contacts that were coded twice, by arm; ``None`` where there are none."""
    if not twice:
        return None
    rows = [dict(zip(_TWICE.names, row, strict=True)) for row in twice]
    known = ibis.memtable(pa.Table.from_pylist(rows, schema=_TWICE))
    joined = linked.join(known, "contact")
    counted = joined.group_by(["arm_id", "first", "second"]).aggregate(n=joined.contact.nunique())
    found: Mapping[int, dict[tuple[str, str], int]] = {number: {} for number in arm_ids}
    for row in counted.to_pyarrow().to_pylist():
        found[int(row["arm_id"])][row["first"], row["second"]] = int(row["n"])
    if not any(found.values()):
        return None
    return Sample(by_arm={arm.key: found[number]
                          for arm, number in zip(trial.arms, arm_ids, strict=True)})  # fmt: skip
