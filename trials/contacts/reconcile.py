"""Reconciliation: every ratio of a published KPI table recomputed, and every contradiction told.

Counts and rates come from different reports of one system and are often copied by hand. Each rate
is computed again from the counts; a difference of at most 0.1 percentage points is rounding, more
is a contradiction. Both values are kept; a person chooses which to use and says why
(:class:`Choice`), and :func:`settled` applies the choices. Nothing is corrected in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from trials.contacts.kpis import (
    HIGHER_IS_BETTER,
    LOWER_IS_BETTER,
    TITLES,
    UNITS,
    Indicator,
    KpiTable,
    Period,
)
from trials.errors import Conflict
from trials.plurals import counted

Level = Literal[
    "contradiction", "unexplained", "missing", "part-period", "rounding", "target", "consistent"
]

TOLERANCE: Final = 0.1
"""Percentage points between a printed and a computed rate that rounding may explain."""
RESIDUAL: Final = 0.5
"""Percentage points by which answered and abandoned together may fall short of all calls: both
are rounded, and a few calls end otherwise."""
_EXACT: Final = 0.005 + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a table says about itself.

    ``says`` is plain English; ``published`` and ``computed`` are in the indicator's own unit;
    ``implied`` lists what other figures would have to be if the published one were right.
    """

    level: Level
    code: str
    period: str | None
    indicator: Indicator | None
    says: str
    published: float | None = None
    computed: float | None = None
    implied: tuple[tuple[Indicator, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of two values to use, who decided it, when and why."""

    period: str
    indicator: Indicator
    use: Literal["published", "computed"]
    why: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A figure stated elsewhere (a paragraph, a press release), to be held against the table.

    The statement is that the indicator is from ``low`` to ``high`` in ``period``.
    """

    indicator: Indicator
    period: str
    words: str
    source: str
    low: float = 0.0
    high: float = float("inf")


def reconcile(table: KpiTable, claims: Sequence[Claim] = ()) -> list[Finding]:
    """All that the table says about itself: contradictions first, then by period as printed."""
    findings = [
        *_order_of_periods(table.periods),
        *(f for period in table.periods for f in _of_period(table, period)),
        *_targets(table),
        *(f for claim in claims if (f := _claim(table, claim)) is not None),
    ]
    order: dict[str, int] = {
        level: i
        for i, level in enumerate(
            ("contradiction", "unexplained", "missing", "part-period", "target", "rounding",
             "consistent")
        )
    }  # fmt: skip
    return sorted(findings, key=lambda finding: order[finding.level])


def _of_period(table: KpiTable, period: Period) -> Iterator[Finding]:
    yield from _missing(table, period)
    yield from _part(table, period)
    checks = [*_answered(table, period), *_unanswered(table, period), *_whole(table, period),
              *_counts(table, period), *_ranges(table, period)]  # fmt: skip
    yield from checks
    tested = table.value("offered", period.label) and table.value("answered", period.label)
    if tested and all(f.level == "rounding" for f in checks):
        yield Finding(
            level="consistent", code="consistent", period=period.label, indicator=None,
            says=f"{period.label}: the counts and the rates agree to rounding.",
        )  # fmt: skip


def _missing(table: KpiTable, period: Period) -> Iterator[Finding]:
    for indicator in table.figures:
        cell = table.cell(indicator, period.label)
        if cell.missing is None:
            continue
        implied = _implied_answered(table, period) if indicator == "answered" else ()
        says = (
            f"{period.label}: {TITLES[indicator]} is missing ({cell.missing}); it is not counted "
            "as zero."
        )
        if implied:
            says += f" The published rate implies about {implied[0][1]:,.0f}."
        yield Finding(
            level="missing", code="missing", period=period.label, indicator=indicator, says=says,
            implied=implied,
        )  # fmt: skip


def _implied_answered(table: KpiTable, period: Period) -> tuple[tuple[Indicator, float], ...]:
    offered = table.value("offered", period.label)
    rate = table.value("answered-rate", period.label)
    return () if offered is None or rate is None else (("answered", offered * rate / 100),)


def _part(table: KpiTable, period: Period) -> Iterator[Finding]:
    if period.whole:
        return
    daily = per_working_day(table, period)
    says = (
        f"{period.label} covers {period.start.day} to {period.end.day} only "
        f"({period.working_days} working days); do not compare its counts with whole months"
    )
    if daily is not None:
        says += f". Calls offered are {daily:,.0f} a working day"
    yield Finding(
        level="part-period", code="part-period", period=period.label, indicator="offered",
        says=f"{says}.", published=table.value("offered", period.label), computed=daily,
    )  # fmt: skip


def per_working_day(
    table: KpiTable, period: Period, indicator: Indicator = "offered"
) -> float | None:
    """A count of the period for each of its working days."""
    count = table.value(indicator, period.label)
    days = period.working_days
    return None if count is None or days == 0 or UNITS[indicator] != "count" else count / days


def _answered(table: KpiTable, period: Period) -> Iterator[Finding]:
    """Answered ÷ offered against the published rate."""
    offered = table.value("offered", period.label)
    answered = table.value("answered", period.label)
    rate = table.value("answered-rate", period.label)
    if not offered or answered is None or rate is None:
        return
    computed = 100 * answered / offered
    gap = abs(computed - rate)
    if gap <= _EXACT:
        return
    if gap <= TOLERANCE:
        says = (
            f"{period.label}: the counts give {computed:.2f}% answered, published is {rate:.2f}%: "
            f"{gap:.2f} percentage points, which is rounding."
        )
        yield _finding("rounding", "answered-rate", period, "answered-rate", says, rate, computed)
        return
    implied_offered = 100 * answered / rate if rate else 0.0
    says = (
        f"{period.label}: the counts give {computed:.2f}% answered ({answered:,.0f} of "
        f"{offered:,.0f}), but {rate:.2f}% is published: {gap:.1f} percentage points apart. If the "
        f"rate is right, answered would be about {offered * rate / 100:,.0f} or offered about "
        f"{implied_offered:,.0f}."
    )
    yield Finding(
        level="contradiction", code="answered-rate", period=period.label,
        indicator="answered-rate", says=says, published=rate, computed=computed,
        implied=(("answered", offered * rate / 100), ("offered", implied_offered)),
    )  # fmt: skip


def _unanswered(table: KpiTable, period: Period) -> Iterator[Finding]:
    """Calls not answered against the published share abandoned, which can be no larger."""
    offered = table.value("offered", period.label)
    answered = table.value("answered", period.label)
    rate = table.value("abandoned-rate", period.label)
    if not offered or answered is None or rate is None:
        return
    computed = 100 * (offered - answered) / offered
    if rate - computed <= TOLERANCE:
        return
    says = (
        f"{period.label}: {counted(offered - answered, 'call')} ({computed:.2f}%) were not "
        f"answered, yet {rate:.2f}% are said to be abandoned; more cannot abandon than go "
        "unanswered, so the two have different denominators."
    )
    yield _finding(
        "contradiction", "abandoned-exceeds-unanswered", period, "abandoned-rate", says, rate,
        computed,
    )  # fmt: skip


def _whole(table: KpiTable, period: Period) -> Iterator[Finding]:
    """The share answered and the share abandoned must come to all calls, and no more."""
    answered = table.value("answered-rate", period.label)
    abandoned = table.value("abandoned-rate", period.label)
    if answered is None or abandoned is None:
        return
    total = answered + abandoned
    offered = table.value("offered", period.label)
    if total > 100 + TOLERANCE:
        says = (
            f"{period.label}: {answered:.2f}% answered and {abandoned:.2f}% abandoned come to "
            f"{total:.2f}%, more than all calls; the two have different denominators."
        )
        yield _finding(
            "contradiction", "rates-exceed-100", period, "abandoned-rate", says, total, 100.0
        )
    elif total < 100 - RESIDUAL:
        calls = f" (about {counted(offered * (100 - total) / 100, 'call')})" if offered else ""
        says = (
            f"{period.label}: answered and abandoned come to {total:.2f}%; {100 - total:.1f}% of "
            f"calls offered{calls} are in neither. They may have ended in the recorded messages, "
            "gone to a call-back or been dropped from the count."
        )
        yield _finding("unexplained", "in-neither", period, None, says, total, 100.0)


def _counts(table: KpiTable, period: Period) -> Iterator[Finding]:
    """Offered = answered + abandoned + the rest, which cannot be negative."""
    offered = table.value("offered", period.label)
    parts = [table.value(name, period.label) for name in ("answered", "abandoned")]
    known = [part for part in parts if part is not None]
    if offered is None or not known or sum(known) <= offered:
        return
    says = (
        f"{period.label}: {counted(sum(known), 'call is', 'calls are')} said to be answered or "
        f"abandoned, more than the {offered:,.0f} offered."
    )
    yield _finding(
        "contradiction", "more-than-offered", period, "offered", says, offered, sum(known)
    )


def _ranges(table: KpiTable, period: Period) -> Iterator[Finding]:
    for indicator in table.figures:
        value = table.value(indicator, period.label)
        wrong = value is not None and (value < 0 or (UNITS[indicator] == "percent" and value > 100))
        if wrong and value is not None:
            says = f"{period.label}: {TITLES[indicator]} of {value:g} is impossible."
            yield _finding("contradiction", "impossible", period, indicator, says, value, None)


def _finding(
    level: Level,
    code: str,
    period: Period,
    indicator: Indicator | None,
    says: str,
    published: float | None,
    computed: float | None,
) -> Finding:
    return Finding(
        level=level, code=code, period=period.label, indicator=indicator, says=says,
        published=published, computed=computed,
    )  # fmt: skip


def _order_of_periods(periods: Sequence[Period]) -> Iterator[Finding]:
    """Date sanity: headings go forward, without gaps turned back (January 2022 after December)."""
    for i, later in enumerate(periods):
        for before in periods[:i]:
            same_length = (before.end - before.start).days < 40 and (
                later.end - later.start
            ).days < 40
            if same_length and later.start <= before.start:
                what = "again" if later.start == before.start else "before it"
                says = (
                    f"{later.label} comes after {before.label} in the table but lies {what} in "
                    "time; the year may be mistyped."
                )
                yield Finding(
                    level="contradiction", code="date-order", period=later.label, indicator=None,
                    says=says,
                )  # fmt: skip
                break


def dates_in_order(labels: Sequence[str]) -> list[Finding]:
    """The same check for any list of headed dates (a plan's next steps, say)."""
    from trials.contacts.kpis import period_of

    return list(_order_of_periods([p for p in map(period_of, labels) if p is not None]))


def _targets(table: KpiTable) -> Iterator[Finding]:
    """A target that is met in every period, by far, steers nothing."""
    for indicator, target in table.targets.items():
        values = [v for p in table.periods if (v := table.value(indicator, p.label)) is not None]
        if len(values) < 3 or not all(met(indicator, value, target) for value in values):
            continue
        closest = min(values, key=lambda value: abs(value - target))
        if abs(closest - target) <= 0.1 * abs(target):
            continue
        says = (
            f"The target for {TITLES[indicator]} ({target:g}) was beaten in every period; the "
            f"nearest was {closest:g}. It is too easy to be useful as a target."
        )
        yield Finding(
            level="target", code="target-too-easy", period=None, indicator=indicator, says=says,
            published=target, computed=closest,
        )  # fmt: skip


def met(indicator: Indicator, value: float, target: float) -> bool:
    """Whether a value meets its target, by which way is better for the indicator."""
    if indicator in HIGHER_IS_BETTER:
        return value >= target
    return value <= target if indicator in LOWER_IS_BETTER else value == target


def _claim(table: KpiTable, claim: Claim) -> Finding | None:
    label = next((p.label for p in table.periods if p.label.startswith(claim.period)), None)
    value = table.value(claim.indicator, label) if label else None
    if value is None or label is None or claim.low <= value <= claim.high:
        return None
    says = (
        f"{claim.source} says of {TITLES[claim.indicator]} in {claim.period}: {claim.words!r}; the "
        f"table has {value:g}. They may come from different systems, periods or definitions."
    )
    return Finding(
        level="contradiction", code="claim", period=label, indicator=claim.indicator, says=says,
        published=claim.high if value > claim.high else claim.low, computed=value,
    )  # fmt: skip


def settled(
    findings: Iterable[Finding], choices: Iterable[Choice]
) -> dict[tuple[str, Indicator], float]:
    """The value to use for each contradicted figure that somebody has decided on.

    Raises:
        Conflict: a choice names no finding with both values, or two choices disagree.
    """
    open_ = {
        (f.period, f.indicator): f
        for f in findings
        if f.published is not None and f.computed is not None and f.indicator is not None
        and f.code == "answered-rate"
    }  # fmt: skip
    done: dict[tuple[str, Indicator], float] = {}
    for choice in choices:
        found = open_.get((choice.period, choice.indicator))
        if found is None:
            raise Conflict(
                f"nothing about {TITLES[choice.indicator]} is open to decide for that period"
            )
        value = found.published if choice.use == "published" else found.computed
        key = (choice.period, choice.indicator)
        if value is None or done.get(key, value) != value:
            raise Conflict("two choices disagree about one figure", "keep one of them")
        done[key] = value
    return done
