"""What a role may not do it cannot do: by address, by API, by a forged form."""

from __future__ import annotations

import itertools
import re

import pytest
from council import settings
from signed import client_of, cookie, hidden, person

from trials import apikeys
from trials.accounts import ROLES
from web import sending
from web.access import PERMISSIONS, Permission, permitted, rule_of
from web.app import create_app

KEY = "council-tax-reminder"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPEN = {
    "openapi.spec", "ops.alive", "ops.ready", "ops.metrics", "account.sign_in",
    "account.sign_in_by_password", "account.demonstrate", "account.sign_out", "account.set_up",
    "account.set_up_first", "account.choose_password", "account.password_chosen", "provider.begin", "provider.back", "help.accessibility", "help.privacy", "help.cookies",
    "site.script", "site.arm",
    "feeds.news", "feeds.dates",
    "mails.stop", "mails.stopped", "mails.report", "mails.confirm", "mails.confirmed",
}  # fmt: skip
"""All that anybody on the network reaches. Adding to it is a decision, made here."""


def routes(app):
    """Every (endpoint, address, method) that the application has."""
    bind = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        values = {a: 1 if "int" in str(rule._converters[a].__class__).lower() else KEY
                  for a in rule.arguments}  # fmt: skip
        for method in sorted(rule.methods & set(METHODS)):
            yield rule.endpoint, bind.build(rule.endpoint, values, method=method), method


@pytest.fixture(scope="module")
def people(app):
    return {role: client_of(app, role) for role in ROLES}


def test_every_route_says_who_may_use_it_and_the_open_ones_are_listed_here(app):
    unmarked = {e for e, _, _ in routes(app) if rule_of(app.view_functions[e]) is None}
    assert unmarked == set()
    rules = {e: rule_of(app.view_functions[e]) for e, _, _ in routes(app)}
    opened = {e for e, rule in rules.items() if rule.permission is None and rule.scope is None}
    assert opened <= OPEN


def test_nobody_gets_anywhere_without_signing_in(app, anonymous):
    for endpoint, path, method in routes(app):
        rule = rule_of(app.view_functions[endpoint])
        response = anonymous.open(path, method=method)
        if rule.scope:
            assert response.status_code == 401, (path, method)
            assert response.mimetype == "application/problem+json"
        elif rule.permission:
            assert response.status_code == 303, (path, method)
            assert response.location.startswith("/sign-in")


def test_a_role_is_refused_every_route_it_lacks_the_permission_for(app, people):
    tried = 0
    for (endpoint, path, method), role in itertools.product(routes(app), ROLES):
        rule = rule_of(app.view_functions[endpoint])
        if rule.permission is None or rule.permission in permitted(role):
            continue
        response = people[role].open(path, method=method, data={"once": "x" * 30})
        assert response.status_code == 403, (role, method, path)
        assert b"You may not" in response.data
        tried += 1
    assert tried >= 2


def test_a_role_gets_to_every_page_it_has_the_permission_for(app, people):
    for (endpoint, path, method), role in itertools.product(routes(app), ROLES):
        rule = rule_of(app.view_functions[endpoint])
        if method != "GET" or rule.permission is None or rule.permission not in permitted(role):
            continue
        response = people[role].get(path)
        assert response.status_code in (200, 302, 303, 308, 404, 409), (role, path)


def test_every_form_is_refused_that_was_not_sent_from_our_own_page(app, people):
    forged = (
        {}, {"csrf_token": "x"}, {"csrf_token": hidden(people["viewer"].get("/account"))["csrf_token"]},
    )  # fmt: skip
    for endpoint, path, method in routes(app):
        rule = rule_of(app.view_functions[endpoint])
        if method == "GET" or rule.scope or rule.signed:
            continue
        role = next(
            (r for r in ROLES if rule.permission in permitted(r) and r != "viewer"), "officer"
        )
        for data in forged:
            response = people[role].open(path, method=method, data=data)
            assert response.status_code == 400, (method, path, data)


def test_a_form_with_a_good_token_is_refused_when_the_browser_says_another_site_sent_it(people):
    client = people["officer"]
    good = hidden(client.get("/account"), "/sign-out")
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                    {"Origin": "https://evil.example"}, {"Origin": "null"}):  # fmt: skip
        sent = client.post("/account/password", data=good, headers=headers)
        assert sent.status_code == 403
    ours = client.post("/account/password", data=good, headers={"Origin": "http://localhost"})
    assert ours.status_code == 401  # read, and the old password was not given


def test_the_api_is_closed_to_sessions_but_for_reading_and_to_keys_without_the_scope(app, people):
    with app.extensions["store"].write() as session:
        secrets = {s: apikeys.add(session, f"matrix-{s}", [s], actor="test")[1]
                   for s in apikeys.SCOPES}  # fmt: skip
    for endpoint, path, method in routes(app):
        rule = rule_of(app.view_functions[endpoint])
        if not rule.scope:
            continue
        for scope, secret in secrets.items():
            headers = {"Authorization": f"Bearer {secret}"}
            status = app.test_client().open(path, method=method, headers=headers).status_code
            assert (status == 403) == (scope != rule.scope), (path, scope)
        by_person = people["administrator"].open(path, method=method).status_code
        if rule.scope != "read":
            assert by_person == 401, (method, path)
        assert people["supplier"].open(path, method=method).status_code == 401, (method, path)
        both = {"Authorization": "Bearer signpost_nonsense"}
        assert people["administrator"].open(path, method=method, headers=both).status_code == 401


def test_a_key_in_a_cookie_opens_nothing(app):
    with app.extensions["store"].write() as session:
        secret = apikeys.add(session, "in a cookie", ["read"], actor="test")[1]
    client = app.test_client()
    client.set_cookie("signpost", secret)
    client.set_cookie("Authorization", f"Bearer {secret}")
    assert client.get("/api/v1/trials").status_code == 401
    assert client.get("/").status_code == 303


def test_a_view_that_forgot_its_mark_is_refused_to_everybody(app, folder):
    app = create_app(settings(folder))
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    for client in (app.test_client(), client_of(app, "administrator")):
        response = client.get("/forgotten")
        assert response.status_code == 403
        assert b"secret" not in response.data


def test_nobody_writes_and_approves_and_only_the_administrator_administers():
    assert set(PERMISSIONS) == set(ROLES)
    for may in PERMISSIONS.values():
        assert not {Permission.EDIT_TRIALS, Permission.APPROVE} <= may
    assert [r for r in ROLES if Permission.ADMINISTER in permitted(r)] == ["administrator"]
    assert permitted("nobody") == frozenset()
    assert set().union(*PERMISSIONS.values()) == set(Permission)


def test_a_supplier_sees_the_wording_and_no_result(people):
    page = people["supplier"].get(f"/trials/{KEY}").text
    assert "Pay £{{ amount }} by {{ due }}" in page
    assert "What it found" not in page
    assert "What it found" in people["viewer"].get(f"/trials/{KEY}").text
    assert "fewer had any" not in people["supplier"].get("/").text


def test_a_form_sent_twice_is_led_to_where_it_went_and_done_once(app, monkeypatch):
    person(app, "approver")
    client = client_of(app, "approver")
    fields = hidden(client.get("/account"), "/sign-out")
    assert sending._TOKEN.fullmatch(fields["once"])
    done = []
    view = app.view_functions["account.sign_out"]

    def counted():
        done.append(1)
        return app.make_response(("", 303, {"Location": "/account"}))

    counted.access = view.access
    monkeypatch.setitem(app.view_functions, "account.sign_out", counted)
    first, second = (client.post("/sign-out", data=fields) for _ in range(2))
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location == "/account"
    assert done == [1]
    other = client_of(app, "viewer")
    theirs = {**hidden(other.get("/account"), "/sign-out"), "once": fields["once"]}
    assert other.post("/sign-out", data=theirs).status_code == 409


def test_every_form_that_posts_carries_its_tokens(folder):
    from trials import resources

    for path in resources.folder("templates").rglob("*.html"):
        for form in re.findall(r"<form\b.*?</form>", path.read_text("utf-8"), re.DOTALL):
            if re.search(r'method="post"', form):
                assert "form_token()" in form, path


def test_cookies_are_signed_http_only_and_named_for_this_host_alone(app, folder):
    import dataclasses

    name, value = cookie(app, "viewer")
    forged = app.test_client()
    forged.set_cookie(name, value[:-3] + value[-3:].swapcase())
    assert forged.get("/").status_code == 303
    secure = create_app(dataclasses.replace(settings(folder), base_url="https://signpost.example"))
    secure.config["PREFERRED_URL_SCHEME"] = "https"
    client = secure.test_client()
    response = client.get("/sign-in", base_url="https://signpost.example")
    (line,) = response.headers.getlist("Set-Cookie")
    assert line.startswith("__Host-signpost=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(line.split("; "))
    assert "Domain" not in line
