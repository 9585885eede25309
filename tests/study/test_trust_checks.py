"""Trust checks of a run that need the contact log: novelty, shared queues, delivery, later rungs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

TEXT = """
[trial]
key = "checked"
title = "A greeting"
unit = "call"
hypothesis = "It helps."
mechanism = "deflection"
owner = "a@b.example"
starts = 2026-04-01
ends = 2026-04-30
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "calls"
role = "primary"
kind = "count"
where = { handled = true }
window = "10d"
"""
N = 600
START = pd.Timestamp("2026-04-01 09:00")


def check(result, key):
    return next(c for c in result["checks"] if c["key"] == key)


def given():
    return "unit,arm,assigned_at\n" + "".join(
        f"U{i},{'ct'[i % 2]},{START.isoformat()}\n" for i in range(N)
    )


def met(share, *, crossed=0.0, seed=1):
    """Exposures: who met an arm at all, and who the other one."""
    rng = np.random.default_rng(seed)
    rows = ["unit,exposed_at,arm"]
    for i in range(N):
        if rng.random() < share:
            arm = "ct"[(i % 2) ^ int(rng.random() < crossed)]
            rows.append(f"U{i},{START.isoformat()},{arm}")
    return "\n".join(rows) + "\n"


def contacts(rate, *, seed=2, lines=("benefits",)):
    """``rate(treated, day)`` contacts a day."""
    rng = np.random.default_rng(seed)
    rows = ["contact_id,occurred_at,channel,line,handled,unit"]
    for i in range(N):
        for day in range(10):
            if rng.random() < rate(i % 2, day):
                at = START + pd.Timedelta(days=day, hours=2)
                line = lines[i % len(lines)]
                rows.append(f"K{len(rows)},{at.isoformat()},phone,{line},yes,U{i}")
    return "\n".join(rows) + "\n"


def test_an_effect_that_fades_after_the_first_days_is_called_a_novelty(analysed):
    result = analysed(TEXT, given(),
                      contacts=contacts(lambda t, day: 0.3 - 0.25 * t * (day < 3)))  # fmt: skip
    found = check(result, "novelty")
    assert found["verdict"] == "warn"
    assert "fades" in found["says"]
    assert found["details"]["first_day"] < found["details"]["last_day"]


def test_an_effect_that_stays_is_not(analysed):
    result = analysed(TEXT, given(), contacts=contacts(lambda t, _: 0.3 - 0.1 * t))
    assert check(result, "novelty")["verdict"] == "pass"


@pytest.mark.parametrize(("lines", "verdict"), [(("a",), "warn"), (("a", "b"), "pass")])
def test_arms_that_wait_in_one_queue_are_told_of(analysed, lines, verdict):
    """With two lines, each belongs to one arm."""
    result = analysed(TEXT, given(), contacts=contacts(lambda *_: 0.2, lines=lines))
    found = check(result, "interference")
    assert found["verdict"] == verdict
    assert found["details"]["shared"] == (["a"] if verdict == "warn" else [])


@pytest.mark.parametrize(
    ("share", "crossed", "verdicts"),
    [
        (1.0, 0.0, ("pass", "pass")),
        (0.9, 0.0, ("warn", "pass")),
        (0.7, 0.0, ("warn", "pass")),
        (1.0, 0.1, ("warn", "fail")),
    ],
)
def test_delivery_and_contamination_are_told_apart(analysed, share, crossed, verdicts):
    """Nobody met the other arm, but not everybody met their own; or some met the other."""
    result = analysed(TEXT, given(), met=met(share, crossed=crossed),
                      contacts=contacts(lambda *_: 0.2))  # fmt: skip
    found = tuple(check(result, key)["verdict"] for key in ("fidelity", "contamination"))
    assert found == verdicts


def test_every_later_rung_is_held_against_the_planned_shares(analysed):
    rows = ["unit,exposed_at,arm"]
    rows += [f"U{i},{START.isoformat()},{'ct'[i % 2]}" for i in range(N) if i % 2 or i % 3]
    result = analysed(TEXT, given(), met="\n".join(rows) + "\n",
                      contacts=contacts(lambda *_: 0.2))  # fmt: skip
    found = check(result, "sample-ratio")
    rungs = {part["name"] for part in found["details"]["parts"] if part["kind"] == "rung"}
    assert {"met their arm", "outcome known"} <= rungs
    assert found["verdict"] == "warn"
    assert "met their arm" in found["says"]
