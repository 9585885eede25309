"""Counts that several metrics share are those that each would have by itself."""

from __future__ import annotations

import ibis
import numpy as np
import pytest

from analysis.compress import compressed, frame
from tests.study_log.conftest import call
from trials.definition import toml

PLAN = """
[trial]
key = "t"
title = "T"
[[arms]]
key = "a"
control = true
[[arms]]
key = "b"
[[metrics]]
key = "called"
role = "primary"
kind = "proportion"
source = "contacts"
window = "7d"
[[metrics]]
key = "calls"
kind = "count"
source = "contacts"
window = "7d"
[[metrics]]
key = "later"
kind = "count"
source = "contacts"
window = "28d"
[[metrics]]
key = "paid"
kind = "mean"
source = "outcomes"
[[metrics]]
key = "owed"
kind = "mean"
source = "outcomes"
"""


def asked():
    plan = toml.read(PLAN)
    return plan, [
        frame.Asked(metric=m, number=i, cutoff=40 * frame.DAY) for i, m in enumerate(plan.metrics)
    ]


def valued(metrics):
    """Thirty units with outcomes known and windows closed at random but as the metrics have it."""
    rng, n = np.random.default_rng(1), 30
    start = rng.integers(0, 40, n) * frame.DAY
    units = ibis.memtable(
        {"unit_id": range(n), "arm_id": rng.integers(1, 3, n), "stratum": [None] * n,
         "cluster": [None] * n, "attributes": [None] * n, "start": start},
        schema={"unit_id": "int64", "arm_id": "int64", "stratum": "string", "cluster": "string",
                "attributes": "string", "start": "int64"},
    )  # fmt: skip
    values = {"unit_id": np.arange(n)}
    for one in metrics:
        values[f"{one.column}_y"] = rng.integers(0, 2, n)
        values[f"{one.column}_k"] = rng.integers(0, 2, n)
    return frame.valued(units, [ibis.memtable(values)], metrics)


def test_shared_counts_are_those_of_each_metric_alone():
    plan, metrics = asked()
    table = valued(metrics)
    shared = frame.cells(table, metrics).to_pyarrow()
    # Three windows, none included; of outcomes each metric says itself whose is known.
    counts = {name.removesuffix("_n") for name in shared.column_names if name.endswith("_n")}
    assert len(counts & {one.open for one in metrics}) == 3
    assert len(counts & {one.use for one in metrics}) == 4
    together = compressed.build(shared, plan, [1, 2], metrics)
    for one in metrics:
        alone = frame.cells(table, [one]).to_pyarrow()
        mine = one.metric.model_copy(update={"role": "primary"})
        of_one = plan.model_copy(update={"metrics": (mine,)})
        by_itself = compressed.build(alone, of_one, [1, 2], [one])
        left, right = together.metrics[one.metric.key], by_itself.metrics[one.metric.key]
        for column in ("n", "y", "missing"):
            assert getattr(left, column).tolist() == getattr(right, column).tolist()
        key = one.metric.key
        assert together.open_units[key] == pytest.approx(by_itself.open_units[key])


def test_a_contact_late_in_the_window_is_followed_for_a_whole_week(calls):
    """Called on days 1 and 6, rang another line on day 9; what rings on day 9 is past the window."""
    people = "unit,arm,assigned_at,phone\n" + "".join(
        f"P{n},{'ct'[n % 2]},2026-04-01T00:00:00Z,0207946{n:04}\n" for n in range(8)
    )
    made = [call(i, day, phone="02079460000", line=line) for i, (day, line) in
            enumerate([(1, "Waste"), (6, "Waste"), (9, "Benefits"), (10, "Waste")])]  # fmt: skip
    made += [call(n + 10, 2, phone=f"0207946{n:04}", line="Benefits") for n in range(1, 8)]
    made.append(call(99, 29, phone="02079460001", line="Benefits"))

    rows = calls(people, made)()["deflection"]["repeats"]

    found = {(row["origin"], row["next"]): row["share"] * row["contacts"] for row in rows
             if row["by"] == "line" and row["arm"] == "c"}  # fmt: skip
    assert (found["Waste", "Waste"], found["Waste", "Benefits"]) == (1, 1)
    assert found["Benefits", "Waste"] == 0
