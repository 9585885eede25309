"""Cluster-robust covariance (CR0-CR3) with Bell-McCaffrey degrees of freedom, on cells.

The bias-reduced estimator CR2 multiplies each cluster's residuals by ``(I - H_gg)^(-1/2)``
(Bell & McCaffrey 2002; Pustejovsky & Tipton 2018). ``H_gg = Z Z'`` with ``Z`` the cluster's rows
in orthonormal coordinates, so ``Z' (I - Z Z')^(-1/2) = (I - Z'Z)^(-1/2) Z'``: the matrix to take
the root of has the size of the model and not of the cluster, and sums per cluster suffice. For
treatment constant within clusters it is a single number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.frequentist.regression import (
    Cells,
    Fit,
    Functional,
    fit,
    hc_covariance,
    hc_df,
    unidentified,
)
from analysis.tables import Floats, Ints

CRKind = Literal["CR0", "CR1", "CR2", "CR3"]

FEW = 3.0
"""Below this many degrees of freedom a cluster-robust p-value is not given: redraw instead."""

_CHUNK = 4096
_LARGEST = 3e7
_UNIT = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Robust:
    """An estimate with robust standard error and degrees of freedom.

    ``identified`` is false where the variance cannot be estimated because the estimate leans on
    single units or single clusters that determine their own fit.
    """

    estimate: float
    se: float
    df: float
    identified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSums:
    """Per cluster: score, Gram matrix of its rows, and the group level it lies in (or -1).

    ``score`` is clusters by coordinates, ``gram`` clusters by coordinates squared; the last
    coordinate is that of the cluster's own group level where a group is absorbed.
    """

    score: Floats
    gram: Floats
    level: Ints

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return len(self.level)


def robust(cells: Cells, functional: Functional) -> Robust:
    """HC2, or CR2 where the cells carry clusters, with Bell-McCaffrey degrees of freedom."""
    if cells.cluster is None:
        return robust_fit(fit(cells), functional)
    nested, functional = nest(cells, functional)
    return robust_fit(fit(nested), functional)


def robust_fit(fitted: Fit, functional: Functional) -> Robust:
    """As :func:`robust` for a model that is already fitted (clusters nested in its groups)."""
    value = fitted.value(functional)
    if fitted.cells.cluster is None:
        variance = float(hc_covariance(fitted, [functional])[0, 0])
        df, identified = hc_df(fitted, functional), not unidentified(fitted, functional)
    else:
        sums = cluster_sums(fitted)
        variance = float(cr_covariance(fitted, [functional], sums=sums)[0, 0])
        df, identified = cr_df(fitted, functional, sums=sums)
    se = float(np.sqrt(max(variance, 0.0)))
    return Robust(estimate=value, se=se, df=df, identified=identified)


def nest(cells: Cells, functional: Functional) -> tuple[Cells, Functional]:
    """The model in the form the cluster algebra needs: every cluster inside one group level.

    Where a cluster spans several levels, the group becomes ordinary columns (dearer, same result).
    """
    if cells.cluster is None or cells.group is None or is_nested(cells.cluster, cells.group):
        return cells, functional
    whole = Functional(x=np.concatenate([functional.x, functional.group]))
    return cells.dense(), whole


def is_nested(cluster: Ints, group: Ints) -> bool:
    """Whether every cluster (codes from 0) lies inside one level of the group."""
    held = np.empty(int(cluster.max(initial=-1)) + 1, dtype=np.int64)
    held[cluster] = group
    return bool((held[cluster] == group).all())


def too_wide(cluster: Ints, group: Ints) -> bool:
    """Whether the group cannot be absorbed and would be too many columns for so many clusters."""
    size = distinct(cluster) * float(distinct(group)) ** 2
    return size > _LARGEST and not is_nested(cluster, group)


def distinct(codes: Ints) -> int:
    """How many different codes (from 0) there are: counted, which sorting would take longer for."""
    return int(np.count_nonzero(np.bincount(codes)))


def renumbered(codes: Ints) -> tuple[Ints, Ints]:
    """Codes (from 0) in the same order without gaps, and where each occurs; without sorting too."""
    there = np.bincount(codes) > 0
    dense: Ints = (np.cumsum(there) - 1)[codes]
    at = np.empty(int(np.count_nonzero(there)), dtype=np.int64)
    at[dense] = np.arange(len(codes))
    return dense, at


def cluster_sums(fitted: Fit) -> ClusterSums:
    """Scores and Gram matrices of the clusters of a fitted model."""
    cells = fitted.cells
    if cells.cluster is None:
        raise ValueError("the model has no clusters")
    codes, first = renumbered(cells.cluster)
    size = len(first)
    rows = fitted.rows
    level = np.full(size, -1, dtype=np.int64)
    if cells.group is not None:
        rows = np.column_stack([rows, fitted.own])
        level = cells.group[first].astype(np.int64)
    width = rows.shape[1]
    score, gram = np.empty((size, width)), np.empty((size, width, width))
    for i in range(width):
        score[:, i] = np.bincount(codes, rows[:, i] * fitted.residual, size)
        for j in range(i + 1):
            values = np.bincount(codes, cells.n * rows[:, i] * rows[:, j], size)
            gram[:, i, j] = gram[:, j, i] = values
    return ClusterSums(score=score, gram=gram, level=level)


def cr_covariance(
    fitted: Fit,
    functionals: list[Functional],
    kind: CRKind = "CR2",
    *,
    sums: ClusterSums | None = None,
) -> Floats:
    """Cluster-robust covariance of the functionals.

    CR1 is Stata's: CR0 times ``G/(G-1) * (n-1)/(n-k)``. CR3 is the jackknife form
    ``(I - H_gg)^(-1)`` without a further factor.
    """
    sums = cluster_sums(fitted) if sums is None else sums
    parts = np.array([_contributions(fitted, f, kind, sums) for f in functionals])
    # Not a matrix product: for one long row a threaded BLAS costs more than the sum itself.
    covariance: Floats = np.einsum("ig,jg->ij", parts, parts)
    if kind != "CR1":
        return covariance
    clusters, n = sums.count, fitted.units
    return covariance * (clusters / (clusters - 1) * (n - 1) / (n - fitted.rank))


def cr_df(
    fitted: Fit, functional: Functional, *, sums: ClusterSums | None = None
) -> tuple[float, bool]:
    """Satterthwaite degrees of freedom of CR2 under a working independence model.

    Bell & McCaffrey (2002), equation 11 of Imbens & Kolesár (2016). Exact, in time linear in the
    clusters: the squared norm of the clusters-by-clusters matrix comes from its low-rank form.
    The second value says whether the variance is identified.
    """
    sums = cluster_sums(fitted) if sums is None else sums
    local = _local(fitted, functional, sums)
    adjusted, lost = _adjust(local, sums.gram, -0.5)
    projected = np.einsum("gij,gj->gi", sums.gram, adjusted)
    own = np.einsum("gi,gi->g", adjusted, projected)
    back = np.einsum("gi,gi->g", projected, projected)
    trace = float((own - back).sum())
    squares = float((own**2 - 2 * own * back).sum()) + _low_rank_norm(projected, sums.level)
    df = trace**2 / squares if squares > 0 and trace > 0 else 0.0
    return df, lost <= _UNIT


def _low_rank_norm(projected: Floats, level: Ints) -> float:
    """Squared Frobenius norm of the matrix of inner products between clusters.

    Coordinates of the columns are shared by all; that of the group level only within the level.
    """
    if not len(level) or level[0] < 0:
        return float(((projected.T @ projected) ** 2).sum())
    shared, own = projected[:, :-1], projected[:, -1]
    total = float(((shared.T @ shared) ** 2).sum())
    total += float((np.bincount(level, own**2) ** 2).sum())
    for j in range(shared.shape[1]):
        total += 2 * float((np.bincount(level, own * shared[:, j]) ** 2).sum())
    return total


def _contributions(fitted: Fit, functional: Functional, kind: CRKind, sums: ClusterSums) -> Floats:
    """Each cluster's part of the estimation error, residuals adjusted as ``kind`` says."""
    local = _local(fitted, functional, sums)
    power = {"CR0": 0.0, "CR1": 0.0, "CR2": -0.5, "CR3": -1.0}[kind]
    if power:
        local, _ = _adjust(local, sums.gram, power)
    parts: Floats = np.einsum("gi,gi->g", local, sums.score)
    return parts


def _local(fitted: Fit, functional: Functional, sums: ClusterSums) -> Floats:
    """The functional as each cluster sees it: shared coordinates and its own level's."""
    columns, levels = fitted.coordinates(functional)
    shared = np.broadcast_to(columns, (sums.count, len(columns)))
    if fitted.cells.group is None:
        return np.array(shared)
    return np.column_stack([shared, levels[sums.level]])


def _adjust(local: Floats, gram: Floats, power: float) -> tuple[Floats, float]:
    """``(I - gram)^power @ local`` per cluster, by pseudo-inverse, and the share that was lost.

    Directions in which a cluster has leverage one carry no residual and are left out; the share
    of the functional that lies in them (largest over clusters) is returned beside.
    """
    if gram.shape[1] == 1:
        return _adjust_scalar(local, gram[:, 0, 0], power)
    result, lost = np.empty_like(local), 0.0
    for start in range(0, len(local), _CHUNK):
        part = slice(start, start + _CHUNK)
        values, vectors = np.linalg.eigh(gram[part])
        turned = np.einsum("gij,gi->gj", vectors, local[part])
        free = 1 - values
        open_ = free > _UNIT
        scale = np.where(open_, np.where(open_, free, 1.0) ** power, 0.0)
        result[part] = np.einsum("gij,gj->gi", vectors, scale * turned)
        lost = max(lost, _share((turned**2 * ~open_).sum(axis=1), (turned**2).sum(axis=1)))
    return result, lost


def _adjust_scalar(local: Floats, gram: Floats, power: float) -> tuple[Floats, float]:
    free = 1 - gram
    open_ = free > _UNIT
    scale = np.where(open_, np.where(open_, free, 1.0) ** power, 0.0)
    squared = local[:, 0] ** 2
    return local * scale[:, None], _share(squared * ~open_, squared)


def _share(part: Floats, whole: Floats) -> float:
    total = float(whole.max(initial=0.0))
    return float(part.max(initial=0.0)) / total if total > 0 else 0.0
