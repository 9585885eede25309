"""The nine steps of Test, Learn, Adapt, and what each still lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from trials.drafting import screening
from trials.drafting.content import Content, get

Group = Literal["Test", "Learn", "Adapt"]


@dataclass(frozen=True, slots=True)
class Step:
    """A page of the wizard. ``missing`` lists what it still lacks, in the words of the page."""

    key: str
    group: Group
    title: str
    says: str
    missing: Callable[[Content], Iterator[str]]


def _lacks(*asked: tuple[str, str]) -> Callable[[Content], Iterator[str]]:
    def missing(content: Content) -> Iterator[str]:
        return (what for path, what in asked if get(content, path) in (None, "", []))

    return missing


def _arms(content: Content) -> Iterator[str]:
    arms = content["arms"]
    if len(arms) < 2:
        yield "a second version to compare with today’s"
    if not any(arm.get("control") for arm in arms):
        yield "which version is today’s"
    if arms and not any(str(arm.get("wording", "")).strip() for arm in arms):
        yield "the wording of the new version"


def _metrics(content: Content) -> Iterator[str]:
    if not any(metric.get("role") == "primary" for metric in content["metrics"]):
        yield "the one measure that decides"


def _unit(content: Content) -> Iterator[str]:
    if not get(content, "trial.unit"):
        yield "what is drawn"
    kind = get(content, "design.kind") or "individual"
    if kind == "stratified" and not get(content, "design.strata"):
        yield "the groups within which versions are mixed"
    if kind == "cluster" and not get(content, "design.cluster"):
        yield "what goes together"
    if kind == "switchback" and not get(content, "design.period"):
        yield "how long each turn lasts"
    if kind == "stepped-wedge" and not get(content, "design.period"):
        yield "how long each step lasts"


def _size(content: Content) -> Iterator[str]:
    primary = next((m for m in content["metrics"] if m.get("role") == "primary"), None)
    if primary is None or not (primary.get("mde") or primary.get("mde_relative")):
        yield "the smallest change worth finding"
    if not get(content, "workshop.sizing.baseline"):
        yield "what happens today"
    together = get(content, "design.kind") in ("cluster", "stepped-wedge")
    if together and not get(content, "workshop.sizing.cluster_size"):
        yield "how many there are in a typical group"


def _screened(content: Content) -> Iterator[str]:
    found = screening.screen(content)
    if found.unanswered:
        yield "answers to all the questions"
    if not get(content, "workshop.data.keeps"):
        yield "what data are used"
    if found.tier is not None and found.tier >= 2 and not get(content, "workshop.equality.note"):
        yield "what you will do for people who could find it harder"


def _nothing(content: Content) -> Iterator[str]:
    del content
    return iter(())


STEPS: tuple[Step, ...] = (
    Step(
        "idea",
        "Test",
        "The idea and why it should work",
        "What you will change, and what you expect of it.",
        _lacks(
            ("trial.title", "a title"),
            ("trial.service", "the service"),
            ("trial.channel", "the channel"),
            ("trial.hypothesis", "what you expect"),
            ("trial.mechanism", "how it should work"),
            ("trial.owner", "who answers for it"),
        ),
    ),
    Step(
        "versions",
        "Test",
        "The versions people will get",
        "Today’s message and the new ones, word by word.",
        _arms,
    ),
    Step(
        "measures",
        "Test",
        "What you will measure",
        "The one measure that decides, and what else you will look at.",
        _metrics,
    ),
    Step(
        "draw",
        "Test",
        "Who or what is drawn",
        "What chance decides about: a person, an account, a case.",
        _unit,
    ),
    Step(
        "size",
        "Test",
        "How many, and how long it takes",
        "What you would notice at your volumes.",
        _size,
    ),
    Step(
        "dates",
        "Test",
        "Dates and what else happens then",
        "When it runs, and what might get in its way.",
        _lacks(("trial.starts", "the first day"), ("trial.ends", "the last day")),
    ),
    Step(
        "safeguards",
        "Learn",
        "Safeguards, groups and looks",
        "What must not get worse, whom you look at separately, and when you look.",
        _nothing,
    ),
    Step(
        "screening",
        "Adapt",
        "Who must agree",
        "A few questions about risk, data and equality decide who signs.",
        _screened,
    ),
    Step(
        "check",
        "Adapt",
        "Check and ask for approval",
        "Everything on one page, as those who approve will see it.",
        _nothing,
    ),
)


def step(key: str) -> Step | None:
    """The step of that key."""
    return next((s for s in STEPS if s.key == key), None)


def after(key: str) -> Step | None:
    """The step that follows."""
    keys = [s.key for s in STEPS]
    place = keys.index(key) + 1
    return STEPS[place] if place < len(STEPS) else None


def missing(content: Content) -> dict[str, list[str]]:
    """What each step lacks; steps that lack nothing are not in it."""
    found = {s.key: list(s.missing(content)) for s in STEPS}
    return {key: lacks for key, lacks in found.items() if lacks}
