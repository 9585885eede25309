"""Counts and ratio metrics against published fits, statsmodels, the jackknife and exact identities."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.estimates import Absent, Estimate
from analysis.frequentist.arms import arm_means, arm_ratios
from analysis.frequentist.counts import (
    negative_binomial,
    overdispersion,
    quasi_poisson_ratio,
    rate_difference,
    rate_ratio,
)
from analysis.frequentist.difference import difference, ratio
from analysis.frequentist.ratio_metric import ratio_difference, ratio_of_ratios
from analysis.precision import named
from analysis.tables import Grouped, Histogram
from trials.definition.model import Metric


def histogram(arm, value):
    arm, value = np.asarray(arm), np.asarray(value, float)
    cells, n = np.unique(np.column_stack([arm, value]), axis=0, return_counts=True)
    return Histogram(arms=("a", "b")[: int(arm.max()) + 1], control=0, arm=cells[:, 0].astype(int),
                     value=cells[:, 1], n=n.astype(float))  # fmt: skip


def test_bliss_and_fishers_mites():
    """Mean 1.1466667, k 1.0245924 (published 1.02459), log-likelihood -222.4371535."""
    seen = [70, 38, 17, 10, 9, 3, 2, 1]
    got = negative_binomial(histogram(np.zeros(150, int), np.repeat(np.arange(8), seen)))
    assert got.means[0] == pytest.approx(1.1466667, abs=5e-8)
    assert got.shape == pytest.approx(1.0245924, abs=5e-8)
    assert got.log_likelihood == pytest.approx(-222.4371535, abs=5e-7)
    assert got.poisson_p < 1e-9
    assert got.zeros == pytest.approx((70 / 150, 0.4633), abs=5e-5)


def test_negative_binomial_of_two_arms_is_statsmodels():
    rng = np.random.default_rng(2)
    arm = np.repeat([0, 1], [400, 300])
    y = rng.negative_binomial(1.5, 1.5 / (1.5 + np.where(arm, 0.8, 1.3)))
    want = sm.NegativeBinomial(y, sm.add_constant(arm)).fit(disp=0, maxiter=500, gtol=1e-9)
    got = negative_binomial(histogram(arm, y))
    assert got.log_likelihood == pytest.approx(want.llf, abs=1e-6)
    assert got.dispersion == pytest.approx(want.params[2], rel=1e-4)
    assert math.log(got.means[1] / got.means[0]) == pytest.approx(want.params[1], abs=1e-4)


def test_counts_less_spread_than_poisson_have_no_dispersion():
    got = negative_binomial(histogram(np.zeros(60, int), [1, 2, 1] * 20))
    assert got.dispersion == 0
    assert math.isinf(got.shape)
    assert got.poisson_p == 1
    assert got.log_likelihood == got.poisson_log_likelihood


def test_quasi_poisson_is_statsmodels(rows):
    rng = np.random.default_rng(3)
    arm = np.repeat([0, 1], [350, 420])
    y = rng.negative_binomial(1, 1 / (1 + np.where(arm, 1.1, 1.4)))
    fitted = sm.GLM(y, sm.add_constant(arm), family=sm.families.Poisson()).fit(scale="X2")
    got = quasi_poisson_ratio(rows(arm, y), 1)
    assert math.log(got.estimate) == pytest.approx(fitted.params[1], rel=1e-8)
    assert got.se / got.estimate == pytest.approx(fitted.bse[1], rel=1e-8)
    assert overdispersion(rows(arm, y)).index == pytest.approx(fitted.scale, rel=1e-8)


def test_robust_rate_ratio_is_the_poisson_sandwich(rows):
    """HC0 of a Poisson regression times n/(n-1) in each arm."""
    rng = np.random.default_rng(4)
    arm = np.repeat([0, 1], 500)
    y = rng.poisson(rng.gamma(1, 1 + arm))
    fitted = sm.GLM(y, sm.add_constant(arm), family=sm.families.Poisson()).fit(cov_type="HC0")
    got = rate_ratio(rows(arm, y), 1)
    assert got.se / got.estimate == pytest.approx(fitted.bse[1] * math.sqrt(500 / 499), rel=1e-7)


def test_rates_with_follow_up_are_contacts_over_time(rows):
    rng = np.random.default_rng(5)
    arm = np.repeat([0, 1], 600)
    time = rng.integers(5, 29, 1200).astype(float)
    y = rng.poisson(time * np.where(arm, 0.05, 0.08))
    grouped = rows(arm, y, d=time)
    rate = [y[arm == a].sum() / time[arm == a].sum() for a in (0, 1)]
    assert rate_difference(grouped, 1).estimate == pytest.approx(rate[1] - rate[0], rel=1e-12)
    assert rate_ratio(grouped, 1).estimate == pytest.approx(rate[1] / rate[0], rel=1e-12)
    fitted = sm.GLM(y, sm.add_constant(arm), family=sm.families.Poisson(), exposure=time).fit(
        cov_type="HC0"
    )
    got = rate_ratio(grouped, 1)
    assert got.se / got.estimate == pytest.approx(fitted.bse[1] * math.sqrt(600 / 599), rel=1e-7)


def test_dispersion_of_poisson_counts_is_not_rejected(rows):
    y = np.random.default_rng(6).poisson(2.0, 2000)
    got = overdispersion(rows(np.repeat([0, 1], 1000), y))
    assert got.index == pytest.approx(1, abs=4 * math.sqrt(2 / 1998))
    assert 0.001 < got.p < 0.999


def test_no_contacts_are_named(rows):
    empty = rows([0] * 5 + [1] * 5, [0] * 10)
    assert overdispersion(empty).code == "no-events"
    assert quasi_poisson_ratio(empty, 1).code == "no-events"
    assert negative_binomial(histogram([0, 0], [0, 0])).code == "no-events"


def test_one_unit_an_arm_shows_no_dispersion(rows):
    assert quasi_poisson_ratio(rows([0, 1], [1, 2]), 1).code == "no-variance"


counts = st.lists(st.integers(0, 9), min_size=3, max_size=20)


@settings(max_examples=50, deadline=None)
@given(counts, counts)
def test_a_denominator_of_one_gives_the_plain_difference(rows, a, b):
    """Exact identity: ratio metric with d = 1 is Welch."""
    arm, y = [1] * len(a) + [0] * len(b), a + b
    got, want = ratio_difference(rows(arm, y, d=np.ones(len(y))), 1), difference(rows(arm, y), 1)
    if isinstance(want, Absent) or want.se is None:
        return
    assert (got.estimate, got.se, got.df) == pytest.approx(
        (want.estimate, want.se, want.df), rel=1e-9
    )


def pair(seed, n=400):
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1], n)
    d = 1 + rng.poisson(2, 2 * n)
    y = rng.gamma(d, 3 + arm)
    return arm, y, d.astype(float), rng


def jackknife(y, d, arm):
    """Leave-one-out variance of the difference of ratios."""
    total = 0.0
    for a in (0, 1):
        own = arm == a
        left = (y[own].sum() - y[own]) / (d[own].sum() - d[own])
        total += (len(left) - 1) ** 2 / len(left) * left.var(ddof=1)
    return math.sqrt(total)


def test_delta_method_agrees_with_the_jackknife(rows):
    arm, y, d, _ = pair(1)
    got = ratio_difference(rows(arm, y, d=d), 1)
    assert got.se == pytest.approx(jackknife(y, d, arm), rel=5e-3)
    assert got.estimate == pytest.approx(
        y[arm == 1].sum() / d[arm == 1].sum() - y[arm == 0].sum() / d[arm == 0].sum(), rel=1e-12
    )


def test_delta_method_is_the_textbook_formula(rows):
    """Var(R) = (Var y - 2 R Cov + R^2 Var d) / (n mean(d)^2) in each arm (Deng, Knoblich & Lu 2018)."""
    arm, y, d, _ = pair(2)
    variance = 0.0
    for a in (0, 1):
        own = arm == a
        r = y[own].sum() / d[own].sum()
        c = np.cov(y[own], d[own])
        variance += (c[0, 0] - 2 * r * c[0, 1] + r**2 * c[1, 1]) / (own.sum() * d[own].mean() ** 2)
    assert ratio_difference(rows(arm, y, d=d), 1).se == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_clusters_of_a_ratio_metric(rows):
    """CR2 of the linearised outcome; with equal cluster sizes the cluster sums' delta method."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(24), 15)
    arm = (g % 2).astype(int)
    d = 1.0 + rng.poisson(2, len(g))
    y = d * (2 + 0.5 * rng.normal(size=24)[g]) + rng.normal(size=len(g))
    total = [np.bincount(g, v) for v in (y, d)]
    by_cluster = ratio_difference(rows(np.arange(24) % 2, total[0], d=total[1]), 1)
    got = ratio_difference(rows(arm, y, d=d, cluster=g), 1)
    assert (got.estimate, got.se) == pytest.approx((by_cluster.estimate, by_cluster.se), rel=1e-9)
    assert got.df == pytest.approx(22, rel=1e-6)  # equal sizes, 12 and 12 clusters


def test_strata_of_a_ratio_metric(rows):
    """One stratum changes nothing; two are averaged in numerator and denominator."""
    arm, y, d, rng = pair(3)
    whole = ratio_difference(rows(arm, y, d=d), 1)
    one = ratio_difference(rows(arm, y, d=d, stratum=np.zeros(len(y), int)), 1)
    assert (one.estimate, one.se) == pytest.approx((whole.estimate, whole.se), rel=1e-12)
    s = rng.integers(0, 2, len(y))
    got = ratio_difference(rows(arm, y, d=d, stratum=s), 1)
    share = np.bincount(s) / len(s)
    want = [
        sum(share[h] * y[(arm == a) & (s == h)].mean() for h in (0, 1))
        / sum(share[h] * d[(arm == a) & (s == h)].mean() for h in (0, 1))
        for a in (0, 1)
    ]
    assert got.estimate == pytest.approx(want[1] - want[0], rel=1e-10)


def test_arm_ratios_have_fiellers_limits(rows):
    arm, y, d, _ = pair(4, n=30)
    got = arm_ratios(rows(arm, y, d=d))[0]
    own = arm == 0
    for r in (got.low, got.high):
        u = y[own] - r * d[own]
        assert abs(u.mean()) / (u.std(ddof=1) / math.sqrt(30)) == pytest.approx(
            2.045, abs=5e-4
        )  # t, 29 df
    assert got == arm_means(rows(arm, y, d=d), kind="ratio")[0]


def test_ratio_of_ratios_on_the_log_scale(rows):
    arm, y, d, _ = pair(5)
    got = ratio_of_ratios(rows(arm, y, d=d), 1)
    plain = ratio(rows(arm, y), 1)
    assert got.estimate == pytest.approx(
        y[arm == 1].sum() / d[arm == 1].sum() * d[arm == 0].sum() / y[arm == 0].sum(), rel=1e-12
    )
    assert got.low < got.estimate < got.high
    one = ratio_of_ratios(rows(arm, y, d=np.ones(len(y))), 1)
    assert (one.low, one.high) == pytest.approx((plain.low, plain.high), rel=1e-9)


def test_weak_and_missing_denominators_are_named(rows):
    arm = np.repeat([0, 1], 20)
    assert ratio_difference(rows(arm, np.zeros(40), d=np.zeros(40)), 1).code == "denominator-zero"
    rare = np.zeros(40)
    rare[[0, 20]] = 1.0
    got = ratio_difference(rows(arm, rare * 3, d=rare), 1)
    assert isinstance(got, Absent)
    assert got.code in {"denominator-weak", "no-variation"}
    few = np.zeros(40)
    few[[0, 1, 2, 3, 4, 5, 6, 20, 21, 22, 23, 24, 25]] = [1, 2, 1, 3, 1, 2, 1, 1, 1, 2, 1, 3, 1]
    y = few * 2 + (few > 0) * np.arange(40) % 3
    weak = ratio_difference(rows(arm, y, d=few), 1)
    assert "Fieller" in weak.method
    assert ratio_of_ratios(rows(arm, np.zeros(40), d=np.ones(40)), 1).code == "control-mean-zero"
    with pytest.raises(ValueError, match="d, dd and dy"):
        ratio_difference(rows(arm, y), 1)


def test_a_count_of_nothing_is_not_called_a_proportion():
    """Shares of 0 of 50: the limit is Wilson's, and Poisson's exact 3.69/50 is next to it."""
    table = Grouped(arms=("a", "b"), control=0, weights=(1.0, 1.0), arm=np.arange(2),
                    n=np.full(2, 50.0), y=np.zeros(2), yy=np.zeros(2))  # fmt: skip
    calls = Metric(key="calls", kind="count")
    found = named(calls, difference(table, 1))
    assert found.high == pytest.approx(-math.log(0.025) / 50, rel=0.05)
    assert "proportions" not in found.method
    assert (
        "proportions" in named(Metric(key="rang", kind="proportion"), difference(table, 1)).method
    )


def test_limits_beyond_the_largest_number_are_none():
    """An end too large for a number is no limit: null in the result."""
    told = Estimate(estimate=math.log(2), low=-1e3, high=1e3, se=0.5).exponentiated()
    assert (told.estimate, told.se) == pytest.approx((2, 1))
    assert (told.to_json()["low"], told.to_json()["high"]) == (0.0, None)
