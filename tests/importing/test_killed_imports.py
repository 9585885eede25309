"""An import killed at any point leaves nothing or everything, and running it again completes it.

The process kills itself (SIGKILL, no clearing up) after its first, third and ninth statement and
at each of its commits, so that no moment between two states is left out.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from trials import lifecycle, registry
from trials.importing import assignments, outcomes
from trials.store.tables import AssignmentRow, ImportRow, OutcomeRow

UNITS = 3_000
STATEMENTS = [("after_cursor_execute", n) for n in (1, 3, 9)]
COMMITS = [("commit", n) for n in range(1, 9)]
PROGRAM = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from trials.importing import assignments, outcomes
from trials.people.identifiers import Hasher
from trials.store.engine import Store

url, kind, path, key, place, number = sys.argv[1:]
left = int(number)

def perhaps_die(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

store = Store.open(url)
event.listen(store.engine, place, perhaps_die)
take = {"assignments": assignments, "outcomes": outcomes}[kind]
take.add(store, key, Path(path), hasher=Hasher(b"a key that only the tests know, 32 bytes or more"),
         actor="t")
"""


@pytest.fixture
def files(store, trial, hasher, tmp_path):
    """A launched trial and its two files; the outcomes are of units that are there already."""
    with store.write() as session:
        registry.add(session, trial, actor="test")
        lifecycle.launch(session, trial.key, actor="test")
    given, measured = tmp_path / "given.csv", tmp_path / "measured.csv"
    arms = [arm.key for arm in trial.arms]
    given.write_text("unit,arm,band\n" + "".join(
        f"U{i},{arms[i % len(arms)]},{'ABCD'[i % 4]}\n" for i in range(UNITS)))  # fmt: skip
    measured.write_text("unit,metric,value\n" + "".join(
        f"U{i},paid,{i % 2}\n" for i in range(UNITS)))  # fmt: skip
    return {"assignments": given, "outcomes": measured}


def state(store, table):
    """Rows of the table, and files noted as taken in."""
    with store.read() as session:
        return tuple(
            session.scalar(sa.select(sa.func.count()).select_from(one))
            for one in (table, ImportRow)
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["assignments", "outcomes"])
def test_an_import_killed_anywhere_leaves_nothing_or_everything(
    store, database_url, trial, hasher, files, kind
):
    take = {"assignments": assignments, "outcomes": outcomes}[kind]
    table = {"assignments": AssignmentRow, "outcomes": OutcomeRow}[kind]
    if kind == "outcomes":
        assignments.add(store, trial.key, files["assignments"], hasher=hasher, actor="test")
    before = state(store, table)
    after = (before[0] + UNITS, before[1] + 1)
    seen = []
    for place, number in (*STATEMENTS, *COMMITS):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, database_url, kind, str(files[kind]), trial.key,
             place, str(number)], capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        seen.append(state(store, table))
        if seen[-1] == after:
            break
    assert set(seen) == {before, after}
    assert len(seen) > len(STATEMENTS) + 1, "the import was whole before its commits were tried"
    take.add(store, trial.key, files[kind], hasher=hasher, actor="test")
    assert state(store, table) == after
