"""Reasons, agreement of coders and corrected shares, against published examples and simulation."""

import contextlib
import io
import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa

from trials.contacts import agreement, coding, taxonomy
from trials.contacts.agreement import Accuracy, NotKnown
from trials.errors import Invalid, SignpostError

REASONS = """source,code,reason,category,avoidable_share,valid_from,valid_to
8x8,CT Bill,Bill query,clarification,,,
8x8,CT Bill2,Bill query,clarification,80%,2022-04-01,2022-09-30
8x8,CT Bill2,Payment,value,,2022-10-01,
firmstep,Waste > Missed bin,Missed bin,progress chasing,0.5,,
*,Other,Other,unclassified,,,
*,missed bin,Missed bin (any system),Progress-Chasing,,,
"""


def read(text):
    return taxonomy.read(io.BytesIO(text.encode()))


def test_codes_are_looked_up_by_source_date_and_both_levels():
    known = read(REASONS)
    july, october = date(2022, 7, 4), date(2022, 10, 4)
    assert known.resolve("8x8", " ct  BILL ", july).avoidable_share == 1.0
    assert known.resolve("8X8", "CT Bill2", july).avoidable_share == 0.8
    assert known.resolve("8x8", "CT Bill2", date(2022, 9, 30)).category == "clarification"
    assert known.resolve("8x8", "CT Bill2", october).category == "value"
    assert known.resolve("8x8", "CT Bill2", october).avoidable_share == 0.0
    assert known.resolve("8x8", "CT Bill2", date(2022, 3, 31)) is None
    assert known.resolve("firmstep", "Missed bin", july, topic="Waste").avoidable_share == 0.5
    assert known.resolve("firmstep", "Missed bin", july, topic="Parks").reason.endswith("system)")
    assert known.resolve("genesys", "other", july).avoidable_share is None
    assert known.resolve("genesys", "CT Bill", july) is None


def test_the_day_of_a_code_is_the_day_in_london():
    known = read(REASONS)
    midnight_in_london = 1664578800  # 2022-09-30T23:00:00Z, already 1 October in London
    assert known.resolve_at("8x8", "CT Bill2", midnight_in_london).category == "value"
    assert known.resolve_at("8x8", "CT Bill2", midnight_in_london - 1).category == "clarification"


def test_codes_without_a_meaning_are_listed_by_how_much_they_hold():
    counts = {("8x8", "CT Bill"): 50, ("8x8", "Nope"): 7, ("genesys", "Huh"): 9, ("x", "OTHER"): 4}
    assert taxonomy.unmapped(read(REASONS), counts, date(2022, 7, 4)) == [
        ("genesys", "Huh", 9), ("8x8", "Nope", 7)]  # fmt: skip


def test_the_version_depends_on_the_content_and_not_on_the_order():
    lines = REASONS.splitlines()
    shuffled = "\n".join([lines[0], *lines[:0:-1]])
    assert read(REASONS).version == read(shuffled).version
    assert read(REASONS).version != read(REASONS.replace("80%", "81%")).version


def test_a_wrong_reasons_file_is_refused_with_every_mistake():
    wrong = """source,code,reason,category,avoidable_share,valid_from,valid_to
a,1,x,clarification,1.5,,
a,2,x,nonsense,,,
a,3,x,value,1,,
a,4,x,signposting,,2022-05-01,2022-04-01
a,5,x,signposting,,2022-01-01,2022-06-30
a,5,y,signposting,,2022-06-30,
,6,x,signposting,lots,soon,
"""
    with pytest.raises(Invalid) as refused:
        read(wrong)
    assert sorted(p.line for p in refused.value.problems) == [2, 3, 4, 5, 7, 8]


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_reasons_or_a_sentence(data):
    for head in (b"", REASONS.encode()[:120]):
        with contextlib.suppress(SignpostError):
            taxonomy.read(io.BytesIO(head + data))


# Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, table 18.1:
# 100 patients diagnosed by two raters; the overall kappa is 0.68 (section 18.1).
FLEISS = np.array([[75, 1, 4], [5, 4, 1], [0, 0, 10]])


def test_kappa_of_the_published_example():
    assert agreement.kappa(FLEISS).estimate == pytest.approx(0.68, abs=0.005)


@given(st.lists(st.integers(0, 60), min_size=9, max_size=9))
@settings(max_examples=200, deadline=None)
def test_kappa_and_its_error_are_those_of_statsmodels(cells):
    table = np.array(cells).reshape(3, 3)
    done = agreement.kappa(table)
    if isinstance(done, NotKnown):
        shares = table / max(1, table.sum())
        assert table.sum() < 2 or shares.sum(0) @ shares.sum(1) > 1 - 1e-9
        return
    with np.errstate(all="ignore"):
        wanted = cohens_kappa(table)
    assert done.estimate == pytest.approx(wanted.kappa, abs=1e-12)
    # Near perfect agreement the variance is 0 up to rounding, and its root is not.
    assert done.se**2 == pytest.approx(max(0.0, wanted.var_kappa), abs=1e-12)


def test_two_coders_make_a_table():
    table = agreement.cross_table(["a", "a", "b", "c"], ["a", "b", "b", "b"])
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="equally many"):
        agreement.cross_table(["a"], [])


def test_a_perfectly_coded_sample_changes_nothing():
    perfect = Accuracy(true_positives=100, positives=100, true_negatives=100, negatives=100)
    assert agreement.corrected_share(300, 1000, perfect).estimate == pytest.approx(0.3)
    change = agreement.corrected_difference(-0.02, 0.006, perfect)
    assert (change.estimate, change.se) == pytest.approx((-0.02, 0.006))


def test_the_corrected_share_is_unbiased_and_its_interval_covers():
    """4,000 coded samples with known truth: Monte Carlo error of the coverage is 0.34 points."""
    rng = np.random.default_rng(7)
    share, sens, spec, n, m1, m0, runs = 0.35, 0.85, 0.9, 800, 120, 150, 4000
    apparent = rng.binomial(n, share * sens + (1 - share) * (1 - spec), runs)
    hits, negs = rng.binomial(m1, sens, runs), rng.binomial(m0, spec, runs)
    covered, estimates = 0, []
    for a, tp, tn in zip(apparent, hits, negs, strict=True):
        done = agreement.corrected_share(
            int(a),
            n,
            Accuracy(true_positives=int(tp), positives=m1, true_negatives=int(tn), negatives=m0),
        )
        estimates.append(done.estimate)
        covered += done.low <= share <= done.high
    assert np.mean(estimates) == pytest.approx(
        share, abs=4 * np.std(estimates) / math.sqrt(runs) + 0.003
    )
    assert covered / runs == pytest.approx(0.95, abs=0.0125)


def test_the_corrected_difference_recovers_the_true_one():
    """Non-differential miscoding shrinks a difference by Se + Sp − 1, exactly."""
    sens, spec, p0, p1 = 0.8, 0.9, 0.4, 0.34

    def apparent(p):
        return p * sens + (1 - p) * (1 - spec)

    accuracy = Accuracy(true_positives=800, positives=1000, true_negatives=900, negatives=1000)
    done = agreement.corrected_difference(apparent(p1) - apparent(p0), 0.01, accuracy)
    assert done.estimate == pytest.approx(p1 - p0)
    assert done.se > 0.01 / (sens + spec - 1)


def test_codes_no_better_than_chance_correct_nothing():
    chance = Accuracy(true_positives=50, positives=100, true_negatives=50, negatives=100)
    assert agreement.corrected_share(30, 100, chance).code == "no-information"
    assert agreement.corrected_difference(0.1, 0.01, chance).code == "no-information"
    none = Accuracy(true_positives=0, positives=0, true_negatives=1, negatives=1)
    assert agreement.corrected_share(30, 100, none).code == "no-sample"


ALIKE = {"a": {"Bill": 500, "Other enquiry": 80, coding.UNCODED: 100},
         "b": {"Bill": 510, "Other enquiry": 75, coding.UNCODED: 103}}  # fmt: skip


def test_coverage_and_other_share_by_arm():
    first, _ = coding.coverage(ALIKE)
    assert first.coded.estimate == pytest.approx(580 / 680)
    assert first.other.estimate == pytest.approx(80 / 680)
    assert first.entropy == pytest.approx(stats.entropy([500, 80], base=2))
    low, high = stats.binomtest(580, 680).proportion_ci(method="wilson")
    assert (first.coded.low, first.coded.high) == pytest.approx((low, high))


def test_the_wilson_interval_of_the_form_sample():
    """41% and 34% of 200 forms: 34.4 to 47.9% and 27.8 to 40.8%."""
    for hits, low, high in ((82, 0.344, 0.479), (68, 0.278, 0.408)):
        done = coding.wilson(hits, 200)
        assert (done.low, done.high) == pytest.approx((low, high), abs=0.0006)


def test_arms_coded_alike_pass_and_an_arm_with_inflated_other_is_named():
    rng = np.random.default_rng(1)
    assert coding.coding_difference(ALIKE, rng).p > 0.5
    lazy = {**ALIKE, "b": {"Bill": 400, "Other enquiry": 190, coding.UNCODED: 98}}
    done = coding.coding_difference(lazy, rng)
    assert done.p < 1e-6
    assert done.largest[:2] in {("a", "Other enquiry"), ("b", "Other enquiry")}
    assert abs(done.largest[2]) > 5


def test_sparse_tables_get_their_p_value_from_random_tables():
    """The 2 × 2 table with its exact p-value: 9,999 tables, Monte Carlo error below 0.005."""
    counts = {"a": {"x": 8, "y": 2}, "b": {"x": 1, "y": 5}}
    done = coding.coding_difference(counts, np.random.default_rng(3))
    assert "random tables" in done.method
    assert done.p == pytest.approx(stats.fisher_exact([[8, 2], [1, 5]]).pvalue, abs=0.02)


def test_the_test_keeps_its_size_when_arms_are_coded_alike():
    """1,000 tables under equal coding: 5% are below 0.05, Monte Carlo error 0.7 points."""
    rng = np.random.default_rng(11)
    p = [
        coding.coding_difference(
            {arm: dict(zip("abcd", map(int, rng.multinomial(400, [0.5, 0.3, 0.15, 0.05])), strict=True))
             for arm in ("one", "two", "three")}, rng).p
        for _ in range(1000)
    ]  # fmt: skip
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.021)


def test_one_code_or_one_arm_cannot_be_compared():
    rng = np.random.default_rng(0)
    assert coding.coding_difference({"a": {"x": 3}, "b": {"x": 2}}, rng).code == "one-code"
    assert coding.coding_difference({"a": {"x": 3, "y": 1}, "b": {}}, rng).code == "one-code"


def test_bounds_of_the_avoidable_share_allow_for_everything_uncoded():
    counts = {"value": 400, "clarification": 150, "progress-chasing": 150, "unclassified": 100}
    done = coding.avoidable_share(counts, uncoded=200)
    assert done.among_coded.estimate == pytest.approx(300 / 700)
    assert (done.low, done.high) == pytest.approx((0.3, 0.6))
    partial = coding.avoidable_share(counts, uncoded=200, avoidable=150.0)
    assert partial.low == pytest.approx(0.15)
    assert coding.avoidable_share({}).code == "no-contacts"
    assert coding.avoidable_share({"unclassified": 3}).among_coded.code == "nothing-coded"


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_whatever_the_uncoded_are_the_truth_lies_within_the_bounds(
    value, avoidable, unknown, truly
):
    done = coding.avoidable_share({"value": value, "clarification": avoidable}, uncoded=unknown)
    if isinstance(done, NotKnown):
        return
    share = (avoidable + min(truly, unknown)) / (value + avoidable + unknown)
    assert done.low - 1e-12 <= share <= done.high + 1e-12


def test_the_corrected_count_recovers_the_contacts_truly_saved_and_its_interval_covers():
    """1,200 trials with known truth; the Monte Carlo error of the coverage is 0.63 points.

    People of two arms make Poisson numbers of avoidable and of other contacts; a coder finds 80%
    of the avoidable and takes 10% of the others for avoidable; a random 400 contacts are coded
    again. Dividing the difference by Se + Sp - 1 alone would be off, because the arm also saves
    contacts that are not avoidable.
    """
    rng = np.random.default_rng(12)
    runs, n, sens, spec = 1_200, 2_000, 0.8, 0.9
    avoidable, other = {"c": 0.30, "t": 0.24}, {"c": 0.60, "t": 0.50}
    truth = avoidable["c"] - avoidable["t"]
    estimates, shrunk, covered = [], [], 0
    for _ in range(runs):
        means, moments = [], np.zeros((2, 2))
        for arm in "ct":
            a, b = rng.poisson(avoidable[arm], n), rng.poisson(other[arm], n)
            coded = rng.binomial(a, sens) + rng.binomial(b, 1 - spec)
            means.append((coded.mean(), (a + b).mean()))
            moments += np.cov(coded, a + b) / n
        positives = rng.binomial(400, sum(avoidable.values()) / 1.64)
        accuracy = Accuracy(
            true_positives=int(rng.binomial(positives, sens)), positives=int(positives),
            true_negatives=int(rng.binomial(400 - positives, spec)), negatives=int(400 - positives),
        )  # fmt: skip
        fewer = np.subtract(*means)
        done = agreement.corrected_count(
            fewer[0], fewer[1], (moments[0, 0], moments[0, 1], moments[1, 1]), accuracy
        )
        estimates.append(done.estimate)
        shrunk.append(fewer[0] / (accuracy.sensitivity + accuracy.specificity - 1))
        covered += done.low <= truth <= done.high
    error = np.std(estimates) / math.sqrt(runs)
    assert np.mean(estimates) == pytest.approx(truth, abs=4 * error)
    assert np.mean(shrunk) > truth + 10 * error
    assert covered / runs == pytest.approx(0.95, abs=4 * 0.0063)


def test_a_corrected_count_is_absent_where_the_codes_say_nothing():
    chance = Accuracy(true_positives=50, positives=100, true_negatives=50, negatives=100)
    assert agreement.corrected_count(0.1, 0.2, (1, 0, 1), chance).code == "no-information"
    none = Accuracy(true_positives=0, positives=0, true_negatives=1, negatives=1)
    assert agreement.corrected_count(0.1, 0.2, (1, 0, 1), none).code == "no-sample"
