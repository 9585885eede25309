"""Pages and API tell the same story as the store, in every state of a trial."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa
from bs4 import BeautifulSoup
from council import ATTACK, settings
from sample import letter_result
from signed import client_of

from analysis.report.html import policy
from trials import clock, leases, registry, resources
from trials.store import migrate
from trials.store.engine import Store
from trials.store.tables import LeaseRow
from web import present
from web.app import create_app


def soup(response):
    assert response.status_code == 200
    return BeautifulSoup(response.data, "html.parser")


def test_the_list_shows_every_trial_running_ones_first(client):
    page = soup(client.get("/"))
    states = [tag.get_text() for tag in page.select(".sp-line .govuk-tag")]
    assert states == ["Live"] * 3 + ["Paused", "Ready to launch", "Draft", "Stopped", "Decided"]
    assert "about 20 fewer had any agent-handled contact" in page.select(".sp-lines")[0].get_text()
    assert page.title.get_text() == "Trials – Signpost – Wychbridge Council"


def test_an_empty_list_says_what_to_do_next(empty_app):
    page = soup(client_of(empty_app, "administrator").get("/"))
    assert page.find("h2").get_text() == "There are no trials yet"
    assert "signpost trial add FILE.toml" in page.get_text()
    assert "signpost demo" in page.get_text()


@pytest.mark.parametrize(
    ("key", "state", "command"),
    [
        ("matching-gifts", "Draft", "signpost trial add FILE.toml"),
        ("ready-to-go", "Ready to launch", "signpost trial launch ready-to-go"),
        ("fresh", "Live", "signpost units add fresh FILE.csv"),
        ("early-look", "Live", "signpost analyse early-look"),
        ("on-hold", "Paused", "signpost trial resume on-hold"),
        ("council-tax-reminder", "Stopped", "signpost trial decide council-tax-reminder"),
    ],
)
def test_a_trial_says_its_state_and_what_to_do_next(client, key, state, command):
    page = soup(client.get(f"/trials/{key}"))
    assert page.select_one(".sp-heading .govuk-tag").get_text() == state
    assert command in page.select_one(".sp-next").get_text()


def test_officers_are_led_to_pages_and_shown_no_command(client_as, empty_app):
    for key, leads_to in (
        ("council-tax-reminder", "/trials/council-tax-reminder/case"),
        ("fresh", "/trials/fresh/connect"),
    ):
        asked = soup(client_as("officer").get(f"/trials/{key}")).select_one(".sp-next")
        assert leads_to in [a["href"] for a in asked.select("a")]
        assert asked.select("pre") == []
    begin = soup(client_of(empty_app, "officer").get("/")).select_one(".sp-empty")
    assert begin.select("a")
    assert not begin.select("pre")


def test_a_decided_trial_asks_for_nothing_more(client):
    page = soup(client.get("/trials/over"))
    assert "Nothing is left to do" in page.select_one(".sp-next").get_text()


def test_a_trial_page_shows_plan_arms_measures_hashes_and_history(client, app):
    text = soup(client.get("/trials/council-tax-reminder")).get_text(" ")
    record = app.extensions["catalogue"].record("council-tax-reminder")
    for said in (record.plan_hash, record.seal.commitment, record.seal.nonce, "20260401",
                 "Pay £{{ amount }} by {{ due }}", "Paid within 14 days",
                 "At most 5 fewer in every 1,000 accounts is accepted.",
                 "The plan looks for 14 fewer in every 1,000 accounts.",
                 "Trial launched", "Trial stopped", "officer@wychbridge.example",
                 "1 April 2026 to 30 June 2026"):  # fmt: skip
        assert said in text


def test_a_seed_is_not_shown_before_the_trial_stops(client):
    text = soup(client.get("/trials/fresh")).get_text(" ")
    assert "Kept secret until the trial stops" in text
    assert "20260401" not in text


def test_the_report_page_and_the_file_say_the_same(client):
    page = soup(client.get("/trials/council-tax-reminder/report"))
    download = client.get("/trials/council-tax-reminder/report.html")
    alone = soup(download)
    assert page.h1.get_text() == alone.h1.get_text()
    assert page.select_one(".sp-report").get_text("").count("1,000") >= 5
    assert [t.get_text() for t in page.select(".sp-report td")] == [
        t.get_text() for t in alone.select(".sp-report td")
    ]
    assert 'filename="council-tax-reminder-report.html"' in download.headers["Content-Disposition"]
    css = resources.asset_text("report.css")
    assert download.headers["Content-Security-Policy"].startswith(policy(css))


def test_a_report_that_is_not_there_yet_says_what_to_do(client):
    page = soup(client.get("/trials/fresh/report"))
    assert page.h1.get_text() == "There is no result yet"
    assert "signpost analyse fresh" in page.get_text()


def test_an_unknown_trial_names_the_nearest_one(client):
    response = client.get("/trials/council-tax-remainder")
    assert response.status_code == 404
    assert "council-tax-reminder" in response.text


def test_markup_in_a_trial_is_shown_as_text_on_every_page(client):
    for path in ("/", "/trials/hostile", "/trials/hostile/report", "/trials/hostile/report.html"):
        response = client.get(path)
        assert ATTACK not in response.text
        assert "&lt;img src=x onerror=" in response.text


def test_pages_are_small_without_their_charts(client):
    for path in ("/", "/trials/council-tax-reminder", "/trials/fresh/report"):
        assert len(client.get(path).data) < 50_000
    report = soup(client.get("/trials/council-tax-reminder/report"))
    for svg in report.find_all("svg"):
        svg.decompose()
    assert len(str(report)) < 200_000


def test_the_api_lists_trials_as_the_registry_has_them(client):
    trials = client.get("/api/v1/trials").json["trials"]
    mine = next(t for t in trials if t["key"] == "council-tax-reminder")
    assert mine["starts"] == "2026-04-01"
    assert mine["locked"] is True
    assert mine["state"] == "stopped"
    assert len(trials) == 8


def test_the_api_gives_a_trial_that_reads_back_to_the_same_plan(client, app):
    body = client.get("/api/v1/trials/council-tax-reminder").json
    record = app.extensions["catalogue"].record("council-tax-reminder")
    assert body["plan_hash"] == record.plan_hash
    assert body["definition"] == json.loads(json.dumps(registry.stored(record.definition)))
    assert [h["action"] for h in body["history"]] == [e.action for e in record.history]


def test_the_api_gives_the_result_document_unchanged(client):
    body = client.get("/api/v1/trials/council-tax-reminder/result").json
    expected = letter_result()
    expected["verdict"]["says"] = body["verdict"]["says"]
    assert body == json.loads(json.dumps(expected))


@pytest.mark.parametrize(
    ("path", "code"),
    [("/api/v1/trials/nobody", "not-found"), ("/api/v1/trials/fresh/result", "not-found"),
     ("/api/v1/nothing", "not-found")],
)  # fmt: skip
def test_api_errors_are_problem_documents(client, path, code):
    response = client.get(path)
    assert response.mimetype == "application/problem+json"
    assert response.json["type"] == f"urn:signpost:problem:{code}"
    assert response.json["status"] == response.status_code == 404
    assert response.json["detail"].endswith((".", "?"))


def test_the_api_describes_itself_and_its_problems(client):
    spec = client.get("/api/v1/openapi.json").json
    assert set(spec["paths"]) >= {
        "/api/v1/trials", "/api/v1/trials/{key}", "/api/v1/trials/{key}/result",
        "/api/v1/trials/{key}/assign", "/ofrep/v1/evaluate/flags",
        "/ofrep/v1/evaluate/flags/{key}",
    }  # fmt: skip
    missing = spec["paths"]["/api/v1/trials/{key}"]["get"]["responses"]["404"]
    assert "application/problem+json" in missing["content"]


def test_readiness_follows_the_database_and_the_clock(tmp_path):
    (tmp_path / "made").mkdir()
    made = settings(tmp_path / "made")
    store = Store.open(made.database_url)
    migrate.upgrade(store)
    client = create_app(made).test_client()
    never = client.get("/readyz")
    assert never.status_code == 503
    assert "start 'signpost scheduler'" in never.json["troubles"][0]
    with store.write() as session:
        leases.take(session, "clock", "one", length=timedelta(seconds=30))
    seen = client.get("/readyz")
    assert (seen.status_code, seen.json["ready"], seen.json["troubles"]) == (200, True, [])
    with store.write() as session:
        session.execute(sa.update(LeaseRow).values(seen=clock.now() - timedelta(minutes=3)))
    late = client.get("/readyz")
    assert late.status_code == 503
    assert "last seen 180 seconds ago" in late.json["troubles"][0]
    store.close()
    bare = create_app(settings(tmp_path)).test_client().get("/readyz")
    assert bare.status_code == 503
    assert "the schema is at nothing" in bare.json["troubles"][0]


def test_a_database_that_was_never_set_up_says_which_command_sets_it_up(tmp_path):
    response = create_app(settings(tmp_path)).test_client().get("/sign-in")
    assert response.status_code == 503
    assert "signpost db upgrade" in response.text


def test_being_alive_touches_no_database(tmp_path):
    class Nothing:
        def __getattr__(self, name):
            raise AssertionError(f"{name} was asked for")

    client = create_app(settings(tmp_path), catalogue=Nothing()).test_client()
    assert client.get("/healthz").text == "ok\n"


def test_requests_are_counted_by_route_never_by_address(folder):
    client = client_of(create_app(settings(folder)), "viewer")
    client.get("/trials/fresh?secret=07700900123")
    told = client.get("/metrics").text
    assert 'route="/trials/<key>",status="200"} 1.0' in told
    assert "fresh" not in told
    assert "07700900123" not in told


def test_every_state_a_trial_can_have_has_a_name_on_the_page(folder):
    store = Store.open(settings(folder).database_url)
    with store.read() as session:
        states = {s.state for s in registry.summaries(session)}
    store.close()
    assert states == set(present.STATES)
