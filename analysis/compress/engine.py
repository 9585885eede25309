"""Opening the engine that reads the log.

The registry lives in SQLite or PostgreSQL; the pass over the log runs in DuckDB, which reads
PostgreSQL in place and SQLite from a copy: DuckDB has an SQLite of its own, and when one of two in
a process closes a file, the system drops the locks of both (sqlite.org/howtocorrupt.html, 2.2.1).
Another process would then write into an open transaction, or clear away what this one writes
later. The scanner extensions come as packages, so nothing is downloaded at run time.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import ibis
from ibis import ir
from psycopg.types.numeric import FloatLoader

from trials.errors import Unavailable
from trials.store.engine import Store

TABLES = ("assignments", "units", "exposures", "outcomes", "contacts", "identifiers",
          "bulk_callers")  # fmt: skip
"""What the pass over the log reads."""

SCANNERS = {"sqlite": "sqlite_scanner", "postgresql": "postgres_scanner"}
ATTACHED = {"sqlite": ("sqlite", "main"), "postgresql": ("postgres", "public")}
"""What DuckDB calls each kind of database, and the schema that the tables are in."""


@dataclass(frozen=True, slots=True)
class Log:
    """An engine with Signpost's tables in it."""

    backend: Any
    database: tuple[str, str] | None = None
    known: dict[str, ir.Table] = field(default_factory=dict, compare=False)
    """Tables asked for before: the engine is asked for the columns of each once."""

    def table(self, name: str) -> ir.Table:
        """One of Signpost's tables."""
        if name not in self.known:
            at = {} if self.database is None else {"database": self.database}
            self.known[name] = self.backend.table(name, **at)
        return self.known[name]

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """Work an expression out once, in the engine's own temporary storage."""
        if self.backend.name == "pyspark":
            # Spark has no temporary tables, and caching does not bring in-memory tables along.
            self.backend._run_pre_execute_hooks(expression)  # noqa: SLF001
            return expression.cache()
        return self.backend.create_table(f"signpost_{name}", expression, temp=True)


@contextmanager
def open_log(store: Store) -> Iterator[Log]:
    """DuckDB with the store attached, read-only.

    Raises:
        Unavailable: the scanner extension cannot be loaded on this machine, or there is no room
            for the copy of an SQLite store.
    """
    with _address(store) as address:
        backend = ibis.duckdb.connect()
        try:
            _load(backend.con, SCANNERS[store.dialect])
            backend.con.execute("SET TimeZone = 'UTC'")
            kind, schema = ATTACHED[store.dialect]
            backend.con.execute(f"ATTACH '{_quoted(address)}' AS log (TYPE {kind}, READ_ONLY)")
            yield Log(backend, ("log", schema))
        finally:
            backend.disconnect()


@contextmanager
def _address(store: Store) -> Iterator[str]:
    """What DuckDB attaches: PostgreSQL's address, or a copy of the SQLite file."""
    if store.dialect == "postgresql":
        yield store.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return
    with tempfile.TemporaryDirectory(prefix="signpost-") as folder:
        copy = f"{folder}/log.db"
        with store.engine.connect() as connection, closing(sqlite3.connect(copy)) as target:
            # Nobody needs the copy after a crash, so nothing waits for the disk.
            target.execute("PRAGMA journal_mode = OFF")
            target.execute("PRAGMA synchronous = OFF")
            origin: Any = connection.connection.driver_connection
            try:
                origin.backup(target)
            except sqlite3.Error as failure:
                raise Unavailable(
                    f"the database cannot be copied to be read ({failure})",
                    f"make room for it in {tempfile.gettempdir()}, or set TMPDIR",
                ) from failure
        yield copy


@contextmanager
def in_place(store: Store) -> Iterator[Log]:
    """The store's own engine, SQLite or PostgreSQL, without DuckDB between."""
    if store.dialect == "sqlite":
        backend: Any = ibis.sqlite.connect(store.url.database)
    else:
        url = store.url
        backend = ibis.postgres.connect(
            host=url.host, port=url.port, user=url.username, password=url.password,
            database=url.database,
        )  # fmt: skip
        # Sums of numbers with a point come back as numeric, where every other engine has floats.
        backend.con.adapters.register_loader("numeric", FloatLoader)
    try:
        yield Log(backend)
    finally:
        backend.disconnect()


def to_parquet(store: Store, folder: Path) -> None:
    """Write what the pass over the log reads to one Parquet file a table."""
    with open_log(store) as log:
        for name in TABLES:
            log.table(name).to_parquet(folder / f"{name}.parquet")


def over_parquet(backend: Any, folder: Path) -> Log:
    """The log in the files of :func:`to_parquet`, read by DuckDB or PySpark.

    ``backend`` is what ``ibis.duckdb.connect()`` or ``ibis.pyspark.connect(session)`` gives.
    """
    for name in TABLES:
        backend.read_parquet(str(folder / f"{name}.parquet"), table_name=name)
    return Log(backend)


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _load(connection: Any, name: str) -> None:
    """Load the scanner straight from its package: nothing is downloaded, or written anywhere."""
    import duckdb

    package = resources.files(f"duckdb_extension_{name}")
    file = package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    try:
        connection.execute(f"LOAD '{_quoted(str(file))}'")
    except duckdb.Error as failure:
        raise Unavailable(
            f"DuckDB's {name} cannot be loaded ({failure})", "install Signpost again"
        ) from failure
