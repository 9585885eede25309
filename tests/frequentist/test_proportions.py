"""Two proportions against printed tables (Newcombe 1998, Nam 1995), R and a second derivation."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from analysis.estimates import Absent
from analysis.frequentist.proportions import (
    difference_score,
    exact_p,
    katz,
    koopman,
    miettinen_nurminen,
    needs_exact,
    newcombe,
    ratio_score,
    restricted_control,
    wilson,
)

TABLE_2 = [
    ((56, 70), (48, 80), (0.0524, 0.3339), (0.0528, 0.3382)),
    ((9, 10), (3, 10), (0.1705, 0.8090), (0.1700, 0.8406)),
    ((6, 7), (2, 7), (0.0582, 0.8062), (0.0342, 0.8534)),
    ((5, 56), (0, 29), (-0.0381, 0.1926), (-0.0326, 0.1933)),
    ((0, 10), (0, 20), (-0.1611, 0.2775), (-0.1658, 0.2844)),
    ((0, 10), (0, 10), (-0.2775, 0.2775), (-0.2879, 0.2879)),
    ((10, 10), (0, 20), (0.6791, 1.0000), (0.7156, 1.0000)),
    ((10, 10), (0, 10), (0.6075, 1.0000), (0.6636, 1.0000)),
]


@pytest.mark.parametrize(("a", "b", "hybrid", "score"), TABLE_2)
def test_newcombe_1998_table_2(a, b, hybrid, score):
    """Methods 10 and 6 at the four decimals printed."""
    first, second = newcombe(a, b), miettinen_nurminen(a, b)
    assert (first.low, first.high) == pytest.approx(hybrid, abs=5.1e-5)
    assert (second.low, second.high) == pytest.approx(score, abs=5.1e-5)


def test_score_intervals_of_r():
    """PropCIs::diffscoreci(7,34,1,34), and Mee's form of Newcombe's first row."""
    got = miettinen_nurminen((7, 34), (1, 34))
    assert (got.low, got.high) == pytest.approx((0.0270416, 0.3452912), abs=5e-8)
    mee = miettinen_nurminen((56, 70), (48, 80), corrected=False)
    assert (mee.low, mee.high) == pytest.approx((0.0533, 0.3377), abs=5e-5)


def test_ratio_intervals_of_r_and_of_nam():
    """riskscoreci(7,34,1,34); Nam (1995) for 36/40 against 16/80; Katz from SciPy and Fagerland."""
    got = koopman((7, 34), (1, 34))
    assert (got.low, got.high) == pytest.approx((1.220853, 42.575718), abs=5e-7)
    got = koopman((36, 40), (16, 80))
    assert (got.low, got.high) == pytest.approx((2.940, 7.152), abs=5e-4)
    got = katz((27, 122), (44, 487))
    want = (2.4495156482861398, 1.5836990926700116, 3.7886786315466354)
    assert (got.estimate, got.low, got.high) == pytest.approx(want, rel=1e-12)
    got = katz((7, 34), (1, 34))
    assert (got.low, got.high) == pytest.approx((0.9096, 53.8695), abs=5e-5)


pairs = st.tuples(
    st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40)
).map(lambda t: ((min(t[0], t[2]), t[2]), (min(t[1], t[3]), t[3])))


@settings(max_examples=60, deadline=None)
@given(pairs, st.floats(-0.95, 0.95))
def test_the_closed_form_is_the_restricted_maximum_likelihood(pair, delta):
    """The cubic against a numeric maximum of the two binomial likelihoods."""
    (x1, n1), (x0, n0) = pair
    low, high = max(0.0, -delta), min(1.0, 1 - delta)

    def loss(p):
        return -(
            stats.binom.logpmf(x1, n1, min(max(p + delta, 0), 1)) + stats.binom.logpmf(x0, n0, p)
        )

    found = optimize.minimize_scalar(
        loss, bounds=(low, high), method="bounded", options={"xatol": 1e-11}
    )
    best = min(loss(p) for p in (found.x, low, high))
    got = restricted_control((x1, n1), (x0, n0), delta)
    assert low <= got <= high
    assert loss(got) <= best + 1e-6 * max(1, abs(best))


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_swapping_arms_flips_the_interval(pair):
    """Exact identity for all difference intervals, in every table down to one unit."""
    a, b = pair
    for method in (newcombe, miettinen_nurminen):
        there, back = method(a, b), method(b, a)
        assert (-back.high, -back.low) == pytest.approx((there.low, there.high), abs=1e-9)
        assert there.low - 1e-12 <= there.estimate <= there.high + 1e-12
        assert there.low >= -1 - 1e-12
        assert there.high <= 1 + 1e-12


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_score_limits_invert_the_score_test(pair):
    """At a limit inside (-1, 1) the statistic is exactly the critical value."""
    a, b = pair
    got = miettinen_nurminen(a, b)
    z = stats.norm.isf(0.025)
    for limit in (got.low, got.high):
        if abs(limit) < 1 - 1e-6:
            assert abs(difference_score(a, b, limit)) == pytest.approx(z, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_ratio_limits_invert_the_ratio_test_and_swap(pair):
    a, b = pair
    got, back = koopman(a, b), koopman(b, a)
    if isinstance(got, Absent):
        assert b[0] == 0
        return
    for limit in (got.low, got.high):
        if 0 < limit < math.inf:
            assert ratio_score(a, b, limit) == pytest.approx(stats.norm.isf(0.025) ** 2, rel=1e-6)
    if a[0] > 0 and math.isfinite(got.high):
        assert (1 / back.high, 1 / back.low) == pytest.approx((got.low, got.high), rel=1e-7)


@pytest.mark.parametrize(
    ("a", "b"), itertools.product([(3, 40), (20, 55), (54, 55)], [(1, 30), (12, 48)])
)
def test_statsmodels_agrees_where_it_is_right(a, b):
    """Wilson, Newcombe and the ratio score interval; its difference score interval is known to be wrong."""
    assert wilson(*a) == pytest.approx(proportion_confint(*a, method="wilson"), rel=1e-10)
    hybrid = newcombe(a, b)
    want = confint_proportions_2indep(*a, *b, method="newcomb", compare="diff")
    assert (hybrid.low, hybrid.high) == pytest.approx(want, rel=1e-9)
    score = koopman(a, b)
    want = confint_proportions_2indep(*a, *b, method="score", compare="ratio", correction=False)
    assert (score.low, score.high) == pytest.approx(want, rel=1e-6)


def test_newcombe_covers_where_the_pooled_interval_does_not():
    """2,000 against 200 at 2 % and 8 %: 95.1 % by enumeration, where a pooled error covers 81 %."""
    n1, n0, p1, p0 = 200, 2000, 0.08, 0.02
    covered = 0.0
    for x1 in range(
        stats.binom.ppf(1e-7, n1, p1).astype(int), stats.binom.isf(1e-7, n1, p1).astype(int) + 1
    ):
        x0 = np.arange(stats.binom.ppf(1e-7, n0, p0), stats.binom.isf(1e-7, n0, p0) + 1)
        inside = np.array([
            (r := newcombe((x1, n1), (float(x), n0))).low <= p1 - p0 <= r.high for x in x0
        ])  # fmt: skip
        covered += stats.binom.pmf(x1, n1, p1) * float(stats.binom.pmf(x0, n0, p0) @ inside)
    assert covered == pytest.approx(0.951, abs=0.002)


def test_exact_tests_are_scipys_and_say_when_they_are_needed():
    table = [[7, 1], [27, 33]]
    assert exact_p((7, 34), (1, 34), test="fisher") == pytest.approx(
        stats.fisher_exact(table).pvalue
    )
    assert exact_p((7, 34), (1, 34)) == pytest.approx(stats.boschloo_exact(table).pvalue)
    assert exact_p((7, 34), (1, 34), test="barnard") == pytest.approx(
        stats.barnard_exact(table).pvalue
    )
    assert exact_p((0, 10), (0, 10)) == 1.0
    assert needs_exact((7, 34), (1, 34))
    assert not needs_exact((70, 340), (60, 340))


def test_no_events_and_no_units_are_named():
    assert koopman((0, 10), (0, 10)).code == "no-events"
    assert koopman((3, 10), (0, 10)).code == "control-mean-zero"
    assert katz((0, 10), (3, 10)).code == "no-events"
    assert katz((10, 10), (10, 10)).code == "no-variation"
    assert newcombe((0, 0), (3, 10)).code == "empty-arm"
    assert koopman((10, 10), (10, 10)).low < 1 < koopman((10, 10), (10, 10)).high
    with pytest.raises(ValueError, match="at least one unit"):
        wilson(0, 0)


@pytest.mark.parametrize(("n1", "n0"), [(10, 20), (156, 234), (5000, 3000), (1_000_000, 100_000)])
def test_score_limits_of_no_events_keep_their_closed_form_however_many_units(n1, n0):
    """With no event (or only events) the restricted estimates lie on the edge, and the score
    equation is solved by hand: delta^2 / (delta (1 - delta) c / n) = z^2."""
    z2c = stats.norm.isf(0.025) ** 2 * (n1 + n0) / (n1 + n0 - 1)
    upper, lower = z2c / (n1 + z2c), z2c / (n0 + z2c)
    none = miettinen_nurminen((0, n1), (0, n0))
    every = miettinen_nurminen((n1, n1), (n0, n0))
    assert (none.low, none.high) == pytest.approx((-lower, upper), rel=1e-6)
    assert (every.low, every.high) == pytest.approx((-upper, lower), rel=1e-6)
    assert miettinen_nurminen((n1, n1), (0, n0)).low < 1 - 1 / (n1 + n0)
