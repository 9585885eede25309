"""A list of units: randomised as the locked design says, one file an arm, exactly reproducible."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from trials import enrolment, lifecycle, registry
from trials.definition import toml
from trials.designs import Roster, design_for, verify
from trials.errors import Conflict, Invalid
from trials.store.engine import Store
from trials.store.tables import AssignmentRow, ExclusionRow, IdentifierRow, UnitRow

KEY = "council-tax-reminder"


def write_list(path, n=400, *, start=0, shuffle=False, extra=""):
    rows = [
        {"unit": f"U{i:05d}", "band": "ABCD"[i % 4], "name": f"Resident {i}", "amount": str(100 + i),
         "phone": f"07700 900{i % 1000:03d}"}
        for i in range(start, start + n)
    ]  # fmt: skip
    if shuffle:
        random.Random(5).shuffle(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        file.write(extra)
    return path


def launch(store, trial):
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")


def enrol(store, path, hasher, out=None, **options):
    request = enrolment.Request(key=KEY, path=path, out=out, **options)
    return enrolment.enrol(store, request, hasher=hasher, actor="test")


def arms_of(folder):
    """unit → arm, from the per-arm files."""
    found = {}
    for path in folder.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            found |= {row["unit"]: row["arm"] for row in csv.DictReader(file)}
    return found


def test_every_unit_gets_an_arm_and_a_row_with_its_own_wording(store, trial, hasher, tmp_path):
    launch(store, trial)
    report = enrol(store, write_list(tmp_path / "l.csv"), hasher, tmp_path / "out")
    assert report.added == 400
    assert report.detail["arms"] == {"current": 200, "one-thing": 200}
    with (tmp_path / "out" / "one-thing.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert row["wording"] == f"{row['name']}: pay £{row['amount']} by Friday."
    strata = Counter((arm, unit_band(unit)) for unit, arm in arms_of(tmp_path / "out").items())
    assert set(strata.values()) == {50}


def unit_band(unit):
    return "ABCD"[int(unit[1:]) % 4]


def test_the_store_holds_what_the_files_say(store, trial, hasher, tmp_path):
    launch(store, trial)
    enrol(store, write_list(tmp_path / "l.csv", 60), hasher, tmp_path / "out")
    with store.read() as session:
        rows = session.execute(
            sa.text("SELECT u.digest, m.key FROM units u JOIN assignments a ON a.unit_id = u.id "
                    "JOIN arms m ON m.id = a.arm_id")).all()  # fmt: skip
    stored = {bytes(digest): key for digest, key in rows}
    assert stored == {hasher.unit(KEY, u): arm for u, arm in arms_of(tmp_path / "out").items()}


def test_the_same_seed_and_list_give_the_same_arms_on_another_machine_in_any_order(
    store, trial, hasher, tmp_path
):
    launch(store, trial)
    enrol(store, write_list(tmp_path / "a.csv"), hasher, tmp_path / "a")
    other = Store.open(f"sqlite:///{tmp_path / 'other.db'}")
    from trials.store import migrate

    migrate.upgrade(other)
    launch(other, trial)
    enrol(other, write_list(tmp_path / "b.csv", shuffle=True), hasher, tmp_path / "b")
    other.close()
    assert arms_of(tmp_path / "a") == arms_of(tmp_path / "b")


def test_the_revealed_seed_recomputes_every_assignment(store, trial, hasher, tmp_path):
    """The commitment is published before the list exists and holds when the seed is revealed."""
    launch(store, trial)
    with store.read() as session:
        before = registry.load(session, KEY).seal
    assert before.seed is None
    enrol(store, write_list(tmp_path / "l.csv"), hasher, tmp_path / "out")
    with store.write() as session:
        seal = lifecycle.stop(session, KEY, actor="test").seal
    assert verify.holds(before.commitment, seed=seal.seed, nonce=seal.nonce, trial=KEY)
    given = arms_of(tmp_path / "out")
    roster = Roster(keys=sorted(given), strata=[(unit_band(u),) for u in sorted(given)])
    design = design_for(trial.design, trial.arms)
    assert verify.differences(design, roster, given, seed=seal.seed, trial=KEY) == []
    swapped = given | {"U00000": "current" if given["U00000"] == "one-thing" else "one-thing"}
    (difference,) = verify.differences(design, roster, swapped, seed=seal.seed, trial=KEY)
    assert difference.unit == "U00000"


def test_enrolling_the_same_list_again_changes_nothing_and_writes_the_files_again(
    store, trial, hasher, tmp_path
):
    launch(store, trial)
    path = write_list(tmp_path / "l.csv")
    enrol(store, path, hasher, tmp_path / "one")
    again = enrol(store, path, hasher, tmp_path / "two")
    assert (again.added, again.repeated) == (0, True)
    assert arms_of(tmp_path / "one") == arms_of(tmp_path / "two")


def test_a_longer_list_keeps_first_assignments_and_draws_only_the_new(
    store, trial, hasher, tmp_path
):
    launch(store, trial)
    enrol(store, write_list(tmp_path / "a.csv", 100), hasher, tmp_path / "a")
    report = enrol(store, write_list(tmp_path / "b.csv", 180), hasher, tmp_path / "b")
    assert (report.added, report.detail["already_in_trial"], report.detail["batch"]) == (80, 100, 2)
    first, second = arms_of(tmp_path / "a"), arms_of(tmp_path / "b")
    assert {unit: second[unit] for unit in first} == first


def test_exclusions_come_before_the_draw_and_are_counted_by_reason_alone(
    store, trial_text, hasher, tmp_path
):
    text = trial_text.replace(
        "seed = 20260401",
        'seed = 20260401\nexclusions = [{ reason = "top-band", column = "band", values = ["D"] }]',
    )
    launch(store, toml.read(text))
    report = enrol(store, write_list(tmp_path / "l.csv"), hasher, tmp_path / "out")
    assert report.detail["excluded"] == {"top-band": 100}
    assert report.added == 300
    assert "D" not in {unit_band(unit) for unit in arms_of(tmp_path / "out")}
    with store.read() as session:
        kept = session.scalars(sa.select(ExclusionRow)).one()
        assert (kept.reason, kept.units) == ("top-band", 100)
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == 300


def test_households_are_never_split(store, trial, hasher, tmp_path):
    design = trial.design.model_copy(
        update={"kind": "cluster", "strata": (), "cluster": "household"}
    )
    arms = tuple(arm.model_copy(update={"wording": ""}) for arm in trial.arms)
    launch(store, trial.model_copy(update={"design": design, "arms": arms}))
    path = tmp_path / "l.csv"
    path.write_text("unit,household\n" + "".join(f"P{i},H{i // 3}\n" for i in range(300)))
    enrol(store, path, hasher, tmp_path / "out")
    by_house = {}
    for unit, arm in arms_of(tmp_path / "out").items():
        by_house.setdefault(int(unit[1:]) // 3, set()).add(arm)
    assert all(len(arms) == 1 for arms in by_house.values())
    assert len(by_house) == 100


def test_a_new_member_of_a_known_household_takes_its_arm(store, trial, hasher, tmp_path):
    design = trial.design.model_copy(
        update={"kind": "cluster", "strata": (), "cluster": "household"}
    )
    arms = tuple(arm.model_copy(update={"wording": ""}) for arm in trial.arms)
    launch(store, trial.model_copy(update={"design": design, "arms": arms}))
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("unit,household\n" + "".join(f"P{i},H{i}\n" for i in range(40)))
    second.write_text("unit,household\n" + "".join(f"Q{i},H{i}\n" for i in range(60)))
    enrol(store, first, hasher, tmp_path / "a")
    report = enrol(store, second, hasher, tmp_path / "b")
    assert (report.added, report.detail["joined_their_cluster"]) == (60, 40)
    before, after = arms_of(tmp_path / "a"), arms_of(tmp_path / "b")
    assert all(after[f"Q{i}"] == before[f"P{i}"] for i in range(40))
    assert len({after[f"Q{i}"] for i in range(40, 60)}) == 2


@pytest.mark.parametrize("method", ["matched", "minimisation"])
def test_few_households_are_matched_or_minimised_on_their_covariates(
    store, trial, hasher, tmp_path, method
):
    update = {"kind": "individual", "strata": (), "method": method, "balance": ("size",)}
    arms = tuple(arm.model_copy(update={"wording": ""}) for arm in trial.arms)
    design = trial.design.model_copy(update=update)
    launch(store, trial.model_copy(update={"design": design, "arms": arms}))
    path = tmp_path / "l.csv"
    path.write_text("unit,size\n" + "".join(f"P{i},{i // 2}\n" for i in range(20)))
    report = enrol(store, path, hasher, tmp_path / "out")
    assert report.added == 20
    if method == "matched":
        given = arms_of(tmp_path / "out")
        assert all(given[f"P{2 * i}"] != given[f"P{2 * i + 1}"] for i in range(10))


def test_trials_of_one_namespace_never_share_a_unit(store, trial, hasher, tmp_path):
    spaced = trial.model_copy(
        update={"design": trial.design.model_copy(update={"namespace": "council-tax"})}
    )
    rival = spaced.model_copy(update={"about": spaced.about.model_copy(update={"key": "rival"})})
    launch(store, spaced)
    launch(store, rival)
    enrol(store, write_list(tmp_path / "a.csv", 100), hasher)
    request = enrolment.Request(key="rival", path=write_list(tmp_path / "b.csv", 150), out=None)
    report = enrolment.enrol(store, request, hasher=hasher, actor="test")
    assert report.added == 50
    assert report.detail["excluded"] == {enrolment.ELSEWHERE: 100}


@pytest.mark.parametrize(
    ("extra", "line", "says"),
    [
        ("U00001,A,Twin,1,\n", 402, "same unit as line 3"),
        (",A,Nobody,1,\n", 402, "blank"),
        ("U09999,A,Cut\n", 402, "cut short"),
    ],
)
def test_a_bad_list_is_refused_and_nothing_is_written(
    store, trial, hasher, tmp_path, extra, line, says
):
    launch(store, trial)
    with pytest.raises(Invalid) as caught:
        enrol(store, write_list(tmp_path / "l.csv", extra=extra), hasher, tmp_path / "out")
    assert caught.value.problems[0].line == line
    assert says in str(caught.value.problems[0])
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    with store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == 0


def test_an_unknown_placeholder_is_refused_before_anything_is_written(
    store, trial, hasher, tmp_path
):
    arms = (trial.arms[0], trial.arms[1].model_copy(update={"wording": "Dear {{ nmae }}"}))
    launch(store, trial.model_copy(update={"arms": arms}))
    with pytest.raises(Invalid, match="nmae"):
        enrol(store, write_list(tmp_path / "l.csv"), hasher, tmp_path / "out")
    with store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == 0


def test_a_list_before_the_launch_or_during_a_pause_is_refused(store, trial, hasher, tmp_path):
    path = write_list(tmp_path / "l.csv", 8)
    with store.write() as session:
        registry.add(session, trial, actor="test")
    with pytest.raises(Conflict, match="has not been launched"):
        enrol(store, path, hasher)
    with store.write() as session:
        lifecycle.launch(session, KEY, actor="test")
        lifecycle.pause(session, KEY, actor="test")
    with pytest.raises(Conflict, match="paused"):
        enrol(store, path, hasher)


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(store, trial, hasher, tmp_path):
    launch(store, trial)
    path = tmp_path / "l.csv"
    names = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tTab", "-12.5"]
    body = "".join(f'U{i},A,"{name}",{i},\n' for i, name in enumerate(names))
    path.write_text("unit,band,name,amount,phone\n" + body)
    enrol(store, path, hasher, tmp_path / "out")
    seen = {}
    for file in (tmp_path / "out").glob("*.csv"):
        seen |= {row["unit"]: row["name"] for row in csv.DictReader(file.open(newline=""))}
    assert [seen[f"U{i}"][:1] for i in range(5)] == ["'"] * 5
    assert seen["U5"] == "-12.5", "a plain negative number is not a formula"


def test_raw_identifiers_are_nowhere_in_the_database(store, trial, hasher, tmp_path):
    launch(store, trial)
    enrol(store, write_list(tmp_path / "l.csv", 50), hasher, tmp_path / "out")
    with store.read() as session:
        phones = sa.select(sa.func.count()).where(IdentifierRow.kind == "phone")
        assert session.scalar(phones) == 50
    if store.dialect == "sqlite":
        dump = b"".join(p.read_bytes() for p in tmp_path.glob("signpost.db*"))
        for raw in (b"07700 900", b"+447700900", b"Resident", b"U00017"):
            assert raw not in dump


PROGRAM = """
import sys
from pathlib import Path
from trials import enrolment
from trials.people.identifiers import Hasher
from trials.store.engine import Store
store = Store.open(sys.argv[1])
request = enrolment.Request(key="council-tax-reminder", path=Path(sys.argv[2]), out=Path(sys.argv[3]))
print("go", flush=True)
enrolment.enrol(store, request, hasher=Hasher(b"a key that only the tests know, 32 bytes or more"), actor="t")
print("done", flush=True)
"""


def start(database_url, path, out):
    """An enrolment in a process of its own, about to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url, str(path), str(out)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "go\n"
    return process


def count_units(store):
    with store.read() as session:
        units = session.scalar(sa.select(sa.func.count()).select_from(UnitRow))
        given = session.scalar(sa.select(sa.func.count()).select_from(AssignmentRow))
    return units, given


@pytest.mark.slow
def test_a_killed_enrolment_leaves_nothing_or_everything_and_the_next_completes_it(
    store, database_url, trial, hasher, tmp_path
):
    """SIGKILL at five moments of a run of 3,000 units, and once as soon as all of it is visible."""
    launch(store, trial)
    path, out = write_list(tmp_path / "l.csv", 3_000), tmp_path / "out"
    seen = []
    for wait in (0.0, 0.05, 0.1, 0.2, 0.3, None):
        process = start(database_url, path, out)
        if wait is None:
            deadline = time.monotonic() + 60
            while count_units(store)[0] == 0 and time.monotonic() < deadline:
                time.sleep(0.01)
        else:
            time.sleep(wait)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        seen.append(count_units(store))
    assert set(seen) <= {(0, 0), (3_000, 3_000)}
    assert seen[0] == (0, 0), "no kill came before the end: the test proves nothing"
    assert seen[-1] == (3_000, 3_000), "no kill came after the commit"
    enrol(store, path, hasher, out)
    assert len(arms_of(out)) == 3_000
    assert count_units(store) == (3_000, 3_000)
