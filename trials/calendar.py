"""The calendar as it is kept: events and interventions, added one by one or from a file."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, events, registry
from trials.errors import Invalid, NotFound, Problem
from trials.events import Clash, Event, Kind
from trials.store.tables import EventRow, TrialRow

KINDS: tuple[Kind, ...] = get_args(Kind)
MOST = 2_000
_LATIN_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An event with its number."""

    id: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A trial that an event overlaps, and what that means."""

    trial: str
    title: str
    clash: Clash


def between(session: Session, first: date, last: date) -> list[Kept]:
    """The events kept that touch these days, in order of time."""
    rows = session.scalars(
        sa.select(EventRow)
        .where(EventRow.starts <= last, EventRow.ends >= first)
        .order_by(EventRow.starts, EventRow.id)
    )
    return [Kept(id=row.id, event=_event(row)) for row in rows]


def load(session: Session, number: int) -> Kept:
    """One event. Raises ``NotFound``."""
    return Kept(id=number, event=_event(_row(session, number)))


def put(session: Session, event: Event, *, actor: str, number: int | None = None) -> int:
    """Keep an event, in place of number ``number`` where it is given; answers its number."""
    row = _row(session, number) if number else EventRow()
    row.detail, row.starts, row.ends = _detail(event), event.starts, event.ends
    session.add(row)
    session.flush()
    done = "event changed" if number else "event added"
    audit.record(session, done, "calendar", actor=actor,
                 detail={"event": row.id, "title": event.title})  # fmt: skip
    return row.id


def remove(session: Session, number: int, *, actor: str) -> None:
    """Take an event off the calendar. Raises ``NotFound``."""
    row = _row(session, number)
    audit.record(session, "event removed", "calendar", actor=actor,
                 detail={"event": number, "title": _event(row).title})  # fmt: skip
    session.delete(row)


def take(session: Session, found: list[Event], *, actor: str) -> int:
    """Keep those of ``found`` that are not on the calendar yet; answers how many were new."""
    if not found:
        return 0
    first, last = min(e.starts for e in found), max(e.ends for e in found)
    known = {(k.event.title, k.event.starts, k.event.ends) for k in between(session, first, last)}
    new = [e for e in dict.fromkeys(found) if (e.title, e.starts, e.ends) not in known]
    for event in new:
        session.add(EventRow(detail=_detail(event), starts=event.starts, ends=event.ends))
    if new:
        audit.record(session, "events imported", "calendar", actor=actor,
                     detail={"added": len(new)})  # fmt: skip
    return len(new)


def met(session: Session, found: list[Event]) -> list[Met]:
    """Which trials not yet decided these events overlap, and what it means for each."""
    rows = session.scalars(
        sa.select(TrialRow).where(
            TrialRow.state != "decided", TrialRow.starts.is_not(None), TrialRow.ends.is_not(None)
        )
    )
    told = []
    for row in rows:
        trial = registry.definition_of(row)
        if row.starts is None or row.ends is None:
            continue
        hits = events.clashes(
            row.starts, row.ends, found, service=row.service, design=trial.design.kind,
            window_days=(trial.primary.window or 0) / 86_400,
        )  # fmt: skip
        told += [Met(trial=row.key, title=row.title, clash=hit) for hit in hits]
    return sorted(told, key=lambda one: (one.clash.first, one.title))


def read(name: str, content: bytes) -> list[Event]:
    """The events of an iCalendar (.ics) or CSV file.

    A CSV has ``title`` and ``starts``, and if wanted ``ends``, ``kind``, ``nature``, ``moved``,
    ``services``, ``lines`` (several with a semicolon between) and ``note``.

    Raises:
        Invalid: it cannot be read; every problem is listed with its line.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(name, [Problem("", "is not UTF-8 text", "save it as UTF-8")]) from None
    problems: list[Problem] = []
    rows = _ics(text) if "BEGIN:VCALENDAR" in text[:500].upper() else _csv(name, text)
    if len(rows) > MOST:
        raise Invalid(name, [Problem("", f"has more than {MOST:,} events", "split it")])
    found = [event for line, row in rows if (event := _read(line, row, name, problems))]
    if problems:
        raise Invalid(name, problems)
    if not found:
        raise Invalid(name, [Problem("", "holds no events", "export the calendar again")])
    return found


def _csv(name: str, text: str) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text))
    columns = [c.strip().lower() for c in reader.fieldnames or ()]
    if missing := {"title", "starts"} - set(columns):
        says = f"the column {min(missing)!r} is missing"
        raise Invalid(name, [Problem("line 1", says, f"the file has {', '.join(columns)}", 1)])
    reader.fieldnames = columns
    return [
        (reader.line_num, {k: (v or "").strip() for k, v in row.items() if isinstance(k, str)})
        for row in reader
    ]


def _ics(text: str) -> list[tuple[int, dict[str, str]]]:
    """Whole days of each VEVENT (RFC 5545); the end of a whole-day event is the day after it."""
    found: list[tuple[int, dict[str, str]]] = []
    row: dict[str, str] | None = None
    unfolded = re.sub(r"\r?\n[ \t]", "", text)
    for number, line in enumerate(unfolded.splitlines(), start=1):
        name, _, value = line.partition(":")
        key = name.split(";")[0].upper()
        if key == "BEGIN" and value.upper() == "VEVENT":
            row = {"source": "calendar file"}
        elif key == "END" and value.upper() == "VEVENT" and row is not None:
            found.append((number, row))
            row = None
        elif row is not None and key in ("SUMMARY", "DESCRIPTION"):
            plain = re.sub(r"\\([,;\\])", r"\1", value.replace("\\n", " "))
            row["title" if key == "SUMMARY" else "note"] = plain.strip()
        elif row is not None and key == "DTSTART":
            row["starts"] = _iso(value)
        elif row is not None and key == "DTEND":
            row["ends"] = _day_before(value) if "T" not in value else _iso(value)
    return found


def _iso(value: str) -> str:
    return f"{value[:4]}-{value[4:6]}-{value[6:8]}"


def _day_before(value: str) -> str:
    try:
        return (date.fromisoformat(_iso(value)) - timedelta(days=1)).isoformat()
    except ValueError:
        return _iso(value)


def _read(line: int, row: dict[str, str], name: str, problems: list[Problem]) -> Event | None:
    try:
        starts = day(row.get("starts", ""))
        ends = day(row["ends"]) if row.get("ends") else starts
    except ValueError:
        remedy = "write it as 2026-06-15 or 15/06/2026"
        problems.append(Problem(f"line {line}", "a date cannot be read", remedy, line))
        return None
    try:
        return of_words({**row, "source": row.get("source") or name}, starts, max(starts, ends))
    except Invalid as refused:
        problems += [Problem(f"line {line}", p.says, p.remedy, line) for p in refused.problems]
        return None


def day(text: str) -> date:
    """A day as people write it: ``2026-06-15`` or ``15/06/2026``. Raises ``ValueError``."""
    if found := _LATIN_DATE.fullmatch(text.strip()):
        return date(int(found[3]), int(found[2]), int(found[1]))
    return date.fromisoformat(text.strip())


def of_words(row: dict[str, str], starts: date, ends: date) -> Event:
    """An event from the words of a form or a file; what is left out is the usual.

    Raises:
        Invalid: a word is not known, or the event has no title.
    """
    problems = [
        Problem(name, f"{row[name]!r} is not known", f"use one of {', '.join(allowed)}")
        for name, allowed in (("kind", KINDS), ("nature", ("event", "intervention")),
                              ("moved", ("demand", "capacity", "both")))
        if row.get(name) and row[name] not in allowed
    ]  # fmt: skip
    if problems:
        raise Invalid("the event", problems)
    words: dict[str, Any] = {
        "kind": row.get("kind") or "other", "nature": row.get("nature") or "event",
        "moved": row.get("moved") or "demand",
    }  # fmt: skip
    return Event(
        title=row.get("title", "").strip(), starts=starts, ends=ends, **words,
        services=_several(row.get("services", "")), lines=_several(row.get("lines", "")),
        note=row.get("note", "").strip(), source=row.get("source", "").strip(),
    )  # fmt: skip


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _row(session: Session, number: int) -> EventRow:
    row = session.get(EventRow, number)
    if row is None:
        raise NotFound("there is no such event", "it may have been removed")
    return row


def _detail(event: Event) -> dict[str, Any]:
    names = ("title", "kind", "nature", "moved", "note", "source")
    return {**{name: getattr(event, name) for name in names},
            "services": list(event.services), "lines": list(event.lines)}  # fmt: skip


def _event(row: EventRow) -> Event:
    detail = row.detail
    return Event(
        title=detail["title"], starts=row.starts, ends=row.ends, kind=detail.get("kind", "other"),
        nature=detail.get("nature", "event"), moved=detail.get("moved", "demand"),
        services=tuple(detail.get("services", ())), lines=tuple(detail.get("lines", ())),
        note=detail.get("note", ""), source=detail.get("source", ""),
    )  # fmt: skip
