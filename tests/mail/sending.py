"""Settings that lead to a test's mail server, messages to send, and a browser to look with."""

from __future__ import annotations

import os
import shutil

import pytest

from trials.mail import outbox
from trials.mail.settings import MailSettings
from web.mail import compose


def settings_for(server, **changes):
    values = {
        "way": "smtp", "sender": "signpost@wychbridge.example", "host": "127.0.0.1",
        "port": server.port, "security": server.security, "username": "signpost",
        "password": "open sesame", "ca_file": str(server.ca_file), **changes,
    }  # fmt: skip
    return MailSettings(**values)


def put(
    store,
    recipient="ann@wychbridge.example",
    occasion="weekly/1",
    kind="weekly",
    text="Hello\n.dot\n",
):
    number = outbox.new_message_id("wychbridge.example")
    message = compose.plain(
        "A finding: 4 fewer calls", text, to=recipient, sender="signpost@wychbridge.example",
        organisation="Wychbridge Council", message_id=number,
    )  # fmt: skip
    with store.write() as session:
        return outbox.put(session, outbox.Letter(
            occasion=occasion, kind=kind, recipient=recipient, subject="A finding",
            message=message, message_id=number, basis={},
        ))  # fmt: skip


def item(store, number):
    with store.read() as session:
        return outbox.load(session, number)


def browser_path():
    """The Chromium to look with; a machine that must have one fails without it."""
    found = os.environ.get("SIGNPOST_CHROMIUM") or next(
        (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))),
        None,
    )
    if found is None:
        says = "no Chromium found; install it with: apt-get install chromium"
        (pytest.fail if os.environ.get("SIGNPOST_REQUIRE_BROWSER") else pytest.skip)(says)
    return found
