"""The estimator that the design calls for: Welch, strata, clusters, Lin, ratios, arms."""

import csv
import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist.arms import arm_means
from analysis.frequentist.difference import difference, ratio
from analysis.frequentist.fieller import fieller
from analysis.frequentist.proportions import wilson

LETTERS = (
    Path(__file__).parents[2] / "templates" / "trials" / "matching-gift-letters" / "letters.csv.gz"
)
SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_welch_of_sleep_is_rs(rows):
    """t.test(extra ~ group, sleep) in R."""
    got = difference(rows([1] * 10 + [0] * 10, SLEEP_1 + SLEEP_2), 1)
    assert got.estimate / got.se == pytest.approx(-1.8608134674868526, rel=1e-12)
    assert got.df == pytest.approx(17.776473516178488, rel=1e-12)
    assert got.p == pytest.approx(0.0793941401873583, rel=1e-10)
    assert (got.low, got.high) == pytest.approx(
        (-3.3654832307117104, 0.20548323071171137), rel=1e-10
    )


def test_growthbooks_worked_example_of_two_proportions(rows):
    """720/4000 against 620/4000: SE of the relative difference 0.0430710 by the delta method."""
    arm = np.repeat([0, 1], 4000)
    y = np.concatenate([np.repeat([1, 0], [720, 3280]), np.repeat([1, 0], [620, 3380])])
    got = ratio(rows(arm, y), 1)
    assert got.estimate - 1 == pytest.approx(-0.138889, abs=5e-7)
    assert got.se == pytest.approx(
        0.0430710, abs=2e-5
    )  # it divides by n, the unbiased variance by n-1


def test_poststratified_blocks_and_lin_are_rs(rows, reference):
    """estimatr's and clubSandwich's numbers on the same rows, to nine digits."""
    d, said = reference
    z = d["z"].astype(int)
    blocked = difference(rows(z, d["y"], stratum=d["block"].astype(int)), 1)
    assert blocked.estimate == pytest.approx(said["poststratified_hc2"][0], rel=1e-9)
    assert blocked.se == pytest.approx(said["poststratified_hc2"][1], rel=1e-9)
    lin = difference(rows(z, d["y"], x=np.column_stack([d["x1"], d["x2"]])), 1, adjust=True)
    assert (lin.estimate, lin.se) == pytest.approx(said["lin_hc2"][:2], rel=1e-9)
    assert lin.df == pytest.approx(said["lin_bm"][2], rel=1e-8)
    welch = difference(rows(z, d["y"]), 1)
    assert (welch.estimate, welch.se, welch.df) == pytest.approx(said["welch"], rel=1e-9)


def test_clusters_are_rs(rows, reference):
    """CR2 and Satterthwaite degrees of freedom of clubSandwich: plain, blocks, Lin, clusters across arms."""
    d, said = reference
    zg, g = d["zg"].astype(int), d["g"].astype(int)
    x = np.column_stack([d["x1"], d["x2"]])
    cases = {
        "cr2": difference(rows(zg, d["y"], cluster=g), 1),
        "cr2_blocks": difference(rows(zg, d["y"], cluster=g, stratum=d["h"].astype(int)), 1),
        "cr2_lin": difference(rows(zg, d["y"], cluster=g, x=x), 1, adjust=True),
        "cr2_spanning": difference(rows(d["z"].astype(int), d["y"], cluster=g), 1),
    }
    for name, got in cases.items():
        assert (got.estimate, got.se, got.df) == pytest.approx(said[name], rel=1e-8), name


def test_matched_pairs_are_the_paired_t_test(rows):
    """Darwin's Zea mays: one unit an arm in every stratum falls back on block effects; t 2.148, 14 df."""
    d = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])
    pair = np.tile(np.arange(15), 2)
    got = difference(
        rows(np.repeat([1, 0], 15), np.concatenate([d, np.zeros(15)]), stratum=pair), 1
    )
    assert got.estimate / got.se == pytest.approx(2.14799, abs=5e-6)
    assert got.df == pytest.approx(14, rel=1e-9)
    assert got.p == pytest.approx(0.0497029, abs=5e-8)
    assert "block fixed effects" in got.notes[0]


def test_lin_2013_table_2(rows, table):
    """Lin (2013), table 2, men: unadjusted -0.036 (0.158), interacted -0.081 (0.146), HC0 there."""
    d = table("star_men.csv")
    arm = d["sfsp"].astype(int)
    plain = difference(rows(arm, d["GPA_year1"], x=d["gpa0"]), 1)
    lin = difference(rows(arm, d["GPA_year1"], x=d["gpa0"]), 1, adjust=True)
    assert plain.estimate == pytest.approx(-0.036, abs=5e-4)
    assert lin.estimate == pytest.approx(-0.081220, abs=5e-7)
    assert lin.se == pytest.approx(0.147868, abs=5e-7)  # HC2


@pytest.fixture(scope="module")
def letters():
    with gzip.open(LETTERS, "rt") as file:
        return list(csv.DictReader(file))


def test_karlan_and_list_2007(rows, letters):
    """Table 2A: response 0.018 of 16,687 without a match, 0.022 with; difference 0.004180 (HC1 0.0013025)."""
    arm = np.array([int(r["treatment"]) for r in letters])
    gave = np.array([int(r["gave"]) for r in letters])
    grouped = rows(arm, gave)
    got = difference(grouped, 1)
    assert got.estimate == pytest.approx(0.00418035, abs=5e-9)
    assert got.se == pytest.approx(0.00130250, rel=5e-5)
    control = arm_means(grouped, kind="proportion")[0]
    assert control.n == 16687
    assert control.mean == pytest.approx(0.01786, abs=5e-6)


def test_dollars_a_letter_of_karlan_and_list(rows, letters):
    """Table 2A: 0.813 (0.063) without a match, 0.937 (0.089) at 1:1, 1.026 (0.089) at 2:1."""
    order = ["control", "1:1", "2:1"]
    kept = [r for r in letters if r["match_ratio"] in order]
    arm = np.array([order.index(r["match_ratio"]) for r in kept])
    means = arm_means(rows(arm, [float(r["amount"]) for r in kept], k=3))
    want = [(16687, 0.813, 0.063), (11133, 0.937, 0.089), (11134, 1.026, 0.089)]
    for got, (n, mean, se) in zip(means, want, strict=True):
        assert got.n == n
        assert got.mean == pytest.approx(mean, abs=5e-4)
        assert got.sd / math.sqrt(got.n) == pytest.approx(se, abs=5e-4)


outcomes = st.lists(st.integers(0, 6), min_size=2, max_size=25)


@settings(max_examples=60, deadline=None)
@given(outcomes, outcomes)
def test_hc2_is_neymans_variance_and_scipys_welch(rows, a, b):
    """Exact identity on arbitrary counts."""
    if np.var(a) + np.var(b) == 0:
        return
    got = difference(rows([1] * len(a) + [0] * len(b), a + b), 1)
    sd = [np.std(v, ddof=1) for v in (a, b)]
    want = stats.ttest_ind_from_stats(
        np.mean(a), sd[0], len(a), np.mean(b), sd[1], len(b), equal_var=False
    )
    assert got.se == pytest.approx(
        math.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b)), rel=1e-10
    )
    assert got.p == pytest.approx(want.pvalue, rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(outcomes, outcomes, st.integers(0, 2**16))
def test_row_order_arm_labels_and_constants_do_not_matter(rows, a, b, seed):
    """Reordering rows changes nothing; swapping arms flips the sign; a constant moves only the means."""
    if np.var(a) + np.var(b) == 0:
        return
    rng = np.random.default_rng(seed)
    arm, y = np.array([1] * len(a) + [0] * len(b)), np.array(a + b, float)
    x, s = rng.integers(0, 3, len(y)), rng.integers(0, 2, len(y))
    order = rng.permutation(len(y))
    for adjust in (False, True):
        got = difference(rows(arm, y, x=x, stratum=s), 1, adjust=adjust)
        if isinstance(got, Absent):
            continue
        again = difference(
            rows(arm[order], y[order], x=x[order], stratum=s[order]), 1, adjust=adjust
        )
        assert (again.estimate, again.low, again.high) == pytest.approx(
            (got.estimate, got.low, got.high), abs=1e-8
        )
        swapped = difference(rows(1 - arm, y, x=x, stratum=s), 1, adjust=adjust)
        assert (-swapped.estimate, -swapped.high) == pytest.approx(
            (got.estimate, got.low), abs=1e-8
        )
        if got.se is None:  # a score interval, which is of proportions alone: 3 and 4 are none
            continue
        moved = difference(rows(arm, y + 3, x=x, stratum=s), 1, adjust=adjust)
        assert (moved.estimate, moved.high) == pytest.approx((got.estimate, got.high), abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(outcomes, outcomes, st.floats(0.5, 0.99))
def test_the_interval_inverts_its_test(rows, a, b, level):
    """An interval at level 1 - p ends exactly at zero."""
    got = difference(rows([1] * len(a) + [0] * len(b), a + b), 1, level=level)
    if isinstance(got, Absent) or got.p is None or not 1e-9 < got.p < 1 - 1e-9:
        return
    touching = difference(rows([1] * len(a) + [0] * len(b), a + b), 1, level=1 - got.p)
    nearer = touching.low if got.estimate > 0 else touching.high
    assert nearer == pytest.approx(0, abs=1e-6 * max(1, abs(got.estimate)))


def test_lin_with_several_arms_centres_on_the_whole_sample(rows):
    """With three arms the effect is that of a regression with every arm interacted, by statsmodels."""
    import statsmodels.formula.api as smf
    from pandas import DataFrame

    rng = np.random.default_rng(4)
    arm, x = rng.integers(0, 3, 300), rng.integers(0, 5, 300).astype(float)
    y = arm + 0.5 * x + 0.2 * arm * x + rng.normal(size=300)
    frame = DataFrame({"y": y, "a": arm == 1, "b": arm == 2, "x": x - x.mean()}).astype(float)
    want = smf.ols("y ~ (a + b) * x", frame).fit(cov_type="HC2")
    got = difference(rows(arm, y, x=x, k=3), 2, adjust=True)
    assert got.estimate == pytest.approx(want.params["b"], rel=1e-8)
    assert got.se == pytest.approx(want.bse["b"], rel=1e-8)


def test_adjustment_narrows_the_interval_when_the_covariate_predicts(rows):
    rng = np.random.default_rng(8)
    x = rng.integers(0, 8, 2000).astype(float)
    arm = rng.permutation(np.repeat([0, 1], 1000))
    y = x + rng.normal(size=2000)
    plain, lin = (difference(rows(arm, y, x=x), 1, adjust=a) for a in (False, True))
    # The residual variance share 1/(1 + Var x) is 1/6.25, so the error falls to 0.4 of itself.
    assert lin.se / plain.se == pytest.approx(0.4, abs=0.02)


def test_wilson_and_student_limits_of_arms(rows):
    """statsmodels' Wilson limits; SciPy's t limits."""
    from statsmodels.stats.proportion import proportion_confint

    y = [1] * 7 + [0] * 43 + [1] * 9 + [0] * 21
    arms = arm_means(rows([0] * 50 + [1] * 30, y), kind="proportion")
    for got, (k, n) in zip(arms, [(7, 50), (9, 30)], strict=True):
        assert (got.low, got.high) == pytest.approx(
            proportion_confint(k, n, method="wilson"), rel=1e-10
        )
    own = arm_means(rows([1] * 10 + [0] * 10, SLEEP_1 + SLEEP_2))[1]
    want = stats.t.interval(0.95, 9, np.mean(SLEEP_1), stats.sem(SLEEP_1))
    assert (own.low, own.high) == pytest.approx(want, rel=1e-10)


def test_clustered_arm_limits_widen_with_the_design_effect(rows):
    """Clusters that agree entirely count as single units: Wilson at the number of clusters."""
    y = np.repeat([1, 0, 0, 0, 1, 0, 0, 0, 0, 0], 20)
    own = arm_means(
        rows(np.zeros(200, int), y, cluster=np.repeat(np.arange(10), 20)), kind="proportion"
    )[0]
    se = math.sqrt(0.2 * 0.8 / 9)
    assert own.clusters == 10
    assert (own.low, own.high) == pytest.approx(wilson(0.2 * 9, 0.16 / se**2, df=9.0), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(outcomes, outcomes)
def test_ratio_and_difference_agree_on_no_effect(rows, a, b):
    """Where both are reported, a ratio interval is all above one only if the ratio's p-value says so."""
    got = ratio(rows([1] * len(a) + [0] * len(b), a + b), 1)
    if (
        isinstance(got, Absent)
        or got.p is None
        or not math.isfinite(got.high)
        or got.method.startswith("ratio of prop")
    ):
        return
    excludes = got.low > 1 or got.high < 1
    assert excludes == (got.p < 0.05) or abs(got.p - 0.05) < 1e-6


def test_log_ratio_error_is_the_delta_method(rows):
    rng = np.random.default_rng(1)
    a, b = rng.poisson(4, 400), rng.poisson(5, 300)
    got = ratio(rows([1] * 400 + [0] * 300, np.concatenate([a, b])), 1)
    se = math.sqrt(a.var(ddof=1) / 400 / a.mean() ** 2 + b.var(ddof=1) / 300 / b.mean() ** 2)
    assert got.se / got.estimate == pytest.approx(se, rel=1e-9)


def test_fieller_limits_solve_the_defining_equation():
    """(top - r bottom)^2 = t^2 Var(top - r bottom) at both limits."""
    limits = fieller((3.0, 2.0), (0.3, 0.05, 0.1), 2.0)
    for r in limits:
        assert (3 - 2 * r) ** 2 == pytest.approx(4 * (0.3 - 2 * r * 0.05 + r**2 * 0.1), rel=1e-9)
    assert fieller((3.0, 0.1), (0.3, 0.0, 0.1), 2.0) is None


DEGENERATE = {
    "nobody converted": ([0] * 50 + [1] * 50, [0] * 100, {}, Estimate, Absent),
    "everybody converted": ([0] * 50 + [1] * 50, [1] * 100, {}, Estimate, Absent),
    "one unit in an arm": ([0] * 50 + [1], [0, 1] * 25 + [1], {}, "too-few-units", "too-few-units"),
    "nobody in an arm": ([0] * 50, [0, 1] * 25, {}, "empty-arm", "empty-arm"),
    "nobody at all": ([], [], {}, "empty-arm", "empty-arm"),
    "one cluster in an arm": (
        [0] * 40 + [1] * 20, [0, 1] * 30, {"cluster": np.repeat([0, 1, 2], 20)},
        "too-few-clusters", "too-few-clusters"),
    "zero variance": ([0] * 10 + [1] * 10, [3] * 10 + [4] * 10, {}, "no-variation", "no-variation"),
    "zero variance in clusters": (
        [0] * 20 + [1] * 20, [0] * 40, {"cluster": np.repeat(range(4), 10)}, "no-variation", "control-mean-zero"),
    "control mean zero": ([0] * 50 + [1] * 50, [0] * 50 + [0, 1] * 25, {}, Estimate, "control-mean-zero"),
    "treated mean zero": ([0] * 50 + [1] * 50, [0, 1] * 25 + [0] * 50, {}, Estimate, Estimate),
    "control mean below zero": ([0] * 3 + [1] * 3, [-1, -2, -3, 1, 2, 3], {}, Estimate, "control-mean-zero"),
    "constant covariate": ([0] * 50 + [1] * 50, [0, 1, 1, 0] * 25, {"x": np.ones(100)}, Estimate, Estimate),
    "covariate that is the arm": ([0] * 50 + [1] * 50, [0, 1, 1, 0] * 25, {"x": np.repeat([0, 1], 50)}, Estimate, Estimate),
    "covariate never known": ([0] * 50 + [1] * 50, [0, 1, 1, 0] * 25, {"x": np.full(100, np.nan)}, Estimate, Estimate),
    "covariate sometimes known": (
        [0] * 50 + [1] * 50, [0, 1, 1, 0] * 25, {"x": np.tile([1, 2, np.nan, 4, 5], 20)}, Estimate, Estimate),
    "more covariates than units": (
        [0] * 3 + [1] * 3, [1, 2, 4, 3, 5, 9], {"x": np.arange(30).reshape(6, 5) % 7}, Estimate, None),
    "strata without overlap": ([0] * 10 + [1] * 10, [0, 1] * 10, {"stratum": np.repeat([0, 1], 10)}, "no-overlap", "no-overlap"),
    "stratum of one": ([0] * 10 + [1] * 11, [0, 1] * 10 + [1], {"stratum": [0] * 20 + [1]}, Estimate, Estimate),
    "two clusters an arm": ([0] * 20 + [1] * 20, [0, 1, 1, 0, 0] * 8, {"cluster": np.repeat(range(4), [7, 13, 11, 9])}, Estimate, Estimate),
}  # fmt: skip


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("adjust", [False, True])
def test_degenerate_data_give_an_answer_or_a_named_reason(rows, name, adjust):
    arm, y, keys, want_difference, want_ratio = DEGENERATE[name]
    grouped = rows(arm, y, **keys)
    arm_means(grouped)
    arm_means(grouped, kind="proportion") if set(y) <= {0, 1} else None
    for method, want in ((difference, want_difference), (ratio, want_ratio)):
        got = method(grouped, 1, adjust=adjust)  # an Estimate refuses to hold NaN
        if isinstance(want, str):
            assert isinstance(got, Absent)
            assert got.code == want
        elif want is not None:
            assert isinstance(got, want)


def test_few_degrees_of_freedom_withhold_the_p_value(rows):
    """Two clusters an arm: an interval is given, the p-value is left to redrawing."""
    got = difference(
        rows([0] * 20 + [1] * 20, [0, 1, 1, 0, 0] * 8, cluster=np.repeat(range(4), [4, 16, 11, 9])),
        1,
    )
    assert got.df < 3
    assert got.p is None
    assert any("randomisation" in n for n in got.notes)


def test_units_of_unknown_cluster_are_left_out_and_counted(rows):
    cluster = np.repeat(range(6), 10)
    grouped = rows([0] * 30 + [1] * 30, np.arange(60) ** 2 % 7, cluster=cluster)
    codes = grouped.cluster.codes.copy()
    codes[codes == 5] = -1
    from dataclasses import replace

    lost = replace(grouped, cluster=replace(grouped.cluster, codes=codes))
    got = difference(lost, 1)
    assert "10 units" in got.notes[0]
    assert got.estimate == difference(grouped.where(grouped.cluster.codes != 5), 1).estimate


def test_many_clusters_that_span_many_strata_are_compared_without_strata(rows):
    """4,000 households over 100 strata of persons: named, quick, and near the answer with strata."""
    rng = np.random.default_rng(14)
    g = np.repeat(np.arange(4000), 2)
    s, arm = rng.integers(0, 100, 8000), (g % 2).astype(int)
    y = rng.normal(size=8000) + 0.1 * arm
    got = difference(rows(arm, y, cluster=g, stratum=s), 1)
    assert "without strata" in got.notes[0]
    assert got.estimate == pytest.approx(y[arm == 1].mean() - y[arm == 0].mean(), abs=1e-12)
    few = difference(rows(arm, y, cluster=g, stratum=s % 5), 1)
    assert few.notes == ()
    assert few.se == pytest.approx(got.se, rel=0.02)


def test_a_control_mean_of_nought_and_rounding_gives_no_ratio(rows):
    """Covariates whose fit leaves 1e-17 where the truth is nought once gave a ratio of 1e16."""
    rng = np.random.default_rng(5)
    arm, x = np.repeat([0, 1], 200), rng.normal(size=400)
    y = np.where(arm == 1, 3.0, x - x.mean())
    for sign in (1, -1):
        found = ratio(rows(arm, np.where(arm == 1, y, sign * y), x=x), 1, adjust=True)
        assert found.code == "control-mean-zero"


def test_arms_without_spread_are_not_said_to_be_alike_when_they_differ(rows):
    """Three for everybody in one arm and four in the other: nothing varies, yet they differ."""
    got = difference(rows([0] * 10 + [1] * 10, [3] * 10 + [4] * 10), 1)
    assert got.why.startswith("Within each arm")
