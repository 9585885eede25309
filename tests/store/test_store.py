"""The database on both engines: schema, transactions, safety."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from trials import audit, registry
from trials.errors import SignpostError, Unavailable
from trials.store import migrate, staging
from trials.store.base import Base
from trials.store.engine import Store
from trials.store.tables import AuditRow


def at_once(act, url, times, *, processes):
    """Run ``worker.py`` in several processes; their exit codes."""
    command = [sys.executable, str(Path(__file__).with_name("worker.py")), act, url, str(times)]
    running = [subprocess.Popen(command) for _ in range(processes)]
    return [process.wait(timeout=120) for process in running]


def test_migrations_walk_up_and_down_and_match_the_models(empty_url):
    store = Store.open(empty_url)
    assert migrate.upgrade(store) == (None, migrate.head())
    assert migrate.drift(store) == []
    migrate.downgrade(store, "base")
    assert migrate.current(store) is None
    left = set(sa.inspect(store.engine).get_table_names()) - {"alembic_version"}
    assert left == set()
    migrate.upgrade(store)
    assert migrate.drift(store) == []
    assert set(Base.metadata.tables) <= set(sa.inspect(store.engine).get_table_names())
    store.close()


def test_a_changed_column_is_seen_as_drift(sqlite_store):
    with sqlite_store.write() as session:
        session.execute(sa.text("ALTER TABLE users ADD COLUMN shoe_size INTEGER"))
    assert any("shoe_size" in difference for difference in migrate.drift(sqlite_store))


def test_two_upgrades_at_once_leave_one_schema(empty_url):
    assert at_once("upgrade", empty_url, 1, processes=2) == [0, 0]
    store = Store.open(empty_url)
    assert migrate.current(store) == migrate.head()
    assert migrate.drift(store) == []
    store.close()


def test_a_row_that_cannot_be_staged_leaves_the_connection_fit_for_the_next(store):
    refused = (sa.exc.DBAPIError, UnicodeEncodeError)
    for text in ("\ud800", "a\x00b") if store.dialect == "postgresql" else ("\ud800",):
        with pytest.raises(refused), staging.stage(store, some={"word": "text"}) as stages:
            stages["some"].put([(text,)])
    with staging.stage(store, some={"word": "text"}) as stages:
        stages["some"].put([("é",)])
        assert stages["some"].query("SELECT word FROM stage_some") == [("é",)]


def test_the_databases_own_errors_repeat_no_value(store):
    with pytest.raises(sa.exc.DBAPIError) as failed, store.engine.connect() as connection:
        connection.execute(sa.text("SELECT 1 FROM nowhere WHERE name = :name"), {"name": "Jo"})
    assert "Jo" not in str(failed.value)


def test_a_database_of_a_newer_version_is_refused(store):
    with store.write() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="newer version"):
        migrate.upgrade(store)


def test_four_processes_that_read_and_then_write_lose_nothing_on_sqlite(sqlite_store, trial):
    """The driver's default loses updates here without an error; BEGIN IMMEDIATE must not."""
    counter = trial.model_copy(update={"about": trial.about.model_copy(update={"key": "counter"})})
    with sqlite_store.write() as session:
        registry.add(session, counter, actor="test")
    url = sqlite_store.url.render_as_string()
    assert at_once("count", url, 50, processes=4) == [0, 0, 0, 0]
    with sqlite_store.read() as session:
        assert session.scalar(sa.text("SELECT version FROM trials WHERE key = 'counter'")) == 201


def test_readers_do_not_wait_for_a_writer_on_sqlite(sqlite_store, trial):
    with sqlite_store.write() as session:
        registry.add(session, trial, actor="test")
    with sqlite_store.write() as writer:
        writer.execute(sa.text("UPDATE trials SET title = 'being written'"))
        with sqlite_store.read() as reader:
            assert registry.summaries(reader)[0].title == trial.about.title


def test_foreign_keys_are_on(store):
    with pytest.raises(sa.exc.IntegrityError), store.write() as session:
        session.execute(
            sa.text("INSERT INTO units (trial_id, digest) VALUES (77, :d)"), {"d": b"x" * 16}
        )


def _add_and_fail(session, trial):
    registry.add(session, trial, actor="test")
    return 1 / 0


def test_a_failed_block_leaves_nothing(store, trial):
    with pytest.raises(ZeroDivisionError), store.write() as session:
        _add_and_fail(session, trial)
    with store.read() as session:
        assert registry.summaries(session) == []


def test_a_backup_restores_to_the_moment_it_was_made(store, trial, tmp_path):
    with store.write() as session:
        registry.add(session, trial, actor="test")
    copy = tmp_path / "copy.backup"
    assert migrate.backup(store, copy).size == copy.stat().st_size
    with store.write() as session:
        session.execute(sa.text("UPDATE trials SET title = 'spoiled'"))
    migrate.restore(store, copy)
    with store.read() as session:
        assert registry.load(session, trial.key).definition.about.title == trial.about.title
        assert audit.verify(session) is None


def test_restoring_something_else_changes_nothing(sqlite_store, trial, tmp_path):
    with sqlite_store.write() as session:
        registry.add(session, trial, actor="test")
    wrong = tmp_path / "holiday.jpg"
    wrong.write_bytes(b"not a database at all")
    with pytest.raises(SignpostError, match="not a sound Signpost backup"):
        migrate.restore(sqlite_store, wrong)
    with sqlite_store.read() as session:
        assert registry.load(session, trial.key)


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log"])
def test_the_database_itself_refuses_to_change_the_audit_log(store, trial, statement):
    with store.write() as session:
        registry.add(session, trial, actor="test")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.write() as session:
        session.execute(sa.text(statement))


def _unguarded(store):
    """Do what only somebody with the database's keys can: take the guard away."""
    with store.write() as session:
        if store.dialect == "sqlite":
            session.execute(sa.text("DROP TRIGGER audit_log_update"))
            session.execute(sa.text("DROP TRIGGER audit_log_delete"))
        else:
            session.execute(sa.text("DROP TRIGGER audit_log_guard ON audit_log"))


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit_log SET actor = 'somebody else' WHERE id = 2", 2),
        ("DELETE FROM audit_log WHERE id = 2", 3),
        ("UPDATE audit_log SET detail = '{}' WHERE id = 3", 3),
    ],
)
def test_the_first_broken_link_of_the_audit_log_is_named(store, statement, broken):
    with store.write() as session:
        for n in range(4):
            audit.record(session, "noted", "something", actor="test", detail={"n": n, "é": 0.1})
    with store.read() as session:
        assert audit.verify(session) is None
    _unguarded(store)
    with store.write() as session:
        session.execute(sa.text(statement))
    with store.read() as session:
        assert audit.verify(session).number == broken


def test_entries_from_several_processes_form_one_chain(database_url):
    store = Store.open(database_url)
    assert at_once("record", database_url, 20, processes=3) == [0, 0, 0]
    with store.read() as session:
        assert audit.verify(session) is None
        assert session.scalar(sa.select(sa.func.count()).select_from(AuditRow)) == 60
    store.close()


def test_an_address_nobody_understands_is_one_sentence():
    with pytest.raises(SignpostError, match="cannot be understood"):
        Store.open("not an address")
    with pytest.raises(SignpostError, match="mysql databases are not supported"):
        Store.open("mysql://somewhere/thing")


def test_a_database_without_tables_says_what_to_run(empty_url):
    store = Store.open(empty_url)
    with pytest.raises(Unavailable, match="signpost db upgrade"), store.read() as session:
        registry.summaries(session)
    store.close()


def test_the_write_ahead_log_of_a_killed_writer_is_recovered(tmp_path):
    """A process killed inside a transaction leaves the last committed state."""
    url = f"sqlite:///{tmp_path / 'k.db'}"
    store = Store.open(url)
    migrate.upgrade(store)
    code = (
        "import sys, time, sqlalchemy as sa; from trials import audit;"
        "from trials.store.engine import Store; s = Store.open(sys.argv[1]);\n"
        "with s.write() as x:\n  audit.record(x, 'kept', 'k', actor='t')\n"
        "with s.write() as x:\n  audit.record(x, 'lost', 'k', actor='t'); print('in', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "in"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with store.read() as session:
        assert [entry.action for entry in audit.history(session, "k")] == ["kept"]
    with sqlite3.connect(tmp_path / "k.db") as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    store.close()


def test_a_reader_sees_a_whole_transaction_or_none_of_it(store):
    """While one thread commits pairs of entries, another never sees an odd number."""
    done = threading.Event()
    odd = []

    def watch():
        while not done.is_set():
            with store.read() as session:
                count = session.scalar(sa.select(sa.func.count()).select_from(AuditRow))
                odd.extend([count] * (count % 2))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        with store.write() as session:
            audit.record(session, "one", "pair", actor="t")
            time.sleep(0.002)
            audit.record(session, "two", "pair", actor="t")
    done.set()
    watcher.join()
    assert odd == []


def test_the_alembic_folder_never_hides_the_library():
    root = Path(__file__).resolve().parents[2]
    assert not (root / "alembic" / "__init__.py").exists()
