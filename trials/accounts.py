"""People with accounts, and what each may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal, get_args

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import Conflict, NotFound, NotPermitted, SignpostError
from trials.store.tables import SessionRow, UserRow

Role = Literal[
    "viewer", "officer", "analyst", "approver", "data-protection", "administrator", "supplier"
]
ROLES: tuple[Role, ...] = get_args(Role)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
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
    has_password: bool
    provided: bool = False
    """Whether the council's sign-in provider vouches for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """A person as the council's sign-in provider describes them. ``subject`` never changes.

    ``verified`` is false where the provider says that it has not checked the address.
    """

    subject: str
    email: str
    name: str
    role: str
    verified: bool = True


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
        raise Conflict("there is an account with this address already", "change its role instead")
    row = UserRow(
        email=address, name=name or address.split("@")[0], role=role,
        password_hash=_hashed(password, address) if password is not None else None,
        created_at=clock.now(), disabled_at=None,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "account opened", f"user {row.id}", actor=actor, detail={"role": role})
    return user_of(row)


def none_yet(session: Session) -> bool:
    """Whether nobody has an account."""
    return session.scalar(sa.select(UserRow.id).limit(1)) is None


def everyone(session: Session) -> list[User]:
    """All accounts, in the order of their addresses."""
    return [user_of(row) for row in session.scalars(sa.select(UserRow).order_by(UserRow.email))]


def find(session: Session, number: int) -> User:
    """The account of this number. Raises ``NotFound``."""
    row = session.get(UserRow, number)
    if row is None:
        raise NotFound("there is no such account", "see the list of people")
    return user_of(row)


def by_address(session: Session, email: str) -> User:
    """The account with this address. Raises ``NotFound``."""
    return user_of(_row(session, email))


def disable(session: Session, email: str, *, actor: str) -> User:
    """Close an account and sign its owner out; what the person did stays on record.

    Raises:
        NotFound: there is no account with this address.
        Conflict: it is the last open administrator's.
    """
    row = _row(session, email)
    if row.disabled_at is None:
        _keep_an_administrator(session, row)
        row.disabled_at = clock.now()
        sign_out_everywhere(session, row.id)
        audit.record(session, "account disabled", f"user {row.id}", actor=actor)
    return user_of(row)


def enable(session: Session, email: str, *, actor: str) -> User:
    """Open a closed account again. Raises ``NotFound``."""
    row = _row(session, email)
    if row.disabled_at is not None:
        row.disabled_at = None
        audit.record(session, "account opened again", f"user {row.id}", actor=actor)
    return user_of(row)


def set_role(session: Session, email: str, role: str, *, actor: str) -> User:
    """Give an account another role; its owner has to sign in again.

    Raises:
        NotFound: there is no account with this address.
        SignpostError: there is no such role.
        Conflict: it is the last open administrator's.
    """
    _known_role(role)
    row = _row(session, email)
    if row.role == role:
        return user_of(row)
    _keep_an_administrator(session, row)
    before, row.role = row.role, role
    sign_out_everywhere(session, row.id)
    audit.record(session, "role changed", f"user {row.id}", actor=actor,
                 detail={"before": before, "after": role})  # fmt: skip
    return user_of(row)


def set_password(session: Session, email: str, password: str, *, actor: str) -> User:
    """Give an account another password and end every sign-in made with the old one.

    Raises:
        NotFound: there is no account with this address.
        SignpostError: the password is too easily guessed.
    """
    row = _row(session, email)
    row.password_hash = _hashed(password, row.email)
    sign_out_everywhere(session, row.id)
    audit.record(session, "password changed", f"user {row.id}", actor=actor)
    return user_of(row)


def sign_out_everywhere(session: Session, number: int) -> None:
    """End every sign-in of an account."""
    session.execute(sa.delete(SessionRow).where(SessionRow.user_id == number))


def from_provider(session: Session, person: Provided) -> User:
    """The account of a person whom the council's provider vouches for, opened on first sight.

    The role follows the provider at every sign-in. An account that was opened for the same
    address by hand is not taken over: an address is not proof of being the same person.

    Raises:
        NotPermitted: the account is closed, or a new one's address has not been verified.
        Conflict: the address belongs to an account that signs in by password.
    """
    row = session.scalar(sa.select(UserRow).where(UserRow.subject == person.subject))
    if row is None:
        if not person.verified:
            raise NotPermitted("your sign-in provider has not verified your e-mail address",
                               "verify it there and sign in again")  # fmt: skip
        opened = add(session, person.email, name=person.name, role=person.role, password=None,
                     actor="sign-in provider")  # fmt: skip
        row = session.get_one(UserRow, opened.id)
        row.subject = person.subject
    if row.disabled_at is not None:
        raise NotPermitted("this account is closed", "ask an administrator to open it")
    if row.role != person.role:
        set_role(session, row.email, person.role, actor="sign-in provider")
    row.name = person.name or row.name
    return user_of(row)


def _keep_an_administrator(session: Session, row: UserRow) -> None:
    """Refuse to take the last open administrator away. Raises ``Conflict``."""
    others = session.scalar(
        sa.select(UserRow.id)
        .where(UserRow.role == "administrator", UserRow.disabled_at.is_(None), UserRow.id != row.id)
        .limit(1)
    )
    if row.role == "administrator" and row.disabled_at is None and others is None:
        raise Conflict("this is the only administrator", "make another one first")


def with_password(session: Session, email: str, password: str) -> User | None:
    """The person whose open account has this password, if any.

    It takes as long when there is no such account.
    """
    row = session.scalar(sa.select(UserRow).where(UserRow.email == email.strip().lower()))
    known = row is not None and row.password_hash is not None and row.disabled_at is None
    nobody = _nobody()
    stored = row.password_hash if row is not None and known else nobody
    try:
        _hasher.verify(stored or nobody, password)
    except VerificationError:
        return None
    return user_of(row) if row is not None and known else None


@cache
def _nobody() -> str:
    """What a stranger's password is held against, so that refusing takes as long as for anybody.

    Made at the first sign-in, whoever's: it takes too long for every start of the command.
    """
    return _hasher.hash("nobody has this password")


def _hashed(password: str, email: str) -> str:
    """Its argon2 hash. Raises ``SignpostError`` where it is too easily guessed."""
    advice = "use three random words, for instance"
    if len(password) < SHORTEST_PASSWORD:
        raise SignpostError(f"the password is shorter than {SHORTEST_PASSWORD} characters", advice)
    if len(password) > LONGEST_PASSWORD:
        raise SignpostError(f"the password is longer than {LONGEST_PASSWORD} characters", advice)
    if len(set(password.lower())) < 5 or email.split("@", maxsplit=1)[0] in password.lower():
        raise SignpostError("the password is easily guessed", advice)
    return _hasher.hash(password)


def _known_role(role: str) -> None:
    if role not in ROLES:
        raise SignpostError(f"{role!r} is not a role", f"use one of {', '.join(ROLES)}")


def _row(session: Session, email: str) -> UserRow:
    row = session.scalar(sa.select(UserRow).where(UserRow.email == email.strip().lower()))
    if row is None:
        raise NotFound("there is no account with this address", "see the list of people")
    return row


def user_of(row: UserRow) -> User:
    """The person of a row."""
    return User(
        row.id, row.email, row.name, row.role, row.created_at, row.disabled_at,
        row.password_hash is not None, row.subject is not None,
    )  # fmt: skip
