"""The demonstration: a database to look around in, built afresh in a minute.

The posteriors that need sampling take some minutes more: a process samples its models one after
another, several trials at a time, or a worker does while the pages are already served.

It holds a real trial of letters with the result its authors published, and the trials of the
invented Wychbridge Council: synthetic people and contacts, drawn by a computer, with a winner, a
mirage, a null, a harm, an underpowered trial, a confounded one and a broken split planted in them.
Everything is loaded through the same doors that a council's own files come through.
"""

from __future__ import annotations

import csv
import gzip
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from analysis import health, study
from trials import jobs, lifecycle, registry, resources, settings
from trials.contacts import load, reasons
from trials.definition import toml
from trials.definition.model import Trial
from trials.drafting import forecasts
from trials.importing import assignments, exposures, outcomes
from trials.people.identifiers import Hasher
from trials.plurals import counted
from trials.simulate import rehearsal, run
from trials.store import migrate
from trials.store.engine import Store

LETTERS = "matching-gift-letters"
ACTOR = "demonstration"
_ARMS = {"control": "control", "1:1": "match-1-1", "2:1": "match-2-1", "3:1": "match-3-1"}
Say = Callable[[str], None]


def build(store: Store, hasher: Hasher, say: Say, *, later: bool = False) -> list[dict[str, Any]]:
    """Build the demonstration in ``store``; answers the result of every trial.

    With ``later`` models that need sampling are left to a worker, as jobs; the results answered
    hold the posteriors of their estimates. Building it twice changes nothing but the runs.
    """
    migrate.upgrade(store)
    _load_letters(store, hasher, say)
    rehearsals = [_labelled(rehearsal.read(path)) for path in _rehearsals()]
    for planned in rehearsals:
        say(f"Drawing {counted(planned.plan.units, 'synthetic unit')} of {planned.trial.key}")
        rehearse(store, hasher, planned)
    keys = [LETTERS, *(planned.trial.key for planned in rehearsals)]
    for key in keys:
        _stopped(store, key)
    sampling = settings.sampling()
    if sampling and not later:
        return _sampled(store, keys, say)
    results = [_analysed(store, key, say, sampling=False) for key in keys]
    if sampling:
        for result in results:
            _sampled_later(store, result)
    return results


def _rehearsals() -> list[Path]:
    return sorted((resources.folder("templates") / "rehearsals").glob("*.toml"))


def _labelled(planned: rehearsal.Rehearsal) -> rehearsal.Rehearsal:
    """The rehearsal with a title that says, on every page and paper, that it is synthetic."""
    about = planned.trial.about
    titled = about.model_copy(update={"title": f"{about.title} (synthetic)"})
    trial = planned.trial.model_copy(update={"about": titled})
    return planned.model_copy(update={"trial": trial})


def rehearse(store: Store, hasher: Hasher, planned: rehearsal.Rehearsal) -> dict[str, Any]:
    """One trial of Wychbridge, from its files to the store; answers what is planted in it."""
    key = planned.trial.key
    _launched(store, planned.trial)
    with tempfile.TemporaryDirectory() as name:
        made = run.simulate(planned, Path(name))
        folder = made.folder
        assignments.add(store, key, folder / "assignments.csv", hasher=hasher, actor=ACTOR)
        for kind, add in (("exposures", exposures.add), ("outcomes", outcomes.add)):
            if _has_rows(folder / f"{kind}.csv"):
                add(store, key, folder / f"{kind}.csv", hasher=hasher, actor=ACTOR)
        if (folder / "reasons.csv").exists():
            reasons.add(store, folder / "reasons.csv", actor=ACTOR)
        load.add(store, folder / "contacts.csv", hasher=hasher, actor=ACTOR)
    return made.truth


def _has_rows(path: Path) -> bool:
    with path.open("rb") as file:
        return len(list(islice(file, 2))) == 2


def _stopped(store: Store, key: str) -> None:
    """The trial stopped, its seed revealed, and how it fared counted for its health page."""
    with store.write() as session:
        if registry.load(session, key).state == "live":
            lifecycle.stop(session, key, actor=ACTOR, reason="the planned end was reached")
    found = {"trial": key, "health": health.take(store, key)}
    with store.write() as session:
        jobs.keep(session, "health", subject=key, key=f"demonstration/{key}/health",
                  result=found, actor=ACTOR)  # fmt: skip


def _analysed(store: Store, key: str, say: Say, *, sampling: bool) -> dict[str, Any]:
    """The trial's plan run."""
    say(f"Analysing {key}")
    return study.analyse(store, study.Order(key=key, actor=ACTOR, sampling=sampling))


def _sampled(store: Store, keys: list[str], say: Say) -> list[dict[str, Any]]:
    """Every plan run with its models sampled, a process for every core.

    A model is compiled for some ten seconds before it is sampled; that is what takes the time.
    """
    address = store.url.render_as_string(hide_password=False)
    spawned = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(os.cpu_count() or 1, mp_context=spawned) as pool:
        running = {pool.submit(_sampled_one, address, key): key for key in keys}
        for done in futures.as_completed(running):
            done.result()
            say(f"Analysed {running[done]}")
    return [done.result() for done in running]


def _sampled_one(address: str, key: str) -> dict[str, Any]:
    """One plan run in a process of its own."""
    store = Store.open(address)
    try:
        return study.analyse(store, study.Order(key=key, actor=ACTOR))
    finally:
        store.close()


def _sampled_later(store: Store, result: dict[str, Any]) -> None:
    """Ask a worker for the same run with its models sampled."""
    key, run = result["trial"], result["run"]
    with store.write() as session:
        jobs.enqueue(session, "analyse", payload={"trial": key, "cutoff": run["cutoff"]},
                     subject=key, key=f"demonstration/{key}/{run['id']}", actor=ACTOR)  # fmt: skip


def letters(store: Store, hasher: Hasher, say: Say) -> dict[str, Any]:
    """The real letter trial of Karlan and List (2007), from its public data to its result."""
    _load_letters(store, hasher, say)
    _stopped(store, LETTERS)
    return _analysed(store, LETTERS, say, sampling=settings.sampling())


def _load_letters(store: Store, hasher: Hasher, say: Say) -> None:
    folder = resources.folder("templates") / "trials" / LETTERS
    trial = toml.read((folder / "trial.toml").read_text("utf-8"))
    _launched(store, trial)
    say("Loading 50,083 letters of a real trial (Karlan & List 2007)")
    with _split(folder / "letters.csv.gz", trial.columns) as (given, measured):
        assignments.add(store, trial.key, given, hasher=hasher, actor=ACTOR)
        outcomes.add(store, trial.key, measured, hasher=hasher, actor=ACTOR)


EXPECTING = ("Asha of the contact centre", "Ben of the service", "Cerys of the improvement team")
"""Invented people who said beforehand how likely each new version was to be better, in %."""

EXPECTED = {
    "council-tax-reminder": (70, 60, 80), "webchat-closing": (60, 45, 70),
    "ivr-council-tax": (75, 65, 85), "housing-next-steps": (55, 50, 65),
    "highways-replies": (80, 70, 85), "missed-bin-page": (70, 60, 75),
    "waste-contact-form": (65, 55, 80),
}  # fmt: skip


def _launched(store: Store, trial: Trial) -> None:
    with store.write() as session:
        known = {summary.key for summary in registry.summaries(session)}
        if trial.key in known:
            return
        registry.add(session, trial, actor=ACTOR)
        said = zip(EXPECTING, EXPECTED.get(trial.key, ()), strict=False)
        notes = "\n".join(f"{who}, {chance}%" for who, chance in said)
        forecasts.keep(session, trial, notes, actor=ACTOR)
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
