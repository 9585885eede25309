"""What each kind of mail says to one reader: which trials, in which order, under which subject.

Plain data in, plain data out; :mod:`web.mail.writing` makes bytes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from analysis.report.figures import capital, counted, day
from analysis.report.mailed import Alarm, Told
from analysis.report.words import NOTHING

NAMES = {
    "weekly": "Analysts’ weekly mail",
    "manager": "Managers’ mail",
    "monthly": "Directors’ monthly pack",
    "quarterly": "Committee’s quarterly digest",
    "alert": "Alert",
}
_WHY = {
    "weekly": "You get this every Monday because you analyse trials or asked for it.",
    "manager": "You get this when there is news, because trials touch your service or you asked.",
    "monthly": "You get this every month because you decide on trials or asked for it.",
    "quarterly": "You get this every quarter because the committee follows these trials.",
    "alert": "You get this at once because you look after this trial or asked for alerts.",
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
    flags: tuple[tuple[str, str], ...]
    to_do: tuple[tuple[str, str], ...]
    trials: tuple[Line, ...]
    charted: str
    why: str
    news: bool


def regular(kind: str, on: date, lines: Sequence[Line]) -> Letter:
    """A mail that comes by the calendar. The subject carries the finding that matters most."""
    ordered = sorted(lines, key=_urgency)
    fresh = [line for line in ordered if line.told.changes]
    heading = _heading(fresh[0]) if fresh else "No news from your trials"
    return Letter(
        kind=kind, name=NAMES[kind], date=day(on), heading=heading, subject=_cut(heading),
        lead=_lead(ordered, fresh), news=bool(fresh), why=_WHY[kind],
        flags=tuple((x.told.title, says) for x in ordered for says in x.told.flags),
        to_do=tuple((x.told.title, says) for x in ordered for says in x.told.to_do),
        trials=tuple(ordered), charted=_charted(fresh or ordered),
    )  # fmt: skip


def alert(on: date, line: Line, alarm: Alarm) -> Letter:
    """A mail about one thing that cannot wait. It shows no effect."""
    heading = f"{line.told.title}: {alarm.name.lower()}"
    return Letter(
        kind="alert", name=NAMES["alert"], date=day(on), heading=heading,
        subject=_cut(f"Alert: {heading}"),
        lead=alarm.says, flags=(), why=_WHY["alert"], news=True, charted="",
        to_do=((line.told.title, _act(alarm)),), trials=(),
    )  # fmt: skip


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


def _lead(ordered: Sequence[Line], fresh: Sequence[Line]) -> str:
    broken = sum(1 for line in ordered if line.told.flags)
    waits = sum(1 for line in ordered if line.told.to_do and not line.told.flags)
    said = [counted(len(ordered), "trial")]
    said.append(f"{len(fresh)} with news" if fresh else "none with news")
    if broken:
        said.append(f"{broken} with a failed check")
    if waits:
        said.append(f"{waits} waiting for a decision or an action")
    return capital(", ".join(said)) + "."


def _charted(lines: Sequence[Line]) -> str:
    """The title of the trial whose chart is shown: one that is sound, and has shown something."""
    known = [x.told for x in lines if x.told.chart is not None and not x.told.flags]
    clear = [told for told in known if told.finding != NOTHING]
    return (clear or known)[0].title if known else ""
