"""GOV.UK Notify as a way for mails to leave.

Notify writes its own HTML from a template of the council's, so it gets the subject and the plain
text. Each message carries its number as Notify's ``reference``; where the answer to a request is
lost, Notify is asked for that reference, so that with Notify nothing stays in doubt.
"""

from __future__ import annotations

import email
import email.policy
from datetime import timedelta
from typing import Any

import requests
from notifications_python_client.errors import HTTPError, InvalidResponse
from notifications_python_client.notifications import NotificationsAPIClient
from urllib3.exceptions import NewConnectionError

from trials.mail.outbox import Item
from trials.mail.settings import MailSettings
from web.mail.transport import HandOver, InDoubt, Later, Refused

TIMEOUT = 30
BOUNCES = {
    "permanent-failure": "the address does not exist or does not take mail",
    "temporary-failure": "the mailbox could not be reached for three days",
    "technical-failure": "Notify could not send it",
}


_Client: Any = NotificationsAPIClient
"""The library has no types."""


class Notify:
    """One client a sender: the library's client is not for several threads."""

    certain = True

    def __init__(self, settings: MailSettings, *, timeout: int = TIMEOUT) -> None:
        self._template = settings.notify_template
        self._client: Any = _Client(
            settings.notify_key, base_url=settings.notify_url, timeout=timeout
        )

    def send(self, item: Item, hand_over: HandOver) -> str:
        """Ask Notify to send one message."""
        subject, body, unsubscribe = parts(item.message or b"")
        if not hand_over():
            raise Later("another sender has it")
        try:
            answer = self._client.send_email_notification(
                email_address=item.recipient, template_id=self._template,
                personalisation={"subject": subject, "body": body}, reference=item.message_id,
                one_click_unsubscribe_url=unsubscribe,
            )  # fmt: skip
        except HTTPError as failure:
            raise _outcome(failure) from None
        except InvalidResponse:
            raise InDoubt("the answer of Notify could not be read") from None
        return f"Notify {answer['id']}"

    def taken(self, item: Item) -> str | None:
        """Whether Notify knows a message of this number."""
        found = self._known(item)
        return None if found is None else f"Notify {found['id']}"

    def bounced(self, item: Item) -> str | None:
        """Why Notify could not deliver a message, if it could not."""
        found = self._known(item)
        return BOUNCES.get(found["status"]) if found else None

    def _known(self, item: Item) -> dict[str, Any] | None:
        try:
            found = self._client.get_all_notifications(reference=item.message_id)
        except HTTPError as failure:
            raise Later(_says(failure), everybody=True) from None
        except InvalidResponse:
            raise Later("the answer of Notify could not be read", everybody=True) from None
        return next(iter(found["notifications"]), None)


def parts(message: bytes) -> tuple[str, str, str | None]:
    """The subject, the plain text and the one-click address of a message."""
    read = email.message_from_bytes(message, policy=email.policy.default)
    plain = read.get_body(("plain",))
    body = plain.get_content() if plain is not None else ""
    address = str(read["List-Unsubscribe"] or "").strip("<>") or None
    return str(read["Subject"]), body, address


def _outcome(failure: HTTPError) -> Exception:
    """What a failure means for the message: it waits, it is refused, or nobody knows."""
    status = failure.status_code
    if _not_reached(failure):
        return Later("Notify cannot be reached", everybody=True)
    if status == 429:
        return Later(_says(failure), rest=timedelta(minutes=1), everybody=True)
    if status in (401, 403):
        return Later(_says(failure), everybody=True)
    if status == 400:
        return Refused(_says(failure))
    if failure.response is None or status >= 500:
        return InDoubt(_says(failure))
    return Later(_says(failure), everybody=True)


def _not_reached(failure: HTTPError) -> bool:
    """Whether no connection was made, so that nothing can have been taken."""
    cause = failure.__cause__
    inner = cause.args[0] if cause is not None and cause.args else None
    never = isinstance(getattr(inner, "reason", None), NewConnectionError)
    return never or isinstance(cause, requests.ConnectTimeout)


def _says(failure: HTTPError) -> str:
    """The kind of error, without Notify's sentence: that quotes addresses."""
    message = failure.message
    kinds = [e.get("error", "") for e in message if isinstance(e, dict)] if (
        isinstance(message, list)) else []  # fmt: skip
    return f"Notify answered {failure.status_code} {' '.join(kinds)}".strip()
