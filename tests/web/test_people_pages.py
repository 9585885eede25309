"""The administrator looks after people and keys in pages, and every change is on record."""

from __future__ import annotations

from bs4 import BeautifulSoup
from signed import client_of, hidden, person, submit

from trials import accounts, apikeys, audit

NEW = {"name": "Nia", "email": "nia@wychbridge.example", "role": "viewer",
       "password": "three random words"}  # fmt: skip


def recorded(app, subject):
    with app.extensions["store"].read() as session:
        return [(e.action, e.actor) for e in audit.history(session, subject)]


def test_an_account_is_opened_changed_and_closed_and_each_change_recorded(app):
    client = client_of(app, "administrator")
    wrong = submit(client, "/people", {**NEW, "password": "short"})
    assert wrong.status_code == 400
    assert "shorter than 12" in wrong.text
    assert "short" not in [
        i.get("value") for i in BeautifulSoup(wrong.data, "html.parser").select("input")
    ]
    assert submit(client, "/people", NEW).status_code == 303
    assert submit(client, "/people", NEW).status_code == 409
    with app.extensions["store"].read() as session:
        nia = next(u for u in accounts.everyone(session) if u.email == NEW["email"])
    page = f"/people/{nia.id}"
    assert submit(client, page, {"role": "officer"}, action=f"{page}/role").status_code == 303
    given = submit(client, page, {"password": "four other random words"}, action=f"{page}/password")
    assert given.status_code == 303
    unsure = submit(client, page, {}, action=f"{page}/closed")
    assert unsure.status_code == 422
    assert submit(client, page, {"sure": "yes"}, action=f"{page}/closed").status_code == 303
    by = "administrator@wychbridge.example"
    assert recorded(app, f"user {nia.id}") == [
        ("account opened", by), ("role changed", by), ("password changed", by),
        ("account disabled", by),
    ]  # fmt: skip
    text = client.get(f"/record?about=user {nia.id}").text
    assert "Every entry follows from the one before it" in text
    assert "Role changed (after: officer; before: viewer)" in text
    assert NEW["password"] not in client.get("/record").text


def test_the_last_administrator_cannot_lock_everybody_out(app):
    own = person(app, "administrator")
    client = client_of(app, "administrator")
    page = f"/people/{own.id}"
    refused = submit(client, page, {"role": "viewer"}, action=f"{page}/role")
    assert refused.status_code == 409
    assert "only administrator" in refused.text


def test_a_key_is_shown_once_opens_the_api_and_can_be_taken_back(app):
    client = client_of(app, "administrator")
    assert submit(client, "/keys", {"name": "Phone menu"}).status_code == 400
    made = submit(client, "/keys", {"name": "Phone menu", "scopes": ["read"]})
    secret = BeautifulSoup(made.data, "html.parser").select_one("pre").get_text()
    assert secret.startswith(apikeys.PREFIX)
    assert secret not in client.get("/keys").text
    bearer = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/api/v1/trials", headers=bearer).status_code == 200
    fields = {**hidden(client.get("/keys"), "/keys/revoked"), "name": "Phone menu"}
    assert client.post("/keys/revoked", data=fields).status_code == 303
    with app.extensions["store"].read() as session:
        assert secret
        assert apikeys.digest(secret) not in apikeys.usable(session)
