"""The page of learning: what may be shown, told plainly; nothing of what may not."""

from __future__ import annotations

import io
import json

from council import keep_result
from sample import letter_result
from signed import client_of, hidden, submit

from analysis import packs
from trials import audit, registry
from trials.store.tables import ForecastRow

UNTIL = {"kind": "fixed", "reached": False, "next": "2027-09-01"}


def test_a_shown_result_is_learned_from_and_a_withheld_one_is_not(app, client):
    keep_result(app.extensions["store"], "early-look", {**letter_result(), "look": UNTIL})
    page = client.get("/learning").text
    assert "Make it easy" in page
    assert "Over and decided, beside the others" in page
    assert "An early look, alone" not in page
    assert "Results are withheld until" in page
    assert "<table" in page


def test_an_empty_register_says_what_to_do(empty_app):
    page = client_of(empty_app, "viewer").get("/learning").text
    assert "Nothing to learn from yet" in page


def test_a_forecast_is_taken_before_launch_and_not_after(client):
    said = submit(client, "/trials/ready-to-go/forecasts", {"chance": "seventy"})
    assert said.status_code == 422
    assert "Enter a number from 0 to 100" in said.text
    assert submit(client, "/trials/ready-to-go/forecasts", {"chance": "70%"}).status_code == 303
    page = client.get("/trials/ready-to-go/forecasts").text
    assert "70% likely better" in page
    assert "70% likely better" in client.get("/learning").text
    assert "no more forecasts" in client.get("/trials/fresh/forecasts").text


def spoilt_ratio(pack):
    """The measures of a pack with an estimate that has no logarithm."""
    ratio = {"estimate": 0, "low": 0.5, "high": 0.9}
    return [{**m, "contrasts": [{**c, "ratio": ratio} for c in m["contrasts"]]}
            for m in pack["result"]["metrics"]]  # fmt: skip


def test_packs_go_out_and_come_in_on_the_page_by_those_who_may_and_are_noted(app, client_as):
    analyst = client_as("analyst")
    page = analyst.get("/learning/packs")
    fields = hidden(page, "/learning/packs/export") | {"trial": "over"}
    out = analyst.post("/learning/packs/export", data=fields)
    assert out.status_code == 200
    assert out.headers["Content-Disposition"] == 'attachment; filename="over-pack.json"'
    pack = json.loads(out.text)
    assert "owner" not in pack["definition"]["trial"]
    theirs = {**pack, "council": "Elsewhere Council"}
    theirs["hash"] = packs.digest(theirs)

    def send(content):
        fields = hidden(analyst.get("/learning/packs"), "/learning/packs")
        sent = {**fields, "file": (io.BytesIO(content), "pack.json")}
        return analyst.post("/learning/packs", data=sent, content_type="multipart/form-data")

    text = json.dumps(theirs).encode()
    assert send(text.replace(b"Elsewhere", b"Nowhere")).status_code == 422
    assert "it is not text" in send(b"\xff\xfe\x00").text
    assert send(b"[" * 200_000).status_code == 422
    for spoilt in ({"look": {"reached": False, "next": "soon"}}, {"metrics": spoilt_ratio(pack)}):
        bad = {**theirs, "result": {**theirs["result"], **spoilt}}
        bad["hash"] = packs.digest(bad)
        assert send(json.dumps(bad).encode()).status_code == 422, spoilt
        assert analyst.get("/learning").status_code == 200
    assert "Elsewhere Council" not in analyst.get("/learning/packs").text
    assert send(text).status_code == 303
    page = analyst.get("/learning/packs").text
    assert "Elsewhere Council" in page
    assert "analyst@wychbridge.example" in page
    with app.extensions["store"].read() as session:
        noted = {e.action for e in audit.history(session, "over")}
    assert {"pack exported", "pack imported"} <= noted
    assert "Take in a pack" not in client_as("viewer").get("/learning/packs").text
    for path in ("/learning/packs", "/learning/packs/export"):
        assert client_as("officer").post(path).status_code == 403


def test_what_was_said_is_set_beside_what_came_in_bins(app, client):
    with app.extensions["store"].write() as session:
        row = registry.row_of(session, "over")
        arm = registry.definition_of(row).arms[1].key
        session.add_all(
            ForecastRow(trial_id=row.id, arm=arm, who=who, probability_better=chance, sd=0.0,
                        at=row.created_at, actor="test")
            for who, chance in (("Asha", 0.9), ("Ben", 0.85), ("Cy", 0.3))
        )  # fmt: skip
    page = client.get("/learning").text
    assert "Did what we expected come?" in page
    assert "Said 80% to 100%: 2 forecasts" in page
    assert "With 3 forecasts this says little yet" in page
