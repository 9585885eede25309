"""Outcomes measured elsewhere: paid, voted, completed a form.

Long (``unit``, ``metric``, ``value``, ``observed_at``) or wide (``unit`` and one column a metric).
A value seen before with different content is a correction: the newer wins, the change is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from trials import files, registry
from trials.definition.model import Metric, Trial
from trials.definition.near import nearest
from trials.errors import Invalid, Problem
from trials.importing import ledger, values
from trials.importing.assignments import batches
from trials.importing.columns import required, scope, unit_problem
from trials.importing.exposures import refuse_strangers
from trials.people.identifiers import Hasher
from trials.plurals import counted
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import MetricRow

COLUMNS: dict[str, staging.Kind] = {
    "line": "int", "digest": "bytes", "metric": "int", "observed_at": "int", "value": "float",
}  # fmt: skip
MISSING = frozenset({"", "na", "n/a", "null", "none", "nan", "#n/a", "-", "missing"})


@dataclass(frozen=True, slots=True)
class _Reading:
    """What it takes to read one row; ``cells`` gives (metric name, text) pairs of a row."""

    unit: int
    observed_at: int | None
    cells: Callable[[files.Row], list[tuple[str, str]]]
    metrics: dict[str, int]
    parse: dict[str, Callable[[str], float]]
    scope: str
    hasher: Hasher
    refusals: Refusals


def add(
    store: Store, key: str, path: Path, *, hasher: Hasher, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in an outcomes file: whole or not at all, unless good rows are to be kept.

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: there is no such trial.
    """
    fingerprint = files.fingerprint(path)
    with store.read() as session:
        record = registry.load(session, key)
        earlier = ledger.seen_before(
            session, trial_id=record.id, kind="outcomes", fingerprint=fingerprint
        )
        found = session.execute(
            sa.select(MetricRow.key, MetricRow.id).where(MetricRow.trial_id == record.id)
        )
        metrics = {name: number for name, number in found}  # noqa: C416 - rows are not plain tuples
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    refusals = Refusals(path.name)
    with staging.stage(store, outcomes=COLUMNS) as stages:
        rows, blank = _stage(path, record.definition, metrics, hasher, refusals, stages, progress)
        _refuse_twice(stages, refusals)
        refuse_strangers(stages, "outcomes", record.id, refusals)
        refusals.raise_any(keep_good_rows=keep_good_rows)
        with stages.merge() as session:
            run = session.execute
            values_ = {"trial": record.id}
            corrected = _correct(session, record.id)
            added = run(sa.text(_NEW), values_).rowcount  # type: ignore[attr-defined]
            staged = {row.metric: row.units for row in run(sa.text(_STAGED))}
            unread = {m.key: n for m in record.definition.metrics
                      if m.source == "contacts" and (n := staged.get(metrics[m.key]))}  # fmt: skip
            report = ledger.Report(
                kind="outcomes", file=path.name, rows=rows, added=added, corrected=corrected,
                unchanged=sum(staged.values()) - added - corrected, refused=refusals.count,
                problems=tuple(refusals.problems), notes=notes(blank, unread),
                detail={"blank": blank},
            )  # fmt: skip
            entry = ledger.enter(session, report, trial_id=record.id, subject=key,
                                 fingerprint=fingerprint, actor=actor)  # fmt: skip
            run(sa.text("UPDATE corrections SET import_id = :entry "
                        "WHERE trial_id = :trial AND import_id IS NULL"),
                {"entry": entry.id, **values_})  # fmt: skip
    return report


def _correct(session: sa.orm.Session, trial_id: int) -> int:
    """Replace values that this file gives otherwise, the old ones kept; answers how many."""
    values_ = {"trial": trial_id}
    if session.execute(sa.text(_ANY), values_).first() is None:
        return 0
    changed: int = session.execute(sa.text(_KEEP_OLD), values_).rowcount  # type: ignore[attr-defined]
    if changed:
        session.execute(sa.text(_CORRECT), values_)
    return changed


def notes(blank: int, unread: Mapping[str, int]) -> tuple[str, ...]:
    """What is said of values that were taken in; ``unread`` counts those no analysis looks at."""
    found = [f"{counted(blank, 'blank value')} kept as missing, never as 0"] if blank else []
    found += [f"{counted(n, 'value')} of {name!r} kept but not used: the plan counts it from the "
              "contact log" for name, n in unread.items()]  # fmt: skip
    return tuple(found)


def _stage(
    path: Path, trial: Trial, metrics: dict[str, int], hasher: Hasher, refusals: Refusals,
    stages: staging.Staging, progress: ledger.Progress,
) -> tuple[int, int]:  # fmt: skip
    count = blank = 0
    with files.open_table(path) as table:
        required(table, ["unit"])
        reading = _Reading(
            table.index("unit") or 0, table.index("observed_at"), _cells(table, metrics), metrics,
            {metric.key: parser(metric) for metric in trial.metrics}, scope(trial), hasher,
            refusals,
        )  # fmt: skip
        for batch in batches(table.rows):
            good: list[tuple[object, ...]] = []
            for line, row in batch:
                for staged in _read(line, row, reading):
                    if staged is None:
                        blank += 1
                    else:
                        good.append(staged)
            stages["outcomes"].put(good)
            count += len(batch)
            progress(count)
    if count == 0:
        says = "the file has a header but no rows"
        raise Invalid(path.name, [Problem("", says, "export it again")])
    return count, blank


def _cells(
    table: files.Table, metrics: dict[str, int]
) -> Callable[[files.Row], list[tuple[str, str]]]:
    """How a row yields its (metric, text) pairs: one pair when long, one a column when wide."""
    metric, value = table.index("metric"), table.index("value")
    if metric is not None and value is not None:
        return lambda row: [(row[metric].strip(), row[value].strip())]
    wide = [(name, i) for name in metrics if (i := table.index(name)) is not None]
    if not wide:
        known = ", ".join(sorted(metrics))
        raise Invalid(table.name, [Problem(
            "line 1", "has neither the columns 'metric' and 'value' nor one named like a metric",
            f"the trial's metrics are {known}", 1)])  # fmt: skip
    return lambda row: [(name, row[i].strip()) for name, i in wide]


def parser(metric: Metric) -> Callable[[str], float]:
    """How a value of ``metric`` is read from text; what it raises is ``ValueRefused``."""
    if metric.kind == "proportion":
        return values.flag
    if metric.kind in {"count", "time-to-event"}:
        return _not_negative
    return values.number


def _not_negative(text: str) -> float:
    value = values.number(text)
    if value < 0:
        raise values.ValueRefused("is below 0")
    return value


def _read(line: int, row: files.Row, reading: _Reading) -> Iterator[tuple[object, ...] | None]:
    """The staged tuples of one row; ``None`` for each blank value."""
    refuse = reading.refusals.add
    unit = row[reading.unit].strip()
    if says := unit_problem(unit):
        refuse(line, says, "give every row the unit it is about")
        return
    at = 0
    if reading.observed_at is not None and row[reading.observed_at].strip():
        try:
            at = values.moment(row[reading.observed_at], end_of_day=True)
        except values.ValueRefused as refused:
            refuse(line, f"observed_at {refused}")
            return
    digest = reading.hasher.unit(reading.scope, unit)
    for name, text in reading.cells(row):
        if name not in reading.metrics:
            refuse(line, "the metric is not one of the trial's",
                   f"did you mean {nearest(name[:64], reading.metrics)!r}?")  # fmt: skip
        elif text.casefold() in MISSING:
            yield None
        else:
            try:
                yield line, digest, reading.metrics[name], at, reading.parse[name](text)
            except values.ValueRefused as refused:
                refuse(line, f"the value of {name!r} {refused}")


def _refuse_twice(stages: staging.Staging, refusals: Refusals) -> None:
    """Refuse a second value for the same moment; the same value again is merely passed over."""
    stages["outcomes"].index("digest")
    repeated = False
    for line, first, differs in stages.connection.execute(sa.text(_TWICE)):
        repeated = True
        if differs:
            refusals.add(line, f"the same unit, metric and time as line {first}, with another "
                         "value", "keep one of them")  # fmt: skip
    if repeated:
        stages.connection.exec_driver_sql(_DROP_TWICE)


_STAGED = "SELECT metric, count(*) AS units FROM stage_outcomes GROUP BY metric"
_GROUPS = """
    SELECT digest, metric, observed_at, min(line) AS first FROM stage_outcomes
    GROUP BY digest, metric, observed_at HAVING count(*) > 1"""
_TWICE_FROM = f"""
    FROM stage_outcomes s JOIN ({_GROUPS}) g
    ON g.digest = s.digest AND g.metric = s.metric AND g.observed_at = s.observed_at
    JOIN stage_outcomes f ON f.line = g.first AND f.digest = g.digest AND f.metric = g.metric
    WHERE s.line > g.first"""
_TWICE = f"SELECT s.line, g.first, s.value <> f.value {_TWICE_FROM} ORDER BY s.line"
# SQLite and PostgreSQL name a row's own address differently; (line, metric) says the same.
_DROP_TWICE = f"""
    DELETE FROM stage_outcomes WHERE (line, metric) IN (SELECT s.line, s.metric {_TWICE_FROM})"""

_ANY = "SELECT 1 FROM outcomes WHERE trial_id = :trial LIMIT 1"
_KNOWN = """
    FROM stage_outcomes s JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    JOIN outcomes o
    ON o.unit_id = k.id AND o.metric_id = s.metric AND o.observed_at = s.observed_at"""
_KEEP_OLD = f"""
    INSERT INTO corrections (trial_id, unit_id, metric_id, observed_at, before, after)
    SELECT :trial, o.unit_id, o.metric_id, o.observed_at, o.value, s.value {_KNOWN}
    WHERE o.value <> s.value"""
_CORRECT = """
    UPDATE outcomes SET value = s.value
    FROM stage_outcomes s JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    WHERE outcomes.unit_id = k.id AND outcomes.metric_id = s.metric
      AND outcomes.observed_at = s.observed_at AND outcomes.value <> s.value"""
_NEW = """
    INSERT INTO outcomes (unit_id, metric_id, observed_at, trial_id, value)
    SELECT k.id, s.metric, s.observed_at, :trial, s.value
    FROM stage_outcomes s JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    WHERE NOT EXISTS (
        SELECT 1 FROM outcomes o WHERE o.unit_id = k.id AND o.metric_id = s.metric
        AND o.observed_at = s.observed_at)"""
