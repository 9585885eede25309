"""``signpost object``: people who do not want to take part, or must not."""

from __future__ import annotations

import click

from trials.people import erasure, left_out
from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, say

WHO = click.option(
    "--identifier", "identifiers", metavar="KIND=VALUE", multiple=True, required=True,
    help="unit, account, customer, phone, email, uprn or session; repeatable.",
)  # fmt: skip
TRIAL = click.option("--trial", metavar="KEY", help="Of this trial alone; otherwise of every one.")


@click.group(name="object")
def object_() -> None:
    """Leave people out of trials: objections and the never-trial list."""


@object_.command()
@WHO
@TRIAL
@click.option("--reason", type=click.Choice(left_out.WHY), default="objected", show_default=True)
@json_option
@pass_context
def add(
    context: Context, identifiers: tuple[str, ...], trial: str | None, reason: left_out.Why
) -> None:
    """Leave a person out. They get the control from now on; only a keyed hash is kept."""
    pairs = erasure.parse(identifiers)
    with context.store.write() as session:
        new = left_out.add(session, pairs, hasher=context.hasher, actor=context.actor,
                           reason=reason, trial=trial)  # fmt: skip
    where = f"trial {trial}" if trial else "every trial"
    text = f"Left out of {where}: {counted(new, 'new identifier')}"
    say(context, text, {"added": new, "known": len(pairs) - new, "trial": trial, "reason": reason})


@object_.command()
@WHO
@TRIAL
@json_option
@pass_context
def remove(context: Context, identifiers: tuple[str, ...], trial: str | None) -> None:
    """Take an objection back, because the person asks for it."""
    pairs = erasure.parse(identifiers)
    with context.store.write() as session:
        gone = left_out.remove(session, pairs, hasher=context.hasher, actor=context.actor,
                               trial=trial)  # fmt: skip
    say(context, f"Taken back: {gone:,}", {"removed": gone, "trial": trial})


@object_.command(name="list")
@json_option
@pass_context
def list_(context: Context) -> None:
    """How many identifiers are left out, by reason; never whose."""
    with context.store.read() as session:
        found = left_out.counts(session)
    lines = [f"{reason:12} {n:>8,}" for reason, n in sorted(found.items())]
    say(context, "\n".join(lines) or "Nobody is left out.", {"identifiers": found})
