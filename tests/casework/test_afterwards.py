"""After the decision, kept: dissent, roll-out, holdback, benefits, adoption, next steps, totals."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from stopped_trial import KEY, stopped

from analysis.casework import afterwards, benefits, decisions, steps, totals
from analysis.casework.afterwards import Measured, RolloutWish
from analysis.casework.decisions import Wish
from analysis.scaling.realisation import STAGES, Adoption, Event
from trials import registry
from trials.errors import Conflict, Invalid, SignpostError
from trials.store.tables import RunRow

DAY = date(2026, 9, 1)


def wish(decision, **more):
    return Wish(key=KEY, decision=decision, reason="the board agreed", actor="head", **more)


def test_a_decision_against_the_recommendation_needs_a_named_reviewer(council):
    with council.read() as session:
        recommended = decisions.recommendation(session, KEY)
    assert recommended == "scale-with-conditions"
    with pytest.raises(SignpostError, match="named reviewer"), council.write() as session:
        decisions.decide(session, wish("stop"))
    with council.read() as session:
        assert registry.load(session, KEY).state == "stopped"
    with council.write() as session:
        assert decisions.decide(session, wish("stop", reviewer="P. Okafor")).decision == "stop"
    with council.read() as session:
        found = decisions.latest(session, KEY)
        assert (found.recommended, found.decided, found.dissents, found.reviewer) == (
            "scale-with-conditions", "stop", True, "P. Okafor")  # fmt: skip
        assert any(e.action == "decision dissents" for e in registry.load(session, KEY).history)


def test_a_decision_as_recommended_needs_nobody_else(council):
    with council.write() as session:
        decisions.decide(session, wish("scale-with-conditions"))
        assert decisions.latest(session, KEY).dissents is False


def event(stage, by="A. Rai", on=DAY):
    return Event(stage=stage, pounds=3000.0, on=on, by=by, evidence="paper 7", budget_line="C12")


def advance(session, stage, **more):
    return benefits.advance(session, benefits.Advance(
        key=KEY, title="Fewer calls", event=event(stage, **more), actor="j"))  # fmt: skip


def test_a_benefit_is_kept_stage_by_stage_and_cannot_skip_one(council):
    with pytest.raises(Conflict, match="cannot become agreed"), council.write() as session:
        advance(session, "agreed")
    for stage in STAGES[:3]:
        with council.write() as session:
            advance(session, stage)
    with pytest.raises(Invalid, match="person who forecast it"), council.write() as session:
        advance(session, "verified")
    with council.write() as session:
        advance(session, "verified", by="Internal audit")
    with council.read() as session:
        (found,) = benefits.everything(session)
        assert found == benefits.of_trial(session, KEY)[0]
        assert [e.stage for e in found.events] == list(STAGES)


def test_a_rollout_holds_back_and_is_measured_against_the_claim_as_it_stood(council):
    plan = RolloutWish(eligible=10_000, holdback_share=0.1, waves=3, starts=DAY, days_between=28)
    with council.write() as session:
        made = afterwards.set_rollout(session, KEY, plan, actor="j")
    with council.read() as session:
        assert afterwards.rollout(session, KEY) == made
        assert made.held_back == 1000
        assert sum(w.units for w in made.waves) == 9000
    with council.write() as session:
        found = Measured(on=DAY, estimate=10.0, standard_error=5.0, source="run 9")
        afterwards.measure_holdback(session, KEY, found, actor="j")
        ((on, realised),) = afterwards.realised(session, KEY)
    assert on == DAY
    assert realised.claimed.median == pytest.approx(0.0516)
    assert realised.share == pytest.approx(10 / 51.6)
    assert "falls short" in realised.says
    bad = Measured(on=DAY, estimate=10.0, standard_error=0.0, source="run 9")
    with pytest.raises(Invalid, match="standard error"), council.write() as session:
        afterwards.measure_holdback(session, KEY, bad, actor="j")


def test_a_claim_that_is_withheld_is_not_told_through_a_holdback(council):
    with council.write() as session:
        for run in session.scalars(sa.select(RunRow)):
            run.result = {**run.result, "look": {"reached": False}}
    found = Measured(on=DAY, estimate=10.0, standard_error=5.0, source="run 9")
    with pytest.raises(Conflict, match="withheld"), council.write() as session:
        afterwards.measure_holdback(session, KEY, found, actor="j")


def test_adoption_is_counted_by_day_and_a_recount_replaces_it(council):
    def count(reached, as_designed):
        return Adoption(on=DAY, eligible=100, reached=reached, delivered_as_designed=as_designed)

    with council.write() as session:
        afterwards.observe(session, KEY, count(80, 60), note="", actor="j")
        afterwards.observe(session, KEY, count(90, 60), note="recount", actor="j")
        (found,) = afterwards.adoption(session, KEY)
        assert (found.reach, found.fidelity) == (0.9, pytest.approx(2 / 3))
    with pytest.raises(Invalid), council.write() as session:
        afterwards.observe(session, KEY, count(50, 60), note="", actor="j")


def test_a_next_step_reminds_its_owner_until_it_is_done(council):
    with council.write() as session:
        step = steps.set_step(session, KEY, what="Rewrite the template", owner="B. Cole",
                              due=DAY, remind_on=DAY - timedelta(days=30), actor="j")  # fmt: skip
    early = DAY - timedelta(days=30)
    with council.write() as session:
        assert steps.reminders(session, early - timedelta(days=1)) == ()
        ((found, day),) = steps.reminders(session, early)
        assert (found.id, day) == (step.id, early)
        steps.reminded(session, step.id, early)
        assert steps.reminders(session, early) == ()
    late = DAY + timedelta(days=1)
    with council.write() as session:
        assert [s.id for s in steps.overdue(steps.steps(session, KEY), late)] == [step.id]
        assert len(steps.reminders(session, late)) == 1
        steps.finish_step(session, step.id, on=late, outcome="done", actor="j", version=1)
        assert steps.reminders(session, late) == ()
        with pytest.raises(Conflict):
            steps.finish_step(session, step.id, on=late, outcome="again", actor="j")
    with pytest.raises(Invalid) as refused, council.write() as session:
        steps.set_step(session, KEY, what=" ", owner="", due=DAY, remind_on=late, actor="j")
    assert len(refused.value.problems) == 3


def test_two_trials_on_one_service_do_not_add_in_the_portfolio(council):
    stopped(council, "same-service")
    with council.read() as session:
        found = totals.portfolio(session)
    assert len(found.npv.counted) == 1
    (left,) = found.npv.left_out
    assert left.lines == ("Council Tax",)
    alone = next(m for m in found.members if m.key == found.npv.counted[0])
    assert found.npv.total.median == pytest.approx(
        alone.made.case.quantities["npv"].median, rel=1e-9
    )
    assert found.npv.ignoring_overlaps.median > found.npv.total.median
