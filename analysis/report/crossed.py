"""Crossed factors in a report: what each change does by itself, and whether two go together."""

from __future__ import annotations

from collections.abc import Callable

from analysis.estimates import Absent
from analysis.report import figures
from analysis.report.reading import (
    Interval,
    Json,
    interval,
    metric_entries,
    metric_title,
    parts,
    standing,
    text,
)
from trials.definition.model import Metric, Trial

Cells = tuple[str, ...]


def main_effects(trial: Trial, result: Json) -> tuple[Cells, ...]:
    """One line for each measure and change, averaged over the other changes."""
    return tuple(
        (metric_title(metric), change(found), *_numbers(metric, found))
        for metric, entry in metric_entries(trial, result)
        for found in parts(entry, "main_effects")
    )


def interactions(trial: Trial, result: Json) -> tuple[Cells, ...]:
    """One line for each measure and pair of changes: how much one's effect differs by the other."""
    return tuple(
        (metric_title(metric), _pair(found), *_numbers(metric, found))
        for metric, entry in metric_entries(trial, result)
        for found in parts(entry, "factor_interactions")
    )


def conclusion(trial: Trial, result: Json) -> str:
    """What the main measure says of each change, in a sentence."""
    entry = next((e for m, e in metric_entries(trial, result) if m.role == "primary"), {})
    told = [_says(trial.primary, found) for found in parts(entry, "main_effects")]
    return f"Averaged over the other changes, {figures.listed(told)}." if told else ""


def change(found: Json) -> str:
    """What is changed from what: ``tone: warm instead of plain``."""
    level, versus = text(found, "level"), text(found, "versus")
    return f"{text(found, 'factor')}: {level} instead of {versus}"


def _says(metric: Metric, found: Json) -> str:
    told = interval(found.get("difference"))
    factor, level, versus = (text(found, key) for key in ("factor", "level", "versus"))
    named = f"{factor} ‘{level}’"
    if isinstance(told, Absent):
        return f"what {named} does is not known"
    judged = standing(told, better=metric.better)
    if judged not in ("better", "worse"):
        return f"{named} is not shown to differ from ‘{versus}’"
    return f"{named} did {judged} than ‘{versus}’"


def _pair(found: Json) -> str:
    names = zip(found.get("factors", ()), found.get("levels", ()), strict=True)
    return " with ".join(f"{factor}: {level}" for factor, level in names)


def _numbers(metric: Metric, found: Json) -> Cells:
    told = interval(found.get("difference"))
    if not isinstance(told, Interval):
        return "–", told.why or "–", "–"
    share = metric.kind == "proportion"
    write: Callable[[float], str] = figures.points if share else figures.significant
    unit = " points" if share else ""
    ends = " to ".join("unbounded" if e is None else write(e) for e in (told.low, told.high))
    p = told.p if told.p_adjusted is None else told.p_adjusted
    return f"{write(told.estimate)}{unit}", ends, "–" if p is None else figures.p_value(p)
