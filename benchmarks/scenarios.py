"""Made-up trials with a known truth, one for each estimator and design that has to be right.

Each scenario draws a trial, with or without an effect, and says whether the interval held the truth
and whether the test rejected. :mod:`benchmarks.calibrate` repeats them; the tests run a short form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.always_valid import confidence_sequence
from analysis.frequentist.bootstrap import wild_cluster
from analysis.frequentist.complier import complier_effect
from analysis.frequentist.difference import difference, ratio
from analysis.frequentist.meta import pool
from analysis.frequentist.missing import inverse_probability
from analysis.frequentist.proportions import koopman, miettinen_nurminen, newcombe
from analysis.frequentist.quantile import quantile_difference
from analysis.frequentist.randomisation import (
    Randomised,
    randomisation_interval,
    randomisation_test,
)
from analysis.frequentist.ratio_metric import ratio_difference
from analysis.frequentist.sequential import boundaries
from analysis.frequentist.stepped_wedge import wedge_difference, wedge_randomisation_test
from analysis.frequentist.subgroups import interaction
from analysis.frequentist.survival import log_rank, restricted_mean_difference
from analysis.frequentist.switchback import by_period, switchback_difference
from analysis.tables import Grouped, Histogram, Key, LifeTable

Aim = Literal["nominal", "cautious", "known to fail"]
Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one made-up trial gave; ``None`` where there was no interval or no test."""

    covered: bool | None
    rejected: bool | None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A trial to repeat. ``aim`` says what the method promises here."""

    key: str
    trial: str
    method: str
    run: Callable[[Generator, bool], Outcome]
    aim: Aim = "nominal"


def judged(got: Estimate | Absent, truth: float, null: float = 0.0) -> Outcome:
    """Coverage of the truth, and rejection by the p-value or, without one, by the interval."""
    if isinstance(got, Absent):
        return Outcome(None, None)
    rejected = got.p <= 1 - got.level if got.p is not None else not got.low <= null <= got.high
    return Outcome(got.low <= truth <= got.high, rejected)


def key(codes) -> Key:
    codes = np.asarray(codes, dtype=np.int64)
    return Key(name="key", codes=codes, levels=tuple(map(str, range(int(codes.max()) + 1))))


def cells(arm, y, *, d=None, x=None, k=2, missing=None, **keys) -> Grouped:
    """One cell a row: right, and quick enough for small trials."""
    y, one = np.asarray(y, float), np.ones(len(y))
    segments = {n[4:]: key(c) for n, c in keys.items() if n.startswith("seg_")}
    return Grouped(
        arms=("control", "new", "other")[:k], control=0, weights=(1.0,) * k,
        arm=np.asarray(arm, dtype=np.int64), n=one, y=y, yy=y * y,
        d=d, dd=None if d is None else d * d, dy=None if d is None else d * y, missing=missing,
        x=None if x is None else np.asarray(x, float).reshape(len(y), -1), segments=segments,
        **{n: key(c) for n, c in keys.items() if not n.startswith("seg_")},
    )  # fmt: skip


def counts(n, y) -> Grouped:
    """Two arms of zeros and ones, control first."""
    n, y = np.asarray(n, float), np.asarray(y, float)
    return Grouped(
        arms=("control", "new"), control=0, weights=(1, 1), arm=np.arange(2), n=n, y=y, yy=y
    )


def halves(rng: Generator, n: int) -> np.ndarray:
    return rng.permutation(np.arange(n) % 2)


# Individuals.


def proportions(n, p, method):
    """Control and treated sizes and rates; the treated rate equals the control's without an effect."""

    def run(rng, effect):
        rates = (p[0], p[1] if effect else p[0])
        y = rng.binomial(n, rates)
        pairs = [(float(a), float(b)) for a, b in zip(y, n, strict=True)]
        if method in (newcombe, miettinen_nurminen):
            return judged(method(pairs[1], pairs[0]), rates[1] - rates[0])
        if method is koopman:
            return judged(method(pairs[1], pairs[0]), rates[1] / rates[0], null=1.0)
        if method is ratio:
            return judged(ratio(counts(n, y), 1), rates[1] / rates[0], null=1.0)
        return judged(difference(counts(n, y), 1), rates[1] - rates[0])

    return run


def skewed_counts(method, n=300):
    """Negative binomial contacts of mean 0.5 and shape 0.4: the variance is 2.25 times the mean."""

    def run(rng, effect):
        mean = np.array([0.5, 0.35 if effect else 0.5])
        arm = np.repeat([0, 1], n)
        y = rng.negative_binomial(0.4, 0.4 / (0.4 + mean[arm]))
        if method is ratio:
            return judged(ratio(cells(arm, y), 1), mean[1] / mean[0], null=1.0)
        return judged(difference(cells(arm, y), 1), mean[1] - mean[0])

    return run


def costs(n):
    """Handling cost: four in five have none, the rest log-normal with sigma 1.6."""

    def run(rng, effect):
        share = np.array([0.2, 0.15 if effect else 0.2])
        arm = np.repeat([0, 1], n)
        y = (rng.random(len(arm)) < share[arm]) * rng.lognormal(1.0, 1.6, len(arm))
        return judged(
            difference(cells(arm, y), 1), (share[1] - share[0]) * np.exp(1.0 + 1.6**2 / 2)
        )

    return run


def strata(sizes, *, heterogeneous=True):
    """Strata with different levels, shares treated and, with an effect, different effects."""

    def run(rng, effect):
        size = np.asarray(sizes)
        share = np.linspace(0.25, 0.6, len(size))
        gain = (
            np.linspace(-0.5, 1.0, len(size)) if effect and heterogeneous else np.zeros(len(size))
        )
        s = np.repeat(np.arange(len(size)), size)
        arm = np.concatenate([
            rng.permutation(np.arange(m) < max(2, round(m * q))) for m, q in zip(size, share, strict=True)
        ]).astype(int)  # fmt: skip
        y = (
            s
            + gain[s] * arm
            + rng.gamma(1.0, 1.0 + 0.5 * arm * effect, len(s))
            - 0.5 * arm * effect
        )
        return judged(difference(cells(arm, y, stratum=s), 1), float(gain @ size / size.sum()))

    return run


def pairs_of_two(rng, effect):
    """Thirty matched pairs, differences skewed; the effect is the same for all."""
    s = np.repeat(np.arange(30), 2)
    arm = np.concatenate([rng.permutation([0, 1]) for _ in range(30)])
    y = rng.normal(0, 2, 30)[s] + 0.8 * effect * arm + rng.gamma(1.0, 1.0, 60)
    return judged(difference(cells(arm, y, stratum=s), 1), 0.8 * effect)


def lin(n, treated, covariates=1):
    """A skewed covariate whose slope, with an effect, differs between the arms.

    The truth is the effect in the sample at hand, so that the interval must hold it whatever the
    covariates drawn (Neyman's finite population).
    """

    def run(rng, effect):
        x = rng.gamma(1.0, 1.0, (n, covariates))
        arm = rng.permutation(np.arange(n) < treated).astype(int)
        gain = effect * (0.3 + 0.8 * (x[:, 0] - 1.0))
        y = x.sum(axis=1) + gain * arm + rng.normal(size=n)
        return judged(difference(cells(arm, y, x=x), 1, adjust=True), float(np.mean(gain)))

    return run


def ratio_metric(rng, effect):
    """Handling time a contact: number of contacts and time each vary between people."""
    arm = halves(rng, 240)
    d = 1.0 + rng.poisson(1.2, 240)
    per = rng.gamma(2.0, 2.0, 240) * (1 - 0.2 * effect * arm)
    return judged(ratio_difference(cells(arm, per * d, d=d), 1), -0.8 * effect)


def compliers(takes):
    """Uptake of ``takes`` points among those offered; those who take it up differ anyway."""

    def run(rng, effect):
        z = halves(rng, 400)
        latent = rng.normal(size=400)
        chance = 0.2 + 0.15 * (latent > 0)
        u = rng.random(400)
        t = np.where(u < chance, 1.0, np.where((u < chance + takes) & (z == 1), 1.0, 0.0))
        y = effect * 0.5 * t + latent + 0.5 * rng.normal(size=400)
        got = complier_effect(cells(z, y, d=t), 1)
        return judged(got if isinstance(got, Absent) else got.effect, 0.5 * effect)

    return run


def response(rng, effect):
    """Answers depend on a covariate and differently by arm; weighting takes that out."""
    n = 600
    arm, x = halves(rng, n), rng.integers(0, 3, n)
    y = x + 0.4 * effect * arm + rng.normal(size=n)
    known = rng.random(n) < np.where(arm == 1, 0.9 - 0.2 * x, 0.5 + 0.15 * x)
    table = cells(arm[known], y[known], x=x[known], missing=np.zeros(int(known.sum())))
    lost = cells(arm[~known], np.zeros(int((~known).sum())), x=x[~known])
    joined = Grouped(
        arms=table.arms, control=0, weights=(1, 1), arm=np.concatenate([table.arm, lost.arm]),
        n=np.concatenate([table.n, 0 * lost.n]), y=np.concatenate([table.y, lost.y]),
        yy=np.concatenate([table.yy, lost.yy]), missing=np.concatenate([0 * table.n, lost.n]),
        x=np.concatenate([table.x, lost.x]),
    )  # fmt: skip
    return judged(inverse_probability(joined, 1), 0.4 * effect)


# Time to event, quantiles, segments, pooling.


def survival(measure):
    """Days to the next call, daily hazard .05 (.035), a fifth lost to follow-up, 28 days."""

    def run(rng, effect):
        hazard = np.array([0.05, 0.035 if effect else 0.05])
        arm = np.repeat([0, 1], 150)
        call = rng.geometric(hazard[arm])
        lost = np.where(rng.random(300) < 0.2, rng.integers(10, 28, 300), 28)
        time, event = np.minimum(call, lost), (call <= lost).astype(float)
        table = LifeTable(arms=("c", "n"), control=0, arm=arm, time=time.astype(float), events=event,
                          censored=1 - event)  # fmt: skip
        if measure == "log-rank":
            return Outcome(None, log_rank(table, 1).p <= 0.05)
        days = np.arange(10)
        truth = ((1 - hazard[1]) ** days).sum() - ((1 - hazard[0]) ** days).sum()
        return judged(restricted_mean_difference(table, 1, horizon=10), float(truth))

    return run


def medians(rng, effect):
    """Median of exponential waits."""
    arm = np.repeat([0, 1], 100)
    scale = np.where(arm, 1.4 if effect else 1.0, 1.0)
    table = Histogram(
        arms=("c", "n"), control=0, arm=arm, value=rng.exponential(scale), n=np.ones(200)
    )
    return judged(quantile_difference(table, 1), np.log(2) * 0.4 * effect)


def segments(rng, effect):
    """Interaction test of three segments, with clusters that span them."""
    del effect
    g = np.repeat(np.arange(24), 15)
    s = rng.integers(0, 3, len(g))
    y = rng.normal(0, 0.7, (24, 3))[g, s] + rng.normal(size=len(g))
    got = interaction(cells(g % 2, y, cluster=g, seg_area=s), "area", 1, least=10)
    return Outcome(None, None if isinstance(got, Absent) else got.p <= 0.05)


def pooled(rng, effect):
    """Seven trials whose effects differ (tau .2) and whose errors are unequal."""
    errors = np.array([0.1, 0.12, 0.2, 0.3, 0.15, 0.25, 0.1])
    y = rng.normal(0.3 * effect, np.sqrt(errors**2 + 0.04))
    return judged(pool(y, errors).mean, 0.3 * effect)


# Clusters, periods, wedges.


def clustered(count, treated, spread, method="CR2", *, pairs=False, adjust=False):
    """Households or streets: ICC about .05, mean size 20, sizes with coefficient of variation ``spread``."""

    def run(rng, effect):
        shape = 1 / spread**2 if spread else None
        size = (
            np.full(count, 20)
            if shape is None
            else 2 + rng.poisson(18 * rng.gamma(shape, 1 / shape, count))
        )
        if pairs:
            given = np.concatenate([rng.permutation([0, 1]) for _ in range(count // 2)])
        else:
            given = rng.permutation(np.arange(count) < treated).astype(int)
        g = np.repeat(np.arange(count), size)
        arm, x = given[g], rng.gamma(1.0, 1.0, len(g))
        y = (
            0.4 * effect * arm
            + rng.normal(0, 0.23, count)[g]
            + rng.normal(size=len(g))
            + 0.5 * x * adjust
        )
        keys = {"cluster": g} | ({"stratum": g // 2} if pairs else {})
        table = cells(arm, y, x=x if adjust else None, **keys)
        return _cluster_method(table, given, rng, 0.4 * effect, method, adjust=adjust, pairs=pairs)

    return run


def _cluster_method(table, given, rng, truth, method, *, adjust, pairs):
    if method == "wild":
        return judged(wild_cluster(table, 1, rng, draws=499), truth)
    if method == "redraw":
        units = Randomised.of(table)

        def redraw(generator):
            if pairs:
                return np.concatenate(
                    [generator.permutation([0, 1]) for _ in range(len(given) // 2)]
                )
            return generator.permutation(given)

        return _redrawn(units, redraw, rng, truth)
    return judged(difference(table, 1, adjust=adjust), truth)


def _redrawn(units, redraw, rng, truth):
    got = randomisation_test(units, redraw, rng, arm=1, versus=0, draws=199)
    ends = randomisation_interval(units, redraw, rng, arm=1, versus=0, draws=199)
    return Outcome(ends[0] <= truth <= ends[1], got.p <= 0.05)


def switchback(method):
    """Twenty days of six four-hour periods, drift between periods, balanced in each day."""

    def run(rng, effect):
        days, per = 20, 10
        arm = np.concatenate([rng.permutation([0, 0, 0, 1, 1, 1]) for _ in range(days)])
        drift = np.zeros(6 * days)
        for t in range(1, len(drift)):
            drift[t] = 0.6 * drift[t - 1] + rng.normal(0, 0.3)
        part = np.tile(np.arange(6), days)
        level = np.sin(part) + drift + 0.4 * effect * arm
        period = np.repeat(np.arange(6 * days), per)
        y = level[period] + rng.normal(size=len(period))
        table = cells(arm[period], y, period=period, stratum=part[period])
        if method == "CR2":
            return judged(switchback_difference(table, 1), 0.4 * effect)

        def redraw(generator):
            return np.concatenate([generator.permutation([0, 0, 0, 1, 1, 1]) for _ in range(days)])

        return _redrawn(Randomised.of(by_period(table)), redraw, rng, 0.4 * effect)

    return run


def wedge(method, count=12):
    """Clusters cross in four steps over five periods, with a rise over time."""

    def run(rng, effect):
        start = rng.permutation(np.repeat(np.arange(1, 5), count // 4))
        c, p = np.divmod(np.arange(count * 5), 5)
        arm = (p >= start[c]).astype(int)
        level = (
            rng.normal(0, 1, count)[c] + 0.3 * p + rng.normal(0, 0.2, len(c)) + 0.5 * effect * arm
        )
        cell = np.repeat(np.arange(len(c)), 8)
        table = cells(
            arm[cell], level[cell] + rng.normal(size=len(cell)), cluster=c[cell], period=p[cell]
        )
        if method == "CR2":
            return judged(wedge_difference(table, 1), 0.5 * effect)
        small = table.collapse("cluster", "period")
        got = wedge_randomisation_test(small, lambda g: g.permutation(start), rng, arm=1, draws=99)
        return Outcome(None, got.p <= 0.05)

    return run


# Looking early.


def looks(method):
    """A proportion looked at after every hundredth of 28 days' contacts, 100 a day and arm."""

    def run(rng, effect):
        p = np.array([[0.2], [0.2 - 0.03 * effect]])
        y = rng.binomial(100, p, (2, 28)).cumsum(axis=1)
        truth, held, hit = -0.03 * effect, True, False
        days = (7, 14, 21, 28) if method == "spending" else range(1, 29)
        bounds = (
            dict(zip(days, boundaries([d / 28 for d in days]), strict=True))
            if method == "spending"
            else {}
        )
        for day in days:
            n = 100.0 * day
            got = difference(counts([n, n], y[:, day - 1]), 1)
            if method == "always-valid":
                got = confidence_sequence(got, 2 * n, tuned_to=5600)
                held = held and got.low <= truth <= got.high
                hit = hit or not got.low <= 0 <= got.high
            elif method == "spending":
                hit = hit or abs(got.estimate / got.se) >= bounds[day].efficacy
            else:
                held, hit = held and got.low <= truth <= got.high, hit or got.p <= 0.05
        return Outcome(None if method == "spending" else held, hit)

    return run


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("proportion", "20 % against 17 %, 800 an arm", "HC2, Welch", proportions((800, 800), (0.2, 0.17), difference)),
    Scenario("proportion-rare", "1 % against 0.5 %, 1,000 an arm", "HC2, Welch", proportions((1000, 1000), (0.01, 0.005), difference)),
    Scenario("newcombe-rare", "1 % against 0.5 %, 1,000 an arm", "Newcombe", proportions((1000, 1000), (0.01, 0.005), newcombe), "cautious"),
    Scenario("score-rare", "1 % against 0.5 %, 1,000 an arm", "Miettinen–Nurminen", proportions((1000, 1000), (0.01, 0.005), miettinen_nurminen)),
    Scenario("unequal", "8 % of 2,000 against 2 % of 200", "HC2, Welch", proportions((2000, 200), (0.08, 0.02), difference), "known to fail"),
    Scenario("newcombe-unequal", "8 % of 2,000 against 2 % of 200", "Newcombe", proportions((2000, 200), (0.08, 0.02), newcombe)),
    Scenario("score-small", "30 % of 25 against 15 % of 25", "Miettinen–Nurminen", proportions((25, 25), (0.3, 0.15), miettinen_nurminen)),
    Scenario("newcombe-small", "30 % of 25 against 15 % of 25", "Newcombe", proportions((25, 25), (0.3, 0.15), newcombe), "cautious"),
    Scenario("ratio", "20 % against 17 %, 800 an arm", "ratio, log delta", proportions((800, 800), (0.2, 0.17), ratio)),
    Scenario("koopman", "8 % against 4 %, 120 an arm", "Koopman ratio", proportions((120, 120), (0.08, 0.04), koopman)),
    Scenario("counts", "skewed counts (negative binomial, shape 0.4), 300 an arm", "HC2, Welch", skewed_counts(difference)),
    Scenario("counts-ratio", "skewed counts (negative binomial, shape 0.4), 300 an arm", "ratio, log delta", skewed_counts(ratio)),
    Scenario("costs-small", "zero-inflated log-normal cost, 200 against 50", "HC2, Welch", costs((200, 50)), "known to fail"),
    Scenario("costs", "zero-inflated log-normal cost, 2,000 an arm", "HC2, Welch", costs((2000, 2000))),
    Scenario("strata", "five unequal strata, effects from −0.5 to 1", "post-stratified, HC2", strata((20, 40, 60, 80, 100))),
    Scenario("strata-small", "ten strata of eight", "post-stratified, HC2", strata((8,) * 10), "cautious"),
    Scenario("pairs", "thirty matched pairs", "block fixed effects, HC2", pairs_of_two),
    Scenario("lin", "skewed covariate, slopes differ, 200 units, 50 treated", "Lin, HC2", lin(200, 50), "cautious"),
    Scenario("lin-small", "skewed covariates, slopes differ, 40 units, 15 treated", "Lin, HC2", lin(40, 15, 2), "cautious"),
    Scenario("ratio-metric", "time a contact, 240 people", "delta method", ratio_metric),
    Scenario("complier", "60 points of uptake, 400 people", "two-stage least squares", compliers(0.6)),
    Scenario("complier-weak", "8 points of uptake, 400 people", "Anderson–Rubin below F = 10", compliers(0.08), "cautious"),
    Scenario("response", "a third unknown, by covariate and arm", "inverse probability", response, "cautious"),
    Scenario("survival", "days to the next call, 150 an arm", "restricted mean to day 10", survival("mean")),
    Scenario("log-rank", "days to the next call, 150 an arm", "log-rank", survival("log-rank")),
    Scenario("median", "exponential waits, 100 an arm", "order statistics, MOVER", medians, "cautious"),
    Scenario("interaction", "three segments across 24 clusters", "Wald F, CR2", segments, "cautious"),
    Scenario("pooled", "seven unequal trials, tau 0.2", "REML, Hartung–Knapp", pooled, "cautious"),
    Scenario("clusters-8", "8 clusters of 20 (4 treated)", "CR2, Bell–McCaffrey", clustered(8, 4, 0)),
    Scenario("clusters-8-unequal", "8 clusters, CV of sizes 0.8 (4 treated)", "CR2, Bell–McCaffrey", clustered(8, 4, 0.8), "cautious"),
    Scenario("clusters-12", "12 clusters, CV 0.6 (3 treated)", "CR2, Bell–McCaffrey", clustered(12, 3, 0.6), "cautious"),
    Scenario("clusters-20", "20 clusters, CV 0.6 (10 treated)", "CR2, Bell–McCaffrey", clustered(20, 10, 0.6)),
    Scenario("clusters-60", "60 clusters, CV 0.6 (30 treated)", "CR2, Bell–McCaffrey", clustered(60, 30, 0.6)),
    Scenario("clusters-lin", "30 clusters, CV 0.6, covariate", "Lin, CR2", clustered(30, 15, 0.6, adjust=True), "cautious"),
    Scenario("clusters-pairs", "10 pairs of unequal clusters", "block fixed effects, CR2", clustered(20, 10, 0.6, pairs=True), "cautious"),
    Scenario("wild-8", "8 clusters, CV 0.8 (4 treated)", "wild cluster bootstrap", clustered(8, 4, 0.8, "wild"), "known to fail"),
    Scenario("wild-20", "20 clusters, CV 0.6 (10 treated)", "wild cluster bootstrap", clustered(20, 10, 0.6, "wild")),
    Scenario("redraw-12", "12 clusters, CV 0.6 (3 treated)", "redrawn assignment", clustered(12, 3, 0.6, "redraw")),
    Scenario("redraw-pairs", "10 pairs of unequal clusters", "redrawn assignment", clustered(20, 10, 0.6, "redraw", pairs=True)),
    Scenario("switchback", "20 days of six periods, drift", "CR2 by period", switchback("CR2"), "cautious"),
    Scenario("switchback-redraw", "20 days of six periods, drift", "redrawn calendar", switchback("redraw")),
    Scenario("wedge", "12 clusters cross in four steps", "cluster and period effects, CR2", wedge("CR2")),
    Scenario("wedge-redraw", "12 clusters cross in four steps", "redrawn crossing times", wedge("redraw")),
    Scenario("peeking", "looked at daily for 28 days", "ordinary interval (for comparison)", looks("plain"), "known to fail"),
    Scenario("always-valid", "looked at daily for 28 days", "confidence sequence", looks("always-valid"), "cautious"),
    Scenario("spending", "looked at weekly, four looks", "O’Brien–Fleming spending", looks("spending")),
)  # fmt: skip
