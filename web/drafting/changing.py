"""What a draft changes of the plan in force, question by question."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from trials.definition import differing
from trials.drafting import amending, steps
from trials.drafting.content import Content, get
from trials.drafting.drafts import Draft
from web.drafting import questions, reading, summary

_NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An answer that differs; ``sides`` shows a wording's two versions beside each other."""

    step: str
    what: str
    before: str
    after: str
    sides: differing.Sides | None = None


def of(session: Session, draft: Draft) -> list[Change] | None:
    """What an open amendment changes; ``None`` of any other draft."""
    if draft.kind != "amendment" or not draft.open:
        return None
    return found(amending.in_force(session, draft), draft.content)


def found(before: Content, after: Content) -> list[Change]:
    """Every answer of the plan itself that differs, in the order of the steps."""
    listed: list[Change] = []
    for step in steps.STEPS:
        old, new = _answers(step.key, before), _answers(step.key, after)
        listed += [
            _change(step.title, path, (old.get(path) or new[path])[0],
                    old.get(path, ("", ""))[1], new.get(path, ("", ""))[1])
            for path in dict.fromkeys([*old, *new])
            if old.get(path, ("", ""))[1] != new.get(path, ("", ""))[1]
        ]  # fmt: skip
    return listed


def _change(step: str, path: str, what: str, before: str, after: str) -> Change:
    sides = differing.compare(before, after) if path.endswith(".wording") else None
    return Change(
        step=step, what=what, before=before or _NOTHING, after=after or _NOTHING, sides=sides
    )


def _answers(step: str, content: Content) -> dict[str, tuple[str, str]]:
    """Each answer that is part of the plan by its path: the question, and the answer in words."""
    now = reading.seen(step, content)
    return {
        field.path: (_named(field.path, field.label, content), summary.words(field, now))
        for field in questions.of(step, content)
        if not field.path.startswith("workshop.")
    }


def _named(path: str, label: str, content: Content) -> str:
    """The question, with the version that it is about where there are several."""
    if not path.startswith("arms.") or path.endswith(".levels"):
        return label
    _, key, _ = path.split(".")
    return f"{label}: {get(content, f'arms.{key}.title') or key}"
