"""How arms are allocated: one file a design, each with its draw and its redraw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from trials.definition import hours
from trials.definition.model import Arm, Design, Trial
from trials.designs.base import HELD_OUT, Allocation, ListDesign, Roster
from trials.designs.blocks import Blocked
from trials.designs.minimisation import Minimised
from trials.designs.pairs import Matched
from trials.designs.shares import fraction, ratio
from trials.designs.stepped_wedge import SteppedWedge
from trials.designs.switchback import Calendar, Switchback, bank_holidays
from trials.errors import Invalid, Problem

__all__ = [
    "HELD_OUT",
    "Allocation",
    "ListDesign",
    "Roster",
    "design_for",
    "switchback_for",
    "wedge_for",
]


def design_for(design: Design, arms: Sequence[Arm]) -> ListDesign:
    """The design that allocates a list as ``design`` says; named strata are always used.

    Raises:
        Invalid: an arm has no weight, or the design allocates periods rather than units.
    """
    if design.kind in ("switchback", "stepped-wedge"):
        says = f"a {design.kind} trial is drawn by period, not from a list of units"
        raise Invalid("the units cannot be drawn", [Problem("[design] kind", says)])
    if design.adaptive is not None:
        says = "a trial whose shares follow the outcomes takes people on one at a time"
        raise Invalid("the units cannot be drawn", [Problem("[design] adaptive", says)])
    keys = tuple(arm.key for arm in arms)
    whole = ratio([arm.weight for arm in arms], keys)
    clustered = design.kind == "cluster"
    if design.method == "matched":
        return Matched(keys, whole, clustered=clustered)
    if design.method == "minimisation":
        return Minimised(keys, whole, clustered=clustered)
    stratified = bool(design.strata)
    return Blocked(
        arms=keys,
        ratio=whole,
        stratified=stratified,
        clustered=clustered,
        permuted=stratified,
        holdout=fraction(design.holdout),
    )


def switchback_for(trial: Trial) -> Switchback:
    """The switchback of ``trial``: its days, opening hours, period and burn-in.

    Raises:
        Invalid: an arm has no weight, or the calendar is not complete.
    """
    design, (starts, ends), period = trial.design, _days(trial), _period(trial)
    keys = tuple(arm.key for arm in trial.arms)
    closed = frozenset[date]()
    if design.hours and design.bank_holidays == "closed":
        closed = bank_holidays(starts, ends)
    opening = hours.parse(design.hours) if design.hours else hours.ALWAYS
    return Switchback(
        arms=keys,
        ratio=ratio([arm.weight for arm in trial.arms], keys),
        calendar=Calendar(starts, ends, opening, closed),
        period=period,
        burn_in=design.burn_in,
    )


def wedge_for(trial: Trial) -> SteppedWedge:
    """The stepped wedge of ``trial``.

    Raises:
        Invalid: the calendar is not complete, or there are not exactly two arms.
    """
    starts, ends = _days(trial)
    if len(trial.arms) != 2:
        says = "a stepped wedge goes over from the control to one other arm"
        raise Invalid("the wedge cannot be drawn", [Problem("[[arms]]", says)])
    return SteppedWedge(starts, ends, _period(trial), stratified=bool(trial.design.strata))


def _days(trial: Trial) -> tuple[date, date]:
    starts, ends = trial.about.starts, trial.about.ends
    if starts is None or ends is None or ends < starts:
        says = "must both be given, in this order"
        raise Invalid("the calendar is not complete", [Problem("[trial] starts, ends", says)])
    return starts, ends


def _period(trial: Trial) -> int:
    if trial.design.period is None:
        raise Invalid("the calendar is not complete", [Problem("[design] period", "is not given")])
    return trial.design.period
