"""The record drawn again from the lists: whole when nothing was touched, and every change named."""

from __future__ import annotations

import csv

import pytest
import sqlalchemy as sa

from trials import enrolment, lifecycle, registry, verifying
from trials.errors import Conflict
from trials.online.service import Ask, Online
from trials.people import left_out
from trials.store.tables import ArmRow, AssignmentRow, ExclusionRow, TurnedAwayRow, UnitRow

KEY = "council-tax-reminder"


def write(path, units, start=0):
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["unit", "band", "name", "amount", "phone"])
        for i in range(start, start + units):
            out.writerow([f"U{i}", "ABCD"[i % 4], "R", "1", f"07700 900{i:03d}"])
    return path


def enrol(store, path, hasher):
    request = enrolment.Request(key=KEY, path=path)
    return enrolment.enrol(store, request, hasher=hasher, actor="test")


@pytest.fixture
def live(store, trial):
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, KEY, actor="test")
    return store


def test_two_lists_hold_and_every_tampered_row_is_named(live, hasher, tmp_path):
    one, two = write(tmp_path / "a.csv", 60), write(tmp_path / "b.csv", 40, start=60)
    enrol(live, one, hasher)
    enrol(live, two, hasher)
    found = verifying.check(live, KEY, [one, two], hasher=hasher)
    assert (found.checked, found.differ, found.strangers, found.holds) == (100, (), 0, True)
    digest = hasher.unit(KEY, "U7")
    with live.write() as session:
        arms = {a.id: a.key for a in session.scalars(sa.select(ArmRow))}
        unit = session.scalar(sa.select(UnitRow.id).where(UnitRow.digest == digest))
        row = session.get(AssignmentRow, unit)
        was, row.arm_id = arms[row.arm_id], next(a for a in arms if a != row.arm_id)
    found = verifying.check(live, KEY, [one, two], hasher=hasher)
    now = next(k for k in arms.values() if k != was)
    assert [(d.unit, d.drawn, d.recorded) for d in found.differ] == [("U7", was, now)]
    with live.write() as session:
        session.execute(sa.delete(AssignmentRow).where(AssignmentRow.unit_id == unit))
    found = verifying.check(live, KEY, [one, two], hasher=hasher)
    assert [(d.unit, d.drawn, d.recorded) for d in found.differ] == [("U7", was, None)]
    assert verifying.check(live, KEY, [one], hasher=hasher).strangers == 40


def test_who_objects_is_in_no_later_list_and_whoever_objected_later_is_no_difference(
    live, hasher, tmp_path
):
    with live.write() as session:
        left_out.add(session, [("phone", "07700900003")], hasher=hasher, actor="test")
    path = write(tmp_path / "a.csv", 40)
    report = enrol(live, path, hasher)
    assert report.detail["excluded"] == {"objected": 1}
    assert sum(report.detail["arms"].values()) == 39
    with live.write() as session:
        left_out.add(session, [("unit", "U5")], hasher=hasher, actor="test", reason="never-trial")
    assert verifying.check(live, KEY, [path], hasher=hasher).holds
    with live.read() as session:
        assert left_out.counts(session) == {"objected": 1, "never-trial": 1}
        assert session.scalars(sa.select(ExclusionRow.reason)).all() == ["objected"]


def test_a_trial_that_meets_people_one_at_a_time_honours_objections_and_verifies(
    sqlite_store, hasher, tmp_path, trial
):
    web = trial.model_copy(update={
        "about": trial.about.model_copy(update={"channel": "web"}),
        "design": trial.design.model_copy(update={"kind": "individual", "strata": ()}),
    })  # fmt: skip
    with sqlite_store.write() as session:
        registry.add(session, web, actor="test")
        lifecycle.launch(session, KEY, actor="test")
        left_out.add(session, [("email", "no@example.org")], hasher=hasher, actor="test")
    online = Online(sqlite_store, hasher)
    try:
        for i in range(50):
            online.assign(KEY, Ask(f"U{i}"))
        said = online.assign(KEY, Ask("U99", identifiers={"email": "NO@example.org"}))
        assert (said.arm, said.reason, said.enrolled) == ("current", "objected", False)
        online.recorder.flush()
        lists = online._now().left_out
        assert online._try()
        assert online._now().left_out is lists  # nothing has changed, so nothing is read again
        with sqlite_store.write() as session:  # the new entry takes the old one's number
            left_out.remove(session, [("email", "no@example.org")], hasher=hasher, actor="test")
            left_out.add(session, [("email", "not@example.org")], hasher=hasher, actor="test")
        assert online._try()
        now = [online.assign(KEY, Ask("U98", identifiers={"email": f"{who}@example.org"}),
                             record=False).reason for who in ("not", "no")]  # fmt: skip
        assert now == ["objected", "split"]
    finally:
        online.close()
    path = write(tmp_path / "a.csv", 60)
    found = verifying.check(sqlite_store, KEY, [path], hasher=hasher)
    assert (found.checked, found.holds) == (50, True)
    with sqlite_store.read() as session:
        assert session.scalars(sa.select(TurnedAwayRow.reason)).all() == ["objected"]


def test_what_was_not_drawn_from_a_list_says_so(sqlite_store, hasher, tmp_path, trial):
    with sqlite_store.write() as session:
        registry.add(session, trial, actor="test")
    with pytest.raises(Conflict, match="has not been launched"):
        verifying.check(sqlite_store, KEY, [write(tmp_path / "a.csv", 4)], hasher=hasher)
