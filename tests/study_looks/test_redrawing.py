"""The randomisation p-value of a run: the list's own draw, against independent permutations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sqlalchemy as sa

from analysis import redrawing, study
from trials import enrolment, lifecycle, registry
from trials.definition import toml
from trials.importing import assignments, outcomes
from trials.online.service import Ask, Online
from trials.store.tables import OutcomeRow

KEY = "redrawn"
TEXT = """
[trial]
key = "redrawn"
title = "A trial drawn from a list"
unit = "account"
hypothesis = "It helps."
mechanism = "expectation"
owner = "a@b.example"
starts = 2026-04-01
ends = 2026-06-30
[design]
seed = 20260401
{design}
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "amount"
role = "primary"
kind = "mean"
source = "outcomes"
better = "higher"
mde = 1.0
"""


def loaded(store, hasher, folder, value, *, design="", n=60, cluster=lambda i: ""):
    with store.write() as session:
        registry.add(session, toml.read(TEXT.format(design=design)), actor="test")
        lifecycle.launch(session, KEY, actor="test")
    path = folder / "units.csv"
    path.write_text("unit,home\n" + "".join(f"U{i},{cluster(i)}\n" for i in range(n)))
    enrolment.enrol(store, enrolment.Request(key=KEY, path=path, out=folder / "out"),
                    hasher=hasher, actor="test")  # fmt: skip
    arm = {
        line.split(",")[0]: file.stem
        for file in (folder / "out").glob("*.csv") for line in file.read_text().splitlines()[1:]
    }  # fmt: skip
    rows = folder / "amounts.csv"
    rows.write_text("unit,amount\n" + "".join(f"U{i},{value(i, arm[f'U{i}'])}\n" for i in range(n)))
    outcomes.add(store, KEY, rows, hasher=hasher, actor="test")
    return arm


def p_of(store, **order):
    result = study.analyse(store, study.Order(key=KEY, **order))
    return result["metrics"][0]["contrasts"][0]["randomisation_p"]


def studentised(y, treated):
    one, two = y[treated], y[~treated]
    return (one.mean() - two.mean()) / math.sqrt(
        one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two)
    )


def test_an_individual_draws_p_value_is_that_of_permuting_the_arms(sqlite_store, hasher, tmp_path):
    """20,000 permutations here and 999 draws there: within 4 Monte Carlo errors."""
    rng = np.random.default_rng(3)
    noise = rng.exponential(10, 60).round(3)
    arm = loaded(sqlite_store, hasher, tmp_path,
                 lambda i, a: noise[i] + 4 * (a == "t"))  # fmt: skip
    treated = np.array([arm[f"U{i}"] == "t" for i in range(60)])
    y = noise + 4 * treated
    seen = abs(studentised(y, treated))
    others = [abs(studentised(y, rng.permutation(treated))) for _ in range(20_000)]
    expected = np.mean(np.array(others) >= seen)
    found = p_of(sqlite_store)
    error = math.sqrt(expected * (1 - expected) * (1 / 999 + 1 / 20_000))
    assert found == pytest.approx(expected, abs=4 * error + 1 / 1000)


def test_the_seed_of_the_run_fixes_the_p_value(sqlite_store, hasher, tmp_path):
    loaded(sqlite_store, hasher, tmp_path, lambda i, a: (i * 7919) % 31 + 3 * (a == "t"))
    assert p_of(sqlite_store, seed=5) == p_of(sqlite_store, seed=5)
    assert len({p_of(sqlite_store, seed=s) for s in (5, 6, 7, 8)}) > 1


def test_whole_clusters_are_drawn_again_as_whole_clusters(sqlite_store, hasher, tmp_path):
    """Eight homes, four an arm: all 70 assignments listed here, within 4 Monte Carlo errors."""
    level = [1.0, 9.0, 3.0, 7.5, 5.0, 2.2, 6.1, 4.4]
    arm = loaded(
        sqlite_store, hasher, tmp_path, lambda i, a: level[i % 8] + 2 * (a == "t"),
        design='kind = "cluster"\ncluster = "home"', n=80, cluster=lambda i: f"H{i % 8}",
    )  # fmt: skip
    given = np.array([arm[f"U{i}"] == "t" for i in range(8)])
    assert given.sum() == 4
    y = np.array(level) + 2 * given
    seen, as_far = abs(studentised(y, given)), 0
    for some in itertools.combinations(range(8), 4):
        as_far += abs(studentised(y, np.isin(np.arange(8), some))) >= seen - 1e-9
    expected = as_far / 70
    error = math.sqrt(expected * (1 - expected) / 999)
    assert p_of(sqlite_store) == pytest.approx(expected, abs=4 * error + 1 / 1000)


def test_imported_assignments_have_none(sqlite_store, hasher, tmp_path):
    with sqlite_store.write() as session:
        registry.add(session, toml.read(TEXT.format(design="")), actor="test")
        lifecycle.launch(session, KEY, actor="test")
    given, rows = tmp_path / "a.csv", tmp_path / "o.csv"
    given.write_text("unit,arm\n" + "".join(f"U{i},{'ct'[i % 2]}\n" for i in range(40)))
    rows.write_text("unit,amount\n" + "".join(f"U{i},{i % 7}\n" for i in range(40)))
    assignments.add(sqlite_store, KEY, given, hasher=hasher, actor="test")
    outcomes.add(sqlite_store, KEY, rows, hasher=hasher, actor="test")
    assert p_of(sqlite_store) is None


def test_longer_lists_than_the_limit_have_none(sqlite_store, hasher, tmp_path, monkeypatch):
    loaded(sqlite_store, hasher, tmp_path, lambda i, a: i % 7)
    assert p_of(sqlite_store) is not None
    monkeypatch.setattr(redrawing, "MOST", 59)
    assert p_of(sqlite_store) is None


@pytest.mark.parametrize("design", ["", 'kind = "stratified"\nstrata = ["home"]'])
def test_units_met_one_at_a_time_are_drawn_again_as_they_were_met(
    sqlite_store, hasher, tmp_path, design
):
    """A planted effect of two standard deviations is found, and none where nothing was planted."""
    text = TEXT.format(design=design).replace(
        'unit = "account"', 'unit = "account"\nchannel = "web"'
    )
    with sqlite_store.write() as session:
        registry.add(session, toml.read(text), actor="test")
        lifecycle.launch(session, KEY, actor="test")
    door = Online(sqlite_store, hasher)
    try:
        given = {f"U{i}": door.assign(KEY, Ask(f"U{i}", {"home": "AB"[i % 2]})).arm
                 for i in range(60)}  # fmt: skip
        door.recorder.flush()
    finally:
        door.close()
    rng, p = np.random.default_rng(8), {}
    for effect in (0.0, 2.0):
        path = tmp_path / f"{effect}.csv"
        path.write_text("unit,amount\n" + "".join(
            f"{u},{rng.normal() + effect * (arm == 't')}\n" for u, arm in given.items()))  # fmt: skip
        outcomes.add(sqlite_store, KEY, path, hasher=hasher, actor="test")
        order = study.Order(key=KEY, school="frequentist")
        p[effect] = study.analyse(sqlite_store, order)["metrics"][0]["contrasts"][0][
            "randomisation_p"
        ]
        with sqlite_store.write() as session:
            session.execute(sa.delete(OutcomeRow))
    assert p[2.0] < 0.005
    assert p[0.0] > 0.01


def test_what_has_no_difference_has_no_p_value_for_the_same_reason(sqlite_store, hasher, tmp_path):
    """Outcomes of one arm alone."""
    loaded(sqlite_store, hasher, tmp_path, lambda i, arm: "" if arm == "t" else i)
    result = study.analyse(sqlite_store, study.Order(key=KEY, school="frequentist"))
    contrast = result["metrics"][0]["contrasts"][0]
    assert contrast["randomisation_p"] is None
    assert contrast["randomisation_why"] == contrast["difference"]["why"]
