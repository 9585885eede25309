"""The exact posteriors against conjugate formulas, brute-force integration and published vectors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from analysis.bayesian.closed_form import ArmPosteriors, binomial_posterior, log_mass
from analysis.bayesian.posterior import (
    Posterior,
    draws_posterior,
    effect_posterior,
    grid_posterior,
    normal_loss,
)
from analysis.bayesian.priors import EffectPrior, enthusiastic, flat, sceptical
from analysis.estimates import Absent
from analysis.tables import Grouped
from trials.definition.model import Prior

QUADRATURE = 1e-7  # splines on 800 points; the answers are read to three digits


def rates(y: list[float], n: list[float]) -> Grouped:
    counts = np.asarray(y, float)
    return Grouped(
        arms=tuple(f"arm-{i}" for i in range(len(n))), control=0, weights=(1.0,) * len(n),
        arm=np.arange(len(n)), n=np.asarray(n, float), y=counts, yy=counts,
    )  # fmt: skip


def fitted(y: list[float], n: list[float], prior: EffectPrior, better: str = "lower") -> Posterior:
    result = binomial_posterior(rates(y, n), prior=prior, better=better)  # type: ignore[arg-type]
    assert isinstance(result, ArmPosteriors)
    effect = result.effects[1]
    assert isinstance(effect, Posterior)
    return effect


class TestNormalNormal:
    @pytest.mark.parametrize(
        ("sd", "mean", "spread", "probability"),
        [
            (math.inf, -0.138889, 0.0430710, 0.999369),
            (0.3, -0.136084, 0.042634, 0.999293),
            (0.05, -0.079728, 0.032633, 0.992721),
        ],
    )
    def test_worked_vector(self, sd: float, mean: float, spread: float, probability: float) -> None:
        """720/4000 v 620/4000 as a relative lift: the printed vectors of the GrowthBook formula."""
        got = effect_posterior(-0.138889, 0.0430710, prior=EffectPrior(sd=sd), better="lower")
        assert isinstance(got, Posterior)
        assert got.mean == pytest.approx(mean, abs=5e-7)
        assert got.sd == pytest.approx(spread, abs=5e-7)
        assert got.probability_better == pytest.approx(probability, abs=5e-7)

    def test_printed_expected_loss(self) -> None:
        """The same vector under N(0, 0.05²): expected loss if shipped 7.79e-5."""
        got = effect_posterior(-0.138889, 0.0430710, prior=EffectPrior(sd=0.05), better="lower")
        assert isinstance(got, Posterior)
        assert got.expected_loss == pytest.approx(7.79e-5, abs=5e-8)
        assert got.expected_loss_keep - got.expected_loss == pytest.approx(-got.mean)

    def test_takes_the_plans_own_prior(self) -> None:
        got = effect_posterior(0.01, 0.01, prior=Prior(mean=0.0, sd=0.01), better="higher")
        assert isinstance(got, Posterior)
        assert got.mean == pytest.approx(0.005)
        assert got.sd == pytest.approx(0.01 / math.sqrt(2))

    def test_better_higher_mirrors_better_lower(self) -> None:
        prior = EffectPrior(mean=0.003, sd=0.02)
        mirror = EffectPrior(mean=-0.003, sd=0.02)
        up = effect_posterior(0.01, 0.007, prior=prior, better="higher", rope=(-0.002, 0.001))
        down = effect_posterior(-0.01, 0.007, prior=mirror, better="lower", rope=(-0.001, 0.002))
        assert isinstance(up, Posterior)
        assert isinstance(down, Posterior)
        assert up.probability_better == pytest.approx(down.probability_better, rel=1e-12)
        assert up.expected_loss == pytest.approx(down.expected_loss, rel=1e-12)
        assert up.probability_in_rope == pytest.approx(down.probability_in_rope, rel=1e-12)

    def test_unit_normal_loss_is_the_integral(self) -> None:
        exact = integrate.quad(lambda x: x * stats.norm.pdf(x, -0.3, 0.8), 0, np.inf)[0]
        assert normal_loss(-0.3, 0.8) == pytest.approx(exact, rel=1e-9)

    @pytest.mark.parametrize("se", [0.0, math.nan, math.inf, -1.0])
    def test_no_standard_error_is_absent(self, se: float) -> None:
        got = effect_posterior(0.1, se, prior=Prior(), better="lower")
        assert isinstance(got, Absent)
        assert got.code == "no-standard-error"


class TestFewDegreesOfFreedom:
    @pytest.mark.parametrize(("sd", "df"), [(0.05, 5.0), (0.003, 8.0), (4.0, 3.0)])
    def test_against_adaptive_integration(self, sd: float, df: float) -> None:
        """t likelihood and normal prior: moments and tail equal scipy's adaptive quadrature."""
        estimate, se = -0.138889, 0.043071

        def density(x: float) -> float:
            return float(stats.t.pdf((x - estimate) / se, df) * stats.norm.pdf(x, 0, sd))

        knots = sorted({-0.5, estimate, -0.02, 0.0, 0.02, 0.5})
        parts = [-60.0, *knots, 60.0]

        def over(f, ends):  # type: ignore[no-untyped-def]
            pairs = itertools.pairwise(ends)
            return sum(integrate.quad(f, a, b, epsabs=0, limit=400)[0] for a, b in pairs)

        total = over(density, parts)
        mean = over(lambda x: x * density(x), parts) / total
        below = over(density, [p for p in parts if p <= 0]) / total
        got = effect_posterior(estimate, se, prior=EffectPrior(sd=sd), better="lower", df=df)
        assert isinstance(got, Posterior)
        assert got.mean == pytest.approx(mean, rel=1e-5)
        assert got.probability_better == pytest.approx(below, abs=1e-7)

    def test_flat_prior_gives_the_t_interval(self) -> None:
        got = effect_posterior(0.2, 0.1, prior=flat(), better="higher", df=4)
        assert isinstance(got, Posterior)
        low, high = stats.t.interval(0.95, 4, 0.2, 0.1)
        loss = integrate.quad(lambda x: -x * stats.t.pdf(x, 4, 0.2, 0.1), -np.inf, 0)[0]
        assert (got.low, got.high) == pytest.approx((low, high))
        assert got.probability_better == pytest.approx(stats.t.sf(0, 4, 0.2, 0.1))
        assert got.expected_loss == pytest.approx(loss, rel=1e-7)

    def test_flat_prior_with_two_degrees_of_freedom_is_absent(self) -> None:
        got = effect_posterior(0.2, 0.1, prior=flat(), better="higher", df=2)
        assert isinstance(got, Absent)


class TestRates:
    @pytest.mark.parametrize(
        ("y", "n"), [([720, 620], [4000, 4000]), ([3, 9], [40, 55]), ([0, 0], [50, 60])]
    )
    def test_flat_prior_is_two_independent_betas(self, y: list[float], n: list[float]) -> None:
        """P(p1 < p0) by Gauss-Legendre over the beta density; moments in closed form."""
        a = [(y[i] + 1, n[i] - y[i] + 1) for i in (0, 1)]
        nodes, weights = np.polynomial.legendre.leggauss(400)
        low, high = stats.beta.ppf([1e-14, 1 - 1e-14], *a[0])
        p = low + (high - low) * (nodes + 1) / 2
        exact = (high - low) / 2 * weights @ (stats.beta.pdf(p, *a[0]) * special.betainc(*a[1], p))
        got = fitted(y, n, flat())
        means, variances = zip(*(stats.beta.stats(*ab) for ab in a), strict=True)
        assert got.probability_better == pytest.approx(exact, abs=QUADRATURE)
        assert got.mean == pytest.approx(means[1] - means[0], abs=1e-6)
        assert got.sd == pytest.approx(math.sqrt(sum(variances)), rel=1e-5)

    @pytest.mark.parametrize(("m", "s"), [(0.0, 0.02), (-0.05, 0.1), (0.3, 0.05)])
    def test_effect_prior_against_brute_force(self, m: float, s: float) -> None:
        """A 2-D midpoint sum over the unit square of (p0, p1) gives the same posterior."""
        y, n = [30, 18], [150, 140]
        side = (np.arange(2000) + 0.5) / 2000
        p0, p1 = side[:, None], side[None, :]
        with np.errstate(divide="ignore"):
            log = (
                stats.binom.logpmf(y[0], n[0], p0) + stats.binom.logpmf(y[1], n[1], p1)
                + stats.truncnorm.logpdf(p1 - p0, (-p0 - m) / s, (1 - p0 - m) / s, m, s)
            )  # fmt: skip
        weight = np.exp(log - log.max())
        weight /= weight.sum()
        delta = p1 - p0
        got = fitted(y, n, EffectPrior(mean=m, sd=s))
        mean = float((weight * delta).sum())
        assert got.mean == pytest.approx(mean, abs=2e-6)
        assert got.sd == pytest.approx(math.sqrt((weight * (delta - mean) ** 2).sum()), rel=1e-4)
        half = 0.5 * weight[np.isclose(delta, 0)].sum()  # the midpoints on the diagonal
        assert got.probability_better == pytest.approx(weight[delta < -1e-9].sum() + half, abs=2e-5)
        assert got.expected_loss == pytest.approx((weight * np.maximum(delta, 0)).sum(), abs=2e-6)

    def test_other_arms_inform_the_control(self) -> None:
        """With a tight prior an arm of 100,000 pins the control, and so the small arm's effect."""
        alone = fitted([50, 40], [100, 100], EffectPrior(sd=0.02))
        result = binomial_posterior(
            rates([50, 40, 60_000], [100, 100, 100_000]), prior=EffectPrior(sd=0.02), better="lower"
        )
        assert isinstance(result, ArmPosteriors)
        joined = result.effects[1]
        assert isinstance(joined, Posterior)
        draws = result.levels[:, 1] - result.levels[:, 0]
        mcse = draws.std() / math.sqrt(len(draws))
        assert joined.mean == pytest.approx(draws.mean(), abs=5 * mcse)
        assert joined.mean < alone.mean - 0.005

    def test_an_arm_whose_rate_is_all_but_zero(self) -> None:
        """5 in 3 million v 0 in 20: P(better) = ∫ Beta(6, 3e6-4) Beta(1, 21), whose cliff is at 0."""
        got = fitted([0, 5], [20, 3_000_000], flat())
        exact = integrate.quad(
            lambda p: stats.beta.pdf(p, 6, 2_999_996) * stats.beta.sf(p, 1, 21), 0, 2e-5
        )[0]
        assert got.probability_better == pytest.approx(exact, abs=1e-6)

    def test_probability_best_agrees_with_probability_better(self) -> None:
        result = binomial_posterior(
            rates([700, 640], [4000, 4000]), prior=EffectPrior(), better="lower"
        )
        assert isinstance(result, ArmPosteriors)
        effect = result.effects[1]
        assert isinstance(effect, Posterior)
        mcse = math.sqrt(0.25 / len(result.levels))
        best = result.probability_best("lower")[1]
        assert best == pytest.approx(effect.probability_better, abs=4 * mcse)

    def test_absent_where_nobody_was(self) -> None:
        empty = binomial_posterior(rates([0, 3], [0, 10]), prior=Prior(), better="lower")
        assert isinstance(empty, Absent)
        assert empty.code == "arm-empty"
        partly = binomial_posterior(rates([3, 0], [10, 0]), prior=Prior(), better="lower")
        assert isinstance(partly, ArmPosteriors)
        assert isinstance(partly.effects[1], Absent)

    def test_log_mass_far_in_the_upper_tail(self) -> None:
        assert log_mass(30.0, 31.0) == pytest.approx(float(log_mass(-31.0, -30.0)))
        assert log_mass(-1.0, 2.0) == pytest.approx(
            math.log(stats.norm.cdf(2) - stats.norm.cdf(-1))
        )


class TestSummaries:
    def test_grid_of_a_normal_is_the_normal(self) -> None:
        grid = np.linspace(-0.1, 0.08, 1501)
        got = grid_posterior(
            grid, stats.norm.logpdf(grid, -0.01, 0.01), better="lower", rope=(-0.002, 0.002),
            level=0.9, model="",
        )  # fmt: skip
        assert (got.mean, got.sd) == pytest.approx((-0.01, 0.01), rel=1e-9)
        assert (got.low, got.high) == pytest.approx(stats.norm.interval(0.9, -0.01, 0.01), rel=1e-5)
        assert got.probability_better == pytest.approx(stats.norm.cdf(1), abs=1e-10)
        assert got.expected_loss == pytest.approx(normal_loss(-0.01, 0.01), rel=1e-8)

    def test_importance_weights_turn_one_distribution_into_another(self) -> None:
        """Uniform draws weighted by a normal density have the normal's summary."""
        draws = np.random.default_rng(1).uniform(-6, 6, 200_000)
        got = draws_posterior(
            draws,
            weights=stats.norm.pdf(draws, 0.5),
            better="higher",
            rope=None,
            level=0.95,
            model="",
        )
        assert got.mean == pytest.approx(0.5, abs=0.015)
        assert got.probability_better == pytest.approx(stats.norm.cdf(0.5), abs=0.006)
        assert got.draws is not None
        assert got.draws.mean() == pytest.approx(got.mean, abs=5e-3)

    def test_json_is_the_contracts_object(self) -> None:
        got = effect_posterior(-0.02, 0.006, prior=Prior(), better="lower", rope=(-0.002, 0.002))
        assert isinstance(got, Posterior)
        keys = "mean sd low high probability_better probability_in_rope expected_loss model rhat"
        assert set(f"{keys} ess divergences".split()) <= set(got.to_json())
        assert "draws" not in got.to_json()

    def test_reference_priors(self) -> None:
        """The enthusiast gives 5% to no effect or harm; the sceptic is half as wide as the plan."""
        keen = enthusiastic(Prior(), better="lower", mde=0.014)
        assert stats.norm.sf(0, keen.mean, keen.sd) == pytest.approx(0.05)
        assert keen.mean == -0.014
        assert sceptical(Prior(sd=0.02)).sd == 0.01
