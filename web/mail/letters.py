"""What each kind of mail says to one reader: which trials, in which order, under which subject.

Plain data in, plain data out; :mod:`web.mail.writing` makes bytes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from analysis.report.chart import Chart
from analysis.report.digest import Section, when
from analysis.report.figures import capital, counted, day, lower_first, sentence
from analysis.report.mailed import FIRST, Alarm, Told
from analysis.report.words import NOTHING

NAMES = {
    "weekly": "Analysts’ weekly mail",
    "manager": "Managers’ mail",
    "monthly": "Directors’ monthly pack",
    "quarterly": "Committee’s quarterly digest",
    "alert": "Alert",
    "reminder": "Reminder of next steps",
}
_WHY = {
    "weekly": "You get this every Monday because you analyse trials or asked for it.",
    "manager": "You get this when there is news, because trials touch your service or you asked.",
    "monthly": "You get this every month because you decide on trials or asked for it.",
    "quarterly": "You get this every quarter because the committee follows these trials.",
    "alert": "You get this at once because you look after this trial or asked for alerts.",
    "reminder": "You get this because you are named for a next step of a trial.",
}
LONGEST = 140
"""Characters of a subject line; what is cut off is said again in the heading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One trial of a letter, and where its report is read."""

    told: Told
    link: str
    account: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail's words."""

    kind: str
    name: str
    date: str
    subject: str
    heading: str
    lead: str
    why: str
    news: bool
    flags: tuple[tuple[str, str], ...] = ()
    to_do: tuple[tuple[str, str], ...] = ()
    sections: tuple[Section, ...] = ()
    trials: tuple[Line, ...] = ()
    quiet: tuple[Line, ...] = ()
    first: bool = False
    chart: Chart | None = None
    charted: str = ""
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A next step to remind of; ``whose`` is who is named for it, where they cannot be written to.

    ``link`` is the page on which it is said to be done.
    """

    title: str
    what: str
    on: date
    link: str
    whose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """What a pack or digest has beside its trials; an empty ``heading`` leaves that to them.

    ``chart`` takes the place of a single trial's.
    """

    heading: str
    sections: tuple[Section, ...]
    news: bool
    chart: Chart | None = None


def regular(kind: str, on: date, lines: Sequence[Line], pack: Pack | None = None) -> Letter:
    """A mail that comes by the calendar. The subject carries the finding that matters most."""
    ordered = sorted(lines, key=_urgency)
    fresh = [line for line in ordered if line.told.changes]
    heading = _heading(fresh[0]) if fresh else "No news from your trials"
    chart, charted = _charted(fresh or ordered)
    if pack is not None:
        heading = pack.heading or heading
        chart, charted = (pack.chart, "") if pack.chart is not None else (chart, charted)
    first = bool(fresh) and all(line.told.changes == (FIRST,) for line in fresh)
    return Letter(
        kind=kind, name=NAMES[kind], date=day(on), heading=heading, subject=_cut(heading),
        lead=_lead(ordered, fresh, first=first), why=_WHY[kind],
        news=bool(fresh) or (pack is not None and pack.news),
        flags=tuple((x.told.title, says) for x in ordered for says in x.told.flags),
        # who decides has a list of what waits for them, and a committee is asked for nothing
        to_do=() if pack is not None else tuple(
            (x.told.title, says) for x in ordered for says in x.told.to_do),
        sections=() if pack is None else pack.sections, first=first,
        trials=tuple(fresh), quiet=tuple(x for x in ordered if not x.told.changes),
        chart=chart, charted=charted,
    )  # fmt: skip


def alert(on: date, line: Line, alarm: Alarm) -> Letter:
    """A mail about one thing that cannot wait. It shows no effect."""
    heading = f"{line.told.title}: {lower_first(alarm.name)}"
    return Letter(
        kind="alert", name=NAMES["alert"], date=day(on), heading=heading,
        subject=_cut(f"Alert: {heading}"),
        lead=alarm.says, why=_WHY["alert"], news=True,
        to_do=((line.told.title, _act(alarm)),),
        links=((line.link, "Open the trial"),) if line.link else (),
    )  # fmt: skip


def reminder(on: date, due: Sequence[Due]) -> Letter:
    """A mail about next steps that somebody is named for, the most pressing first."""
    ordered = sorted(due, key=lambda one: (one.on, one.title))
    first = ordered[0]
    heading = f"{capital(when(first.on, on).partition(',')[0].partition(':')[0])}: {first.what}"
    if len(ordered) > 1:
        late = sum(one.on < on for one in ordered)
        overdue = f", {late} of them overdue" if late else ""
        heading = f"{len(ordered)} next steps are due{overdue}"
    return Letter(
        kind="reminder", name=NAMES["reminder"], date=day(on), heading=heading,
        subject=_cut(f"{heading} ({first.title})" if len(ordered) == 1 else heading),
        lead="If it is done, open its page and say so, and what came of it.",
        why=_WHY["reminder"], news=True,
        to_do=tuple((one.title, _asked(one, on)) for one in ordered),
        links=tuple(dict.fromkeys(
            (one.link, f"Open the next steps of ‘{one.title}’") for one in ordered)),
    )  # fmt: skip


def _asked(one: Due, today: date) -> str:
    passed = f" {one.whose} is named for it and has no account here, so please pass it on."
    return f"{sentence(one.what)} {capital(when(one.on, today))}.{passed if one.whose else ''}"


def _act(alarm: Alarm) -> str:
    return {
        "sample-ratio": "Do not act on its figures. Find out where units were lost or added.",
        "data-freshness": "Bring the contact log or the outcomes up to date.",
        "guardrail": "Ask an analyst to look today, and pause the trial if it cannot be explained.",
        "harm": "Ask an analyst to look today, and pause the trial until they have.",
    }[alarm.key]


def _urgency(line: Line) -> tuple[int, int, str]:
    """Broken first, then what waits for somebody, then what has changed."""
    return (0 if line.told.flags else 1, 0 if line.told.to_do else 1, line.told.title)


def _heading(line: Line) -> str:
    return f"{line.told.title}: {line.told.finding}"


def _cut(subject: str) -> str:
    if len(subject) <= LONGEST:
        return subject
    return subject[:LONGEST].rsplit(" ", 1)[0].rstrip(",;:") + " …"


def _lead(ordered: Sequence[Line], fresh: Sequence[Line], *, first: bool) -> str:
    broken = sum(1 for line in ordered if line.told.flags)
    waits = sum(1 for line in ordered if line.told.to_do and not line.told.flags)
    said = [counted(len(ordered), "trial")]
    if first and len(fresh) == len(ordered):
        said.append("told of here for the first time")
    else:
        said.append(f"{len(fresh)} with news" if fresh else "none with news")
    if broken:
        said.append(f"{broken} with a failed check")
    if waits:
        said.append(f"{waits} waiting for a decision or an action")
    return capital(", ".join(said)) + "."


def _charted(lines: Sequence[Line]) -> tuple[Chart | None, str]:
    """The chart of a trial that is sound, and has shown something, and the trial's title."""
    known = [x.told for x in lines if x.told.chart is not None and not x.told.flags]
    clear = [told for told in known if not told.finding.startswith(NOTHING)]
    chosen = min(clear or known, key=lambda told: _place(told.chart), default=None)
    return (None, "") if chosen is None else (chosen.chart, chosen.title)


def _place(chart: Chart | None) -> int:
    """Contacts really saved are what everybody is here for."""
    return 0 if chart is not None and chart.key == "deflection" else 1
