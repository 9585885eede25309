"""A worker of the test's database, and jobs that misbehave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

from trials.settings import Settings  # noqa: E402
from web.jobs import handlers  # noqa: E402
from web.jobs.worker import Limits, Worker  # noqa: E402

KINDS = ("fine", "raises", "refuses", "refuses_rows", "dies", "hangs", "eats")


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    """The misbehaving kinds."""
    for kind in KINDS:
        monkeypatch.setitem(handlers.HANDLERS, kind, f"poison:{kind}")


@pytest.fixture
def settings(database_url, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path))
    monkeypatch.setenv("SIGNPOST_IDENTIFIER_KEY", "k" * 64)
    return Settings(home=tmp_path, database_url=database_url, secret_key="s" * 64,
                    identifier_key=b"k" * 64)  # fmt: skip


@pytest.fixture
def make_worker(store, settings):
    made = []

    def make(**limits):
        worker = Worker(store, settings, limits=Limits(**limits), warm=False)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        worker.close()
