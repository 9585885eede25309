"""Bounds, weights, segments and meta-analysis against published numbers and independent sums."""

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.formula.api as smf
from pandas import DataFrame
from scipy import integrate, stats
from statsmodels.genmod import families

from analysis.estimates import Absent
from analysis.frequentist.difference import difference
from analysis.frequentist.meta import between_variance, pool
from analysis.frequentist.missing import (
    inverse_probability,
    inverse_probability_ratio,
    lee_bounds,
    worst_case,
)
from analysis.frequentist.subgroups import interaction, segment_effects, shrink
from analysis.tables import Histogram


def with_missing(grouped, missing):
    return replace(grouped, missing=np.asarray(missing, float))


def test_worst_case_bounds_by_hand(rows):
    """40 of 80 against 30 of 90, 20 and 10 unknown: from 40/100 - 40/100 to 60/100 - 30/100."""
    grouped = with_missing(
        rows([0] * 90 + [1] * 80, [1] * 30 + [0] * 60 + [1] * 40 + [0] * 40), [10, 20]
    )
    got = worst_case(grouped, 1)
    assert (got.smallest, got.largest) == pytest.approx((0.0, 0.3))
    assert got.low < got.smallest
    assert got.largest < got.high
    # A wide gap needs only one tail at each end (Imbens & Manski 2004): 1.645 and not 1.96 errors.
    se = math.sqrt(0.4 * 0.6 / 99 + 0.4 * 0.6 / 99)
    assert (got.smallest - got.low) / se == pytest.approx(1.645, abs=2e-3)


def test_nothing_missing_gives_the_plain_interval(rows):
    """Without a gap both tails count: the normal interval."""
    grouped = rows([0] * 90 + [1] * 80, [1] * 30 + [0] * 60 + [1] * 40 + [0] * 40)
    got, plain = worst_case(grouped, 1), difference(grouped, 1)
    assert got.smallest == got.largest == pytest.approx(plain.estimate)
    assert got.high - got.largest == pytest.approx(1.959964 * plain.se, rel=1e-6)


def test_worst_case_bounds_of_no_events_keep_their_sampling_error(rows):
    """Nobody among 100 and 80 known, 20 unknown in the second arm: the smallest effect is that of
    0 of 100 against 0 of 100, for which Wilson's limit is z^2 / (n + z^2)."""
    seen = rows([0] * 100 + [1] * 80, np.zeros(180))
    made = worst_case(replace(seen, missing=np.where(seen.arm == 1, 20.0, 0.0)), 1)
    z2 = 1.959963984540054**2
    assert made.smallest == 0.0
    # Imbens and Manski's quantile lies between the one-sided and the two-sided one.
    assert 1.6449 / 1.96 * z2 / (100 + z2) <= -made.low * 1.001
    assert -made.low <= z2 / (100 + z2) * 1.001


def test_worst_case_refuses_outcomes_outside_the_range(rows):
    with pytest.raises(ValueError, match="outside the range"):
        worst_case(rows([0, 0, 1, 1], [0, 5, 1, 2]), 1)
    assert worst_case(rows([0, 0], [0, 1]), 1).code == "empty-arm"


def lee_by_sorting(treated, control, share):
    """Trim the treated by sorting: means of the lowest and of the highest ``share`` of them."""
    ordered = np.sort(treated)
    keep = round(share * len(ordered))
    return ordered[:keep].mean() - control.mean(), ordered[-keep:].mean() - control.mean()


def histogram(treated, control):
    values = [(0, v) for v in control] + [(1, v) for v in treated]
    cells, n = np.unique(np.array(values, float), axis=0, return_counts=True)
    return Histogram(
        arms=("c", "t"),
        control=0,
        arm=cells[:, 0].astype(int),
        value=cells[:, 1],
        n=n.astype(float),
    )


def test_lee_bounds_by_sorting():
    """100 of 125 respond with the letter, 75 of 125 without: a quarter of the 100 is cut."""
    rng = np.random.default_rng(1)
    treated, control = rng.normal(size=100), rng.normal(size=75)
    got = lee_bounds(histogram(treated, control), 1, assigned=(125, 125))
    assert (got.smallest, got.largest) == pytest.approx(
        lee_by_sorting(treated, control, 0.75), rel=1e-10
    )
    flipped = lee_bounds(histogram(control, treated), 1, assigned=(125, 125))
    assert (-flipped.largest, -flipped.smallest) == pytest.approx(
        (got.smallest, got.largest), rel=1e-10
    )


def test_lee_bounds_cover_the_effect_on_those_who_always_respond():
    """400 trials with response pushed up by the arm: the interval covers at least 95 % less three MCSE."""
    rng = np.random.default_rng(2)
    covered, errors, ends = 0, [], []
    for _ in range(400):
        latent = rng.normal(size=(2, 300))
        responds = [latent[0] > -0.3, latent[1] > -0.8]
        outcome = [latent[0] + rng.normal(size=300), 0.5 + latent[1] + rng.normal(size=300)]
        got = lee_bounds(
            histogram(outcome[1][responds[1]], outcome[0][responds[0]]), 1, assigned=(300, 300)
        )
        covered += got.low <= 0.5 <= got.high
        ends.append(got.largest)
        errors.append((got.high - got.largest) / 1.645)
    assert covered / 400 > 0.95 - 3 * 0.011
    # The standard error of a bound is that of its sampling distribution (Monte Carlo error 3.5 %).
    assert np.mean(errors) == pytest.approx(np.std(ends), rel=0.14)


def test_lee_bounds_with_equal_response_are_the_difference():
    rng = np.random.default_rng(3)
    a, b = rng.poisson(3, 80), rng.poisson(2, 80)
    got = lee_bounds(histogram(a, b), 1, assigned=(100, 100))
    assert got.smallest == pytest.approx(got.largest) == pytest.approx(a.mean() - b.mean())
    assert lee_bounds(histogram([1.0], [2.0, 3.0]), 1, assigned=(5, 5)).code == "too-few-units"


def test_inverse_probability_is_standardisation(rows):
    """Saturated response weights give each cell's mean weighted by all its units."""
    rng = np.random.default_rng(4)
    n = 3000
    arm, x = rng.integers(0, 2, n), rng.integers(0, 3, n)
    y = x + 0.5 * arm + rng.normal(size=n)
    known = rng.random(n) < np.where(arm == 1, 0.9 - 0.2 * x, 0.5 + 0.15 * x)
    whole = rows(arm, np.where(known, y, 0), x=x)
    seen = rows(arm[known], y[known], x=x[known])
    assert seen.cells == whole.cells
    got = inverse_probability(replace(seen, missing=whole.n - seen.n), 1)
    means = [
        sum((arm == a)[x == k].sum() * y[known & (arm == a) & (x == k)].mean() for k in range(3))
        / (arm == a).sum()
        for a in (0, 1)
    ]
    assert got.estimate == pytest.approx(means[1] - means[0], rel=1e-10)
    assert "covariates" in got.method
    assert got.notes == ()
    over = inverse_probability_ratio(replace(seen, missing=whole.n - seen.n), 1)
    assert over.estimate == pytest.approx(means[1] / means[0], rel=1e-10)
    # On the log scale the delta method's error agrees with the difference's where both are small.
    assert over.p == pytest.approx(got.p, rel=0.5, abs=1e-6)
    assert abs(got.estimate - 0.5) < 4 * got.se
    assert difference(seen, 1).estimate < 0.2  # those who answered differ between the arms


def test_inverse_probability_by_a_covariate_without_repeats_is_logistic_regression(rows):
    """Against statsmodels' GLM within each arm, its weights in weighted least squares."""
    rng = np.random.default_rng(6)
    n = 2000
    arm, stratum, x = rng.integers(0, 2, n), rng.integers(0, 2, n), rng.normal(50, 10, n)
    y = 0.1 * (x - 50) + 0.5 * arm + rng.normal(size=n)
    known = rng.random(n) < 1 / (1 + np.exp((x - 58) / 8 * (2 * arm - 1)))
    whole = rows(arm, np.where(known, y, 0), d=known, stratum=stratum, x=x)
    got = inverse_probability(replace(whole, n=whole.d, missing=1 - whole.d), 1)
    frame = DataFrame({"y": y, "arm": arm, "s": stratum, "x": x, "known": known.astype(int)})
    for _, own in frame.groupby("arm"):
        glm = smf.glm("known ~ C(s) + x", own, family=families.Binomial()).fit()
        frame.loc[own.index, "w"] = 1 / glm.fittedvalues
    seen = frame[frame.known == 1]
    wls = smf.wls("y ~ arm", seen, weights=seen.w).fit(cov_type="HC2")
    assert got.estimate == pytest.approx(wls.params["arm"], rel=1e-8)
    assert got.se == pytest.approx(wls.bse["arm"], rel=1e-8)
    assert "logistic regression" in got.method
    assert got.notes == ()
    assert abs(got.estimate - 0.5) < 3 * got.se
    assert difference(rows(arm[known], y[known]), 1).estimate < 0.2


def test_inverse_probability_falls_back_where_nobody_answered(rows):
    y = np.arange(12.0)
    grouped = rows([0] * 6 + [1] * 6, y, stratum=[0, 0, 0, 1, 1, 1] * 2, x=[0, 0, 1, 0, 0, 1] * 2)
    empty = np.where((grouped.arm == 1) & (grouped.x[:, 0] == 1), grouped.n, 0.0)
    lost = replace(grouped, n=grouped.n - empty, y=np.where(empty > 0, 0, grouped.y),
                   yy=np.where(empty > 0, 0, grouped.yy), missing=empty)  # fmt: skip
    assert "stratum" in inverse_probability(lost, 1).method
    assert "some values of the covariates" in inverse_probability(lost, 1).notes[0]
    alone = replace(lost, stratum=None)
    assert inverse_probability(alone, 1).method.endswith("by arm")
    assert "known outcomes" in inverse_probability(alone, 1).notes[1]
    nothing = replace(grouped, missing=np.zeros(grouped.cells))
    plain = difference(rows([0] * 6 + [1] * 6, y), 1)
    assert inverse_probability(nothing, 1).estimate == pytest.approx(plain.estimate)
    assert inverse_probability(rows([0, 0, 1], [1, 2, 3]), 1).code == "too-few-units"


def sampled(seed, n=1200):
    rng = np.random.default_rng(seed)
    arm, seg = rng.integers(0, 2, n), rng.integers(0, 3, n)
    return arm, seg, seg + 0.3 * arm * seg + rng.normal(size=n)


def test_interaction_is_statsmodels_wald(rows):
    """The quadratic form over its degrees of freedom, HC2, from a row-level regression."""
    arm, seg, y = sampled(1)
    got = interaction(rows(arm, y, segments={"area": seg}), "area", 1)
    fitted = smf.ols("y ~ C(seg) * arm", DataFrame({"y": y, "arm": arm, "seg": seg})).fit(
        cov_type="HC2"
    )
    wald = fitted.wald_test(
        "C(seg)[T.1]:arm = 0, C(seg)[T.2]:arm = 0", use_f=False, scalar=True
    ).statistic
    df = got.df2 + 1  # Hotelling: F = (df - q + 1)/(df q) W with q = 2
    assert got.f == pytest.approx(wald * (df - 1) / (df * 2), rel=1e-8)
    assert (got.df1, got.levels) == (2, 3)
    assert got.p < 0.01


def test_interaction_of_two_levels_is_the_contrast_of_their_differences(rows):
    arm, seg, y = sampled(2)
    two = seg < 2
    got = interaction(rows(arm[two], y[two], segments={"area": seg[two]}), "area", 1)
    parts = [difference(rows(arm[seg == k], y[seg == k]), 1) for k in (0, 1)]
    t = (parts[1].estimate - parts[0].estimate) / math.hypot(parts[0].se, parts[1].se)
    assert got.f == pytest.approx(t**2, rel=1e-9)


def test_interaction_keeps_its_size_with_clusters_across_levels(rows):
    """300 null trials in 16 clusters that span the levels: 5 % and not the inflated share of rows (MCSE 1.3)."""
    rng = np.random.default_rng(5)
    rejected = 0
    g = np.repeat(np.arange(16), 20)
    for _ in range(300):
        seg = rng.integers(0, 2, len(g))
        y = rng.normal(size=(16, 2))[g, seg] + rng.normal(size=len(g))
        found = interaction(rows(g % 2, y, cluster=g, segments={"area": seg}), "area", 1)
        rejected += found.p <= 0.05
    assert abs(rejected / 300 - 0.05) < 0.04


def test_segments_are_their_own_tables(rows):
    arm, seg, y = sampled(3)
    seg[:5] = 3
    grouped = rows(arm, y, segments={"area": seg})
    got = segment_effects(grouped, "area", 1)
    assert [s.level for s in got] == ["0", "1", "2", "3"]
    for k in range(3):
        assert got[k].difference == difference(rows(arm[seg == k], y[seg == k]), 1)
    assert got[3].difference.code == "too-few-units"
    only = rows(arm[seg == 0], y[seg == 0], segments={"area": seg[seg == 0]})
    assert interaction(only, "area", 1).code == "one-level"
    singles = rows([0, 0, 1, 1] * 2, np.zeros(8), segments={"area": np.repeat([0, 1], 4)})
    assert interaction(singles, "area", 1, least=2).code == "variance-not-identified"


SCHOOLS = (np.array([28, 8, -3, 7, -1, 1, 18, 12.0]), np.array([15, 10, 16, 11, 9, 11, 10, 18.0]))


def test_eight_schools():
    """Uniform prior on tau: the published posterior means (Gelman et al. 2013, table 5.3, to two digits)."""
    got = shrink(*SCHOOLS)
    want = [11.40, 7.89, 6.13, 7.64, 5.13, 6.14, 10.67, 8.46]
    assert [e.estimate for e in got.effects] == pytest.approx(want, abs=0.01)
    assert got.mean == pytest.approx(7.932, abs=0.002)
    assert (got.mean_sd, got.tau) == pytest.approx(
        (5.170, 6.567), abs=0.01
    )  # integrated to tau = 60 there


def test_shrinkage_agrees_with_adaptive_quadrature():
    """A half-normal prior and two levels, against SciPy's quadrature of the same posterior."""
    y, s, scale = np.array([0.10, -0.20]), np.array([0.05, 0.12]), 0.15

    def integral(what):
        def f(tau):
            v = s**2 + tau**2
            w = 1 / v
            mu = w @ y / w.sum()
            density = math.exp(-0.5 * (w @ (y - mu) ** 2) - 0.5 * (tau / scale) ** 2)
            return density * math.sqrt(w.prod() / w.sum()) * what(tau, mu)

        return integrate.quad(f, 0, 8 * scale, epsabs=1e-12, limit=200)[0]

    one = integral(lambda *_: 1.0)
    mean = integral(lambda t, m: (y[0] * t**2 + m * s[0] ** 2) / (t**2 + s[0] ** 2)) / one
    got = shrink(y, s, tau_scale=scale)
    assert got.effects[0].estimate == pytest.approx(mean, rel=1e-5)
    assert got.tau == pytest.approx(integral(lambda t, _: t) / one, rel=1e-5)

    def below(value, j):
        """The chance that level j's effect is below a value: given tau it is normal."""

        def given(t, m):
            w = 1 / (s**2 + t**2)
            pull = s[j] ** 2 * w[j]
            mean = y[j] * (1 - pull) + m * pull
            sd = math.sqrt((1 - pull) * s[j] ** 2 + pull**2 / w.sum())
            return stats.norm.cdf(value, mean, sd)

        return integral(given) / one

    for j, effect in enumerate(got.effects):
        assert below(effect.low, j) == pytest.approx(0.025, rel=1e-5)
        assert below(effect.high, j) == pytest.approx(0.975, rel=1e-5)


def test_shrinkage_lies_between_the_effect_and_the_mean_and_needs_enough_levels():
    got = shrink(*SCHOOLS)
    for raw, e in zip(SCHOOLS[0], got.effects, strict=True):
        assert min(raw, got.mean) - 0.5 <= e.estimate <= max(raw, got.mean) + 0.5
        assert e.low < e.estimate < e.high
    assert shrink(np.array([1.0, 2]), np.array([1.0, 1])).code == "too-few-levels"
    assert not isinstance(shrink(np.array([1.0, 2]), np.array([1.0, 1]), tau_scale=1.0), Absent)
    with pytest.raises(ValueError, match="positive"):
        shrink(np.array([1.0, 2, 3]), np.array([1.0, 0, 1]))


@pytest.fixture(scope="module")
def bcg(table):
    d = table("bcg.csv")
    a, b, c, e = (d[k] for k in ("tpos", "tneg", "cpos", "cneg"))
    effects = np.log(a / (a + b) / (c / (c + e)))
    return effects, np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + e))


BCG = {
    "equal": (-0.4303, -0.5097, -0.3509, 0.0),
    "dersimonian-laird": (-0.7141, -1.0644, -0.3638, 0.3088),
    "reml": (-0.7145, -1.0669, -0.3622, 0.3132),
}


@pytest.mark.parametrize("method", BCG)
def test_bcg_is_metafors(bcg, method):
    mean, low, high, tau2 = BCG[method]
    got = pool(*bcg, tau=method, hartung_knapp=False)
    assert (got.mean.estimate, got.mean.low, got.mean.high) == pytest.approx(
        (mean, low, high), abs=5e-5
    )
    assert got.tau2 == pytest.approx(tau2, abs=5e-5)
    assert got.q == pytest.approx(152.2330, abs=5e-5)


def test_other_figures_of_bcg(bcg):
    """Paule-Mandel and ML tau^2, I^2, Hartung-Knapp's interval and the prediction interval."""
    assert between_variance(bcg[0], bcg[1] ** 2, "paule-mandel") == pytest.approx(0.3181, abs=5e-5)
    assert between_variance(bcg[0], bcg[1] ** 2, "ml") == pytest.approx(0.2800, abs=5e-5)
    assert pool(*bcg, tau="dersimonian-laird").i2 == pytest.approx(92.1173, abs=5e-5)
    reml = pool(*bcg)
    assert reml.i2 == pytest.approx(92.22, abs=5e-3)
    assert reml.mean.se == pytest.approx(0.180792, abs=5e-7)
    assert (reml.mean.low, reml.mean.high) == pytest.approx((-1.1084, -0.3206), abs=5e-5)
    assert pool(*bcg, hartung_knapp=False).mean.se == pytest.approx(0.1798, abs=5e-5)
    # metafor's normal prediction interval, -1.866692 to 0.437628, has this half-width over 1.959964.
    half = (0.437628 + 1.866692) / 2 / 1.959964
    classic = pool(*bcg, hartung_knapp=False)
    low, high = classic.prediction
    assert (high - low) / 2 / stats.t.isf(0.025, 11) == pytest.approx(half, rel=1e-5)
    assert sum(reml.weights) == pytest.approx(1)


def test_homogeneous_trials_have_no_variance_between_them():
    """DerSimonian-Laird is truncated at zero, where a widely used library gives a negative variance."""
    y, s = np.array([0.10, 0.11, 0.09, 0.10]), np.full(4, 0.1)
    for method in ("dersimonian-laird", "paule-mandel", "reml", "ml"):
        got = pool(y, s, tau=method)
        assert got.tau2 == 0
        assert got.i2 == 0
        assert got.mean.se == pytest.approx(0.05)  # Hartung-Knapp does not narrow it
    schools = pool(*SCHOOLS, hartung_knapp=False)
    assert (schools.mean.estimate, schools.mean.se, schools.q) == pytest.approx(
        (7.6856, 4.0719, 4.7071), abs=5e-5
    )
    assert schools.tau2 == 0


def test_paule_mandel_is_statsmodels(bcg):
    from statsmodels.stats.meta_analysis import combine_effects

    want = combine_effects(bcg[0], bcg[1] ** 2, method_re="pm", use_t=False)
    got = pool(*bcg, tau="paule-mandel", hartung_knapp=False)
    assert got.mean.estimate == pytest.approx(want.mean_effect_re, rel=1e-6)


def test_reml_is_the_maximum_of_its_likelihood():
    """On spread-out data against a fine grid of the restricted likelihood."""
    rng = np.random.default_rng(7)
    for _ in range(5):
        v = rng.uniform(0.01, 0.3, 9)
        y = rng.normal(0, np.sqrt(v + 0.1))

        def loss(t, y=y, v=v):
            w = 1 / (v + t)
            return np.log(v + t).sum() + np.log(w.sum()) + w @ (y - w @ y / w.sum()) ** 2

        grid = np.linspace(0, 2, 20001)
        best = grid[np.argmin([loss(t) for t in grid])]
        assert between_variance(y, v, "reml") == pytest.approx(best, abs=1.1e-4)


def test_pooling_needs_two_trials():
    assert pool(np.array([1.0]), np.array([1.0])).code == "too-few-trials"
    two = pool(np.array([1.0, 2]), np.array([1.0, 1]))
    assert two.prediction is None
    with pytest.raises(ValueError, match="positive"):
        pool(np.array([1.0, 2]), np.array([1.0, 0]))
    assert isinstance(two.mean.low, float)
