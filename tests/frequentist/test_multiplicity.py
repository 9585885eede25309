"""Adjusted p-values and the intervals that go with them."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.estimates import Absent, Estimate
from analysis.frequentist.multiplicity import adjust, family, levels

# Benjamini and Hochberg (1995), section 4: fifteen p-values of a thrombolysis trial.
BH_1995 = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip

probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def rejected(p_values, method, alpha=0.05):
    return sum(p <= alpha for p in adjust(p_values, method))


def test_benjamini_hochberg_1995_example_rejects_what_the_paper_says():
    assert rejected(BH_1995, "holm") == 3
    assert rejected(BH_1995, "benjamini-hochberg") == 4
    assert adjust(BH_1995, "benjamini-hochberg")[:5] == pytest.approx(
        [0.0015, 0.003, 0.0095, 0.035625, 0.0603], abs=1e-12
    )
    assert adjust(BH_1995, "holm")[:3] == pytest.approx([0.0015, 0.0056, 0.0247], abs=1e-12)


@pytest.fixture(scope="module")
def no_collecting():
    """statsmodels collects garbage within Holm: most of a second each time, among all the tests."""
    with mock.patch("gc.collect"):
        yield


@pytest.mark.usefixtures("no_collecting")
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("holm", "holm"), ("hochberg", "simes-hochberg"), ("benjamini-hochberg", "fdr_bh")],
)
@given(p_values=probabilities)
def test_adjusted_p_values_equal_statsmodels(ours, theirs, p_values):
    expected = multipletests(p_values, method=theirs)[1]
    assert adjust(p_values, ours) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_no_adjustment_returns_the_p_values_themselves():
    assert adjust([0.2, None, 0.01], "none") == [0.2, None, 0.01]


def test_an_absent_p_value_counts_in_the_declared_family():
    assert adjust([0.02, None], "holm") == [0.04, None]
    assert adjust([0.02, None], "benjamini-hochberg") == [0.04, None]


def test_an_empty_family_is_empty():
    assert adjust([], "holm") == []


def test_a_method_that_does_not_adjust_p_values_is_named():
    with pytest.raises(ValueError, match="'dunnett' does not adjust p-values"):
        adjust([0.1], "dunnett")
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjust([1.5], "holm")


@pytest.mark.parametrize("method", ["holm", "hochberg", "benjamini-hochberg", "none"])
@given(z=st.lists(st.floats(-6, 6).filter(lambda v: abs(v) > 1e-3), min_size=1, max_size=8))
def test_interval_excludes_no_effect_exactly_when_the_adjusted_p_does(method, z):
    estimates = [Estimate.from_t(v, 1.0, df=None) for v in z]
    for estimate in family(estimates, method):
        if abs(estimate.p_adjusted - 0.05) < 1e-9:
            continue
        excludes = estimate.low > 0 or estimate.high < 0
        assert excludes == (estimate.p_adjusted < 0.05)
        assert estimate.level >= 0.95 - 1e-12


def test_the_smallest_holm_p_gets_bonferronis_interval():
    first, *_ = levels([0.001, 0.2, 0.5], "holm")
    assert first == pytest.approx(1 - 0.05 / 3)


def test_benjamini_hochberg_intervals_use_the_false_coverage_rate_level():
    assert levels(BH_1995, "benjamini-hochberg")[0] == pytest.approx(1 - 4 * 0.05 / 15)
    assert levels([0.5, 0.6], "benjamini-hochberg")[0] == pytest.approx(1 - 0.05 / 2)


def test_family_keeps_absences_and_asks_for_intervals_at_the_right_level():
    asked = []

    def at(i, level):
        asked.append((i, level))
        return Estimate.from_t(2.5, 1.0, df=9.0, level=level)

    gone = Absent("no-units", "The arm has no units.")
    first, second = family([Estimate.from_t(2.5, 1.0, df=9.0), gone], "holm", recompute=at)
    assert second is gone
    assert asked == [(0, pytest.approx(0.975))]
    assert first.p_adjusted == pytest.approx(2 * first.p)
    assert first.high == pytest.approx(2.5 + stats.t(9).ppf(0.9875))


def test_false_coverage_rate_of_selected_intervals_is_controlled():
    """Benjamini and Yekutieli's guarantee in simulation: 20 effects, half of them nought."""
    rng = np.random.default_rng(11)
    effects = np.repeat([0.0, 3.0], 10)
    rates = []
    for _ in range(250):
        seen = family(
            [Estimate.from_t(v, 1.0, df=None) for v in rng.normal(effects)], "benjamini-hochberg"
        )
        chosen = [(e, t) for e, t in zip(seen, effects, strict=True) if e.p_adjusted <= 0.05]
        missed = sum(not e.low <= t <= e.high for e, t in chosen)
        rates.append(missed / max(len(chosen), 1))
    assert np.mean(rates) < 0.05 + 4 * np.std(rates) / np.sqrt(len(rates))
