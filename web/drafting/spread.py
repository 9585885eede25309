"""What stands against moving shares or crossed changes in a draft, in an officer's words."""

from __future__ import annotations

from typing import Any

from trials.definition import adapting
from trials.definition.model import Adaptive, seconds
from trials.drafting import content as contents
from trials.drafting.content import Content, get
from web.drafting.sizing.asked import primary

_SAYS = {
    "meets people one at a time": "Shares can move only where people come one at a time and each "
    "is drawn by itself: not for a list, nor within groups, nor for those who belong together, nor "
    "beside trials that must not share people.",
    "leaves nothing to move": "The least share of every version together leaves nothing to move: "
    "lower it.",
    "is analysed once, at the end": "Where shares move the result is looked at once, at the end: "
    "choose that in the step on safeguards.",
    "takes no covariates": "This plan takes out of the result what was known of people before. "
    "Where shares move it cannot: ask an analyst.",
    "go to the best arm": "Shares that move go to the best version, not to the best of each "
    "change: choose one or the other.",
    "follow the outcomes": "This plan measures or analyses something that cannot be had where "
    "shares move: ask an analyst.",
    "does not say its level": "Every version has to name the same changes, today’s version too.",
    "two arms are": "Two versions have the same changes: there is one for each combination.",
    "has the combination": "A combination of the changes has no version: add one in the step on "
    "versions, or correct what is changed in each.",
    "same level in every arm": "A change that is the same in every version is none: leave it out.",
}
"""What a rule says, by words of it, first come first served; rules speak of the trial file."""


def warnings(content: Content) -> list[str]:
    """Why shares should not move here, or changes are not crossed as they are said to be."""
    broken = [problem.says for problem in contents.problems(content)]
    found = [
        says for rule in broken if (says := next((s for w, s in _SAYS.items() if w in rule), ""))
    ]
    metric, adaptive = primary(content) or {}, get(content, "design.adaptive")
    if adaptive is not None:
        late = adapting.slow_outcome(days(metric), Adaptive(every=adaptive.get("every", "day")))
        found += [late] if late else []
    return list(dict.fromkeys(found))


def days(metric: dict[str, Any]) -> float:
    """A metric's window in days; 0 without one."""
    try:
        return seconds(str(metric.get("window") or "")) / 86_400
    except ValueError:
        return 0.0
