"""Two hundred people who enrol at once, within strata, on either database."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from trials import lifecycle, registry, verifying
from trials.definition import toml
from trials.online.service import Ask, Online
from trials.store.tables import ArmRow, AssignmentRow, TurnedAwayRow, UnitRow

TRIAL = """
[trial]
key = "chat"
title = "Closing words"
channel = "webchat"
[design]
kind = "stratified"
strata = ["topic"]
seed = 9
[[arms]]
key = "current"
control = true
[[arms]]
key = "new"
[[metrics]]
key = "contact-7d"
role = "primary"
kind = "proportion"
window = "7d"
"""


def test_two_hundred_enrol_at_once_keep_every_block_and_nobody_is_assigned_twice(
    store, hasher, tmp_path
):
    with store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="test")
        lifecycle.launch(session, "chat", actor="test")
    doors = [Online(store, hasher), Online(store, hasher)]
    asked = [(f"u{i % 200}", ("bins", "tax")[i % 200 % 2]) for i in range(400)]
    random.Random(3).shuffle(asked)
    try:
        with ThreadPoolExecutor(40) as pool:
            said = list(pool.map(
                lambda job: doors[job[0] % 2].assign(
                    "chat", Ask(job[1][0], {"topic": job[1][1]})
                ), enumerate(asked),
            ))  # fmt: skip
        unknown = doors[0].assign("chat", Ask("v1"))
        for topic in ("bins\x00", "b" * 501, "\ud800"):
            assert doors[0].assign("chat", Ask("v2", {"topic": topic})).reason == unknown.reason
    finally:
        for door in doors:
            door.close()
    assert (unknown.reason, unknown.control) == ("stratum-not-known", True)
    with store.read() as session:
        away = session.scalars(sa.select(TurnedAwayRow.reason)).all()
    refused = {"stratum-not-known"} | {a.reason for a in said if a.reason != "split"}
    assert set(away) == refused
    enrolled = [(u, a.arm) for (u, _), a in zip(asked, said, strict=True) if a.reason == "split"]
    arms = dict(enrolled)
    assert all(arms[unit] == arm for unit, arm in enrolled)
    assert len(arms) >= 195  # a database that is too busy gives the control and enrols nobody
    with store.read() as session:
        rows = session.execute(
            sa.select(AssignmentRow.stratum, ArmRow.key).join(
                ArmRow, ArmRow.id == AssignmentRow.arm_id
            )
        ).all()
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == len(rows)
    path = tmp_path / "met.csv"
    path.write_text("unit,topic\n" + "".join(f"{unit},x\n" for unit in arms))
    found = verifying.check(store, "chat", [path], hasher=hasher)
    assert (found.checked, found.holds) == (len(arms), True)
    tally = Counter((stratum, arm) for stratum, arm in rows)
    assert len(rows) == len(arms)
    for topic in ("bins", "tax"):  # blocks hold at most eight places
        assert abs(tally[topic, "current"] - tally[topic, "new"]) <= 4


def test_a_holdout_is_kept_out_of_the_blocks_and_holds_when_it_is_drawn_again(
    sqlite_store, hasher, tmp_path
):
    """A fifth of 400 by their ids: within four standard errors (32) of 80; the rest keep blocks."""
    with sqlite_store.write() as session:
        text = TRIAL.replace("seed = 9", "seed = 9\nholdout = 0.2")
        registry.add(session, toml.read(text), actor="test")
        lifecycle.launch(session, "chat", actor="test")
    door = Online(sqlite_store, hasher)
    try:
        said = {f"u{i}": door.assign("chat", Ask(f"u{i}", {"topic": "bins"})) for i in range(400)}
        door.recorder.flush()
        again = {u: door.assign("chat", Ask(u, {"topic": "bins"})) for u in said}
    finally:
        door.close()
    assert {u: (a.arm, a.reason) for u, a in said.items()} == {
        u: (a.arm, a.reason) for u, a in again.items()
    }
    reasons = Counter(a.reason for a in said.values())
    assert set(reasons) == {"holdout", "split"}
    assert abs(reasons["holdout"] - 80) < 32
    assert all(a.control for a in said.values() if a.reason == "holdout")
    arms = Counter(a.arm for a in said.values() if a.reason == "split")
    assert abs(arms["current"] - arms["new"]) <= 4
    path = tmp_path / "met.csv"
    path.write_text("unit,topic\n" + "".join(f"{unit},bins\n" for unit in said))
    assert verifying.check(sqlite_store, "chat", [path], hasher=hasher).holds
    with sqlite_store.write() as session:
        held = sa.select(AssignmentRow.unit_id).where(AssignmentRow.arm_id.is_(None)).limit(1)
        arm = session.scalar(sa.select(ArmRow.id).limit(1))
        session.get(AssignmentRow, session.scalar(held)).arm_id = arm
    assert len(verifying.check(sqlite_store, "chat", [path], hasher=hasher).differ) == 1


def test_no_arm_of_a_webchat_is_told_before_somebody_is_enrolled(sqlite_store, hasher):
    """Asked without recording, forty people all seem to get the control; asked in earnest, not."""
    text = TRIAL.replace('kind = "stratified"\nstrata = ["topic"]\n', "")
    with sqlite_store.write() as session:
        registry.add(session, toml.read(text), actor="test")
        lifecycle.launch(session, "chat", actor="test")
    door = Online(sqlite_store, hasher)
    try:
        peeked = [door.assign("chat", Ask(f"u{i}"), record=False) for i in range(40)]
        given = [door.assign("chat", Ask(f"u{i}")) for i in range(40)]
    finally:
        door.close()
    assert {(a.arm, a.reason) for a in peeked} == {("current", "not-enrolled")}
    assert {a.arm for a in given} == {"current", "new"}
    with sqlite_store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == 40
