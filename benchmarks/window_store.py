"""Metrics over the contact log where it is kept: twenty in one pass, against the database's own SQL.

The log of :mod:`benchmarks.window_metric`, in an SQLite file or a PostgreSQL database with the product's own
tables. Every way is run in a process of its own and gives units, sums and sums of squares by arm and segment;
all have to be equal.

* ``signpost``: ``reading.tables``, as a result is made: DuckDB over PostgreSQL, or over a copy of the SQLite file.
* ``whole reading``: ``reading.read``, all that an analysis takes from the log.
* ``twenty queries``: written by hand for each metric, run by the database itself.
* ``one query``: the same written as one, each contact joined once; nobody's tool writes it so.

For its own queries the database has what the product does not need: an index that covers what they read of a
contact, statistics (``ANALYZE``, on PostgreSQL ``VACUUM`` too), and memory (a cache of 1 GB on SQLite, ``work_mem``
of 256 MB on PostgreSQL). Peers link by one identifier that they trust.

Seconds are of the clock. Of PostgreSQL, processor time is that of the whole server while a way ran, so it holds
what others asked of it meanwhile, and memory is that of the client and the one backend that it speaks to.

    python -m benchmarks.window_store --units 100000,1000000 --postgres postgresql://postgres@127.0.0.1/postgres
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.contacts_import import fresh
from benchmarks.window_metric import (
    CONTACTS_A_UNIT,
    CUTOFF,
    DAY,
    _numbered,
    _sums,
    compared,
    known,
    make,
    metrics,
    trial,
)

TABLES = {
    "units": "id, 1 AS trial_id, unhex(printf('%032x', id)) AS digest, attributes",
    "assignments": "* EXCLUDE (import_id), NULL AS import_id",
    "exposures": "row_number() OVER () AS id, *",
    "identifiers": "*",
    "contacts": "* EXCLUDE (unit), NULL AS unit, 1 AS source_id, unhex(printf('%032x', id)) AS digest",
}
"""What the store has beside the columns of the Parquet files. Digests in order fill an index fast; nothing of the
pass reads them."""

INDEX = (
    "CREATE INDEX bench ON contacts (account, occurred_at, handled, channel, line, handle_seconds)"
)


def fill(url: str, units: int) -> None:
    """The trial in the registry, and its log by way of DuckDB."""
    import duckdb

    from analysis.compress import engine
    from trials import registry
    from trials.store.engine import Store

    store = Store.open(url)
    with store.write() as session:
        registry.add(session, trial(many=True), actor="benchmark")
        session.connection().exec_driver_sql(
            "INSERT INTO contact_sources (id, name) VALUES (1, 'x')"
        )
        codes = ", ".join(f"({i}, 1, '', 'c{i}')" for i in range(1, 41))
        session.connection().exec_driver_sql(
            f"INSERT INTO contact_codes (id, source_id, topic, code) VALUES {codes}"
        )
    store.close()
    con = duckdb.connect()
    engine._load(con, engine.SCANNERS[store.dialect])  # noqa: SLF001 - the product attaches to read only
    at, kind = (store.url.database, "sqlite") if store.dialect == "sqlite" else (url, "postgres")
    con.execute(f"ATTACH '{at}' AS log (TYPE {kind})")
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), units)
        for table, columns in TABLES.items():
            con.execute(
                f"INSERT INTO log.{table} BY NAME SELECT {columns} FROM '{name}/{table}.parquet'"
            )
    con.close()
    database = _Database(url)
    database.connection.execute(INDEX)
    database.connection.execute("ANALYZE" if store.dialect == "sqlite" else "VACUUM (ANALYZE)")
    database.connection.close()


def signpost(url: str, *, many: bool) -> Any:
    """The metrics' tables as the product reads them."""
    from analysis import reading

    return _sums(reading.tables(*_asked(url, many), cutoff=CUTOFF))


def whole_reading(url: str, *, many: bool) -> Any:
    """All that an analysis reads."""
    from analysis import reading

    return _sums(reading.read(*_asked(url, many), cutoff=CUTOFF).tables)


def _asked(url: str, many: bool) -> Any:
    """What the product's reading takes: store, trial, arms, and what the store says beside the log."""
    from trials.registry import TrialRecord
    from trials.store.engine import Store

    record = TrialRecord.__new__(TrialRecord)
    for name, value in (("id", 1), ("definition", trial(many))):
        object.__setattr__(record, name, value)
    return Store.open(url), record, [1, 2, 3], known(many)


STARTED = """WITH started AS {kept} (
    SELECT a.unit_id, a.arm_id, u.attributes, min(e.exposed_at) AS start
    FROM assignments a JOIN units u ON u.id = a.unit_id JOIN exposures e ON e.unit_id = a.unit_id
    WHERE a.trial_id = 1 GROUP BY a.unit_id, a.arm_id, u.attributes
), """
MADE = """FROM started s JOIN identifiers i ON i.unit_id = s.unit_id AND i.kind = 'account'
    JOIN contacts c ON c.account = i.number
    WHERE c.handled = 1 AND c.occurred_at >= s.start AND c.occurred_at < s.start + {window}{such}
    GROUP BY s.unit_id"""


def twenty_queries(url: str, *, many: bool) -> list[list[float]]:
    """One query a metric."""
    with _Database(url) as run:
        tables = [run(_query(one)) for one in metrics(many)]
    return [_numbered(row) for table in tables for row in table]


def _query(one: dict[str, Any]) -> str:
    window = one["days"] * DAY
    made = MADE.format(window=window, such=_such(one))
    return f"""{STARTED.format(kept="")} made AS (SELECT s.unit_id, {_value(one)} AS y {made})
        SELECT arm_id - 1, attributes, count(*), coalesce(sum(y), 0), coalesce(sum(y * y), 0)
        FROM started LEFT JOIN made ON made.unit_id = started.unit_id WHERE start + {window} <= {CUTOFF}
        GROUP BY arm_id, attributes ORDER BY arm_id, attributes"""


def _such(one: dict[str, Any]) -> str:
    return "".join(f" AND c.{k} = '{v}'" for k, v in one["where"].items())


def _value(one: dict[str, Any]) -> str:
    return "sum(c.handle_seconds)" if one["kind"] == "mean" else "count(*)"


def one_query(url: str, *, many: bool) -> list[list[float]]:
    """All metrics in one query."""
    asked = metrics(many)
    values = ", ".join(
        f"{_value(one)} FILTER (WHERE c.occurred_at < s.start + {one['days'] * DAY}{_such(one)}) AS y{i}"
        for i, one in enumerate(asked)
    )
    sums = ", ".join(
        f"coalesce(sum({what}) FILTER (WHERE start + {one['days'] * DAY} <= {CUTOFF}), 0)"
        for i, one in enumerate(asked) for what in ("1", f"y{i}", f"y{i} * y{i}")
    )  # fmt: skip
    made = MADE.format(window=max(one["days"] for one in asked) * DAY, such="")
    with _Database(url) as run:
        rows = run(f"""{STARTED.format(kept="MATERIALIZED")} made AS (SELECT s.unit_id, {values} {made})
            SELECT arm_id - 1, attributes, {sums}
            FROM started LEFT JOIN made ON made.unit_id = started.unit_id
            GROUP BY arm_id, attributes ORDER BY arm_id, attributes""")
    return [
        _numbered((*row[:2], *row[2 + 3 * i : 5 + 3 * i]))
        for i in range(len(asked))
        for row in rows
    ]


class _Database:
    """The database itself, with memory for large queries."""

    def __init__(self, url: str) -> None:
        import psycopg

        if url.startswith("sqlite"):
            import sqlite3

            self.connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
            self.connection.execute("PRAGMA cache_size = -1000000")
            self.connection.execute("PRAGMA temp_store = MEMORY")
        else:
            self.connection = psycopg.connect(url, autocommit=True)
            self.connection.execute("SET work_mem = '256MB'")

    def __enter__(self) -> Any:
        return lambda sql: self.connection.execute(sql).fetchall()

    def __exit__(self, *_: object) -> None:
        global SERVER_MB  # noqa: PLW0603 - the backend is gone when the figures are taken
        if hasattr(self.connection, "info"):
            SERVER_MB = _peak(self.connection.info.backend_pid)
        self.connection.close()


SERVER_MB = 0.0
"""Peak memory of the backend that a query of our own ran in."""

WAYS = {
    "signpost": signpost,
    "whole reading": whole_reading,
    "twenty queries": twenty_queries,
    "one query": one_query,
}
OURS = ("duckdb", "analysis.reading", "ibis.backends.duckdb", "ibis.formats.pandas")
NEEDS = {
    "signpost": OURS,
    "whole reading": OURS,
    "twenty queries": ("psycopg",),
    "one query": ("psycopg",),
}
"""Loaded before the clock starts; they are in the peak memory, for a process cannot do without."""


def once(name: str, url: str, *, many: bool) -> None:
    """Run one way in this process and print what it took."""
    for module in NEEDS[name]:
        importlib.import_module(module)
    server = _server() if url.startswith("postgresql") else 0.0
    began, spent = time.perf_counter(), time.process_time()
    found = WAYS[name](url, many=many)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    if server:
        time.sleep(0.3)  # until the backends are gone and their time is told to the postmaster
        cpu += _server() - server
    print(
        json.dumps(
            {"seconds": seconds, "cpu": cpu, "mb": _peak("self") + SERVER_MB, "found": found}
        )
    )


def _peak(process: int | str) -> float:
    """Peak memory of a process on this machine, MB."""
    status = Path(f"/proc/{process}/status").read_text().split("VmHWM:")[1]
    return int(status.split()[0]) / 1024


def _server() -> float:
    """Processor seconds of PostgreSQL on this machine: its processes and those that have ended."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:  # it has ended meanwhile
            continue
        if name == "postgres":
            ticks += sum(map(int, fields.split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def compare(server: str | None, units: int, repeats: int) -> None:
    """Every way at one size, its figures held against each other."""
    with fresh(server) as store:
        url = store.url.set(drivername=store.dialect).render_as_string(hide_password=False)
        store.close()  # the file is filled by another copy of SQLite, that of DuckDB
        subprocess.run([sys.executable, "-m", "benchmarks.window_store", "--fill", url, "--units",
                        str(units)], check=True)  # fmt: skip
        print(f"\n{store.dialect}, {units:,} units, {units * CONTACTS_A_UNIT:,} contacts, "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        for many in (False, True):
            ways = [way for way in WAYS if many or way != "one query"]
            compared("benchmarks.window_store", ways, url, many=many, repeats=repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", default="100000,1000000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--postgres", metavar="URL", help="also on this server")
    parser.add_argument("--once", nargs=2, metavar=("WAY", "URL"), help=argparse.SUPPRESS)
    parser.add_argument("--fill", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--many", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        once(*asked.once, many=asked.many)
        return
    if asked.fill:
        fill(asked.fill, int(asked.units))
        return
    for units in asked.units.split(","):
        for server in [None, asked.postgres] if asked.postgres else [None]:
            compare(server, int(units), asked.repeats)


if __name__ == "__main__":
    main()
