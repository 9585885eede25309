"""Assumption files: what is read, and every problem named with its line."""

import math

import numpy as np
import pytest

from analysis.scaling.assumption import Assumption, valid_date
from analysis.scaling.assumptions import read
from analysis.scaling.register import Register, changed, draw
from analysis.scaling.specs import CHANNELS, SPECS, cost_name
from trials.errors import Invalid, SignpostError

GOOD = """\
[assumptions.eligible_volume]
value = 60000
low = 55000
high = 65000
source = "reminders sent, 2025/26"
date = 2026-04-01
agreed_by = "finance business partner"

[assumptions.persistence_half_life_months]
value = inf
source = "re-measured twice"
date = "2026"

[mechanism]
kind = "contract-price"
budget_line = "C1234"
"""


def test_a_good_file_is_read_whole():
    found = read(GOOD)
    volume = found.given["eligible_volume"]
    assert (volume.value, volume.low, volume.high, volume.shape) == (60e3, 55e3, 65e3, "triangular")
    assert (volume.dated, volume.agreed_by, volume.mark) == (
        "2026-04-01", "finance business partner", "local"
    )  # fmt: skip
    assert math.isinf(found.given["persistence_half_life_months"].value)
    assert (found.mechanism.kind, found.mechanism.budget_line) == ("contract-price", "C1234")


def test_inline_tables_and_a_byte_order_mark_are_read_too():
    found = read('\ufeff[assumptions]\nreach = { value = 0.9, source = "x", date = 2026-01-02 }\n')
    assert found.given["reach"].value == 0.9


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("[assumptions.eligable_volume]\nvalue = 1", 1, "did you mean eligible_volume?"),
        ("[assumptions.reach]\nvalu = 1", 2, "did you mean value?"),
        ("[asumptions.reach]\nvalue = 1", 1, "did you mean assumptions?"),
        ('[assumptions.reach]\nsource = "x"\ndate = 2026-01-01', 1, "has no value"),
        ('[assumptions.reach]\nvalue = "0.9"', 2, "is not a number"),
        ("[assumptions.reach]\nvalue = true", 2, "is not a number"),
        ("[assumptions.reach]\nvalue = nan", 2, "is not a finite number"),
        ("[assumptions.setup_cost]\nvalue = inf", 2, "is not a finite number"),
        ("[assumptions.reach]\nvalue = 1.2", 2, "is impossible; it is share, at least 0"),
        ("[assumptions.horizon_years]\nvalue = 2.5", 2, "is not a whole number"),
        ("[assumptions.reach]\nvalue = 0.5\nlow = 0.4", 3, "without the other end"),
        ("[assumptions.reach]\nvalue = 0.5\nlow = 0.6\nhigh = 0.7", 3, "is out of order"),
        ("[assumptions.horizon_years]\nvalue = 3\nlow = 2\nhigh = 4", 3, "cannot have a range"),
        ('[assumptions.reach]\nvalue = 0.5\nshape = "normal"', 3, "is normal without low"),
        ('[assumptions.reach]\nvalue = 0.5\nshape = "beta"', 3, "is not known"),
        ('[assumptions.reach]\nvalue = 0.5\nlow = 0.2\nhigh = 0.6\nshape = "normal"', 3, "midway"),
        ('[assumptions.reach]\nvalue = 0.9\nlow = 0.8\nhigh = 1.0\nshape = "normal"', 3, "tails"),
        ("[assumptions.reach]\nvalue = 0.5\ndate = 2026-01-01", 1, "has no source"),
        ('[assumptions.reach]\nvalue = 0.5\nsource = "  "', 3, "has no source"),
        ('[assumptions.reach]\nvalue = 0.5\nsource = "x"', 1, "has no date"),
        ('[assumptions.reach]\nvalue = 0.5\nsource = "x"\ndate = "1st May"', 4, "is not a date"),
        ('[assumptions.reach]\nvalue = 0.5\nsource = "x"\ndate = "2026-13"', 4, "is not a date"),
        ("[assumptions]\nreach = 0.5", 2, "is a bare value"),
        ('[mechanism]\nkind = "magic"', 1, "kind 'magic' is not known"),
        ("assumptions = 3", 1, "is not a table"),
        ("[assumptions.reach", 1, "is not TOML"),
    ],
)
def test_each_fault_is_named_with_its_line(body, line, says):
    with pytest.raises(Invalid) as refused:
        read(body)
    assert any(p.line == line and says in str(p) for p in refused.value.problems), [
        (p.line, str(p)) for p in refused.value.problems
    ]


def test_all_faults_come_at_once_in_the_order_of_the_file():
    body = "[assumptions.reach]\nvalue = 2\n\n[assumptions.nonsense]\n\n[assumptions.fidelity]\n"
    with pytest.raises(Invalid) as refused:
        read(body)
    lines = [p.line for p in refused.value.problems]
    assert lines == sorted(lines)
    assert {1, 2, 4, 6} <= set(lines)


def test_a_call_cannot_be_priced_twice():
    rows = [("annual_pay", 26000), ("cost_per_contact_phone", 5)]
    body = "".join(f'[assumptions.{n}]\nvalue = {v}\nsource = "x"\ndate = 2026\n' for n, v in rows)
    with pytest.raises(Invalid, match="both a cost per contact and an annual pay"):
        read(body.replace("date = 2026", 'date = "2026"'))


def test_every_default_is_possible_and_has_a_source_and_a_date():
    for spec in SPECS.values():
        a = spec.default
        if a is None:
            continue
        assert a.is_default
        assert a.source
        assert valid_date(a.dated), a.name
        assert spec.minimum <= a.value <= spec.maximum
        if a.has_range:
            assert spec.minimum <= a.low <= a.value <= a.high <= spec.maximum
            assert spec.may_vary


def test_every_channel_has_a_name_for_its_cost():
    assert all(cost_name(channel) in SPECS for channel in CHANNELS)


@pytest.mark.parametrize(
    ("shape", "mean", "sd"),
    [("triangular", (2 + 3 + 7) / 3, math.sqrt((4 + 9 + 49 - 6 - 14 - 21) / 18)),
     ("normal", 3.0, 1.0), ("fixed", 3.0, 0.0)],
)  # fmt: skip
def test_draws_have_the_moments_of_their_shape(shape, mean, sd):
    low, high = {"triangular": (2.0, 7.0), "normal": (3 - 1.959964, 3 + 1.959964),
                 "fixed": (None, None)}[shape]  # fmt: skip
    a = Assumption(name="x", value=3.0, low=low, high=high, shape=shape, source="", dated="2026")
    draws = a.draws(40_000, np.random.default_rng(3))
    assert draws.mean() == pytest.approx(mean, abs=4 * max(sd, 1e-9) / 200)
    assert draws.std() == pytest.approx(sd, rel=0.03, abs=1e-12)


def test_changing_one_assumption_leaves_the_draws_of_the_others_alone():
    names = ("reach", "fidelity", "setup_cost")
    defaults = {n: SPECS[n].default for n in names}
    other = {**defaults, "reach": Assumption(name="reach", value=0.1, source="x", dated="2026")}
    a, b = (draw(x, size=50, seed=9) for x in (defaults, other))
    assert np.array_equal(a["fidelity"], b["fidelity"])
    assert not np.array_equal(a["reach"], b["reach"])
    assert not np.array_equal(a["fidelity"], draw(defaults, size=50, seed=10)["fidelity"])


def test_what_was_given_wins_over_the_case_and_the_case_over_the_product():
    one, two = (Assumption(name="transfer", value=v, source="x", dated="2026") for v in (0.5, 0.6))
    assert Register().find("transfer").value == 1.0
    assert Register().fallback(one).find("transfer").value == 0.5
    assert Register(given={"transfer": two}).fallback(one).find("transfer").value == 0.6
    assert changed(Register(), Register(given={"transfer": two})) == ("transfer",)


def test_a_revision_keeps_what_was_and_names_who_and_why():
    a = SPECS["reach"].default
    b = a.revised(value=0.7, low=None, high=None, source="audit", on="2026-05-01", by="A. Rai",
                  why="measured")  # fmt: skip
    assert (b.value, b.is_default, b.shape) == (0.7, False, "fixed")
    assert (b.history[0].value, b.history[0].changed_by) == (0.9, "A. Rai")
    assert b.to_json()["history"][0]["why"] == "measured"
    with pytest.raises(SignpostError, match="no person or no reason"):
        a.revised(value=1, low=None, high=None, source="x", on="2026-05-01", by=" ", why="y")
