"""Counts that several metrics share are those that each would have by itself."""

from __future__ import annotations

import ibis
import numpy as np
import pytest

from analysis.compress import compressed, frame
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
