"""Metrics over the contact log in Parquet: one 7-day window, then twenty metrics in one pass.

Every way is run in a process of its own, so that its peak memory is its own, and gives units, sums
and sums of squares by arm; those of the one metric have to be equal.

* ``signpost``: the product's reading of units, linking, metrics and cells, one Ibis expression run by
  DuckDB over the files; once for one metric and once for twenty.
* ``whole reading``: all that an analysis takes from the log (link rates, deflection, repeats, coding).
* ``DuckDB SQL``: a query written by hand for the one metric, and twenty such queries.
* ``pandas``: the same by merging once, and grouping for each metric.

All group by arm and by one of twelve segments, a word in the units' attributes. Above a million units the
whole reading (which brings every unit into Python, to draw the list again) and pandas, which holds every
row, are left out unless ``--all`` asks for them: at ten million pandas takes most of 23 GB.

Peers link by one identifier that they trust; the product looks for the strongest of seven that
belongs to exactly one unit, leaves bulk callers out, and gives codes their meaning of the day.

    python -m benchmarks.window_metric --units 100000,1000000
    python -m benchmarks.window_metric --units 10000000 --repeats 1 --all
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

START, DAY = 1_760_000_000, 86_400
CUTOFF = START + 120 * DAY
ARMS = ("a", "b", "c")
LINES = ("Council Tax", "Benefits", "Waste", "Highways", "Housing", "Schools")
CONTACTS_A_UNIT = 3
SEGMENTS = 12
MOST = 1_000_000
"""Units above which what holds every row in Python is left out: it would need most of the memory."""


def metrics(many: bool) -> list[dict[str, Any]]:
    """The one metric, or twenty: by window, line, channel and what is summed."""
    found: list[dict[str, Any]] = [{"key": "m0", "kind": "count", "days": 7, "where": {}}]
    if many:
        found += [{"key": f"w{d}", "kind": "count", "days": d, "where": {}} for d in (1, 3, 14, 28)]
        found += [{"key": f"l{i}", "kind": "count", "days": 7, "where": {"line": line}}
                  for i, line in enumerate(LINES)]  # fmt: skip
        found += [{"key": f"c{c}", "kind": "count", "days": 7, "where": {"channel": c}}
                  for c in ("phone", "webchat", "email")]  # fmt: skip
        found += [
            {"key": f"t{d}", "kind": "mean", "days": d, "where": {}} for d in (1, 3, 7, 14, 28)
        ]
        found += [{"key": "x", "kind": "count", "days": 7,
                   "where": {"line": "Waste", "channel": "phone"}}]  # fmt: skip
    return found


def make(folder: Path, units: int) -> None:
    """The files: units in three arms, exposed over 60 days, and three contacts a unit, by time."""
    import duckdb

    con = duckdb.connect()
    con.execute("CREATE MACRO h(x) AS (hash(x) >> 1)::BIGINT")
    tables = {
        "units": f"""SELECT i AS id, '{{"segment": "s' || h(i + 2) % {SEGMENTS} || '"}}' AS attributes
            FROM range({units}) t(i)""",
        "assignments": f"""SELECT 1 AS trial_id, i AS unit_id, 1 + i % 3 AS arm_id,
            '' AS stratum, NULL::BIGINT AS cluster, 0 AS epoch, i AS position, 1 AS import_id, NULL::DOUBLE AS probability,
            {START}::BIGINT AS assigned_at
            FROM range({units}) t(i)""",
        "exposures": f"""SELECT 1 AS trial_id, i AS unit_id, NULL::BIGINT AS arm_id,
            ({START} + 20 * {DAY} + h(i + 7) % (60 * {DAY}))::BIGINT AS exposed_at
            FROM range({units}) t(i)""",
        "outcomes": """SELECT 1 AS trial_id, 1 AS metric_id, 1 AS unit_id, 0.0 AS value,
            0::BIGINT AS observed_at WHERE false""",
        "identifiers": f"""SELECT i AS unit_id, 'account' AS kind,
            h(i + 100000000000) AS number FROM range({units}) t(i)""",
        "bulk_callers": """SELECT 'phone' AS kind, 1::BIGINT AS number, 0::BIGINT AS added_at
            WHERE false""",
        "contacts": f"""SELECT row_number() OVER () AS id, * FROM (SELECT
            ({START} + h(i + 3) % (120 * {DAY}))::BIGINT AS occurred_at,
            ['phone', 'phone', 'phone', 'webchat', 'email'][1 + h(i + 4) % 5] AS channel,
            {list(LINES)}[1 + h(i + 5) % {len(LINES)}] AS line,
            (1 + h(i + 6) % 40)::BIGINT AS code_id,
            CASE WHEN h(i + 8) % 5 > 0 THEN 'handled' ELSE 'abandoned-in-queue' END AS outcome,
            CASE WHEN h(i + 8) % 5 > 0 THEN 1 ELSE 0 END AS handled,
            NULL::SMALLINT AS resolved, (h(i + 9) % 900)::INT AS wait_seconds,
            (30 + h(i + 10) % 1500)::INT AS handle_seconds, NULL::INT AS ivr_seconds,
            NULL::DOUBLE AS satisfaction, NULL::DOUBLE AS cost, NULL::VARCHAR AS arm,
            NULL::BIGINT AS unit, h(h(i + 11) % {units} + 100000000000) AS account,
            {", ".join(f"NULL::BIGINT AS {k}" for k in ("customer", "phone", "email", "uprn", "session"))}
            FROM range({units * CONTACTS_A_UNIT}) t(i) ORDER BY occurred_at)""",
    }  # fmt: skip
    for name, query in tables.items():
        con.execute(
            f"COPY ({query}) TO '{folder / name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )


def trial(many: bool) -> Any:
    """The plan with these metrics."""
    from trials.definition import toml

    arms = "".join(
        f'[[arms]]\nkey = "{arm}"\ncontrol = {str(arm == "a").lower()}\n' for arm in ARMS
    )
    text = ['[trial]\nkey = "bench"\ntitle = "Bench"\nunit = "person"\n', arms]
    for i, one in enumerate(metrics(many)):
        where = {"handled": True, **one["where"]}
        filters = ", ".join(f"{k} = {json.dumps(v)}" for k, v in where.items())
        value = '\nvalue = "handle_seconds"' if one["kind"] == "mean" else ""
        text.append(
            f'[[metrics]]\nkey = "{one["key"]}"\nrole = "{"secondary" if i else "primary"}"\n'
            f'kind = "{one["kind"]}"\nsource = "contacts"\nwindow = "{one["days"]}d"\n'
            f'where = {{ {filters} }}{value}\nbetter = "lower"\n'
        )
    text.append('[analysis]\nsegments = ["segment"]\n')
    return toml.read("".join(text))


def known(many: bool) -> Any:
    """What the store would say: metric numbers, and codes with their meanings."""
    from analysis.compress.log import Code
    from analysis.reading import Known
    from trials.contacts.taxonomy import Reason, Taxonomy

    codes = [Code(i, "x", "", f"c{i}") for i in range(1, 41)]
    reasons = [Reason(source="x", code=c.code, reason=c.code, category="clarification",
                      avoidable_share=1.0) for c in codes]  # fmt: skip
    numbers = {one["key"]: i + 1 for i, one in enumerate(metrics(many))}
    return Known(numbers=numbers, codes=codes, taxonomy=Taxonomy(reasons))


def signpost(folder: Path, *, many: bool) -> list[list[float]]:
    """The product's own steps: units, linking, codes, metrics, cells."""
    import ibis

    from analysis.compress import compressed, contacts, frame, periods
    from analysis.compress import log as contact_log
    from analysis.compress.engine import over_parquet
    from analysis.compress.frame import Asked

    plan, beside = trial(many), known(many)
    log = over_parquet(ibis.duckdb.connect(), folder)
    asked = [Asked(metric=m, number=beside.numbers[m.key], cutoff=CUTOFF) for m in plan.metrics]
    everyone = frame.units(log, 1, 1, attributes=compressed.of_attributes(plan))
    units = log.keep("frame", periods.placed(everyone, plan))
    after = max(m.window or 0 for m in plan.metrics)
    named = log.keep("holders", contact_log.holders(log, units, 1))
    fields = contacts.fields(asked)
    found = contact_log.linked(log, units, named, before=0, after=after, cutoff=CUTOFF,
                               fields=fields)  # fmt: skip
    meanings = contact_log.meanings(beside.codes, beside.taxonomy)
    linked = log.keep("linked", contact_log.coded(found, ibis.memtable(meanings), fields))
    counted = log.keep("counted", contacts.measured(linked, asked))
    cells = frame.cells(frame.valued(units, [counted], asked), asked).to_pyarrow()
    return _sums(compressed.build(cells, plan, [1, 2, 3], asked).metrics)


def _sums(tables: Any) -> list[list[float]]:
    """Units, sums and sums of squares by metric, arm and segment."""
    return [
        [float(v) for v in row]
        for table in tables.values()
        for row in sorted(zip(table.arm, table.segments["segment"].codes, table.n, table.y,
                              table.yy, strict=True))
    ]  # fmt: skip


def whole_reading(folder: Path, *, many: bool) -> list[list[float]]:
    """All that an analysis reads."""
    import ibis

    from analysis import reading
    from analysis.compress.engine import over_parquet
    from trials.registry import TrialRecord

    plan = trial(many)
    record = TrialRecord.__new__(TrialRecord)
    for name, value in (("id", 1), ("definition", plan)):
        object.__setattr__(record, name, value)
    log = over_parquet(ibis.duckdb.connect(), folder)
    return _sums(reading.everything(log, record, [1, 2, 3], known(many), cutoff=CUTOFF).tables)


def by_hand(folder: Path, *, many: bool) -> list[list[float]]:
    """One query a metric."""
    import duckdb

    con = duckdb.connect()
    rows = []
    for one in metrics(many):
        window = one["days"] * DAY
        such = "".join(f" AND c.{k} = '{v}'" for k, v in one["where"].items())
        value = "sum(c.handle_seconds)" if one["kind"] == "mean" else "count(*)"
        rows.append(con.execute(f"""
            WITH started AS (
                SELECT a.unit_id, a.arm_id, u.attributes, min(e.exposed_at) AS start
                FROM '{folder}/assignments.parquet' a
                JOIN '{folder}/units.parquet' u ON u.id = a.unit_id
                JOIN '{folder}/exposures.parquet' e USING (unit_id) GROUP BY ALL
            ), made AS (
                SELECT s.unit_id, {value} AS y FROM '{folder}/contacts.parquet' c
                JOIN '{folder}/identifiers.parquet' i
                  ON i.kind = 'account' AND i.number = c.account
                JOIN started s ON s.unit_id = i.unit_id
                WHERE c.handled = 1 AND c.occurred_at >= s.start
                  AND c.occurred_at < s.start + {window}{such} GROUP BY s.unit_id
            )
            SELECT arm_id - 1, attributes, count(*), sum(coalesce(y, 0)), sum(coalesce(y, 0) ** 2)
            FROM started LEFT JOIN made USING (unit_id) WHERE start + {window} <= {CUTOFF}
            GROUP BY ALL ORDER BY arm_id - 1, attributes""").fetchall())  # fmt: skip
    return [_numbered(row) for table in rows for row in table]


def _numbered(row: Any) -> list[float]:
    """A row of arm, segment's words, and sums, with the segment by its place among the words."""
    arm, words, *sums = row
    places = sorted(f's{i}"}}' for i in range(SEGMENTS))
    return [float(v) for v in (arm, places.index(words.removeprefix('{"segment": "')), *sums)]


def pandas(folder: Path, *, many: bool) -> list[list[float]]:
    """Merged once, then filtered and grouped for each metric."""
    import pandas as pd

    given = pd.read_parquet(folder / "assignments.parquet", columns=["unit_id", "arm_id"])
    met = pd.read_parquet(folder / "exposures.parquet", columns=["unit_id", "exposed_at"])
    people = pd.read_parquet(folder / "identifiers.parquet", columns=["unit_id", "number"])
    words = pd.read_parquet(folder / "units.parquet").set_index("id").attributes
    columns = ["occurred_at", "account", "handled", "handle_seconds", "channel", "line"]
    log = pd.read_parquet(folder / "contacts.parquet", columns=columns)
    log = log[log.handled == 1]
    first = met.groupby("unit_id").exposed_at.min()
    units = given.assign(start=given.unit_id.map(first),
                         segment=given.unit_id.map(words).astype("category"))  # fmt: skip
    log = log.merge(people, left_on="account", right_on="number").merge(
        units[["unit_id", "start"]], on="unit_id"
    )
    since = log.occurred_at - log.start
    tables = []
    for one in metrics(many):
        window = one["days"] * DAY
        keep = (since >= 0) & (since < window)
        for name, value in one["where"].items():
            keep &= log[name] == value
        grouped = log[keep].groupby("unit_id").handle_seconds
        y = grouped.sum() if one["kind"] == "mean" else grouped.size()
        ripe = units[units.start + window <= CUTOFF]
        values = ripe.unit_id.map(y).fillna(0)
        both = pd.DataFrame({"arm": ripe.arm_id - 1, "segment": ripe.segment, "y": values,
                             "yy": values * values})  # fmt: skip
        tables.append(both.groupby(["arm", "segment"], observed=True).agg(
            n=("y", "size"), y=("y", "sum"), yy=("yy", "sum")))  # fmt: skip
    return [_numbered((*key, *row)) for table in tables
            for key, row in zip(table.index, table.to_numpy(), strict=True)]  # fmt: skip


WAYS = {
    "signpost": signpost,
    "whole reading": whole_reading,
    "DuckDB SQL": by_hand,
    "pandas": pandas,
}


NEEDS = {
    "signpost": ("duckdb", "ibis", "analysis.compress.compressed", "analysis.compress.contacts",
                 "analysis.reading", "ibis.backends.duckdb", "ibis.formats.pandas"),
    "whole reading": ("duckdb", "analysis.reading", "ibis.backends.duckdb", "ibis.formats.pandas"),
    "DuckDB SQL": ("duckdb",), "pandas": ("pandas", "pyarrow.parquet"),
}  # fmt: skip
"""Loaded before the clock starts; they are in the peak memory, for a process cannot do without."""


def once(name: str, folder: Path, *, many: bool) -> None:
    """Run one way in this process and print what it took."""
    for module in NEEDS[name]:
        importlib.import_module(module)
    began, spent = time.perf_counter(), time.process_time()
    found = WAYS[name](folder, many=many)
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "mb": peak, "found": found}))


def compared(
    module: str, ways: Sequence[str], where: str, *, many: bool, repeats: int
) -> None:  # fmt: skip
    """Run these ways of a benchmark, tell the medians of each, and hold their figures together."""
    answers = []
    for way in ways:
        found = _measured(module, way, where, many=many, repeats=repeats)
        answers.append(found["found"])
        print(f"  {'20 metrics' if many else '1 metric':<11}{way:<15}"
              f"{found['seconds']:8.2f} s {found['cpu']:8.2f} s cpu "
              f"{found['mb']:7,.0f} MB", flush=True)  # fmt: skip
    assert all(answer == answers[0] for answer in answers), "the ways disagree"


def _measured(module: str, way: str, where: str, *, many: bool, repeats: int) -> dict[str, Any]:
    """Medians over processes."""
    runs = []
    for _ in range(repeats):
        words = [sys.executable, "-m", module, "--once", way, where]
        done = subprocess.run([*words, *(["--many"] if many else [])], stdout=subprocess.PIPE,
                              text=True, check=True)  # fmt: skip
        runs.append(json.loads(done.stdout))
    middle = {key: statistics.median(run[key] for run in runs) for key in ("seconds", "cpu", "mb")}
    return {**middle, "found": runs[0]["found"]}


def compare(units: int, repeats: int, *, everything: bool) -> None:
    """Every way at one size, its figures held against each other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: a child's peak memory begins with that of its parent.
        subprocess.run([sys.executable, "-m", "benchmarks.window_metric", "--make", name, "--units",
                        str(units)], check=True)  # fmt: skip
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"\n{units:,} units, {units * CONTACTS_A_UNIT:,} contacts, {size:,.0f} MB of Parquet, "
              f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
        ways = [
            way for way in WAYS
            if everything or units <= MOST or way not in ("pandas", "whole reading")
        ]  # fmt: skip
        for many in (False, True):
            compared("benchmarks.window_metric", ways, name, many=many, repeats=repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", default="100000,1000000")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--once", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--all", action="store_true", help="every way at every size")
    parser.add_argument("--make", metavar="FOLDER", help=argparse.SUPPRESS)
    parser.add_argument("--many", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        once(asked.once[0], Path(asked.once[1]), many=asked.many)
        return
    if asked.make:
        make(Path(asked.make), int(asked.units))
        return
    for units in asked.units.split(","):
        compare(int(units), asked.repeats, everything=asked.all)


if __name__ == "__main__":
    main()
