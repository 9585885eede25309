"""Thin, empty and lopsided trials of every kind: a number or a reason, never a crash or a NaN."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

PLAN = """
[trial]
key = "thin"
title = "A thin trial"
unit = "person"
hypothesis = "It helps."
mechanism = "deflection"
owner = "a@b.example"
starts = 2026-04-01
ends = 2026-04-30
[design]
{design}
{arms}
[[metrics]]
key = "m"
role = "primary"
kind = "{kind}"
source = "{source}"
better = "lower"
{more}
[[metrics]]
key = "c"
role = "secondary"
kind = "count"
source = "contacts"
window = "7d"
better = "lower"
[[metrics]]
key = "g"
role = "guardrail"
kind = "proportion"
source = "contacts"
where = {{ reason = "complaint" }}
window = "7d"
better = "lower"
margin = 0.1
[analysis]
{analysis}
"""
DESIGNS = {
    "individual": 'kind = "individual"',
    "stratified": 'kind = "stratified"\nstrata = ["half"]',
    "cluster": 'kind = "cluster"\ncluster = "home"',
}
WINDOW = 'window = "7d"'
KINDS = {
    "proportion": ("outcomes", ""),
    "count": ("contacts", f"{WINDOW}\ncap = 0.9"),
    "count-file": ("outcomes", ""),
    "mean": ("contacts", f'{WINDOW}\nvalue = "handle_seconds"'),
    "ratio": ("contacts", f'{WINDOW}\nvalue = "handle_seconds"\ndenominator = "c"'),
    "time-to-event": ("contacts", WINDOW),
}
LOOKS = ('"fixed"', '"always-valid"', '{ fractions = [0.5, 1.0], spending = "obrien-fleming" }')
FAMILIES = ("holm", "hochberg", "benjamini-hochberg", "dunnett", "none")
SPLITS = {
    "in-turn": lambda i, arms, rng: i % arms,
    "nobody-treated": lambda i, arms, rng: 0,
    "one-treated": lambda i, arms, rng: int(i == 0),
    "by-chance": lambda i, arms, rng: int(rng.integers(arms)),
}
OUTCOMES = {
    "nobody": lambda i, arm, rng: 0,
    "everybody": lambda i, arm, rng: 1,
    "only-treated": lambda i, arm, rng: int(arm > 0),
    "mostly-unknown": lambda i, arm, rng: 1 if i < 2 else None,
    "by-chance": lambda i, arm, rng: int(rng.random() < 0.5),
}
COVARIATES = {
    "constant": lambda arm, rng: 1,
    "the-arm-itself": lambda arm, rng: arm,
    "blank": lambda arm, rng: "",
    "by-chance": lambda arm, rng: round(float(rng.normal()), 3),
}


def plan(rng, design, kind):
    source, more = KINDS[kind]
    arms = int(rng.integers(2, 4))
    blocks = "".join(
        f'[[arms]]\nkey = "a{k}"\ncontrol = {str(k == 0).lower()}\n' for k in range(arms)
    )
    lines = [f"looks = {rng.choice(LOOKS)}", f'multiplicity = "{rng.choice(FAMILIES)}"']
    if kind not in ("ratio", "time-to-event") and rng.random() < 0.5:
        lines.append('adjust = ["x"]')
    if rng.random() < 0.5:
        lines.append('segments = ["online"]')
    kind = kind.removesuffix("-file")
    text = PLAN.format(
        design=DESIGNS[design], arms=blocks, kind=kind, source=source, more=more,
        analysis="\n".join(lines),
    )  # fmt: skip
    return text, arms


def files(rng, arms, clustered):
    size = int(rng.choice([2, 3, 5, 12, 40]))
    split, outcome, covariate = (
        found[rng.choice(sorted(found))] for found in (SPLITS, OUTCOMES, COVARIATES)
    )
    units = ["unit,arm,assigned_at,half,home,x,online"]
    known, contacts = (
        ["unit,m"],
        ["contact_id,occurred_at,channel,handled,reason,handle_seconds,unit"],
    )
    given: dict[int, int] = {}
    for i in range(size):
        home = i // 2 if clustered else i
        arm = given.setdefault(home, split(i, arms, rng))
        online = "no" if rng.random() < 0.8 else "yes"
        units.append(f"U{i},a{arm},2026-04-01,{i % 2},H{home},{covariate(arm, rng)},{online}")
        if (value := outcome(i, arm, rng)) is None:
            continue
        known.append(f"U{i},{value}")
        contacts += [
            f"K{i}-{j},2026-04-0{2 + j}T10:00:00,phone,yes,{'complaint' if j else 'other'},{300 * j},U{i}"
            for j in range(2 * value)
        ]
    return ["\n".join(rows) + "\n" if len(rows) > 1 else "" for rows in (units, known, contacts)]


@pytest.mark.parametrize(("design", "kind"), product(DESIGNS, KINDS))
def test_every_number_is_there_or_absent_with_a_reason(analysed, design, kind):
    rng = np.random.default_rng([len(design), len(kind), 20260401])
    text, arms = plan(rng, design, kind)
    units, known, contacts = files(rng, arms, design == "cluster")
    result = analysed(text, units, known, contacts=contacts, sampling=False)
    json.dumps(result, allow_nan=False)
    for metric in result["metrics"]:
        for contrast in metric["contrasts"]:
            for part in ("difference", "ratio"):
                found = contrast[part]
                assert (
                    found["low"] <= found["estimate"] <= found["high"]
                    if "estimate" in found
                    else found["why"]
                )
