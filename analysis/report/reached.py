"""Who was reached by two arms, or is in two trials, in sentences for the report."""

from __future__ import annotations

from collections.abc import Mapping

from analysis.report import figures
from analysis.report.reading import (
    Interval,
    Json,
    arm_title,
    finite,
    interval,
    metric_title,
    part,
    parts,
    text,
)
from trials.definition.model import Metric, Trial


def sentences(trial: Trial, result: Json) -> list[str]:
    """How many, what the result would be without them, and each trial that shares people."""
    found = part(result, "contamination")
    if not found:
        return []
    lines = [_counted(trial, found)]
    lines += [_without(trial, entry) for entry in parts(found, "without_them")]
    lines += [_elsewhere(trial, other) for other in parts(found, "other_trials")]
    return [line for line in lines if line]


def _counted(trial: Trial, found: Json) -> str:
    several = part(found, "either")
    total = sum(int(n) for n in several.values() if isinstance(n, int))
    if not total:
        return ""
    named = figures.listed([f"{n:,} of ‘{arm_title(trial, arm)}’" for arm, n in several.items()])
    who = f"{total:,} {figures.plural(trial.about.unit)}"
    return (
        f"{who} met two versions, or share a line or an account with somebody who was given "
        f"another ({named}). Everybody is counted where they were first; taking them out would "
        "undo the draw."
    )


def _without(trial: Trial, entry: Json) -> str:
    told = interval(entry.get("difference"))
    if not isinstance(told, Interval):
        return ""
    title = metric_title(trial.primary)
    return (
        f"Without them, to see how much they matter: ‘{arm_title(trial, text(entry, 'arm'))}’ "
        f"differs by {_amount(trial.primary, told)} on ‘{title}’."
    )


def _amount(metric: Metric, told: Interval) -> str:
    write = figures.points if metric.kind == "proportion" else figures.significant
    unit = " points" if metric.kind == "proportion" else ""
    ends = " to ".join("unbounded" if e is None else write(e) for e in (told.low, told.high))
    return f"{write(told.estimate)}{unit} ({ends})"


def _elsewhere(trial: Trial, other: Json) -> str:
    n = other.get("units")
    who = f"{n:,} {figures.plural(trial.about.unit)}" if isinstance(n, int) else "Some"
    lead = f"{who} are also in trial ‘{text(other, 'trial')}’."
    p = finite(part(other, "independence").get("p"))
    given = "" if p is None else (
        " Arms were given independently there"
        if p >= _ODD else " Arms here and there did not fall independently"
    ) + f" (p {_p(p)})."  # fmt: skip
    tests = [_differs(trial, test) for test in parts(other, "interactions")]
    return f"{lead}{given}{''.join(tests)}"


def _differs(trial: Trial, test: Mapping[str, object]) -> str:
    p = finite(test.get("p"))
    arm = arm_title(trial, text(test, "arm"))
    if p is None:
        return f" Whether the effect of ‘{arm}’ depends on it is not known: {text(test, 'why')}"
    says = "depends" if p < _ODD else "is not shown to depend"
    return f" The effect of ‘{arm}’ {says} on what was given there (p {_p(p)})."


def _p(p: float) -> str:
    told = figures.p_value(p)
    return told if told.startswith("less") else f"= {told}"


_ODD = 0.01
"""One in a hundred: trials share people with many others, and each is tested."""
