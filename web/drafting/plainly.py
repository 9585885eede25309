"""What the rules of a plan say of a draft, in the wizard's words and with the step to go back to.

Rules speak of the trial file, which officers never see. Here the place that a rule names becomes
the question that was asked, and its remedy what to do about the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analysis.report.changed import LABELS
from trials.drafting import content as contents
from trials.drafting.content import Content
from trials.drafting.steps import step
from trials.errors import Problem

_PLACE = re.compile(r"\[+(\w+)\]+ ?([\w.]*)")
_STEPS = {"trial": "idea", "design": "draw", "arms": "versions", "metrics": "measures",
          "analysis": "safeguards"}  # fmt: skip
_ELSEWHERE = {
    "trial.starts": "dates", "trial.ends": "dates", "trial.unit": "draw", "arms.levels": "draw",
    "metrics.margin": "safeguards", "metrics.mde": "size", "metrics.mde_relative": "size",
}  # fmt: skip
"""Questions that are asked in another step than the rest of their table."""

_SAYS = {
    "ends before it starts": "The last day is before the first: choose a later last day.",
    "at least two arms": "There is one version only: add another to compare it with.",
    "no arm is the control": "No version is as things are today: say which is.",
    "second arm is marked": "Two versions are said to be as things are today: only one can be.",
    "weight 0": "A version has no share, so nobody would get it: give it one, or take it out.",
    "no metric is primary": "No measure decides yet: choose the one that does.",
    "there is no metric": "Nothing is measured yet: choose the one measure that decides.",
    "second metric is primary": "Two measures are to decide: keep one, and look at the other too.",
    "has no window": "A measure does not say for how long contacts are counted.",
    "guardrail without a margin": "Something must not get worse, but not by how much at most: give "
    "its limit.",
    "names no strata": "Versions are to be mixed within groups: name the columns of your list.",
    "what is randomised": "Those who belong together are to get the same: name what goes together.",
    "cluster is given but": "What goes together is named, but each one is drawn by itself: leave "
    "it empty, or choose that they get the same.",
    "has no period": "Versions are to take turns: say how long each turn lasts.",
    "as long as the period": "The time left out is as long as a turn: nothing would be measured.",
    "needs starts and ends": "Versions are to take turns, so the first and last day are needed.",
    "is listed twice": "A column is named twice: name it once.",
    "is used twice": "Two versions or two measures have the same name in the plan: rename one.",
    "fractions": "The looks have to come one after the other, the last one at the end.",
}
"""What a rule means, by words of it, first come first served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that a draft breaks: in plain words, the step to mend it in, and the file's words."""

    says: str
    step: str
    title: str
    file: str


def problems(content: Content) -> list[Broken]:
    """What keeps the draft from being a trial; the same plain words are said once."""
    found: dict[str, Broken] = {}
    for problem in contents.problems(content):
        one = _broken(problem)
        found.setdefault(one.says, one)
    return list(found.values())


def _broken(problem: Problem) -> Broken:
    place = _PLACE.search(problem.place)
    table, key = (place[1], place[2].split(".")[0]) if place else ("", "")
    path = f"{table}.{key}"
    at = step(_ELSEWHERE.get(path, _STEPS.get(table, "idea")))
    assert at is not None
    plain = next((says for words, says in _SAYS.items() if words in problem.says), "")
    if path == "arms.wording":
        plain = "A version’s wording cannot be sent as it is: its preview in this step says why."
    label = LABELS.get(path.replace("trial.", "about."))
    asked = f"The answer to “{label.rstrip('?')}”" if label else "An answer"
    return Broken(
        says=plain or f"{asked} does not go with the others, or cannot be read: look at it again, "
        "or ask an analyst.",
        step=at.key, title=at.title, file=str(problem),
    )  # fmt: skip
