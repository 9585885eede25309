"""The queue: asked once, done by one, given up after three, on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trials import clock, jobs
from trials.errors import Conflict, NotFound

NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)


@pytest.fixture
def at():
    """Move the clock."""
    moment = [NOW]
    clock.set_source(lambda: moment[0])
    yield lambda **later: moment.__setitem__(0, moment[0] + timedelta(**later))
    clock.set_source(None)


def ask(store, key="k", kind="fine", **payload):
    with store.write() as session:
        return jobs.enqueue(session, kind, payload=payload, subject="t", key=key, actor="tester")


def take(store, owner="a"):
    with store.write() as session:
        return jobs.claim(session, owner)


def look(store, number):
    with store.read() as session:
        return jobs.load(session, number)


def test_asking_twice_with_one_key_makes_one_job(store):
    assert ask(store, "form-1") == ask(store, "form-1") != ask(store, "form-2")
    with store.read() as session:
        assert len(jobs.latest(session)) == 2
        assert jobs.counts(session)["queued"] == 2


def test_only_the_holder_may_end_a_job_and_a_lease_that_ran_out_is_taken_over(store, at):
    number = ask(store)
    first = take(store, "a")
    assert (first.id, first.attempts, take(store, "b")) == (number, 1, None)
    at(seconds=61)
    second = take(store, "b")
    assert (second.id, second.attempts) == (number, 2)
    with store.write() as session:
        assert not jobs.renew(session, first, stage="late", percent=1).mine
        assert not jobs.finish(session, first, {"from": "a"})
        assert not jobs.fail(session, first, "late", again=True)
        assert jobs.finish(session, second, {"from": "b"})
    assert look(store, number).result == {"from": "b"}


def test_a_renewed_lease_holds(store, at):
    ask(store)
    held = take(store)
    for _ in range(5):
        at(seconds=50)
        with store.write() as session:
            assert jobs.renew(session, held, stage="busy", percent=10).mine
        assert take(store, "b") is None


def test_a_failing_job_is_tried_three_times_with_growing_rests(store, at):
    number = ask(store)
    for rest in (10, 120):
        job = take(store)
        with store.write() as session:
            jobs.fail(session, job, "it broke", again=True)
        assert look(store, number).state == "queued"
        at(seconds=rest - 1)
        assert take(store) is None
        at(seconds=2)
    job = take(store)
    with store.write() as session:
        jobs.fail(session, job, "it broke", again=True)
    over = look(store, number)
    assert (over.state, over.attempts, over.error) == ("failed", 3, "it broke")


def test_a_job_that_kills_every_worker_is_buried_after_three(store, at):
    number = ask(store)
    for _ in range(3):
        assert take(store).id == number
        at(seconds=61)
    assert take(store) is None
    over = look(store, number)
    assert over.state == "failed"
    assert "stopped 3 times" in over.error


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_at_its_next_renewal(store, at):
    waiting, running = ask(store, "w"), None
    with store.write() as session:
        assert jobs.cancel(session, waiting).state == "cancelled"
    running = ask(store, "r")
    job = take(store)
    with store.write() as session:
        assert jobs.cancel(session, running).cancelling
        assert jobs.renew(session, job, stage="s", percent=None).cancelling
        jobs.stopped(session, job)
    assert look(store, running).state == "cancelled"


def test_what_is_over_cannot_be_cancelled(store, at):
    number = ask(store)
    job = take(store)
    with store.write() as session:
        jobs.finish(session, job, {})
    with pytest.raises(Conflict, match="over already"), store.write() as session:
        jobs.cancel(session, number)
    with pytest.raises(NotFound), store.read() as session:
        jobs.load(session, 999)


def test_four_processes_at_once_do_every_job_once(store, database_url):
    numbers = [ask(store, f"job-{n}") for n in range(60)]
    script = str(Path(__file__).with_name("claimer.py"))
    running = [
        subprocess.Popen(
            [sys.executable, script, database_url, f"p{n}"], stdout=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]
    done = Counter(int(n) for p in running for n in p.communicate(timeout=60)[0].split())
    assert done == Counter(numbers)
    assert all(look(store, number).state == "done" for number in numbers)
