"""The contact log of a trial: each contact with its unit, its meaning, and the time since.

Linking is the rule of :mod:`trials.people.linking`: a contact belongs to the unit that its
strongest identifier names, if that identifier belongs to exactly one unit of the trial; otherwise
the next weaker is tried. Nobody is assigned by guess.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    log: Log, frame: ir.Table, trial_id: int, *, before: int, after: int, cutoff: int,
    listed_until: int = 0,
) -> ir.Table:  # fmt: skip
    """Every contact of the trial's units from ``before`` seconds before the start to ``after``.

    Columns ``unit_id, arm_id, contact, since`` (seconds after the start, negative before it),
    ``tier`` and the fields that a metric may filter on or sum. Bulk callers listed before
    ``listed_until`` link nobody.
    """
    contacts = log.table("contacts")
    contacts = contacts.filter(contacts.occurred_at <= cutoff)
    # Worked out once: every kind would else find the holders again.
    named = log.keep("holders", holders(log, trial_id, listed_until=listed_until))
    held = set(named.select("kind").distinct().to_pyarrow().column("kind").to_pylist())
    kinds = [kind for kind in PEOPLE if kind in held] or [PEOPLE[0]]
    places = range(len(kinds))
    for place, kind in enumerate(kinds):
        mine = named.filter(named.kind == kind).select(
            **{f"number_{place}": named.number, f"unit_{place}": named.unit_id}
        )
        contacts = contacts.left_join(mine, contacts[kind] == mine[f"number_{place}"])
    units = [contacts[f"unit_{place}"] for place in places]
    found = contacts.mutate(unit_id=ibis.coalesce(*units))
    found = found.filter(found.unit_id.notnull())
    tier = ibis.cases(*((found[f"unit_{i}"].notnull(), kind) for i, kind in enumerate(kinds)))
    found = found.select(
        "unit_id", "occurred_at", "channel", "line", "code_id", "outcome", "handled", "resolved",
        "wait_seconds", "handle_seconds", "ivr_seconds", "satisfaction", "cost", contact=found.id,
        tier=tier,
    )  # fmt: skip
    starts = frame.select("unit_id", "arm_id", "start")
    joined = found.join(starts, "unit_id")
    since = joined.occurred_at - joined.start
    return joined.mutate(since=since).filter(joined.start > 0, since >= -before, since < after)


def holders(log: Log, trial_id: int, *, listed_until: int = 0) -> ir.Table:
    """Numbers that belong to exactly one unit of the trial, bulk callers left out."""
    identifiers, given = log.table("identifiers"), log.table("assignments")
    mine = given.filter(given.trial_id == trial_id).select("unit_id")
    own = identifiers.join(mine, "unit_id")
    bulk = log.table("bulk_callers")
    bulk = bulk.filter(bulk.added_at < listed_until).select("kind", "number")
    own = own.anti_join(bulk, ["kind", "number"])
    grouped = own.group_by(["kind", "number"]).aggregate(
        unit_id=own.unit_id.min(), last=own.unit_id.max()
    )
    return grouped.filter(grouped.unit_id == grouped.last).drop("last")


def coded(contacts: ir.Table, known: ir.Table) -> ir.Table:
    """The contacts with what their codes mean: ``meaning``, ``category``, ``share``."""
    within = [
        contacts.code_id == known.code_id,
        contacts.occurred_at >= known.from_at,
        contacts.occurred_at < known.to_at,
    ]
    joined = contacts.left_join(known, within)
    return joined.select(*contacts.columns, "meaning", "category", "share")


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
