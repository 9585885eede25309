"""Few events, margins and missing outcomes, against a searched likelihood and counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from analysis import estimation
from analysis.estimates import Estimate
from analysis.precision import guarded, small_sample, symmetric, worst
from analysis.tables import Grouped
from trials.definition import toml
from trials.definition.model import Metric

PAID = Metric(key="paid", kind="proportion", source="outcomes", better="higher", role="primary")
TEXT = """
[trial]
key = "p"
title = "Two questions"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
[[metrics]]
key = "rang"
kind = "proportion"
source = "outcomes"
better = "lower"
"""


def table(control, treated, missing=None):
    y, n = (np.array(v, float) for v in zip(control, treated, strict=True))
    return Grouped(arms=("c", "t"), control=0, weights=(1.0, 1.0), arm=np.arange(2), n=n, y=y, yy=y,
                   missing=None if missing is None else np.array(missing, float))  # fmt: skip


def p_at(control, treated, difference):
    """The score test's p-value against a true difference, the likelihood maximised by search."""
    (x0, n0), (x1, n1) = control, treated

    def worse(p):
        return -(stats.binom.logpmf(x0, n0, p) + stats.binom.logpmf(x1, n1, p + difference))

    ends = max(0.0, -difference) + 1e-9, min(1.0, 1 - difference) - 1e-9
    p = optimize.minimize_scalar(worse, bounds=ends, method="bounded", options={"xatol": 1e-12}).x
    q = p + difference
    variance = (p * (1 - p) / n0 + q * (1 - q) / n1) * (n0 + n1) / (n0 + n1 - 1)
    return 2 * stats.norm.sf(abs(x1 / n1 - x0 / n0 - difference) / variance**0.5)


def of_primary(control, treated, second=((50, 100), (50, 100))):
    plan = toml.read(TEXT)
    tables = {"paid": table(control, treated), "rang": table(*second)}
    return estimation.contrasts(plan, tables, "frequentist")


def test_few_events_get_the_score_interval_and_many_keep_the_t_interval():
    few = of_primary((1, 40), (5, 40))[0].difference
    assert "score interval" in few.method
    assert few.se > 0
    for end in (few.low, few.high):
        assert p_at((1, 40), (5, 40), end) == pytest.approx(1 - few.level, abs=1e-6)
    assert "score" not in of_primary((10, 40), (15, 40))[0].difference.method


def test_an_asymmetric_interval_is_worked_out_afresh_at_the_adjusted_level():
    """Two questions by Holm: the smaller p is judged at 97.5%, where the score test's p is 2.5%."""
    few = of_primary((1, 40), (8, 40))[0].difference
    assert few.level == pytest.approx(0.975)
    for end in (few.low, few.high):
        assert p_at((1, 40), (8, 40), end) == pytest.approx(0.025, abs=1e-6)
    assert few.p_adjusted == pytest.approx(2 * few.p)


def test_strata_keep_their_own_interval():
    found = Estimate.from_t(0.1, 0.05, df=70)
    stratified = table((1, 40), (5, 40))
    assert small_sample(PAID.model_copy(update={"kind": "count"}), stratified, 1, found,
                        level=0.95) is found  # fmt: skip


@pytest.mark.parametrize(
    ("estimate", "verdict"), [(0.02, "kept"), (-0.03, "open"), (-0.2, "breached")]
)
def test_a_guardrails_bound_is_the_harmful_end_of_its_interval(estimate, verdict):
    found = Estimate.from_t(estimate, 0.02, df=120)
    made = guarded(found, margin=0.05, better="higher", alpha=0.05)
    assert made["verdict"] == verdict
    assert made["bound"] == pytest.approx(-found.low)
    assert (made["non_inferior"], made["breached"]) == (verdict == "kept", verdict == "breached")
    assert made["level"] == pytest.approx(0.975)
    assert made["margin"] == 0.05


def test_a_guardrails_bound_follows_a_score_interval_too():
    found = of_primary((1, 40), (5, 40))[0].difference
    assert not symmetric(found)
    made = guarded(found, margin=0.3, better="lower", alpha=1 - found.level)
    assert made["bound"] == found.high
    assert made["verdict"] == "kept"


def test_a_guardrails_bound_follows_the_score_interval_of_two_equal_rates():
    """Its arms are of one length, but not so many standard errors."""
    found = of_primary((2, 90), (2, 90))[0].difference
    assert found.high - found.estimate == pytest.approx(found.estimate - found.low, rel=1e-6)
    made = guarded(found, margin=0.3, better="lower", alpha=1 - found.level)
    assert made["bound"] == found.high
    assert p_at((2, 90), (2, 90), made["bound"]) == pytest.approx(1 - found.level, abs=1e-6)


def test_worst_case_bounds_fill_the_missing_at_either_end():
    """50 of 90 known with 10 missing, against 40 of 95 with 5: from 0.05 to 0.20, by hand."""
    made = worst(PAID, table((40, 95), (50, 90), (5, 10)), 1, level=0.95)
    assert made["smallest"] == pytest.approx(50 / 100 - 45 / 100)
    assert made["largest"] == pytest.approx(60 / 100 - 40 / 100)
    assert made["low"] < made["smallest"]
    assert made["high"] > made["largest"]
    assert worst(PAID, table((40, 95), (50, 90), (0, 0)), 1, level=0.95) is None
