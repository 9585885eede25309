"""A trial that was randomised elsewhere: who was given which arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from trials import files, registry
from trials.definition.model import Trial
from trials.definition.near import nearest
from trials.errors import Conflict, Invalid, Problem
from trials.importing import ledger, values
from trials.importing.columns import (
    UnitColumns,
    cluster_number,
    required,
    scope,
    stratum_label,
    unit_problem,
)
from trials.people.identifiers import Hasher
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import ArmRow

UNITS: dict[str, staging.Kind] = {
    "line": "int", "digest": "bytes", "arm": "int", "assigned_at": "int", "stratum": "text",
    "cluster": "int", "attributes": "text", "position": "int", "probability": "float",
}  # fmt: skip
IDENTIFIERS: dict[str, staging.Kind] = {"digest": "bytes", "kind": "text", "number": "int"}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What it takes to read one row."""

    columns: UnitColumns
    arm: int
    assigned_at: int | None
    arms: dict[str, int]
    scope: str
    hasher: Hasher
    refusals: Refusals


def add(
    store: Store, key: str, path: Path, *, hasher: Hasher, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in an assignments file: whole or not at all, unless good rows are to be kept.

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: there is no such trial.
        Conflict: its shares follow the outcomes.
    """
    fingerprint = files.fingerprint(path)
    with store.read() as session:
        record = registry.load(session, key)
        earlier = ledger.seen_before(
            session, trial_id=record.id, kind="assignments", fingerprint=fingerprint
        )
        arms = _arms(session, record.id)
    if record.definition.design.adaptive is not None:
        raise Conflict(f"the shares of trial {key!r} follow the outcomes, so that each assignment "
                       "needs the chance it had, which a file cannot prove",
                       "have people assigned by the service")  # fmt: skip
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    refusals = Refusals(path.name)
    with staging.stage(store, units=UNITS, identifiers=IDENTIFIERS) as stages:
        rows = _stage(path, record.definition, arms, hasher, refusals, stages, progress)
        kind = record.definition.design.kind
        check_staged(stages, record.id, refusals, arms, split=kind == "stepped-wedge")
        refusals.raise_any(keep_good_rows=keep_good_rows)
        with stages.merge() as session:
            added, unchanged = merge(stages, record.id)
            report = ledger.Report(
                kind="assignments", file=path.name, rows=rows, added=added, unchanged=unchanged,
                refused=refusals.count, problems=tuple(refusals.problems),
            )  # fmt: skip
            entry = ledger.enter(session, report, trial_id=record.id, subject=key,
                                 fingerprint=fingerprint, actor=actor)  # fmt: skip
            number_import(stages, record.id, entry.id)
    return report


def _arms(session: sa.orm.Session, trial_id: int) -> dict[str, int]:
    rows = session.execute(sa.select(ArmRow.key, ArmRow.id).where(ArmRow.trial_id == trial_id))
    return {key: number for key, number in rows}  # noqa: C416 - rows are not plain tuples


def _stage(
    path: Path, trial: Trial, arms: dict[str, int], hasher: Hasher, refusals: Refusals,
    stages: staging.Staging, progress: ledger.Progress,
) -> int:  # fmt: skip
    count = 0
    with files.open_table(path) as table:
        columns = UnitColumns.of(table, trial, strict=False)
        required(table, ["arm", *trial.design.strata])
        if trial.design.kind == "cluster" and columns.cluster is None:
            required(table, [str(trial.design.cluster)])
        arm = table.index("arm")
        assert arm is not None
        reading = _Reading(columns, arm, table.index("assigned_at"), arms, scope(trial), hasher,
                           refusals)  # fmt: skip
        for batch in batches(table.rows):
            read = [unit for line, row in batch if (unit := _read(line, row, reading))]
            stages["units"].put([unit for unit, _ in read])
            stages["identifiers"].put(
                [(unit[1], kind, number) for unit, found in read for kind, number in found]
            )
            count += len(batch)
            progress(count)
    if count == 0:
        says = "the file has a header but no rows"
        raise Invalid(path.name, [Problem("", says, "export it again")])
    return count


def batches(rows: Iterator[tuple[int, files.Row]]) -> Iterator[list[tuple[int, files.Row]]]:
    """Rows in lists of :data:`ledger.BATCH`."""
    from itertools import islice

    while batch := list(islice(rows, ledger.BATCH)):
        yield batch


def _read(
    line: int, row: files.Row, reading: _Reading
) -> tuple[tuple[object, ...], list[tuple[str, int]]] | None:
    """One row as a staged tuple and its identifiers, or a refusal."""
    columns, refuse = reading.columns, reading.refusals.add
    unit = columns.key(row)
    if says := unit_problem(unit):
        refuse(line, says, "give every row the unit it is about")
        return None
    arm = reading.arms.get(row[reading.arm].strip())
    if arm is None:
        refuse(line, "the arm is not one of the trial's",
               f"did you mean {nearest(row[reading.arm][:64], reading.arms)!r}?")  # fmt: skip
        return None
    try:
        at = _moment(row, reading.assigned_at)
    except values.ValueRefused as refused:
        refuse(line, f"assigned_at {refused}")
        return None
    cluster = row[columns.cluster].strip() if columns.cluster is not None else None
    if cluster == "":
        refuse(line, "the cluster is blank", "give every unit the cluster it belongs to")
        return None
    number = cluster_number(reading.hasher, reading.scope, cluster) if cluster else None
    staged = (line, reading.hasher.unit(reading.scope, unit), arm, at,
              stratum_label(columns.levels(row)), number, columns.document(row), None,
              None)  # fmt: skip
    return staged, columns.numbers(row, reading.hasher)


def _moment(row: files.Row, column: int | None) -> int:
    """Epoch seconds; 0 where the file gives no time."""
    return values.moment(row[column]) if column is not None and row[column].strip() else 0


def check_staged(
    stages: staging.Staging, trial_id: int, refusals: Refusals, arms: dict[str, int], *,
    split: bool = False,
) -> None:  # fmt: skip
    """Refuse units that stand twice, clash with what is stored, or split a cluster.

    Refused rows leave the staged table, so that what remains can be merged. ``split`` allows units
    of one cluster in several arms, as in a stepped wedge, where clusters go over.
    """
    units = stages["units"]
    units.index("digest")
    before = refusals.count
    names = {number: key for key, number in arms.items()}
    for line, first, arm, first_arm in units.query(_REPEATED):
        if arm == first_arm:
            refusals.add(line, f"the same unit as line {first}", "list each unit once")
        else:
            both = f"{names[arm]} and {names[first_arm]}"
            says = f"the same unit as line {first}, in another arm ({both})"
            refusals.add(line, says, "a unit has one arm")
    for line, arm, kept in units.query(_MOVED, trial=trial_id):
        refusals.add(line, f"the unit is already in arm {names.get(kept, 'holdout')}, not "
                     f"{names[arm]}", "a first assignment is kept; correct the file")  # fmt: skip
    for line, first in [] if split else units.query(_SPLIT):
        refusals.add(line, f"its cluster is in another arm on line {first}",
                     "all units of a cluster share one arm")  # fmt: skip
    if refusals.count == before:
        return
    stages.connection.exec_driver_sql(_DROP_REPEATED)
    stages.connection.execute(sa.text(_DROP_MOVED), {"trial": trial_id})
    if not split:
        stages.connection.exec_driver_sql(_DROP_SPLIT)


_FIRST = "(SELECT digest, min(line) AS first FROM stage_units GROUP BY digest HAVING count(*) > 1)"
_REPEATED = f"""
    SELECT u.line, f.first, u.arm, o.arm FROM stage_units u
    JOIN {_FIRST} f ON f.digest = u.digest AND u.line > f.first
    JOIN stage_units o ON o.line = f.first ORDER BY u.line"""
_DROP_REPEATED = f"""
    DELETE FROM stage_units WHERE line IN (
        SELECT u.line FROM stage_units u JOIN {_FIRST} f
        ON f.digest = u.digest AND u.line > f.first)"""
_MOVED_FROM = """
    FROM stage_units u
    JOIN units k ON k.trial_id = :trial AND k.digest = u.digest
    JOIN assignments a ON a.unit_id = k.id
    WHERE a.arm_id IS NULL OR a.arm_id <> u.arm"""
_MOVED = f"SELECT u.line, u.arm, a.arm_id {_MOVED_FROM} ORDER BY u.line"
_DROP_MOVED = f"DELETE FROM stage_units WHERE line IN (SELECT u.line {_MOVED_FROM})"
_SPLIT_FROM = """
    FROM stage_units u JOIN (
        SELECT cluster, min(line) AS first, min(arm) AS low, max(arm) AS high FROM stage_units
        WHERE cluster IS NOT NULL GROUP BY cluster HAVING min(arm) <> max(arm)) s
    ON s.cluster = u.cluster
    JOIN stage_units f ON f.line = s.first AND f.arm <> u.arm"""
_SPLIT = f"SELECT u.line, s.first {_SPLIT_FROM} ORDER BY u.line"
_DROP_SPLIT = f"DELETE FROM stage_units WHERE line IN (SELECT u.line {_SPLIT_FROM})"


def merge(stages: staging.Staging, trial_id: int) -> tuple[int, int]:
    """Make the staged units and assignments visible; answers how many were new and known."""
    run = stages.connection.execute
    staged = run(sa.text("SELECT count(*) FROM stage_units")).scalar_one()
    run(sa.text(_NEW_UNITS), {"trial": trial_id})
    added = run(sa.text(_NEW_ASSIGNMENTS), {"trial": trial_id}).rowcount
    run(sa.text(_NEW_IDENTIFIERS), {"trial": trial_id})
    return added, staged - added


def number_import(stages: staging.Staging, trial_id: int, import_id: int) -> None:
    """Note on the new assignments which import brought them."""
    stages.connection.execute(
        sa.text("UPDATE assignments SET import_id = :import "
                "WHERE trial_id = :trial AND import_id IS NULL"),
        {"import": import_id, "trial": trial_id},
    )  # fmt: skip


_NEW_UNITS = """
    INSERT INTO units (trial_id, digest, attributes)
    SELECT :trial, s.digest, s.attributes FROM stage_units s
    WHERE NOT EXISTS (
        SELECT 1 FROM units k WHERE k.trial_id = :trial AND k.digest = s.digest)
    ORDER BY s.digest"""
_NEW_ASSIGNMENTS = """
    INSERT INTO assignments
        (unit_id, trial_id, arm_id, assigned_at, stratum, cluster, probability, position, epoch)
    SELECT k.id, :trial, s.arm, s.assigned_at, s.stratum, s.cluster, s.probability, s.position, 1
    FROM stage_units s JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    WHERE NOT EXISTS (SELECT 1 FROM assignments a WHERE a.unit_id = k.id)"""
_NEW_IDENTIFIERS = """
    INSERT INTO identifiers (unit_id, kind, number)
    SELECT k.id, s.kind, s.number FROM stage_identifiers s
    JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    WHERE NOT EXISTS (SELECT 1 FROM identifiers i WHERE i.unit_id = k.id AND i.kind = s.kind)
    GROUP BY k.id, s.kind, s.number"""
