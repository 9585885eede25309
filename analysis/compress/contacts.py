"""Metrics over the contact log: one value a unit and metric, in one aggregation.

Any field of a contact can be filtered on; all lines and channels count unless a plan narrows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import numpy as np
from ibis import ir

from analysis.compress.frame import DAY, Asked, whole_days
from trials.errors import Invalid, Problem

FIELDS = {
    "channel": "channel", "line": "line", "reason": "meaning", "category": "category",
    "outcome": "outcome", "handled": "handled", "resolved": "resolved", "code": "code_id",
    "wait_seconds": "wait_seconds", "handle_seconds": "handle_seconds",
    "ivr_seconds": "ivr_seconds", "satisfaction": "satisfaction", "cost": "cost",
    "avoidable": "share",
}  # fmt: skip
"""What a metric's ``where`` and ``value`` may name, and the column that holds it."""


def measured(contacts: ir.Table, asked: Sequence[Asked], pre: Sequence[Asked] = ()) -> ir.Table:
    """One row for every unit with a contact: per metric ``_y``, and ``_pre`` and ``_first``.

    ``_y``: whether there was such a contact (proportion), how many (count; the avoidable part
    where the filter is ``avoidable = true``), the sum of the value, or the days to the first.
    ``_pre``, of those in ``pre``, is the same in a window of the same length before the start.
    ``_first`` is the seconds to the first such contact, for a time to an event.
    """
    columns: dict[str, ir.Value] = {}
    covariates = {one.column for one in pre}
    common = _in_all(asked)
    contacts = contacts.filter(
        _such(contacts, common), contacts.since < _longest(asked), contacts.since >= -_longest(pre)
    )
    for one in asked:
        window = one.metric.window or 0
        such = _such(contacts, {k: v for k, v in one.metric.where.items() if k not in common})
        inside = such & (contacts.since >= 0) & (contacts.since < window)
        before = such & (contacts.since < 0) & (contacts.since >= -window)
        weight = _weight(contacts, one)
        columns[f"{one.column}_y"] = (
            _days_without(contacts, inside, one) if one.metric.kind == "time-to-event"
            else _reduced(contacts, weight, inside, one)
        )  # fmt: skip
        if one.column in covariates:
            columns[f"{one.column}_pre"] = _reduced(contacts, weight, before, one)
        if one.metric.kind == "time-to-event":
            columns[f"{one.column}_first"] = ibis.ifelse(inside, contacts.since, None).min()
    return contacts.group_by("unit_id").aggregate(**columns)


def fields(asked: Sequence[Asked]) -> set[str]:
    """The columns of a contact that these metrics filter on or sum."""
    named = {name for one in asked for name in (*one.metric.where, one.metric.value) if name}
    return {FIELDS[name] for name in named if name in FIELDS}


def _in_all(asked: Sequence[Asked]) -> dict[str, Any]:
    """The conditions that all metrics share, which need to be looked at once."""
    first, *others = (one.metric.where for one in asked)
    return {
        name: wanted for name, wanted in first.items()
        if all(name in where and where[name] == wanted for where in others)
    }  # fmt: skip


def _longest(asked: Sequence[Asked]) -> int:
    return max((one.metric.window or 0 for one in asked), default=0)


def _days_without(contacts: ir.Table, rows: ir.BooleanValue, one: Asked) -> ir.Value:
    """Days until the first such contact, at most the window; a day begun counts whole."""
    first = ibis.ifelse(rows, contacts.since, None).min()
    days = (first // DAY + 1).cast("float64")
    return ibis.coalesce(ibis.least(days, whole_days(one)), whole_days(one))


def _reduced(
    contacts: ir.Table, weight: ir.Value | None, rows: ir.BooleanValue, one: Asked
) -> ir.Value:
    if one.metric.kind in {"proportion", "time-to-event"}:
        return ibis.ifelse(rows, 1, 0).max()
    if weight is None:
        # Half as wide as a sum, for every unit and metric.
        return contacts.count(where=rows).cast("int32")
    return ibis.ifelse(rows, weight, 0.0).sum()


def _weight(contacts: ir.Table, one: Asked) -> ir.Value | None:
    """What each contact adds: its value or its avoidable share; ``None`` where it is one."""
    if one.metric.value is not None:
        column = contacts[_column(one, "value", one.metric.value)]
        return ibis.coalesce(column.cast("float64"), 0.0)
    if one.metric.where.get("avoidable") is True and one.metric.kind == "count":
        return ibis.coalesce(contacts.share, 0.0)
    return None


def _such(contacts: ir.Table, where: dict[str, Any]) -> ir.BooleanValue:
    """The contacts that a filter keeps; a contact without the field is never kept."""
    kept: ir.BooleanValue = ibis.literal(value=True)
    for name, wanted in where.items():
        if name not in FIELDS:
            raise _unknown(name)
        column = contacts[FIELDS[name]]
        kept = kept & _one(column, name, wanted)
    return kept


def _one(column: ir.Value, name: str, wanted: Any) -> ir.BooleanValue:
    if name == "avoidable":
        share = ibis.coalesce(column, 0.0)
        return share > 0 if wanted else share == 0
    if isinstance(wanted, bool):
        return ibis.coalesce(column.cast("int64"), -1) == int(wanted)
    if isinstance(wanted, dict):
        low, high = wanted.get("min", float("-inf")), wanted.get("max", float("inf"))
        number = column.cast("float64")
        kept = ibis.coalesce(number >= low, False) if "min" in wanted else ibis.literal(value=True)
        return kept & ibis.coalesce(number <= high, False) if "max" in wanted else kept
    choices = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    return ibis.coalesce(column.isin(choices), False)


def _column(one: Asked, key: str, name: str) -> str:
    if name not in FIELDS:
        raise _unknown(name, f"[[metrics]] {one.metric.key} {key}")
    return FIELDS[name]


def _unknown(name: str, place: str = "[[metrics]] where") -> Invalid:
    from trials.definition.near import nearest

    says = f"contacts have no field {name!r}"
    return Invalid("the plan", [Problem(place, says, f"did you mean {nearest(name, FIELDS)!r}?")])


def quantile(column: ir.Value, q: float) -> float | None:
    """A quantile from the count of every value, for not every engine has quantiles.

    Between two values it is linear (Hyndman & Fan 1996, type 7); ``None`` without values.
    """
    counted = column.value_counts(name="n").order_by(column.get_name()).to_pyarrow()
    values, counts = (counted.column(i).to_numpy() for i in (0, 1))
    total = int(counts.sum())
    if not total:
        return None
    place, until = q * (total - 1), np.cumsum(counts)
    low, high = (
        float(values[np.searchsorted(until, at, side="right")])
        for at in (np.floor(place), np.ceil(place))
    )
    return low + (high - low) * float(place - np.floor(place))
