"""Assignments and outcomes analysed from the store, against tea-tasting on the same rows.

``signpost`` is the whole run from the database file to the stored result document (checks, two
metrics, posterior, ratio); tea-tasting reads the same rows from Parquet through DuckDB, gbstats the same
rows from CSV through pandas, and both give two differences. gbstats needs NumPy 1 and pandas 1: it gets
an environment of its own, made with uv where that is at hand.
"""

from __future__ import annotations

import csv
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.environment import with_packages

TRIAL = """
[trial]
key = "rows"
title = "Rows"
[[arms]]
key = "a"
control = true
[[arms]]
key = "b"
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
[[metrics]]
key = "amount"
kind = "mean"
source = "outcomes"
"""


def make(folder: Path, n: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    arm, paid = np.arange(n) % 2, rng.random(n) < 0.2
    amount = np.where(paid, rng.integers(1, 200, n), 0)
    with (folder / "given.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["unit", "arm"])
        writer.writerows((f"U{i}", "ab"[a]) for i, a in enumerate(arm.tolist()))
    with (folder / "measured.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["unit", "paid", "amount"])
        writer.writerows(
            (f"U{i}", int(p), int(m))
            for i, (p, m) in enumerate(zip(paid.tolist(), amount.tolist(), strict=True))
        )
    table = pa.table({"variant": arm, "paid": paid.astype(float), "amount": amount.astype(float)})
    pq.write_table(table, folder / "rows.parquet")


def signpost(folder: Path) -> tuple[float, float, float]:
    from analysis import study
    from trials import lifecycle, registry
    from trials.definition import toml
    from trials.importing import assignments, outcomes
    from trials.people.identifiers import Hasher
    from trials.store import migrate
    from trials.store.engine import Store

    store = Store.open(f"sqlite:///{folder / 's.db'}")
    migrate.upgrade(store)
    with store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="bench")
        lifecycle.launch(session, "rows", actor="bench")
    hasher, took = Hasher(b"k" * 32), []
    for module, name in ((assignments, "given"), (outcomes, "measured")):
        began = time.perf_counter()
        module.add(store, "rows", folder / f"{name}.csv", hasher=hasher, actor="bench")
        took.append(time.perf_counter() - began)
    runs = []
    for _ in range(3):
        began = time.perf_counter()
        study.analyse(store, study.Order(key="rows"))
        runs.append(time.perf_counter() - began)
    store.close()
    return took[0], took[1], statistics.median(runs)


def tea_tasting(folder: Path) -> float:
    import ibis
    import tea_tasting as tt

    runs = []
    for _ in range(3):
        began = time.perf_counter()
        data = ibis.duckdb.connect().read_parquet(folder / "rows.parquet")
        experiment = tt.Experiment({"paid": tt.Mean("paid"), "amount": tt.Mean("amount")})
        experiment.analyze(data)
        runs.append(time.perf_counter() - began)
    return statistics.median(runs)


GBSTATS = """
import sys, time, pandas as pd
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import SampleMeanStatistic
began = time.perf_counter()
rows = pd.read_csv(sys.argv[1]).merge(pd.read_csv(sys.argv[2]), on="unit")
arms = [group for _, group in rows.groupby("arm")]
for metric in ("paid", "amount"):
    pair = tuple(SampleMeanStatistic(n=len(g), sum=g[metric].sum(), sum_squares=(g[metric] ** 2).sum()) for g in arms)
    TwoSidedTTest(*pair, FrequentistConfig(difference_type="absolute")).compute_result()
print(time.perf_counter() - began)
"""


def gbstats(python: Path | None, folder: Path) -> float | None:
    if python is None:
        return None
    command = [python, "-c", GBSTATS, folder / "given.csv", folder / "measured.csv"]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3)]
    return statistics.median(float(run.stdout) for run in runs)


def main() -> None:
    titles = ("units", "import given", "import measured", "analysis", "tea-tasting", "gbstats")
    print("".join(f"{title:>17}" for title in titles), " (seconds)")
    with tempfile.TemporaryDirectory() as kept:
        python = with_packages(Path(kept), "gbstats==0.8.0", "pandas==1.5.3", "numpy==1.26.4")
        for n in (10_000, 100_000, 1_000_000):
            with tempfile.TemporaryDirectory() as name:
                make(Path(name), n)
                times = (
                    *signpost(Path(name)),
                    tea_tasting(Path(name)),
                    gbstats(python, Path(name)),
                )
            cells = ("not run" if t is None else f"{t:.2f}" for t in times)
            print(f"{n:>17,}" + "".join(f"{cell:>17}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
