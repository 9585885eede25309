"""The charts of a report, as data: a drawing, the sentence it proves, and the table behind it.

No chart stands alone: :class:`Chart` carries its conclusion, its table and a text alternative, so
that a page cannot show one without the others.
"""

from __future__ import annotations

from analysis.report import displaced, marks, phrases, rungs
from analysis.report.chart import Chart, composed
from analysis.report.effects import effects_chart
from analysis.report.figures import capital, listed, number, percent, plural, sentence
from analysis.report.groups import segments_chart
from analysis.report.marks import Panel, Row, Rule
from analysis.report.method import barely, deflection_sentences
from analysis.report.reading import (
    Interval,
    Json,
    arm_title,
    finite,
    interval,
    metric_title,
    part,
    parts,
    primary_entry,
    text,
)
from trials.definition.model import Metric, Trial


def charts(trial: Trial, result: Json) -> list[Chart]:
    """Every chart the result has figures for, in the order a reader wants them."""
    first = (arms_chart(trial, result), deflection_chart(trial, result))
    last = (effects_chart(trial, result), segments_chart(trial, result))
    drawn = (*first, *displaced.charts(trial, result), *rungs.chase_charts(trial, result), *last)
    return [chart for chart in drawn if chart is not None]


def arms_chart(trial: Trial, result: Json) -> Chart | None:
    """The primary metric's level in each arm with its interval."""
    metric, entry = trial.primary, primary_entry(trial, result)
    known = [(a, m) for a in parts(entry, "arms") if (m := finite(a.get("mean"))) is not None]
    if not known:
        return None
    scale = 1 if metric.kind != "count" else phrases.base_of(metric, None) or 1
    rows = [_arm_row(trial, metric, arm, mean, scale) for arm, mean in known]
    unit = plural(trial.about.unit or "person")
    axis = {"proportion": f"Share of {unit}", "count": f"Per {scale:,} {unit}"}
    panel = Panel(
        rows=rows,
        axis=axis.get(metric.kind, metric_title(metric)),
        percent=metric.kind == "proportion",
    )
    said = [f"{phrases.measured(metric, m)} with ‘{_title(trial, a)}’" for a, m in known]
    return composed(
        "arms",
        [panel],
        title=f"{metric_title(metric)}, by version",
        conclusion=sentence(f"Observed: {listed(said)}"),
        columns=("Version", capital(unit), metric_title(metric), "Interval"),
        rows=[
            (_title(trial, a), _count(a.get("n")), phrases.measured(metric, m), _ends(metric, a))
            for a, m in known
        ],
    )


def _title(trial: Trial, found: Json) -> str:
    return arm_title(trial, text(found, "arm"))


def _count(value: object) -> str:
    known = finite(value)
    return "–" if known is None else number(known)


def _ends(metric: Metric, found: Json) -> str:
    low, high = finite(found.get("low")), finite(found.get("high"))
    if low is None or high is None:
        return "–"
    return f"{phrases.measured(metric, low)} to {phrases.measured(metric, high)}"


def _arm_row(trial: Trial, metric: Metric, arm: Json, mean: float, scale: int) -> Row:
    low, high = finite(arm.get("low")), finite(arm.get("high"))
    ends = _ends(metric, arm)
    return Row(
        name=_title(trial, arm),
        says=phrases.measured(metric, mean) + ("" if ends == "–" else f" ({ends})"),
        value=mean * scale,
        low=None if low is None else low * scale,
        high=None if high is None else high * scale,
        kind="control" if arm.get("arm") == trial.control.key else "new",
    )


def deflection_chart(trial: Trial, result: Json) -> Chart | None:
    """Net and gross contacts saved, side by side, for each arm."""
    found = part(result, "deflection")
    per = int(finite(found.get("per")) or 1_000)
    rows: list[Row] = []
    cells: list[tuple[str, ...]] = []
    for contrast in parts(found, "contrasts"):
        net = interval(contrast.get("net"))
        if not isinstance(net, Interval):
            continue
        gross = interval(contrast.get("gross"))
        title = _title(trial, contrast)
        avoidable = interval(contrast.get("avoidable"))
        rows += _deflection_rows(title, net, gross, avoidable)
        cells.append((title, *map(displaced.cell, (net, gross)), _leak_cell(contrast),
                      displaced.cell(avoidable)))  # fmt: skip
    if not rows:
        return None
    unit = plural(trial.about.unit or "person")
    return composed(
        "deflection",
        [
            Panel(
                rows=rows,
                axis=f"Contacts saved per {per:,} {unit}",
                bars=True,
                rules=[Rule(at=0, colour=marks.INK)],
            )
        ],
        title="Contacts really saved",
        conclusion=" ".join(deflection_sentences(trial, result)),
        columns=("Version", "Net", "Gross", "Leaked back", "Of the net, avoidable"),
        rows=cells,
    )


def _deflection_rows(title: str, net: Interval, gross: object, avoidable: object) -> list[Row]:
    """Net, the gross figure it came from, and what of the net was avoidable."""
    rows = [displaced.bar(f"{title}: net", net)]
    if isinstance(gross, Interval):
        rows.append(displaced.bar(f"{title}: gross", gross, "quiet"))
    if isinstance(avoidable, Interval):
        rows.append(displaced.bar(f"{title}: avoidable", avoidable, "quiet"))
    return rows


def _leak_cell(contrast: Json) -> str:
    found = interval(contrast.get("leakage"))
    if not isinstance(found, Interval):
        return sentence(found.why)
    if found.low is None or found.high is None:
        return percent(found.estimate, 0)
    said = f"{percent(found.estimate, 0)} ({percent(found.low, 0)} to {percent(found.high, 0)})"
    return (
        f"{said}; a rough figure, for gross is barely above nothing" if barely(contrast) else said
    )
