"""The calendar as a page shows it: one month in weeks, and what meets which trial."""

from __future__ import annotations

import calendar as months
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.report import figures
from trials import calendar, clock, events
from trials.events import Event
from trials.store.tables import TrialRow
from web.filled import Filled

KINDS = {
    "billing": "Bills go out", "reminder": "Reminders go out", "summons": "Summonses go out",
    "mail-out": "Another mail-out", "election": "Election", "admissions": "School admissions",
    "bank-holiday": "Bank holiday", "weather": "Weather", "service-failure": "A service failed",
    "system": "A system changed", "staffing": "Staffing", "call-back": "Call-backs",
    "ivr": "The phone menu changed", "trial": "Another trial", "other": "Something else",
}  # fmt: skip
AHEAD = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing of a day: an event (with its number, if it can be changed) or a trial (its key)."""

    title: str
    look: str
    number: int | None = None
    trial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the month's grid."""

    number: int
    spoken: str
    within: bool
    today: bool
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event in the list, with the trials that it meets."""

    number: int | None
    title: str
    kind: str
    when: str
    where: str
    note: str
    meets: tuple[tuple[str, str, str, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The month, the addresses of its neighbours, and the list of what is to come."""

    title: str
    before: str
    after: str
    weeks: tuple[tuple[Day, ...], ...]
    lines: tuple[Line, ...]


def month_of(text: str | None) -> date:
    """The first day of the month asked for as ``2026-06``; this month for anything else."""
    today = clock.london(clock.now()).date()
    try:
        return date.fromisoformat(f"{text}-01") if text else today.replace(day=1)
    except ValueError:
        return today.replace(day=1)


def page(session: Session, month: date) -> Page:
    """A month with a week's margin, and every event from its first day on for a year."""
    weeks = months.Calendar().monthdatescalendar(month.year, month.month)
    first, last = weeks[0][0], weeks[-1][-1]
    kept = calendar.between(session, first, max(last, month + AHEAD))
    shut = events.bank_holidays(first, max(last, month + AHEAD))
    numbered: list[tuple[int | None, Event]] = [(k.id, k.event) for k in kept]
    numbered += [(None, e) for e in shut]
    trials = _trials(session, first, last)
    met = calendar.met(session, [e for _, e in numbered])
    lines = [
        _line(number, event, met) for number, event in sorted(numbered, key=lambda p: p[1].starts)
        if event.ends >= month and (number is not None or any(m.clash.event is event for m in met))
    ]  # fmt: skip
    return Page(
        title=f"{month:%B %Y}",
        before=f"{month - timedelta(days=1):%Y-%m}", after=f"{month + timedelta(days=32):%Y-%m}",
        weeks=tuple(tuple(_day(d, month, numbered, trials) for d in week) for week in weeks),
        lines=tuple(lines),
    )  # fmt: skip


def _trials(session: Session, first: date, last: date) -> list[TrialRow]:
    return list(
        session.scalars(
            sa.select(TrialRow)
            .where(TrialRow.starts <= last, TrialRow.ends >= first)
            .order_by(TrialRow.starts)
        )
    )


def _day(
    day: date, month: date, numbered: list[tuple[int | None, Event]], trials: list[TrialRow]
) -> Day:
    mine = [
        Entry(title=e.title, number=n, look="own" if e.nature == "intervention" else "event")
        for n, e in numbered if e.starts <= day <= e.ends
    ]  # fmt: skip
    for row in trials:
        says = {row.starts: "starts", row.ends: "ends"}.get(day)
        if says:
            mine.append(Entry(title=f"{row.title} {says}", trial=row.key, look="trial"))
    return Day(
        number=day.day, spoken=f"{day:%A} {figures.day(day)}", within=day.month == month.month,
        today=day == clock.london(clock.now()).date(), entries=tuple(mine),
    )  # fmt: skip


def _line(number: int | None, event: Event, met: list[calendar.Met]) -> Line:
    days = figures.day(event.starts)
    if event.ends != event.starts:
        days = f"{days} to {figures.day(event.ends)}"
    hits = [m for m in met if m.clash.event is event]
    return Line(
        number=number, title=event.title, kind=KINDS.get(event.kind, event.kind), when=days,
        where=figures.listed([*event.services, *event.lines]) or "The whole council",
        note=event.note,
        meets=tuple((m.trial, m.title, m.clash.says, m.clash.level == "warn") for m in hits),
    )  # fmt: skip


def filled(event: Event) -> Filled:
    """An event as its form shows it."""
    return Filled({
        "title": event.title, "kind": event.kind, "nature": event.nature, "moved": event.moved,
        "starts": f"{event.starts:%d/%m/%Y}", "ends": f"{event.ends:%d/%m/%Y}",
        "services": "; ".join(event.services), "lines": "; ".join(event.lines),
        "note": event.note, "source": event.source,
    })  # fmt: skip
