"""Units that were reached by more than their own arm: who they are, and what came of everybody.

Two ways within a trial: an exposure to another arm is on record; or an identifier is held by units
of different arms (somebody who rings again as another unit, a line that several people use). And
one beside it: the same person is a unit of another trial. Bulk callers are nobody in particular.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import numpy as np
from ibis import ir

from analysis.compress import compressed, frame
from analysis.compress.engine import Log
from analysis.compress.frame import Asked
from analysis.crossing import HELD_OUT, Crossings, Other
from trials.definition.model import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another trial: its key, and its arms' keys by number."""

    key: str
    arms: Mapping[int, str]


def read(
    log: Log, valued: ir.Table, one: Asked, pre: Sequence[Asked], trial: Trial, trial_id: int,
    arm_ids: Sequence[int], others: Mapping[int, Neighbour], *, listed_until: int = 0,
) -> Crossings | None:  # fmt: skip
    """Who was reached by two arms or is in two trials; ``None`` where nobody is known to be.

    ``valued`` is the table of :func:`analysis.compress.frame.valued`, ``one`` the main measure,
    ``others`` the trials that are looked at, by number.
    """
    held = log.keep("held", _held_by_several(log, listed_until=listed_until))
    crossed = log.keep("crossed", _met_another(log, trial_id))
    own = held.filter(held.trial_id == trial_id)
    lines = log.keep("same_line", _same_line(own))
    there = log.keep("elsewhere", _elsewhere(held, own, valued, trial_id, one.metric.window))
    present = [n for n in _numbers(there, "other") if n in others]
    if not present and not _any(crossed) and not _any(lines):
        return None
    flags = valued
    for name, mine in (("met_another", crossed), ("same_line", lines)):
        flags = flags.left_join(mine.mutate(**{name: 1}), "unit_id").drop("unit_id_right")
    for number in present:
        mine = there.filter(there.other == number)
        mine = mine.select("unit_id", **{f"other_{number}": mine.given})
        flags = flags.left_join(mine, "unit_id").drop("unit_id_right")
    also = ["met_another", "same_line", *(f"other_{number}" for number in present)]
    columns = compressed.Columns(frame.cells(flags, [one], pre, also=also).to_pyarrow())
    made = compressed.build(columns.table, trial, arm_ids, [one], pre)
    return Crossings(
        table=made.metrics[one.metric.key], units=columns.floats("units"),
        met_another=columns.floats("met_another") > 0, same_line=columns.floats("same_line") > 0,
        others=tuple(_other(others[n], columns.texts(f"other_{n}")) for n in present),
    )  # fmt: skip


def _held_by_several(log: Log, *, listed_until: int) -> ir.Table:
    """Identifiers that more than one unit holds, in whatever trial, with what each was given."""
    bulk = log.table("bulk_callers")
    bulk = bulk.filter(bulk.added_at < listed_until).select("kind", "number")
    named = log.table("identifiers")
    held = named.group_by(["kind", "number"]).aggregate(
        first=named.unit_id.min(), last=named.unit_id.max()
    )
    several = held.filter(held.first < held.last).select("kind", "number")
    named = named.select("kind", "number", "unit_id").semi_join(several, ["kind", "number"])
    named = named.anti_join(bulk, ["kind", "number"])
    given = log.table("assignments").select("unit_id", "trial_id", "arm_id", "assigned_at")
    return named.join(given, "unit_id")


def _met_another(log: Log, trial_id: int) -> ir.Table:
    """Units with an exposure to an arm that is not theirs."""
    given, met = log.table("assignments"), log.table("exposures")
    given = given.filter(given.trial_id == trial_id).select("unit_id", own="arm_id")
    met = met.filter(met.trial_id == trial_id).select("unit_id", "arm_id").join(given, "unit_id")
    return met.filter(met.arm_id != met.own).select("unit_id").distinct()


def _same_line(own: ir.Table) -> ir.Table:
    """Units that hold an identifier with a unit of another arm."""
    arms = own.group_by(["kind", "number"]).aggregate(arms=own.arm_id.nunique())
    shared = arms.filter(arms.arms > 1).select("kind", "number")
    return own.semi_join(shared, ["kind", "number"]).select("unit_id").distinct()


def _elsewhere(
    held: ir.Table, own: ir.Table, valued: ir.Table, trial_id: int, window: int | None
) -> ir.Table:
    """``unit_id``, ``other`` trial's number and ``given``, its arm's number (0: its holdout).

    Whoever is several units of the other trial counts by the arm first given; what was given there
    after this trial's window had closed does not count.
    """
    theirs = held.filter(held.trial_id != trial_id).select(
        "kind", "number", other="trial_id", given=ibis.coalesce(held.arm_id, 0), at="assigned_at"
    )
    mine = own.select("kind", "number", "unit_id").join(
        valued.select("unit_id", "start"), "unit_id"
    )
    both = mine.select("kind", "number", "unit_id", "start").join(theirs, ["kind", "number"])
    if window is not None:
        both = both.filter((both.start == 0) | (both.at < both.start + window))
    first = both.group_by(["unit_id", "other"]).aggregate(at=both["at"].min())
    both = both.select("unit_id", "other", "given", "at").semi_join(
        first, ["unit_id", "other", "at"]
    )
    return both.group_by(["unit_id", "other"]).aggregate(given=both.given.min())


def _any(table: ir.Table) -> bool:
    return bool(table.count().execute())


def _numbers(table: ir.Table, column: str) -> list[int]:
    found = table.select(column).distinct().to_pyarrow().column(column).to_pylist()
    return sorted(int(number) for number in found)


def _other(trial: Neighbour, given: Sequence[str | None]) -> Other:
    arms = {**trial.arms, 0: HELD_OUT}
    names = tuple(arms.values())
    codes = [-1 if n is None else names.index(arms[int(float(n))]) for n in given]
    return Other(trial=trial.key, arms=names, given=np.array(codes, np.int64))
