"""The clock's mails: who gets which, what each says, into the outbox and once.

A run's report that a mail links to is frozen when it is first linked, so that what was sent can be
opened again as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.report import mailed
from analysis.report.html import report_html
from analysis.report.mailed import Told
from analysis.report.withhold import withheld
from trials import clock, registry, resources, settings
from trials.jobs import Job
from trials.mail import outbox, subscriptions
from trials.mail.subscriptions import Kind, Reader
from trials.settings import Settings
from trials.store.engine import Store
from trials.store.tables import RunRow, SentReportRow, TrialRow
from trials.store.upsert import insert
from web.jobs import packs, reminders
from web.jobs.handlers import Progress
from web.mail import letters, notices, posting, writing
from web.mail.letters import Letter, Line
from web.mail.links import Links
from web.mail.notices import Notice

QUIET = timedelta(days=6, hours=12)
"""How long nobody is told again that there is no news."""

_STATES = {
    "weekly": ("live", "paused", "stopped"),
    "manager": ("live", "paused", "stopped", "decided"),
    "monthly": ("live", "paused", "stopped", "decided"),
    "quarterly": ("live", "paused", "stopped", "decided"),
}
_EXAMPLE = mailed.Alarm("data-freshness", "This is an example: no trial has an alert now.")


def handle(job: Job, store: Store, progress: Progress) -> dict[str, Any]:
    """Write the mails of ``payload["occasion"]`` and ``at``, or the alerts of ``trial``."""
    found = settings.load(database_url=store.url.render_as_string(hide_password=False))
    progress("Writing mails", None)
    if job.payload["occasion"] == "alert":
        return {"written": alert(store, found, job.payload["trial"])}
    on = clock.london(datetime.fromisoformat(job.payload["at"])).date()
    if job.payload["occasion"] == "reminder":
        return {"written": reminders.write(store, found, on)}
    return {"written": write(store, found, job.payload["occasion"], on)}


def write(store: Store, found: Settings, kind: Kind, on: date) -> int:
    """Put the mails of a kind and a day in the outbox; answers how many were new."""
    with store.write() as session:
        people = subscriptions.readers(session, kind)
    return sum(_write(store, found, kind, on, reader) for reader in people)


def _write(store: Store, found: Settings, kind: Kind, on: date, reader: Reader) -> bool:
    occasion = f"{kind}/{on.isoformat()}"
    with store.read() as session:
        _draw(letter_for(session, found, kind, on, reader, freeze=False))
    with store.write() as session:
        if outbox.has(session, occasion, reader.email):
            return False
        letter = letter_for(session, found, kind, on, reader)
        if letter is None or (not letter.news and not _may_say_nothing(session, kind, reader)):
            return False
        return posting.put(session, found, letter, reader, occasion=occasion)


def _draw(letter: Letter | None) -> None:
    """Have the chart ready before the database is held: drawing takes its time."""
    if letter is not None and letter.chart is not None:
        writing.drawn(letter.chart)


def _may_say_nothing(session: Session, kind: Kind, reader: Reader) -> bool:
    """A manager is written to when there is news; others hear of none once a week at most."""
    since = clock.now() - QUIET
    return kind != "manager" and not outbox.told_nothing_since(session, reader.email, since)


def letter_for(
    session: Session, found: Settings, kind: Kind, on: date, reader: Reader, *, freeze: bool = True
) -> Letter | None:
    """The letter of a kind for one reader; ``None`` where no trial is theirs.

    ``freeze=False`` (a preview) keeps no report and makes no link that reads one.
    """
    last = outbox.last_told(session, kind, reader.email)
    basis = {} if last is None else last.basis
    lines = []
    for row in session.scalars(sa.select(TrialRow).where(TrialRow.state.in_(_STATES[kind]))):
        if not reader.wants(row.key, row.area):
            continue
        told = _told(session, row, basis.get(row.key))
        if kind == "quarterly" and told.run is None:
            continue
        if row.state == "decided" and kind == "manager" and not told.changes:
            continue
        lines.append(_line(session, found, row, told, reader, freeze=freeze))
    if not lines:
        return None
    make = {"monthly": packs.monthly, "quarterly": packs.quarterly}.get(kind)
    since = None if last is None else last.created_at
    return letters.regular(kind, on, lines, make and make(session, reader, on, since))


def example(session: Session, found: Settings, kind: Kind, on: date) -> Letter | None:
    """The letter of a kind for somebody who follows every trial and has had none before.

    ``None`` where there is no trial to tell of. An alert is shown about a trial that has one, or
    else, with words that say so, about any that runs.
    """
    everyone = Reader(subscription=0, email="", account=True, scopes=frozenset({"all"}))
    if kind == "reminder":
        return reminders.example(session, found, on)
    if kind != "alert":
        return letter_for(session, found, kind, on, everyone, freeze=False)
    running = sa.select(TrialRow).where(TrialRow.state.in_(_STATES["weekly"])).order_by(TrialRow.id)
    rows = session.scalars(running).all()
    if not rows:
        return None
    latest = [(row, latest_run(session, row.id)) for row in rows]
    real = ((row, alarm) for row, run in latest if run is not None for alarm in _alarms(row, [run]))
    row, alarm = next(real, (rows[0], _EXAMPLE))
    return letters.alert(on, Line(told=_told(session, row, None), link="", account=True), alarm)


def _told(session: Session, row: TrialRow, earlier: int | None) -> Told:
    run = latest_run(session, row.id)
    before = None if earlier is None else session.get(RunRow, earlier)
    return mailed.told(
        registry.definition_of(row),
        row.state,
        _result(run),
        None if before is None else before.result,
    )


def latest_run(session: Session, trial: int) -> RunRow | None:
    """The newest run of a trial."""
    return session.scalars(
        sa.select(RunRow).where(RunRow.trial_id == trial).order_by(RunRow.id.desc()).limit(1)
    ).first()


def _result(run: RunRow | None) -> dict[str, Any] | None:
    """A run's document with its number, which the row knows best."""
    return (
        None if run is None else {**run.result, "run": {**run.result.get("run", {}), "id": run.id}}
    )


def _line(
    session: Session, found: Settings, row: TrialRow, told: Told, reader: Reader, *, freeze: bool
) -> Line:
    links = Links(found.base_url, found.secret_key)
    link = links.trial(row.key)
    if not reader.account:
        link = ""
        if told.run is not None and freeze:
            link = links.to("report", _frozen(session, found, row, told.run))
    return Line(told=told, link=link, account=reader.account)


def _frozen(session: Session, found: Settings, row: TrialRow, run: int) -> int:
    """The number of a run's report as it is kept, made now if no mail has linked to it before."""
    wanted = sa.select(SentReportRow.id).where(SentReportRow.run_id == run)
    number = session.scalar(wanted)
    if number is not None:
        return number
    result = session.get_one(RunRow, run).result
    content = report_html(
        registry.definition_of(row), withheld(result), css=resources.asset_text("report.css"),
        generated_at=clock.now(), organisation=found.organisation,
    ).encode()  # fmt: skip
    session.execute(insert(session, SentReportRow).values(
        trial_id=row.id, run_id=run, content=content, at=clock.now(),
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
    ).on_conflict_do_nothing(index_elements=["run_id"]))  # fmt: skip
    return session.scalars(wanted).one()


def alert(store: Store, found: Settings, key: str) -> int:
    """Tell those who look after a trial what of its latest run cannot wait; once an episode."""
    with store.write() as session:
        row = registry.row_of(session, key)
        runs = session.scalars(
            sa.select(RunRow).where(RunRow.trial_id == row.id).order_by(RunRow.id.desc()).limit(60)
        ).all()
        people = [r for r in subscriptions.readers(session, "alert") if r.wants(key, row.area)]
        return sum(_alert(session, found, row, runs, alarm, people)
                   for alarm in _alarms(row, runs[:1]))  # fmt: skip


def _alarms(row: TrialRow, runs: Sequence[RunRow]) -> tuple[mailed.Alarm, ...]:
    trial = registry.definition_of(row)
    return tuple(alarm for run in runs for alarm in mailed.alarms(trial, run.result))


def _alert(
    session: Session, found: Settings, row: TrialRow, runs: Sequence[RunRow], alarm: mailed.Alarm,
    people: Iterable[Reader],
) -> int:  # fmt: skip
    occasion = f"alert/{row.key}/{alarm.key}/{_began(row, runs, alarm.key)}"
    told, links = _told(session, row, None), Links(found.base_url, found.secret_key)
    made = 0
    for reader in people:
        link = links.trial(row.key) if reader.account else ""
        line = Line(told=told, link=link, account=reader.account)
        letter = letters.alert(clock.london(clock.now()).date(), line, alarm)
        made += posting.put(session, found, letter, reader, occasion=occasion, about=row.key)
    notice = Notice(
        kind="alert", trial=row.key, title=registry.definition_of(row).about.title or row.key,
        says=alarm.says, link=links.trial(row.key),
    )  # fmt: skip
    return made + notices.put(session, notice, occasion=occasion)


def _began(row: TrialRow, runs: Sequence[RunRow], key: str) -> int:
    """The run with which an unbroken row of runs with this alarm began."""
    first = runs[0].id
    for run in runs:
        if key not in {alarm.key for alarm in _alarms(row, [run])}:
            break
        first = run.id
    return first
