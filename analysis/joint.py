"""Several outcomes of the same units at once: joint moments, and what may be said of two arms.

A single outcome needs its sum and its sum of squares. A ratio of two effects (leakage), a sum over
channels (cost) or a difference of two outcomes also needs to know how the outcomes of one person
go together, which is why :class:`Joint` keeps their cross-products. From it :func:`compare` makes
a :class:`Contrast`: the means of both arms, their joint covariance, and its degrees of freedom.

Without clusters the covariance is that of Neyman, within strata where there are any. With clusters
it comes from the sums of each cluster, in the bias-reduced form CR2, with the degrees of freedom of
Bell & McCaffrey (2002) in each arm. Arms and strata are combined as Welch and Satterthwaite do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist import difference as frequentist
from analysis.frequentist.cluster import Robust
from analysis.tables import Floats, Ints, Key

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """Joint sufficient statistics of ``k`` outcomes: one entry per cell in every array.

    A cell is the set of units that share arm, stratum, cluster and segment levels. ``n`` counts
    them; ``sums`` (cells by k) adds up their outcomes, ``products`` (cells by k by k) the products
    of every pair of outcomes within a unit. Where only single outcomes will be asked for,
    ``products`` may be cells by k: the sums of squares alone.
    """

    arms: tuple[str, ...]
    control: int
    arm: Ints
    n: Floats
    names: tuple[str, ...]
    sums: Floats
    products: Floats
    stratum: Key | None = None
    cluster: Key | None = None
    segments: Mapping[str, Key] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the shapes against each other."""
        cells, k = len(self.arm), len(self.names)
        if len(self.n) != cells or self.sums.shape != (cells, k):
            raise ValueError(f"n and sums do not fit {cells} cells of {k} outcomes")
        if self.products.shape not in {(cells, k, k), (cells, k)}:
            raise ValueError(f"products have shape {self.products.shape}")
        if len(set(self.names)) != k:
            raise ValueError("an outcome is named twice")

    @classmethod
    def from_units(
        cls,
        values: Mapping[str, npt.ArrayLike],
        arm: npt.ArrayLike,
        *,
        arms: Sequence[str],
        control: int = 0,
        stratum: Key | None = None,
        cluster: Key | None = None,
        segments: Mapping[str, Key] | None = None,
        squares_only: bool = False,
    ) -> Joint:
        """Tabulate one value a unit for each named outcome. Keys hold one code a unit."""
        keys = [k for k in (stratum, cluster, *(segments or {}).values()) if k is not None]
        codes = np.asarray(arm, dtype=np.int64)
        composite = np.column_stack([codes, *(k.codes for k in keys)])
        _, first, into = np.unique(composite, axis=0, return_index=True, return_inverse=True)
        cell, size = into.ravel(), len(first)
        y = [np.asarray(v, dtype=float) for v in values.values()]
        sums = np.column_stack([np.bincount(cell, v, size) for v in y]).astype(float)
        return cls(
            arms=tuple(arms), control=control, arm=codes[first],
            n=np.bincount(cell, minlength=size).astype(float), names=tuple(values), sums=sums,
            products=_products(y, cell, size, squares_only=squares_only),
            stratum=None if stratum is None else stratum.take(first),
            cluster=None if cluster is None else cluster.take(first),
            segments={name: key.take(first) for name, key in (segments or {}).items()},
        )  # fmt: skip

    @property
    def total(self) -> float:
        """How many units there are."""
        return float(self.n.sum())

    def index(self, name: str) -> int:
        """The position of an outcome. Raises ``ValueError`` when there is none of that name."""
        return self.names.index(name)

    def named(self, prefix: str) -> tuple[str, ...]:
        """The outcomes whose names start with ``prefix``, in the table's order."""
        return tuple(name for name in self.names if name.startswith(prefix))

    def where(self, rows: Mask) -> Joint:
        """Only the cells that ``rows`` (a mask) selects."""
        return replace(
            self,
            arm=self.arm[rows], n=self.n[rows], sums=self.sums[rows], products=self.products[rows],
            stratum=None if self.stratum is None else self.stratum.take(rows),
            cluster=None if self.cluster is None else self.cluster.take(rows),
            segments={name: key.take(rows) for name, key in self.segments.items()},
        )  # fmt: skip

    def segment(self, by: str, level: str) -> Joint:
        """Only the units of one level of a segment."""
        key = self.segments[by]
        return self.where(key.codes == key.levels.index(level))


def _products(y: Sequence[Floats], cell: Ints, size: int, *, squares_only: bool) -> Floats:
    k = len(y)
    if squares_only:
        return np.column_stack([np.bincount(cell, v * v, size) for v in y])
    products = np.empty((size, k, k))
    for i in range(k):
        for j in range(i + 1):
            products[:, i, j] = products[:, j, i] = np.bincount(cell, y[i] * y[j], size)
    return products


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Two arms compared on all outcomes of a :class:`Joint`.

    ``means`` stacks the control's ``k`` means and the treated arm's; ``blocks`` (b by 2k by 2k)
    are the independent parts of their covariance, one for each arm and stratum, with ``df``
    degrees of freedom each. Differences are control minus treatment: positive means fewer.
    """

    arm: str
    versus: str
    names: tuple[str, ...]
    means: Floats
    blocks: Floats
    df: Floats
    diagonal: bool = False
    clustered: bool = False
    method: str = "difference in means"
    notes: tuple[str, ...] = ()

    @property
    def covariance(self) -> Floats:
        """The covariance of ``means`` (2k by 2k)."""
        return np.asarray(self.blocks.sum(axis=0))

    def control(self, name: str) -> float:
        """The control's mean of an outcome."""
        return float(self.means[self.names.index(name)])

    def treated(self, name: str) -> float:
        """The treated arm's mean of an outcome."""
        return float(self.means[len(self.names) + self.names.index(name)])

    def fewer(self, weights: Mapping[str, float]) -> Floats:
        """The vector that takes ``means`` to a weighted sum of differences, control minus treated.

        Raises:
            ValueError: several outcomes are asked for, but their covariances are not in the table.
        """
        if self.diagonal and len(weights) > 1:
            raise ValueError("this table holds no covariances between outcomes")
        k, vector = len(self.names), np.zeros(2 * len(self.names))
        for name, weight in weights.items():
            vector[self.names.index(name)] += weight
            vector[k + self.names.index(name)] -= weight
        return vector

    def control_only(self, name: str) -> Floats:
        """The vector that takes ``means`` to the control's mean of an outcome."""
        vector = np.zeros(2 * len(self.names))
        vector[self.names.index(name)] = 1.0
        return vector

    def variance(self, vector: Floats) -> float:
        """The variance of a linear function of the means."""
        return max(float(vector @ self.covariance @ vector), 0.0)

    def degrees(self, vector: Floats) -> float | None:
        """Satterthwaite's degrees of freedom of that variance; ``None`` where it is zero."""
        parts = np.einsum("i,bij,j->b", vector, self.blocks, vector)
        spread = float((parts**2 / self.df).sum())
        return float(parts.sum() ** 2 / spread) if spread > 0 else None

    def estimate(
        self, vector: Floats, *, level: float, value: float | None = None, method: str = ""
    ) -> Estimate | Absent:
        """A linear function of the means with its t interval.

        With ``value`` given, that is the estimate and ``vector`` its gradient (delta method).
        """
        degrees = self.degrees(vector)
        result = Robust(
            estimate=float(vector @ self.means) if value is None else value,
            se=math.sqrt(self.variance(vector)), df=degrees or 1.0, identified=True,
        )  # fmt: skip
        return frequentist.interval(
            result, level=level, method=method or self.method, notes=self.notes,
            clustered=self.clustered,
        )  # fmt: skip

    def difference(self, name: str, *, level: float) -> Estimate | Absent:
        """How much smaller the treated arm's mean is than the control's."""
        return self.estimate(self.fewer({name: 1.0}), level=level)

    def ratio(
        self, over: Floats, under: Floats, *, level: float
    ) -> tuple[float, float, float] | None:
        """A ratio of two linear functions of the means, with Fieller's (1954) limits.

        ``None`` where the denominator's own interval reaches zero: the set of ratios that the data
        allow is then unbounded. The critical value is that of the smaller degrees of freedom.
        """
        v = self.covariance
        top, bottom = float(over @ self.means), float(under @ self.means)
        known = [d for d in (self.degrees(over), self.degrees(under)) if d is not None]
        reference = stats.t(min(known)) if known else stats.norm()
        limits = frequentist.fieller(
            (top, bottom),
            (float(over @ v @ over), float(over @ v @ under), float(under @ v @ under)),
            float(reference.isf((1 - level) / 2)),
        )
        return None if limits is None else (top / bottom, *limits)


def compare(table: Joint, arm: str, *, versus: str | None = None) -> Contrast | Absent:
    """Compare ``arm`` with ``versus`` (default: the control) on every outcome.

    Strata are weighted by their share of all units, whatever the arm, so that every contrast of a
    trial speaks of the same people. Strata too small to be compared within (fewer than two units,
    or clusters, in either arm) are pooled with each other, and with a neighbour if that is not
    enough. Units whose
    cluster is not known are left out. Where an arm has too few units, there is no contrast.
    """
    if table.cluster is not None:
        table = table.where(table.cluster.codes >= 0)
    control = table.arms[table.control] if versus is None else versus
    codes = (table.arms.index(control), table.arms.index(arm))
    for code in codes:
        if _replicates(table, table.arm == code) < 2:
            what = "clusters" if table.cluster is not None else "people"
            name = table.arms[code]
            return Absent("too-few-units", f"Fewer than two {what} in arm {name} can be counted.")
    strata, notes = _strata(table, codes)
    shared = table.cluster is not None and _shared(table, codes)
    means, blocks, df = (_shared_clusters if shared else _blocks)(table, codes, strata)
    return Contrast(
        arm=arm, versus=control, names=table.names, means=means, blocks=blocks, df=df,
        diagonal=table.products.ndim == 2, clustered=table.cluster is not None,
        method=_method(table, strata), notes=notes,
    )  # fmt: skip


def _method(table: Joint, strata: Ints) -> str:
    stratified = ", post-stratified" if len(np.unique(strata)) > 1 else ""
    return f"difference in means{stratified}{', CR2' if table.cluster is not None else ''}"


def _replicates(table: Joint, rows: Mask) -> int:
    if table.cluster is not None:
        return len(np.unique(table.cluster.codes[rows & (table.n > 0)]))
    return int(table.n[rows].sum())


def _strata(table: Joint, codes: tuple[int, int]) -> tuple[Ints, tuple[str, ...]]:
    """A stratum code for each cell, with those too small to compare within pooled."""
    if table.stratum is None:
        return np.zeros(len(table.arm), dtype=np.int64), ()
    strata = table.stratum.codes.copy()
    levels = np.unique(strata)
    counts = {
        s: min(_replicates(table, (strata == s) & (table.arm == c)) for c in codes) for s in levels
    }
    small = [s for s in levels if counts[s] < 2]
    if not small:
        return strata, ()
    pooled = np.isin(strata, small)
    rest = [s for s in levels if counts[s] >= 2]
    enough = all(_replicates(table, pooled & (table.arm == c)) >= 2 for c in codes)
    strata[pooled] = (
        int(levels.max()) + 1 if enough or not rest else min(rest, key=counts.__getitem__)
    )
    return strata, (f"{len(small)} strata too small to compare within were pooled",)


def _blocks(table: Joint, codes: tuple[int, int], strata: Ints) -> tuple[Floats, Floats, Floats]:
    k = len(table.names)
    levels = np.unique(strata)
    means, blocks, df = np.zeros(2 * k), [], []
    for level in levels:
        inside = strata == level
        weight = float(table.n[inside].sum()) / table.total
        for side, code in enumerate(codes):
            at = slice(side * k, (side + 1) * k)
            mean, covariance, free = _arm(table, inside & (table.arm == code))
            block = np.zeros((2 * k, 2 * k))
            block[at, at] = weight**2 * covariance
            means[at] += weight * mean
            blocks.append(block)
            df.append(free)
    return means, np.array(blocks), np.array(df)


def _arm(table: Joint, rows: Mask) -> tuple[Floats, Floats, float]:
    """Mean, its covariance and degrees of freedom of one arm within one stratum."""
    if table.cluster is not None:
        _, influence, free, mean = _influence(table, rows)
        return mean, _diagonal(table, influence.T @ influence), free
    n = float(table.n[rows].sum())
    mean = table.sums[rows].sum(axis=0) / n
    second = table.products[rows].sum(axis=0)
    square = np.diag(second) if second.ndim == 1 else second
    covariance = (square - n * np.outer(mean, mean)) / (n - 1) / n
    return mean, _diagonal(table, _floored(covariance)), n - 1


def _floored(covariance: Floats) -> Floats:
    """Rounding can leave a variance a hair below nothing; nothing is what is meant."""
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0.0))
    return covariance


def _diagonal(table: Joint, covariance: Floats) -> Floats:
    return np.diag(np.diag(covariance)) if table.products.ndim == 2 else covariance


def _influence(table: Joint, rows: Mask) -> tuple[Ints, Floats, float, Floats]:
    """Clusters' adjusted influences on an arm's mean: their cross-product is CR2's covariance.

    For a mean over units the leverage of a cluster is its share ``h`` of the units, and CR2
    divides its summed residual by the root of ``1 - h``. With ``Y`` the cluster's sum, residuals
    are ``(I - h 1') Y``; under independent units their covariance is ``diag(n) - n n'/N``, which
    gives the degrees of freedom ``tr(B)^2 / tr(B B)`` in closed form.
    """
    assert table.cluster is not None
    present = rows & (table.n > 0)
    clusters, into = np.unique(table.cluster.codes[present], return_inverse=True)
    size = np.bincount(into, table.n[present])
    sums = np.zeros((len(clusters), len(table.names)))
    np.add.at(sums, into, table.sums[present])
    total = size.sum()
    mean = sums.sum(axis=0) / total
    factor = 1 / (total * np.sqrt(1 - size / total))
    influence = (sums - np.outer(size, mean)) * factor[:, None]
    a2 = factor**2
    trace = float((a2 * (size - size**2 / total)).sum())
    squares = float((a2**2 * (size**2 - 2 * size**3 / total)).sum())
    squares += float((a2 * size**2).sum() ** 2 / total**2)
    return clusters, influence, trace**2 / squares, mean


def _shared(table: Joint, codes: tuple[int, int]) -> bool:
    """Whether some cluster has units in both arms."""
    assert table.cluster is not None
    sides = [np.unique(table.cluster.codes[(table.arm == c) & (table.n > 0)]) for c in codes]
    return bool(np.isin(sides[0], sides[1]).any())


def _shared_clusters(
    table: Joint, codes: tuple[int, int], strata: Ints
) -> tuple[Floats, Floats, Floats]:
    """Where clusters lie in both arms: their influences on both are added before squaring."""
    assert table.cluster is not None
    k = len(table.names)
    means = np.zeros(2 * k)
    pooled = np.zeros((int(table.cluster.codes.max()) + 1, 2 * k))
    for level in np.unique(strata):
        inside = strata == level
        weight = float(table.n[inside].sum()) / table.total
        for side, code in enumerate(codes):
            at = slice(side * k, (side + 1) * k)
            clusters, influence, _, mean = _influence(table, inside & (table.arm == code))
            means[at] += weight * mean
            pooled[clusters, at] += weight * influence
    covariance = pooled.T @ pooled
    if table.products.ndim == 2:
        covariance *= np.tile(np.eye(k), (2, 2))
    used = len(np.unique(table.cluster.codes[np.isin(table.arm, codes) & (table.n > 0)]))
    return means, covariance[None], np.array([float(used - 1)])
