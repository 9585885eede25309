"""Randomisation inference: what the assignment alone could have done (Fisher 1935).

The assignment is drawn again by the trial's own design, so that strata, clusters, switchback
calendars and minimisation are honoured. The statistic is studentised, which keeps the test valid
for the average effect as well as for the sharp null (Wu & Ding 2021). Draws under the sharp null
of no effect on anybody; with several arms that of no difference between those that the redraw
moves units between (two only, by :mod:`trials.designs.pairwise`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.estimates import Absent
from analysis.frequentist.inversion import boundary
from analysis.frequentist.regression import SATURATED
from analysis.tables import Floats, Grouped, Ints

Redraw = Callable[[np.random.Generator], Ints]
"""Draws once more: the arm code of every randomised unit, in the order of its summaries."""

EXACT_UP_TO = 40_000
"""Designs with no more assignments than this are enumerated."""

_BATCH = 4_000_000
_TIE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomised:
    """What happened to the randomised units: one entry a unit (a person, a cluster, a period).

    ``arm`` is what it was given; ``n`` and ``y`` count the people with a known outcome in it and
    add their outcomes (``n`` is 0 where none is known). ``stratum`` holds codes; outcomes are
    compared with their stratum's mean.
    """

    arm: Ints
    n: Floats
    y: Floats
    stratum: Ints | None = None

    @classmethod
    def of(cls, table: Grouped, *, by: str = "cluster") -> Randomised:
        """One entry a cluster (or period), in the order of the key's levels that occur.

        Raises:
            ValueError: the table has no such key.
        """
        key = {"cluster": table.cluster, "period": table.period}[by]
        if key is None:
            raise ValueError(f"the table has no {by}")
        known = key.codes >= 0
        codes, first, into = np.unique(key.codes[known], return_index=True, return_inverse=True)
        size = len(codes)
        return cls(
            arm=table.arm[known][first],
            n=np.bincount(into, table.n[known], size).astype(float),
            y=np.bincount(into, table.y[known], size).astype(float),
            stratum=None if table.stratum is None else table.stratum.codes[known][first],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomisationTest:
    """A two-sided randomisation p-value.

    ``draws`` is the number of assignments compared with; ``mcse`` the Monte Carlo error of ``p``
    (zero where all assignments were enumerated).
    """

    p: float
    statistic: float
    draws: int
    exact: bool
    mcse: float


def randomisation_test(
    units: Randomised,
    redraw: Redraw,
    rng: np.random.Generator,
    *,
    arm: int,
    versus: int,
    draws: int = 2000,
) -> RandomisationTest | Absent:
    """Two-sided p-value ``(1 + k)/(1 + draws)`` (Phipson & Smyth 2010)."""
    reference = _reference(units, arm, versus, _drawn(redraw, rng, draws, len(units.arm)))
    if isinstance(reference, Absent):
        return reference
    seen, others = reference.statistics(0.0)
    if not np.isfinite(seen):
        return _no_spread()
    p = (1 + _as_extreme(seen, others)) / (1 + draws)
    return RandomisationTest(
        p=p, statistic=seen, draws=draws, exact=False, mcse=math.sqrt(p * (1 - p) / draws)
    )


def exact_randomisation_test(
    units: Randomised, assignments: npt.NDArray[np.int64], *, arm: int, versus: int
) -> RandomisationTest | Absent:
    """Two-sided p-value over all equally likely assignments (assignments by units).

    Raises:
        ValueError: the assignment that was made is not among them, or there are too many.
    """
    if len(assignments) > EXACT_UP_TO:
        raise ValueError(f"more than {EXACT_UP_TO} assignments: draw from them instead")
    if not (assignments == units.arm).all(axis=1).any():
        raise ValueError("the assignment that was made is not among those listed")
    reference = _reference(units, arm, versus, iter([assignments]))
    if isinstance(reference, Absent):
        return reference
    seen, others = reference.statistics(0.0)
    if not np.isfinite(seen):
        return _no_spread()
    p = _as_extreme(seen, others) / len(assignments)
    return RandomisationTest(p=p, statistic=seen, draws=len(assignments), exact=True, mcse=0.0)


def randomisation_interval(
    units: Randomised,
    redraw: Redraw,
    rng: np.random.Generator,
    *,
    arm: int,
    versus: int,
    draws: int = 2000,
    level: float = 0.95,
) -> tuple[float, float] | Absent:
    """The constant effects that the randomisation test does not reject (Rosenbaum 2002, 2.4).

    An end is infinite where the draws are too few for the level ever to reject.
    """
    reference = _reference(units, arm, versus, _drawn(redraw, rng, draws, len(units.arm)))
    if isinstance(reference, Absent):
        return reference
    effect, se = reference.seen_effect()
    if se <= 0:
        return _no_spread()

    def kept(shift: float) -> bool:
        seen, others = reference.statistics(shift)
        return (1 + _as_extreme(seen, others)) / (1 + len(others)) > 1 - level

    ends = [boundary(kept, effect, side * se) for side in (-1.0, 1.0)]
    return ends[0], ends[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """Sums per arm of the seen assignment (first row) and of each other one.

    Columns: units with n > 0; n; r; rz; nn; rr; r·rz; rz·rz; n·r; n·rz; with ``r`` the outcome
    less its stratum's mean and ``rz`` the same of the units' own treatment.
    """

    treated: Floats
    control: Floats

    def statistics(self, shift: float) -> tuple[float, Floats]:
        """Studentised difference less ``shift`` in the seen and in the other assignments."""
        with np.errstate(divide="ignore", invalid="ignore"):
            m1, v1 = _moments(self.treated, shift)
            m0, v0 = _moments(self.control, shift)
            values = (m1 - m0) / np.sqrt(v1 + v0)
        return float(values[0]), np.where(np.isnan(values[1:]), 0.0, values[1:])

    def seen_effect(self) -> tuple[float, float]:
        """The shift at which the seen assignment's difference is zero, and its standard error."""
        at = []
        for shift in (0.0, 1.0):
            m1, v1 = _moments(self.treated[:1], shift)
            m0, v0 = _moments(self.control[:1], shift)
            at.append((float(m1[0] - m0[0]), float(v1[0] + v0[0])))
        slope = at[0][0] - at[1][0]
        return (at[0][0] / slope, math.sqrt(at[0][1]) / slope) if slope > SATURATED else (0.0, 0.0)


def _moments(sums: Floats, shift: float) -> tuple[Floats, Floats]:
    """Mean a person and its variance over units, of outcomes less ``shift`` times treatment."""
    units, n, r, rz, nn, rr, rrz, rzrz, nr, nrz = sums.T
    total = r - shift * rz
    squares = rr - 2 * shift * rrz + shift**2 * rzrz
    cross = nr - shift * nrz
    mean = total / n
    spread = np.maximum(squares - 2 * mean * cross + mean**2 * nn, 0.0)
    spread = np.where(spread > _TIE**2 * np.maximum(rr, 1e-300), spread, 0.0)
    return mean, spread / n**2 * units / (units - 1)


def _reference(
    units: Randomised, arm: int, versus: int, assignments: Iterator[npt.NDArray[np.int64]]
) -> _Reference | Absent:
    known = units.n > 0
    for code in (arm, versus):
        if int((known & (units.arm == code)).sum()) < 2:
            return Absent("too-few-units", "An arm has fewer than two randomised units.")
    columns = _columns(units, arm)
    treated = [columns.T @ (units.arm == arm)]
    control = [columns.T @ (units.arm == versus)]
    for block in assignments:
        treated.extend((block == arm).astype(float) @ columns)
        control.extend((block == versus).astype(float) @ columns)
    return _Reference(treated=np.array(treated), control=np.array(control))


def _columns(units: Randomised, arm: int) -> Floats:
    n = units.n
    own = (units.arm == arm).astype(float) * n
    r = _centred(units, units.y)
    rz = _centred(units, own)
    return np.column_stack(
        [(n > 0).astype(float), n, r, rz, n * n, r * r, r * rz, rz * rz, n * r, n * rz]
    )


def _centred(units: Randomised, values: Floats) -> Floats:
    """Values less what the unit's people would have at their stratum's mean.

    The mean is over all arms' units, so that it does not change with the assignment.
    """
    code = np.zeros(len(values), dtype=np.int64)
    if units.stratum is not None:
        code = np.unique(units.stratum, return_inverse=True)[1].astype(np.int64)
    n = np.bincount(code, units.n)
    mean = np.divide(np.bincount(code, values), n, out=np.zeros_like(n), where=n > 0)
    centred: Floats = values - units.n * mean[code]
    return centred


def _drawn(
    redraw: Redraw, rng: np.random.Generator, draws: int, units: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Redrawn assignments, some at a time."""
    batch = max(_BATCH // max(units, 1), 1)
    for start in range(0, draws, batch):
        yield np.array([redraw(rng) for _ in range(min(batch, draws - start))])


def _as_extreme(seen: float, others: Floats) -> int:
    return int((np.abs(others) >= abs(seen) * (1 - _TIE)).sum())


def _no_spread() -> Absent:
    return Absent("no-variation", "Every unit had the same outcome: nothing to compare.")
