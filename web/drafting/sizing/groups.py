"""The size where those who belong together get the same version, at once or in steps."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from trials.designs.stepped_wedge import SteppedWedge
from trials.drafting.content import Content, get
from trials.errors import SignpostError
from web.drafting import reading
from web.drafting.sizing.asked import ALIKE, drawn, many, together
from web.drafting.sizing.words import (
    ASK_WEEKLY,
    WEEK,
    Size,
    chance,
    found,
    length,
    plan,
    usual_week,
    weeks,
)

if TYPE_CHECKING:
    from analysis.planning import PowerAnswer, PowerRequest


def groups(content: Content, request: PowerRequest) -> Size:
    """Groups whose members all get the same version."""
    group, per = together(content), get(content, "workshop.sizing.cluster_size")
    if not per:
        return _ask_members(content)
    request, alike = _clustered(content, request)
    answer = plan(request)
    count = f"about {answer.clusters or 0:,} {many(group)}"
    says = f"You need {count}, {answer.total:,} {request.unit} in all"
    says += f": about {weeks(answer.weeks)} at your volumes." if answer.weeks else "."
    if answer.weeks is None:
        says += f" {ASK_WEEKLY}"
    notes = [*_if_nobody_knows(request, answer, group, alike), *_with_groups(content, request)]
    if (answer.clusters or 0) < 20:
        notes.append(
            f"With fewer than 20 {many(group)} a single unusual one weighs much: "
            "ask an analyst to keep the versions alike when they are drawn."
        )
    return Size(
        says=says,
        facts=(
            (f"{many(group).capitalize()} in all", f"{answer.clusters:,}"),
            (f"{request.unit.capitalize()} in all", f"{answer.total:,}"),
            (f"{request.unit.capitalize()} needed without groups", _without_groups(request)),
            ("How alike", alike),
            chance(answer),
            *((usual_week(request),) if request.weekly else ()),
        ),
        notes=tuple(notes),
    )


def wedge(content: Content, request: PowerRequest) -> Size:
    """Groups that change over one after another."""
    group, per = together(content), get(content, "workshop.sizing.cluster_size")
    if len(content["arms"]) > 2:
        return Size(
            says="Where places change over in steps, there is today’s version and one "
            "new one: remove the others in the step on versions."
        )
    if not per:
        return _ask_members(content)
    dated, steps = _dated_steps(content), get(content, "workshop.sizing.steps")
    if (steps or dated) is None:
        return Size(says=f"Say in how many steps the {many(group)} change over.")
    request, alike = _clustered(content, request)
    request = replace(request, steps=int(steps or dated or 0), ratio=None, arms=2, looks=1)
    answer = plan(replace(request, clusters=None, weekly=None))
    lasts = length(content, "design.period")
    took = math.ceil(((request.steps or 0) + 1) * lasts / WEEK) if lasts else None
    says = (
        f"You need about {answer.clusters:,} {many(group)}, changing over in {request.steps} steps"
    )
    if took:
        says += f": about {weeks(took)} from the first day to the last."
    else:
        says += ". Say in the step on who is drawn how long a step lasts, to see how long it takes."
    notes = [*_if_nobody_knows(request, answer, group, alike), *_with_groups(content, request)]
    if steps and dated and int(steps) != dated:
        notes.append(
            f"Your dates and the length of a step make {dated} steps, not {steps}: change the one "
            "or the other."
        )
    if reading.fractions(content) > 1:
        notes.append(
            "With steps the result is looked at once, at the end: choose that in the step "
            "on safeguards."
        )
    notes.append(
        f"This holds where {request.unit} of one {group} are as alike from step to step as within "
        f"one. Where a {group} drifts, plan for more {many(group)}."
    )
    return Size(
        says=says,
        facts=(
            (f"{many(group).capitalize()} in all", f"{answer.clusters:,}"),
            ("In each step", f"{math.ceil((answer.clusters or 0) / (request.steps or 1)):,}"),
            (f"{request.unit.capitalize()} in all", f"{answer.total:,}"),
            ("How alike", alike),
            chance(answer),
        ),
        notes=tuple(notes),
    )


def _ask_members(content: Content) -> Size:
    unit, group = many(drawn(content)), together(content)
    return Size(
        says=f"Say how many {unit} a typical {group} has; the size is worked out when you save."
    )


def _clustered(content: Content, request: PowerRequest) -> tuple[PowerRequest, str]:
    """The request with its groups, and in words how alike their members are taken to be."""
    given = get(content, "workshop.sizing.icc")
    alike = ALIKE if given is None else float(given)
    per = float(get(content, "workshop.sizing.cluster_size"))
    words = f"{alike:g}" + ("" if given is not None else ", as no figure is given")
    return replace(request, icc=alike, cluster_size=per), words


def _if_nobody_knows(
    request: PowerRequest, answer: PowerAnswer, group: str, alike: str
) -> tuple[str, ...]:
    """What a figure that nobody gave would cost if it were wrong."""
    if "no figure" not in alike:
        return ()
    # In steps a group is compared with itself: there it is the less alike who need more.
    worst = 0.0 if request.wedge else 0.05
    worse = plan(replace(request, icc=worst, clusters=None, weekly=None))
    says = (
        f"Nobody has said how alike they are. At {worst:g} instead of {ALIKE:g} you would need "
        f"about {worse.clusters:,} {many(group)} instead of {answer.clusters:,}."
    )
    return (says,)


def _with_groups(content: Content, request: PowerRequest) -> tuple[str, ...]:
    """What the groups that there are can show."""
    have, group = get(content, "workshop.sizing.clusters"), together(content)
    if not have:
        return ()
    least = request.steps or 2 * len(request.weights)
    if have < least:
        return (f"{have} {many(group)} are too few: there must be at least {least}.",)
    given = replace(request, clusters=int(have), weekly=None)
    return (found(given, f"You have {have:,} {many(group)}"),)


def _without_groups(request: PowerRequest) -> str:
    alone = replace(request, icc=None, cluster_size=None, weekly=None)
    return f"{plan(alone).total:,}"


def _dated_steps(content: Content) -> int | None:
    """The steps that the dates and the length of a step make."""
    lasts = length(content, "design.period")
    try:
        first, last = (
            date.fromisoformat(str(get(content, f"trial.{n}"))) for n in ("starts", "ends")
        )
        return len(SteppedWedge(first, last, lasts or 0).periods()) - 1 if lasts else None
    except (ValueError, SignpostError):
        return None
