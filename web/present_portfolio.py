"""The portfolio as its page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.casework.totals import Member, Portfolio
from analysis.estimates import Absent
from analysis.report import figures, marks
from analysis.report.chart import composed
from analysis.report.marks import Panel, Row, Rule
from analysis.report.view import Drawn
from analysis.scaling import words
from analysis.scaling.ranges import Range
from trials.plurals import counted
from web import present_decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One trial."""

    key: str
    title: str
    decision: str
    npv: str
    counts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioPage:
    """All trials together: middle and ends of the totals, what is left out, and each trial."""

    contacts: str
    contacts_ends: str
    npv: str
    npv_ends: str
    counting: str
    left_out: tuple[str, ...]
    spared: str
    lines: tuple[Line, ...]
    chart: Drawn | None


def page(found: Portfolio) -> PortfolioPage:
    """The portfolio in words."""
    return PortfolioPage(
        contacts=words.middle(found.contacts.total),
        contacts_ends=_ends(found.contacts.total),
        npv=words.middle(found.npv.total, money=True),
        npv_ends=_ends(found.npv.total, money=True),
        counting=_counting(found),
        left_out=tuple(x.says for x in found.npv.left_out),
        spared=_spared(found),
        lines=tuple(_line(m) for m in found.members),
        chart=_chart(found.members),
    )


def _ends(total: Range, *, money: bool = False) -> str:
    if total.low == total.high:
        return ""
    low, high = (words.pounds(x) if money else figures.number(x) for x in (total.low, total.high))
    return f"{low} to {high}"


def _counting(found: Portfolio) -> str:
    counted = figures.counted(len(found.npv.counted), "trial")
    if not found.npv.counted:
        return "No trial is scaled, or should be, so there is nothing to add up."
    if not found.npv.left_out:
        only = "1 trial is counted." if len(found.npv.counted) == 1 else ""
        return only or f"{counted} are counted. No two of them act on one line, so they add."
    ignoring = words.spread(found.npv.ignoring_overlaps, money=True)
    return (
        f"{counted} counted. Two trials on one line do not add: a call that one has prevented is "
        f"not there for the other. Ignoring that, the total would be {ignoring}."
    )


def _spared(found: Portfolio) -> str:
    if found.spared is None:
        return ""
    many = [m for m in found.members if m.made is not None and not m.counts and _loses(m)]
    what = counted(len(many), "trial")
    return (
        f"Not rolling out {what} that would be expected to lose money spares "
        f"{words.spread(found.spared, money=True)}. It is not added to the total."
    )


def _loses(member: Member) -> bool:
    return member.made is not None and float(member.made.case.draws["npv"].mean()) < 0


def _line(m: Member) -> Line:
    made = m.made
    decision = present_decision.label(m.decision)
    if not decision and made is not None:
        advice = words.DECISIONS[made.case.recommendation.decision].rstrip(".")
        decision = f"Not decided. Recommended: {advice[:1].lower()}{advice[1:]}"
    npv = words.spread(made.case.quantities["npv"], money=True) if made else (
        figures.sentence(m.why_not)
    )  # fmt: skip
    return Line(key=m.key, title=m.title, decision=decision.rstrip(".") or "Not decided", npv=npv,
                counts="Yes" if m.counts else "No")  # fmt: skip


def _most(counted: Sequence[tuple[Member, Range]], sure: int) -> str:
    """What those that count say; a trial that is not to be trusted is none of them."""
    if not counted:
        return "None of the trials counts towards the total yet."
    best, npv = counted[0]
    says = f"Of those that count, {best.title} is worth most, about {words.pounds(npv.median)}."
    return f"{says} {_sure(sure, len(counted))}"


def _sure(sure: int, of: int) -> str:
    """How many trials pay over all of their interval."""
    if sure == 0:
        return f"None of the {of} has the whole of its interval above £0."
    verb = "has the whole of its interval" if sure == 1 else "have the whole of their intervals"
    return f"{sure} of {of} {verb} above £0."


def _chart(members: Sequence[Member]) -> Drawn | None:
    """What each trial is worth, the largest first."""
    worth = [(m, npv) for m in members if m.made is not None
             and not isinstance(npv := m.made.case.quantities["npv"], Absent)]  # fmt: skip
    worth.sort(key=lambda pair: -pair[1].median)
    if len(worth) < 2:
        return None
    rows = [Row(name=m.title, value=npv.median, low=npv.low, high=npv.high,
                says=words.pounds(npv.median), kind="new" if m.counts else "control")
            for m, npv in worth]  # fmt: skip
    counted = [(m, npv) for m, npv in worth if m.counts]
    sure = sum(npv.low > 0 for _, npv in counted)
    chart = composed(
        "worth",
        [Panel(rows=rows, axis="Net present value with its 95% interval, £",
               rules=[Rule(at=0, colour=marks.INK)])],
        title="What each trial is worth",
        conclusion=f"{_most(counted, sure)} Circles count towards the total, diamonds do not.",
        columns=("Trial", "Net present value (95% interval)", "Counted"),
        rows=[(m.title, words.spread(npv, money=True), "Yes" if m.counts else "No")
              for m, npv in worth],
    )  # fmt: skip
    return Drawn(chart=chart)
