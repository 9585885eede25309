"""Arm wordings: what is refused before anything is written, and what is rendered."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.definition import wording
from trials.definition.wording import check
from trials.errors import Invalid

COLUMNS = ["First name", "amount", "due", "debit", "email"]
ROW = {
    "First name": "ANNE o'neill",
    "amount": "1234.5",
    "due": "2026-04-01",
    "debit": "no",
    "email": "",
}

HOSTILE = {
    "a filter that fills memory": "{{ 'x'|center(1000000000) }}",
    "the same by a power": "{{ 'x'|center(10**9) }}",
    "nested loops": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
    "generated text": "{{ lipsum(n=100000) }}",
    "towering arithmetic": "{{ 9**9**9 }}",
    "repeating a text": "{{ amount * 1000000000 }}",
    "the class of a cell": "{{ amount.__class__.__mro__ }}",
    "the same by index": "{{ amount['__class__'] }}",
    "the same by filter": "{{ amount|attr('__class__') }}",
    "formatting a cell": "{{ '%1000000000s'|format(amount) }}",
    "a method": "{{ amount.replace('1', '2') }}",
    "a global": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "including a file": "{% include '/etc/passwd' %}",
    "importing": "{% import 'os' as os %}",
    "a macro that calls itself": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "a loop over a cell": "{% for c in amount %}{{ c }}{% endfor %}",
    "setting a name": "{% set amount = 'x' %}",
    "joining": "{{ amount ~ amount }}",
    "a range": "{{ range(10) }}",
    "the template itself": "{{ self }}",
    "a filter block": "{% filter upper %}x{% endfilter %}",
    "a call block": "{% call amount() %}x{% endcall %}",
    "a with block": "{% with a = amount %}{{ a }}{% endwith %}",
    "a list": "{{ [amount] * 9 }}",
    "a test": "{{ amount is defined }}",
    "an ordering": "{% if amount > 'a' %}x{% endif %}",
    "a membership": "{% if 'a' in amount %}x{% endif %}",
    "a deep expression": "{{ " + "(" * 5000 + "amount" + ")" * 5000 + " }}",
    "deep ifs": "{% if amount %}" * 40 + "x" + "{% endif %}" * 40,
    "a chain of filters": "{{ amount" + "|upper" * 50 + " }}",
    "a computed default": "{{ amount|default(9**9**9) }}",
    "a very long text": "x" * 60_000,
}


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_wording_is_refused_after_little_work(payload):
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        problems = check(payload, COLUMNS)
        with pytest.raises(Invalid):
            wording.compile(payload, COLUMNS)
    finally:
        sys.setprofile(None)
    assert problems
    assert calls < 20_000


@given(st.text(st.sampled_from("{}%|()[].'\"~ abcifendxamount\n=!#-"), max_size=60))
def test_any_text_is_either_refused_or_rendered_without_an_error(text):
    columns = ["a", "amount"]
    if not check(text, columns):
        wording.compile(text, columns).render({"a": "1", "amount": "2"})


def test_a_cell_that_is_itself_a_template_is_printed_as_it_stands():
    made = wording.compile("Dear {{ first_name }}", COLUMNS)
    assert made.render({**ROW, "First name": "{{ 9**9**9 }}"}) == "Dear {{ 9**9**9 }}"


def test_a_wording_renders_columns_filters_and_conditions():
    text = (
        "Dear {{ first_name | title }},\n"
        "{% if debit == 'yes' %}We will collect it.{% elif not amount %}Nothing is due."
        "{% else %}Pay {{ amount | money }} by {{ due | date }}.{% endif %}\n"
        "{# not printed #}{{ email | default('No e-mail') | upper }}\n"
    )
    made = wording.compile(text, COLUMNS)
    assert made.placeholders == ("First name", "amount", "due", "debit", "email")
    assert made.render(ROW) == "Dear Anne O'Neill,\nPay £1,234.50 by 1 April 2026.\nNO E-MAIL\n"
    assert "collect" in made.render({**ROW, "debit": "yes"})
    assert "Nothing is due" in made.render({**ROW, "amount": ""})


def test_conditions_take_and_or_not_and_unequal():
    text = "{% if (amount == '1' or debit != 'no') and not email %}in{% else %}out{% endif %}"
    made = wording.compile(text, COLUMNS)
    for amount, debit, email, says in [
        ("1", "no", "", "in"),
        ("2", "yes", "", "in"),
        ("2", "no", "", "out"),
        ("1", "no", "x", "out"),
    ]:
        assert made.render({**ROW, "amount": amount, "debit": debit, "email": email}) == says


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("One\nTwo {{ amout }}", 2, "there is no column amout; did you mean amount?"),
        ("{{ zzz }}", 1, "there is no column zzz; the list has"),
        ("a\nb\n{% if debit == 1 %}x{% endif %}", 3, "cells are text; write '1'"),
        ("{{ amount", 1, "unexpected end of template"),
        ("{{ amount | center(9) }}", 1, "the filter center is not allowed; use one of upper"),
        (
            "a\nPay ((amount)) now",
            2,
            r"\(\(amount\)\) would be printed as it stands; write \{\{ amount",
        ),
    ],
)
def test_a_problem_names_its_line_and_remedy(text, line, says):
    with pytest.raises(Invalid, match=says) as refusal:
        wording.compile(text, COLUMNS)
    assert refusal.value.problems[0].line == line


def test_every_problem_is_listed_at_once():
    problems = check("{{ nope }}\n{{ amount.x }}\n{{ amount|tojson }}", COLUMNS)
    assert [p.line for p in problems] == [1, 2, 3]


def test_two_headings_that_are_written_alike_are_refused_only_if_used():
    columns = ["First name", "first-name", "amount"]
    assert "more than one column" in str(check("{{ first_name }}", columns)[0])
    assert check("{{ amount }}", columns) == []


@pytest.mark.parametrize(
    ("name", "cell", "printed"),
    [
        ("money", "12", "£12.00"), ("money", "£1,234.505", "£1,234.51"), ("money", "-3.5", "-£3.50"),
        ("money", "0", "£0.00"), ("date", "2026-12-25", "25 December 2026"),
        ("date", "25/12/2026", "25 December 2026"), ("date", "01/02/26", "1 February 2026"),
        ("date", "2026-12-25T10:00:00Z", "25 December 2026"), ("number", "1234567.5", "1,234,567.5"),
        ("title", "JEAN-LUC MCDONALD'S", "Jean-Luc Mcdonald's"), ("capitalize", "hELLO", "Hello"),
        ("trim", "  a ", "a"), ("lower", "ABC", "abc"), ("upper", "abc", "ABC"),
    ],
)  # fmt: skip
def test_a_filter_prints_british_forms(name, cell, printed):
    assert (
        wording.compile(f"{{{{ amount | {name} }}}}", ["amount"]).render({"amount": cell})
        == printed
    )


@pytest.mark.parametrize(("name", "cell"), [
    ("money", "ten"), ("money", "1e5"), ("money", "9" * 40), ("date", "31/02/2026"), ("date", ""), ("number", "x"),
])  # fmt: skip
def test_a_cell_that_does_not_fit_names_its_column_but_not_its_content(name, cell):
    made = wording.compile(f"{{{{ debit }}}}\n{{{{ amount | {name} }}}}", COLUMNS)
    with pytest.raises(Invalid, match="column amount: is not") as refusal:
        made.render({**ROW, "amount": cell})
    assert not cell or cell not in str(refusal.value)
