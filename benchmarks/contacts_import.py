"""A contacts file into the log, against the same database's own bulk upsert of ready-made rows.

The file is a whole import: read, checked, identifiers normalised and hashed, wrap codes numbered,
staged, settled and merged with its ledger entry. The peer starts from finished rows in memory, in
the form its driver likes best (tuples for SQLite's executemany, a COPY stream for PostgreSQL), and
only writes them: into the same table with the same indexes, idempotent on the source's own id. It
does so twice over: as an ``upsert``, which takes a correction as the import does (but keeps nothing
of what was said before), and as an ``insert`` of what is absent, which takes none.
All are then run a second time with the same contacts (the import from a file with one more line,
so that the whole work is done again). Seconds are of the clock; ``cpu`` are those of the program
and of PostgreSQL's process together, which say more where other work shares the machine.

    python benchmarks/contacts_import.py --rows 500000 --postgres postgresql://postgres@127.0.0.1/postgres
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import sqlalchemy as sa

from trials.contacts import load
from trials.people.identifiers import Hasher
from trials.store import migrate
from trials.store.engine import Store

KEY = b"benchmark key of more than 16 bytes"
LINES = [
    "Council Tax",
    "Benefits",
    "Waste",
    "Highways",
    "Housing",
    "Adult care",
    "Schools",
    "Other",
]
CODES = [f"Reason {i}" for i in range(40)]
START = 1_760_000_000
PEERS = ("upsert", "insert")
WHEN = ("first", "first cpu", "again", "again cpu")


def write_csv(path: Path, rows: int, *, seed: int = 1) -> None:
    """A contacts file with the contract's columns; four contacts in five carry an identifier."""
    rng = np.random.default_rng(seed)
    done = 0
    writer = None
    while done < rows:
        n = min(500_000, rows - done)
        table = _table(rng, done, n, people=max(1, rows // 3))
        writer = writer or pacsv.CSVWriter(path, table.schema)
        writer.write_table(table)
        done += n
    assert writer is not None
    writer.close()


def write_again(first: Path, again: Path) -> None:
    """The same contacts and one more."""
    text = first.read_bytes()
    last = text.rstrip(b"\n").rsplit(b"\n", 1)[1]
    again.write_bytes(text + last.replace(b"-cc", b"-dd") + b"\n")


def _table(rng, first: int, n: int, *, people: int) -> pa.Table:
    person = rng.integers(0, people, n)
    at = START + np.sort(rng.integers(0, 120 * 86_400, n))
    stamps = pa.array(at.astype("datetime64[s]")).cast(pa.string())
    phone = np.char.add("077", (10_000_000 + person * 37 % 90_000_000).astype(str))
    handled = rng.random(n) < 0.8
    outcomes = np.where(handled, "handled", "abandoned-in-queue")
    return pa.table({
        "contact_id": pa.array([f"{i * 2_654_435_761 % 2**40:010x}-cc" for i in range(first, first + n)]),
        "occurred_at": pa.array([f"{s}Z" for s in stamps.to_pylist()]),
        "channel": pa.array(np.where(rng.random(n) < 0.9, "phone", "webchat")),
        "line": pa.array(LINES).take(pa.array(rng.integers(0, len(LINES), n))),
        "reason": pa.array(CODES).take(pa.array(rng.integers(0, len(CODES), n))),
        "outcome": pa.array(outcomes),
        "wait_seconds": pa.array(rng.integers(0, 900, n)),
        "handle_seconds": pa.array(np.where(handled, rng.integers(30, 1500, n), 0)),
        "phone": pa.array(phone, mask=rng.random(n) < 0.2),
        "account": pa.array([f"A{p:08d}" for p in person], mask=rng.random(n) < 0.7),
    })  # fmt: skip


class Watch:
    """Seconds of the clock and of the processors, by name."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.found: dict[str, float] = {}

    def backends(self) -> float:
        """CPU seconds of this database's own PostgreSQL processes."""
        if self.store.dialect == "sqlite":
            return 0.0
        with self.store.engine.connect() as connection:
            rows = connection.exec_driver_sql(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend'"
            )
            pids = [pid for (pid,) in rows]
        spent = 0.0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            spent += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return spent

    @contextmanager
    def __call__(self, name: str):
        server, own, began = self.backends(), time.process_time(), time.perf_counter()
        yield
        self.found[name] = time.perf_counter() - began
        self.found[f"{name} cpu"] = time.process_time() - own + self.backends() - server


@contextmanager
def fresh(server: str | None):
    """An empty store with its tables: an SQLite file, or a database of ``server``."""
    if server is None:
        with tempfile.TemporaryDirectory() as name:
            store = Store.open(f"sqlite:///{name}/log.db")
            migrate.upgrade(store)
            yield store
            store.close()
        return
    name = f"signpost_bench_{uuid.uuid4().hex}"
    admin = sa.create_engine(sa.make_url(server).set(drivername="postgresql+psycopg"),
                             isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)  # fmt: skip
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    url = sa.make_url(server).set(database=name, drivername="postgresql")
    store = Store.open(url.render_as_string(hide_password=False))
    migrate.upgrade(store)
    yield store
    store.close()
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


def import_twice(server: str | None, first: Path, again: Path) -> dict:
    """Seconds of the first import and of the same contacts again."""
    with fresh(server) as store:
        hasher, watch = Hasher(KEY), Watch(store)
        with watch("first"):
            load.add(store, first, hasher=hasher, actor="benchmark", source="contacts")
        with watch("again"):
            report = load.add(store, again, hasher=hasher, actor="benchmark", source="contacts")
        return {**watch.found, "unchanged": report.unchanged, "rows": ready_rows(store)}


def ready_rows(store: Store) -> list[tuple]:
    """The finished rows, as they stand in the log after an import."""
    with store.engine.connect() as connection:
        result = connection.exec_driver_sql("SELECT * FROM contacts ORDER BY occurred_at")
        return [tuple(row) for row in result]


def names(store: Store) -> list[str]:
    """The log's columns in order."""
    return [column["name"] for column in sa.inspect(store.engine).get_columns("contacts")]


def on_conflict(columns: list[str], peer: str) -> str:
    """What becomes of a row whose contact is there: nothing, or a correction where it differs."""
    if peer == "insert":
        return "ON CONFLICT (source_id, digest) DO NOTHING"
    said = [name for name in columns if name not in ("id", "source_id", "digest", "import_id")]
    old, new = (", ".join(f"{table}.{name}" for name in said) for table in ("contacts", "excluded"))
    sets = ", ".join(f"{name} = excluded.{name}" for name in [*said, "import_id"])
    return (
        f"ON CONFLICT (source_id, digest) DO UPDATE SET {sets} "
        f"WHERE ({old}) IS DISTINCT FROM ({new})"
    )


def peer_twice(server: str | None, rows: list[tuple], peer: str) -> dict:
    """Seconds to write finished rows, first time and again, by the database's own bulk way."""
    with fresh(server) as store:
        columns, watch = names(store), Watch(store)
        with store.engine.connect() as connection:
            connection.exec_driver_sql("INSERT INTO contact_sources (id, name) VALUES (1, 'x')")
            connection.exec_driver_sql(
                "INSERT INTO contact_codes (id, source_id, topic, code) VALUES "
                + ", ".join(f"({i}, 1, '', 'c{i}')" for i in range(1, len(CODES) + 1))
            )
            connection.commit()
            write = _sqlite if server is None else _postgres
            rows = [_reference(columns, row) for row in rows]
            ready = rows if server is None else _copy_text(rows)
            for name in ("first", "again"):
                with watch(name):
                    write(connection, columns, ready, on_conflict(columns, peer))
                    connection.commit()
        return watch.found


def _reference(columns: list[str], row: tuple) -> tuple:
    """Without the references to tables that the peer does not fill."""
    drop = {columns.index("import_id"): None, columns.index("source_id"): 1}
    return tuple(drop.get(i, value) for i, value in enumerate(row))


def _sqlite(connection, columns: list[str], rows: list[tuple], conflict: str) -> None:
    marks = ", ".join("?" * len(columns))
    driver = connection.connection.driver_connection
    driver.executemany(
        f"INSERT INTO contacts ({', '.join(columns)}) VALUES ({marks}) {conflict}", rows
    )


def _copy_text(rows: list[tuple]) -> bytes:
    out = io.StringIO()
    for row in rows:
        cells = ("\\N" if v is None else f"\\\\x{v.hex()}" if isinstance(v, bytes) else str(v)
                 for v in row)  # fmt: skip
        out.write("\t".join(cells) + "\n")
    return out.getvalue().encode()


def _postgres(connection, columns: list[str], text: bytes, conflict: str) -> None:
    listed = ", ".join(columns)
    connection.exec_driver_sql("CREATE TEMP TABLE peer (LIKE contacts) ON COMMIT DROP")
    driver = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY peer ({listed}) FROM STDIN") as copy:
        for place in range(0, len(text), 1 << 20):
            copy.write(text[place : place + (1 << 20)])
    connection.exec_driver_sql(
        f"INSERT INTO contacts ({listed}) SELECT {listed} FROM peer {conflict}"
    )


def measure(server: str | None, rows: int, repeats: int) -> dict:
    """Medians of rows a second, ours and the peers', taken in turn."""
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        first, again = Path(folder) / "contacts.csv", Path(folder) / "again.csv"
        write_csv(first, rows)
        write_again(first, again)
        size = first.stat().st_size
        for _ in range(repeats):
            ours = import_twice(server, first, again)
            ready = ours.pop("rows")
            assert ours.pop("unchanged") == rows, "an import again changes nothing"
            found = {"import": ours, **{peer: peer_twice(server, ready, peer) for peer in PEERS}}
            for way, times in found.items():
                for name in WHEN:
                    seconds.setdefault(f"{way} {name}", []).append(times[name])
    rate = {name: rows / statistics.median(values) for name, values in seconds.items()}
    ratios = {
        f"ratio to {peer}": {
            name: round(rate[f"import {name}"] / rate[f"{peer} {name}"], 2) for name in WHEN
        }
        for peer in PEERS
    }
    return {
        "database": "sqlite" if server is None else "postgresql", "rows": rows,
        "megabytes": round(size / 1e6), "repeats": repeats,
        "rows_a_second": {name: round(value) for name, value in rate.items()}, **ratios,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--postgres", metavar="URL", help="also on this server")
    asked = parser.parse_args()
    for server in [None, asked.postgres] if asked.postgres else [None]:
        print(json.dumps(measure(server, asked.rows, asked.repeats)))


if __name__ == "__main__":
    main()
