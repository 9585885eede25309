"""A new identifier key laid over everything that is stored, without the raw identifiers.

Every stored hash ``h`` becomes ``HMAC(new, h)`` in one transaction, and the new key is added to the
key file, so that new files hash to the same. Whoever learned the old key alone can match nothing
any more. The new key file is written before the transaction and put in place after it; a machine
that stops in between is told so, and the same command finishes the change.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit
from trials.errors import Unavailable
from trials.importing.columns import link_number
from trials.people.erasure import secure, settle
from trials.people.identifiers import Hasher
from trials.people.keys import Keys
from trials.store.engine import Store
from trials.store.tables import PEOPLE, AuditRow

ACTION = "identifier key changed"
_NUMBERS = {
    "contacts": PEOPLE,
    "identifiers": ("number",),
    "left_out": ("number",),
    "bulk_callers": ("number",),
    "assignments": ("cluster",),
    "received": ("fingerprint",),
}
_DIGESTS = {"units": "digest", "turned_away": "digest", "received": "digest"}


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many hashes were rolled forward, and whether an interrupted change was finished."""

    hashes: int
    generation: int
    finished_earlier: bool = False


def rotate(store: Store, key_file: Path, *, actor: str) -> Rotated:
    """Lay a fresh key over every stored hash.

    Raises:
        Unavailable: the key file cannot be read or written.
    """
    following = key_file.with_suffix(".next")
    text = _next_text(key_file, following)
    keys = Keys.of(text)
    rolling = Hasher(Keys(keys.base, keys.over[-1:]))
    check = hashlib.sha256(b"check:" + keys.over[-1]).hexdigest()
    with store.read() as session:
        done = _done(session, check)
    hashes = 0 if done else _roll(store, rolling, check, len(keys.over), actor)
    following.replace(key_file)
    settle(store)
    return Rotated(hashes, len(keys.over), finished_earlier=done)


def _next_text(key_file: Path, following: Path) -> str:
    """The next key file's content, written once and safely before anything else happens."""
    try:
        if following.exists():
            return following.read_text(encoding="utf-8")
        text = f"{key_file.read_text(encoding='utf-8').strip()}\n{secrets.token_hex(32)}\n"
        draft = following.with_suffix(".draft")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(following)
    except OSError as failure:
        raise Unavailable(f"the key file cannot be changed ({failure.strerror})",
                          "check that this user may write beside it") from None  # fmt: skip
    return text


def _done(session: Session, check: str) -> bool:
    """Whether the database has been rolled to this key already."""
    last = session.scalar(
        sa.select(AuditRow.detail).where(AuditRow.action == ACTION).order_by(AuditRow.id.desc())
        .limit(1)
    )  # fmt: skip
    return last is not None and last.get("check") == check


def _roll(store: Store, rolling: Hasher, check: str, generation: int, actor: str) -> int:
    def number(value: int | None) -> int | None:
        if value is None:
            return None
        return link_number(rolling.rolled((value << 1).to_bytes(8) + bytes(8)))

    def digest(value: bytes | None) -> bytes | None:
        return None if value is None else rolling.rolled(bytes(value))

    with store.write() as session:
        secure(session)
        count = 0
        for table, columns in _NUMBERS.items():
            for column in columns:
                count += _rewrite(session, table, column, number)
        for table, column in _DIGESTS.items():
            count += _rewrite(session, table, column, digest)
        detail = {"generation": generation, "hashes": count, "check": check}
        audit.record(session, ACTION, "identifiers", actor=actor, detail=detail)
    return count


def _rewrite(session: Session, table: str, column: str, roll: Callable[[Any], Any]) -> int:
    """Replace every different value of a column once, by way of a temporary table."""
    kind = "BYTEA" if _holds_digests(table, column) else "BIGINT"
    session.execute(sa.text(f"CREATE TEMPORARY TABLE rolled (old {kind}, new {kind})"))
    for pairs in _pairs(session, table, column, roll):
        session.execute(sa.text("INSERT INTO rolled (old, new) VALUES (:old, :new)"), pairs)
    session.execute(sa.text("CREATE INDEX ix_rolled ON rolled (old)"))
    done = session.execute(
        sa.text(
            f"UPDATE {table} SET {column} = (SELECT new FROM rolled "  # noqa: S608 - own names
            f"WHERE old = {table}.{column}) WHERE {column} IS NOT NULL"
        )
    )
    session.execute(sa.text("DROP TABLE rolled"))
    return int(getattr(done, "rowcount", 0))


def _holds_digests(table: str, column: str) -> bool:
    return _DIGESTS.get(table) == column


def _pairs(
    session: Session, table: str, column: str, roll: Callable[[Any], Any]
) -> Iterator[list[dict[str, Any]]]:
    found = session.execute(
        sa.text(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
    )
    values = [row[0] for row in found]
    for first in range(0, len(values), 10_000):
        yield [{"old": v, "new": roll(v)} for v in values[first : first + 10_000]]
