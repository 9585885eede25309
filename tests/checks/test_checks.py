"""The other trust checks: verdicts, sentences, error rates, degenerate data."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from analysis.checks import (
    DayEffect,
    Kept,
    Share,
    attrition,
    contamination,
    data_freshness,
    exposure_balance,
    fidelity,
    interference,
    link_rate_balance,
    maturity,
    novelty,
    period_coverage,
    plan_deviation,
    randomisation_balance,
    twyman,
)
from analysis.checks.balance import omnibus
from analysis.checks.rates import homogeneity
from analysis.estimates import Estimate
from analysis.tables import Grouped, Key

NOW = datetime(2026, 5, 1, 9, tzinfo=UTC)


def rows(arm, x, *, strata=None, cluster=None, segment=None, names=None):
    """One cell a unit."""
    arm = np.asarray(arm, np.int64)
    ones = np.ones(len(arm))

    def key(name, codes):
        if codes is None:
            return None
        levels = tuple(str(code) for code in range(int(max(codes)) + 1))
        return Key(name=name, codes=np.asarray(codes, np.int64), levels=levels)

    segments = {} if segment is None else {"email": key("email", segment)}
    x = None if x is None else np.asarray(x, float).reshape(len(arm), -1)
    return Grouped(
        arms=tuple("abc"[: max(2, int(arm.max()) + 1)]), control=0, weights=(1.0, 1.0),
        arm=arm, n=ones, y=ones * 0, yy=ones * 0, x=x, segments=segments,
        covariates=() if x is None else tuple(names or (f"x{i}" for i in range(x.shape[1]))),
        stratum=key("s", strata), cluster=key("c", cluster),
    )  # fmt: skip


# --- balance --------------------------------------------------------------------------------


def test_one_binary_column_two_arms_is_pearsons_test_with_the_permutation_variance():
    rng = np.random.default_rng(1)
    arm, x = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    table = np.histogram2d(arm, x, bins=2)[0]
    pearson = stats.chi2_contingency(table, correction=False).statistic
    found = omnibus(rows(arm, x))
    assert found.df == 1
    assert found.statistic == pytest.approx(pearson * 399 / 400, rel=1e-10)


def test_ranks_in_three_arms_give_the_kruskal_wallis_statistic():
    rng = np.random.default_rng(2)
    arm, ranks = rng.integers(0, 3, 60), np.arange(60.0)
    expected = stats.kruskal(*[ranks[arm == a] for a in range(3)]).statistic
    found = omnibus(rows(arm, ranks))
    assert (found.statistic, found.df) == (pytest.approx(expected, rel=1e-10), 2)


def test_strata_with_one_binary_column_give_the_cochran_mantel_haenszel_statistic():
    from statsmodels.stats.contingency_tables import StratifiedTable

    rng = np.random.default_rng(3)
    strata = rng.integers(0, 4, 500)
    arm = (rng.random(500) < 0.3 + 0.1 * strata).astype(int)
    x = (rng.random(500) < 0.2 + 0.15 * strata).astype(int)
    tables = [np.histogram2d(arm[strata == s], x[strata == s], bins=2)[0] for s in range(4)]
    expected = StratifiedTable(tables).test_null_odds().statistic
    assert omnibus(rows(arm, x, strata=strata)).statistic == pytest.approx(expected, rel=1e-10)


def test_balance_check_rejects_five_percent_of_true_randomisations():
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.poisson(1, 300), rng.exponential(1, 300)])
    segment = rng.integers(0, 3, 300)
    p = [omnibus(rows(rng.permutation(np.arange(300) % 2), x, segment=segment)).p
         for _ in range(800)]  # fmt: skip
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 800))


def test_balance_of_randomised_clusters_is_tested_between_clusters():
    """Members of one cluster are alike: testing people would call clean draws unbalanced."""
    rng = np.random.default_rng(6)
    p = []
    for _ in range(400):
        size = rng.integers(5, 30, 40)
        arm = rng.permutation(np.arange(40) % 2)
        x = np.repeat(rng.normal(size=40), size) + rng.normal(scale=0.3, size=size.sum())
        p.append(omnibus(rows(np.repeat(arm, size), x, cluster=np.repeat(np.arange(40), size))).p)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 400))


def test_imbalance_is_named_with_its_size():
    x = np.r_[np.zeros(500), np.ones(200), np.zeros(300)]
    check = randomisation_balance(rows(np.repeat([0, 1], 500), x, names=["prior_contacts"]))
    assert check.verdict == "fail"
    assert "prior_contacts in b (+1.00 standard deviations)" in check.says


@pytest.mark.parametrize(
    "table", [rows([0, 1, 0, 1], None), rows([0, 0, 0, 0], [1, 2, 3, 4]), rows([0, 1], [1, 2]),
              rows([0, 1, 0, 1, 0], [3, 3, 3, 3, 3])]
)  # fmt: skip
def test_balance_without_anything_to_compare_does_not_apply(table):
    assert randomisation_balance(table).verdict == "not-applicable"


# --- rates ----------------------------------------------------------------------------------


def test_homogeneity_is_the_chi_squared_test_of_the_table():
    shares = {"a": Share(830, 1000), "b": Share(790, 1000), "c": Share(405, 500)}
    table = [[s.some for s in shares.values()], [s.all - s.some for s in shares.values()]]
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert homogeneity(shares) == pytest.approx(expected, rel=1e-12)


def test_homogeneity_with_few_cases_is_fishers_test():
    shares = {"a": Share(0, 20), "b": Share(4, 20)}
    assert homogeneity(shares) == pytest.approx(
        stats.fisher_exact([[0, 4], [20, 16]]).pvalue, rel=1e-12
    )


def test_a_design_effect_divides_the_statistic():
    shares = {"a": Share(830, 1000), "b": Share(780, 1000)}
    plain, inflated = homogeneity(shares), homogeneity(shares, design_effect=2.0)
    assert stats.chi2.isf(plain, 1) == pytest.approx(2 * stats.chi2.isf(inflated, 1), rel=1e-9)


def test_unequal_linkage_fails_and_equal_linkage_passes():
    bad = link_rate_balance({"current": Share(8300, 10_000), "new": Share(7900, 10_000)})
    assert bad.verdict == "fail"
    assert bad.says.startswith("83.0% of current and 79.0% of new can be linked")
    good = link_rate_balance({"current": Share(8300, 10_000), "new": Share(8310, 10_000)})
    assert (good.verdict, good.what_to_do) == ("pass", "")


def test_a_certain_but_negligible_gap_passes():
    check = exposure_balance({"a": Share(9_990_000, 10**7), "b": Share(9_984_000, 10**7)})
    assert check.p < 0.001
    assert check.verdict == "pass"


@pytest.mark.parametrize("check", [exposure_balance, link_rate_balance, attrition, contamination])
def test_rate_checks_without_units_do_not_apply(check):
    assert check({"a": Share(0, 0), "b": Share(0, 0)}).verdict == "not-applicable"
    assert check({}).verdict == "not-applicable"


def test_one_arm_alone_cannot_be_compared():
    assert exposure_balance({"a": Share(5, 9), "b": Share(0, 0)}).verdict == "not-applicable"


def test_attrition_warns_when_equal_but_large_and_fails_when_unequal():
    assert attrition({"a": Share(300, 1000), "b": Share(310, 1000)}).verdict == "warn"
    assert attrition({"a": Share(100, 1000), "b": Share(310, 1000)}).verdict == "fail"
    assert attrition({"a": Share(0, 1000), "b": Share(0, 1000)}).verdict == "pass"


@pytest.mark.parametrize(
    ("crossed", "verdict"), [(0, "pass"), (9, "pass"), (10, "warn"), (49, "warn"), (50, "fail")]
)
def test_contamination_warns_at_one_percent_and_fails_at_five(crossed, verdict):
    assert contamination({"a": Share(crossed, 500), "b": Share(0, 500)}).verdict == verdict


def test_fidelity_judges_the_worst_arm():
    check = fidelity({"current": Share(100, 100), "closing-script": Share(70, 100)})
    assert check.verdict == "fail"
    assert "put closing-script right" in check.what_to_do
    assert fidelity({"a": Share(0, 0)}).verdict == "not-applicable"


# --- data -----------------------------------------------------------------------------------


def test_maturity_counts_those_still_in_their_window():
    check = maturity({"a": 4750, "b": 4750}, {"a": 250, "b": 250}, window_days=14)
    assert check.verdict == "pass"
    assert check.says == (
        "9,500 units of 10,000 have completed the 14-day window; 500 are still in it and are not "
        "in the result."
    )


def test_maturity_of_one_is_said_of_one():
    says = maturity({"a": 1, "b": 0}, {"a": 1, "b": 0}, window_days=14).says
    assert says.startswith("1 unit of 2 has completed the 14-day window; 1 is still in it and is")


def test_maturity_before_during_and_with_thin_arms():
    assert maturity({}, {}, window_days=7).verdict == "not-applicable"
    none = maturity({"a": 0}, {"a": 40}, window_days=7, complete_on="8 May 2026")
    assert (none.verdict, "wait until 8 May 2026" in none.what_to_do) == ("fail", True)
    assert maturity({"a": 80, "b": 80}, {"a": 20, "b": 20}, window_days=7).verdict == "warn"
    thin = maturity({"a": 800, "b": 12}, {"a": 0, "b": 0}, window_days=7)
    assert (thin.verdict, "b has fewer than 50" in thin.says) == ("warn", True)
    rare = maturity({"a": 800, "b": 800}, {}, window_days=7, events={"a": 2, "b": 90})
    assert "a saw fewer than 5 events" in rare.says


def test_stale_and_silent_sources_are_named():
    fresh = {"8x8": NOW - timedelta(hours=3), "notify": NOW - timedelta(hours=30)}
    assert data_freshness(fresh, NOW).verdict == "pass"
    late = data_freshness({"8x8": NOW - timedelta(days=4)}, NOW)
    assert (late.verdict, late.says) == ("warn", "8x8 has sent nothing for 4 days.")
    assert data_freshness({"8x8": NOW - timedelta(days=9)}, NOW).verdict == "fail"
    assert data_freshness({"8x8": None}, NOW).verdict == "fail"
    assert data_freshness({}, NOW).verdict == "not-applicable"


def test_empty_days_are_found_unless_the_service_was_closed():
    counts = {"4 May": 90.0, "5 May": 0.0, "6 May": 88.0, "9 May": 0.0} | {
        f"{d} May": 90.0 for d in range(10, 26)
    }
    check = period_coverage(counts, closed={"9 May"})
    assert (check.verdict, check.details["empty"]) == ("warn", ["5 May"])
    assert period_coverage({"4 May": 90.0, "9 May": 0.0}, closed={"9 May"}).verdict == "pass"
    assert period_coverage({}).verdict == "not-applicable"


def test_empty_periods_of_one_arm_of_a_switchback_fail():
    counts = {str(i): 0.0 if i in (1, 3, 5) else 50.0 for i in range(40)}
    arms = {str(i): "b" if i % 2 else "a" for i in range(40)}
    check = period_coverage(counts, arms=arms)
    assert check.verdict == "fail"
    assert "all of them while b was in force" in check.says
    assert period_coverage({"1": 0.0, "2": 0.0}).verdict == "fail"


def test_thin_days_are_pointed_out():
    counts = {str(i): 100.0 for i in range(20)} | {"20": 10.0}
    assert period_coverage(counts).details["thin"] == ["20"]


def test_plan_deviations_are_listed_and_material_ones_fail():
    kept = Kept("the number of units", "10,000", "10,000")
    short = Kept("the number of units", "10,000", "7,200")
    moved = Kept("the primary metric", "contact-14d", "contact-7d", material=True)
    assert plan_deviation([kept]).verdict == "pass"
    assert plan_deviation([kept, short]).verdict == "warn"
    check = plan_deviation([short, moved])
    assert check.verdict == "fail"
    assert check.says == (
        "Not as planned: the number of units was 7,200 instead of 10,000 and the primary metric "
        "was contact-7d instead of contact-14d."
    )
    assert plan_deviation([kept], locked=False).verdict == "warn"


# --- plausibility ---------------------------------------------------------------------------


def test_novelty_slope_is_weighted_least_squares():
    from statsmodels.api import WLS, add_constant

    rng = np.random.default_rng(8)
    day, se = np.arange(14.0), rng.uniform(0.01, 0.03, 14)
    effect = -0.05 + 0.004 * day + rng.normal(scale=se)
    fit = WLS(effect, add_constant(day), weights=1 / se**2).fit()
    check = novelty([DayEffect(*v) for v in zip(day, effect, se, strict=True)])
    assert check.details["slope_per_day"] == pytest.approx(fit.params[1], rel=1e-9)
    assert (check.verdict, "fades" in check.says) == ("warn", True)


def test_novelty_of_a_steady_effect_passes_and_needs_days():
    steady = [DayEffect(d, -0.03 + 0.001 * (-1) ** d, 0.01) for d in range(10)]
    assert novelty(steady).verdict == "pass"
    assert novelty(steady[:3]).verdict == "not-applicable"


def test_growing_effect_is_told_from_a_fading_one_by_the_better_direction():
    days = [DayEffect(d, 0.01 * d, 0.002) for d in range(10)]
    assert "grows" in novelty(days, better="higher").says
    assert "fades" in novelty(days, better="lower").says


def test_twyman_asks_about_implausible_effects_only():
    usual = Estimate.from_t(-0.014, 0.004, df=None)
    huge = Estimate.from_t(-0.12, 0.01, df=None)
    noisy = Estimate.from_t(-0.12, 0.10, df=None)
    assert twyman(usual, 0.17).verdict == "pass"
    assert "too good to be true" in twyman(huge, 0.17).says
    assert "chance" in twyman(noisy, 0.17).says
    assert twyman(huge, None).says.count("12.0 percentage points") == 1
    assert twyman(usual, 0.0).verdict == "pass"


def test_arms_in_one_queue_are_warned_about_except_in_a_switchback():
    lines = {"council-tax": ["a", "b"]}
    check = interference(lines, share=0.4)
    assert (check.verdict, "40.0% of its demand" in check.says) == ("warn", True)
    assert interference(lines, kind="switchback").verdict == "pass"
    assert interference({"x": ["a"], "y": ["b"]}).verdict == "pass"
    assert interference({}).verdict == "not-applicable"


def test_json_has_the_contracts_fields():
    got = maturity({"a": 100}, {}, window_days=7).to_json()
    assert {"key", "verdict", "p", "says"} <= got.keys()
