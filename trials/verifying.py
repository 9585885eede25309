"""Every assignment of a trial worked out again from its sealed seed, and those that differ named.

Lists are read again, redrawn batch by batch by the trial's own design, and compared with what is
on record; units met one at a time are put through their bucket. Nothing is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock, enrolment, files, registry, sharing
from trials.designs import HELD_OUT, Roster, design_for, verify
from trials.designs.online import PermutedBlocks
from trials.designs.shares import ratio
from trials.enrolled import rivals
from trials.errors import Conflict, SignpostError
from trials.importing.assignments import batches
from trials.importing.columns import UnitColumns, scope
from trials.online import adaptive
from trials.online.served import split
from trials.people import left_out
from trials.people.identifiers import Hasher
from trials.store.engine import Store
from trials.store.tables import ArmRow, AssignmentRow, ImportRow, SealRow, UnitRow

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        checked: units of the files whose assignment was worked out again.
        differ: those whose record is another one; the holdout is the arm ``""``.
        strangers: units on record that the files do not hold. They cannot be named, and where a
            list is drawn as a whole every other difference may follow from them.
        seal_holds: the seed and nonce kept are the ones committed to at launch.
        revealed: the seed is public, so that others can check the same.
    """

    trial: str
    checked: int
    differ: tuple[verify.Difference, ...]
    strangers: int
    seal_holds: bool
    revealed: bool

    @property
    def holds(self) -> bool:
        """Nothing differs."""
        return not self.differ and not self.strangers and self.seal_holds


@dataclass(frozen=True, slots=True)
class _Record:
    """What the store holds of a unit."""

    arm: str
    batch: int
    drawn: bool


@dataclass(slots=True)
class _Line:
    """An eligible unit of a file."""

    unit: str
    levels: tuple[str, ...]
    cluster: str
    balance: tuple[str, ...]
    file: int
    record: _Record | None
    compared: bool = True


@dataclass(slots=True)
class _Lines:
    """What the files hold: those to draw, and those on record though the plan excludes them."""

    eligible: list[_Line] = field(default_factory=list)
    wrongly: list[verify.Difference] = field(default_factory=list)
    met: int = 0


def check(store: Store, key: str, paths: Sequence[Path], *, hasher: Hasher) -> Verification:
    """Work every assignment out again from the lists at ``paths``.

    Raises:
        Conflict: the trial was not drawn here, or has no list of units.
        Invalid: a file cannot be read.
    """
    with store.read() as session:
        record = registry.load(session, key)
        seal = session.get(SealRow, record.id)
        if seal is None:
            raise Conflict(f"trial {key!r} has not been launched, so nothing has been drawn",
                           f"launch it with 'signpost trial launch {key}'")  # fmt: skip
        job = _Job(session, record, int(seal.seed), hasher)
        lines = job.read(paths)
        differ = job.listed(lines, paths) if job.imports else job.online(lines)
        return Verification(
            trial=key, checked=len(lines.eligible), differ=(*lines.wrongly, *differ),
            strangers=job.strangers(lines), revealed=seal.revealed_at is not None,
            seal_holds=verify.holds(seal.commitment, seed=int(seal.seed), nonce=seal.nonce,
                                    trial=key),
        )  # fmt: skip


class _Job:
    """One verification: the trial, its imports and who is left out."""

    def __init__(
        self, session: Session, record: registry.TrialRecord, seed: int, hasher: Hasher
    ) -> None:
        self._session, self._record, self._seed, self._hasher = session, record, seed, hasher
        self._trial = record.definition
        if self._trial.design.kind in ("switchback", "stepped-wedge"):
            raise Conflict(f"trial {record.key!r} is drawn by the calendar, not from a list",
                           f"see 'signpost trial schedule {record.key}'")  # fmt: skip
        arms = session.execute(sa.select(ArmRow.id, ArmRow.key).where(ArmRow.trial_id == record.id))
        self._arms = dict(arms.tuples().all())
        rows = session.scalars(
            sa.select(ImportRow).where(
                ImportRow.trial_id == record.id, ImportRow.kind.in_(("units", "assignments"))
            )
        ).all()
        if any(row.kind == "assignments" for row in rows):
            raise Conflict(f"trial {record.key!r} was randomised elsewhere",
                           "only whoever drew it can draw it again")  # fmt: skip
        self.imports = {int(row.detail["batch"]): row for row in rows if row.added}
        self._left_alone = sharing.of(session, record.id, self._trial).gate()
        self._absent = left_out.of(left_out.every(session), record.id)

    def read(self, paths: Sequence[Path]) -> _Lines:
        """The units of all files, each once, with what is on record about them."""
        lines, seen = _Lines(), set[str]()
        for number, path in enumerate(paths):
            with files.open_table(path) as table:
                columns = UnitColumns.of(table, self._trial, strict=bool(self.imports))
                excludes = enrolment.excluder(table, self._trial) if self.imports else _nobody
                balance = [table.index(name) or 0 for name in self._trial.design.balance]
                for batch in batches(table.rows):
                    found = self._stored([columns.key(row) for _, row in batch])
                    for _, row in batch:
                        unit = columns.key(row)
                        if unit and unit not in seen:
                            seen.add(unit)
                            line = _Line(
                                unit, columns.levels(row), _at(row, columns.cluster),
                                tuple(row[i].strip() for i in balance), number,
                                found.get(unit),
                            )  # fmt: skip
                            numbers = columns.numbers(row, self._hasher)
                            self._place(lines, line, excludes(row), numbers)
        return lines

    def _place(
        self, lines: _Lines, line: _Line, excluded: str | None, numbers: list[tuple[str, int]]
    ) -> None:
        if line.record is None and (entry := self._absent.among(numbers)):
            line.compared = False
            # Only who was left out after the draw had a place in it.
            if not self.imports or entry.since <= self._drawn_at(line):
                return
        lines.met += line.record is not None
        drawn = line.cluster if self._trial.design.kind == "cluster" else line.unit
        excluded = excluded or self._left_alone(drawn)
        if excluded is not None:
            if line.record is not None:
                lines.wrongly.append(verify.Difference(line.unit, None, line.record.arm))
            return
        lines.eligible.append(line)

    def _drawn_at(self, line: _Line) -> datetime:
        return self.imports[max(self.imports)].at if line.record is None else clock.now()

    def listed(self, lines: _Lines, paths: Sequence[Path]) -> list[verify.Difference]:
        """Draw each batch again."""
        prints = [files.fingerprint(path) for path in paths]
        own = {row.fingerprint: number for number, row in self.imports.items()}
        rivals_hold = self._rivals([line.unit for line in lines.eligible if line.record is None])
        by_batch: dict[int, list[_Line]] = {}
        joined: list[_Line] = []
        for line in lines.eligible:
            if line.record is not None and not line.record.drawn:
                joined.append(line)
            elif line.unit not in rivals_hold:
                batch = line.record.batch if line.record else own.get(prints[line.file])
                by_batch.setdefault(batch or max(self.imports), []).append(line)
        found: list[verify.Difference] = []
        clusters: dict[str, str] = {}
        for number, members in sorted(by_batch.items()):
            drawn = self._draw(number, members)
            clusters |= {m.cluster: drawn[m.unit] for m in members if m.cluster}
            found += _differences((m, drawn[m.unit]) for m in members)
        return found + _differences((m, clusters.get(m.cluster)) for m in joined)

    def _draw(self, number: int, members: list[_Line]) -> dict[str, str]:
        design = self._trial.design
        roster = Roster(
            keys=[m.unit for m in members],
            strata=[m.levels for m in members] if design.strata else None,
            clusters=[m.cluster for m in members] if design.kind == "cluster" else None,
            covariates={
                name: [m.balance[i] for m in members] for i, name in enumerate(design.balance)
            },
        )
        name = self._record.key if number == 1 else f"{self._record.key}/{number}"
        drawn = design_for(design, self._trial.arms).draw(roster, seed=self._seed, trial=name)
        names = [*drawn.arms, ""]
        assert names[HELD_OUT] == ""
        return {u: names[c] for u, c in zip(roster.keys, drawn.arm.tolist(), strict=True)}

    def online(self, lines: _Lines) -> list[verify.Difference]:
        """Put each unit that was met through its bucket. Who never was is passed over."""
        if self._trial.design.strata:
            return self._within(lines)
        try:
            assign = split(self._trial, self._seed).assigner()
        except SignpostError as failure:
            raise Conflict(f"trial {self._record.key!r} cannot be drawn again",
                           str(failure)) from failure  # fmt: skip
        lines.eligible = [line for line in lines.eligible if line.record is not None]
        if self._trial.design.adaptive is not None:
            return self._adaptive(lines)
        return _differences((line, assign(line.unit).arm or "") for line in lines.eligible)

    def _adaptive(self, lines: _Lines) -> list[verify.Difference]:
        """Units whose shares followed the outcomes: each under those of its own batch."""
        assigners = {
            number: split(self._trial, self._seed, shares).assigner()
            for number, shares in adaptive.shares(self._session, self._record.id).items()
        }
        return _differences(
            (line, assigners[line.record.batch](line.unit).arm or "")
            for line in lines.eligible if line.record is not None
        )  # fmt: skip

    def _within(self, lines: _Lines) -> list[verify.Difference]:
        """Units met one at a time within strata: the arm of their place in the stratum's block."""
        keys = tuple(arm.key for arm in self._trial.arms)
        whole = ratio([arm.weight for arm in self._trial.arms], keys)
        blocks = PermutedBlocks(whole, self._seed, self._record.key)
        rows = self._session.execute(
            sa.select(UnitRow.digest, UnitRow.attributes, AssignmentRow.position)
            .join(AssignmentRow, AssignmentRow.unit_id == UnitRow.id)
            .where(UnitRow.trial_id == self._record.id, AssignmentRow.position.is_not(None))
        )
        drawn: dict[bytes, str] = {}
        for digest, attributes, number in rows:
            given = json.loads(attributes or "{}")
            levels = tuple(given.get(name, "") for name in self._trial.design.strata)
            drawn[bytes(digest)] = keys[blocks.arm(levels, number or 0)]
        lines.eligible = [line for line in lines.eligible if line.record is not None]
        named, assign = scope(self._trial), split(self._trial, self._seed).assigner()

        def again(unit: str) -> str | None:
            """The holdout is settled by the id, before any place is taken."""
            held = assign(unit).reason == "holdout"
            return "" if held else drawn.get(self._hasher.unit(named, unit))

        return _differences((line, again(line.unit)) for line in lines.eligible)

    def strangers(self, lines: _Lines) -> int:
        """Units on record that no file holds."""
        held = self._session.scalar(
            sa.select(sa.func.count())
            .select_from(AssignmentRow)
            .where(AssignmentRow.trial_id == self._record.id)
        )
        return int(held or 0) - lines.met

    def _stored(self, keys: Sequence[str]) -> dict[str, _Record]:
        query = (
            sa.select(UnitRow.digest, AssignmentRow.arm_id, AssignmentRow.epoch,
                      AssignmentRow.probability)
            .join(AssignmentRow, AssignmentRow.unit_id == UnitRow.id)
            .where(UnitRow.trial_id == self._record.id)
        )  # fmt: skip
        digests = {self._hasher.unit(scope(self._trial), key): key for key in keys}
        every = list(digests)
        found: dict[str, _Record] = {}
        for i in range(0, len(every), _CHUNK):
            some = every[i : i + _CHUNK]
            for row in self._session.execute(query.where(UnitRow.digest.in_(some))):
                arm = "" if row[1] is None else self._arms[row[1]]
                found[digests[bytes(row[0])]] = _Record(arm, row[2], row[3] is not None)
        return found

    def _rivals(self, keys: Sequence[str]) -> set[str]:
        """Units that another trial of the namespace holds."""
        others = rivals(self._session, self._record.id, self._trial)
        if not others or not keys:
            return set()
        digests = {self._hasher.unit(scope(self._trial), key): key for key in keys}
        every = list(digests)
        found: set[str] = set()
        for i in range(0, len(every), _CHUNK):
            held = self._session.scalars(
                sa.select(UnitRow.digest).where(
                    UnitRow.trial_id.in_(others), UnitRow.digest.in_(every[i : i + _CHUNK])
                )
            )
            found |= {digests[bytes(digest)] for digest in held}
        return found


def _differences(pairs: Iterable[tuple[_Line, str | None]]) -> list[verify.Difference]:
    return [
        verify.Difference(line.unit, drawn, line.record.arm if line.record else None)
        for line, drawn in pairs
        if line.compared and drawn != (line.record.arm if line.record else None)
    ]


def _at(row: files.Row, column: int | None) -> str:
    return "" if column is None else row[column].strip()


def _nobody(_row: files.Row) -> str | None:
    return None
