"""``signpost mail``: send what waits, try the mail server, note what came back, look at both."""

from __future__ import annotations

from typing import BinaryIO

import click

from trials import clock
from trials.errors import SignpostError
from trials.mail import outbox, webhooks
from web.cli.context import Context, json_option, pass_context, say


@click.group()
def mail() -> None:
    """Look after the mails and webhooks that go out."""


@mail.command()
@json_option
@pass_context
def send(context: Context) -> None:
    """Send everything that is due now, then stop."""
    from web.mail import postman

    made = postman.of(context.store, context.settings)
    made.round()
    while made.step():
        pass
    _say_counts(context)


@mail.command(name="outbox")
@json_option
@pass_context
def outbox_(context: Context) -> None:
    """Say how many messages wait, were sent, failed, are in doubt, or came back."""
    _say_counts(context)


def _say_counts(context: Context) -> None:
    with context.store.read() as session:
        found = outbox.counts(session)
    lines = [f"{state:10} {how_many:,}" for state, how_many in found.items()]
    say(context, "\n".join(lines), {"outbox": found})


@mail.command()
@click.argument("address")
@json_option
@pass_context
def test(context: Context, address: str) -> None:
    """Send a test message to ADDRESS, to see that the settings work."""
    from web.mail import compose, postman

    settings = context.settings
    if settings.mail.way == "none":
        raise SignpostError("no way of sending mail is set", "set SIGNPOST_MAIL_URL")
    number = outbox.new_message_id(settings.mail.domain)
    written = compose.plain(
        "Signpost can send mail", "This is a test. If you can read it, Signpost can send mail.\n",
        to=address, sender=settings.mail.sender, organisation=settings.organisation,
        message_id=number,
    )  # fmt: skip
    with context.store.write() as session:
        put = outbox.put(session, outbox.Letter(
            occasion=f"test/{clock.now().isoformat()}", kind="test", recipient=address,
            subject="Signpost can send mail", message=written, message_id=number, basis={},
        ))  # fmt: skip
    assert put is not None
    sender = postman.of(context.store, settings)
    while sender.step():
        pass
    with context.store.read() as session:
        item = outbox.load(session, put)
    if item.state != "sent":
        raise SignpostError(f"it was not sent: {item.error or item.state}",
                            "check the settings that begin with SIGNPOST_MAIL")  # fmt: skip
    say(context, f"Sent: {item.reply}", {"state": item.state, "reply": item.reply})


@mail.command()
@click.argument("file", type=click.File("rb"), default="-")
@json_option
@pass_context
def bounce(context: Context, file: BinaryIO) -> None:
    """Note a mail that came back: FILE is the notification as it arrived (default: input)."""
    from web.mail import bounces

    says = bounces.note(context.store, file.read())
    say(context, f"Noted: {says}", {"noted": says})


@mail.command(name="hook-add")
@click.argument("url")
@click.option("--format", "fmt", type=click.Choice(webhooks.FORMATS), default="json",
              show_default=True)  # fmt: skip
@json_option
@pass_context
def hook_add(context: Context, url: str, fmt: str) -> None:
    """Tell URL of alerts and decisions. Its secret is printed for the receiver to check with."""
    with context.store.write() as session:
        made = webhooks.add(session, url, fmt, hosts=context.settings.mail.webhook_hosts,
                            actor=context.actor)  # fmt: skip
    secret = webhooks.secret(made, context.settings.secret_key)
    say(context, f"Webhook {made.id} to {made.host}. Its secret:\n{secret}",
        {"id": made.id, "host": made.host, "format": made.format, "secret": secret})  # fmt: skip


@mail.command(name="hook-list")
@json_option
@pass_context
def hook_list(context: Context) -> None:
    """List the webhooks, by host: the rest of such an address often is a secret."""
    with context.store.read() as session:
        found = webhooks.active(session)
    lines = [f"{h.id:4} {h.format:6} {h.host}" for h in found]
    rows = [{"id": h.id, "format": h.format, "host": h.host} for h in found]
    say(context, "\n".join(lines) or "No webhooks.", {"webhooks": rows})


@mail.command(name="hook-end")
@click.argument("number", type=int)
@json_option
@pass_context
def hook_end(context: Context, number: int) -> None:
    """Tell a webhook nothing more."""
    with context.store.write() as session:
        webhooks.end(session, number, actor=context.actor)
    say(context, f"Ended webhook {number}", {"ended": number})
