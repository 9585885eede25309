"""Arms given at the moment of contact: known answers, recorded once, sound when the store fails."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from trials import lifecycle
from trials.online import recorder
from trials.store.engine import BUSY_TIMEOUT_MS
from trials.store.tables import AssignmentRow, IdentifierRow, TurnedAwayRow, UnitRow

URL = "/api/v1/trials/website-banner/assign"
FLAG = "/ofrep/v1/evaluate/flags/website-banner"


def by_hand(unit: str) -> str:
    """The arm worked out from the published recipe alone; "" for the holdout."""

    def bucket(purpose: str) -> float:
        text = f"v1|website-banner|1|{purpose}.20260401|{unit}"
        return int(hashlib.sha256(text.encode()).hexdigest()[:13], 16) / 16**13

    if bucket("holdout") < 0.05:
        return ""
    return "current" if bucket("arm") < 0.5 else "bin-day"


def counts(store, table):
    with store.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table))


def test_arms_are_those_of_the_published_recipe_and_each_unit_is_recorded_once(
    client, app, sqlite_store
):
    units = [f"visitor-{i}" for i in range(300)]
    for unit in [*units, *units[:50]]:
        said = client.post(URL, json={"unit": unit, "identifiers": {"email": f"{unit}@a.example"}})
        assert said.status_code == 200
        assert (said.json["arm"], said.json["holdout"]) == (
            by_hand(unit) or "current", not by_hand(unit),
        )  # fmt: skip
    assert {by_hand(u) for u in units} == {"", "current", "bin-day"}
    app.extensions["online"].recorder.flush()
    assert counts(sqlite_store, AssignmentRow) == 300
    assert counts(sqlite_store, IdentifierRow) == 600
    with sqlite_store.read() as session:
        held = sa.select(sa.func.count()).where(AssignmentRow.arm_id.is_(None))
        assert session.scalar(held) == sum(not by_hand(u) for u in units)


def test_telephony_is_answered_in_flat_text_and_nothing_logs_the_number(client, caplog):
    with caplog.at_level(logging.DEBUG):
        said = client.get(f"{URL}?unit=07700900123&phone=07700900123")
    assert all(isinstance(v, str) for v in said.json.values())
    assert said.json["arm"] == (by_hand("07700900123") or "current")
    assert "7700900123" not in caplog.text


def test_each_scope_opens_its_own_door_alone(client, secrets):
    send = {"json": {"unit": "a"}}
    for header, status in [("", 401), ("Bearer nonsense", 401), ("Basic YTpi", 401),
                           (f"Bearer {secrets['read']}", 403), (f"Bearer {secrets['ingest']}", 403),
                           (f"Bearer {secrets['assign']}", 200)]:  # fmt: skip
        said = client.post(URL, headers={"Authorization": header}, **send)
        assert said.status_code == status
        if status != 200:
            assert said.mimetype == "application/problem+json"
    assert "WWW-Authenticate" in client.post(URL, headers={"Authorization": ""}, **send).headers


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"unit": 7}', b'{"unit": ""}', b'{"unit": "  "}',
                                  b'{"unit": "secret-x", "extra-secret": 1}', b'{"unit": "\\ud800"}'])  # fmt: skip
def test_a_body_that_cannot_be_used_is_refused_without_repeating_it(client, body):
    said = client.post(URL, data=body, content_type="application/json")
    assert said.status_code == 422
    assert "secret" not in said.text


def test_a_pause_gives_everybody_the_control(client, app, sqlite_store):
    unit = next(f"v{i}" for i in range(99) if by_hand(f"v{i}") == "bin-day")
    assert client.post(URL, json={"unit": unit}).json["arm"] == "bin-day"
    with sqlite_store.write() as session:
        lifecycle.pause(session, "website-banner", actor="test")
    app.extensions["online"]._try()
    said = client.post(FLAG, json={"context": {"targetingKey": unit}}).json
    assert (said["variant"], said["reason"]) == ("current", "DISABLED")


def test_a_locked_database_changes_no_answer_and_what_waited_is_written(
    client, app, made, sqlite_store
):
    client.post(URL, json={"unit": "first"})
    recorder = app.extensions["online"].recorder
    recorder.flush()
    path = made.database_url.removeprefix("sqlite:///")
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    began = time.perf_counter()
    for i in range(20):
        said = client.post(URL, json={"unit": f"locked-{i}"})
        assert said.json["arm"] == (by_hand(f"locked-{i}") or "current")
    assert time.perf_counter() - began < BUSY_TIMEOUT_MS / 1000, "a request waited for the lock"
    lock.execute("ROLLBACK")
    lock.close()
    recorder.flush()
    assert counts(sqlite_store, UnitRow) == 21


def test_no_entry_holds_up_the_recorder_and_who_was_left_out_is_written_once(secrets, sqlite_store):
    assert json.loads(recorder.document(["a", "b"], {"a": "\ud800x"})) == {"a": "?x", "b": ""}
    tried = recorder.Recorder(sqlite_store)
    waiting, tried.flush = tried.flush, lambda: 1 / 0
    tried.start()
    tried.turn_away(1, b"d" * 16, "objected")
    time.sleep(3 * recorder.EVERY)
    tried.flush = waiting
    until = time.monotonic() + 60
    while tried._turned and time.monotonic() < until:
        time.sleep(0.05)
    assert counts(sqlite_store, TurnedAwayRow) == 1
    tried.turn_away(1, b"d" * 16, "objected")
    assert not tried._turned
    tried.close()


def test_refusals_that_find_no_room_are_counted_and_told_once_the_database_is_back(
    app, client, sqlite_store, monkeypatch, caplog
):
    monkeypatch.setattr(recorder, "LONGEST_QUEUE", 3)
    tried = app.extensions["online"].recorder
    for n in (0, 1, 2, 2, 3, 4):
        tried.turn_away(1, bytes([n]) * 16, "objected")
    assert [r.message for r in caplog.records] == [
        "refusals cannot be written; those from now on are only counted"
    ]
    tried.flush()
    assert "2 refusals met while it was away were not written" in caplog.records[-1].message
    assert counts(sqlite_store, TurnedAwayRow) == 3
    tried.turn_away(1, b"4" * 16, "objected")
    tried.flush()
    assert len(caplog.records) == 2
    assert counts(sqlite_store, TurnedAwayRow) == 4
    assert "signpost_refusals_not_written 2.0" in client.get("/metrics").text


def test_a_database_that_is_deleted_changes_no_answer_either(client, app, made):
    """The file goes while the service runs: arms go on following from the ids."""
    before = client.post(URL, json={"unit": "first"}).json["arm"]
    app.extensions["online"].recorder.flush()
    path = made.database_url.removeprefix("sqlite:///")
    app.extensions["store"].close()
    for suffix in ("", "-wal", "-shm"):
        Path(path + suffix).unlink(missing_ok=True)
    assert client.post(URL, json={"unit": "first"}).json["arm"] == before
    for i in range(20):
        said = client.post(URL, json={"unit": f"gone-{i}"})
        assert said.status_code == 200
        assert said.json["arm"] == (by_hand(f"gone-{i}") or "current")
    flag = client.post(FLAG, json={"context": {"targetingKey": "gone-1"}})
    assert flag.json["variant"] == (by_hand("gone-1") or "current")


def test_the_protocols_errors_have_its_shapes(client):
    for data, code in [(b"{", "PARSE_ERROR"), (b"{}", "TARGETING_KEY_MISSING"),
                       (b'{"context": []}', "INVALID_CONTEXT")]:  # fmt: skip
        said = client.post(FLAG, data=data)
        assert (said.status_code, said.json["errorCode"]) == (400, code)
        assert said.json["key"] == "website-banner"
    said = client.post("/ofrep/v1/evaluate/flags/nobody", json={"context": {"targetingKey": "a"}})
    assert (said.status_code, said.json["errorCode"]) == (404, "FLAG_NOT_FOUND")


def test_all_flags_at_once_are_not_sent_again_unchanged_and_record_nobody(
    client, app, sqlite_store
):
    ask = {"json": {"context": {"targetingKey": "visitor-1"}}}
    first = client.post("/ofrep/v1/evaluate/flags", **ask)
    assert [f["key"] for f in first.json["flags"]] == ["website-banner"]
    again = client.post(
        "/ofrep/v1/evaluate/flags", headers={"If-None-Match": first.headers["ETag"]}, **ask
    )
    assert (again.status_code, again.data) == (304, b"")
    app.extensions["online"].recorder.flush()
    assert counts(sqlite_store, UnitRow) == 0


def test_the_routes_are_in_the_generated_document(client):
    paths = client.get("/api/v1/openapi.json").json["paths"]
    assert set(paths["/api/v1/trials/{key}/assign"]) >= {"get", "post"}
    assert "requestBody" in paths["/ofrep/v1/evaluate/flags/{key}"]["post"]
