"""What a draft that changes the plan of a running trial keeps to, beside any draft’s rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from trials import lifecycle, registry
from trials.definition import plan
from trials.definition.model import Trial
from trials.drafting import content as contents
from trials.drafting.checklist import Check
from trials.drafting.content import Content
from trials.drafting.drafts import Draft
from trials.errors import NotPermitted, SignpostError


def in_force(session: Session, draft: Draft) -> Content:
    """The running plan as a draft's content. Raises ``NotFound``."""
    return contents.from_trial(registry.definition_of(registry.row_of(session, draft.key)))


def fixed(session: Session, draft: Draft) -> bool:
    """Whether arms, weights and design can no longer change: somebody was given a version.

    The turns of a switchback are given with the calendar that was drawn at launch.
    """
    if draft.kind != "amendment":
        return False
    row = registry.row_of(session, draft.key)
    clock = registry.definition_of(row).design.kind == "switchback"
    return clock or lifecycle.anybody_given(session, row.id)


def changes(session: Session, draft: Draft) -> list[dict[str, Any]]:
    """What an amendment changes of the locked plan; empty while the draft is not a trial."""
    if contents.problems(draft.content):
        return []
    before = registry.definition_of(registry.row_of(session, draft.key))
    after = contents.trial_of(draft.content)
    return plan.changes(plan.document(before), plan.document(after))


def hastens(before: Trial, after: Trial) -> bool:
    """Whether a result could be read sooner: the end comes forward or the looks change."""
    first, then = before.about.ends, after.about.ends
    sooner = first is not None and (then is None or then < first)
    return sooner or before.analysis.looks != after.analysis.looks


def refuse_hastening(before: Trial, after: Trial, *, allowed: bool) -> None:
    """Refuse whoever would read a result sooner than the plan said.

    Raises:
        NotPermitted: it is so, and this person is not ``allowed`` to.
    """
    if not allowed and hastens(before, after):
        raise NotPermitted(
            "an earlier end or other looks would let a result be read sooner than was agreed",
            "ask an administrator to make this amendment",
        )


def checks(session: Session, draft: Draft) -> Iterator[Check]:
    """The lines of the checklist that only an amendment has."""
    if draft.kind != "amendment" or not draft.open or contents.problems(draft.content):
        return
    row = registry.row_of(session, draft.key)
    before, after = registry.definition_of(row), contents.trial_of(draft.content)
    if row.state not in lifecycle.AMENDABLE:
        yield Check(key="running", title="The trial is running", weight="stops",
                    says="It is over: the wizard changes running trials only.")  # fmt: skip
    yield _begun_from(draft, before)
    yield _something(before, after)
    try:
        lifecycle.refuse_touching_allocation(session, row, before, after)
    except SignpostError as refused:
        yield Check(key="given", title="Everybody keeps the version they were given",
                    weight="stops", says=f"{str(refused).capitalize()}.")  # fmt: skip
    if hastens(before, after):
        yield Check(
            key="looks", title="No result is read sooner than was agreed", weight="advice",
            step="dates", says="The end comes forward or the looks change, so an administrator "
            "has to make this change once it is approved.",
        )  # fmt: skip


def _begun_from(draft: Draft, before: Trial) -> Check:
    title = "It was begun from the plan in force"
    if contents.get(draft.content, "workshop.amends") != plan.plan_hash(before):
        return Check(
            key="in-force", title=title, weight="stops", says="The plan was changed meanwhile. "
            "Put this draft away and begin again from the trial’s page.",
        )  # fmt: skip
    return Check(
        key="in-force", title=title, weight="done", says="Nobody has changed the plan meanwhile."
    )


def _something(before: Trial, after: Trial) -> Check:
    title = "It says what changes"
    if plan.plan_hash(before) == plan.plan_hash(after):
        return Check(key="changes", title=title, weight="stops",
                     says="Nothing differs yet from the plan in force.")  # fmt: skip
    return Check(
        key="changes", title=title, weight="done",
        says="The change and its reason are printed in every report from then on.",
    )  # fmt: skip
