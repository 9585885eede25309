"""Webhooks, signed as Standard Webhooks 1.0 lays down.

A receiver checks ``webhook-signature`` against ``webhook-id``, ``webhook-timestamp`` and the body,
refuses what is older than five minutes, and drops a ``webhook-id`` that it has had: a message
whose answer was lost is sent again under the same number.
"""

from __future__ import annotations

import requests

from trials import clock
from trials.errors import SignpostError
from trials.mail import webhooks
from trials.mail.outbox import Item
from trials.settings import Settings
from trials.store.engine import Store
from web.mail.transport import HandOver, Later, Refused

TIMEOUT = (10, 30)


class Hooks:
    """Sends what is in the outbox for webhooks."""

    certain = False

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._key = store, settings.secret_key
        self._hosts = settings.mail.webhook_hosts

    def send(self, item: Item, hand_over: HandOver) -> str:
        """Post one message; follows no redirection."""
        with self._store.read() as session:
            hook = webhooks.load(session, int(item.recipient or 0))
        if hook is None:
            raise Refused("the webhook has been taken away")
        try:
            webhooks.check_host(hook.host, self._hosts)
        except SignpostError as refused:
            raise Refused(str(refused)) from None
        if not hand_over():
            raise Later("another sender has it")
        return self._posted(hook, item)

    def _posted(self, hook: webhooks.Webhook, item: Item) -> str:
        body, at = item.message or b"", int(clock.now().timestamp())
        signed = webhooks.signature(webhooks.secret(hook, self._key), number=item.message_id,
                                    at=at, body=body)  # fmt: skip
        headers = {
            "Content-Type": "application/json", "User-Agent": "Signpost",
            "webhook-id": item.message_id, "webhook-timestamp": str(at),
            "webhook-signature": signed,
        }  # fmt: skip
        try:
            answer = requests.post(hook.url, data=body, headers=headers, timeout=TIMEOUT,
                                   allow_redirects=False)  # fmt: skip
        except requests.RequestException as failure:
            raise Later(f"{hook.host} cannot be reached ({type(failure).__name__})") from None
        if 200 <= answer.status_code < 300:
            return f"{hook.host} answered {answer.status_code}"
        if answer.status_code in (410, 404, 401, 403, 400):
            raise Refused(f"{hook.host} answered {answer.status_code}")
        raise Later(f"{hook.host} answered {answer.status_code}")

    def taken(self, item: Item) -> str | None:
        """A receiver cannot be asked; it can tell a second message from a first."""
        del item
        return None
