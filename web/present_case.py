"""The case for scaling as its page shows it: every figure in words, nothing left to a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.casework.cases import Made
from analysis.casework.register import Entry
from analysis.estimates import Absent
from analysis.report import figures
from analysis.report.papers.case_blocks import tornado_chart
from analysis.report.view import Drawn
from analysis.scaling import words
from analysis.scaling.assumption import Assumption
from analysis.scaling.case import CaseForScaling
from analysis.scaling.equity import PROXY, Gate
from analysis.scaling.from_result import arms_of
from analysis.scaling.information import Information
from analysis.scaling.wait import LABEL
from web.present import State
from web.present_papers import Given

GATES: Mapping[Gate, State] = {
    "clear": State("clear", "No group worse off", "green"),
    "concern": State("concern", "Harm not ruled out", "yellow"),
    "harm": State("harm", "A group is worse off", "red"),
    "unknown": State("unknown", "Not known", "grey"),
}
_PURSES = {
    "contact_centre": ("Contact centre", "officers’ time on contacts that do not come"),
    "back_office": ("Back office", "work that goes with those contacts"),
    "other_public_bodies": ("Other public bodies", "a cost to them if negative"),
    "customer": ("Customers", "their time, at its valuation; not the council’s money"),
}
_FROM = {
    "default": State("default", "Default", "yellow"),
    "trial": State("trial", "From the trial", "blue"),
    "shared": State("shared", "Council’s register", "green"),
    "own": State("own", "This trial’s own", "green"),
    "tried": State("tried", "Tried here only", "purple"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A figure set large: its value, what it means, and between what it lies."""

    value: str
    label: str
    spread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """One of the four purses."""

    name: str
    note: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An assumption in the case, and where it was taken from."""

    name: str
    meaning: str
    value: str
    spread: str
    origin: str
    agreed: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """Everything the page of a case shows."""

    key: str
    title: str
    caption: str
    run: str
    arms: tuple[tuple[str, str, bool], ...]
    arm: str
    label: str
    headline: str
    reasons: tuple[str, ...]
    conditions: tuple[str, ...]
    would_change: str
    numbers: tuple[Number, ...]
    worth: tuple[tuple[str, str], ...]
    by_year: tuple[tuple[str, ...], ...]
    purses: tuple[Purse, ...]
    cash: Number
    non_cash: Number
    mechanism: str
    mechanism_where: str
    tornado: Drawn | None
    turning: tuple[str, ...]
    thresholds: tuple[tuple[str, str, str], ...]
    knowing: tuple[tuple[str, str], ...]
    knowing_says: str
    weeks: str
    wait: tuple[tuple[str, str], ...]
    wait_label: str
    wait_why_not: str
    gate: State
    equity_says: str
    groups: tuple[tuple[str, ...], ...]
    proxy: str
    figures: tuple[Figure, ...]
    defaults: int
    tried: str
    retest: str
    one_page: Given | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the register holds for a case: the council's figures and the trial's own."""

    shared: Mapping[str, Entry]
    own: Mapping[str, Entry]

    def whence(self, a: Assumption, tried: str) -> State:
        """Where a figure was taken from."""
        if a.name == tried:
            return _FROM["tried"]
        for key, found in (("own", self.own), ("shared", self.shared)):
            if a.name in found and not found[a.name].withdrawn:
                return _FROM[key]
        return _FROM["default" if a.is_default else "trial"]


def page(
    made: Made, held: Held, *, arm: str | None, weeks: float, tried: str, one_page: Given | None
) -> CasePage:
    """The page of a case."""
    case, about = made.case, made.record.definition.about
    advice = case.recommendation
    chosen = arm or _arm(made)
    return CasePage(
        key=about.key, title=about.title,
        caption=" · ".join(x for x in (about.service, about.area.replace("-", " ")) if x),
        run=_run(made), arm=chosen, arms=_arms(made, chosen),
        label=words.DECISIONS[advice.decision], headline=headline(case),
        reasons=advice.reasons, conditions=advice.conditions,
        would_change=figures.sentence(advice.would_change) if advice.would_change else "",
        numbers=_numbers(case), worth=_worth(case), by_year=_by_year(case),
        purses=_purses(case), mechanism=case.mechanism.says,
        mechanism_where=_where(case), cash=_money(case, "cash_releasing", "cash-releasing, a year"),
        non_cash=_money(case, "non_cash_releasing", "not cash-releasing, a year"),
        tornado=_tornado(case), turning=words.turning_points(case)[:3],
        thresholds=tuple(words.threshold_row(t) for t in case.thresholds),
        knowing=_knowing(case.value_of_more_information),
        knowing_says=case.value_of_more_information.says, weeks=f"{weeks:g}",
        wait=_section(case, "What happens to the wait"), wait_label=LABEL,
        wait_why_not=figures.sentence(case.wait.why) if isinstance(case.wait, Absent) else "",
        gate=GATES[case.equity.gate], equity_says=case.equity.says, groups=_groups(case),
        proxy=PROXY if case.equity.excluded else "",
        figures=tuple(_figure(a, held, tried) for a in _ordered(case, held, tried)),
        defaults=len(case.defaults_used), tried=tried,
        retest=figures.number(case.retest_after_months), one_page=one_page,
    )  # fmt: skip


def headline(case: CaseForScaling) -> str:
    """What rolling it out would do, in one sentence for somebody in a hurry."""
    q = case.quantities
    contacts, npv = q["contacts_avoided_per_year"], q["npv"]
    assert not isinstance(contacts, Absent)
    assert not isinstance(npv, Absent)
    way = "avoid" if contacts.median >= 0 else "cause"
    avoided = figures.numbered(figures.number(abs(contacts.median)), "contact")
    worth = (
        f"is worth {words.pounds(npv.median)}" if npv.median >= 0
        else f"costs {words.pounds(-npv.median)} more than it saves"
    )  # fmt: skip
    cash, ledger = q["cash_releasing"], "none of it is cash"
    if not isinstance(cash, Absent) and cash.median > 0:
        ledger = f"{words.pounds(cash.median)} a year of it leaves the ledger"
    return (
        f"Rolled out, it would {way} about {avoided} in the first year. Over "
        f"{figures.counted(case.years, 'year')} it {worth}; {ledger}."
    )


def _arm(made: Made) -> str:
    known = arms_of(made.result)
    return str((made.result.get("verdict") or {}).get("arm") or (known[0] if known else ""))


def _arms(made: Made, chosen: str) -> tuple[tuple[str, str, bool], ...]:
    titles = {a.key: a.title or a.key for a in made.record.definition.arms}
    return tuple((key, titles.get(key, key), key == chosen) for key in arms_of(made.result))


def _run(made: Made) -> str:
    run = made.result.get("run", {})
    return f"From analysis run {run.get('id', '')} of {figures.day(run.get('at'))}"


def _numbers(case: CaseForScaling) -> tuple[Number, ...]:
    q = case.quantities
    return (
        Number(value=words.middle(q["contacts_avoided_per_year"]),
               label="contacts avoided in the first year",
               spread=_between(words.spread(q["contacts_avoided_per_year"]))),
        Number(value=words.middle(q["npv"], money=True),
               label=f"net present value over {case.years} years",
               spread=_between(words.spread(q["npv"], money=True))),
        Number(value=words.middle(q["bcr"], money=True), label="benefit for each £1 of cost",
               spread=_between(words.spread(q["bcr"], money=True))),
        Number(value=_one(words.spread(q["payback_months"], places=1)), label="months to pay back",
               spread=_between(words.spread(q["payback_months"], places=1))),
        Number(value=figures.capital(figures.chance(case.probability_npv_positive)),
               label="chance that it pays"),
    )  # fmt: skip


def _one(text: str) -> str:
    """The middle of ``1.4 (0.4 to 3.5)``; a reason instead of a figure stays as a dash."""
    found = text.split(" (", maxsplit=1)[0]
    return found if found[:1].isdigit() else ("Never" if found == "never" else "–")


def _between(text: str) -> str:
    _, _, rest = text.partition(" (")
    return rest.removesuffix(")")


def _worth(case: CaseForScaling) -> tuple[tuple[str, str], ...]:
    q = case.quantities
    extra = (
        ("Reach, people or cases a year", words.spread(q["reach"])),
        ("Net present value, cash only", words.spread(q["npv_cash"], money=True)),
        ("Net present value, other public bodies counted too",
         words.spread(q["npv_public"], money=True)),
        ("Net present value, customers’ time counted too",
         words.spread(q["npv_social"], money=True)),
    )  # fmt: skip
    return (*_section(case, "What it is worth"), *extra)


def _by_year(case: CaseForScaling) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (f"Year {i}", words.spread(year["contacts_avoided"]),
         words.spread(year["council_benefit"], money=True))
        for i, year in enumerate(case.by_year, start=1)
    )  # fmt: skip


def _purses(case: CaseForScaling) -> tuple[Purse, ...]:
    return tuple(
        Purse(name=_PURSES[key][0], note=_PURSES[key][1], value=words.spread(found, money=True))
        for key, found in case.purses.items()
    )


def _money(case: CaseForScaling, name: str, label: str) -> Number:
    found = case.quantities[name]
    return Number(value=words.middle(found, money=True), label=label,
                  spread=_between(words.spread(found, money=True)))  # fmt: skip


def _where(case: CaseForScaling) -> str:
    m = case.mechanism
    if m.kind == "none":
        return "No budget should be reduced on account of it."
    line = f"It comes out of budget line {m.budget_line}" if m.budget_line else (
        "The budget line is still to be named"
    )  # fmt: skip
    return f"{line}, as agreed by {m.agreed_by}." if m.agreed_by else f"{line}."


def _tornado(case: CaseForScaling) -> Drawn | None:
    chart = tornado_chart(case)
    if chart is None:
        return None
    return Drawn(chart=chart)


def _knowing(found: Information) -> tuple[tuple[str, str], ...]:
    rows = [
        ("Knowing every figure exactly, before deciding", words.pounds(found.perfect)),
        ("Knowing the effect exactly", words.pounds(found.effect)),
    ]
    more = found.more_weeks
    if isinstance(more, Absent):
        rows.append(("More weeks of trial", figures.sentence(more.why)))
    else:
        rows += [
            (f"{more.weeks:g} more weeks of trial", words.pounds(more.worth)),
            ("What waiting for them costs", words.pounds(more.cost)),
            ("Worth after that cost", words.pounds(more.net)),
        ]
    return tuple(rows)


def _section(case: CaseForScaling, heading: str) -> tuple[tuple[str, str], ...]:
    return next(s.rows for s in words.summary(case) if s.heading == heading)


def _groups(case: CaseForScaling) -> tuple[tuple[str, ...], ...]:
    rows = []
    for found in case.equity.groups:
        name = figures.capital(found.group.name)
        if found.hidden or isinstance(found.contacts_avoided, Absent):
            rows.append((name, "Too few people to show", "", GATES["unknown"].label))
            continue
        g = found.group
        low, mean, high = (figures.number(1000 * x, 1) for x in (g.low, g.mean, g.high))
        rows.append((name, f"{mean} ({low} to {high})",
                     figures.number(found.contacts_avoided), GATES[found.gate].label))  # fmt: skip
    return tuple(rows)


def _ordered(case: CaseForScaling, held: Held, tried: str) -> list[Assumption]:
    """Defaults last of all: what the council has stood behind comes first."""
    return sorted(case.assumptions, key=lambda a: held.whence(a, tried).key == "default")


def _figure(a: Assumption, held: Held, tried: str) -> Figure:
    agreed = ", ".join(x for x in (
        f"agreed by {a.agreed_by}" if a.agreed_by else "", f"kept by {a.owner}" if a.owner else "",
    ) if x)  # fmt: skip
    return Figure(
        name=a.name, meaning=words.input_name(a.name), value=words.figure_of(a),
        spread=words.range_of(a), origin=words.origin_of(a), agreed=figures.capital(agreed),
        state=held.whence(a, tried),
    )  # fmt: skip
