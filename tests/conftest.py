"""What all tests share: a database of either kind, and a key for hashing."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from trials.definition import toml
from trials.definition.model import Trial
from trials.people.identifiers import Hasher
from trials.store import migrate
from trials.store.engine import Store

POSTGRES = os.environ.get(
    "SIGNPOST_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"
)
KEY = b"a key that only the tests know, 32 bytes or more"


def _postgres_says() -> str | None:
    """Why PostgreSQL cannot be used; ``None`` when it can."""
    url = sa.make_url(POSTGRES).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect():
            return None
    except sa.exc.OperationalError as failure:
        return str(failure.orig).splitlines()[0]
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The address of a PostgreSQL server, or a skip that says how to point at one."""
    if why := _postgres_says():
        text = f"no PostgreSQL at {POSTGRES} ({why}); set SIGNPOST_TEST_POSTGRES_URL to use one"
        if os.environ.get("SIGNPOST_REQUIRE_POSTGRES"):
            pytest.fail(text)
        pytest.skip(text)
    return POSTGRES


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database, dropped at the end."""
    name = f"signpost_{uuid.uuid4().hex}"
    url = sa.make_url(postgres_server).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    yield url.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'signpost.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open database with its tables, once of each kind."""
    opened = Store.open(database_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An open SQLite database with its tables."""
    opened = Store.open(f"sqlite:///{tmp_path / 'signpost.db'}")
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def hasher() -> Hasher:
    """Keyed hashes under a test key."""
    return Hasher(KEY)


TRIAL = """
[trial]
key = "council-tax-reminder"
title = "Council tax reminder: one thing to do"
channel = "letter"
service = "Council Tax"
hypothesis = "Leading with the one thing to do lowers clarification calls within 14 days."
mechanism = "expectation"
unit = "account"
owner = "improvement@wychbridge.example"
starts = 2026-04-01
ends = 2026-06-30

[design]
kind = "stratified"
strata = ["band"]
seed = 20260401

[[arms]]
key = "current"
control = true
wording = "Dear {{ name }}, you owe £{{ amount }}."

[[arms]]
key = "one-thing"
wording = "{{ name }}: pay £{{ amount }} by Friday."

[[metrics]]
key = "paid"
title = "Paid within 14 days"
role = "primary"
kind = "proportion"
source = "outcomes"
window = "14d"
better = "higher"
mde = 0.02

[[metrics]]
key = "arrears"
role = "secondary"
kind = "mean"
source = "outcomes"
window = "14d"

[analysis]
prior = { mean = 0.0, sd = 0.02 }
"""


@pytest.fixture
def trial_text() -> str:
    """A complete, valid trial file."""
    return TRIAL


@pytest.fixture
def trial(trial_text: str) -> Trial:
    """The trial that the file defines."""
    return toml.read(trial_text)


def chromium() -> str | None:
    """The system's Chromium, if it has one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = (shutil.which(name) for name in names)
    return os.environ.get("SIGNPOST_CHROMIUM") or next((path for path in found if path), None)
