"""Keys for machines: a telephony platform, a website, a nightly export.

A key is 32 random bytes, shown once; only its SHA-256 is kept. That is enough (no slow hash is
called for): nobody can try 2^256 keys. What a key may do is its scopes: ``assign`` asks for arms,
``ingest`` sends contacts, exposures and outcomes, ``read`` reads trials and results.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import Conflict, NotFound, SignpostError
from trials.store.tables import ApiKeyRow

Scope = Literal["assign", "ingest", "read"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "signpost_"
"""How every key begins, so that a scanner finds one that was left in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is listed; the key itself is not kept."""

    id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    revoked_at: datetime | None

    @property
    def actor(self) -> str:
        """Who acts, for the audit log."""
        return f"key:{self.name}"


def add(session: Session, name: str, scopes: Sequence[str], *, actor: str) -> tuple[ApiKey, str]:
    """Make a key; answers it and the secret, which is never shown again.

    Raises:
        SignpostError: a scope is not known, or there is none, or no name.
        Conflict: there is a key of this name already.
    """
    wanted = tuple(scope for scope in SCOPES if scope in scopes)
    strange = sorted(set(scopes) - set(SCOPES))
    if strange or not wanted:
        what = f"{strange[0]!r} is not a scope" if strange else "a key needs a scope"
        raise SignpostError(what, f"use one or more of {', '.join(SCOPES)}")
    if not name.strip() or len(name) > 100:
        raise SignpostError("a key needs a name of at most 100 characters", "give it with --name")
    if session.scalar(sa.select(ApiKeyRow.id).where(ApiKeyRow.name == name.strip())) is not None:
        raise Conflict(f"there is a key called {name.strip()!r} already", "choose another name")
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKeyRow(name=name.strip(), digest=digest(secret), scopes=" ".join(wanted),
                    created_at=clock.now(), created_by=actor, revoked_at=None)  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "key added", f"key {row.id}", actor=actor,
                 detail={"name": row.name, "scopes": list(wanted)})  # fmt: skip
    return _key(row), secret


def everything(session: Session) -> list[ApiKey]:
    """All keys, in the order of their names."""
    return [_key(row) for row in session.scalars(sa.select(ApiKeyRow).order_by(ApiKeyRow.name))]


def revoke(session: Session, name: str, *, actor: str) -> ApiKey:
    """Take a key back for good; doing so twice changes nothing. Raises ``NotFound``."""
    row = session.scalar(sa.select(ApiKeyRow).where(ApiKeyRow.name == name))
    if row is None:
        raise NotFound(f"there is no key called {name!r}", "see 'signpost key list'")
    if row.revoked_at is None:
        row.revoked_at = clock.now()
        audit.record(session, "key revoked", f"key {row.id}", actor=actor,
                     detail={"name": row.name})  # fmt: skip
    return _key(row)


def usable(session: Session) -> dict[bytes, ApiKey]:
    """Every key that has not been revoked, by the digest of its secret."""
    rows = session.scalars(sa.select(ApiKeyRow).where(ApiKeyRow.revoked_at.is_(None)))
    return {bytes(row.digest): _key(row) for row in rows}


def digest(secret: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id, name=row.name, scopes=tuple(row.scopes.split()), created_at=row.created_at,
        created_by=row.created_by, revoked_at=row.revoked_at,
    )  # fmt: skip
