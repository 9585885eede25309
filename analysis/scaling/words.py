"""The case in plain English: one page for a section 151 officer, and the committee's section.

Everything here is plain data: paragraphs are sentences, rows are a label and a value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

from analysis.estimates import Absent
from analysis.report.figures import (
    capital,
    chance,
    lower_first,
    number,
    numbered,
    percent,
    significant,
)
from analysis.scaling.assumption import MARKS, Assumption
from analysis.scaling.capacity import State
from analysis.scaling.case import CaseForScaling
from analysis.scaling.decision import Decision
from analysis.scaling.ranges import Range
from analysis.scaling.sensitivity import EFFECT, Bar, Threshold
from analysis.scaling.shared import Moved
from analysis.scaling.specs import SPECS
from analysis.scaling.wait import LABEL, WaitConsequence

DECISIONS: dict[Decision, str] = {
    "scale": "Scale it up.",
    "scale-with-conditions": "Scale it up, on conditions.",
    "extend": "Carry the trial on before deciding.",
    "adapt": "Change it and test it again.",
    "stop": "Stop.",
}
_EFFECT_NAME = "the net effect of the change"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, its paragraphs and its rows of label and value."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The section as data."""
        return {
            "heading": self.heading,
            "paragraphs": list(self.paragraphs),
            "rows": [{"label": label, "value": value} for label, value in self.rows],
        }


def pounds(value: float) -> str:
    """``-180.4`` as ``−£180``; pence only below £10."""
    if not math.isfinite(value):
        return "without limit"
    text = number(abs(value), 0 if abs(value) >= 10 or value == 0 else 2)
    return f"−£{text}" if value < 0 and any(c in "123456789" for c in text) else f"£{text}"


def spread(found: Range | Absent, *, money: bool = False, places: int = 0) -> str:
    """``£6,576 (£1,200 to £9,800)``, or why there is no figure."""
    if isinstance(found, Absent):
        return capital(found.why)

    def say(value: float) -> str:
        if not math.isfinite(value):
            return "never"
        return pounds(value) if money else number(value, places)

    if found.low == found.high:
        return say(found.median)
    return f"{say(found.median)} ({say(found.low)} to {say(found.high)})"


def summary(case: CaseForScaling) -> tuple[Section, ...]:
    """The one-page summary, in the order in which it is read."""
    return (
        _headline(case),
        _worth(case),
        _purses(case),
        _people(case),
        _queue(case),
        _doubts(case),
        _rests_on(case),
    )


def _headline(case: CaseForScaling) -> Section:
    advice = case.recommendation
    paragraphs = [DECISIONS[advice.decision], *advice.reasons]
    if advice.would_change:
        paragraphs.append(f"What would change this: {lower_first(advice.would_change)}")
    conditions = tuple((f"Condition {i}", c) for i, c in enumerate(advice.conditions, start=1))
    return Section(
        heading="What we recommend", paragraphs=tuple(paragraphs), rows=conditions
    )  # fmt: skip


def _worth(case: CaseForScaling) -> Section:
    q = case.quantities
    rows = [
        ("Contacts avoided in the first year", spread(q["contacts_avoided_per_year"])),
        ("Handling time saved, hours", spread(q["handling_hours"])),
        (f"Capacity, {_unit(q['fte_capacity'])}", spread(q["fte_capacity"], places=2)),
        (f"Net present value over {case.years} years", spread(q["npv"], money=True)),
        ("Benefit for each £1 of cost", spread(q["bcr"], money=True)),
        ("Months until it has paid for itself", spread(q["payback_months"], places=1)),
        ("Chance that it pays", chance(case.probability_npv_positive)),
        ("Evidence", f"Grade {case.evidence_grade.grade}: {case.evidence_grade.says}"),
        ("Taken off gains for optimism", percent(case.optimism_bias[0], 0)),
    ]
    if case.leakage is not None:
        rows.insert(0, ("Gross effect that came back as another contact", _came_back(case.leakage)))
    note = "Figures are medians with 95% intervals. Repeat contacts are already netted out."
    return Section(heading="What it is worth", paragraphs=(note,), rows=tuple(rows))


def _purses(case: CaseForScaling) -> Section:
    q = case.quantities
    names = {
        "contact_centre": "Contact centre",
        "back_office": "Back office",
        "other_public_bodies": "Other public bodies",
        "customer": "Customers' own time, at its valuation",
    }
    rows = [(names[key], spread(purse, money=True)) for key, purse in case.purses.items()]
    rows += [
        ("Of the council's: cash-releasing", spread(q["cash_releasing"], money=True)),
        ("Of the council's: not cash-releasing", spread(q["non_cash_releasing"], money=True)),
    ]
    return Section(
        heading="Who gains and who pays, a year",
        paragraphs=(case.mechanism.says,),
        rows=tuple(rows),
    )


def _people(case: CaseForScaling) -> Section:
    rows = []
    for found in case.equity.groups:
        group = found.group
        if found.hidden:
            rows.append((capital(group.name), "Too few people to show"))
            continue
        triple = [1000 * x for x in (group.mean, group.low, group.high)]
        text = f"{number(triple[0], 1)} ({number(triple[1], 1)} to {number(triple[2], 1)})"
        rows.append((f"{capital(group.name)}: fewer contacts per 1,000 people", text))
    return Section(
        heading="Who is better or worse off", paragraphs=(case.equity.says,), rows=tuple(rows)
    )


def _queue(case: CaseForScaling) -> Section:
    found = case.wait
    if isinstance(found, Absent):
        return Section(heading="What happens to the wait", paragraphs=(capital(found.why) + ".",))
    rows = [
        ("Average wait now", _seconds(found.now.state)),
        ("After, if call-backs stay as they are", _ends(found, "without_retrials")),
        ("After, once fewer callers ring back", _ends(found, "with_retrials")),
        ("Calls given up now", _share(found.now.state)),
    ]
    return Section(heading="What happens to the wait", paragraphs=(LABEL,), rows=tuple(rows))


def _doubts(case: CaseForScaling) -> Section:
    paragraphs = [*turning_points(case)[:3]]
    if not paragraphs:
        paragraphs = ["No one figure, moved alone, changes whether it pays."]
    bars = [
        (
            capital(_meaning(bar.name)),
            f"{pounds(bar.npv_low)} to {pounds(bar.npv_high)}",
        )
        for bar in case.sensitivity[:5]
        if bar.swing > 0
    ]
    return Section(
        heading="What it would take to be wrong",
        paragraphs=(*paragraphs, case.value_of_more_information.says),
        rows=tuple(bars),
    )


def _rests_on(case: CaseForScaling) -> Section:
    defaults = case.defaults_used
    if not defaults:
        text = "Every figure was given by the council."
    else:
        text = (
            f"{len(defaults)} of {len(case.assumptions)} figures are defaults, not the council's "
            "own. Each is marked below and should be replaced where finance has a better one."
        )
    return Section(
        heading="What it rests on",
        paragraphs=(text,),
        rows=tuple((capital(_meaning(a.name)), _assumption(a)) for a in case.assumptions),
    )


def legal_and_financial(case: CaseForScaling) -> Section:
    """The "Legal and financial implications" of the committee report."""
    q = case.quantities
    setup = next(a for a in case.assumptions if a.name == "setup_cost")
    running = next(a for a in case.assumptions if a.name == "running_cost_per_year")
    money = (
        f"Rolling the change out would cost {pounds(setup.value)} once and "
        f"{pounds(running.value)} a year before any allowance for optimism. Over {case.years} "
        f"years its net present value is {spread(q['npv'], money=True)}, and the chance that it "
        f"pays for itself is {chance(case.probability_npv_positive)}."
    )
    return Section(
        heading="Legal and financial implications",
        paragraphs=(money, _cash(case), _fte(case), _audit(case), _duty(case)),
        rows=(
            ("Cash-releasing, a year", spread(q["cash_releasing"], money=True)),
            ("Not cash-releasing, a year", spread(q["non_cash_releasing"], money=True)),
            ("Discount rate", _rate(case)),
        ),
    )


def _cash(case: CaseForScaling) -> str:
    found = case.quantities["cash_releasing"]
    if case.mechanism.kind == "none" or (isinstance(found, Range) and found.median <= 0):
        lead = "None of the saving is cash-releasing and no budget should be reduced on account "
        return lead + "of it. " + case.mechanism.says
    where = case.mechanism.budget_line or "a budget line still to be named"
    amount = spread(found, money=True)
    return f"{case.mechanism.says} The cash-releasing saving is {amount} a year, from {where}."


def _fte(case: CaseForScaling) -> str:
    fte = case.quantities["fte_capacity"]
    if isinstance(fte, Absent):
        return capital(fte.why) + "."
    if fte.median >= 1:
        return f"The work saved is that of {spread(fte, places=1)} full-time posts."
    return (
        f"The work saved is {spread(fte, places=2)} of a full-time post: capacity for other "
        "callers, not a post."
    )


def _audit(case: CaseForScaling) -> str:
    grade = case.evidence_grade
    return (
        f"The effect comes from {grade.says}. Gains were reduced by "
        f"{percent(case.optimism_bias[0], 0)} and costs raised by "
        f"{percent(case.optimism_bias[1], 0)} for optimism. Realised savings will be logged from "
        "forecast to verified against the ledger."
    )


def _duty(case: CaseForScaling) -> str:
    return (
        "The council must have due regard to the public sector equality duty (Equality Act 2010, "
        f"section 149). {case.equity.says}"
    )


def _rate(case: CaseForScaling) -> str:
    rate = next(a for a in case.assumptions if a.name == "discount_rate")
    return f"{percent(rate.value)} a year ({rate.source}, {_dated(rate)})"


def assumption_line(a: Assumption) -> tuple[str, str]:
    """What an assumption means, and its figure with range, source and date."""
    return capital(_meaning(a.name)), _assumption(a)


def figure_of(a: Assumption) -> str:
    """The figure with its unit: ``£5.88 a contact``."""
    return _figure(a.value, a.unit)


def range_of(a: Assumption) -> str:
    """Its range, ``£2.83 to £6.55``; empty where it is taken as certain."""
    if a.low is None or a.high is None:
        return ""
    return f"{_bare(a.low, a.unit)} to {_bare(a.high, a.unit)}"


def origin_of(a: Assumption) -> str:
    """Where it comes from and of when, with how far that can be relied on."""
    text = f"{capital(a.source)}, {_dated(a)}" if a.dated else capital(a.source)
    return f"{text} ({MARKS[a.mark]})"


def threshold_row(t: Threshold) -> tuple[str, str, str]:
    """An input, where it stands, and where the case turns."""
    at = t.breaks_even
    if t.name == EFFECT:
        size = significant(1000 * t.central)
        stands = f"{size} fewer {'contact' if size == '1' else 'contacts'} per 1,000"
        turns = "" if isinstance(at, Absent) else f"{significant(1000 * at)} per 1,000"
    else:
        stands = _figure(t.central, t.unit)
        turns = "" if isinstance(at, Absent) else _figure(at, t.unit)
    return capital(_meaning(t.name)), stands, turns or "No value of it turns the case"


def middle(found: Range | Absent, *, money: bool = False) -> str:
    """The median alone, for setting large; a dash where there is none."""
    if isinstance(found, Absent) or not math.isfinite(found.median):
        return "–"
    return pounds(found.median) if money else number(found.median)


def cash_sentence(case: CaseForScaling) -> str:
    """Whether and where the saving leaves the ledger."""
    return _cash(case)


def defaults_sentence(case: CaseForScaling) -> str:
    """Every default the case uses, by name and figure."""
    found = case.defaults_used
    if not found:
        return "Every figure was given by the council; no default is used."
    listed = "; ".join(f"{_meaning(a.name)}: {_figure(a.value, a.unit)}" for a in found)
    return f"{defaults_count(case).rstrip('.')}: {listed}."


def defaults_count(case: CaseForScaling) -> str:
    """How many of the figures are defaults."""
    return (
        f"{len(case.defaults_used)} of {len(case.assumptions)} figures are defaults, not the "
        "council’s own."
    )


def defaults_rows(case: CaseForScaling) -> tuple[tuple[str, str], ...]:
    """Every default the case uses: what it is, and its figure."""
    return tuple((capital(_meaning(a.name)), figure_of(a)) for a in case.defaults_used)


def input_name(name: str, *, middle: bool = False) -> str:
    """What an input of the case means; with its article in the ``middle`` of a sentence."""
    if not middle:
        return capital(_meaning(name))
    meaning = _meaning(name)
    return meaning if meaning.startswith(("the ", "how ", "what ")) else f"the {meaning}"


def bar_ends(bar: Bar) -> tuple[str, str, str, str]:
    """A bar's range and what the case is worth at its ends."""
    if bar.name == EFFECT:
        ends = [f"{significant(1000 * x)} per 1,000 people" for x in (bar.low, bar.high)]
    else:
        ends = [_figure(x, bar.unit) for x in (bar.low, bar.high)]
    return ends[0], ends[1], pounds(bar.npv_low), pounds(bar.npv_high)


def turning_points(case: CaseForScaling) -> tuple[str, ...]:
    """What would have to be true for it not to pay after all, or to pay, the nearest first."""
    return tuple(_turning(t) for t in _turning_points(case))


def moved_line(found: Moved) -> str:
    """What a changed assumption does to one case."""
    before, after = (spread(npv, money=True) for npv in (found.npv_before, found.npv_after))
    line = f"{found.trial}: net present value from {before} to {after}"
    if found.decision_before == found.decision_after:
        return f"{line}; the recommendation stays."
    return (
        f"{line}; the recommendation turns from {found.decision_before} to {found.decision_after}."
    )


_SUBJECTS = {
    "eligible_volume": "number that would meet the change",
    "reach": "share of people that the roll-out really reaches",
    "fidelity": "share of the effect left in ordinary practice",
    "persistence_half_life_months": "time in which half the effect fades",
    "transfer": "share of the effect left in another service",
    "customer_minutes_per_contact": "time that a customer is spared",
    "horizon_years": "period over which costs and benefits are counted",
}
"""Inputs whose label does not read as what a sentence is about."""


def _turning_points(case: CaseForScaling) -> list[Threshold]:
    """Break-even points, the one nearest to its central value first."""
    found = [t for t in case.thresholds if not isinstance(t.breaks_even, Absent)]
    return sorted(found, key=_distance)


def _distance(t: Threshold) -> float:
    at = t.breaks_even
    assert not isinstance(at, Absent)
    return abs(at - t.central) / abs(t.central) if t.central else math.inf


def _turning(t: Threshold) -> str:
    at = t.breaks_even
    assert not isinstance(at, Absent)
    pay = "It would not pay if" if t.pays else "It would pay if"
    word = "below" if at < t.central else "above"
    if t.name == EFFECT:
        size = numbered(significant(1000 * at), "contact")
        return f"{pay} {_EFFECT_NAME} were {word} {size} per 1,000 people."
    subject = _SUBJECTS.get(t.name) or _meaning(t.name)
    return f"{pay} the {subject} were {word} {_figure(at, t.unit)}."


def _meaning(name: str) -> str:
    return _EFFECT_NAME if name == EFFECT else SPECS[name].label


def _assumption(a: Assumption) -> str:
    span = ""
    if a.low is not None and a.high is not None:
        span = f", {_bare(a.low, a.unit)} to {_bare(a.high, a.unit)}"
    default = "default; " if a.is_default else ""
    origin = capital(f"{default}{a.source}, {_dated(a)}")
    return f"{_figure(a.value, a.unit)}{span}. {origin} ({MARKS[a.mark]})"


def _figure(value: float, unit: str) -> str:
    """A figure with its unit: ``90.0%``, ``£5.88 a contact``, ``12 months``."""
    if unit.startswith(("share", "£")):
        return _bare(value, unit) + unit.removeprefix("share").removeprefix("£")
    # What is counted differs from trial to trial, and "units" is no word of the council's.
    return f"{_bare(value, unit)} {unit.removeprefix('units ')}"


def _dated(a: Assumption) -> str:
    """The date as far as it is known: ``2024``, ``November 2022`` or ``1 April 2026``."""
    parts = a.dated.split("-")
    if len(parts) == 1:
        return a.dated
    day = date.fromisoformat("-".join([*parts, "01"][:3]))
    return f"{day.day} {day:%B %Y}" if len(parts) == 3 else f"{day:%B %Y}"


def _bare(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "endless"
    if unit.startswith("share"):
        return percent(value, 1)
    if unit.startswith("£"):
        return f"£{number(value, 2)}" if 0 <= value < 100 and value % 1 else pounds(value)
    if value == int(value) or abs(value) >= 1000:
        return number(value)
    return significant(value)


def _unit(found: Range | Absent) -> str:
    return "full-time posts" if isinstance(found, Absent) else found.unit


def _came_back(leakage: Range) -> str:
    """Leakage in words: below nought, more was saved in all than the gross effect shows."""
    said = _shares(leakage)
    return f"None, other contacts fell too: {said}" if leakage.median < 0 else said


def _shares(found: Range) -> str:
    return f"{percent(found.median, 0)} ({percent(found.low, 0)} to {percent(found.high, 0)})"


def _seconds(state: State) -> str:
    wait = state.wait_answered
    return capital(wait.why) if isinstance(wait, Absent) else f"{number(wait)} seconds"


def _share(state: State) -> str:
    gone = state.abandoned
    return capital(gone.why) if isinstance(gone, Absent) else percent(gone)


def _ends(found: WaitConsequence, loop: str) -> str:
    """The wait at the median cut, and between those at its two ends."""
    waits = [found.state(end, loop).wait_answered for end in ("median", "high", "low")]
    known = [wait for wait in waits if not isinstance(wait, Absent)]
    if len(known) < len(waits):
        return _seconds(found.state("median", loop))
    return f"{number(known[0])} seconds ({number(known[1])} to {number(known[2])})"
