"""The demonstration: a database to look around in, built afresh in a minute.

It holds a real trial of letters with the result its authors published. Everything is loaded
through the same doors that a council's own files come through.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis import study
from trials import lifecycle, registry, resources
from trials.definition import toml
from trials.definition.model import Trial
from trials.importing import assignments, outcomes
from trials.people.identifiers import Hasher
from trials.store import migrate
from trials.store.engine import Store

LETTERS = "matching-gift-letters"
ACTOR = "demonstration"
_ARMS = {"control": "control", "1:1": "match-1-1", "2:1": "match-2-1", "3:1": "match-3-1"}
Say = Callable[[str], None]


def build(store: Store, hasher: Hasher, say: Say) -> list[dict[str, Any]]:
    """Build the demonstration in ``store``; answers the result of every trial.

    Building it twice changes nothing but the runs.
    """
    migrate.upgrade(store)
    return [letters(store, hasher, say)]


def letters(store: Store, hasher: Hasher, say: Say) -> dict[str, Any]:
    """The real letter trial of Karlan and List (2007), from its public data to its result."""
    folder = resources.folder("templates") / "trials" / LETTERS
    trial = toml.read((folder / "trial.toml").read_text("utf-8"))
    _launched(store, trial)
    say("Loading 50,083 letters of a real trial (Karlan & List 2007)")
    with _split(folder / "letters.csv.gz", trial.columns) as (given, measured):
        assignments.add(store, trial.key, given, hasher=hasher, actor=ACTOR)
        outcomes.add(store, trial.key, measured, hasher=hasher, actor=ACTOR)
    say("Analysing it by the locked plan")
    return study.analyse(store, study.Order(key=trial.key, actor=ACTOR))


def _launched(store: Store, trial: Trial) -> None:
    with store.write() as session:
        known = {summary.key for summary in registry.summaries(session)}
        if trial.key in known:
            return
        registry.add(session, trial, actor=ACTOR)
        lifecycle.launch(session, trial.key, actor=ACTOR)


@contextmanager
def _split(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[Path, Path]]:
    """The public file as the two files that an import takes: who got what, and what came of it."""
    with tempfile.TemporaryDirectory() as name:
        given, measured = Path(name) / "assignments.csv", Path(name) / "outcomes.csv"
        with (
            gzip.open(path, "rt", encoding="utf-8", newline="") as source,
            given.open("w", encoding="utf-8", newline="") as left,
            measured.open("w", encoding="utf-8", newline="") as right,
        ):
            who, what = csv.writer(left), csv.writer(right)
            who.writerow(["unit", "arm", *columns])
            what.writerow(["unit", "gave", "amount"])
            for row in csv.DictReader(source):
                arm = _ARMS[row["match_ratio"]]
                who.writerow([row["row"], arm, *(row[column] for column in columns)])
                what.writerow([row["row"], row["gave"], row["amount"]])
        yield given, measured
