"""Arrivals one at a time within strata, and draws that anybody can check."""

from collections import Counter
from hashlib import sha256

import numpy as np
import pytest
from scipy import stats

from trials.definition.model import Arm, Design
from trials.designs import Roster, design_for
from trials.designs.bucketing import redraws
from trials.designs.online import PermutedBlocks, Place
from trials.designs.verify import Difference, commit, differences, holds, new_nonce


def enrol(blocks, stratum, n):
    place, arms = Place(), []
    for _ in range(n):
        arm, place = blocks.take(stratum, place)
        arms.append(arm)
    return arms


@pytest.mark.parametrize("ratio", [(1, 1), (1, 2), (1, 1, 1), (5, 1)])
def test_arrivals_stay_balanced_and_every_block_is_exact(ratio):
    blocks = PermutedBlocks(ratio, seed=3, trial="t")
    sizes = Counter()
    for number in range(120):
        block = blocks.block(("tax", "A"), number)
        sizes[len(block)] += 1
        times = len(block) // sum(ratio)
        assert [block.count(a) for a in range(len(ratio))] == [r * times for r in ratio]
    assert len(sizes) == 3
    assert stats.chisquare(list(sizes.values())).pvalue > 0.001
    arms = np.array(enrol(blocks, ("tax", "A"), 500))
    apart = np.cumsum(arms == 0) - np.arange(1, 501) * ratio[0] / sum(ratio)
    assert np.abs(apart).max() <= max(sizes) / 2


def test_places_within_a_block_are_equally_likely_for_each_arm():
    """The first place of 3,000 strata's first block goes to each arm by its weight."""
    first = [PermutedBlocks((1, 2), 1, "t").block((f"s{i}",), 0)[0] for i in range(3000)]
    assert stats.chisquare(np.bincount(first), [1000, 2000]).pvalue > 0.001


def test_strata_and_seeds_have_sequences_of_their_own():
    one = enrol(PermutedBlocks((1, 1), 1, "t"), ("a",), 60)
    assert one == enrol(PermutedBlocks((1, 1), 1, "t"), ("a",), 60)
    assert one != enrol(PermutedBlocks((1, 1), 1, "t"), ("b",), 60)
    assert one != enrol(PermutedBlocks((1, 1), 2, "t"), ("a",), 60)
    assert one != enrol(PermutedBlocks((1, 1), 1, "u"), ("a",), 60)


def test_a_commitment_binds_the_seed():
    """printf 'council-tax-reminder|20260401|00112233445566778899aabbccddeeff' | sha256sum"""
    made = commit(20260401, "00112233445566778899aabbccddeeff", "council-tax-reminder")
    assert made == "sha256:0ceebff663633da525c1d3d55e049983dc1d9236aa03802578fa93a9ab4ef377"
    said = sha256(b"council-tax-reminder|20260401|00112233445566778899aabbccddeeff").hexdigest()
    assert made == f"sha256:{said}"
    assert holds(
        made, seed=20260401, nonce="00112233445566778899aabbccddeeff", trial="council-tax-reminder"
    )
    assert not holds(
        made, seed=20260402, nonce="00112233445566778899aabbccddeeff", trial="council-tax-reminder"
    )
    assert len({new_nonce() for _ in range(100)}) == 100


def test_every_unit_that_differs_from_the_draw_is_named():
    design = design_for(Design(holdout=0.2), (Arm(key="a"), Arm(key="b")))
    keys = [f"u{i}" for i in range(50)]
    drawn = design.draw(Roster(keys), seed=1, trial="t")
    names = ["a", "b", ""]
    recorded = {k: names[c] for k, c in zip(keys, drawn.arm.tolist(), strict=True)}
    shuffled = Roster(keys[::-1])
    assert differences(design, shuffled, recorded, seed=1, trial="t") == []
    moved = next(k for k in keys if recorded[k] == "a")
    gone = next(k for k in keys if recorded[k] == "b")
    truth = dict(recorded)
    recorded[moved] = "b"
    del recorded[gone]
    recorded["stranger"] = "a"
    found = differences(design, shuffled, recorded, seed=1, trial="t")
    assert {(d.unit, d.drawn, d.recorded) for d in found} == {
        (moved, "a", "b"), (gone, "b", None), ("stranger", None, "a"),
    }  # fmt: skip
    assert isinstance(found[0], Difference)
    assert len(differences(design, shuffled, truth, seed=2, trial="t")) > 5


def test_blocks_of_arrivals_are_drawn_again_as_they_are_drawn():
    """3:1 in blocks of 4, 8 or 12: the run of arms keeps its bounds, and each place its chance.

    2,000 redraws of 60 arrivals in each of two strata: the share of arm 1 at every place is 1/4
    within five standard errors (0.0097), and no prefix is further from 3:1 than a block allows.
    """
    blocks = PermutedBlocks((3, 1), seed=1, trial="t")
    stratum, number = np.repeat([0, 1], 60), np.tile(np.arange(60), 2)
    again, rng = blocks.redraws(stratum, number), np.random.default_rng(2)
    drawn = np.array([again(rng) for _ in range(2000)])
    assert np.abs(drawn.mean(axis=0) - 0.25).max() < 5 * (0.25 * 0.75 / 2000) ** 0.5
    ahead = np.cumsum(drawn[:, :60] - 0.25, axis=1)
    assert np.abs(ahead).max() <= 12 * 0.25 * 0.75
    lone = np.array([blocks.arm(("s",), i) for i in range(60)])
    assert np.abs(np.cumsum(lone - 0.25)).max() <= 12 * 0.25 * 0.75


def test_a_bucket_is_drawn_again_by_itself():
    """50,000 units at 2:1:1: each arm's share within four standard errors, and no fixed total."""
    again, rng = redraws((2, 1, 1), 50_000), np.random.default_rng(3)
    counts = np.array([np.bincount(again(rng), minlength=3) for _ in range(20)])
    spread = 50_000 * np.array([0.5 * 0.5, 0.25 * 0.75, 0.25 * 0.75]) / 20
    expected = 50_000 * np.array([0.5, 0.25, 0.25])
    assert (np.abs(counts.mean(axis=0) - expected) < 4 * spread**0.5).all()
    assert len(set(counts[:, 0].tolist())) > 10
