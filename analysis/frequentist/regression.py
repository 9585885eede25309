"""Least squares on cells, with heteroskedasticity-robust errors that are exact.

Units of a cell share their regressors, so the count, the sum and the sum of squares of their
outcomes give the same coefficients and the same HC0-HC3 covariance as the rows would (Wong, Lewis
& Wardrop 2021, "You only compress once", section 5). One categorical regressor (the *group*: arm,
stratum, cluster, or a crossing of them) is absorbed, so that its many levels cost nothing.

Everything is held in coordinates in which the regressors are orthonormal: with ``X = QR`` the
leverage of a unit is the squared length of its row of ``Q``, and a linear functional of the
coefficients is an inner product. :mod:`analysis.frequentist.cluster` builds on the same form.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from analysis.tables import Floats, Ints

HCKind = Literal["HC0", "HC1", "HC2", "HC3"]

COLLINEAR = 1e-9
"""A column whose part orthogonal to those before it is smaller than this share is left out."""

SATURATED = 1e-9
"""A unit with a leverage closer to one than this determines its own fitted value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What least squares needs of the data: one entry a cell in every array.

    ``n``, ``y``, ``yy``: units, sum and sum of squares of the outcome (every ``n`` > 0).
    ``x``: regressors, cells by columns. ``group``: level of the absorbed factor, every level in
    ``range(groups)`` present; ``None`` fits no constant at all. ``cluster``: any integer codes.
    ``weight``: the weight of each unit of the cell (default one).
    """

    n: Floats
    y: Floats
    yy: Floats
    x: Floats
    group: Ints | None = None
    groups: int = 0
    cluster: Ints | None = None
    weight: Floats | None = None

    def dense(self) -> Cells:
        """The same model with a column for every level of the group instead of absorbing it."""
        if self.group is None:
            return self
        dummies = (self.group[:, None] == np.arange(self.groups)).astype(float)
        return replace(self, x=np.hstack([self.x, dummies]), group=None, groups=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Functional:
    """A linear function of the coefficients: one weight a column and one a level of the group."""

    x: Floats
    group: Floats = field(default_factory=lambda: np.zeros(0))

    def __sub__(self, other: Functional) -> Functional:
        """The functional that gives the difference of the two."""
        return Functional(x=self.x - other.x, group=self.group - other.group)

    def __add__(self, other: Functional) -> Functional:
        """The functional that gives the sum of the two."""
        return Functional(x=self.x + other.x, group=self.group + other.group)

    def times(self, by: float) -> Functional:
        """The functional that gives ``by`` times the value."""
        return Functional(x=self.x * by, group=self.group * by)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted model in orthonormal coordinates.

    ``rows`` (cells by columns) and ``own`` (the coordinate of the cell's own group level) are the
    regressors of *one* unit of the cell; ``residual`` and ``residual_ss`` the sum and the sum of
    squares of the residuals of *all* its units, all three in root-weight scale.
    """

    cells: Cells
    beta: Floats
    kept: Ints
    inverse: Floats
    rows: Floats
    own: Floats
    leverage: Floats
    residual: Floats
    residual_ss: Floats
    group_weight: Floats
    group_x: Floats
    group_y: Floats

    @property
    def units(self) -> float:
        """How many units were fitted."""
        return float(self.cells.n.sum())

    @property
    def rank(self) -> int:
        """How many coefficients were fitted, levels of the group included."""
        return len(self.kept) + self.cells.groups

    @property
    def dropped(self) -> tuple[int, ...]:
        """Columns left out because they are combinations of those before them."""
        return tuple(sorted(set(range(self.cells.x.shape[1])) - set(self.kept.tolist())))

    def value(self, functional: Functional) -> float:
        """The estimate of a functional."""
        slopes = self._slopes(functional)
        return float(functional.group @ self.group_y + slopes @ self.beta[self.kept])

    def coordinates(self, functional: Functional) -> tuple[Floats, Floats]:
        """The functional in orthonormal coordinates: of the columns, and of the group levels."""
        columns = self._slopes(functional) @ self.inverse
        return columns, functional.group / np.sqrt(self.group_weight)

    def influence(self, functional: Functional) -> Floats:
        """What one unit of residual moves the estimate by, for each cell (root-weight scale)."""
        columns, levels = self.coordinates(functional)
        direct = self.rows @ columns
        return direct if self.cells.group is None else direct + self.own * levels[self.cells.group]

    def column(self, index: int) -> Functional:
        """The functional that gives one coefficient."""
        x = np.zeros(self.cells.x.shape[1])
        x[index] = 1.0
        return Functional(x=x, group=np.zeros(self.cells.groups))

    def _slopes(self, functional: Functional) -> Floats:
        whole: Floats = functional.x - functional.group @ self.group_x
        return whole[self.kept]


def fit(cells: Cells) -> Fit:
    """Least squares of the outcome on the columns and the absorbed group.

    Columns that are combinations of earlier ones are left out (their coefficient is zero), in
    order, so put the column of interest first.
    """
    per_unit = np.ones_like(cells.n) if cells.weight is None else cells.weight
    mass = cells.n * per_unit
    mean = cells.y / cells.n
    x, y, group_weight, group_x, group_y = _within(cells, mass, mean)
    kept, upper = _triangle(x * np.sqrt(mass)[:, None], _norms(cells.x, mass))
    inverse: Floats = np.asarray(np.linalg.inv(upper) if len(kept) else upper, dtype=float)
    rows = (x[:, kept] @ inverse) * np.sqrt(per_unit)[:, None]
    theta = rows.T @ (y * cells.n * np.sqrt(per_unit))
    beta = np.zeros(cells.x.shape[1])
    beta[kept] = inverse @ theta
    error = y - (rows @ theta) / np.sqrt(per_unit)
    own = np.zeros_like(mass)
    if cells.group is not None:
        own = np.sqrt(per_unit / group_weight[cells.group])
    spread = np.maximum(cells.yy - cells.y * mean, 0.0)
    return Fit(
        cells=cells, beta=beta, kept=kept, inverse=inverse, rows=rows, own=own,
        leverage=np.einsum("ij,ij->i", rows, rows) + own**2,
        residual=np.sqrt(per_unit) * cells.n * error,
        residual_ss=per_unit * (spread + cells.n * error**2),
        group_weight=group_weight, group_x=group_x, group_y=group_y,
    )  # fmt: skip


def hc_covariance(fitted: Fit, functionals: list[Functional], kind: HCKind = "HC2") -> Floats:
    """Heteroskedasticity-robust covariance of the functionals (MacKinnon & White 1985).

    HC2 divides each squared residual by ``1 - leverage`` and is, for a difference in means,
    exactly Neyman's variance (Samii & Aronow 2012). Units with leverage one contribute nothing:
    ask :func:`unidentified` whether that matters.
    """
    influence = np.array([fitted.influence(f) for f in functionals])
    power = {"HC0": 0, "HC1": 0, "HC2": 1, "HC3": 2}[kind]
    scale = _reciprocal(1 - fitted.leverage) ** power
    covariance: Floats = (influence * (fitted.residual_ss * scale)) @ influence.T
    n = fitted.units
    if kind == "HC1":
        covariance *= n / (n - fitted.rank)
    return covariance


def hc_df(fitted: Fit, functional: Functional) -> float:
    """Degrees of freedom of the HC2 variance (Bell & McCaffrey 2002; Imbens & Kolesár 2016, eq 9).

    ``(tr M)^2 / tr(M^2)`` with ``M = D(I - H)D`` of the units, in time linear in the cells.
    """
    n, leverage = fitted.cells.n, fitted.leverage
    influence = fitted.influence(functional)
    scaled = influence**2 * _reciprocal(1 - leverage)
    trace = float((n * scaled * (1 - leverage)).sum())
    squares = float((n * scaled**2 * (1 - 2 * leverage)).sum())
    squares += _squared_norm(fitted, n * scaled)
    return trace**2 / squares if squares > 0 else 0.0


def unidentified(fitted: Fit, functional: Functional) -> bool:
    """Whether the estimate leans on units that alone determine their fit (no variance for them)."""
    alone = (1 - fitted.leverage) < SATURATED
    if not alone.any():
        return False
    weight = fitted.cells.n * fitted.influence(functional) ** 2
    return float(weight[alone].sum()) > SATURATED * float(weight.sum())


def unit_residual_ss(fitted: Fit) -> float:
    """Residual sum of squares over all units."""
    return float(fitted.residual_ss.sum())


def _within(
    cells: Cells, mass: Floats, mean: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Columns and outcome less their group means, with those means and the groups' weights."""
    columns = cells.x.shape[1]
    if cells.group is None:
        return cells.x, mean, np.zeros(0), np.zeros((0, columns)), np.zeros(0)
    total = np.bincount(cells.group, mass, cells.groups).astype(float)
    group_y = np.bincount(cells.group, mass * mean, cells.groups) / total
    group_x = np.empty((cells.groups, columns))
    for j in range(columns):
        group_x[:, j] = np.bincount(cells.group, mass * cells.x[:, j], cells.groups) / total
    return cells.x - group_x[cells.group], mean - group_y[cells.group], total, group_x, group_y


def _norms(x: Floats, mass: Floats) -> Floats:
    return np.sqrt(mass @ x**2)


def _triangle(scaled: Floats, norms: Floats) -> tuple[Ints, Floats]:
    """The columns kept and the triangle of their QR decomposition."""
    kept = np.flatnonzero(norms > 0)
    while len(kept):
        upper = np.asarray(np.linalg.qr(_tall(scaled[:, kept]), mode="r"), dtype=float)
        weak = np.flatnonzero(np.abs(np.diag(upper)) <= COLLINEAR * norms[kept])
        if not len(weak):
            return kept, upper
        kept = np.delete(kept, weak[0])
    return kept, np.zeros((0, 0))


def _tall(matrix: Floats) -> Floats:
    """At least as many rows as columns, so that every column has a diagonal element."""
    short = matrix.shape[1] - matrix.shape[0]
    return matrix if short <= 0 else np.vstack([matrix, np.zeros((short, matrix.shape[1]))])


def _reciprocal(values: Floats) -> Floats:
    """One over each value; zero where the value is (numerically) zero."""
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > SATURATED)


def _squared_norm(fitted: Fit, weights: Floats) -> float:
    """Squared Frobenius norm of the weighted sum of outer products of the units' coordinates."""
    rows, own, group = fitted.rows, fitted.own, fitted.cells.group
    total = float((((rows * weights[:, None]).T @ rows) ** 2).sum())
    if group is None:
        return total
    levels = fitted.cells.groups
    total += float((np.bincount(group, weights * own**2, levels) ** 2).sum())
    for j in range(rows.shape[1]):
        mixed = np.bincount(group, weights * own * rows[:, j], levels)
        total += 2 * float((mixed**2).sum())
    return total
