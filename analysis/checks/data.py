"""Checks of the data's completeness: maturity, freshness, period coverage, the plan kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from analysis.checks.check import (
    UNTITLED,
    Check,
    Verdict,
    called,
    listed,
    not_applicable,
    number,
    percent,
)
from trials.plurals import counted

FEWEST_UNITS = 50
FEWEST_EVENTS = 5
"""Below these an arm's result is not worth reading, whatever its interval."""


def maturity(
    matured: Mapping[str, int],
    maturing: Mapping[str, int],
    *,
    window_days: float,
    events: Mapping[str, float] | None = None,
    complete_on: str = "",
    warn_above: float = 0.1,
    titles: Mapping[str, str] = UNTITLED,
) -> Check:
    """Whether enough units have lived through the whole outcome window.

    Args:
        matured: units per arm whose window has closed (only these are in the result).
        maturing: units per arm still inside it.
        window_days: the length of the window.
        events: contacts or outcomes per arm among the matured, to judge whether there are enough.
        complete_on: the day the last window closes, as it should be printed.
        warn_above: share still maturing above which the result is called early.
        titles: what the sentences call the arms, by key.
    """
    done, waiting = sum(matured.values()), sum(maturing.values())
    if done + waiting == 0:
        return not_applicable("maturity", "Nobody has been assigned yet.")
    details = {"matured": dict(matured), "maturing": dict(maturing), "window_days": window_days}
    window = f"{window_days:g}-day"
    if done == 0:
        return Check(
            key="maturity", verdict="fail", details=details,
            says=f"None of the {counted(waiting, 'unit')} has completed the {window} window.",
            what_to_do=f"There is no result yet; wait{_until(complete_on)}.",
        )  # fmt: skip
    thin = _thin(matured, events or {}, titles)
    share = waiting / (done + waiting)
    verdict: Verdict = "warn" if thin or share > warn_above else "pass"
    has, are = ("has" if done == 1 else "have"), ("is" if waiting == 1 else "are")
    says = (
        f"{counted(done, 'unit')} of {number(done + waiting)} {has} completed the {window} window"
    )
    says += f"; {number(waiting)} {are} still in it and {are} not in the result" if waiting else ""
    return Check(
        key="maturity", verdict=verdict, details=details, says=f"{says}{thin}.",
        what_to_do="" if verdict == "pass" else "Read the result as early: it can still move"
        + (f"; the last window closes on {complete_on}." if complete_on else "."),
    )  # fmt: skip


def data_freshness(
    newest: Mapping[str, datetime | None],
    now: datetime,
    *,
    warn_after: timedelta = timedelta(days=2),
    fail_after: timedelta = timedelta(days=7),
) -> Check:
    """Whether every source has sent records lately (``newest``: each source's latest record)."""
    if not newest:
        return not_applicable("data-freshness", "No source of contacts is connected.")
    ages = {name: None if at is None else now - at for name, at in newest.items()}
    silent = [name for name, age in ages.items() if age is None]
    late = {name: age for name, age in ages.items() if age is not None and age > warn_after}
    broken = bool(silent) or any(age > fail_after for age in late.values())
    details = {
        name: {"days": None if age is None else round(age / timedelta(days=1), 2)}
        for name, age in ages.items()
    }
    if not silent and not late:
        oldest = max(age for age in ages.values() if age is not None)
        age = f"the slowest's latest record is {_age(oldest)} old"
        reach = age if oldest else "they reach as far as the trial needs"
        return Check(key="data-freshness", verdict="pass", details=details,
                     says=f"Every source is up to date; {reach}.")  # fmt: skip
    parts = [f"{name} has sent nothing" for name in silent]
    parts += [f"{name} has sent nothing for {_age(age)}" for name, age in late.items()]
    return Check(
        key="data-freshness", verdict="fail" if broken else "warn", details=details,
        says=f"{listed(parts)}.",
        what_to_do="Contacts that have not arrived look like contacts avoided: bring the import up "
        "to date before reading the result.",
    )  # fmt: skip


def period_coverage(
    counts: Mapping[str, float],
    *,
    closed: Collection[str] = (),
    arms: Mapping[str, str] | None = None,
    low: float = 0.2,
) -> Check:
    """Whether every day (or switchback period) that should hold contacts does.

    Args:
        counts: contacts in each period in order, nought where none were recorded.
        closed: periods with no service (weekends, bank holidays), which may be empty.
        arms: the arm in force in each period of a switchback.
        low: a period with less than this share of the median is called thin.
    """
    open_ = {name: n for name, n in counts.items() if name not in closed}
    if not open_:
        return not_applicable("period-coverage", "No period of the trial has passed yet.")
    typical = float(np.median([n for n in open_.values() if n > 0] or [0.0]))
    empty = [name for name, n in open_.items() if n == 0]
    thin = [name for name, n in open_.items() if 0 < n < low * typical]
    missing = len(empty) / len(open_)
    lopsided = _lopsided(open_, empty, arms or {})
    verdict: Verdict = "pass"
    if empty or thin:
        verdict = "fail" if missing > 0.1 or lopsided else "warn"
    return Check(
        key="period-coverage", verdict=verdict,
        says=_coverage_says(empty, thin, len(open_)) + lopsided + ".",
        what_to_do="" if verdict == "pass" else "Find out whether these are lost records or true "
        "quiet: lost records bias the arm in force then, and its days should be left out of both.",
        details={"periods": len(open_), "empty": empty, "thin": thin, "typical": typical},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """One point of the plan and what became of it, both as they should be printed.

    ``material`` marks a departure that changes what the result means (another primary metric,
    arm, window, stopping rule) and not only its precision.
    """

    what: str
    planned: str
    actual: str
    material: bool = False
    why: str = ""


def plan_deviation(points: Sequence[Kept], *, locked: bool = True) -> Check:
    """Whether the trial was run and analysed as its locked plan says."""
    if not locked:
        return Check(
            key="plan-deviation", verdict="warn",
            says="The plan was not locked before the data were seen.",
            what_to_do="Treat every finding as exploratory and confirm it in a locked trial.",
        )  # fmt: skip
    broken = [point for point in points if point.planned != point.actual]
    details = {
        "deviations": [
            {"what": b.what, "planned": b.planned, "actual": b.actual, "material": b.material,
             "why": b.why}
            for b in broken
        ]
    }  # fmt: skip
    if not broken:
        return Check(
            key="plan-deviation", verdict="pass", details=details,
            says="The trial was run and analysed as planned.",
        )  # fmt: skip
    said = listed([f"{b.what} was {b.actual} instead of {b.planned}" for b in broken])
    material = any(b.material for b in broken)
    return Check(
        key="plan-deviation", verdict="fail" if material else "warn", details=details,
        says=f"Not as planned: {said}.",
        what_to_do="What rests on a departure from the plan is exploratory: say so when it is told."
        if material
        else "Say so when the result is told; the comparison itself still stands.",
    )  # fmt: skip


def _until(day: str) -> str:
    return f" until {day}" if day else " until the first windows close"


def _thin(
    matured: Mapping[str, int], events: Mapping[str, float], titles: Mapping[str, str]
) -> str:  # fmt: skip
    """Names the arms with too few units or events to read, as the tail of a sentence."""
    few = [called(arm, titles) for arm, n in matured.items() if n < FEWEST_UNITS]
    if few:
        verb = "has" if len(few) == 1 else "have"
        return f"; {listed(few)} {verb} fewer than {FEWEST_UNITS}"
    rare = [called(arm, titles) for arm, n in events.items() if n < FEWEST_EVENTS]
    return f"; {listed(rare)} saw fewer than {FEWEST_EVENTS} events" if rare else ""


def _age(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    if hours < 1:
        return "less than an hour"
    return counted(round(hours), "hour") if hours < 48 else counted(round(hours / 24), "day")


def _lopsided(periods: Mapping[str, float], empty: Sequence[str], arms: Mapping[str, str]) -> str:
    """Whether the empty periods all fall to one arm of a switchback, as the tail of a sentence."""
    hit = {arms[name] for name in empty if name in arms}
    known = {arms[name] for name in periods if name in arms}
    if len(empty) >= 3 and len(hit) == 1 and len(known) > 1:
        return f", all of them while {next(iter(hit))} was in force"
    return ""


def _coverage_says(empty: Sequence[str], thin: Sequence[str], total: int) -> str:
    if not empty and not thin:
        return f"All {counted(total, 'period')} hold contacts"
    parts = []
    if empty:
        parts.append(
            f"{number(len(empty))} of {counted(total, 'period')} ({percent(len(empty) / total)}) "
            f"hold no contacts ({_few(empty)})"
        )
    if thin:
        parts.append(f"{number(len(thin))} hold unusually few ({_few(thin)})")
    return listed(parts)


def _few(names: Sequence[str], most: int = 4) -> str:
    if len(names) <= most:
        return listed(list(names))
    return f"{', '.join(names[:most])} and {len(names) - most} more"
