"""The worker: real child processes that do well, refuse, raise, die, hang and eat memory."""

from __future__ import annotations

import logging
import os
import threading
import time

import pytest

from trials import jobs, lifecycle, registry
from trials.errors import NotFound
from trials.store.tables import RunRow
from web.jobs import uploads


def ask(store, kind, key=None, **payload):
    with store.write() as session:
        return jobs.enqueue(session, kind, payload=payload, subject="t", key=key or kind,
                            actor="tester")  # fmt: skip


def look(store, number):
    with store.read() as session:
        return jobs.load(session, number)


def test_a_job_runs_in_another_process_that_is_kept_for_the_next(store, make_worker):
    one, two = ask(store, "fine", "1", say="hello"), ask(store, "fine", "2", say="again")
    worker = make_worker()
    assert worker.step()
    assert worker.step()
    assert not worker.step()
    first, second = look(store, one), look(store, two)
    assert (first.state, first.result["said"], second.result["said"]) == ("done", "hello", "again")
    assert first.result["pid"] == second.result["pid"] != os.getpid()


def test_jobs_that_misbehave_are_told_in_a_sentence_and_block_nobody(
    sqlite_store, make_worker, caplog
):
    store = sqlite_store
    numbers = {kind: ask(store, kind) for kind in ("raises", "refuses", "refuses_rows", "dies")}
    good = ask(store, "fine", say="still here")
    worker = make_worker()
    with caplog.at_level(logging.INFO):
        while worker.step():
            pass
    assert look(store, good).state == "done"
    assert look(store, numbers["refuses"]).error == "the file has no header; export it again"
    rows = look(store, numbers["refuses_rows"])
    assert rows.state == "failed"
    assert rows.result["problems"][0]["line"] == 3
    for kind in ("raises", "dies"):
        again = look(store, numbers[kind])
        assert (again.state, again.attempts) == ("queued", 1)
    assert look(store, numbers["raises"]).error == "something unexpected went wrong (ValueError)"
    assert "07700" not in caplog.text


@pytest.fixture
def store(sqlite_store):
    """Processes and pipes are the same whatever the database; the queue is tested on both."""
    return sqlite_store


@pytest.fixture
def database_url(sqlite_store):
    return sqlite_store.url.render_as_string()


def test_a_job_that_takes_too_long_is_ended(store, make_worker):
    number = ask(store, "hangs")
    make_worker(seconds=1.5).step()
    job = look(store, number)
    assert job.state == "failed"
    assert "took longer" in job.error


def test_a_job_that_eats_memory_is_ended(store, make_worker):
    number = ask(store, "eats")
    make_worker(memory=500 << 20).step()
    job = look(store, number)
    assert job.state == "failed"
    assert "500 MB of memory" in job.error


def test_a_running_job_is_stopped_when_it_is_cancelled(store, make_worker):
    number = ask(store, "hangs")
    worker = make_worker()
    thread = threading.Thread(target=worker.step)
    thread.start()
    deadline = time.monotonic() + 120
    while look(store, number).stage != "Hanging" and time.monotonic() < deadline:
        time.sleep(0.1)
    with store.write() as session:
        jobs.cancel(session, number)
    thread.join(120)
    assert look(store, number).state == "cancelled"


def test_a_worker_that_is_told_to_stop_gives_its_job_back(store, make_worker):
    number = ask(store, "hangs")
    worker, stop = make_worker(), threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 120
    while look(store, number).stage != "Hanging" and time.monotonic() < deadline:
        time.sleep(0.1)
    stop.set()
    thread.join(120)
    job = look(store, number)
    assert (job.state, job.attempts, job.owner) == ("queued", 0, None)


OUTCOMES = "unit,metric,value\nu1,paid,1\nu2,paid,0\nu3,paid,1\nu4,paid,0\nu1,arrears,10\n"
ASSIGNED = "unit,arm,band\nu1,current,A\nu2,one-thing,A\nu3,one-thing,B\nu4,current,B\n"


def upload(settings, tmp_path, text, name):
    path = tmp_path / "given.csv"
    path.write_text(text)
    with path.open("rb") as stream:
        return uploads.keep(settings.home, stream, name)


def test_uploads_are_imported_then_deleted_and_a_trial_is_analysed(
    store, settings, make_worker, tmp_path, trial
):
    with store.write() as session:
        registry.add(session, trial, actor="tester")
        lifecycle.launch(session, trial.key, actor="tester")
    tokens = [upload(settings, tmp_path, ASSIGNED, "who.csv"),
              upload(settings, tmp_path, OUTCOMES, "../../paid list.csv")]  # fmt: skip
    assert uploads.path_of(settings.home, tokens[1]).name == "paid-list.csv"
    numbers = [ask(store, "import-assignments", trial=trial.key, file=tokens[0]),
               ask(store, "import-outcomes", trial=trial.key, file=tokens[1]),
               ask(store, "analyse", trial=trial.key, school="frequentist")]  # fmt: skip
    worker = make_worker()
    while worker.step():
        pass
    done = [look(store, number) for number in numbers]
    assert [job.state for job in done] == ["done"] * 3, [job.error for job in done]
    assert [job.result.get("added") for job in done] == [4, 5, None]
    for token in tokens:
        with pytest.raises(NotFound):
            uploads.path_of(settings.home, token)
    with store.read() as session:
        assert session.get(RunRow, done[2].result["run"]).result["units"]["assigned"] == 4


def test_uploads_that_nobody_came_back_for_are_swept_after_a_day(settings, tmp_path):
    token = upload(settings, tmp_path, "a\n1\n", "x.csv")
    assert uploads.sweep(settings.home) == 0
    assert uploads.sweep(settings.home, now=time.time() + 25 * 3600) == 1
    with pytest.raises(NotFound):
        uploads.path_of(settings.home, token)


def test_a_token_names_nothing_outside_its_folder(settings, tmp_path):
    (tmp_path / "secret").write_text("x")
    for token in ("..", "../..", "", "0" * 31, "/etc"):
        with pytest.raises(NotFound):
            uploads.path_of(settings.home, token)
