"""Every answer carries the same strict headers, whatever went wrong on the way to it."""

from __future__ import annotations

import re

import pytest
from council import settings
from signed import client_of, hidden

from web import dates, security
from web.access import public
from web.app import create_app
from web.filled import Filled

PATHS = {
    "/": 200,
    "/trials": 308,
    "/trials/council-tax-reminder": 200,
    "/trials/council-tax-reminder/report": 200,
    "/trials/council-tax-reminder/report.html": 200,
    "/trials/council-tax-reminder/posterior": 200,
    "/trials/council-tax-reminder/exploratory": 200,
    "/trials/council-tax-reminder/posterior/draws.csv": 404,
    "/trials/council-tax-reminder/posterior/draws.nc": 404,
    "/trials/council-tax-reminder/posterior/draws.ipynb": 404,
    "/trials/fresh/report": 200,
    "/trials/fresh/report.html": 404,
    "/trials/nobody": 404,
    "/nowhere": 404,
    "/static/nothing.css": 404,
    "/calendar": 200,
    "/calendar/add": 200,
    "/calendar/*": 404,
    "/trials/fresh/acts/*": 404,
    "/trials/fresh/amend": 200,
    "/trials/fresh/change": 405,
    "/trials/fresh/exploratory": 200,
    "/trials/fresh/health": 200,
    "/trials/fresh/health/panel": 200,
    "/trials/fresh/uploads": 200,
    "/trials/fresh/uploads/*": 404,
    "/trials/fresh/uploads/*/*": 404,
    "/trials/fresh/results": 200,
    "/jobs/999/problems.csv": 404,
    "/schedule": 200,
    "/trials/fresh/schedule": 200,
    "/m/stop/*": 400,
    "/m/confirm/*": 400,
    "/mails": 200,
    "/mails/preview/*": 404,
    "/mails/999/again": 405,
    "/m/report/*": 400,
    "/jobs": 200,
    "/learning": 200,
    "/learning/packs": 200,
    "/learning/packs/export": 405,
    "/trials/fresh/forecasts": 200,
    "/jobs/999": 404,
    "/jobs/999/panel": 404,
    "/jobs/999/cancel": 405,
    "/jobs/999/files/*": 405,
    "/drafts": 200,
    "/drafts/new": 200,
    "/drafts/999": 404,
    "/drafts/999/*": 404,
    "/drafts/999/trial.toml": 404,
    "/drafts/999/check": 404,
    "/drafts/999/launch": 404,
    "/drafts/999/ask": 404,
    "/drafts/999/sign": 404,
    "/drafts/999/discard": 404,
    "/ideas": 200,
    "/ideas/new": 200,
    "/ideas/999": 404,
    "/ideas/999/start": 405,
    "/sign-in": 200,
    "/sign-in/demonstration": 405,
    "/sign-in/provider": 404,
    "/sign-in/provider/back": 404,
    "/sign-out": 405,
    "/set-up": 404,
    "/account": 200,
    "/people": 200,
    "/people/1": 200,
    "/people/1/role": 405,
    "/people/1/password": 405,
    "/people/1/closed": 405,
    "/keys": 200,
    "/keys/revoked": 405,
    "/record": 200,
    "/data-protection": 403,
    "/data-protection/erasure": 405,
    "/data-protection/retention": 405,
    "/help": 200,
    "/accessibility": 200,
    "/privacy": 200,
    "/cookies": 200,
    "/account/password": 405,
    "/password/*": 410,
    "/trials/council-tax-reminder/case": 200,
    "/trials/council-tax-reminder/case.json": 200,
    "/trials/fresh/case": 200,
    "/trials/council-tax-reminder/case/figures/setup_cost": 200,
    "/trials/council-tax-reminder/case/figures/*": 404,
    "/trials/council-tax-reminder/case/figures/*/withdraw": 405,
    "/trials/council-tax-reminder/case/ledger": 200,
    "/trials/council-tax-reminder/decision": 200,
    "/trials/over/decision": 200,
    "/trials/council-tax-reminder/steps": 405,
    "/trials/council-tax-reminder/steps/*/done": 404,
    "/trials/council-tax-reminder/afterwards": 200,
    "/trials/council-tax-reminder/rollout": 405,
    "/trials/council-tax-reminder/holdback": 405,
    "/trials/council-tax-reminder/benefits": 405,
    "/trials/council-tax-reminder/adoption": 405,
    "/trials/council-tax-reminder/papers": 200,
    "/trials/fresh/papers": 200,
    "/trials/council-tax-reminder/papers/*": 404,
    "/capacity": 200,
    "/capacity/panel": 200,
    "/assumptions": 200,
    "/assumptions/setup_cost": 200,
    "/assumptions/*": 404,
    "/assumptions/*/withdraw": 405,
    "/portfolio": 200,
    "/opportunities": 200,
    "/opportunities/panel": 200,
    "/opportunities/table": 200,
    "/healthz": 200,
    "/readyz": 503,
    "/metrics": 200,
    "/api/v1/trials": 200,
    "/api/v1/trials/council-tax-reminder": 200,
    "/api/v1/trials/council-tax-reminder/result": 200,
    "/api/v1/trials/nobody": 404,
    "/api/v1/trials/fresh/result": 404,
    "/api/v1/trials/council-tax-reminder/assign": 401,
    "/api/v1/trials/council-tax-reminder/exposures": 405,
    "/api/v1/trials/council-tax-reminder/outcomes": 405,
    "/api/v1/contacts": 405,
    "/api/v1/tidy/effects.csv": 200,
    "/api/v1/tidy/effects.json": 200,
    "/api/v1/tidy/arms.csv": 200,
    "/api/v1/tidy/arms.json": 200,
    "/api/v1/tidy/dictionary.csv": 200,
    "/feeds": 200,
    "/feeds/renew": 405,
    "/feeds/*/decisions.rss": 404,
    "/feeds/*/dates.ics": 404,
    "/ofrep/v1/evaluate/flags": 405,
    "/ofrep/v1/evaluate/flags/*": 405,
    "/site/v1/signpost.js": 200,
    "/site/v1/trials/council-tax-reminder/arm": 403,
    "/trials/fresh/connect": 200,
    "/api/v1/nothing": 404,
    "/api/v1/openapi.json": 200,
}


def checked(response):
    for name, value in security.HEADERS.items():
        assert response.headers[name] == value
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    return policy


@pytest.mark.parametrize(("path", "status"), PATHS.items())
def test_every_answer_has_the_headers_and_is_not_kept(client, path, status):
    response = client.get(path)
    assert response.status_code == status
    checked(response)
    assert response.headers["Cache-Control"] == "no-store"


def test_no_route_is_forgotten_by_the_list_above(app):
    named = {re.sub(r"<[^>]+>", "*", rule.rule) for rule in app.url_map.iter_rules()}
    tried = {
        re.sub(r"(?<=/trials/)[^/]+|(?<=/)(?<!/case/figures/)\d+(?=/|$)", "*", path)
        for path in PATHS
    }
    assert named <= tried


def test_methods_that_are_not_allowed_and_errors_of_our_own_have_them_too(folder):
    app = create_app(settings(folder))
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/boom")
    @public
    def boom():
        raise RuntimeError("secret detail")

    @app.before_request
    def early():
        from flask import abort, request

        if request.args.get("refused"):
            abort(400)

    client = client_of(app, "viewer")
    posted = client.post("/")
    assert posted.status_code == 405
    assert "GET" in posted.headers["Allow"]
    checked(posted)
    failed = client.get("/boom")
    assert failed.status_code == 500
    assert b"secret detail" not in failed.data
    assert b"Traceback" not in failed.data
    assert re.search(rb"quote <strong[^>]*>[0-9a-f]{8}<", failed.data)
    checked(failed)
    refused = client.get("/?refused=1")
    assert refused.status_code == 400
    checked(refused)


def test_a_nonce_is_made_only_for_pages_that_need_one_and_is_new_each_time(client):
    first, second = client.get("/"), client.get("/")
    nonces = [re.search(r"'nonce-([^']+)'", checked(r))[1] for r in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'nonce="{nonces[0]}"'.encode() in first.data
    assert "nonce" not in checked(client.get("/healthz"))


def test_static_files_have_the_headers_and_may_be_cached_for_ever(client):
    sheet = re.search(r'href="(/static/app-[0-9a-f]{8}\.css)"', client.get("/").text)[1]
    response = client.get(sheet)
    assert response.status_code == 200
    checked(response)
    assert "immutable" in response.headers["Cache-Control"]
    packed = client.get(sheet, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.data) < 24_000


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/src/app.scss", "/src/app.scss"]
)
def test_nothing_but_built_assets_is_served(client, path):
    assert client.get(path).status_code in (301, 404)


def test_cookies_could_not_be_read_by_scripts_or_sent_from_elsewhere(app):
    assert app.config["SESSION_COOKIE_HTTPONLY"]
    assert app.config["SESSION_COOKIE_SAMESITE"] == "Lax"


def test_over_https_the_browser_is_told_to_stay_there(client):
    response = client.get("/", base_url="https://signpost.example")
    assert "max-age=" in response.headers["Strict-Transport-Security"]
    assert "Strict-Transport-Security" not in client.get("/").headers


def test_a_zero_character_is_refused_wherever_it_stands(app):
    """PostgreSQL takes it in no text; every store is asked for the same."""
    client = client_of(app, "administrator")
    form = hidden(client.get("/keys"))
    for name in ("a\0b", "%00"):
        answer = client.post("/keys", data={**form, "name": name, "scopes": "read"})
        assert answer.status_code == (400 if "\0" in name else 200)
    for path in ("/record?who=%00", "/trials/%00", "/jobs?about=a%00b"):
        assert client.get(path).status_code == 400


def test_a_day_of_any_number_is_a_real_date_or_none():
    typed = {"due-day": "9" * 20, "due-month": "1", "due-year": "2026"}
    assert dates.read(Filled(typed), "due", "the day")[1].problems["due"].endswith("real date.")
