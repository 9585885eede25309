"""Batches on their way to the disk: many requests, one commit.

An answer is given only after the commit that holds its rows. Where the database is locked or lost
for longer than :data:`PATIENCE` nothing is acknowledged, and whoever sent sends again: no row
counts twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials.contacts import batch
from trials.errors import Conflict, Invalid, SignpostError, Unavailable
from trials.importing import ledger
from trials.online.batches import Batch, Kind, Row, Sent, read
from trials.online.groups import Group
from trials.online.recorder import Entry
from trials.online.service import Online
from trials.people.identifiers import Hasher
from trials.store.engine import Store
from trials.store.tables import (
    AssignmentRow,
    CorrectionRow,
    ExposureRow,
    IdentifierRow,
    OutcomeRow,
    ReceivedRow,
    UnitRow,
)

PATIENCE = 3.0
"""Seconds for which a busy database is tried again before the sender is told to come back."""
_PAUSE = 0.05
_TRIES = 3
_CHUNK = 500

Done = TypeVar("Done")


class Intake:
    """Takes exposures and outcomes in, durably."""

    def __init__(self, store: Store, hasher: Hasher, online: Online) -> None:
        self._store, self._hasher, self._online = store, hasher, online
        self._group: Group[Batch, ledger.Report | Invalid] = Group(self._write)

    def take(
        self, key: str, kind: Kind, sent: Sequence[Sent], *, keep_good_rows: bool = False
    ) -> ledger.Report:
        """Take a batch in; answers when it is on the disk.

        Raises:
            Invalid: rows cannot be used; nothing was taken, unless the good ones were wanted.
            NotFound: there is no such trial.
            Unavailable: the database cannot be written to; send the batch again.
        """
        trial = self._online.trial(key)
        ready = read(
            self._online, self._hasher, trial, kind, sent, keep_good_rows=keep_good_rows
        )  # fmt: skip
        done = self._group.do(ready)
        if isinstance(done, Invalid):
            raise done
        return done

    def contacts(
        self, source: str, rows: Sequence[Mapping[str, Any]], *, actor: str,
        keep_good_rows: bool = False,
    ) -> ledger.Report:  # fmt: skip
        """Take contacts into the log, durably; see :func:`trials.contacts.batch.add_batch`."""
        return patiently(lambda: batch.add_batch(
            self._store, rows, source=source, hasher=self._hasher, actor=actor,
            keep_good_rows=keep_good_rows,
        ))  # fmt: skip

    def _write(self, batches: Sequence[Batch]) -> list[ledger.Report | Invalid]:
        return patiently(lambda: self._attempt(batches))

    def _attempt(self, batches: Sequence[Batch]) -> list[ledger.Report | Invalid]:
        results: dict[int, ledger.Report | Invalid] = {}
        # Whoever was given an arm a moment ago is written with all that was said of them then.
        self._online.recorder.flush()
        with self._store.write() as session:
            parts: dict[tuple[int, Kind], list[Batch]] = {}
            for one in batches:
                parts.setdefault((one.trial.id, one.kind), []).append(one)
            for (trial_id, kind), some in parts.items():
                part = _Part(session, trial_id, kind)
                part.look_up(some)
                results |= {id(one): part.judge(one) for one in some}
                part.write()
        return [results[id(one)] for one in batches]


_AGAIN = "send the same batch again in a moment; no row counts twice"


def patiently(attempt: Callable[[], Done]) -> Done:
    """Try again while the database is busy, up to :data:`PATIENCE`.

    Raises:
        Unavailable: it stays busy, or cannot be reached; nothing was taken.
    """
    until, rivals = time.monotonic() + PATIENCE, 0
    while True:
        try:
            return attempt()
        except Invalid:
            raise
        except sa.exc.IntegrityError:  # another process wrote one of the rows meanwhile
            rivals += 1
            if rivals >= _TRIES:
                raise Unavailable("another process writes the same rows", _AGAIN) from None
        except (SignpostError, sa.exc.SQLAlchemyError) as failure:
            if not isinstance(failure, Conflict) or time.monotonic() >= until:
                says = "the rows cannot be written now, and none of them was taken"
                raise Unavailable(says, _AGAIN) from failure
            time.sleep(_PAUSE)


@dataclass(slots=True)
class _Part:
    """The batches of one trial and kind within a commit."""

    session: Session
    trial_id: int
    kind: Kind
    received: dict[bytes, int] = field(default_factory=dict)
    units: dict[bytes, int] = field(default_factory=dict)
    new_units: dict[bytes, Entry] = field(default_factory=dict)
    there: dict[Any, float | None] = field(default_factory=dict)
    new_received: dict[bytes, int] = field(default_factory=dict)
    fresh: dict[Any, Row] = field(default_factory=dict)
    changed: list[tuple[Any, float, float]] = field(default_factory=list)

    def look_up(self, batches: Sequence[Batch]) -> None:
        """Read what is known of the rows already."""
        rows = [row for batch in batches for row in batch.rows]
        self.received = dict(self._pairs(
            sa.select(ReceivedRow.digest, ReceivedRow.fingerprint)
            .where(ReceivedRow.trial_id == self.trial_id, ReceivedRow.kind == self.kind),
            ReceivedRow.digest, {row.id for row in rows},
        ))  # fmt: skip
        self._find_units({row.digest for row in rows})
        numbers = {self.units[row.digest] for row in rows if row.digest in self.units}
        digest_of = {number: digest for digest, number in self.units.items()}
        for some in _chunks(numbers):
            for number, *name, value in self.session.execute(self._kept(some)):
                self.there[(digest_of[number], *name)] = value

    def _kept(self, numbers: list[int]) -> sa.Select[*tuple[Any, ...]]:
        if self.kind == "exposures":
            return sa.select(
                ExposureRow.unit_id, ExposureRow.exposed_at, sa.literal(1.0)
            ).where(ExposureRow.unit_id.in_(numbers))  # fmt: skip
        return sa.select(
            OutcomeRow.unit_id, OutcomeRow.metric_id, OutcomeRow.observed_at, OutcomeRow.value
        ).where(OutcomeRow.unit_id.in_(numbers))

    def judge(self, batch: Batch) -> ledger.Report | Invalid:
        """Sort a batch's rows into new, known and refused; a refused batch leaves nothing."""
        problems, new, known = list(batch.problems), [], 0
        mine: dict[bytes, int] = {}
        for row in batch.rows:
            before = mine.get(row.id, self.received.get(row.id))
            if before is not None and before != row.fingerprint:
                batch.refuse(row.number, "its id was used for another row before",
                             "give every row an id of its own")  # fmt: skip
            elif before is not None:
                known += 1
            elif row.digest not in self.units and row.entry is None:
                batch.refuse(row.number, "the unit is not in this trial",
                             "ask for its arm or load its assignment first")  # fmt: skip
            else:
                mine[row.id] = row.fingerprint
                new.append(row)
        if batch.refused:
            refusal = batch.refusal()
            batch.problems = problems
            return refusal
        self.received |= mine
        self.new_received |= mine
        report = self._accept(batch, new, known)
        batch.problems = problems
        return report

    def _accept(self, batch: Batch, new: Sequence[Row], known: int) -> ledger.Report:
        added = corrected = blank = 0
        for row in new:
            if row.digest not in self.units and row.entry is not None:
                self.new_units.setdefault(row.digest, row.entry)
            name, value = _name(self.kind, row), row.value if self.kind == "outcomes" else 1.0
            if value is None:
                blank += 1
            elif name not in self.there:
                self.fresh[name] = row
                added += 1
            elif self.there[name] != value:
                self._correct(name, row)
                corrected += 1
            else:
                known += 1
            if value is not None:
                self.there[name] = value
        return batch.report(added=added, unchanged=known, corrected=corrected, blank=blank)

    def _correct(self, name: Any, row: Row) -> None:
        before, after = self.there[name], row.value
        assert before is not None
        assert after is not None
        self.changed.append((name, before, after))
        if name in self.fresh:
            self.fresh[name] = row

    def write(self) -> None:
        """Write everything that was accepted."""
        self._enrol()
        self._insert(ReceivedRow, [
            {"trial_id": self.trial_id, "kind": self.kind, "digest": digest, "fingerprint": print_}
            for digest, print_ in self.new_received.items()
        ])  # fmt: skip
        if self.kind == "exposures":
            self._insert(ExposureRow, [
                {"trial_id": self.trial_id, "unit_id": self.units[row.digest],
                 "exposed_at": row.at, "arm_id": row.arm_id}
                for row in self.fresh.values()
            ])  # fmt: skip
            return
        self._insert(OutcomeRow, [
            {"trial_id": self.trial_id, "unit_id": self.units[row.digest], "value": row.value,
             "metric_id": row.metric_id, "observed_at": row.at}
            for row in self.fresh.values()
        ])  # fmt: skip
        self._write_corrections()

    def _write_corrections(self) -> None:
        for (digest, metric, at), before, after in self.changed:
            place = {"unit_id": self.units[digest], "metric_id": metric, "observed_at": at}
            self.session.execute(
                sa.update(OutcomeRow).filter_by(**place).values(value=after),
                execution_options={"synchronize_session": False},
            )
            self._insert(CorrectionRow, [
                {"trial_id": self.trial_id, **place, "before": before, "after": after}
            ])  # fmt: skip

    def _enrol(self) -> None:
        """Units first heard of by their exposure: their arm follows from their id."""
        if not self.new_units:
            return
        self._insert(UnitRow, [
            {"trial_id": self.trial_id, "digest": digest, "attributes": entry.attributes}
            for digest, entry in self.new_units.items()
        ])  # fmt: skip
        self._find_units(set(self.new_units))
        self._insert(AssignmentRow, [
            {"unit_id": self.units[digest], "trial_id": self.trial_id, "arm_id": entry.arm_id,
             "assigned_at": entry.at, "probability": entry.probability, "epoch": 1}
            for digest, entry in self.new_units.items()
        ])  # fmt: skip
        self._insert(IdentifierRow, [
            {"unit_id": self.units[digest], "kind": kind, "number": number}
            for digest, entry in self.new_units.items() for kind, number in entry.identifiers
        ])  # fmt: skip

    def _insert(self, table: type[Any], rows: list[dict[str, Any]]) -> None:
        if rows:
            self.session.execute(sa.insert(table.__table__), rows)

    def _find_units(self, digests: set[bytes]) -> None:
        query = sa.select(UnitRow.digest, UnitRow.id).where(UnitRow.trial_id == self.trial_id)
        self.units |= dict(self._pairs(query, UnitRow.digest, digests))

    def _pairs(
        self, query: sa.Select[*tuple[Any, ...]], column: Any, wanted: set[bytes]
    ) -> Iterator[tuple[bytes, int]]:
        for some in _chunks(wanted):
            for digest, number in self.session.execute(query.where(column.in_(some))):
                yield bytes(digest), number


def _name(kind: Kind, row: Row) -> tuple[Any, ...]:
    """What makes two rows say the same thing: a unit met at a moment, or a value measured."""
    return (row.digest, row.at) if kind == "exposures" else (row.digest, row.metric_id, row.at)


def _chunks(wanted: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(wanted)
    while some := list(islice(rest, _CHUNK)):
        yield some
