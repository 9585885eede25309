"""Effects on compliers and non-inferiority against published trials, R, statsmodels and inversion."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from analysis.estimates import Absent, Estimate
from analysis.frequentist.complier import complier_effect
from analysis.frequentist.difference import difference
from analysis.frequentist.noninferiority import equivalence, non_inferiority
from analysis.frequentist.proportions import difference_score, miettinen_nurminen
from analysis.tables import Grouped


def sommer_zeger():
    """Vitamin A in Aceh: 46 deaths of 12,094 assigned (9,675 treated, 12 deaths), 74 of 11,588 control."""
    return Grouped(
        arms=("control", "offered"), control=0, weights=(1, 1), arm=np.array([0, 1]),
        n=np.array([11588.0, 12094]), y=np.array([74.0, 46]), yy=np.array([74.0, 46]),
        d=np.array([0.0, 9675]), dd=np.array([0.0, 9675]), dy=np.array([0.0, 12]),
    )  # fmt: skip


def test_sommer_and_zeger_1991():
    """Intention to treat -.0025824, compliance .79998, effect on compliers -.0032280."""
    got = complier_effect(sommer_zeger(), 1)
    assert difference(sommer_zeger(), 1).estimate == pytest.approx(-0.0025824, abs=5e-8)
    assert got.compliers.estimate == pytest.approx(0.79998, abs=5e-6)
    assert got.effect.estimate == pytest.approx(-0.0032280, abs=5e-8)
    assert got.first_stage_f > 10_000
    # A strong instrument: both intervals agree closely.
    assert got.anderson_rubin == pytest.approx((got.effect.low, got.effect.high), abs=1e-6)


def test_two_stage_least_squares_is_rs(rows, reference):
    """estimatr's iv_robust; its HC0 times n/(n-1) in each arm is our variance."""
    d, said = reference
    z, t, y = d["z"].astype(int), d["t"], d["y"]
    got = complier_effect(rows(z, y, d=t), 1)
    assert got.effect.estimate == pytest.approx(said["iv_hc0"][0], rel=1e-9)
    u = y - got.effect.estimate * t
    first = t[z == 1].mean() - t[z == 0].mean()
    parts = [u[z == a].var() / (z == a).sum() for a in (0, 1)]
    assert math.sqrt(sum(parts)) / first == pytest.approx(said["iv_hc0"][1], rel=1e-9)
    parts = [u[z == a].var(ddof=1) / (z == a).sum() for a in (0, 1)]
    assert got.effect.se == pytest.approx(math.sqrt(sum(parts)) / first, rel=1e-9)


def test_full_compliance_is_the_plain_difference(rows):
    """Exact identity: everybody offered takes up, nobody else does."""
    rng = np.random.default_rng(1)
    arm = np.repeat([0, 1], 50)
    y = rng.normal(size=100) + arm
    got, want = complier_effect(rows(arm, y, d=arm), 1), difference(rows(arm, y), 1)
    assert (got.effect.estimate, got.effect.se, got.effect.df) == pytest.approx(
        (want.estimate, want.se, want.df), rel=1e-9
    )
    assert math.isinf(got.first_stage_f)


def test_anderson_rubin_limits_invert_the_reduced_form(rows):
    """At a limit the outcome less the effect times uptake differs at exactly the critical value."""
    rng = np.random.default_rng(2)
    z = np.repeat([0, 1], 150)
    t = (rng.random(300) < 0.3 + 0.3 * z).astype(float)
    y = 2 * t + rng.normal(size=300)
    got = complier_effect(rows(z, y, d=t), 1)
    critical = stats.t.isf(0.025, got.effect.df)
    for limit in got.anderson_rubin:
        u = y - limit * t
        se = math.sqrt(sum(u[z == a].var(ddof=1) / 150 for a in (0, 1)))
        assert abs(u[z == 1].mean() - u[z == 0].mean()) / se == pytest.approx(critical, rel=1e-6)


def test_a_weak_offer_gets_the_anderson_rubin_interval(rows):
    """First-stage F below ten; and where the offer may do nothing, no limits at all."""
    rng = np.random.default_rng(3)
    z = np.repeat([0, 1], 100)
    t = (rng.random(200) < 0.40 + 0.15 * z).astype(float)
    y = t + rng.normal(size=200)
    got = complier_effect(rows(z, y, d=t), 1)
    assert got.first_stage_f < 10
    assert "Anderson–Rubin" in got.effect.method
    assert (got.effect.low, got.effect.high) == got.anderson_rubin
    none = complier_effect(rows(z, y, d=np.tile([0.0, 1], 100)), 1)
    assert isinstance(none, Absent)
    assert none.code == "no-compliers"
    hardly = np.tile([0.0, 1], 100)
    hardly[199] = 0
    unbounded = complier_effect(rows(z, y, d=hardly), 1)
    assert unbounded.anderson_rubin == (-math.inf, math.inf)


def test_anderson_rubin_covers_with_a_weak_offer(rows):
    """500 trials with compliance of 10 points: at least 95 % less three Monte Carlo errors (1 point each)."""
    rng = np.random.default_rng(4)
    z = np.repeat([0, 1], 120)
    covered = 0
    for _ in range(500):
        never = rng.normal(size=240)
        t = (rng.random(240) + 0.3 * (never > 0) < 0.45 + 0.1 * z).astype(float)
        y = 1.0 * t + never + 0.5 * rng.normal(size=240)
        got = complier_effect(rows(z, y, d=t), 1)
        low, high = (-math.inf, math.inf) if isinstance(got, Absent) else got.anderson_rubin
        covered += low <= 1.0 <= high
    assert covered / 500 > 0.95 - 0.03


estimates = st.tuples(st.floats(-1, 1), st.floats(0.01, 1), st.floats(2, 200))


@settings(max_examples=200, deadline=None)
@given(estimates, st.floats(0.05, 1), st.sampled_from(["lower", "higher"]), st.floats(0.01, 0.2))
def test_guardrail_test_and_interval_cannot_disagree(values, margin, better, alpha):
    """p < alpha exactly where the one-sided bound is inside the margin."""
    value, se, df = values
    got = non_inferiority(
        Estimate.from_t(value, se, df=df), margin=margin, better=better, alpha=alpha
    )
    assert (got.bound < margin) == (got.p < alpha) or abs(got.p - alpha) < 1e-9
    assert got.passes == (got.bound < margin)
    assert got.harm == (value if better == "lower" else -value)
    if got.verdict == "superior":
        assert got.bound < 0


@settings(max_examples=200, deadline=None)
@given(estimates, st.floats(0.05, 1), st.floats(0.01, 0.2))
def test_equivalence_is_an_interval_inside_the_margins(values, margin, alpha):
    """Two one-sided tests at alpha and the interval of level 1 - 2 alpha say the same."""
    value, se, df = values
    got = equivalence(Estimate.from_t(value, se, df=df), low=-margin, high=margin, alpha=alpha)
    inside = Estimate.from_t(value, se, df=df, level=1 - 2 * alpha)
    assert got.equivalent == (-margin < inside.low and inside.high < margin)
    assert got.equivalent == (got.p < alpha) or abs(got.p - alpha) < 1e-9


def test_equivalence_is_statsmodels_tost(rows):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.1, 1, 60), rng.normal(0, 1.4, 80)
    got = equivalence(
        difference(rows([1] * 60 + [0] * 80, np.concatenate([a, b])), 1), low=-0.5, high=0.6
    )
    want = CompareMeans(DescrStatsW(a), DescrStatsW(b)).ttost_ind(-0.5, 0.6, usevar="unequal")
    assert got.p == pytest.approx(want[0], rel=1e-9)


def test_score_interval_against_a_margin():
    """30/40 v 35/40, margin .25: Farrington-Manning z 1.425 (a widely used library says 1.382)."""
    assert difference_score((30, 40), (35, 40), -0.25, corrected=False) == pytest.approx(
        1.425, abs=5e-4
    )
    at_95 = miettinen_nurminen((30, 40), (35, 40))
    assert non_inferiority(at_95, margin=0.25, better="higher").code == "level-mismatch"
    got = non_inferiority(
        miettinen_nurminen((30, 40), (35, 40), level=0.9), margin=0.25, better="higher"
    )
    assert got.verdict == "inconclusive"  # 1.425 < 1.645
    assert got.p is None


def test_verdicts():
    def verdict(value):
        return non_inferiority(
            Estimate.from_t(value, 0.1, df=None), margin=0.5, better="lower"
        ).verdict

    assert [verdict(v) for v in (-0.3, 0.1, 0.45, 0.8)] == [
        "superior",
        "non-inferior",
        "inconclusive",
        "inferior",
    ]
    reason = Absent("empty-arm", "nobody")
    assert non_inferiority(reason, margin=0.5, better="lower") is reason
    with pytest.raises(ValueError, match="positive"):
        non_inferiority(Estimate.from_t(0, 1, df=None), margin=0, better="lower")
