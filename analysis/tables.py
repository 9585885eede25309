"""Grouped tables: all that the statistics ever see of a trial.

One pass over the log (:mod:`analysis.compress`) writes, for every combination of arm, stratum,
segment, cluster and covariate value that occurs, how many units it holds and the sums of their
outcomes. Estimates, robust errors, posteriors and power are functions of these tables, so their
cost follows the number of cells and not of people (Wong, Lewis & Wardrop 2021, "You only compress
once"). Nothing personal is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A grouping column: ``codes`` (one per cell) index into ``levels``; -1 means not known."""

    name: str
    codes: Ints
    levels: tuple[str, ...]

    def take(self, rows: npt.NDArray[np.bool_] | Ints) -> Key:
        """The same column for some of the cells."""
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """Sufficient statistics of one metric: one entry per cell in every array.

    A cell is the set of units that share arm, stratum, cluster, segment levels and the exact
    values of the covariates ``x``; ``n`` counts those whose outcome is known. ``y``/``yy`` are the
    sum and the sum of squares of the outcome; for a ratio metric ``d``/``dd``/``dy`` are the sum,
    the sum of squares and the cross-product of the denominator. ``missing`` counts units of the
    cell whose outcome is not known (they are in no sum). ``u`` counts the units that took the
    treatment up, and ``uy`` adds up their outcomes, where the plan says what uptake is.

    ``histogram`` and ``lives`` say more of the same units as a whole (every value of a count, the
    follow-up of those whose window is still open); they are gone once cells are selected.

    Where shares followed the outcomes the stratum is the batch, and ``shares`` (cells × arms) holds
    the chance that each arm had in it.

    ``arms`` are the *planned* arms in the plan's order and ``control`` indexes into them; an arm
    that nobody was given simply has no cell.
    """

    arms: tuple[str, ...]
    control: int
    weights: tuple[float, ...]
    arm: Ints
    n: Floats
    y: Floats
    yy: Floats
    missing: Floats | None = None
    d: Floats | None = None
    dd: Floats | None = None
    dy: Floats | None = None
    u: Floats | None = None
    uy: Floats | None = None
    stratum: Key | None = None
    cluster: Key | None = None
    period: Key | None = None
    segments: Mapping[str, Key] = field(default_factory=dict)
    x: Floats | None = None
    covariates: tuple[str, ...] = ()
    histogram: Histogram | None = None
    lives: LifeTable | None = None
    shares: Floats | None = None

    def __post_init__(self) -> None:
        """Check that every array has one entry a cell."""
        cells = len(self.arm)
        for name in ("n", "y", "yy", "missing", "d", "dd", "dy", "u", "uy", "x", "shares"):
            value = getattr(self, name)
            if value is not None and len(value) != cells:
                raise ValueError(f"{name} has {len(value)} entries for {cells} cells")

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return len(self.arm)

    @property
    def total(self) -> float:
        """How many units have a known outcome."""
        return float(self.n.sum())

    def where(self, rows: npt.NDArray[np.bool_]) -> Grouped:
        """Only the cells that ``rows`` (a mask) selects."""
        return self._rows(rows)

    def segment(self, by: str, level: str) -> Grouped:
        """Only the units of one level of a pre-specified segment."""
        key = self.segments[by]
        return self._rows(key.codes == key.levels.index(level))

    def only_arms(self, arms: Sequence[int]) -> Grouped:
        """Only the cells of the given arm codes; the planned arms stay listed."""
        return self._rows(np.isin(self.arm, np.asarray(arms)))

    def per_arm(self) -> tuple[Floats, Floats, Floats]:
        """``n``, ``y`` and ``yy`` summed for each planned arm (zeros for an empty one)."""
        k = len(self.arms)
        return (
            np.bincount(self.arm, self.n, k).astype(float),
            np.bincount(self.arm, self.y, k).astype(float),
            np.bincount(self.arm, self.yy, k).astype(float),
        )

    def collapse(self, *keep: str) -> Grouped:
        """Merge cells that differ only in what is not kept.

        ``keep`` names any of ``"stratum"``, ``"cluster"``, ``"period"``, ``"x"`` and segment
        names; the arm is always kept. Use it before an estimator that needs fewer keys, so that
        its cost follows the cells it needs.
        """
        columns: list[npt.NDArray[np.float64]] = [self.arm.astype(float)]
        for name in keep:
            if name == "x":
                columns.extend(self.x.T if self.x is not None else [])
                continue
            key = getattr(self, name) if name in _KEYS else self.segments[name]
            if key is not None:
                columns.append(key.codes.astype(float))
        _, first, into = np.unique(
            np.column_stack(columns), axis=0, return_index=True, return_inverse=True
        )
        return self._merged(first, into.ravel(), frozenset(keep))

    def _merged(self, first: Ints, into: Ints, keep: frozenset[str]) -> Grouped:
        def added(values: Floats | None) -> Floats | None:
            return None if values is None else np.bincount(into, values, len(first)).astype(float)

        def kept(name: str) -> Key | None:
            key: Key | None = getattr(self, name)
            return key.take(first) if key is not None and name in keep else None

        keeps_x = "x" in keep and self.x is not None
        return replace(
            self,
            arm=self.arm[first], n=_sum(into, self.n, len(first)), y=_sum(into, self.y, len(first)),
            yy=_sum(into, self.yy, len(first)), missing=added(self.missing), d=added(self.d),
            dd=added(self.dd), dy=added(self.dy), u=added(self.u), uy=added(self.uy),
            stratum=kept("stratum"), cluster=kept("cluster"), period=kept("period"),
            segments={k: v.take(first) for k, v in self.segments.items() if k in keep},
            x=self.x[first] if keeps_x and self.x is not None else None,
            shares=self.shares[first] if self.shares is not None and "stratum" in keep else None,
            covariates=self.covariates if keeps_x else (),
        )  # fmt: skip

    def _rows(self, rows: npt.NDArray[np.bool_]) -> Grouped:
        if self.histogram is None and self.lives is None and rows.all():
            return self

        def some(values: Floats | None) -> Floats | None:
            return None if values is None else values[rows]

        def key(values: Key | None) -> Key | None:
            return None if values is None else values.take(rows)

        return replace(
            self,
            arm=self.arm[rows], n=self.n[rows], y=self.y[rows], yy=self.yy[rows],
            missing=some(self.missing), d=some(self.d), dd=some(self.dd), dy=some(self.dy),
            u=some(self.u), uy=some(self.uy), shares=some(self.shares), histogram=None, lives=None,
            stratum=key(self.stratum), cluster=key(self.cluster), period=key(self.period),
            segments={k: v.take(rows) for k, v in self.segments.items()}, x=some(self.x),
        )  # fmt: skip


_KEYS = frozenset({"stratum", "cluster", "period"})


def _sum(into: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(into, values, size).astype(float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many units of each arm (and stratum) had each value of a count: one entry a cell."""

    arms: tuple[str, ...]
    control: int
    arm: Ints
    value: Floats
    n: Floats
    stratum: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeTable:
    """Events and censorings by whole time unit: one entry per (arm, stratum, time) that occurs.

    ``time`` is in ``time_unit``s since the start of follow-up; ``events`` and ``censored`` count
    the units whose follow-up ended then, with or without the event.
    """

    arms: tuple[str, ...]
    control: int
    arm: Ints
    time: Floats
    events: Floats
    censored: Floats
    time_unit: str = "day"
    stratum: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Sufficient statistics of an amount that is often zero (time, cost): one entry a cell.

    ``n`` units, of which ``positive`` had an amount above zero whose logarithms sum to ``log_sum``
    and their squares to ``log_square``.
    """

    arms: tuple[str, ...]
    control: int
    arm: Ints
    n: Floats
    positive: Floats
    log_sum: Floats
    log_square: Floats
    stratum: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The ways a unit's contacts can go, each unit in exactly one: one entry per (arm, path).

    ``path`` names the ways; for each way ``index_handled`` says whether an agent handled the index
    contact and ``contacts`` how many agent-handled contacts a unit that went this way made in the
    window, the index contact included (a mean where it varies).
    """

    arms: tuple[str, ...]
    control: int
    arm: Ints
    path: Key
    n: Floats
    index_handled: tuple[bool, ...]
    contacts: tuple[float, ...]


def number(text: str) -> float | None:
    """The finite number that a text is; ``None`` where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
