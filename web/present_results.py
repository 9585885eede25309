"""The story of a result: two ways of judging side by side, and when it may be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis import looking
from analysis.estimates import Absent
from analysis.report import figures, phrases
from analysis.report.reading import (
    Interval,
    arm_title,
    finite,
    interval,
    metric_title,
    part,
    parts,
    primary_entry,
    text,
)
from trials import clock
from trials.definition.model import Metric, Trial
from trials.registry import TrialRecord

Json = Mapping[str, Any]

CHARTS = ("arms", "deflection", "segments")
"""The charts of the report that stand on the page of the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schools:
    """The main measure judged twice: by the plan's test, and as a chance."""

    measure: str
    rows: tuple[tuple[str, str, str], ...]
    agree: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """When the result may be read: whether now, and a sentence."""

    open: bool
    says: str


def looks(record: TrialRecord) -> Looks:
    """Whether a declared look has come, by today's date."""
    if not record.locked:
        return Looks(open=False, says="The plan is not locked yet: there is nothing to look at.")
    over = record.state in ("stopped", "decided")
    at = looking.place(record.definition, cutoff=clock.epoch(clock.now()), over=over)
    if at.reached:
        return Looks(open=True, says="A look that the plan declares has come.")
    when = f" The plan’s next look is on {figures.day(at.next)}." if at.next else ""
    return Looks(open=False, says=f"The plan has not declared a look for today.{when}")


def schools(trial: Trial, result: Json) -> Schools | None:
    """Both schools' answers on the main measure; ``None`` where there is no posterior beside it."""
    metric, entry = trial.primary, primary_entry(trial, result)
    rows, same = [], True
    for contrast in parts(entry or {}, "contrasts"):
        first, second = contrast.get("difference"), part(contrast, "posterior")
        left, right = interval(first), interval(second)
        if not isinstance(right, Interval):
            continue
        rows.append(
            (
                arm_title(trial, text(contrast, "arm")),
                _told(trial, metric, left),
                f"{_told(trial, metric, right)} {_better(second)}".strip(),
            )
        )
        same = same and isinstance(left, Interval) and left.estimate * right.estimate >= 0
    if not rows:
        return None
    agree = (
        "Both ways of judging point the same way."
        if same
        else "The two ways of judging do not point the same way: read the report before you decide."
    )
    return Schools(measure=metric_title(metric), rows=tuple(rows), agree=agree)


def _told(trial: Trial, metric: Metric, found: Interval | Absent) -> str:
    if not isinstance(found, Interval):
        return figures.sentence(found.why)
    base = phrases.base_of(metric, found)
    per = f" in every {phrases.each(trial.about.unit, base)}" if base else ""
    told = phrases.signed(metric, found.estimate, base)
    return figures.capital(f"{told}{per}; {phrases.span(metric, found, base)}.")


def _better(posterior: Json) -> str:
    chance = finite(posterior.get("probability_better"))
    return (
        "" if chance is None else f"The chance that it is better at all: {figures.chance(chance)}."
    )


__all__ = ["CHARTS", "Looks", "Schools", "looks", "schools"]
