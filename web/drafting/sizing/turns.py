"""The size where versions take turns by the clock."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from trials.definition import hours
from trials.designs.switchback import Calendar, Switchback
from trials.drafting.content import Content, get
from trials.errors import SignpostError
from web.drafting.sizing.asked import REAL_SWING
from web.drafting.sizing.words import WEEK, Size, chance, found, length, plan, weeks

if TYPE_CHECKING:
    from analysis.planning import PowerRequest


def turns(content: Content, request: PowerRequest) -> Size:
    """Versions that take turns by the clock."""
    lasts = length(content, "design.period")
    if lasts is None:
        return Size(says="Say how long each turn lasts, in the step on who is drawn.")
    in_week = _turns_in_a_week(content, lasts)
    least, typed = _swing_ofchance(request, in_week), get(content, "workshop.sizing.period_cv")
    if typed is None and least is None:
        return Size(says="Say how many there are in a week, so that the swing of chance is known.")
    if typed is not None and (typed <= 0 or (least is not None and typed < least)):
        share = "0%" if least is None else f"{100 * least:.0f}%"
        return Size(
            says=f"Chance alone makes it differ by {share} from one turn to the next at your "
            "volumes: give more than that, or leave it empty."
        )
    swing = float(typed) if typed is not None else math.hypot(least or 0.0, REAL_SWING)
    request = replace(request, period_cv=swing, weekly=in_week, unit="turns")
    answer = plan(request)
    notes = []
    run = get(content, "workshop.sizing.run_weeks")
    if run and in_week * run >= 4:
        given = replace(request, periods=int(in_week * run))
        notes.append(found(given, f"In {weeks(int(run))} there are {int(in_week * run):,} turns"))
    elif run:
        notes.append("So few turns show nothing: make them shorter or run it longer.")
    if answer.total < 40:
        notes.append("With so few turns chance plays tricks: keep a week or two in reserve.")
    return Size(
        says=f"About {weeks(answer.weeks or 1)}, which is {answer.total:,} turns.",
        facts=(
            ("Turns in all", f"{answer.total:,}"),
            ("Turns in a week", f"{in_week:g}"),
            ("From one turn to the next it differs by", f"{100 * swing:.0f}%"
             + ("" if typed is not None else ", as no figure is given")),
            chance(answer),
        ),
        notes=tuple(notes),
    )  # fmt: skip


def _turns_in_a_week(content: Content, lasts: int) -> float:
    """Turns in a usual week, cut as the schedule will cut them.

    Raises:
        SignpostError: the hours cannot be read, or leave nothing.
    """
    try:
        opening = hours.parse(get(content, "design.hours") or ()) or hours.ALWAYS
    except ValueError as unread:
        raise SignpostError(str(unread), "write each line like Mon-Fri 09:00-17:00") from None
    monday = date(2024, 1, 8)
    weeks = max(1, math.ceil(lasts / WEEK))
    calendar = Calendar(monday, monday + timedelta(7 * weeks - 1), opening)
    burn_in = length(content, "design.burn_in") or 0
    cut = Switchback(("a", "b"), (1, 1), calendar, lasts, burn_in)
    return len(cut.periods()) / weeks


def _swing_ofchance(request: PowerRequest, in_week: float) -> float | None:
    """What chance alone makes a turn's average differ by, as a share of it (binomial, Poisson)."""
    base, weekly = request.baseline, request.weekly
    if not weekly or not base:
        return None
    if request.kind in ("proportion", "time-to-event"):
        variance = base * (1 - base)
    elif request.sd is not None:
        variance = request.sd**2
    elif request.kind == "count":
        variance = base
    else:
        return None
    return math.sqrt(variance * in_week / weekly) / base
