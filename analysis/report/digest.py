"""The sections that the monthly pack and the quarterly digest have beside each trial's own words.

Pure: a period and its totals in, headed lists of words out. ``named`` says whether colleagues may
be named: they are in mails to people who can sign in, and in no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from analysis.casework.period import Period
from analysis.casework.steps import Step
from analysis.estimates import Absent
from analysis.report.figures import capital, counted, day, sentence
from analysis.report.method import fewer_or_more
from analysis.report.words import DECISIONS
from analysis.scaling.ranges import Range
from analysis.scaling.realisation import STAGES, Benefit, Stage, log_totals
from analysis.scaling.words import pounds, spread

_ACTS = {"launched": "started", "paused": "was paused", "resumed": "was resumed",
         "stopped": "ended", "decided": "was decided"}  # fmt: skip
_PURSES = {
    "contact_centre": "Contact centre: officers’ time",
    "back_office": "Back office: work that goes with those contacts",
    "other_public_bodies": "Other public bodies",
    "customer": "Customers’ time, at its valuation; not the council’s money",
}
_STAGES: dict[Stage, str] = {
    "forecast": "Claimed", "agreed": "Agreed by Finance",
    "budget-line-removed": "Taken out of a budget", "verified": "Verified afterwards",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, sentences under it, figures (what, how much), and a list (about what, says)."""

    heading: str
    says: tuple[str, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()
    items: tuple[tuple[str, str], ...] = ()


def saved(worth: Mapping[str, Range]) -> str:
    """The month's finding, short enough for a subject; it claims no more than the range shows."""
    found = worth.get("contacts")
    if found is None:
        return ""
    if found.low > 0:
        return f"about {fewer_or_more(found.median)} a year, net"
    if found.high < 0:
        return f"about {fewer_or_more(found.median)} a year, net"
    return "no clear change in contacts yet"


def monthly(
    found: Period, worth: Mapping[str, Range], counted_in: int, *,
    risks: Sequence[tuple[str, str]], named: bool,
) -> tuple[Section, ...]:  # fmt: skip
    """The service directors' pack: what it is worth, what turned, what waits, what is at risk."""
    return tuple(
        section for section in (
            _waiting(found), _worth(worth, counted_in), _steps(found, named=named),
            at_risk(found, risks), _turned(found),
        ) if section is not None
    )  # fmt: skip


def quarterly(
    found: Period, learned: Sequence[str], *, named: bool
) -> tuple[Section, ...]:  # fmt: skip
    """The committee's digest: decisions, benefits against claims, learning, what is ahead."""
    return tuple(
        section for section in (
            decisions(found), benefits(found),
            Section(heading="What has been learned", says=tuple(learned)) if learned else None,
            ahead(found), _steps(found, named=True) if named else None,
        ) if section is not None
    )  # fmt: skip


def _worth(worth: Mapping[str, Range], counted_in: int) -> Section:
    heading = "What it is worth in a year"
    if not worth:
        return Section(heading=heading, says=(
            "Nothing is counted yet: no trial has been scaled, and the evidence says so of none.",
        ))  # fmt: skip
    are = "is" if counted_in == 1 else "are"
    counts = (
        f"{capital(counted(counted_in, 'trial'))} that {are} scaled, or that the evidence says to "
        "scale; the first year, with 95% ranges. People who rang back are netted out, and a call "
        "that two trials act on is counted once."
    )
    figures = [
        ("Contacts avoided, net", spread(worth["contacts"])),
        ("Hours of handling", spread(worth["hours"])),
        ("Cash that leaves a budget", spread(worth["cash"], money=True)),
    ]
    figures += [(says_, spread(worth[name], money=True)) for name, says_ in _PURSES.items()]
    cash = (
        "Cash that leaves a budget is part of the council’s two purses. The rest of them is time "
        "that officers have for other work, and no saving on a ledger."
    )
    return Section(heading=heading, says=(counts, cash), figures=tuple(figures))


def _waiting(found: Period) -> Section | None:
    items = [
        (found.titles[key], f"Recommended: {_label(wanted)}." if wanted else
         "Nothing can be recommended from its result; see its report.")
        for key, wanted in found.undecided.items()
    ]  # fmt: skip
    return Section(heading="Waiting for your decision", items=tuple(items)) if items else None


def _label(decision: str) -> str:
    words = DECISIONS.get(decision, decision)
    return words[:1].lower() + words[1:]


def _steps(found: Period, *, named: bool) -> Section | None:
    items = [(found.titles[s.trial], step_says(s, found.today, named=named)) for s in found.steps]
    if not items:
        return None
    late = sum(s.step.due < found.today for s in found.steps)
    says = f"{capital(counted(len(items), 'step'))} due soon or overdue" + (
        f", {late} of them overdue." if late else "."
    )
    return Section(heading="Next steps", says=(says,), items=tuple(items))


def step_says(found: Step, today: date, *, named: bool) -> str:
    """A next step: what, by when, how late, and whose it is."""
    step = found.step
    owner = f" Owner: {step.owner}." if named else ""
    return f"{sentence(step.what)} {capital(when(step.due, today))}.{owner}"


def when(due: date, today: date) -> str:
    """How a date stands to today."""
    days = (due - today).days
    if days == 0:
        return f"due today, {day(due)}"
    if days < 0:
        return f"overdue by {counted(-days, 'day')}: it was due on {day(due)}"
    return f"due in {counted(days, 'day')}, on {day(due)}"


def at_risk(found: Period, risks: Sequence[tuple[str, str]]) -> Section | None:
    """What may go wrong: alarms of the latest runs, trials that stand still, late steps."""
    items = list(risks)
    items += [(found.titles[k], "It is paused, and everybody gets the present way.")
              for k in found.paused]  # fmt: skip
    items += [(found.titles[k], "Its planned end has passed, and it still runs.")
              for k in found.late]  # fmt: skip
    for key, measured in found.held:
        if measured.shortfall.low > 0:
            items.append((found.titles[key], measured.says))
    return Section(heading="At risk", items=tuple(items)) if items else None


def _turned(found: Period) -> Section:
    heading = f"What happened since {day(found.since)}"
    by_trial: dict[str, list[str]] = {}
    for turn in found.turns:
        by_trial.setdefault(turn.title, []).append(f"{_ACTS[turn.act]} on {day(turn.on)}")
    items = [(title, f"{capital(', '.join(acts))}.") for title, acts in by_trial.items()]
    says = () if items else ("No trial started, ended or was decided.",)
    return Section(heading=heading, says=says, items=tuple(items))


def decisions(found: Period) -> Section:
    """What was decided since, beside what was recommended."""
    heading = f"Decisions since {day(found.since)}"
    items = []
    for key, one in reversed(found.decided):
        differs = ""
        if one.dissents and one.recommended:
            differs = f" The evidence had recommended: {_label(one.recommended)}."
        taken = f"{DECISIONS.get(one.decided, capital(one.decided))}. {sentence(one.reason)}"
        items.append((found.titles[key], taken + differs))
    says = () if items else ("No decision was taken.",)
    return Section(heading=heading, says=says, items=tuple(items))


def benefits(found: Period) -> Section:
    """What was claimed, and how much of it has come about: the log, and the holdbacks."""
    heading = "Benefits: what was claimed, and what came of it"
    if not found.benefits and not found.held:
        return Section(heading=heading, says=("No benefit is on the log yet.",))
    figures: tuple[tuple[str, str], ...] = ()
    if found.benefits:
        totals = log_totals(found.benefits)
        figures = tuple((_STAGES[s], f"{pounds(totals[s])} a year") for s in STAGES)
    items = [(f"{found.titles[b.trial]}, {b.title}", _came_of(b)) for b in found.benefits]
    items += [(found.titles[key], measured.says) for key, measured in found.held]
    return Section(heading=heading, figures=figures, items=tuple(items))


def realised(found: Sequence[Benefit]) -> str:
    """How much of what was claimed is verified, short enough for a subject; empty without a log."""
    if not found:
        return ""
    totals = log_totals(found)
    claimed = pounds(totals["forecast"])
    return f"{pounds(totals['verified'])} of the {claimed} a year claimed is verified"


def _came_of(found: Benefit) -> str:
    claimed, verified = found.at("forecast"), found.at("verified")
    if isinstance(claimed, Absent) or found.stage is None:
        return "Nothing is claimed yet."
    if not isinstance(verified, Absent):
        return f"{pounds(verified)} a year is verified; {pounds(claimed)} was claimed."
    last = found.events[-1]
    if found.stage == "forecast":
        return f"{pounds(claimed)} a year is claimed, and not yet agreed by Finance."
    reached = _STAGES[found.stage].lower()
    return f"{pounds(claimed)} a year was claimed; {pounds(last.pounds)} is {reached}."


def ahead(found: Period) -> Section:
    """What is planned for the time to come."""
    items = [(one.title, f"{capital(day(one.on))}: {one.what}.") for one in found.ahead]
    says = () if items else ("Nothing has a date yet.",)
    return Section(heading="What is ahead", says=says, items=tuple(items))
