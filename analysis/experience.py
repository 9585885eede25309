"""What a council's own past says for planning: a trial it has run, or a file of past outcomes.

The figures that a plan needs (the rate under today's wording, its spread, how alike members of a
cluster are, how much periods differ) are read off data rather than guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import numpy as np

from analysis import facts, reading
from analysis.estimates import Absent
from analysis.planning.history import (
    ClusterHistory,
    intra_cluster_correlation,
    period_cv,
    ratio_sd,
)
from analysis.planning.request import Kind
from analysis.tables import Floats, Grouped, Key
from trials import clock, files, registry
from trials.errors import Conflict, Invalid, Problem, SignpostError
from trials.plurals import counted
from trials.store.engine import Store

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What was found; ``None`` where the past cannot say. ``says`` tells it in sentences.

    The fields are those of :class:`analysis.planning.PowerRequest` of the same name.
    """

    kind: Kind
    baseline: float | None = None
    sd: float | None = None
    icc: float | None = None
    cluster_size: float | None = None
    cluster_cv: float | None = None
    period_cv: float | None = None
    says: tuple[str, ...] = field(default=())


def of_trial(store: Store, key: str, metric: str | None = None) -> Experience:
    """What the control arm of an earlier trial says of one of its metrics (the primary).

    Raises:
        NotFound: there is no such trial.
        Conflict: nobody was assigned, or the metric has no data.
        SignpostError: the trial has no such metric, or one whose spread cannot be planned from.
    """
    with store.read() as session:
        record = registry.load(session, key)
        arms = facts.arm_names(session, record.id)
        known = reading.known(session, record.id)
    trial = record.definition
    names = {one.key: one for one in trial.metrics}
    if metric is not None and metric not in names:
        raise SignpostError(f"trial {key!r} has no metric {metric!r}",
                            f"use one of {', '.join(names)}")  # fmt: skip
    wanted = trial.primary if metric is None else names[metric]
    cutoff = clock.epoch(clock.now())
    table = reading.read(store, record, list(arms), known, cutoff=cutoff).tables[wanted.key]
    if isinstance(table, Absent):
        raise Conflict(f"trial {key!r} says nothing of {wanted.key!r}: {table.why}",
                       "choose another metric")  # fmt: skip
    control = table.only_arms([table.control])
    source = f"the control arm of {key}"
    if trial.design.kind == "switchback" and control.period is not None:
        return _of_periods(*_by_period(control), wanted.kind, source)
    return of_units(control, wanted.kind, source)


def of_file(
    path: Path, kind: Kind, *, value: str = "value", cluster: str | None = None,
    denominator: str | None = None,
) -> Experience:  # fmt: skip
    """What a file of past outcomes says: one row a unit, or one row a ``period``.

    A period that is an ISO date is set beside others of its weekday, as the analysis will do; a
    column ``label`` says otherwise what goes together.

    Raises:
        Invalid: a column is missing or a value is no number; all such rows are listed.
    """
    numbers = [value, *([denominator] if denominator else [])]
    found = _columns(path, numbers, [cluster] if cluster else [])
    y = np.array([float(text) for text in found[value]])
    if found["period"]:
        return _of_periods(y, found["label"] or _weekdays(found["period"]), kind, path.name)
    d = np.array([float(text) for text in found[denominator]]) if denominator else None
    return of_units(_table(y, d, found[cluster] if cluster else None), kind, path.name)


def _columns(path: Path, numbers: list[str], texts: list[str]) -> dict[str, list[str]]:
    """The named columns, and ``period`` and ``label`` where there are such; numbers checked."""
    found: dict[str, list[str]] = {n: [] for n in (*numbers, *texts, "period", "label")}
    problems: list[Problem] = []
    with files.open_table(path) as table:
        places = {name: table.index(name) for name in found}
        lacking = [name for name in (*numbers, *texts) if places[name] is None]
        if lacking:
            raise Invalid(path.name, [Problem("line 1", f"has no column {n!r}") for n in lacking])
        for line, row in table.rows:
            for name, place in places.items():
                if place is not None:
                    found[name].append(row[place].strip())
            bad = [name for name in numbers if not _is_number(found[name][-1])]
            problems += [Problem(f"line {line}", f"{name} is not a number") for name in bad]
    if not problems and not found[numbers[0]]:
        problems = [Problem("line 2", "there are no rows")]
    if problems:
        raise Invalid(path.name, problems)
    return found


def of_units(table: Grouped, kind: Kind, source: str) -> Experience:
    """Baseline, spread and, where the table carries clusters, their likeness.

    Raises:
        SignpostError: the kind is a time to an event, or fewer than two outcomes are known.
    """
    if kind == "time-to-event":
        raise SignpostError("a time to an event is planned from its baseline alone",
                            "give baseline: the share with the event by the end")  # fmt: skip
    n = table.total
    if n < 2:
        raise SignpostError(f"{source} holds fewer than two outcomes", "give baseline and sd")
    mean = float(table.y.sum()) / n
    sd = float(np.sqrt(max(float(table.yy.sum()) - n * mean**2, 0.0) / (n - 1)))
    if kind == "ratio":
        linear = ratio_sd(table)
        if isinstance(linear, Absent):
            raise SignpostError(f"{source}: {linear.why}", "name the denominator's column")
        sd = linear
        mean = float(table.y.sum() / table.d.sum()) if table.d is not None else mean
    says = [f"From {source}: {counted(n, 'outcome')}, baseline {mean:.4g}, sd {sd:.4g}."]
    made = Experience(kind=kind, baseline=mean, sd=None if kind == "proportion" else sd)
    if table.cluster is not None:
        return _with_clusters(made, intra_cluster_correlation(table), says)
    return _saying(made, says)


def _with_clusters(made: Experience, found: ClusterHistory | Absent, says: list[str]) -> Experience:
    if isinstance(found, Absent):
        return _saying(made, [*says, f"Its clusters say nothing: {found.why}"])
    held = f"Its {found.clusters:,} clusters hold {found.size:.3g} on average (cv {found.cv:.2g}); "
    alike = f"their icc is {found.icc:.3g}, 95% interval {found.low:.3g} to {found.high:.3g}."
    says = [*says, held + alike]
    if found.icc < 0:
        says.append("An icc below 0 is planned as 0.")
    icc = max(found.icc, 0.0)
    return _saying(replace(made, icc=icc, cluster_size=max(found.size, 1.0), cluster_cv=found.cv),
                   says)  # fmt: skip


def _of_periods(values: Floats, labels: list[str] | None, kind: Kind, source: str) -> Experience:
    found = period_cv(list(values), labels)
    if isinstance(found, Absent):
        raise SignpostError(f"{source}: {found.why}", "give period-cv yourself")
    mean = float(np.mean(values))
    beside = " after what their labels explain" if labels else ""
    told = f"From {source}: {counted(len(values), 'period')}, {mean:.4g} on average, which vary by "
    says = [f"{told}{100 * found:.3g}%{beside}."]
    return _saying(Experience(kind=kind, baseline=mean, period_cv=found), says)


def _by_period(table: Grouped) -> tuple[Floats, list[str] | None]:
    """Each period's mean, and its stratum where the calendar has strata."""
    assert table.period is not None
    whole = table.collapse("period", "stratum")
    assert whole.period is not None
    known = whole.n > 0
    strata = whole.stratum
    labels = None if strata is None else [str(code) for code in strata.codes[known].tolist()]
    return whole.y[known] / whole.n[known], labels


def _table(y: Floats, d: Floats | None, clusters: list[str] | None) -> Grouped:
    """One cell a row, all of one arm."""
    key = None
    if clusters is not None:
        levels, codes = np.unique(clusters, return_inverse=True)
        key = Key(name="cluster", codes=codes.astype(np.int64), levels=tuple(levels.tolist()))
    return Grouped(
        arms=("past",), control=0, weights=(1.0,), arm=np.zeros(len(y), np.int64),
        n=np.ones(len(y)), y=y, yy=y * y, cluster=key,
        d=d, dd=None if d is None else d * d, dy=None if d is None else d * y,
    )  # fmt: skip


def _weekdays(periods: list[str]) -> list[str] | None:
    try:
        return [WEEKDAYS[date.fromisoformat(text).weekday()] for text in periods]
    except ValueError:
        return None


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _saying(made: Experience, says: list[str]) -> Experience:
    return replace(made, says=tuple(says))
