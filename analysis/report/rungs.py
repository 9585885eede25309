"""Whom a message reached, what it did to those, and how long people left it before they chased."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.report import marks
from analysis.report.chart import Chart, finished
from analysis.report.displaced import DAYS
from analysis.report.figures import (
    listed,
    number,
    p_value,
    percent,
    plural,
    points,
    sentence,
    significant,
)
from analysis.report.marks import Spec
from analysis.report.matched import Cells, Matched, Shown
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
    text,
)
from trials.definition.model import Metric, Trial

RUNGS = {
    "allocated": "Allocated", "sent": "Sent", "delivered": "Delivered",
    "reached": "Reached: met a version", "linkable": "Can be matched",
    "outcome-known": "Outcome of the main measure known", "acted": "Took the new version up",
}  # fmt: skip
WEAK = 10.0
"""First-stage F below which the effect leans on too little (Staiger & Stock 1997)."""
HEIGHT = 220
_COLOURS = (marks.QUIET, marks.NEW, "#8a4b08", "#4c2c92", "#0b0c0c")
_DASHES = ([1, 0], [9, 3], [3, 3], [12, 3, 3, 3], [1, 2])


def ladder(trial: Trial, result: Json) -> Matched:
    """Who is there at every rung, and the effect on those who were reached, after allocation's."""
    rungs = parts(result, "ladder")
    if not rungs:
        return Matched()
    tables = (_rungs(trial, rungs), *_compliers(trial, result))
    return Matched(says=(_held(rungs), *_reached(trial, result)), tables=tables)


def _held(rungs: list[Json]) -> str:
    off = [RUNGS[text(r, "rung")].lower() for r in rungs if r.get("off") is True]
    if off:
        return sentence(f"The versions do not have their planned shares at: {listed(off)}")
    if all(finite(r.get("p")) is None for r in rungs):
        return "Whole groups were drawn, or shares moved, so the rungs have no test of their own."
    return "At every rung that is tested the versions have their planned shares."


def _rungs(trial: Trial, rungs: list[Json]) -> Shown:
    first = part(rungs[0], "counts")
    return Shown(
        caption="From allocated to acted",
        columns=("Rung", *(arm_title(trial, arm.key) for arm in trial.arms), "As planned?"),
        rows=tuple(
            (RUNGS.get(text(r, "rung"), text(r, "rung")),
             *(_of(part(r, "counts").get(arm.key), first.get(arm.key)) for arm in trial.arms),
             _planned(r))
            for r in rungs
        ),
    )  # fmt: skip


def _of(some: object, every: object) -> str:
    n, total = finite(some) or 0, finite(every) or 0
    return f"{number(n)} ({percent(n / total)})" if total and n != total else number(n)


def _planned(rung: Json) -> str:
    p = finite(rung.get("p"))
    if p is None:
        return "Not tested"
    return (
        f"{'No' if rung.get('off') is True else 'Yes'} (p {'' if p < 0.001 else '= '}{p_value(p)})"
    )


def _entries(trial: Trial, result: Json) -> Iterator[tuple[Metric, str, Json]]:
    """Every measure and version with an effect on those who took it up."""
    for metric, entry in metric_entries(trial, result):
        for contrast in parts(entry, "contrasts"):
            found = part(part(contrast, "also"), "compliers")
            if found:
                yield metric, arm_title(trial, text(contrast, "arm")), found


def _reached(trial: Trial, result: Json) -> Iterator[str]:
    for metric, title, found in _entries(trial, result):
        if metric.role != "primary":
            continue
        effect, strength = interval(part(found, "effect")), finite(found.get("first_stage_f"))
        if not isinstance(effect, Interval):
            yield sentence(f"‘{title}’: no effect on those reached; {effect.why}")
            continue
        weak = "" if strength is None or strength >= WEAK else (
            "; few more were reached than without, so read the Anderson–Rubin range")  # fmt: skip
        yield sentence(
            f"Second to the effect of allocation: among those whom ‘{title}’ reached because they "
            f"were given it, ‘{metric_title(metric)}’ changed by {_told(metric, effect)}{weak}"
        )


def _compliers(trial: Trial, result: Json) -> Iterator[Shown]:
    rows = [_row(*entry) for entry in _entries(trial, result)]
    if rows:
        yield Shown(
            caption="Effect on those who took the version up because they were given it",
            columns=("Measure", "Version", "Took it up because of it", "Effect",
                     "First-stage F", "Anderson–Rubin range"),
            rows=tuple(rows),
        )  # fmt: skip


def _row(metric: Metric, title: str, found: Json) -> Cells:
    uptake, effect = interval(part(found, "uptake")), interval(part(found, "effect"))
    strength = finite(found.get("first_stage_f"))
    ends = found.get("anderson_rubin")
    known = [finite(e) for e in ends] if isinstance(ends, list) else []
    told = " to ".join("unbounded" if e is None else _unit(metric, e) for e in known)
    if isinstance(effect, Interval):
        shown = _told(metric, effect)
        strong = "unbounded: everybody did" if strength is None else number(strength)
    else:
        shown, strong = sentence(effect.why), "–" if strength is None else number(strength)
    share = percent(uptake.estimate) if isinstance(uptake, Interval) else "–"
    return (metric_title(metric), title, share, shown, strong, told or "–")


def _unit(metric: Metric, value: float) -> str:
    return points(value) if metric.kind == "proportion" else significant(value)


def _told(metric: Metric, found: Interval) -> str:
    unit = " points" if metric.kind == "proportion" else ""
    ends = ("unbounded" if e is None else _unit(metric, e) for e in (found.low, found.high))
    return f"{_unit(metric, found.estimate)}{unit} ({' to '.join(ends)})"


def chase_charts(trial: Trial, result: Json) -> list[Chart]:
    """Kaplan–Meier curves of every time to an event, by version."""
    found = ((m, part(e, "curves")) for m, e in metric_entries(trial, result))
    return [_chase(trial, metric, curves) for metric, curves in found if curves]


def _chase(trial: Trial, metric: Metric, curves: Json) -> Chart:
    by_arm = {arm.key: parts(curves, arm.key) for arm in trial.arms if parts(curves, arm.key)}
    last = {arm: rows[-1] for arm, rows in by_arm.items()}
    said = listed([f"{percent(finite(row.get('chased')) or 0)} with ‘{arm_title(trial, arm)}’"
                   for arm, row in last.items()])  # fmt: skip
    day = number(max(finite(row.get("day")) or 0 for row in last.values()))
    unit = plural(trial.about.unit or "person")
    return finished(
        f"time-{metric.key}",
        lambda width: marks.framed([_curves(trial, by_arm, width)]),
        title=f"{metric_title(metric)}, day by day",
        conclusion=sentence(f"By day {day}, counting {unit} for as long as each was followed, it "
                            f"had happened for {said} (Kaplan–Meier)"),
        columns=("By day", *(arm_title(trial, arm) for arm in by_arm)),
        rows=[*_by_day(by_arm)],
    )  # fmt: skip


def _by_day(by_arm: dict[str, list[Json]]) -> Iterator[Cells]:
    """The days of a chart, each with its share, range and number followed by version."""
    known = {arm: {int(finite(r.get("day")) or 0): r for r in rows} for arm, rows in by_arm.items()}
    last = max(day for rows in known.values() for day in rows)
    for day in (*(d for d in DAYS if d < last), last):
        reached = [next((rows[d] for d in range(day, -1, -1) if d in rows), None)
                   for rows in known.values()]  # fmt: skip
        yield (number(day), *(_share(row) for row in reached))


def _share(row: Json | None) -> str:
    if row is None:
        return "0%"
    low, high = (percent(finite(row.get(end)) or 0) for end in ("low", "high"))
    followed = number(finite(row.get("at_risk")) or 0)
    return f"{percent(finite(row.get('chased')) or 0)} ({low} to {high}) of {followed} at risk"


def _curves(trial: Trial, by_arm: dict[str, list[Json]], width: int) -> Spec:
    """Steps from nothing on day 0, told apart by dashes as well as by colour."""
    values = []
    for arm, rows in by_arm.items():
        values.append({"day": 0, "share": 0.0, "arm": arm_title(trial, arm)})
        values += [{"day": finite(r.get("day")), "share": finite(r.get("chased")),
                    "arm": arm_title(trial, arm)} for r in rows]  # fmt: skip
    titles = [arm_title(trial, arm) for arm in by_arm]
    legend = {"orient": "bottom", "direction": "vertical", "title": None, "labelFontSize": 14,
              "labelLimit": width, "symbolType": "stroke", "symbolSize": 900,
              "symbolStrokeWidth": 3}  # fmt: skip
    return {
        "width": width - 60, "height": HEIGHT, "data": {"values": values},
        "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2.5},
        "encoding": {
            "x": {"field": "day", "type": "quantitative",
                  "axis": {"title": "Days since the message", "tickCount": 7}},
            "y": {"field": "share", "type": "quantitative",
                  "axis": {"title": None, "format": ".0%", "tickCount": 5}},
            "color": {"field": "arm", "type": "nominal", "legend": legend,
                      "scale": {"domain": titles, "range": [*_COLOURS[:len(titles)]]}},
            "strokeDash": {"field": "arm", "type": "nominal", "legend": legend,
                           "scale": {"domain": titles, "range": [*_DASHES[:len(titles)]]}},
        },
    }  # fmt: skip
