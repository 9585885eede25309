"""People with accounts, and what each may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import Conflict, NotFound, SignpostError
from trials.store.tables import UserRow

Role = Literal[
    "viewer", "officer", "analyst", "approver", "data-protection", "administrator", "supplier"
]
ROLES: tuple[Role, ...] = get_args(Role)
SHORTEST_PASSWORD = 12
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account."""

    id: int
    email: str
    name: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


def add(
    session: Session, email: str, *, name: str, role: str, password: str | None, actor: str
) -> User:
    """Open an account.

    Raises:
        SignpostError: the address, role or password cannot be used.
        Conflict: there is an account with this address already.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address) or len(address) > 254:
        raise SignpostError("the e-mail address is not one", "write it as name@council.gov.uk")
    _known_role(role)
    if session.scalar(sa.select(UserRow.id).where(UserRow.email == address)) is not None:
        raise Conflict("there is an account with this address already", "use 'user set-role'")
    row = UserRow(
        email=address, name=name or address.split("@")[0], role=role,
        password_hash=_hashed(password) if password is not None else None,
        created_at=clock.now(), disabled_at=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "account opened", f"user {row.id}", actor=actor, detail={"role": role})
    return _user(row)


def everyone(session: Session) -> list[User]:
    """All accounts, in the order of their addresses."""
    return [_user(row) for row in session.scalars(sa.select(UserRow).order_by(UserRow.email))]


def disable(session: Session, email: str, *, actor: str) -> User:
    """Close an account; what the person did stays on record. Raises ``NotFound``."""
    row = _row(session, email)
    row.disabled_at = row.disabled_at or clock.now()
    audit.record(session, "account disabled", f"user {row.id}", actor=actor)
    return _user(row)


def set_role(session: Session, email: str, role: str, *, actor: str) -> User:
    """Give an account another role. Raises ``NotFound`` or ``SignpostError``."""
    _known_role(role)
    row = _row(session, email)
    before, row.role = row.role, role
    audit.record(session, "role changed", f"user {row.id}", actor=actor,
                 detail={"before": before, "after": role})  # fmt: skip
    return _user(row)


def password_is_right(session: Session, email: str, password: str) -> bool:
    """Whether an open account has this password; takes as long when there is no such account."""
    row = session.scalar(sa.select(UserRow).where(UserRow.email == email.strip().lower()))
    known = row is not None and row.password_hash is not None and row.disabled_at is None
    stored = row.password_hash if row is not None and known else _NOBODY
    try:
        return _hasher.verify(stored or _NOBODY, password) and known
    except VerificationError:
        return False


_NOBODY = _hasher.hash("nobody has this password")


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise SignpostError(f"the password is shorter than {SHORTEST_PASSWORD} characters",
                            "use three random words, for instance")  # fmt: skip
    return _hasher.hash(password)


def _known_role(role: str) -> None:
    if role not in ROLES:
        raise SignpostError(f"{role!r} is not a role", f"use one of {', '.join(ROLES)}")


def _row(session: Session, email: str) -> UserRow:
    row = session.scalar(sa.select(UserRow).where(UserRow.email == email.strip().lower()))
    if row is None:
        raise NotFound("there is no account with this address", "see 'signpost user list'")
    return row


def _user(row: UserRow) -> User:
    return User(row.id, row.email, row.name, row.role, row.created_at, row.disabled_at)
