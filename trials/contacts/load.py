"""Contacts on their way into the log: read by source, staged, then made visible at once.

A contact is known by its source's own id. The same content again changes nothing; other content is
a correction if it is newer (by the source's version, else by order of delivery) and what the older
delivery said is kept. A process killed at any point leaves everything or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import files
from trials.contacts import fast, intake, mapping
from trials.contacts.mapping import ColumnMapping
from trials.contacts.reading import opened
from trials.contacts.record import Refused
from trials.contacts.sources import READERS, identify, plain, wrap_codes
from trials.contacts.sources.common import USUAL
from trials.definition.near import nearest
from trials.errors import Invalid, NotFound, Problem
from trials.importing import ledger
from trials.people.identifiers import Hasher
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import PEOPLE, SourceRow

_WHOLE = ("ivr_seconds", "wait_seconds", "handle_seconds")
_FLAGS = ("handled", "resolved", "email_on_record")
_AS_THEY_ARE = (
    "file_line", "occurred_at", "version", "channel", "line", "topic", "reason", "outcome",
    *_WHOLE, *_FLAGS, "satisfaction", "cost", "arm",
)  # fmt: skip
_KINDS: dict[str, staging.Kind] = {
    "channel": "text", "line": "text", "topic": "text", "reason": "text", "outcome": "text",
    "satisfaction": "float", "cost": "float", "arm": "text",
}  # fmt: skip
STAGED: dict[str, staging.Kind] = {
    "digest": "bytes",
    **{name: _KINDS.get(name, "int") for name in _AS_THEY_ARE},
    **dict.fromkeys(PEOPLE, "int"),
}
SAID = (
    "occurred_at", "channel", "line", "code_id", "outcome", *_FLAGS, *_WHOLE, "satisfaction",
    "cost", "arm", *PEOPLE,
)  # fmt: skip
"""The columns that make two deliveries the same or different."""


@dataclass(slots=True)
class _Seen:
    """What came past while staging."""

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    unusable: Counter[str] = field(default_factory=Counter)


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
    name, batches = _reader(path, source, hasher)
    with store.read() as session:
        earlier = ledger.seen_before(
            session, trial_id=None, kind="contacts", fingerprint=fingerprint
        )
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    refusals, seen = Refusals(path.name), _Seen()
    with staging.stage(store, contacts=STAGED) as stages:
        for batch in batches:
            _put(stages["contacts"], batch, refusals, seen)
            progress(seen.rows)
        if seen.rows == 0:
            says = "the file has a header but no contacts"
            raise Invalid(path.name, [Problem("", says, "export it again")])
        refusals.raise_any(keep_good_rows=keep_good_rows)
        stages["contacts"].index("digest")
        with stages.merge() as session:
            merged = _merge(session, _source_id(session, name))
            report = _report(path.name, name, seen, refusals, merged)
            entry = ledger.enter(session, report, trial_id=None, subject=f"source {name}",
                                 fingerprint=fingerprint, actor=actor)  # fmt: skip
            _number(session, entry.id)
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
        guess = nearest(source, READERS)
        raise NotFound(f"there is no source called {source!r}", f"did you mean {guess!r}?")
    if source is not None:
        return source
    with opened(path) as stream:
        name = identify(stream)
    if name is None or name not in READERS:
        says = (
            f"{path.name} is a {name} export, which holds no contacts"
            if name
            else (f"{path.name} is not the export of a system that is known by its columns")
        )
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
        stage.put(list(zip(*_columns(contacts), strict=True)))


def _refuse(refused: Refused, refusals: Refusals, seen: _Seen) -> None:
    if refused.left_out:
        seen.left_out[refused.says] += 1
    else:
        refusals.add(refused.file_line, refused.says)


def _columns(contacts: pa.RecordBatch) -> Iterator[list[Any]]:
    """The staged columns of a batch, in the order of :data:`STAGED`."""
    import hashlib

    yield [hashlib.blake2b(i.encode(), digest_size=16).digest()
           for i in contacts.column("contact_id").to_pylist()]  # fmt: skip
    for name in _AS_THEY_ARE:
        column = contacts.column(name)
        yield (column.cast(pa.int8()) if name in _FLAGS else column).to_pylist()
    for kind in PEOPLE:
        yield _numbers(contacts.column(kind))


def _numbers(column: pa.Array) -> list[int | None]:
    """The join numbers of a column of 16-byte digests: the first 63 bits of each."""
    if column.null_count == len(column):
        return [None] * len(column)
    filled = column.fill_null(b"\0" * 16)
    words = np.frombuffer(filled.buffers()[1], ">u8")[2 * filled.offset :][: 2 * len(filled) : 2]
    numbers = pa.array((words >> np.uint64(1)).astype(np.int64), mask=column.is_null().to_numpy(
        zero_copy_only=False))  # fmt: skip
    return list(numbers.to_pylist())


def _source_id(session: Session, name: str) -> int:
    found = session.scalar(sa.select(SourceRow.id).where(SourceRow.name == name))
    if found is not None:
        return found
    row = SourceRow(name=name)
    session.add(row)
    session.flush()
    return row.id


@dataclass(frozen=True, slots=True)
class _Merged:
    staged: int
    added: int
    corrected: int
    repeats: int


def _merge(session: Session, source_id: int) -> _Merged:
    """Settle deliveries within the file, then with the log, by one rule."""
    differ = "IS NOT" if session.get_bind().dialect.name == "sqlite" else "IS DISTINCT FROM"
    changed = " OR ".join(f"c.{name} {differ} s.{name}" for name in SAID)

    def run(sql: str) -> Any:
        return session.execute(sa.text(sql), {"source": source_id})

    run(_NEW_CODES)
    run("ALTER TABLE stage_contacts ADD COLUMN code_id INTEGER")
    run(_SET_CODES)
    staged = run("SELECT count(*) FROM stage_contacts").scalar_one()
    repeats = run(_DROP_OLDER).rowcount
    corrected = run(_KEEP_OLD.format(changed=changed)).rowcount
    if corrected:
        run(_CORRECT.format(changed=changed))
    added = run(_NEW).rowcount
    return _Merged(staged, added, corrected, repeats)


def _number(session: Session, import_id: int) -> None:
    for table in ("contacts", "contact_corrections"):
        session.execute(
            sa.text(f"UPDATE {table} SET import_id = :import WHERE import_id IS NULL"),  # noqa: S608
            {"import": import_id},
        )


def _report(
    file: str, source: str, seen: _Seen, refusals: Refusals, merged: _Merged
) -> ledger.Report:
    notes = [f"{n:,} rows left out: {why}" for why, n in seen.left_out.items()]
    if merged.repeats:
        notes.append(f"{merged.repeats:,} were older deliveries of contacts in the same file")
    return ledger.Report(
        kind="contacts", file=file, rows=seen.rows, added=merged.added, corrected=merged.corrected,
        unchanged=merged.staged - merged.repeats - merged.added - merged.corrected,
        refused=refusals.count, problems=tuple(refusals.problems), notes=tuple(notes),
        detail={"source": source, "left_out": dict(seen.left_out),
                "unusable_identifiers": dict(seen.unusable)},
    )  # fmt: skip


_LIST = ", ".join(SAID)
_NEW_CODES = """
    INSERT INTO contact_codes (source_id, topic, code)
    SELECT DISTINCT :source, coalesce(s.topic, ''), s.reason FROM stage_contacts s
    WHERE s.reason IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM contact_codes k WHERE k.source_id = :source
        AND k.topic = coalesce(s.topic, '') AND k.code = s.reason)"""
_SET_CODES = """
    UPDATE stage_contacts SET code_id = (
        SELECT k.id FROM contact_codes k WHERE k.source_id = :source
        AND k.topic = coalesce(stage_contacts.topic, '') AND k.code = stage_contacts.reason)
    WHERE reason IS NOT NULL"""
_DROP_OLDER = """
    DELETE FROM stage_contacts WHERE file_line IN (
        SELECT file_line FROM (
            SELECT file_line, row_number() OVER (
                PARTITION BY digest
                ORDER BY (version IS NOT NULL) DESC, version DESC, file_line DESC) AS place
            FROM stage_contacts WHERE digest IN (
                SELECT digest FROM stage_contacts GROUP BY digest HAVING count(*) > 1)
        ) AS ordered WHERE place > 1)"""
_NEWER = "(c.version IS NULL OR (s.version IS NOT NULL AND s.version >= c.version))"
_MATCH = "s.digest = c.digest AND c.source_id = :source"
_KEEP_OLD = f"""
    INSERT INTO contact_corrections
        (contact_id, occurred_at, version, channel, line, code_id, outcome, handled,
         handle_seconds)
    SELECT c.id, c.occurred_at, c.version, c.channel, c.line, c.code_id, c.outcome, c.handled,
           c.handle_seconds
    FROM stage_contacts s JOIN contacts c ON {_MATCH} WHERE {_NEWER} AND ({{changed}})"""  # noqa: S608
_CORRECT = f"""
    UPDATE contacts SET version = n.version, import_id = NULL,
        {", ".join(f"{name} = n.{name}" for name in SAID)}
    FROM (SELECT c.id AS found, s.* FROM stage_contacts s JOIN contacts c ON {_MATCH}
          WHERE {_NEWER} AND ({{changed}})) AS n
    WHERE contacts.id = n.found"""  # noqa: S608
_NEW = f"""
    INSERT INTO contacts (source_id, digest, version, {_LIST})
    SELECT :source, s.digest, s.version, {", ".join(f"s.{name}" for name in SAID)}
    FROM stage_contacts s WHERE NOT EXISTS (SELECT 1 FROM contacts c WHERE {_MATCH})
    ORDER BY s.file_line"""  # noqa: S608
