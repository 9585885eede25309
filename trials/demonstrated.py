"""Signing in to a demonstration: a role is chosen and no password is asked for."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import accounts, signing_in
from trials.accounts import ROLES, user_of
from trials.errors import NotPermitted, SignpostError
from trials.store.tables import UserRow

_HOUSE = "@demonstration.example"
_NAMES = {
    "officer": "Olu Officer", "analyst": "Ann Analyst", "approver": "Amir Approver",
    "data-protection": "Dana Protection", "viewer": "Vera Viewer",
    "administrator": "Adi Administrator", "supplier": "Sam Supplier",
}  # fmt: skip


def is_one(session: Session) -> bool:
    """Whether the first account of this database, if any, is a demonstration's.

    A council's own database begins with a person, and no setting opens it without a password.
    """
    first = session.scalar(sa.select(UserRow.email).order_by(UserRow.id).limit(1))
    return first is None or first.endswith(_HOUSE)


def sign_in(session: Session, role: str) -> str:
    """Sign in as the demonstration's person of ``role``; answers the session's token.

    Raises:
        NotPermitted: the database belongs to real people.
        SignpostError: there is no such role.
    """
    if role not in ROLES:
        raise SignpostError("this is not a role", "choose one of those on the page")
    if not is_one(session):
        raise NotPermitted("this database is not a demonstration", "sign in with your password")
    email = f"{role}{_HOUSE}"
    row = session.scalar(sa.select(UserRow).where(UserRow.email == email))
    if row is None:
        user = accounts.add(session, email, name=_NAMES[role], role=role, password=None,
                            actor="demonstration")  # fmt: skip
    else:
        user = user_of(row)
    return signing_in.signed_in(session, user, how="demonstration")
