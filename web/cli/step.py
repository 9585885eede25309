"""``signpost step``: what happens next in each trial, who does it and by when."""

from __future__ import annotations

from datetime import datetime

import click

from analysis.casework import steps
from trials import clock
from web.cli.benefit import DAY, day_of
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def step() -> None:
    """Keep the next step of each trial: owner, date and reminders."""


@step.command()
@click.argument("key")
@click.option("--what", required=True, help="What is to be done.")
@click.option("--owner", required=True, help="The one person who does it.")
@click.option("--due", type=DAY, required=True)
@click.option("--remind-on", type=DAY, help="A day of its own on which to remind the owner.")
@json_option
@pass_context
def add(
    context: Context, /, *, key: str, what: str, owner: str, due: datetime,
    remind_on: datetime | None,
) -> None:  # fmt: skip
    """Say what happens next in trial KEY."""
    with context.store.write() as session:
        found = steps.set_step(session, key, what=what, owner=owner, due=due.date(),
                               remind_on=day_of(remind_on), actor=context.actor)  # fmt: skip
    say(context, _line(found), steps.step_json(found))


@step.command(name="list")
@click.option("--trial", help="Of one trial only.")
@json_option
@pass_context
def list_(context: Context, trial: str | None) -> None:
    """List next steps: those open first, the soonest first."""
    with context.store.read() as session:
        found = steps.steps(session, trial)
        late = {s.id for s in steps.overdue(found, clock.london(clock.now()).date())}
    lines = [f"{_line(s)}{'  OVERDUE' if s.id in late else ''}" for s in found]
    say(context, "\n".join(lines) or "No next steps yet.",
        {"steps": [{**steps.step_json(s), "overdue": s.id in late} for s in found]})  # fmt: skip


@step.command()
@click.argument("number", type=int)
@click.option("--outcome", required=True, help="What came of it.")
@json_option
@pass_context
def done(context: Context, number: int, outcome: str) -> None:
    """Say that step NUMBER is done."""
    today = clock.london(clock.now()).date()
    with context.store.write() as session:
        found = steps.finish_step(session, number, on=today, outcome=outcome, actor=context.actor)
    say(context, _line(found), steps.step_json(found))


def _line(found: steps.Step) -> str:
    s = found.step
    state = f"done on {s.done_on:%d %B %Y}" if s.done_on else f"due {s.due:%d %B %Y}"
    return f"{found.id:>4}  {found.trial:28} {state:24} {s.owner}: {s.what}"
