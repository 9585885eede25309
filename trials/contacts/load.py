"""Contacts on their way into the log: read by source, staged, then made visible at once.

A contact is known by its source's own id. The same content again changes nothing; other content is
a correction if it is newer (by the source's version, else by order of delivery) and what the older
delivery said is kept. A process killed at any point leaves everything or nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy.orm import Session

from trials import files
from trials.contacts import fast, intake, mapping, merging
from trials.contacts.mapping import ColumnMapping
from trials.contacts.merging import Merged
from trials.contacts.reading import opened
from trials.contacts.record import Refused
from trials.contacts.sources import ELSEWHERE, READERS, TITLES, identify, plain, wrap_codes
from trials.contacts.sources.common import USUAL
from trials.definition.near import nearest
from trials.errors import Invalid, NotFound, Problem
from trials.importing import ledger
from trials.people.identifiers import Hasher
from trials.plurals import counted
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import PEOPLE


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where contacts come from, what the report calls them, and their fingerprint."""

    source: str
    label: str
    fingerprint: str


@dataclass(slots=True)
class _Seen:
    """What came past while staging."""

    rows: int = 0
    staged: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)
    codes: dict[tuple[str, str], int] = field(default_factory=dict)
    ids: list[npt.NDArray[np.uint64]] = field(default_factory=list)

    def codes_of(self, contacts: pa.RecordBatch) -> pa.Array:
        """The wrap codes by number, in order of appearance; nothing for those without one."""
        topics, codes = (contacts.column(name).to_pylist() for name in ("topic", "reason"))
        numbers = self.codes
        found = [
            None if code is None else numbers.setdefault((topic or "", code), len(numbers))
            for topic, code in zip(topics, codes, strict=True)
        ]
        return pa.array(found, pa.int64())

    @property
    def repeated(self) -> bool:
        """Whether some contact may stand in the file twice: the first half of its id does."""
        ids = np.sort(np.concatenate(self.ids)) if self.ids else np.zeros(0, np.uint64)
        return bool((ids[1:] == ids[:-1]).any())


def add(
    store: Store, path: Path, *, hasher: Hasher, actor: str, source: str | None = None,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in a contacts file of any known source: whole or not at all.

    Args:
        store: the database.
        path: the file.
        hasher: keyed hashes of identifiers.
        actor: who imports, for the ledger.
        source: a source's name or the path of a mapping file; ``None`` looks at the header.
        keep_good_rows: import what can be used and report the rest.
        progress: told the number of rows staged.

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: the source is not known.
    """
    fingerprint = files.fingerprint(path)
    with store.read() as session:
        earlier = ledger.seen_before(
            session, trial_id=None, kind="contacts", fingerprint=fingerprint
        )
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    if path.stat().st_size == 0:
        raise Invalid(path.name, [Problem("", "the file is empty", "export it again")])
    try:
        name, batches = _reader(path, source, hasher)
        return take(store, Delivery(name, path.name, fingerprint), batches, actor=actor,
                    keep_good_rows=keep_good_rows, progress=progress)  # fmt: skip
    except Invalid as refused:
        if refused.what not in {"the file", "the contacts file"}:
            raise
        raise Invalid(path.name, refused.problems, refused.remedy) from None


def take(
    store: Store, delivery: Delivery, batches: Iterator[intake.Batch], *, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Stage a delivery's contacts, then make them part of the log in one transaction.

    Raises:
        Invalid: rows are refused, or there are no contacts.
    """
    refusals, seen = Refusals(delivery.label), _Seen()
    with staging.stage(store, contacts=merging.STAGED, codes=merging.CODES) as stages:
        for batch in batches:
            _put(stages["contacts"], batch, refusals, seen)
            progress(seen.rows)
        if seen.rows == 0:
            says = "the file has a header but no contacts"
            raise Invalid(delivery.label, [Problem("", says, "export it again")])
        refusals.raise_any(keep_good_rows=keep_good_rows)
        stages["codes"].put([(number, *code) for code, number in seen.codes.items()])
        with stages.merge() as session:
            return _merged(session, stages, delivery, seen, refusals, actor)


def _merged(
    session: Session, stages: staging.Staging, delivery: Delivery, seen: _Seen,
    refusals: Refusals, actor: str,
) -> ledger.Report:  # fmt: skip
    number = merging.source_id(session, delivery.source)
    fingerprint = delivery.fingerprint
    entry = ledger.begin(session, kind="contacts", fingerprint=fingerprint, actor=actor)
    merged = merging.merge(stages, session, number, import_id=entry.id, repeated=seen.repeated)
    report = _report(delivery.label, delivery.source, seen, refusals, merged)
    ledger.enter(session, report, trial_id=None, subject=f"source {delivery.source}",
                 fingerprint=fingerprint, actor=actor, row=entry)  # fmt: skip
    return report


def _reader(path: Path, source: str | None, hasher: Hasher) -> tuple[str, Iterator[intake.Batch]]:
    """The source's name, and its contacts in batches."""
    if source is not None and source.endswith(".toml"):
        saved = mapping.load(Path(source))
        return saved.name, _streamed(path, hasher, saved)
    name = _source_of(path, source)
    if name == plain.NAME:
        return name, fast.read(path, hasher)
    return name, _streamed(path, hasher, name)


def _source_of(path: Path, source: str | None) -> str:
    if source is not None and source not in READERS:
        if source in ELSEWHERE:
            raise NotFound(f"{TITLES[source]} hold no contacts", ELSEWHERE[source])
        guess = nearest(source, READERS)
        raise NotFound(f"there is no source called {source!r}", f"did you mean {guess!r}?")
    if source is not None:
        return source
    with opened(path) as stream:
        name = identify(stream)
    if name in ELSEWHERE:
        says = f"{path.name} holds {TITLES[name]}, in which there are no contacts"
        raise NotFound(says, ELSEWHERE[name])
    if name is None:
        says = f"{path.name} is not the export of a system that is known by its columns"
        known = ", ".join(READERS)
        raise NotFound(says, f"name it with --source ({known}), or give a mapping file")
    return name


def _streamed(path: Path, hasher: Hasher, how: str | ColumnMapping) -> Iterator[intake.Batch]:
    with opened(path) as stream:
        if isinstance(how, str):
            items = READERS[how](stream, USUAL)
        else:
            items = wrap_codes.read(stream, how, USUAL)
        yield from intake.batches(items, hasher)


def _put(stage: staging.Stage, batch: intake.Batch, refusals: Refusals, seen: _Seen) -> None:
    contacts = batch.contacts
    seen.rows += contacts.num_rows + len(batch.refused)
    for refused in batch.refused:
        _refuse(refused, refusals, seen)
    for text in contacts.column("unusable").drop_null().to_pylist():
        seen.unusable.update(text.split())
    if contacts.num_rows:
        stage.put_table(pa.record_batch(list(_columns(contacts, seen)), list(merging.STAGED)))


def _refuse(refused: Refused, refusals: Refusals, seen: _Seen) -> None:
    if refused.left_out:
        seen.left_out[refused.says] += 1
    else:
        refusals.add(refused.file_line, refused.says, refused.remedy, place=refused.place)


def _columns(contacts: pa.RecordBatch, seen: _Seen) -> Iterator[pa.Array]:
    """The staged columns of a batch, in the order of :data:`merging.STAGED`."""
    digests = [hashlib.blake2b(i.encode(), digest_size=16).digest()
               for i in contacts.column("contact_id").to_pylist()]  # fmt: skip
    seen.ids.append(np.frombuffer(b"".join(digests), np.uint64)[::2].copy())
    yield pa.array(digests, pa.binary())
    yield seen.codes_of(contacts)
    yield pa.array(range(seen.staged, seen.staged + len(digests)), pa.int64())
    seen.staged += len(digests)
    for name in merging.AS_THEY_ARE:
        column = contacts.column(name)
        yield column.cast(pa.int8()) if name in merging.FLAGS else column
    for kind in PEOPLE:
        yield _numbers(contacts.column(kind))


def _numbers(column: pa.Array) -> pa.Array:
    """The join numbers of a column of 16-byte digests: the first 63 bits of each."""
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.int64())
    filled = column.fill_null(b"\0" * 16)
    words = np.frombuffer(filled.buffers()[1], ">u8")[2 * filled.offset :][: 2 * len(filled) : 2]
    mask = column.is_null().to_numpy(zero_copy_only=False)
    return pa.array((words >> np.uint64(1)).astype(np.int64), mask=mask)


def _report(
    file: str, source: str, seen: _Seen, refusals: Refusals, merged: Merged
) -> ledger.Report:
    notes = [f"{counted(n, 'row')} left out: {why}" for why, n in seen.left_out.items()]
    if merged.repeats:
        older = counted(merged.repeats, "older delivery")
        notes.append(f"{older} of contacts in the same file passed over")
    if merged.forgotten:
        notes.append(
            f"{counted(merged.forgotten, 'row')} left out: the person asked to be forgotten"
        )
    return ledger.Report(
        kind="contacts", file=file, rows=seen.rows, added=merged.added, corrected=merged.corrected,
        unchanged=merged.unchanged,
        refused=refusals.count, problems=tuple(refusals.problems), notes=tuple(notes),
        detail={"source": source, "left_out": dict(seen.left_out),
                "unusable_identifiers": dict(seen.unusable)},
    )  # fmt: skip
