"""A size in words, and the planner behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from trials.definition.model import seconds
from trials.drafting.content import Content, get

if TYPE_CHECKING:
    from analysis.planning import PowerAnswer, PowerRequest

WEEK = 604_800
ASK_WEEKLY = "Say how many there are in a week to see how long that takes."
Facts = tuple[tuple[str, str], ...]
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many and how long, in words, and the figures behind it; or why that cannot be said."""

    says: str
    facts: Facts = ()
    notes: tuple[str, ...] = ()


def plan(request: PowerRequest) -> PowerAnswer:
    """The planner's answer. Raises ``SignpostError`` where there is none."""
    # SciPy takes half a second to load: only a page that sizes a trial pays for it.
    from analysis.planning import plan_power

    return plan_power(request)


def found(given: PowerRequest, begins: str) -> str:
    """A given size in words: the chance it gives, and the change it finds four times in five."""
    answer, smallest = plan(given), plan(replace(given, mde=None)).detectable_effect
    finds = "no possible change is found"
    if smallest is not None:
        finds = f"the smallest change found is {_amount(given, smallest)}"
    return (
        f"{begins}: the chance of finding your change is {_percent(answer.power)}. With a chance "
        f"of {_percent(given.power)}, {finds}."
    )


def _amount(request: PowerRequest, effect: float) -> str:
    if request.kind in ("proportion", "time-to-event"):
        return f"{100 * effect:.2g} percentage points"
    return f"{effect:.3g}"


def chance(answer: PowerAnswer) -> tuple[str, str]:
    """The power as a fact."""
    return ("Chance of finding it if it is there", _percent(answer.power))


def _percent(share: float) -> str:
    return "over 99%" if share > 0.995 else f"{100 * share:.0f}%"


def usual_week(request: PowerRequest) -> tuple[str, str]:
    """The weekly volume as a fact."""
    return ("In a usual week", f"{request.weekly:,.0f} {request.unit}")


def weeks(count: int) -> str:
    """A number of weeks in words."""
    number = _WORDS[count] if count < len(_WORDS) else f"{count:,}"
    return f"{number} week{'' if count == 1 else 's'}"


def length(content: Content, path: str) -> int | None:
    """A duration of the draft; ``None`` where there is none that can be read."""
    try:
        return seconds(str(get(content, path) or ""))
    except ValueError:
        return None
