"""What a posterior costs: each model in a warm process, and against the number of units.

Run ``python benchmarks/posterior.py [--rounds 5] [--night 100] [--rows]``. ``--rows`` also samples the same
binomial model on one row a unit, the peer that compression replaces (slow by nature). Medians over
new data sets; times include diagnostics and summaries, 4 chains of 1000 draws. CPU seconds are of
all threads and, unlike wall seconds, hardly depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.bayesian import sampler
from analysis.bayesian.closed_form import binomial_posterior
from analysis.bayesian.fits import Fit, fit
from analysis.bayesian.importance import quick_posterior
from analysis.bayesian.models import amounts, binomial, counts, paths, survival
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.posterior import effect_posterior
from analysis.bayesian.priors import EffectPrior
from analysis.tables import Amounts, Grouped, Histogram, Key, LifeTable, Paths

ARMS = ("current", "new", "short")
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def rates(rng: np.random.Generator, units: int) -> Grouped:
    """Three arms by twelve segments in four strata."""
    grid = np.meshgrid(np.arange(3), np.arange(4), np.arange(12), indexing="ij")
    arm, stratum, segment = (x.ravel() for x in grid)
    n = rng.multinomial(units, np.full(len(arm), 1 / len(arm)))
    logit = -1.5 + 0.2 * stratum - 0.03 * segment - 0.1 * arm
    y = rng.binomial(n, 1 / (1 + np.exp(-logit))).astype(float)
    return Grouped(
        arms=ARMS, control=0, weights=(1.0,) * 3, arm=arm, n=n.astype(float), y=y, yy=y,
        stratum=Key(name="band", codes=stratum, levels=tuple("abcd")),
        segments={"area": Key(name="area", codes=segment, levels=tuple(map(str, range(12))))},
    )  # fmt: skip


def events(rng: np.random.Generator, units: int) -> Histogram:
    """Overdispersed counts in two arms."""
    half = units // 2
    cells = []
    for k, mean in enumerate((0.5, 0.46)):
        share = _counts_share(mean)
        for value, n in enumerate(rng.multinomial(half, share)):
            if n:
                cells.append((k, value, n))
    arm, value, n = np.array(cells).T
    return Histogram(
        arms=ARMS[:2], control=0, arm=arm, value=value.astype(float), n=n.astype(float)
    )


def _counts_share(mean: float) -> np.ndarray:
    from scipy import stats

    share = stats.nbinom.pmf(np.arange(40), 1.3, 1.3 / (1.3 + mean))
    return share / share.sum()


def costs(rng: np.random.Generator, units: int) -> Amounts:
    """Handling time per unit, zero for most."""
    n = np.full(2, units // 2)
    k = rng.binomial(n, (0.3, 0.28)).astype(float)
    mean, var = rng.normal((5.0, 4.97), 1 / np.sqrt(k)), np.ones(2)
    return Amounts(
        arms=ARMS[:2], control=0, arm=np.arange(2), n=n.astype(float), positive=k,
        log_sum=k * mean, log_square=k * (var + mean**2),
    )  # fmt: skip


def times(rng: np.random.Generator, units: int) -> LifeTable:
    """Days to the next contact, followed for four weeks."""
    rows = []
    for k, hazard in enumerate((0.03, 0.026)):
        left = units // 2
        for day in range(28):
            here = int(rng.binomial(left, -np.expm1(-hazard)))
            left -= here
            rows.append((k, day, here, 0))
        rows.append((k, 28, 0, left))
    arm, day, event, censored = np.array(rows).T
    return LifeTable(
        arms=ARMS[:2], control=0, arm=arm, time=day.astype(float), events=event.astype(float),
        censored=censored.astype(float),
    )  # fmt: skip


def ways(rng: np.random.Generator, units: int) -> Paths:
    """Five ways a contact can go."""
    shares = ((0.22, 0.55, 0.03, 0.01, 0.19), (0.27, 0.49, 0.05, 0.02, 0.17))
    n = np.concatenate([rng.multinomial(units // 2, s) for s in shares]).astype(float)
    names = ("resolved", "handled", "repeated", "moved", "handled again")
    return Paths(
        arms=ARMS[:2], control=0, arm=np.repeat([0, 1], 5), n=n,
        path=Key(name="way", codes=np.tile(np.arange(5), 2), levels=names),
        index_handled=(False, True, False, False, True), contacts=(0.0, 1.0, 1.0, 1.0, 2.0),
    )  # fmt: skip


def makers() -> dict[str, Callable[[np.random.Generator, int], ModelData]]:
    """Each model's data for a number of units."""
    small = EffectPrior(sd=0.02)
    return {
        "binomial 3 arms x 12 segments x 4 strata": lambda r, u: _data(
            binomial.prepare(rates(r, u), prior=small, segment="area")),
        "negative binomial": lambda r, u: _data(counts.prepare(events(r, u), prior=small)),
        "hurdle lognormal": lambda r, u: _data(amounts.prepare(costs(r, u), prior=EffectPrior(sd=5))),
        "piecewise exponential": lambda r, u: _data(
            survival.prepare(times(r, u), horizon=28, prior=EffectPrior(sd=1))),
        "contact paths": lambda r, u: _data(paths.prepare(ways(r, u), prior=small)),
    }  # fmt: skip


def _data(made: object) -> ModelData:
    if not isinstance(made, ModelData):
        raise TypeError(str(made))
    return made


def median_ms(action: Callable[[], object], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        spent.append(time.perf_counter() - started)
    return 1000 * statistics.median(spent)


def closed_forms(rounds: int) -> None:
    rng = np.random.default_rng(1)
    table, prior = rates(rng, 100_000), EffectPrior()
    made = makers()
    print("without a sampler, median ms")
    answers: dict[str, Callable[[], object]] = {
        "effect from estimate and se": lambda: effect_posterior(-0.02, 0.006, prior=prior, better="lower"),
        "three arms' rates by quadrature": lambda: binomial_posterior(table, prior=prior, better="lower"),
    }  # fmt: skip
    for name in ("negative binomial", "hurdle lognormal", "contact paths"):
        data = made[name](rng, 100_000)
        answers[f"{name} by importance draws"] = lambda data=data: quick_posterior(
            data, better="lower"
        )
    for name, action in answers.items():
        print(f"  {name:45s} {median_ms(action, rounds):9.2f}")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one fit, and how much of the wall went by within the sampler itself."""

    wall: float
    cpu: float
    sampling: float
    withheld: bool


def timed(data: ModelData, seed: int) -> Spent:
    """One fit with its diagnostics and summaries."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = fit(data, better="lower", seed=seed)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if isinstance(made, Fit):
        return Spent(wall, cpu, made.sampled.seconds["sample"], withheld=False)
    return Spent(wall, cpu, wall, withheld=True)


def sampled(rounds: int) -> None:
    """Each model in a warm process, against the number of units."""
    print("\nsampled, warm process, 4 x 1000 draws: median wall seconds (CPU seconds)")
    print(f"  {'model':41s} {'compile':>8s}" + "".join(f"{u:>14,d}" for u in SIZES) + "  withheld")
    for name, make in makers().items():
        rng = np.random.default_rng(2)
        started = time.process_time()
        first = make(rng, SIZES[0])
        sampler.warm(first.model, first)
        compiled = time.process_time() - started
        cells, withheld = [], 0
        for units in SIZES:
            found = [timed(make(rng, units), i) for i in range(rounds)]
            wall, cpu = (statistics.median(getattr(f, w) for f in found) for w in ("wall", "cpu"))
            cells.append(f"{wall:6.2f} ({cpu:5.2f})")
            withheld += sum(f.withheld for f in found)
        print(f"  {name:41s} ({compiled:6.1f})" + "".join(f"{c:>14s}" for c in cells)
              + f"  {withheld}/{rounds * len(SIZES)}  {load()}", flush=True)  # fmt: skip


def load() -> str:
    """What else the machine was doing: the load of the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def on_rows(units: int = 8000) -> None:
    """The peer: the same two-arm model on one row a unit through PyMC's own sampler."""
    import pymc as pm

    rng = np.random.default_rng(3)
    arm = np.arange(units) % 2
    y = rng.binomial(1, np.where(arm == 1, 0.16, 0.18))
    with pm.Model():
        alpha, beta = pm.Logistic("alpha", 0, 1), pm.Normal("beta", 0, 0.2)
        pm.Bernoulli("y", logit_p=alpha + beta * arm, observed=y)
        started = time.perf_counter()
        pm.sample(1000, tune=1000, chains=4, cores=2, random_seed=1, progressbar=False)
    rows = time.perf_counter() - started
    table = Grouped(
        arms=ARMS[:2], control=0, weights=(1.0, 1.0), arm=np.arange(2),
        n=np.bincount(arm).astype(float), y=np.bincount(arm, y), yy=np.bincount(arm, y),
    )  # fmt: skip
    data = _data(binomial.prepare(table, prior=EffectPrior()))
    sampler.warm(data.model, data)
    started = time.perf_counter()
    fit(data, better="lower", seed=1)
    tables = time.perf_counter() - started
    print(
        f"\n{units:,} units: on rows {rows:.2f} s, on the table {tables:.2f} s ({rows / tables:.0f} x)"
    )


def nightly(trials: int, units: int = 20_000) -> None:
    """One night: so many trials with new data, the five models in turn, in one warm process."""
    rng, made = np.random.default_rng(4), list(makers().values())
    for make in made:
        first = make(rng, units)
        sampler.warm(first.model, first)
    spent = []
    for i in range(trials):
        spent.append(timed(made[i % len(made)](rng, units), i))
        if (i + 1) % 20 == 0:
            print(f"  {i + 1} of {trials}, {load()}", flush=True)
    wall, cpu, inside = (sum(getattr(s, w) for s in spent) for w in ("wall", "cpu", "sampling"))
    each = [s.wall for s in spent]
    print(
        f"\na night of {trials} trials of {units:,} units: {wall:.0f} s, {cpu:.0f} s CPU, "
        f"{inside / wall:.0%} of it sampling; median {statistics.median(each):.2f} s, slowest "
        f"{max(each):.2f} s, {sum(s.withheld for s in spent)} withheld; {load()}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--night", type=int, default=0, help="trials of a nightly run")
    given = parser.parse_args()
    if given.rounds:
        closed_forms(max(given.rounds, 5))
        sampled(given.rounds)
    if given.night:
        nightly(given.night)
    if given.rows:
        on_rows()


if __name__ == "__main__":
    main()
