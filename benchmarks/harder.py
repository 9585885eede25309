"""Made-up trials of the harder kind: rare events, skewed counts, effects that differ, several questions.

As :mod:`benchmarks.scenarios`, which holds the plain ones.
"""

from __future__ import annotations

import numpy as np

from analysis.estimates import Absent
from analysis.frequentist.always_valid import confidence_sequence
from analysis.frequentist.bootstrap import wild_cluster
from analysis.frequentist.complier import complier_effect
from analysis.frequentist.counts import quasi_poisson_ratio
from analysis.frequentist.difference import difference, ratio
from analysis.frequentist.dunnett import from_contrasts
from analysis.frequentist.interrupted import Series, interrupted_time_series
from analysis.frequentist.looks import Spent, read
from analysis.frequentist.matched import matched_areas
from analysis.frequentist.missing import lee_bounds, worst_case
from analysis.frequentist.multiplicity import family
from analysis.frequentist.noninferiority import equivalence, non_inferiority
from analysis.frequentist.proportions import koopman
from analysis.frequentist.quantile import quantile_difference
from analysis.frequentist.quasi import Panel, difference_in_differences
from analysis.frequentist.randomisation import Randomised, randomisation_test
from analysis.frequentist.ratio_metric import ratio_difference
from analysis.frequentist.sequential import boundaries, inflation
from analysis.frequentist.spending import Spending
from analysis.frequentist.stepped_wedge import wedge_difference
from analysis.frequentist.subgroups import interaction
from analysis.frequentist.survival import log_rank, restricted_mean_difference
from analysis.frequentist.switchback import switchback_difference
from analysis.tables import Grouped, Histogram, LifeTable
from benchmarks.scenarios import (
    Outcome,
    Scenario,
    cells,
    counts,
    halves,
    judged,
    proportions,
    skewed_counts,
)


def sizes(rng, count, spread=0.6):
    """Clusters of 20 on average, of unequal size."""
    return 2 + rng.poisson(18 * rng.gamma(1 / spread**2, spread**2, count))


def negative_binomial(rng, mean, shape=0.4):
    mean = np.asarray(mean, float)
    return rng.negative_binomial(shape, shape / (shape + mean)).astype(float)


# Skewed counts, rare events.


def counts_before_and_after(rng, effect):
    """Contacts in the trial and in the same time before, from a person's own rate; Lin on the latter."""
    n = 600
    rate, arm = rng.gamma(0.5, 1.0, n), halves(rng, n)
    before, after = rng.poisson(rate), rng.poisson(rate * (1 - 0.3 * effect * arm))
    got = difference(cells(arm, after, x=before.astype(float)), 1, adjust=True)
    return judged(got, -0.15 * effect)


def dispersed(rng, effect):
    """Counts with one dispersion, by quasi-Poisson."""
    arm = np.repeat([0, 1], 300)
    y = rng.poisson(rng.gamma(2.0, 0.25, 600) * (1 - 0.3 * effect * arm))
    return judged(quasi_poisson_ratio(cells(arm, y), 1), 1 - 0.3 * effect, null=1.0)


def rare_strata(rng, effect):
    """Events of 1 to 3 % in five strata, halved by the treatment."""
    s = np.repeat(np.arange(5), 800)
    arm = np.concatenate([halves(rng, 800) for _ in range(5)])
    p = (0.01 + 0.005 * s) * (1 - 0.5 * effect * arm)
    y = (rng.random(len(s)) < p).astype(float)
    return judged(difference(cells(arm, y, stratum=s), 1), -0.5 * effect * 0.02)


def blocks_redrawn(rng, effect):
    """Skewed counts in twenty blocks of eight, judged by redrawing the blocks."""
    del effect
    s = np.repeat(np.arange(20), 8)
    arm = np.concatenate([halves(rng, 8) for _ in range(20)])
    y = negative_binomial(rng, np.full(160, 0.8))
    table = cells(arm, y, cluster=np.arange(160), stratum=s)

    def redraw(generator):
        return np.concatenate([halves(generator, 8) for _ in range(20)])

    found = randomisation_test(Randomised.of(table), redraw, rng, arm=1, versus=0, draws=199)
    return Outcome(None, found.p <= 0.05)


def rare_groups(rng, effect):
    """Interaction of three segments with events of 3 %."""
    del effect
    arm, s = halves(rng, 3000), rng.integers(0, 3, 3000)
    y = (rng.random(3000) < 0.03).astype(float)
    found = interaction(cells(arm, y, seg_area=s), "area", 1)
    return Outcome(None, None if isinstance(found, Absent) else found.p <= 0.05)


def rare_survival(measure):
    """Three in a hundred call within 28 days; the new letter halves the hazard."""

    def run(rng, effect):
        hazard = np.array([0.001, 0.0005 if effect else 0.001])
        arm = np.repeat([0, 1], 1000)
        call = rng.geometric(hazard[arm])
        time, event = np.minimum(call, 28), (call <= 28).astype(float)
        table = LifeTable(arms=("c", "n"), control=0, arm=arm, time=time.astype(float), events=event,
                          censored=1 - event)  # fmt: skip
        if measure == "log-rank":
            found = log_rank(table, 1)
            return Outcome(None, None if isinstance(found, Absent) else found.p <= 0.05)
        days = np.arange(28)
        truth = ((1 - hazard[1]) ** days).sum() - ((1 - hazard[0]) ** days).sum()
        return judged(restricted_mean_difference(table, 1, horizon=28), float(truth))

    return run


def median_of_counts(rng, effect):
    """The median of Poisson counts of mean 4.2 (median 4), or 7.2 (median 7): many ties."""
    arm = np.repeat([0, 1], 150)
    y = rng.poisson(np.where(arm, 7.2 if effect else 4.2, 4.2)).astype(float)
    table = Histogram(arms=("c", "n"), control=0, arm=arm, value=y, n=np.ones(300))
    return judged(quantile_difference(table, 1), 3.0 * effect)


# Clusters.


def clusters(outcome, method=difference, count=24):
    """``outcome(rng, arm, cluster, effect)`` gives the units' outcomes and the truth."""

    def run(rng, effect):
        size = sizes(rng, count)
        g = np.repeat(np.arange(count), size)
        arm = halves(rng, count)[g]
        y, truth = outcome(rng, arm, g, effect)
        table = cells(arm, y, cluster=g)
        if method is wild_cluster:
            return judged(wild_cluster(table, 1, rng, draws=499), truth)
        return judged(method(table, 1), truth, null=1.0 if method is ratio else 0.0)

    return run


def rare_in_clusters(rng, arm, g, effect):
    p = 0.04 * rng.gamma(4.0, 0.25, g.max() + 1)[g] * (1 - 0.5 * effect * arm)
    return (rng.random(len(g)) < p).astype(float), -0.02 * effect


def counts_in_clusters(rng, arm, g, effect):
    mean = 0.5 * rng.gamma(8.0, 1 / 8, g.max() + 1)[g] * (1 - 0.4 * effect * arm)
    return negative_binomial(rng, mean), -0.2 * effect


def effects_by_cluster(rng, arm, g, effect):
    gain = rng.normal(0.4, 0.4, g.max() + 1)[g] * effect
    return gain * arm + rng.normal(0, 0.23, g.max() + 1)[g] + rng.normal(size=len(g)), 0.4 * effect


def ratio_of_counts(rng, effect):
    """Rate ratio of skewed counts in unequal clusters: log delta with CR2."""

    def outcome(rng, arm, g, effect):
        return counts_in_clusters(rng, arm, g, effect)[0], 1 - 0.4 * effect

    return clusters(outcome, ratio)(rng, effect)


def ratio_metric_in_clusters(rng, effect):
    g = np.repeat(np.arange(20), sizes(rng, 20))
    arm = halves(rng, 20)[g]
    d = 1.0 + rng.poisson(1.2 * rng.gamma(6.0, 1 / 6, 20)[g])
    per = rng.gamma(2.0, 2.0, len(g)) * (1 - 0.2 * effect * arm)
    return judged(ratio_difference(cells(arm, per * d, d=d, cluster=g), 1), -0.8 * effect)


def compliers_in_clusters(rng, effect):
    g = np.repeat(np.arange(24), sizes(rng, 24))
    z = halves(rng, 24)[g]
    latent = rng.normal(size=len(g))
    u = rng.random(len(g))
    t = ((u < 0.15 + 0.1 * (latent > 0)) | ((u < 0.75) & (z == 1))).astype(float)
    y = effect * 0.5 * t + latent + rng.normal(0, 0.2, 24)[g]
    got = complier_effect(cells(z, y, d=t, cluster=g), 1)
    return judged(got if isinstance(got, Absent) else got.effect, 0.5 * effect)


# Over time.


def few_periods(rng, effect):
    """Ten days of four periods; skewed counts a contact, effects that differ by part of the day."""
    days, per = 10, 12
    arm = np.concatenate([rng.permutation([0, 0, 1, 1]) for _ in range(days)])
    part = np.tile(np.arange(4), days)
    mean = 0.6 + 0.15 * part + rng.normal(0, 0.1, 4 * days)
    mean = np.maximum(mean - effect * 0.1 * (1 + part) * arm, 0.05)
    period = np.repeat(np.arange(4 * days), per)
    y = rng.poisson(mean[period] * rng.gamma(2.0, 0.5, len(period))).astype(float)
    table = cells(arm[period], y, period=period, stratum=part[period])
    return judged(switchback_difference(table, 1), -0.25 * effect)


def unequal_wedge(rng, effect):
    """Eight clusters of unequal size cross in four steps; events of 20 %, then 12 %."""
    start = rng.permutation(np.repeat(np.arange(1, 5), 2))
    c, p = np.divmod(np.arange(8 * 5), 5)
    arm = (p >= start[c]).astype(int)
    size = sizes(rng, 8)[c] + 10
    chance = 0.2 + rng.normal(0, 0.03, 8)[c] + 0.01 * p - 0.08 * effect * arm
    cell = np.repeat(np.arange(len(c)), size)
    y = (rng.random(len(cell)) < chance[cell]).astype(float)
    table = cells(arm[cell], y, cluster=c[cell], period=p[cell])
    return judged(wedge_difference(table, 1), -0.08 * effect)


# Several questions, margins, unknown outcomes.


def several(method):
    """Three new versions against one control, all null: does any reject? With an effect of the first
    (0.5), do all three intervals hold their truths?"""

    def run(rng, effect):
        arm = np.repeat(np.arange(4), 60)
        y = rng.gamma(2.0, 0.7, 240) + 0.5 * effect * (arm == 1)
        table = Grouped(
            arms=("c", "x", "y", "z"), control=0, weights=(1.0,) * 4, arm=arm, n=np.ones(240), y=y,
            yy=y * y,
        )  # fmt: skip
        raw = [difference(table, k) for k in (1, 2, 3)]
        control = y[:60]
        found = (
            from_contrasts(raw, float(control.var(ddof=1) / 60)) if method == "dunnett"
            else family(raw, method)
        )  # fmt: skip
        held = all(e.low <= t <= e.high for e, t in zip(found, (0.5 * effect, 0, 0), strict=True))
        joint = held if method == "dunnett" else None
        return Outcome(joint, any(e.p_adjusted <= 0.05 for e in found))

    return run


def guardrail(kind):
    """True harm as large as the margin (5 %): how often is the harm ruled out by mistake?"""

    def run(rng, effect):
        del effect
        y = rng.binomial((500, 500), (0.10, 0.15))
        got = difference(counts((500, 500), y), 1)
        if kind == "equivalence":
            return Outcome(None, equivalence(got, low=-0.05, high=0.05).equivalent)
        return Outcome(None, non_inferiority(got, margin=0.05, better="lower").verdict
                       in {"non-inferior", "superior"})  # fmt: skip

    return run


def unknown(kind):
    """Outcomes unknown more often in one arm, and for those who do worse."""

    def run(rng, effect):
        arm, latent = halves(rng, 600), rng.normal(size=600)
        y = ((latent + 0.5 * effect * arm) > 0.5).astype(float)
        known = rng.random(600) < 0.9 - 0.2 * arm * (latent > 0) - 0.05 * arm
        whole = np.bincount(arm, minlength=2).astype(float)
        if kind == "lee":
            table = Histogram(arms=("c", "n"), control=0, arm=arm[known], value=y[known],
                              n=np.ones(int(known.sum())))  # fmt: skip
            got = lee_bounds(table, 1, assigned=tuple(whole))
            # The truth among those who would answer in either arm, found by their own shares.
            share = _answering(effect)
        else:
            k = known.astype(float)
            got = worst_case(cells(arm, y * k, missing=1 - k) if known.all() else Grouped(
                arms=("c", "n"), control=0, weights=(1, 1), arm=arm, n=k, y=y * k, yy=y * k,
                missing=1 - k), 1)  # fmt: skip
            from scipy import stats

            share = float(stats.norm.sf(0.5 - 0.5 * effect) - stats.norm.sf(0.5))
        if isinstance(got, Absent):
            return Outcome(None, None)
        return Outcome(got.low <= share <= got.high, not got.low <= 0 <= got.high)

    return run


def _answering(effect):
    """The effect among those who answer in both arms: weight 0.85, or 0.65 where latent > 0."""
    from scipy import stats

    moved = stats.norm.cdf(0.5) - stats.norm.cdf(0.5 - 0.5 * effect)
    low = max(0.0, 0.5 - stats.norm.cdf(0.5 - 0.5 * effect)) if effect > 1 else 0.0
    answers = 0.85 * 0.5 + 0.65 * 0.5
    return float((0.85 * low + 0.65 * (moved - low)) / answers)


# Looking early.


def daily(draw, truth_of):
    """28 daily looks at a confidence sequence; ``draw`` gives a day's outcomes of each arm."""

    def run(rng, effect):
        truth, held, hit = truth_of(effect), True, False
        y = np.array([[draw(rng, 100, a * effect) for _ in range(28)] for a in (0, 1)])
        n, s, ss = (np.array([100.0 * (d + 1)] * 2) for d in (0, 0, 0))
        s, ss = y.sum(axis=2).cumsum(axis=1), (y * y).sum(axis=2).cumsum(axis=1)
        for day in range(28):
            n = np.full(2, 100.0 * (day + 1))
            table = Grouped(arms=("c", "n"), control=0, weights=(1, 1), arm=np.arange(2), n=n,
                            y=s[:, day], yy=ss[:, day])  # fmt: skip
            got = difference(table, 1)
            band = (
                got
                if isinstance(got, Absent)
                else confidence_sequence(got, 2 * n[0], tuned_to=5600)
            )
            if isinstance(band, Absent):
                continue
            held = held and band.low <= truth <= band.high
            hit = hit or not band.low <= 0 <= band.high
        return Outcome(held, hit)

    return run


def planned(spending, *, futile=False):
    """Four looks at a proportion, the reading's own estimate and decision."""
    spends = Spending(spending)
    fractions = (0.25, 0.5, 0.75, 1.0)
    plan = inflation(fractions, power=0.8, spending=spends, futility=Spending())
    futility = (plan.drift, 0.2, Spending()) if futile else None

    def run(rng, effect):
        y = rng.binomial(300, [[0.2], [0.2 - 0.04 * effect]], (2, 4)).cumsum(axis=1)
        seen = [
            difference(counts([300.0 * (k + 1)] * 2, y[:, k]), 1) for k in range(4)
        ]  # fmt: skip
        told = read(seen, list(fractions), final=True, spending=spends, futility=futility)
        e = told.estimate
        if isinstance(e, Absent):
            return Outcome(None, None)
        held = e.low <= -0.04 * effect <= e.high
        return Outcome(None if futile else held, told.decision == "effect")

    return run


def group(rng, effect):
    """A group of half the people, read when the whole crosses a bound of Pocock type or at the end.

    The others have an effect of their own, large enough to stop many trials early.
    """
    spends, fractions = Spending("pocock"), (0.25, 0.5, 0.75, 1.0)
    truth = -0.04 * effect
    rates = np.array([[[0.2, 0.2]], [[0.2 + truth, 0.125]]])
    y = rng.binomial(150, rates, (2, 4, 2)).cumsum(axis=1)
    n = 150.0 * np.arange(1, 5)
    whole = [
        difference(counts([2 * m] * 2, s), 1).p for m, s in zip(n, y.sum(axis=2).T, strict=True)
    ]
    bounds = [look.nominal_p for look in boundaries(fractions, spending=spends)]
    k = next((k for k in range(3) if whole[k] <= bounds[k]), 3)
    spent = Spent(fractions=fractions[: k + 1], timing=fractions[: k + 1], final=k == 3,
                  spending=spends)  # fmt: skip
    level = 1 - spent.nominal(0.05)
    return judged(difference(counts([n[k]] * 2, y[:, k, 0]), 1, level=level), truth)


# Where nothing is randomised.


def interrupted(rng, effect):
    """Sixty months with trend, season and overdispersion; a fall of a fifth from the 37th on."""
    t = np.arange(60)
    log = np.log(800) + 0.004 * t + 0.1 * np.sin(2 * np.pi * t / 12) - 0.22 * effect * (t >= 36)
    y = rng.poisson(np.exp(log) * rng.gamma(200, 1 / 200, 60)).astype(float)
    got = interrupted_time_series(Series(counts=y, after=t >= 36), season=12, harmonics=1)
    return judged(got.estimate, float(np.exp(-0.22 * effect)), null=1.0)


def panel(rng, effect, areas, treated):
    mark, t = np.arange(areas) < treated, np.arange(8)
    y = (
        rng.normal(20, 3, (areas, 1)) + 0.3 * t
        + 0.3 * rng.normal(0, 1, (areas, 8)).cumsum(axis=1) + rng.normal(0, 0.5, (areas, 8))
        + effect * np.outer(mark, t >= 4)
    )  # fmt: skip
    return Panel(areas=tuple(f"a{i}" for i in range(areas)), y=y, treated=mark, start=4)


def two_differences(rng, effect):
    return judged(difference_in_differences(panel(rng, effect, 14, 5)).estimate, float(effect))


def matched(rng, effect):
    return judged(matched_areas(panel(rng, effect, 41, 1)).estimate, float(effect))


def _count(rng, n, effect):
    return negative_binomial(rng, np.full(n, 0.5 * (1 - 0.3 * effect)))


def _rare(rng, n, effect):
    return (rng.random(n) < 0.01 * (1 - 0.5 * effect)).astype(float)


HARDER: tuple[Scenario, ...] = (
    Scenario("rare-koopman", "1 % against 0.5 %, 1,000 an arm", "Koopman ratio", proportions((1000, 1000), (0.01, 0.005), koopman)),
    Scenario("rare-ratio", "1 % against 0.5 %, 1,000 an arm", "ratio, log delta", proportions((1000, 1000), (0.01, 0.005), ratio), "cautious"),
    Scenario("rare-strata", "1 to 3 % halved, five strata of 800", "post-stratified, HC2", rare_strata),
    Scenario("rare-groups", "events of 3 %, three segments of 1,000", "Wald F, HC2", rare_groups, "cautious"),
    Scenario("rare-survival", "3 % call within 28 days, 1,000 an arm", "restricted mean to day 28", rare_survival("mean")),
    Scenario("rare-log-rank", "3 % call within 28 days, 1,000 an arm", "log-rank", rare_survival("log-rank")),
    Scenario("counts-few", "skewed counts (negative binomial, shape 0.4), 40 an arm", "HC2, Welch", skewed_counts(difference, 40), "cautious"),
    Scenario("counts-quasi", "overdispersed counts, 300 an arm", "quasi-Poisson ratio", dispersed),
    Scenario("counts-lin", "skewed counts, the same before as covariate, 300 an arm", "Lin, HC2", counts_before_and_after),
    Scenario("counts-blocks", "skewed counts in twenty blocks of eight", "redrawn blocks", blocks_redrawn),
    Scenario("counts-median", "Poisson counts with many ties, 150 an arm", "order statistics, MOVER", median_of_counts, "cautious"),
    Scenario("clusters-rare", "4 % halved, 24 clusters, CV 0.6", "CR2, Bell–McCaffrey", clusters(rare_in_clusters), "cautious"),
    Scenario("clusters-counts", "skewed counts, 24 clusters, CV 0.6", "CR2, Bell–McCaffrey", clusters(counts_in_clusters)),
    Scenario("clusters-counts-ratio", "skewed counts, 24 clusters, CV 0.6", "ratio, log delta, CR2", ratio_of_counts),
    Scenario("clusters-counts-wild", "skewed counts, 10 clusters, CV 0.6", "wild cluster bootstrap", clusters(counts_in_clusters, wild_cluster, 10)),
    Scenario("clusters-effects", "effects differ between 24 clusters, CV 0.6", "CR2, Bell–McCaffrey", clusters(effects_by_cluster), "cautious"),
    Scenario("clusters-ratio-metric", "time a contact, 20 clusters, CV 0.6", "delta method, CR2", ratio_metric_in_clusters),
    Scenario("clusters-complier", "55 points of uptake, 24 clusters, CV 0.6", "two-stage least squares, CR2", compliers_in_clusters, "cautious"),
    Scenario("switchback-few", "ten days of four periods, skewed counts, effects by part of day", "CR2 by period", few_periods, "cautious"),
    Scenario("wedge-few", "8 unequal clusters cross in four steps, 20 %", "cluster and period effects, CR2", unequal_wedge, "cautious"),
    Scenario("family-holm", "three versions, one control: any false finding", "Holm", several("holm"), "cautious"),
    Scenario("family-hochberg", "three versions, one control: any false finding", "Hochberg", several("hochberg"), "cautious"),
    Scenario("family-bh", "three versions, one control: any false finding", "Benjamini–Hochberg", several("benjamini-hochberg"), "cautious"),
    Scenario("family-dunnett", "three versions, one control: any false finding", "Dunnett, simultaneous", several("dunnett")),
    Scenario("guardrail", "true harm at the margin, 500 an arm, one-sided 5 %", "non-inferiority", guardrail("margin")),
    Scenario("equivalence", "true harm at the margin, 500 an arm, one-sided 5 %", "two one-sided tests", guardrail("equivalence")),
    Scenario("unknown-worst", "a quarter unknown in one arm, a tenth in the other, by outcome", "worst-case bounds", unknown("worst"), "cautious"),
    Scenario("unknown-lee", "a quarter unknown in one arm, a tenth in the other, by outcome", "trimming bounds (Lee)", unknown("lee"), "cautious"),
    Scenario("daily-counts", "skewed counts looked at daily for 28 days", "confidence sequence", daily(_count, lambda e: -0.15 * e), "cautious"),
    Scenario("daily-rare", "1 % looked at daily for 28 days", "confidence sequence", daily(_rare, lambda e: -0.005 * e), "cautious"),
    Scenario("looks-obf", "four looks", "O’Brien–Fleming, stage-wise interval", planned("obrien-fleming")),
    Scenario("looks-pocock", "four looks", "Pocock, stage-wise interval", planned("pocock")),
    Scenario("looks-power", "four looks", "power family, stage-wise interval", planned("power")),
    Scenario("looks-group", "a group of half the people, read when the whole stops at one of four looks", "Pocock, repeated interval", group, "cautious"),
    Scenario("looks-futility", "four looks, may stop for futility", "O’Brien–Fleming, not binding", planned("obrien-fleming", futile=True), "cautious"),
    Scenario("interrupted", "sixty months, trend and season (not randomised)", "interrupted time series", interrupted, "cautious"),
    Scenario("two-differences", "14 areas, 5 changed (not randomised)", "difference in differences", two_differences, "cautious"),
    Scenario("matched", "41 areas, 1 changed (not randomised)", "matched areas, placebo", matched, "cautious"),
)  # fmt: skip
