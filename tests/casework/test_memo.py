"""A case is made once for everything it is made from, and never shown out of date."""

from dataclasses import replace

import numpy as np
import pytest
from stopped_trial import KEY

from analysis.casework import cases, memo, register
from analysis.casework.cases import Ask, case_of
from analysis.casework.register import Change
from analysis.scaling.assumption import Assumption
from analysis.scaling.case import CaseInput, make_case, rests_on
from analysis.scaling.equity import GroupEffect
from analysis.scaling.facts import Facts
from analysis.scaling.question import CapacityRequest
from analysis.scaling.register import Register

VOLUME = Assumption(name="eligible_volume", value=60_000, source="s", dated="2026-01-01")


def given(**more):
    whole = {"trial": "t", "effect": np.random.default_rng(3).normal(0.02, 0.006, 400),
             "channel": "phone", "register": Register(given={"eligible_volume": VOLUME}),
             "facts": Facts(locked=True, matured=True)}  # fmt: skip
    return CaseInput(**{**whole, **more})


GROUP = GroupEffect(by="a", level="b", assigned=100, with_outcome=50, mean=0.0, low=-0.1, high=0.1)
OTHER = Assumption(
    name="eligible_volume", value=60_000, source="another source", dated="2026-01-01"
)


@pytest.mark.parametrize("change", [
    {"seed": 1}, {"weeks_more": 4.0}, {"trial": "u"}, {"channel": "webchat"}, {"groups": (GROUP,)},
    {"effect": np.random.default_rng(4).normal(0.02, 0.006, 400)},
    {"by_channel": {"phone": np.full(400, 0.02)}},
    {"register": Register(given={"eligible_volume": OTHER})},
    {"facts": Facts(locked=False, matured=True)},
    {"line": CapacityRequest(offered=100, days=1, hours=8, aht=300, agents=9, patience=600)},
])  # fmt: skip
def test_whatever_differs_in_the_input_is_another_case(change):
    assert memo.digest(given()) == memo.digest(given())
    assert memo.digest(given(**change)) != memo.digest(given())


def test_swapped_channels_are_another_case():
    one, two = np.full(400, 0.01), np.full(400, 0.03)
    assert memo.digest(given(by_channel={"phone": one, "email": two})) != memo.digest(
        given(by_channel={"phone": two, "email": one})
    )


def test_a_case_found_again_is_the_case_made_afresh_and_cannot_be_written_to():
    asked = given(seed=17)
    first, again = memo.case_from(asked), memo.case_from(replace(asked))
    assert again is first
    assert again.to_json() == make_case(asked).to_json()
    with pytest.raises(ValueError, match="read-only"):
        again.draws["npv"][0] = 0.0


def test_the_case_longest_unused_gives_way(monkeypatch):
    monkeypatch.setattr(memo, "MOST", 2)
    first = memo.case_from(given(seed=100))
    memo.case_from(given(seed=101))
    assert memo.case_from(given(seed=100)) is first
    memo.case_from(given(seed=102))
    assert memo.case_from(given(seed=100)) is first
    assert len(memo._kept) == 2


def test_what_a_case_rests_on_is_known_without_making_it():
    asked = given()
    assert rests_on(asked) == tuple(a.name for a in make_case(asked).assumptions)


def test_a_changed_figure_shows_in_the_very_next_case(council):
    with council.read() as session:
        before = case_of(session, Ask(key=KEY)).case
        assert case_of(session, Ask(key=KEY)).case is before
    table = {"value": 99.0, "source": "s", "date": "2026-04-01"}
    with council.write() as session:
        register.change(session, Change(name="cost_per_contact_phone", table=table, why="w",
                                        actor="a"))  # fmt: skip
    with council.read() as session:
        after = case_of(session, Ask(key=KEY)).case
        assert after.quantities["npv"].median > before.quantities["npv"].median
        assert cases.resting_on(session, "cost_per_contact_phone") == (KEY,)
