"""The capacity question: the October 2022 case, the contract's document, impossible input."""

import csv
import io
import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.estimates import Absent
from analysis.scaling.capacity import answer
from analysis.scaling.fit import fit
from analysis.scaling.line import Line, pooled
from analysis.scaling.question import CapacityRequest, Interval, Observed, read_profile
from trials.errors import Invalid, SignpostError, Unavailable
from web.cli.capacity import capacity

OCTOBER = CapacityRequest(
    offered=33592, days=21, hours=8, aht=666, fit=Observed(wait=242, abandoned=0.1311),
    target_wait=180, shrinkage=0.30,
)  # fmt: skip
KEYS = (
    "offered_load_erlangs", "model", "wait_answered_seconds", "wait_all_seconds", "abandoned",
    "occupancy", "service_level", "agents_for_target", "gap", "fte",
)  # fmt: skip


def test_the_fit_finds_the_agents_and_patience_of_october_2022():
    found = answer(OCTOBER)
    assert round(found.state.load, 2) == 36.99
    assert round(found.agents, 1) == 32.4
    assert round(found.patience) == 1780
    assert found.state.wait_answered == pytest.approx(242, abs=1e-6)
    assert found.state.abandoned == pytest.approx(0.1311, abs=1e-9)


def test_three_minutes_in_october_needs_33_9_agents_4_3_per_cent_more():
    found = answer(OCTOBER)
    document = found.to_json()
    assert round(found.agents_for_target, 1) == 33.9
    assert round(100 * found.gap, 1) == 4.3
    assert round(document["gap_fte"], 1) == 2.1
    assert found.fte == pytest.approx(found.agents_for_target / 0.7)


@pytest.mark.parametrize(
    ("offered", "answered", "wait", "days", "short"),
    [(40046, 30276, 431, 21, 15.9), (35307, 30476, 426, 22, 10.2), (35554, 31203, 434, 21, 9.5)],
)
def test_july_to_september_gaps(offered, answered, wait, days, short):
    seen = Observed(wait=wait, abandoned=1 - answered / offered)
    found = answer(replace(OCTOBER, offered=offered, days=days, fit=seen))
    assert round(100 * found.gap, 1) == short


def test_the_published_october_abandonment_implies_an_implausible_patience():
    found = answer(replace(OCTOBER, fit=Observed(wait=242, abandoned=0.0471)))
    assert round(found.patience / 60) == 85
    assert any("implausible" in note for note in found.notes)


@pytest.mark.parametrize(
    ("cut", "plain", "looped", "agents", "freed"),
    [
        (0.02, (32920, 213, 11.7), (31705, 166, 9.2), 32.29, 0.9),
        (0.03, (32584, 200, 11.0), (30985, 140, 7.9), 31.96, 1.4),
        (0.05, (31912, 173, 9.6), (29784, 103, 5.8), 31.33, 2.3),
        (0.08, (30905, 137, 7.7), (28326, 67, 3.8), 30.37, 3.6),
        (0.10, (30233, 116, 6.5), (27485, 51, 2.9), 29.73, 4.6),
    ],
)
def test_what_a_demand_cut_does_with_and_without_call_backs(cut, plain, looped, agents, freed):
    found = answer(replace(OCTOBER, retry=0.87, demand_change=-cut))
    after = found.what_if
    for state, (offered, wait, gone) in (
        (after.without_retrials, plain), (after.with_retrials, looped)
    ):  # fmt: skip
        assert round(state.offered) == pytest.approx(offered, abs=1)
        assert round(state.wait_answered) == wait
        assert round(100 * state.abandoned, 1) == gone
    assert round(after.agents_for_target, 2) == agents
    assert round(after.fte_freed, 1) == freed


def test_the_loop_counts_29761_unique_calls_and_needs_32_92_agents():
    found = answer(replace(OCTOBER, retry=0.87))
    assert round(found.unique_offered) == 29761
    assert round(found.agents_for_target, 2) == 32.92
    assert found.state.wait_answered == pytest.approx(242, abs=1e-6)


def test_a_cut_of_4_5_per_cent_reaches_three_minutes_without_the_loop():
    found = answer(replace(OCTOBER, demand_change=-0.0448))
    assert found.what_if.without_retrials.wait_answered == pytest.approx(180, abs=0.5)


def test_without_patience_the_model_is_erlang_c_and_an_endless_queue_is_absent():
    flat = replace(OCTOBER, fit=None, agents=36)
    found = answer(flat)
    assert found.model == "erlang-c"
    assert isinstance(found.state.wait_answered, Absent)
    assert found.state.wait_answered.code == "queue-grows"
    assert answer(replace(flat, agents=38)).state.wait_answered == pytest.approx(538, abs=0.5)


def test_a_flat_profile_gives_the_answer_of_the_flat_day():
    flat = replace(OCTOBER, fit=None, agents=33, patience=1780, retry=0.5)
    rows = tuple(Interval(label=f"{h}", hours=2, share=0.25) for h in range(4))
    a, b = answer(flat), answer(replace(flat, profile=rows))
    assert len(b.stretches) == 4
    assert b.state.wait_answered == pytest.approx(a.state.wait_answered)
    assert b.unique_offered == pytest.approx(a.unique_offered)
    assert b.agents_for_target == pytest.approx(a.agents_for_target)


def test_a_peak_makes_the_average_caller_wait_longer_than_a_flat_day():
    flat = replace(OCTOBER, fit=None, agents=36, patience=1780)
    rows = (Interval(label="am", hours=4, share=0.6), Interval(label="pm", hours=4, share=0.4))
    peaked = answer(replace(flat, profile=rows))
    assert peaked.state.wait_answered > answer(flat).state.wait_answered
    assert peaked.state.offered == pytest.approx(33592)
    am, pm = peaked.stretches
    assert am.agents_for_target > pm.agents_for_target
    answered = [s.state.offered * (1 - s.state.abandoned) for s in (am, pm)]
    waits = [s.state.wait_answered for s in (am, pm)]
    assert peaked.state.wait_answered == pytest.approx(
        sum(a * w for a, w in zip(answered, waits, strict=True)) / sum(answered)
    )


def test_two_lines_pooled_wait_less_than_apart():
    line = Line(rate=100, aht=300, agents=9, patience=300, retry=0, within=60)
    both = pooled([line, line])
    assert (both.rate, both.agents, both.aht) == (200, 18, 300)
    assert both.now().wait_answered < line.now().wait_answered
    with pytest.raises(ValueError, match="no line"):
        pooled([])


@settings(max_examples=40, deadline=None)
@given(st.floats(2, 120), st.floats(0.75, 1.1), st.floats(60, 900), st.floats(0.3, 8))
def test_the_fit_recovers_the_line_that_made_the_figures(load, staffing, aht, ratio):
    """A round trip: figures of a known line, then agents and patience back from them."""
    agents = max(1.5, load * staffing)
    line = Line(rate=load / aht * 3600, aht=aht, agents=agents, patience=aht * ratio, retry=0,
                within=0)  # fmt: skip
    seen = line.now()
    found = fit(line.load, aht=aht, wait=seen.wait_answered, abandoned=seen.abandoned)
    assert found.agents == pytest.approx(agents, rel=1e-3)
    assert found.patience == pytest.approx(aht * ratio, rel=1e-2)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 60), st.floats(2, 600), st.sampled_from([None, 120.0, 900.0]))
def test_the_agents_for_a_target_are_the_fewest_that_meet_it(load, target, patience):
    line = Line(rate=load * 12, aht=300, agents=1, patience=patience, retry=0, within=0)
    need = line.agents_for(target)
    assert replace(line, agents=need).now().wait_answered <= target * (1 + 1e-6)
    if need > 1.01:
        fewer = replace(line, agents=need - 0.01)
        assert fewer.now().wait_answered > target


def test_a_target_at_five_thousand_agents_is_found():
    big = CapacityRequest(offered=100_000, days=1, hours=1, aht=180, agents=4800, patience=300,
                          retry=0.87, target_wait=20, demand_change=-0.02)  # fmt: skip
    found = answer(big)
    again = answer(replace(big, agents=found.agents_for_target, retry=0.0, demand_change=0.0,
                           offered=found.unique_offered))  # fmt: skip
    assert again.state.wait_answered < 20
    assert 4000 < found.agents_for_target < 5100
    assert found.what_if.agents_for_target < found.agents_for_target


def test_every_default_used_is_listed():
    plain = CapacityRequest(offered=100, days=1, hours=8, aht=300, agents=5)
    used = {s.name: s for s in answer(plain).settings if s.is_default}
    assert set(used) == {"target_wait_seconds", "retry", "shrinkage"}
    assert all(s.source and s.dated for s in used.values())
    given_all = replace(plain, target_wait=60, retry=0.5, shrinkage=0.2)
    assert not [s for s in answer(given_all).settings if s.is_default]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"agents": 0}, "agents: 0 is impossible"),
        ({"agents": None}, "agents: are not given"),
        ({"aht": -5}, "aht: -5 is impossible"),
        ({"offered": float("nan")}, "offered: nan is impossible"),
        ({"hours": 25}, "hours: 25 is impossible"),
        ({"retry": 1.5}, "retry: 1.5 is impossible"),
        ({"shrinkage": 1.0}, "shrinkage: 1 is impossible"),
        ({"target_wait": 0}, "target-wait: 0 is impossible"),
        ({"offered": 1e9}, "offered: is more than"),
        ({"profile": (Interval(label="a", hours=8, share=0.5),)}, "shares add up to 0.5"),
        ({"profile": (Interval(label="a", hours=3, share=1),)}, "covers 3 hours"),
        ({"fit": Observed(wait=100, abandoned=0.1)}, "also given"),
    ],
)
def test_impossible_questions_are_named(change, says):
    plain = CapacityRequest(offered=1000, days=5, hours=8, aht=300, agents=10, patience=300)
    with pytest.raises(Invalid) as refused:
        answer(replace(plain, **change))
    assert any(says in str(problem) for problem in refused.value.problems)


def test_figures_no_line_can_show_are_refused_in_one_sentence():
    seen = Observed(wait=30_000, abandoned=0.001)
    with pytest.raises(Invalid, match=r"no line loses 0.10% of callers"):
        answer(replace(OCTOBER, fit=seen))


def run(*options):
    return CliRunner().invoke(capacity, [*options])


BASE = ("--offered", "33592", "--days", "21", "--hours", "8", "--aht", "666")


def test_the_command_of_the_contract_prints_its_document():
    done = run(*BASE, "--patience", "1780", "--agents", "33", "--target-wait", "180",
               "--retry", "0.87", "--shrinkage", "0.30", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert set(KEYS) <= set(document)
    assert round(document["wait_answered_seconds"], 1) == 216.6
    assert round(document["abandoned"], 4) == 0.1184
    assert document["model"] == "erlang-a"


def test_the_command_fits_and_tells_people_the_same():
    done = run(*BASE, "--fit", "--wait", "242", "--abandoned", "0.1311")
    assert done.exit_code == 0, done.output
    assert "32.44 (fitted)" in done.output
    assert "33.91" in done.output
    assert "4.3% short" in done.output
    assert "Default used" in done.output


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (("--fit",), SignpostError, "--fit needs what was observed"),
        (("--wait", "5", "--agents", "3"), SignpostError, "only used to fit"),
        (("--agents", "-1"), Invalid, "agents: -1 is impossible"),
        (("--agents", "3", "--profile", "/no/such.csv"), Unavailable, "such.csv cannot be read"),
    ],
)
def test_the_command_refuses_in_one_sentence(options, error, says):
    done = run(*BASE, *options)
    assert isinstance(done.exception, error)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)


def test_the_command_reads_a_profile(tmp_path):
    file = tmp_path / "day.csv"
    file.write_text("interval,hours,share,agents\nam,4,0.6,36\npm,4,0.4,\n", encoding="utf-8")
    done = run(*BASE, "--patience", "1780", "--agents", "30", "--profile", str(file), "--json")
    assert [row["agents"] for row in json.loads(done.output)["intervals"]] == [36, 30]


def test_a_bad_profile_names_its_lines():
    text = io.StringIO()
    csv.writer(text).writerows([("interval", "hours", "share"), ("am", "x", "1"), ("pm", "4", "")])
    with pytest.raises(Invalid) as refused:
        read_profile(text.getvalue())
    assert [p.line for p in refused.value.problems] == [2, 3]
    with pytest.raises(Invalid, match="has no column hours"):
        read_profile("interval,share\n")


def test_the_command_tells_a_what_if_without_and_with_call_backs():
    told = run(*BASE, "--fit", "--wait", "242", "--abandoned", "0.1311", "--retry", "0.87",
               "--demand-change", "-0.02").output  # fmt: skip
    assert "wait 213 s, abandoned 11.7%" in told
    assert "wait 166 s, abandoned 9.2%" in told
    assert "32.29, freeing 0.9 full-time posts" in told
    assert "do not add it to a trial's net deflection" in told


def test_longer_calls_raise_the_load_in_proportion():
    flat = replace(OCTOBER, fit=None, agents=40, patience=1780, aht_change=0.1)
    found = answer(flat)
    assert found.what_if.without_retrials.load == pytest.approx(1.1 * found.state.load)
    assert found.what_if.without_retrials.wait_answered > found.state.wait_answered


def test_call_backs_that_grow_without_end_are_absent_with_a_reason():
    """37 erlangs at 36 agents, everybody rings back: today's loop is at its limit, 30% more is not."""
    flat = replace(OCTOBER, fit=None, agents=36, patience=1780, retry=1.0, demand_change=0.3)
    state = answer(flat).what_if.with_retrials
    assert state.wait_answered.code == "loop-grows"
    assert json.dumps(answer(flat).to_json(), allow_nan=False)


def test_a_line_nobody_calls_has_no_wait():
    found = answer(CapacityRequest(offered=0, days=5, hours=8, aht=300, agents=2, patience=300))
    assert (found.state.wait_answered, found.state.abandoned, found.agents_for_target) == (0, 0, 1)
