"""Whom a message reached: the ladder, the effect on those reached, and curves of time, in words."""

from __future__ import annotations

import pytest
from sample import estimate, letter_result, letter_trial

from analysis.ladder import ladder
from analysis.report import rungs as told

TRIAL = letter_trial()


def rungs(**more):
    counts = {
        "allocated": {"current": 1000, "one-thing": 1000},
        "reached": {"current": 980, "one-thing": 970},
        "linkable": {"current": 830, "one-thing": 830},
        "known": {"current": 1000, "one-thing": 800},
        "acted": {"current": 0, "one-thing": 970},
    }
    return [rung.to_json() for rung in ladder(TRIAL, **{**counts, **more})]


def test_every_rung_is_held_against_the_planned_shares_but_taking_it_up_is_not():
    by_key = {rung["rung"]: rung for rung in rungs()}

    assert list(by_key) == ["allocated", "reached", "linkable", "outcome-known", "acted"]
    # 800 of 1,800 where 900 were due: a chi-squared of 22.2 on one degree of freedom.
    assert by_key["outcome-known"]["p"] == pytest.approx(2.4e-6, rel=0.05)
    assert [key for key, rung in by_key.items() if rung["off"]] == ["outcome-known"]
    assert by_key["acted"]["p"] is None


def test_rungs_that_nothing_is_recorded_of_are_left_out():
    none = {"current": 0, "one-thing": 0}
    assert [r["rung"] for r in rungs(reached=none, acted=None)] == [
        "allocated", "linkable", "outcome-known"]  # fmt: skip


def result(strength=240.0):
    found = {**letter_result(), "ladder": rungs()}
    contrast = found["metrics"][0]["contrasts"][0]
    contrast["also"] = {"compliers": {
        "effect": estimate(-0.0207, 0.0126), "uptake": estimate(0.97, 0.01),
        "first_stage_f": strength, "anderson_rubin": [-0.034, -0.008],
    }}  # fmt: skip
    return found


def test_the_ladder_is_told_by_version_and_names_the_rung_that_is_off():
    shown = told.ladder(TRIAL, result())

    assert "outcome of the main measure known" in shown.says[0]
    table = {row[0]: row[1:] for row in shown.tables[0].rows}
    assert table["Reached: met a version"][:2] == ("980 (98.0%)", "970 (97.0%)")
    assert table["Outcome of the main measure known"][2] == "No (p less than 0.001)"
    assert table["Took the new version up"] == ("0 (0.0%)", "970 (97.0%)", "Not tested")


def test_the_effect_on_those_reached_comes_second_with_its_first_stage():
    shown = told.ladder(TRIAL, result())
    (row,) = shown.tables[1].rows

    assert shown.says[1].startswith("Second to the effect of allocation")
    assert "−2.1 points (−3.3 to −0.81)" in shown.says[1]
    assert row[2:] == ("97.0%", "−2.1 points (−3.3 to −0.81)", "240", "−3.4 to −0.80")
    assert "Anderson–Rubin" in told.ladder(TRIAL, result(strength=4.0)).says[1]


def test_a_time_to_an_event_has_a_curve_a_sentence_and_a_table():
    found = letter_result()
    days = {"current": (0.10, 0.20), "one-thing": (0.05, 0.15)}
    found["metrics"][1]["curves"] = {
        arm: [{"day": d, "at_risk": 100 - d, "chased": share, "low": share - 0.02,
               "high": share + 0.02} for d, share in zip((1, 3), shares, strict=True)]
        for arm, shares in days.items()
    }  # fmt: skip

    (chart,) = told.chase_charts(TRIAL, found)

    assert "By day 3" in chart.conclusion
    assert "20.0% with ‘Current letter’" in chart.conclusion
    assert chart.columns == ("By day", "Current letter", "One thing to do")
    assert [row[0] for row in chart.rows] == ["1", "2", "3"]
    # Nothing happened on day 2: the curve stays where day 1 left it.
    assert chart.rows[1][1].startswith("10.0%")
    assert chart.rows[2][2].startswith("15.0% (13.0% to 17.0%)")


def test_a_result_without_a_ladder_shows_none():
    assert told.ladder(TRIAL, letter_result()).says == ()
