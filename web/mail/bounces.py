"""Mails that came back: a delivery status notification (RFC 3464) names the mail it is about."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage, Message
from typing import cast

from trials.errors import SignpostError
from trials.mail import outbox
from trials.store.engine import Store


def note(store: Store, message: bytes) -> str:
    """Note the bounce in ``message``; answers what it says, in a sentence without an address.

    Raises:
        SignpostError: it is no such notification, or not about a mail of ours.
    """
    read = email.message_from_bytes(message, policy=email.policy.default)
    status, number = _status(read), _about(read)
    if status is None or number is None:
        raise SignpostError("this is not a delivery status notification about a mail",
                            "hand over the whole message as it came back")  # fmt: skip
    if not status.startswith("5"):
        return f"status {status}: not a failure for good, so nothing is noted"
    says = f"came back with status {status}"
    with store.write() as session:
        if not outbox.bounced(session, number, says):
            raise SignpostError("the mail it is about is not one of ours",
                                "see the outbox for those that are")  # fmt: skip
    return says


def _status(read: EmailMessage) -> str | None:
    for part in read.walk():
        if part.get_content_type() == "message/delivery-status":
            for block in cast("list[Message]", part.get_payload()):
                if found := block.get("Status"):
                    return str(found).strip()
    return None


def _about(read: EmailMessage) -> str | None:
    """The number of the mail that came back, from its own headers in the last part."""
    for part in read.walk():
        if part.get_content_type() in ("message/rfc822", "text/rfc822-headers"):
            inner = part.get_payload()
            first = inner[0] if isinstance(inner, list) else inner
            text = first.as_string() if isinstance(first, Message) else str(first)
            if found := re.search(r"(?im)^Message-ID:\s*<([^>]+)>", text):
                return found[1]
    return None
