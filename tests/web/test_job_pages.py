"""The pages about background work: what was asked for, how far it is, what came of it."""

from __future__ import annotations

import pytest
from seen import Seen
from signed import client_of, submit

from trials import jobs


@pytest.fixture
def store(app):
    return app.extensions["store"]


def ask(store, key):
    with store.write() as session:
        return jobs.enqueue(
            session, "import-outcomes", payload={"trial": "fresh"}, subject="fresh", key=key,
            actor="officer@wychbridge.example",
        )  # fmt: skip


def text(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_a_waiting_job_reloads_without_scripts_and_can_be_stopped(client, store):
    number = ask(store, "pages-1")
    page = text(client, f"/jobs/{number}")
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "It is waiting for a worker." in page
    assert "Outcomes from a file" in text(client, "/jobs")
    assert submit(client, f"/jobs/{number}", {}, action=f"/jobs/{number}/cancel").status_code == 303
    page = text(client, f"/jobs/{number}")
    assert "It was stopped before it had finished." in page
    assert "refresh" not in page
    assert "Stop this" not in page


def test_progress_and_every_refused_row_are_told(client, store):
    number = ask(store, "pages-2")
    with store.write() as session:
        job = jobs.claim(session, "w")
        jobs.renew(session, job, stage="40,000 rows read", percent=40)
    answer = client.get(f"/jobs/{number}/panel")
    assert "40,000 rows read, 40%." in answer.get_data(as_text=True)
    assert answer.headers["X-Over"] == "no"
    with store.write() as session:
        problems = [{"line": 3, "place": "line 3", "says": "the arm is not known",
                     "remedy": "correct it"}]  # fmt: skip
        jobs.fail(session, job, "two rows are wrong", again=False,
                  detail={"problems": problems, "problems_in_all": 2})  # fmt: skip
    answer = client.get(f"/jobs/{number}/panel")
    assert answer.headers["X-Over"] == "yes"
    page = answer.get_data(as_text=True)
    assert "line 3: the arm is not known; correct it" in page
    assert "and 1 more" in page
    assert "Two rows are wrong." in page


def test_background_work_is_closed_to_suppliers_and_says_when_how_long_and_why_it_failed(
    app, client, store
):
    number = ask(store, "pages-4")
    with store.write() as session:
        jobs.fail(session, jobs.claim(session, "w"), "the file cannot be read", again=False)
    supplier = client_of(app, "supplier")
    for path in (
        "/jobs",
        f"/jobs/{number}",
        f"/jobs/{number}/panel",
        f"/jobs/{number}/problems.csv",
    ):
        assert supplier.get(path).status_code == 403
        assert client_of(app, "viewer").get(path).status_code == 200
    assert "What ran" not in text(supplier, "/schedule")
    assert "What ran" in text(client, "/schedule")
    page = text(client, f"/jobs/{number}")
    for part in ("Asked for", "Begun", "Ended", "Time taken", "The file cannot be read."):
        assert part in page


@pytest.mark.browser
def test_the_panel_follows_a_job_without_a_reload(site, browser, store):
    number = ask(store, "pages-3")
    with Seen(browser, 1280) as seen:
        page = seen.open(f"{site}/jobs/{number}")
        follow(page, store)


def follow(page, store):
    page.wait_for_selector("text=It is waiting for a worker.")
    with store.write() as session:
        jobs.finish(session, jobs.claim(session, "w"), {"rows": 7, "added": 7})
    page.wait_for_selector("text=Rows read")
    assert page.locator("#job-says").inner_text().startswith("It finished in")
    assert page.get_by_text("Stop this").count() == 0
