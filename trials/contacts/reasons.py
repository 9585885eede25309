"""The taxonomy in the store: wrap codes of every system, with the days on which they hold."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import files
from trials.contacts import taxonomy
from trials.contacts.reading import opened
from trials.contacts.taxonomy import Reason, Taxonomy
from trials.importing import ledger
from trials.store.engine import Store
from trials.store.tables import ReasonRow

_BEGINNING = date(1900, 1, 1)


def add(store: Store, path: Path, *, actor: str) -> ledger.Report:
    """Take in a reasons file whole; a row for the same source, code and first day replaces it.

    Raises:
        Invalid: rows are refused; every one is listed with its line.
    """
    fingerprint = files.fingerprint(path)
    with store.read() as session:
        earlier = ledger.seen_before(
            session, trial_id=None, kind="reasons", fingerprint=fingerprint
        )
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    with opened(path) as stream:
        given = taxonomy.read(stream)
    with store.write() as session:
        counts = [_put(session, reason) for reason in given.reasons]
        report = ledger.Report(
            kind="reasons", file=path.name, rows=len(counts), added=counts.count("added"),
            unchanged=counts.count("unchanged"), corrected=counts.count("corrected"),
            detail={"version": load(session).version},
        )  # fmt: skip
        ledger.enter(session, report, trial_id=None, subject="taxonomy",
                     fingerprint=fingerprint, actor=actor)  # fmt: skip
    return report


def load(session: Session) -> Taxonomy:
    """Everything that is mapped."""
    rows = session.scalars(sa.select(ReasonRow).order_by(ReasonRow.id))
    return Taxonomy(
        Reason(
            source=row.source, code=row.code, reason=row.reason,
            category=row.category,  # type: ignore[arg-type]
            avoidable_share=row.avoidable_share,
            valid_from=None if row.valid_from == _BEGINNING else row.valid_from,
            valid_to=row.valid_to,
        )
        for row in rows
    )  # fmt: skip


def _put(session: Session, reason: Reason) -> str:
    """One row in; the first day is never NULL, so that a code has one row for each."""
    first = reason.valid_from or _BEGINNING
    row = session.scalar(
        sa.select(ReasonRow).where(
            ReasonRow.source == reason.source, ReasonRow.code == reason.code,
            ReasonRow.valid_from == first,
        )
    )  # fmt: skip
    values = {
        "reason": reason.reason, "category": reason.category,
        "avoidable_share": reason.avoidable_share, "valid_to": reason.valid_to,
    }  # fmt: skip
    if row is None:
        session.add(ReasonRow(source=reason.source, code=reason.code, valid_from=first, **values))
        return "added"
    if all(getattr(row, name) == value for name, value in values.items()):
        return "unchanged"
    for name, value in values.items():
        setattr(row, name, value)
    return "corrected"
