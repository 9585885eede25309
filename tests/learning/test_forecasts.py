"""Forecasts are kept before launch only, and scored by hand's arithmetic afterwards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sample import letter_result, letter_trial

from analysis import forecasting
from analysis.bayesian.forecasts import Forecast
from analysis.estimates import Absent
from trials import lifecycle, registry
from trials.errors import Conflict, Invalid
from trials.store.tables import RunRow

KEY = "council-tax-reminder"


def _wish(who: str = "Ann", chance: float | None = 0.7, **more) -> forecasting.Wish:
    said = Forecast(who=who, probability_better=chance, **more)
    return forecasting.Wish(key=KEY, forecast=said, actor="test")


def test_forecasts_stand_as_made_before_launch_and_are_scored_after(store):
    with store.write() as session:
        registry.add(session, letter_trial(), actor="test")
        forecasting.add(session, _wish(effect=-0.02, sd=0.01))
        forecasting.add(session, _wish("Bob", 0.2))
        assert isinstance(forecasting.everything(session)[0].score, Absent)
    with pytest.raises(Invalid, match="between 0 and 100"), store.write() as session:
        forecasting.add(session, _wish("Cat", 70.0))
    with pytest.raises(Conflict, match="already"), store.write() as session:
        forecasting.add(session, _wish())
    with store.write() as session:
        lifecycle.launch(session, KEY, actor="test")
    with pytest.raises(Conflict, match="launched"), store.write() as session:
        forecasting.add(session, _wish("Dan"))
    with store.write() as session:
        session.add(RunRow(
            trial_id=registry.row_of(session, KEY).id, plan_hash="sha256:0", locked=True,
            school="both", cutoff=1, seed=1, version="0", data_hash="sha256:0",
            at=datetime(2026, 7, 20, tzinfo=UTC), seconds=1.0, actor="test",
            result=letter_result(),
        ))  # fmt: skip
    with store.read() as session:
        ann, bob = forecasting.everything(session, KEY)
    failed = {**letter_result(), "checks": [{"key": "sample-ratio", "verdict": "fail"}]}
    broken = forecasting.posterior_of(letter_trial(), failed, ann.arm)
    assert isinstance(broken, Absent)
    assert broken.code == "failed-check"
    came = ann.came
    assert ann.score.brier == pytest.approx(came * 0.3**2 + (1 - came) * 0.7**2)
    assert ann.score.brier < bob.score.brier
    assert bob.score.crps is None
