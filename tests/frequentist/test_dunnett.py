"""Dunnett's test against published tables, R's numbers and the special cases it contains."""

import numpy as np
import pytest
from scipy import integrate, special, stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist.dunnett import (
    critical_value,
    dunnett,
    exceedance,
    from_contrasts,
    lambdas_of,
)

R_ERROR = 3e-4
"""R's figures come from a randomised integration that is accurate to some 1e-4 only."""

# Dunnett (1955): breaking strength of fabric; and blood counts, with unequal arms.
FABRIC = [[55, 47, 48], [55, 64, 64], [55, 49, 52], [50, 44, 41]]
BLOOD = [
    [7.40, 8.50, 7.20, 8.24, 9.84, 8.32],
    [9.76, 8.80, 7.68, 9.36],
    [12.80, 9.68, 12.16, 9.20, 10.55],
]


def summarised(samples, **options):
    return dunnett(
        [len(s) for s in samples],
        [np.mean(s) for s in samples],
        [np.var(s, ddof=1) for s in samples],
        **options,
    )


def test_fabric_example_has_rs_p_values():
    found = summarised(FABRIC)
    assert [e.estimate / e.se for e in found] == pytest.approx(
        [3.09073, 0.56195, -1.40488], abs=5e-6
    )
    assert [e.p_adjusted for e in found] == pytest.approx(
        [0.036407, 0.896539, 0.409295], abs=R_ERROR
    )
    assert (found[0].high - found[0].low) / 2 == pytest.approx(10.24879, abs=5e-6)


def test_blood_example_has_rs_p_values_and_intervals():
    a, b = summarised(BLOOD)
    assert (a.p_adjusted, b.p_adjusted) == pytest.approx((0.6201020, 0.0058254), abs=5e-8)
    assert (a.low, a.high) == pytest.approx((-1.25641, 2.55641), abs=R_ERROR)
    assert (b.low, b.high) == pytest.approx((0.83963, 4.41637), abs=R_ERROR)


def test_tabled_critical_values_for_three_arms_and_eight_degrees_of_freedom():
    equal = lambdas_of(3, [3, 3, 3])
    assert critical_value(0.05, equal, 8, sides=1) == pytest.approx(2.4165, abs=5e-5)
    assert critical_value(0.05, equal, 8) == pytest.approx(2.8797, abs=5e-5)


def test_one_contrast_is_the_ordinary_t_test():
    for c in (0.3, 1.5, 4.0, 12.0):
        assert exceedance(c, [0.7], 11) == pytest.approx(2 * stats.t(11).sf(c), rel=1e-9)
        assert exceedance(c, [0.7]) == pytest.approx(2 * stats.norm.sf(c), rel=1e-9)


def test_uncorrelated_contrasts_with_known_variance_are_sidaks():
    single = 2 * stats.norm.sf(2.5)
    assert exceedance(2.5, [0.0] * 4) == pytest.approx(1 - (1 - single) ** 4, rel=1e-10)


def by_nested_quadrature(c, lam, df):
    """Dunnett's integral written down naively and left to adaptive quadrature."""
    lam = np.asarray(lam)
    rest = np.sqrt(1 - lam**2)

    def given_s(s):
        return integrate.quad(
            lambda z: stats.norm.pdf(z)
            * np.prod(special.ndtr((c * s + lam * z) / rest) - special.ndtr((lam * z - c * s) / rest)),
            -9, 9, epsabs=1e-11, epsrel=1e-9,
        )[0]  # fmt: skip

    def density(s):
        return 2 * df * s * stats.chi2.pdf(df * s * s, df)

    return 1 - integrate.quad(lambda s: given_s(s) * density(s), 0, 4, epsabs=1e-9)[0]


@pytest.mark.parametrize(
    ("c", "lam", "df"), [(3.09073, [0.5**0.5] * 3, 8), (2.1, [0.2, 0.6, 0.95], 12), (0.8, [0.9], 5)]
)
def test_integral_agrees_with_adaptive_quadrature(c, lam, df):
    assert exceedance(c, lam, df) == pytest.approx(by_nested_quadrature(c, lam, df), abs=1e-8)


def test_tiny_p_values_stay_positive_and_bounded_by_bonferroni():
    p = exceedance(12.0, [0.7, 0.7])
    assert 2 * stats.norm.sf(12.0) < p < 4 * stats.norm.sf(12.0)


def test_contrasts_of_large_samples_agree_with_the_pooled_test():
    whole = summarised(BLOOD)
    pooled = whole[0].se ** 2 / (1 / 6 + 1 / 4)
    again = from_contrasts([Estimate.from_t(e.estimate, e.se, df=e.df) for e in whole], pooled / 6)
    assert [e.p_adjusted for e in again] == pytest.approx([e.p_adjusted for e in whole], rel=1e-9)


def test_an_absent_contrast_stays_in_the_family():
    gone = Absent("empty-arm", "Nobody is in the arm.")
    alone, kept = from_contrasts([Estimate.from_t(2.2, 1.0, df=None), gone], 0.5)
    assert kept is gone
    assert alone.p_adjusted == pytest.approx(1 - (1 - alone.p) ** 2, rel=1e-9)


@pytest.mark.parametrize(
    ("n", "means", "variances", "code"),
    [
        ([1, 1], [0, 1], [0, 0], "too-few-units"),
        ([0, 5], [0, 1], [0, 1], "too-few-units"),
        ([5, 0], [0, 0], [1, 0], "empty-arm"),
        ([5, 5], [1, 1], [0, 0], "no-variation"),
    ],
)
def test_degenerate_arms_are_named(n, means, variances, code):
    assert dunnett(n, means, variances)[0].code == code


def test_family_error_is_five_percent_with_unequal_arms():
    rng = np.random.default_rng(3)
    critical = critical_value(0.05, lambdas_of(20, [10, 12]), 39)
    wrong = 0
    for _ in range(4000):
        arms = [rng.normal(size=s) for s in (20, 10, 12)]
        pooled = sum((len(a) - 1) * a.var(ddof=1) for a in arms) / 39
        t = [
            (a.mean() - arms[0].mean()) / np.sqrt(pooled * (1 / len(a) + 1 / 20)) for a in arms[1:]
        ]
        wrong += np.abs(t).max() > critical
    assert wrong / 4000 == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 4000))


@pytest.mark.parametrize("df", [1.0, 1.5, 30.0, 5001.0, 80_000.0])
def test_one_comparison_has_students_critical_value_however_few_or_many_units(df):
    for alpha in (0.05, 0.001):
        expected = stats.t.isf(alpha / 2, df)
        assert critical_value(alpha, [np.sqrt(0.5)], df) == pytest.approx(expected, rel=1e-9)
