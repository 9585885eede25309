"""The step on size for trials of groups, of steps and of turns, against textbook formulas by hand."""

from __future__ import annotations

import re
from math import ceil, hypot, sqrt

import numpy as np
import pytest
from bs4 import BeautifulSoup
from signed import client_of
from test_wizard import begun, fields_of, send

Z = 1.959964 + 0.841621
"""Two-sided 5% and 80% power."""


@pytest.fixture
def officer(app):
    return client_of(app, "officer")


def sized(officer, draw, size):
    """What the step on size says, its figures and the whole of its text, for answers given."""
    at = begun(officer, "housing-next-steps", title="Sized by design")
    assert send(officer, f"{at}/draw", draw).status_code == 303
    asked = fields_of(officer.get(f"{at}/size"), f"{at}/size")
    change = next(name for name in asked if name.endswith("-mde"))
    answer = send(
        officer,
        f"{at}/size",
        {"workshop-sizing-baseline": "31", change: "5", **size, "do": "stay"},
    )
    page = BeautifulSoup(
        answer.text if answer.status_code == 422 else officer.get(f"{at}/size").text, "html.parser"
    )
    facts = {t.text.strip(): t.find_next("dd").text.strip() for t in page.select("dt")}
    return facts, " ".join(page.select_one("main").text.split())


def whole(text):
    return int(re.sub(r"\D", "", text))


def test_groups_take_the_design_effect_and_say_what_those_there_are_can_show(officer):
    draw = {"trial-unit": "person", "design-kind": "cluster", "design-cluster": "bin_round"}
    facts, says = sized(officer, draw, {})
    assert "Say how many people a typical bin round has" in says
    facts, says = sized(
        officer,
        draw,
        {
            "workshop-sizing-cluster_size": "12",
            "workshop-sizing-icc": "0.05",
            "workshop-sizing-clusters": "60",
            "workshop-sizing-weekly": "500",
        },
    )
    simple = whole(facts["People needed without groups"])
    people, rounds = whole(facts["People in all"]), whole(facts["Bin rounds in all"])
    assert people == pytest.approx(simple * (1 + 11 * 0.05), rel=0.02)
    assert rounds * 12 == people
    assert f"You need about {rounds} bin rounds" in says
    assert "at your volumes" in says
    assert "You have 60 bin rounds: the chance of finding your change is" in says
    assert "cluster" not in says.split("How many, and how long")[-1].lower()
    _, says = sized(officer, draw, {"workshop-sizing-cluster_size": "12"})
    assert "Nobody has said how alike they are" in says


def test_steps_are_counted_and_last_as_long_as_they_last(officer):
    draw = {"trial-unit": "person", "design-kind": "stepped-wedge", "design-cluster": "team",
            "design-period": "2w"}  # fmt: skip
    facts, says = sized(
        officer,
        draw,
        {
            "workshop-sizing-cluster_size": "40",
            "workshop-sizing-icc": "0.02",
            "workshop-sizing-steps": "5",
            "workshop-sizing-clusters": "4",
        },
    )
    # The effect's variance where each team and each period has a level of its own, by least squares.
    teams, steps = whole(facts["Teams in all"]), 5
    mean = (0.31 * 0.69 + 0.26 * 0.74) / 2 * 0.98 / 40

    def error(per):
        treated = np.repeat(np.arange(6) > np.arange(steps)[:, None], per, axis=0).astype(float)
        own = treated - treated.mean(0) - treated.mean(1, keepdims=True) + treated.mean()
        return sqrt(mean / (own**2).sum())

    # The page uses t for the degrees of freedom that a robust error has, which asks for a few more.
    assert 0.05 / error(teams // steps) >= Z
    assert 0.05 / error(teams // steps - 2) < Z
    assert teams % steps == 0
    assert "in 5 steps: about 12 weeks" in says
    assert "4 teams are too few: there must be at least 5." in says


def test_turns_are_cut_by_the_opening_hours_and_take_what_chance_does_to_them(officer):
    draw = {"trial-unit": "call", "design-kind": "switchback", "design-period": "1h",
            "design-hours": "Mon-Fri 09:00-17:00"}  # fmt: skip
    facts, says = sized(
        officer, draw, {"workshop-sizing-weekly": "1600", "workshop-sizing-run_weeks": "6"}
    )
    assert facts["Turns in a week"] == "40"
    swing = hypot(sqrt(0.31 * 0.69 / 40) / 0.31, 0.06)
    turns = 2 * ceil(2 * (Z * swing * 0.31 / 0.05) ** 2)
    assert whole(facts["Turns in all"]) == pytest.approx(turns, abs=2)
    assert "In six weeks there are 240 turns: the chance of finding your change is" in says
    assert " periods" not in says
    _, says = sized(officer, draw, {"workshop-sizing-weekly": "1600", "workshop-sizing-period_cv": "10"})  # fmt: skip
    assert "Chance alone makes it differ by 24%" in says


@pytest.mark.parametrize(
    ("draw", "size", "says"),
    [
        ({"design-kind": "cluster"}, {"workshop-sizing-icc": "1.5"}, "must be from 0 to 0.99"),
        ({"design-kind": "cluster"}, {"workshop-sizing-cluster_size": "0"}, "must be 1 or more"),
        ({"design-kind": "stepped-wedge"}, {"workshop-sizing-steps": "2.5"}, "must be a whole number, as in 5"),
        ({"design-kind": "switchback"}, {"workshop-sizing-period_cv": "lots"}, "must be a number between 0 and 100"),
    ],
)  # fmt: skip
def test_a_figure_that_cannot_be_is_refused_in_a_sentence(officer, draw, size, says):
    assert says in sized(officer, draw, size)[1]


def test_a_length_or_hours_that_cannot_be_read_are_refused(officer):
    at = begun(officer, title="Odd hours")
    answer = send(officer, f"{at}/draw", {"design-kind": "switchback", "design-period": "an hour"})
    assert answer.status_code == 422
    assert "must be a whole number above 0 followed by" in answer.text
    answer = send(officer, f"{at}/draw", {"design-hours": "when we are in"})
    assert answer.status_code == 422
    assert "is not like" in answer.text
