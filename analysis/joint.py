"""Several outcomes of the same units at once: their joint moments.

A single outcome needs its sum and its sum of squares. A ratio of two effects (leakage), a sum over
channels (cost) or a difference of two outcomes also needs to know how the outcomes of one person
go together, which is why :class:`Joint` keeps their cross-products. From it
:func:`analysis.contrast.compare` makes the comparison of two arms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

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
