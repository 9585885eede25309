"""How many are needed and how long that takes, for every way of spreading versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trials.drafting.content import Content, get
from trials.errors import SignpostError
from web.drafting import reading
from web.drafting.sizing.asked import drawn, many, primary
from web.drafting.sizing.groups import groups, wedge
from web.drafting.sizing.turns import turns
from web.drafting.sizing.words import ASK_WEEKLY, Size, chance, plan, usual_week, weeks

if TYPE_CHECKING:
    from analysis.planning import PowerRequest

__all__ = ["Size", "of"]


def of(content: Content) -> Size:
    """How many, and about how many weeks, at the volumes given."""
    metric = primary(content)
    if metric is None:
        return Size(says="Choose the one measure that decides first: the size depends on it.")
    baseline = get(content, "workshop.sizing.baseline")
    mde = metric.get("mde") or _relative(metric, baseline)
    if baseline is None or not mde:
        return Size(
            says="Say how things stand now and the smallest change worth finding; "
            "the size is worked out when you save."
        )
    way = _WAYS.get(str(get(content, "design.kind")), _each)
    try:
        return way(content, _request(content, metric, float(baseline), float(mde)))
    except SignpostError as failure:
        return Size(says=f"{str(failure)[:1].upper()}{str(failure)[1:]}")


def _relative(metric: dict[str, Any], baseline: Any) -> float | None:
    share = metric.get("mde_relative")
    return None if share is None or baseline is None else float(share) * float(baseline)


def _request(content: Content, metric: dict[str, Any], baseline: float, mde: float) -> PowerRequest:
    from analysis.planning import PowerRequest

    return PowerRequest(
        kind=metric["kind"],
        baseline=baseline,
        sd=get(content, "workshop.sizing.sd"),
        mde=mde,
        direction=metric.get("better", "lower"),
        ratio=tuple(float(a.get("weight", 1)) for a in content["arms"]),
        arms=len(content["arms"]),
        weekly=get(content, "workshop.sizing.weekly"),
        looks=reading.fractions(content),
        unit=many(drawn(content)),
        alpha=float(get(content, "analysis.alpha") or 0.05),
        power=float(get(content, "analysis.power") or 0.8),
    )


def _each(content: Content, request: PowerRequest) -> Size:
    """Units drawn by themselves, in strata or not."""
    answer = plan(request)
    facts = (
        ("In each version", f"{answer.n_per_arm:,} {request.unit}"),
        ("In all", f"{answer.total:,} {request.unit}"),
        chance(answer),
    )
    notes = (answer.says, *answer.notes, *_besides(content, request))
    if answer.weeks is None:
        says = f"You need about {answer.total:,} {request.unit}. {ASK_WEEKLY}"
        return Size(says=says, facts=facts, notes=notes)
    return Size(
        says=f"About {weeks(answer.weeks)} at your volumes.",
        facts=(*facts, usual_week(request)),
        notes=notes,
    )


def _besides(content: Content, request: PowerRequest) -> tuple[str, ...]:
    """What crossed changes, or shares that move, do to the size."""
    if get(content, "design.adaptive") is not None:
        says = (
            "This is for shares that stay. Where they move towards what does better, the same "
            "people give a less certain answer: ask an analyst to rehearse it."
        )
        return (says,)
    if any(arm.get("levels") for arm in content["arms"]):
        halves = plan(replace(request, arms=2, ratio=None, weekly=None))
        says = (
            "This is for each version against today’s. A change that half of all versions have is "
            f"compared over everybody, which takes {halves.total:,} {request.unit} in all."
        )
        return (says,)
    return ()


_WAYS: Mapping[str, Callable[[Content, PowerRequest], Size]] = {
    "cluster": groups,
    "stepped-wedge": wedge,
    "switchback": turns,
}
