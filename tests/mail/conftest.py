"""A mail server, the settings that lead to it, and messages to send."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "web"), str(HERE.parent / "report")]

from mail_server import Server  # noqa: E402
from sending import settings_for  # noqa: E402

from trials import clock  # noqa: E402
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


@pytest.fixture
def postman(store, server):
    way = Smtp(settings_for(server), answer=3, take=3)
    return Postman(store, {"mail": way}, lease=timedelta(minutes=15))
