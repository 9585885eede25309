"""A trial of several arms is stopped for too small an effect only where all of them are."""

from dataclasses import replace

import pytest

from analysis.estimates import Absent, Estimate
from analysis.estimation import Contrast
from analysis.verdict import Evidence, decide
from trials.definition import toml

TEXT = """
[trial]
key = "p"
title = "Two versions"
[[arms]]
key = "c"
control = true
[[arms]]
key = "s"
[[arms]]
key = "t"
[[metrics]]
key = "rang"
role = "primary"
kind = "proportion"
better = "lower"
source = "outcomes"
mde = 0.03
"""


def contrast(trial, arm, value, se):
    found = Estimate.from_t(value, se, df=500)
    return Contrast(metric=trial.primary, arm=arm, versus="c", difference=found, unadjusted=found,
                    ratio=found, posterior=None)  # fmt: skip


@pytest.mark.parametrize(("se", "decision"), [(0.04, "extend"), (0.005, "stop")])
def test_an_arm_with_a_wide_interval_keeps_the_trial_running(se, decision):
    """The first arm's interval excludes 3 points; the second's does so only where it is narrow."""
    trial = toml.read(TEXT)
    both = [contrast(trial, "s", -0.002, 0.005), contrast(trial, "t", 0.005, se)]
    made = decide(Evidence(trial=trial, contrasts=both, checks=(), over=True, maturing=0))
    assert (made.decision, made.arm) == (decision, "s")


@pytest.mark.parametrize(("ratio", "decision"), [(0.05, "stop"), (0.2, "extend"), (None, "extend")])
def test_a_relative_effect_is_held_against_the_ratio(ratio, decision):
    """With 10% worth finding, a ratio from about 0.95 rules it out, one from about 0.8 does not."""
    trial = toml.read(TEXT.replace("mde = 0.03", "mde_relative = 0.1"))
    found = Absent("control-mean-zero", "No.") if ratio is None else Estimate.from_t(
        1.0, ratio / 1.96, df=5_000)  # fmt: skip
    both = [replace(contrast(trial, arm, -0.002, 0.005), ratio=found) for arm in ("s", "t")]
    made = decide(Evidence(trial=trial, contrasts=both, checks=(), over=True, maturing=0))
    assert made.decision == decision
