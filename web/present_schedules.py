"""The clock as pages show it: what is to come, what ran, and a trial's timetable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from analysis.report import figures
from trials import clock
from trials.leases import Lease
from trials.schedules.book import Coming, Occasion
from web.jobs import derived
from web.present import State
from web.present_jobs import STATES, duration

LATE = timedelta(minutes=2)
MAILS = {
    "weekly": "Analysts’ weekly mail",
    "manager": "Service managers’ weekly mail",
    "monthly": "Directors’ monthly pack",
    "quarterly": "Committee’s quarterly digest",
    "reminder": "Reminders of next steps",
}
_OTHER = {
    "missed": State("missed", "Missed", "orange"),
    "skipped": State("skipped", "Not needed", "grey"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """Something that is to come."""

    what: str
    trial: str | None
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """Something that was due, and what became of it."""

    what: str
    trial: str | None
    due: str
    state: State
    took: str
    why: str
    job: int | None


def status(lease: Lease | None) -> State:
    """Whether a clock is running."""
    if lease is None:
        return State("never", "No clock has run yet", "grey")
    if clock.now() - lease.seen > LATE:
        return State("late", f"Last seen {figures.moment(lease.seen)}", "red")
    return State("running", "Running", "green")


def coming(found: Sequence[Coming]) -> list[Next]:
    """What is to come, the soonest first."""
    return [Next(what=_what(c.key, c.kind), trial=c.trial, at=figures.moment(c.at)) for c in found]


def ran(found: Sequence[Occasion]) -> list[Ran]:
    """What was due, the latest first."""
    return [
        Ran(what=_what(o.key, o.kind), trial=o.trial, due=figures.moment(o.due_at),
            state=_state(o), took=_took(o), why=_why(o), job=o.job.id if o.job else None)
        for o in found
    ]  # fmt: skip


def _what(key: str, kind: str) -> str:
    if kind == "mail":
        return MAILS.get(key.split("/")[1], derived.KINDS["mail"])
    number = key.rpartition("/")[2].partition("-")[2]
    return f"{derived.KINDS.get(kind, kind)}{f' {number}' if number else ''}"


def _state(occasion: Occasion) -> State:
    return STATES[occasion.job.state] if occasion.job else _OTHER.get(
        occasion.state, State(occasion.state, figures.capital(occasion.state), "grey"))  # fmt: skip


def _took(occasion: Occasion) -> str:
    job = occasion.job
    return duration(job.finished_at - job.started_at) if (
        job and job.started_at and job.finished_at) else ""  # fmt: skip


def _why(occasion: Occasion) -> str:
    says = occasion.why or (occasion.job.error if occasion.job else "") or ""
    return figures.sentence(says) if says else ""
