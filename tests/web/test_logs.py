"""The services' log: a JSON object a line, with its request's number and without anybody's name."""

from __future__ import annotations

import io
import json
import logging

import pytest

from web import logs


@pytest.fixture
def lines():
    """What is logged within a test, read as JSON."""
    root, ours = logging.getLogger(), logging.getLogger("signpost")
    before = root.handlers[:], root.level, ours.level
    written = io.StringIO()
    logs.begin(written)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:], level, own = before
    root.setLevel(level)
    ours.setLevel(own)


PEOPLE = ("jo.bloggs+tax@wychbridge.example", "07700 900123", "+44 7700 900123", "(01632) 960 001",
          "100023336956", "0044 1632 960001", "07700900123", "tel:07700 900123",
          "unit=jo%40bloggs.example", "%2B447700900123", "07700–900123", "account 12345678.",
          "AB 12 34 56 C", "SW1A 1AA")  # fmt: skip


def test_nobody_is_named_in_a_message_or_a_traceback(lines):
    log = logging.getLogger("signpost.test")
    for person in PEOPLE:
        log.warning("%s rang", person)
        try:
            raise ValueError(f"bad value: {person}")
        except ValueError:
            log.exception("it failed for '%s'", person)
    said = lines()
    assert len(said) == 2 * len(PEOPLE)
    text = json.dumps(said, ensure_ascii=False)
    assert not [p for p in PEOPLE if p in text or p.strip("(")[-6:] in text]
    assert "ValueError: bad value: …" in said[1]["exception"]


def test_what_names_nobody_stays(lines):
    kept = "250 of 12,345 rows read in 3.14159265 s on 2026-11-29T10:22:33 by job 1234567 (abc12345678)"
    logging.getLogger("signpost.test").info(kept)
    (event,) = lines()
    assert (event["event"], event["level"], event["logger"]) == (kept, "info", "signpost.test")
    assert event["at"].endswith("Z")


def test_the_reference_on_an_error_page_finds_its_line(client, lines, monkeypatch):
    def broken():
        raise RuntimeError("no page for jo@wychbridge.example")

    monkeypatch.setitem(client.application.view_functions, "ops.alive", broken)
    broken.access = client.application.view_functions["ops.ready"].access
    page = client.get("/healthz").get_data(as_text=True)
    (event,) = lines()
    assert event["request"] in page
    assert event["level"] == "error"
    assert "jo@" not in json.dumps(event)
