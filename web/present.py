"""From the domain to what a page shows: words, dates and figures are made here, not by a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from analysis.report import figures, method, phrases, view
from analysis.report.reading import Json, metric_title
from analysis.report.view import Amendment, Version
from analysis.report.words import DECISIONS
from trials import audit
from trials.audit import Entry
from trials.definition.model import Metric, Trial
from trials.registry import TrialRecord, TrialSummary
from web.next_step import NextStep, next_step

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class State:
    """A state of a trial's life as a tag."""

    key: str
    label: str
    colour: str


STATES = {
    state.key: state
    for state in (
        State("live", "Live", "green"),
        State("paused", "Paused", "yellow"),
        State("ready", "Ready to launch", "blue"),
        State("draft", "Draft", "grey"),
        State("stopped", "Stopped", "orange"),
        State("decided", "Decided", "purple"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One trial in the list."""

    key: str
    title: str
    where: str
    state: State
    says: str
    facts: tuple[str, ...]
    has_report: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One metric as the plan has it."""

    title: str
    role: str
    defined: str
    aim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of a trial's history."""

    at: str
    what: str
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything the page of one trial shows."""

    key: str
    title: str
    caption: str
    state: State
    says: str
    decision: str
    analysed: str
    next_step: NextStep
    hypothesis: str
    facts: Facts
    versions: tuple[Version, ...]
    measures: tuple[Planned, ...]
    method: tuple[str, ...]
    plan: Facts
    amendments: tuple[Amendment, ...]
    history: tuple[Event, ...]


def state_of(key: str) -> State:
    """The tag of a state; one that is not known keeps its own name."""
    return STATES.get(key) or State(key, figures.capital(key.replace("-", " ")), "grey")


def lines(summaries: Sequence[TrialSummary]) -> list[Line]:
    """The list of trials: those that run first, then those to come, then those that ended."""
    order = list(STATES)
    return sorted(
        (_line(s) for s in summaries),
        key=lambda one: order.index(one.state.key) if one.state.key in order else len(order),
    )


def without_result(summary: TrialSummary) -> TrialSummary:
    """A trial's line for somebody who sees no results."""
    return replace(summary, verdict_says=None, run_at=None, decision=None)


def _line(summary: TrialSummary) -> Line:
    channel = view.channel_name(summary.channel)
    return Line(
        key=summary.key,
        title=summary.title,
        where=" · ".join(p for p in (summary.service, channel) if p),
        state=state_of(summary.state),
        says=summary.verdict_says or "",
        facts=_line_facts(summary),
        has_report=summary.run_at is not None,
    )


def _line_facts(summary: TrialSummary) -> tuple[str, ...]:
    said = [
        dates(summary.starts, summary.ends),
        figures.counted(summary.units, "unit") + " in the trial" if summary.units else "",
        f"Analysed {figures.day(summary.run_at)}" if summary.run_at else "",
        f"Decision: {figures.lower_first(DECISIONS.get(summary.decision, summary.decision))}"
        if summary.decision
        else "",
    ]
    return tuple(s for s in said if s)


def dates(starts: date | None, ends: date | None) -> str:
    """``1 April 2026 to 30 June 2026``, or what is known of it."""
    if starts and ends:
        return f"{figures.day(starts)} to {figures.day(ends)}"
    if starts:
        return f"From {figures.day(starts)}"
    return f"Until {figures.day(ends)}" if ends else ""


def counts(summaries: Sequence[TrialSummary]) -> list[tuple[State, int]]:
    """How many trials are in each state that has any, in the order of the list."""
    found = Counter(s.state for s in summaries)
    return [(state, found[key]) for key, state in STATES.items() if found[key]]


def page(record: TrialRecord, result: Json | None) -> Page:
    """The page of one trial."""
    trial = record.definition
    verdict = (result or {}).get("verdict") or {}
    run = (result or {}).get("run") or {}
    return Page(
        key=record.key,
        title=trial.about.title,
        caption=view.caption(trial),
        state=state_of(record.state),
        says=str(verdict.get("says") or ""),
        decision=DECISIONS.get(str(verdict.get("decision")), ""),
        analysed=figures.moment(run.get("at")) if run.get("at") else "",
        next_step=next_step(record, analysed=result is not None),
        hypothesis=figures.sentence(trial.about.hypothesis),
        facts=_about(trial),
        versions=view.versions(trial),
        measures=tuple(_planned(trial, metric) for metric in _by_role(trial)),
        method=tuple(method.method(trial, result or {})),
        plan=_plan(record),
        amendments=_amendments(record),
        history=tuple(_event(entry) for entry in reversed(record.history)),
    )


def _about(trial: Trial) -> Facts:
    about = trial.about
    said = {
        "Service": about.service,
        "Channel": view.channel_name(about.channel),
        "Area": figures.capital(about.area.replace("-", " ")),
        "Mechanism": figures.capital(about.mechanism or ""),
        "Techniques": figures.capital(
            figures.listed([t.replace(":", ": ") for t in about.techniques])
        ),
        "What is counted": figures.capital(figures.plural(about.unit)),
        "Dates": dates(about.starts, about.ends),
        "Owner": about.owner,
    }
    return tuple((name, value) for name, value in said.items() if value)


def _by_role(trial: Trial) -> list[Metric]:
    order = {"primary": 0, "secondary": 1, "guardrail": 2}
    return sorted(trial.metrics, key=lambda m: order[m.role])


def _planned(trial: Trial, metric: Metric) -> Planned:
    return Planned(
        title=metric_title(metric),
        role=view.ROLES[metric.role],
        defined=view.defined(metric, trial.about.unit),
        aim=_aim(trial, metric),
    )


def _aim(trial: Trial, metric: Metric) -> str:
    """What the plan looks for, or how much harm it allows."""
    gain = 1 if metric.better == "higher" else -1
    base = phrases.base_of(metric, None)
    per = f" in every {phrases.each(trial.about.unit, base)}" if base else ""
    if metric.margin is not None:
        return f"At most {phrases.signed(metric, -gain * metric.margin, base)}{per} is accepted."
    if metric.mde is not None:
        return f"The plan looks for {phrases.signed(metric, gain * metric.mde, base)}{per}."
    if metric.mde_relative is not None:
        return f"The plan looks for a change of {figures.percent(metric.mde_relative)} or more."
    return ""


def _plan(record: TrialRecord) -> Facts:
    seal = record.seal
    locked = figures.moment(record.locked_at) if record.locked_at else "Not yet: it can change"
    facts = [("Locked", locked), ("Plan hash", record.plan_hash)]
    if record.launch_plan_hash and record.launch_plan_hash != record.plan_hash:
        facts.append(("Plan hash at launch", record.launch_plan_hash))
    if seal:
        facts += [("Seed commitment", seal.commitment),
                  ("Seed", "Kept secret until the trial stops" if seal.seed is None
                   else str(seal.seed))]  # fmt: skip
        if seal.nonce:
            facts.append(("Nonce", seal.nonce))
    return tuple(facts)


def _amendments(record: TrialRecord) -> tuple[Amendment, ...]:
    found: list[Mapping[str, Any]] = [
        {"number": a.number, "at": a.at.isoformat(), "reason": a.reason,
         "before_first_outcome": a.before_first_outcome, "changes": a.changes}
        for a in record.amendments
    ]  # fmt: skip
    return view.amendments(record.definition, found)


def _event(entry: Entry) -> Event:
    return Event(
        at=figures.moment(entry.at), what=figures.capital(entry.action), who=audit.name(entry.actor)
    )
