"""Sample-ratio mismatch: published numbers, exact tests, and a documented real fault."""

import csv
import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.checks import Split, log_e_value, sample_ratio, sequential_p
from analysis.checks.sample_ratio import goodness_of_fit

DATA = Path(__file__).parents[1] / "data"
HALVES = {"a": 1.0, "b": 1.0}


def test_kohavi_tang_and_xu_book_example():
    check = sample_ratio({"a": 821_588, "b": 815_482}, HALVES)
    assert check.p == pytest.approx(1.8218e-6, rel=1e-4)
    assert check.verdict == "fail"
    assert stats.chi2.isf(check.p, 1) == pytest.approx(22.77436884, abs=1e-8)


@pytest.mark.parametrize(
    ("counts", "p", "rel"),
    [((4100, 3900), 0.02535, 1e-3), ((4250, 3750), 2.27e-8, 2e-3), ((1000, 1020, 880), 0.002656, 1e-3)],
)  # fmt: skip
def test_published_vectors(counts, p, rel):
    assert goodness_of_fit(counts, [1.0] * len(counts)) == pytest.approx(p, rel=rel)


def test_an_arm_without_share_does_not_dilute_the_test():
    """560 v 440 of a 50/50/0 plan is p = 0.00014780, whatever arms exist beside them."""
    check = sample_ratio({"a": 560, "b": 440, "c": 0}, {"a": 0.5, "b": 0.5, "c": 0.0})
    assert check.p == pytest.approx(1.4780e-4, rel=1e-4)
    assert check.verdict == "fail"


def test_units_in_an_arm_without_share_fail_outright():
    check = sample_ratio({"a": 5000, "b": 5000, "c": 90}, {"a": 0.5, "b": 0.5, "c": 0.0})
    assert check.verdict == "fail"
    assert "90 units are in c, which the plan gives nobody" in check.says


def test_an_arm_nobody_was_given_is_still_an_arm():
    check = sample_ratio({"a": 100}, HALVES)
    assert check.verdict == "fail"
    assert check.p == pytest.approx(2 * 0.5**100)
    assert "Nobody was given b" in check.what_to_do


def test_equal_split_passes_and_says_the_shares():
    check = sample_ratio({"a": 5003, "b": 4997}, HALVES)
    assert check.verdict == "pass"
    assert check.says == (
        "The arms have their planned shares: a holds 50.0% of units (planned 50.0%) and b holds "
        "50.0% of units (planned 50.0%)."
    )


def test_arms_are_called_by_their_titles_where_they_have_one():
    check = sample_ratio({"a": 5003, "b": 4997}, HALVES, titles={"b": "Structured close"})
    assert "a holds" in check.says
    assert "‘Structured close’ holds" in check.says
    assert set(check.details["counts"]) == {"a", "b"}


def test_units_are_named_as_people_would():
    assert "50.0% of people" in sample_ratio({"a": 50, "b": 50}, HALVES, unit="person").says
    assert "50.0% of enquiries" in sample_ratio({"a": 50, "b": 50}, HALVES, unit="enquiry").says


def test_before_anybody_is_assigned_the_check_does_not_apply():
    assert sample_ratio({}, HALVES).verdict == "not-applicable"
    assert sample_ratio({"a": 0, "b": 0}, HALVES).verdict == "not-applicable"
    assert sample_ratio({"a": 3}, {"a": 0.0}).verdict == "not-applicable"


def test_few_units_are_tested_exactly():
    assert goodness_of_fit([7, 0], [1, 1]) == pytest.approx(2 / 128)
    # Three arms, three units all in one arm: 3 outcomes as unlikely, each (1/3)^3.
    assert goodness_of_fit([3, 0, 0], [1, 1, 1]) == pytest.approx(3 / 27)


def test_epochs_with_different_shares_are_judged_by_their_own_promise():
    """A 90/10 ramp followed by 50/50 is no mismatch although the totals are far from either."""
    epochs = [
        Split("1", {"a": 9000, "b": 1000}, {"a": 9, "b": 1}),
        Split("2", {"a": 5000, "b": 5000}, {"a": 1, "b": 1}),
    ]
    check = sample_ratio({"a": 14_000, "b": 6_000}, HALVES, epochs=epochs)
    assert check.verdict == "pass"
    assert check.p == pytest.approx(1.0)
    assert check.details["expected"] == {"a": 14_000, "b": 6_000}


def test_epoch_statistic_has_the_right_size():
    """Two epochs with unlike three-arm shares: 5% of clean trials give p < 0.05."""
    rng = np.random.default_rng(5)
    shares = [np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.2, 0.6])]
    p_values = []
    for _ in range(1500):
        epochs = []
        for i, share in enumerate(shares):
            n = rng.multinomial(2000 + 3000 * i, share)
            epochs.append(
                Split(str(i), dict(zip("abc", n.tolist(), strict=True)),
                      dict(zip("abc", share.tolist(), strict=True)))
            )  # fmt: skip
        counts = {k: sum(e.counts[k] for e in epochs) for k in "abc"}
        p_values.append(sample_ratio(counts, epochs[0].weights, epochs=epochs).p)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=4 * 0.0056)


def test_a_fault_in_one_stratum_is_named():
    strata = [
        Split("phone", {"a": 600, "b": 400}),
        Split("web", {"a": 4400, "b": 4600}),
    ]
    check = sample_ratio({"a": 5000, "b": 5000}, HALVES, strata=strata)
    assert check.verdict == "warn"
    assert "stratum phone" in check.says
    assert "phone" in check.what_to_do


def test_uneven_loss_at_a_later_rung_is_a_warning_with_its_cause():
    rungs = [Split("delivered", {"a": 4990, "b": 4985}), Split("linked", {"a": 4200, "b": 3700})]
    check = sample_ratio({"a": 5000, "b": 5000}, HALVES, rungs=rungs)
    assert check.verdict == "warn"
    assert "on the way to linked" in check.what_to_do


def test_sequential_vectors_at_concentration_ten_thousand():
    equal = [0.5, 0.5]
    assert np.exp(log_e_value([4250, 3750], equal, concentration=1e4)) == pytest.approx(774, abs=1)
    assert np.exp(log_e_value([4100, 3900], equal, concentration=1e4)) == pytest.approx(
        2.26, abs=0.01
    )
    assert sequential_p([[460, 340]], equal, concentration=1e4) == pytest.approx(0.53, abs=0.01)


def test_sequential_test_stops_where_the_reference_implementation_does():
    """Multinomial (0.1, 0.3, 0.6) against (0.1, 0.4, 0.5): first p at most 0.05 after 402 units."""
    state = np.random.RandomState(1)
    counts = np.cumsum(state.multinomial(1, [0.1, 0.3, 0.6], 1000), axis=0)
    logs = [log_e_value(c, [0.1, 0.4, 0.5], concentration=100) for c in counts]
    first = int(np.argmax(np.exp(-np.maximum.accumulate(logs)) <= 0.05))
    assert first + 1 == 402
    assert counts[first].tolist() == [40, 129, 233]
    assert logs[first] == pytest.approx(3.02710094, abs=1e-8)
    assert sequential_p(counts[: first + 1], [0.1, 0.4, 0.5]) == pytest.approx(0.04845591, abs=1e-8)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_multinomial_e_value_has_expectation_one(n):
    """Exactly, by enumerating every outcome of three arms."""
    share = np.array([0.2, 0.3, 0.5])
    cells = [(i, j, n - i - j) for i in range(n + 1) for j in range(n + 1 - i)]
    total = sum(
        stats.multinomial.pmf(c, n, share) * np.exp(log_e_value(c, share, concentration=7))
        for c in cells
    )
    assert total == pytest.approx(1.0, rel=1e-12)


def test_sequential_p_is_reported_from_the_history():
    check = sample_ratio({"a": 4250, "b": 3750}, HALVES, history=[{"a": 4250, "b": 3750}])
    assert check.details["sequential_p"] == pytest.approx(
        np.exp(-log_e_value([4250, 3750], [1, 1])), rel=1e-12
    )


def upworthy():
    tests = defaultdict(dict)
    weeks = {}
    with gzip.open(DATA / "upworthy_arms.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            tests[row["test"]][row["arm"]] = int(row["impressions"])
            weeks[row["test"]] = int(row["test_week"])
    return tests, weeks


def test_detector_finds_the_documented_upworthy_fault_and_is_quiet_elsewhere():
    """69% of the tests of weeks 201325 to 201401 fail, 0.5% of all others (correction of 2024)."""
    tests, weeks = upworthy()
    inside, outside = [], []
    for test, counts in tests.items():
        if len(counts) < 2:
            continue
        check = sample_ratio(counts, dict.fromkeys(counts, 1.0))
        (inside if 201325 <= weeks[test] <= 201401 else outside).append(check.verdict == "fail")
    assert np.mean(inside) == pytest.approx(0.694707, abs=5e-7)
    assert np.mean(outside) == pytest.approx(0.004718, abs=5e-7)
