"""What the directors' pack and the committee's digest have beside each trial's own words."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis import portfolio
from analysis.casework import period, totals
from analysis.estimates import Absent
from analysis.report import digest, learned, mailed
from analysis.report.figures import capital, counted
from trials import clock, registry
from trials.mail.subscriptions import Reader
from trials.store.tables import RunRow, TrialRow
from web.mail.letters import Pack

MONTH, QUARTER = timedelta(days=31), timedelta(days=92)
"""How far back the first pack or digest of a reader looks, and how far ahead each does."""


def monthly(session: Session, reader: Reader, on: date, since: datetime | None) -> Pack:
    """The directors' pack of the trials that a reader follows, since they were told last."""
    keys = _keys(session, reader)
    found = period.of(session, keys, today=on, since=since or clock.start_of_day(on - MONTH),
                      ahead=MONTH)  # fmt: skip
    worth = totals.portfolio(session, keys=keys)
    year = totals.of_year(worth)
    sections = digest.monthly(found, year, len(worth.contacts.counted),
                              risks=_risks(session, keys), named=reader.account)  # fmt: skip
    waiting = len(found.undecided)
    said = [digest.saved(year)]
    if waiting:
        said.append(f"{counted(waiting, 'trial')} {'waits' if waiting == 1 else 'wait'} for a "
                    "decision")  # fmt: skip
    late = sum(s.step.due < on for s in found.steps)
    if late:
        said.append(f"{counted(late, 'step')} overdue")
    return Pack(heading=_heading(said), sections=sections, news=bool(found.turns or found.steps))


def quarterly(session: Session, reader: Reader, on: date, since: datetime | None) -> Pack:
    """The committee's digest of the trials that a reader follows, since they were told last.

    What all trials say together is told to those who follow all of them.
    """
    keys = _keys(session, reader)
    found = period.of(session, keys, today=on, since=since or clock.start_of_day(on - QUARTER),
                      ahead=QUARTER)  # fmt: skip
    whole = portfolio.portfolio(session) if "all" in reader.scopes and not reader.without else None
    heads = () if whole is None else learned.heads(whole.learned)
    chart = None
    if whole is not None and not isinstance(whole.learned, Absent):
        chart = learned.together(whole, whole.learned)
    taken = len(found.decided)
    said = [counted(taken, "decision") if taken else "no decision",
            digest.realised(found.benefits)]  # fmt: skip
    return Pack(heading=_heading(said), chart=chart, news=bool(found.turns or found.decided),
                sections=digest.quarterly(found, heads, named=reader.account))  # fmt: skip


def _heading(said: list[str]) -> str:
    return capital("; ".join(x for x in said if x))


def _keys(session: Session, reader: Reader) -> list[str]:
    rows = session.execute(sa.select(TrialRow.key, TrialRow.area)).tuples()
    return [key for key, area in rows if reader.wants(key, area)]


def _risks(session: Session, keys: list[str]) -> list[tuple[str, str]]:
    """Harm and crossed guardrails in the newest run of each trial that is not decided."""
    rows = session.scalars(
        sa.select(TrialRow).where(TrialRow.key.in_(keys), TrialRow.state != "decided")
        .order_by(TrialRow.title)
    )  # fmt: skip
    found = []
    for row in rows:
        run = session.scalars(
            sa.select(RunRow).where(RunRow.trial_id == row.id).order_by(RunRow.id.desc()).limit(1)
        ).first()
        if run is not None:
            alarms = mailed.alarms(registry.definition_of(row), run.result)
            found += [(row.title, a.says) for a in alarms if a.key in {"guardrail", "harm"}]
    return found
