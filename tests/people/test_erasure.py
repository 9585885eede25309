"""People removed for good, finished trials retired, and the key of identifiers changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from trials import audit, clock, lifecycle, registry
from trials.contacts import batch
from trials.errors import Conflict, Invalid, SignpostError
from trials.importing import assignments, outcomes
from trials.people import erasure, rekeying, retention
from trials.people.identifiers import Hasher
from trials.people.keys import Keys, TrialKeys
from trials.store.tables import (
    AssignmentRow,
    ContactRow,
    IdentifierRow,
    OutcomeRow,
    RemovalRow,
    RunRow,
    TurnedAwayRow,
    UnitRow,
)

KEY = "council-tax-reminder"
PEOPLE = (
    "unit,arm,assigned_at,band,phone,email\n"
    "A1,current,2026-04-01,D,020 7946 0001,ann@example.org\n"
    "A2,one-thing,2026-04-01,C,020 7946 0002,bob@example.org\n"
    "A3,one-thing,2026-04-01,C,020 7946 0002,cat@example.org\n"
)
CALLS = [
    {"contact_id": "1", "occurred_at": "2026-04-02T09:00:00Z", "phone": "020 7946 0001"},
    {"contact_id": "2", "occurred_at": "2026-04-03T09:00:00Z", "email": "ann@example.org"},
    {"contact_id": "3", "occurred_at": "2026-04-03T09:00:00Z", "phone": "020 7946 0002"},
    {"contact_id": "4", "occurred_at": "2026-04-03T09:00:00Z", "email": "bob@example.org"},
]


@pytest.fixture
def filled(store, trial, hasher, tmp_path):
    """A trial of three people, two of whom share a landline, with outcomes, calls and a run."""
    fill(store, trial, hasher, tmp_path)
    return store


def fill(store, trial, hasher, folder) -> None:
    with store.write() as session:
        registry.add(session, trial, actor="t")
        lifecycle.launch(session, KEY, actor="t")
    (folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (folder / "paid.csv").write_text("unit,paid\nA1,1\nA2,0\nA3,1\n", encoding="utf-8")
    assignments.add(store, KEY, folder / "people.csv", hasher=hasher, actor="t")
    outcomes.add(store, KEY, folder / "paid.csv", hasher=hasher, actor="t")
    batch.add_batch(store, CALLS, source="phone", hasher=hasher, actor="t")


def count(store, table, *such) -> int:
    with store.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table).where(*such)) or 0


def test_erasing_a_telephone_number_removes_the_person_everywhere(filled, hasher):
    """The unit that it names goes, and with it the contact made under the unit's e-mail."""
    done = erasure.erase(filled, [("phone", "02079460001")], hasher=hasher, actor="dpo")

    assert (done.contacts, done.units, done.trials) == (2, 1, (KEY,))
    assert count(filled, UnitRow) == count(filled, AssignmentRow) == count(filled, OutcomeRow) == 2
    assert count(filled, ContactRow) == 2
    gone = erasure.numbers_of([("phone", "02079460001"), ("email", "ann@example.org")], hasher)
    for kind, number in gone:
        assert count(filled, IdentifierRow, IdentifierRow.number == number) == 0
        assert count(filled, ContactRow, getattr(ContactRow, kind) == number) == 0


def test_the_audit_log_tells_of_the_erasure_without_the_identifier(filled, hasher):
    erasure.erase(filled, [("email", "ann@example.org")], hasher=hasher, actor="dpo")

    with filled.read() as session:
        entry = audit.history(session, "people")[-1]
        assert audit.verify(session) is None
    assert (entry.action, entry.actor) == ("person erased", "dpo")
    assert entry.detail["units"] == 1
    assert "ann" not in str(entry.detail)


def test_a_dry_run_counts_and_changes_nothing(filled, hasher):
    done = erasure.erase(filled, [("phone", "02079460001")], hasher=hasher, actor="dpo",
                         dry_run=True)  # fmt: skip

    assert (done.contacts, done.units, done.dry) == (2, 1, True)
    assert count(filled, UnitRow) == 3
    assert count(filled, ContactRow) == 4


def test_a_shared_landline_removes_its_calls_but_guesses_at_nobody(filled, hasher):
    done = erasure.erase(filled, [("phone", "02079460002")], hasher=hasher, actor="dpo")

    assert (done.units, done.contacts, done.shared) == (0, 1, (KEY,))
    assert count(filled, UnitRow) == 3


def test_an_erased_person_does_not_come_back_with_the_next_export(filled, hasher):
    erasure.erase(filled, [("phone", "02079460001")], hasher=hasher, actor="dpo")

    report = batch.add_batch(filled, CALLS, source="phone", hasher=hasher, actor="t")

    assert (report.added, report.unchanged) == (0, 2)
    assert any("asked to be forgotten" in note for note in report.notes)
    assert count(filled, ContactRow) == 2


def test_how_many_units_went_from_which_arm_is_kept(filled, hasher):
    erasure.erase(filled, [("unit", "A1")], hasher=hasher, actor="dpo")

    with filled.read() as session:
        rows = session.execute(sa.select(RemovalRow.reason, RemovalRow.units)).tuples().all()
    assert rows == [("erased", 1)]


@pytest.mark.parametrize("text", ["phone", "phone=", "shoe=43", "=1"])
def test_an_identifier_that_is_not_kind_and_value_is_refused(text):
    with pytest.raises(Invalid, match="identifier"):
        erasure.parse([text])


def test_a_number_that_cannot_be_read_is_refused_without_being_repeated(filled, hasher):
    with pytest.raises(SignpostError) as refused:
        erasure.erase(filled, [("phone", "12345678901234567890")], hasher=hasher, actor="t")
    assert "1234567" not in str(refused.value)


def finish(store, *, days_ago: int) -> None:
    with store.write() as session:
        lifecycle.stop(session, KEY, actor="t")
        now = clock.now()
        session.execute(sa.text("UPDATE trials SET updated_at = :at").bindparams(
            sa.bindparam("at", now - timedelta(days=days_ago), sa.DateTime(timezone=True))))  # fmt: skip
        session.add(RunRow(trial_id=1, plan_hash="h", locked=True, school="both", cutoff=1, seed=1,
                           version="1", data_hash="d", at=now, seconds=1.0, actor="t",
                           result={"kept": True}))  # fmt: skip


def apply_rule(store, hasher, **options):
    settings = {"trial_days": 365, "contact_days": 36500, "actor": "clock"} | options
    return retention.run(store, hasher=hasher, **settings)


def test_a_trial_long_over_loses_its_units_and_keeps_its_results(filled, hasher):
    finish(filled, days_ago=400)

    done = apply_rule(filled, hasher)

    assert [(one.trial, one.units) for one in done.trials] == [(KEY, 3)]
    for table in (UnitRow, AssignmentRow, IdentifierRow, OutcomeRow):
        assert count(filled, table) == 0
    with filled.read() as session:
        assert session.scalar(sa.select(RunRow.result)) == {"kept": True}
        assert audit.history(session, KEY)[-1].action == "unit-level data removed"
        assert retention.retired(session, 1)
    assert apply_rule(filled, hasher).trials == ()


def test_a_trial_lately_over_or_still_running_keeps_its_units(filled, hasher):
    assert apply_rule(filled, hasher).trials == ()
    finish(filled, days_ago=30)
    assert apply_rule(filled, hasher).trials == ()
    assert count(filled, UnitRow) == 3


def test_whoever_asked_and_was_left_out_is_erased_and_retired_too(store, trial, hasher):
    """They are no unit of the trial: their row is found by the unit's id, and goes in the end."""
    with store.write() as session:
        registry.add(session, trial, actor="t")
        lifecycle.launch(session, KEY, actor="t")
        session.add_all(
            TurnedAwayRow(trial_id=1, digest=hasher.unit(KEY, unit), reason="objected", at=1)
            for unit in ("Z1", "Z2")
        )
    erasure.erase(store, [("unit", "Z1")], hasher=hasher, actor="dpo")
    with store.read() as session:
        assert session.scalars(sa.select(TurnedAwayRow.digest)).all() == [hasher.unit(KEY, "Z2")]
    finish(store, days_ago=400)
    apply_rule(store, hasher)
    assert count(store, TurnedAwayRow) == 0


def test_a_running_trial_cannot_be_retired_by_name(filled, hasher):
    with pytest.raises(Conflict, match="stop it first"):
        apply_rule(filled, hasher, key=KEY)


def test_old_contacts_go_unless_a_trial_needs_them(filled, hasher):
    soon = datetime(2040, 1, 1, tzinfo=UTC)
    clock.set_source(lambda: soon)
    try:
        assert apply_rule(filled, hasher, contact_days=1000).contacts == 0
        with filled.write() as session:
            session.execute(sa.update(ContactRow).where(ContactRow.phone.is_not(None))
                            .values(occurred_at=1_600_000_000))  # fmt: skip
        assert apply_rule(filled, hasher, contact_days=1000).contacts == 2
    finally:
        clock.set_source(None)
    assert count(filled, ContactRow) == 2


def test_a_retired_trials_key_is_destroyed(store, trial, tmp_path):
    hasher = Hasher(Keys(b"k" * 32, trials=tmp_path / "keys"))
    fill(store, trial, hasher, tmp_path)
    before = hasher.unit(KEY, "A1")
    assert Hasher(Keys(b"k" * 32, trials=tmp_path / "keys")).unit(KEY, "A1") == before
    assert Hasher(Keys(b"k" * 32)).unit(KEY, "A1") != before
    finish(store, days_ago=400)

    apply_rule(store, hasher)

    with pytest.raises(Conflict, match="was destroyed"):
        hasher.unit(KEY, "A1")
    assert [p.read_text(encoding="utf-8")[:9] for p in (tmp_path / "keys").iterdir()] == [
        "destroyed"
    ]


def test_two_processes_making_a_trials_key_agree(tmp_path):
    assert TrialKeys(tmp_path).of("a") == TrialKeys(tmp_path).of("a") != TrialKeys(tmp_path).of("b")
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_a_changed_key_still_links_what_was_stored_under_the_old_one(filled, tmp_path, hasher):
    key_file = tmp_path / "identifier.key"
    key_file.write_text("a key that only the tests know, 32 bytes or more\n", encoding="utf-8")
    old = dict(erasure.numbers_of([("phone", "02079460001")], hasher))

    done = rekeying.rotate(filled, key_file, actor="t")

    after = Hasher(Keys.of(key_file.read_text(encoding="utf-8")))
    new = dict(erasure.numbers_of([("phone", "02079460001")], after))
    assert done.generation == 1
    assert old != new
    assert count(filled, ContactRow, ContactRow.phone == new["phone"]) == 1
    assert count(filled, ContactRow, ContactRow.phone == old["phone"]) == 0
    with filled.read() as session:
        stored = {bytes(d) for d in session.scalars(sa.select(UnitRow.digest))}
    assert {after.unit(KEY, u)[:7] for u in ("A1", "A2", "A3")} == {d[:7] for d in stored}
    assert stored == {after.unit(KEY, u) for u in ("A1", "A2", "A3")}
    again = batch.add_batch(filled, CALLS, source="phone", hasher=after, actor="t")
    assert (again.added, again.unchanged, again.corrected) == (0, 4, 0)


def test_an_interrupted_change_of_key_is_finished_by_the_same_command(filled, tmp_path, hasher):
    key_file = tmp_path / "identifier.key"
    key_file.write_text("a key that only the tests know, 32 bytes or more\n", encoding="utf-8")
    before = key_file.read_text(encoding="utf-8")
    rekeying.rotate(filled, key_file, actor="t")
    key_file.replace(key_file.with_suffix(".next"))
    key_file.write_text(before, encoding="utf-8")

    done = rekeying.rotate(filled, key_file, actor="t")

    assert (done.finished_earlier, done.hashes) == (True, 0)
    after = Hasher(Keys.of(key_file.read_text(encoding="utf-8")))
    number = dict(erasure.numbers_of([("phone", "02079460001")], after))["phone"]
    assert count(filled, ContactRow, ContactRow.phone == number) == 1


def test_no_byte_of_an_erased_person_stays_in_the_file(sqlite_store, trial, hasher, tmp_path):
    fill(sqlite_store, trial, hasher, tmp_path)
    unit = hasher.unit(KEY, "A1")
    file = tmp_path / "signpost.db"
    with sqlite_store.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert unit in file.read_bytes()

    erasure.erase(sqlite_store, [("unit", "A1")], hasher=hasher, actor="dpo")

    for held in tmp_path.glob("signpost.db*"):
        assert unit not in held.read_bytes()
