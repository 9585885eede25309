"""``signpost power --history`` and ``--like``: planning figures from the council's own data."""

from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.formula.api as smf
from pandas import DataFrame

from analysis import experience
from analysis.planning import PowerRequest, plan_power
from trials import lifecycle, registry
from trials.definition import toml
from trials.errors import Invalid, SignpostError
from trials.importing import assignments, outcomes
from web.cli.main import main

TRIAL = """
[trial]
key = "earlier"
title = "Earlier"
unit = "person"
[design]
kind = "cluster"
cluster = "household"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "minutes"
role = "primary"
kind = "mean"
source = "outcomes"
"""


def households(seed=3, count=200, size=6):
    """Minutes of people in households of equal size, correlation 0.2."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(count), size)
    return g, 20 + rng.normal(0, np.sqrt(0.2) * 5, count)[g] + rng.normal(
        0, np.sqrt(0.8) * 5, len(g)
    )


def moments(g, y):
    """The analysis of variance's estimate in balanced groups, by statsmodels' table."""
    from statsmodels.stats.anova import anova_lm

    table = anova_lm(smf.ols("y ~ C(g)", DataFrame({"y": y, "g": g})).fit())
    between, within = table["mean_sq"]
    m = len(y) / len(np.unique(g))
    return (between - within) / (between + (m - 1) * within)


def run(capsys, *arguments):
    main(["power", *arguments])
    return capsys.readouterr().out


def test_a_file_of_past_outcomes_gives_spread_and_correlation(tmp_path, capsys):
    g, y = households()
    path = tmp_path / "past.csv"
    path.write_text("household,minutes\n" + "".join(
        f"H{a},{b}\n" for a, b in zip(g, y.tolist(), strict=True)))  # fmt: skip
    answer = json.loads(run(
        capsys, "--kind", "mean", "--mde", "1", "--history", str(path), "--value", "minutes",
        "--cluster", "household", "--json",
    ))  # fmt: skip
    icc, found = moments(g, y), answer["history"]
    assert found["icc"] == pytest.approx(icc, rel=1e-8)
    assert (found["baseline"], found["sd"]) == pytest.approx((y.mean(), y.std(ddof=1)))
    by_hand = plan_power(PowerRequest(kind="mean", baseline=y.mean(), sd=y.std(ddof=1), mde=1,
                                      icc=icc, cluster_size=6))  # fmt: skip
    assert answer["total"] == by_hand.total
    assert answer["design_effect"] == pytest.approx(1 + 5 * icc)
    said = run(capsys, "--kind", "mean", "--mde", "1", "--history", str(path), "--value",
               "minutes", "--cluster", "household", "--sd", "9", "--icc", "0.01")  # fmt: skip
    assert "Its 200 clusters hold 6 on average" in said
    assert "1.05" in next(line for line in said.splitlines() if line.startswith("Design effect"))


def test_past_days_are_compared_with_others_of_their_weekday(tmp_path, capsys):
    rng = np.random.default_rng(4)
    days = np.arange("2026-01-05", "2026-03-30", dtype="datetime64[D]")
    calls = (100 + 40 * (np.arange(84) % 7 == 0) + rng.normal(0, 5, 84)).round(1)
    path = tmp_path / "days.csv"
    path.write_text(
        "period,count\n" + "".join(f"{d},{c}\n" for d, c in zip(days, calls, strict=True))
    )
    answer = json.loads(run(capsys, "--kind", "count", "--mde", "3", "--history", str(path),
                            "--value", "count", "--json"))  # fmt: skip
    fit = smf.ols("y ~ C(w)", DataFrame({"y": calls, "w": np.arange(84) % 7})).fit()
    assert answer["history"]["period_cv"] == pytest.approx(
        np.sqrt(fit.scale) / calls.mean(), rel=1e-8
    )
    assert answer["periods"] == answer["total"]


def test_an_earlier_trial_gives_what_its_control_arm_saw(sqlite_store, hasher, tmp_path):
    g, y = households(5)
    with sqlite_store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="test")
        lifecycle.launch(session, "earlier", actor="test")
    given, measured = tmp_path / "a.csv", tmp_path / "o.csv"
    given.write_text("unit,arm,household\n" + "".join(
        f"U{i},{'ct'[a % 2]},H{a}\n" for i, a in enumerate(g)))  # fmt: skip
    measured.write_text("unit,minutes\n" + "".join(
        f"U{i},{v + 4 * (g[i] % 2)}\n" for i, v in enumerate(y.tolist())))  # fmt: skip
    for module, path in ((assignments, given), (outcomes, measured)):
        module.add(sqlite_store, "earlier", path, hasher=hasher, actor="test")
    found = experience.of_trial(sqlite_store, "earlier")
    own = g % 2 == 0
    assert found.baseline == pytest.approx(y[own].mean())
    assert found.icc == pytest.approx(moments(g[own], y[own]), rel=1e-8)
    assert (found.kind, found.cluster_size) == ("mean", 6)
    with pytest.raises(SignpostError, match="no metric 'hours'"):
        experience.of_trial(sqlite_store, "earlier", "hours")


def test_files_that_say_nothing_are_refused_with_their_lines(tmp_path):
    path = tmp_path / "past.csv"
    for content, says in (
        ("minutes\n3\nmany\n4\n\nnan\n", "line 3"), ("hours\n3\n", "no column 'minutes'"),
        ("minutes\n", "no rows"),
    ):  # fmt: skip
        path.write_text(content)
        with pytest.raises(Invalid, match=says):
            experience.of_file(path, "mean", value="minutes")
    path.write_text("minutes\n3\n")
    with pytest.raises(SignpostError, match="fewer than two"):
        experience.of_file(path, "mean", value="minutes")
