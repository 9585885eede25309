"""Exposures and outcomes in batches: durable when acknowledged, counted once, refused by row."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import sqlite3
import threading
import time
import urllib.request

import pytest
import sqlalchemy as sa

from trials import lifecycle, registry
from trials.definition import toml
from trials.online import intake as intake_module
from trials.online.batches import Sent
from trials.online.groups import Group
from trials.online.intake import Intake
from trials.online.service import Ask, Online
from trials.store.tables import (
    AssignmentRow,
    ContactRow,
    CorrectionRow,
    ExposureRow,
    OutcomeRow,
    UnitRow,
)

EXPOSURES = "/api/v1/trials/website-banner/exposures"
AT = "2026-04-02T10:00:00Z"

OUTCOME_TRIAL = """
[trial]
key = "form"
title = "A form"
channel = "form"
[design]
seed = 5
[[arms]]
key = "current"
control = true
[[arms]]
key = "short"
[[metrics]]
key = "done"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
[[metrics]]
key = "minutes"
kind = "mean"
source = "outcomes"
"""


@pytest.fixture
def sender(client, secrets):
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secrets['ingest']}"
    return client


@pytest.fixture
def taking(store, hasher):
    """An intake on either database, with one trial whose outcomes are measured elsewhere."""
    with store.write() as session:
        registry.add(session, toml.read(OUTCOME_TRIAL), actor="test")
        lifecycle.launch(session, "form", actor="test")
    online = Online(store, hasher)
    yield Intake(store, hasher, online)
    online.close()


def count(store, table):
    with store.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table))


def exposure(i, unit=None, **more):
    return {"id": f"e{i}", "unit": unit or f"visitor-{i}", "exposed_at": AT, **more}


def outcome(i, unit, metric, value, at=None):
    return Sent(id=i, ask=Ask(unit), at=at, metric=metric, value=value)


def exposed(i, unit, at=AT, arm=None):
    return Sent(id=i, ask=Ask(unit), at=at, arm=arm)


def test_a_batch_sent_twice_counts_once_and_enrols_whom_nobody_asked_about(sender, sqlite_store):
    rows = [exposure(i) for i in range(20)]
    first = sender.post(EXPOSURES, json={"rows": rows})
    assert (first.status_code, first.json["added"], first.json["repeated"]) == (200, 20, False)
    again = sender.post(EXPOSURES, json={"rows": rows})
    assert (again.json["added"], again.json["unchanged"], again.json["repeated"]) == (0, 20, True)
    assert count(sqlite_store, ExposureRow) == count(sqlite_store, AssignmentRow) == 20


def test_a_batch_with_a_bad_row_is_refused_whole_and_each_row_is_told_without_its_content(
    sender, sqlite_store
):
    bad = [
        exposure(1, "secret-unit", arm="bin-dya"),
        {"id": "e2", "unit": "secret-b", "exposed_at": "02/04/2026"},
        exposure(3, "secret-c"),
        exposure(3, "secret-d"),
    ]
    said = sender.post(EXPOSURES, json={"rows": [exposure(9), *bad]})
    assert (said.status_code, said.mimetype) == (422, "application/problem+json")
    assert [p.split(":")[0] for p in said.json["problems"]] == ["row 2", "row 3"]
    assert "did you mean 'bin-day'" in said.text
    assert "secret" not in said.text
    assert count(sqlite_store, ExposureRow) == 0
    said = sender.post(EXPOSURES, json={"rows": [exposure(9), *bad], "keep_good_rows": True})
    assert (said.json["added"], said.json["refused"]) == (2, 3)
    assert [p["row"] for p in said.json["problems"]] == [2, 3, 5]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"rows": []}', b'{"rows": [{"id": "a"}]}',
                                  b'{"rows": [{"id": "a", "unit": "secret", "exposed_at": 3}]}',
                                  b'{"rows": [{"id": "a", "unit": "b", "exposed_at": "0001-01-01"}]}',
                                  b'{"rows": [{"id": " ", "unit": "secret", "exposed_at": "2026-01-01"}]}'])  # fmt: skip
def test_bodies_that_cannot_be_used_are_problem_documents(sender, body):
    said = sender.post(EXPOSURES, data=body)
    assert (said.status_code, said.mimetype) == (422, "application/problem+json")
    assert "secret" not in said.text


def test_only_keys_that_may_send_are_let_in(client, secrets):
    for scope in ("assign", "read"):
        for path in (EXPOSURES, "/api/v1/contacts", "/api/v1/trials/website-banner/outcomes"):
            said = client.post(path, headers={"Authorization": f"Bearer {secrets[scope]}"}, json={})
            assert said.status_code == 403


def test_contacts_are_taken_once_and_a_changed_one_is_a_correction(sender, sqlite_store):
    row = {"contact_id": "c1", "occurred_at": AT, "channel": "phone", "outcome": "handled",
           "phone": "07700900123", "handle_seconds": 300}  # fmt: skip
    send = {"source": "switchboard", "rows": [row, {**row, "contact_id": "c2"}]}
    assert sender.post("/api/v1/contacts", json=send).json["added"] == 2
    assert sender.post("/api/v1/contacts", json=send).json["unchanged"] == 2
    send["rows"][0] = {**row, "handle_seconds": 240}
    assert sender.post("/api/v1/contacts", json=send).json["corrected"] == 1
    assert count(sqlite_store, ContactRow) == 2
    send["rows"][0] = {"contact_id": "c3", "occurred_at": AT}
    said = sender.post("/api/v1/contacts", json=send)
    assert (said.status_code, "unit nor an identifier" in said.text) == (422, True)


def test_an_old_outcome_resent_does_not_undo_its_correction(taking, store):
    taking.take("form", "exposures", [exposed("a", "u1"), exposed("b", "u2")])
    first = [outcome("1", "u1", "minutes", "12.5", AT), outcome("2", "u2", "done", "yes", AT)]
    assert taking.take("form", "outcomes", first).added == 2
    newer = taking.take("form", "outcomes", [outcome("3", "u1", "minutes", "9", AT)])
    assert newer.corrected == 1
    assert taking.take("form", "outcomes", first).unchanged == 2
    with store.read() as session:
        kept = session.scalars(sa.select(OutcomeRow.value).order_by(OutcomeRow.metric_id)).all()
        assert kept == [1.0, 9.0]
        change = session.scalars(sa.select(CorrectionRow)).one()
        assert (change.before, change.after) == (12.5, 9.0)


def test_outcomes_of_strangers_are_refused_and_blanks_are_missing(taking, store):
    taking.take("form", "exposures", [exposed("a", "u1")])
    rows = [outcome("1", "u1", "minutes", None), outcome("2", "nobody", "minutes", "3"),
            outcome("3", "u1", "done", "maybe"), outcome("4", "u1", "speed", "1")]  # fmt: skip
    report = taking.take("form", "outcomes", rows, keep_good_rows=True)
    assert (report.added, report.refused) == (0, 3)
    assert [p.line for p in report.problems] == [2, 3, 4]
    assert "kept as missing" in report.notes[0]
    assert count(store, OutcomeRow) == 0


def test_rivals_sending_the_same_rows_at_once_take_each_row_once(taking, store, hasher):
    other = Intake(store, hasher, Online(store, hasher))
    rows = [exposed(str(i), f"u{i % 60}", f"2026-04-02T10:{i % 60:02}:00Z") for i in range(120)]
    reports, failures = [], []

    def send(door, some):
        try:
            reports.append(door.take("form", "exposures", some))
        except Exception as failure:  # noqa: BLE001 - shown by the assertion
            failures.append(failure)

    threads = [
        threading.Thread(target=send, args=(door, rows[i : i + 80]))
        for i in range(0, 60, 10) for door in (taking, other)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sum(r.added for r in reports) == count(store, ExposureRow) == 60
    assert count(store, UnitRow) == 60


def test_many_callers_share_a_commit_and_each_gets_its_own_answer():
    sizes, all_here = [], threading.Event()

    def work(jobs):
        sizes.append(len(jobs))
        all_here.wait()
        time.sleep(0.02)
        return [job * 2 for job in jobs]

    group, answers = Group(work), {}
    threads = [
        threading.Thread(target=lambda i=i: answers.update({i: group.do(i)})) for i in range(50)
    ]
    for thread in threads:
        thread.start()
    all_here.set()
    for thread in threads:
        thread.join()
    assert answers == {i: i * 2 for i in range(50)}
    assert sum(sizes) == 50
    assert len(sizes) < 10


def test_a_locked_database_acknowledges_nothing_and_says_when_to_come_back(
    sender, made, sqlite_store, monkeypatch
):
    sender.post(EXPOSURES, json={"rows": [exposure(0)]})
    monkeypatch.setattr(intake_module, "PATIENCE", 0.3)
    lock = sqlite3.connect(made.database_url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    said = sender.post(EXPOSURES, json={"rows": [exposure(1)]})
    assert (said.status_code, said.headers["Retry-After"]) == (503, "1")
    assert "Send the same batch again" in said.text
    lock.execute("ROLLBACK")
    lock.close()
    assert sender.post(EXPOSURES, json={"rows": [exposure(1)]}).json["added"] == 1
    assert count(sqlite_store, ExposureRow) == 2


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_acknowledged_outlives_kill_9(server, secrets, sqlite_store, seed):
    """Four senders, the server killed at a moment it cannot foresee; every row answered is there."""
    running, address = server
    acknowledged, stop = [], threading.Event()

    def send(sender_number):
        for i in range(10_000):
            rows = [exposure(f"{sender_number}-{i}-{j}") for j in range(3)]
            ask = urllib.request.Request(
                f"{address}{EXPOSURES}", json.dumps({"rows": rows}).encode(),
                {"Authorization": f"Bearer {secrets['ingest']}", "Content-Type": "application/json"},
            )  # fmt: skip
            try:
                with urllib.request.urlopen(ask, timeout=60) as said:
                    if json.load(said)["added"] == 3:
                        acknowledged.append(len(rows))
            except (OSError, http.client.HTTPException, ValueError):
                return
            if stop.is_set():
                return

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60
    while len(acknowledged) < 10 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0.1, 0.5))
    os.killpg(running.pid, signal.SIGKILL)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(acknowledged) >= 10
    assert count(sqlite_store, ExposureRow) >= sum(acknowledged)
    with sqlite_store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
