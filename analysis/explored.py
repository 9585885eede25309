"""Questions outside the plan: which can be asked, which were, and what they say taken together.

An answer found by looking around is a hint for the next trial and no finding of this one. So every
question asked is kept and counted, and all their answers are one family: p-values by Benjamini and
Hochberg (1995), intervals by the false-coverage rate (Benjamini and Yekutieli 2005). Each further
question makes the earlier ones more cautious. Nothing here reaches a result document, a decision,
a case, a mail or a summary. Light enough for a web process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.estimates import Estimate
from analysis.frequentist.multiplicity import adjust, levels, stretched
from analysis.report.withhold import sentence
from trials import registry
from trials.definition import catalogue
from trials.definition.model import Metric, Trial
from trials.definition.near import nearest
from trials.errors import Conflict, SignpostError
from trials.store.tables import ExplorationRow, RunRow

LABEL = "Exploratory: not in the plan"
METHOD = "benjamini-hochberg"
SHARED = "shared-"
"""How the key of a measure begins that comes from the shared ones and not from the plan."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A metric, and the column to group people by (empty: everybody together)."""

    metric: Metric
    segment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """One question with its answer: ``document`` holds ``groups`` and ``interactions``.

    ``groups`` are as a result's segments (``by, level, arms, contrasts``), every difference and
    every test of an interaction adjusted for all questions asked so far.
    """

    number: int
    at: datetime
    actor: str
    run: int
    metric: Metric
    segment: str
    document: Json


def measures(trial: Trial) -> dict[str, Metric]:
    """What can be asked about: the plan's metrics, then shared ones that the log can give."""
    planned = {metric.key: metric for metric in trial.metrics}
    if not any(metric.source == "contacts" for metric in trial.metrics):
        return planned
    found, said = dict(planned), {_said(metric) for metric in trial.metrics}
    for shared in catalogue.measures().values():
        metric, key = shared.metric, f"{SHARED}{shared.key}"
        wanted = metric.source == "contacts" and metric.kind != "ratio"
        if wanted and key not in planned and _said(metric) not in said:
            said.add(_said(metric))
            found[key] = metric.model_copy(update={"key": key, "role": "secondary"})
    return found


def segments(trial: Trial) -> tuple[str, ...]:
    """The columns to group people by: those the plan had kept, for no other was."""
    return tuple(name for name in trial.columns if name != trial.design.cluster)


def question(trial: Trial, measure: str, segment: str = "") -> Question:
    """The question, if it can be asked.

    Raises:
        SignpostError: there is no such measure or column, or the two do not go together.
        Conflict: it is in the plan.
    """
    offered, columns = measures(trial), segments(trial)
    if measure not in offered:
        raise SignpostError(f"there is no measure {measure!r} to explore",
                            f"did you mean {nearest(measure, offered)!r}?")  # fmt: skip
    if segment and segment not in columns:
        raise SignpostError(f"the column {segment!r} was not kept of those in the trial",
                            f"these were: {', '.join(columns) or 'none'}")  # fmt: skip
    metric = offered[measure]
    if metric in trial.metrics and segment in ("", *trial.analysis.segments):
        raise Conflict("this comparison is in the plan",
                       "read the result, or choose another measure or column")  # fmt: skip
    if segment and metric.kind in {"ratio", "time-to-event"}:
        raise SignpostError("a ratio or a time is not compared within groups",
                            "choose another measure, or everybody together")  # fmt: skip
    return Question(metric=metric, segment=segment)


def shown_run(session: Session, key: str) -> RunRow:
    """The trial's newest run, if its result may be shown.

    Raises:
        NotFound: there is no such trial.
        Conflict: there is no result yet, or the look that the plan declares has not come.
    """
    number = registry.row_of(session, key).id
    newest = sa.select(RunRow).where(RunRow.trial_id == number).order_by(RunRow.id.desc()).limit(1)
    run = session.scalar(newest)
    if run is None:
        raise Conflict("there is no result yet", "run the plan first")
    held = sentence(run.result)
    if held is not None:
        raise Conflict(held[0].lower() + held[1:], "ask again once the result is shown")
    return run


def count(session: Session, key: str) -> int:
    """How many questions outside the plan have been asked of a trial. Raises ``NotFound``."""
    number = registry.row_of(session, key).id
    asked = sa.select(sa.func.count()).where(ExplorationRow.trial_id == number)
    return int(session.scalar(asked) or 0)


def taken(session: Session, key: str) -> list[Exploration]:
    """Every question asked of a trial, the newest first, its answers adjusted for all of them.

    Raises ``NotFound``.
    """
    row = registry.row_of(session, key)
    alpha = registry.definition_of(row).analysis.alpha
    rows = session.scalars(
        sa.select(ExplorationRow)
        .where(ExplorationRow.trial_id == row.id)
        .order_by(ExplorationRow.id)
    ).all()
    documents = together([one.document for one in rows], alpha=alpha)
    found = [
        Exploration(
            number=i, at=one.at, actor=one.actor, run=one.run_id, segment=one.segment,
            metric=Metric.model_validate(document["metric"]), document=document,
        )
        for i, (one, document) in enumerate(zip(rows, documents, strict=True), 1)
    ]  # fmt: skip
    return found[::-1]


def together(documents: Sequence[Mapping[str, Any]], *, alpha: float) -> list[Json]:
    """The documents with every p-value and interval adjusted for all of them.

    The family is every difference and every test of an interaction that was looked at.
    """
    family = [found.get("p") for document in documents for found in _members(document)]
    adjusted = iter(adjust(family, METHOD))
    wanted = iter(levels(family, METHOD, alpha=alpha))

    def one(found: Json) -> Json:
        p, level = next(adjusted), next(wanted)
        if p is None or level is None:
            return found
        if "estimate" not in found:
            return {**found, "p_adjusted": p}
        return replace(stretched(_estimate(found), level), p_adjusted=p).to_json()

    return [
        {
            **document,
            "groups": [
                {**group, "contrasts": [{**c, "difference": one(c["difference"])}
                                        for c in group["contrasts"]]}
                for group in document["groups"]
            ],
            "interactions": [one(test) for test in document["interactions"]],
        }
        for document in documents
    ]  # fmt: skip


def _members(document: Mapping[str, Any]) -> list[Json]:
    differences = [c["difference"] for group in document["groups"] for c in group["contrasts"]]
    return [*differences, *document["interactions"]]


def _estimate(found: Json) -> Estimate:
    """An estimate read back; an end that is not there is unbounded."""
    low, high = found["low"], found["high"]
    return Estimate(
        estimate=found["estimate"], se=found["se"], df=found["df"], p=found["p"],
        low=-math.inf if low is None else low, high=math.inf if high is None else high,
        level=found["level"], method=found["method"], notes=tuple(found.get("notes", ())),
    )  # fmt: skip


def _said(metric: Metric) -> str:
    """What a metric measures, whatever it is called."""
    return str(metric.model_dump(include={"kind", "source", "window", "where", "value", "cap"}))
