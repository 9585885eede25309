"""People whom no trial may have, or only one trial of a namespace: asked at once, on both databases."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from trials import enrolment, lifecycle, registry, sharing, verifying
from trials.definition import toml
from trials.errors import Conflict, Invalid, SignpostError
from trials.online.service import Ask, Online
from trials.store.tables import TurnedAwayRow, UnitRow

TRIAL = """
[trial]
key = "{key}"
title = "A banner"
channel = "{channel}"
[design]
seed = 9
{design}
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
UNITS = [f"v{i}" for i in range(300)]


def launched(store, key, design="", channel="web"):
    with store.write() as session:
        trial = toml.read(TRIAL.format(key=key, design=design, channel=channel))
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, key, actor="test")
    return trial


def kept_out(unit, share):
    digest = hashlib.sha256(f"v1|*|1|holdout|{unit}".encode()).hexdigest()
    return int(digest[:13], 16) / 16**13 < share


def listed(path, units):
    path.write_text("unit\n" + "".join(f"{unit}\n" for unit in units))
    return path


def asked(store, hasher, keys):
    """Every unit at every trial at once, through two doors."""
    doors = [Online(store, hasher), Online(store, hasher)]
    jobs = [(n, unit, key) for n, unit in enumerate(UNITS) for key in keys]
    try:
        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda j: doors[j[0] % 2].assign(j[2], Ask(j[1])), jobs))
    finally:
        for door in doors:
            door.close()
    return {(unit, key): answer for (_, unit, key), answer in zip(jobs, said, strict=True)}


def test_trials_of_a_namespace_never_have_the_same_person(store, hasher, tmp_path):
    launched(store, "letter", 'namespace = "tax"', "letter")
    enrol = enrolment.Request(key="letter", path=listed(tmp_path / "a.csv", UNITS[:60]), out=None)
    enrolment.enrol(store, enrol, hasher=hasher, actor="test")
    for key in ("one", "two"):
        launched(store, key, 'namespace = "tax"\nnamespace_share = 0.5')
    with pytest.raises(Conflict, match=r"only 0\.0% of the namespace tax is free"):
        launched(store, "three", 'namespace = "tax"\nnamespace_share = 0.1')
    said = asked(store, hasher, ("one", "two"))
    for n, unit in enumerate(UNITS):
        given = [said[unit, key] for key in ("one", "two")]
        assert sum(answer.enrolled for answer in given) == (n >= 60)
        assert all(answer.control for answer in given if not answer.enrolled)
    with store.read() as session:
        units = session.execute(sa.select(UnitRow.digest)).scalars().all()
        assert len(units) == len(set(map(bytes, units))) == 300
        reasons = Counter(session.scalars(sa.select(TurnedAwayRow.reason)))
    assert reasons == {"outside-namespace": 300, "in-another-trial": 60}
    more = enrolment.Request(key="letter", path=listed(tmp_path / "b.csv", ["x"]), out=None)
    with pytest.raises(Conflict, match="has no share of it"):
        enrolment.enrol(store, more, hasher=hasher, actor="test")
    found = verifying.check(store, "one", [listed(tmp_path / "c.csv", UNITS)], hasher=hasher)
    assert found.holds
    assert found.checked > 90


def test_whom_all_trials_leave_out_is_in_none_from_the_next_launch_on(store, hasher, tmp_path):
    launched(store, "before")
    with store.write() as session:
        sharing.set_holdout(session, 0.2, actor="test")
    with store.write() as session, pytest.raises(SignpostError):
        sharing.set_holdout(session, 0.7, actor="test")
    launched(store, "after")
    launched(store, "letter", "", "letter")
    out = {unit for unit in UNITS if kept_out(unit, 0.2)}
    assert 30 < len(out) < 90
    said = asked(store, hasher, ("before", "after"))
    assert all(said[unit, "before"].enrolled for unit in UNITS)
    assert {u for u in UNITS if said[u, "after"].reason == "global-holdout"} == out
    path = listed(tmp_path / "l.csv", UNITS)
    report = enrolment.enrol(
        store, enrolment.Request(key="letter", path=path, out=None), hasher=hasher, actor="test"
    )
    assert report.detail["excluded"] == {"global-holdout": len(out)}
    for key in ("before", "after", "letter"):
        assert verifying.check(store, key, [path], hasher=hasher).holds


def test_coverage_rises_by_amendment_and_moves_nobody(store, hasher):
    trial = launched(store, "ramp", "coverage = 0.2")
    first = asked(store, hasher, ("ramp",))
    inside = {name for name, answer in first.items() if answer.enrolled}
    assert 30 < len(inside) < 90
    assert {a.reason for a in first.values()} == {"split", "outside-coverage"}

    def amended(coverage):
        design = trial.design.model_copy(update={"coverage": coverage})
        with store.write() as session:
            lifecycle.amend(session, trial.model_copy(update={"design": design}), actor="test",
                            reason="nothing went wrong")  # fmt: skip

    with pytest.raises(SignpostError, match="only rise"):
        amended(0.1)
    amended(1.0)
    second = asked(store, hasher, ("ramp",))
    assert all(answer.enrolled for answer in second.values())
    assert all(second[name].arm == first[name].arm for name in inside)


@pytest.mark.parametrize(("design", "channel", "says"), [
    ("namespace_share = 0.5", "web", "no namespace"), ("coverage = 0.5", "letter", "one at a time"),
    ('kind = "cluster"\ncluster = "home"\nnamespace = "n"\nnamespace_share = 0.5', "web",
     "'cluster' does not draw units"),
])  # fmt: skip
def test_keys_that_cannot_work_are_refused(design, channel, says):
    with pytest.raises(Invalid, match=says):
        toml.read(TRIAL.format(key="a", design=design, channel=channel))


EXCLUDED = '[[design.exclusions]]\ncolumn = "tenure"\nvalues = ["owner"]\nreason = "not-asked"'


def test_all_flags_are_answered_after_one_read_and_as_one_by_one(store, hasher, tmp_path):
    launched(store, "letter", 'namespace = "tax"', "letter")
    enrol = enrolment.Request(key="letter", path=listed(tmp_path / "a.csv", UNITS[:4]), out=None)
    enrolment.enrol(store, enrol, hasher=hasher, actor="test")
    for key in ("one", "two"):
        launched(store, key, 'namespace = "tax"\nnamespace_share = 0.5')
    for key in ("three", "four"):
        launched(store, key, EXCLUDED)
    together, singly, read = Online(store, hasher), Online(store, hasher), []
    asks = [Ask(unit, {"tenure": tenure}) for unit in UNITS[:8] for tenure in ("owner", "rents")]
    try:
        for ask in asks[::3]:
            together.assign("three", ask)
        together.recorder.flush()
        together.trials()
        sa.event.listen(store.engine, "before_cursor_execute", lambda *a: read.append(a[2]))
        for ask in asks:
            read.clear()
            said = together.answers(ask)
            assert sum("FROM units" in statement for statement in read) <= 1
            assert said == [singly.answer(t, ask, record=False) for t in singly.trials()]
        assert len(said) == 4
    finally:
        for door in (together, singly):
            door.close()
