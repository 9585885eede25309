"""The posterior page: for analysts, at a look, and never before it."""

from __future__ import annotations

import pytest
from signed import hidden, submit

from analysis.draws import latest_run, pack
from trials import jobs, registry
from trials.store.tables import PosteriorRow, RunRow

SAYS = {"mean": -0.02, "sd": 0.006, "low": -0.032, "high": -0.008, "probability_better": 0.93}


@pytest.fixture(scope="module", autouse=True)
def posteriors(app):
    """A posterior for a trial that is over, and for one that has not come to its look."""
    for key in ("over", "early-look"):
        with app.extensions["store"].write() as session:
            row = registry.row_of(session, key)
            trial = registry.definition_of(row)
            curve = {"x": [-0.03, -0.02, -0.01], "density": [1.0, 60.0, 1.0]}
            measure = {
                "metric": trial.primary.key, "title": "Any contact", "role": "primary",
                "better": "lower", "arm": trial.arms[1].key, "versus": trial.control.key,
                "posterior": SAYS, "densities": {"posterior": curve, "prior": None},
            }  # fmt: skip
            run = session.get(RunRow, latest_run(session, row.id))
            if key == "early-look":
                ahead = {"reached": False, "kind": "fixed", "next": "2026-09-30"}
                run.result = {**run.result, "look": ahead}
            session.add(PosteriorRow(
                run_id=run.id, draws=pack({}),
                document={"trial": key, "level": 0.95, "measures": [measure]},
            ))  # fmt: skip


def test_it_opens_with_a_sentence_for_a_manager(client):
    page = client.get("/trials/over/posterior").text
    assert "It is 93% likely that" in page
    assert "between 8 and 32 fewer in every 1,000" in page
    assert "<svg" in page
    assert "style=" not in page


def test_before_a_look_neither_page_nor_file_gives_a_number(client):
    page = client.get("/trials/early-look/posterior").text
    assert "Results are withheld until the planned end on 30 September 2026" in page
    assert "93%" not in page
    for kind in ("csv", "nc", "ipynb"):
        assert client.get(f"/trials/early-look/posterior/draws.{kind}").status_code == 404


def test_without_one_it_says_what_to_do(client):
    page = client.get("/trials/fresh/posterior").text
    assert "There is no posterior yet" in page
    assert "signpost analyse fresh" in page


def test_it_is_for_those_who_see_statistics(client_as):
    assert client_as("officer").get("/trials/over/posterior").status_code == 403
    assert client_as("analyst").get("/trials/over/posterior").status_code == 200


def test_a_refused_seed_shows_nothing_to_those_who_do_not_see_statistics(client_as):
    officer = client_as("officer")
    fields = hidden(officer.get("/account")) | {"seed": "0"}
    told = officer.post("/trials/over/posterior", data=fields)
    assert told.status_code == 403
    assert "93%" not in told.text


def test_an_analyst_has_the_models_sampled_in_the_background_and_sees_how_far_it_is(app, client_as):
    analyst = client_as("analyst")
    asked = submit(analyst, "/trials/over/posterior", {"seed": "7"})
    assert (asked.status_code, asked.headers["Location"]) == (303, "/trials/over/posterior")
    with app.extensions["store"].write() as session:
        job = next(j for j in jobs.latest(session, subject="over") if j.kind == "analyse")
        assert job.payload == {"trial": "over", "school": "both", "seed": 7}
        assert job.state == "queued"
    page = analyst.get("/trials/over/posterior").text
    assert "The models are being sampled" in page
    assert f'data-progress="/jobs/{job.id}/panel"' in page
    assert "Sample again" not in page  # one run at a time
    assert "It is 93% likely that" in page
    with app.extensions["store"].write() as session:
        jobs.cancel(session, job.id)
    assert "Sample again" in analyst.get("/trials/over/posterior").text


def test_a_seed_that_is_none_is_refused_beside_its_field(client_as):
    told = submit(client_as("analyst"), "/trials/over/posterior", {"seed": "0"})
    assert told.status_code == 400
    assert "Enter a whole number from 1" in told.text
    endless = submit(client_as("analyst"), "/trials/over/posterior", {"seed": "9" * 5000})
    assert endless.status_code == 400


def test_a_result_that_a_check_forbids_to_trust_says_so_first(app, client):
    with app.extensions["store"].write() as session:
        run = session.get(RunRow, latest_run(session, registry.row_of(session, "over").id))
        before = run.result
        failed = {"key": "sample-ratio", "verdict": "fail", "says": "The arms are not 1 : 1."}
        run.result = {**before, "checks": [failed]}
    page = client.get("/trials/over/posterior").text
    with app.extensions["store"].write() as session:
        session.get(RunRow, run.id).result = before
    assert "Do not act on this yet. Numbers in each arm: The arms are not 1 : 1." in page
    assert page.index("Do not act on this yet") < page.index("Take it with you")
