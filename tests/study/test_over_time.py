"""Switchbacks and stepped wedges from the trial file and its assignments to the result."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from trials.definition import toml
from trials.designs import switchback_for

SEED = 20260401
SWITCHBACK = f"""
[trial]
key = "greeting"
title = "A greeting that names the website"
unit = "call"
hypothesis = "It helps."
mechanism = "deflection"
owner = "a@b.example"
starts = 2026-04-13
ends = 2026-05-08
[design]
kind = "switchback"
period = "2h"
burn_in = "10m"
hours = ["Mon-Fri 09:00-17:00"]
seed = {SEED}
[[arms]]
key = "today"
control = true
[[arms]]
key = "short"
[[metrics]]
key = "m"
role = "primary"
kind = "mean"
source = "outcomes"
"""
WEDGE = """
[trial]
key = "areas"
title = "Areas go over one after another"
unit = "case"
hypothesis = "It helps."
mechanism = "expectation"
owner = "a@b.example"
starts = 2026-04-06
ends = 2026-05-10
[design]
kind = "stepped-wedge"
cluster = "area"
period = "7d"
[[arms]]
key = "today"
control = true
[[arms]]
key = "new"
[[metrics]]
key = "m"
role = "primary"
kind = "mean"
source = "outcomes"
[analysis]
uptake = "exposure"
"""


def primary(result):
    return result["metrics"][0]["contrasts"][0]


def check(result, key):
    return next(c for c in result["checks"] if c["key"] == key)


def calls(effect, *, arms=None, without=()):
    """Calls of every period: the rows, with the period they came in."""
    schedule = switchback_for(toml.read(SWITCHBACK)).draw(seed=SEED, trial="greeting")
    rng = np.random.default_rng(9)
    rows = []
    for i, period in enumerate(schedule.periods):
        arm = int(schedule.arm[i]) if arms is None else arms[i]
        level = rng.normal(0, 0.5)
        for minute in (5, 30, 60, 90):
            at = period.starts + timedelta(minutes=minute)
            y = round(float(level + effect * arm + rng.normal(0, 1)), 3)
            if i not in without:
                rows.append((f"U{len(rows)}", ("today", "short")[arm], at.isoformat(), y, i))
    return pd.DataFrame(rows, columns=["unit", "arm", "assigned_at", "m", "period"])


def files(frame, *more):
    given = frame[["unit", "arm", "assigned_at", *more]].to_csv(index=False)
    return given, frame[["unit", "m"]].to_csv(index=False)


def test_a_switchback_is_compared_by_period_within_its_calendar(analysed):
    """The estimate is least squares with a level for each weekday and hour, burn-in left out."""
    frame = calls(0.8)
    result = analysed(SWITCHBACK, *files(frame))
    kept = frame[frame.groupby("period").cumcount() > 0]
    schedule = switchback_for(toml.read(SWITCHBACK)).draw(seed=SEED, trial="greeting")
    stratum = schedule.allocation.stratum[kept.period]
    x = np.column_stack([
        (kept.arm == "short").astype(float), stratum[:, None] == np.unique(stratum)
    ]).astype(float)  # fmt: skip
    expected = sm.OLS(kept.m.to_numpy(), x).fit().params[0]
    told = primary(result)
    assert told["difference"]["estimate"] == pytest.approx(expected, rel=1e-8)
    assert "CR2" in told["difference"]["method"]
    assert told["randomisation_p"] < 0.01
    assert result["units"]["assigned"] == len(kept)
    assert result["units"]["clusters"] == len(schedule.periods)
    assert told["also"]["carry_over"]["lag"]["low"] < 0 < told["also"]["carry_over"]["lag"]["high"]
    assert check(result, "period-coverage")["verdict"] == "pass"
    assert check(result, "sample-ratio")["verdict"] == "pass"


def test_a_switchback_that_ran_by_another_schedule_has_no_draw_to_repeat(analysed):
    sealed = switchback_for(toml.read(SWITCHBACK)).draw(seed=SEED, trial="greeting")
    result = analysed(SWITCHBACK, *files(calls(0.0, arms=(1 - sealed.arm).tolist())))
    told = primary(result)
    assert told["randomisation_p"] is None
    assert "run by the schedule" in told["randomisation_why"]


def test_periods_without_data_under_one_arm_fail_the_coverage_check(analysed):
    schedule = switchback_for(toml.read(SWITCHBACK)).draw(seed=SEED, trial="greeting")
    without = np.flatnonzero(schedule.arm == 1)[:6].tolist()
    found = check(analysed(SWITCHBACK, *files(calls(0.0, without=without))), "period-coverage")
    assert found["verdict"] == "fail"
    assert "all of them while short was in force" in found["says"]


def test_a_stepped_wedge_takes_out_areas_and_weeks(analysed):
    """Twelve areas cross in four steps over five weeks, which grow worse: two-way fixed effects."""
    rng = np.random.default_rng(10)
    crossing = np.repeat([1, 2, 3, 4], 3)
    rows = []
    for area, first in enumerate(crossing):
        level = rng.normal(0, 1)
        for week in range(5):
            for _ in range(5):
                arm = "new" if week >= first else "today"
                y = level + 0.7 * week - 1.0 * (arm == "new") + rng.normal(0, 1)
                day = 6 + 7 * week + int(rng.integers(7))
                at = pd.Timestamp("2026-04-01") + pd.Timedelta(days=day - 1, hours=10)
                rows.append((f"U{len(rows)}", arm, at.isoformat(), f"A{area}", round(y, 3), week))
    names = ["unit", "arm", "assigned_at", "area", "m", "week"]
    frame = pd.DataFrame(rows, columns=names)
    took = frame[frame.arm == "new"].iloc[::2]
    met = "unit,exposed_at,arm\n" + "".join(
        f"{u},{at},new\n" for u, at in zip(took.unit, took.assigned_at, strict=True)
    )
    result = analysed(WEDGE, *files(frame, "area"), met)
    dummies = pd.get_dummies(frame[["area", "week"]].astype(str), drop_first=True)
    x = sm.add_constant(np.column_stack([frame.arm == "new", dummies]).astype(float))
    expected = sm.OLS(frame.m.to_numpy(), x).fit().params[1]
    told = primary(result)
    assert told["difference"]["estimate"] == pytest.approx(expected, rel=1e-8)
    assert told["difference"]["method"].startswith("cluster and period effects")
    assert told["randomisation_p"] <= 0.05
    took_up = np.isin(frame.unit, took.unit).astype(float)
    first_stage = sm.OLS(took_up, x).fit().params[1]
    effect = told["also"]["compliers"]["effect"]["estimate"]
    assert effect == pytest.approx(expected / first_stage, rel=1e-8)
    assert check(result, "sample-ratio")["verdict"] == "not-applicable"
