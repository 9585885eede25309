"""The book: what a plan asks for, fired once an occasion, through outages, edits and rival clocks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from schedule_help import launch

from trials import jobs, leases, lifecycle
from trials.clock import LONDON
from trials.definition import toml
from trials.errors import Conflict, SignpostError
from trials.schedules import book, timetable
from trials.schedules.timetable import Timetable
from trials.store.tables import ScheduleRunRow
from web.jobs import clock

# gov.uk/bank-holidays for England and Wales
CLOSED = ["2026-04-03", "2026-04-06", "2026-05-04", "2026-05-25", "2026-08-31"]


def long_trial(trial):
    """A trial of a whole year with three looks, whose last one is its end."""
    data = toml.to_data(trial)
    data["trial"] |= {"starts": date(2026, 1, 5), "ends": date(2026, 12, 4)}
    data["analysis"]["looks"] = {"fractions": [0.33, 0.67, 1.0], "spending": "obrien-fleming"}
    return toml.from_data(data)


def named(store):
    with store.read() as session:
        rows = session.execute(
            sa.text(
                "SELECT s.key, r.state FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id"
            )
        )
        return Counter((key, state) for key, state in rows)


def test_a_year_with_restarts_and_a_three_day_outage_fires_everything_once(store, trial, hands):
    hands.to(datetime(2026, 1, 2, 20, tzinfo=UTC))
    launch(store, long_trial(trial))
    outage = (datetime(2026, 5, 12, tzinfo=UTC), datetime(2026, 5, 15, tzinfo=UTC))
    asked, looks = [], 0
    while hands.moment < datetime(2027, 1, 2, tzinfo=UTC):
        hands.on(hours=7)
        if outage[0] <= hands.moment < outage[1]:
            continue
        looks += 1
        if looks % 9 == 1:
            clock.sync(store)
        asked += clock.tick(store)
        if looks % 5 == 0:  # a restarted clock looks again at the same moment
            asked += clock.tick(store)
    found = named(store)
    key = f"trial/{trial.key}"
    for once in ("look-1", "look-2", "end", "maturity"):
        assert found[(f"{key}/{once}", "fired")] == 1
    assert found[("mail/weekly", "fired")] == 52
    assert found[("mail/monthly", "fired")] == 11
    assert found[("mail/quarterly", "fired")] == 3
    health = found[(f"{key}/health", "fired")] + found[(f"{key}/health", "missed")]
    # 12, 13 and 14 May are lost to the outage; the clock is back on the 15th, after seven.
    assert found[(f"{key}/health", "missed")] == 3
    assert health == np.busday_count("2026-01-05", "2026-12-22", holidays=CLOSED)
    with store.read() as session:
        moments = [r.due_at.astimezone(LONDON) for r in session.scalars(sa.select(ScheduleRunRow))]
        wall = {f"{m:%H:%M}" for m in moments}
        due = session.execute(
            sa.text(
                "SELECT due_at FROM schedule_runs r JOIN schedules s ON s.id = r.schedule_id "
                "WHERE s.kind = 'health'"
            )
        ).all()
        assert health == len({row[0] for row in due})
        assert jobs.counts(session)["queued"] == len(asked) == len(set(asked))
    assert wall == {"07:00", "07:30", "08:00", "08:15", "08:30"}
    weekdays = {m.weekday() for m in moments}
    assert weekdays == {0, 1, 2, 3, 4}


def test_daily_health_covers_every_working_day_of_a_fortnight_across_the_clock_change(
    store, trial, hands
):
    launch(store, long_trial(trial))
    for _ in range(14 * 24):
        hands.on(hours=1)
        clock.sync(store)
        clock.tick(store)
    with store.read() as session:
        due = [o.due_at for o in book.occasions(session, trial=trial.key) if o.kind == "health"]
    assert [(f"{d:%d %b}", d.hour) for d in reversed(due)] == [
        ("23 Mar", 7), ("24 Mar", 7), ("25 Mar", 7), ("26 Mar", 7), ("27 Mar", 7),
        ("30 Mar", 6), ("31 Mar", 6), ("01 Apr", 6), ("02 Apr", 6)]  # fmt: skip


def test_two_clocks_that_ring_together_ask_for_one_job(store, trial, hands):
    launch(store, trial)
    clock.sync(store)
    hands.to(datetime(2026, 4, 2, 12, tzinfo=UTC))
    with store.read() as session:
        number = next(n for n in book.due(session))
        before = dict(session.execute(sa.text("SELECT id, next_at FROM schedules")).all())
    assert clock.fire(store, number, None) is not None
    with store.write() as session:  # as if the second clock had read the book before the first
        session.execute(sa.text("UPDATE schedules SET next_at = :at WHERE id = :id"),
                        {"at": before[number], "id": number})  # fmt: skip
    assert clock.fire(store, number, None) is None
    with store.read() as session:
        assert sum(jobs.counts(session).values()) == 1


def test_a_clock_without_the_lease_fires_nothing(store, trial, hands):
    launch(store, trial)
    clock.sync(store)
    hands.to(datetime(2026, 4, 2, 12, tzinfo=UTC))
    with store.write() as session:
        assert leases.take(session, "clock", "first", length=timedelta(seconds=30))
        assert not leases.take(session, "clock", "second", length=timedelta(seconds=30))
    assert clock.tick(store, "second") == []
    hands.on(seconds=31)
    with store.write() as session:
        assert leases.take(session, "clock", "second", length=timedelta(seconds=30))
    assert clock.tick(store, "first") == []
    assert clock.tick(store, "second") != []


def test_nobody_assigned_is_a_skipped_occasion_with_its_reason(store, trial, hands):
    launch(store, trial)
    with store.write() as session:
        session.execute(sa.text("DELETE FROM assignments"))
    clock.sync(store)
    hands.to(datetime(2026, 4, 2, 12, tzinfo=UTC))
    clock.tick(store)
    with store.read() as session:
        found = book.occasions(session, trial=trial.key)[0]
    assert (found.state, found.why) == ("skipped", "nobody has been assigned yet")


def test_a_timetable_moves_what_is_to_come_and_rival_edits_are_refused(store, trial, hands):
    launch(store, trial)
    clock.sync(store)
    with store.write() as session:
        timetable.change(session, trial.key, Timetable(at="15:30", days="every-day"), actor="a")
    with pytest.raises(Conflict), store.write() as session:
        timetable.change(session, trial.key, Timetable(at="16:00"), actor="b")
    with pytest.raises(SignpostError, match="missing on one night"), store.write() as session:
        timetable.change(session, trial.key, Timetable(at="01:15", version=1), actor="b")
    clock.sync(store)
    with store.read() as session:
        first = next(c for c in book.coming(session, trial=trial.key) if c.kind == "health")
    assert first.at == datetime(2026, 4, 1, 14, 30, tzinfo=UTC)


def test_a_paused_timetable_asks_for_nothing_and_a_stopped_trial_for_no_more_health(
    store, trial, hands
):
    launch(store, trial)
    clock.sync(store)
    with store.write() as session:
        lifecycle.stop(session, trial.key, actor="tester")
    clock.sync(store)
    with store.read() as session:
        assert {c.kind for c in book.coming(session, trial=trial.key)} == {"end", "maturity"}
    with store.write() as session:
        timetable.change(session, trial.key, Timetable(paused=True), actor="a")
    clock.sync(store)
    with store.read() as session:
        assert book.coming(session, trial=trial.key) == []
    hands.to(datetime(2026, 9, 1, tzinfo=UTC))
    with store.write() as session:
        timetable.change(session, trial.key, Timetable(version=1), actor="a")
    clock.sync(store)
    assert len(clock.tick(store)) >= 2  # what fell due while it was paused is caught up with, once
