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
# Sampling takes seconds a model to compile: the tests of it ask for it, the others do without.
os.environ["SIGNPOST_SAMPLING"] = "off"
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


def _admin(server: str) -> sa.Engine:
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    return sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)


def _run(server: str, statement: str) -> None:
    admin = _admin(server)
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


def _address(server: str, name: str) -> str:
    url = sa.make_url(server).set(database=name, drivername="postgresql")
    return url.render_as_string(hide_password=False)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database, dropped at the end."""
    name = f"signpost_{uuid.uuid4().hex}"
    _run(postgres_server, f'CREATE DATABASE "{name}"')
    yield _address(postgres_server, name)
    _run(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be copied for each test."""
    name = f"signpost_template_{uuid.uuid4().hex}"
    _run(postgres_server, f'CREATE DATABASE "{name}"')
    opened = Store.open(_address(postgres_server, name))
    migrate.upgrade(opened)
    opened.close()
    yield name
    _run(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def migrated_postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the tables in it, dropped at the end."""
    name = f"signpost_{uuid.uuid4().hex}"
    _run(postgres_server, f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
    yield _address(postgres_server, name)
    _run(postgres_server, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied for each test."""
    path = tmp_path_factory.mktemp("template") / "signpost.db"
    opened = Store.open(f"sqlite:///{path}")
    migrate.upgrade(opened)
    with opened.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    opened.close()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'signpost.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with its tables, once of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "signpost.db")
        return f"sqlite:///{tmp_path / 'signpost.db'}"
    url: str = request.getfixturevalue("migrated_postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An open database with its tables, once of each kind."""
    opened = Store.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path, sqlite_template: Path) -> Iterator[Store]:
    """An open SQLite database with its tables."""
    shutil.copy(sqlite_template, tmp_path / "signpost.db")
    opened = Store.open(f"sqlite:///{tmp_path / 'signpost.db'}")
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
