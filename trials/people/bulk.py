"""Known bulk callers: switchboards, support workers, councillors who call for residents.

They are listed before anybody looks at a trial's results, and link nobody: a contact that carries
such an identifier is linked by its other ones or not at all. For a trial that has been analysed
already a later addition does not count, so that nobody can choose whom to leave out by what it
does to the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock, files
from trials.contacts.cells import words
from trials.contacts.reading import opened, sheet
from trials.contacts.record import Fault, Refused
from trials.contacts.sheets import Row
from trials.errors import Invalid, Problem
from trials.importing import ledger
from trials.importing.columns import link_number
from trials.people.identifiers import KINDS, Hasher, Kind, Refusal, normalise
from trials.refusals import Refusals
from trials.store.engine import Store
from trials.store.tables import BulkCallerRow, RunRow

LONGEST_NOTE = 200


def add(
    store: Store, path: Path, *, hasher: Hasher, actor: str, keep_good_rows: bool = False
) -> ledger.Report:
    """Take in a list of bulk callers: a column for each kind of identifier, and perhaps ``note``.

    Raises:
        Invalid: there is no column of identifiers, or rows are refused.
    """
    fingerprint = files.fingerprint(path)
    refusals = Refusals(path.name)
    with opened(path) as stream:
        table = sheet(stream)
        at = table.columns()
        kinds: list[Kind] = [kind for kind in KINDS if kind in at]
        if not kinds:
            remedy = f"name a column {', '.join(KINDS)}"
            raise Invalid(path.name, [Problem("header", "holds no identifier", remedy, 1)])
        rows = list(_sound(table.rows, refusals))
        found = [one for row in rows for one in _of(row, at, kinds, hasher, refusals)]
    refusals.raise_any(keep_good_rows=keep_good_rows)
    with store.write() as session:
        added = sum(_put(session, kind, number, note, actor) for kind, number, note in found)
        report = ledger.Report(
            kind="bulk callers", file=path.name, rows=len(rows) + refusals.count, added=added,
            unchanged=len(found) - added, refused=refusals.count,
            problems=tuple(refusals.problems),
        )  # fmt: skip
        ledger.enter(session, report, trial_id=None, subject="bulk callers",
                     fingerprint=fingerprint, actor=actor)  # fmt: skip
    return report


def counted(session: Session, until: int) -> tuple[int, int]:
    """How many bulk callers were listed before ``until``, and how many later."""
    early = sa.func.sum(sa.case((BulkCallerRow.added_at < until, 1), else_=0))
    total, before = session.execute(sa.select(sa.func.count(BulkCallerRow.id), early)).one()
    return int(before or 0), int(total) - int(before or 0)


def excluded_until(session: Session, trial_id: int) -> int:
    """The moment before which a bulk caller must be listed to count for a trial (epoch).

    That of the trial's first analysis that read the contact log; without one, now.
    """
    first = session.scalar(sa.select(sa.func.min(RunRow.at)).where(RunRow.trial_id == trial_id))
    return clock.epoch(first or clock.now()) + 1


def _sound(rows: Iterable[Row | Refused], refusals: Refusals) -> Iterator[Row]:
    for row in rows:
        if isinstance(row, Refused):
            refusals.add(row.file_line, row.says, row.remedy)
        else:
            yield row


def _of(
    row: Row, at: dict[str, int], kinds: list[Kind], hasher: Hasher, refusals: Refusals
) -> list[tuple[str, int, str]]:
    line, cells = row
    note = words(cells[at["note"]][:LONGEST_NOTE]) if "note" in at else None
    if isinstance(note, Fault):
        refusals.add(line, f"note: {note.says}", note.remedy)
        return []
    found: list[tuple[str, int, str]] = []
    for kind in kinds:
        text = cells[at[kind]].strip()
        written = normalise(kind, text) if text else None
        if isinstance(written, Refusal):
            refusals.add(line, f"{kind}: {written.says}", "correct the cell or leave it blank")
        elif written is not None:
            found.append((kind, link_number(hasher.digest(kind, written)), note or ""))
    if not found and all(not cells[at[kind]].strip() for kind in kinds):
        refusals.add(line, "holds no identifier", f"give one of {', '.join(kinds)}")
    return found


def _put(session: Session, kind: str, number: int, note: str, actor: str) -> bool:
    known = session.scalar(
        sa.select(BulkCallerRow.id).where(
            BulkCallerRow.kind == kind, BulkCallerRow.number == number
        )
    )
    if known is None:
        session.add(BulkCallerRow(kind=kind, number=number, note=note, added_by=actor,
                                  added_at=clock.epoch(clock.now())))  # fmt: skip
        session.flush()
    return known is None
