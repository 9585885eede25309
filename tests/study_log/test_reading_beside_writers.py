"""What is written is kept and kept apart while the log is read, by two processes at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa

from analysis.compress.engine import open_log
from trials.errors import Unavailable
from trials.store import migrate
from trials.store.engine import Store

RIVAL = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO contact_sources (name) VALUES (?)", sys.argv[2:])
    connection.execute("COMMIT")
    print("written")
except sqlite3.OperationalError as failure:
    print(failure)
connection.close()
"""


@pytest.fixture
def file(tmp_path):
    """An SQLite database with the tables."""
    path = tmp_path / "signpost.db"
    store = Store.open(f"sqlite:///{path}")
    migrate.upgrade(store)
    store.close()
    return path


def rival(file, name="theirs"):
    """Another process writes a source, if it is let."""
    done = subprocess.run([sys.executable, "-c", RIVAL, str(file), name], capture_output=True,
                          text=True, check=True)  # fmt: skip
    return done.stdout.strip()


def add(session):
    session.execute(sa.text("INSERT INTO contact_sources (name) VALUES ('ours')"))


def sources(file):
    with sqlite3.connect(file) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM contact_sources")}


def look(store):
    with open_log(store) as log:
        return log.table("contacts").count().execute()


def test_what_is_written_after_reading_the_log_outlives_another_process(file):
    store = Store.open(f"sqlite:///{file}")
    with store.read() as session:
        session.execute(sa.text("SELECT 1 FROM trials"))  # a connection that stays open
    look(store)
    assert rival(file) == "written"
    with store.write() as session:
        add(session)
    assert rival(file, "later") == "written"
    store.close()
    assert sources(file) == {"ours", "theirs", "later"}


def test_reading_the_log_lets_nobody_into_an_open_transaction(file):
    store = Store.open(f"sqlite:///{file}")
    with store.write() as session:
        add(session)
        with open_log(store) as log:
            log.table("contacts").count().execute()
            assert rival(file) == "database is locked"
        assert rival(file) == "database is locked"
    store.close()
    assert sources(file) == {"ours"}


def test_a_copy_that_finds_no_room_is_explained(file, monkeypatch):
    store = Store.open(f"sqlite:///{file}")
    real = sqlite3.connect

    def small(path):
        connection = real(path)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr("analysis.compress.engine.sqlite3.connect", small)
    with pytest.raises(Unavailable, match="TMPDIR"):
        look(store)
    store.close()
