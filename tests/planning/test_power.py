"""Sample size, detectable effect and power against published tables and independent libraries."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from analysis.frequentist.stepped_wedge import wedge_difference
from analysis.planning import Guardrail, PowerRequest, plan_power
from analysis.planning.designs import (
    clusters_by_step,
    design_effect,
    stepped_wedge_df,
    stepped_wedge_variance,
)
from analysis.tables import Grouped, Key
from trials.errors import SignpostError


def plan(**options):
    return plan_power(PowerRequest(**options))


EFFECTS = (0.005, 0.01, 0.014, 0.02, 0.03, 0.05)
PER_ARM = {
    0.05: (28_408, 6_745, 3_295, 1_506, 588),
    0.10: (55_252, 13_495, 6_755, 3_213, 1_356, 435),
    0.20: (99_519, 24_641, 12_474, 6_039, 2_629, 906),
    0.31: (133_709, 33_275, 16_914, 8_241, 3_627, 1_279),
    0.40: (150_380, 37_513, 19_105, 9_336, 4_129, 1_471),
    0.50: (156_973, 39_240, 20_018, 9_806, 4_356, 1_565),
    0.87: (72_174, 18_330, 9_469, 4_724, 2_162, 822),
}


@pytest.mark.parametrize("baseline", PER_ARM)
def test_reductions_of_a_proportion_need_the_tabled_units_per_arm(baseline):
    wanted = PER_ARM[baseline]
    found = [plan(baseline=baseline, mde=e).n_per_arm for e in EFFECTS[: len(wanted)]]
    assert found == list(wanted)


RELATIVE = {
    0.05: (116_470, 28_406, 6_743), 0.10: (55_249, 13_493, 3_211),
    0.18: (28_039, 6_865, 1_641), 0.30: (14_435, 3_551, 856),
}  # fmt: skip


@pytest.mark.parametrize("baseline", RELATIVE)
def test_relative_cuts_match_the_unpooled_table_within_its_variance_choice(baseline):
    """The table uses the unpooled variance throughout; ours pools under the null (larger)."""
    for share, wanted in zip((0.05, 0.10, 0.20), RELATIVE[baseline], strict=True):
        found = plan(baseline=baseline, mde=share * baseline).n_per_arm
        p0, p1 = baseline, baseline * (1 - share)
        spread = p0 * (1 - p0) + p1 * (1 - p1)
        unpooled = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * spread / (p0 - p1) ** 2
        assert math.ceil(unpooled) == pytest.approx(wanted, abs=1)
        assert unpooled <= found <= unpooled * 1.01


@pytest.mark.parametrize(
    ("options", "n"),
    [
        ({"baseline": 0.31, "mde": 0.05, "power": 0.9}, 1_711),
        ({"baseline": 0.18, "mde": 0.04}, 1_318),
        ({"baseline": 0.18, "mde": 0.04, "arms": 3}, 1_596),
        ({"baseline": 0.41, "mde": 0.08}, 571),
        ({"baseline": 0.35, "mde": 0.08}, 524),
        ({"baseline": 0.12, "mde": 0.02}, 3_841),
        ({"baseline": 0.12, "mde": 0.02, "arms": 3}, 4_652),
        ({"baseline": 0.12, "mde": 0.014}, 8_027),
        ({"baseline": 0.12, "mde": 0.0096}, 17_361),
        ({"baseline": 0.173, "mde": 0.014, "direction": "higher"}, 11_821),
        ({"kind": "count", "baseline": 1.35, "sd": 0.9, "mde": 0.05}, 5_087),
        ({"baseline": 0.9, "margin": 0.02}, 3_532),
        ({"baseline": 0.05, "margin": 0.01}, 7_457),
    ],
)
def test_specimen_trials_need_their_published_sizes(options, n):
    assert plan(**options).n_per_arm == n


def test_ninety_chats_a_week_take_twenty_nine_weeks():
    answer = plan(baseline=0.31, mde=0.05, weekly=90, unit="chats")
    assert (answer.total, answer.weeks) == (2_558, 29)
    assert answer.says == (
        "1,279 chats in each arm (2,558 in all) give an 80% chance of finding a fall from 31.0% "
        "to 26.0%. At 90 chats a week you need about 29 weeks."
    )


def test_small_trials_see_large_effects_only():
    assert plan(baseline=0.35, n=250).detectable_effect == pytest.approx(0.114, abs=5e-4)
    assert plan(baseline=0.173, mde=0.014, n=1000).power == pytest.approx(0.13, abs=5e-3)


def test_power_t_test_and_power_prop_test_of_r():
    assert plan(kind="mean", sd=1, mde=1, n=20).power == pytest.approx(0.8689528, abs=5e-8)
    up = plan(baseline=0.5, mde=0.25, n=50, direction="higher")
    assert up.power == pytest.approx(0.7401659, abs=5e-8)
    assert plan(kind="mean", sd=1, mde=1, power=0.9).n_per_arm == math.ceil(22.02110)
    wanted = plan(baseline=0.5, mde=0.25, power=0.9, direction="higher")
    assert wanted.n_per_arm == math.ceil(76.7069)


@pytest.mark.parametrize(
    ("sd", "mde", "ratio", "alpha"),
    [(1, 0.3, 1, 0.05), (12.0, 2.0, 2, 0.01), (0.5, 0.4, 3, 0.1)],
)
def test_means_agree_with_statsmodels(sd, mde, ratio, alpha):
    answer = plan(kind="mean", sd=sd, mde=mde, ratio=(1, ratio), alpha=alpha)
    n = TTestIndPower().solve_power(mde / sd, alpha=alpha, power=0.8, ratio=ratio)
    assert answer.n_by_arm == (math.ceil(n), math.ceil(ratio * n))


def test_counts_with_a_spread_agree_with_statsmodels():
    n = NormalIndPower().solve_power(0.05 / 0.9, alpha=0.05, power=0.8)
    answer = plan(kind="count", baseline=1.35, sd=0.9, mde=0.05)
    assert answer.n_per_arm == math.ceil(n)


def test_poisson_counts_use_each_arms_own_variance():
    from statsmodels.stats.rates import power_poisson_diff_2indep

    answer = plan(kind="count", baseline=2.0, mde=0.25)
    theirs = power_poisson_diff_2indep(
        1.75, 2.0, nobs1=answer.n_per_arm, nobs_ratio=1, alpha=0.05, method_var="score"
    )
    assert answer.power == pytest.approx(theirs.power, abs=1e-4)
    assert answer.power == pytest.approx(0.8, abs=2e-3)


def test_time_to_event_follows_schoenfelds_events():
    answer = plan(kind="time-to-event", baseline=0.4, mde=0.1)
    log_ratio = math.log(math.log(0.7) / math.log(0.6))
    events = 4 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 / log_ratio**2
    assert answer.total == pytest.approx(events / 0.35, abs=2)


# --- clusters -------------------------------------------------------------------------------


def test_design_effects_with_equal_and_unequal_clusters():
    assert design_effect(20, 0.05) == pytest.approx(1.95, abs=1e-12)
    assert design_effect(20, 0.05, 0.65) == pytest.approx(2.3725, abs=1e-12)


def test_clusters_multiply_the_size_and_add_for_their_degrees_of_freedom():
    answer = plan(baseline=0.31, mde=0.05, icc=0.02, cluster_size=12, cluster_cv=0.5)
    assert answer.design_effect == pytest.approx(1 + (1.25 * 12 - 1) * 0.02)
    plain = 1_279 * answer.design_effect
    assert plain <= answer.n_per_arm < plain * 1.02
    assert answer.clusters * 12 == answer.total


def test_few_clusters_use_students_t_with_two_fewer_degrees_than_clusters():
    """Against the non-central t written out: 8 clusters of 20, ICC 0.05."""
    answer = plan(kind="mean", sd=1.0, mde=0.5, icc=0.05, cluster_size=20, clusters=8)
    error = math.sqrt(1.95 * 2 / 80)
    wanted = stats.nct.sf(stats.t(6).isf(0.025), 6, 0.5 / error)
    assert answer.power == pytest.approx(wanted, rel=1e-9)
    assert answer.attainable_power > answer.power


def test_attainable_power_is_reached_by_huge_clusters_only():
    small = plan(baseline=0.31, mde=0.05, icc=0.05, cluster_size=50, clusters=12)
    huge = plan(baseline=0.31, mde=0.05, icc=0.05, cluster_size=1e7, clusters=12)
    assert huge.power == pytest.approx(small.attainable_power, rel=1e-4)
    assert any("more clusters are needed" in note for note in small.notes)


# --- several arms ---------------------------------------------------------------------------


def test_dunnett_needs_fewer_than_bonferroni_and_more_than_none():
    sizes = [
        plan(baseline=0.18, mde=0.04, arms=4, several=s).n_per_arm
        for s in ("none", "dunnett", "bonferroni")
    ]
    assert sizes == sorted(sizes)
    assert sizes[1] < sizes[2]


def test_unequal_arms_hold_their_ratio_and_the_weakest_comparison_its_power():
    answer = plan(baseline=0.31, mde=0.05, arms=3, ratio=(1, 1, 2))
    n = answer.n_by_arm
    assert n[2] == pytest.approx(2 * n[0], abs=1)
    alone = plan(baseline=0.31, mde=0.05, alpha=0.025)
    assert n[:2] == (alone.n_per_arm, alone.n_per_arm)


# --- switchback, stepped wedge ---------------------------------------------------------------


@pytest.mark.parametrize(("periods", "percent"), [(20, 7.5), (30, 6.1), (40, 5.3), (60, 4.3)])
def test_switchback_detectable_effects_are_the_tabled_ones(periods, percent):
    answer = plan(periods=periods, period_cv=0.06)
    assert 100 * answer.detectable_effect == pytest.approx(percent, abs=0.05)
    assert "Student's t" in answer.notes[0]


def test_switchback_periods_follow_from_the_effect():
    assert plan(period_cv=0.06, baseline=200, kind="count", mde=10.0).periods == 46
    assert plan(period_cv=0.06, mde=0.0532).periods == 40


def by_least_squares(clusters, steps, size, icc, variance):
    """The effect's variance by the whole design matrix, a dummy for each cluster and period."""
    t = steps + 1
    period = np.tile(np.arange(t), clusters)
    cluster = np.repeat(np.arange(clusters), t)
    dummies = [period[:, None] == np.arange(1, t), cluster[:, None] == np.arange(clusters)]
    x = np.column_stack([*dummies, period > cluster % steps]).astype(float)
    return np.linalg.inv(x.T @ x)[-1, -1] * variance * (1 - icc) / size


@pytest.mark.parametrize(
    ("clusters", "steps", "size", "icc"), [(12, 4, 30, 0.05), (6, 3, 1, 0.0), (20, 5, 200, 0.2)]
)
def test_stepped_wedge_variance_is_that_of_least_squares_with_cluster_effects(
    clusters, steps, size, icc
):
    by_step = clusters_by_step(clusters, steps)
    ours = stepped_wedge_variance(by_step, size=size, icc=icc, variance=0.21)
    assert ours == pytest.approx(by_least_squares(clusters, steps, size, icc, 0.21), rel=1e-9)


@pytest.mark.parametrize(("clusters", "steps"), [(6, 3), (12, 4), (21, 2)])
def test_stepped_wedge_degrees_of_freedom_are_those_of_the_analysis(clusters, steps):
    cluster, week = np.divmod(np.arange(clusters * (steps + 1)), steps + 1)
    y = np.random.default_rng(1).normal(size=len(week))
    table = Grouped(
        arms=("before", "after"), control=0, weights=(1, 1), n=np.full(len(y), 7.0), y=7 * y,
        yy=7 * y**2 + 1, arm=(week > cluster % steps).astype(np.int64),
        cluster=Key(name="c", codes=cluster, levels=tuple(map(str, range(clusters)))),
        period=Key(name="w", codes=week, levels=tuple(map(str, range(steps + 1)))),
    )  # fmt: skip
    assert stepped_wedge_df(clusters_by_step(clusters, steps)) == pytest.approx(
        wedge_difference(table, 1).df
    )


def test_stepped_wedge_design_effect_is_woertmans_where_clusters_are_taken_out_whole():
    """Woertman et al. (2013): k steps, one measurement per step, one baseline period.

    Cluster effects that are fixed come to clusters so large that rho times their size swamps one.
    """
    k, rho, swamps = 4, 0.05, 1e12
    answer = plan(baseline=0.31, mde=0.05, icc=rho, cluster_size=50, steps=k)
    per_cluster = (1 + rho * (k * swamps + swamps - 1)) / (1 + rho * (k * swamps / 2 + swamps - 1))
    woertman = per_cluster * 3 * (1 - rho) / (2 * (k - 1 / k)) * (k + 1)
    assert answer.design_effect == pytest.approx(woertman, rel=1e-9)
    assert answer.clusters % k == 0


@pytest.mark.parametrize("autocorrelation", [0.0, 0.8, 1.0])
def test_clusters_that_drift_need_what_hooper_and_others_say(autocorrelation):
    """Hooper, Teerenstra, de Hoop & Eldridge (2016): 3 L (1 - r) (1 + L r) / ((L^2 - 1) (2 + L r)).

    Times 1 + (m - 1) rho, with r the correlation of a cluster's means in two periods; with fixed
    cluster effects what lasts of the clusters swamps everything, and (1 - r) stays what moves.
    """
    k, rho, size = 4, 0.05, 50
    answer = plan(baseline=0.31, mde=0.05, icc=rho, cluster_size=size, steps=k,
                  cluster_autocorrelation=autocorrelation)  # fmt: skip
    between, moving = rho * autocorrelation, (1 - rho) / size + rho * (1 - autocorrelation)
    assert between + moving == pytest.approx((1 + (size - 1) * rho) / size)
    swamped = between + 1e9
    r = swamped / (swamped + moving)
    hooper = size * moving * 3 * k * (1 + k * r) / ((k**2 - 1) * (2 + k * r))
    assert answer.design_effect == pytest.approx(hooper * (k + 1), rel=1e-6)
    assert ("80%" in " ".join(answer.notes)) == (autocorrelation == 0.8)


def test_a_stepped_wedge_of_too_few_clusters_for_an_interval_has_no_power():
    few = {"baseline": 0.31, "mde": 0.3, "icc": 0.05, "cluster_size": 5000, "steps": 4}
    assert plan(**few, clusters=4).power == 0
    assert plan(**few).clusters == 8


# --- looks, guardrails, the rest --------------------------------------------------------------


def test_looks_cost_the_published_inflation():
    """Jennison and Turnbull's factors for two-sided 5%, power 80%, five equal looks: Pocock-type
    spending about 1.22, O'Brien-Fleming-type about 1.03."""
    fixed = plan(baseline=0.31, mde=0.005).n_per_arm
    pocock = plan(baseline=0.31, mde=0.005, looks=5, spending="pocock").n_per_arm / fixed
    fleming = plan(baseline=0.31, mde=0.005, looks=5).n_per_arm / fixed
    assert pocock == pytest.approx(1.22, abs=0.01)
    assert fleming == pytest.approx(1.03, abs=0.01)


def test_expected_size_with_looks_is_below_the_fixed_one():
    answer = plan(baseline=0.31, mde=0.05, looks=4, spending="pocock")
    assert answer.expected_total < 2_558 < answer.total
    assert [look["fraction"] for look in answer.looks] == [0.25, 0.5, 0.75, 1.0]


def test_the_whole_rule_has_the_product_of_its_powers():
    alone = plan(baseline=0.31, mde=0.05, n=3000).power
    rail = plan(baseline=0.9, margin=0.02, n=3000).power
    rule = plan(baseline=0.31, mde=0.05, n=3000, guardrails=(Guardrail(baseline=0.9, margin=0.02),))
    assert rule.power == pytest.approx(alone * rail, rel=1e-9)


def test_covariates_that_explain_a_third_save_a_third():
    plain, helped = plan(baseline=0.31, mde=0.01), plan(baseline=0.31, mde=0.01, explained=1 / 3)
    assert helped.n_per_arm == pytest.approx(plain.n_per_arm * 2 / 3, abs=1)


def test_weeks_instead_of_units():
    answer = plan(baseline=0.31, weekly=90, weeks=6)
    assert answer.total == 540
    assert answer.detectable_effect == pytest.approx(answer.horizon[0]["detectable_effect"])
    assert answer.horizon[1]["weeks"] == 12


@settings(max_examples=40, deadline=None)
@given(
    baseline=st.floats(0.02, 0.98),
    share=st.floats(0.05, 0.9),
    arms=st.integers(2, 4),
    icc=st.sampled_from([None, 0.0, 0.03]),
    looks=st.integers(1, 4),
)
def test_size_effect_and_power_agree_with_each_other(baseline, share, arms, icc, looks):
    options = {"baseline": baseline, "arms": arms, "looks": looks}
    if icc is not None:
        options |= {"icc": icc, "cluster_size": 8}
    mde = share * baseline
    sized = plan(**options, mde=mde)
    assert sized.power >= 0.8 - 1e-9
    again = plan(**options, n=sized.n_per_arm)
    assert again.detectable_effect is not None
    assert again.detectable_effect <= mde * (1 + 1e-6)
    assert plan(**options, mde=mde, n=sized.n_per_arm).power == pytest.approx(sized.power)


def test_an_effect_no_rate_can_have_is_told_and_not_a_crash():
    answer = plan(baseline=0.02, n=50)
    assert answer.detectable_effect is None
    assert "no possible effect" in answer.says


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "needs its baseline"),
        ({"baseline": 0.3}, "nothing to solve for"),
        ({"baseline": 31, "mde": 0.05}, "0.31 is 31%"),
        ({"baseline": 0.3, "mde": 5}, "30% cannot fall by 500 percentage points"),
        ({"baseline": 0.3, "mde": -0.05}, "above 0"),
        ({"baseline": 0.3, "mde": float("nan")}, "mde is nan"),
        ({"baseline": 0.3, "mde": 0.1, "margin": 0.1}, "not both"),
        ({"baseline": 0.3, "mde": 0.1, "alpha": 0}, "alpha is 0"),
        ({"baseline": 0.3, "mde": 0.1, "power": 1}, "power is 1"),
        ({"baseline": 0.3, "mde": 0.1, "arms": 1}, "1 arms"),
        ({"baseline": 0.3, "mde": 0.1, "arms": 3, "ratio": (1, 1, 1, 1)}, "4 weights for 3 arms"),
        ({"baseline": 0.3, "mde": 0.1, "ratio": (1, 0)}, "weight above 0"),
        ({"baseline": 0.3, "mde": 0.1, "icc": 1.0, "cluster_size": 5}, "icc must be"),
        ({"baseline": 0.3, "mde": 0.1, "icc": 0.1}, "need their size"),
        ({"baseline": 0.3, "mde": 0.1, "cluster_size": 5}, "need their icc"),
        ({"baseline": 0.3, "mde": 0.1, "looks": 0}, "0 looks"),
        ({"baseline": 0.3, "mde": 0.1, "weekly": 0}, "weekly is 0"),
        ({"baseline": 0.3, "weeks": 6}, "weekly volume"),
        ({"baseline": 0.3, "n": 1}, "n is 1"),
        ({"kind": "mean", "mde": 1}, "a mean needs its sd"),
        ({"kind": "mean", "mde": 1, "sd": 0}, "sd is 0"),
        ({"kind": "count", "mde": 1}, "needs its baseline or its sd"),
        ({"kind": "count", "baseline": 1.2, "mde": 2}, "count of 1.2 cannot fall by 2"),
        ({"periods": 20}, "period-cv"),
        ({"periods": 20, "period_cv": 0.1, "icc": 0.1}, "randomises periods"),
        ({"baseline": 0.3, "mde": 0.1, "steps": 3}, "icc must be"),
        ({"baseline": 0.3, "steps": 5, "clusters": 4, "icc": 0.1, "cluster_size": 9}, "too few for 5"),
        ({"baseline": 0.3, "mde": 0.1, "explained": 1}, "explained is 1"),
    ],
)  # fmt: skip
def test_impossible_questions_get_one_clear_sentence(options, says):
    with pytest.raises(SignpostError) as refused:
        plan(**options)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_json_has_the_contracts_fields_and_no_special_numbers():
    import json

    answer = plan(baseline=0.31, mde=0.05, looks=12, weekly=90).to_json()
    fields = {"n_per_arm", "total", "design_effect", "weeks", "power", "detectable_effect"}
    assert fields | {"method", "says"} <= answer.keys()
    json.dumps(answer, allow_nan=False)
