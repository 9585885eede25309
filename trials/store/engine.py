"""One database, two kinds of transaction.

On SQLite a writer takes its lock at once (``BEGIN IMMEDIATE``): a transaction that reads first and
asks for the lock later is refused without waiting, or worse, overwrites what a rival wrote in
between. Readers begin plainly, so that a long import never makes a page wait. An error shows the
statement without its values, which may name a person.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from trials.errors import Conflict, SignpostError, Unavailable

BUSY_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class Store:
    """An open database."""

    engine: Engine
    _read: sessionmaker[Session]
    _write: sessionmaker[Session]

    @classmethod
    def open(cls, url: str) -> Store:
        """Open the database at ``url`` (``sqlite:///…`` or ``postgresql://…``).

        Raises:
            SignpostError: the address cannot be understood or names another kind of database.
        """
        engine = _engine(_address(url))
        options: dict[str, Any] = {"expire_on_commit": False}
        return cls(
            engine,
            sessionmaker(engine, **options),
            sessionmaker(engine.execution_options(signpost_write=True), **options),
        )

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @property
    def url(self) -> URL:
        """The address, as SQLAlchemy knows it."""
        return self.engine.url

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with told(), self._read() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it fails."""
        with told(), self._write() as session, session.begin():
            yield session

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()


@contextmanager
def told() -> Iterator[None]:
    """The database's own failures as sentences a user can act on."""
    try:
        yield
    except OperationalError as failure:
        raise _explained(failure) from failure
    except sa.exc.ProgrammingError as failure:
        if "does not exist" in str(failure.orig):
            raise Unavailable("the database has no Signpost tables", _UPGRADE) from failure
        raise
    except sa.exc.DatabaseError as failure:
        if "not a database" in str(failure.orig) or "malformed" in str(failure.orig):
            says = "the file is not a sound SQLite database"
            raise Unavailable(says, "check its name, or restore a backup") from failure
        raise


_UPGRADE = "run 'signpost db upgrade' first"


def _explained(failure: DBAPIError) -> SignpostError:
    says = str(failure.orig)
    if "no such table" in says:
        return Unavailable("the database has no Signpost tables", _UPGRADE)
    if "locked" in says or "busy" in says:
        return Conflict("the database is busy with another writer", "try again in a moment")
    if "readonly" in says or "read-only" in says:
        return Unavailable("the database is read-only", "check the file's and folder's permissions")
    if "full" in says:
        return Unavailable("the disk is full", "free some room and run the command again")
    return Unavailable(f"the database cannot be used ({says.splitlines()[0]})",
                       "check its address and that it is running")  # fmt: skip


def _address(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError:
        raise SignpostError(
            "the database address cannot be understood",
            "use sqlite:///path/to/file.db or postgresql://user@host/name",
        ) from None
    name = address.get_backend_name()
    if name not in {"sqlite", "postgresql"}:
        raise SignpostError(f"{name} databases are not supported", "use sqlite or postgresql")
    if name == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    return address


def _engine(address: URL) -> Engine:
    if address.get_backend_name() == "postgresql":
        return create_engine(address, pool_pre_ping=True, hide_parameters=True)
    if address.database and address.database != ":memory:":
        _make_folder(Path(address.database).parent)
    engine = create_engine(
        address, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, hide_parameters=True
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise Unavailable(f"the folder {folder} cannot be made ({failure.strerror})",
                          "choose another place for the database") from None  # fmt: skip


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    """Transactions are ours to begin; every connection waits, checks keys and logs ahead."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA temp_store = FILE")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("signpost_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
