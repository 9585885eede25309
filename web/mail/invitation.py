"""The mail that asks somebody without an account whether they want to be written to."""

from __future__ import annotations

from typing import Literal

from sqlalchemy.orm import Session

from trials import clock
from trials.errors import SignpostError
from trials.mail import outbox, subscriptions
from trials.settings import Settings
from web.mail import compose
from web.mail.letters import NAMES
from web.mail.links import LASTS, Links

Invited = Literal["asked", "asked-today", "active"]
SUBJECT = "Do you want mails about trials?"


def invite(
    session: Session, found: Settings, email: str, kind: str, scope: str, *, actor: str
) -> Invited:
    """Put the question in the outbox, at most once a day for each subscription.

    Answers ``active`` where they get this mail already, ``asked-today`` where the question has
    been put today.

    Raises:
        SignpostError: the address, the kind or the scope cannot be used, or no mail can be sent.
    """
    if found.mail.way == "none":
        raise SignpostError("no way of sending mail is set", "set SIGNPOST_MAIL_URL")
    wish = subscriptions.ask(session, email, kind, scope, actor=actor)
    if wish.state == "active":
        return "active"
    number = outbox.new_message_id(found.mail.domain)
    message = compose.plain(
        SUBJECT, _words(found, wish.kind, Links(found.base_url, found.secret_key).to(
            "confirm", wish.id)), to=wish.email, sender=found.mail.sender,
        organisation=found.organisation, message_id=number,
    )  # fmt: skip
    day = clock.london(clock.now()).date().isoformat()
    put = outbox.put(session, outbox.Letter(
        occasion=f"confirm/{wish.id}/{day}", kind="confirm", recipient=wish.email,
        subject=SUBJECT, message=message, message_id=number, basis={}, subscription=wish.id,
    ))  # fmt: skip
    return "asked-today" if put is None else "asked"


def example(found: Settings) -> str:
    """The question as it is sent, but with a link that confirms nothing."""
    words = _words(found, "quarterly", f"{found.base_url.rstrip('/')}/m/confirm/…")
    return f"{SUBJECT}\n\n{words}"


def _words(found: Settings, kind: str, link: str) -> str:
    return (
        f"{found.organisation} would like to send you this mail about its trials: "
        f"{NAMES[kind]}.\n\n"
        f"If you want it, open this page and press the button:\n\n{link}\n\n"
        f"The link works for {LASTS['confirm'].days} days. You need no account, and every mail "
        "has a link that stops it.\n\n"
        "If you do not want it, do nothing: you will not be sent it.\n"
    )
