"""The events calendar and the interventions log: what else moved demand or capacity.

An event happens to a council (a billing run, a bank holiday, heavy rain); an intervention is what
the council does about it (overtime, a rebuilt IVR, more staff). Either can overlap a trial.
:func:`clashes` says in plain English what that means: people are asked about it before launch, and
it is printed in the report. Nothing here touches storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import holidays

from trials.errors import Invalid, Problem
from trials.plurals import counted

Kind = Literal[
    "billing", "reminder", "summons", "mail-out", "election", "admissions", "bank-holiday",
    "weather", "service-failure", "system", "staffing", "call-back", "ivr", "trial", "other",
]  # fmt: skip
Nature = Literal["event", "intervention"]
Moved = Literal["demand", "capacity", "both"]
When = Literal["running", "follow-up"]
Level = Literal["warn", "note"]

_WARNED: Final[frozenset[Kind]] = frozenset(
    {"billing", "reminder", "summons", "mail-out", "weather", "service-failure", "system",
     "staffing", "call-back", "ivr", "trial"}
)  # fmt: skip
_OVER_TIME: Final = frozenset({"switchback", "stepped-wedge"})
_WORKING_WEEK: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that moved, or will move, demand or capacity.

    ``services`` and ``lines`` it concerns; both empty means the whole council. ``ends`` is the last
    day, included. ``source`` says where this is known from.

    Raises:
        Invalid: it ends before it starts, or has no title.
    """

    title: str
    starts: date
    ends: date
    kind: Kind = "other"
    nature: Nature = "event"
    moved: Moved = "demand"
    services: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        """Check the dates and the title."""
        problems = []
        if not self.title.strip():
            problems.append(Problem("title", "is blank", "say what happened"))
        if self.ends < self.starts:
            problems.append(Problem("ends", "is before the start", "put the later date last"))
        if problems:
            raise Invalid("the event", problems)

    def concerns(self, service: str, lines: Sequence[str]) -> bool:
        """Whether it touches a service or one of its lines."""
        if not self.services and not self.lines:
            return True
        asked = {name.casefold() for name in (service, *lines) if name}
        return bool(asked & {name.casefold() for name in (*self.services, *self.lines)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """An event within a trial's days. ``says`` is the warning, one or two sentences."""

    event: Event
    when: When
    level: Level
    first: date
    last: date
    says: str

    @property
    def days(self) -> int:
        """How many days overlap."""
        return (self.last - self.first).days + 1


def clashes(
    starts: date,
    ends: date,
    events: Iterable[Event],
    *,
    service: str = "",
    lines: Sequence[str] = (),
    window_days: float = 0,
    design: str = "individual",
) -> list[Clash]:
    """What overlaps a trial that allocates from ``starts`` to ``ends``, in order of time.

    The days after the end in which contacts are still counted (``window_days``) belong to the
    trial too. Events of other services are left out. What an overlap means depends on the design:
    where arms run side by side an event falls on all, where they take turns it falls on one.
    """
    close = ends + timedelta(days=int(-(-window_days // 1)))
    found = [
        _clash(event, starts, ends, close, design)
        for event in events
        if event.starts <= close and event.ends >= starts and event.concerns(service, lines)
    ]
    return sorted(found, key=lambda clash: (clash.first, clash.event.title))


def _clash(event: Event, starts: date, ends: date, close: date, design: str) -> Clash:
    first, last = max(event.starts, starts), min(event.ends, close)
    when: When = "running" if first <= ends else "follow-up"
    over_time = design in _OVER_TIME
    warned = over_time or event.nature == "intervention" or event.kind in _WARNED
    return Clash(
        event=event, when=when, level="warn" if warned else "note", first=first, last=last,
        says=f"{_what(event, first, last, when)} {_meaning(event, design)}",
    )  # fmt: skip


def _what(event: Event, first: date, last: date, when: When) -> str:
    part = {
        "running": "while the trial runs",
        "follow-up": "while contacts are still counted after the trial",
    }[when]
    return (
        f"{event.title} ({_span(event.starts, event.ends)}) falls on {_days(first, last)} {part}."
    )


def _meaning(event: Event, design: str) -> str:
    moved = {"demand": "demand", "capacity": "waits", "both": "demand and waits"}[event.moved]
    if design in _OVER_TIME:
        return (
            f"Arms take turns, so a change in {moved} can pass for an effect: leave those days out."
        )
    if event.kind == "trial":
        return (
            "The same people may meet both messages: use one namespace, or look at both together."
        )
    if event.kind == "service-failure":
        return (
            "It falls on all arms alike, but may swamp the difference: do not change the split "
            "because of it, nor make up for it afterwards."
        )
    if event.kind == "bank-holiday":
        return "It falls on all arms alike; expect fewer contacts that day and more the next."
    return (
        f"It falls on all arms alike and does not favour one, but moves {moved}: the result "
        "speaks of such days, and a comparison with another period would not be fair."
    )


def _days(first: date, last: date) -> str:
    return counted((last - first).days + 1, "day")


def _span(first: date, last: date) -> str:
    if first == last:
        return spelled(first)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {spelled(last)}"
    return f"{spelled(first)} to {spelled(last)}"


def spelled(day: date) -> str:
    """``15 June 2026``."""
    return f"{day.day} {day:%B %Y}"


def bank_holidays(first: date, last: date) -> list[Event]:
    """The bank holidays of England from ``first`` to ``last``, as events of the whole council."""
    days = holidays.country_holidays(
        "GB", subdiv="ENG", years=range(first.year, last.year + 1), language="en_GB"
    )
    return [
        Event(title=name, starts=day, ends=day, kind="bank-holiday", moved="both",
              source="bank holidays of England")
        for day, name in sorted(days.items()) if first <= day <= last
    ]  # fmt: skip


def is_working_day(day: date) -> bool:
    """Monday to Friday, and no bank holiday in England."""
    return day.weekday() < _WORKING_WEEK and day not in holidays.country_holidays(
        "GB", subdiv="ENG", years=day.year
    )


def working_days_after(day: date, count: int) -> date:
    """The day on which ``count`` working days after ``day`` have passed; ``day`` itself is none.

    Raises:
        ValueError: ``count`` is negative.
    """
    if count < 0:
        raise ValueError("count working days forwards")
    shut = holidays.country_holidays(
        "GB", subdiv="ENG", years=range(day.year, day.year + count // 200 + 2)
    )
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < _WORKING_WEEK and day not in shut
    return day


def working_days(first: date, last: date) -> int:
    """How many working days there are from ``first`` to ``last``, both included."""
    shut = holidays.country_holidays("GB", subdiv="ENG", years=range(first.year, last.year + 1))
    days = (first + timedelta(days=i) for i in range((last - first).days + 1))
    return sum(day.weekday() < _WORKING_WEEK and day not in shut for day in days)
