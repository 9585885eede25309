"""Holdback against claim, the benefits log, roll-out, reminders, and adding up a portfolio."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.scaling.portfolio import TrialBenefit, add, spared
from analysis.scaling.ranges import Range
from analysis.scaling.realisation import (
    REMINDERS,
    STAGES,
    Adoption,
    Benefit,
    Event,
    NextStep,
    compare,
    log_totals,
    plan_rollout,
    reminder_due,
)
from trials.errors import Conflict, Invalid

DAY = date(2026, 4, 1)


def event(stage, *, by="A. Rai", pounds=3000.0, on=DAY, line="C12"):
    return Event(stage=stage, pounds=pounds, on=on, by=by, evidence="paper", budget_line=line)


def test_a_benefit_goes_through_every_stage_in_order():
    benefit = Benefit(trial="t", title="fewer calls")
    for i, stage in enumerate(STAGES):
        by = "auditor" if stage == "verified" else "A. Rai"
        benefit = benefit.advance(event(stage, by=by, pounds=3000 - 500 * i))
    assert benefit.stage == "verified"
    assert benefit.at("forecast") == 3000
    totals = log_totals([benefit, Benefit(trial="u", title="x").advance(event("forecast"))])
    assert totals == {"forecast": 6000, "agreed": 2500, "budget-line-removed": 2000,
                      "verified": 1500}  # fmt: skip


def test_stages_are_not_skipped_repeated_or_backdated():
    forecast = Benefit(trial="t", title="x").advance(event("forecast"))
    with pytest.raises(Conflict, match="record agreed next"):
        forecast.advance(event("verified"))
    with pytest.raises(Conflict):
        forecast.advance(event("forecast"))
    with pytest.raises(Conflict, match="dated before"):
        forecast.advance(event("agreed", on=DAY - timedelta(days=1)))
    assert forecast.at("agreed").code == "not-reached"


def test_the_ledger_code_is_required_and_nobody_verifies_their_own_claim():
    benefit = Benefit(trial="t", title="x").advance(event("forecast")).advance(event("agreed"))
    with pytest.raises(Invalid, match="names no budget line"):
        benefit.advance(event("budget-line-removed", line=" "))
    removed = benefit.advance(event("budget-line-removed"))
    with pytest.raises(Invalid, match="person who forecast it"):
        removed.advance(event("verified"))
    with pytest.raises(Invalid, match="names nobody"):
        removed.advance(event("verified", by=""))


def test_the_holdback_shortfall_is_the_difference_of_two_normals():
    claim = Range(median=0.020, low=0.020 - 1.959964 * 0.003, high=0.020 + 1.959964 * 0.003,
                  unit="contacts per unit")  # fmt: skip
    found = compare(claim, Estimate.from_t(0.010, 0.004, df=None))
    assert found.shortfall.estimate == pytest.approx(0.010)
    assert found.shortfall.se == pytest.approx(0.005, rel=1e-6)
    assert found.probability_short == pytest.approx(stats.norm.cdf(2), rel=1e-5)
    assert found.share == pytest.approx(0.5)
    assert (
        found.says
        == "The effect after roll-out falls short of the claim (50% of the claim so far)."
    )


@pytest.mark.parametrize(("seen", "says"), [(0.019, "in line with"), (0.05, "larger than")])
def test_a_claim_kept_or_beaten_is_told_so(seen, says):
    claim = Range(median=0.020, low=0.014, high=0.026, unit="")
    assert says in compare(claim, Estimate.from_t(seen, 0.004, df=None)).says


def test_without_a_holdback_there_is_no_comparison():
    claim = Range(median=0.02, low=0.01, high=0.03, unit="")
    assert compare(claim, Absent("no-holdback", "nobody was held back")).code == "no-holdback"
    assert compare(claim, Estimate(estimate=1, low=0, high=2)).code == "no-standard-error"


@settings(max_examples=50, deadline=None)
@given(st.integers(50, 10**6), st.floats(0.01, 0.4), st.integers(1, 12))
def test_a_roll_out_reaches_everyone_but_the_holdback_once(eligible, share, waves):
    plan = plan_rollout(eligible, holdback_share=share, waves=waves, starts=DAY, days_between=14,
                        half_life_months=12)  # fmt: skip
    assert sum(w.units for w in plan.waves) + plan.held_back == eligible
    sizes = [w.units for w in plan.waves]
    assert max(sizes) - min(sizes) <= 1
    assert plan.remeasure_on > plan.waves[-1].starts


def test_the_effect_is_measured_again_after_a_half_life_or_a_year():
    days = [
        (plan_rollout(100, holdback_share=0.1, waves=1, starts=DAY, days_between=1,
                      half_life_months=m).remeasure_on - DAY).days
        for m in (6, 12, 60, float("inf"))
    ]  # fmt: skip
    assert days == [183, 365, 365, 365]
    with pytest.raises(Invalid, match="hold back more than 0"):
        plan_rollout(100, holdback_share=0, waves=1, starts=DAY, days_between=1, half_life_months=6)


def test_reminders_go_once_each_and_stop_when_done():
    step = NextStep(what="update the letter", owner="K. Shah", due=DAY)
    sent: list[date] = []
    for offset in range(-20, 40):
        today = DAY + timedelta(days=offset)
        due = reminder_due(NextStep(what="x", owner="y", due=DAY, reminded_on=tuple(sent)), today)
        if due:
            sent.append(today)
    assert [(day - DAY).days for day in sent] == list(REMINDERS)
    assert reminder_due(NextStep(what="x", owner="y", due=DAY, done_on=DAY), DAY) is None
    assert reminder_due(step, DAY + timedelta(days=5)) == DAY


def test_adoption_is_absent_where_there_is_nobody():
    assert Adoption(on=DAY, eligible=100, reached=40, delivered_as_designed=30).fidelity == 0.75
    assert Adoption(on=DAY, eligible=0, reached=0, delivered_as_designed=0).reach.code
    assert Adoption(on=DAY, eligible=9, reached=0, delivered_as_designed=0).fidelity.code


def trial(key, mean, *lines, draws=4000):
    noise = np.random.default_rng(len(key) + int(abs(mean))).normal(mean, 10, draws)
    return TrialBenefit(key=key, lines=frozenset(lines), draws=noise)


def test_two_trials_on_one_line_do_not_add():
    found = add([trial("a", 100, "bins"), trial("b", 80, "bins"), trial("c", 50, "tax")],
                unit="calls", seed=1)  # fmt: skip
    assert found.counted == ("a", "c")
    assert found.total.median == pytest.approx(150, abs=1)
    assert found.ignoring_overlaps.median == pytest.approx(230, abs=1)
    assert found.left_out[0].says == "b is not added: it acts on bins with a."


def test_a_trial_that_overlaps_only_with_one_left_out_is_counted():
    found = add([trial("a", 100, "x"), trial("b", 80, "x", "y"), trial("c", 50, "y")],
                unit="calls", seed=1)  # fmt: skip
    assert found.counted == ("a", "c")


def test_losses_are_counted_even_on_a_shared_line():
    found = add([trial("a", 100, "x"), trial("b", -30, "x")], unit="calls", seed=1)
    assert found.total.median == pytest.approx(70, abs=1)


def test_independent_trials_add_their_variances():
    found = add([trial("a", 100, "x"), trial("bb", 50, "y"), trial("ccc", 20, "z")],
                unit="calls", seed=1)  # fmt: skip
    assert found.draws.std() == pytest.approx(10 * np.sqrt(3), rel=0.05)


def test_the_same_draws_twice_do_not_correlate_in_the_total():
    draws = np.random.default_rng(4).normal(0, 1, 20_000)
    pair = [TrialBenefit(key=k, lines=frozenset({k}), draws=draws + 5) for k in ("a", "b")]
    assert add(pair, unit="calls", seed=3).draws.std() == pytest.approx(np.sqrt(2), rel=0.03)


def test_an_unusable_portfolio_is_refused_whole():
    bad = [trial("a", 1, "x"), trial("a", 1, "y"), trial("b", 1), trial("c", 1, "z", draws=10)]
    with pytest.raises(Invalid) as refused:
        add(bad, unit="calls", seed=1)
    assert len(refused.value.problems) == 3
    assert add([], unit="calls", seed=1).total.median == 0


def test_a_trial_adds_the_same_whatever_it_is_added_to():
    """Where nothing overlaps, the sum that ignores overlaps is the same sum to the penny."""
    found = add([trial("b", 50, "y"), trial("a", 90, "x")], unit="calls", seed=4)
    for end in ("low", "median", "high"):
        whole, ignoring = (getattr(r, end) for r in (found.total, found.ignoring_overlaps))
        assert ignoring == pytest.approx(whole, rel=1e-12)


def test_not_rolling_out_what_loses_spares_the_sum_of_the_losses():
    losing = [trial("a", -300, "x"), trial("b", -500, "x"), trial("c", 400, "y")]
    found = spared(losing, unit="calls", seed=4)
    assert found.median == pytest.approx(800, abs=1)
    # Two independent normals of standard deviation 10: a 95% interval of 2 × 1.96 × 10 × √2.
    assert found.high - found.low == pytest.approx(2 * 1.96 * 10 * 2**0.5, rel=0.05)
    assert spared(losing[2:], unit="calls", seed=4) is None
