"""Findings and pools against arithmetic by hand, and a portfolio read from the store."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from sample import donor_result, donor_trial, letter_result, letter_trial

from analysis.bayesian.pooling import Finding
from analysis.estimates import Absent
from analysis.learning import pools
from analysis.learning.findings import finding
from analysis.learning.pools import Learned, Tagged

EFFECTS = {"a": (-0.25, 0.08), "b": (-0.05, 0.05), "c": (0.02, 0.10), "d": (-0.12, 0.06)}


def _tagged(**more: Finding) -> list[Tagged]:
    found = {k: Finding(trial=k, estimate=y, se=s) for k, (y, s) in EFFECTS.items()} | more
    about = {"a": ("waste", "letter", ("easy:simplify",)), "b": ("waste", "web", ("timely",)),
             "c": ("housing", "letter", ("easy", "timely")), "d": ("ivr", "ivr", ("easy",))}  # fmt: skip
    return [
        Tagged(finding=f, area=about[k[0]][0], channel=about[k[0]][1], techniques=about[k[0]][2])
        for k, f in found.items()
    ]


@pytest.fixture(scope="module")
def learned() -> Learned:
    found = pools.learn(_tagged())
    assert isinstance(found, Learned)
    return found


def test_a_result_becomes_the_logarithm_of_its_ratio():
    found = finding(letter_trial(), letter_result())
    assert isinstance(found, Finding)
    assert found.estimate == pytest.approx(math.log(0.83))
    assert found.se == pytest.approx(math.log(0.93 / 0.74) / 2 / 1.96, rel=1e-3)


def test_several_versions_count_once_with_what_their_control_shares():
    result = copy.deepcopy(letter_result())
    entry = next(m for m in result["metrics"] if m["role"] == "primary")
    entry["contrasts"].append({**entry["contrasts"][0], "arm": "other"})
    one, two = finding(letter_trial(), letter_result()), finding(letter_trial(), result)
    assert isinstance(one, Finding)
    assert isinstance(two, Finding)
    assert two.estimate == pytest.approx(one.estimate)
    assert one.se / math.sqrt(2) < two.se < one.se


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"locked": False}, "not-locked"),
        ({"checks": [{"key": "sample-ratio", "verdict": "fail"}]}, "failed-check"),
    ],
)
def test_what_cannot_be_trusted_is_left_out_with_its_reason(change, code):
    found = finding(letter_trial(), {**letter_result(), **change})
    assert isinstance(found, Absent)
    assert found.code == code


def test_what_may_not_be_shown_or_is_another_measure_is_left_out():
    early = {**letter_result(), "look": {"kind": "fixed", "reached": False, "next": "2026-09-01"}}
    for trial, result, code in ((letter_trial(), early, "withheld"),
                                (donor_trial(), donor_result(), "other-measure"),
                                (letter_trial(), None, "no-result")):  # fmt: skip
        found = finding(trial, result)
        assert isinstance(found, Absent)
        assert found.code == code


def test_trials_are_drawn_towards_the_others(learned):
    shrunk = learned.shrunk("a")
    assert shrunk is not None
    assert -0.25 < shrunk.mean < learned.all_trials.average.mean < 0
    assert learned.all_trials.predictive.sd > learned.all_trials.average.sd


def test_a_trial_counts_under_each_of_its_techniques(learned):
    assert {g.name: g.trials for g in learned.by["technique"]} == {
        "easy": ("a", "c", "d"), "timely": ("b", "c")
    }  # fmt: skip
    assert [g.name for g in learned.by["area"]] == ["housing", "ivr", "waste"]


def test_the_textbook_beside_is_dersimonian_and_lairds(learned):
    y, s = np.array(list(EFFECTS.values())).T
    w = 1 / s**2
    q = w @ (y - w @ y / w.sum()) ** 2
    tau2 = max(0.0, (q - 3) / (w.sum() - (w**2).sum() / w.sum()))
    star = 1 / (s**2 + tau2)
    found = learned.textbook["dersimonian-laird"]
    assert found.normal.mean.estimate == pytest.approx(star @ y / star.sum())
    assert found.normal.mean.se == pytest.approx(star.sum() ** -0.5)
    assert found.knapp_hartung.mean.se >= found.normal.mean.se


def test_the_prior_for_the_next_trial_is_the_predicted_change_of_its_rate(learned):
    prior = pools.informed_prior(learned, 0.12, by="technique", name="easy")
    group = learned.group("technique", "easy")
    draws = group.new_setting.draws(200_000, np.random.default_rng(1))
    assert prior.mean == pytest.approx(0.12 * np.expm1(draws).mean(), abs=4e-4)
    assert prior.sd == pytest.approx(0.12 * np.expm1(draws).std(), rel=0.03)
    assert prior.source.endswith(": a, c, d")
    assert isinstance(pools.informed_prior(learned, 0.12, by="area", name="parks"), Absent)


def test_no_finding_is_no_pool():
    assert isinstance(pools.learn([]), Absent)
