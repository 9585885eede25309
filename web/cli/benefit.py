"""``signpost benefit``: what became of each benefit, from forecast to the ledger."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click

from analysis.casework import afterwards, benefits
from analysis.estimates import Absent
from analysis.scaling.realisation import STAGES, Adoption, Benefit, Event, Stage, log_totals
from analysis.scaling.words import pounds
from web.cli.context import Context, json_option, pass_context, say

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def benefit() -> None:
    """Follow benefits from forecast to verified, and roll-outs with their holdback."""


@benefit.command()
@click.argument("key")
@click.argument("stage", type=click.Choice(STAGES))
@click.option("--title", required=True, help="The benefit, such as 'Fewer calls about reminders'.")
@click.option("--pounds", type=float, required=True, help="Pounds a year.")
@click.option("--on", type=DAY, required=True, help="The day on which it reached the stage.")
@click.option("--by", "by", required=True, help="Who says so.")
@click.option("--evidence", required=True, help="What it rests on.")
@click.option("--budget-line", default="", help="The ledger code that falls.")
@json_option
@pass_context
def record(
    context: Context, /, *, key: str, stage: Stage, title: str, on: datetime, **event: Any
) -> None:
    """Record that a benefit of trial KEY reached STAGE; stages are taken one after the other."""
    reached = Event(stage=stage, on=on.date(), **event)
    wanted = benefits.Advance(key=key, title=title, event=reached, actor=context.actor)
    with context.store.write() as session:
        found = benefits.advance(session, wanted)
    say(context, f"{title}: {stage}, {pounds(reached.pounds)} a year", document(found))


@benefit.command(name="list")
@json_option
@pass_context
def list_(context: Context) -> None:
    """List every benefit with what it was worth at each stage."""
    with context.store.read() as session:
        found = benefits.everything(session)
    lines = [f"{b.trial:28} {b.title:40} {b.stage}  {_path(b)}" for b in found]
    totals = log_totals(found)
    lines += ["", *(f"{stage:22} {pounds(total)} a year" for stage, total in totals.items())]
    say(context, "\n".join(lines) if found else "No benefits are logged yet.",
        {"benefits": [document(b) for b in found], "totals": totals})  # fmt: skip


@benefit.command()
@click.argument("key")
@click.option("--eligible", type=int, required=True, help="Units a year that would be reached.")
@click.option("--holdback", type=float, default=0.1, show_default=True, help="Share held back.")
@click.option("--waves", type=int, default=1, show_default=True)
@click.option("--starts", type=DAY, required=True)
@click.option("--days-between", type=int, default=28, show_default=True)
@json_option
@pass_context
def rollout(
    context: Context, /, *, key: str, holdback: float, starts: datetime, **wish: Any
) -> None:
    """Plan the roll-out of trial KEY in waves, with a share held back to measure on."""
    wanted = afterwards.RolloutWish(holdback_share=holdback, starts=starts.date(), **wish)
    with context.store.write() as session:
        plan = afterwards.set_rollout(session, key, wanted, actor=context.actor)
    lines = [f"Wave {w.number}: {w.units:,} from {w.starts:%d %B %Y}" for w in plan.waves]
    lines += [f"Held back: {plan.held_back:,}", f"Measure again on {plan.remeasure_on:%d %B %Y}"]
    say(context, "\n".join(lines), {
        "waves": [{"number": w.number, "starts": w.starts.isoformat(), "units": w.units}
                  for w in plan.waves],
        "held_back": plan.held_back, "remeasure_on": plan.remeasure_on.isoformat()})  # fmt: skip


@benefit.command()
@click.argument("key")
@click.option("--on", type=DAY, required=True)
@click.option("--estimate", type=float, required=True, help="Contacts avoided per 1,000 units.")
@click.option("--standard-error", type=float, required=True, help="Per 1,000 units too.")
@click.option("--source", required=True, help="Where the measurement is to be found.")
@json_option
@pass_context
def measure(context: Context, /, *, key: str, on: datetime, **found: Any) -> None:
    """Record the effect measured on the holdback, and set it beside the claim."""
    measured = afterwards.Measured(on=on.date(), **found)
    with context.store.write() as session:
        afterwards.measure_holdback(session, key, measured, actor=context.actor)
        _, realised = afterwards.realised(session, key)[0]
    says = realised.why if isinstance(realised, Absent) else realised.says
    say(context, says, realised.to_json())


@benefit.command()
@click.argument("key")
@click.option("--on", type=DAY, required=True)
@click.option("--eligible", type=int, required=True)
@click.option("--reached", type=int, required=True)
@click.option("--as-designed", type=int, required=True, help="Of those reached.")
@click.option("--note", default="")
@json_option
@pass_context
def adoption(context: Context, /, *, key: str, on: datetime, note: str, **counts: int) -> None:
    """Record how far the change of trial KEY has become ordinary practice."""
    found = Adoption(on=on.date(), eligible=counts["eligible"], reached=counts["reached"],
                     delivered_as_designed=counts["as_designed"])  # fmt: skip
    with context.store.write() as session:
        afterwards.observe(session, key, found, note=note, actor=context.actor)
    shares = {"reach": found.reach, "fidelity": found.fidelity}
    lines = [
        f"{name}: {share.why if isinstance(share, Absent) else f'{share:.0%}'}"
        for name, share in shares.items()
    ]
    say(context, "\n".join(lines), {
        name: share.to_json() if isinstance(share, Absent) else share
        for name, share in shares.items()})  # fmt: skip


def document(found: Benefit) -> dict[str, Any]:
    """A benefit as data."""
    return {
        "trial": found.trial, "title": found.title, "stage": found.stage,
        "events": [
            {"stage": e.stage, "pounds": e.pounds, "on": e.on.isoformat(), "by": e.by,
             "evidence": e.evidence, "budget_line": e.budget_line or None}
            for e in found.events
        ],
    }  # fmt: skip


def _path(found: Benefit) -> str:
    return " → ".join(pounds(e.pounds) for e in found.events)


def day_of(moment: datetime | None) -> date | None:
    """The day of an option."""
    return moment.date() if moment else None
