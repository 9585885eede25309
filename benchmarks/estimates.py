"""Estimates from raw rows: 20 metrics by 3 arms by 12 segments, against its peers in the same run.

Everybody reads the same Parquet file of one row a unit and gives 2 contrasts by 20 metrics by 12
segments, 480 differences with robust errors. Signpost groups once (:mod:`analysis.compress`) and
estimates from the cells; tea-tasting runs on DuckDB, one ``analyze`` a segment, as its users would;
statsmodels fits every regression by row with HC2. gbstats (in an environment of its own, for it
needs NumPy 1) is run twice: fed by hand from one GROUP BY of all metrics, with no more than its test
called on each pair of cells; and as GrowthBook calls it. There every metric is a query of its own
(`getFactMetricGroups` in `packages/back-end/src/queryRunners/ExperimentResultsQueryRunner.ts` joins
metrics in one query for Enterprise customers alone; the same in
https://blog.growthbook.io/fact-table-query-optimization and in
https://docs.growthbook.io/app/query-optimization) with the segment as its dimension, and the rows go
to ``gbstats.gbstats.process_experiment_results``. GrowthBook's own queries also join exposures and
conversions; these do not.

The 480 standard errors of Signpost and statsmodels are compared before any time is printed. Then the
same for whole clusters: 20 metrics with CR2 against statsmodels' cluster errors by row.

Printed are the clock and, because a busy machine stretches it, the processors' time, each with its
ratio to Signpost's; both are medians of the turns, the first turn's imports being left to a turn
before them. Run ``python -m benchmarks.estimates 1000000 10000000``; ``--turns 1`` for one turn each,
``--without statsmodels`` to leave out the slow one, ``--no-clusters`` for the segments alone.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.environment import with_packages

METRICS, SEGMENTS, ARMS, OFFICES = 20, 12, 3, 24_000
NAMES = [f"m{i}" for i in range(1, METRICS + 1)]
MANY = 1_000_000
"""With more rows than this statsmodels has one turn, and clusters none."""


class Took(NamedTuple):
    """Seconds by the clock and of the processors."""

    clock: float
    processor: float


def make(file: Path, n: int) -> None:
    """One row a unit: half the metrics are shares, half skewed amounts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    with pq.ParquetWriter(file, _schema()) as writer:
        for start in range(0, n, 1_000_000):
            size = min(1_000_000, n - start)
            segment = rng.integers(0, SEGMENTS, size)
            office = rng.integers(0, OFFICES, size)
            columns = {
                "arm": rng.integers(0, ARMS, size), "segment": segment, "office": office,
                "attributes": pa.DictionaryArray.from_arrays(
                    segment, [f'{{"segment":"{s}"}}' for s in range(SEGMENTS)]).cast(pa.string()),
            }  # fmt: skip
            for i, name in enumerate(NAMES):
                some = rng.random(size) < 0.1 + 0.01 * i
                columns[name] = some * (1.0 if i < METRICS // 2 else rng.gamma(2.0, 3.0, size))
            writer.write_table(pa.table(columns, schema=_schema()))


def _schema():
    import pyarrow as pa

    keys = [("arm", pa.int64()), ("segment", pa.int64()), ("office", pa.int64())]
    return pa.schema(
        [*keys, ("attributes", pa.string()), *((name, pa.float64()) for name in NAMES)]
    )


def trial(*, clustered: bool = False):
    from trials.definition import toml

    arms = "".join(f'[[arms]]\nkey = "a{k}"\n' + "control = true\n" * (k == 0) for k in range(ARMS))
    metrics = "".join(
        f'[[metrics]]\nkey = "{name}"\nrole = "{"secondary" if i else "primary"}"\nsource = "outcomes"\n'
        f'kind = "{"proportion" if i < METRICS // 2 else "mean"}"\nabsent_means = "zero"\n'
        for i, name in enumerate(NAMES)
    )
    design = '[design]\nkind = "cluster"\ncluster = "office"\n' if clustered else ""
    plan = "[analysis]\n" + ("" if clustered else 'segments = ["segment"]\n')
    return toml.read(f'[trial]\nkey = "b"\ntitle = "B"\n{design}{arms}{metrics}{plan}')


def grouped(file: Path, plan, *, clustered: bool = False):
    """The pass over the rows and the grouped tables, by the product's own code."""
    import ibis

    from analysis.compress import compressed, frame

    asked = [frame.Asked(metric=m, number=i, cutoff=1) for i, m in enumerate(plan.metrics, 1)]
    rows = ibis.duckdb.connect().read_parquet(file)
    arm = (rows.office % ARMS) if clustered else rows.arm
    extra = {f"m{i}_y": rows[f"m{i}"] for i in range(1, METRICS + 1)}
    extra |= {name: ibis.literal(value) for one in asked
              for name, value in ((one.use, 1), (one.open, 0))}  # fmt: skip
    table = rows.select(
        arm_id=arm, stratum=ibis.null("string"),
        cluster=rows.office.cast("string") if clustered else ibis.null("string"),
        attributes=ibis.null("string") if clustered else rows.attributes, **extra,
    )  # fmt: skip
    result = frame.cells(table, asked).to_pyarrow()
    return compressed.build(result, plan, list(range(ARMS)), asked)


def signpost(file: Path) -> list[float]:
    from analysis import estimation

    plan = trial()
    data = grouped(file, plan)
    errors = []
    for metric in plan.metrics:
        entries = estimation.segments_json(plan, metric, data.metrics[metric.key], "frequentist")
        errors += [c["difference"]["se"] for entry in entries for c in entry["contrasts"]]
    return errors


def tea_tasting(file: Path) -> list[float]:
    import ibis
    import tea_tasting as tt

    rows = ibis.duckdb.connect().read_parquet(file)
    experiment = tt.Experiment({name: tt.Mean(name) for name in NAMES}, variant="arm")
    found = []
    for segment in range(SEGMENTS):
        results = experiment.analyze(rows.filter(rows.segment == segment), 0, all_variants=True)
        found += [r[name].pvalue for r in results.values() for name in NAMES]
    return found


def statsmodels(file: Path) -> list[float]:
    import pyarrow.parquet as pq
    import statsmodels.api as sm

    rows = pq.read_table(file, columns=["arm", "segment", *NAMES]).to_pandas()
    parts = [part for _, part in rows.groupby("segment", sort=True)]
    del rows
    errors = []
    for part in parts:
        x = np.column_stack([np.ones(len(part)), part["arm"] == 1, part["arm"] == 2]).astype(float)
        for name in NAMES:
            fitted = sm.OLS(part[name].to_numpy(), x).fit(cov_type="HC2", use_t=True)
            errors += fitted.bse[1:].tolist()
    return errors


PEER = """
import sys, time, duckdb
def turn(work, turns):
    work()
    for _ in range(turns):
        clock, processor = time.perf_counter(), time.process_time()
        work()
        print(time.perf_counter() - clock, time.process_time() - processor)
file, names, turns = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
"""

GBSTATS = """
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import SampleMeanStatistic
def work():
    sums = ", ".join(f"sum({m}), sum({m} * {m})" for m in names)
    rows = duckdb.sql(f"select segment, arm, count(*), {sums} from '{file}' group by all").fetchall()
    cells = {(r[0], r[1]): r[2:] for r in rows}
    for (segment, arm), cell in cells.items():
        if arm == 0:
            continue
        for i in range(len(names)):
            a, b = (SampleMeanStatistic(n=c[0], sum=c[1 + 2 * i], sum_squares=c[2 + 2 * i]) for c in (cells[segment, 0], cell))
            TwoSidedTTest(a, b, FrequentistConfig(difference_type="absolute")).compute_result()
turn(work, turns)
"""

GROWTHBOOK = """
from gbstats.gbstats import process_experiment_results
def query(m):
    found = duckdb.sql(
        "select cast(arm as varchar) as variation, cast(segment as varchar) as dimension, count(*) as users, "
        f"count(*) as count, sum({m}) as main_sum, sum({m} * {m}) as main_sum_squares from '{file}' group by all")
    columns = found.columns
    return {"metrics": [m], "rows": [dict(zip(columns, row)) for row in found.fetchall()]}
def work():
    results = process_experiment_results({
        "metrics": {m: {"id": m, "name": m, "statistic_type": "mean", "main_metric_type": "count"} for m in names},
        "analyses": [{"var_names": ["0", "1", "2"], "var_ids": ["0", "1", "2"], "weights": [1 / 3] * 3,
                      "dimension": "segment", "stats_engine": "frequentist", "difference_type": "absolute"}],
        "query_results": [query(m) for m in names],
    })
    assert len(results) == len(names)
turn(work, turns)
"""


def elsewhere(python: Path | None, work: str, file: Path, turns: int) -> Took | None:
    """A peer in its own Python; ``None`` where it could not be had."""
    if python is None:
        return None
    command = [python, "-c", PEER + work, file, ",".join(NAMES), str(turns)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return _median([Took(*map(float, line.split())) for line in done.stdout.splitlines()])


def clusters(file: Path) -> list[float]:
    from analysis import estimation

    plan = trial(clustered=True)
    data = grouped(file, plan, clustered=True)
    found = estimation.contrasts(plan, data.metrics, "frequentist")
    return [c.difference.se for c in found]


def statsmodels_clusters(file: Path) -> list[float]:
    import pyarrow.parquet as pq
    import statsmodels.api as sm

    rows = pq.read_table(file, columns=["office", *NAMES]).to_pandas()
    office = rows["office"].to_numpy()
    arm = office % ARMS
    x = np.column_stack([np.ones(len(rows)), arm == 1, arm == 2]).astype(float)
    errors = []
    for name in NAMES:
        fitted = sm.OLS(rows[name].to_numpy(), x).fit(
            cov_type="cluster", cov_kwds={"groups": office}, use_t=True
        )
        errors += fitted.bse[1:].tolist()
    return errors


def timed(work: Callable[[Path], list[float]], file: Path, turns: int) -> tuple[Took, list[float]]:
    """The median time, and the numbers of the last turn."""
    runs, found = [], []
    for _ in range(turns):
        clock, processor = time.perf_counter(), time.process_time()
        found = work(file)
        runs.append(Took(time.perf_counter() - clock, time.process_time() - processor))
    return _median(runs), found


def _median(runs: list[Took]) -> Took:
    return Took(*(statistics.median(some) for some in zip(*runs, strict=True)))


def scan(file: Path) -> list[float]:
    import duckdb

    sums = ", ".join(f"sum({name})" for name in NAMES)
    return list(duckdb.sql(f"select {sums} from '{file}'").fetchone())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Estimates from raw rows, beside peers.")
    parser.add_argument("sizes", type=int, nargs="*", default=[1_000_000], help="units (rows)")
    parser.add_argument("--turns", type=int, default=3, help="turns each, of which the median")
    parser.add_argument("--without", action="append", default=[], choices=list(PEERS),
                        help="a peer to leave out; may be repeated")  # fmt: skip
    parser.add_argument("--no-clusters", action="store_true", help="the segments alone")
    return parser.parse_args()


PEERS = {
    "tea-tasting": "tea-tasting, one analyze a segment",
    "gbstats": "gbstats' tests, one GROUP BY",
    "growthbook": "gbstats as GrowthBook runs it",
    "statsmodels": "statsmodels by row, HC2",
}


def measured(file: Path, n: int, asked: argparse.Namespace, python: Path | None) -> None:
    """Time everybody on one file, print, and hold the standard errors against each other."""
    turns = asked.turns
    print(f"{n:,} units, {2 * METRICS * SEGMENTS} contrasts", flush=True)
    print(f"  {'seconds':<36}{'clock':>9}{'':10}{'processor':>11}", flush=True)
    floor, _ = timed(scan, file, turns)
    own, errors = timed(signpost, file, turns)
    line("scan of the columns", floor, own)
    line("signpost", own, own)
    if "tea-tasting" not in asked.without:
        line(PEERS["tea-tasting"], timed(tea_tasting, file, turns)[0], own)
    for name, work in (("gbstats", GBSTATS), ("growthbook", GROWTHBOOK)):
        if name not in asked.without:
            line(PEERS[name], elsewhere(python, work, file, turns), own)
    if "statsmodels" not in asked.without:
        by_row, expected = timed(statsmodels, file, turns if n <= MANY else 1)
        assert len(errors) == len(expected) == 2 * METRICS * SEGMENTS
        assert np.allclose(errors, _by_metric(expected), rtol=1e-10), "standard errors differ"
        line(PEERS["statsmodels"], by_row, own)
    if n <= MANY and not asked.no_clusters:
        own, _ = timed(clusters, file, turns)
        line("signpost, clusters, CR2", own, own)
        line("statsmodels, clusters, CR1", timed(statsmodels_clusters, file, turns)[0], own)


def _by_metric(errors: list[float]) -> list[float]:
    """From segment by metric by arm, as statsmodels goes, to metric by segment (as text) by arm."""
    order = sorted(range(SEGMENTS), key=str)
    found: list[float] = (
        np.array(errors).reshape(SEGMENTS, METRICS, 2)[order].swapaxes(0, 1).ravel().tolist()
    )
    return found


def line(name: str, took: Took | None, own: Took) -> None:
    """One peer's seconds, and how many times Signpost's they are."""
    text = "not run" if took is None else (
        f"{took.clock:9.2f} {took.clock / own.clock:7.1f} ×{took.processor:11.2f} "
        f"{took.processor / own.processor:7.1f} ×"
    )  # fmt: skip
    print(f"  {name:<36}{text}", flush=True)


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder:
        python = with_packages(
            Path(folder), "gbstats==0.8.0", "pandas==1.5.3", "numpy==1.26.4", "duckdb==1.5.5"
        )
        warm = Path(folder) / "warm.parquet"
        make(warm, 20_000)
        for work in (signpost, tea_tasting, statsmodels, clusters):
            work(warm)
        for n in asked.sizes:
            file = Path(folder) / f"{n}.parquet"
            make(file, n)
            measured(file, n, asked, python)
            file.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, statsmodels' rows included: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
