"""The contact log of a trial: each contact with its unit, its meaning, and the time since.

Linking is the rule of :mod:`trials.people.linking`: a contact belongs to the unit that its
strongest identifier names, if that identifier belongs to exactly one unit of the trial; otherwise
the next weaker is tried. Nobody is assigned by guess.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import pyarrow as pa
from ibis import ir

from analysis.compress.engine import Log
from trials import clock
from trials.contacts.taxonomy import Taxonomy
from trials.store.tables import PEOPLE

MEANINGS = pa.schema([
    ("code_id", pa.int64()), ("from_at", pa.int64()), ("to_at", pa.int64()),
    ("meaning", pa.string()), ("category", pa.string()), ("share", pa.float64()),
])  # fmt: skip
_FOREVER = 2**40
ALWAYS = frozenset({"channel", "line", "code_id", "handled"})
"""What deflection and coding read of every contact."""


@dataclass(frozen=True, slots=True)
class Code:
    """A wrap code as the store numbers it."""

    id: int
    source: str
    topic: str
    code: str


def meanings(codes: Sequence[Code], taxonomy: Taxonomy) -> pa.Table:
    """What every code means from when to when, so that the engine only joins.

    Days on which any row begins or ends cut time into spans; within a span a code has one meaning.
    """
    cuts = sorted(
        {r.valid_from for r in taxonomy.reasons if r.valid_from}
        | {r.valid_to + timedelta(days=1) for r in taxonomy.reasons if r.valid_to}
    )
    spans = list(zip([None, *cuts], [*cuts, None], strict=True))
    rows = [row for code in codes for span in spans if (row := _meaning(code, span, taxonomy))]
    return pa.Table.from_pylist(rows, schema=MEANINGS)


def _meaning(
    code: Code, span: tuple[date | None, date | None], taxonomy: Taxonomy
) -> dict[str, object] | None:
    first, last = span
    found = taxonomy.resolve(
        code.source, code.code, first or date(1970, 1, 2), topic=code.topic or None
    )
    if found is None:
        return None
    return {
        "code_id": code.id, "meaning": found.reason, "category": found.category,
        "share": found.avoidable_share,
        "from_at": clock.epoch(clock.start_of_day(first)) if first else 0,
        "to_at": clock.epoch(clock.start_of_day(last)) if last else _FOREVER,
    }  # fmt: skip


def linked(
    log: Log, frame: ir.Table, named: ir.Table, *, before: int, after: int, cutoff: int,
    fields: Collection[str] = (),
) -> ir.Table:  # fmt: skip
    """Every contact of the trial's units from ``before`` seconds before the start to ``after``.

    ``named`` is the kept table of :func:`holders`. Columns ``unit_id, arm_id, contact,
    occurred_at, since`` (seconds after the start, negative before it), ``tier`` (the place in
    :data:`~trials.store.tables.PEOPLE` of what linked it), :data:`ALWAYS` and, of what else a
    contact has, what ``fields`` names: each column costs room for every contact of the trial.
    """
    places = _distinct(named.select("place")) or [0]
    first, last = _starts(frame)
    contacts = log.table("contacts")
    # Contacts lie by time: an engine that knows its blocks' ranges skips most of a long log.
    contacts = contacts.filter(
        contacts.occurred_at <= min(cutoff, last + after), contacts.occurred_at >= first - before
    )
    for place in places:
        mine = named.filter(named.place == place).select(
            **{f"{name}_{place}": named[name] for name in ("number", "unit_id", "arm_id", "start")}
        )
        contacts = contacts.left_join(mine, contacts[PEOPLE[place]] == mine[f"number_{place}"])
    own = {
        name: _first_of([contacts[f"{name}_{place}"] for place in places])
        for name in ("unit_id", "arm_id", "start")
    }
    tier = ibis.cases(*((contacts[f"unit_id_{place}"].notnull(), place) for place in places))
    kept = [name for name in contacts.columns if name in ALWAYS or name in fields]
    found = contacts.select(*kept, "occurred_at", contact=contacts.id, tier=tier, **own)
    found = found.filter(found.start > 0).mutate(since=found.occurred_at - found.start)
    return found.drop("start").filter(found.since >= -before, found.since < after)


def _first_of(columns: list[ir.Value]) -> ir.Value:
    """The first that is known; one alone as it is, so that an engine sees an inner join."""
    return ibis.coalesce(*columns) if len(columns) > 1 else columns[0]


def _distinct(column: ir.Table) -> list[int]:
    return sorted(int(n) for n in column.distinct().to_pyarrow().column(0).to_pylist())


def _starts(frame: ir.Table) -> tuple[int, int]:
    """The first and the last start; nothing lies between them where nobody has one."""
    known = frame.filter(frame.start > 0)
    row = known.aggregate(first=known.start.min(), last=known.start.max()).to_pyarrow().to_pylist()
    first, last = row[0]["first"], row[0]["last"]
    return (0, -_FOREVER) if first is None else (int(first), int(last))


def holders(log: Log, frame: ir.Table, trial_id: int, *, listed_until: int = 0) -> ir.Table:
    """Numbers that belong to exactly one unit of the trial, bulk callers left out.

    Columns ``place`` (of the kind among :data:`~trials.store.tables.PEOPLE`), ``number``,
    ``unit_id`` and, of the unit in ``frame``, ``arm_id`` and ``start``; both 0 where it is not
    there. Bulk callers listed before ``listed_until`` are nobody's.
    """
    identifiers, given = log.table("identifiers"), log.table("assignments")
    mine = given.filter(given.trial_id == trial_id).select("unit_id")
    own = identifiers.join(mine, "unit_id")
    bulk = log.table("bulk_callers")
    bulk = bulk.filter(bulk.added_at < listed_until).select("kind", "number")
    own = own.anti_join(bulk, ["kind", "number"])
    # A small number groups faster than a word.
    place = ibis.cases(*((own.kind == kind, i) for i, kind in enumerate(PEOPLE)))
    own = own.select("number", "unit_id", place=place)
    grouped = own.group_by(["place", "number"]).aggregate(
        unit_id=own.unit_id.min(), last=own.unit_id.max()
    )
    alone = grouped.filter(grouped.unit_id == grouped.last).drop("last")
    known = alone.left_join(frame.select("unit_id", "arm_id", "start"), "unit_id")
    return known.select(
        "place", "number", "unit_id", arm_id=ibis.coalesce(known.arm_id, 0),
        start=ibis.coalesce(known.start, 0),
    )  # fmt: skip


def coded(contacts: ir.Table, known: ir.Table, fields: Collection[str] = ()) -> ir.Table:
    """The contacts with what their codes mean: ``category``, ``share``, ``meaning`` if named."""
    within = [
        contacts.code_id == known.code_id,
        contacts.occurred_at >= known.from_at,
        contacts.occurred_at < known.to_at,
    ]
    joined = contacts.left_join(known, within)
    said = ["category", "share", *(["meaning"] if "meaning" in fields else [])]
    return joined.select(*contacts.columns, *said)


def reach(log: Log) -> int | None:
    """How far the log reaches: the moment from which its silence means that it has ended.

    A silence of ten usual gaps between contacts is not chance (for contacts at random times its
    probability is e to the minus ten); three days allow for weekends. ``None``: it is empty.
    """
    contacts = log.table("contacts")
    found = contacts.aggregate(
        n=contacts.count(), first=contacts.occurred_at.min(), last=contacts.occurred_at.max()
    ).execute()
    n = int(found["n"].iloc[0])
    if n == 0:
        return None
    first, last = int(found["first"].iloc[0]), int(found["last"].iloc[0])
    gap = (last - first) / max(n - 1, 1) if n > 1 else 7 * 86_400
    return int(last + max(3 * 86_400, 10 * gap))
