"""One comparison of a result with its definition beside it, judged and ready to be told."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.estimates import Absent
from analysis.report.reading import (
    Guard,
    Interval,
    Json,
    Standing,
    arm_title,
    guard,
    interval,
    part,
    parts,
    standing,
    target_of,
    text,
)
from trials.definition.model import Metric, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One comparison of the result with its definition, ready to be spoken of."""

    metric: Metric
    arm: str
    treatment: str
    control: str
    unit: str
    difference: Interval | Absent
    standing: Standing
    guard: Guard
    target: float | None
    posterior: Json
    comparisons: int = 1

    @property
    def gain(self) -> float:
        """The estimate, positive where it is better; minus infinity where there is none."""
        if isinstance(self.difference, Absent):
            return float("-inf")
        sign = 1 if self.metric.better == "higher" else -1
        return sign * self.difference.estimate


def contrasts(trial: Trial, metric: Metric, entry: Json) -> list[Contrast]:
    """The comparisons of one metric's part of the result (a segment's part serves as well)."""
    listed_ = parts(entry, "contrasts")
    return [_contrast(trial, metric, entry, c, len(listed_)) for c in listed_]


def _contrast(trial: Trial, metric: Metric, entry: Json, found: Json, count: int) -> Contrast:
    control = text(found, "versus", trial.control.key)
    difference = interval(found.get("difference"))
    return Contrast(
        metric=metric,
        arm=text(found, "arm"),
        treatment=arm_title(trial, text(found, "arm")),
        control=arm_title(trial, control),
        unit=trial.about.unit or "person",
        difference=difference,
        standing=standing(difference, better=metric.better, alpha=trial.analysis.alpha),
        guard=guard(difference, better=metric.better, margin=metric.margin),
        target=target_of(metric, entry, control),
        posterior=part(found, "posterior"),
        comparisons=count,
    )
