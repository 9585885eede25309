"""When each unit actually met its arm, and which arm it was in fact given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import files, registry
from trials.definition.near import nearest
from trials.importing import ledger, values
from trials.importing.assignments import batches
from trials.importing.columns import required, scope, unit_problem
from trials.people.identifiers import Hasher
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import ArmRow

COLUMNS: dict[str, staging.Kind] = {
    "line": "int", "digest": "bytes", "exposed_at": "int", "arm": "int",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Reading:
    unit: int
    exposed_at: int
    arm: int | None
    arms: dict[str, int]
    scope: str
    hasher: Hasher
    refusals: Refusals


def add(
    store: Store, key: str, path: Path, *, hasher: Hasher, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in an exposures file: whole or not at all, unless good rows are to be kept.

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: there is no such trial.
    """
    fingerprint = files.fingerprint(path)
    with store.read() as session:
        record = registry.load(session, key)
        earlier = ledger.seen_before(
            session, trial_id=record.id, kind="exposures", fingerprint=fingerprint
        )
        rows = session.execute(sa.select(ArmRow.key, ArmRow.id).where(ArmRow.trial_id == record.id))
        arms = {name: number for name, number in rows}  # noqa: C416 - rows are not plain tuples
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    refusals = Refusals(path.name)
    with staging.stage(store, exposures=COLUMNS) as stages, files.open_table(path) as table:
        required(table, ["unit", "exposed_at"])
        reading = _Reading(table.index("unit") or 0, table.index("exposed_at") or 0,
                           table.index("arm"), arms, scope(record.definition), hasher,
                           refusals)  # fmt: skip
        count = 0
        for batch in batches(table.rows):
            read = (_read(line, row, reading) for line, row in batch)
            stages["exposures"].put([row for row in read if row is not None])
            count += len(batch)
            progress(count)
        refuse_strangers(stages, "exposures", record.id, refusals)
        refusals.raise_any(keep_good_rows=keep_good_rows)
        with stages.merge() as session:
            added = merge(session, record.id)
            report = ledger.Report(
                kind="exposures", file=path.name, rows=count, added=added,
                unchanged=count - refusals.count - added, refused=refusals.count,
                problems=tuple(refusals.problems),
            )  # fmt: skip
            ledger.enter(session, report, trial_id=record.id, subject=key,
                         fingerprint=fingerprint, actor=actor)  # fmt: skip
    return report


def merge(session: Session, trial_id: int) -> int:
    """Make staged exposures part of the trial; answers how many were new."""
    return int(session.execute(sa.text(_MERGE), {"trial": trial_id}).rowcount)  # type: ignore[attr-defined]


def _read(line: int, row: files.Row, reading: _Reading) -> tuple[object, ...] | None:
    refuse = reading.refusals.add
    unit = row[reading.unit].strip()
    if says := unit_problem(unit):
        refuse(line, says, "give every row the unit it is about")
        return None
    try:
        at = values.moment(row[reading.exposed_at])
    except values.ValueRefused as refused:
        refuse(line, f"exposed_at {refused}")
        return None
    named = row[reading.arm].strip() if reading.arm is not None else ""
    if named and named not in reading.arms:
        refuse(line, "the arm is not one of the trial's",
               f"did you mean {nearest(named[:64], reading.arms)!r}?")  # fmt: skip
        return None
    return line, reading.hasher.unit(reading.scope, unit), at, reading.arms.get(named)


def refuse_strangers(
    stages: staging.Staging, table: str, trial_id: int, refusals: Refusals
) -> None:
    """Refuse rows about units that are not in the trial, and take them off the stage."""
    stranger = (
        f"stage_{table} WHERE NOT EXISTS (SELECT 1 FROM units k "
        f"WHERE k.trial_id = :trial AND k.digest = stage_{table}.digest)"
    )
    found = stages[table].query(f"SELECT line FROM {stranger} ORDER BY line", trial=trial_id)
    if not found:
        return
    for (line,) in found:
        refusals.add(line, "the unit is not in this trial",
                     "load its assignment first, or check the spelling of the unit")  # fmt: skip
    stages.connection.execute(sa.text(f"DELETE FROM {stranger}"), {"trial": trial_id})


_MERGE = """
    INSERT INTO exposures (trial_id, unit_id, exposed_at, arm_id)
    SELECT :trial, k.id, s.exposed_at, max(s.arm) FROM stage_exposures s
    JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    WHERE NOT EXISTS (
        SELECT 1 FROM exposures e WHERE e.unit_id = k.id AND e.exposed_at = s.exposed_at)
    GROUP BY k.id, s.exposed_at"""
