"""The application on a database with a trial in every state, served, and a browser to look with."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "report")]

from council import fill, settings  # noqa: E402
from seen import served  # noqa: E402
from signed import client_of  # noqa: E402

from trials.store import migrate  # noqa: E402
from trials.store.engine import Store  # noqa: E402
from web.app import create_app  # noqa: E402

CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="session")
def app(folder):
    store = Store.open(settings(folder).database_url)
    migrate.upgrade(store)
    fill(store)
    store.close()
    return create_app(settings(folder))


@pytest.fixture(scope="session")
def empty_app(tmp_path_factory):
    made = settings(tmp_path_factory.mktemp("empty"))
    store = Store.open(made.database_url)
    migrate.upgrade(store)
    store.close()
    return create_app(made)


@pytest.fixture
def anonymous(app):
    """A client that nobody is signed in with."""
    return app.test_client()


@pytest.fixture
def client(app):
    """A client signed in as somebody who may see and do nearly all."""
    return client_of(app, "administrator")


@pytest.fixture
def client_as(app):
    """A client signed in as any role: ``client_as("officer")``."""
    return lambda role, **whose: client_of(app, role, **whose)


@pytest.fixture(scope="session")
def site(app):
    server, address = served(app)
    yield address
    server.shutdown()


@pytest.fixture(scope="session")
def empty_site(empty_app):
    server, address = served(empty_app)
    yield address
    server.shutdown()


def chromium() -> str:
    """The browser to test with; a machine that must have one fails without it."""
    names = (
        os.environ.get("SIGNPOST_CHROMIUM", ""),
        "chromium",
        "chromium-browser",
        "google-chrome",
    )
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None and os.environ.get("SIGNPOST_REQUIRE_BROWSER"):
        pytest.fail("no Chromium found; install it with: apt-get install chromium")
    if found is None:
        pytest.skip("no Chromium found; install it with: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=[*CHROMIUM])
        yield opened
        opened.close()
