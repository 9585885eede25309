"""Looking early: published bounds, exact error rates, and results that allow for the looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist.always_valid import (
    BetaBinomialMixture,
    NormalMixture,
    bernoulli_sequence,
    confidence_sequence,
    tuning,
)
from analysis.frequentist.looks import read, repeated, stage_wise, standardised
from analysis.frequentist.sequential import boundaries, inflation, wang_tsiatis, with_futility
from analysis.frequentist.spending import Spending
from analysis.frequentist.walk import crossing

OBF, POCOCK = Spending(), Spending("pocock")
TIGHT = Spending("hwang-shih-decani", -4)


def equal(looks):
    return [(k + 1) / looks for k in range(looks)]


def bounds(*args, **options):
    return [look.efficacy for look in boundaries(*args, **options)]


# --- published bounds -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    [
        (2, 2.1783, [2.7965, 1.9774]),
        (3, 2.2895, [3.4711, 2.4544, 2.0040]),
        (4, 2.3613, [4.0486, 2.8628, 2.3375, 2.0243]),
        (5, 2.4132, [4.5617, 3.2256, 2.6337, 2.2809, 2.0401]),
    ],
)
def test_classical_bounds_are_jennison_and_turnbulls(looks, pocock, obrien_fleming):
    assert wang_tsiatis(equal(looks), shape=0.5) == pytest.approx([pocock] * looks, abs=5e-5)
    assert wang_tsiatis(equal(looks), shape=0.0) == pytest.approx(obrien_fleming, abs=5e-5)


@pytest.mark.parametrize(
    ("fractions", "spending", "expected"),
    [
        (equal(5), OBF, [4.8769, 3.3570, 2.6803, 2.2898, 2.0310]),
        (equal(5), POCOCK, [2.4380, 2.4268, 2.4102, 2.3966, 2.3860]),
        (equal(5), Spending("power", 2), [3.0902, 2.7141, 2.4728, 2.2799, 2.1140]),
        (equal(4), OBF, [4.3326, 2.9631, 2.3590, 2.0141]),
        ([0.3, 0.7, 1.0], OBF, [3.9286, 2.4387, 2.0000]),
    ],
)
def test_lan_demets_bounds_two_sided_five_percent(fractions, spending, expected):
    assert bounds(fractions, spending=spending) == pytest.approx(expected, abs=5e-5)


def test_hwang_shih_decani_bounds_are_gsdesigns_default():
    looks = boundaries(equal(5), alpha=0.025, sides=1, spending=TIGHT)
    assert [x.efficacy for x in looks] == pytest.approx(
        [3.2527, 2.9860, 2.6917, 2.3737, 2.0253], abs=5e-5
    )
    assert [x.spent for x in looks] == pytest.approx(
        [0.0006, 0.0018, 0.0047, 0.0110, 0.0250], abs=5e-5
    )


def test_one_sided_obrien_fleming_bounds():
    assert bounds(equal(4), alpha=0.05, sides=1) == pytest.approx(
        [3.74955, 2.53993, 2.01604, 1.72014], abs=5e-5
    )


def test_futility_bounds_and_inflation_are_gsdesigns_default():
    """Three looks, one-sided 2.5%, power 90%, non-binding: gsDesign prints 1.070 times as many."""
    looser = Spending("hwang-shih-decani", -2)
    plan = inflation(
        tuple(equal(3)), alpha=0.025, power=0.9, sides=1, spending=TIGHT, futility=looser
    )
    looks = with_futility(
        boundaries(equal(3), alpha=0.025, sides=1, spending=TIGHT),
        plan.drift, beta=0.1, spending=looser,
    )  # fmt: skip
    assert plan.factor == pytest.approx(1.070, abs=5e-4)
    assert [x.efficacy for x in looks] == pytest.approx([3.01, 2.55, 2.00], abs=5e-3)
    assert [x.futility for x in looks] == pytest.approx([-0.24, 0.94, 2.00], abs=5e-3)


@pytest.mark.parametrize(
    ("looks", "two_sided"), [(5, 0.1417), (10, 0.1934), (14, 0.2196), (28, 0.2747)]
)
def test_repeated_testing_at_1_96_inflates_the_error(looks, two_sided):
    z = stats.norm.isf(0.025)
    assert crossing(equal(looks), [z] * looks, [-z] * looks).total == pytest.approx(
        two_sided, abs=5e-5
    )


@pytest.mark.parametrize(("looks", "one_sided"), [(5, 0.1300), (14, 0.1925), (28, 0.2351)])
def test_repeated_one_sided_testing_inflates_the_error(looks, one_sided):
    z = stats.norm.isf(0.05)
    assert crossing(equal(looks), [z] * looks).total == pytest.approx(one_sided, abs=5e-5)


# --- what must hold for every plan -----------------------------------------------------------

some_fractions = st.lists(
    st.floats(0.02, 1.0), min_size=1, max_size=7, unique_by=lambda t: round(t, 2)
).map(lambda ts: [*sorted(t for t in ts if t < 0.99), 1.0])
some_spending = st.one_of(
    st.just(OBF), st.just(POCOCK), st.floats(0.5, 4).map(lambda r: Spending("power", r)),
    st.floats(-6, 3).map(lambda g: Spending("hwang-shih-decani", g)),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(fractions=some_fractions, spending=some_spending, alpha=st.sampled_from([0.01, 0.05, 0.1]))
def test_the_error_spent_over_all_looks_is_alpha(fractions, spending, alpha):
    looks = boundaries(fractions, alpha=alpha, spending=spending)
    upper = [min(x.efficacy, 38.0) for x in looks]
    met = crossing(fractions, upper, [-b for b in upper])
    assert met.total == pytest.approx(alpha, abs=1e-9)
    spent = np.cumsum(np.add(met.upper, met.lower))
    assert spent == pytest.approx([x.spent for x in looks], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(fractions=some_fractions, spending=some_spending)
def test_bounds_already_used_do_not_move_when_the_schedule_changes(fractions, spending):
    whole = bounds(fractions, spending=spending)
    for k in range(1, len(fractions)):
        assert bounds(fractions[:k], spending=spending, final=False) == pytest.approx(
            whole[:k], abs=1e-7
        )


def test_a_last_look_short_of_the_planned_information_uses_all_that_is_left():
    looks = boundaries([0.4, 0.8], final=True)
    assert looks[-1].spent == pytest.approx(0.05)
    assert looks[-1].efficacy < bounds([0.4, 0.8], final=False)[-1]


def test_crossing_probabilities_agree_with_the_multivariate_normal():
    t = np.array([0.2, 0.5, 1.0])
    cov = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    upper, drift = np.array([2.5, 2.2, 2.0]), 1.7
    inside = stats.multivariate_normal(drift * np.sqrt(t), cov).cdf(
        upper, lower_limit=-upper, rng=np.random.default_rng(1)
    )
    assert crossing(t, upper, -upper, drift=drift).total == pytest.approx(1 - inside, abs=1e-5)


def test_one_look_costs_nothing():
    plan = inflation((1.0,))
    assert (plan.factor, plan.expected_effect) == pytest.approx((1.0, 1.0), abs=1e-7)
    assert bounds([1.0]) == pytest.approx([stats.norm.isf(0.025)], abs=1e-9)


def test_inflation_reaches_the_power_in_simulation():
    plan = inflation(tuple(equal(4)), power=0.8, spending=POCOCK)
    rng = np.random.default_rng(9)
    steps = rng.normal(plan.drift / 4, 0.5, (200_000, 4)).cumsum(axis=1)
    z = steps / np.sqrt(equal(4))
    crossed = z >= np.array(bounds(equal(4), spending=POCOCK))
    assert crossed.any(axis=1).mean() == pytest.approx(0.8, abs=4 * 0.0009)
    stop = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 3)
    assert plan.factor * ((stop + 1) / 4).mean() == pytest.approx(plan.expected_effect, abs=0.004)


@pytest.mark.parametrize("fractions", [[], [0.0, 1.0], [0.5, 0.5], [0.7, 0.3]])
def test_looks_that_do_not_advance_are_refused(fractions):
    with pytest.raises(ValueError, match="increasing shares"):
        boundaries(fractions)


# --- results that allow for the looks --------------------------------------------------------


def at(z, se=1.0, df=None):
    return Estimate.from_t(z * se, se, df=df)


def test_stage_wise_p_at_the_bound_is_the_error_spent_so_far():
    looks = boundaries(equal(4))
    for k in range(1, 5):
        on = stage_wise(at(looks[k - 1].efficacy), looks[:k])
        assert on.p == pytest.approx(looks[k - 1].spent, rel=1e-7)


def test_stage_wise_interval_ends_at_nought_exactly_on_the_final_bound():
    looks = boundaries(equal(3), spending=POCOCK)
    assert stage_wise(at(looks[-1].efficacy, 0.01), looks).low == pytest.approx(0, abs=1e-10)
    assert stage_wise(at(-looks[-1].efficacy, 0.01), looks).high == pytest.approx(0, abs=1e-10)


def test_stage_wise_with_one_look_is_the_ordinary_analysis():
    plain = at(2.4, 0.02)
    told = stage_wise(plain, boundaries([1.0]))
    assert (told.estimate, told.low, told.high, told.p) == pytest.approx(
        (plain.estimate, plain.low, plain.high, plain.p), rel=1e-7
    )


def test_stage_wise_estimates_are_median_unbiased_and_cover():
    """Drift 2 over three Pocock looks: half the estimates lie above, 95% of intervals cover."""
    rng = np.random.default_rng(12)
    fractions, drift = equal(3), 2.0
    above = covered = 0
    trials = 600
    for _ in range(trials):
        s = rng.normal(drift / 3, np.sqrt(1 / 3), 3).cumsum()
        # One unit of effect is one unit of drift: the error at fraction t is 1/sqrt(t).
        seen = [at(v / np.sqrt(t), 1 / np.sqrt(t)) for v, t in zip(s, fractions, strict=True)]
        told = read(seen, fractions, final=True, spending=POCOCK).estimate
        above += told.estimate > drift
        covered += told.low <= drift <= told.high
    assert above / trials == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / trials))
    assert covered / trials == pytest.approx(0.95, abs=4 * np.sqrt(0.0475 / trials))


def test_naive_estimate_on_early_stopping_is_larger_than_the_median_unbiased_one():
    looks = boundaries(equal(5))
    assert stage_wise(at(3.6), looks[:2]).estimate < 3.6


def test_reading_continues_then_stops_for_an_effect():
    fractions = [0.5, 1.0]
    first = read([at(-2.0, 0.01)], fractions[:1], final=False)
    assert (first.decision, first.look) == ("continue", 1)
    assert first.estimate.p is None
    half = bounds([0.5], final=False)[0] * 0.01
    assert first.estimate.high - first.estimate.estimate == pytest.approx(half)
    done = read([at(-2.0, 0.014), at(-2.5, 0.01)], fractions, final=True)
    assert (done.decision, done.look) == ("effect", 2)
    assert done.estimate.high < 0


def test_reading_keeps_the_first_crossing_and_ends_without_an_effect():
    crossed = read([at(4.0), at(0.1)], [0.5, 1.0], final=True)
    assert (crossed.decision, crossed.look) == ("effect", 1)
    ended = read([at(0.2), at(0.4)], [0.5, 1.0], final=True)
    assert ended.decision == "no-effect"


def test_futility_stops_only_in_the_direction_of_no_benefit():
    plan = inflation((0.5, 1.0), power=0.8, futility=OBF)
    futility = (plan.drift, 0.2, OBF)
    worse = read([at(0.8)], [0.5], final=False, futility=futility, better="lower")
    good = read([at(-1.5)], [0.5], final=False, futility=futility, better="lower")
    assert (worse.decision, good.decision) == ("futility", "continue")


def test_degenerate_looks_are_named():
    flat = Estimate(estimate=0.0, low=0.0, high=0.0, se=0.0)
    assert read([flat], [0.5], final=False).code == "no-variation"
    assert read([], [], final=False).code == "no-look"
    assert read([at(1), at(1)], [0.5, 0.4], final=False).code == "information-not-growing"
    assert isinstance(repeated(flat, boundaries([1.0])[0]), Absent)


def test_t_statistics_keep_their_p_value_on_the_normal_scale():
    assert 2 * stats.norm.sf(abs(standardised(at(-2.3, df=7)))) == pytest.approx(at(2.3, df=7).p)


# --- at any time -----------------------------------------------------------------------------


def test_mixture_boundaries_equal_the_reference_implementation():
    two = NormalMixture.tuned(100)
    assert two.rho == pytest.approx(12.60056, abs=5e-6)
    assert two.log_value(10, 100) == pytest.approx(-0.6510052, abs=5e-8)
    assert two.bound(100) == pytest.approx(30.35209, abs=5e-6)
    one = NormalMixture.tuned(100, sides=1)
    assert one.log_value(10, 100) == pytest.approx(-0.06502391, abs=5e-9)
    assert one.bound(100) == pytest.approx(27.66071, abs=5e-6)
    beta = BetaBinomialMixture.tuned(100, g=0.2, h=0.8)
    assert beta.log_value(10, 100) == pytest.approx(-0.6941012, abs=5e-8)
    assert beta.bound(100) == pytest.approx(31.4308, abs=5e-5)


@pytest.mark.parametrize(
    ("successes", "trials", "tuned", "expected"),
    [
        (700, 1000, 100, (0.651629, 0.745949)),
        (15, 50, 50, (0.129556, 0.511896)),
        (5, 50, 50, (0.013021, 0.269264)),
    ],
)
def test_bernoulli_sequences_equal_the_reference_implementation(successes, trials, tuned, expected):
    """The reference truncates its last digit."""
    assert bernoulli_sequence(successes, trials, tuned_to=tuned) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (0, 20), (20, 20)])
def test_bernoulli_sequence_at_the_edges(successes, trials):
    low, high = bernoulli_sequence(successes, trials, tuned_to=50)
    assert 0 <= low <= high <= 1
    assert (low == 0.0) == (successes == 0)
    assert (high == 1.0) == (successes == trials)


def test_asymptotic_sequence_vectors():
    assert tuning(0.05, 5000) == pytest.approx(0.0398401, abs=5e-8)
    assert tuning(0.05, 1000) == pytest.approx(0.0890851, abs=5e-8)
    flat = confidence_sequence(at(0, 1000**-0.5), 1000, tuned_to=5000)
    assert flat.high == pytest.approx(0.106375, abs=5e-7)
    seen = confidence_sequence(at(-10 / 3, 0.03), 4000, tuned_to=5000)
    assert seen.p == pytest.approx(0.022319, abs=5e-7)
    assert seen.high - seen.estimate == pytest.approx(0.0912112, abs=5e-8)


@pytest.mark.parametrize(
    ("units", "tuned", "multiple"),
    [(200, 500, 3.124), (1000, 1000, 3.035), (5000, 5000, 3.035), (50_000, 2000, 3.368)],
)
def test_band_width_in_standard_errors(units, tuned, multiple):
    band = confidence_sequence(at(0.0), units, tuned_to=tuned)
    assert band.high == pytest.approx(multiple, abs=5e-4)


def test_band_excludes_nought_exactly_when_its_p_is_below_alpha():
    for z in np.linspace(2.5, 3.6, 12):
        band = confidence_sequence(at(z), 3000, tuned_to=3000)
        assert (band.low > 0) == (band.p < 0.05)


def test_daily_peeking_at_the_band_keeps_the_error_below_five_percent():
    """28 daily looks at two arms with a rare outcome and no effect."""
    rng = np.random.default_rng(4)
    missed, n = 0, 60 * np.arange(1, 29)
    for _ in range(600):
        rate = rng.binomial(60, 0.05, (28, 2)).cumsum(axis=0) / n[:, None]
        gap = rate[:, 0] - rate[:, 1]
        se = np.sqrt((rate * (1 - rate)).sum(axis=1) / n)
        bands = [
            confidence_sequence(
                Estimate(estimate=d, low=d, high=d, se=e), 2 * units, tuned_to=2 * n[-1]
            )
            for d, e, units in zip(gap, se, n, strict=True)
            if e > 0
        ]
        missed += any(band.low > 0 or band.high < 0 for band in bands)
    assert missed / 600 < 0.05


def test_a_band_needs_an_error_and_units():
    assert confidence_sequence(at(1), 0, tuned_to=10).code == "no-error"
    flat = Estimate(estimate=0.0, low=0.0, high=0.0, se=0.0)
    assert confidence_sequence(flat, 10, tuned_to=10).code == "no-error"
