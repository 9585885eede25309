"""What the step on size asks: of today, of the change, of the volumes, of what goes together."""

from __future__ import annotations

import math
from typing import Any

from trials.drafting.content import Content, get
from web.drafting.fields import Field, Kind

ALIKE = 0.02
"""The share of the differences between people that lies between groups, where nobody knows it."""
REAL_SWING = 0.06
"""How much a turn differs from the next beyond chance, as a share of the average, likewise."""

_NARROW, _WIDE = "govuk-input--width-5", "govuk-input--width-10"
_NOW = {
    "proportion": "Share of {units} this happens to now",
    "time-to-event": "Share of {units} this happens to now",
    "count": "How often this happens for each {unit} now, on average",
    "mean": "Average for each {unit} now",
    "ratio": "The ratio now",
}
"""What is asked of today, by the kind of the measure that decides."""


def primary(content: Content) -> dict[str, Any] | None:
    """The metric that decides, as the draft holds it."""
    return next((m for m in content["metrics"] if m.get("role") == "primary"), None)


def many(unit: str) -> str:
    """The plural of what is drawn."""
    if unit == "person":
        return "people"
    if unit.endswith("y") and unit[-2:-1] not in tuple("aeiou"):
        return f"{unit[:-1]}ies"
    return unit if unit.endswith("s") else f"{unit}s"


def drawn(content: Content) -> str:
    """What is drawn, or counted, in the singular."""
    return str(get(content, "trial.unit") or "person")


def together(content: Content) -> str:
    """What goes together in one version, in the singular: the column's name in words."""
    named = str(get(content, "design.cluster") or "").replace("_", " ").replace("-", " ").strip()
    return named or ("place" if get(content, "design.kind") == "stepped-wedge" else "group")


def of_size(content: Content) -> list[Field]:
    """The step's questions; none until the measure that decides is chosen."""
    metric = primary(content)
    if metric is None:
        return []
    found = [*_of_change(content, metric), _weekly(content)]
    kind = get(content, "design.kind")
    if kind == "cluster":
        return [*found, *_of_groups(content)]
    if kind == "stepped-wedge":
        return [*found, *_of_groups(content), _steps(content)]
    if kind == "switchback":
        return [*found, *_of_turns(metric)]
    return found


def _of_change(content: Content, metric: dict[str, Any]) -> list[Field]:
    share = metric["kind"] in ("proportion", "time-to-event")
    kind: Kind = "percent" if share else "number"
    unit = drawn(content)
    found = [
        Field(
            path="workshop.sizing.baseline",
            label=_NOW[metric["kind"]].format(unit=unit, units=many(unit)),
            kind=kind,
            width=_NARROW,
            hint=f"{'In percent' if share else 'A number'}: "
            f"“{metric.get('title') or metric['key']}” with today’s message.",
        ),
        Field(
            path=f"metrics.{metric['key']}.mde",
            label="The smallest change worth finding",
            kind=kind,
            width=_NARROW,
            hint="In percentage points. Changes of wording move a rate by 1.4 points on average."
            if share
            else "In the same units.",
        ),
    ]
    if not share:
        spread = Field(
            path="workshop.sizing.sd",
            label="How much it varies (standard deviation)",
            kind="number",
            width=_NARROW,
            hint="If you do not know it, about two thirds of the average is a start.",
        )
        found.insert(1, spread)
    return found


def _weekly(content: Content) -> Field:
    wedge = get(content, "design.kind") == "stepped-wedge"
    return Field(
        path="workshop.sizing.weekly",
        label="How many there are in a week",
        kind="number",
        width=_WIDE,
        hint="How many letters, calls or chats could be in the trial in a usual week."
        + (" Optional: the steps decide how long it takes." if wedge else ""),
    )


def _of_groups(content: Content) -> list[Field]:
    unit, group = drawn(content), together(content)
    wedge = get(content, "design.kind") == "stepped-wedge"
    each = " in one step" if wedge else ""
    # In steps every group is compared with itself, so that what its members share drops out.
    tells = "fewer" if wedge else "more"
    return [
        Field(
            path="workshop.sizing.cluster_size",
            label=f"How many {many(unit)} a typical {group} has{each}",
            kind="number",
            width=_NARROW,
            span=(1, math.inf),
            hint=f"Roughly, on average over your {many(group)}.",
        ),
        Field(
            path="workshop.sizing.icc",
            label=f"How alike {many(unit)} of the same {group} are",
            kind="number",
            width=_NARROW,
            span=(0, 0.99),
            hint="From 0 (no more alike than anybody) to nearly 1 (all the same). The more alike, "
            f"the {tells} {many(group)} you need. If you do not know it, leave it empty: {ALIKE:g} "
            "is used. An analyst can work it out from last year’s figures.",
        ),
        Field(
            path="workshop.sizing.clusters",
            label=f"How many {many(group)} you have",
            kind="whole",
            width=_NARROW,
            span=(4, 1_000_000),
            hint="Optional. Then you see what these can show, too.",
        ),
    ]


def _steps(content: Content) -> Field:
    return Field(
        path="workshop.sizing.steps",
        label=f"In how many steps the {many(together(content))} change over",
        kind="whole",
        width=_NARROW,
        span=(2, 52),
        hint="Before the first step all have today’s version; after the last all have the new one.",
    )


def _of_turns(metric: dict[str, Any]) -> list[Field]:
    what = metric.get("title") or metric["key"]
    return [
        Field(
            path="workshop.sizing.period_cv",
            label="How much the measure differs from one turn to the next",
            kind="percent",
            width=_NARROW,
            hint=f"“{what}” at the same hour of different weeks, in percent of its average. Where "
            "it is 20 as a rule and mostly between 18 and 22, that is 10. If you do not know it, "
            "leave it empty: the swing of chance at your volumes is used, and "
            f"{100 * REAL_SWING:g}% beside it.",
        ),
        Field(
            path="workshop.sizing.run_weeks",
            label="How many weeks it could run at most",
            kind="whole",
            width=_NARROW,
            span=(1, 520),
            hint="Optional. Then you see what these weeks can show, too.",
        ),
    ]
