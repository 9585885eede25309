"""A result document of the contract becomes the facts, groups and draws of a case."""

import numpy as np
import pytest

from analysis.scaling.assumption import Assumption
from analysis.scaling.case import CaseInput, make_case
from analysis.scaling.decision import Rule
from analysis.scaling.from_result import arms_of, facts_from, groups_from, net_draws
from analysis.scaling.register import Register
from trials.errors import Invalid

DOCUMENT = {
    "trial": "reminder", "plan_hash": "sha256:0", "locked": True,
    "units": {"assigned": 10000, "matured": 10000, "maturing": 0},
    "checks": [{"key": "sample-ratio", "verdict": "pass", "says": "as planned"},
               {"key": "link-rate-balance", "verdict": "warn", "says": "83% and 80%"}],
    "metrics": [
        {"key": "contact-14d", "role": "primary", "kind": "proportion", "better": "lower",
         "contrasts": [],
         "segments": [
             {"by": "has_email", "level": "no",
              "arms": [{"arm": "a", "n": 2000, "mean": 0.12}, {"arm": "b", "n": 2000, "mean": 0.11}],
              "contrasts": [{"arm": "b", "difference": {"estimate": -0.01, "low": -0.03, "high": 0.01}}],
              "shrunk": {"mean": -0.008, "low": -0.02, "high": 0.004}},
             {"by": "has_email", "level": "yes",
              "arms": [{"arm": "a", "n": 3000, "mean": 0.10}, {"arm": "b", "n": 3000, "mean": 0.08}],
              "contrasts": [{"arm": "b", "difference": {"estimate": -0.02, "low": -0.03, "high": -0.01}}]},
             {"by": "has_email", "level": "unknown", "arms": [],
              "contrasts": [{"arm": "b", "difference": {"absent": "too-few", "why": "…"}}]},
         ]},
        {"key": "paid-14d", "role": "guardrail", "kind": "proportion", "better": "higher",
         "contrasts": [{"arm": "b", "guardrail": {"margin": 0.005, "verdict": "kept"}}]},
        {"key": "complaints", "role": "guardrail", "kind": "count", "better": "lower",
         "contrasts": [{"arm": "b", "guardrail": {"margin": 0.001, "verdict": "open"}}]},
        {"key": "safety", "role": "guardrail", "kind": "count", "better": "lower",
         "contrasts": [{"arm": "c", "guardrail": {"margin": 0.001, "verdict": "breached"}}]},
    ],
    "deflection": {"per": 1000, "window_days": 14, "contrasts": [
        {"arm": "b", "versus": "a",
         "gross": {"estimate": 60.0, "low": 50.0, "high": 70.0},
         "net": {"estimate": 16.0, "se": 5.0, "low": 6.2, "high": 25.8},
         "leakage": {"estimate": 0.73, "low": 0.55, "high": 0.9}},
        {"arm": "c", "versus": "a", "net": {"absent": "no-window", "why": "windows are open"},
         "leakage": {"absent": "no-gross", "why": "no gross effect"}},
    ]},
}  # fmt: skip


def facts(arm="b", **more):
    return facts_from(DOCUMENT, arm=arm, rule=Rule(), weeks_run=8, **more)


def test_checks_guardrails_and_leakage_are_those_of_the_arm():
    found = facts()
    assert (found.locked, found.matured, found.weeks_run) == (True, True, 8)
    assert [(c.key, c.verdict) for c in found.checks] == [
        ("sample-ratio", "pass"), ("link-rate-balance", "warn")
    ]  # fmt: skip
    assert [(g.key, g.verdict) for g in found.guardrails] == [
        ("paid-14d", "pass"), ("complaints", "inconclusive")
    ]  # fmt: skip
    assert (found.leakage.median, found.leakage.low, found.leakage.high) == (0.73, 0.55, 0.9)
    assert found.standard_error == pytest.approx(0.005)
    (breach,) = facts("c", hard_stops=["safety"]).guardrails
    assert (breach.verdict, breach.hard_stop) == ("fail", True)
    assert facts("c").leakage is None


def test_group_effects_turn_round_so_that_fewer_contacts_are_positive():
    no, yes = groups_from(DOCUMENT, arm="b", excluded=("has_email", "no"))
    assert (no.mean, no.low, no.high) == (0.008, -0.004, 0.02)
    assert (no.assigned, no.with_outcome, no.excluded) == (4000, 460, True)
    assert (yes.mean, yes.low, yes.high, yes.excluded) == (0.02, 0.01, 0.03, False)
    assert groups_from({}, arm="b", excluded=None) == ()


def test_draws_have_the_estimate_and_standard_error_per_unit():
    draws = net_draws(DOCUMENT, arm="b", size=40_000, seed=1)
    assert draws.mean() == pytest.approx(0.016, abs=4 * 0.005 / 200)
    assert draws.std() == pytest.approx(0.005, rel=0.02)
    assert net_draws(DOCUMENT, arm="c", size=10, seed=1).code == "no-window"


def test_an_arm_the_document_does_not_know_is_named():
    assert arms_of(DOCUMENT) == ("b", "c")
    with pytest.raises(Invalid, match="no net deflection for arm z; arms: b, c"):
        facts("z")


def test_the_document_carries_through_to_a_case_with_conditions():
    volume = Assumption(name="eligible_volume", value=2e6, source="test", dated="2026-01-01")
    found = make_case(
        CaseInput(
            trial="reminder", channel="phone", facts=facts(fidelity_measured=True),
            effect=np.asarray(net_draws(DOCUMENT, arm="b", size=2000, seed=1)),
            register=Register(given={"eligible_volume": volume}),
            groups=groups_from(DOCUMENT, arm="b", excluded=("has_email", "no")),
        )
    )  # fmt: skip
    assert found.evidence_grade.grade == 2
    assert found.recommendation.decision == "scale-with-conditions"
    assert any("complaints" in c for c in found.recommendation.conditions)
    assert found.equity.excluded.group.level == "no"
