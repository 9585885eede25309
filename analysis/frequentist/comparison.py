"""From a grouped table to the model that compares two of its arms.

The table decides the model, so that the analysis follows the design: strata and clusters that the
design had are in the table, and covariates where the plan adjusts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.estimates import Absent
from analysis.frequentist.cluster import Robust, distinct, nest, robust_fit, too_wide
from analysis.frequentist.regression import Cells, Fit, Functional, fit
from analysis.tables import Floats, Grouped, Ints, Key
from trials.plurals import counted

Mask = npt.NDArray[np.bool_]
Notes = tuple[str, ...]


class Moments(NamedTuple):
    """Size, mean and variance of the outcome at every level of a saturated model's group."""

    n: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A model of two arms and the functionals that give the mean of each.

    ``table`` holds the two arms' cells in the order of ``cells``, ``in_treated`` marks those of
    the treated arm. ``saturated`` says that the model is one mean for each level of the group and
    nothing else, in which case the variance has a closed form.
    """

    table: Grouped
    in_treated: Mask
    cells: Cells
    treated: Functional
    control: Functional
    saturated: bool
    method: str
    notes: Notes = field(default=())

    @property
    def clustered(self) -> bool:
        """Whether the units came in clusters."""
        return self.cells.cluster is not None

    def with_outcome(self, y: Floats, yy: Floats) -> Comparison:
        """The same model of another outcome, given its sums and sums of squares per cell."""
        return replace(self, cells=replace(self.cells, y=y, yy=yy))

    @property
    def effect(self) -> Functional:
        """The functional that gives the difference in means."""
        return self.treated - self.control

    def infer(self, functional: Functional) -> Robust:
        """Estimate, robust standard error and degrees of freedom of a functional."""
        if self.saturated:
            return _closed_form(self._moments, functional)
        return robust_fit(self._fitted, nest(self.cells, functional)[1])

    # One model serves the difference, both means and the ratio: it is fitted once.

    @cached_property
    def _fitted(self) -> Fit:
        return fit(nest(self.cells, self.treated)[0])

    @cached_property
    def _moments(self) -> Moments:
        return _moments(self.cells)


def compare(table: Grouped, arm: int, versus: int, *, adjust: bool = False) -> Comparison | Absent:
    """The model for ``arm`` against ``versus``.

    No strata: the two means. Strata: within-stratum differences weighted by the strata's shares of
    the sample (post-stratification; Miratrix, Sekhon & Yu 2013, eq 2) where every stratum has two
    units in both arms; otherwise, and with clusters, block fixed effects. ``adjust`` adds the
    covariates, centred on the whole sample and interacted with the arm (Lin 2013).
    """
    known = known_cells(table)
    two = known.where((known.arm == arm) | (known.arm == versus))
    lacking = _lacking(two, arm, versus)
    if lacking is not None:
        return lacking
    stratum, weight = _strata(known, two)
    if not weight.any():
        return Absent("no-overlap", "No stratum holds units of both arms.")
    x = covariates(known, two) if adjust else np.zeros((two.cells, 0))
    treated = two.arm == arm
    notes = _notes(table, known, adjust=adjust)
    clustered = two.cluster is not None
    if not clustered and _thin(stratum, treated, two.n):
        notes += ("a stratum has fewer than two units in an arm: block fixed effects",)
        return _additive(two, treated, stratum, weight, x, notes=notes)
    if two.cluster is not None and too_wide(two.cluster.codes, stratum):
        stratum, weight = np.zeros(two.cells, dtype=np.int64), np.ones(1)
        notes += ("many clusters span the strata: compared without strata",)
    if clustered and len(weight) > 1:
        return _additive(two, treated, stratum, weight, x, notes=notes)
    return _interacted(two, treated, stratum, weight, x, notes=notes)


def stratum_codes(key: Key | None, cells: int) -> Ints:
    """Dense stratum codes; units whose stratum is not known form a stratum of their own."""
    if key is None:
        return np.zeros(cells, dtype=np.int64)
    return np.unique(key.codes, return_inverse=True)[1].astype(np.int64)


def known_cells(table: Grouped) -> Grouped:
    """The cells with a known outcome and, in a clustered trial, a known cluster."""
    rows = table.n > 0
    if table.cluster is not None:
        rows &= table.cluster.codes >= 0
    return table.where(rows)


def _lacking(two: Grouped, arm: int, versus: int) -> Absent | None:
    n = np.bincount(two.arm, two.n, len(two.arms))
    for code in (arm, versus):
        name = two.arms[code]
        if n[code] == 0:
            return Absent("empty-arm", f"Nobody in “{name}” has a known outcome.")
        if two.cluster is None and n[code] < 2:
            return Absent("too-few-units", f"“{name}” has one unit: its spread cannot be known.")
        if two.cluster is not None and _clusters(two, code) < 2:
            return Absent(
                "too-few-clusters", f"“{name}” has one cluster: its spread cannot be known."
            )
    return None


def _clusters(table: Grouped, arm: int) -> int:
    return 0 if table.cluster is None else distinct(table.cluster.codes[table.arm == arm])


def _strata(known: Grouped, two: Grouped) -> tuple[Ints, Floats]:
    """Stratum codes of the cells and each stratum's share of all units with both arms there."""
    if two.stratum is None or known.stratum is None:
        return np.zeros(two.cells, dtype=np.int64), np.ones(1)
    levels, codes = np.unique(two.stratum.codes, return_inverse=True)
    arms, arm = np.unique(two.arm, return_inverse=True)
    present = np.zeros((len(levels), len(arms)), dtype=bool)
    present[codes, arm] = True
    position = np.searchsorted(levels, known.stratum.codes)
    position = np.minimum(position, len(levels) - 1)
    among = levels[position] == known.stratum.codes
    size = np.bincount(position[among], known.n[among], len(levels)) * present.all(axis=1)
    total = float(size.sum())
    return codes.astype(np.int64), size / total if total > 0 else np.zeros(len(levels))


def _thin(stratum: Ints, treated: Mask, n: Floats) -> bool:
    """Whether some stratum has fewer than two units in an arm."""
    size = np.bincount(2 * stratum + treated, n, 2 * (int(stratum.max()) + 1))
    return bool((size < 2).any())


def covariates(known: Grouped, two: Grouped) -> Floats:
    """Covariates centred on the whole sample; unknown values at the mean, with an indicator."""
    if known.x is None or two.x is None:
        return np.zeros((two.cells, 0))
    columns: list[Floats] = []
    for j in range(known.x.shape[1]):
        given = np.isfinite(known.x[:, j])
        if not given.any():
            continue
        mean = np.average(known.x[given, j], weights=known.n[given])
        value = two.x[:, j]
        columns.append(np.where(np.isfinite(value), value - mean, 0.0))
        if not given.all():
            unknown = np.average(~given, weights=known.n)
            columns.append((~np.isfinite(value)).astype(float) - unknown)
    varied = [c for c in columns if _varies(c, two.arm)]
    return np.column_stack(varied) if varied else np.zeros((two.cells, 0))


def _varies(column: Floats, arm: Ints) -> bool:
    """Whether a covariate differs between units of the same arm."""
    scale = 1e-12 * max(1.0, float(np.abs(column).max()))
    return any(float(np.ptp(column[arm == a])) > scale for a in np.unique(arm))


def _notes(table: Grouped, known: Grouped, *, adjust: bool) -> Notes:
    notes: Notes = ()
    lost = float(table.n.sum() - known.n.sum())
    if lost > 0:
        notes += (f"{counted(lost, 'unit')} left out, whose cluster is not known",)
    if adjust and table.x is None:
        notes += ("no covariates are known: not adjusted",)
    return notes


def _interacted(
    two: Grouped,
    treated: Mask,
    stratum: Ints,
    weight: Floats,
    x: Floats,
    *,
    notes: Notes,
) -> Comparison:
    """One mean for each arm and stratum, and covariates with slopes of their own in each arm."""
    strata = len(weight)
    columns = np.hstack([x * treated[:, None], x * ~treated[:, None]])
    cells = _cells(two, columns, treated * strata + stratum, 2 * strata)
    zero = np.zeros(columns.shape[1])
    empty = np.zeros(strata)
    return Comparison(
        table=two,
        in_treated=treated,
        cells=cells,
        treated=Functional(x=zero, group=np.concatenate([empty, weight])),
        control=Functional(x=zero, group=np.concatenate([weight, empty])),
        saturated=cells.cluster is None and columns.shape[1] == 0,
        method=_method(two, strata=strata, additive=False, adjusted=x.shape[1] > 0),
        notes=notes,
    )


def _additive(
    two: Grouped,
    treated: Mask,
    stratum: Ints,
    weight: Floats,
    x: Floats,
    *,
    notes: Notes,
) -> Comparison:
    """An effect common to the strata, each of which has a level of its own."""
    strata = int(stratum.max()) + 1
    d = treated[:, None].astype(float)
    columns = np.hstack([d, x, x * d])
    off, on = np.zeros(columns.shape[1]), np.zeros(columns.shape[1])
    on[0] = 1.0
    return Comparison(
        table=two,
        in_treated=treated,
        cells=_cells(two, columns, stratum, strata),
        treated=Functional(x=on, group=weight),
        control=Functional(x=off, group=weight),
        saturated=False,
        method=_method(two, strata=strata, additive=True, adjusted=x.shape[1] > 0),
        notes=notes,
    )


def _cells(two: Grouped, x: Floats, group: Ints, groups: int) -> Cells:
    cluster = None if two.cluster is None else two.cluster.codes
    return Cells(n=two.n, y=two.y, yy=two.yy, x=x, group=group, groups=groups, cluster=cluster)


def _method(two: Grouped, *, strata: int, additive: bool, adjusted: bool) -> str:
    parts = ["Lin (2013) regression adjustment" if adjusted else "difference in means"]
    if additive:
        parts.append("block fixed effects")
    elif strata > 1:
        parts.append("post-stratified")
    parts.append("HC2" if two.cluster is None else "CR2 by cluster")
    plain = not (additive or adjusted or two.cluster is not None)
    parts.append("Welch–Satterthwaite df" if plain else "Bell–McCaffrey df")
    return ", ".join(parts)


def _moments(cells: Cells) -> Moments:
    """Of every group level."""
    if cells.group is None:
        raise ValueError("a saturated model has a group")
    n = np.bincount(cells.group, cells.n, cells.groups)
    mean = np.bincount(cells.group, cells.y, cells.groups) / n
    within = (
        np.maximum(cells.yy - cells.y**2 / cells.n, 0)
        + cells.n * (cells.y / cells.n - mean[cells.group]) ** 2
    )
    return Moments(
        n.astype(float), mean, np.bincount(cells.group, within, cells.groups) / np.maximum(n - 1, 1)
    )


def _closed_form(moments: Moments, functional: Functional) -> Robust:
    """One mean a group level: HC2 is Neyman's variance; degrees of freedom after Satterthwaite."""
    n, mean, variance = moments
    parts = functional.group**2 * variance / n
    total = float(parts.sum())
    squares = float((parts**2 / np.maximum(n - 1, 1)).sum())
    used = functional.group != 0
    return Robust(
        estimate=float(functional.group @ mean),
        se=float(np.sqrt(total)),
        df=total**2 / squares if squares > 0 else float((n[used] - 1).sum()),
        identified=bool((n[used] > 1).all()),
    )
