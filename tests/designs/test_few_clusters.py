"""Matched sets, minimisation and factorial arms."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from trials.definition.model import Arm, Design
from trials.designs import Roster, design_for
from trials.designs.factorial import Factor, factorial_of
from trials.designs.minimisation import Minimised
from trials.designs.pairs import Matched, mahalanobis, match
from trials.errors import Invalid, NotFound


def wards(n, seed=1):
    rng = np.random.default_rng(seed)
    size = rng.lognormal(8, 0.6, n).round().tolist()
    calls = (np.array(size) * rng.uniform(0.05, 0.2, n)).round().tolist()
    kind = rng.choice(["town", "village"], n).tolist()
    return [f"ward {i:03d}" for i in range(n)], {"size": size, "calls": calls, "kind": kind}


def pairings(items):
    if not items:
        yield []
        return
    first = items[0]
    for i in range(1, len(items)):
        for rest in pairings(items[1:i] + items[i + 1 :]):
            yield [(first, items[i]), *rest]


def test_pairs_of_eight_come_within_two_per_cent_of_the_best_of_all_105_pairings():
    """Against every pairing, over 40 sets of covariates; nearly always the very best."""
    ratios = []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(8, 3))
        distance = mahalanobis(x)
        best = min(sum(distance[i, j] for i, j in pairing) for pairing in pairings(list(range(8))))
        sets = match(x, 2)
        assert (np.bincount(sets) == 2).all()
        ours = sum(distance[i, j] for i, j in (np.flatnonzero(sets == s) for s in range(4)))
        ratios.append(ours / best)
    assert min(ratios) > 1 - 1e-9
    assert np.mean(ratios) < 1.02


def test_mahalanobis_distances_are_scipys():
    from scipy.spatial.distance import cdist

    x = np.random.default_rng(2).normal(size=(30, 4)) @ np.diag([1, 10, 100, 0.1])
    inverse = np.linalg.inv(np.cov(x, rowvar=False))
    assert mahalanobis(x) == pytest.approx(cdist(x, x, "mahalanobis", VI=inverse), abs=1e-6)


def test_every_pair_is_split_in_any_file_order_and_covariates_are_alike():
    keys, covariates = wards(40)
    design = Matched(("a", "b"), (1, 1))
    drawn = design.draw(Roster(keys, covariates=covariates), seed=4, trial="t")
    for s in range(20):
        assert sorted(drawn.arm[drawn.stratum == s].tolist()) == [0, 1]
    order = np.random.default_rng(0).permutation(40)
    turned = Roster(
        [keys[i] for i in order],
        covariates={k: [v[i] for i in order] for k, v in covariates.items()},
    )
    assert (design.draw(turned, seed=4, trial="t").arm == drawn.arm[order]).all()
    logs = np.log(covariates["size"])
    rng, redraw = np.random.default_rng(1), design.redraws(drawn)
    codes = np.array([redraw(rng) for _ in range(500)])
    paired = np.std([logs[c == 0].mean() - logs[c == 1].mean() for c in codes])
    plain = np.std(
        [
            np.diff([logs[p[:20]].mean(), logs[p[20:]].mean()])
            for p in (rng.permutation(40) for _ in range(500))
        ]
    )
    assert paired < 0.5 * plain
    assert (np.abs(codes.mean(axis=0) - 0.5) < 4.5 * 0.5 / 500**0.5).all()


def test_matching_whole_clusters_by_the_trial_file_with_three_arms_and_one_left_over():
    keys = [f"P{i}" for i in range(100)]
    homes = [f"H{i % 25:02d}" for i in range(100)]
    size = [float(i % 25) for i in range(100)]
    design = design_for(
        Design(kind="cluster", cluster="home", method="matched", balance=("size",)),
        tuple(Arm(key=k) for k in "abc"),
    )
    drawn = design.draw(Roster(keys, None, homes, {"size": size}), seed=1, trial="t")
    assert len(set(zip(homes, drawn.arm.tolist(), strict=True))) == 25
    first = drawn.arm[:25]
    for s in range(8):
        assert sorted(first[drawn.stratum[:25] == s].tolist()) == [0, 1, 2]
    assert design.probabilities(drawn) == pytest.approx(np.full((100, 3), 1 / 3))


def test_matching_refuses_what_it_cannot_match():
    design = Matched(("a", "b"), (1, 1))
    with pytest.raises(Invalid, match="no covariate"):
        design.draw(Roster(["x", "y"]), seed=1, trial="t")
    with pytest.raises(Invalid, match="column size: has no value"):
        design.draw(Roster(["x", "y"], covariates={"size": ["1", ""]}), seed=1, trial="t")


def factors(n, seed=3):
    rng = np.random.default_rng(seed)
    return {f: rng.choice(levels, n).tolist() for f, levels in
            {"kind": ["town", "village"], "size": ["s", "m", "l"], "past": ["low", "high"]}.items()}  # fmt: skip


def test_minimisation_evens_out_every_factor_better_than_chance():
    n = 60
    table, roster = factors(n), Roster([f"w{i}" for i in range(n)], covariates=factors(n))
    design = Minimised(("a", "b"), (1, 1))
    drawn = design.draw(roster, seed=1, trial="t")
    many = design.redraw_many(drawn, np.random.default_rng(1), times=800)
    chance = np.random.default_rng(2).integers(2, size=(800, n))

    def imbalance(codes):
        gaps = [
            np.abs(np.where(codes[:, np.array(column) == level] == 0, 1, -1).sum(axis=1))
            for column in table.values() for level in set(column)
        ]  # fmt: skip
        return np.mean(gaps)

    assert imbalance(drawn.arm[None, :]) < imbalance(chance)
    assert imbalance(many) < 0.5 * imbalance(chance)
    assert np.abs(many.mean(axis=0) - 0.5).max() < 4.5 * 0.5 / 800**0.5


def test_the_preferred_arm_is_taken_four_times_in_five():
    """One factor, one level, one unit already in arm a: the next goes to b with 0.8."""
    design, rng = Minimised(("a", "b"), (1, 1)), np.random.default_rng(5)
    codes = design.sequence(
        np.zeros((2, 1), np.int64), rng.random((2, 20_000)), rng.random((2, 20_000))
    )
    assert abs(np.mean(codes[0] == 0) - 0.5) < 4 * 0.5 / 20_000**0.5
    assert abs(np.mean(codes[0] != codes[1]) - 0.8) < 4 * 0.4 / 20_000**0.5


def test_a_small_minimisation_has_the_distribution_worked_out_by_hand():
    """Three units, one factor, levels x, x, y; every path's probability from Pocock & Simon."""
    table = [0, 0, 1]

    def preferred(arms, level):
        score = []
        for arm in (0, 1):
            total = [arms.count(0), arms.count(1)]
            here = [sum(a == k and table[i] == level for i, a in enumerate(arms)) for k in (0, 1)]
            total[arm] += 1
            here[arm] += 1
            score.append(abs(total[0] - total[1]) + abs(here[0] - here[1]))
        return [k for k in (0, 1) if score[k] == min(score)]

    chance = {}
    for path in [(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)]:
        p = 1.0
        for i, arm in enumerate(path):
            best = preferred(list(path[:i]), table[i])
            p *= 0.5 if len(best) == 2 else (0.8 if arm in best else 0.2)
        chance[path] = p
    rng = np.random.default_rng(6)
    levels = np.array([[0], [0], [1]])
    codes = Minimised(("a", "b"), (1, 1)).sequence(
        levels, rng.random((3, 40_000)), rng.random((3, 40_000))
    )
    seen = np.bincount(codes[0] * 4 + codes[1] * 2 + codes[2], minlength=8)
    expected = [40_000 * chance[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    assert stats.chisquare(seen, expected).pvalue > 0.001


def test_unequal_weights_are_kept_on_average_and_replay_has_the_draws_distribution():
    """Weights 1:2 over 300 units: a third in the first arm, by draw and by redraw."""
    n = 300
    roster = Roster([f"w{i}" for i in range(n)], covariates=factors(n))
    design = Minimised(("a", "b"), (1, 2))
    drawn = [design.draw(roster, seed=s, trial="t") for s in range(15)]
    redrawn = design.redraw_many(drawn[0], np.random.default_rng(1), times=300)
    for share in (np.mean([d.arm == 0 for d in drawn]), np.mean(redrawn == 0)):
        assert abs(share - 1 / 3) < 0.01
    assert (design.draw(roster, seed=3, trial="t").arm == drawn[3].arm).all()


def test_minimisation_of_whole_clusters_by_the_trial_file():
    keys, homes = [f"P{i}" for i in range(60)], [f"H{i % 20}" for i in range(60)]
    size = [f"{i % 20 % 3}" for i in range(60)]
    design = design_for(
        Design(kind="cluster", cluster="home", method="minimisation", balance=("size",)),
        (Arm(key="a"), Arm(key="b")),
    )
    drawn = design.draw(Roster(keys, None, homes, {"size": size}), seed=1, trial="t")
    again = design.redraw(drawn, np.random.default_rng(1))
    for codes in (drawn.arm, again):
        assert len(set(zip(homes, codes.tolist(), strict=True))) == 20
    with pytest.raises(Invalid, match="no factor"):
        design.draw(Roster(keys, None, homes), seed=1, trial="t")


def crossing(*cells):
    """Arms that say their level of tone and link, the first of them the control."""
    return tuple(
        Arm(key=f"{tone}-{link}", control=i == 0, levels={"tone": tone, "link": link})
        for i, (tone, link) in enumerate(cells)
    )


CROSSED = factorial_of(crossing(*product(("plain", "warm"), ("none", "short", "code"))))


def test_factors_are_read_from_the_arms_with_today_first():
    assert CROSSED.factors == (
        Factor("link", ("none", "short", "code")),
        Factor("tone", ("plain", "warm")),
    )
    other = factorial_of((Arm(key="b", levels={"tone": "warm"}),
                          Arm(key="a", control=True, levels={"tone": "plain"})))  # fmt: skip
    assert other.factors == (Factor("tone", ("plain", "warm")),)
    assert other.cells == (("warm",), ("plain",))
    assert factorial_of((Arm(key="a"), Arm(key="b"))) is None
    with pytest.raises(NotFound, match="there is no factor size; use one of link, tone"):
        CROSSED.main_effect("size", "x")


def test_main_effects_and_interactions_of_known_means_come_out():
    """Means with a tone effect of 2, a code effect of 3, and 4 more where warm meets code."""
    tone, code = {"plain": 0, "warm": 2}, {"none": 0, "short": 0, "code": 3}
    means = np.array(
        [10 + tone[t] + code[c] + 4 * (t == "warm" and c == "code") for c, t in CROSSED.cells]
    )
    assert CROSSED.main_effect("tone", "warm") @ means == pytest.approx(2 + 4 / 3)
    assert CROSSED.main_effect("link", "code") @ means == pytest.approx(3 + 4 / 2)
    assert CROSSED.main_effect("link", "short") @ means == pytest.approx(0)
    assert CROSSED.interaction(("tone", "warm"), ("link", "code")) @ means == pytest.approx(4)
    assert CROSSED.interaction(("link", "code"), ("tone", "warm")) @ means == pytest.approx(4)
    assert CROSSED.interaction(("tone", "warm"), ("link", "short")) @ means == pytest.approx(0)
    assert all(
        abs(CROSSED.main_effect(f, lv).sum()) < 1e-12
        for f, lv in [("tone", "warm"), ("link", "code")]
    )
