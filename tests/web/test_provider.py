"""Signing in through a real OpenID provider, which runs beside the test."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from council import settings
from signed import person

from trials import accounts
from trials.errors import SignpostError
from trials.provided import Provider, load
from web.app import create_app

ADA = {
    "sub": "ada-1",
    "email": "ada@wychbridge.example",
    "name": "Ada",
    "roles": ["Signpost.Officer"],
}
BACK = "http://127.0.0.1:8000/sign-in/provider/back"


@pytest.fixture(scope="module")
def issuer():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "PORT": str(port), "PERSON": json.dumps(ADA), "BACK": BACK}
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("openid.py"))], env=env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                requests.get(f"{address}/keys", timeout=60)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def app(app, folder, issuer):
    provider = Provider(issuer=issuer, client_id="signpost", client_secret="provider-secret",
                        roles={"Signpost.Officer": "officer", "viewer": "viewer", "approver": "approver"})  # fmt: skip
    return create_app(replace(settings(folder), provider=provider))


def become(issuer, **changes):
    requests.post(f"{issuer}/become", json={**ADA, **changes}, timeout=60).raise_for_status()


def there(client, following=""):
    """From our page to the provider; answers the address it sends the browser back to."""
    begun = client.get(f"/sign-in/provider{following}")
    assert begun.status_code == 302
    asked = parse_qs(urlsplit(begun.location).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= set(asked)
    sent = requests.get(begun.location, allow_redirects=False, timeout=60)
    assert sent.headers["Location"].startswith(BACK), sent.text
    return sent.headers["Location"].removeprefix("http://127.0.0.1:8000")


def test_a_person_with_a_role_comes_in_and_the_role_follows_the_provider(app, issuer):
    become(issuer)
    client = app.test_client()
    person(app, "administrator")
    assert "Sign in with your work account" in client.get("/sign-in").text
    back = there(client, "?next=/account")
    arrived = client.get(back)
    assert (arrived.status_code, arrived.location) == (303, "/account")
    assert "Improvement officer" in client.get("/account").text
    assert client.get(back).status_code == 403  # a code and its state work once
    become(issuer, roles=["viewer"])
    again = app.test_client()
    assert again.get(there(again)).status_code == 303
    assert "Viewer" in again.get("/account").text
    assert client.get("/account").status_code == 303  # the sign-in under the old role has ended
    with app.extensions["store"].read() as session:
        assert [u.role for u in accounts.everyone(session) if u.email == ADA["email"]] == ["viewer"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sub": "bob", "email": "bob@wychbridge.example", "roles": []}, "no role in Signpost"),
        ({"sub": "cy", "email": "cy@wychbridge.example", "roles": ["viewer", "approver"]},
         "more than one role"),
        ({"sub": "not-ada"}, "already"),
        ({"sub": "dee", "email": "dee@wychbridge.example", "email_verified": False},
         "has not verified your e-mail address"),
    ],
)  # fmt: skip
def test_without_one_role_or_with_another_persons_address_nobody_comes_in(
    app, issuer, changes, says
):
    become(issuer)
    first = app.test_client()
    first.get(there(first))
    become(issuer, **changes)
    client = app.test_client()
    refused = client.get(there(client))
    assert refused.status_code in (403, 409)
    assert says in refused.text
    assert client.get("/account").status_code == 303


def test_another_browsers_answer_and_a_wrong_state_or_code_open_nothing(app, issuer):
    become(issuer)
    victim, thief = app.test_client(), app.test_client()
    back = there(victim)
    there(thief)
    assert thief.get(back).status_code == 403
    mine = there(thief)
    assert thief.get(mine.replace("code=", "code=x")).status_code == 403
    assert victim.get("/sign-in/provider/back?error=access_denied&state=x").status_code == 403
    for client in (victim, thief):
        assert client.get("/account").status_code == 303


def test_settings_name_a_provider_or_say_what_is_missing():
    whole = {"SIGNPOST_OIDC_ISSUER": "https://login.example/t/v2.0", "SIGNPOST_OIDC_CLIENT_ID": "a",
             "SIGNPOST_OIDC_CLIENT_SECRET": "hidden", "SIGNPOST_OIDC_ROLES": "Their.Role=officer"}  # fmt: skip
    provider = load(whole)
    assert provider.roles["Their.Role"] == "officer"
    assert provider.roles["viewer"] == "viewer"
    assert "hidden" not in repr(provider)
    assert load({}) is None
    for wrong in ({"SIGNPOST_OIDC_CLIENT_ID": ""}, {"SIGNPOST_OIDC_ROLES": "x=king"},
                  {"SIGNPOST_OIDC_ISSUER": "http://login.example"}):  # fmt: skip
        with pytest.raises(SignpostError, match="SIGNPOST_OIDC"):
            load({**whole, **wrong})
