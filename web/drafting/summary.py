"""A draft on one page: every question with its answer, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from trials.drafting import steps
from trials.drafting.content import Content
from web.drafting import fields, questions, reading
from web.drafting.fields import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A step's questions and answers; those without an answer are left out, and counted."""

    key: str
    title: str
    answers: tuple[tuple[str, str], ...]


def groups(content: Content) -> list[Group]:
    """Every step but the last; the wordings themselves are shown elsewhere."""
    return [
        Group(key=step.key, title=step.title, answers=tuple(answers(step.key, content)))
        for step in steps.STEPS
        if step.key != "check"
    ]


def answers(step: str, content: Content) -> list[tuple[str, str]]:
    """The questions of a step that have an answer, but for the wordings."""
    now = reading.seen(step, content)
    asked = [f for f in questions.of(step, content) if f.kind != "wording"]
    return [(field.label, said) for field in asked if (said := words(field, now))]


def words(field: Field, content: Content) -> str:
    """The answer to a question as it is read, with the words of the option chosen."""
    answer = fields.shown(field, content)
    titles = {value: label for value, label, _ in field.options}
    if isinstance(answer, list):
        return ", ".join(titles.get(a, a) for a in answer)
    if field.kind == "percent" and answer:
        return f"{answer}%"
    return titles.get(answer, answer)
