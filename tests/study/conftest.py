"""Trials written, filled from files and analysed, from one call."""

from __future__ import annotations

import pytest

from analysis import study
from trials import lifecycle, registry
from trials.contacts import load
from trials.definition import toml
from trials.importing import assignments, exposures, outcomes


@pytest.fixture
def analysed(sqlite_store, hasher, tmp_path):
    """``analysed(text, units, outcomes="", met="", contacts="")``: the result of the trial."""

    def go(text, given, measured="", met="", contacts="", *, cutoff="2026-12-01", **order):
        trial = toml.read(text)
        with sqlite_store.write() as session:
            registry.add(session, trial, actor="test")
            lifecycle.launch(session, trial.key, actor="test")
        for module, content in ((assignments, given), (exposures, met), (outcomes, measured)):
            if content:
                path = tmp_path / f"{module.__name__}.csv"
                path.write_text(content)
                module.add(sqlite_store, trial.key, path, hasher=hasher, actor="test")
        if contacts:
            path = tmp_path / "contacts.csv"
            path.write_text(contacts)
            load.add(sqlite_store, path, hasher=hasher, actor="test")
        moment = study.cutoff_of(cutoff)
        return study.analyse(sqlite_store, study.Order(key=trial.key, cutoff=moment, **order))

    return go
