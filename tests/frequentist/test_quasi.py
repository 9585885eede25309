"""Comparisons that were not randomised: the numbers are right, and they say what they are."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist.interrupted import (
    Series,
    interrupted_time_series,
    newey_west_lags,
    placebo_breaks,
    quasi_poisson,
    ratio_of,
)
from analysis.frequentist.matched import matched_areas
from analysis.frequentist.quasi import (
    BEFORE_AFTER,
    NOT_RANDOMISED,
    Panel,
    before_after,
    difference_in_differences,
    four_means,
)


def series(seed=1, months=60, at=36, effect=-0.2, size=800.0):
    """Monthly counts with trend, season, overdispersion and a growing exposure."""
    rng = np.random.default_rng(seed)
    t = np.arange(months)
    exposure = 1e5 + 300.0 * t
    log = np.log(size / 1e5) + 0.004 * t + 0.1 * np.sin(2 * np.pi * t / 12) + effect * (t >= at)
    counts = rng.poisson(exposure * np.exp(log) * rng.gamma(200, 1 / 200, months)).astype(float)
    return Series(counts=counts, after=t >= at, exposure=exposure)


# --- interrupted time series -----------------------------------------------------------------


def columns(s):
    t = np.arange(len(s.counts))
    angles = [2 * np.pi * i * t / 12 for i in (1, 2)]
    waves = [wave(a) for a in angles for wave in (np.sin, np.cos)]
    return np.column_stack([np.ones(len(t)), s.after, t, *waves])


def test_quasi_poisson_equals_statsmodels_glm():
    s = series()
    x = columns(s)
    ours = quasi_poisson(s.counts, x, s.exposure)
    theirs = sm.GLM(
        s.counts, x, family=sm.families.Poisson(), offset=np.log(s.exposure)
    ).fit(scale="X2", tol=1e-13)  # fmt: skip
    assert ours.beta == pytest.approx(theirs.params, rel=1e-8)
    assert ours.dispersion == pytest.approx(theirs.scale, rel=1e-8)
    assert np.sqrt(np.diag(ours.quasi)) == pytest.approx(theirs.bse, rel=1e-8)


@pytest.mark.parametrize("lags", [0, 3, 7])
def test_newey_west_errors_equal_statsmodels_hac(lags):
    s = series(seed=2)
    x = columns(s)
    ours = quasi_poisson(s.counts, x, s.exposure, lags=lags)
    model = sm.GLM(s.counts, x, family=sm.families.Poisson(), offset=np.log(s.exposure))
    theirs = model.fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}, tol=1e-13
    )
    assert np.sqrt(np.diag(ours.newey_west)) == pytest.approx(theirs.bse, rel=1e-7)


def test_the_larger_error_is_reported_with_students_t():
    s = series(seed=3)
    found = interrupted_time_series(s, season=12, harmonics=2)
    fitted = quasi_poisson(s.counts, columns(s), s.exposure)
    step = np.eye(len(fitted.beta))[1]
    larger = max(ratio_of(fitted, step, errors=e).se for e in ("quasi-poisson", "newey-west"))
    e = found.estimate
    assert e.se == pytest.approx(larger)
    assert e.df == len(s.counts) - 7
    assert np.log(e.high / e.estimate) == pytest.approx(
        stats.t(e.df).isf(0.025) * larger / e.estimate
    )


def test_a_break_is_found_with_its_size_and_none_where_there_was_none():
    """Coverage over simulated series with and without a break, at the nominal 95%."""
    covered = rejected = 0
    for seed in range(150):
        e = interrupted_time_series(series(seed=seed), season=12, harmonics=1).estimate
        covered += e.low <= np.exp(-0.2) <= e.high
        null = interrupted_time_series(series(seed=seed, effect=0.0), season=12, harmonics=1)
        rejected += null.estimate.p < 0.05
    allowed = 4 * np.sqrt(0.0475 / 150)
    assert covered / 150 == pytest.approx(0.95, abs=allowed)
    assert rejected / 150 == pytest.approx(0.05, abs=allowed)


def test_a_change_of_slope_is_averaged_over_the_periods_after():
    t = np.arange(80)
    log = 7 + 0.002 * t + np.where(t >= 40, -0.1 - 0.01 * (t - 40), 0.0)
    s = Series(counts=np.exp(log), after=t >= 40)
    found = interrupted_time_series(s, slope_change=True)
    average = -0.1 - 0.01 * np.arange(40).mean()
    assert np.log(found.estimate.estimate) == pytest.approx(average, rel=1e-9)
    assert np.log(found.details["slope_change"]["estimate"]) == pytest.approx(-0.01, rel=1e-7)
    assert np.log(found.details["level_change"]["estimate"]) == pytest.approx(-0.1, rel=1e-8)


def test_known_events_are_taken_out():
    s = series(effect=0.0)
    spike = (np.arange(60) % 20 == 5).astype(float)
    struck = Series(
        counts=s.counts * np.where(spike > 0, 3.0, 1.0), after=s.after, exposure=s.exposure,
        events=spike,
    )  # fmt: skip
    with_events = interrupted_time_series(struck, season=12, harmonics=1)
    plain = interrupted_time_series(s, season=12, harmonics=1)
    assert with_events.estimate.estimate == pytest.approx(plain.estimate.estimate, abs=0.02)


def test_pretended_breaks_are_fitted_to_the_periods_before_only():
    s = series(months=72, at=48, effect=-0.5)
    for at, e in placebo_breaks(s, [16, 24, 32], season=12, harmonics=1):
        assert at in (16, 24, 32)
        assert e.low < 1 < e.high


def test_few_periods_before_and_leftover_runs_are_warned_about():
    short = interrupted_time_series(series(months=40, at=10))
    assert (short.grade, "Fewer than 12" in short.warnings[0]) == (6, True)
    t = np.arange(120)
    wavy = Series(counts=500 + 100 * np.sin(t / 6), after=t >= 60)
    assert any("misses something" in w for w in interrupted_time_series(wavy).warnings)


@pytest.mark.parametrize(
    ("s", "code"),
    [
        (Series(counts=np.ones(10), after=np.zeros(10, bool)), "one-side"),
        (Series(counts=np.ones(10), after=np.ones(10, bool)), "one-side"),
        (Series(counts=np.r_[np.ones(5), np.zeros(5)], after=np.arange(10) >= 5),
         "nothing-happened"),
        (Series(counts=np.ones(3), after=np.arange(3) >= 2), "too-few-periods"),
        (Series(counts=np.ones(10), after=np.arange(10) >= 5, exposure=np.zeros(10)),
         "no-exposure"),
        (Series(counts=np.r_[np.zeros(9), 5.0, 5.0], after=np.arange(11) >= 10,
                events=(np.arange(11) < 9).astype(float)), "no-fit"),
    ],
)  # fmt: skip
def test_series_that_cannot_answer_are_named(s, code):
    assert interrupted_time_series(s).estimate.code == code


def test_automatic_lags():
    assert [newey_west_lags(n) for n in (25, 59, 100, 400)] == [2, 3, 4, 5]


# --- difference in differences ---------------------------------------------------------------


def panel(seed=1, areas=20, periods=8, start=4, effect=0.0, drift=0.0, treated=8):
    rng = np.random.default_rng(seed)
    mark = np.arange(areas) < treated
    t = np.arange(periods)
    values = (
        rng.normal(20, 3, (areas, 1)) + 0.3 * t + drift * mark[:, None] * t
        + rng.normal(0, 1, (areas, periods)).cumsum(axis=1) * 0.3
        + rng.normal(0, 0.5, (areas, periods))
        + effect * np.outer(mark, t >= start)
    )  # fmt: skip
    names = tuple(f"a{i}" for i in range(areas))
    return Panel(areas=names, y=values, treated=mark, start=start)


def test_card_and_kruegers_four_means():
    """Full-time employment, New Jersey 20.44 to 21.03, Pennsylvania 23.33 to 21.17."""
    assert four_means((23.33, 21.17), (20.44, 21.03)) == pytest.approx(2.75, abs=1e-9)


def test_two_way_effects_give_the_difference_of_mean_changes_with_neymans_error():
    """In a balanced panel; CR2 by area is then HC2 of the areas' changes, exactly."""
    p = panel(effect=-2.0)
    change = p.y[:, 4:].mean(axis=1) - p.y[:, :4].mean(axis=1)
    a, b = change[p.treated], change[~p.treated]
    e = difference_in_differences(p).estimate
    assert e.estimate == pytest.approx(a.mean() - b.mean(), rel=1e-9)
    assert e.se == pytest.approx(np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b)), rel=1e-9)


def test_difference_in_differences_is_least_squares_on_all_the_dummies():
    """With weights too, against statsmodels on the full dummy matrix."""
    base = panel(seed=5, effect=-1.0)
    weights = np.random.default_rng(9).uniform(0.5, 3.0, base.y.shape)
    p = Panel(areas=base.areas, y=base.y, treated=base.treated, start=4, weights=weights)
    area, period = np.divmod(np.arange(p.y.size), 8)
    x = np.column_stack([
        (p.treated[area] & (period >= 4)).astype(float), area[:, None] == np.arange(20),
        period[:, None] == np.arange(1, 8),
    ])  # fmt: skip
    theirs = sm.WLS(p.y.ravel(), x.astype(float), weights=weights.ravel()).fit().params[0]
    assert difference_in_differences(p).estimate.estimate == pytest.approx(theirs, rel=1e-8)


def test_rejects_five_percent_without_an_effect_in_autocorrelated_panels():
    p = [difference_in_differences(panel(seed=s, areas=14, treated=5)).estimate.p
         for s in range(250)]  # fmt: skip
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 250))


def test_groups_that_were_already_moving_apart_are_warned_about():
    found = difference_in_differences(panel(drift=1.5))
    assert (found.grade, "moving apart" in found.warnings[0]) == (6, True)
    assert found.details["trend_before"]["estimate"] == pytest.approx(1.5, abs=0.5)
    assert difference_in_differences(panel(seed=4)).warnings == ()


@pytest.mark.parametrize(
    ("treated", "code"), [(0, "one-group"), (20, "one-group"), (1, "one-area"), (19, "one-area")]
)
def test_groups_too_small_to_compare_are_named(treated, code):
    assert difference_in_differences(panel(treated=treated)).estimate.code == code


def test_areas_that_move_exactly_alike_have_no_error():
    p = panel()
    flat = Panel(areas=p.areas, y=np.ones_like(p.y), treated=p.treated, start=4)
    assert difference_in_differences(flat).estimate.code == "no-variation"


@pytest.mark.parametrize(
    "change",
    [{"y": np.ones((3, 8))}, {"start": 0}, {"start": 8}, {"y": np.full((20, 8), np.nan)}],
)
def test_panels_that_do_not_fit_are_refused(change):
    p = panel()
    parts = {"areas": p.areas, "y": p.y, "treated": p.treated, "start": 4} | change
    with pytest.raises(ValueError, match="panel"):
        Panel(**parts)


# --- matched areas ---------------------------------------------------------------------------


def test_matched_estimate_is_the_change_less_the_matches_change():
    values = np.array([[5, 5, 2], [5, 5, 6], [5, 6, 7], [9, 9, 9], [1, 1, 1.0]])
    p = Panel(areas=tuple("tabcd"), y=values, treated=np.arange(5) == 0, start=2)
    found = matched_areas(p, matches=2)
    assert found.details["matches"] == {"t": ["a", "b"]}
    assert found.estimate.estimate == pytest.approx((2 - 5) - ((6 - 5) + (7 - 5.5)) / 2)
    assert found.estimate.p == pytest.approx(1 / 5)
    assert (found.estimate.low, found.estimate.high) == (-np.inf, np.inf)
    assert any("no p-value can be below 0.20" in w for w in found.warnings)


def test_matched_interval_excludes_nought_exactly_when_p_is_at_most_five_percent():
    for seed in range(40):
        e = matched_areas(panel(seed=seed, areas=41, treated=1, effect=-1.2)).estimate
        assert (e.high < 0 or e.low > 0) == (e.p <= 0.05)


def test_placebo_test_keeps_its_error_with_one_and_with_several_treated_areas():
    for treated, areas in ((1, 21), (2, 16)):
        p = [
            matched_areas(panel(seed=s, areas=areas, treated=treated)).estimate.p
            for s in range(120)
        ]
        assert np.mean(np.array(p) <= 0.1) <= 0.1 + 4 * np.sqrt(0.09 / 120)


def test_too_few_areas_to_match_are_named():
    assert matched_areas(panel(areas=4, treated=2)).estimate.code == "too-few-areas"
    assert matched_areas(panel(treated=0)).estimate.code == "too-few-areas"


# --- before and after, and what all of them say ------------------------------------------------


def test_before_and_after_is_welchs_test_with_a_watermark():
    rng = np.random.default_rng(1)
    b, a = rng.normal(50, 5, 9), rng.normal(45, 8, 7)
    found = before_after(b, a)
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert (found.estimate.p, found.estimate.df) == pytest.approx((theirs.pvalue, theirs.df))
    assert (found.grade, found.watermark) == (6, BEFORE_AFTER)
    assert "cannot separate the trial from other changes" in found.to_json()["watermark"]


def test_before_and_after_without_scatter_or_periods_is_named():
    assert before_after([1.0], [2.0, 3.0]).estimate.code == "too-few-periods"
    assert before_after([1.0, 1.0], [2.0, 2.0]).estimate.code == "no-variation"


def test_every_result_carries_its_watermark_and_a_grade_below_a_trials():
    results = [
        interrupted_time_series(series()),
        difference_in_differences(panel()),
        matched_areas(panel(areas=30, treated=2)),
    ]
    for found in results:
        assert (found.watermark, found.grade >= 5) == (NOT_RANDOMISED, True)
        assert isinstance(found.estimate, Estimate | Absent)
        assert found.to_json()["watermark"] == NOT_RANDOMISED
