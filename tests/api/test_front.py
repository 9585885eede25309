"""What is answered in front of the framework is what the views answer, to the byte."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

ASSIGN = "/api/v1/trials/website-banner/assign"
OFREP = "/ofrep/v1/evaluate/flags/website-banner"
GOOD = b'{"unit": "v-1", "identifiers": {"email": "a@b.example"}}'
CASES = {
    "an arm": (ASSIGN, GOOD, 200),
    "a flag": (OFREP, b'{"context": {"targetingKey": "v-1", "n": 3}}', 200),
    "no such trial": (ASSIGN.replace("banner", "other"), GOOD, 404),
    "no such flag": (OFREP.replace("banner", "other"), b'{"context": {"targetingKey": "v"}}', 404),
    "blank unit": (ASSIGN, b'{"unit": "  "}', 422),
    "no JSON": (ASSIGN, b"{", 422),
    "JSON too deep": (OFREP, b"[" * 30_000, 400),
    "an unknown field": (ASSIGN, b'{"unit": "v", "name": "Jo Bloggs"}', 422),
    "half a character": (OFREP, b'{"context": {"targetingKey": "v", "a": "\\ud800"}}', 400),
    "no context": (OFREP, b"{}", 400),
    "not even text": (OFREP, b"\xff\xfe", 400),
    "a body too long to be read in front": (ASSIGN, b'{"unit": "v"}' + b" " * 70_000, 200),
    "a flag under the other's path": (OFREP + "/assign", GOOD, 404),
}
FLAT = {
    "an arm": ("unit=v-1&phone=01632+960001", 200),
    "a column of the plan's": ("unit=v-1&ward=St+Anne%27s&ward=other", 200),
    "blanks around": ("unit=%20v-1%20", 200),
    "not even text": ("unit=%FF", 200),
    "raw bytes that are no text": ("unit=\xff", 200),
    "no character at all": ("unit=a%00b", 200),
    "no unit": ("phone=01632960001", 422),
    "blank unit": ("unit=", 422),
    "two units": ("unit=v-1&unit=v-2", 422),
    "a unit too long": ("unit=" + "v" * 2000, 422),
    "no query": ("", 422),
}


def asked(app, path, body=None, *, front, secret=None, scheme="http", query=""):
    """Status, headers and body, through the whole application or through Flask alone."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    environ = EnvironBuilder(path, f"{scheme}://localhost", method="GET" if body is None else "POST",
                             data=body, headers=headers, content_type="application/json").get_environ()  # fmt: skip
    environ["QUERY_STRING"] = query
    entry = app.wsgi_app if front else lambda *a: Flask.wsgi_app(app, *a)
    said, status, told = run_wsgi_app(entry, environ, buffered=True)
    return status, sorted(told.to_wsgi_list()), b"".join(said)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_same_answer_as_the_view(app, secrets, scheme):
    for case, (path, body, status) in CASES.items():
        ours, views = (
            asked(app, path, body, front=front, secret=secrets["assign"], scheme=scheme)
            for front in (True, False)
        )
        assert ours == views, case
        assert ours[0].startswith(str(status)), case


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_same_flat_answer_as_the_view(app, secrets, scheme):
    for case, (query, status) in FLAT.items():
        ours, views = (
            asked(app, ASSIGN, front=front, secret=secrets["assign"], scheme=scheme, query=query)
            for front in (True, False)
        )
        assert ours == views, case
        assert ours[0].startswith(str(status)), case


def test_flat_answers_come_from_the_front(app, secrets, monkeypatch):
    monkeypatch.setattr(Flask, "wsgi_app", lambda *_: pytest.fail("reached the framework"))
    got = asked(app, ASSIGN, front=True, secret=secrets["assign"], query="unit=v-1")
    assert json.loads(got[2])["enrolled"] == "true"


def test_same_refusal_as_the_view(app, secrets):
    for secret, status in ((None, "401"), ("signpost_unknown", "401"), (secrets["read"], "403")):
        ours, views = (
            asked(app, ASSIGN, GOOD, front=front, secret=secret) for front in (True, False)
        )
        assert ours == views
        assert ours[0].startswith(status)


def test_a_fault_is_told_and_a_body_without_a_key_is_not_read(app, secrets, monkeypatch):
    monkeypatch.setattr("web.bodies.Places.__enter__", lambda _: pytest.fail("read"))
    assert asked(app, ASSIGN, GOOD, front=True, secret=secrets["read"])[0].startswith("403")
    monkeypatch.undo()
    monkeypatch.setattr(app.extensions["online"], "assign", lambda *_: 1 / 0)
    status, headers, body = asked(app, ASSIGN, GOOD, front=True, secret=secrets["assign"])
    assert status.startswith("500")
    assert ("Content-Type", "application/problem+json") in headers
    assert b"internal" in body


def test_a_request_counts_once_whichever_answers_it(app, secrets):
    """Three tokens in the bucket: an arm, a mistake, an arm; then the caller has to wait."""
    limiter = app.extensions["limiter"]
    limiter._rate, limiter._now = 1.5, lambda: 0.0
    got = [asked(app, ASSIGN, body, front=True, secret=secrets["assign"])[0][:3]
           for body in (GOOD, b'{"unit": "  "}', GOOD, GOOD)]  # fmt: skip
    assert got == ["200", "422", "200", "429"]


def test_every_answer_is_counted_under_its_route(app, secrets):
    for _ in range(3):
        asked(app, ASSIGN, GOOD, front=True, secret=secrets["assign"])
    text = app.test_client().get("/metrics").get_data(as_text=True)
    route = 'route="/api/v1/trials/<key>/assign"'
    assert f'signpost_requests_total{{method="POST",{route},status="200"}} 3.0' in text
    assert f"signpost_request_seconds_count{{{route}}} 3.0" in text


@pytest.mark.parametrize("path", ["/sign-in", "/site/v1/trials/website-banner/arm"])
def test_bytes_that_are_no_text_in_a_query_are_no_fault_of_ours(app, path):
    status, _, _ = asked(app, path, front=True, query="next=\xff&unit=\xe9")
    assert not status.startswith("5")


@pytest.mark.parametrize("path", [f"/jobs/{2**31}", f"/people/{10**20}"])
def test_numbers_that_no_database_keeps_are_no_pages(app, path):
    assert app.test_client().get(path).status_code == 404
    assert app.test_client().get("/jobs/1").status_code == 303
