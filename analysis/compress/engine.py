"""Opening the engine that reads the log.

The registry lives in SQLite or PostgreSQL; the pass over the log runs in DuckDB, which reads
either in place. The scanner extensions come as packages, so nothing is downloaded at run time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
        Unavailable: the scanner extension cannot be loaded on this machine.
    """
    backend = ibis.duckdb.connect()
    try:
        _load(backend.con, SCANNERS[store.dialect])
        backend.con.execute("SET TimeZone = 'UTC'")
        if store.dialect == "sqlite":
            file = _quoted(str(store.url.database))
            backend.con.execute(f"ATTACH '{file}' AS log (TYPE sqlite, READ_ONLY)")
            database = ("log", "main")
        else:
            address = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
            backend.con.execute(f"ATTACH '{_quoted(address)}' AS log (TYPE postgres, READ_ONLY)")
            database = ("log", "public")
        yield Log(backend, database)
    finally:
        backend.disconnect()


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
