"""``signpost scheduler``: the clock alone."""

from __future__ import annotations

import click

from web.cli.context import Context, json_option, pass_context, say
from web.cli.worker import stopping


@click.command()
@click.option("--once", is_flag=True, help="Fire what is due now, then stop.")
@click.option("--beside", is_flag=True, hidden=True, help="Stop when whoever started it does.")
@json_option
@pass_context
def scheduler(context: Context, once: bool, beside: bool) -> None:
    """Ask for analyses and mails when they are due; one clock is active however many run."""
    from web.jobs import clock

    if once:
        clock.sync(context.store)
        fired = clock.tick(context.store)
        say(context, f"Asked for {len(fired):,} jobs", {"jobs": fired})
        return
    click.echo("The clock is running (stop it with Ctrl-C)", err=True)
    clock.Clock(context.store).run(stopping(beside=beside))
