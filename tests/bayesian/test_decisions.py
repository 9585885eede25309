"""Decisions, sensitivity, agreement, looks, forecasts and adaptive allocation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.bayesian.agreement import Agreement, agreement
from analysis.bayesian.decisions import (
    Running,
    Verdict,
    breach_probability,
    decide,
    value_of_running,
)
from analysis.bayesian.forecasts import Forecast, calibration, expected_crps, score
from analysis.bayesian.looks import cumulative, false_alarm_rate
from analysis.bayesian.posterior import Posterior, effect_posterior
from analysis.bayesian.priors import EffectPrior, flat
from analysis.bayesian.sensitivity import sensitivity, tipping_sd
from analysis.bayesian.thompson import thompson_weights
from analysis.estimates import Absent, Estimate
from analysis.estimation import interactions_json
from analysis.frequentist.adaptive import Batch, adaptive_difference, adaptive_ratio
from analysis.tables import Grouped, Key
from trials.definition.model import Decision, Metric


def posterior(mean: float, sd: float, better: str = "lower") -> Posterior:
    got = effect_posterior(mean, sd, prior=flat(), better=better)  # type: ignore[arg-type]
    assert isinstance(got, Posterior)
    return got


class TestRule:
    def test_ships_stops_and_waits_at_the_plans_probabilities(self) -> None:
        choices = [decide(posterior(m, 0.01), rule=Decision()) for m in (-0.02, 0.02, -0.005)]
        assert [c.choice for c in choices if isinstance(c, Verdict)] == [
            "ship",
            "stop-for-harm",
            "not-yet",
        ]

    def test_a_guardrail_blocks_shipping(self) -> None:
        verdict = decide(
            posterior(-0.02, 0.005), rule=Decision(), guardrails={"paid": 0.2, "ok": 0.01}
        )
        assert isinstance(verdict, Verdict)
        assert verdict.choice == "blocked-by-guardrail"
        assert any("paid" in r and "20.0%" in r for r in verdict.reasons)

    def test_breach_is_the_tail_beyond_the_margin(self) -> None:
        """Higher is better: breached when the effect is below minus the margin."""
        p = posterior(-0.002, 0.004, "higher")
        assert breach_probability(p, margin=0.005) == pytest.approx(
            stats.norm.cdf(-0.005, -0.002, 0.004)
        )
        q = posterior(0.002, 0.004, "lower")
        assert breach_probability(q, margin=0.005) == pytest.approx(
            stats.norm.sf(0.005, 0.002, 0.004)
        )

    def test_an_absent_primary_stays_absent(self) -> None:
        gone = Absent("arm-empty", "Nobody.")
        assert decide(gone, rule=Decision()) is gone


class TestRunningLonger:
    def test_against_simulated_futures(self) -> None:
        """Truth, then data, then decision, 400,000 times: value and chance of shipping."""
        rng = np.random.default_rng(5)
        se, prior = 0.01, EffectPrior(sd=0.02)
        now = effect_posterior(-0.008, se, prior=prior, better="lower")
        assert isinstance(now, Posterior)
        got = value_of_running(now, se=se, information=2.0, rule=Decision())
        assert isinstance(got, Running)
        truth = rng.normal(now.mean, now.sd, 400_000)
        fresh = truth + rng.normal(0, se, len(truth))
        precision = now.sd**-2 + se**-2
        mean = (now.mean * now.sd**-2 + fresh * se**-2) / precision
        gain = np.where(mean < 0, -truth, 0.0)
        value = gain.mean() - max(-now.mean, 0)
        mcse = gain.std() / math.sqrt(len(truth))
        assert got.value == pytest.approx(value, abs=4 * mcse)
        ships = (stats.norm.cdf(0, mean, precision**-0.5) >= 0.95).mean()
        assert got.ship_probability == pytest.approx(ships, abs=0.004)
        assert got.value < got.perfect

    def test_no_further_information_is_absent(self) -> None:
        got = value_of_running(posterior(0, 1), se=1.0, information=1.0, rule=Decision())
        assert isinstance(got, Absent)


class TestSensitivity:
    def test_prints_four_priors_and_says_when_they_matter(self) -> None:
        got = sensitivity(-0.018, 0.01, prior=EffectPrior(sd=0.01), better="lower", mde=0.02)
        assert list(got.posteriors) == ["planned", "flat", "sceptical", "enthusiastic"]
        assert not got.robust
        assert "matters" in got.says
        sure = sensitivity(-0.08, 0.01, prior=EffectPrior(sd=0.02), better="lower")
        open_minded = sensitivity(-3.0, 1.0, prior=flat(), better="lower", mde=2.0)
        assert list(open_minded.posteriors) == ["flat", "sceptical", "enthusiastic"]
        doubtful = open_minded.posteriors["sceptical"]
        assert isinstance(doubtful, Posterior)
        assert doubtful.mean == pytest.approx(-1.5)  # a prior of sd 1 is worth the data
        assert "over the three priors" in open_minded.says
        unplanned = sensitivity(-3.0, 1.0, prior=flat(), better="lower").posteriors["sceptical"]
        assert isinstance(unplanned, Posterior)
        assert unplanned.mean == pytest.approx(-3 * 1.4**2 / (1.4**2 + 1))
        assert sure.robust

    def test_the_tipping_prior_tips(self) -> None:
        """Under a prior of exactly the tipping sd the probability of better is the threshold."""
        sd = tipping_sd(0.03, 0.01, better="higher", threshold=0.95)
        assert isinstance(sd, float)
        got = effect_posterior(0.03, 0.01, prior=EffectPrior(sd=sd), better="higher")
        assert isinstance(got, Posterior)
        assert got.probability_better == pytest.approx(0.95, abs=1e-12)

    def test_nothing_to_tip_when_the_data_fall_short(self) -> None:
        assert isinstance(tipping_sd(0.01, 0.01, better="higher", threshold=0.95), Absent)


class TestAgreement:
    def test_flat_prior_agrees_in_size(self) -> None:
        estimate = Estimate.from_t(-0.03, 0.01, df=None)
        got = agreement(estimate, posterior(-0.03, 0.01))
        assert isinstance(got, Agreement)
        assert got.agree
        assert got.shift == pytest.approx(0)
        assert got.width_ratio == pytest.approx(1)

    def test_one_sided_threshold_is_weaker_than_a_two_sided_test(self) -> None:
        """z = 1.8: p = 0.07 but P(better) = 96.4%, and the paragraph says why."""
        got = agreement(Estimate.from_t(-0.018, 0.01, df=None), posterior(-0.018, 0.01))
        assert isinstance(got, Agreement)
        assert not got.agree
        assert "one-sided" in got.paragraph

    def test_a_tight_prior_pulls_and_narrows(self) -> None:
        prior = EffectPrior(sd=0.01)
        bayes = effect_posterior(-0.025, 0.01, prior=prior, better="lower")
        got = agreement(Estimate.from_t(-0.025, 0.01, df=None), bayes, looks=3)
        assert isinstance(got, Agreement)
        assert got.shift == pytest.approx(1.25)
        assert got.width_ratio == pytest.approx(math.sqrt(0.5))
        assert "towards the prior" in got.paragraph
        assert "3 times" in got.paragraph


class TestLooks:
    @pytest.mark.parametrize(("k", "rate"), [(5, 0.1300), (14, 0.1925), (28, 0.2351)])
    def test_peeking_at_a_flat_posterior(self, k: int, rate: float) -> None:
        """P(better) > 95% at k equal looks without any effect: the exact recursion's rates."""
        looks = [(i + 1) / k for i in range(k)]
        got, mcse = false_alarm_rate(looks, final_se=0.01, prior=flat(), threshold=0.95, seed=2)
        assert got == pytest.approx(rate, abs=4 * mcse)

    def test_a_sceptical_prior_lowers_the_rate(self) -> None:
        looks = [0.25, 0.5, 0.75, 1.0]
        wide = false_alarm_rate(looks, final_se=0.01, prior=flat(), threshold=0.95)[0]
        tight = false_alarm_rate(looks, final_se=0.01, prior=EffectPrior(sd=0.01), threshold=0.95)[
            0
        ]
        assert tight < 0.6 * wide

    def test_cumulative_posteriors_keep_absences(self) -> None:
        got = cumulative(
            [("a", 0.3, Absent("arm-empty", "x")), ("b", 1.0, Estimate.from_t(-0.02, 0.01, df=None))],
            prior=EffectPrior(), better="lower",
        )  # fmt: skip
        assert isinstance(got[0].posterior, Absent)
        assert isinstance(got[1].posterior, Posterior)
        assert got[1].posterior.mean == pytest.approx(-0.016)


class TestForecasts:
    @pytest.mark.parametrize(("sd", "came_sd"), [(0.02, 0.006), (0.02, 0.0), (0.0, 0.006)])
    def test_crps_against_its_definition(self, sd: float, came_sd: float) -> None:
        """∫ (F(x) - 1{x ≥ y})² dx averaged over y, by quadrature."""
        m, c = -0.01, 0.015

        def crps(y: float) -> float:
            if sd == 0:
                return abs(y - m)
            low = integrate.quad(lambda x: stats.norm.cdf(x, m, sd) ** 2, m - 9 * sd, y)[0]
            return low + integrate.quad(lambda x: stats.norm.sf(x, m, sd) ** 2, y, m + 9 * sd)[0]

        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        want = sum(
            w * crps(c + came_sd * z) for z, w in zip(nodes, weights, strict=True)
        ) / math.sqrt(2 * math.pi)
        # a point forecast is scored by |x|, whose kink Gauss-Hermite rounds off a little
        assert expected_crps(m, sd, c, came_sd) == pytest.approx(want, rel=1e-6 if sd else 2e-2)

    def test_brier_of_a_certain_result(self) -> None:
        got = score(Forecast(who="team", probability_better=0.8), posterior(-1, 0.01))
        assert got.brier == pytest.approx(0.04)
        assert got.crps is None

    def test_calibration_bins(self) -> None:
        got = calibration([(0.9, 1.0), (0.85, 0.0), (0.1, 0.2), (1.0, 1.0)], bins=5)
        assert not isinstance(got, Absent)
        assert [(b.n, round(b.came, 3)) for b in got] == [(1, 0.2), (3, 0.667)]


class TestThompson:
    def test_weights_are_probabilities_of_best_with_a_floor(self) -> None:
        rng = np.random.default_rng(1)
        levels = np.column_stack([rng.normal(0.2, 0.01, 50_000), rng.normal(0.19, 0.01, 50_000)])
        got = thompson_weights(levels, better="lower", floor=0.1)
        best = stats.norm.cdf(0.01 / math.hypot(0.01, 0.01))
        assert got[1] == pytest.approx(0.1 + 0.8 * best, abs=0.01)
        assert got.sum() == pytest.approx(1)
        sure = thompson_weights(levels - [0, 1], better="lower", floor=0.1)
        assert sure == pytest.approx([0.1, 0.9])

    def test_an_arm_without_units_keeps_an_equal_share(self) -> None:
        levels = np.tile([0.1, 0.2, 0.0], (10, 1))
        got = thompson_weights(levels, better="lower", floor=0.0, present=[True, True, False])
        assert got == pytest.approx([2 / 3, 0, 1 / 3])

    def test_floor_too_high(self) -> None:
        with pytest.raises(ValueError, match="too high"):
            thompson_weights(np.zeros((2, 3)), better="lower", floor=0.4)

    @pytest.mark.parametrize(("drift", "effect"), [(0.0, 0.0), (0.15, 0.0), (0.0, -0.08)])
    def test_adaptive_analysis_is_unbiased_and_covers_where_the_plain_mean_is_biased(
        self, drift: float, effect: float
    ) -> None:
        """600 bandit trials, with and without an effect, steady or with a rate that goes round.

        The ratio points where the difference does, and leaves out one where that leaves out
        nought. Monte Carlo errors: of a bias, sd/√600; of a coverage, 0.9 points. Bounds are four.
        """
        rng = np.random.default_rng(11)
        plain, ours, covered = [], [], np.zeros(2)
        runs, size = 600, 10
        for _ in range(runs):
            batches, total = [], np.zeros((2, 2))
            weights = np.array([0.5, 0.5])
            for b in range(size):
                rate = 0.3 + drift * math.sin(2 * math.pi * b / size) + np.array([0.0, effect])
                n = rng.multinomial(100, weights).astype(float)
                y = rng.binomial(n.astype(int), rate).astype(float)
                batches.append(Batch(weights=weights, n=n, y=y, yy=y))
                total += np.stack([n, y])
                levels = rng.beta(1 + total[1], 1 + total[0] - total[1], (200, 2))
                weights = thompson_weights(levels, better="lower", floor=0.1)
            got = adaptive_difference(batches, arm=1, control=0)
            ratio = adaptive_ratio(batches, arm=1, control=0)
            assert isinstance(got, Estimate)
            assert isinstance(ratio, Estimate)
            assert (ratio.estimate > 1) == (got.estimate > 0)
            assert (ratio.low <= 1 <= ratio.high) == (got.low <= 0 <= got.high)
            rates = total[1] / total[0]
            plain.append((rates.max() - 0.3, abs(rates[1] - rates[0])))
            ours.append(got.estimate)
            truth = (effect, 1 + effect / 0.3)
            covered += [e.low <= t <= e.high for e, t in zip((got, ratio), truth, strict=True)]
        if not effect:
            worse, apart = np.mean(plain, axis=0)
            assert worse > 4 * np.std(plain, axis=0)[0] / math.sqrt(runs)
            assert apart > (0.05 if drift else 0.0)
        assert abs(np.mean(ours) - effect) < 4 * np.std(ours) / math.sqrt(runs)
        assert covered / runs == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / runs))

    def test_groups_are_compared_by_the_same_scores_and_keep_the_error_rate(self) -> None:
        """500 bandit trials whose three groups differ in rate, then 50 whose effects differ too.

        The rate goes round as shares move. Monte Carlo error 1 point at 5%; the bound is four.
        """
        rng = np.random.default_rng(12)
        base, share = np.array([0.3, 0.4, 0.2]), [0.4, 0.4, 0.2]

        def rejects(effects: Sequence[float]) -> bool:
            rate = np.stack([base, base + effects], axis=1)
            n, y = np.zeros((2, 10, 3, 2))
            shares = np.full((10, 2), 0.5)
            for b in range(10):
                for g, size in enumerate(rng.multinomial(200, share)):
                    n[b, g] = rng.multinomial(size, shares[b])
                drift = 0.1 * math.sin(2 * math.pi * b / 10)
                y[b] = rng.binomial(n[b].astype(int), rate + drift)
                total, hits = n.sum(axis=(0, 1)), y.sum(axis=(0, 1))
                levels = rng.beta(1 + hits, 1 + total - hits, (200, 2))
                if b < 9:
                    shares[b + 1] = thompson_weights(levels, better="lower", floor=0.1)
            batch, group, arm = (c.ravel() for c in np.indices(n.shape))
            table = Grouped(
                arm=arm, n=n.ravel(), y=y.ravel(), yy=y.ravel(), arms=("old", "new"), weights=(1.0, 1.0), control=0,
                stratum=Key(name="batch", codes=batch, levels=tuple(str(b) for b in range(10))),
                segments={"area": Key(name="area", codes=group, levels=("a", "b", "c"))},
                shares=shares[batch],
            )  # fmt: skip
            metric = Metric(key="m", role="primary", kind="proportion", source="outcomes")
            (told,) = interactions_json(table, metric)
            return bool(told["p"] < 0.05)

        wrong = np.mean([rejects([-0.05, -0.05, -0.05]) for _ in range(500)])
        assert wrong == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 500))
        assert np.mean([rejects([-0.15, 0.15, 0.0]) for _ in range(50)]) > 0.9

    def test_an_arm_that_could_not_be_drawn_is_absent(self) -> None:
        batch = Batch(
            weights=np.array([1.0, 0.0]), n=np.array([5.0, 0]), y=np.zeros(2), yy=np.zeros(2)
        )
        assert isinstance(adaptive_difference([batch], arm=1, control=0), Absent)
