"""The lines to copy do what they say: run as they stand against a server."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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

    def code_at(home, of="handler"):
        code = next(r.code for r in connecting.recipes(by_phone, home, ()) if f"def {of}" in r.code)
        names: dict = {}
        exec(compile(code, f"{of}.py", "exec"), names)
        return names[of]

    yield code_at, f"http://127.0.0.1:{served.server_port}"
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


@pytest.fixture
def eight(monkeypatch):
    """8x8's Data Augmentation API as its pages describe it: what it was told, by interaction."""
    told = {}

    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.headers["Authorization"] == "Basic dGVuYW50OnRva2Vu"
            place, _, call = self.path.rpartition("/")
            if known and place == "/api/v1/interaction/data":
                told[call] = {v["name"]: (v["value"], v["ivr"])
                              for part in body["data"] for v in part["variables"]}  # fmt: skip
            self.send_response(200 if known else 401)
            self.end_headers()

        def log_message(self, *_):
            return None

    served = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    monkeypatch.setenv("EIGHT_URL", f"http://127.0.0.1:{served.server_port}")
    monkeypatch.setenv("EIGHT_TOKEN", "tenant:token")
    yield told
    served.shutdown()
    served.server_close()


def test_8x8_is_told_the_arm_and_the_control_when_signpost_is_away(telephone, eight, client):
    code_at, home = telephone
    arm = code_at(home, "tell")("int-1", "+447700900123")
    url = "/api/v1/trials/website-banner/assign?unit=%2B447700900123"
    assert arm == client.get(url).json["arm"]
    assert code_at("http://127.0.0.1:9", "tell")("int-2", "+447700900123") == "current"
    assert eight == {"int-1": {"_trialArm": (arm, True)}, "int-2": {"_trialArm": ("current", True)}}


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
