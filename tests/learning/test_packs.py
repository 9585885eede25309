"""Packs leave without anybody's name, are refused when touched, and join the pool marked."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sample import letter_result, letter_trial

from analysis import packs
from analysis.bayesian.pooling import Finding
from analysis.portfolio import portfolio
from trials import registry
from trials.errors import Invalid
from trials.store.tables import RunRow

KEY = "council-tax-reminder"


def test_a_pack_travels_whole_without_names_and_joins_the_pool(sqlite_store):
    with sqlite_store.write() as session:
        registry.add(session, letter_trial(), actor="test")
        session.add(RunRow(
            trial_id=registry.row_of(session, KEY).id, plan_hash="sha256:0", locked=True,
            school="both", cutoff=1, seed=1, version="0", data_hash="sha256:0",
            at=datetime(2026, 7, 20, tzinfo=UTC), seconds=1.0, actor="test",
            result=letter_result(),
        ))  # fmt: skip
    with sqlite_store.read() as session:
        pack = packs.export(session, KEY, council="Elsewhere Council")
        alone = portfolio(session)
    text = json.dumps(pack)
    assert "@" not in text
    assert all("segments" not in metric for metric in pack["result"]["metrics"])
    with sqlite_store.write() as session:
        assert packs.take_in(session, text, actor="test") == "imported"
        assert packs.take_in(session, text, actor="test") == "unchanged"
    with sqlite_store.read() as session:
        both = portfolio(session)
    theirs = both.members[-1]
    assert theirs.source == "Elsewhere Council"
    assert isinstance(theirs.found, Finding)
    assert theirs.found.imported
    assert both.learned.all_trials.average.sd < alone.learned.all_trials.average.sd
    assert both.to_json()["trials"][-1]["shrunk"] is not None
    touched = text.replace("0.83", "0.43")
    with pytest.raises(Invalid, match="changed on its way"), sqlite_store.write() as session:
        packs.take_in(session, touched, actor="test")
