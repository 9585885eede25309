"""``signpost scheduler``: the clock alone."""

from __future__ import annotations

import threading

import click

from trials.plurals import counted
from web.cli.context import Context, json_option, pass_context, say
from web.cli.worker import stopping


@click.command()
@click.option("--once", is_flag=True, help="Fire what is due now, then stop.")
@click.option("--no-mail", is_flag=True, help="Send no mail from here.")
@click.option("--beside", is_flag=True, hidden=True, help="Stop when whoever started it does.")
@json_option
@pass_context
def scheduler(context: Context, once: bool, no_mail: bool, beside: bool) -> None:
    """Ask for analyses and mails when they are due, and send mails.

    One clock is active however many run; any number may send.
    """
    from web import logs
    from web.jobs import clock
    from web.mail import postman

    if once:
        clock.sync(context.store)
        fired = clock.tick(context.store)
        say(context, f"Asked for {counted(len(fired), 'job')}", {"jobs": fired})
        return
    logs.begin()
    click.echo("The clock is running (stop it with Ctrl-C)", err=True)
    stop = stopping(beside=beside)
    sender = threading.Thread(target=postman.of(context.store, context.settings).run, args=(stop,))
    if not no_mail:
        sender.start()
    clock.Clock(context.store).run(stop)
    if not no_mail:
        sender.join()
