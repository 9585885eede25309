"""The models' densities, priors and data handling, each against an independent calculation."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special, stats

sys.path.insert(0, str(Path(__file__).parent))
import trial_tables as tables

from analysis.bayesian.checks import prior_checks
from analysis.bayesian.closed_form import ArmPosteriors
from analysis.bayesian.deflection import deflection_of_draws
from analysis.bayesian.importance import Weighted, laplace_importance, quick_posterior
from analysis.bayesian.models import MODELS, amounts, binomial, counts, paths, survival
from analysis.bayesian.models.base import ModelData, contrasts
from analysis.bayesian.posterior import Posterior
from analysis.bayesian.priors import EffectPrior, flat
from analysis.estimates import Absent
from analysis.tables import LifeTable


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def prepared(data: ModelData | Absent) -> ModelData:
    assert isinstance(data, ModelData)
    return data


def every_model() -> dict[str, ModelData]:
    return {
        "binomial": prepared(
            binomial.prepare(tables.stratified(rng()), prior=EffectPrior(), segment="e-mail")
        ),
        "clusters": prepared(binomial.prepare(tables.clustered(rng()), prior=EffectPrior(sd=0.05))),
        "counts": prepared(counts.prepare(tables.histogram(rng()), prior=EffectPrior(sd=0.1))),
        "amounts": prepared(amounts.prepare(tables.amounts(rng()), prior=EffectPrior(sd=9.0))),
        "survival": prepared(
            survival.prepare(tables.life_table(rng()), horizon=28, prior=EffectPrior(sd=1.0))
        ),
        "paths": prepared(paths.prepare(tables.ways(), prior=EffectPrior(sd=0.05))),
    }


DATA = every_model()


def compiled(data: ModelData) -> Any:
    """The model's log density at values of its own (transformed) parameters, without Jacobian."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[data.model].build(data).compile_logp(jacobian=False, mode="FAST_COMPILE")


def differences(values: list[tuple[float, float]]) -> None:
    """Two log densities differ by one constant: compare their differences from the first point."""
    first = values[0]
    for one in values[1:]:
        assert one[0] - first[0] == pytest.approx(one[1] - first[1], abs=2e-6)


def cut_normal(delta: float, low: float, high: float, data: ModelData) -> float:
    mean, sd = float(data.arrays["prior_mean"]), float(data.arrays["prior_sd"])
    return float(stats.truncnorm.logpdf(delta, (low - mean) / sd, (high - mean) / sd, mean, sd))


class TestDensities:
    """Each PyMC model against NumPy and SciPy, at several points, up to a constant."""

    def test_counts(self) -> None:
        data, f, values = DATA["counts"], compiled(DATA["counts"]), []
        for seed in range(4):
            theta = rng(seed).normal(0, 0.3, 4)
            point = {"base": theta[0], "beta": theta[1:2], "omega_log__": theta[2:]}
            values.append((float(f(point)), counts.log_density(theta, data) - theta[2:].sum()))
        differences(values)

    def test_counts_second_implementation_is_scipys_negative_binomial(self) -> None:
        data, values = DATA["counts"], []
        a = data.arrays
        for seed in range(3):
            theta = rng(seed).normal(0, 0.3, 4)
            level = np.exp(a["log_typical"] + 2 * theta[0] + np.array([0, theta[1]]))
            omega = np.exp(theta[2:])
            size = 1 / (omega[a["arm"]] ** 2 + 1e-6)
            log_p = stats.nbinom.logpmf(a["value"], size, size / (size + level[a["arm"]]))
            delta = level[1] - level[0]
            prior = (
                stats.norm.logpdf(theta[0]) + stats.halfnorm.logpdf(omega).sum() + theta[2:].sum()
            )
            prior += cut_normal(delta, -level[0], np.inf, data) + np.log(level[1])
            values.append((counts.log_density(theta, data), prior + a["times"] @ log_p))
        differences(values)

    def test_amounts(self) -> None:
        data, f, values = DATA["amounts"], compiled(DATA["amounts"]), []
        for seed in range(4):
            theta = rng(seed).normal(0, 0.2, 6)
            point = {
                "base": theta[0], "beta": theta[1:2], "share_logodds__": theta[2:4],
                "sigma_log__": theta[4:],
            }  # fmt: skip
            p = special.expit(theta[2:4])
            jacobian = np.log(p * (1 - p)).sum() + theta[4:].sum()
            values.append((float(f(point)), amounts.log_density(theta, data) - jacobian))
        differences(values)

    def test_amounts_sufficient_statistics_are_the_raw_amounts(self) -> None:
        """The likelihood from sums equals the lognormal density of every amount."""
        logs = rng().normal(4, 1.2, 50)
        table = tables.Amounts(
            arms=("a", "b"), control=0, arm=np.arange(2), n=np.array([80.0, 80.0]),
            positive=np.array([50.0, 50.0]), log_sum=np.full(2, logs.sum()),
            log_square=np.full(2, (logs**2).sum()),
        )  # fmt: skip
        data, values = prepared(amounts.prepare(table, prior=flat(), typical=60.0)), []
        for seed in range(3):
            theta = rng(seed).normal(0, 0.2, 6)
            level = 60 * np.exp(2 * theta[0] + np.array([0, theta[1]]))
            p, sigma = special.expit(theta[2:4]), np.exp(theta[4:])
            total = 0.0
            for k in range(2):
                mu = np.log(level[k] / p[k]) - sigma[k] ** 2 / 2
                total += stats.norm.logpdf(logs, mu, sigma[k]).sum()
                total += stats.binom.logpmf(50, 80, p[k])
            total += stats.norm.logpdf(theta[0]) + stats.halfnorm.logpdf(sigma, scale=2).sum()
            total += np.log(p * (1 - p)).sum() + theta[4:].sum() + np.log(level[1])
            total += cut_normal(level[1] - level[0], -level[0], np.inf, data)
            values.append((amounts.log_density(theta, data), total))
        differences(values)

    def test_paths(self) -> None:
        data, f, values = DATA["paths"], compiled(DATA["paths"]), []
        for seed in range(4):
            draw = rng(seed)
            share = draw.dirichlet(np.ones(5) * 5)
            z, beta = draw.normal(0, 0.5, 3), draw.normal(0, 0.2)
            logs = np.log(share)
            point = {
                "base_simplex__": logs[:-1] - logs.mean(), "shift_z": z[None], "beta": np.array([beta]),
            }  # fmt: skip
            theta = np.concatenate([logs[:-1] - logs[-1], [beta], z])
            got = paths.log_density(theta, data) - logs.sum()
            values.append((float(f(point)), got))
        differences(values)

    def test_paths_effect_prior_by_finite_differences(self) -> None:
        """δ's density times |dδ/dβ| with the slope taken numerically."""
        data = DATA["paths"]
        cost, values = data.arrays["cost"], []
        for seed in range(3):
            draw = rng(seed)
            theta = np.concatenate(
                [draw.normal(0, 0.5, 4), [draw.normal(0, 0.2)], draw.normal(0, 0.5, 3)]
            )

            def level(beta: float, theta: np.ndarray = theta) -> np.ndarray:
                moved = theta.copy()
                moved[4] = beta
                return paths.levels(moved[None], data)[0]

            low, high = level(theta[4] - 1e-5), level(theta[4] + 1e-5)
            here = level(theta[4])
            slope = (high[1] - low[1]) / 2e-5
            share = paths.shares(theta[None], data)[0]
            total = stats.multinomial.logpmf(
                data.arrays["counts"], data.arrays["counts"].sum(axis=1), share
            )
            want = total.sum() + np.log(share[0]).sum() + stats.norm.logpdf(theta[5:]).sum()
            want += np.log(slope) + cut_normal(
                here[1] - here[0], cost.min() - here[0], cost.max() - here[0], data
            )
            values.append((paths.log_density(theta, data), want))
        differences_loose(values)

    def test_stratified_rates(self) -> None:
        data, f, values = DATA["binomial"], compiled(DATA["binomial"]), []
        for seed in range(3):
            point, want = stratified_point(data, rng(seed))
            values.append((float(f(point)), want))
        differences_loose(values)

    def test_clusters_are_beta_binomial(self) -> None:
        data, f, values = DATA["clusters"], compiled(DATA["clusters"]), []
        a = data.arrays
        for seed in range(3):
            draw = rng(seed)
            alpha, beta, icc = (
                draw.normal(-1.4, 0.3),
                draw.normal(-0.2, 0.1),
                draw.uniform(0.02, 0.2),
            )
            p = special.expit(alpha + np.array([0, beta]))
            weight = (1 - icc) / (icc + binomial.LEAST)
            mean = p[a["cell_arm"]]
            log_p = stats.betabinom.logpmf(a["y"], a["n"], mean * weight, (1 - mean) * weight)
            want = a["times"] @ log_p + stats.logistic.logpdf(alpha) + stats.beta.logpdf(icc, 1, 9)
            want += cut_normal(p[1] - p[0], -p[0], 1 - p[0], data) + np.log(p[1] * (1 - p[1]))
            point = {"alpha": alpha, "beta": np.array([beta]), "icc_logodds__": special.logit(icc)}
            values.append((float(f(point)), float(want)))
        differences(values)
        # Without correlation the clusters are binomial, however near zero a chain comes.
        plain = a["times"] @ stats.binom.logpmf(a["y"], a["n"], mean)
        gap = plain - a["times"] @ log_p + stats.beta.logpdf(0, 1, 9) - stats.beta.logpdf(icc, 1, 9)
        for none in (1e-12, 1e-16):
            near = {**point, "icc_logodds__": special.logit(none)}
            assert float(f(near)) - values[-1][0] == pytest.approx(gap, abs=0.01)

    def test_survival(self) -> None:
        data, f, values = DATA["survival"], compiled(DATA["survival"]), []
        a = data.arrays
        c = survival.CENTRING
        for seed in range(3):
            draw = rng(seed)
            walk, sd, beta = draw.normal(0, 0.3, 8), draw.uniform(0.1, 0.4), draw.normal(0, 0.2)
            z, omega = draw.normal(0, 0.3, 7), np.hypot(sd, survival.FLOOR)
            base = a["log_typical"] + walk
            tilt = omega ** (1 - c) * a["basis"] @ z

            def mean(b: float, base: np.ndarray = base, tilt: np.ndarray = tilt) -> float:
                return restricted_mean(np.exp(base + b + tilt), a["width"])

            control = restricted_mean(np.exp(base), a["width"])
            slope = (mean(beta - 1e-4) - mean(beta + 1e-4)) / 2e-4
            delta = mean(beta) - control
            hazard = np.exp(np.stack([base, base + beta + tilt]))
            at_risk = a["events"] + a["calm"]
            real = a["width"] > 0
            log_p = stats.binom.logpmf(a["events"], at_risk, -np.expm1(-hazard))[:, real].sum()
            want = log_p + stats.norm.logpdf(walk[0], 0, 1.5)
            want += stats.norm.logpdf(np.diff(walk), 0, 0.5).sum()
            want += stats.halfnorm.logpdf(sd, scale=0.3) + stats.norm.logpdf(z, 0, omega**c).sum()
            want += np.log(slope) + cut_normal(delta, -control, 28 - control, data)
            point = {
                "walk": walk, "departure_sd_log__": np.log(sd), "departure_z": z[None],
                "beta": np.array([beta]),
            }  # fmt: skip
            values.append((float(f(point)), float(want)))
        differences_loose(values)


def differences_loose(values: list[tuple[float, float]]) -> None:
    """As above where the independent side takes a slope numerically."""
    for one in values[1:]:
        assert one[0] - values[0][0] == pytest.approx(one[1] - values[0][1], abs=2e-4)


def restricted_mean(hazard: np.ndarray, width: np.ndarray) -> float:
    """∫ S(t) dt by adaptive quadrature over each interval."""
    ends = np.cumsum(width)

    def survival_at(t: float) -> float:
        spent = np.clip(t - (ends - width), 0, width)
        return float(np.exp(-(hazard * spent).sum()))

    pieces = [
        integrate.quad(survival_at, e - w, e)[0] for e, w in zip(ends, width, strict=True) if w
    ]
    return float(sum(pieces))


def stratified_point(data: ModelData, draw: np.random.Generator) -> tuple[dict[str, Any], float]:
    """A point of the stratified model, and its log density in SciPy's distributions."""
    a, point, total = data.arrays, {}, 0.0
    alpha, beta = draw.normal(-1, 0.3), draw.normal(-0.2, 0.1)
    effects = {}
    for name, label in (("strata", "stratum"), ("segments", "segment_baseline")):
        sd, c, used = draw.uniform(0.2, 0.6), float(a[f"{name}_centring"]), a[f"{name}_used"]
        tau = np.hypot(sd, binomial.FLOOR[name])
        scale = np.where(used > 0, tau**c, 1.0)
        z = draw.normal(0, scale)
        point |= {f"{label}_sd_log__": np.log(sd), f"{label}_z": z}
        total += stats.halfnorm.logpdf(sd) + stats.norm.logpdf(z, 0, scale).sum()
        effects[name] = tau ** (1 - c) * a[f"{name}_basis"] @ z
    differ, c, used = (
        draw.uniform(0.05, 0.3),
        float(a["heterogeneity_centring"]),
        a["segments_used"],
    )
    tau = np.hypot(differ, binomial.FLOOR["heterogeneity"])
    scale = np.where(used > 0, tau**c, 1.0)
    zh = draw.normal(0, scale)
    point |= {"heterogeneity_sd_log__": np.log(differ), "heterogeneity_z": zh[None]}
    total += stats.halfnorm.logpdf(differ, scale=0.3) + stats.norm.logpdf(zh, 0, scale).sum()
    tilt = tau ** (1 - c) * a["segments_basis"] @ zh
    point |= {"alpha": alpha, "beta": np.array([beta])}
    total += stats.logistic.logpdf(alpha)

    def eta(stratum: np.ndarray, segment: np.ndarray, arm: Any, b: float) -> np.ndarray:
        base = alpha + effects["strata"][stratum] + effects["segments"][segment]
        return np.asarray(base + np.where(arm, b + tilt[segment], 0.0))

    def mean(arm: int, b: float) -> float:
        return float(
            special.expit(eta(a["mix_stratum"], a["mix_segment"], arm, b)) @ a["mix_share"]
        )

    p = special.expit(eta(a["cell_stratum"], a["cell_segment"], a["cell_arm"], beta))
    total += stats.binom.logpmf(a["y"], a["n"], p).sum()
    control = mean(0, beta)
    slope = (mean(1, beta + 1e-5) - mean(1, beta - 1e-5)) / 2e-5
    total += np.log(slope) + cut_normal(mean(1, beta) - control, -control, 1 - control, data)
    return point, float(total)


BOUNDS = {
    "binomial": (0.0, 1.0), "clusters": (0.0, 1.0), "counts": (0.0, np.inf),
    "amounts": (0.0, np.inf), "survival": (0.0, 28.0), "paths": (0.0, 2.0),
}  # fmt: skip


class TestPriors:
    @pytest.mark.parametrize("name", list(DATA))
    def test_the_effects_prior_is_the_stated_cut_normal(self, name: str) -> None:
        """Given the control's level, the drawn effects' probability transforms are uniform."""
        data, draw = DATA[name], rng(3)
        data = data.with_arrays(prior_mean=np.asarray(-0.01), prior_sd=np.asarray(0.3))
        low, high = BOUNDS[name]
        places = []
        for _ in range(300):
            params = MODELS[data.model].draw_prior(data, draw)
            control, effect = params["level"][0], params["effect"][0]
            a, b = (low - control + 0.01) / 0.3, (high - control + 0.01) / 0.3
            places.append(stats.truncnorm.cdf(effect, a, b, -0.01, 0.3))
        assert stats.kstest(places, "uniform").pvalue > 0.001

    def test_drawn_parameters_have_the_drawn_effect(self) -> None:
        """The solved β, hazards and shares give back the effect they were solved for."""
        draw = rng(4)
        cut = survival.draw_prior(DATA["survival"], draw)
        level = survival.restricted_means(cut["log_hazard"], DATA["survival"].arrays["width"])
        assert level[1] - level[0] == pytest.approx(cut["effect"][0], abs=1e-9)
        data = DATA["binomial"]
        p, a = binomial.draw_prior(data, draw), data.arrays
        eta = p["alpha"] + p["stratum"][a["mix_stratum"]] + p["segment_baseline"][a["mix_segment"]]
        shifted = eta + p["beta"][0] + p["heterogeneity"][0, a["mix_segment"]]
        gap = (special.expit(shifted) - special.expit(eta)) @ a["mix_share"]
        assert gap == pytest.approx(p["effect"][0], abs=1e-9)

    def test_contrasts_make_the_zero_sum_normal(self) -> None:
        """B Bᵀ = I - 11ᵀ/L on the levels that exist and zero on the padding."""
        basis, used = contrasts(5, 8)
        want = np.zeros((8, 8))
        want[:5, :5] = np.eye(5) - 1 / 5
        assert basis @ basis.T == pytest.approx(want, abs=1e-12)
        assert used.sum() == 4

    def test_prior_checks_flag_data_the_prior_rules_out(self) -> None:
        got = prior_checks(DATA["counts"], replicates=60, seed=1)
        assert all(np.isfinite(c.observed) for c in got.checks)
        table = tables.histogram(rng(), means=(40.0, 44.0))
        odd = prepared(counts.prepare(table, prior=EffectPrior(), typical=0.001))
        assert any(c.unusual for c in prior_checks(odd, replicates=250, seed=1).checks)


class TestData:
    def test_life_table_becomes_unit_days(self) -> None:
        """Events and calm days equal a count unit by unit, with days that begin at zero."""
        table = LifeTable(
            arms=("a", "b"), control=0, arm=np.array([0, 0, 0, 1]), time=np.array([0.0, 2, 3, 1]),
            events=np.array([2.0, 1, 0, 1]), censored=np.array([0.0, 0, 4, 5]),
        )  # fmt: skip
        data = prepared(survival.prepare(table, horizon=3, prior=EffectPrior(sd=1)))
        # Arm a: 2 events on day 0; 1 event on day 2 after two calm days; 4 pass all three days.
        assert data.arrays["events"].sum(axis=1).tolist() == [3, 1]
        assert data.arrays["calm"].sum(axis=1).tolist() == [2 + 12, 5 + 1]
        assert data.arrays["width"].sum() == 3

    def test_events_beyond_the_horizon_are_calm(self) -> None:
        table = LifeTable(
            arms=("a", "b"), control=0, arm=np.array([0, 0, 1]), time=np.array([1.0, 9, 2]),
            events=np.array([1.0, 3, 1]), censored=np.zeros(3),
        )  # fmt: skip
        data = prepared(survival.prepare(table, horizon=4, prior=EffectPrior(sd=1)))
        assert data.arrays["events"].sum(axis=1).tolist() == [1, 1]
        assert data.arrays["calm"].sum(axis=1).tolist() == [12, 1]

    def test_clusters_are_counted_by_kind(self) -> None:
        table = tables.clustered(rng(), clusters=5000)
        data = prepared(binomial.prepare(table, prior=EffectPrior()))
        assert len(data.arrays["n"]) < 120
        assert data.arrays["times"].sum() == 5000
        assert data.arrays["times"] @ data.arrays["y"] == table.y.sum()

    def test_unknown_segment_levels_stay_a_level(self) -> None:
        table = tables.stratified(rng(), segments=3)
        codes = table.segments["e-mail"].codes
        codes[codes == 2] = -1
        data = prepared(binomial.prepare(table, prior=EffectPrior(), segment="e-mail"))
        assert data.levels[-1] == "not known"
        assert data.arrays["mix_within"].shape[0] == data.sizes["segments"]

    def test_control_comes_first_and_empty_arms_are_left_out(self) -> None:
        table = tables.rates([5, 0, 9], [50, 0, 60])
        data = prepared(binomial.prepare(table, prior=EffectPrior()))
        assert data.order == (0, 2)

    @pytest.mark.parametrize(
        "missing",
        [
            binomial.prepare(tables.rates([0, 3], [0, 9]), prior=EffectPrior()),
            counts.prepare(tables.histogram(rng(), means=(0.0, 0.0)), prior=EffectPrior()),
            paths.prepare(tables.ways(((0, 0, 0, 0, 0), (1, 2, 3, 4, 5))), prior=EffectPrior()),
        ],
    )
    def test_what_cannot_be_modelled_is_absent(self, missing: ModelData | Absent) -> None:
        assert isinstance(missing, Absent)

    def test_digest_follows_the_data_and_nothing_else(self) -> None:
        one, two = every_model()["counts"], every_model()["counts"]
        assert one.digest == two.digest
        other = one.with_arrays(times=one.arrays["times"] + 1)
        assert other.digest != one.digest


def quick(data: ModelData, draws: int = 4000) -> Posterior:
    result = quick_posterior(data, better="lower", draws=draws)
    assert isinstance(result, ArmPosteriors)
    effect = result.effects[1]
    assert isinstance(effect, Posterior)
    return effect


class TestImportanceDraws:
    def test_a_skewed_density_has_its_exact_moments(self) -> None:
        """log-gamma in one dimension: E = ψ(a), Var = ψ'(a)."""
        got = laplace_importance(
            lambda x: float(3 * x[0] - np.exp(x[0])), np.zeros(1), draws=40_000, rng=rng()
        )
        assert isinstance(got, Weighted)
        mean = got.weights @ got.theta[:, 0]
        mcse = np.sqrt(special.polygamma(1, 3) / got.ess)
        assert mean == pytest.approx(special.digamma(3), abs=4 * mcse)

    def test_a_density_without_a_peak_is_absent(self) -> None:
        assert isinstance(
            laplace_importance(lambda x: 0.0 * x[0], np.zeros(1), draws=100, rng=rng()), Absent
        )

    def test_counts_with_a_flat_prior_are_the_sample_means(self) -> None:
        table = tables.histogram(rng(5))
        got = quick(prepared(counts.prepare(table, prior=flat())))
        mean = [
            np.average(table.value[table.arm == k], weights=table.n[table.arm == k]) for k in (0, 1)
        ]
        se = np.sqrt(sum((m + m**2 / 1.3) / 3000 for m in mean))  # the planted shape
        assert got.mean == pytest.approx(mean[1] - mean[0], abs=0.1 * se)
        assert got.sd == pytest.approx(se, rel=0.06)

    def test_amounts_with_a_flat_prior_are_the_conjugate_draws(self) -> None:
        """Beta shares times lognormal means from the normal-inverse-χ² posterior."""
        table, draw = tables.amounts(rng(6)), rng(7)
        levels = []
        for k in range(2):
            n, m = table.n[k], table.positive[k]
            mean = table.log_sum[k] / m
            square = table.log_square[k] - m * mean**2
            variance = square / draw.chisquare(m - 1, 40_000)
            mu = draw.normal(mean, np.sqrt(variance / m))
            levels.append(draw.beta(m + 1, n - m + 1, 40_000) * np.exp(mu + variance / 2))
        delta = levels[1] - levels[0]
        got = quick(prepared(amounts.prepare(table, prior=flat())))
        assert got.mean == pytest.approx(delta.mean(), abs=0.08 * delta.std())
        assert got.sd == pytest.approx(delta.std(), rel=0.06)
        assert got.probability_better == pytest.approx((delta < 0).mean(), abs=0.03)

    def test_paths_give_gross_net_and_leakage_of_the_dirichlet(self) -> None:
        """With a flat prior and thousands of units: the independent Dirichlet posteriors."""
        data = prepared(paths.prepare(tables.ways(), prior=flat()))
        drawn = laplace_importance(
            lambda t: paths.log_density(t, data), paths.start(data), draws=8000, rng=rng()
        )
        assert isinstance(drawn, Weighted)
        (got,) = deflection_of_draws(data, drawn)
        share = [rng(k).dirichlet(row + 1, 40_000) for k, row in enumerate(data.arrays["counts"])]
        gross = (share[0] - share[1]) @ data.arrays["handled"]
        net = (share[0] - share[1]) @ data.arrays["cost"]
        assert got.gross.mean == pytest.approx(gross.mean(), abs=0.12 * gross.std())
        assert got.gross.sd == pytest.approx(gross.std(), rel=0.08)
        assert got.net.mean == pytest.approx(net.mean(), abs=0.12 * net.std())
        assert isinstance(got.leakage, Posterior)
        assert got.leakage.mean == pytest.approx((1 - net / gross).mean(), abs=0.03)

    def test_no_gross_deflection_leaves_nothing_to_leak(self) -> None:
        same = ((900, 2200, 100, 50, 750), (900, 2200, 100, 50, 750))
        data = prepared(paths.prepare(tables.ways(same), prior=EffectPrior()))
        drawn = laplace_importance(
            lambda t: paths.log_density(t, data), paths.start(data), draws=1000, rng=rng()
        )
        assert isinstance(drawn, Weighted)
        (got,) = deflection_of_draws(data, drawn)
        assert isinstance(got.leakage, Absent)

    def test_calibration_in_short(self) -> None:
        """Ranks of 80 true effects among their posterior draws are uniform (Talts et al. 2018)."""
        draw, ranks = rng(12), []
        start = prepared(
            counts.prepare(
                tables.histogram(rng(), size=300), prior=EffectPrior(sd=0.3), typical=0.5
            )
        )
        for _ in range(80):
            truth = counts.draw_prior(start, draw)
            data = counts.replicate(truth, start, draw)
            got = laplace_importance(
                lambda t, data=data: counts.log_density(t, data),
                counts.start(data),
                draws=400,
                rng=draw,
            )
            if isinstance(got, Weighted):
                level = counts.levels(got.theta, data)
                ranks.append(float(got.weights @ (level[:, 1] - level[:, 0] < truth["effect"][0])))
        assert len(ranks) > 70
        assert stats.kstest(ranks, "uniform").pvalue > 0.001
