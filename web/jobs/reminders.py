"""Reminders of next steps: to whoever is named for one, once for each of its days."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy.orm import Session

from analysis.casework import steps
from analysis.casework.steps import Step
from trials import registry
from trials.mail import subscriptions
from trials.settings import Settings
from trials.store.engine import Store
from web.mail import letters, posting
from web.mail.letters import Due, Letter
from web.mail.links import Links

Pressing = tuple[Step, date, str]
"""A step, the day it is reminded for, and who is named for it where they cannot be written to."""


def write(store: Store, found: Settings, on: date) -> int:
    """Put today's reminders in the outbox, one a person; answers how many.

    Whoever is named for a step is told if they have an account; else the trial's owner is, and is
    asked to pass it on. That a step was reminded of is noted in the same transaction.
    """
    with store.write() as session:
        people = _people(session, on)
        return sum(_write(session, found, on, email, due) for email, due in sorted(people.items()))


def _people(session: Session, on: date) -> dict[str, list[Pressing]]:
    people: dict[str, list[Pressing]] = {}
    for step, day in steps.reminders(session, on):
        own = subscriptions.account_of(session, step.step.owner)
        owner = registry.row_of(session, step.trial).owner
        to = own or subscriptions.account_of(session, owner)
        if to is not None:
            people.setdefault(to, []).append((step, day, "" if own else step.step.owner))
    return people


def _write(
    session: Session, found: Settings, on: date, email: str, due: list[Pressing]
) -> bool:  # fmt: skip
    reader = subscriptions.reader_of(session, email, "reminder")
    if reader is None:
        return False
    kept = [one for one in due if one[0].trial not in reader.without]
    if not kept:
        return False
    keys = {step.trial for step, _, _ in kept}
    letter = _letter(session, found, on, kept)
    if not posting.put(session, found, letter, reader, occasion=f"reminder/{on.isoformat()}",
                       about=next(iter(keys)) if len(keys) == 1 else ""):  # fmt: skip
        return False
    for step, day, _ in kept:
        steps.reminded(session, step.id, day)
    return True


def _letter(session: Session, found: Settings, on: date, due: list[Pressing]) -> Letter:
    titles = registry.titles(session, {step.trial for step, _, _ in due})
    links = Links(found.base_url, found.secret_key)
    return letters.reminder(on, [
        Due(title=titles[step.trial], what=step.step.what, on=step.step.due, whose=whose,
            link=f"{links.trial(step.trial)}/decision#steps")
        for step, _, whose in due
    ])  # fmt: skip


def example(session: Session, found: Settings, on: date) -> Letter | None:
    """The reminder of today or of the steps to come, or else one that says it is an example.

    ``None`` where there is no trial.
    """
    due = [(step, day, "") for step, day in steps.reminders(session, on)]
    waiting = [(s, on, "") for s in steps.steps(session) if s.step.done_on is None]
    if chosen := due or waiting[:2]:
        return _letter(session, found, on, chosen)
    trial = next(iter(registry.summaries(session)), None)
    if trial is None:
        return None
    links = Links(found.base_url, found.secret_key)
    return letters.reminder(on, [
        Due(title=trial.title, what="This is an example: no next step is open",
            on=on + timedelta(days=3), link=f"{links.trial(trial.key)}/decision#steps")
    ])  # fmt: skip
