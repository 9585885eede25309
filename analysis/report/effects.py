"""Every comparison of a trial on one chart: what changed, by how much, and what was planned."""

from __future__ import annotations

from analysis.report import marks, phrases
from analysis.report.chart import Chart, composed
from analysis.report.comparison import Contrast, contrasts
from analysis.report.figures import capital, lower_first, plural, sentence
from analysis.report.marks import Panel, Row, Rule
from analysis.report.reading import Interval, Json, metric_entries, metric_title
from trials.definition.model import Metric, Trial


def effects_chart(trial: Trial, result: Json) -> Chart | None:
    """Every comparison of every metric, each metric on its own axis, with target and margin."""
    told = [(m, contrasts(trial, m, e)) for m, e in metric_entries(trial, result)]
    told = [(m, known) for m, cs in told if (known := [c for c in cs if c.standing != "absent"])]
    if not told:
        return None
    every = [c for _, cs in told for c in cs]
    return composed(
        "effects",
        [_effect_panel(trial, metric, cs) for metric, cs in told],
        title="What changed",
        conclusion=_effects_conclusion(every),
        columns=("Measure", "Version", "Difference", "Range", "What it shows"),
        rows=[effect_cells(c) for c in every],
    )


def _effects_conclusion(every: list[Contrast]) -> str:
    """How many comparisons are shown to be better, how many worse."""
    if len(every) == 1:
        lone = {"better": "came out clearly better", "worse": "came out clearly worse"}
        return f"The one comparison {lone.get(every[0].standing, 'is not settled')}."
    count = {kind: sum(c.standing == kind for c in every) for kind in ("better", "worse")}
    rest = len(every) - count["better"] - count["worse"]
    return sentence(
        f"{count['better'] or 'none'} of {len(every)} comparisons came out clearly better, "
        f"{count['worse'] or 'none'} clearly worse, and {rest or 'none'} not settled"
    )


def _effect_panel(trial: Trial, metric: Metric, cs: list[Contrast]) -> Panel:
    base = shared_base(metric, cs)
    unit = plural(trial.about.unit or "person")
    scale = base or 1
    return Panel(
        rows=[_effect_row(c, scale, named=len(trial.arms) > 2) for c in cs],
        heading=metric_title(metric),
        note=_note(metric, cs, base),
        axis=f"Difference per {base:,} {unit}" if base else "Difference",
        rules=[Rule(at=0, colour=marks.INK), *_limits(metric, cs, scale)],
    )


def shared_base(metric: Metric, cs: list[Contrast]) -> int | None:
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
    figure, shows = difference(contrast, found), _shows(contrast)
    return Row(
        name=contrast.treatment if named else capital(figure),
        says=f"{figure}: {lower_first(shows)}" if named else shows,
        value=found.estimate * scale,
        low=None if found.low is None else found.low * scale,
        high=None if found.high is None else found.high * scale,
        kind="new" if contrast.standing in ("better", "worse") else "control",
    )


def difference(contrast: Contrast, found: Interval) -> str:
    """The size and direction of a difference, per whatever base suits it."""
    base = phrases.base_of(contrast.metric, found)
    return phrases.signed(contrast.metric, found.estimate, base)


def effect_cells(contrast: Contrast) -> tuple[str, ...]:
    """One comparison as a line of a table."""
    found = contrast.difference
    assert isinstance(found, Interval)
    metric = contrast.metric
    base = phrases.base_of(metric, found)
    per = f" per {base:,}" if base else ""
    return (
        metric_title(metric),
        contrast.treatment,
        f"{difference(contrast, found)}{per if found.estimate else ''}",
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
