"""What the clock should do, read off each trial's plan.

Health every day, looks on their days, the end, and the day on which the last window has closed;
and the mails that go to everybody.
"""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import registry
from trials.definition.model import Looks, Trial
from trials.schedules import timetable
from trials.schedules.book import Ask, Due, Wanted
from trials.schedules.rules import Rule
from trials.schedules.timetable import Timetable
from trials.store.tables import AssignmentRow, TrialRow

KINDS = {
    "health": "Daily health check",
    "look": "Declared look",
    "end": "End of the trial",
    "maturity": "All outcomes in",
    "shares": "Shares follow the outcomes",
    "mail": "Mail",
}
MAILS = {
    "weekly": Rule(every="week", at="07:30"),
    "manager": Rule(every="week", at="08:00"),
    "monthly": Rule(every="month", at="07:30"),
    "quarterly": Rule(every="quarter", at="08:30"),
    "reminder": Rule(every="day", at="08:15"),
}
"""Which mail goes out when."""

MOVES_AT = "02:30"
"""When shares move: at night, so that a batch is a whole day or week."""

SETTLES = timedelta(days=3)
"""How long a log is given to arrive after the last window has closed."""


def wanted(session: Session) -> list[Wanted]:
    """Everything that should be in the book."""
    running = sa.select(TrialRow).where(TrialRow.state.in_(("live", "paused", "stopped")))
    mails = [Wanted(key=f"mail/{name}", kind="mail", rule=rule) for name, rule in MAILS.items()]
    return mails + [one for row in session.scalars(running) for one in of_trial(session, row)]


def of_trial(session: Session, row: TrialRow) -> list[Wanted]:
    """What one trial's plan and timetable ask for; nothing while its timetable is paused."""
    table = timetable.of(session, row.id)
    if table.paused or row.state not in {"live", "paused", "stopped"}:
        return []
    rules = planned(registry.definition_of(row), table)
    return [
        Wanted(key=f"trial/{row.key}/{name}", kind=name.split("-")[0], rule=rule, trial_id=row.id)
        for name, rule in rules.items()
        if name not in ("health", "shares") or row.state != "stopped"
    ]


def planned(trial: Trial, table: Timetable) -> dict[str, Rule]:
    """A plan's occasions by name: ``health``, ``shares``, ``look-1``, ``end``, ``maturity``."""
    from analysis import looking

    starts, ends = trial.about.starts, trial.about.ends
    closes = ends + _longest(trial) + SETTLES if ends else None
    found = {"health": Rule(every="day", at=table.at, days=table.days, first=starts, last=closes)}
    if trial.design.adaptive is not None:
        found["shares"] = Rule(every=trial.design.adaptive.every, at=MOVES_AT, days="every-day",
                               first=starts, last=ends)  # fmt: skip
    looks = trial.analysis.looks
    for n, day in enumerate(looking.days(trial, looks) if isinstance(looks, Looks) else (), 1):
        if day != ends:
            found[f"look-{n}"] = _once(table, day + timedelta(days=1))
    if ends and closes:
        found["end"] = _once(table, ends + timedelta(days=1))
        found["maturity"] = _once(table, closes + timedelta(days=1))
    return found


def _shares(key: str, row: TrialRow) -> Ask:
    if row.state != "live":
        return Ask(skip=f"the trial is {row.state}")
    return Ask(kind="move-shares", subject=key, payload={"trial": key})


def _once(table: Timetable, day: date) -> Rule:
    return Rule(every="once", at=table.at, days=table.days, first=day)


def _longest(trial: Trial) -> timedelta:
    """The longest window of the plan, in whole days."""
    days = [-(-metric.window // 86400) for metric in trial.metrics if metric.window]
    return timedelta(days=max(days, default=0))


def ask(session: Session, due: Due) -> Ask:
    """The job that an occasion asks for."""
    if due.kind == "mail":
        occasion = due.key.split("/")[1]
        return Ask(kind="mail", subject=f"mail {occasion}",
                   payload={"occasion": occasion, "at": due.at.isoformat()})  # fmt: skip
    if due.trial is None:
        return Ask(skip="the trial is gone")
    row = registry.row_of(session, due.trial)
    if row.state not in {"live", "paused", "stopped"}:
        return Ask(skip=f"the trial is {row.state}")
    anybody = session.scalar(
        sa.select(AssignmentRow.unit_id).where(AssignmentRow.trial_id == row.id).limit(1)
    )
    if anybody is None:
        return Ask(skip="nobody has been assigned yet")
    if due.kind == "shares":
        return _shares(due.trial, row)
    payload = {"trial": due.trial, "cutoff": due.at.isoformat(), "because": due.kind}
    return Ask(kind="analyse", subject=due.trial, payload=payload)
