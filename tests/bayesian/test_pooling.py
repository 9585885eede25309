"""Pooling against published meta-analyses, exact identities and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from analysis.bayesian.pooling import Finding, Normals, Pooled, pool
from analysis.bayesian.posterior import Posterior, effect_posterior
from analysis.bayesian.priors import EffectPrior
from analysis.estimates import Absent
from analysis.frequentist.subgroups import Shrunk, shrink

SCHOOLS = [(28, 15), (8, 10), (-3, 16), (7, 11), (-1, 9), (1, 11), (18, 10), (12, 18)]
# tpos, tneg, cpos, cneg (Colditz et al. 1994)
BCG = np.array([
    [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619],
    [33, 5036, 47, 5761], [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892],
    [29, 7470, 45, 7232], [17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338],
    [27, 16886, 29, 17825],
], dtype=float)  # fmt: skip


def schools() -> list[Finding]:
    names = "ABCDEFGH"
    return [Finding(trial=names[i], estimate=y, se=s) for i, (y, s) in enumerate(SCHOOLS)]


def bcg() -> tuple[np.ndarray, np.ndarray]:
    tp, tn, cp, cn = BCG.T
    n, m = tp + tn, cp + cn
    return np.log(tp / n / (cp / m)), 1 / tp - 1 / n + 1 / cp - 1 / m


def pooled(findings: list[Finding], **settings) -> Pooled:  # type: ignore[no-untyped-def]
    result = pool(findings, **settings)
    assert isinstance(result, Pooled)
    return result


class TestEightSchools:
    """Rubin (1981) with a flat prior on μ and a uniform one on τ (limit 60)."""

    @pytest.fixture(scope="class")
    def result(self) -> Pooled:
        return pooled(schools(), spread="uniform", tau_limit=60.0)

    def test_average(self, result: Pooled) -> None:
        assert result.average.mean == pytest.approx(7.932, abs=5e-4)
        assert result.average.sd == pytest.approx(5.170, abs=5e-4)

    def test_spread_between_schools(self, result: Pooled) -> None:
        assert result.tau_mean == pytest.approx(6.567, abs=5e-4)
        assert result.tau_quantile(0.5) == pytest.approx(5.237, abs=2e-3)

    def test_shrunk_effects(self, result: Pooled) -> None:
        got = [round(x.mean, 2) for x in result.trials]
        assert got == pytest.approx([11.40, 7.89, 6.13, 7.64, 5.13, 6.14, 10.67, 8.46], abs=0.0051)


class TestBcg:
    """The BCG vaccine trials; the textbook's own figures are held beside :func:`meta.pool`."""

    def test_posterior_lies_near_reml(self) -> None:
        """With 13 trials and a wide prior the hierarchical mean is within 0.1 se of REML's."""
        y, v = bcg()
        trials = [
            Finding(trial=str(i), estimate=a, se=b**0.5)
            for i, (a, b) in enumerate(zip(y, v, strict=True))
        ]
        got = pooled(trials, tau_scale=1.0)
        assert got.average.mean == pytest.approx(-0.7145, abs=0.018)
        assert got.average.sd > 0.1798  # the posterior does not take τ as known


class TestGridModel:
    def test_one_trial_is_normal_normal_with_the_spread_added(self) -> None:
        """With one trial θ ~ N(0, s² + τ²) given τ; the τ grid integrates a known mixture."""
        prior, scale = EffectPrior(sd=0.03), 0.01
        got = pooled([Finding(trial="t", estimate=-0.02, se=0.01)], prior=prior, tau_scale=scale)
        tau = np.abs(np.random.default_rng(1).normal(0, scale, 400_000))
        var = prior.sd**2 + tau**2
        like = stats.norm.pdf(-0.02, 0, np.sqrt(var + 0.01**2))
        exact = np.average(-0.02 * var / (var + 0.01**2), weights=like)
        assert got.trials[0].mean == pytest.approx(exact, abs=1e-5)

    def test_groups_against_importance_sampling(self) -> None:
        """Two groups: means of μ, groups and trials equal those from prior draws of (τ, ω)."""
        rng = np.random.default_rng(7)
        y, s = np.array([-0.04, -0.03, 0.0, 0.01, -0.01]), np.full(5, 0.01)
        group = ["a", "a", "b", "b", "b"]
        found = [Finding(trial=str(i), estimate=y[i], se=s[i], group=group[i]) for i in range(5)]
        got = pooled(found, prior=EffectPrior(sd=0.02), tau_scale=0.01)
        size = 400_000
        mu = rng.normal(0, 0.02, size)
        omega, tau = np.abs(rng.normal(0, 0.01, (2, size)))
        a = mu + omega * rng.normal(size=size)
        b = mu + omega * rng.normal(size=size)
        centre = np.stack([a, a, b, b, b])
        spread = np.sqrt(tau**2 + 0.01**2)
        weight = np.exp(stats.norm.logpdf(y[:, None], centre, spread).sum(axis=0))
        ess = weight.sum() ** 2 / (weight**2).sum()
        tolerance = 5 * 0.01 / np.sqrt(ess)
        assert got.average.mean == pytest.approx(np.average(mu, weights=weight), abs=tolerance)
        assert got.groups["a"].mean == pytest.approx(np.average(a, weights=weight), abs=tolerance)
        first = np.average((y[0] * tau**2 + a * 1e-4) / (tau**2 + 1e-4), weights=weight)
        assert got.trials[0].mean == pytest.approx(first, abs=tolerance)

    def test_shrinkage_undoes_the_winners_curse(self) -> None:
        """Of 400 trials' significant results the raw mean exaggerates, the shrunk mean does not."""
        rng = np.random.default_rng(3)
        truth = rng.normal(-0.005, 0.01, 400)
        found = [
            Finding(trial=str(i), estimate=t + rng.normal(0, 0.01), se=0.01)
            for i, t in enumerate(truth)
        ]
        got = pooled(found, tau_scale=0.01)
        won = [i for i, f in enumerate(found) if f.estimate / f.se < -1.96]
        raw = np.mean([found[i].estimate - truth[i] for i in won])
        shrunk = np.mean([got.trials[i].mean - truth[i] for i in won])
        mcse = 0.01 / np.sqrt(len(won))
        assert raw < -5 * mcse
        assert abs(shrunk) < 3 * mcse

    def test_informed_prior_is_the_predictive_with_its_provenance(self) -> None:
        found = [
            Finding(trial="x", estimate=-0.02, se=0.005, group="ivr"),
            Finding(trial="y", estimate=-0.01, se=0.005, group="letter", imported=True),
            Finding(trial="z", estimate=-0.015, se=0.005, group="ivr"),
        ]
        got = pooled(found, prior=EffectPrior(sd=0.02))
        prior = got.informed_prior("ivr")
        assert (prior.mean, prior.sd) == (got.in_group["ivr"].mean, got.in_group["ivr"].sd)
        assert prior.sd > got.groups["ivr"].sd
        assert "x, z" in prior.source
        assert "y (imported)" in got.informed_prior().source

    def test_nothing_to_pool_is_absent(self) -> None:
        assert isinstance(pool([]), Absent)
        assert isinstance(pool(schools()[:2], spread="uniform"), Absent)

    def test_mixture_quantiles_invert_its_distribution(self) -> None:
        mix = Normals(
            means=np.array([-1.0, 2.0]), sds=np.array([0.5, 1.0]), weights=np.array([0.3, 0.7])
        )
        for p in (0.001, 0.3, 0.975):
            assert mix.below(mix.quantile(p)) == pytest.approx(p, abs=1e-12)
        summary = mix.posterior(better="lower")
        draws = mix.draws(400_000, np.random.default_rng(1))
        assert summary.mean == pytest.approx(1.1)
        assert summary.sd == pytest.approx(draws.std(), rel=0.01)
        assert summary.expected_loss == pytest.approx(np.maximum(draws, 0).mean(), rel=0.01)
        assert summary.probability_better == pytest.approx((draws < 0).mean(), abs=0.004)


class TestLevels:
    def findings(self, *values: float) -> list[Finding]:
        return [Finding(trial=str(i), estimate=v, se=0.01) for i, v in enumerate(values)]

    def test_they_are_pulled_together_and_stay_ordered(self) -> None:
        raw = (-0.04, -0.02, 0.0, -0.03, -0.01)
        means = [t.mean for t in pooled(self.findings(*raw), prior=EffectPrior()).trials]
        assert np.argsort(means).tolist() == np.argsort(raw).tolist()
        assert np.ptp(means) < 0.9 * np.ptp(raw)

    def test_with_no_spread_they_are_one_pooled_estimate(self) -> None:
        """As τ's scale goes to zero every level has the posterior of the pooled estimate."""
        found = self.findings(-0.03, -0.01, -0.02, -0.02)
        got = pooled(found, prior=EffectPrior(), tau_scale=1e-7)
        want = effect_posterior(-0.02, 0.005, prior=EffectPrior(), better="lower")
        assert isinstance(want, Posterior)
        for level in got.trials:
            assert (level.mean, level.sd) == pytest.approx((want.mean, want.sd), rel=1e-4)

    def test_groups_of_a_trial_are_pooled_as_trials_are(self) -> None:
        """Two implementations, one model: a flat prior on the average, a half-normal one on τ."""
        raw, scale = (-0.04, -0.02, 0.0, -0.03, -0.01), 0.01
        trials = pooled(self.findings(*raw), tau_scale=scale).trials
        groups = shrink(np.array(raw), np.full(5, 0.01), tau_scale=scale)
        assert isinstance(groups, Shrunk)
        for one, other in zip(trials, groups.effects, strict=True):
            assert (one.mean, one.sd) == pytest.approx((other.estimate, other.se), rel=2e-3)
