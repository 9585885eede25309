"""Questions outside the plan in words: each answer carries its label and how many were asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.explored import LABEL, Exploration
from analysis.report import figures, marks, phrases
from analysis.report.chart import Chart, composed
from analysis.report.comparison import Contrast, contrasts
from analysis.report.effects import effect_cells, shared_base
from analysis.report.groups import drawable, group_name, group_row
from analysis.report.marks import Panel, Rule
from analysis.report.reading import Interval, Json, arm_title, finite, metric_title, parts, text
from analysis.report.view import Drawn
from trials import audit
from trials.definition.model import Trial

COLUMNS = ("Group", "Version", "People", "Difference", "Range", "p, adjusted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One answer, ready to be shown; ``caption``, ``label`` and chart all say it is exploratory.

    ``drawn`` is its interval chart with its table; ``None`` where nothing could be estimated.
    """

    number: int
    label: str
    title: str
    caption: str
    asked: str
    rows: tuple[tuple[str, ...], ...]
    says: tuple[str, ...]
    drawn: Drawn | None


def counted(questions: int) -> str:
    """How many questions were asked, for whoever reads one answer."""
    if not questions:
        return "No question outside the plan has been asked of this trial yet."
    has = "has" if questions == 1 else "have"
    return (
        f"{figures.capital(figures.counted(questions, 'question'))} outside the plan {has} been "
        "asked of this trial so far. Each further one makes it likelier that something looks "
        "striking by chance, so every answer is adjusted for all of them."
    )


def named(column: str) -> str:
    """A column as people read it."""
    return column.replace("_", " ").replace("-", " ")


def told(trial: Trial, found: Exploration) -> Told:
    """One question and its answer."""
    by = f", by {named(found.segment)}" if found.segment else ", everybody together"
    title = f"{metric_title(found.metric)}{by}"
    who, when = audit.name(found.actor), figures.moment(found.at)
    rows = tuple(row for group in parts(found.document, "groups")
                 for row in _rows(trial, found, group))  # fmt: skip
    heading = "Exploratory: the difference" + (" in each group" if found.segment else "")
    chart = _chart(trial, found, heading, rows)
    return Told(
        number=found.number, label=LABEL, title=title, caption=f"{LABEL}. {title}",
        asked=f"Question {found.number}, asked by {who} on {when}, of run {found.run}.",
        rows=rows,
        drawn=Drawn(chart=chart) if chart else None,
        says=tuple(_tested(trial, found, test) for test in parts(found.document, "interactions")),
    )  # fmt: skip


def _chart(
    trial: Trial, found: Exploration, title: str, rows: tuple[tuple[str, ...], ...]
) -> Chart | None:
    """Every difference with its adjusted interval, labelled as what it is."""
    told = [
        (group_name(group) if group.get("by") else "Everybody", c)
        for group in parts(found.document, "groups")
        for c in contrasts(trial, found.metric, group)
        if isinstance(c.difference, Interval)
    ]
    if not told:
        return None
    metric, cs = found.metric, [c for _, c in told]
    scale = shared_base(metric, cs) or 1
    drawn = drawable([group_row(trial, name, c, scale) for name, c in told])
    way = phrases.way(metric, 1 if metric.better == "higher" else -1)
    note = f"{LABEL}. {figures.capital(way)} is better."
    if len(drawn) < len(told):
        note += " Groups too small to draw are in the table."
    unit = figures.plural(trial.about.unit or "person")
    panel = Panel(
        rows=drawn, axis=f"Difference per {scale:,} {unit}" if scale > 1 else "Difference",
        heading=metric_title(metric), note=note, rules=[Rule(at=0, colour=marks.INK)],
    )  # fmt: skip
    return composed(
        f"exploratory-{found.number}", [panel], title=title,
        conclusion=_concluded(cs), columns=COLUMNS, rows=rows,
    )  # fmt: skip


def _concluded(cs: list[Contrast]) -> str:
    """How many of the ranges lie on one side of nought; never that something was found."""
    clear = sum(1 for c in cs if isinstance(d := c.difference, Interval) and _apart(d))
    side = "wholly on one side of no difference"
    if len(cs) == 1:
        says = f"The range lies {side}" if clear else "The range includes no difference"
    elif not clear:
        says = f"All {len(cs)} ranges include no difference"
    else:
        says = f"{clear} of {len(cs)} ranges {'lies' if clear == 1 else 'lie'} {side}"
    allowed = "once every question asked is allowed for"
    hint = ": a hint for the next trial, not a finding of this one" if clear else ""
    return f"{says}, {allowed}{hint}."


def _apart(found: Interval) -> bool:
    above = found.low is not None and found.low > 0
    return above or (found.high is not None and found.high < 0)


def _rows(trial: Trial, found: Exploration, group: Json) -> list[tuple[str, ...]]:
    name = group_name(group) if group.get("by") else "Everybody"
    people = {text(arm, "arm"): finite(arm.get("n")) for arm in parts(group, "arms")}
    return [
        (name, c.treatment, _people(people, c.arm, trial.control.key), *_cells(c))
        for c in contrasts(trial, found.metric, group)
    ]


def _people(people: Mapping[str, float | None], *arms: str) -> str:
    sizes = [people.get(arm) for arm in arms]
    return " against ".join("–" if n is None else f"{n:,.0f}" for n in sizes)


def _cells(contrast: Contrast) -> tuple[str, ...]:
    found = contrast.difference
    if not isinstance(found, Interval):
        return ("–", figures.sentence(found.why), "–")
    size, ends = effect_cells(contrast)[2:4]
    return (size, f"{ends} ({figures.level(found.level)})", _p(found.p_adjusted))


def _p(value: float | None) -> str:
    return "–" if value is None else figures.p_value(value)


def _tested(trial: Trial, found: Exploration, test: Mapping[str, Any]) -> str:
    """What the test says that asks whether the effect differs between the groups."""
    arm = f" of ‘{arm_title(trial, text(test, 'arm'))}’" if len(trial.arms) > 2 else ""
    p = finite(test.get("p_adjusted"))
    if p is None:
        why = text(test, "why", "it was not computed")
        return f"Whether the effect{arm} differs between the groups cannot be told: {why}"
    told_p = f"p {'' if p < 0.001 else '= '}{figures.p_value(p)}, adjusted"
    by = named(found.segment)
    if p > trial.analysis.alpha:
        return f"A test finds no sign that the effect{arm} differs by {by} ({told_p})."
    return (
        f"The effect{arm} differs by {by} more than chance would explain ({told_p}). That is a "
        "hint for the next trial: write it into its plan."
    )
