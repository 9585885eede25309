"""The fast way in for a plain contacts file: DuckDB reads, whole columns are cleaned at once.

The result is that of the streaming reader (a test holds the two against each other). Columns of
few different values (channel, line, reason, …) are cleaned once a value, times are read as
columns, identifiers are normalised and hashed once a value. Whatever is unusual about a row, that
row goes through the very code of the streaming reader; whatever is unusual about a file, the whole
file does, and where DuckDB gives up in the middle the streaming reader takes over at that record.
DuckDB keeps everything in memory: nothing that identifies a person is spilled to disk.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from trials.contacts import fast_columns, fast_times, intake
from trials.contacts.fast_columns import Digests, Mask
from trials.contacts.fast_times import Times
from trials.contacts.intake import SCHEMA, Batch, Names
from trials.contacts.mapping import Binding
from trials.contacts.moments import Passes
from trials.contacts.reading import GZIP, delimited, opened
from trials.contacts.record import Contact, Refused
from trials.contacts.rows import DURATIONS, WORDS, Cleaner
from trials.contacts.sheets import AS_SEEN
from trials.contacts.sources import plain
from trials.contacts.sources.common import USUAL, ReadOptions
from trials.contacts.textcheck import is_regular
from trials.people.identifiers import KINDS, Hasher

ROWS: Final = 100_000
FIRST_LINE: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What the fast reader needs to know of a file that it can read."""

    path: Path
    header: tuple[str, ...]
    delimiter: str
    zipped: bool
    binding: Binding

    @property
    def columns(self) -> dict[str, str]:
        """DuckDB's name of the column that fills each field."""
        return {name: f"c{places[0]}" for name, places in self.binding.positions}


def read(
    path: Path, hasher: Hasher, *, unit_scope: str = "", options: ReadOptions = USUAL
) -> Iterator[Batch]:
    """The contacts of a file with Signpost's own columns, as batches in file order.

    Every file that :func:`trials.contacts.sources.plain.read` takes is taken, fast or not.

    Raises:
        Invalid: a required column is missing.
        SignpostError: the file cannot be read at all.
    """
    planned = plan(path, options)
    if planned is not None:
        yield from _Reading(planned, hasher, unit_scope).batches()
        return
    with opened(path) as stream:
        items = plain.read(stream, options)
        yield from intake.batches(items, hasher, unit_scope=unit_scope)


def plan(path: Path, options: ReadOptions = USUAL) -> Plan | None:
    """How to read ``path`` fast, or ``None`` if it must be streamed.

    Raises:
        Invalid: a required column is missing.
        SignpostError: the file cannot be read at all.
    """
    if options.region != USUAL.region:
        return None
    with opened(path) as stream:
        if not is_regular(stream):
            return None
        first = stream.readline().removeprefix(codecs.BOM_UTF8)
        stream.seek(0)
        if not first.strip() or first.startswith(b"sep="):
            return None
        header = delimited(stream, AS_SEEN).header
    binding = plain.binding(header, options.region)
    outside = b"".join(first.split(b'"')[::2])
    delimiter = max(",;\t", key=lambda sign: outside.count(sign.encode()))
    with path.open("rb") as raw:
        zipped = raw.read(2) == GZIP
    planned = Plan(path, header, delimiter, zipped, binding)
    return None if "version" in planned.columns else planned


def statement(planned: Plan) -> str:
    """The query: every wanted column as text."""
    columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(planned.header)))
    wanted = [f"coalesce({column}, '') AS {name}" for name, column in planned.columns.items()]
    delimiter = planned.delimiter.replace("\t", "\\t")
    zipped = "gzip" if planned.zipped else "none"
    # Names and signs are ours alone: no text of the file gets into the statement.
    return (
        f"SELECT {', '.join(wanted)} FROM read_csv(?, header = true, auto_detect = false, "  # noqa: S608
        f"columns = {{{columns}}}, delim = '{delimiter}', quote = '\"', escape = '\"', "
        f"strict_mode = true, max_line_size = 1048576, compression = '{zipped}')"
    )


@dataclass(slots=True)
class _Reading:
    """One file on its way in. ``done`` counts the records handed out."""

    plan: Plan
    hasher: Hasher
    unit_scope: str
    done: int = 0
    passes: Passes = field(default_factory=Passes)
    digests: dict[str, Digests] = field(default_factory=dict)
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)

    def batches(self) -> Iterator[Batch]:
        import duckdb

        cleaner = Cleaner(passes=self.passes)
        try:
            for raw in self._records():
                batch = self._batch(raw, cleaner)
                self.done += raw.num_rows
                yield batch
        except duckdb.Error:
            yield from self._rest(cleaner)

    def _records(self) -> Iterator[pa.RecordBatch]:
        import duckdb

        con = duckdb.connect(config={"temp_directory": "", "autoinstall_known_extensions": False})
        try:
            found = con.execute(statement(self.plan), [str(self.plan.path)])
            yield from found.to_arrow_reader(ROWS)
        finally:
            con.close()

    def _rest(self, cleaner: Cleaner) -> Iterator[Batch]:
        """The records from the one on which DuckDB gave up, as the streaming reader has them."""
        with opened(self.plan.path) as stream:
            rows = islice(delimited(stream, AS_SEEN).rows, self.done, None)
            items = (
                item
                if isinstance(item, Refused)
                else cleaner.clean(item[0], self.plan.binding.row(item[1]) or {})
                for item in rows
            )
            yield from intake.batches(items, self.hasher, unit_scope=self.unit_scope)

    def _batch(self, raw: pa.RecordBatch, cleaner: Cleaner) -> Batch:
        times = fast_times.read(raw["occurred_at"])
        columns, faults = self._columns(raw)
        odd = times.odd | faults | fast_columns.unsound_ids(raw)
        lines = np.arange(raw.num_rows, dtype=np.int64) + self.done + FIRST_LINE
        columns |= {
            "occurred_at": pa.array(times.at),
            "file_line": pa.array(lines),
            "contact_id": raw["contact_id"],
        }
        arrays = [columns.get(one.name, pa.nulls(raw.num_rows, one.type)) for one in SCHEMA]
        good = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
        contacts, refused = self._odd_rows(raw, times, odd, cleaner)
        if odd.any():
            good = good.filter(pa.array(~odd))
        return Batch(self._merged(good, contacts), tuple(refused))

    def _columns(self, raw: pa.RecordBatch) -> tuple[dict[str, pa.Array], Mask]:
        """The clean columns but for id and time, and the rows with a fault in one of them."""
        present = self.plan.columns
        columns: dict[str, pa.Array] = {}
        odd = np.zeros(raw.num_rows, dtype=bool)
        for name in (*WORDS, *DURATIONS):
            if name in present:
                clean = WORDS.get(name, fast_columns.duration)
                seen = self.seen.setdefault(name, {})
                columns[name], faults = fast_columns.by_value(
                    raw[name], clean, SCHEMA.field(name).type, seen
                )
                odd |= faults
        if "outcome" in present:
            said = columns.get("handled")
            columns["handled"], clash = fast_columns.handled(raw["outcome"], said)
            odd |= clash
        if "unit" in present:
            columns["unit"], faults = fast_columns.units(raw["unit"], self.hasher, self.unit_scope)
            odd |= faults
        columns |= self._identifiers(raw)
        return columns, odd

    def _identifiers(self, raw: pa.RecordBatch) -> dict[str, pa.Array]:
        columns: dict[str, pa.Array] = {}
        remarks: list[pa.Array] = []
        for kind in KINDS:
            if kind not in self.plan.columns:
                continue
            known = self.digests.setdefault(kind, Digests(self.hasher, kind))
            columns[kind], note = known.columns(raw[kind])
            if note is not None:
                remarks.append(note)
        if remarks:
            columns["unusable"] = fast_columns.notes(remarks)
        return columns

    def _odd_rows(
        self, raw: pa.RecordBatch, times: Times, odd: Mask, cleaner: Cleaner
    ) -> tuple[list[Contact], list[Refused]]:
        """The unusual rows by the streaming reader's rules; all rows keep the clock in order."""
        walls, follows = times.wall, ~odd & ~times.exact
        which = np.flatnonzero(odd)
        rows = raw.take(pa.array(which)).to_pylist()
        contacts: list[Contact] = []
        refused: list[Refused] = []
        start = 0
        for i, row in zip(which.tolist(), rows, strict=True):
            self.passes.follow(walls[start:i][follows[start:i]])
            start = i + 1
            given = {name: text for name, text in row.items() if text}
            item = cleaner.clean(self.done + i + FIRST_LINE, given)
            if isinstance(item, Contact):
                contacts.append(item)
            else:
                refused.append(item)
        self.passes.follow(walls[start:][follows[start:]])
        return contacts, refused

    def _merged(self, good: pa.RecordBatch, contacts: list[Contact]) -> pa.RecordBatch:
        if not contacts:
            return good
        extra = intake.columns(contacts, Names(self.hasher), self.unit_scope)
        table = pa.Table.from_batches([good, extra]).sort_by("file_line").combine_chunks()
        return table.to_batches()[0]
