"""A mail server, the settings that lead to it, and messages to send."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "web"), str(HERE.parent / "report")]

from mail_server import Server  # noqa: E402

from trials import clock  # noqa: E402
from trials.mail import outbox  # noqa: E402
from trials.mail.settings import MailSettings  # noqa: E402
from web.mail import compose  # noqa: E402
from web.mail.postman import Postman  # noqa: E402
from web.mail.transport import Smtp  # noqa: E402


class Time:
    """A clock that stands until it is moved."""

    def __init__(self):
        self.at = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)

    def pass_(self, **span):
        self.at += timedelta(**span)


@pytest.fixture
def time_():
    made = Time()
    clock.set_source(lambda: made.at)
    yield made
    clock.set_source(None)


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path).start()
    yield made
    made.stop()


def settings_for(server, **changes):
    values = {
        "way": "smtp", "sender": "signpost@wychbridge.example", "host": "127.0.0.1",
        "port": server.port, "security": server.security, "username": "signpost",
        "password": "open sesame", "ca_file": str(server.ca_file), **changes,
    }  # fmt: skip
    return MailSettings(**values)


@pytest.fixture
def postman(store, server):
    way = Smtp(settings_for(server), answer=3, take=3)
    return Postman(store, {"mail": way}, lease=timedelta(minutes=15))


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
