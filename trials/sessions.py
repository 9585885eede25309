"""Being signed in: a row a browser, found by the digest of a token that only the browser has."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock
from trials.accounts import User, user_of
from trials.store.tables import SessionRow, UserRow

LONGEST = timedelta(hours=12)
"""How long one sign-in lasts at most."""


def begin(session: Session, user_id: int) -> str:
    """Sign a person in; answers the token for the browser. Clears away what has run out."""
    session.execute(sa.delete(SessionRow).where(SessionRow.begun_at < clock.now() - LONGEST))
    token = secrets.token_urlsafe(32)
    session.add(SessionRow(digest=_digest(token), user_id=user_id, begun_at=clock.now()))
    session.flush()
    return token


def holder(session: Session, token: str) -> User | None:
    """Whose token this is, while the sign-in lasts and the account is open."""
    row = session.scalar(
        sa.select(UserRow)
        .join(SessionRow, SessionRow.user_id == UserRow.id)
        .where(
            SessionRow.digest == _digest(token),
            SessionRow.begun_at >= clock.now() - LONGEST,
            UserRow.disabled_at.is_(None),
        )
    )
    return None if row is None else user_of(row)


def end(session: Session, token: str) -> None:
    """Sign this browser out; the token is worth nothing from now on."""
    session.execute(sa.delete(SessionRow).where(SessionRow.digest == _digest(token)))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
