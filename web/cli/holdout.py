"""``signpost holdout``: the share of everybody who is kept out of every trial."""

from __future__ import annotations

import click

from trials import sharing
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def holdout() -> None:
    """Keep a share of everybody out of all trials, to see what the trials do together."""


@holdout.command(name="set")
@click.argument("share", type=float)
@json_option
@pass_context
def set_(context: Context, share: float) -> None:
    """Keep SHARE (such as 0.05) out of all trials launched from now on."""
    with context.store.write() as session:
        sharing.set_holdout(session, share, actor=context.actor)
    text = f"Trials launched from now on leave {share:.1%} of everybody out"
    say(context, text, {"share": share})


@holdout.command()
@json_option
@pass_context
def show(context: Context) -> None:
    """The share that a trial launched now keeps out."""
    with context.store.read() as session:
        share = sharing.holdout(session)
    say(context, f"A trial launched now leaves {share:.1%} of everybody out", {"share": share})
