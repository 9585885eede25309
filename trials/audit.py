"""The audit log: who did what, when; append-only and chained by hashes.

Each entry's hash covers its content and the hash before it, so that an entry changed, removed or
slipped in later breaks the chain at that place. The database refuses updates and deletions by
itself; the chain shows even what was done around the database. Entries carry no identifier.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock
from trials.store.tables import AuditRow

START = "0" * 64
LOCK = 0x41554454  # "AUDT": entries are chained one at a time


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Broken:
    """The first entry that does not follow from the one before it."""

    number: int
    says: str


def record(
    session: Session, action: str, subject: str, *, actor: str, detail: Mapping[str, Any] = {}
) -> None:
    """Append an entry within the caller's write transaction."""
    lock(session)
    session.flush()
    last = session.execute(sa.select(AuditRow.hash).order_by(AuditRow.id.desc()).limit(1))
    previous = last.scalar_one_or_none() or START
    entry = AuditRow(
        at=clock.now().isoformat(timespec="microseconds"), actor=actor, action=action,
        subject=subject, detail=dict(detail), previous=previous, hash="",
    )  # fmt: skip
    entry.hash = _hash(entry)
    session.add(entry)
    session.flush()


def lock(session: Session) -> None:
    """Let nobody else append until this transaction ends; SQLite's writers queue by themselves."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def history(session: Session, subject: str) -> list[Entry]:
    """The entries about ``subject`` (a trial's key), oldest first."""
    rows = session.scalars(
        sa.select(AuditRow).where(AuditRow.subject == subject).order_by(AuditRow.id)
    )
    return [_entry(row) for row in rows]


def name(actor: str) -> str:
    """An actor as a page or a paper names them: the log keeps which way they came in."""
    return actor.removeprefix("cli:")


def latest(session: Session, subject: str, *actions: str) -> int | None:
    """The number of the last entry about ``subject`` with one of ``actions``, if there is any."""
    wanted = AuditRow.subject == subject, AuditRow.action.in_(actions)
    found: int | None = session.scalar(sa.select(sa.func.max(AuditRow.id)).where(*wanted))
    return found


def entries(
    session: Session,
    *,
    actor: str = "",
    subject: str = "",
    before: int | None = None,
    limit: int = 50,
) -> list[Entry]:
    """The latest entries, newest first: by ``actor``, about ``subject``, older than ``before``."""
    wanted = sa.select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if actor:
        wanted = wanted.where(AuditRow.actor == actor)
    if subject:
        wanted = wanted.where(AuditRow.subject == subject)
    if before is not None:
        wanted = wanted.where(AuditRow.id < before)
    return [_entry(row) for row in session.scalars(wanted)]


def _entry(r: AuditRow) -> Entry:
    return Entry(r.id, datetime.fromisoformat(r.at), r.actor, r.action, r.subject, r.detail)


def verify(session: Session) -> Broken | None:
    """The first broken link of the whole chain, or ``None`` when it is sound."""
    previous = START
    for row in session.scalars(sa.select(AuditRow).order_by(AuditRow.id)).yield_per(1000):
        if row.previous != previous:
            return Broken(row.id, "it does not follow from the entry before it")
        if row.hash != _hash(row):
            return Broken(row.id, "its content is not what was written")
        previous = row.hash
    return None


def _hash(row: AuditRow) -> str:
    content = [row.previous, row.at, row.actor, row.action, row.subject, row.detail]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
