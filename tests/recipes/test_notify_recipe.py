"""The page's lines for GOV.UK Notify, run with its own client against a server of its API."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
import sqlalchemy as sa

from trials import enrolment, lifecycle, registry
from trials.definition import toml
from trials.importing import deliveries
from trials.store.tables import ArmRow, AssignmentRow, ExposureRow
from web import connecting

SERVICE, SECRET = str(uuid.uuid4()), str(uuid.uuid4())
TRIAL = """
[trial]
key = "ack"
title = "An acknowledgement"
channel = "email"
[design]
seed = 5
[[arms]]
key = "current"
control = true
wording = "Dear {{ name }}, thank you."
[[arms]]
key = "dated"
wording = "Dear {{ name }}, you hear from us by Friday."
[[metrics]]
key = "contact-7d"
role = "primary"
kind = "proportion"
window = "7d"
"""


@pytest.fixture
def api():
    """Notify as its API is described: a signed token, a message at a time, pages of statuses."""
    kept: list[dict] = []

    class Door(BaseHTTPRequestHandler):
        def _answer(self, status, body):
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _known(self):
            token = self.headers["Authorization"].removeprefix("Bearer ")
            return jwt.decode(token, SECRET, ["HS256"], options={"require": ["iat", "iss"]})["iss"]

        def do_POST(self):
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self._known() != SERVICE or self.path != "/v2/notifications/email":
                return self._answer(403, {"errors": []})
            one = {"id": str(uuid.uuid4()), "reference": sent["reference"], "type": "email",
                   "email_address": sent["email_address"], "body": sent["personalisation"],
                   "template": {"id": sent["template_id"]}, "created_at": "2026-04-01T09:00:00Z",
                   "status": "created"}  # fmt: skip
            kept.append(one)
            return self._answer(201, {"id": one["id"], "reference": one["reference"]})

        def do_GET(self):
            assert self._known() == SERVICE
            found = [] if "older_than" in self.path else kept
            link = f"http://x/v2/notifications?older_than={kept[-1]['id']}" if kept else ""
            self._answer(200, {"notifications": found, "links": {"next": link}})

        def log_message(self, *_):
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kept, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_list_is_sent_by_arm_and_what_arrived_is_when_each_met_it(
    sqlite_store, hasher, tmp_path, api, monkeypatch
):
    kept, address = api
    trial = toml.read(TRIAL)
    with sqlite_store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, "ack", actor="test")
    path = tmp_path / "list.csv"
    path.write_text("unit,email,name\n" + "".join(
        f"U{i},u{i}@a.example,Resident {i}\n" for i in range(40)))  # fmt: skip
    request = enrolment.Request(key="ack", path=path, out=tmp_path / "ack-files", fmt="notify")
    enrolment.enrol(sqlite_store, request, hasher=hasher, actor="test")
    monkeypatch.setenv("NOTIFY_KEY", f"council-{SERVICE}-{SECRET}")
    monkeypatch.setenv("NOTIFY_URL", address)
    monkeypatch.chdir(tmp_path)
    code = next(r.code for r in connecting.recipes(trial, "", ()) if r.kind == "python")
    names: dict = {}
    exec(compile(code, "send.py", "exec"), names)
    names["TEMPLATES"].update(current="template-1", dated="template-2")
    names["send"]()
    names["send"]()
    assert len(kept) == 40
    assert Counter((one["reference"].split(":")[1], one["template"]["id"]) for one in kept) == {
        ("current", "template-1"): 20, ("dated", "template-2"): 20,
    }  # fmt: skip
    assert all("Resident" in one["body"]["name"] for one in kept)
    assert not any(one["email_address"] in one["reference"] for one in kept)
    for i, one in enumerate(kept):
        one["status"] = "permanent-failure" if i % 10 == 0 else "delivered"
        one["completed_at"] = "2026-04-01T10:00:00Z"
    names["statuses"]()
    report = deliveries.add(
        sqlite_store, "ack", tmp_path / "statuses.json", hasher=hasher, actor="test"
    )
    assert (report.added, report.detail["not_delivered"]) == (36, {"failed": 4})
    again = deliveries.add(
        sqlite_store, "ack", tmp_path / "statuses.json", hasher=hasher, actor="test"
    )
    assert (again.added, again.unchanged) == (0, 36)
    with sqlite_store.read() as session:
        rows = session.execute(
            sa.select(AssignmentRow.arm_id, ExposureRow.arm_id, ExposureRow.exposed_at).join(
                ExposureRow, ExposureRow.unit_id == AssignmentRow.unit_id
            )
        ).all()
        assert session.scalar(sa.select(sa.func.count()).select_from(ArmRow)) == 2
    assert len(rows) == 36
    assert all(given == met and at == 1775037600 for given, met, at in rows)
