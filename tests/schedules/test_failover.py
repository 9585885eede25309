"""Several real clocks on one database: one is active, and another takes over when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from apscheduler.schedulers.background import BackgroundScheduler
from schedule_help import launch

from trials import leases
from trials.store.tables import AlarmRow
from web.jobs import clock

CLOCK = str(Path(__file__).with_name("a_clock.py"))


def start(url):
    return subprocess.Popen([sys.executable, CLOCK, url], stdout=subprocess.PIPE, text=True)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := condition()) is not None and found is not False:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come about in time")


def holder(store):
    with store.read() as session:
        found = leases.look(session, "clock")
    return None if found is None or found.until < datetime.now(UTC) else found.owner


def counted(store, key):
    with store.read() as session:
        return session.scalar(sa.text(
            "SELECT count(*) FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id "
            "WHERE s.key = :key"), {"key": key})  # fmt: skip


def make_due(store, key):
    """Set the schedule's next moment to a minute ago."""
    with store.write() as session:
        at = datetime.now(UTC).replace(microsecond=0)
        stored = at.replace(tzinfo=None) if store.dialect == "sqlite" else at
        session.execute(sa.text("UPDATE schedules SET next_at = :at WHERE key = :key"),
                        {"at": f"{stored}.000000" if store.dialect == "sqlite" else stored, "key": key})  # fmt: skip


def test_three_clocks_fire_once_and_a_killed_one_is_replaced(store, database_url, trial):
    launch(store, trial)
    clocks = [start(database_url) for _ in range(3)]
    try:
        names = {process.stdout.readline().strip(): process for process in clocks}
        first = wait_for(lambda: holder(store))
        key = "mail/weekly"
        wait_for(lambda: alarms(store) >= 4)
        make_due(store, key)
        wait_for(lambda: counted(store, key) == 1)
        os.kill(names[first].pid, signal.SIGKILL)
        second = wait_for(lambda: (h := holder(store)) and h != first and h)
        assert second in names
        make_due(store, key)
        wait_for(lambda: counted(store, key) == 2)
        time.sleep(1.5)
        assert counted(store, key) == 2
        with store.read() as session:
            asked = session.scalar(sa.text("SELECT count(*) FROM jobs WHERE kind = 'mail'"))
        assert asked == 2
        names[second].send_signal(signal.SIGTERM)
        third = wait_for(lambda: (h := holder(store)) and h not in {first, second} and h)
        assert third in names
    finally:
        for process in clocks:
            process.kill()
            process.wait()
            process.stdout.close()


def alarms(store):
    with store.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(AlarmRow))


def test_a_clock_that_is_looking_can_still_be_stopped(sqlite_store, monkeypatch):
    looking, go_on, stop = threading.Event(), threading.Event(), threading.Event()
    stopping = BackgroundScheduler.shutdown

    def tick(*_):
        looking.set()
        go_on.wait()

    def shutdown(scheduler, wait):
        threading.Timer(0.2, go_on.set).start()
        stopping(scheduler, wait)

    monkeypatch.setattr(clock, "tick", tick)
    monkeypatch.setattr(BackgroundScheduler, "shutdown", shutdown)
    running = threading.Thread(target=clock.Clock(sqlite_store).run, args=(stop,), daemon=True)
    running.start()
    assert looking.wait(60)
    stop.set()
    running.join(60)
    assert not running.is_alive()
    assert holder(sqlite_store) is None
