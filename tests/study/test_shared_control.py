"""Dunnett's test where strata or covariates take most of the variance away."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.estimation import contrasts
from analysis.tables import Grouped
from trials.definition import toml

PLAN = """
[trial]
key = "two-letters"
title = "Two letters against today's"
unit = "account"
hypothesis = "One of them helps."
mechanism = "expectation"
owner = "a@b.example"
starts = 2026-04-01
ends = 2026-04-30
[design]
kind = "individual"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[arms]]
key = "u"
[[metrics]]
key = "m"
role = "primary"
kind = "mean"
source = "outcomes"
better = "higher"
[analysis]
multiplicity = "dunnett"
adjust = ["x"]
"""
N = 150


@pytest.mark.parametrize("slope", [0.0, 2.0])
def test_covariates_take_as_much_from_what_contrasts_share(slope):
    """Two equal arms and the control correlate by one half: Dunnett's 5 % point is 2.212 (large df)."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=3 * N)
    y = slope * x + rng.normal(size=3 * N)
    table = Grouped(
        arms=("c", "t", "u"), control=0, weights=(1.0,) * 3, arm=np.repeat([0, 1, 2], N),
        n=np.ones(3 * N), y=y, yy=y * y, x=x[:, None], covariates=("x",),
    )  # fmt: skip
    for contrast in contrasts(toml.read(PLAN), {"m": table}, "frequentist"):
        found = contrast.difference
        assert (found.high - found.low) / 2 / found.se == pytest.approx(2.212, abs=0.03)
