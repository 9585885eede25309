"""The opportunity model as its page shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.casework.reason_tables import Kept
from analysis.estimates import Absent
from analysis.report import figures
from analysis.report.chart import composed
from analysis.report.marks import Panel, Row
from analysis.report.view import Drawn
from analysis.scaling.opportunity import (
    NUDGE_UNITS,
    Opportunities,
    Opportunity,
    Reason,
    find,
    judged,
    wilson,
)
from analysis.scaling.ranges import Range
from analysis.scaling.reason_table import read_table
from trials import audit
from trials.plurals import counted
from trials.resources import folder
from web.filled import Filled
from web.present_figures import parsed

_SHOWN = 10
_TRUTHS = (1.0, 0.75, 0.5, 0.25, 0.0)
_CONTROLS = {
    "controllable": "Our own",
    "influenceable": "Somebody else’s, whom we can ask",
    "unknown": "Not said",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the form asks: shares from 0 to 1; ``avoidable`` is ``None`` if left to the table."""

    truth: float
    avoidable: float | None
    by_control: bool
    filled: Filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One reason for calling, and the form for an idea about it, filled in beforehand."""

    reason: str
    calls: str
    no_email: str
    addressable: str
    preventable: str
    control: str
    idea: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpportunityPage:
    """The ranking, and what it rests on."""

    says: str
    prevented: str
    lines: tuple[Line, ...]
    judged: bool
    whose: bool
    chart: Drawn | None
    sensitivity: tuple[tuple[str, ...], ...]
    effect: str


def asked(args: Mapping[str, str]) -> Asked:
    """The question of the address; what is impossible is marked and left at its default."""
    given = {"truth": args.get("truth", "100"), "avoidable": args.get("avoidable", ""),
             "by": "control" if args.get("by") == "control" else "volume"}  # fmt: skip
    filled = Filled(given)
    found: dict[str, float] = {}
    for name in ("truth", "avoidable"):
        number = parsed(filled[name]) if filled[name] else None
        if number is not None and math.isfinite(number) and 0 <= number <= 100:
            found[name] = number / 100
        elif filled[name]:
            filled = filled.wrong(name, "Give a number from 0 to 100.")
    return Asked(truth=found.get("truth", 1.0), avoidable=found.get("avoidable"),
                 by_control=given["by"] == "control", filled=filled)  # fmt: skip


def published() -> tuple[Reason, ...]:
    """The table that comes with the product: Chart 2 of Buckinghamshire's report of 2022."""
    return read_table(Path(str(folder("templates") / "reference" / "chart2.csv"))).reasons


def page(table: Kept | None, question: Asked) -> OpportunityPage:
    """The ranking of a kept table (``None``: the published one) by volume or by whose change."""
    reasons = table.reasons if table else published()
    if question.avoidable is not None:
        reasons = judged(reasons, question.avoidable)
    found = find(reasons, effect=NUDGE_UNITS, seed=0, proxy_truth=question.truth)
    rows = found.by_control() if question.by_control else found.rows
    return OpportunityPage(
        says=_says(found),
        prevented=_prevented_says(found.preventable, table),
        lines=tuple(_line(row, table) for row in rows),
        judged=any(not isinstance(row.preventable, Absent) for row in rows),
        whose=any(row.reason.control != "unknown" or row.reason.owner for row in rows),
        chart=_chart(found),
        sensitivity=tuple(_sensitive(reasons, truth, found) for truth in _truths(question.truth)),
        effect=(
            f"A plausible effect is {figures.percent(found.effect.mean)} of the calls it reaches "
            f"({found.effect.source})."
        ),
    )


def provenance(table: Kept | None) -> str:
    """Where the table comes from and what it covers."""
    if table is None:
        return (
            "The table is published: the call reasons of Buckinghamshire’s contact centre with the "
            "fewest digitally excluded callers, 2022. Its months are not said, so nothing is "
            "carried on to a year."
        )
    months = "1 month" if table.months == 1 else f"{table.months:g} months"
    over = f" Columns passed over: {', '.join(table.passed_over)}." if table.passed_over else ""
    on = figures.day(table.at)
    return (
        f"Your own table, {table.name}: {months}, given on {on} by {audit.name(table.actor)}.{over}"
    )


def _says(found: Opportunities) -> str:
    share = wilson(found.no_email, found.calls)
    return (
        f"Of {counted(found.calls, 'call')}, {figures.percent(share.median)} came from people "
        f"without e-mail on record; about {figures.number(found.addressable)} could be addressed."
    )


def _prevented_says(total: Range | Absent, table: Kept | None) -> str:
    if isinstance(total, Absent):
        return ""
    ends = [total.median, total.low, total.high]
    when = ""
    if table:
        ends, when = [float(table.a_year(x)) for x in ends], " a year"
    middle, low, high = (figures.number(x) for x in ends)
    note = f" {figures.sentence(total.note)}" if total.note else ""
    return (
        f"A small change of plausible effect in every reason would prevent about {middle} calls"
        f"{when} (95% from {low} to {high}).{note}"
    )


def _truths(truth: float) -> tuple[float, ...]:
    return tuple(sorted({*_TRUTHS, truth}, reverse=True))


def _sensitive(reasons: Sequence[Reason], truth: float, shown: Opportunities) -> tuple[str, ...]:
    found = find(reasons, effect=shown.effect, seed=0, proxy_truth=truth)
    excluded = truth * found.no_email / found.calls if found.calls else 0.0
    marked = " (shown above)" if truth == shown.proxy_truth else ""
    row = (f"{figures.percent(truth, 0)}{marked}", figures.percent(excluded),
           figures.number(found.addressable))  # fmt: skip
    total = found.preventable
    return row if isinstance(shown.preventable, Absent) or isinstance(total, Absent) else (
        *row, _spread(total)
    )  # fmt: skip


def _chart(found: Opportunities) -> Drawn | None:
    """The reasons with the most calls that could be addressed."""
    rows = [r for r in found.rows if r.reason.calls][:_SHOWN]
    if len(rows) < 2:
        return None
    share = sum(r.addressable.median for r in rows) / found.addressable if found.addressable else 0
    first = rows[0]
    chart = composed(
        "opportunities",
        [Panel(rows=[Row(name=_name(r.reason), value=r.addressable.median, low=r.addressable.low,
                         high=r.addressable.high, says=figures.number(r.addressable.median))
                     for r in rows],
               axis="Calls that could be addressed, with 95% intervals", bars=True)],
        title="The reasons with most to gain",
        conclusion=(
            f"{_name(first.reason)} leads: about {figures.number(first.addressable.median)} of "
            f"{counted(first.reason.calls, 'call')} could be addressed. The {len(rows)} reasons "
            f"drawn hold {figures.percent(share, 0)} of all calls that could be."
        ),
        columns=("Reason", "Calls that could be addressed (95% interval)"),
        rows=[(_name(r.reason), _spread(r.addressable)) for r in rows],
    )  # fmt: skip
    return Drawn(chart=chart)


def _line(row: Opportunity, table: Kept | None) -> Line:
    r, share = row.reason, row.no_email_share
    ends = f"{figures.percent(share.low, 0)} to {figures.percent(share.high, 0)}"
    prevented = "" if isinstance(row.preventable, Absent) else _spread(row.preventable)
    few = " (fewer than 50: read with care)" if row.small else ""
    return Line(
        reason=_name(r),
        calls=f"{r.calls:,}{few}",
        no_email=f"{figures.percent(share.median)} ({ends})",
        addressable=_spread(row.addressable),
        preventable=prevented or "Not judged",
        control=_CONTROLS[r.control] + (f": {r.owner}" if r.owner else ""),
        idea=_idea(row, table),
    )


def _idea(row: Opportunity, table: Kept | None) -> dict[str, str]:
    """An idea about the reason; contacts a year only where the table says how long it covers."""
    r = row.reason
    source = table.name if table else "the published table of 2022"
    idea = {
        "title": _name(r)[:200], "service": r.topic, "control": r.control,
        "why": f"{counted(r.calls, 'call')} in {source}, of which about "
        f"{figures.number(row.addressable.median)} could be addressed "
        f"({counted(r.no_email, 'caller')} had no e-mail on record).",
    }  # fmt: skip
    if table:
        idea["volume"] = str(table.a_year(row.addressable.median))
    if r.owner:
        idea["owner"] = r.owner
    return idea


def _name(reason: Reason) -> str:
    return f"{reason.topic}: {reason.reason}"


def _spread(found: Range) -> str:
    middle, low, high = (figures.number(x) for x in (found.median, found.low, found.high))
    return f"{middle} ({low} to {high})"
