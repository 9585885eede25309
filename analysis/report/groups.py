"""The pre-specified groups of a trial: the primary effect in each, with the whole beside it."""

from __future__ import annotations

from analysis.estimates import Absent
from analysis.report import marks, phrases
from analysis.report.chart import Chart, composed
from analysis.report.comparison import Contrast, contrasts
from analysis.report.effects import difference, effect_cells, shared_base
from analysis.report.figures import capital, listed, p_value, plural
from analysis.report.marks import Panel, Row, Rule
from analysis.report.reading import (
    Interval,
    Json,
    finite,
    interval,
    metric_title,
    parts,
    primary_entry,
    text,
)
from trials.definition.model import Trial


def segments_chart(trial: Trial, result: Json) -> Chart | None:
    """The primary effect in each pre-specified group; pooled towards the whole where that is given.

    With several new versions there is one line a group and version.
    """
    metric, entry = trial.primary, primary_entry(trial, result)
    every = [
        (group_name(segment), contrast, interval(shrunk))
        for segment in parts(entry, "segments")
        for contrast, shrunk in zip(
            contrasts(trial, metric, segment), _shrunk(segment), strict=True
        )
    ]
    told = [one for one in every if one[1].standing != "absent"]
    left = list(dict.fromkeys(name for name, c, _ in every if _too_few(c)))
    if not told:
        return None
    scale = shared_base(metric, [c for _, c, _ in told]) or 1
    rows = drawable([group_row(trial, name, c, scale, pooled) for name, c, pooled in told])
    overall = [c for c in contrasts(trial, metric, entry) if isinstance(c.difference, Interval)]
    rules = [Rule(at=0, colour=marks.INK)]
    note = f"{capital(phrases.way(metric, 1 if metric.better == 'higher' else -1))} is better."
    if len(overall) == 1 and isinstance(whole := overall[0].difference, Interval):
        rules.append(Rule(at=whole.estimate * scale, dash=(6, 4), colour=marks.NEW))
        note += " Dashed: the effect in the whole trial."
    if len(rows) < len(told):
        note += " Groups too small to draw are in the table."
    unit = plural(trial.about.unit or "person")
    axis = f"Difference per {scale:,} {unit}" if scale > 1 else "Difference"
    panel = Panel(rows=rows, axis=axis, heading=metric_title(metric), note=note, rules=rules)
    return composed(
        "segments",
        [panel],
        title="Effect in each group",
        conclusion=" ".join(
            [
                _segments_conclusion([c for _, c, _ in told]),
                *_looked(trial, [c for _, c, _ in told]),
                *_tested(trial, entry),
                *_left_out(left),
            ]
        ),
        columns=("Group", "Version", "Difference", "Range", "Pooled with the other groups"),
        rows=[_segment_cells(name, c, pooled) for name, c, pooled in told],
    )


def _shrunk(segment: Json) -> list[object]:
    """Each comparison's own pooled effect; the group's is that of the first version."""
    found: list[object] = [one.get("shrunk") for one in parts(segment, "contrasts")]
    return found if any(found) or not found else [segment.get("shrunk"), *found[1:]]


def drawable(rows: list[Row]) -> list[Row]:
    """Without the groups so small that their ranges would hide all the others."""
    widths = [r.high - r.low for r in rows if r.low is not None and r.high is not None]
    limit = 8 * min((w for w in widths if w > 0), default=float("inf"))
    return [r for r in rows if r.low is None or r.high is None or r.high - r.low <= limit]


def group_name(segment: Json) -> str:
    """The group's name: ``Has email: no``; an empty level is one that is not known."""
    by = text(segment, "by", "group").replace("_", " ").replace("-", " ")
    level = str(segment.get("level") or "not known")
    whole = level.removesuffix(".0")
    return f"{capital(by)}: {whole if whole.lstrip('-').isdigit() else level}"


def group_row(
    trial: Trial, name: str, c: Contrast, scale: int, pooled: object = None
) -> Row:  # fmt: skip
    """One group's effect, per ``scale`` units, pulled towards the others' where it was pooled."""
    several = len(trial.arms) > 2
    shown = pooled if isinstance(pooled, Interval) and not several else c.difference
    assert isinstance(shown, Interval)
    return Row(
        name=f"{name}, {c.treatment}" if several else name,
        says=difference(c, shown),
        value=shown.estimate * scale,
        low=None if shown.low is None else shown.low * scale,
        high=None if shown.high is None else shown.high * scale,
    )


def _segments_conclusion(told: list[Contrast]) -> str:
    """Whether the estimates point one way; whether groups differ is for :func:`_tested` to say."""
    known = [d.estimate for c in told if isinstance(d := c.difference, Interval)]
    signs = {estimate > 0 for estimate in known if estimate != 0}
    way = "The estimates point the same way in every group."
    if len(signs) > 1:
        way = "The estimates do not all point the same way."
    return f"{way} Groups are smaller than the trial, so their ranges are wider."


def _looked(trial: Trial, told: list[Contrast]) -> list[str]:
    """Whether the groups' own ranges allow for reading the trial before its end."""
    methods = [d.method for c in told if isinstance(d := c.difference, Interval)]
    if not any("confidence sequence" in m or "repeated confidence" in m for m in methods):
        return []
    when = (
        "however often they are looked at" if trial.analysis.looks == "always-valid"
        else "at every look that the plan allows"
    )  # fmt: skip
    return [f"They are wider, too, so that they hold {when}."]


def _tested(trial: Trial, entry: Json) -> list[str]:
    """What the interaction tests say, adjusted for how many there are; nothing without one."""
    tests = [t for t in parts(entry, "interactions") if finite(t.get("p_adjusted")) is not None]
    if not tests:
        return []
    first = min(tests, key=lambda t: (t["p_adjusted"], t["p"]))
    among = f", adjusted for {len(tests)} such tests" if len(tests) > 1 else ""
    p = f"(p {'' if first['p_adjusted'] < 0.001 else '= '}{p_value(first['p_adjusted'])}{among})"
    if first["p_adjusted"] > trial.analysis.alpha:
        return [f"A test finds no sign that the effect differs between groups {p}."]
    by = text(first, "by", "group").replace("_", " ").replace("-", " ")
    return [f"The effect differs by {by} more than chance would explain {p}."]


def _left_out(names: list[str]) -> list[str]:
    if not names:
        return []
    return [f"Too few in an arm to say anything by themselves: {listed(names)}."]


def _too_few(contrast: Contrast) -> bool:
    found = contrast.difference
    return isinstance(found, Absent) and found.code == "too-few-units"


def _segment_cells(name: str, contrast: Contrast, pooled: object) -> tuple[str, ...]:
    cells = effect_cells(contrast)
    shrunk = "–"
    if isinstance(pooled, Interval):
        base = phrases.base_of(contrast.metric, pooled)
        ends = phrases.span(contrast.metric, pooled, base)
        shrunk = f"{difference(contrast, pooled)} ({ends})"
    return (name, *cells[1:4], shrunk)
