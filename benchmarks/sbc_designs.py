"""The designs under which every sampled model is calibrated (see ``benchmarks/sbc.py``)."""

from __future__ import annotations

import numpy as np

from analysis.bayesian.models import amounts, binomial, counts, paths, survival
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.priors import EffectPrior
from analysis.estimates import Absent
from analysis.tables import Amounts, Grouped, Histogram, Key, LifeTable, Paths

ARMS = ("current", "new")


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
