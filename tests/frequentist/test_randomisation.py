"""Randomisation tests against Fisher's own example, enumeration and simulated error rates."""

import itertools
import math

import numpy as np
import pytest

from analysis.estimators import UNEVEN, difference_of
from analysis.frequentist.bootstrap import wild_cluster, wild_cluster_fit
from analysis.frequentist.cluster import nest
from analysis.frequentist.comparison import compare
from analysis.frequentist.randomisation import (
    Randomised,
    exact_randomisation_test,
    randomisation_interval,
    randomisation_test,
)
from analysis.frequentist.regression import Cells, Functional
from trials.definition import toml

MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48.0])


def complete(arm):
    return lambda rng: rng.permutation(arm)


def test_fishers_test_of_darwins_maize():
    """1,726 of 32,768 sign patterns are as extreme (Fisher 1935): p = .05267."""
    signs = np.array(list(itertools.product([0, 1], repeat=15)))
    assignments = np.concatenate([signs, 1 - signs], axis=1)
    units = Randomised(
        arm=np.repeat([1, 0], 15), n=np.ones(30), y=np.concatenate([MAIZE, np.zeros(15)]),
        stratum=np.tile(np.arange(15), 2),
    )  # fmt: skip
    got = exact_randomisation_test(units, assignments, arm=1, versus=0)
    assert got.p == pytest.approx(1726 / 32768, abs=1e-12)
    assert got.exact
    assert got.mcse == 0


def test_drawing_approaches_enumeration():
    """All 924 splits of twelve units against 4,000 draws, within four Monte Carlo errors."""
    y = np.array([3.1, 2.2, 5.0, 4.1, 6.2, 3.3, 1.2, 2.9, 2.0, 3.2, 1.1, 0.7])
    arm = np.repeat([1, 0], 6)
    every = np.zeros((924, 12), dtype=np.int64)
    for i, chosen in enumerate(itertools.combinations(range(12), 6)):
        every[i, list(chosen)] = 1
    units = Randomised(arm=arm, n=np.ones(12), y=y)
    exact = exact_randomisation_test(units, every, arm=1, versus=0)
    drawn = randomisation_test(
        units, complete(arm), np.random.default_rng(1), arm=1, versus=0, draws=4000
    )
    assert drawn.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 4000))
    t = abs(exact.statistic)  # the statistic is Welch's t
    a, b = y[:6], y[6:]
    assert t == pytest.approx(
        abs(a.mean() - b.mean()) / math.sqrt(a.var() / 5 + b.var() / 5), rel=1e-9
    )


def test_the_same_seed_gives_the_same_p_value_and_never_zero():
    y = np.concatenate([np.zeros(20), np.ones(20)]) + np.arange(40) / 1e3
    units = Randomised(arm=np.repeat([0, 1], 20), n=np.ones(40), y=y)
    got = [
        randomisation_test(
            units, complete(units.arm), np.random.default_rng(3), arm=1, versus=0, draws=199
        ).p
        for _ in range(2)
    ]
    assert got[0] == got[1] == pytest.approx(1 / 200)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_size_is_nominal_with_few_unequal_clusters_and_unequal_split(share):
    """Under the null 5 % of 1,000 trials reject (Monte Carlo error 0.7 points), also with 10 % treated."""
    rng = np.random.default_rng(21)
    rejected, trials = 0, 1000
    arm = (np.arange(20) < max(2, round(20 * share))).astype(int)
    for _ in range(trials):
        n = rng.integers(5, 60, 20).astype(float)
        y = n * 0.3 + np.sqrt(n) * rng.normal(size=20) + n * rng.normal(0, 0.2, 20)
        units = Randomised(arm=rng.permutation(arm), n=n, y=y)
        rejected += (
            randomisation_test(units, complete(arm), rng, arm=1, versus=0, draws=199).p <= 0.05
        )
    assert abs(rejected / trials - 0.05) < 0.021


def test_units_without_outcomes_and_other_arms_take_no_part():
    rng = np.random.default_rng(4)
    y, arm = rng.normal(size=30), np.repeat([0, 1, 2], 10)
    n = np.ones(30)
    n[[0, 10]] = 0
    units = Randomised(arm=arm, n=n, y=np.where(n > 0, y, 0))
    got = randomisation_test(units, lambda _: arm, rng, arm=1, versus=0, draws=9)
    assert got.p == 1.0  # the redraw always repeats what was seen


def test_interval_ends_where_the_test_turns():
    """Outcomes shifted by a limit are just not rejected; beyond it they are."""
    rng = np.random.default_rng(6)
    arm = rng.permutation(np.repeat([0, 1], 15))
    y = rng.normal(size=30) + 0.8 * arm
    stratum = np.arange(30) % 3

    def shifted(by):
        return Randomised(arm=arm, n=np.ones(30), y=y - by * arm, stratum=stratum)

    low, high = randomisation_interval(
        shifted(0), complete(arm), np.random.default_rng(9), arm=1, versus=0, draws=999
    )
    for limit, outside in ((low, -1e-3), (high, 1e-3)):
        inside, beyond = (
            randomisation_test(
                shifted(at), complete(arm), np.random.default_rng(9), arm=1, versus=0, draws=999
            ).p
            for at in (limit - outside, limit + outside)
        )
        assert inside > 0.05 >= beyond
    assert low < 0.8 < high


def test_summaries_of_clusters_come_from_the_cells(rows):
    cluster = np.repeat([0, 1, 2, 3], [3, 4, 5, 6])
    grouped = rows((cluster > 1).astype(int), np.arange(18), cluster=cluster, x=np.arange(18) % 2)
    got = Randomised.of(grouped)
    assert got.n.tolist() == [3, 4, 5, 6]
    assert got.y.tolist() == [np.arange(18)[cluster == c].sum() for c in range(4)]
    assert got.arm.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match="no period"):
        Randomised.of(grouped, by="period")


def test_what_cannot_be_tested_is_named():
    same = Randomised(arm=np.repeat([0, 1], 5), n=np.ones(10), y=np.ones(10))
    rng = np.random.default_rng(0)
    assert randomisation_test(same, complete(same.arm), rng, arm=1, versus=0).code == "no-variation"
    lonely = Randomised(arm=np.array([0, 0, 1]), n=np.ones(3), y=np.arange(3.0))
    assert (
        randomisation_test(lonely, complete(lonely.arm), rng, arm=1, versus=0).code
        == "too-few-units"
    )
    assert (
        randomisation_interval(same, complete(same.arm), rng, arm=1, versus=0).code
        == "no-variation"
    )
    few = Randomised(arm=np.array([0, 0, 1, 1]), n=np.ones(4), y=np.array([1.0, 2, 4, 3]))
    assert randomisation_interval(few, complete(few.arm), rng, arm=1, versus=0, draws=9) == (
        -math.inf,
        math.inf,
    )
    with pytest.raises(ValueError, match="not among"):
        exact_randomisation_test(few, np.array([[1, 1, 0, 0]]), arm=1, versus=0)
    with pytest.raises(ValueError, match="draw from them"):
        exact_randomisation_test(few, np.zeros((40_001, 4), int), arm=1, versus=0)


def clustered(seed, clusters=9):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(clusters), rng.integers(4, 20, clusters))
    arm = (g % 2).astype(int)
    x = rng.integers(0, 3, len(g)).astype(float)
    return g, arm, x, x + rng.normal(0, 0.5, clusters)[g] + rng.normal(size=len(g))


def by_rows(y, design, g, column, null=0.0):
    """The restricted wild cluster bootstrap with all sign changes, straight from its definition.

    Each cluster's errors are from the fit without it (WCR-S).
    """
    bread = np.linalg.inv(design.T @ design)

    def t(outcome, at):
        beta = bread @ design.T @ outcome
        left = outcome - design @ beta
        meat = sum(np.outer(s, s) for s in (design[g == c].T @ left[g == c] for c in np.unique(g)))
        return (beta[column] - at) / math.sqrt((bread @ meat @ bread)[column, column])

    rest = np.delete(design, column, axis=1)
    offset = y - null * design[:, column]
    inner = rest @ np.linalg.lstsq(rest, offset, rcond=None)[0] + null * design[:, column]
    names = np.unique(g)
    left = np.zeros(len(y))
    for c in names:
        beta = np.linalg.lstsq(rest[g != c], offset[g != c], rcond=None)[0]
        left[g == c] = (offset - rest @ beta)[g == c]
    others = []
    for signs in itertools.product([-1, 1], repeat=len(names)):
        flip = np.array(signs)[np.searchsorted(names, g)]
        others.append(t(inner + flip * left, null))
    seen = t(y, null)
    return np.mean(np.abs(others) >= abs(seen) * (1 - 1e-9))


@pytest.mark.parametrize("seed", range(3))
def test_wild_bootstrap_on_sums_equals_the_one_on_rows(seed):
    """Nine clusters, all 512 sign changes, with a covariate: the same p-value at every null."""
    g, arm, x, y = clustered(seed)
    design = np.column_stack([arm, x, np.ones(len(y))]).astype(float)
    cells = Cells(
        n=np.ones(len(y)),
        y=y,
        yy=y * y,
        x=design[:, :2],
        group=np.zeros(len(y), int),
        groups=1,
        cluster=g,
    )
    functional = Functional(x=np.array([1.0, 0.0]), group=np.zeros(1))
    got = wild_cluster_fit(cells, functional, np.random.default_rng(0))
    assert got.p == pytest.approx(by_rows(y, design, g, 0), abs=1e-12)
    width = got.high - got.low
    for end, step in ((got.low, -1), (got.high, 1)):
        assert by_rows(y, design, g, 0, end - step * 1e-4 * width) > 0.05
        assert by_rows(y, design, g, 0, end + step * 1e-4 * width) <= 0.05


def test_wild_bootstrap_with_an_absorbed_group_equals_dummies(rows):
    """Strata absorbed or as columns, clusters inside or across them: the same replicates."""
    g, arm, _, y = clustered(5, 12)
    s = (g // 4).astype(int)
    model = compare(rows(arm, y, cluster=g, stratum=s), 1, 0)
    a = wild_cluster_fit(model.cells, model.effect, np.random.default_rng(0))
    dense = model.cells.dense()
    whole = Functional(x=np.concatenate([model.effect.x, model.effect.group]))
    b = wild_cluster_fit(dense, whole, np.random.default_rng(0))
    assert nest(dense, whole)[0] is dense
    assert (a.p, a.low, a.high) == pytest.approx((b.p, b.low, b.high), rel=1e-6)


def test_wild_bootstrap_of_few_clusters_keeps_its_size(rows):
    """Six clusters: 500 null trials reject near 5 % (MCSE 1), where a z test rejects about 18 %."""
    rng = np.random.default_rng(31)
    rejected = plain = 0
    g = np.repeat(np.arange(6), 12)
    arm = (g % 2).astype(int)
    for _ in range(500):
        y = rng.normal(0, 0.5, 6)[g] + rng.normal(size=72)
        got = wild_cluster(rows(arm, y, cluster=g), 1, rng)
        rejected += got.p <= 0.05
        plain += abs(got.estimate) > 1.96 * got.se
    assert rejected / 500 < 0.05 + 0.03
    assert plain / 500 > 0.12


@pytest.mark.parametrize(("large", "says"), [(100, "CR2"), (24, "wild cluster bootstrap")])
def test_a_plan_that_names_the_bootstrap_gets_cr2_where_few_clusters_are_very_unequal(
    rows, large, says
):
    g = np.repeat(np.arange(8), [large, 16, 16, 16, 16, 16, 16, 16])
    y = np.random.default_rng(2).normal(size=len(g))
    plan = toml.read("""
[trial]
key = "t"
title = "T"
[design]
kind = "cluster"
cluster = "home"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "m"
role = "primary"
kind = "mean"
source = "outcomes"
[analysis]
few_clusters = "wild-bootstrap"
""")
    table = rows((g % 2).astype(int), y, cluster=g)
    got = difference_of(plan, plan.primary, table, 1, level=0.95)
    assert says in got.method
    assert (UNEVEN in got.notes) == (says == "CR2")


def test_five_clusters_cannot_reject(rows):
    """Of 32 sign changes two are as extreme as what was seen: p = .0625 at the least, no finite limits."""
    g = np.repeat(np.arange(5), 4)
    got = wild_cluster(
        rows((g < 2).astype(int), (g < 2) * 9.0 + np.arange(20) % 3, cluster=g),
        1,
        np.random.default_rng(0),
    )
    assert got.p == pytest.approx(2 / 32)
    assert (got.low, got.high) == (-math.inf, math.inf)


def test_wild_bootstrap_degenerate(rows):
    flat = rows(np.repeat([0, 1], 20), np.zeros(40), cluster=np.repeat(range(4), 10))
    assert wild_cluster(flat, 1, np.random.default_rng(0)).code == "no-variation"
    one = rows(np.repeat([0, 1], 20), np.arange(40), cluster=np.repeat([0, 1], 20))
    assert wild_cluster(one, 1, np.random.default_rng(0)).code == "too-few-clusters"
    with pytest.raises(ValueError, match="clustered"):
        wild_cluster(rows([0, 1], [0, 1]), 1, np.random.default_rng(0))
