"""The words never say more than the interval shows, and follow the measure's own direction."""

from __future__ import annotations

import copy
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample import (
    donor_result,
    donor_trial,
    early_result,
    estimate,
    letter_result,
    letter_trial,
    variant,
)

from analysis.estimates import BARELY
from analysis.report import charts, method, phrases, words
from analysis.report.comparison import contrasts
from analysis.report.reading import guard, interval, rules_out_target, standing
from trials.definition.model import Metric

CLAIMS = re.compile(
    r"did better|Roll out|is ahead|Do not use|did worse|is behind|clear improvement"
)


def with_primary(trial, **changes):
    """The trial with another primary metric."""
    metrics = tuple(
        m.model_copy(update=changes) if m.role == "primary" else m for m in trial.metrics
    )
    return trial.model_copy(update={"metrics": metrics})


def test_the_headline_gives_the_action_the_effect_and_its_range():
    assert words.headline(letter_trial(), letter_result()) == (
        "Roll out ‘One thing to do’ in place of ‘Current letter’: of every 1,000 accounts, about "
        "20 fewer had any agent-handled contact within 14 days (between 8 and 32 fewer)."
    )


@pytest.mark.parametrize(
    ("better", "value", "says", "never"),
    [
        ("lower", -0.02, "did better", "Do not use"),
        ("lower", +0.02, "Do not use", "did better"),
        ("higher", +0.02, "did better", "Do not use"),
        ("higher", -0.02, "Do not use", "did better"),
    ],
)
def test_better_and_worse_follow_the_direction_of_the_measure(better, value, says, never):
    trial = with_primary(letter_trial(), better=better)
    told = words.headline(trial, variant(value, 0.01))
    assert says in told
    assert never not in told
    assert f"about 20 {'fewer' if value < 0 else 'more'}" in told


@pytest.mark.parametrize(
    ("kind", "value", "effect", "expected"),
    [
        ("count", None, -0.05, "for every 1,000 accounts, about 50 fewer"),
        ("mean", None, -1.25, "about 1.25 lower on average"),
        ("mean", "handle_seconds", -12.0, "about 12.0 seconds shorter on average"),
        ("mean", "handle_seconds", 12.0, "about 12.0 seconds longer on average"),
        ("mean", "cost", 4.1, "about £4.10 higher on average"),
        ("ratio", None, 0.2, "about 0.200 higher on average"),
    ],
)
def test_each_kind_of_measure_is_told_in_its_own_words(kind, value, effect, expected):
    trial = with_primary(letter_trial(), kind=kind, value=value, title="Contacts per account")
    assert expected in words.headline(trial, variant(effect, abs(effect) / 2))


@pytest.mark.parametrize("decision", ["", "scale", "extend", "adapt", "stop", "not-yet"])
def test_an_interval_that_includes_zero_is_never_told_as_a_gain_and_its_range_is_given(decision):
    told = words.headline(letter_trial(), variant(-0.004, 0.012, decision=decision))
    assert not CLAIMS.search(told)
    assert "anywhere from 16 fewer to 8 more in every 1,000 accounts" in told
    if decision == "scale":
        assert "a gain over ‘Current letter’ is not certain" in told


def test_a_gain_that_does_not_survive_the_adjustment_is_not_claimed():
    told = words.headline(letter_trial(), variant(-0.02, 0.019, p=0.039, p_adjusted=0.117))
    assert "did better" not in told
    assert "chance is not ruled out" in told


def test_a_failed_check_comes_before_any_figure():
    result = letter_result()
    result["checks"][0]["verdict"] = "fail"
    told = words.headline(letter_trial(), result)
    assert told.startswith(
        "Do not act on these figures yet: the check of numbers in each arm failed"
    )
    assert not re.search(r"\d", told)


def test_with_nothing_matured_the_headline_says_why_there_is_no_figure():
    told = words.headline(letter_trial(), early_result())
    assert told == "There is no result yet: no account has completed its 14 days yet."
    assert words.natural_frequencies(letter_trial(), early_result()) == []
    assert words.support(letter_trial(), early_result()) == []


def test_several_versions_name_the_best_and_do_not_compare_it_with_the_others():
    trial, result = donor_trial(), donor_result()
    assert words.headline(trial, result) == (
        "‘Match 3:1’ did better than ‘No match’: of every 1,000 donors, about 5 more gave within "
        "the month (between 1 and 8 more); ‘Match 2:1’ also did better."
    )
    assert any("not compared with each other" in line for line in words.support(trial, result))


def test_with_several_versions_an_unsettled_range_says_whose_it_is():
    result = donor_result()
    for contrast in result["metrics"][0]["contrasts"]:
        contrast["difference"]["p_adjusted"] = 0.5
    told = words.headline(donor_trial(), result)
    assert told.startswith(
        "No version did clearly better than ‘No match’: the effect of ‘Match 3:1’"
    )


def test_the_headline_speaks_of_the_arm_that_was_decided_on():
    result = donor_result()
    result["verdict"] |= {"arm": "match-2", "decision": "scale"}
    assert words.headline(donor_trial(), result).startswith("Roll out ‘Match 2:1’")


def test_natural_frequencies_are_the_control_share_and_that_share_plus_the_effect():
    found = words.natural_frequencies(letter_trial(), letter_result())
    assert [round(f.count) for f in found] == [120, 100]
    assert (round(found[1].low), round(found[1].high)) == (88, 112)
    assert found[0].control
    assert not found[1].control


def test_one_contact_is_a_contact_and_any_other_number_are_contacts():
    assert method.fewer_or_more(1.2) == "1 fewer contact"
    assert method.fewer_or_more(-0.97) == "1 more contact"
    assert method.fewer_or_more(0.8) == "0.8 fewer contacts"
    assert method.fewer_or_more(-2) == "2 more contacts"
    calls = Metric(key="m", title="Agent-handled contacts within 28 days", kind="count")
    assert phrases.things(calls, "1") == "agent-handled contact within 28 days"
    assert phrases.things(calls, "20") == "agent-handled contacts within 28 days"


def test_rare_outcomes_are_told_per_ten_thousand_so_that_whole_numbers_say_something():
    trial = donor_trial()
    metric = trial.primary
    found = interval(estimate(0.0002, 0.0001))
    assert phrases.base_of(metric, found) == 10_000
    assert phrases.signed(metric, found.estimate, 10_000) == "2 more"
    assert phrases.span(metric, found, 10_000) == "between 1 and 3 more"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.032, -0.008, "between 8 and 32 fewer"),
        (0.008, 0.032, "between 8 and 32 more"),
        (-0.008, 0.005, "anywhere from 8 fewer to 5 more"),
        (0.0, 0.005, "anywhere from no difference to 5 more"),
        (None, -0.008, "at least 8 fewer"),
        (-0.008, None, "at most 8 fewer"),
        (0.008, None, "at least 8 more"),
        (None, 0.008, "at most 8 more"),
        (None, None, "no limits could be given"),
        (0.0004, 0.0204, "between 0.4 and 20 more"),
    ],
)
def test_ranges_are_read_from_the_end_nearer_zero(low, high, expected):
    found = interval({"estimate": 0.01, "low": low, "high": high})
    assert phrases.span(letter_trial().primary, found, 1_000) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (
            "Any agent-handled contact within 14 days",
            "had any agent-handled contact within 14 days",
        ),
        ("Paid within 14 days", "paid within 14 days"),
        ("Set up a Direct Debit", "set up a Direct Debit"),
        ("Summons issued", "had a summons issued"),
        ("Emergency contact delayed", "had an emergency contact delayed"),
        ("Documents complete", "had documents complete"),
        ("Verified online completion", "had a verified online completion"),
        ("Completed an online transaction", "completed an online transaction"),
        ("The letter led to a gift", "counted towards ‘the letter led to a gift’"),
        ("Response rate", "counted towards ‘response rate’"),
    ],
)
def test_titles_read_as_what_befell_people(title, expected):
    assert phrases.happened(Metric(key="m", title=title, kind="proportion")) == expected


@pytest.mark.parametrize(
    ("better", "value", "half", "margin", "expected"),
    [
        ("higher", 0.015, 0.019, 0.005, "kept"),  # worst end -4, margin -5
        ("higher", 0.013, 0.019, 0.005, "open"),  # worst end -6
        ("higher", -0.020, 0.010, 0.005, "breached"),
        ("lower", 0.0012, 0.0044, 0.004, "open"),
        ("lower", 0.0012, 0.0020, 0.004, "kept"),
        ("lower", 0.0200, 0.0100, 0.004, "breached"),
        ("lower", 0.0, 0.010, None, "open"),
        ("lower", -0.02, 0.010, None, "kept"),
    ],
)
def test_a_guardrail_is_kept_only_when_harm_beyond_its_margin_is_ruled_out(
    better, value, half, margin, expected
):
    assert guard(interval(estimate(value, half)), better=better, margin=margin) == expected


def test_guardrail_sentences_say_what_is_ruled_out_and_what_is_not():
    told = {m.key: says for m, says in words.metric_sentences(letter_trial(), letter_result())}
    assert told["paid-14d"][0].endswith(
        "Harm beyond the agreed margin (5 in every 1,000 accounts) is ruled out."
    )
    assert told["complaint-28d"][0].endswith(
        "Harm beyond the agreed margin (4 in every 1,000 accounts) is not ruled out."
    )


@pytest.mark.parametrize(
    ("value", "half", "expected"),
    [(-0.0201, 0.0122, "the estimate is at least that"),
     (-0.004, 0.012, "the range reaches it"),
     (0.02, 0.01, "an effect that large is ruled out")],
)  # fmt: skip
def test_the_planned_effect_is_compared_with_the_range(value, half, expected):
    assert expected in words.support(letter_trial(), variant(value, half))[0]


def test_net_comes_before_gross_and_leakage_is_named():
    told = method.deflection_sentences(letter_trial(), letter_result())[0]
    assert told.index("net of people who came back") < told.index("Counted gross")
    assert "about 52 fewer contacts (between 24 and 80 fewer contacts)" in told
    assert "27% leaked back" in told


@pytest.mark.parametrize(
    ("leakage", "says"),
    [({"estimate": 1.3, "low": 1.1, "high": 1.6}, "and more than that came back"),
     ({"estimate": 0.27, "low": 0.08, "high": 0.46, "notes": [BARELY]}, "too little above nothing")],
)  # fmt: skip
def test_what_came_back_is_told_of_an_established_gross_effect_alone(leakage, says):
    result = letter_result()
    result["deflection"]["contrasts"][0]["leakage"] = leakage
    told = method.deflection_sentences(letter_trial(), result)[0]
    assert says in told
    shown = charts.deflection_chart(letter_trial(), result)
    assert shown is not None
    assert ("barely above nothing" in shown.rows[0][3]) == ("notes" in leakage)


def test_a_net_saving_that_may_be_none_is_told_as_a_range():
    result = letter_result()
    result["deflection"]["contrasts"][0]["net"] = {"estimate": 9.0, "low": -4.0, "high": 22.0}
    told = method.deflection_sentences(letter_trial(), result)[0]
    assert "anything from 4 more contacts to 22 fewer contacts is possible" in told


def test_checks_are_told_failures_first_with_a_summary():
    result = letter_result()
    result["checks"][2]["verdict"] = "fail"
    found = method.checks(result)
    assert [c.verdict for c in found[:2]] == ["fail", "warn"]
    assert method.checks_summary(found) == (
        "4 checks passed; 1 failed (contacts matched alike); 1 to look at (outcomes complete)."
    )


def test_the_method_names_design_intention_to_treat_estimator_and_adjustment():
    told = " ".join(method.method(letter_trial(), letter_result()))
    for part in ("10,000 accounts", "within groups of the same band and instalments",
                 "intention to treat", "HC2", "Holm", "one look"):  # fmt: skip
        assert part in told


NUMBERS = st.one_of(
    st.floats(-2, 2, allow_nan=False), st.just(0.0), st.floats(-1e-9, 1e-9, allow_nan=False)
)
ENDS = st.one_of(NUMBERS, st.none(), st.just(float("inf")), st.just(float("nan")))


@st.composite
def estimates(draw):
    """An estimate as the analysis may write it, absent ones and open ends among them."""
    shape = draw(st.integers(0, 5))
    if shape == 0:
        return {"absent": "too-few", "why": "too few units have an outcome"}
    if shape == 1:
        return draw(st.sampled_from([None, {}, {"estimate": None}, {"absent": "x"}]))
    value = draw(NUMBERS)
    low, high = draw(ENDS), draw(ENDS)
    if low is not None and high is not None and low > high:
        low, high = high, low
    p = draw(st.one_of(st.none(), st.floats(0, 1)))
    return {"estimate": value, "low": low, "high": high, "p": p, "p_adjusted": p, "se": 0.1}


@st.composite
def results(draw):
    """A result document with any figures, some parts missing."""
    result = copy.deepcopy(letter_result())
    for metric in result["metrics"]:
        for contrast in metric["contrasts"]:
            contrast["difference"] = draw(estimates())
            contrast["posterior"] = draw(
                st.one_of(st.none(), st.builds(lambda p: {"mean": 0.0, "probability_better": p},
                                               st.floats(0, 1)))
            )  # fmt: skip
        for arm in metric["arms"]:
            arm["mean"] = draw(st.one_of(st.none(), st.floats(0, 1)))
    for contrast in result["deflection"]["contrasts"]:
        for name in ("net", "gross", "leakage"):
            contrast[name] = draw(estimates())
    result["verdict"]["decision"] = draw(st.sampled_from([*words.DECISIONS, "", "unheard-of"]))
    for part in draw(
        st.sets(st.sampled_from(["checks", "deflection", "verdict", "units", "plan"]))
    ):
        result[part] = draw(st.sampled_from([None, [], {}]))
    return result


def every_sentence(trial, result):
    yield words.headline(trial, result)
    yield from words.support(trial, result)
    yield words.range_meaning(trial, result)
    yield words.maturing(trial, result)
    for found in words.natural_frequencies(trial, result):
        yield found.says
    for _, told in words.metric_sentences(trial, result):
        yield from told
    verdict = words.verdict(trial, result)
    yield from (verdict.says, verdict.label, *verdict.reasons)
    yield from method.deflection_sentences(trial, result)
    yield from method.method(trial, result)
    yield from (check.says for check in method.checks(result))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(results())
def test_whatever_the_result_the_words_hold_no_debris_and_no_unproven_claim(result):
    trial = letter_trial()
    for told in every_sentence(trial, result):
        assert not re.search(r"\b(nan|None|inf|null|absent)\b|\{|\}|\$|  ", told), told
    headline = words.headline(trial, result)
    assert headline.endswith(".")
    found = contrasts(trial, trial.primary, result["metrics"][0])[0]
    if found.standing in ("unclear", "absent"):
        assert not CLAIMS.search(headline)


@given(NUMBERS, NUMBERS, NUMBERS, st.floats(0, 1))
def test_standing_turns_round_with_the_direction_of_better(a, b, c, p):
    low, value, high = sorted((a, b, c))
    found = interval({"estimate": value, "low": low, "high": high, "p_adjusted": p})
    lower, higher = standing(found, better="lower"), standing(found, better="higher")
    assert {lower, higher} in ({"better", "worse"}, {"unclear"})
    assert (lower == "unclear") == (low <= 0 <= high or p > 0.05)
    assert standing(found.flipped(), better="lower") == higher


@given(NUMBERS, NUMBERS, NUMBERS, st.floats(1e-6, 1))
def test_a_target_is_ruled_out_only_if_the_whole_range_falls_short_of_it(a, b, c, target):
    low, value, high = sorted((a, b, c))
    found = interval({"estimate": value, "low": low, "high": high})
    assert rules_out_target(found, better="higher", target=target) == (high < target)
    assert rules_out_target(found, better="lower", target=target) == (low > -target)


def test_a_result_whose_plan_was_not_locked_is_called_exploratory():
    result = letter_result() | {"locked": False}
    assert "exploratory" in words.support(letter_trial(), result)[0]
    assert "fixed before the start" not in " ".join(method.method(letter_trial(), result))
    assert "fixed before the start" in " ".join(method.method(letter_trial(), letter_result()))


def test_the_range_of_an_arms_count_names_the_count_it_is_held_against():
    """The range is that of the difference: an arm's own rate would have another."""
    first, second = words.natural_frequencies(letter_trial(), letter_result())[:2]
    assert "between" not in first.says
    seen = re.search(r"against the (\d+) seen with ‘Current letter’", second.says)
    assert float(seen[1]) == pytest.approx(first.count, abs=0.5)
    assert (second.low, second.high) == pytest.approx((first.count - 32, first.count - 8), abs=0.5)
