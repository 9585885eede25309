"""What the pass over the log brings back, as the grouped tables that statistics take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.compress.frame import Asked
from analysis.compress.periods import has_clusters, has_strata
from analysis.tables import Floats, Grouped, Ints, Key, number
from trials.definition.model import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """All metrics of a trial, grouped, and how many units stand behind them.

    ``by_period`` counts the units of each period of a trial that is randomised over time.
    """

    metrics: Mapping[str, Grouped]
    assigned: tuple[int, ...]
    matured: tuple[int, ...]
    clusters: tuple[int, ...] | None
    open_units: Mapping[str, float]
    by_period: Mapping[str, float] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """Everyone assigned to an arm."""
        return sum(self.assigned)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an engine's answer, as NumPy arrays."""

    table: pa.Table

    def floats(self, name: str) -> Floats:
        """A column of numbers; NULL is 0."""
        column = self.table.column(name).combine_chunks()
        return np.asarray(column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False))

    def has(self, name: str) -> bool:
        """Whether there is such a column."""
        return name in self.table.column_names

    def texts(self, name: str) -> list[str | None]:
        """A column as text, whatever it holds; NULL is ``None``."""
        return [None if v is None else str(v) for v in self.table.column(name).to_pylist()]


def of_attributes(trial: Trial) -> bool:
    """Whether a segment or a covariate of the plan is read from the units' own attributes."""
    own = [name for name in trial.analysis.adjust if not name.startswith("pre:")]
    return bool(trial.analysis.segments or own)


def build(
    result: pa.Table, trial: Trial, arm_ids: Sequence[int], asked: Sequence[Asked],
    pre: Sequence[Asked] = (),
) -> Compressed:  # fmt: skip
    """The grouped tables of every metric from the one result of the pass.

    Columns of ``result`` are those of :func:`analysis.compress.frame.cells`.
    """
    columns = Columns(result)
    code = {number: i for i, number in enumerate(arm_ids)}
    arm = np.array([code[int(a)] for a in columns.texts("arm_id")], dtype=np.int64)  # type: ignore[arg-type]
    documents = [json.loads(text) if text else {} for text in columns.texts("attributes")]
    shared = _Shared.of(trial, columns, documents, pre)
    units = columns.floats("units")
    metrics = {one.metric.key: _grouped(trial, columns, one, arm, units, shared) for one in asked}
    k = len(trial.arms)
    primary = next(one for one in asked if one.metric.key == trial.primary.key)
    still_open = columns.floats(f"{primary.open}_n")
    return Compressed(
        metrics=metrics,
        assigned=_counts(arm, units, k),
        matured=_counts(arm, units - still_open, k),
        clusters=_clusters(arm, shared.cluster, k),
        open_units={one.metric.key: float(columns.floats(f"{one.open}_n").sum()) for one in asked},
        by_period=_by_period(shared.period, units),
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What every metric's table has in common."""

    stratum: Key | None
    cluster: Key | None
    period: Key | None
    segments: dict[str, Key]
    x: Floats | None
    covariates: tuple[str, ...]

    @classmethod
    def of(
        cls, trial: Trial, columns: Columns, documents: list[dict[str, str]],
        pre: Sequence[Asked],
    ) -> _Shared:  # fmt: skip
        stratum = key_of("stratum", columns.texts("stratum"))
        cluster = key_of("cluster", columns.texts("cluster"))
        segments = {
            name: key_of(name, [d.get(name) for d in documents]) for name in trial.analysis.segments
        }
        parts = [
            _covariate(name, [d.get(name, "") for d in documents])
            for name in trial.analysis.adjust if not name.startswith("pre:")
        ]  # fmt: skip
        parts += [
            ([f"pre:{one.metric.key}"], columns.floats(f"{one.column}_pre")[:, None]) for one in pre
        ]
        names = [name for some, _ in parts for name in some]
        return cls(
            stratum=stratum if has_strata(trial) else None,
            cluster=cluster if has_clusters(trial) else None,
            period=key_of("period", columns.texts("period")) if columns.has("period") else None,
            segments={name: key for name, key in segments.items() if key is not None},
            x=np.hstack([values for _, values in parts]) if names else None,
            covariates=tuple(names),
        )


def key_of(name: str, values: Sequence[str | None]) -> Key | None:
    """A column of labels as codes; ``None`` when no cell has one."""
    levels = sorted({value for value in values if value is not None})
    if not levels:
        return None
    index = {level: i for i, level in enumerate(levels)}
    codes = np.array([-1 if v is None else index[v] for v in values], dtype=np.int64)
    return Key(name=name, codes=codes, levels=tuple(levels))


def _covariate(name: str, values: Sequence[str]) -> tuple[list[str], Floats]:
    """A covariate as numbers; where any value is no number, as one column a category.

    A missing value of a numeric covariate becomes the mean of the known ones, with a column that
    says it was missing (Lin 2013, section 5; unbiased because the covariate precedes assignment).
    """
    numbers = [number(value) for value in values]
    if any(n is None and v for n, v in zip(numbers, values, strict=True)):
        levels = sorted(set(values))[1:]
        columns = [[float(v == level) for v in values] for level in levels]
        return [f"{name}={level}" for level in levels], np.array(columns, float).T.reshape(
            len(values), len(levels)
        )
    absent = np.array([n is None for n in numbers])
    filled = np.array([0.0 if n is None else n for n in numbers])
    if not absent.any():
        return [name], filled[:, None]
    filled[absent] = filled[~absent].mean() if (~absent).any() else 0.0
    return [name, f"{name} not known"], np.column_stack([filled, absent.astype(float)])


def _grouped(
    trial: Trial, columns: Columns, one: Asked, arm: Ints, units: Floats, shared: _Shared
) -> Grouped:
    n = columns.floats(f"{one.use}_n")
    ratio, took = one.metric.denominator is not None, columns.has(f"{one.column}_u")
    return Grouped(
        arms=tuple(a.key for a in trial.arms),
        control=next(i for i, a in enumerate(trial.arms) if a.control),
        weights=tuple(a.weight for a in trial.arms),
        arm=arm, n=n, y=columns.floats(f"{one.column}_s"), yy=columns.floats(f"{one.column}_ss"),
        missing=units - n - columns.floats(f"{one.open}_n"),
        d=columns.floats(f"{one.column}_d") if ratio else None,
        dd=columns.floats(f"{one.column}_dd") if ratio else None,
        dy=columns.floats(f"{one.column}_dy") if ratio else None,
        u=columns.floats(f"{one.column}_u") if took else None,
        uy=columns.floats(f"{one.column}_uy") if took else None,
        stratum=shared.stratum, cluster=shared.cluster, period=shared.period,
        segments=shared.segments, x=shared.x, covariates=shared.covariates,
    )  # fmt: skip


def _by_period(period: Key | None, units: Floats) -> dict[str, float]:
    if period is None:
        return {}
    counts = np.bincount(period.codes, units, len(period.levels))
    return dict(zip(period.levels, counts.tolist(), strict=True))


def _counts(arm: Ints, units: Floats, k: int) -> tuple[int, ...]:
    return tuple(int(n) for n in np.bincount(arm, units, k))


def _clusters(arm: Ints, cluster: Key | None, k: int) -> tuple[int, ...] | None:
    if cluster is None:
        return None
    pairs: npt.NDArray[np.int64] = np.unique(np.column_stack([arm, cluster.codes]), axis=0)
    return tuple(int(n) for n in np.bincount(pairs[:, 0], minlength=k))
