"""Work in the background as pages show it: words, durations, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from analysis.report import figures
from trials import audit, clock
from trials.jobs import Job
from web.jobs import handlers
from web.present import State

STATES = {
    "queued": State("queued", "Waiting", "blue"),
    "running": State("running", "Running", "yellow"),
    "done": State("done", "Done", "green"),
    "failed": State("failed", "Failed", "red"),
    "cancelled": State("cancelled", "Cancelled", "grey"),
}


SHOWN = 200
"""So many refused rows stand on the page of a job; the file beside it has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One job in the list."""

    id: int
    title: str
    about: str
    state: State
    asked: str
    took: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Everything the page of one job shows."""

    id: int
    title: str
    about: str
    state: State
    over: bool
    says: str
    percent: int | None
    facts: tuple[tuple[str, str], ...]
    error: str
    problems: tuple[str, ...]
    outcome: tuple[tuple[str, str], ...]
    files: tuple[str, ...]
    trial: str | None
    has_report: bool
    paper: int | None
    cancellable: bool


def lines(found: Sequence[Job]) -> list[Line]:
    """The list of jobs."""
    return [
        Line(id=job.id, title=handlers.title(job.kind), about=job.subject, state=_state(job),
             asked=figures.moment(job.created_at), took=_took(job), error=_error(job))
        for job in found
    ]  # fmt: skip


def page(job: Job, *, statistics: bool = False) -> Page:
    """The page of one job; with ``statistics`` it has the figures that only analysts are shown."""
    result = job.result or {}
    trial = job.payload.get("trial")
    return Page(
        id=job.id, title=handlers.title(job.kind), about=job.subject, state=_state(job),
        over=job.over, says=_says(job), percent=job.percent if job.state == "running" else None,
        facts=_facts(job), error=_error(job), problems=_problems(result),
        outcome=_outcome(result, statistics=statistics) if job.state == "done" else (),
        files=tuple(result.get("files", ())) if job.state == "done" else (),
        trial=str(trial) if trial else None,
        has_report=job.state == "done" and "run" in result,
        paper=result.get("paper") if job.state == "done" else None,
        cancellable=not job.over and not job.cancelling,
    )  # fmt: skip


def duration(span: timedelta) -> str:
    """``40 seconds``, ``3 minutes``, ``2 hours 5 minutes``."""
    seconds = int(span.total_seconds())
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return figures.counted(seconds, "second")
    minutes = round(seconds / 60)
    if minutes < 90:
        return figures.counted(minutes, "minute")
    hours, left = divmod(minutes, 60)
    tail = f" {figures.counted(left, 'minute')}" if left else ""
    return f"{figures.counted(hours, 'hour')}{tail}"


def _state(job: Job) -> State:
    if job.cancelling and not job.over:
        return State("cancelling", "Being stopped", "grey")
    return STATES[job.state]


def _took(job: Job) -> str:
    if job.started_at is None:
        return ""
    return duration((job.finished_at or clock.now()) - job.started_at)


def _says(job: Job) -> str:
    """The one sentence that is read aloud when it changes."""
    if job.state == "queued" and job.attempts:
        return f"It will be tried again at {figures.moment(job.due_at)}."
    if job.state == "queued":
        return "It is waiting for a worker."
    if job.state == "running":
        done = f", {job.percent}%" if job.percent is not None else ""
        return f"{job.stage or 'Running'}{done}."
    if job.state == "done":
        return f"It finished in {_took(job)}."
    if job.state == "failed":
        return "It failed. Nothing was half-done."
    return "It was stopped before it had finished."


def _error(job: Job) -> str:
    return figures.sentence(job.error) if job.error and job.state in {"failed", "queued"} else ""


def _facts(job: Job) -> tuple[tuple[str, str], ...]:
    said = {
        "About": job.subject,
        "Asked for": f"{figures.moment(job.created_at)}, by {audit.name(job.actor)}",
        "Begun": figures.moment(job.started_at) if job.started_at else "",
        "Ended": figures.moment(job.finished_at) if job.finished_at else "",
        "Time taken": _took(job),
        "Attempts": f"{job.attempts:,}" if job.attempts > 1 else "",
    }
    return tuple((name, value) for name, value in said.items() if value)


def _problems(result: dict[str, Any]) -> tuple[str, ...]:
    """Every row that was refused, with its line and what to do."""
    found = [
        f"{_place(p)}{p['says']}" + (f"; {p['remedy']}" if p.get("remedy") else "")
        for p in result.get("problems", ())[:SHOWN]
    ]  # fmt: skip
    more = int(result.get("problems_in_all", len(found))) - len(found)
    return tuple([*found, f"and {more:,} more"] if more > 0 else found)


def problem_rows(job: Job) -> list[tuple[str, str, str]]:
    """Every refused row that is kept: where, what is wrong, what to do."""
    return [
        (_place(p).removesuffix(": "), p["says"], p.get("remedy") or "")
        for p in (job.result or {}).get("problems", ())
    ]


def _place(problem: dict[str, Any]) -> str:
    if problem.get("place"):
        return f"{problem['place']}: "
    return f"line {problem['line']}: " if problem.get("line") else ""


def _outcome(result: dict[str, Any], *, statistics: bool) -> tuple[tuple[str, str], ...]:
    """An import's counts, and how far the coders of a sample agree."""
    names = {"rows": "Rows read", "added": "New", "unchanged": "Known already",
             "corrected": "Corrected", "refused": "Refused"}  # fmt: skip
    counts = [(label, f"{result[key]:,}") for key, label in names.items() if key in result]
    arms = [(f"In arm {arm}", f"{n:,}") for arm, n in (result.get("arms") or {}).items()]
    notes = [("Note", figures.sentence(note)) for note in result.get("notes", ())]
    coded = result.get("agreement")
    every = [("The two coders", coded)] if coded else []
    every += [(f"In arm {one['arm']}", one) for one in (coded or {}).get("arms", ())]
    told = [(name, _agreement(one, statistics=statistics)) for name, one in every]
    return (*counts, *arms, *told, *notes)


def _agreement(found: Mapping[str, Any], *, statistics: bool) -> str:
    """How many contacts were coded alike; kappa for those who read statistics."""
    of = figures.counted(found["contacts"], "contact")
    alike = f"gave the same code to {found['agreed']:,} of {of}"
    if not statistics:
        return alike
    kappa = found["kappa"]
    said = kappa["why"] if "why" in kappa else (
        f"Cohen’s kappa {kappa['estimate']:.2f}, 95% interval {kappa['low']:.2f} to "
        f"{kappa['high']:.2f}")  # fmt: skip
    return f"{alike}; {said}"
