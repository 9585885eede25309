"""The lines to copy do what they say: run as they stand against a server."""

from __future__ import annotations

import os
import threading

import pytest
from werkzeug.serving import make_server

from web import connecting


@pytest.fixture
def telephone(app, secrets, banner, monkeypatch):
    """The Lambda of the page, with the address of a server that runs."""
    served = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    monkeypatch.setitem(os.environ, "SIGNPOST_KEY", secrets["assign"])
    by_phone = banner.model_copy(update={"about": banner.about.model_copy(
        update={"channel": "ivr"})})  # fmt: skip

    def lambda_at(home):
        code = next(r.code for r in connecting.recipes(by_phone, home, ()) if r.kind == "python")
        names: dict = {}
        exec(compile(code, "lambda.py", "exec"), names)
        return names["handler"]

    yield lambda_at, f"http://127.0.0.1:{served.server_port}"
    served.shutdown()


def test_the_lambda_gives_flat_text_and_the_control_when_nobody_answers(telephone, client):
    lambda_at, home = telephone
    event = {"Details": {"ContactData": {"CustomerEndpoint": {"Address": "+447700900123"}}}}
    said = lambda_at(home)(event, None)
    url = "/api/v1/trials/website-banner/assign?unit=%2B447700900123"
    assert said["arm"] == client.get(url).json["arm"]
    assert all(isinstance(value, str) for value in said.values())
    down = lambda_at("http://127.0.0.1:9")(event, None)
    assert (down["arm"], down["reason"]) == ("current", "unreachable")


@pytest.mark.parametrize(("kind", "channel", "starts"), [
    ("switchback", "ivr", "Put the schedule"), ("stepped-wedge", "webchat", "Draw who"),
    ("individual", "letter", "Load the list"), ("individual", "web", "On a website"),
])  # fmt: skip
def test_each_design_and_channel_is_told_its_own_way(banner, kind, channel, starts):
    trial = banner.model_copy(update={
        "about": banner.about.model_copy(update={"channel": channel}),
        "design": banner.design.model_copy(update={"kind": kind}),
    })  # fmt: skip
    found = connecting.recipes(trial, "https://signpost.example", ())
    assert found[0].title.startswith(starts)
    assert all(recipe.code and recipe.says for recipe in found)
