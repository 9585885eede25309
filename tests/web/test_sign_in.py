"""Signing in: by password, throttled; the first account; the demonstration; sessions that end."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from council import settings
from hypothesis import given, strategies
from signed import PASSWORD, client_of, hidden, submit

from trials import accounts, clock, sessions, setting_up, signing_in
from trials.errors import Conflict, SignpostError
from trials.signing_in import FROM_ONE_PLACE, Refused, TooManyTries, Try
from trials.store import migrate
from trials.store.engine import Store
from web import access
from web.app import create_app
from web.next_page import safe

EMAIL = "olu@wychbridge.example"


@pytest.fixture
def alone(tmp_path):
    """An application of its own, with its tables and nobody in it."""
    made = settings(tmp_path)
    opened = Store.open(made.database_url)
    migrate.upgrade(opened)
    opened.close()
    return create_app(made)


@pytest.fixture
def olu(alone):
    with alone.extensions["store"].write() as session:
        accounts.add(session, EMAIL, name="Olu", role="administrator", password=PASSWORD, actor="t")
    return alone


@pytest.fixture(autouse=True)
def real_clock():
    yield
    clock.set_source(None)


def attempt(store, password=PASSWORD, email=EMAIL, whence="192.0.2.1"):
    return signing_in.by_password(
        store, Try(email=email, password=password, whence=whence, key="k" * 40)
    )


def with_olu(store):
    with store.write() as session:
        return accounts.add(
            session, EMAIL, name="Olu", role="officer", password=PASSWORD, actor="test"
        )


def test_the_right_password_opens_the_page_that_was_asked_for(olu):
    client = olu.test_client()
    asked = client.get("/account?x=1")
    assert asked.location == "/sign-in?next=/account?x%3D1"
    sent = submit(client, asked.location, {"email": EMAIL.upper(), "password": PASSWORD},
                  action="/sign-in")  # fmt: skip
    assert (sent.status_code, sent.location) == (303, "/account?x=1")
    assert "Olu" in client.get("/account").text


def test_a_wrong_password_and_an_unknown_address_are_told_the_same(olu):
    pages = []
    for email in (EMAIL, "nobody@wychbridge.example"):
        page = submit(olu.test_client(), "/sign-in", {"email": email, "password": "wrong"})
        assert page.status_code == 401
        assert "wrong" not in page.text.replace("wrongly", "")
        pages.append(page.text.split("There is a problem")[1][:300])
    assert pages[0] == pages[1]


def test_unknown_addresses_take_as_long_as_known_ones(sqlite_store):
    with_olu(sqlite_store)
    times = {EMAIL: [], "nobody@wychbridge.example": []}
    for turn in range(4):
        for email, took in times.items():
            began = time.process_time()
            with pytest.raises(Refused):
                attempt(sqlite_store, "wrong", email, whence=f"192.0.2.{turn}")
            took.append(time.process_time() - began)
    known, unknown = (statistics.median(t) for t in times.values())
    assert 0.4 < unknown / known < 2.5


def test_the_session_is_a_new_one_and_the_old_cookie_is_dead_after_signing_out(olu):
    client = olu.test_client()
    client.get("/sign-in")
    before = client.get_cookie("signpost").value
    submit(client, "/sign-in", {"email": EMAIL, "password": PASSWORD})
    stolen = client.get_cookie("signpost").value
    assert stolen != before
    thief = olu.test_client()
    thief.set_cookie("signpost", stolen)
    assert thief.get("/account").status_code == 200
    submit(client, "/account", {}, action="/sign-out")
    assert client.get("/account").status_code == 303
    assert thief.get("/account").status_code == 303


def test_tries_are_throttled_on_every_database_and_a_right_password_does_not_help(store):
    with_olu(store)
    for _ in range(FROM_ONE_PLACE):
        with pytest.raises(Refused):
            attempt(store, "wrong")
    with pytest.raises(TooManyTries):
        attempt(store)
    user, token = attempt(store, whence="192.0.2.2")  # the owner at another desk is not locked out
    with store.read() as session:
        assert sessions.holder(session, token) == user
    now = datetime.now(UTC)
    clock.set_source(lambda: now + timedelta(minutes=16))
    assert attempt(store)[0].email == EMAIL


def test_right_passwords_never_add_up_to_too_many_tries(sqlite_store):
    with_olu(sqlite_store)
    for _ in range(FROM_ONE_PLACE + 2):
        attempt(sqlite_store)


def test_processes_that_try_at_once_get_no_more_tries_together_than_one(sqlite_store):
    with_olu(sqlite_store)
    code = (
        "import sys\nfrom trials import signing_in as s\nfrom trials.store.engine import Store\n"
        "store = Store.open(sys.argv[1])\nlooked = 0\n"
        "for _ in range(8):\n"
        "    try:\n"
        f"        s.by_password(store, s.Try(email={EMAIL!r}, password='no', whence='w', key='k'))\n"
        "    except s.Refused:\n        looked += 1\n"
        "    except s.TooManyTries:\n        pass\n"
        "print(looked)"
    )
    url = f"sqlite:///{sqlite_store.url.database}"
    running = [subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE)
               for _ in range(3)]  # fmt: skip
    looked = [int(one.communicate(timeout=120)[0]) for one in running]
    assert sum(looked) == FROM_ONE_PLACE


def test_the_throttle_keeps_neither_addresses_nor_networks(sqlite_store, tmp_path):
    with pytest.raises(Refused):
        attempt(sqlite_store, "wrong", "nobody@wychbridge.example", whence="203.0.113.77")
    for file in tmp_path.glob("signpost.db*"):
        content = file.read_bytes()
        assert b"nobody@wychbridge" not in content
        assert b"203.0.113.77" not in content


def test_a_session_ends_after_half_an_hour_unused_and_after_twelve_hours_at_most(olu, monkeypatch):
    client = client_of(olu, "viewer")
    real = time.time
    for minutes in range(0, 720, 25):  # never idle for long
        monkeypatch.setattr(access.time, "time", lambda m=minutes: real() + m * 60)
        clock.set_source(
            lambda m=minutes: datetime.fromtimestamp(real(), UTC) + timedelta(minutes=m)
        )
        assert client.get("/account").status_code == 200
    monkeypatch.setattr(access.time, "time", lambda: real() + 721 * 60)
    clock.set_source(lambda: datetime.fromtimestamp(real(), UTC) + timedelta(minutes=721))
    assert client.get("/account").status_code == 303
    clock.set_source(None)
    monkeypatch.setattr(access.time, "time", real)
    idle = client_of(olu, "viewer")
    monkeypatch.setattr(access.time, "time", lambda: real() + 31 * 60)
    assert idle.get("/account").status_code == 303


def test_watching_a_page_that_refreshes_itself_does_not_keep_a_session_alive(olu, monkeypatch):
    client, real = client_of(olu, "viewer"), time.time
    for minutes in (10, 20, 29):
        monkeypatch.setattr(access.time, "time", lambda m=minutes: real() + m * 60)
        assert client.get("/account", headers={"Signpost-Poll": "1"}).status_code == 200
    monkeypatch.setattr(access.time, "time", lambda: real() + 31 * 60)
    assert client.get("/account").status_code == 303


@pytest.mark.parametrize("act", ["set_role", "disable", "set_password"])
def test_a_change_of_rights_ends_every_session_of_that_person(olu, act):
    client = client_of(olu, "officer")
    address = "officer@wychbridge.example"
    with olu.extensions["store"].write() as session:
        {"set_role": lambda: accounts.set_role(session, address, "viewer", actor="t"),
         "disable": lambda: accounts.disable(session, address, actor="t"),
         "set_password": lambda: accounts.set_password(session, address, "a b c d e f g", actor="t"),
         }[act]()  # fmt: skip
    assert client.get("/account").status_code == 303


def test_ones_own_password_is_changed_with_the_old_one_and_signs_other_browsers_out(olu):
    mine, other = olu.test_client(), olu.test_client()
    for client in (mine, other):
        submit(client, "/sign-in", {"email": EMAIL, "password": PASSWORD})
    wrong = submit(mine, "/account", {"current": "no", "password": "three new words"},
                   action="/account/password")  # fmt: skip
    assert wrong.status_code == 401
    short = submit(mine, "/account", {"current": PASSWORD, "password": "short"},
                   action="/account/password")  # fmt: skip
    assert "shorter than 12 characters" in short.text
    done = submit(mine, "/account", {"current": PASSWORD, "password": "three new words"},
                  action="/account/password")  # fmt: skip
    assert "Your password is changed" in mine.get(done.location).text
    assert other.get("/account").status_code == 303
    with pytest.raises(Refused):
        attempt(olu.extensions["store"])
    attempt(olu.extensions["store"], "three new words")


def test_the_first_account_is_opened_once_with_the_code_the_server_printed(alone):
    client, home = alone.test_client(), alone.extensions["settings"].home
    assert client.get("/").location == "/sign-in"
    assert client.get("/sign-in").location == "/set-up"
    code = setting_up.code(home)
    assert setting_up.code(home) == code
    assert (home / "set-up.code").stat().st_mode & 0o777 == 0o600
    mine = {"email": EMAIL, "name": "Olu", "password": PASSWORD}
    assert submit(client, "/set-up", {**mine, "token": "guess"}).status_code == 403
    weak = submit(client, "/set-up", {**mine, "token": code, "password": "olu olu olu"})
    assert weak.status_code == 400
    assert submit(client, "/set-up", {**mine, "token": code}).location == "/"
    assert "Administrator" in client.get("/account").text
    assert not (home / "set-up.code").exists()
    assert alone.test_client().get("/set-up").status_code == 404


def test_two_first_administrators_cannot_both_be_made(store, tmp_path):
    code = setting_up.code(tmp_path)
    with store.write() as session:
        setting_up.first(session, tmp_path, code, email=EMAIL, name="", password=PASSWORD)
    with store.write() as session, pytest.raises(Conflict):
        setting_up.first(session, tmp_path, code, email="b@c.example", name="", password=PASSWORD)


@pytest.mark.parametrize("bad", ["short", "aaaaaaaaaaaaaaa", "olu and two words", "x y" * 100])
def test_passwords_that_are_easily_guessed_are_refused(sqlite_store, bad):
    with sqlite_store.write() as session, pytest.raises(SignpostError, match="password"):
        accounts.add(session, EMAIL, name="", role="viewer", password=bad, actor="test")


def test_the_last_administrator_cannot_be_taken_away(store):
    with store.write() as session:
        accounts.add(session, EMAIL, name="", role="administrator", password=None, actor="test")
        for act in (lambda: accounts.disable(session, EMAIL, actor="t"),
                    lambda: accounts.set_role(session, EMAIL, "viewer", actor="t")):  # fmt: skip
            with pytest.raises(Conflict, match="only administrator"):
                act()


def demonstration(app):
    made = dataclasses.replace(app.extensions["settings"], demonstration=True)
    return create_app(made)


def test_the_demonstration_is_entered_with_one_click_in_any_role(alone):
    app = demonstration(alone)
    for role in accounts.ROLES:
        client = app.test_client()
        landed = client.get("/", follow_redirects=True)
        assert f'value="{role}"' in landed.text
        fields = hidden(landed, "/sign-in/demonstration")
        sent = client.post("/sign-in/demonstration", data={**fields, "role": role})
        assert (sent.status_code, sent.location) == (303, "/")
        assert client.get("/").status_code == 200


def test_no_setting_opens_a_council_s_own_database_without_a_password(olu):
    client = demonstration(olu).test_client()
    page = client.get("/sign-in")
    assert "demonstration.example" not in page.text
    assert "Password" in page.text
    fields = hidden(page)
    sent = client.post("/sign-in/demonstration", data={**fields, "role": "administrator"})
    assert sent.status_code == 404
    plain = olu.test_client()
    fields = hidden(plain.get("/sign-in"))
    assert (
        plain.post("/sign-in/demonstration", data={**fields, "role": "viewer"}).status_code == 404
    )


@pytest.mark.parametrize(
    "bad",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "/%2f/evil",
     "/%5cevil", "/a\r\nSet-Cookie: x", "/\t/evil.example", "javascript:alert(1)", "evil", "",
     None, "/" + "a" * 3000],
)  # fmt: skip
def test_after_signing_in_nobody_is_led_off_the_site(bad):
    assert safe(bad) == "/"


@given(strategies.text(max_size=60))
def test_whatever_is_asked_for_next_stays_on_this_host(text):
    from urllib.parse import urljoin, urlsplit

    for path in (text, "/" + text):
        led = urlsplit(urljoin("https://signpost.example/sign-in", safe(path)))
        assert (led.scheme, led.netloc) == ("https", "signpost.example")


def test_pages_of_ours_are_kept():
    for path in ("/", "/trials/a-b?x=1&y=2", "/jobs/12"):
        assert safe(path) == path
