"""Pre-specified groups, from the trial file to the result and the report's sentence."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.report.groups import segments_chart
from trials.definition import toml

TRIAL = """
[trial]
key = "grouped"
title = "Grouped"
unit = "account"
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
[analysis]
segments = ["area", "online"]
"""
DATED = TRIAL.replace("[[arms]]", "starts = 2026-04-01\nends = 2026-09-30\n[[arms]]", 1)
LOOKS = "looks = { fractions = [0.5, 1.0] }\n"
RNG = np.random.default_rng(20261129)
N = 1200
AREA = np.where(np.arange(N) < 40, "west", np.where(RNG.random(N) < 0.5, "east", "north"))
ONLINE = RNG.random(N) < 0.5
ARM = np.arange(N) % 2
PAID = RNG.random(N) < 0.3 + 0.25 * (ARM * (AREA == "east"))


@pytest.fixture
def result(analysed):
    units = "unit,arm,area,online\n" + "".join(
        f"U{i},{'ct'[ARM[i]]},{AREA[i]},{'yes' if ONLINE[i] else 'no'}\n" for i in range(N)
    )
    paid = "unit,paid\n" + "".join(f"U{i},{int(PAID[i])}\n" for i in range(N))
    return analysed(TRIAL, units, paid, school="frequentist")


def level(result, by, name):
    entries = result["metrics"][0]["segments"]
    return next(s for s in entries if (s["by"], s["level"]) == (by, name))


def test_groups_of_fewer_than_fifty_in_an_arm_are_counted_and_not_judged(result):
    small = level(result, "area", "west")
    assert [arm["n"] for arm in small["arms"]] == [20, 20]
    assert {arm[key] for arm in small["arms"] for key in ("mean", "sd", "low", "high")} == {None}
    contrast = small["contrasts"][0]
    for part in ("difference", "ratio", "unadjusted"):
        assert contrast[part]["absent"] == "too-few-units"
    assert contrast["shrunk"] is None
    assert level(result, "area", "east")["contrasts"][0]["difference"]["se"] > 0


def test_interactions_are_those_of_a_regression_by_row_and_adjusted_together(result):
    found = {t["by"]: t for t in result["metrics"][0]["interactions"]}
    kept = AREA != "west"
    for by, group, rows in (("area", AREA == "north", kept), ("online", ONLINE, kept | True)):
        t, g = ARM[rows].astype(float), group[rows].astype(float)
        x = np.column_stack([np.ones(rows.sum()), t, g, t * g])
        fit = sm.OLS(PAID[rows].astype(float), x).fit(cov_type="HC2")
        assert found[by]["f"] == pytest.approx(fit.tvalues[3] ** 2, rel=1e-9)
    raw = sorted(t["p"] for t in found.values())
    adjusted = sorted(t["p_adjusted"] for t in found.values())
    assert adjusted == pytest.approx([2 * raw[0], max(2 * raw[0], raw[1])])


def test_the_report_says_whether_groups_differ_and_which_were_too_small(result):
    trial = toml.read(TRIAL)
    told = segments_chart(trial, result).conclusion
    p = min(t["p_adjusted"] for t in result["metrics"][0]["interactions"])
    assert p < 0.05
    assert "The effect differs by area more than chance would explain (p " in told
    assert "adjusted for 2 such tests" in told
    assert told.endswith("Too few in an arm to say anything by themselves: Area: west.")
    for test in result["metrics"][0]["interactions"]:
        test["p_adjusted"] = 0.4
    told = segments_chart(trial, result).conclusion
    assert "no sign that the effect differs between groups (p = 0.400" in told


def test_at_a_look_groups_ranges_allow_for_it_and_the_report_says_so(analysed):
    """Half-way the bound of O'Brien-Fleming type is 2.963 (gsDesign's too) instead of 1.96."""
    units = "unit,arm,area,online\n" + "".join(
        f"U{i},{'ct'[ARM[i]]},{AREA[i]},{'yes' if ONLINE[i] else 'no'}\n" for i in range(N)
    )
    paid = "unit,paid\n" + "".join(f"U{i},{int(PAID[i])}\n" for i in range(N))
    told = analysed(DATED + LOOKS, units, paid, cutoff="2026-07-15", school="frequentist")
    assert (told["look"]["number"], told["look"]["of"]) == (1, 2)
    found = level(told, "online", "yes")["contrasts"][0]["difference"]
    in_group = [PAID[ONLINE & (a == ARM)].astype(float) for a in (0, 1)]
    error = np.sqrt(sum(y.var(ddof=1) / len(y) for y in in_group))
    assert found["estimate"] == pytest.approx(in_group[1].mean() - in_group[0].mean())
    assert (found["high"] - found["low"]) / 2 / error == pytest.approx(2.963, rel=0.01)
    assert (
        "so that they hold at every look"
        in segments_chart(toml.read(DATED + LOOKS), told).conclusion
    )


def test_harm_in_a_group_is_warned_of_at_the_full_level_at_a_look(analysed):
    """Of 600 in 900 online 20 points more pay, of the other 300 ten fewer: z is 2.5, not 2.963."""
    rows = [
        (online, arm, k < paid)
        for online, arm, n, paid in (("yes", "c", 600, 300), ("yes", "t", 600, 420),
                                     ("no", "c", 300, 150), ("no", "t", 300, 120))
        for k in range(n)
    ]  # fmt: skip
    units = "unit,arm,area,online\n" + "".join(
        f"U{i},{arm},east,{online}\n" for i, (online, arm, _) in enumerate(rows)
    )
    paid = "unit,paid\n" + "".join(f"U{i},{int(y)}\n" for i, (_, _, y) in enumerate(rows))
    wide = DATED + LOOKS + "[analysis.prior]\nsd = 0.5\n"
    told = analysed(wide, units, paid, cutoff="2026-07-15", school="frequentist")
    assert told["look"]["decision"] == "effect"
    found = level(told, "online", "no")["contrasts"][0]["difference"]
    assert found["low"] < 0 < found["high"]
    assert any("worse where online is ‘no’" in reason for reason in told["verdict"]["reasons"])
    assert told["verdict"]["decision"] == "scale-with-conditions"
