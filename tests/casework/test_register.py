"""The assumption register: what is given holds, history stays, and moved cases are named."""

import pytest
from stopped_trial import KEY, stopped

from analysis.casework import cases, register
from analysis.casework.cases import Ask, case_of
from analysis.casework.register import Change
from analysis.scaling.specs import SPECS
from trials import audit
from trials.errors import Conflict, Invalid, NotFound, SignpostError

PHONE = "cost_per_contact_phone"


def table(value=4.2, **more):
    return {"value": value, "source": "Finance, unit cost model", "date": "2026-04-01",
            "owner": "J. Shah", "agreed_by": "Finance business partner", **more}  # fmt: skip


def give(session, name=PHONE, *, value=4.2, why="the new unit cost model", **more):
    extra = {k: more.pop(k) for k in ("scope", "number") if k in more}
    return register.change(
        session, Change(name=name, table=table(value, **more), why=why, actor="j.shah", **extra)
    )


def test_a_figure_keeps_every_state_it_had_with_who_changed_it_and_why(council):
    with council.write() as session:
        give(session)
        give(session, value=4.5, low=4.0, high=5.0, why="pay award")
    with council.read() as session:
        held = register.entries(session)[PHONE].assumption
        assert (held.value, held.low, held.high, held.shape) == (4.5, 4.0, 5.0, "triangular")
        assert (held.owner, held.agreed_by) == ("J. Shah", "Finance business partner")
        (was,) = held.history
        assert (was.value, was.changed_by, was.why) == (4.2, "j.shah", "pay award")
        states = register.history(session, PHONE)
        assert [e.number for e in states] == [2, 1]
        assert [len(e.assumption.history) for e in states] == [1, 0]
        assert audit.verify(session) is None


def test_a_trial_of_its_own_figure_wins_and_gives_way_again_when_withdrawn(council):
    with council.write() as session:
        give(session, value=4.0)
        give(session, value=3.0, scope=KEY)
    with council.write() as session:
        assert register.of_trial(session, KEY).find(PHONE).value == 3.0
        register.withdraw(session, PHONE, why="no longer so", actor="j", scope=KEY)
        assert register.of_trial(session, KEY).find(PHONE).value == 4.0
        register.withdraw(session, PHONE, why="no longer so", actor="j")
        default = register.of_trial(session, KEY).find(PHONE)
        assert default == SPECS[PHONE].default
        with pytest.raises(NotFound):
            register.withdraw(session, PHONE, why="again", actor="j")


def test_two_who_change_one_figure_at_once_cannot_both_win(council):
    with council.write() as session:
        give(session, number=0)
    with pytest.raises(Conflict, match="somebody else changed"), council.write() as session:
        give(session, value=9.0, number=0)
    with council.read() as session:
        assert register.entries(session)[PHONE].assumption.value == 4.2


def test_impossible_figures_and_unknown_names_are_refused_whole(council):
    with pytest.raises(Invalid) as refused, council.write() as session:
        give(session, value=-1)
    assert "impossible" in str(refused.value)
    with pytest.raises(Invalid) as refused, council.write() as session:
        register.change(session, Change(name=PHONE, table={"value": 1.0}, why="x", actor="j"))
    assert {"has no source", "has no date"} <= {
        p.says.removeprefix(f"{PHONE} ") for p in refused.value.problems
    }
    with pytest.raises(NotFound, match="did you mean 'discount_rate'"), council.write() as session:
        give(session, "discont_rate")
    with pytest.raises(SignpostError, match="reason"), council.write() as session:
        give(session, why=" ")
    with council.read() as session:
        assert register.entries(session) == {}


def test_a_changed_figure_says_which_cases_move_and_by_how_much(council):
    stopped(council, "another-letter")
    with council.write() as session:
        give(session, value=2.0, scope="another-letter")
    with council.read() as session:
        before = case_of(session, Ask(key=KEY)).case.quantities["npv"].median
        assert cases.resting_on(session, PHONE) == (KEY,)
        (moved,) = cases.moves(session, PHONE, table(value=11.76))
        assert moved.trial == KEY
        assert moved.because == (PHONE,)
        assert moved.npv_before.median == pytest.approx(before)
        assert moved.npv_after.median > before
        assert cases.moves(session, "cost_per_contact_sms", table(value=1.0)) == ()
    with council.write() as session:
        give(session, value=11.76)
    with council.read() as session:
        after = case_of(session, Ask(key=KEY)).case
        assert after.quantities["npv"].median == pytest.approx(moved.npv_after.median)
        assert PHONE not in [a.name for a in after.defaults_used]


FILE = """
[assumptions.eligible_volume]
value = 60000
source = "reminders sent"
date = 2026-04-01

[mechanism]
kind = "contract-price"
budget_line = "C1234"

[assumptions.contract_price_per_contact]
value = 3.1
source = "contract, schedule 4"
date = 2025

[line]
offered = 33592
days = 21
hours = 8
aht = 666
wait = 242
abandoned = 0.1311
retry = 0.87
"""


def test_a_file_taken_into_the_register_makes_the_case_it_makes_from_the_command_line(council):
    from analysis.scaling.assumptions import read

    with council.read() as session:
        given = case_of(session, Ask(key=KEY, over=read(FILE))).case.to_json()
    with council.write() as session:
        names = register.take_in(session, FILE, scope=KEY, why="first estimate", actor="j")
        assert set(names) == {"eligible_volume", "contract_price_per_contact"}
        assert register.take_in(session, FILE, scope=KEY, why="again", actor="j") == ()
    with council.read() as session:
        kept = case_of(session, Ask(key=KEY)).case.to_json()
    assert kept == given
    assert kept["mechanism"]["budget_line"] == "C1234"
    assert kept["cash_releasing"]["median"] > 0
    assert kept["wait"]["now"]["wait_answered_seconds"] == pytest.approx(242, abs=3)
    with pytest.raises(Invalid, match="belong to one trial"), council.write() as session:
        register.take_in(session, FILE, scope="", why="all", actor="j")


def test_a_broken_file_changes_nothing(council):
    broken = FILE.replace("days = 21", "days = 0")
    with pytest.raises(Invalid, match="days"), council.write() as session:
        register.take_in(session, broken, scope=KEY, why="x", actor="j")
    with council.read() as session:
        assert register.entries(session, KEY) == {}
        assert register.settings_document(session, KEY) == {}
