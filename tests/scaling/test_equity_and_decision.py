"""Small cells, the gate on fairness, and the rule of the recommendation."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from analysis.scaling.decision import Findings, Guardrail, Rule, dissent, recommend
from analysis.scaling.equity import GroupEffect, assess, impact_extract
from analysis.scaling.evidence import Check
from analysis.scaling.suppression import shown, suppress
from trials.errors import SignpostError


def test_a_single_small_cell_takes_the_next_smallest_with_it():
    assert shown(np.array([3, 200, 40, 90]), 10) == [None, 200, None, 90]


def test_two_small_cells_that_sum_to_a_small_number_need_a_third():
    assert shown(np.array([2, 3, 30, 500]), 10) == [None, None, None, 500]
    assert shown(np.array([6, 7, 30, 500]), 10) == [None, None, 30, 500]


def test_nothing_small_hides_nothing_and_zeros_are_shown():
    assert shown(np.array([0, 12, 40]), 10) == [0, 12, 40]


def test_a_cell_that_only_several_margins_together_give_away_is_protected():
    """Here 9 is (15 + 61 + 9) - ((3 + 15) + (31 + 61) - (3 + 31)): no one margin betrays it."""
    table = np.array([[3, 31, 40, 36], [123, 83, 2, 10], [15, 61, 139, 9], [340, 65, 17, 3]], float)
    betrayed = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 0, 1], [0, 0, 1, 1]], bool)
    low, high = bounds_of(table, betrayed, (2, 3))
    assert low == pytest.approx(high) == pytest.approx(9)
    hidden = suppress(table, 10)
    assert (hidden >= betrayed).all()
    assert not hidden.all()
    low, high = bounds_of(table, hidden, (2, 3))
    assert high - low >= 1


def test_a_table_of_nothing_but_small_cells_is_hidden_whole():
    assert shown(np.array([[1, 2], [3, 4]]), 10) == [[None, None], [None, None]]


def bounds_of(table, hidden, cell):
    """The range a reader can work out for a hidden cell: a linear programme over the margins."""
    cells = np.argwhere(hidden)
    index = {tuple(c): i for i, c in enumerate(cells)}
    rows, totals = [], []
    for axis in (0, 1):
        for k in range(table.shape[axis]):
            members = [index[tuple(c)] for c in cells if c[axis] == k]
            if members:
                row = np.zeros(len(cells))
                row[members] = 1
                rows.append(row)
                totals.append(sum(table[tuple(c)] for c in cells if c[axis] == k))
    cost = np.zeros(len(cells))
    cost[index[cell]] = 1
    return [
        sign * optimize.linprog(sign * cost, A_eq=np.array(rows), b_eq=totals).fun
        for sign in (1, -1)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5), st.integers(2, 5), st.integers(0, 10_000),
)  # fmt: skip
def test_no_small_cell_can_be_worked_out_from_the_margins(rows, columns, seed):
    """Every primary cell of a two-way table stays uncertain to a reader who knows all totals."""
    table = np.random.default_rng(seed).negative_binomial(1, 0.04, (rows, columns)).astype(float)
    hidden = suppress(table, 10)
    assert (hidden | (table == 0) | (table >= 10)).all()
    for cell in map(tuple, np.argwhere((table > 0) & (table < 10))):
        low, high = bounds_of(table, hidden, cell)
        assert high - low > 0.5 or hidden.all()


def group(level, mean, low, high, *, n=5000, seen=500, excluded=False):
    return GroupEffect(by="has_email", level=level, assigned=n, with_outcome=seen, mean=mean,
                       low=low, high=high, excluded=excluded)  # fmt: skip


def equity(*groups, margin=0.01):
    return assess(groups, margin=margin, minimum=10, contacts=lambda effect: 1000 * effect)


@pytest.mark.parametrize(
    ("mean", "low", "high", "gate"),
    [(0.01, 0.001, 0.02, "clear"), (0.0, -0.009, 0.009, "clear"), (-0.001, -0.02, 0.018, "concern"),
     (-0.02, -0.03, -0.01, "harm")],
)  # fmt: skip
def test_the_gate_follows_the_excluded_group(mean, low, high, gate):
    found = equity(group("no", mean, low, high, excluded=True), group("yes", 0.02, 0.01, 0.03))
    assert found.gate == gate


def test_harm_to_any_declared_group_closes_the_gate():
    found = equity(group("no", 0.01, 0, 0.02, excluded=True), group("yes", -0.02, -0.03, -0.01))
    assert found.gate == "harm"
    assert found.to_json()["losses"] == ["has_email: yes"]


def test_without_an_excluded_group_the_gate_is_unknown():
    assert equity(group("yes", 0.02, 0.01, 0.03)).gate == "unknown"
    assert equity().gate == "unknown"


def test_a_small_group_is_hidden_with_another_and_no_figure_of_it_is_written():
    groups = [
        group("a", 0.1234, 0.1, 0.2, n=9, seen=4),
        group("b", 0.0567, 0.01, 0.07, n=400, seen=60), group("c", 0.02, 0.01, 0.03),
    ]  # fmt: skip
    found = equity(*groups)
    assert [g.hidden for g in found.groups] == [True, True, False]
    text = json.dumps([found.to_json(), impact_extract(found, trial="t")])
    assert "0.1234" not in text
    assert "0.0567" not in text
    assert found.to_json()["suppressed"] == 2


def test_a_small_excluded_group_leaves_its_effect_unknown():
    found = equity(group("no", -0.5, -0.6, -0.4, n=6, seen=2, excluded=True),
                   group("yes", 0.02, 0.01, 0.03))  # fmt: skip
    assert found.gate == "unknown"
    assert found.to_json()["excluded_group"]["effect"]["absent"] == "small-numbers"


def test_harm_to_a_group_too_small_to_name_is_still_told():
    """Twelve people may be counted, but only three have the outcome: no name, no figure."""
    found = equity(group("a", -0.05, -0.06, -0.04, n=12, seen=3), group("b", 0.02, 0.01, 0.03),
                   group("c", 0.02, 0.01, 0.03, excluded=True))  # fmt: skip
    assert found.gate == "harm"
    assert found.says == "It makes things worse for: a group too small to name."


def test_the_probability_of_harm_is_the_normal_tail():
    assert group("x", 0.0, -0.01, 0.01).probability_worse_than(0.0) == pytest.approx(0.5)
    assert group("x", 0.01, 0.0, 0.02).probability_worse_than(0.0) == pytest.approx(0.025, abs=1e-6)


def test_the_impact_extract_says_negative_positive_or_not_known():
    found = equity(group("no", -0.02, -0.03, -0.01, excluded=True), group("yes", 0.02, 0.01, 0.03))
    extract = impact_extract(found, trial="t", mitigations=["a phone line stays open"])
    assert [row["impact"] for row in extract["groups"]] == ["negative", "positive"]
    assert extract["action_needed"]
    assert extract["mitigations"] == ["a phone line stays open"]


GOOD = Findings(
    probability_better=0.99, probability_pays=0.95, equity="clear", more_weeks_net=-500.0
)


@pytest.mark.parametrize(
    ("change", "decision"),
    [
        ({}, "scale"),
        ({"equity": "concern"}, "scale-with-conditions"),
        ({"equity": "unknown"}, "scale-with-conditions"),
        ({"fidelity_measured": False}, "scale-with-conditions"),
        ({"checks": (Check(key="link-rate-balance", verdict="warn"),)}, "scale-with-conditions"),
        ({"guardrails": (Guardrail(key="paid", verdict="inconclusive"),)}, "scale-with-conditions"),
        ({"equity": "harm"}, "adapt"),
        ({"checks": (Check(key="sample-ratio", verdict="fail"),)}, "adapt"),
        ({"guardrails": (Guardrail(key="paid", verdict="fail"),)}, "adapt"),
        ({"guardrails": (Guardrail(key="safety", verdict="fail", hard_stop=True),)}, "stop"),
        ({"probability_better": 0.03}, "stop"),
        ({"matured": False}, "extend"),
        ({"probability_pays": 0.6}, "scale-with-conditions"),
        ({"probability_pays": 0.6, "more_weeks_net": 900.0}, "extend"),
        ({"probability_pays": 0.2}, "adapt"),
        ({"probability_better": 0.8}, "adapt"),
        ({"probability_better": 0.8, "more_weeks_net": 900.0}, "extend"),
        ({"probability_better": 0.8, "more_weeks_net": None}, "adapt"),
        ({"probability_better": 0.3}, "stop"),
        ({"probability_better": 0.949}, "adapt"),
        ({"probability_better": 0.95, "probability_pays": 0.8}, "scale"),
    ],
)
def test_the_rule_gives_each_decision_with_a_reason_and_what_would_change_it(change, decision):
    found = recommend(replace(GOOD, **change), Rule())
    assert found.decision == decision
    assert found.reasons
    assert found.would_change
    assert bool(found.conditions) == (decision == "scale-with-conditions")


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([None, -10.0, 10.0]))
def test_nothing_is_scaled_whose_effect_is_short_of_the_plan(better, pays, more):
    found = recommend(
        replace(GOOD, probability_better=better, probability_pays=pays, more_weeks_net=more), Rule()
    )
    if better < 0.95:
        assert not found.decision.startswith("scale")
    if better <= 0.05:
        assert found.decision == "stop"


def test_dissent_needs_a_name_and_a_reason():
    advice = recommend(GOOD, Rule())
    assert dissent(advice, decided="scale", reviewer="", reason="") is None
    kept = dissent(advice, decided="stop", reviewer="J. Cole", reason="the line closes in May")
    assert (kept.recommended, kept.decided) == ("scale", "stop")
    for reviewer, reason in (("", "because"), ("J. Cole", " ")):
        with pytest.raises(SignpostError, match="named reviewer and a reason"):
            dissent(advice, decided="stop", reviewer=reviewer, reason=reason)
