"""Time to event against Freireich's trial, survRM2, SciPy, lifelines, R and exact identities."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_lung, load_waltons
from scipy import stats

from analysis.estimates import Absent
from analysis.frequentist.quantile import quantile, quantile_difference
from analysis.frequentist.survival import (
    at_risk,
    kaplan_meier,
    log_rank,
    restricted_mean,
    restricted_mean_difference,
    survival_difference,
)
from analysis.tables import Histogram, LifeTable

SIX_MP = [
    "6",
    "6",
    "6",
    "6+",
    "7",
    "9+",
    "10",
    "10+",
    "11+",
    "13",
    "16",
    "17+",
    "19+",
    "20+",
    "22",
    "23",
    "25+",
    "32+",
    "32+",
    "34+",
    "35+",
]
PLACEBO = [
    "1",
    "1",
    "2",
    "2",
    "3",
    "4",
    "4",
    "5",
    "5",
    "8",
    "8",
    "8",
    "8",
    "11",
    "11",
    "12",
    "12",
    "15",
    "17",
    "22",
    "23",
]


def life_table(arm, time, event, stratum=None, keyed=None):
    arm, time, event = np.asarray(arm, int), np.asarray(time, float), np.asarray(event, float)
    s = np.zeros(len(arm)) if stratum is None else np.asarray(stratum, float)
    cells, into = np.unique(np.column_stack([arm, time, s]), axis=0, return_inverse=True)
    into = into.ravel()
    return LifeTable(
        arms=("placebo", "six-mp"), control=0, arm=cells[:, 0].astype(int), time=cells[:, 1],
        events=np.bincount(into, event), censored=np.bincount(into, 1 - event),
        stratum=None if stratum is None else keyed(cells[:, 2]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def freireich():
    both = [(1, t) for t in SIX_MP] + [(0, t) for t in PLACEBO]
    return life_table(
        [a for a, _ in both],
        [float(t.strip("+")) for _, t in both],
        ["+" not in t for _, t in both],
    )


def test_kaplan_meier_of_freireich(freireich):
    curve = kaplan_meier(freireich, 1)
    want = {6: (0.8571, 0.0764), 7: (0.8067, 0.0869), 10: (0.7529, 0.0963), 13: (0.6902, 0.1068),
            16: (0.6275, 0.1141), 22: (0.5378, 0.1282), 23: (0.4482, 0.1346)}  # fmt: skip
    for time, (share, se) in want.items():
        i = curve.at(time)
        assert curve.survival[i] == pytest.approx(share, abs=5e-5)
        assert curve.se[i] == pytest.approx(se, abs=5e-5)
    assert curve.at(5) == -1
    assert at_risk(freireich, np.array([0, 10, 23])).tolist() == [[21, 8, 1], [21, 15, 6]]


def test_log_rank_of_freireich(freireich):
    got = log_rank(freireich, 1)
    assert (got.observed, got.expected, got.variance) == pytest.approx(
        (9, 19.2505, 6.2570), abs=5e-5
    )
    assert got.z**2 == pytest.approx(16.7929, abs=5e-5)
    assert got.z == pytest.approx(-4.0979191, abs=5e-8)
    assert got.p == pytest.approx(4.169e-5, abs=5e-9)


def test_restricted_means_of_freireich(freireich):
    for arm, mean, se in ((1, 16.743978, 1.354966), (0, 8.523810, 1.310379)):
        got = restricted_mean(freireich, arm, horizon=21)
        assert (got.estimate, got.se) == pytest.approx((mean, se), abs=5e-7)


def test_restricted_mean_difference_of_lung_is_survrm2s():
    """survRM2 at 965 days: 131.8557 (39.75870), p .0009118595."""
    lung = load_lung()
    table = life_table(lung.sex - 1, lung.time, lung.status == lung.status.max())
    first, second = (restricted_mean(table, a, horizon=965) for a in (0, 1))
    assert (first.estimate, first.se) == pytest.approx((324.0484, 22.29794), abs=5e-5)
    assert (second.estimate, second.se) == pytest.approx((455.9041, 32.91742), abs=5e-5)
    got = restricted_mean_difference(table, 1, horizon=965)
    assert (got.estimate, got.se) == pytest.approx((131.8557, 39.75870), abs=5e-5)
    assert got.p == pytest.approx(0.0009118595, abs=5e-11)


def test_the_restricted_means_variance_is_that_of_the_estimator():
    """waltons, miR-137, 10 days: standard error 0.1232 and not lifelines' 0.5164 (a variance of the time)."""
    w = load_waltons()
    own = w[w.group == "miR-137"]
    got = restricted_mean(life_table(np.zeros(len(own)), own["T"], own["E"]), 0, horizon=10)
    assert (got.estimate, got.se) == pytest.approx((9.7941, 0.1232), abs=5e-5)


def test_stratified_log_rank_and_log_log_limits_are_rs(reference, keyed):
    """survdiff with strata, and survfit with conf.type log-log, on the same rows."""
    d, said = reference
    table = life_table(d["z"], d["time"], d["event"], d["block"], lambda c: keyed(c.astype(int)))
    assert log_rank(table, 1).z ** 2 == pytest.approx(said["logrank_strata"][0], rel=1e-9)
    curve = kaplan_meier(table, 1)
    i = curve.at(5)
    assert (curve.survival[i], curve.se[i]) == pytest.approx(said["km_at_5"][:2], rel=1e-9)
    assert (curve.low[i], curve.high[i]) == pytest.approx(said["km_at_5_limits"][:2], rel=1e-9)


def random_times(seed, n=200):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, n), rng.geometric(0.1, n).clip(max=28), rng.random(n) < 0.7


@pytest.mark.parametrize("seed", range(3))
def test_scipy_and_lifelines_agree(seed):
    arm, time, event = random_times(seed)
    table = life_table(arm, time, event)
    curve = kaplan_meier(table, 1)
    fitter = KaplanMeierFitter().fit(time[arm == 1], event[arm == 1])
    assert curve.survival == pytest.approx(
        fitter.survival_function_at_times(curve.time).to_numpy(), rel=1e-10
    )
    samples = [
        stats.CensoredData(uncensored=time[(arm == a) & event], right=time[(arm == a) & ~event])
        for a in (1, 0)
    ]
    want = stats.logrank(*samples)
    assert log_rank(table, 1).z == pytest.approx(want.statistic, rel=1e-9)
    sf = stats.ecdf(samples[0]).sf
    ci = sf.confidence_interval(method="log-log")
    inside = (curve.survival > 0) & (curve.survival < 1)
    at = np.searchsorted(sf.quantiles, curve.time[inside])
    assert curve.low[inside] == pytest.approx(ci.low.probabilities[at], rel=1e-8)
    assert curve.high[inside] == pytest.approx(ci.high.probabilities[at], rel=1e-8)


times = st.lists(st.integers(1, 12), min_size=2, max_size=30)


@settings(max_examples=60, deadline=None)
@given(times, st.integers(2, 11))
def test_without_censoring_the_curve_is_the_empirical_distribution(values, horizon):
    """Exact identities: KM = 1 - ECDF; the restricted mean is the mean of min(T, horizon), its SE sd/sqrt(n)."""
    table = life_table(np.zeros(len(values)), values, np.ones(len(values)))
    curve = kaplan_meier(table, 0)
    assert curve.survival == pytest.approx(
        [np.mean(np.array(values) > t) for t in curve.time], abs=1e-12
    )
    got = restricted_mean(table, 0, horizon=horizon)
    cut = np.minimum(values, horizon)
    assert got.estimate == pytest.approx(cut.mean(), rel=1e-12)
    assert got.se == pytest.approx(cut.std() / math.sqrt(len(cut)), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(times, times, st.integers(1, 12))
def test_without_censoring_the_share_is_a_proportion(a, b, day):
    table = life_table([1] * len(a) + [0] * len(b), a + b, np.ones(len(a) + len(b)))
    got = survival_difference(table, 1, time=day)
    p = [np.mean(np.array(v) > day) for v in (a, b)]
    variance = p[0] * (1 - p[0]) / len(a) + p[1] * (1 - p[1]) / len(b)
    if variance == 0:
        assert isinstance(got, Absent)
        return
    assert got.estimate == pytest.approx(p[0] - p[1], abs=1e-12)
    assert got.se == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_strata_are_averaged_by_their_share(keyed):
    arm, time, event = random_times(5, 400)
    s = np.random.default_rng(1).integers(0, 2, 400)
    table = life_table(arm, time, event, s, lambda c: keyed(c.astype(int)))
    got = restricted_mean_difference(table, 1, horizon=14)
    parts = [
        restricted_mean_difference(
            life_table(arm[s == h], time[s == h], event[s == h]), 1, horizon=14
        )
        for h in (0, 1)
    ]
    share = np.bincount(s) / 400
    assert got.estimate == pytest.approx(
        sum(w * p.estimate for w, p in zip(share, parts, strict=True)), rel=1e-10
    )
    assert got.se == pytest.approx(
        math.sqrt(sum((w * p.se) ** 2 for w, p in zip(share, parts, strict=True))), rel=1e-10
    )


def test_what_cannot_be_had_is_named(freireich):
    assert restricted_mean(freireich, 1, horizon=50).code == "horizon-beyond-follow-up"
    assert restricted_mean_difference(freireich, 1, horizon=0.5).code == "no-variation"
    alone = life_table([0, 0], [3, 4], [1, 1])
    assert restricted_mean_difference(alone, 1, horizon=3).code == "empty-arm"
    assert log_rank(alone, 1).code == "empty-arm"
    quiet = life_table([0, 1], [3, 4], [0, 0])
    assert log_rank(quiet, 1).code == "no-events"
    assert len(kaplan_meier(alone, 1).time) == 0
    # Everybody in the placebo arm has had the event by 23, so its mean to 30 is known.
    assert restricted_mean(freireich, 0, horizon=30).estimate == pytest.approx(
        np.mean([float(t) for t in PLACEBO])
    )


def histogram(arm, value):
    cells, n = np.unique(np.column_stack([arm, value]), axis=0, return_counts=True)
    return Histogram(
        arms=("a", "b"),
        control=0,
        arm=cells[:, 0].astype(int),
        value=cells[:, 1],
        n=n.astype(float),
    )


def test_quantile_limits_are_scipys_exact_ones():
    """scipy.stats.quantile_test inverts the same binomial; and the point is NumPy's inverted CDF."""
    value = np.random.default_rng(3).integers(0, 400, 101).astype(float)
    for q in (0.25, 0.5, 0.9):
        got = quantile(histogram(np.zeros(101), value), 0, q=q)
        want = stats.quantile_test(value, p=q).confidence_interval(0.95)
        assert got.estimate == np.quantile(value, q, method="inverted_cdf")
        assert got.low >= want.low - 1e-9
        assert got.high <= want.high + 1e-9
        inside = stats.binom.cdf(np.sum(value < got.high) - 1, 101, q) - stats.binom.cdf(
            np.sum(value <= got.low) - 1, 101, q
        )
        assert inside >= 0.90


def test_quantile_intervals_cover():
    """2,000 simulated medians of exponential waits: at least 95 % less three Monte Carlo errors (0.5 points)."""
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(2000):
        got = quantile(histogram(np.zeros(60), rng.exponential(1.0, 60)), 0)
        covered += got.low <= math.log(2) <= got.high
    assert 0.95 - 0.015 < covered / 2000 < 0.985


def test_difference_of_medians_covers():
    """1,000 simulations of two arms; MOVER of exact limits errs wide, never narrow (MCSE 0.7 points)."""
    rng = np.random.default_rng(12)
    arm = np.repeat([0, 1], 80)
    covered = 0
    for _ in range(1000):
        got = quantile_difference(histogram(arm, rng.exponential(1.0 + arm)), 1)
        covered += got.low <= math.log(2) <= got.high
    assert covered / 1000 > 0.95 - 0.021


def test_quantiles_without_limits_are_named():
    few = histogram(np.zeros(3), np.array([1.0, 2, 3]))
    assert quantile(few, 0).code == "too-few-units"
    assert quantile(few, 1).code == "empty-arm"
    assert quantile_difference(few, 1).code == "empty-arm"
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(few, 0, q=1.0)
