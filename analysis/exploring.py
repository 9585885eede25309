"""Asking a question outside the plan: one pass over the log, the same estimator, no verdict.

The log is read as it stood for the result that is shown, so that a question can look no further
than the look that has come.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis import estimation, explored, facts, looking, reading
from analysis.estimates import Absent
from analysis.tables import Grouped, Ints, Key, number
from trials import audit, clock, registry
from trials.definition.model import Trial
from trials.errors import SignpostError
from trials.store.engine import Store
from trials.store.tables import ExplorationRow

MOST = 20
"""A column with more levels than this is no grouping, unless it holds numbers."""
_FEW = 8
"""Numbers with more values than this are put into quarters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to ask of which trial, and who asks."""

    key: str
    measure: str
    segment: str = ""
    actor: str = "analyst"


def explore(store: Store, order: Order) -> int:
    """Answer a question and keep the answer; answers its place among the trial's questions.

    The same question of the same run is answered once and counted once.

    Raises:
        NotFound: there is no such trial.
        Conflict: no result may be shown yet, or the question is in the plan.
        SignpostError: there is no such measure or column, or nothing can be compared.
    """
    with store.read() as session:
        record = registry.load(session, order.key)
        asked = explored.question(record.definition, order.measure, order.segment)
        run = explored.shown_run(session, order.key)
        run_id, cutoff = run.id, run.cutoff
        if (place := _place(session, record.id, run_id, order)) is not None:
            return place
        arms = facts.arm_names(session, record.id)
        known = reading.known(session, record.id)
    trial = _widened(record.definition, asked)
    numbers = {asked.metric.key: 0} | dict(known.numbers)
    table = reading.measure(
        store, replace(record, definition=trial), list(arms), replace(known, numbers=numbers),
        asked.metric.key, cutoff=_moment(record, cutoff),
    )  # fmt: skip
    document = answer(trial, asked, table)
    with store.write() as session:
        if (place := _place(session, record.id, run_id, order)) is not None:
            return place
        session.add(ExplorationRow(
            trial_id=record.id, run_id=run_id, measure=order.measure, segment=order.segment,
            at=clock.now(), actor=order.actor, document=document,
        ))  # fmt: skip
        session.flush()
        place = explored.count(session, order.key)
        audit.record(session, "explored outside the plan", order.key, actor=order.actor, detail={
            "measure": order.measure, "segment": order.segment, "run": run_id,
            "question": place})  # fmt: skip
    return place


def answer(
    trial: Trial, asked: explored.Question, table: Grouped | Absent
) -> dict[str, Any]:  # fmt: skip
    """The answer, nothing adjusted: ``label, metric, segment, groups, interactions``.

    Raises:
        SignpostError: the metric cannot be had, or the column is no grouping.
    """
    if isinstance(table, Absent):
        raise SignpostError(f"this measure cannot be had: {table.why[0].lower()}{table.why[1:-1]}",
                            "choose another")  # fmt: skip
    metric, by = asked.metric, asked.segment
    if by:
        table = replace(table, segments={by: _levels(by, table)})
        groups = estimation.segments_json(trial, metric, table, "frequentist")
    else:
        found = estimation.whole(trial, metric, table)
        groups = [{"by": None, "level": None, "arms": estimation.arms_json(metric, table),
                   "contrasts": [contrast.to_json() for contrast in found]}]  # fmt: skip
    return {
        "label": explored.LABEL,
        "metric": metric.model_dump(mode="json"),
        "segment": by,
        "groups": groups,
        "interactions": [
            {name: value for name, value in test.items() if name != "p_adjusted"}
            for test in (estimation.interactions_json(table, metric) if by else ())
        ],
    }  # fmt: skip


def _place(session: Session, trial_id: int, run_id: int, order: Order) -> int | None:
    """Which of the trial's questions this is, if it was asked of this run before."""
    row = ExplorationRow
    found = session.scalar(
        sa.select(row.id).where(row.run_id == run_id, row.measure == order.measure,
                                row.segment == order.segment)
    )  # fmt: skip
    if found is None:
        return None
    before = sa.select(sa.func.count()).where(row.trial_id == trial_id, row.id <= found)
    return int(session.scalar(before) or 0)


def _widened(trial: Trial, asked: explored.Question) -> Trial:
    """The plan with the question's metric and grouping in it, for the reading alone."""
    others = tuple(metric for metric in trial.metrics if metric.key != asked.metric.key)
    metrics = trial.metrics if len(others) < len(trial.metrics) else (*others, asked.metric)
    by = (asked.segment,) if asked.segment else ()
    return trial.model_copy(update={
        "metrics": metrics, "analysis": trial.analysis.model_copy(update={"segments": by}),
    })  # fmt: skip


def _moment(record: registry.TrialRecord, cutoff: int) -> int:
    """The end of the data that the shown result speaks of."""
    over = record.state in {"stopped", "decided"}
    at = looking.place(record.definition, cutoff=cutoff, over=over)
    return at.due[-1].cutoff if at.kind == "group-sequential" and at.due else cutoff


def _levels(by: str, table: Grouped) -> Key:
    """The column's groups; a number of many values in quarters of the units."""
    key = table.segments.get(by)
    if key is None:
        raise SignpostError(f"the column {by!r} is empty for every unit", "choose another")
    if len(key.levels) <= _FEW:
        return key
    numbers = [number(level) for level in key.levels]
    known = [n for n in numbers if n is not None]
    if len(known) < len([level for level in key.levels if level]):
        if len(key.levels) > MOST:
            raise SignpostError(f"the column {by!r} has {len(key.levels):,} different values",
                                f"choose one with at most {MOST}")  # fmt: skip
        return key
    return _quarters(key, numbers, table)


def _quarters(key: Key, numbers: list[float | None], table: Grouped) -> Key:
    """Four groups of about as many units each, whatever their arm."""
    values = np.array([np.nan if n is None else n for n in numbers])[key.codes]
    values[key.codes < 0] = np.nan
    told = ~np.isnan(values)
    order = np.argsort(values[told], kind="stable")
    shares = np.cumsum(table.n[told][order]) / table.n[told].sum()
    at = np.searchsorted(shares, (0.25, 0.5, 0.75))
    cuts = np.unique(values[told][order][at])
    distinct = np.unique(values[told])
    cuts = cuts[cuts < distinct[-1]] if cuts[0] < distinct[-1] else distinct[-2:-1]
    codes: Ints = np.where(told, np.searchsorted(cuts, values), -1).astype(np.int64)
    ends = [f"{cut:,.10g}" for cut in cuts]
    between = [f"over {low}, up to {high}" for low, high in pairwise(ends)]
    levels = [f"up to {ends[0]}", *between, f"over {ends[-1]}"]
    for code in range(len(levels)):
        mine = np.unique(values[codes == code])
        if len(mine) == 1:
            levels[code] = f"{mine[0]:,.10g}"
    return Key(name=key.name, codes=codes, levels=tuple(levels))
