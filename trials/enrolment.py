"""List trials: from a list of units to an assignment for each and one file per arm.

The list is read twice, as a stream: once to know who is in it and draw, once to write each row to
its arm's file and stage its assignment. Nothing but keyed hashes and the columns that the plan
uses is kept; the list itself goes through to the per-arm files and nowhere else.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import armfiles, clock, files, lifecycle, registry, sharing
from trials.definition.model import Trial
from trials.designs import HELD_OUT, Allocation, Roster, design_for
from trials.enrolled import Known, Listed, drawn_clusters
from trials.errors import Conflict, Invalid, Problem
from trials.importing import ledger
from trials.importing.assignments import IDENTIFIERS, UNITS, batches, merge, number_import
from trials.importing.columns import (
    UnitColumns,
    cluster_number,
    required,
    scope,
    stratum_label,
    unit_problem,
)
from trials.people import left_out
from trials.people.identifiers import Hasher
from trials.plurals import counted
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import ArmRow, AssignmentRow, ExclusionRow, TrialRow

ELSEWHERE = "in-another-trial"
REFERENCE = "signpost reference"
"""The column of the files for Notify that is sent as a notification's reference."""
JOINED = -1
"""The place in the draw of a unit that takes its cluster's arm without one."""

_Given: TypeAlias = tuple[int, files.Row, int | None, int | None]
"""A line, its row, its arm code if it has one, and its place in the draw if it is new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to enrol and where the per-arm files go (``None``: only assign)."""

    key: str
    path: Path
    out: Path | None = None
    fmt: armfiles.Format = "csv"
    keep_good_rows: bool = False


@dataclass(slots=True)
class _Roll:
    """The list as read: who is eligible (by line), who is known, who is left out and why.

    ``joined`` are new members of a cluster that was drawn with an earlier list: they take its arm.
    """

    lines: array[int] = field(default_factory=lambda: array("q"))
    keys: list[str] = field(default_factory=list)
    strata: list[tuple[str, ...]] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    balance: dict[str, list[str]] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)
    seen: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    rows: int = 0

    def keep(self, places: list[int]) -> None:
        """Keep only the eligible units at these places."""
        self.lines = array("q", (self.lines[i] for i in places))
        self.keys = [self.keys[i] for i in places]
        self.strata = [self.strata[i] for i in places]
        self.clusters = [self.clusters[i] for i in places] if self.clusters else []
        self.balance = {name: [v[i] for i in places] for name, v in self.balance.items()}

    def forget(self) -> None:
        """Let go of what only the draw needs, before the stores and files take their memory."""
        self.keys, self.strata, self.clusters, self.balance = [], [], [], {}
        self.seen.clear()


def enrol(
    store: Store, request: Request, *, hasher: Hasher, actor: str,
    progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Randomise the units of a list as the locked design says.

    A list that was enrolled before changes nothing; its per-arm files are written again from the
    assignments as they stand. Units already in the trial keep their arm and are counted.

    Raises:
        Conflict: the trial has not been launched, or takes nobody on any more.
        Invalid: the list or a wording cannot be used; every problem is listed with its line.
    """
    fingerprint = files.fingerprint(request.path)
    trial = _open(store, request.key, hasher)
    refusals = Refusals(request.path.name)
    roll = _read(store, request.path, trial, refusals)
    _refuse_repeats(roll, refusals)
    refusals.raise_any(keep_good_rows=request.keep_good_rows)
    drawn = _draw(roll, trial, request.path.name)
    roll.forget()
    enrolment = _Enrolment(
        request=request, trial=trial, roll=roll, drawn=drawn, refusals=refusals,
        fingerprint=fingerprint, actor=actor,
    )  # fmt: skip
    return enrolment.write(store, progress)


def _open(store: Store, key: str, hasher: Hasher) -> Listed:
    with store.read() as session:
        record = registry.load(session, key)
        if not record.locked:
            raise Conflict(f"trial {key!r} has not been launched, so its seed is not sealed yet",
                           f"launch it with 'signpost trial launch {key}'")  # fmt: skip
        if record.state != "live":
            remedy = "resume it first" if record.state == "paused" else "start a new trial"
            raise Conflict(f"trial {key!r} is {record.state} and takes nobody on", remedy)
        arms = session.scalars(
            sa.select(ArmRow.id).where(ArmRow.trial_id == record.id).order_by(ArmRow.position)
        )
        latest = sa.select(sa.func.max(AssignmentRow.epoch)).where(
            AssignmentRow.trial_id == record.id
        )
        shared = sharing.of(session, record.id, record.definition)
        if shared.divided:
            raise Conflict("trials that meet people one at a time have divided the namespace "
                           f"of {key!r}, which has no share of it",
                           "start it anew with a share, or wait until they end")  # fmt: skip
        return Listed(record, lifecycle.seed_of(session, record.id), tuple(arms),
                      (session.scalar(latest) or 0) + 1, hasher,
                      shared)  # fmt: skip


def _read(store: Store, path: Path, trial: Listed, refusals: Refusals) -> _Roll:
    """First reading: everything the draw needs."""
    roll = _Roll(balance={name: [] for name in trial.definition.design.balance})
    with files.open_table(path) as table, store.read() as session:
        columns = UnitColumns.of(table, trial.definition)
        excludes = excluder(table, trial.definition)
        lookup = Known(session, trial)
        drawn = drawn_clusters(session, trial)
        absent = left_out.of(left_out.every(session), trial.record.id)
        left_alone = trial.shared.gate()
        balance = [(name, table.index(name) or 0) for name in roll.balance]
        for batch in batches(table.rows):
            known, elsewhere = lookup.among([columns.key(row) for _, row in batch])
            enlist = _Enlist(
                roll=roll, columns=columns, balance=balance, excludes=excludes, refusals=refusals,
                known=known, elsewhere=elsewhere, drawn=drawn, trial=trial, absent=absent,
                left_alone=left_alone,
            )  # fmt: skip
            for line, row in batch:
                enlist(line, row)
            roll.rows += len(batch)
    if roll.rows == 0:
        says = "the list has a header but no units"
        raise Invalid(path.name, [Problem("", says, "export it again")])
    return roll


@dataclass(frozen=True, slots=True, kw_only=True)
class _Enlist:
    """Puts a row where it belongs: refused, known already, excluded, or eligible."""

    roll: _Roll
    columns: UnitColumns
    balance: list[tuple[str, int]]
    excludes: Callable[[files.Row], str | None]
    refusals: Refusals
    known: dict[str, int]
    elsewhere: set[str]
    drawn: dict[int, int]
    trial: Listed
    absent: left_out.LeftOut
    left_alone: Callable[[str], str | None]

    def __call__(self, line: int, row: files.Row) -> None:
        key = self.columns.key(row)
        if says := unit_problem(key):
            self.refusals.add(line, says, "give every row its unit")
        elif self.absent and (
            entry := self.absent.among(self.columns.numbers(row, self.trial.hasher))
        ):
            self.roll.excluded[entry.reason] += 1
        elif (arm := self.known.get(key)) is not None:
            self.roll.known[line] = arm
        elif reason := self.excludes(row) or (ELSEWHERE if key in self.elsewhere else None):
            self.roll.excluded[reason] += 1
        else:
            self._eligible(line, key, row)

    def _eligible(self, line: int, key: str, row: files.Row) -> None:
        if self.columns.cluster is not None:
            cluster = row[self.columns.cluster].strip()
            if not cluster:
                self.refusals.add(line, "the cluster is blank", "name every unit's cluster")
                return
            if (arm := self.drawn.get(self.trial.cluster(cluster))) is not None:
                self.roll.joined[line] = arm
                return
            if reason := self.left_alone(cluster):
                self.roll.excluded[reason] += 1
                return
            self.roll.clusters.append(cluster)
        elif reason := self.left_alone(key):
            self.roll.excluded[reason] += 1
            return
        for name, i in self.balance:
            self.roll.balance[name].append(row[i].strip())
        self.roll.lines.append(line)
        self.roll.keys.append(key)
        levels = self.columns.levels(row)
        # One object a stratum, not one a unit: a list of a million has a handful of strata.
        self.roll.strata.append(self.roll.seen.setdefault(levels, levels))


def excluder(table: files.Table, trial: Trial) -> Callable[[files.Row], str | None]:
    """The first exclusion of the plan that a row meets, in the plan's order."""
    rules = trial.design.exclusions
    required(table, [rule.column for rule in rules])
    tests = [
        (rule.reason, table.index(rule.column) or 0, {v.strip().casefold() for v in rule.values})
        for rule in rules
    ]
    return lambda row: next(
        (reason for reason, i, values in tests if row[i].strip().casefold() in values), None
    )


def _refuse_repeats(roll: _Roll, refusals: Refusals) -> None:
    if len(set(roll.keys)) == len(roll.keys):
        return
    first: dict[str, int] = {}
    keep: list[int] = []
    for i, (line, key) in enumerate(zip(roll.lines, roll.keys, strict=True)):
        if key in first:
            refusals.add(line, f"the same unit as line {first[key]}", "list each unit once")
        else:
            first[key] = line
            keep.append(i)
    roll.keep(keep)


def _draw(roll: _Roll, trial: Listed, name: str) -> Allocation | None:
    if not roll.keys:
        if roll.known or roll.joined:
            return None
        says = "every unit of the list is excluded, so there is nobody to randomise"
        raise Invalid(name, [Problem("", says, "check the list and the plan's exclusions")])
    roster = Roster(
        keys=roll.keys,
        strata=roll.strata if trial.definition.design.strata else None,
        clusters=roll.clusters or None,
        covariates=roll.balance,
    )
    design = design_for(trial.definition.design, trial.definition.arms)
    return design.draw(roster, seed=trial.seed, trial=trial.name)


@dataclass(slots=True)
class _Place:
    """Where a line stands among the eligible, for lines asked in the order of the file."""

    lines: array[int]
    at: int = 0

    def of(self, line: int) -> int | None:
        """The place of ``line``; ``None`` where it is not among them."""
        if self.at < len(self.lines) and self.lines[self.at] == line:
            self.at += 1
            return self.at - 1
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Enrolment:
    """A list that has been read and drawn, on its way into the files and the store."""

    request: Request
    trial: Listed
    roll: _Roll
    drawn: Allocation | None
    refusals: Refusals
    fingerprint: str
    actor: str

    def write(self, store: Store, progress: ledger.Progress) -> ledger.Report:
        """Second reading: per-arm files and staged assignments, made visible together."""
        place = _Place(self.roll.lines)
        with (
            staging.stage(store, units=UNITS, identifiers=IDENTIFIERS) as stages,
            files.open_table(self.request.path) as table,
        ):
            columns = UnitColumns.of(table, self.trial.definition)
            with self._arm_files(table) as out:
                done = 0
                for batch in batches(table.rows):
                    given = [(line, row, *self._code(line, place)) for line, row in batch]
                    self._put_files(given, out, table.columns, columns)
                    self._put_stages(given, columns, stages)
                    done += len(batch)
                    progress(done)
                if out is not None:
                    out.refuse()
                report = self._merge(stages)
        if out is None:
            return report
        listed = {"files": [str(path) for path in out.paths]}
        return replace(report, detail={**report.detail, **listed})

    def _code(self, line: int, place: _Place) -> tuple[int | None, int | None]:
        """The arm code of a line, and its place in the draw; the latter only where it is new."""
        if line in self.roll.joined:
            return self.roll.joined[line], JOINED
        i = place.of(line)
        if i is None or self.drawn is None:
            return self.roll.known.get(line), None
        return int(self.drawn.arm[i]), i

    def _arm_files(self, table: files.Table) -> AbstractContextManager[armfiles.ArmFiles | None]:
        if self.request.out is None:
            return nullcontext(None)
        trial = self.trial.definition
        return armfiles.open_arm_files(
            self.request.out, trial.arms, table.columns, self.request.fmt,
            channel=trial.about.channel, reference=REFERENCE,
        )  # fmt: skip

    def _put_files(
        self, given: list[_Given], out: armfiles.ArmFiles | None, names: tuple[str, ...],
        columns: UnitColumns,
    ) -> None:  # fmt: skip
        if out is None:
            return
        for line, row, code, _ in given:
            if code is not None:
                named = dict(zip(names, row, strict=True))
                if self.request.fmt == "notify":
                    named[REFERENCE] = self._reference(code, columns.key(row))
                out.write(code, named, line=line)

    def _reference(self, code: int, unit: str) -> str:
        """What a delivery is known by: the trial, the arm and the unit's hash."""
        trial = self.trial.definition
        arm = "" if code == HELD_OUT else trial.arms[code].key
        return f"{trial.key}:{arm}:{self.trial.hasher.unit(scope(trial), unit).hex()}"

    def _put_stages(
        self, given: list[_Given], columns: UnitColumns, stages: staging.Staging
    ) -> None:
        now, hasher = clock.epoch(clock.now()), self.trial.hasher
        named = scope(self.trial.definition)
        units: list[tuple[object, ...]] = []
        identifiers: list[tuple[object, ...]] = []
        for line, row, code, i in given:
            if i is None or code is None:
                continue
            position, probability = self._chance(i)
            digest = hasher.unit(named, columns.key(row))
            cluster = row[columns.cluster].strip() if columns.cluster is not None else ""
            units.append((
                line, digest, None if code == HELD_OUT else self.trial.arm_ids[code], now,
                stratum_label(columns.levels(row)),
                cluster_number(hasher, named, cluster) if cluster else None,
                columns.document(row), position, probability,
            ))  # fmt: skip
            identifiers += [(digest, kind, number) for kind, number in columns.numbers(row, hasher)]
        stages["units"].put(units)
        stages["identifiers"].put(identifiers)

    def _chance(self, i: int) -> tuple[int | None, float | None]:
        """A unit's place in the design's own order and its chance; none of a joined member."""
        if i == JOINED or self.drawn is None:
            return None, None
        return int(self.drawn.position[i]), float(self.drawn.probability[i])

    def _merge(self, stages: staging.Staging) -> ledger.Report:
        roll, drawn = self.roll, self.drawn
        detail = {
            "arms": drawn.counts() if drawn else {},
            "held_out": drawn.held_out if drawn else 0,
            "excluded": dict(sorted(roll.excluded.items())),
            "already_in_trial": len(roll.known),
            "joined_their_cluster": len(roll.joined),
            "batch": self.trial.batch,
        }
        with stages.merge() as session:
            row = registry.row_of(session, self.trial.record.key, lock=True)
            _refuse_if_moved(session, row, self.trial)
            added, _ = merge(stages, row.id)
            report = ledger.Report(
                kind="units", file=self.request.path.name, rows=roll.rows, added=added,
                unchanged=len(roll.known), refused=self.refusals.count, detail=detail,
                problems=tuple(self.refusals.problems), repeated=not added,
                notes=_notes(roll, drawn),
            )  # fmt: skip
            if drawn is not None or roll.joined:
                self._enter(session, stages, row.id, report)
        return report

    def _enter(
        self, session: Session, stages: staging.Staging, trial_id: int, report: ledger.Report
    ) -> None:
        entry = ledger.enter(
            session, report, trial_id=trial_id, subject=self.trial.record.key,
            fingerprint=self.fingerprint, actor=self.actor,
        )  # fmt: skip
        number_import(stages, trial_id, entry.id)
        session.execute(
            sa.update(AssignmentRow)
            .where(AssignmentRow.import_id == entry.id)
            .values(epoch=self.trial.batch)
        )
        session.add_all(
            ExclusionRow(trial_id=trial_id, import_id=entry.id, reason=reason, units=n)
            for reason, n in self.roll.excluded.items()
        )


def _refuse_if_moved(session: Session, row: TrialRow, trial: Listed) -> None:
    """Somebody enrolled a list, ended the trial or claimed people since our reading."""
    latest = sa.select(sa.func.max(AssignmentRow.epoch)).where(AssignmentRow.trial_id == row.id)
    moved = sharing.of(session, row.id, trial.definition) != trial.shared
    if moved or row.state != "live" or (session.scalar(latest) or 0) + 1 != trial.batch:
        raise Conflict("the trial changed while this list was being read", "run the command again")


def _notes(roll: _Roll, drawn: Allocation | None) -> tuple[str, ...]:
    notes = []
    if drawn is None and not roll.joined:
        notes.append("every unit was in the trial already; nobody was assigned anew")
    elif roll.known:
        known = counted(len(roll.known), "unit was", "units were")
        keeps = "keeps its" if len(roll.known) == 1 else "keep their"
        notes.append(f"{known} in the trial already and {keeps} arm")
    if roll.joined:
        joined = counted(len(roll.joined), "new member")
        takes = "takes its" if len(roll.joined) == 1 else "take their"
        notes.append(f"{joined} of known clusters {takes} cluster's arm")
    return tuple(notes)
