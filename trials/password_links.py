"""Links with which people set their own password: nobody else ever knows it.

An administrator makes one and passes it on. It works for three days and once: a newer link, a
password set in the meantime and a closed account end it. What it stands for is its entry in the
audit log, so nothing else is stored and a copy of the database opens no account.
"""

from __future__ import annotations

from datetime import timedelta

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from sqlalchemy.orm import Session

from trials import accounts, audit
from trials.accounts import User
from trials.errors import Conflict, NotFound, SignpostError
from trials.store.tables import UserRow

LASTS = timedelta(days=3)
MADE = "password link made"
_ENDS = (MADE, "password changed", "account disabled")


def make(session: Session, number: int, *, secret: str, actor: str) -> str:
    """The token of a new link for account ``number``; links made before end.

    Raises:
        NotFound: there is no such account.
        Conflict: it is closed, or signs in through the council's provider.
    """
    row = session.get(UserRow, number)
    if row is None:
        raise NotFound("there is no such account", "see the list of people")
    if row.disabled_at is not None:
        raise Conflict("the account is closed", "open it again first")
    if row.subject is not None:
        raise Conflict("they sign in through the council's provider", "they need no password here")
    audit.record(session, MADE, _subject(number), actor=actor)
    return _signer(secret).dumps([number, _latest(session, number)])


def read(session: Session, token: str, *, secret: str) -> User:
    """Whose password a link may set.

    Raises:
        SignpostError: it is not whole, too old, or was used or replaced.
    """
    try:
        number, entry = _signer(secret).loads(token, max_age=int(LASTS.total_seconds()))
    except SignatureExpired:
        raise SignpostError("this link is too old", _ASK) from None
    except BadSignature:
        raise SignpostError("this link is not complete", "copy the whole of it") from None
    row = session.get(UserRow, number)
    usable = row is not None and row.disabled_at is None and _latest(session, number) == entry
    if row is None or not usable:
        raise SignpostError("this link was used, or another has taken its place", _ASK)
    return accounts.user_of(row)


def use(session: Session, token: str, password: str, *, secret: str) -> User:
    """Set the password, once.

    Raises:
        SignpostError: the link cannot be used, or the password is too easily guessed.
    """
    audit.lock(session)
    user = read(session, token, secret=secret)
    return accounts.set_password(session, user.email, password, actor=user.email)


_ASK = "ask an administrator for a new one"


def _latest(session: Session, number: int) -> int | None:
    """The last entry of the log that makes or ends a link of this account."""
    return audit.latest(session, _subject(number), *_ENDS)


def _subject(number: int) -> str:
    return f"user {number}"


def _signer(secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="signpost-password-link")
