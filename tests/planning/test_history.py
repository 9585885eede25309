"""Planning quantities from past data."""

import numpy as np
import pytest

from analysis.estimates import Absent
from analysis.planning.history import intra_cluster_correlation, period_cv, ratio_sd
from analysis.tables import Grouped, Key


def grouped(y, cluster, d=None):
    """One cell a cluster and arm 0 only."""
    y, cluster = np.asarray(y, float), np.asarray(cluster)
    k = int(cluster.max()) + 1
    add = lambda v: np.bincount(cluster, v, k).astype(float)  # noqa: E731
    more = {} if d is None else {"d": add(d), "dd": add(d * d), "dy": add(d * y)}
    return Grouped(
        arms=("a",), control=0, weights=(1.0,), arm=np.zeros(k, np.int64), n=add(np.ones(len(y))),
        y=add(y), yy=add(y * y),
        cluster=Key(name="c", codes=np.arange(k), levels=tuple(map(str, range(k)))), **more,
    )  # fmt: skip


def test_icc_of_equal_clusters_is_the_textbook_anova():
    """Shrout and Fleiss (1979), table 2 as 6 clusters of 4: ICC(1,1) = 0.17 (published)."""
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = intra_cluster_correlation(grouped(np.ravel(ratings), np.repeat(np.arange(6), 4)))
    assert found.icc == pytest.approx(0.17, abs=0.005)
    # McGraw and Wong (1996) give the interval of the same table as -0.13 to 0.72.
    assert (found.low, found.high) == pytest.approx((-0.13, 0.72), abs=0.005)
    assert (found.clusters, found.size, found.cv) == (6, 4.0, 0.0)


def test_icc_interval_covers_in_simulation():
    rng = np.random.default_rng(2)
    held = 0
    cluster = np.repeat(np.arange(25), 12)
    for _ in range(500):
        y = rng.normal(0, np.sqrt(0.1), 25)[cluster] + rng.normal(0, np.sqrt(0.9), 300)
        found = intra_cluster_correlation(grouped(y, cluster))
        held += found.low <= 0.1 <= found.high
    assert held / 500 == pytest.approx(0.95, abs=4 * np.sqrt(0.0475 / 500))


def test_icc_with_unequal_clusters_matches_a_mixed_models_moments():
    rng = np.random.default_rng(3)
    size = rng.integers(2, 40, 400)
    cluster = np.repeat(np.arange(400), size)
    y = rng.normal(0, 0.5, 400)[cluster] + rng.normal(0, 1, len(cluster))
    found = intra_cluster_correlation(grouped(y, cluster))
    assert found.icc == pytest.approx(0.2, abs=0.03)
    assert found.cv == pytest.approx(size.std(ddof=1) / size.mean())
    assert found.sd == pytest.approx(y.std(ddof=1))


def test_perfectly_alike_clusters_have_correlation_one():
    found = intra_cluster_correlation(grouped([1, 1, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2]))
    assert (found.icc, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("y", "cluster", "code"),
    [
        ([1, 0], [0, 0], "too-few-clusters"),
        ([1, 0], [0, 1], "too-few-clusters"),
        ([1, 1, 1, 1], [0, 0, 1, 1], "no-variation"),
    ],
)
def test_history_that_cannot_say_is_named(y, cluster, code):
    assert intra_cluster_correlation(grouped(y, cluster)).code == code


def test_ratio_sd_gives_the_delta_methods_standard_error():
    rng = np.random.default_rng(4)
    d = rng.poisson(3, 5000) + 1.0
    y = d * rng.gamma(2, 2, 5000)
    sd = ratio_sd(grouped(y, np.zeros(5000, int), d))
    left = (y - y.sum() / d.sum() * d) / d.mean()
    assert sd == pytest.approx(left.std(ddof=1), rel=1e-9)
    assert isinstance(ratio_sd(grouped(y, np.zeros(5000, int))), Absent)


def test_period_variation_leaves_out_what_the_weekday_explains():
    rng = np.random.default_rng(5)
    days = [str(i % 5) for i in range(500)]
    level = np.array([100, 200, 300, 200, 100])[np.arange(500) % 5]
    counts = level + rng.normal(0, 9, 500)
    assert period_cv(counts, days) == pytest.approx(9 / 180, rel=0.15)
    assert period_cv(counts) > 0.3
    assert period_cv([5.0]).code == "too-few-periods"
    assert period_cv([0.0, 0.0, 0.0]).code == "nothing-happened"
