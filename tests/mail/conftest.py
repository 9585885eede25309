"""A mail server, the settings that lead to it, and messages to send."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "web"), str(HERE.parent / "report")]

from council import fill  # noqa: E402
from mail_server import Server  # noqa: E402
from sending import settings_for  # noqa: E402

from trials import clock  # noqa: E402
from trials.store.engine import Store  # noqa: E402
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


@pytest.fixture(scope="session")
def filled(tmp_path_factory, sqlite_template):
    """The council of the pages' tests in a file, to be copied for each test."""
    path = tmp_path_factory.mktemp("filled") / "signpost.db"
    shutil.copy(sqlite_template, path)
    store = Store.open(f"sqlite:///{path}")
    clock.set_source(lambda: datetime(2026, 11, 30, 7, 30, tzinfo=UTC))
    try:
        fill(store)
    finally:
        clock.set_source(None)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()
    return path


@pytest.fixture
def filled_store(filled, tmp_path):
    """An open copy of it."""
    shutil.copy(filled, tmp_path / "signpost.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'signpost.db'}")
    yield opened
    opened.close()


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path).start()
    yield made
    made.stop()


@pytest.fixture
def postman(store, server):
    way = Smtp(settings_for(server), answer=3, take=3)
    return Postman(store, {"mail": way}, lease=timedelta(minutes=15))
