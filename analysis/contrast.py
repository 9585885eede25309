"""Two arms compared on several outcomes at once: means, joint covariance, degrees of freedom.

Without clusters the covariance is that of Neyman, within strata where there are any. With clusters
it comes from the sums of each cluster, in the bias-reduced form CR2, with the degrees of freedom of
Bell & McCaffrey (2002) in each arm. Arms and strata are combined as Welch and Satterthwaite do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist import difference as frequentist
from analysis.frequentist.cluster import Robust
from analysis.frequentist.fieller import fieller
from analysis.joint import Joint, Mask
from analysis.tables import Floats, Ints
from trials.plurals import counted


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
        limits = fieller(
            (top, bottom),
            (float(over @ v @ over), float(over @ v @ under), float(under @ v @ under)),
            float(reference.isf((1 - level) / 2)),
        )
        return None if limits is None else (top / bottom, *limits)


def compare(table: Joint, arm: str, *, versus: str | None = None) -> Contrast | Absent:
    """Compare ``arm`` with ``versus`` (default: the control) on every outcome.

    Strata are weighted by their share of all units, whatever the arm, so that every contrast of a
    trial speaks of the same people. A stratum without units of both arms has nothing to compare and
    is left out. Strata with a single unit (or cluster) in an arm have no spread within: their
    differences are kept, and their spread around each other gives the error, which errs on the
    side of caution (Imai, King & Nall 2009); a lone such stratum is left out. Units whose cluster
    is not known are left out too. Where an arm has too few units, there is no contrast.
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
    strata = _strata(table, codes)
    if not strata.usual and not strata.thin:
        return Absent("no-overlap", f"No stratum has enough people of both {control} and {arm}.")
    shared = table.cluster is not None and _shared(table, codes)
    means, blocks, df = (_shared_clusters if shared else _blocks)(table, codes, strata)
    return Contrast(
        arm=arm, versus=control, names=table.names, means=means, blocks=blocks, df=df,
        diagonal=table.products.ndim == 2, clustered=table.cluster is not None,
        method=_method(table, strata), notes=strata.notes,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Stratum:
    """The cells of a stratum, and its share of the units compared."""

    rows: Mask
    weight: float


@dataclass(frozen=True, slots=True)
class _Strata:
    """Strata with replicates in both arms, those with a single one in an arm, and what was left."""

    usual: tuple[_Stratum, ...]
    thin: tuple[_Stratum, ...]
    notes: tuple[str, ...] = ()


def _method(table: Joint, strata: _Strata) -> str:
    stratified = ", post-stratified" if len(strata.usual) + len(strata.thin) > 1 else ""
    return f"difference in means{stratified}{', CR2' if table.cluster is not None else ''}"


def _replicates(table: Joint, rows: Mask) -> int:
    if table.cluster is not None:
        return len(np.unique(table.cluster.codes[rows & (table.n > 0)]))
    return int(table.n[rows].sum())


def _strata(table: Joint, codes: tuple[int, int]) -> _Strata:
    if table.stratum is None:
        return _Strata((_Stratum(np.ones(len(table.arm), dtype=bool), 1.0),), ())
    shared = table.cluster is not None and _shared(table, codes)
    groups: dict[int, list[Mask]] = {0: [], 1: [], 2: []}
    for level in np.unique(table.stratum.codes):
        rows = table.stratum.codes == level
        least = min(_replicates(table, rows & (table.arm == c)) for c in codes)
        groups[min(least, 2)].append(rows)
    if len(groups[1]) == 1 or shared:
        groups[0] += groups.pop(1)
        groups[1] = []
    total = sum(float(table.n[rows].sum()) for rows in (*groups[1], *groups[2]))
    usual, thin = (
        tuple(_Stratum(rows, float(table.n[rows].sum()) / total) for rows in groups[kind])
        for kind in (2, 1)
    )
    lost = sum(float(table.n[rows].sum()) for rows in groups[0])
    if not lost:
        return _Strata(usual, thin)
    which = counted(len(groups[0]), "stratum", "strata")
    left = f"left out: {which} ({counted(lost, 'unit')}) within which nothing can be compared"
    return _Strata(usual, thin, (left,))


def _blocks(table: Joint, codes: tuple[int, int], strata: _Strata) -> tuple[Floats, Floats, Floats]:
    k = len(table.names)
    means, blocks, df = np.zeros(2 * k), [], []
    for stratum in strata.usual:
        for side, code in enumerate(codes):
            at = slice(side * k, (side + 1) * k)
            mean, covariance, free = _arm(table, stratum.rows & (table.arm == code))
            block = np.zeros((2 * k, 2 * k))
            block[at, at] = stratum.weight**2 * covariance
            means[at] += stratum.weight * mean
            blocks.append(block)
            df.append(free)
    if strata.thin:
        parts = np.array([_stacked(table, codes, stratum) for stratum in strata.thin])
        m, around = len(parts), parts - parts.mean(axis=0)
        covariance = m / (m - 1) * around.T @ around
        blocks.append(_paired(table, covariance))
        df.append(m - 1.0)
        means += parts.sum(axis=0)
    return means, np.array(blocks), np.array(df)


def _stacked(table: Joint, codes: tuple[int, int], stratum: _Stratum) -> Floats:
    """What a stratum adds to the means of the control and of the treated arm."""
    rows = [stratum.rows & (table.arm == code) for code in codes]
    means = [table.sums[r].sum(axis=0) / table.n[r].sum() for r in rows]
    return np.asarray(stratum.weight * np.concatenate(means))


def _paired(table: Joint, covariance: Floats) -> Floats:
    """Without products, the covariance of an outcome in one arm with itself in the other."""
    if table.products.ndim == 2:
        covariance = covariance * np.tile(np.eye(len(table.names)), (2, 2))
    return covariance


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
    table: Joint, codes: tuple[int, int], strata: _Strata
) -> tuple[Floats, Floats, Floats]:
    """Where clusters lie in both arms: their influences on both are added before squaring."""
    assert table.cluster is not None
    k = len(table.names)
    means = np.zeros(2 * k)
    pooled = np.zeros((int(table.cluster.codes.max()) + 1, 2 * k))
    for stratum in strata.usual:
        for side, code in enumerate(codes):
            at = slice(side * k, (side + 1) * k)
            clusters, influence, _, mean = _influence(table, stratum.rows & (table.arm == code))
            means[at] += stratum.weight * mean
            pooled[clusters, at] += stratum.weight * influence
    used = float((pooled != 0).any(axis=1).sum())
    return means, _paired(table, pooled.T @ pooled)[None], np.array([max(used - 1, 1.0)])
