"""One definition of every kind of metric, run by each engine that may hold the log.

The answers of SQLite, PostgreSQL, DuckDB over Parquet and PySpark are held against the product's
own reading, and that against figures worked out from the rows in plain Python.
"""

from __future__ import annotations

import importlib.util
import os
import random
from collections import Counter
from contextlib import contextmanager

import ibis
import numpy as np
import pytest

from analysis import facts, reading, study
from analysis.compress.engine import in_place, open_log, over_parquet, to_parquet
from analysis.tables import Amounts, Grouped, Histogram
from tests.study_log.conftest import KEY, call
from trials import clock, registry

TEXT = """
[trial]
key = "calls"
title = "Fewer calls"
unit = "person"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "any"
role = "primary"
kind = "proportion"
source = "contacts"
window = "7d"
where = { handled = true }
better = "lower"
[[metrics]]
key = "calls"
role = "secondary"
kind = "count"
source = "contacts"
window = "7d"
where = { channel = ["phone", "ivr"] }
better = "lower"
cap = 0.95
[[metrics]]
key = "all"
role = "secondary"
kind = "count"
source = "contacts"
window = "14d"
better = "lower"
[[metrics]]
key = "talk"
role = "secondary"
kind = "mean"
source = "contacts"
window = "14d"
value = "handle_seconds"
better = "lower"
[[metrics]]
key = "each"
role = "secondary"
kind = "ratio"
source = "contacts"
window = "14d"
value = "handle_seconds"
denominator = "all"
better = "lower"
[[metrics]]
key = "first"
role = "secondary"
kind = "time-to-event"
source = "contacts"
window = "14d"
better = "higher"
[analysis]
adjust = ["pre:all"]
"""
CUTOFF = "2026-04-24"


@pytest.fixture
def council(calls, store):
    """300 people, assigned on 1 to 12 April, and about 700 contacts before and after."""
    dice = random.Random(7)
    day = {n: dice.randint(1, 12) for n in range(300)}
    people = "unit,arm,assigned_at,phone\n" + "".join(
        f"P{n},{'ct'[n % 2]},2026-04-{day[n]:02}T00:00:00Z,0207946{n:04}\n" for n in range(300)
    )
    made = [
        call(i, dice.randint(1, 28), phone=f"0207946{dice.randrange(330):04}",
             channel=dice.choice(["phone", "ivr", "webchat", "email"]),
             line=dice.choice(["Benefits", "Council Tax"]), reason=dice.choice(["A", "B", ""]),
             handle_seconds=str(dice.randint(60, 900)),
             outcome=dice.choice(["handled", "handled", "abandoned-in-queue"]))
        for i in range(700)
    ]  # fmt: skip
    calls(people, made, TEXT)
    return store, day, made


@contextmanager
def engine_of(name, store, folder):
    """The log in an engine."""
    if name in {"the product's own", "in place"}:
        with (in_place if name == "in place" else open_log)(store) as log:
            yield log
        return
    to_parquet(store, folder)
    backend = ibis.duckdb.connect() if name == "duckdb" else ibis.pyspark.connect(spark())
    yield over_parquet(backend, folder)


def spark():
    """A session of one thread."""
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    settings = {"ui.enabled": "false", "sql.shuffle.partitions": "1", "driver.host": "127.0.0.1"}
    builder = SparkSession.builder.master("local[1]")
    for name, value in settings.items():
        builder = builder.config(f"spark.{name}", value)
    return builder.getOrCreate()


def read_by(name, store, folder):
    """Everything a run reads of the log, by one engine."""
    with store.read() as session:
        record = registry.load(session, KEY)
        arms = list(facts.arm_names(session, record.id))
        known = reading.known(session, record.id)
    cutoff = clock.epoch(study.cutoff_of(CUTOFF))
    with engine_of(name, store, folder) as log:
        return reading.everything(log, record, arms, known, cutoff=cutoff)


def figures(read):
    """Every number of the grouped tables, by what it is."""
    found = {"open": dict(read.data.open_units), "matured": read.data.matured}
    for key, table in read.tables.items():
        assert isinstance(table, Grouped), key
        order = np.lexsort((table.y, table.n, table.arm))
        for name in ("arm", "n", "y", "yy", "d", "dd", "dy"):
            column = getattr(table, name, None)
            if column is not None:
                found[key, name] = np.asarray(column, dtype=float)[order].tolist()
    joint = read.deflection.joint
    found["net"] = joint.sums.sum(axis=0).tolist()
    found["products"] = joint.products.sum(axis=0).ravel().tolist()
    for table in read.deflection.repeats:
        found["repeats", table.by] = table.counts.ravel().tolist()
    for arm in read.coding.arms:
        found["codes", arm.arm] = sorted(arm.by_code.values())
    for key, shape in read.shapes.items():
        rows = np.column_stack([shape.arm, shape.n, getattr(shape, "value", shape.n)])
        found["shape", key] = np.array(sorted(rows.tolist())).ravel().tolist()
    for key, life in read.lives.items():
        found["life", key] = [float(life.events.sum()), float(life.censored.sum())]
    return found


def test_the_products_own_reading_is_that_of_the_rows(council, tmp_path):
    store, day, made = council
    read = read_by("the product's own", store, tmp_path)
    reach = max(int(c["occurred_at"][8:10]) for c in made if int(c["occurred_at"][8:10]) <= 24)

    def ripe(days):
        return [n for n in day if day[n] + days <= reach]

    def inside(days, keep):
        return [
            c for c in made
            if (n := int(c["phone"][-4:])) in ripe(days) and keep(c)
            and 0 <= int(c["occurred_at"][8:10]) - day[n] < days
        ]  # fmt: skip

    everything = inside(14, lambda c: True)
    talked = inside(7, lambda c: c["outcome"] == "handled")
    assert read.tables["all"].n.sum() == len(ripe(14))
    assert read.tables["all"].y.sum() == len(everything)
    assert read.tables["talk"].y.sum() == sum(int(c["handle_seconds"]) for c in everything)
    assert read.tables["any"].y.sum() == len({c["phone"] for c in talked})
    assert read.data.open_units["all"] == 300 - len(ripe(14)) > 0

    made_by = Counter(int(c["phone"][-4:]) for c in everything)
    several = Counter((n % 2, made_by[n]) for n in ripe(14))
    shape = read.shapes["all"]
    assert isinstance(shape, Histogram)
    assert dict(zip(zip(shape.arm, shape.value, strict=True), shape.n, strict=True)) == several
    amounts = read.shapes["talk"]
    assert isinstance(amounts, Amounts)
    spoke = Counter(n % 2 for n in ripe(14) if made_by[n])
    assert dict(zip(amounts.arm, amounts.positive, strict=True)) == spoke
    assert dict(zip(amounts.arm, amounts.n, strict=True)) == Counter(n % 2 for n in ripe(14))


@pytest.mark.parametrize("engine", ["in place", "duckdb", "pyspark"])
def test_every_engine_gives_the_same_numbers(council, engine, tmp_path):
    if engine == "pyspark" and importlib.util.find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed; requirements-spark.txt has it (needs Java 17)")
    store = council[0]
    expected = figures(read_by("the product's own", store, tmp_path))
    found = figures(read_by(engine, store, tmp_path))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
