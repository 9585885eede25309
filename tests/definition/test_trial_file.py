"""The trial file in and out, its rules, and the plan's hash."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trials.definition import plan, toml
from trials.definition.lines import positions
from trials.definition.model import duration, seconds
from trials.errors import Invalid

CONTRACT = '''
[trial]
key = "council-tax-reminder"
title = "Council tax reminder: one thing to do"
area = "other-correspondence"
channel = "letter"
service = "Council Tax"
hypothesis = "Leading with the one thing to do lowers clarification calls within 14 days."
mechanism = "expectation"
techniques = ["easy:simplify", "attractive:salience"]
unit = "account"
owner = "improvement@wychbridge.example"
starts = 2026-04-01
ends = 2026-06-30

[design]
kind = "stratified"
strata = ["band", "instalments"]
burn_in = "5m"
seed = 20260401
namespace = "council-tax"
holdout = 0.05

[[arms]]
key = "current"
control = true
weight = 1
wording = "Dear {{ name }}"

[[arms]]
key = "one-thing"
weight = 1
wording = """
Pay {{ amount }}
[not a table]
key = "not a key"
"""

[[metrics]]
key = "contact-14d"
title = "Any agent-handled contact within 14 days"
role = "primary"
kind = "proportion"
source = "contacts"
window = "14d"
where = { handled = true }
better = "lower"
mde = 0.014

[[metrics]]
key = "contacts"
kind = "count"
window = "14d"
cap = 0.999

[[metrics]]
key = "minutes-a-contact"
kind = "ratio"
window = "14d"
value = "handle_seconds"
denominator = "contacts"

[[metrics]]
key = "paid-14d"
role = "guardrail"
kind = "proportion"
source = "outcomes"
better = "higher"
margin = 0.005

[analysis]
alpha = 0.05
power = 0.8
looks = { fractions = [0.33, 0.67, 1.0], spending = "obrien-fleming" }
adjust = ["prior_contacts", "pre:contact-14d"]
segments = ["has_email"]
multiplicity = "holm"
prior = { mean = 0.0, sd = 0.02 }
rope = [-0.002, 0.002]
decision = { ship_if_probability = 0.95, stop_for_harm_probability = 0.95 }
'''


def problems_of(text):
    with pytest.raises(Invalid) as caught:
        toml.read(text, "trial.toml")
    return caught.value.problems


def line_of(text, needle):
    return next(i for i, line in enumerate(text.splitlines(), 1) if needle in line)


def test_every_field_of_the_contract_is_read():
    trial = toml.read(CONTRACT)
    assert trial.metric("contact-14d").window == 14 * 86400
    assert trial.design.burn_in == 300
    assert trial.analysis.looks.fractions == (0.33, 0.67, 1.0)
    assert trial.columns == ("band", "instalments", "has_email", "prior_contacts")


def test_written_and_read_again_it_is_the_same_plan():
    trial = toml.read(CONTRACT)
    again = toml.read(toml.write(trial))
    assert again == trial
    assert plan.plan_hash(again) == plan.plan_hash(trial)


def test_key_order_spelling_of_defaults_and_of_durations_do_not_change_the_hash():
    reordered = CONTRACT.replace(
        'key = "current"\ncontrol = true', 'control = true\nkey = "current"'
    )
    spelled = reordered.replace('window = "14d"', 'window = "2w"').replace(
        "weight = 1", "weight = 1.0"
    )
    tables = CONTRACT[CONTRACT.index("[analysis]") :] + CONTRACT[: CONTRACT.index("[analysis]")]
    base = plan.plan_hash(toml.read(CONTRACT))
    assert {plan.plan_hash(toml.read(text)) for text in (reordered, spelled, tables)} == {base}


def test_correcting_a_title_or_the_owner_does_not_change_the_hash():
    retitled = CONTRACT.replace("Any agent-handled contact", "An agent-handled contact")
    moved = retitled.replace("improvement@", "someone.else@")
    assert plan.plan_hash(toml.read(moved)) == plan.plan_hash(toml.read(CONTRACT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("alpha = 0.05", "alpha = 0.01"),
        ("holdout = 0.05", "holdout = 0.06"),
        ('window = "14d"', 'window = "15d"'),
        ("handled = true", "handled = false"),
        ("margin = 0.005", "margin = 0.006"),
        ("sd = 0.02", "sd = 0.03"),
        ("[0.33, 0.67, 1.0]", "[0.5, 1.0]"),
        ("ship_if_probability = 0.95", "ship_if_probability = 0.9"),
        ('"pre:contact-14d"', '"other"'),
        ("weight = 1", "weight = 2"),
        ("seed = 20260401", "seed = 20260402"),
        ('strata = ["band", "instalments"]', 'strata = ["band"]'),
        ("Pay {{ amount }}", "Please pay {{ amount }}"),
        ('multiplicity = "holm"', 'multiplicity = "hochberg"'),
        ("cap = 0.999", "cap = 0.99"),
        ('better = "lower"', 'better = "higher"'),
    ],
)
def test_whatever_changes_the_analysis_changes_the_hash(old, new):
    assert old in CONTRACT
    changed = CONTRACT.replace(old, new, 1)
    assert plan.plan_hash(toml.read(changed)) != plan.plan_hash(toml.read(CONTRACT))


def test_the_hash_is_the_same_in_another_process_with_another_hash_seed(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(CONTRACT, encoding="utf-8")
    code = (
        "import sys; from trials.definition import plan, toml;"
        "print(plan.plan_hash(toml.read(open(sys.argv[1], encoding='utf-8').read())))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {plan.plan_hash(toml.read(CONTRACT))}


def test_every_broken_rule_is_listed_at_once_with_its_line():
    text = (
        CONTRACT.replace('channel = "letter"', 'channel = "leter"')
        .replace("holdout = 0.05", "holdout = 2")
        .replace("margin = 0.005", "margn = 0.005")
        .replace('denominator = "contacts"', 'denominator = "contact"')
        .replace("control = true", "control = false")
        .replace("ends = 2026-06-30", "ends = 2026-03-01")
    )
    found = problems_of(text)
    said = "\n".join(map(str, found))
    for needle, word in [
        ('channel = "leter"', "letter"),
        ("holdout = 2", "holdout"),
        ("margn = 0.005", "did you mean 'margin'"),
        ('denominator = "contact"', "did you mean"),
        ("ends = 2026-03-01", "ends before it starts"),
    ]:
        line = line_of(text, needle)
        assert any(p.line == line and word in str(p) for p in found), (needle, said)
    assert "no arm is the control" in said
    assert all(p.remedy for p in found)


@pytest.mark.parametrize(
    ("table", "key", "meant"),
    [("trial", "titel", "title"), ("design", "stratum", "strata"), ("analysis", "alhpa", "alpha")],
)
def test_an_unknown_key_names_the_nearest_known_one(table, key, meant):
    text = CONTRACT.replace(f"[{table}]\n", f"[{table}]\n{key} = 1\n")
    (problem,) = [p for p in problems_of(text) if key in p.says]
    assert problem.line == line_of(text, f"{key} = 1")
    assert f"did you mean '{meant}'?" in problem.remedy


def test_a_syntax_error_names_its_line():
    (problem,) = problems_of("[trial]\nkey = \n")
    assert problem.line == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("weight = 1", "weight = 0"), "weight 0"),
        (('key = "one-thing"', 'key = "current"'), "used twice"),
        (('role = "primary"', 'role = "secondary"'), "no metric is primary"),
        (('kind = "stratified"', 'kind = "switchback"'), "period"),
        (('kind = "stratified"', 'kind = "cluster"'), "what is randomised"),
        (("rope = [-0.002, 0.002]", "rope = [0.002, -0.002]"), "high to low"),
        (("{{ amount }}", "{{ amount.__class__ }}"), "wording"),
        (("{{ amount }}", "{% for i in range(9) %}{% endfor %}"), "wording"),
        (('key = "council-tax-reminder"', 'key = "Council Tax"'), "lower-case"),
    ],
)
def test_a_rule_that_needs_more_than_one_field_is_held(change, says):
    assert any(says in str(problem) for problem in problems_of(CONTRACT.replace(*change, 1)))


def test_lines_are_those_of_the_text_even_after_multi_line_values():
    found = positions(CONTRACT)
    assert found["metrics", 0, "mde"] == line_of(CONTRACT, "mde = 0.014")
    assert found["arms", 1, "wording"] == line_of(CONTRACT, 'wording = """')
    assert ("not a table",) not in found


@given(st.integers(1, 10_000_000))
def test_a_duration_is_written_as_it_is_read(total):
    assert seconds(duration(total)) == total


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400))
def test_any_text_is_a_trial_or_a_list_of_problems(text):
    with contextlib.suppress(Invalid):
        toml.read(text)
