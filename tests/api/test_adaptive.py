"""Shares that follow the outcomes, from the trial file to the result, on either database."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from analysis import adapting, study
from trials import clock, jobs, lifecycle, registry, verifying
from trials.definition import plan, toml
from trials.definition.adapting import warning
from trials.errors import Conflict, Invalid
from trials.importing import assignments, outcomes
from trials.online.service import Ask, Online
from trials.store.tables import ArmRow, AssignmentRow, OutcomeRow
from web.jobs import clock as alarms
from web.jobs import shares

TRIAL = """
[trial]
key = "bot"
title = "The bot's first question"
channel = "webchat"
starts = 2026-06-01
ends = 2026-06-30
[design]
seed = 9
adaptive = { floor = 0.2, every = "day" }
[[arms]]
key = "current"
control = true
[[arms]]
key = "new"
[[metrics]]
key = "done-1d"
role = "primary"
kind = "proportion"
source = "outcomes"
window = "1d"
better = "higher"
[analysis]
prior = { mean = 0.0, sd = 0.2 }
"""
BATCHES, EACH = 3, 120


@pytest.fixture
def hands():
    """A clock that stands still until it is moved."""
    at = [datetime(2026, 6, 1, 9, tzinfo=UTC)]
    clock.set_source(lambda: at[0])
    yield at
    clock.set_source(None)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("floor = 0.2", "floor = 0.5", "less than 0.5"),
        ("floor = 0.2", "flor = 0.2", "did you mean 'floor'"),
        ('channel = "webchat"', 'channel = "letter"', "one at a time"),
        ("seed = 9", 'seed = 9\nstrata = ["topic"]', "without strata"),
        ("[analysis]", '[analysis]\nlooks = "always-valid"', "analysed once"),
        ("[analysis]", '[analysis]\nadjust = ["age"]', "takes no covariates"),
        ('kind = "proportion"', 'kind = "time-to-event"', "primary time-to-event"),
    ],
)
def test_what_does_not_go_with_moving_shares_is_refused_by_name(before, after, says):
    with pytest.raises(Invalid, match=says):
        toml.read(TRIAL.replace(before, after))


def test_a_file_reads_back_and_a_plan_without_the_key_keeps_its_hash():
    made = toml.read(TRIAL)
    assert toml.read(toml.write(made)) == made
    fixed = toml.read(TRIAL.replace('adaptive = { floor = 0.2, every = "day" }', ""))
    assert "adaptive" not in plan.canonical(fixed)
    assert plan.plan_hash(fixed) != plan.plan_hash(made)


def test_slow_outcomes_are_warned_of_in_plain_words():
    slow = toml.read(TRIAL.replace('window = "1d"', 'window = "14d"'))
    assert "takes 14 days" in (warning(slow) or "")
    assert warning(toml.read(TRIAL)) is None
    weekly = TRIAL.replace('window = "1d"', 'window = "7d"').replace('"day"', '"week"')
    assert warning(toml.read(weekly)) is None


def test_shares_move_are_stored_with_each_assignment_and_the_result_counts_by_them(
    store, hasher, hands, tmp_path
):
    with store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="test")
        lifecycle.launch(session, "bot", actor="test")
    rng, gave, door = np.random.default_rng(3), dict[str, str](), Online(store, hasher)
    try:
        for batch in range(1, BATCHES + 1):
            met = [f"u{batch}-{i}" for i in range(EACH)]
            for unit in met:
                answer = door.assign("bot", Ask(unit))
                assert (answer.reason, answer.enrolled) == ("split", True)
                gave[unit] = answer.arm
            _outcomes(store, hasher, tmp_path / f"{batch}.csv", {u: gave[u] for u in met}, rng)
            hands[0] += timedelta(days=1, minutes=1)
            if batch < BATCHES:
                moved = shares.move(_job(batch), store, lambda *_: None)
                again = shares.move(_job(batch), store, lambda *_: None)
                assert moved == again  # a job done twice moves nothing twice
                assert moved["batch"] == batch + 1
            door._try()
        assert [door.assign("bot", Ask(unit)).arm for unit in gave] == list(gave.values())
    finally:
        door.close()
    rows = _stored(store)
    tally = Counter((epoch, arm) for epoch, arm, _, _ in rows)
    chances = {(epoch, arm): chance for epoch, arm, chance, _ in rows}
    assert chances[1, "new"] == 0.5
    assert chances[BATCHES, "new"] > 0.7  # the better arm, by 30 points
    for batch in range(1, BATCHES + 1):
        share = chances[batch, "new"]
        assert share + chances[batch, "current"] == pytest.approx(1)
        assert 0.2 <= share <= 0.8
        se = math.sqrt(share * (1 - share) / EACH)
        assert tally[batch, "new"] / EACH == pytest.approx(share, abs=4 * se)
    listed = tmp_path / "met.csv"
    listed.write_text("unit\n" + "\n".join(gave) + "\n")
    checked = verifying.check(store, "bot", [listed], hasher=hasher)
    assert (checked.checked, checked.holds) == (BATCHES * EACH, True)
    result = study.analyse(store, study.Order(key="bot"))
    contrast = result["metrics"][0]["contrasts"][0]
    estimate, se = _by_unit(rows)
    assert contrast["difference"]["estimate"] == pytest.approx(estimate, rel=1e-9)
    assert contrast["difference"]["se"] == pytest.approx(se, rel=1e-9)
    assert abs(estimate - 0.3) < 4 * se
    current, new = result["metrics"][0]["arms"]
    assert new["mean"] - current["mean"] == pytest.approx(estimate, rel=1e-9)
    verdicts = {check["key"]: check["verdict"] for check in result["checks"]}
    assert verdicts["sample-ratio"] == "pass"
    assert contrast["posterior"]["probability_better"] > 0.99
    assert contrast["randomisation_p"] is None
    assert "followed the outcomes" in contrast["randomisation_why"]


def test_shares_stay_until_every_version_has_outcomes_and_files_are_refused(
    store, hasher, hands, tmp_path
):
    with store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="test")
        lifecycle.launch(session, "bot", actor="test")
    door = Online(store, hasher)
    try:
        assert door.assign("bot", Ask("u1"), record=False).reason == "not-enrolled"
        door.assign("bot", Ask("u1"))
    finally:
        door.close()
    kept = adapting.move(store, "bot", actor="test")
    assert (kept.batch, kept.shares) == (1, {"current": 0.5, "new": 0.5})
    assert kept.why
    listed = tmp_path / "given.csv"
    listed.write_text("unit,arm\nu2,new\n")
    with pytest.raises(Conflict, match="the chance it had"):
        assignments.add(store, "bot", listed, hasher=hasher, actor="test")
    with store.write() as session:
        lifecycle.pause(session, "bot", actor="test")
    with pytest.raises(Conflict, match="takes nobody on"):
        adapting.move(store, "bot", actor="test")


def test_the_clock_asks_for_one_move_a_night(store, hasher, hands):
    with store.write() as session:
        registry.add(session, toml.read(TRIAL), actor="test")
        lifecycle.launch(session, "bot", actor="test")
    door = Online(store, hasher)
    door.assign("bot", Ask("u1"))
    door.close()
    asked = []
    for _ in range(3):
        alarms.sync(store)
        asked += alarms.tick(store)
        hands[0] += timedelta(days=1)
    with store.read() as session:
        kinds = [jobs.load(session, number).kind for number in asked]
    assert kinds.count("move-shares") == 2


def _outcomes(store, hasher, path, gave, rng):
    """Half of those with the new version are done within the day, a fifth of the others."""
    said = [f"{unit},done-1d,{int(rng.random() < (0.5 if arm == 'new' else 0.2))}"
            for unit, arm in gave.items()]  # fmt: skip
    path.write_text("unit,metric,value\n" + "\n".join(said) + "\n")
    outcomes.add(store, "bot", path, hasher=hasher, actor="test")


def _job(number):
    now = clock.now()
    return jobs.Job(
        id=number, kind="move-shares", subject="bot", payload={"trial": "bot"}, state="running",
        owner="w", attempts=1, stage="", percent=None, cancelling=False, result=None, error=None,
        actor="the clock", created_at=now, due_at=now, started_at=now, finished_at=None,
    )  # fmt: skip


def _stored(store):
    with store.read() as session:
        return session.execute(
            sa.select(AssignmentRow.epoch, ArmRow.key, AssignmentRow.probability, OutcomeRow.value)
            .join(ArmRow, ArmRow.id == AssignmentRow.arm_id)
            .join(OutcomeRow, OutcomeRow.unit_id == AssignmentRow.unit_id)
            .order_by(AssignmentRow.epoch)
        ).all()


def _by_unit(rows):
    """The estimator one unit at a time, from the rows as they are stored."""
    scores, weights, seen = [], [], {"current": [], "new": []}
    for batch in range(1, BATCHES + 1):
        mine = [row for row in rows if row[0] == batch]
        chance = {arm: e for _, arm, e, _ in mine}
        first = {arm: [v for _, a, _, v in mine if a == arm] for arm in chance}
        guess = {arm: np.mean(seen[arm] or first[arm]) for arm in chance}
        h = (1 / chance["new"] + 1 / chance["current"]) ** -0.5
        for _, arm, e, value in mine:
            sign = 1 if arm == "new" else -1
            scores.append(guess["new"] - guess["current"] + sign * (value - guess[arm]) / e)
            weights.append(h)
        for arm in chance:
            seen[arm] += first[arm]
    scores, weights = np.array(scores), np.array(weights)
    mean = np.average(scores, weights=weights)
    return mean, math.sqrt(weights**2 @ (scores - mean) ** 2) / weights.sum()
