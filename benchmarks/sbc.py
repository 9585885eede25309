"""Simulation-based calibration of every sampled model (Talts et al. 2018).

A true effect is drawn from the prior, data from the model given it, and the model is fitted to the
data. If density, prior and sampler are right, the true effect's rank among the posterior draws is
uniform and intervals cover what they say. Also counted: how many runs pass the diagnostics at the
first and at the second attempt.

Run ``python benchmarks/sbc.py [--replicates 200] [--models counts,paths] [--output FILE.md]``.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from analysis.bayesian import sampler
from analysis.bayesian.diagnostics import diagnose
from analysis.bayesian.models import MODELS, amounts, binomial, counts, paths, survival
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.priors import EffectPrior
from analysis.estimates import Absent
from analysis.tables import Amounts, Grouped, Histogram, Key, LifeTable, Paths

COVERAGE = (0.5, 0.8, 0.95)
SETTINGS = sampler.Settings()  # as in reports
ARMS = ("current", "new")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one model's runs showed; ``p`` is of the ranks against the uniform (KS)."""

    name: str
    runs: int
    p: float
    coverage: tuple[float, ...]
    first: float
    second: float
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """The row of the printed table."""
        return (
            self.name, str(self.runs), f"{self.p:.2f}", *(f"{c:.1%}" for c in self.coverage),
            f"{self.first:.0%}", f"{self.second:.0%}", f"{self.seconds:.2f}",
        )  # fmt: skip


def stratified(segments: int) -> Grouped:
    """Two arms in six strata and a segment, 120 units a cell."""
    grid = np.meshgrid(np.arange(2), np.arange(6), np.arange(segments), indexing="ij")
    arm, stratum, segment = (x.ravel() for x in grid)
    y = np.full(len(arm), 20.0)
    keys = {"area": Key(name="area", codes=segment, levels=tuple(map(str, range(segments))))}
    return Grouped(
        arms=ARMS, control=0, weights=(1.0, 1.0), arm=arm, n=np.full(len(arm), 120.0), y=y, yy=y,
        stratum=Key(name="band", codes=stratum, levels=tuple("abcdef")), segments=keys,
    )  # fmt: skip


def clusters() -> Grouped:
    """Two arms of 60 clusters with one to twelve units."""
    arm = np.arange(120) % 2
    n = 1.0 + np.arange(120) // 2 % 12
    key = Key(name="round", codes=np.arange(120), levels=tuple(map(str, range(120))))
    return Grouped(
        arms=ARMS, control=0, weights=(1.0, 1.0), arm=arm, n=n, y=np.floor(n / 4),
        yy=np.floor(n / 4), cluster=key,
    )  # fmt: skip


def life_table() -> LifeTable:
    """Two arms of 600 followed for 28 days."""
    day = np.tile(np.arange(28), 2)
    return LifeTable(
        arms=ARMS, control=0, arm=np.repeat([0, 1], 28), time=day.astype(float),
        events=np.full(56, 10.0), censored=np.where(day == 27, 320.0, 0.0),
    )  # fmt: skip


def designs() -> dict[str, ModelData | Absent]:
    """The designs, by name; only their sizes matter, since outcomes are drawn anew."""
    histogram = Histogram(
        arms=ARMS, control=0, arm=np.array([0, 0, 1, 1]), value=np.array([0.0, 1, 0, 1]),
        n=np.array([300.0, 200, 300, 200]),
    )  # fmt: skip
    sums = Amounts(
        arms=ARMS, control=0, arm=np.arange(2), n=np.full(2, 500.0), positive=np.full(2, 150.0),
        log_sum=np.full(2, 600.0), log_square=np.full(2, 2500.0),
    )  # fmt: skip
    ways = Paths(
        arms=ARMS, control=0, arm=np.repeat([0, 1], 5), n=np.full(10, 150.0),
        path=Key(name="way", codes=np.tile(np.arange(5), 2), levels=tuple("abcde")),
        index_handled=(False, True, False, False, True), contacts=(0.0, 1.0, 1.0, 1.0, 2.0),
    )  # fmt: skip
    prior = EffectPrior(sd=0.05)
    return {
        "rates, strata and segment": binomial.prepare(stratified(4), prior=prior, segment="area"),
        "rates, clusters": binomial.prepare(clusters(), prior=prior),
        "counts": counts.prepare(histogram, prior=EffectPrior(sd=0.2), typical=0.5),
        "amounts": amounts.prepare(sums, prior=EffectPrior(sd=10.0), typical=30.0),
        "survival": survival.prepare(life_table(), horizon=28, prior=EffectPrior(sd=2.0)),
        "paths": paths.prepare(ways, prior=EffectPrior(sd=0.1)),
    }


def usable(data: ModelData) -> bool:
    """Whether drawn data are such as the model would be given at all."""
    if data.model == "hurdle-lognormal":
        return bool(data.arrays["positive"].min() >= 2)
    if data.model == "negative-binomial":
        return bool(data.arrays["value"].max() > 0)
    return True


def calibrate(name: str, design: ModelData, replicates: int, seed: int) -> Row:
    """The calibration of one model under one design."""
    rng, model = np.random.default_rng(seed), MODELS[design.model]
    ranks, first, second, spent = [], 0, 0, []
    sampler.warm(design.model, design)
    while len(ranks) < replicates:
        truth = model.draw_prior(design, rng)
        data = model.replicate(truth, design, rng)
        if not usable(data):
            continue
        started = time.perf_counter()
        seed_now = int(rng.integers(2**31))
        run = sampler.sample(design.model, data, seed_now, settings=SETTINGS)
        passed = diagnose(run, model.watch).reliable
        spent.append(time.perf_counter() - started)
        first += passed
        if not passed:
            careful = dataclasses.replace(SETTINGS, target_accept=0.99, tune=2 * SETTINGS.tune)
            run = sampler.sample(design.model, data, seed_now + 1, settings=careful)
            passed = diagnose(run, model.watch).reliable
        second += passed
        ranks.append(float((run.flat("effect")[:, 0] < truth["effect"][0]).mean()))
        print(f"\r{name}: {len(ranks)}/{replicates}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rank = np.asarray(ranks)
    covered = tuple(float((np.abs(rank - 0.5) <= c / 2).mean()) for c in COVERAGE)
    return Row(
        name=name, runs=replicates, p=float(stats.kstest(rank, "uniform").pvalue),
        coverage=covered, first=first / replicates, second=second / replicates,
        seconds=float(np.median(spent)),
    )  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    head = ("model", "runs", "KS p", "50%", "80%", "95%", "passed first", "passed", "median s")
    lines = [head, tuple("---" for _ in head), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--models", default="", help="parts of names, comma-separated")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    wanted = [w.strip() for w in given.models.split(",") if w.strip()]
    rows = []
    for name, design in designs().items():
        if isinstance(design, ModelData) and (not wanted or any(w in name for w in wanted)):
            rows.append(calibrate(name, design, given.replicates, given.seed))
            print(" | ".join(rows[-1].cells()), flush=True)
    text = table(rows)
    print(text)
    if given.output:
        given.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
