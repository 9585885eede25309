"""Bringing many rows in at once: staged beside the data, then made visible in one transaction.

Rows are written to a temporary table that no other connection sees; on SQLite it lives in a file
of its own, so staging takes no lock. A process that dies at any point before the final commit
leaves nothing behind, and one that dies after it has done everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials.store.engine import Store, told

if TYPE_CHECKING:
    import pyarrow as pa

CACHE_KIB = 128_000
"""SQLite's page cache while staging: indexes over random hashes must fit, or each row is a seek."""

Kind = Literal["int", "float", "text", "bytes"]
_SQLITE: dict[Kind, str] = {"int": "INTEGER", "float": "REAL", "text": "TEXT", "bytes": "BLOB"}
_POSTGRES: dict[Kind, str] = {
    "int": "BIGINT", "float": "DOUBLE PRECISION", "text": "TEXT", "bytes": "BYTEA",
}  # fmt: skip
_CODES: dict[Kind, str] = {"int": "int8", "float": "float8", "text": "text", "bytes": "bytea"}


@dataclass(frozen=True, slots=True)
class Stage:
    """A temporary table being filled. ``name`` is how SQL refers to it."""

    name: str
    columns: Mapping[str, Kind]
    connection: sa.Connection

    def put(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add a batch of rows, values in the order of ``columns``."""
        if not rows:
            return
        if self.connection.dialect.name == "postgresql":
            self._copy(rows)
            return
        marks = ", ".join("?" * len(self.columns))
        self.connection.exec_driver_sql(f"INSERT INTO {self.name} VALUES ({marks})", list(rows))  # noqa: S608 - own names

    def put_table(self, table: pa.RecordBatch) -> None:
        """Add a batch of columns, in the order of ``columns``."""
        if self.connection.dialect.name == "postgresql":
            self._copy_table(table)
            return
        self.put(list(zip(*(column.to_pylist() for column in table.columns), strict=True)))

    def _copy_table(self, table: pa.RecordBatch) -> None:
        """As CSV, which Arrow writes and PostgreSQL reads faster than Python can build rows."""
        import pyarrow as pa
        import pyarrow.csv as pacsv

        shown = [_hex(c) if pa.types.is_binary(c.type) else c for c in table.columns]
        text = pa.BufferOutputStream()
        options = pacsv.WriteOptions(include_header=False)
        pacsv.write_csv(pa.record_batch(shown, names=table.schema.names), text, options)
        driver = self.connection.connection.driver_connection
        assert driver is not None
        names = ", ".join(self.columns)
        with (
            _as_ours(self.connection),
            driver.cursor() as cursor,
            cursor.copy(f"COPY {self.name} ({names}) FROM STDIN (FORMAT CSV)") as copy,
        ):
            copy.write(text.getvalue().to_pybytes())

    def _copy(self, rows: Sequence[tuple[Any, ...]]) -> None:
        driver = self.connection.connection.driver_connection
        assert driver is not None
        names = ", ".join(self.columns)
        with (
            _as_ours(self.connection),
            driver.cursor() as cursor,
            cursor.copy(f"COPY {self.name} ({names}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types([_CODES[kind] for kind in self.columns.values()])
            for row in rows:
                copy.write_row(row)

    def index(self, *columns: str) -> None:
        """Index the staged rows, so that the merge finds what it joins."""
        name = f"ix_{self.name}_{'_'.join(columns)}"
        self.connection.exec_driver_sql(
            f"CREATE INDEX {name} ON {self.name} ({', '.join(columns)})"
        )
        if self.connection.dialect.name == "postgresql":
            self.connection.exec_driver_sql(f"ANALYZE {self.name}")

    def query(self, sql: str, **values: Any) -> list[Any]:
        """Rows of a query over the staged data."""
        return list(self.connection.execute(sa.text(sql), values).all())


def _hex(column: pa.BinaryArray) -> pa.Array:
    """Bytes as PostgreSQL writes them; none of them NULL."""
    import pyarrow as pa

    return pa.array([f"\\x{value.hex()}" for value in column.to_pylist()], pa.string())


@contextmanager
def _as_ours(connection: sa.Connection) -> Iterator[None]:
    """The driver's errors as SQLAlchemy's, which did not make the call and so cannot tell them.

    It knows of no transaction to roll back either: without that the connection would go back to
    the pool with its temporary tables, and every later staging on it would fail.
    """
    driver: Any = connection.dialect.loaded_dbapi
    try:
        yield
    except BaseException as failure:
        with suppress(driver.Error):
            connection.connection.rollback()
        if not isinstance(failure, driver.Error):
            raise
        raise sa.exc.DBAPIError.instance("COPY", None, failure, driver.Error) from failure


@contextmanager
def stage(store: Store, **tables: Mapping[str, Kind]) -> Iterator[Staging]:
    """Open a connection with one temporary table for each of ``tables``."""
    types = _POSTGRES if store.dialect == "postgresql" else _SQLITE
    with told(), store.engine.connect() as connection:
        if store.dialect == "sqlite":
            connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")
        stages = {}
        for name, columns in tables.items():
            body = ", ".join(f"{column} {types[kind]}" for column, kind in columns.items())
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE stage_{name} ({body})")
            stages[name] = Stage(f"stage_{name}", columns, connection)
        connection.commit()
        try:
            yield Staging(connection, stages)
        finally:
            connection.rollback()
            for table in stages.values():
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {table.name}")
            connection.commit()


@dataclass(frozen=True, slots=True)
class Staging:
    """The open connection and its temporary tables."""

    connection: sa.Connection
    tables: Mapping[str, Stage]

    def __getitem__(self, name: str) -> Stage:
        """The temporary table ``name``."""
        return self.tables[name]

    @contextmanager
    def merge(self) -> Iterator[Session]:
        """One write transaction on this connection; commits at the end, or leaves no trace."""
        self.connection.commit()
        self.connection.execution_options(signpost_write=True)
        with self.connection.begin(), Session(self.connection, expire_on_commit=False) as session:
            yield session
            session.flush()
        self.connection.execution_options(signpost_write=False)
