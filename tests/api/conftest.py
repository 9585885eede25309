"""A live website trial behind the application, and keys to ask with."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from flask.testing import FlaskClient

from trials import apikeys, lifecycle, registry, resources
from trials.definition import toml
from trials.settings import Settings
from web.app import create_app

SEED = 20260401


@pytest.fixture
def banner():
    folder = resources.folder("templates") / "examples"
    trial = toml.read((folder / "website-banner.toml").read_text())
    return trial.model_copy(update={"design": trial.design.model_copy(update={"seed": SEED})})


@pytest.fixture
def secrets(sqlite_store, banner):
    with sqlite_store.write() as session:
        registry.add(session, banner, actor="test")
        lifecycle.launch(session, banner.key, actor="test")
        return {s: apikeys.add(session, s, [s], actor="test")[1] for s in apikeys.SCOPES}


@pytest.fixture
def made(sqlite_store, secrets, tmp_path):
    return Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'signpost.db'}",
                    secret_key="s" * 64, identifier_key=b"k" * 64)  # fmt: skip


@pytest.fixture
def app(made):
    app = create_app(made)
    yield app
    app.extensions["online"].close()


@pytest.fixture
def client(app, secrets) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secrets['assign']}"
    return client


def _alive(address):
    give_up = time.monotonic() + 180
    while time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=1):
                return
        except OSError:  # refused, or slow to answer while it starts
            time.sleep(0.1)
    pytest.fail("the server does not answer")


@pytest.fixture
def server(made, tmp_path):
    """The production server on a free port: its process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "SIGNPOST_HOME": str(tmp_path), "SIGNPOST_SECRET_KEY": "s" * 64,
               "SIGNPOST_DATABASE_URL": made.database_url, "SIGNPOST_IDENTIFIER_KEY": "k" * 64}  # fmt: skip
    with (tmp_path / "server.log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "web.cli", "serve", "--port", str(port)],
            env=environ, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            _alive(f"http://127.0.0.1:{port}")
            yield running, f"http://127.0.0.1:{port}"
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()
