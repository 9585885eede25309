"""What a trial whose shares follow the outcomes may ask for, and when it is unwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trials.definition.lines import Path
from trials.definition.model import About, Adaptive, Analysis, Design, Metric, Trial

LISTS = ("letter", "email", "sms")
SLOW_DAYS = 2.0
"""Outcomes that take longer than this come too late for shares that move every day."""

DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The parts of a file that the rules look at; ``None`` marks one that could not be read."""

    about: About | None
    design: Design
    arms: int
    analysis: Analysis | None
    metrics: Mapping[int, Metric]


def breaches(asked: Asked) -> Iterator[tuple[Path, str, str]]:
    """Each rule broken: where, what it says, what to do."""
    adaptive, design = asked.design.adaptive, asked.design
    assert adaptive is not None
    by_list = asked.about is not None and asked.about.channel in LISTS
    listed = design.namespace is not None and design.namespace_share is None
    grouped = design.kind != "individual" or design.strata or design.cluster
    if by_list or listed or grouped or design.method != "blocks":
        says = (
            "only a trial that meets people one at a time, without strata, can let its shares "
            "follow the outcomes"
        )
        yield ("design", "adaptive"), says, "remove adaptive"
    if asked.arms >= 2 and adaptive.floor * asked.arms >= 1:
        says = f"a floor of {adaptive.floor:g} for each of {asked.arms} arms leaves nothing to move"
        yield ("design", "adaptive", "floor"), says, "lower it"
    yield from _analysis(asked.analysis)
    for i, metric in asked.metrics.items():
        yield from _metric(i, metric)


def _analysis(analysis: Analysis | None) -> Iterator[tuple[Path, str, str]]:
    if analysis is None:
        return
    beside = {
        "looks": (analysis.looks != "fixed", "is analysed once, at the end", 'set looks = "fixed"'),
        "adjust": (bool(analysis.adjust), "takes no covariates", "remove adjust"),
        "uptake": (analysis.uptake is not None, "has no estimate for those who took it up",
                   "remove uptake"),
    }  # fmt: skip
    for key, (broken, says, remedy) in beside.items():
        if broken:
            yield ("analysis", key), f"a trial whose shares follow the outcomes {says}", remedy


def _metric(i: int, metric: Metric) -> Iterator[tuple[Path, str, str]]:
    says = f"metric {metric.key!r} {{}}, which cannot be had where shares follow the outcomes"
    if metric.role == "primary" and metric.kind in ("ratio", "time-to-event"):
        yield (("metrics", i, "kind"), says.format(f"is a primary {metric.kind}"),
               "make a proportion, a count or a mean the primary")  # fmt: skip
    if metric.quantiles:
        yield ("metrics", i, "quantiles"), says.format("compares quantiles"), "remove quantiles"
    if metric.missing != "complete":
        yield ("metrics", i, "missing"), says.format("weights for the missing"), "remove missing"


def slow_outcome(window_days: float, every: Adaptive) -> str | None:
    """A warning where outcomes come too late for the shares to learn from them."""
    if window_days <= max(SLOW_DAYS, every.days):
        return None
    return (
        f"The outcome takes {window_days:g} days and the shares move every {every.every}: by the "
        "time they have learnt, most people have been assigned. Fixed shares are better here."
    )


def warning(trial: Trial) -> str | None:
    """The same for a trial: why its shares should not follow the outcomes, if so."""
    if trial.design.adaptive is None or trial.primary.window is None:
        return None
    return slow_outcome(trial.primary.window / DAY, trial.design.adaptive)
