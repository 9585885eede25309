"""Grouped tables of simulated trials that the tests of the models share."""

from __future__ import annotations

import numpy as np

from analysis.tables import Amounts, Grouped, Histogram, Key, LifeTable, Paths

WAYS = ("resolved", "handled", "repeated", "moved", "handled again")


def rates(y, n, **keys) -> Grouped:
    counts = np.asarray(y, float)
    return Grouped(
        arms=tuple(f"arm-{i}" for i in range(len(n))), control=0, weights=(1.0,) * len(n),
        arm=np.arange(len(n)), n=np.asarray(n, float), y=counts, yy=counts, **keys,
    )  # fmt: skip


def stratified(
    rng, *, arms=2, strata=5, segments=4, size=(200, 500), effect=-0.3, differ=0.0
) -> Grouped:
    arm, stratum, segment = (
        x.ravel()
        for x in np.meshgrid(np.arange(arms), np.arange(strata), np.arange(segments), indexing="ij")
    )
    n = rng.integers(*size, len(arm))
    logit = -1.2 + 0.25 * stratum - 0.1 * segment + (effect + differ * (segment - 1.5)) * (arm > 0)
    y = rng.binomial(n, 1 / (1 + np.exp(-logit))).astype(float)
    return Grouped(
        arms=tuple(f"arm-{i}" for i in range(arms)), control=0, weights=(1.0,) * arms, arm=arm,
        n=n.astype(float), y=y, yy=y,
        stratum=Key(name="band", codes=stratum, levels=tuple(f"s{i}" for i in range(strata))),
        segments={"e-mail": Key(name="e-mail", codes=segment, levels=tuple(f"g{i}" for i in range(segments)))},
    )  # fmt: skip


def clustered(rng, *, clusters=300, rate=(0.2, 0.17), icc=0.05) -> Grouped:
    arm = np.arange(clusters) % 2
    n = rng.integers(1, 7, clusters)
    mean = np.asarray(rate)[arm]
    weight = (1 - icc) / icc
    y = rng.binomial(n, rng.beta(mean * weight, (1 - mean) * weight)).astype(float)
    key = Key(name="home", codes=np.arange(clusters), levels=tuple(map(str, range(clusters))))
    return Grouped(
        arms=("arm-0", "arm-1"), control=0, weights=(1.0, 1.0), arm=arm, n=n.astype(float), y=y, yy=y,
        cluster=key,
    )  # fmt: skip


def histogram(rng, *, size=3000, means=(0.5, 0.43), shape=1.3) -> Histogram:
    arm, value, n = [], [], []
    for k, mean in enumerate(means):
        counts = rng.poisson(rng.gamma(shape, mean / shape, size))
        found, times = np.unique(counts, return_counts=True)
        arm.append(np.full(len(found), k))
        value.append(found)
        n.append(times)
    return Histogram(
        arms=tuple(f"arm-{i}" for i in range(len(means))), control=0, arm=np.concatenate(arm),
        value=np.concatenate(value).astype(float), n=np.concatenate(n).astype(float),
    )  # fmt: skip


def amounts(rng, *, size=3000, share=(0.3, 0.28), mu=(5.0, 4.95), sigma=1.0) -> Amounts:
    positive = rng.binomial(size, share)
    logs = [rng.normal(mu[k], sigma, positive[k]) for k in range(2)]
    return Amounts(
        arms=("arm-0", "arm-1"), control=0, arm=np.arange(2), n=np.full(2, float(size)),
        positive=positive.astype(float), log_sum=np.array([x.sum() for x in logs]),
        log_square=np.array([(x**2).sum() for x in logs]),
    )  # fmt: skip


def life_table(rng, *, size=2000, hazards=(0.03, 0.025), horizon=28, censor=0.0) -> LifeTable:
    rows = []
    for k, hazard in enumerate(hazards):
        time = rng.exponential(1 / hazard, size)
        left = rng.exponential(1 / censor, size) if censor else np.full(size, np.inf)
        end = np.minimum(np.minimum(time, np.ceil(left)), horizon)
        event = time <= end
        day = np.floor(end).astype(int)
        for d in range(horizon + 1):
            e, c = int(((day == d) & event).sum()), int(((day == d) & ~event).sum())
            if e + c:
                rows.append((k, d, e, c))
    table = np.array(rows)
    return LifeTable(
        arms=("arm-0", "arm-1"), control=0, arm=table[:, 0], time=table[:, 1].astype(float),
        events=table[:, 2].astype(float), censored=table[:, 3].astype(float),
    )  # fmt: skip


def ways(counts=((900, 2200, 100, 50, 750), (1200, 1900, 300, 60, 640))) -> Paths:
    table = np.asarray(counts, float)
    arms, size = table.shape
    return Paths(
        arms=tuple(f"arm-{i}" for i in range(arms)), control=0, arm=np.repeat(np.arange(arms), size),
        path=Key(name="way", codes=np.tile(np.arange(size), arms), levels=WAYS), n=table.ravel(),
        index_handled=(False, True, False, False, True), contacts=(0.0, 1.0, 1.0, 1.0, 2.0),
    )  # fmt: skip
