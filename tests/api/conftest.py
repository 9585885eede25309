"""A live website trial behind the application, and keys to ask with."""

from __future__ import annotations

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
