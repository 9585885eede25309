"""Signing in by password, with tries counted in the database so that no process is a way round.

A try is written down before the password is looked at and struck out when it was right. So many
rivals at once still get no more tries than one. What is said and how long it takes never depends
on whether there is such an account.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import accounts, audit, clock, sessions
from trials.accounts import User
from trials.errors import SignpostError
from trials.store.engine import Store
from trials.store.tables import AttemptRow

WINDOW = timedelta(minutes=15)
FROM_ONE_PLACE = 5
"""How many tries at one account from one address are looked at in a window."""
FROM_ANYWHERE = 25
"""How many at one account from all addresses: a stranger cannot lock the owner out with five."""
AT_ANYBODY = 100
"""How many at all accounts from one address."""


class Refused(SignpostError):
    """The address or the password is wrong. Which of them is not said."""

    code = "not-signed-in"
    status = 401


class TooManyTries(SignpostError):
    """There were too many tries; none is looked at until some have aged."""

    code = "too-many-tries"
    status = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Someone at the door. ``whence`` is the network address; ``key`` hashes what is kept of it."""

    email: str
    password: str
    whence: str
    key: str


def by_password(store: Store, tried: Try) -> tuple[User, str]:
    """Sign in; answers the person and the token of a new session.

    Raises:
        Refused: the address or password is wrong, or the account is closed.
        TooManyTries: too many tries in the last quarter of an hour.
    """
    with store.write() as session:
        number = _counted(session, tried)
    with store.read() as session:
        found = accounts.with_password(session, tried.email, tried.password)
    if found is None:
        raise Refused("the e-mail address or the password is not right", "try again")
    with store.write() as session:
        session.execute(sa.delete(AttemptRow).where(AttemptRow.id == number))
        return found, signed_in(session, found, how="password")


def signed_in(session: Session, user: User, *, how: str) -> str:
    """Begin a session for a person who proved who they are; answers its token."""
    audit.record(session, "signed in", f"user {user.id}", actor=user.email, detail={"by": how})
    return sessions.begin(session, user.id)


def _counted(session: Session, tried: Try) -> int:
    """The number of this try, written down. Raises ``TooManyTries``."""
    who, whence = (_hashed(tried.key, t) for t in (tried.email.strip().lower(), tried.whence))
    session.execute(sa.delete(AttemptRow).where(AttemptRow.at < clock.now() - WINDOW))
    here, there = AttemptRow.who == who, AttemptRow.whence == whence
    limits = (
        (sa.and_(here, there), FROM_ONE_PLACE), (here, FROM_ANYWHERE), (there, AT_ANYBODY),
    )  # fmt: skip
    _one_at_a_time(session)
    for which, most in limits:
        if _tries(session, which) >= most:
            raise TooManyTries("there were too many tries to sign in",
                               "wait a quarter of an hour, then try again")  # fmt: skip
    row = AttemptRow(who=who, whence=whence, at=clock.now())
    session.add(row)
    session.flush()
    return row.id


def _tries(session: Session, which: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count(AttemptRow.id)).where(which)) or 0


def _one_at_a_time(session: Session) -> None:
    """Counting and writing down are one step; SQLite's writers queue by themselves."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x5349474E})


def _hashed(key: str, text: str) -> bytes:
    return hmac.new(key.encode(), text.encode("utf-8", "replace"), hashlib.sha256).digest()
