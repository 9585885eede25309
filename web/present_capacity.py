"""The what-if of one line as its page shows it: the question from the form, the answer in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.estimates import Absent
from analysis.report import figures, marks
from analysis.report.chart import composed
from analysis.report.marks import Panel, Row, Rule
from analysis.report.view import Drawn
from analysis.scaling import words
from analysis.scaling.capacity import CapacityAnswer, State, answer
from analysis.scaling.question import CapacityRequest, Interval, Observed, read_profile
from analysis.scaling.wait import WaitConsequence
from trials.errors import Invalid, SignpostError
from web.filled import Filled
from web.present_figures import parsed

EXAMPLE = {
    "offered": "33592", "days": "21", "hours": "8", "aht": "666", "wait": "242",
    "abandoned": "13.11", "target_wait": "180", "retry": "87", "shrinkage": "30",
}  # fmt: skip
"""A published month: Buckinghamshire's contact centre in October 2022."""

_PLAIN = ("offered", "days", "hours", "aht", "agents", "patience", "target_wait")
_SHARES = ("retry", "shrinkage", "demand_change", "aht_change")
_NEEDED = ("offered", "days", "hours", "aht")
_PLACES = {
    "target-wait": "target_wait", "demand-change": "demand_change", "aht-change": "aht_change",
    "agents-added": "agents_added", "fit": "wait",
}  # fmt: skip
_STEPS = range(-3, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the panel shows."""

    says: str
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    chart: Drawn | None
    intervals: tuple[tuple[str, ...], ...]
    defaults: tuple[str, ...]
    notes: tuple[str, ...]


def filled_from(args: Mapping[str, str], line: CapacityRequest | None) -> tuple[Filled, bool]:
    """The form as asked for; with nothing asked, a trial's line, or the published example.

    Answers too whether it is the example.
    """
    asked = {key: value for key, value in args.items() if key != "trial" and value.strip()}
    if asked:
        return Filled(asked), False
    if line is not None:
        return Filled(_typed(line)), False
    return Filled(EXAMPLE), True


def _typed(line: CapacityRequest) -> dict[str, str]:
    plain = {key: getattr(line, key) for key in _PLAIN}
    shares = {key: getattr(line, key) for key in ("retry", "shrinkage")}
    typed = {k: f"{v:.10g}" for k, v in plain.items() if v is not None}
    typed |= {k: f"{100 * v:.6g}" for k, v in shares.items() if v is not None}
    if line.fit is not None:
        typed |= {"wait": f"{line.fit.wait:.10g}", "abandoned": f"{100 * line.fit.abandoned:.6g}"}
    return typed


def question(filled: Filled) -> tuple[CapacityRequest | None, Filled]:
    """The question that the form puts; ``None``, and the form with what is wrong with it."""
    found: dict[str, float] = {}
    for key in (*_PLAIN, *_SHARES, "agents_added", "wait", "abandoned"):
        if not filled[key]:
            continue
        number = parsed(filled[key])
        if number is None:
            filled = filled.wrong(key, "Give a number.")
        else:
            found[key] = number / 100 if key in (*_SHARES, "abandoned") else number
    for key in _NEEDED:
        if key not in found and key not in filled.problems:
            filled = filled.wrong(key, "Give this figure.")
    if ("wait" in found) != ("abandoned" in found):
        filled = filled.wrong("wait" if "wait" not in found else "abandoned",
                              "Give both what callers waited and how many gave up.")  # fmt: skip
    profile, filled = _profile(filled)
    if filled.problems:
        return None, filled
    wait, gone = found.pop("wait", None), found.pop("abandoned", None)
    fit = Observed(wait=wait, abandoned=gone) if wait is not None and gone is not None else None
    if fit is not None and "agents" in found:
        # Agents that somebody counted are believed before a fit of them.
        fit = None
    known: dict[str, Any] = dict(found)
    return CapacityRequest(fit=fit, profile=profile, **known), filled


def _profile(filled: Filled) -> tuple[tuple[Interval, ...], Filled]:
    """The intervals of the day, and the form with what is wrong with them."""
    if not filled["profile"]:
        return (), filled
    try:
        return read_profile(filled["profile"]), filled
    except Invalid as refused:
        return (), filled.wrong("profile", "; ".join(str(p) for p in refused.problems))


def refused(filled: Filled, failure: SignpostError) -> Filled:
    """The form with each problem beside its field."""
    if not isinstance(failure, Invalid):
        return filled.wrong("", failure)
    for problem in failure.problems:
        name = _PLACES.get(problem.place, problem.place)
        if problem.place.startswith(("interval", "profile")):
            name = "profile"
        remedy = problem.remedy
        if problem.place == "agents" and "--" in remedy:
            remedy = "give them, or what callers waited and how many gave up"
        filled = filled.wrong(name, figures.sentence(f"{problem.says}; {remedy}"))
    return filled


def result(request: CapacityRequest) -> Result:
    """The answer, for the panel. Raises ``Invalid`` where the question is impossible."""
    found = answer(request)
    return Result(
        says=_says(found), columns=_columns(found), rows=_rows(found),
        chart=_chart(request, found), intervals=_intervals(found),
        defaults=tuple(f"{words.input_name(s.name)}: {words.figure_of(s)}. {words.origin_of(s)}"
                       for s in found.settings if s.is_default),
        notes=found.notes,
    )  # fmt: skip


def _says(found: CapacityAnswer) -> str:
    target = found.settings[0].value
    state = found.state
    wait = _seconds(state.wait_answered)
    short = found.agents_for_target - found.agents
    lead = f"Callers wait {wait} on average now"
    if found.what_if is None:
        need = f"{figures.number(abs(short), 1)} more agents are needed" if short > 0.05 else (
            "the agents there are enough"
        )  # fmt: skip
        return f"{lead}. For an average of {figures.number(target)} seconds, {need}."
    after = found.what_if
    looped = _seconds(after.with_retrials.wait_answered)
    plain = _seconds(after.without_retrials.wait_answered)
    tail = "" if looped == plain else f" ({plain} if nobody’s ringing back is counted)"
    return f"{lead}. With these changes they would wait {looped}{tail}."


def _columns(found: CapacityAnswer) -> tuple[str, ...]:
    if found.what_if is None:
        return ("Measure", "Now")
    if _same(found):
        return ("Measure", "Now", "With the changes")
    return ("Measure", "Now", "With the changes", "Once fewer callers ring back")


def _same(found: CapacityAnswer) -> bool:
    after = found.what_if
    return after is None or after.with_retrials == after.without_retrials


def _rows(found: CapacityAnswer) -> tuple[tuple[str, ...], ...]:
    target, after = found.settings[0].value, found.what_if
    states = [found.state]
    if after is not None:
        states += [after.without_retrials] if _same(found) else [
            after.without_retrials, after.with_retrials]  # fmt: skip
    measures = (
        ("Calls offered", "offered", figures.number),
        ("Average wait, answered calls", "wait_answered", _plain_seconds),
        ("Average wait, everybody", "wait_all", _plain_seconds),
        ("Callers who give up", "abandoned", figures.percent),
        (f"Answered within {figures.number(target)} seconds", "service_level", figures.percent),
        ("Agents’ occupancy", "occupancy", figures.percent),
    )
    rows = [
        (name, *(_said(getattr(state, field), form) for state in states))
        for name, field, form in measures
    ]
    need = [
        found.agents_for_target,
        *([after.agents_for_target] * (len(states) - 1) if after else []),
    ]
    has = [
        found.agents,
        *([found.agents + after.agents_added] * (len(states) - 1) if after else []),
    ]
    rows += [
        ("Agents answering" + (" (fitted)" if found.fitted else ""),
         *(figures.number(n, 1) for n in has)),
        (f"Agents needed for {figures.number(target)} seconds",
         *(figures.number(n, 1) for n in need)),
        ("Short of that", *(_gap(n, h) for n, h in zip(need, has, strict=True))),
        ("Full-time posts to employ for it",
         *(figures.number(n / (1 - found.shrinkage), 1) for n in need)),
    ]  # fmt: skip
    return tuple(rows)


def _gap(need: float, has: float) -> str:
    share = (need - has) / need
    return f"{figures.percent(share)}" if share > 0 else f"{figures.percent(-share)} to spare"


def _chart(request: CapacityRequest, found: CapacityAnswer) -> Drawn | None:
    """The wait at a few agents fewer and more, under the changes asked for."""
    base = request
    if request.fit is not None:
        base = replace(request, fit=None, agents=found.agents, patience=found.patience)
    rows, target = [], found.settings[0].value
    has = found.agents + request.agents_added
    for more in _STEPS:
        if has + more < 1:
            continue
        try:
            after = answer(replace(base, agents_added=request.agents_added + more))
        except SignpostError:
            continue
        wait = after.state.wait_answered if after.what_if is None else (
            after.what_if.with_retrials.wait_answered
        )  # fmt: skip
        if isinstance(wait, Absent):
            continue
        kind: marks.Kind = "new" if more == 0 else "quiet"
        name = f"{figures.number(has + more, 1)} agents"
        rows.append(Row(name=name, value=wait, low=None, high=None, says=_seconds(wait), kind=kind))
    if len(rows) < 2:
        return None
    chart = composed(
        "waits", [Panel(rows=rows, axis="Average wait of answered calls, seconds", bars=True,
                        rules=[Rule(at=target, dash=(5, 3), colour=marks.HARM)])],
        title="The wait, with fewer or more agents",
        conclusion=_chart_says(target, found, request),
        columns=("Agents answering", "Average wait of answered calls"),
        rows=[(row.name, row.says) for row in rows],
    )  # fmt: skip
    return Drawn(chart=chart)


def _chart_says(target: float, found: CapacityAnswer, request: CapacityRequest) -> str:
    need = found.agents_for_target if found.what_if is None else found.what_if.agents_for_target
    has = found.agents + request.agents_added
    gap = need - has
    goal = f"The dashed line is the target of {figures.number(target)} seconds"
    if gap > 0.05:
        more, there = figures.number(gap, 1), figures.number(has, 1)
        return f"{goal}: {more} more agents than the {there} there would reach it."
    return f"{goal}: it is met, with {figures.number(-gap, 1)} agents to spare."


def _intervals(found: CapacityAnswer) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (s.label, figures.number(s.agents, 1), _said(s.state.wait_answered, _plain_seconds),
         _said(s.state.abandoned, figures.percent), figures.number(s.agents_for_target, 1))
        for s in found.stretches
    )  # fmt: skip


def trial_rows(found: WaitConsequence) -> tuple[tuple[str, ...], ...]:
    """What a trial's deflection does to the line at the middle and the ends of its interval."""
    rows: list[tuple[str, ...]] = []
    for name, loop in (("Average wait, call-backs as they are", "without_retrials"),
                       ("Average wait, once fewer ring back", "with_retrials")):  # fmt: skip
        rows.append((name, *(_wait(found.state(end, loop)) for end in ("median", "low", "high"))))
    rows.append(("Callers who give up, once fewer ring back",
                 *(_said(found.state(end, "with_retrials").abandoned, figures.percent)
                   for end in ("median", "low", "high"))))  # fmt: skip
    cut = found.cut
    rows.insert(0, ("Calls fewer on the line", *(
        figures.percent(x) for x in (cut.median, cut.low, cut.high))))  # fmt: skip
    return tuple(rows)


def _wait(state: State) -> str:
    return _said(state.wait_answered, _plain_seconds)


def _said(value: float | Absent, form: Any) -> str:
    return figures.sentence(value.why) if isinstance(value, Absent) else str(form(value))


def _plain_seconds(value: float) -> str:
    return f"{figures.number(value)} seconds"


def _seconds(value: float | Absent) -> str:
    if isinstance(value, Absent):
        return "for ever, as the queue grows"
    return _plain_seconds(value)
