"""Drawing two of several arms again: blocks as they can have been, and p-values of the pair's own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from analysis import redrawing
from analysis.frequentist.randomisation import Randomised, randomisation_test
from trials.definition import toml
from trials.designs import pairwise
from trials.designs.blocks import Blocked
from trials.designs.online import PermutedBlocks
from trials.designs.tickets import Generator

ARMS = "".join(
    f'[[arms]]\nkey = "{key}"\n{"control = true" if key == "c" else ""}\n' for key in "ctu"
)
TRIAL = f"""
[trial]
key = "three"
title = "Three arms"
[design]
KIND
{ARMS}
[[metrics]]
key = "m"
role = "primary"
kind = "mean"
source = "outcomes"
"""


@pytest.mark.parametrize(("ratio", "n"), [((1, 1, 1), 16), ((2, 1, 1), 15)])
def test_blocks_drawn_from_the_arms_are_as_likely_as_those_that_gave_them(ratio, n):
    """2,000 lists of one stratum: true and redrawn blocks go alike with the arms (4 errors)."""
    rng, gaps = np.random.default_rng(4), []
    design = Blocked(arms=("c", "t", "u"), ratio=ratio, stratified=True, permuted=True)
    for _ in range(2000):
        arm, true = design._allocate(np.array([n]), range(n), [""], Generator(rng))
        drawn = pairwise.blocks(arm, ratio, rng, cut=True)
        for block in (true, drawn):
            whole = np.bincount(block)[:-1]
            assert all((np.bincount(arm[block == b], minlength=3) * sum(ratio)
                        == np.array(ratio) * size).all() for b, size in enumerate(whole))  # fmt: skip
        gaps.append([(block == 0).sum() * (1 + (arm[s] == 0)) for block in (true, drawn) for s in (4, n - 1)])  # fmt: skip
    by = np.array(gaps, float)
    for one, other in ((0, 2), (1, 3)):
        gap = by[:, one] - by[:, other]
        assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(len(gap))


def test_a_pairs_test_is_exact_whatever_the_third_arm_does():
    """1,000 online trials in blocks with a trend and a third arm of great effect; MC error 0.9."""
    rng, n, wrong = np.random.default_rng(6), 31, 0
    stratum, number = np.zeros(n, np.int64), np.arange(n)
    again = PermutedBlocks((1, 1, 1), 0, "t").redraws(stratum, number)
    for _ in range(1000):
        arm = again(rng)
        y = 0.2 * number + rng.normal(size=n) + 50 * (arm == 2)
        block = pairwise.blocks(arm, (1, 1, 1), rng, cut=False)
        test = randomisation_test(
            Randomised(arm=arm, n=np.ones(n), y=y), pairwise.within(block, arm, (1, 0)), rng,
            arm=1, versus=0, draws=39,
        )  # fmt: skip
        wrong += test.p <= 0.1
    assert wrong / 1000 == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 1000))


def test_arms_that_no_blocks_give_are_not_redrawn_by_pairs():
    rng = np.random.default_rng(1)
    assert pairwise.blocks(np.zeros(12, np.int64), (1, 1, 1), rng, cut=True) is None


@pytest.mark.parametrize("kind", ['kind = "individual"', 'kind = "cluster"\ncluster = "home"'])
def test_a_trial_of_three_arms_gets_the_p_value_of_sharing_out_two(kind):
    """All 70 ways to share eight entries between two arms, within four Monte Carlo errors."""
    trial = toml.read(TRIAL.replace("KIND", kind))
    arm = np.repeat([0, 1, 2], 4)
    y = np.array([1.0, 2.5, 0.5, 2.0, 3.0, 2.2, 4.1, 1.8, 90, -70, 80, -60])
    zero = np.zeros(12, np.int64)
    drawn = redrawing.Drawn(met=False, arm=arm, position=np.arange(12), batch=zero, stratum=zero,
                            n=np.ones(12), y=y)  # fmt: skip
    found = redrawing.p_values(trial, drawn, seed=1)["t"]

    def t(treated):
        one, two = y[:8][treated], y[:8][~treated]
        return abs(one.mean() - two.mean()) / math.sqrt(one.var(ddof=1) / 4 + two.var(ddof=1) / 4)

    every = [t(np.isin(np.arange(8), some)) for some in itertools.combinations(range(8), 4)]
    expected = np.mean(np.array(every) >= t(np.arange(8) >= 4) - 1e-9)
    error = math.sqrt(expected * (1 - expected) / 999)
    assert found == pytest.approx(expected, abs=4 * error + 1 / 1000)


def test_a_stratified_list_of_three_arms_is_shared_out_within_its_blocks():
    """Only orders within the drawn blocks occur, and a list with gaps is drawn again as a whole."""
    trial = toml.read(TRIAL.replace("KIND", 'kind = "stratified"\nstrata = ["area"]'))
    design = Blocked(arms=("c", "t", "u"), ratio=(1, 1, 1), stratified=True, permuted=True)
    rng = np.random.default_rng(2)
    arm, _ = design._allocate(np.array([20, 13]), range(33), ["a", "b"], Generator(rng))
    stratum = np.repeat([0, 1], [20, 13])
    drawn = redrawing.Drawn(met=False, arm=arm, position=np.arange(33), stratum=stratum,
                            batch=np.zeros(33, np.int64), n=np.ones(33), y=rng.normal(size=33))  # fmt: skip
    again = redrawing._pairwise(trial, drawn, (1, 0), rng)(rng)
    assert (again[arm == 2] == 2).all()
    for code in (0, 1):
        assert (np.bincount(again[stratum == code]) == np.bincount(arm[stratum == code])).all()
    gap = np.arange(33) != 5
    parts = {name: getattr(drawn, name)[gap] for name in ("arm", "position", "batch", "stratum",
                                                          "n", "y")}  # fmt: skip
    holed = redrawing.Drawn(met=False, **parts)
    assert redrawing._pairwise(trial, holed, (1, 0), rng) is None
    assert 0 < redrawing.p_values(trial, holed, seed=1)["t"] <= 1
