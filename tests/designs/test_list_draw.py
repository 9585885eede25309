"""Individual, stratified and cluster draws."""

import importlib.util
import time
from collections import Counter
from itertools import combinations
from math import comb, factorial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trials.definition.model import Arm, Design
from trials.designs import Roster, design_for
from trials.designs.base import recorded
from trials.designs.shares import ratio, shares
from trials.designs.tickets import Generator, Tickets
from trials.errors import Invalid

spec = importlib.util.spec_from_file_location("by_hand", Path(__file__).with_name("by_hand.py"))
by_hand = importlib.util.module_from_spec(spec)
spec.loader.exec_module(by_hand)


def arms(*weights):
    return tuple(
        Arm(key=f"arm-{i}", weight=float(w), control=i == 0) for i, w in enumerate(weights)
    )


INDIVIDUAL = Design()
STRATIFIED = Design(kind="stratified", strata=("band",))
CLUSTER = Design(kind="cluster", cluster="home")


def given_arms(allocation, keys):
    names = [*allocation.arms, ""]
    return {key: names[code] for key, code in zip(keys, allocation.arm.tolist(), strict=True)}


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(12, 90),
    levels=st.integers(1, 4),
    weights=st.sampled_from(
        [(1, 1), (1, 1, 1), (1, 2), (3, 1, 1), (0.25, 0.75), (0.3, 0.35, 0.35)]
    ),
    seed=st.integers(-(2**40), 2**40),
    holdout=st.sampled_from([0.0, 0.05, 0.25, 1 / 3]),
    kind=st.sampled_from(["individual", "stratified"]),
    order=st.randoms(use_true_random=False),
)
def test_a_draw_in_any_file_order_is_the_one_worked_by_hand_from_the_description(
    n, levels, weights, seed, holdout, kind, order
):
    keys = [f"Ünit {i * 7919 % 1000}" for i in range(n)]
    order.shuffle(keys)
    label = {
        key: f"band {sum(key.encode()) % levels}" if kind == "stratified" else "" for key in keys
    }
    the_arms = arms(*weights)
    whole = {(0.25, 0.75): (1, 3), (0.3, 0.35, 0.35): (6, 7, 7)}.get(weights, weights)
    share = {0.0: (0, 1), 0.05: (1, 20), 0.25: (1, 4), 1 / 3: (1, 3)}[holdout]
    expected = by_hand.draw(
        label,
        arms=[a.key for a in the_arms],
        ratio=whole,
        seed=seed,
        trial="bins",
        blocks=kind == "stratified",
        holdout=share,
    )
    design = design_for(
        Design(kind=kind, strata=("band",) if kind == "stratified" else (), holdout=holdout),
        the_arms,
    )
    roster = Roster(keys, [(label[k],) for k in keys])
    if set(expected.values()) - {""} != {a.key for a in the_arms}:
        with pytest.raises(Invalid, match="too short"):
            design.draw(roster, seed=seed, trial="bins")
        return
    drawn = given_arms(design.draw(roster, seed=seed, trial="bins"), keys)
    assert drawn == expected


def test_a_cluster_draw_is_the_one_worked_by_hand_and_never_splits_a_cluster():
    keys = [f"P{i}" for i in range(300)]
    homes = [f"H{i * i % 97}" for i in range(300)]
    band = {home: f"{sum(home.encode()) % 3}" for home in homes}
    design = design_for(Design(kind="cluster", cluster="home", strata=("band",)), arms(1, 2))
    roster = Roster(keys, [(band[h],) for h in homes], homes)
    drawn = design.draw(roster, seed=5, trial="t")
    expected = by_hand.draw(
        band,
        arms=["arm-0", "arm-1"],
        ratio=(1, 2),
        seed=5,
        trial="t",
        blocks=True,
        purpose="cluster",
    )
    assert given_arms(drawn, keys) == {k: expected[h] for k, h in zip(keys, homes, strict=True)}
    redrawn = design.redraw(drawn, np.random.default_rng(3))
    for codes in (drawn.arm, redrawn):
        assert len(set(zip(homes, codes.tolist(), strict=True))) == len(set(homes))


def test_the_ticket_of_a_unit_is_what_the_sha256sum_program_prints():
    """printf 'signpost-1|20260401|council-tax-reminder|unit|A100' | sha256sum"""
    ticket = Tickets(20260401, "council-tax-reminder").digest("unit", "A100").hex()
    assert ticket == "d1b14e0aea4fd6a85ea5154efdeb4da83666f262aa9b871a80378a7b3cd81ae2"


@pytest.mark.parametrize("weights", [(1, 1), (1, 1, 1), (1, 2), (3, 1, 1), (0.1, 0.9)])
def test_shares_are_exact_in_the_whole_list_and_in_every_stratum(weights):
    """Each arm's count is its exact share rounded down or up."""
    n = 1003
    share = np.array(weights) / sum(weights)
    strata = [(str(i * i % 11),) for i in range(n)]
    for kind in ("individual", "stratified"):
        named = ("s",) if kind == "stratified" else ()
        design = design_for(Design(kind=kind, strata=named), arms(*weights))
        drawn = design.draw(Roster([f"u{i}" for i in range(n)], strata), seed=1, trial="t")
        for codes in (drawn.arm, design.redraw(drawn, np.random.default_rng(1))):
            for stratum in np.unique(drawn.stratum):
                here = codes[drawn.stratum == stratum]
                counts = np.bincount(here, minlength=len(weights))
                exact = len(here) * share
                assert (np.floor(exact - 1e-9) <= counts).all()
                assert (counts <= np.ceil(exact + 1e-9)).all()


def test_blocks_have_sizes_of_four_six_and_eight_and_every_whole_one_is_even():
    n = 4000
    design = design_for(STRATIFIED, arms(1, 1))
    keys = [f"{i:05d}" for i in range(n)]
    drawn = design.draw(Roster(keys, [(str(i % 2),) for i in range(n)]), seed=9, trial="t")
    sizes = np.bincount(drawn.block)
    assert set(sizes.tolist()) - {2} == {4, 6, 8}
    assert (sizes == 2).sum() <= 2
    first = np.bincount(drawn.block[drawn.arm == 0], minlength=len(sizes))
    assert (first * 2 == sizes).all()
    tested = stats.chisquare([int((sizes == s).sum()) for s in (4, 6, 8)])
    assert tested.pvalue > 0.001
    # Blocks follow the order of the keys: a run of account numbers is spread over the arms.
    by_key = drawn.arm[np.flatnonzero(drawn.stratum == 0)]
    assert np.abs(np.cumsum(np.where(by_key == 0, 1, -1))).max() <= 4


def test_the_seed_and_the_trial_change_the_draw():
    roster = Roster([f"u{i}" for i in range(200)])
    design = design_for(INDIVIDUAL, arms(1, 1))
    draws = {
        tuple(design.draw(roster, seed=s, trial=t).arm.tolist())
        for s, t in [(1, "a"), (2, "a"), (1, "b"), (-1, "a")]
    }
    assert len(draws) == 4


def test_holdout_is_exact_spread_over_strata_and_unrelated_to_arms():
    n = 20_000
    design = design_for(Design(kind="stratified", strata=("s",), holdout=0.05), arms(1, 1))
    keys = [f"u{i}" for i in range(n)]
    drawn = design.draw(Roster(keys, [(str(i % 8),) for i in range(n)]), seed=2, trial="t")
    assert drawn.held_out == 1000
    assert np.bincount(drawn.stratum[drawn.arm == -1]).tolist() == [125] * 8
    assert drawn.counts()["arm-0"] == pytest.approx(9500, abs=8)
    free = design_for(STRATIFIED, arms(1, 1)).draw(
        Roster(keys, [(str(i % 8),) for i in range(n)]), seed=2, trial="t"
    )
    table = np.array([np.bincount(free.arm[out]) for out in (drawn.arm < 0, drawn.arm >= 0)])
    assert stats.chi2_contingency(table).pvalue > 0.001
    redrawn = design.redraw(drawn, np.random.default_rng(0))
    assert ((redrawn == -1) == (drawn.arm == -1)).all()
    assert design.probabilities(drawn)[drawn.arm == -1].sum() == 0


def patterns(design, roster, *, draws, way):
    """How often each allocation of the whole roster comes up."""
    if way == "draw":
        return Counter(
            tuple(design.draw(roster, seed=seed, trial="t").arm.tolist()) for seed in range(draws)
        )
    redraw, rng = design.redraws(design.draw(roster, seed=0, trial="t")), np.random.default_rng(8)
    return Counter(tuple(redraw(rng).tolist()) for _ in range(draws))


@pytest.mark.parametrize("way", ["draw", "redraw"])
def test_complete_randomisation_gives_every_allocation_of_exact_shares_equally_often(way):
    """Six units in arms 2:1: each of the 15 allocations with 1/15 (chi-squared, 3,000 draws)."""
    design = design_for(INDIVIDUAL, arms(2, 1))
    seen = patterns(design, Roster(list("abcdef")), draws=3000, way=way)
    assert len(seen) == comb(6, 2)
    assert stats.chisquare(list(seen.values())).pvalue > 0.001


@pytest.mark.parametrize("way", ["draw", "redraw"])
def test_no_arm_is_favoured_by_the_units_left_over(way):
    """Five units, three equal arms: all 90 allocations of 2+2+1 in any order equally often."""
    design = design_for(INDIVIDUAL, arms(1, 1, 1))
    seen = patterns(design, Roster(list("abcde")), draws=5400, way=way)
    assert len(seen) == 3 * factorial(5) // 4
    assert stats.chisquare(list(seen.values())).pvalue > 0.001


def test_stratified_draw_and_redraw_come_from_one_distribution():
    """The chance of each unit and of each pair of units, 4,000 draws against 4,000 redraws.

    Five standard errors of a difference of two proportions is 0.056 at most.
    """
    strata = [("a",)] * 7 + [("b",)] * 5 + [("c",)]
    roster = Roster([f"u{i}" for i in range(13)], strata)
    design = design_for(STRATIFIED, arms(1, 1))
    drawn = np.array([list(k) for k in patterns(design, roster, draws=4000, way="draw").elements()])
    again = np.array(
        [list(k) for k in patterns(design, roster, draws=4000, way="redraw").elements()]
    )
    assert np.abs(drawn.mean(0) - 0.5).max() < 0.04
    assert np.abs(again.mean(0) - 0.5).max() < 0.04
    for i, j in combinations(range(13), 2):
        together = [(x[:, i] == x[:, j]).mean() for x in (drawn, again)]
        assert abs(together[0] - together[1]) < 0.056


@pytest.mark.parametrize("chance", ["tickets", "generator"])
def test_rounded_shares_are_right_on_average(chance):
    """Seven places for weights 1:2:4:6: expected counts 7/13, 14/13, 28/13, 42/13."""
    rows, ways = 6000, (1, 2, 4, 6)
    source = Tickets(4, "t") if chance == "tickets" else Generator(np.random.default_rng(4))
    labels = [f"L{i}" for i in range(rows)]
    counts = shares(np.full(rows, 7), ways, labels=labels, arms=list("abcd"), chance=source)
    assert (counts.sum(axis=1) == 7).all()
    expected = 7 * np.array(ways) / 13
    assert np.abs(counts.mean(axis=0) - expected).max() < 4 * 0.5 / rows**0.5


def test_ratios_are_the_smallest_whole_numbers():
    assert ratio([0.25, 0.75], ["a", "b"]) == (1, 3)
    assert ratio([1 / 3, 1 / 3, 1 / 3], ["a", "b", "c"]) == (1, 1, 1)
    assert ratio([10, 20, 5], ["a", "b", "c"]) == (2, 4, 1)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_an_arm_without_a_weight_is_refused_by_name(weight):
    with pytest.raises(Invalid, match="arm b: has no weight"):
        ratio([1, weight], ["a", "b"])


@pytest.mark.parametrize(
    ("design", "roster", "says"),
    [
        (INDIVIDUAL, Roster([]), "there are none"),
        (INDIVIDUAL, Roster(["a", "b", "a"]), "row 3: is the same unit as row 1"),
        (INDIVIDUAL, Roster(["a", "", "c"]), "row 2: has no unit"),
        (INDIVIDUAL, Roster(["a"]), "would be given no unit"),
        (STRATIFIED, Roster(["a", "b"]), "strata: do not cover the list"),
        (CLUSTER, Roster(["a", "b"], clusters=["h"]), "clusters: do not cover the list"),
        (CLUSTER, Roster(["a", "b"], clusters=["h", " "]), "row 2: has no cluster"),
        (CLUSTER, Roster(["a", "b", "c"], clusters=["h"] * 3), "would be given no cluster"),
        (
            Design(kind="cluster", cluster="h", strata=("s",)),
            Roster(["a", "b", "c"], [("x",), ("y",), ("x",)], ["1", "1", "2"]),
            "row 2: differs in stratum from its cluster",
        ),
    ],
)
def test_a_roster_that_cannot_be_drawn_is_refused_with_its_row(design, roster, says):
    with pytest.raises(Invalid, match=says):
        design_for(design, arms(1, 1)).draw(roster, seed=1, trial="t")


def test_a_stored_allocation_redraws_like_the_one_drawn():
    """What the store keeps (arm, stratum, cluster, position) is enough for the same redraws."""
    n = 400
    homes = [f"H{i // 3}" for i in range(n)]
    roster = Roster([f"u{i}" for i in range(n)], [(str(i // 3 % 4),) for i in range(n)], homes)
    design = design_for(
        Design(kind="cluster", cluster="home", strata=("s",), holdout=0.1), arms(1, 1)
    )
    drawn = design.draw(roster, seed=1, trial="t")
    scrambled = np.random.default_rng(5).permutation(int(drawn.cluster.max()) + 1)
    back = recorded(
        drawn.arm,
        arms=drawn.arms,
        shares=(1, 1),
        stratum=drawn.stratum,
        cluster=scrambled[drawn.cluster],
        position=drawn.position,
    )
    means = [
        np.mean([design.redraws(a)(np.random.default_rng(i)) for i in range(600)], axis=0)
        for a in (drawn, back)
    ]
    assert np.abs(means[0] - means[1]).max() < 5 * (0.5 / 600) ** 0.5
    codes = design.redraw(back, np.random.default_rng(1))
    assert len({(h, c) for h, c in zip(homes, codes.tolist(), strict=True)}) == len(set(homes))


def test_a_million_units_are_drawn_in_seconds():
    """About two seconds on one core; twenty leave room for a busy machine."""
    n = 1_000_000
    roster = Roster([f"ACC{i:08d}" for i in range(n)], [(str(i % 7),) for i in range(n)])
    began = time.process_time()
    drawn = design_for(STRATIFIED, arms(1, 1, 2)).draw(roster, seed=1, trial="t")
    assert time.process_time() - began < 20
    assert abs(drawn.counts()["arm-2"] - 500_000) <= 7


def test_strata_named_in_an_individual_design_are_used():
    roster = Roster([f"u{i}" for i in range(90)], [(str(i % 5),) for i in range(90)])
    draws = [
        design_for(Design(kind=kind, strata=("s",)), arms(1, 1)).draw(roster, seed=1, trial="t").arm
        for kind in ("individual", "stratified")
    ]
    assert (draws[0] == draws[1]).all()
