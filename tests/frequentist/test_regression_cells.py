"""Least squares on cells equals least squares on rows, in published numbers, in R and in statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.frequentist.cluster import (
    cluster_sums,
    cr_covariance,
    cr_df,
    nest,
    robust,
    robust_fit,
)
from analysis.frequentist.regression import (
    Cells,
    Functional,
    fit,
    hc_covariance,
    hc_df,
    unit_residual_ss,
)

MPG = np.array([21, 21, 22.8, 21.4, 18.7, 18.1, 14.3, 24.4, 22.8, 19.2, 17.8, 16.4, 17.3, 15.2, 10.4, 10.4,
                14.7, 32.4, 30.4, 33.9, 21.5, 15.5, 15.2, 13.3, 19.2, 27.3, 26, 30.4, 15.8, 19.7, 15, 21.4])  # fmt: skip
CYL = np.array(
    [6, 6, 4, 6, 8, 6, 8, 4, 4, 6, 6, 8, 8, 8, 8, 8, 8, 4, 4, 4, 4, 8, 8, 8, 8, 4, 4, 4, 8, 6, 8, 4]
)
HP = np.array([110, 110, 93, 110, 175, 105, 245, 62, 95, 123, 123, 180, 180, 180, 205, 215, 230, 66, 52, 65,
               97, 150, 150, 245, 175, 66, 91, 113, 264, 175, 335, 109.0])  # fmt: skip


def mtcars(*, absorbed):
    one = np.ones(32)
    if absorbed:
        return Cells(
            n=one, y=MPG, yy=MPG**2, x=HP[:, None], group=np.zeros(32, int), groups=1, cluster=CYL
        )
    return Cells(n=one, y=MPG, yy=MPG**2, x=np.column_stack([HP, one]), cluster=CYL)


STATA = {
    "HC1": (0.00018388, 4.312330),
    "HC2": (0.00021652, 4.809302),
    "HC3": (0.00027562, 5.808422),
}


@pytest.mark.parametrize("kind", STATA)
def test_hc_of_mtcars_is_statas(kind):
    """estimatr's stata-ests.txt prints these to eight decimals (slope) and six (constant)."""
    fitted = fit(mtcars(absorbed=False))
    got = np.diag(hc_covariance(fitted, [fitted.column(0), fitted.column(1)], kind))
    assert got[0] == pytest.approx(STATA[kind][0], abs=5e-9)
    assert got[1] == pytest.approx(STATA[kind][1], abs=5e-6)


def test_coefficients_of_mtcars():
    fitted = fit(mtcars(absorbed=False))
    assert fitted.beta == pytest.approx([-0.06822828, 30.09886054], abs=5e-9)


def test_cluster_covariances_of_mtcars():
    """CR1 is Stata's; CR3 times (G-1)/G is the jackknife; CR2 and its df as published for clubSandwich."""
    fitted = fit(mtcars(absorbed=False))
    both = [fitted.column(0), fitted.column(1)]
    cr1 = np.diag(cr_covariance(fitted, both, "CR1"))
    assert cr1 == pytest.approx([0.00034882, 14.922475], rel=2e-5)
    cr2 = np.sqrt(np.diag(cr_covariance(fitted, both, "CR2")))
    assert cr2 == pytest.approx([0.02652462, 5.04648516], abs=5e-9)
    assert [cr_df(fitted, f)[0] for f in both] == pytest.approx([1.39370551, 1.39424698], abs=5e-9)
    cr3 = cr_covariance(fitted, both[:1], "CR3")[0, 0]
    assert np.sqrt(cr3 * 2 / 3) == pytest.approx(0.04850401, abs=5e-9)


def test_absorbing_the_constant_changes_nothing():
    plain, absorbed = fit(mtcars(absorbed=False)), fit(mtcars(absorbed=True))
    for kind in ("HC0", "HC2", "HC3"):
        a = hc_covariance(plain, [plain.column(0)], kind)[0, 0]
        b = hc_covariance(absorbed, [absorbed.column(0)], kind)[0, 0]
        assert b == pytest.approx(a, rel=1e-10)
    first, second = robust_fit(plain, plain.column(0)), robust_fit(absorbed, absorbed.column(0))
    assert (second.se, second.df) == pytest.approx((first.se, first.df), rel=1e-9)


def random_rows(seed, *, n=90, clusters=11, levels=4):
    rng = np.random.default_rng(seed)
    g = rng.integers(0, clusters, n)
    x = rng.integers(0, 3, (n, 2)).astype(float)
    group = rng.integers(0, levels, n)
    y = rng.gamma(1.0, 1.0 + x[:, 0]) + group + rng.normal(0, 1, clusters)[g]
    return y, x, group, g


def cells_from(y, x, group, g, levels=4):
    """Merge rows that share everything but the outcome."""
    keys = np.column_stack([x, group, g])
    _, first, into = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    into = into.ravel()
    return Cells(
        n=np.bincount(into).astype(float), y=np.bincount(into, y), yy=np.bincount(into, y**2),
        x=x[first], group=group[first], groups=levels, cluster=g[first],
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_hc_on_cells_equals_statsmodels_on_rows(seed, kind):
    y, x, group, g = random_rows(seed)
    design = np.column_stack([x, group[:, None] == np.arange(4)]).astype(float)
    want = sm.OLS(y, design).fit(cov_type=kind)
    fitted = fit(cells_from(y, x, group, g))
    got = hc_covariance(fitted, [fitted.column(0), fitted.column(1)], kind)
    assert fitted.beta == pytest.approx(want.params[:2], rel=1e-8)
    assert got == pytest.approx(np.asarray(want.cov_params())[:2, :2], rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_hc_equals_statsmodels(seed):
    y, x, group, g = random_rows(seed)
    weight = 1 + x[:, 0] + 0.5 * group
    design = np.column_stack([x, group[:, None] == np.arange(4)]).astype(float)
    want = sm.WLS(y, design, weights=weight).fit(cov_type="HC2")
    cells = cells_from(y, x, group, g)
    cells = Cells(n=cells.n, y=cells.y, yy=cells.yy, x=cells.x, group=cells.group, groups=4,
                  weight=1 + cells.x[:, 0] + 0.5 * cells.group)  # fmt: skip
    fitted = fit(cells)
    got = hc_covariance(fitted, [fitted.column(0), fitted.column(1)])
    assert got == pytest.approx(np.asarray(want.cov_params())[:2, :2], rel=1e-8)


def by_rows(y, design, g, contrast):
    """CR2 and Bell-McCaffrey straight from the definitions, with n-by-n matrices."""
    n = len(y)
    bread = np.linalg.inv(design.T @ design)
    hat = design @ bread @ design.T
    residual = y - hat @ y
    meat, columns = 0.0, []
    for c in np.unique(g):
        own = g == c
        values, vectors = np.linalg.eigh(np.eye(own.sum()) - hat[np.ix_(own, own)])
        root = np.where(values > 1e-10, values.clip(1e-12) ** -0.5, 0.0)
        adjust = vectors @ np.diag(root) @ vectors.T
        a = adjust @ design[own] @ bread @ contrast
        meat += float(a @ residual[own]) ** 2
        columns.append((np.eye(n) - hat)[:, own] @ a)
    gram = np.array(columns) @ np.array(columns).T
    return np.sqrt(meat), np.trace(gram) ** 2 / (gram**2).sum()


@pytest.mark.parametrize("seed", range(4))
def test_cr2_and_its_df_equal_the_definition_when_clusters_span_groups(seed):
    y, x, group, g = random_rows(seed)
    design = np.column_stack([x, group[:, None] == np.arange(4)]).astype(float)
    se, df = by_rows(y, design, g, np.eye(6)[0])
    got = robust(cells_from(y, x, group, g), Functional(x=np.array([1.0, 0.0]), group=np.zeros(4)))
    assert (got.se, got.df) == pytest.approx((se, df), rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_cr2_and_its_df_equal_the_definition_when_clusters_lie_in_groups(seed):
    y, x, _, g = random_rows(seed)
    group = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3])[g]
    design = np.column_stack([x, group[:, None] == np.arange(4)]).astype(float)
    contrast = np.array([1.0, 0.0, 0.5, -0.5, 0.0, 0.0])
    se, df = by_rows(y, design, g, contrast)
    got = robust(cells_from(y, x, group, g), Functional(x=contrast[:2], group=contrast[2:]))
    assert (got.se, got.df) == pytest.approx((se, df), rel=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_hc2_df_equals_the_definition(seed):
    """HC2's degrees of freedom are CR2's with every row its own cluster."""
    y, x, group, g = random_rows(seed)
    design = np.column_stack([x, group[:, None] == np.arange(4)]).astype(float)
    _, df = by_rows(y, design, np.arange(len(y)), np.eye(6)[1])
    fitted = fit(cells_from(y, x, group, g))
    assert hc_df(fitted, fitted.column(1)) == pytest.approx(df, rel=1e-8)


def test_cr1_equals_statsmodels():
    y, x, group, g = random_rows(9)
    design = np.column_stack([x, group[:, None] == np.arange(4)]).astype(float)
    want = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": g})
    functional = Functional(x=np.array([1.0, 0.0]), group=np.zeros(4))
    cells, functional = nest(cells_from(y, x, group, g), functional)
    got = cr_covariance(fit(cells), [functional], "CR1")[0, 0]
    assert got == pytest.approx(np.asarray(want.cov_params())[0, 0], rel=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_cr2_with_singleton_clusters_is_hc2(seed):
    """Exact identity: one unit a cluster."""
    y, x, group, _ = random_rows(seed, n=40)
    one = np.ones(40)
    alone = Cells(n=one, y=y, yy=y**2, x=x, group=group, groups=4)
    if len(np.unique(group)) < 4:
        return
    fitted = fit(alone)
    single = fit(Cells(n=one, y=y, yy=y**2, x=x, group=group, groups=4, cluster=np.arange(40)))
    a = hc_covariance(fitted, [fitted.column(0)])[0, 0]
    b = cr_covariance(single, [single.column(0)])[0, 0]
    assert b == pytest.approx(a, rel=1e-9)
    assert cr_df(single, single.column(0))[0] == pytest.approx(
        hc_df(fitted, fitted.column(0)), rel=1e-8
    )


def test_r_agrees(reference):
    """estimatr and clubSandwich on the same rows, to nine digits."""
    d, said = reference
    one = np.ones(len(d["y"]))
    x = np.column_stack([d["z"], d["x1"]])
    fitted = fit(
        Cells(n=one, y=d["y"], yy=d["y"] ** 2, x=x, group=np.zeros(len(one), int), groups=1)
    )
    z = fitted.column(0)
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        assert fitted.value(z) == pytest.approx(said[kind][0], rel=1e-9)
        assert np.sqrt(hc_covariance(fitted, [z], kind)[0, 0]) == pytest.approx(
            said[kind][1], rel=1e-9
        )
    assert hc_df(fitted, z) == pytest.approx(said["ancova_bm"][2], rel=1e-8)
    scale = unit_residual_ss(fitted) / (fitted.units - fitted.rank)
    columns, levels = fitted.coordinates(z)
    classical = np.sqrt(scale * (columns @ columns + levels @ levels))
    assert classical == pytest.approx(said["classical"][1], rel=1e-9)
    alone = Cells(n=one, y=d["y"], yy=d["y"] ** 2, x=d["zg"][:, None], group=np.zeros(len(one), int),
                  groups=1, cluster=d["g"].astype(int))  # fmt: skip
    clustered = fit(alone)
    for kind, name in (("CR0", "cr0"), ("CR1", "cr1s"), ("CR3", "cr3")):
        got = np.sqrt(cr_covariance(clustered, [clustered.column(0)], kind)[0, 0])
        assert got == pytest.approx(said[name][1], rel=1e-9)


def test_columns_that_repeat_earlier_ones_are_left_out():
    y, x, group, _ = random_rows(3)
    one = np.ones(len(y))
    doubled = np.column_stack([x, 2 * x[:, 0] - x[:, 1], one])
    cells = Cells(n=one, y=y, yy=y**2, x=doubled, group=group, groups=4)
    fitted, plain = fit(cells), fit(Cells(n=one, y=y, yy=y**2, x=x, group=group, groups=4))
    assert fitted.dropped == (2, 3)
    assert fitted.beta[:2] == pytest.approx(plain.beta, rel=1e-9)


def test_a_cluster_that_alone_carries_the_contrast_is_named():
    """One treated cluster: its residuals are zero by construction, so no variance can be had."""
    y = np.array([1.0, 2, 3, 4, 5, 6])
    cells = Cells(n=np.ones(6), y=y, yy=y**2, x=np.array([[1.0], [1], [0], [0], [0], [0]]),
                  group=np.zeros(6, int), groups=1, cluster=np.array([0, 0, 1, 1, 2, 2]))  # fmt: skip
    assert not robust(cells, Functional(x=np.ones(1), group=np.zeros(1))).identified


def test_thousands_of_clusters_take_little_time():
    """A million rows in fifty thousand clusters: exact degrees of freedom without any n-by-n matrix."""
    import time

    rng = np.random.default_rng(5)
    clusters = 50_000
    n = np.full(clusters, 20.0)
    y = rng.binomial(20, 0.2, clusters).astype(float)
    arm = rng.integers(0, 2, clusters)
    cells = Cells(
        n=n, y=y, yy=y, x=np.zeros((clusters, 0)), group=arm, groups=2, cluster=np.arange(clusters)
    )
    start = time.process_time()
    got = robust(cells, Functional(x=np.zeros(0), group=np.array([-1.0, 1.0])))
    assert time.process_time() - start < 2.0
    means = y / n
    welch = np.sqrt(sum(means[arm == a].var(ddof=1) / (arm == a).sum() for a in (0, 1)))
    assert got.se == pytest.approx(welch, rel=1e-9)  # equal sizes: cluster-means Welch
    assert cluster_sums(fit(cells)).count == clusters
