"""Estimates from raw rows: 20 metrics by 3 arms by 12 segments, against three peers in the same run.

Everybody reads the same Parquet file of one row a unit and gives 2 contrasts by 20 metrics by 12
segments, 480 differences with robust errors. Signpost groups once (:mod:`analysis.compress`) and
estimates from the cells; tea-tasting runs on DuckDB, one ``analyze`` a segment, as its users would;
gbstats gets its sufficient statistics from one GROUP BY in DuckDB (in an environment of its own, for
it needs NumPy 1); statsmodels fits every regression by row with HC2. The 480 standard errors of
Signpost and statsmodels are compared before any time is printed. Then the same for whole clusters:
20 metrics with CR2 against statsmodels' cluster errors by row.

Run ``python -m benchmarks.estimates 1000000 10000000``.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.environment import with_packages

METRICS, SEGMENTS, ARMS, OFFICES = 20, 12, 3, 24_000
NAMES = [f"m{i}" for i in range(1, METRICS + 1)]
REPEATS = 3


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
        f'kind = "{"proportion" if i < METRICS // 2 else "mean"}"\n'
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
    extra |= {f"m{i}_{what}": ibis.literal(value) for i in range(1, METRICS + 1)
              for what, value in (("use", 1.0), ("open", 0.0), ("pre", 0.0))}  # fmt: skip
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


GBSTATS = """
import sys, time, duckdb
from gbstats.frequentist.tests import FrequentistConfig, TwoSidedTTest
from gbstats.models.statistics import SampleMeanStatistic
names = sys.argv[2].split(",")
began = time.perf_counter()
sums = ", ".join(f"sum({m}), sum({m} * {m})" for m in names)
rows = duckdb.sql(f"select segment, arm, count(*), {sums} from '{sys.argv[1]}' group by all").fetchall()
cells = {(r[0], r[1]): r[2:] for r in rows}
for (segment, arm), cell in cells.items():
    if arm == 0:
        continue
    for i in range(len(names)):
        a, b = (SampleMeanStatistic(n=c[0], sum=c[1 + 2 * i], sum_squares=c[2 + 2 * i]) for c in (cells[segment, 0], cell))
        TwoSidedTTest([(a, b)], FrequentistConfig(difference_type="absolute")).compute_result() if LISTED else TwoSidedTTest(a, b, FrequentistConfig(difference_type="absolute")).compute_result()
print(time.perf_counter() - began)
"""


def gbstats(python: Path | None, file: Path) -> float | None:
    if python is None:
        return None
    for listed in ("False", "True"):
        command = [python, "-c", GBSTATS.replace("LISTED", listed), file, ",".join(NAMES)]
        runs = [
            subprocess.run(command, capture_output=True, text=True, check=False)
            for _ in range(REPEATS)
        ]
        if not any(run.returncode for run in runs):
            return statistics.median(float(run.stdout.split()[-1]) for run in runs)
    return None


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


def timed(work: Callable[[Path], list[float]], file: Path, repeats: int = REPEATS):
    """The median time, and the numbers of the last run."""
    runs, found = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        found = work(file)
        runs.append(time.perf_counter() - began)
    return statistics.median(runs), found


def scan(file: Path) -> list[float]:
    import duckdb

    sums = ", ".join(f"sum({name})" for name in NAMES)
    return list(duckdb.sql(f"select {sums} from '{file}'").fetchone())


def main() -> None:
    sizes = [int(text) for text in sys.argv[1:]] or [1_000_000]
    with tempfile.TemporaryDirectory() as folder:
        python = with_packages(
            Path(folder), "gbstats==0.8.0", "pandas==1.5.3", "numpy==1.26.4", "duckdb==1.5.5"
        )
        for n in sizes:
            file = Path(folder) / f"{n}.parquet"
            make(file, n)
            repeats = REPEATS if n <= 1_000_000 else 1
            floor, _ = timed(scan, file)
            own, errors = timed(signpost, file)
            tasting, _ = timed(tea_tasting, file)
            other = gbstats(python, file)
            by_row, expected = timed(statsmodels, file, repeats)
            assert len(errors) == len(expected) == 2 * METRICS * SEGMENTS
            assert abs(sum(errors) / sum(expected) - 1) < 1e-10, "standard errors differ"
            print(f"{n:,} units, {len(errors)} contrasts (seconds)", flush=True)
            for name, took in (("scan of the columns", floor), ("signpost", own), ("tea-tasting", tasting),
                               ("gbstats", other), ("statsmodels by row, HC2", by_row)):  # fmt: skip
                print(
                    f"  {name:<28}"
                    + ("not run" if took is None else f"{took:9.2f}  {took / own:6.1f} ×"),
                    flush=True,
                )
            if n <= 1_000_000:
                own, errors = timed(clusters, file)
                by_row, _ = timed(statsmodels_clusters, file)
                print(f"  {'signpost, clusters, CR2':<28}{own:9.2f}")
                print(
                    f"  {'statsmodels, clusters, CR1':<28}{by_row:9.2f}  {by_row / own:6.1f} ×",
                    flush=True,
                )
            file.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, statsmodels' rows included: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
