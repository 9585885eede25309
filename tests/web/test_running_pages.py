"""Running a trial in pages: acts, health, files handed in, results, the calendar."""

from __future__ import annotations

import gzip
import io
import resource
from pathlib import Path
from typing import get_args

import pytest
from bs4 import BeautifulSoup
from council import fill, renamed, settings
from sample import letter_trial
from signed import hidden, submit

from analysis import health
from trials import jobs, lifecycle, registry
from trials.contacts import batch
from trials.definition import plan, toml
from trials.errors import Invalid, SignpostError
from trials.online import service
from trials.people.identifiers import Hasher
from trials.store import migrate
from trials.store.engine import Store
from trials.store.tables import TurnedAwayRow
from web import present_health
from web.app import create_app
from web.jobs import intake, uploads

LIST = b"unit,phone,band,instalments\nA1,07700900123,A,yes\nA2,07700900456,B,no\n"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The council of the other tests, but one that may be changed."""
    here = settings(tmp_path_factory.mktemp("running"))
    opened = Store.open(here.database_url)
    migrate.upgrade(opened)
    fill(opened)
    opened.close()
    return create_app(here)


@pytest.fixture
def store(app):
    return app.extensions["store"]


def made(store, key, *acts):
    with store.write() as session:
        registry.add(session, renamed(letter_trial(), key, title=key), actor="test")
        for act in acts:
            act(session, key, actor="test")


def state(store, key):
    with store.read() as session:
        return registry.load(session, key)


def text(response):
    return BeautifulSoup(response.data, "html.parser").get_text(" ", strip=True)


def test_a_trial_is_paused_once_however_often_the_form_is_sent(client_as, store):
    made(store, "pausing", lifecycle.launch)
    officer, path = client_as("officer"), "/trials/pausing/acts/pause"
    assert submit(officer, path, {"reason": " "}).status_code == 400
    fields = {**hidden(officer.get(path)), "reason": "Lines are down"}
    first, second = (officer.post(path, data=fields) for _ in range(2))
    assert first.location == second.location == "/trials/pausing"
    record = state(store, "pausing")
    assert record.state == "paused"
    assert [e.action for e in record.history].count("trial paused") == 1
    assert "cannot be done now" in text(officer.get(path))


def test_stopping_publishes_the_seed_and_a_reader_cannot_stop(client_as, store):
    made(store, "stopping", lifecycle.launch)
    assert client_as("viewer").get("/trials/stopping/acts/stop").status_code == 403
    submit(client_as("officer"), "/trials/stopping/acts/stop", {"reason": "The end has come"})
    record = state(store, "stopping")
    assert record.seal.seed is not None
    assert str(record.seal.seed) in text(client_as("officer").get("/trials/stopping"))


def test_an_amendment_is_shown_before_it_is_made(client_as, store):
    made(store, "amending", lifecycle.launch)
    officer, path = client_as("officer"), "/trials/amending/amend"
    page = BeautifulSoup(officer.get(path).data, "html.parser")
    written = page.select_one("textarea[name=plan]").get_text()
    sent = {"plan": written.replace("mde = 0.014", "mde = 0.02"), "reason": "The rate is higher"}
    shown = submit(officer, path, sent)
    assert "1.4 percentage points became 2 percentage points" in text(shown)
    assert state(store, "amending").amendments == ()
    done = officer.post(path, data=hidden(shown))
    assert done.status_code == 303
    (amendment,) = state(store, "amending").amendments
    assert amendment.reason == "The rate is higher"
    assert amendment.before_first_outcome


def test_an_amendment_is_offered_where_it_can_be_filed_and_else_it_is_said_why_not(
    client_as, store
):
    made(store, "finished", lifecycle.launch)
    analyst, path = client_as("analyst"), "/trials/finished/amend"
    assert f'href="{path}"' in analyst.get("/trials/finished").text
    form = hidden(analyst.get(path)) | {"reason": "Too late"}
    with store.write() as session:
        lifecycle.stop(session, "finished", actor="test", reason="The end has come")
    shown = analyst.get("/trials/finished").text
    assert f'href="{path}"' not in shown
    assert "its plan stays as it was run" in shown
    page = analyst.get(path)
    assert "<textarea" not in page.text
    assert "its plan stays as it was run" in text(page)
    late = letter_trial().primary.model_copy(update={"mde": 0.02})
    changed = state(store, "finished").definition
    others = tuple(m for m in changed.metrics if m.role != "primary")
    changed = changed.model_copy(update={"metrics": (late, *others)})
    sent = form | {"plan": toml.write(changed), "seen": plan.plan_hash(changed)}
    assert analyst.post(path, data=sent).status_code == 409
    assert state(store, "finished").amendments == ()


def test_only_an_administrator_may_bring_a_result_forward(client_as, store):
    made(store, "hurrying", lifecycle.launch)
    path = "/trials/hurrying/amend"
    for role, status, end in (("officer", 403, "2026-06-30"), ("administrator", 303, "2026-05-29")):
        person = client_as(role)
        page = BeautifulSoup(person.get(path).data, "html.parser")
        written = page.select_one("textarea[name=plan]").get_text()
        written = written.replace("ends = 2026-06-30", "ends = 2026-05-29")
        shown = submit(person, path, {"plan": written, "reason": "We cannot wait"})
        assert person.post(path, data=hidden(shown)).status_code == status
        assert state(store, "hurrying").definition.about.ends.isoformat() == end


def test_a_list_is_looked_at_masked_and_handed_to_a_worker_once(client_as, app, store):
    made(store, "handing-in", lifecycle.launch)
    officer, path = client_as("officer"), "/trials/handing-in/uploads/units"
    fields = {**hidden(officer.get(path)), "file": (io.BytesIO(LIST), "list.csv")}
    looked = officer.post(path, data=fields, content_type="multipart/form-data")
    page = officer.get(looked.location)
    assert b"07700900123" not in page.data
    assert "••••23" in text(page)
    sent = {**hidden(page), "do": "take", "format": "csv"}
    first, second = (officer.post(looked.location, data=sent) for _ in range(2))
    again = submit(officer, looked.location, {"do": "take"})  # back, and a fresh form
    assert first.location == second.location == again.location
    with store.read() as session:
        assert [j.kind for j in jobs.latest(session, subject="handing-in")] == ["import-units"]
    for what in ("take", "forget"):
        elsewhere = looked.location.replace("/units/", "/gossip/")
        assert officer.post(elsewhere, data={**hidden(officer.get(path)), "do": what}
                            ).status_code == 404  # fmt: skip
    home = app.extensions["settings"].home
    uploads.drop(home, looked.location.split("/")[-1])
    assert officer.get(looked.location).status_code == 404


def test_an_unknown_log_is_mapped_once_and_known_the_next_time(client_as, store):
    made(store, "mapping-in", lifecycle.launch)
    officer, path = client_as("officer"), "/trials/mapping-in/uploads/contacts"
    log = b"Fall,Wann,Telefon\n1,31/01/2026 10:00,07700900123\n"

    def look():
        fields = {**hidden(officer.get(path)), "file": (io.BytesIO(log), "log.csv")}
        return officer.post(path, data=fields, content_type="multipart/form-data").location

    where = look()
    columns = {"column-contact_id": "Fall", "column-occurred_at": "Wann", "column-phone": "Telefon"}
    saved = submit(officer, where, {"do": "map", "name": "front-desk", **columns})
    assert saved.location.endswith("?mapping=front-desk")
    page = officer.get(saved.location)
    assert b"07700900123" not in page.data
    assert "31/01/2026 10:00" in text(page)
    assert "front-desk" in text(officer.get(look()))


def test_a_sample_coded_twice_is_kept_and_only_analysts_read_its_kappa(
    client_as, app, store, monkeypatch
):
    """The table of 20, 5, 10 and 15 contacts whose kappa is 0.4 in the textbooks."""
    home = app.extensions["settings"].home
    monkeypatch.setenv("SIGNPOST_HOME", str(home))
    made(store, "coding-twice", lifecycle.launch)
    officer, path = client_as("officer"), "/trials/coding-twice/uploads/codings"
    chase = "progress-chasing"
    pairs = ([f"{chase},{chase}"] * 20 + [f"{chase},value"] * 5 + [f"value,{chase}"] * 10
             + ["value,value"] * 15)  # fmt: skip
    contacts = [{"contact_id": f"C{i}", "occurred_at": "2026-04-02T10:00:00Z", "channel": "phone",
                 "outcome": "handled", "phone": f"0207946{i:04}"} for i in range(50)]  # fmt: skip
    batch.add_batch(store, contacts, source="phone", hasher=Hasher(b"k" * 32), actor="t")

    def taken(rows):
        file = "contact_id,first,second\n" + "".join(f"{row}\n" for row in rows)
        fields = {**hidden(officer.get(path)), "file": (io.BytesIO(file.encode()), "twice.csv")}
        looked = officer.post(path, data=fields, content_type="multipart/form-data").location
        page = text(officer.get(looked))
        assert "The codes in the file are" in page
        assert "progress-chasing" in page
        return submit(officer, looked, {"do": "take", "source": ""}).location

    rows = [f"C{i},{pair}" for i, pair in enumerate(pairs)]
    where = taken(rows)

    def claimed():
        with store.write() as session:
            while (job := jobs.claim(session, "w")).kind != "import-codings":
                pass
        return job

    job = claimed()
    found = intake.codings(job, store, lambda *_: None)
    with store.write() as session:
        jobs.finish(session, job, found)
    assert "gave the same code to 35 of 50 contacts" in text(officer.get(where))
    assert "kappa" not in text(officer.get(where))
    assert "Cohen’s kappa 0.40" in text(client_as("analyst").get(where))
    taken([*rows, "C99,value,value", "C1,value,nonsense"])
    with pytest.raises(Invalid, match="'nonsense' is no code") as refused:
        intake.codings(claimed(), store, lambda *_: None)
    assert [problem.line for problem in refused.value.problems] == [53]


def test_a_large_upload_does_not_fill_the_memory(client_as, app, store, tmp_path: Path):
    made(store, "large", lifecycle.launch)
    officer, path = client_as("officer"), "/trials/large/uploads/units"
    fields = hidden(officer.get(path))
    large, row = tmp_path / "large.csv", b"A1,07700900123,A," + b"y" * 1000 + b"\n"
    with large.open("wb") as file:
        file.write(b"unit,phone,band,instalments\n")
        for _ in range(200):
            file.write(row * (1_000_000 // len(row) + 1))
    assert large.stat().st_size >= 200_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with large.open("rb") as file:
        data = {**fields, "file": (file, "large.csv")}
        looked = officer.post(path, data=data, content_type="multipart/form-data")
    assert looked.status_code == 303
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kilobytes
    uploads.drop(app.extensions["settings"].home, looked.location.split("/")[-1])


def test_health_is_counted_by_a_job_and_shows_no_effect(client_as, store):
    made(store, "healthy", lifecycle.launch)
    officer = client_as("officer")
    for _ in range(2):
        assert submit(officer, "/trials/healthy/health", {}).status_code == 303
    with store.read() as session:
        assert [j.kind for j in jobs.latest(session, subject="healthy")] == ["health"]
    with store.write() as session:
        while (job := jobs.claim(session, "w")).kind != "health":
            pass
        jobs.finish(session, job, {"health": health.take(store, "healthy")})
    panel = officer.get("/trials/healthy/health/panel")
    assert panel.headers["X-Over"] == "no"
    assert "Nobody takes part yet" in text(panel)
    assert "could not note" not in text(panel)


def test_health_says_that_refusals_were_not_noted(client_as, app, store, monkeypatch):
    made(store, "unnoted", lifecycle.launch)
    monkeypatch.setattr(app.extensions["online"].recorder, "lost", 7)
    for path in ("/trials/unnoted/health", "/trials/unnoted/health/panel"):
        assert "somebody was left out of a trial: 7 times" in text(client_as("officer").get(path))


def test_a_small_gzip_that_unpacks_to_far_more_is_not_kept(tmp_path):
    packed = io.BytesIO(gzip.compress(b"\n" * 3_000_000))
    with pytest.raises(SignpostError, match="unpacks to more than 2 MB"):
        uploads.keep(tmp_path, packed, "log.csv.gz", most=2 << 20)
    assert list((tmp_path / "uploads").iterdir()) == []
    packed.seek(0)
    assert uploads.keep(tmp_path, packed, "log.csv.gz", most=4 << 20)


def test_health_tells_who_asked_and_was_left_out_and_why(store):
    """Every reason that the service can give and store has words of its own."""
    made(store, "website", lifecycle.launch)
    reasons = set(get_args(service.Reason)) - {"split", "listed", "holdout", "disabled"}
    assert reasons == set(present_health._LEFT_OUT)
    with store.write() as session:
        number = registry.row_of(session, "website").id
        for digest, reason in ((b"a", "objected"), (b"b", "objected"), (b"c", "store-unreachable")):
            session.add(TurnedAwayRow(trial_id=number, digest=digest * 16, reason=reason, at=1))
    counted = health.take(store, "website")
    assert counted["left_out"] == {"objected": 2, "store-unreachable": 1}
    panel = present_health.health(state(store, "website"), counted, None, busy=False)
    assert panel.left_out.rows == (("They object to taking part in trials", "2"),
                                   ("The database could not be reached", "1"))  # fmt: skip
    assert panel.left_out.says.startswith("3 ")


def test_before_its_look_a_trial_shows_no_result_and_says_when(client_as):
    page = text(client_as("officer").get("/trials/fresh/results"))
    assert "There is no result yet" in page
    told = text(client_as("officer").get("/trials/council-tax-reminder/results"))
    assert "Judged in two ways" in told
    assert "p =" not in told


def test_a_calendar_file_is_taken_once_and_says_which_trial_it_meets(client_as, store):
    officer = client_as("officer")
    ics = (
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Annual bills\r\n"
        b"DTSTART;VALUE=DATE:20260410\r\nDTEND;VALUE=DATE:20260412\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    for new in (1, 0):
        fields = {**hidden(officer.get("/calendar")), "file": (io.BytesIO(ics), "bills.ics")}
        officer.post("/calendar", data=fields, content_type="multipart/form-data")
        assert f"1 event read, {new} new" in text(officer.get("/calendar"))
    page = text(officer.get("/calendar?month=2026-04"))
    assert "10 April 2026 to 11 April 2026" in page
    assert "Touches a trial" in page
    refused = submit(officer, "/calendar/add", {"title": "Overtime", "starts": "soon"})
    assert refused.status_code == 400
    kept = submit(
        officer,
        "/calendar/add",
        {
            "title": "Overtime",
            "starts": "15/04/2026",
            "kind": "staffing",
            "nature": "intervention",
            "moved": "capacity",
        },
    )
    assert kept.location == "/calendar?month=2026-04"


def test_the_board_shows_what_is_asked_for(client):
    page = text(client.get("/?state=paused"))
    assert "On hold" in page
    assert "Fresh and live" not in page
    assert "No trial is like that" in text(client.get("/?state=paused&channel=nowhere"))
