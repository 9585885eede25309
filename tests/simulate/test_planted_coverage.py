"""Drawn again and again, intervals of deflection hold what was planted as often as they claim.

The long form, with all specimens and more draws, is ``benchmarks/deflection_coverage.py``.
"""

import math

import numpy as np
import pytest

from analysis.deflection import DeflectionTables, deflect
from analysis.estimates import Estimate
from analysis.joint import Joint
from analysis.tables import Key
from trials.simulate.repeat import Repeated

DRAWS, UNITS = 250, 1500
ERROR = math.sqrt(0.95 * 0.05 / DRAWS)


def key(codes):
    return Key(name="k", codes=codes, levels=tuple(map(str, range(int(codes.max()) + 1))))


def analysed(plan, name, *, epochs=False, units=UNITS, draws=DRAWS):
    """The contrasts of many draws of a specimen, each with its truth."""
    found = Repeated(plan(name, units=units))
    arms = [arm.key for arm in found.rehearsal.trial.arms]
    for drawn in found.draws(draws, seed=3):
        stratum = drawn.epoch if epochs else drawn.stratum
        joint = Joint.from_units(
            {"gross": drawn.gross, "net": drawn.net}, drawn.arm, arms=arms,
            stratum=key(stratum) if stratum.any() else None,
            cluster=None if drawn.cluster is None else key(drawn.cluster),
        )  # fmt: skip
        result = deflect(DeflectionTables(window_days=7, joint=joint), per=1)
        yield result.contrasts[0], drawn.truth["contrasts"][0]["recorded"]


@pytest.mark.parametrize(
    ("name", "epochs"),
    [("ivr-council-tax", False), ("webchat-closing", False), ("council-tax-reminder", False),
     ("highways-replies", False), ("missed-bin-page", True)],
)  # fmt: skip
def test_net_covers_the_truth_at_its_level(plan, name, epochs):
    """250 draws of 1,500 units: 95% within four Monte Carlo errors (0.0138 each)."""
    hits = [c.net.low <= t["net"] <= c.net.high for c, t in analysed(plan, name, epochs=epochs)]
    assert np.mean(hits) == pytest.approx(0.95, abs=4 * ERROR)


def test_leakage_covers_the_truth_where_it_is_given(plan):
    """9,000 callers, so that gross deflection is nearly always established."""
    found = [
        (c.leakage, t["leakage"])
        for c, t in analysed(plan, "ivr-council-tax", units=9000, draws=120)
    ]
    given = [(e, t) for e, t in found if isinstance(e, Estimate)]
    assert len(given) > 115
    error = math.sqrt(0.95 * 0.05 / len(given))
    assert np.mean([e.low <= t <= e.high for e, t in given]) == pytest.approx(0.95, abs=4 * error)


def test_without_its_epochs_the_confounded_trial_is_nearly_always_wrong(plan):
    hits = [
        c.net.low <= t["net"] <= c.net.high
        for c, t in analysed(plan, "missed-bin-page", units=6000, draws=40)
    ]
    assert np.mean(hits) < 0.1


def test_a_draw_in_memory_is_reproducible_and_has_the_exact_means(plan):
    """The same seed gives the same draw, whose means are those of the exact truth."""
    from scipy import stats

    found = next(iter(Repeated(plan("webchat-closing", units=20_000)).draws(1, seed=1)))
    again = next(iter(Repeated(plan("webchat-closing", units=20_000)).draws(1, seed=1)))
    assert (found.net == again.net).all()
    for code, arm in enumerate(found.truth["arms"]):
        net = found.net[found.arm == code]
        error = net.std() / math.sqrt(len(net))
        assert abs(net.mean() - arm["recorded"]["handled_contacts"]) < 4 * error
        assert found.gross[found.arm == code].min() == 1.0  # every chat is handled
    assert stats.chisquare(np.bincount(found.arm)).pvalue > 0.01
