"""A trial over the contact log, in one call."""

from __future__ import annotations

import pytest

from analysis import study
from trials import lifecycle, registry
from trials.contacts import batch
from trials.definition import toml
from trials.importing import assignments

KEY = "calls"
TRIAL = """
[trial]
key = "calls"
title = "Fewer calls"
unit = "person"
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "call"
role = "primary"
kind = "proportion"
source = "contacts"
window = "7d"
where = { handled = true }
better = "lower"
"""


def call(number, day, **more):
    """A handled telephone contact on a day of April 2026."""
    return {"contact_id": str(number), "occurred_at": f"2026-04-{day:02}T10:00:00Z",
            "channel": "phone", "outcome": "handled", **more}  # fmt: skip


@pytest.fixture
def calls(store, hasher, tmp_path):
    """Register a trial of these people, take in these contacts; answers what analyses it."""

    def go(people, contacts, text=TRIAL):
        with store.write() as session:
            registry.add(session, toml.read(text), actor="t")
            lifecycle.launch(session, KEY, actor="t")
        path = tmp_path / "people.csv"
        path.write_text(people, encoding="utf-8")
        assignments.add(store, KEY, path, hasher=hasher, actor="t")
        if contacts:
            batch.add_batch(store, contacts, source="phone", hasher=hasher, actor="t")
        return lambda **order: study.analyse(
            store, study.Order(key=KEY, cutoff=study.cutoff_of("2026-06-30"),
                               school="frequentist", **order))  # fmt: skip

    return go
