"""The charts of a report, as data: a drawing, the sentence it proves, and the table behind it.

No chart stands alone: :class:`Chart` carries its conclusion, its table and a text alternative, so
that a page cannot show one without the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report import marks, phrases
from analysis.report.comparison import Contrast, contrasts
from analysis.report.figures import capital, listed, lower_first, number, percent, plural, sentence
from analysis.report.marks import Panel, Row, Rule, Spec
from analysis.report.method import deflection_sentences, fewer_or_more, saved_range
from analysis.report.reading import (
    Interval,
    Json,
    arm_title,
    finite,
    interval,
    metric_entries,
    metric_title,
    part,
    parts,
    primary_entry,
    text,
)
from trials.definition.model import Metric, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A Vega-Lite 5 drawing (for a page, and ``narrow`` for a phone) with its words and figures."""

    key: str
    title: str
    conclusion: str
    spec: Spec
    narrow: Spec
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    alt: str


def charts(trial: Trial, result: Json) -> list[Chart]:
    """Every chart the result has figures for, in the order a reader wants them."""
    drawn = (arms_chart, deflection_chart, effects_chart, segments_chart)
    return [chart for draw in drawn if (chart := draw(trial, result)) is not None]


def _chart(
    key: str,
    panels: Sequence[Panel],
    *,
    title: str,
    conclusion: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
) -> Chart:
    return Chart(
        key=key,
        title=title,
        conclusion=conclusion,
        spec=marks.page(panels, width=marks.WIDE),
        narrow=marks.page(panels, width=marks.NARROW),
        columns=columns,
        rows=tuple(rows),
        alt=f"Chart: {title.lower()}. {conclusion} The figures are in the table below it.",
    )


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
    return _chart(
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


def effects_chart(trial: Trial, result: Json) -> Chart | None:
    """Every comparison of every metric, each metric on its own axis, with target and margin."""
    told = [(m, contrasts(trial, m, e)) for m, e in metric_entries(trial, result)]
    told = [(m, known) for m, cs in told if (known := [c for c in cs if c.standing != "absent"])]
    if not told:
        return None
    every = [c for _, cs in told for c in cs]
    return _chart(
        "effects",
        [_effect_panel(trial, metric, cs) for metric, cs in told],
        title="What changed",
        conclusion=_effects_conclusion(every),
        columns=("Measure", "Version", "Difference", "Range", "What it shows"),
        rows=[_effect_cells(c) for c in every],
    )


def _effects_conclusion(every: list[Contrast]) -> str:
    """How many comparisons are shown to be better, how many worse."""
    count = {kind: sum(c.standing == kind for c in every) for kind in ("better", "worse")}
    rest = len(every) - count["better"] - count["worse"]
    return sentence(
        f"{count['better'] or 'none'} of {len(every)} comparisons came out clearly better, "
        f"{count['worse'] or 'none'} clearly worse, and {rest or 'none'} not settled"
    )


def _effect_panel(trial: Trial, metric: Metric, cs: list[Contrast]) -> Panel:
    base = _base(metric, cs)
    unit = plural(trial.about.unit or "person")
    scale = base or 1
    return Panel(
        rows=[_effect_row(c, scale, named=len(trial.arms) > 2) for c in cs],
        heading=metric_title(metric),
        note=_note(metric, cs, base),
        axis=f"Difference per {base:,} {unit}" if base else "Difference",
        rules=[Rule(at=0, colour=marks.INK), *_limits(metric, cs, scale)],
    )


def _base(metric: Metric, cs: list[Contrast]) -> int | None:
    """One base for all rows of a panel: the smallest that any of them asks for."""
    bases = [phrases.base_of(metric, d) for c in cs if isinstance(d := c.difference, Interval)]
    return min((b for b in bases if b is not None), default=None)


def _limits(metric: Metric, cs: list[Contrast], scale: int) -> list[Rule]:
    """The target (dashed) and, for a guardrail, the margin (dotted, red)."""
    gain = 1 if metric.better == "higher" else -1
    target = cs[0].target
    rules = []
    if target is not None and metric.role != "guardrail":
        rules.append(Rule(at=gain * target * scale, dash=(6, 4), colour=marks.NEW))
    if metric.margin is not None:
        rules.append(Rule(at=-gain * metric.margin * scale, dash=(2, 3), colour=marks.HARM))
    return rules


def _note(metric: Metric, cs: list[Contrast], base: int | None) -> str:
    """Which way is better, and what the lines mark."""
    gain = 1 if metric.better == "higher" else -1
    said = [f"{capital(phrases.way(metric, gain))} is better."]
    target = cs[0].target
    if target is not None and metric.role != "guardrail":
        said.append(f"Dashed: the plan looked for {phrases.signed(metric, gain * target, base)}.")
    if metric.margin is not None:
        limit = phrases.signed(metric, -gain * metric.margin, base)
        said.append(f"Dotted: the agreed limit of harm, {limit}.")
    return " ".join(said)


def _effect_row(contrast: Contrast, scale: int, *, named: bool) -> Row:
    """With one new version its name says nothing new: the figure takes its place."""
    found = contrast.difference
    assert isinstance(found, Interval)
    figure, shows = _difference(contrast, found), _shows(contrast)
    return Row(
        name=contrast.treatment if named else capital(figure),
        says=f"{figure}: {lower_first(shows)}" if named else shows,
        value=found.estimate * scale,
        low=None if found.low is None else found.low * scale,
        high=None if found.high is None else found.high * scale,
        kind="new" if contrast.standing in ("better", "worse") else "control",
    )


def _difference(contrast: Contrast, found: Interval) -> str:
    base = phrases.base_of(contrast.metric, found)
    return phrases.signed(contrast.metric, found.estimate, base)


def _effect_cells(contrast: Contrast) -> tuple[str, ...]:
    found = contrast.difference
    assert isinstance(found, Interval)
    metric = contrast.metric
    base = phrases.base_of(metric, found)
    per = f" per {base:,}" if base else ""
    return (
        metric_title(metric),
        contrast.treatment,
        f"{_difference(contrast, found)}{per if found.estimate else ''}",
        capital(phrases.span(metric, found, base)),
        _shows(contrast),
    )


def _shows(contrast: Contrast) -> str:
    if contrast.metric.role == "guardrail":
        return {
            "kept": "Harm ruled out",
            "breached": "Harm shown",
            "open": "Harm not ruled out",
            "absent": "–",
        }[contrast.guard]
    return {"better": "Better", "worse": "Worse", "unclear": "Not settled", "absent": "–"}[
        contrast.standing
    ]


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
        rows += _deflection_rows(title, net, gross)
        cells.append((title, *map(_saved_cell, (net, gross)), _leak_cell(contrast)))
    if not rows:
        return None
    unit = plural(trial.about.unit or "person")
    return _chart(
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
        columns=("Version", "Net", "Gross", "Leaked back"),
        rows=cells,
    )


def _deflection_rows(title: str, net: Interval, gross: object) -> list[Row]:
    rows = [_bar(f"{title}: net", net, "new")]
    return [*rows, _bar(f"{title}: gross", gross, "quiet")] if isinstance(gross, Interval) else rows


def _bar(name: str, found: Interval, kind: marks.Kind) -> Row:
    return Row(
        name=name,
        says=fewer_or_more(found.estimate),
        value=found.estimate,
        low=found.low,
        high=found.high,
        kind=kind,
    )


def _saved_cell(found: object) -> str:
    if not isinstance(found, Interval):
        return "–"
    said, span = capital(fewer_or_more(found.estimate)), saved_range(found)
    joins = "between " if " and " in span else ""
    return f"{said} ({joins}{span})" if span else said


def _leak_cell(contrast: Json) -> str:
    found = interval(contrast.get("leakage"))
    if not isinstance(found, Interval):
        return "–"
    if found.low is None or found.high is None:
        return percent(found.estimate, 0)
    return f"{percent(found.estimate, 0)} ({percent(found.low, 0)} to {percent(found.high, 0)})"


def segments_chart(trial: Trial, result: Json) -> Chart | None:
    """The primary effect in each pre-specified group; pooled towards the whole where that is given.

    With several new versions there is one line a group and version.
    """
    metric, entry = trial.primary, primary_entry(trial, result)
    told = [
        (_group(segment), contrast, interval(segment.get("shrunk")))
        for segment in parts(entry, "segments")
        for contrast in contrasts(trial, metric, segment)
        if contrast.standing != "absent"
    ]
    if not told:
        return None
    scale = _base(metric, [c for _, c, _ in told]) or 1
    rows = [_segment_row(trial, name, c, pooled, scale) for name, c, pooled in told]
    overall = [c for c in contrasts(trial, metric, entry) if isinstance(c.difference, Interval)]
    rules = [Rule(at=0, colour=marks.INK)]
    note = f"{capital(phrases.way(metric, 1 if metric.better == 'higher' else -1))} is better."
    if len(overall) == 1 and isinstance(whole := overall[0].difference, Interval):
        rules.append(Rule(at=whole.estimate * scale, dash=(6, 4), colour=marks.NEW))
        note += " Dashed: the effect in the whole trial."
    unit = plural(trial.about.unit or "person")
    axis = f"Difference per {scale:,} {unit}" if scale > 1 else "Difference"
    panel = Panel(rows=rows, axis=axis, heading=metric_title(metric), note=note, rules=rules)
    return _chart(
        "segments",
        [panel],
        title="Effect in each group",
        conclusion=_segments_conclusion([c for _, c, _ in told]),
        columns=("Group", "Version", "Difference", "Range", "Pooled with the other groups"),
        rows=[_segment_cells(name, c, pooled) for name, c, pooled in told],
    )


def _group(segment: Json) -> str:
    by = text(segment, "by", "group").replace("_", " ").replace("-", " ")
    return f"{capital(by)}: {segment.get('level', 'not known')}"


def _segment_row(trial: Trial, name: str, c: Contrast, pooled: object, scale: int) -> Row:
    several = len(trial.arms) > 2
    shown = pooled if isinstance(pooled, Interval) and not several else c.difference
    assert isinstance(shown, Interval)
    return Row(
        name=f"{name}, {c.treatment}" if several else name,
        says=_difference(c, shown),
        value=shown.estimate * scale,
        low=None if shown.low is None else shown.low * scale,
        high=None if shown.high is None else shown.high * scale,
        kind="new",
    )


def _segments_conclusion(told: list[Contrast]) -> str:
    """Whether the estimates point one way; never that groups differ, which this does not test."""
    signs = {d.estimate > 0 for c in told if isinstance(d := c.difference, Interval)}
    way = "The estimates point the same way in every group."
    if len(signs) > 1:
        way = "The estimates do not all point the same way."
    return f"{way} Groups are smaller than the trial, so their ranges are wider."


def _segment_cells(name: str, contrast: Contrast, pooled: object) -> tuple[str, ...]:
    cells = _effect_cells(contrast)
    shrunk = "–"
    if isinstance(pooled, Interval):
        base = phrases.base_of(contrast.metric, pooled)
        ends = phrases.span(contrast.metric, pooled, base)
        shrunk = f"{_difference(contrast, pooled)} ({ends})"
    return (name, *cells[1:4], shrunk)
