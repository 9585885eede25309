"""Time to the first chase: signs, shares and censoring against counting and lifelines."""

import json

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test

from analysis.chase import first_chase
from analysis.estimates import Absent
from analysis.tables import LifeTable


def people(n=3000, seed=2, censor=True):
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, n)
    day = np.ceil(rng.exponential(np.where(arm == 0, 40.0, 60.0)))
    end = np.where(censor, rng.integers(14, 29, n), 14)
    return arm, np.minimum(day, end), day <= end


def table(arm, time, event, arms=("passed-on", "dated")):
    codes = np.repeat(np.arange(len(arms)), 28)
    days = np.tile(np.arange(1, 29), len(arms)).astype(float)
    events = [((arm == a) & (time == d) & event).sum() for a, d in zip(codes, days, strict=True)]
    lost = [((arm == a) & (time == d) & ~event).sum() for a, d in zip(codes, days, strict=True)]
    kept = np.array(events) + np.array(lost) > 0
    return LifeTable(arms=arms, control=0, arm=codes[kept], time=days[kept],
                     events=np.array(events, float)[kept],
                     censored=np.array(lost, float)[kept])  # fmt: skip


def test_without_censoring_fewer_is_the_difference_of_shares():
    arm, time, event = people(censor=False)
    (contrast,) = first_chase(table(arm, time, event), horizon=14).contrasts
    shares = [event[arm == a].mean() for a in (0, 1)]
    assert contrast.fewer.estimate == pytest.approx(shares[0] - shares[1])
    assert contrast.fewer.low > 0
    days = [np.minimum(time, 14)[arm == a].mean() for a in (0, 1)]
    assert contrast.later.estimate == pytest.approx(days[1] - days[0])


def test_with_censoring_curves_and_test_are_those_of_lifelines():
    arm, time, event = people()
    found = first_chase(table(arm, time, event), horizon=14)
    for code, name in enumerate(("passed-on", "dated")):
        fitted = KaplanMeierFitter().fit(time[arm == code], event[arm == code])
        row = [r for r in found.to_json()["curves"][name] if r["day"] <= 14][-1]
        assert row["chased"] == pytest.approx(1 - float(fitted.predict(14)))
        assert row["low"] < row["chased"] < row["high"]
    expected = logrank_test(time[arm == 0], time[arm == 1], event[arm == 0], event[arm == 1])
    assert found.contrasts[0].test.p == pytest.approx(expected.p_value, rel=1e-9)


def test_an_arm_that_was_never_followed_is_absent_with_its_reason():
    arm, time, event = people(n=400)
    found = first_chase(table(arm, time, event, arms=("passed-on", "dated", "told")), horizon=14)
    assert set(found.curves) == {"passed-on", "dated"}
    assert isinstance(found.contrasts[1].fewer, Absent)
    json.dumps(found.to_json(), allow_nan=False)
