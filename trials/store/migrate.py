"""The schema's life: upgrade, check, backup and restore."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from alembic import command
from trials import resources
from trials.errors import SignpostError, Unavailable
from trials.store import tables
from trials.store.base import Base
from trials.store.engine import Store

LOCK = 0x5349474E  # "SIGN": one upgrade at a time on PostgreSQL


def config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration; the connection is handed over, never opened a second time."""
    settings = Config()
    settings.set_main_option("script_location", str(resources.folder("alembic")))
    settings.attributes["connection"] = connection
    return settings


def head() -> str:
    """The newest revision that this version of Signpost knows."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def current(store: Store) -> str | None:
    """The revision the database is at; ``None`` when it is empty."""
    with store.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(store: Store, revision: str = "head") -> tuple[str | None, str | None]:
    """Bring the schema to ``revision``; answers the revisions before and after.

    Two processes that upgrade at once wait for one another. Raises ``Unavailable`` when the
    database is of a newer version of Signpost.
    """
    before = current(store)
    _refuse_newer(before)
    with _exclusive(store) as connection:
        command.upgrade(config(connection), revision)
    return before, current(store)


def downgrade(store: Store, revision: str) -> None:
    """Take the schema back to ``revision`` (``base`` empties the database)."""
    with _exclusive(store) as connection:
        command.downgrade(config(connection), revision)


def drift(store: Store) -> list[str]:
    """How the database's schema differs from the models; empty when it does not."""
    assert tables
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def _refuse_newer(revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise Unavailable(
            f"the database is at revision {revision}, which this version of Signpost does not know",
            "install the newer version that wrote it",
        )


@contextmanager
def _exclusive(store: Store) -> Iterator[sa.Connection]:
    writer = store.engine.execution_options(signpost_write=True)
    with writer.begin() as connection:
        if store.dialect == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        yield connection


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished copy and its size in bytes."""

    path: Path
    size: int


def backup(store: Store, path: Path) -> Backup:
    """Copy the whole database to ``path``; it appears there only when it is complete.

    SQLite is copied through its backup API while others go on writing; PostgreSQL by ``pg_dump``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    draft = Path(name)
    try:
        if store.dialect == "sqlite":
            _copy(_file(store), draft)
        else:
            _pg("pg_dump", ["--format=custom", f"--file={draft}", _pg_url(store)])
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size)


def restore(store: Store, path: Path) -> None:
    """Put the copy at ``path`` in the place of the database's present content.

    Raises:
        SignpostError: the file is missing or no backup of this kind of database; nothing changed.
    """
    if not path.exists():
        raise SignpostError(f"there is no file {path.name}", "name a file made by 'db backup'")
    if store.dialect == "sqlite":
        _check_sqlite(path)
        target = _file(store)
        store.close()
        _copy(path, target)
    else:
        _pg("pg_restore", ["--clean", "--if-exists", "--single-transaction", "--no-owner",
                           f"--dbname={_pg_url(store)}", str(path)])  # fmt: skip


def _file(store: Store) -> Path:
    if not store.url.database or store.url.database == ":memory:":
        raise SignpostError("a database in memory has no backup", "use a database file")
    return Path(store.url.database)


def _copy(source: Path, target: Path) -> None:
    with _closing(source) as origin, _closing(target) as copy:
        origin.backup(copy)


@contextmanager
def _closing(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    try:
        yield connection
    finally:
        connection.close()


def _check_sqlite(path: Path) -> None:
    try:
        with _closing(path) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            query = "SELECT count(*) FROM sqlite_master WHERE name = 'audit_log'"
            ours = connection.execute(query).fetchone()[0]
    except sqlite3.DatabaseError:
        sound, ours = False, 0
    if not (sound and ours):
        raise SignpostError(f"{path.name} is not a sound Signpost backup", "nothing was changed")


def _pg_url(store: Store) -> str:
    return store.url.set(drivername="postgresql").render_as_string(hide_password=False)


def _pg(program: str, arguments: list[str]) -> None:
    found = shutil.which(program)
    if found is None:
        raise Unavailable(f"{program} is not installed", "install PostgreSQL's client programs")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed program, no shell
    if done.returncode:
        says = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason given"
        raise Unavailable(f"{program} failed: {says}", "nothing was changed")
