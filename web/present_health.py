"""How a trial fares, as its health page shows it: nothing here tells of the effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.report import figures, method
from analysis.report.reading import arm_title, metric_title
from analysis.report.withhold import HEALTH
from trials import clock
from trials.definition.model import Trial
from trials.registry import TrialRecord
from trials.store.tables import JobRow
from web.present import State

Json = Mapping[str, Any]
STALE = timedelta(days=3)
"""Data older than this at a live trial are called old: a weekend may pass, a working week not."""

_RUNGS = {
    "assigned": "Given a version",
    "met": "Met their version",
    "linkable": "Can be recognised when they get in touch again",
}
_WHO = {
    "assigned": "were given a version",
    "met": "met their version",
    "linkable": "can be recognised when they get in touch again",
}
_SOURCES = {
    "assignments": "Who takes part",
    "exposures": "When people met their version",
    "outcomes": "Outcomes measured elsewhere",
}
_LEFT_OUT = {
    "excluded": "The plan leaves them out",
    "eligibility-not-known": "Not known whether the plan leaves them out",
    "not-enrolled": "Not on the trial’s list",
    "stratum-not-known": "Not known which group they belong to",
    "store-unreachable": "The database could not be reached",
    "objected": "They object to taking part in trials",
    "never-trial": "On the list of those never to be in a trial",
    "erased": "They had their data erased",
    "global-holdout": "Kept out of all trials for comparison",
    "outside-namespace": "Belong to another trial of the same group",
    "in-another-trial": "Already in another trial of the same group",
    "outside-coverage": "The trial does not take in everybody yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of health: what it asks, what came of it, and the statistics for analysts."""

    title: str
    tag: State
    says: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its sentence."""

    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Everything the panel shows. ``counted`` is when; empty where nothing was counted yet."""

    says: str
    standing: State
    counted: str
    under_way: bool
    over: bool
    rungs: Table | None
    weeks: Table | None
    fidelity: Table | None
    left_out: Table | None
    sources: Table | None
    maturing: str
    guardrails: tuple[str, ...]
    checks: tuple[Check, ...]
    checked: str
    look: str


def latest(session: Session, key: str) -> tuple[Json | None, bool]:
    """What was counted last of a trial, and whether counting is under way."""
    mine = sa.and_(JobRow.subject == key, JobRow.kind.in_(("health", "analyse")))
    results = session.scalars(
        sa.select(JobRow.result)
        .where(mine, JobRow.state == "done")
        .order_by(JobRow.id.desc())
        .limit(5)
    )
    found = next((r["health"] for r in results if r and "health" in r), None)
    busy = session.scalar(
        sa.select(JobRow.id).where(mine, JobRow.state.in_(("queued", "running"))).limit(1)
    )
    return found, busy is not None


def health(record: TrialRecord, found: Json | None, result: Json | None, *, busy: bool) -> Health:
    """The panel. ``found`` is :func:`latest`'s, ``result`` the last result as it may be shown."""
    trial = record.definition
    checks = _checks(result)
    standing, says = _standing(found, checks)
    return Health(
        says=says,
        standing=standing,
        under_way=busy,
        counted=figures.moment(found["at"]) if found else "",
        over=record.state not in ("live", "paused") and not busy,
        rungs=_rungs(trial, found),
        weeks=_weeks(trial, found),
        fidelity=_fidelity(trial, found),
        left_out=_left_out(trial, found),
        sources=_sources(found, live=record.state == "live"),
        maturing=_maturing(trial, found),
        guardrails=_guardrails(trial, found),
        checks=checks,
        look=_look(trial, result),
        checked=figures.moment((result.get("run") or {}).get("at")) if result else "",
    )


def _checks(result: Json | None) -> tuple[Check, ...]:
    told = method.checks(result) if result else []
    colours = {"pass": "green", "warn": "yellow", "fail": "red", "not-applicable": "grey"}
    return tuple(
        Check(
            title=c.title,
            tag=State(c.verdict, c.label, colours[c.verdict]),
            says=method.asks(c.key),
            detail=c.says,
        )
        for c in told
        if c.key in HEALTH
    )


def _standing(found: Json | None, checks: Sequence[Check]) -> tuple[State, str]:
    off = [_WHO[r["key"]] for r in (found or {}).get("rungs", ()) if r["off"]]
    failed = [f"‘{c.title}’" for c in checks if c.tag.key == "fail"]
    warned = [f"‘{c.title}’" for c in checks if c.tag.key == "warn"]
    if off or failed:
        numbers = f"the numbers in each arm of those who {figures.listed(off)}"
        what = numbers if off else figures.listed(failed)
        return State("bad", "Needs attention", "red"), (
            f"Something is wrong with {what}. Find out why before you go on: no "
            "result can be trusted until it is put right."
        )
    if warned:
        return State("look", "Look closer", "yellow"), (
            f"Nothing is broken, but look closer at {figures.listed(warned)}."
        )
    if not found and not checks:
        return State("new", "Not checked yet", "grey"), "Nothing has been counted yet. Check now."
    if found and not sum(found["assigned"].values()):
        return State("new", "Nobody yet", "grey"), (
            "Nobody takes part yet. Upload the list of those who do, or connect the channel."
        )
    return State("good", "Healthy", "green"), "The trial runs as planned, as far as can be counted."


def _titles(trial: Trial) -> tuple[str, ...]:
    return tuple(arm_title(trial, arm.key) for arm in trial.arms)


def _rungs(trial: Trial, found: Json | None) -> Table | None:
    if not found or not sum(found["assigned"].values()):
        return None
    rows, total = [], found["assigned"]
    unjudged = "Not judged: " + (
        "shares follow the outcomes" if trial.design.adaptive else "whole groups were drawn"
    )
    for rung in found["rungs"]:
        counts = rung["counts"]
        if not sum(counts.values()):
            continue
        as_planned = (
            "Not as planned"
            if rung["off"]
            else ("As planned" if rung["p"] is not None else unjudged)
        )
        cells = [_of(counts[a.key], total[a.key], rung["key"]) for a in trial.arms]
        rows.append((_RUNGS[rung["key"]], *cells, as_planned))
    says = (
        "At each step the arms should hold the shares that the plan gives them: "
        + figures.listed(
            [
                f"{t} {figures.percent(a.weight / sum(b.weight for b in trial.arms), 0)}"
                for t, a in zip(_titles(trial), trial.arms, strict=True)
            ]
        )
        + "."
    )
    return Table(says=says, columns=("Step", *_titles(trial), "Split"), rows=tuple(rows))


def _of(count: int, total: int, rung: str) -> str:
    share = f" ({figures.percent(count / total, 0)})" if total and rung != "assigned" else ""
    return f"{count:,}{share}"


def _weeks(trial: Trial, found: Json | None) -> Table | None:
    if not found or not found["weeks"]:
        return None
    rows = tuple(
        (
            figures.day(week["from"]),
            *(f"{week['counts'][a.key]:,}" for a in trial.arms),
            f"{sum(week['counts'].values()):,}",
        )
        for week in found["weeks"]
    )
    last = sum(found["weeks"][-1]["counts"].values())
    says = f"{figures.counted(last, trial.about.unit)} joined in the latest week with anybody new."
    return Table(says=says, columns=("Week from", *_titles(trial), "All"), rows=rows)


def _fidelity(trial: Trial, found: Json | None) -> Table | None:
    told = (found or {}).get("fidelity") or {}
    if not told:
        return None
    rows = tuple(
        (
            arm_title(trial, arm.key),
            f"{one['same']:,}",
            f"{one['other']:,}",
            figures.percent(one["same"] / (one["same"] + one["other"])),
        )
        for arm in trial.arms
        if (one := told.get(arm.key))
    )
    wrong = sum(one["other"] for one in told.values())
    says = (
        "Everybody got the version that was meant for them."
        if not wrong
        else f"{figures.counted(wrong, 'time')} somebody got another version than was meant."
    )
    return Table(
        says=says, columns=("Meant to get", "Got it", "Got another", "As meant"), rows=rows
    )


def _left_out(trial: Trial, found: Json | None) -> Table | None:
    told = (found or {}).get("left_out") or {}
    if not told:
        return None
    rows = tuple((_LEFT_OUT[reason], f"{n:,}") for reason, n in told.items())
    says = (
        f"{figures.counted(sum(told.values()), trial.about.unit)} asked and got what everybody "
        "outside the trial gets; they do not count in its result."
    )
    return Table(says=says, columns=("Why", "How many"), rows=rows)


def _sources(found: Json | None, *, live: bool) -> Table | None:
    if not found:
        return None
    now, rows, old = clock.now(), [], []
    for source in found["sources"]:
        name = _SOURCES.get(source["name"]) or figures.capital(source["name"])
        newest = source["newest"]
        if newest is None and source["taken"] is None:
            rows.append((name, "Nothing yet", "–"))
            continue
        if live and newest and now - datetime.fromisoformat(newest) > STALE:
            old.append(figures.lower_first(name))
        rows.append(
            (
                name,
                figures.moment(newest) if newest else "No time given",
                figures.moment(source["taken"]) if source["taken"] else "–",
            )
        )
    says = (
        f"More than three days old: {figures.listed(old)}."
        if old
        else ("How far each kind of data reaches.")
    )
    return Table(says=says, columns=("Data", "Newest", "Last handed in"), rows=tuple(rows))


def _maturing(trial: Trial, found: Json | None) -> str:
    if not found:
        return ""
    window = trial.primary.window
    if not window:
        return "The main measure has no waiting time: whatever is known counts at once."
    waiting = figures.counted(found["maturing"], trial.about.unit)
    span = figures.span_of_time(window)
    if not found["maturing"]:
        return f"Nobody’s {span} of measurement are still running."
    return f"For {waiting} the {span} of measurement are still running; they count once it is over."


def _guardrails(trial: Trial, found: Json | None) -> tuple[str, ...]:
    named = {m.key: metric_title(m) for m in trial.metrics}
    return tuple(
        f"{named[one['key']]}: "
        + (
            "read from the contact log."
            if one["from_log"]
            else f"{figures.counted(one['values'], 'value')} held, over all arms."
        )
        for one in (found or {}).get("guardrails", ())
        if one["key"] in named
    )


def _look(trial: Trial, result: Json | None) -> str:
    if result and result.get("withheld"):
        return f"{str(result['withheld']).split(';')[0]}."
    if result:
        return ""
    ends = trial.about.ends
    until = f" on {figures.day(ends)}" if ends else ""
    return f"No result is shown before the plan’s look; the trial is planned to end{until}."
