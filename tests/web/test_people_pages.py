"""The administrator looks after people and keys in pages, and every change is on record."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from signed import client_of, hidden, person, submit

from trials import accounts, apikeys, audit

NEW = {"name": "Nia", "email": "nia@wychbridge.example", "role": "viewer"}
MAI = {**NEW, "name": "Mai", "email": "mai@wychbridge.example"}
PASSWORD = "three random words"


def recorded(app, subject):
    with app.extensions["store"].read() as session:
        return [(e.action, e.actor) for e in audit.history(session, subject)]


def test_an_account_is_opened_changed_and_closed_and_each_change_recorded(app):
    client = client_of(app, "administrator")
    wrong = submit(client, "/people", {**NEW, "email": "nia"})
    assert wrong.status_code == 400
    assert "name@council.gov.uk" in wrong.text
    assert submit(client, "/people", NEW).status_code == 200
    assert submit(client, "/people", NEW).status_code == 409
    with app.extensions["store"].read() as session:
        nia = next(u for u in accounts.everyone(session) if u.email == NEW["email"])
    page = f"/people/{nia.id}"
    assert submit(client, page, {"role": "officer"}, action=f"{page}/role").status_code == 303
    assert submit(client, page, {}, action=f"{page}/password").status_code == 200
    unsure = submit(client, page, {}, action=f"{page}/closed")
    assert unsure.status_code == 422
    assert submit(client, page, {"sure": "yes"}, action=f"{page}/closed").status_code == 303
    by = "administrator@wychbridge.example"
    assert recorded(app, f"user {nia.id}") == [
        ("account opened", by), ("password link made", by), ("role changed", by),
        ("password link made", by), ("account disabled", by),
    ]  # fmt: skip
    text = client.get(f"/record?about=user {nia.id}").text
    assert "Every entry follows from the one before it" in text
    assert "Role changed (after: officer; before: viewer)" in text


def link_in(page):
    """The path of the link that a page shows."""
    return urlsplit(BeautifulSoup(page.data, "html.parser").select_one("pre").get_text()).path


def test_a_link_sets_a_password_once_and_nobody_else_learns_it(app):
    client, mai = client_of(app, "administrator"), app.test_client()
    link = link_in(submit(client, "/people", MAI))
    wrong = submit(mai, link, {"password": "short"})
    assert wrong.status_code == 400
    assert "shorter than 12" in wrong.text
    assert 'value="short"' not in wrong.text
    assert submit(mai, link, {"password": PASSWORD}).status_code == 303
    assert "Mai" in mai.get("/account").text
    assert mai.get(link).status_code == 410
    again = app.test_client()
    signed = submit(again, "/sign-in", {"email": MAI["email"], "password": PASSWORD})
    assert signed.status_code == 303
    assert PASSWORD not in client.get("/record").text
    assert link.rsplit("/", 1)[1] not in client.get("/record").text


def test_a_link_ends_with_the_next_one_with_time_and_with_the_account(app, monkeypatch):
    client = client_of(app, "administrator")
    first = link_in(submit(client, "/people", {**NEW, "email": "lea@wychbridge.example"}))
    with app.extensions["store"].read() as session:
        page = f"/people/{max(u.id for u in accounts.everyone(session))}"
    second = link_in(submit(client, page, {}, action=f"{page}/password"))
    reader = app.test_client()
    assert [reader.get(link).status_code for link in (first, second)] == [410, 200]
    assert reader.get(second + "x").status_code == 410
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 4 * 86_400)
    assert "too old" in reader.get(second).text
    monkeypatch.undo()
    fields = hidden(reader.get(second))
    assert submit(client, page, {"sure": "yes"}, action=f"{page}/closed").status_code == 303
    late = reader.post(second, data={**fields, "password": PASSWORD})
    assert late.status_code == 410
    assert reader.get("/account").status_code == 303
    assert submit(client, page, {"closed": "no"}, action=f"{page}/closed").status_code == 303
    assert reader.get(second).status_code == 410


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
