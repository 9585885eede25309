"""The first account: opened by whoever can read what the server prints."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from sqlalchemy.orm import Session

from trials import accounts, audit
from trials.accounts import User
from trials.errors import Conflict, NotPermitted

_FILE = "set-up.code"


def code(home: Path) -> str:
    """The code that opens the first account, made on first use and kept for this machine only."""
    path = home / _FILE
    home.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text("utf-8").strip()
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(made := secrets.token_urlsafe(12))
    return made


def first(
    session: Session, home: Path, given: str, *, email: str, name: str, password: str
) -> User:
    """Open the first account, an administrator's; the code is used up once it is committed.

    Raises:
        NotPermitted: the code is not the one that was printed.
        Conflict: somebody has an account already.
        SignpostError: the address or password cannot be used.
    """
    path = home / _FILE
    right = path.read_text("utf-8").strip() if path.exists() else ""
    if not right or not hmac.compare_digest(right.encode(), given.strip().encode()):
        raise NotPermitted("this is not the set-up code",
                           "copy it from where the server was started")  # fmt: skip
    audit.lock(session)
    if not accounts.none_yet(session):
        raise Conflict("Signpost is set up already", "sign in, or ask an administrator")
    return accounts.add(
        session, email, name=name, role="administrator", password=password, actor="set-up"
    )


def done(home: Path) -> None:
    """Throw the code away."""
    (home / _FILE).unlink(missing_ok=True)
