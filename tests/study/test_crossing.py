"""People met in two arms or in two trials, planted and found again from the files on."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import pytest
from scipy import stats

from analysis.report import reached
from trials.definition import toml
from web.cli.main import main

TRIAL = """
[trial]
key = "{key}"
title = "A message"
unit = "person"
[[arms]]
key = "old"
control = true
[[arms]]
key = "new"
[[metrics]]
key = "called"
role = "primary"
kind = "proportion"
source = "outcomes"
"""
N = 4000


@pytest.fixture
def signpost(tmp_path, monkeypatch, capsys):
    """Run the program; its JSON document."""
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNPOST_DATABASE_URL", raising=False)

    def run(*arguments):
        with contextlib.suppress(SystemExit):
            main([*(str(a) for a in arguments), "--json"])
        said = capsys.readouterr()
        assert said.out, said.err
        return json.loads(said.out)

    def trial(key, arm, phone, called=None, met=None):
        rows = {"assignments": "unit,arm,assigned_at,phone\n" + "".join(
            f"{key}-{i},{('old', 'new')[a]},2026-04-01,{p}\n"
            for i, (a, p) in enumerate(zip(arm, phone, strict=True)))}  # fmt: skip
        if called is not None:
            rows["outcomes"] = "unit,called\n" + "".join(
                f"{key}-{i},{y}\n" for i, y in enumerate(called))  # fmt: skip
        if met is not None:
            rows["exposures"] = "unit,exposed_at,arm\n" + "".join(
                f"{key}-{i},2026-04-02,{('old', 'new')[a]}\n" for i, a in enumerate(met))  # fmt: skip
        path = tmp_path / f"{key}.toml"
        path.write_text(TRIAL.format(key=key))
        run("trial", "add", path)
        run("trial", "launch", key)
        for kind, text in rows.items():
            path = tmp_path / f"{key}-{kind}.csv"
            path.write_text(text)
            run("import", kind, key, path)

    run.trial = trial
    return run


def phones(people):
    return [f"07700 {900000 + p}" for p in people]


def contamination(result):
    check = next(c for c in result["checks"] if c["key"] == "contamination")
    return result["contamination"], check


def test_repeat_callers_count_where_they_were_first_and_are_set_apart(signpost):
    """120 people are two units in different arms and heard both; 200 met the other arm outright.

    Among the others the truth is a fall of 20 points, among those who heard both none: everybody
    counted, it is diluted by just their share; without them it is whole again.
    """
    rng = np.random.default_rng(5)
    arm = rng.permutation(np.arange(N) % 2)
    person = np.arange(N)
    old, new = (np.flatnonzero(arm == a) for a in (0, 1))
    person[new[:120]] = person[old[:120]]
    met = arm.copy()
    astray = np.concatenate([old[200:300], new[200:300]])
    met[astray] = 1 - met[astray]
    both = np.zeros(N, bool)
    both[np.concatenate([old[:120], new[:120], astray])] = True
    called = (rng.random(N) < np.where(both, 0.5, 0.5 - 0.2 * arm)).astype(int)
    signpost.trial("t", arm, phones(person), called, met)
    result = signpost("analyse", "t", "--school", "frequentist")
    found, check = contamination(result)
    assert found["met_another_arm"] == {"old": 100, "new": 100}
    assert found["same_line_as_another_arm"] == {"old": 120, "new": 120}
    assert found["either"] == {"old": 220, "new": 220}
    assert check["verdict"] == "fail"
    assert "240 units of 4,000 share a line or an account" in check["says"]
    kept = result["metrics"][0]["contrasts"][0]["difference"]
    assert kept["estimate"] == pytest.approx(
        called[arm == 1].mean() - called[arm == 0].mean(), rel=1e-9
    )
    (without,) = found["without_them"]
    alone = ~both
    assert without["difference"]["estimate"] == pytest.approx(
        called[alone & (arm == 1)].mean() - called[alone & (arm == 0)].mean(), rel=1e-9
    )
    assert abs(kept["estimate"] + 0.2 * (1 - both.mean())) < 3 * kept["se"]
    assert abs(without["difference"]["estimate"] + 0.2) < 3 * without["difference"]["se"]


def test_two_trials_that_share_people_are_held_against_each_other(signpost):
    """Trial ``a`` lowers calls by 30 points with the other's old arm and by 5 with its new one.

    Trial ``b``, given by chance, is independent and interacts; ``c`` follows ``a``'s arms.
    """
    rng = np.random.default_rng(6)
    arm, there = (rng.permutation(np.arange(N) % 2) for _ in range(2))
    called = (rng.random(N) < 0.5 - np.where(there == 1, 0.05, 0.30) * arm).astype(int)
    signpost.trial("b", there, phones(range(N)))
    signpost.trial("c", np.where(np.arange(1000) % 5 == 0, 1 - arm[:1000], arm[:1000]),
                   phones(range(1000)))  # fmt: skip
    signpost.trial("a", arm, phones(range(N)), called)
    result = signpost("analyse", "a", "--school", "frequentist")
    found, check = contamination(result)
    told = reached.sentences(toml.read(TRIAL.format(key="a")), result)
    assert told[0].startswith("4,000 people are also in trial ‘b’. Arms were given independently")
    assert "The effect of ‘New’ depends on what was given there (p less than 0.001)." in told[0]
    b, c = found["other_trials"]
    assert (b["trial"], b["units"], c["trial"], c["units"]) == ("b", N, "c", 1000)
    table = np.bincount(2 * arm + there, minlength=4).reshape(2, 2)
    p = stats.chi2_contingency(table, correction=False).pvalue
    assert b["independence"]["p"] == pytest.approx(p, rel=1e-9)
    assert p > 0.01 > c["independence"]["p"]
    assert b["interactions"][0]["p"] < 1e-6
    assert check["verdict"] == "warn"
    assert "1,000 units are also in trial ‘c’, whose arms were not given" in check["says"]


def test_trials_without_an_interaction_seldom_show_one():
    """400 null trials of 800 units: 5% of interaction tests reject at 0.05 (Monte Carlo error 1.1)."""
    from analysis.frequentist.subgroups import interaction
    from analysis.tables import Grouped, Key

    rng, rejected = np.random.default_rng(7), 0
    for _ in range(400):
        arm, there = (rng.permutation(np.arange(800) % 2) for _ in range(2))
        y = (rng.random(800) < 0.4 - 0.1 * arm - 0.1 * there).astype(float)
        one = np.ones(800)
        table = Grouped(
            arms=("old", "new"), control=0, weights=(1.0, 1.0), arm=arm, n=one, y=y, yy=y,
            segments={"b": Key(name="b", codes=there, levels=("old", "new"))},
        )  # fmt: skip
        rejected += interaction(table, "b", 1).p < 0.05
    assert abs(rejected / 400 - 0.05) < 3 * 0.011


def test_nobody_in_two_arms_leaves_nothing_to_tell(signpost):
    arm = np.arange(200) % 2
    signpost.trial("t", arm, phones(range(200)), arm, arm)
    found, check = contamination(signpost("analyse", "t", "--school", "frequentist"))
    assert (found, check["verdict"]) == (None, "pass")
