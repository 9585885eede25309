"""Secondary measures under looks: the error they keep, and that interval and p-value agree."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis import estimation, looking, secondaries
from analysis.estimates import Estimate
from analysis.frequentist.always_valid import NO_BAND, half_width
from analysis.frequentist.looks import Spent
from analysis.frequentist.sequential import boundaries
from analysis.frequentist.spending import Spending
from analysis.tables import Grouped
from tests.study_looks.test_looking import HEAD, PRIMARY, THREE, moment, table
from trials.definition import toml

SECOND = (
    PRIMARY.replace("paid", "opened").replace('"primary"', '"secondary"').replace("mde = 0.1", "")
)
THIRDS = (1 / 3, 2 / 3, 1.0)
N = 60_000


@pytest.mark.parametrize("kind", ["obrien-fleming", "pocock"])
def test_a_secondary_read_when_the_main_measure_stops_the_trial_keeps_its_error(kind):
    """Of 60,000 trials with a main effect and a null secondary that goes along with it (0.9).

    Monte Carlo error 0.09 points; bounds are four. At the full level it is wrong too often.
    """
    rng, t = np.random.default_rng(5), np.array(THIRDS)
    walks = np.cumsum(rng.normal(size=(2, N, 3)) * np.sqrt(np.diff([0.0, *t])), axis=2)
    main = (2.2 * t + walks[0]) / np.sqrt(t)
    other = (0.9 * walks[0] + math.sqrt(1 - 0.81) * walks[1]) / np.sqrt(t)
    bounds = [look.efficacy for look in boundaries(THIRDS, spending=Spending(kind))]
    stops = np.argmax((np.abs(main) >= bounds) | [False, False, True], axis=1)
    p = 2 * stats.norm.sf(np.abs(other[np.arange(N), stops]))
    nominal = np.array([
        Spent(fractions=THIRDS[: k + 1], timing=THIRDS[: k + 1], final=k == 2,
              spending=Spending(kind)).nominal(0.05) for k in range(3)
    ])  # fmt: skip
    error = 4 * math.sqrt(0.05 * 0.95 / N)
    assert np.mean(p <= nominal[stops]) < 0.05 + error
    assert np.mean(p <= 0.05) > 0.05 + error


def test_a_secondarys_p_value_is_the_least_error_whose_bound_it_reaches():
    spent = Spent(fractions=(0.5,), timing=(0.5,), final=False)
    # Of O'Brien-Fleming type, 2 - 2 Phi(z / sqrt t) a side, is 0.00305 at 5% and half-way.
    assert spent.nominal(0.05) == pytest.approx(0.00305, abs=1e-5)
    assert spent.p(spent.nominal(0.03)) == pytest.approx(0.03, rel=1e-6)
    assert (spent.p(0.9999), spent.p(0.0)) == (1.0, 1e-12)


def whole(plan, cutoff, reads):
    """The contrasts as a result has them."""
    at = looking.place(plan, cutoff=cutoff, over=False)
    found = [t["paid"] for t in reads]
    judged = looking.judge(plan, at, [estimation.ordinary(plan, t) for t in found], found)
    readers = secondaries.readers(plan, at, reads)
    return estimation.contrasts(plan, reads[-1], "frequentist", judged, readers)


def contrasts(plan, cutoff, reads):
    return {c.metric.key: c.difference for c in whole(plan, cutoff, reads)}


@pytest.mark.parametrize("analysis", [THREE, '[analysis]\nlooks = "always-valid"\n'])
@pytest.mark.parametrize("events", [66, 70, 73, 76, 80, 84])
def test_a_secondary_is_found_where_its_interval_leaves_out_no_effect(analysis, events):
    plan = toml.read(HEAD + PRIMARY + SECOND + analysis)
    now: dict[str, Grouped] = {"paid": table((60, 200), (80, 200)),
                               "opened": table((50, 200), (events, 200))}  # fmt: skip
    found = contrasts(plan, moment(2026, 5, 2), [now])["opened"]
    plain = estimation.contrasts(plan, now, "frequentist")[1].difference
    assert isinstance(found, Estimate)
    assert found.estimate == plain.estimate
    assert found.p > plain.p
    assert found.high - found.low > 1.3 * (plain.high - plain.low)
    assert (found.low > 0) == (found.p_adjusted <= 0.05)


def test_the_main_measures_interval_allows_for_the_looks_at_the_familys_level_too():
    """Two questions by Holm: the stage-wise interval at 97.5%, not the ordinary one."""
    plan = toml.read(HEAD + PRIMARY + SECOND + THREE)
    reads = [{"paid": table((30 * k, 100 * k), (42 * k, 100 * k)),
              "opened": table((50 * k, 100 * k), (50 * k, 100 * k))} for k in (1, 2, 3)]  # fmt: skip
    found = contrasts(plan, moment(2026, 7, 1), reads)["paid"]
    assert "stage-wise" in found.method
    assert found.level == pytest.approx(0.975)
    assert (found.low > 0) == (found.p_adjusted <= 0.05)


def test_ratios_allow_for_the_looks_as_their_differences_do():
    """In errors of the log ratio, the root of the sum of (1 - p) / y.

    After a third of the information the bound of O'Brien-Fleming type is 3.71 (gsDesign's too); a
    live ratio is as many errors wide as a live difference is.
    """
    now: dict[str, Grouped] = {"paid": table((60, 200), (80, 200)),
                               "opened": table((50, 200), (70, 200))}  # fmt: skip
    for analysis in (THREE, '[analysis]\nlooks = "always-valid"\n'):
        plan = toml.read(HEAD + PRIMARY + SECOND + analysis)
        for made, (y0, y1) in zip(whole(plan, moment(2026, 5, 2), [now]),
                                  ((60, 80), (50, 70)), strict=True):  # fmt: skip
            assert made.ratio.estimate == pytest.approx(y1 / y0)
            assert made.ratio.level == 0.95
            error = math.sqrt((1 - y0 / 200) / y0 + (1 - y1 / 200) / y1)
            wide = math.log(made.ratio.high / made.ratio.low) / 2 / error
            expected = 3.71 if analysis is THREE else half_width(
                400, tuned_to=looking.tuned_to(plan, now["paid"], 1))  # fmt: skip
            t = stats.t.isf(stats.norm.sf(expected), 398)
            assert wide == pytest.approx(t, rel=0.01)


def test_a_live_ratio_of_nobody_is_absent_with_its_reason():
    plan = toml.read(HEAD + PRIMARY + SECOND + '[analysis]\nlooks = "always-valid"\n')
    some = table((60, 200), (80, 200))
    nobody = replace(some, n=some.n * 0, y=some.y * 0, yy=some.yy * 0)
    at = looking.place(plan, cutoff=moment(2026, 5, 2), over=False)
    (arm,) = [a.key for a in plan.arms if not a.control]
    read = secondaries.readers(plan, at, [{"paid": some, "opened": nobody}])["opened", arm]
    assert read.ratio(lambda _: some, 0.95) == NO_BAND
