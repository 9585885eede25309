"""Drafts: every version kept, two writers told of each other, and agreement to one version."""

import threading

import pytest
import sqlalchemy as sa

from trials import audit, registry
from trials.definition import toml
from trials.drafting import amending, drafts, signoff, steps
from trials.drafting import content as contents
from trials.drafting.screening import MAY_SIGN, QUESTIONS, screen
from trials.errors import Conflict, NotPermitted, SignpostError
from trials.resources import folder
from trials.store.tables import ForecastRow

OFFICER, OTHER = "officer@wychbridge.example", "second@wychbridge.example"
MANAGER, DPO = "manager@wychbridge.example", "dpo@wychbridge.example"


def webchat():
    path = folder("templates") / "trials" / "webchat-closing.toml"
    return toml.read(path.read_text("utf-8"))


def complete(**screening):
    """The webchat specimen as a draft with nothing left open."""
    content = drafts.template(webchat(), OFFICER)
    answers = {q.key: "no" for q in QUESTIONS} | {"existing": "yes"} | screening
    return contents.changed(content, {
        "trial.starts": "2099-01-05", "trial.ends": "2099-03-20",
        "workshop.sizing.baseline": 0.31, "workshop.screening": answers,
        "workshop.data.keeps": "Chat number and later calls, hashed.",
    })  # fmt: skip


def begin(store, content=None):
    with store.write() as session:
        return drafts.start(session, content or complete(), origin="webchat-closing", actor=OFFICER)


def save(store, draft, base, values, actor=OFFICER, step="idea"):
    with store.write() as session:
        return drafts.save(session, draft.id, step=step, base=base, values=values, actor=actor)


def test_every_save_is_a_version_that_can_be_read_again(store):
    draft = begin(store)
    after = save(store, draft, 1, {"trial.title": "Another title"})
    assert (draft.version, after.version) == (1, 2)
    with store.read() as session:
        assert [v.number for v in drafts.history(session, draft.id)] == [2, 1]
        was = drafts.as_it_was(session, draft.id, 1)
    assert was["trial"]["title"] == draft.content["trial"]["title"]


def test_saving_the_same_twice_changes_nothing(store):
    draft = begin(store)
    first = save(store, draft, 1, {"trial.title": "Once"})
    again = save(store, draft, 1, {"trial.title": "Once"})
    assert again.version == first.version == 2


def test_two_people_in_different_fields_are_merged(store):
    draft = begin(store)
    save(store, draft, 1, {"trial.title": "By one"})
    merged = save(store, draft, 1, {"arms.call-back.wording": "By the other"}, actor=OTHER)
    assert contents.get(merged.content, "trial.title") == "By one"
    assert contents.get(merged.content, "arms.call-back.wording") == "By the other"


def test_two_people_in_one_field_the_second_is_told_and_nothing_is_lost(store):
    draft = begin(store)
    save(store, draft, 1, {"trial.hypothesis": "Mine"}, actor=OTHER)
    with pytest.raises(drafts.Clash) as told:
        save(store, draft, 1, {"trial.hypothesis": "Yours"})
    assert told.value.saved == {"trial.hypothesis": "Mine"}
    assert OTHER in str(told.value)
    after = save(store, draft, told.value.draft.version, {"trial.hypothesis": "Yours"})
    with store.read() as session:
        kept = [contents.get(drafts.as_it_was(session, draft.id, v.number), "trial.hypothesis")
                for v in drafts.history(session, draft.id)]  # fmt: skip
    assert contents.get(after.content, "trial.hypothesis") == "Yours"
    assert "Mine" in kept


def test_of_many_at_once_exactly_one_wins_each_version(store):
    draft = begin(store)
    outcomes = []

    def write(name):
        try:
            save(store, draft, 1, {"trial.title": name})
            outcomes.append("saved")
        except drafts.Clash:
            outcomes.append("told")

    threads = [threading.Thread(target=write, args=(f"Title {i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved", *["told"] * 5]


def test_a_draft_goes_out_as_a_file_and_comes_back_the_same_plan(store):
    draft = begin(store)
    back = drafts.from_toml(drafts.to_toml(draft))
    assert contents.trial_of(back) == contents.trial_of(draft.content)


def test_an_unfinished_draft_still_goes_out(store):
    draft = begin(store, contents.blank("bin-text", "Bin text", OFFICER))
    assert 'title = "Bin text"' in drafts.to_toml(draft)
    assert steps.missing(draft.content)["idea"][0] == "the service"


def test_keys_do_not_collide(store):
    keys = [begin(store).key for _ in range(3)]
    assert keys == ["webchat-closing", "webchat-closing-2", "webchat-closing-3"]


@pytest.mark.parametrize(
    ("answers", "tier"),
    [({}, 0), ({"existing": "no"}, 1), ({"linked": "yes"}, 1), ({"vulnerable": "yes"}, 2),
     ({"statutory": "yes"}, 2), ({"phone": "yes"}, 2), ({"policy": "yes", "linked": "yes"}, 3)],
)  # fmt: skip
def test_the_answers_decide_the_tier(answers, tier):
    found = screen(complete(**answers))
    assert found.tier == tier
    assert len(found.roles) == {0: 2, 1: 3, 2: 7, 3: 8}[tier]


def test_an_unanswered_question_leaves_the_tier_open():
    assert screen(contents.changed(complete(), {"workshop.screening.policy": None})).tier is None


def phone(today, new):
    return contents.changed(complete(), {
        "arms.own-words.wording": today, "arms.what-happens-next.wording": new,
        "arms.call-back": None,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("new", "flagged"),
    [("Pay online.", True), ("Ring 01632 960001 if you are stuck.", False),
     ("word " * 60 + "or ring 01632 960001", True), ("Ring {{ phone_number }}.", False)],
)  # fmt: skip
def test_a_phone_number_that_is_hidden_is_flagged_and_is_never_tier_0(new, flagged):
    found = screen(phone("Questions? Ring 01632 960001.", new))
    assert bool(found.flags) is flagged
    assert found.tier == (2 if flagged else 0)


def test_a_hidden_phone_number_needs_its_equality_note(store):
    draft = begin(store, phone("Ring 01632 960001.", "Pay online."))
    with store.read() as session:
        stops = {c.key for c in signoff.standing(session, draft).checks if c.weight == "stops"}
    assert "access" in stops
    noted = save(store, draft, 1, {"workshop.equality.note": "Letters carry the number."})
    with store.read() as session:
        weights = {c.key: c.weight for c in signoff.standing(session, noted).checks}
    assert weights["access"] == "advice"


def test_a_service_that_is_never_trialled_cannot_be_put_up(store):
    draft = begin(store, contents.changed(complete(), {"trial.service": "Out of hours line"}))
    with pytest.raises(SignpostError, match="never part of a trial"), store.write() as session:
        signoff.ask(session, draft.id, saw=draft.hash, actor=OFFICER)


def ask(store, draft, actor=OFFICER):
    with store.write() as session:
        return signoff.ask(session, draft.id, saw=draft.hash, actor=actor)


def sign(store, draft, role, *, by, account="approver", verdict="approved", comment="", saw=None):
    with store.write() as session:
        return signoff.sign(session, draft.id, role=role, verdict=verdict, comment=comment,
                            saw=saw or draft.hash, actor=by, account=account)  # fmt: skip


def launch(store, draft, **options):
    with store.write() as session:
        return signoff.launch(session, draft.id, actor=OFFICER, **options)


def test_tier_0_is_done_in_one_sitting_by_two_people(store):
    draft = ask(store, begin(store))
    assert not (sign(store, draft, "service-manager", by=MANAGER)).waiting
    launch(store, draft)
    with store.read() as session:
        record = registry.load(session, draft.key)
        kept = drafts.of_trial(session, draft.key)
    assert record.state == "live"
    assert record.seed_commitment.startswith("sha256:")
    assert record.definition == contents.trial_of(draft.content)
    assert kept.state == "launched"
    with pytest.raises(Conflict, match="launched already"):
        launch(store, draft)


def test_forecasts_join_the_record_at_launch_and_a_line_that_cannot_is_told_before(store):
    notes = "Asha, 70%\nBen, 60%, 2 points fewer\nnobody knows"
    draft = ask(store, begin(store, contents.changed(complete(), {"workshop.forecasts": notes})))
    with store.read() as session:
        line = next(c for c in signoff.standing(session, draft).checks if c.key == "forecast")
    assert line.weight == "advice"
    assert "Line 3 of the forecasts" in line.says
    sign(store, draft, "service-manager", by=MANAGER)
    launch(store, draft)
    with store.read() as session:
        kept = session.execute(
            sa.select(ForecastRow.who, ForecastRow.probability_better, ForecastRow.effect).order_by(
                ForecastRow.id
            )
        ).all()
    assert [tuple(row) for row in kept] == [("Asha", 0.7, None), ("Ben", 0.6, -0.02)]


def test_an_edit_takes_every_approval_back_and_says_so(store):
    draft = ask(store, begin(store))
    sign(store, draft, "service-manager", by=MANAGER)
    after = save(store, draft, draft.version, {"arms.call-back.title": "Another title"})
    with store.read() as session:
        found = signoff.standing(session, after)
    assert {s.standing for s in found.signatures} == {"outdated"}
    agreed = next(c for c in found.checks if c.key == "agreed")
    assert "changed after approval was asked for" in agreed.says
    with pytest.raises(Conflict, match="cannot be launched"):
        launch(store, after)


def test_a_note_of_the_panel_takes_no_approval_back(store):
    draft = ask(store, begin(store))
    after = save(store, draft, draft.version,
                 {"workshop.notes.panel-1": {"arm": "call-back", "text": "Clear"}})  # fmt: skip
    assert after.asked


def test_nobody_approves_a_version_they_did_not_see(store):
    draft = ask(store, begin(store))
    after = ask(store, save(store, draft, draft.version, {"trial.title": "Changed since"}))
    with pytest.raises(Conflict, match="changed the draft after you opened it"):
        sign(store, after, "service-manager", by=MANAGER, saw=draft.hash)


@pytest.mark.parametrize(
    ("role", "by", "account"),
    [("service-manager", OFFICER, "approver"), ("service-manager", MANAGER, "officer"),
     ("service-manager", MANAGER, "viewer"), ("service-manager", DPO, "data-protection"),
     ("data-protection", MANAGER, "approver"), ("service-manager", MANAGER, "administrator")],
)  # fmt: skip
def test_only_the_right_role_signs_and_never_the_author(store, role, by, account):
    draft = ask(store, begin(store, complete(linked="yes")))
    with pytest.raises(NotPermitted):
        sign(store, draft, role, by=by, account=account)


def test_whoever_wrote_a_part_does_not_approve_it_in_a_later_role(store):
    after = save(store, begin(store), 1, {"trial.title": "Mine"}, actor=MANAGER)
    draft = ask(store, after)
    with pytest.raises(NotPermitted):
        sign(store, draft, "service-manager", by=MANAGER)


def test_nobody_signs_in_two_roles_but_data_protection_may_answer_for_equality(store):
    draft = ask(store, begin(store, contents.changed(complete(vulnerable="yes"),
                                                     {"workshop.equality.note": "Care"})))  # fmt: skip
    sign(store, draft, "service-manager", by=MANAGER)
    with pytest.raises(NotPermitted):
        sign(store, draft, "legal", by=MANAGER)
    sign(store, draft, "data-protection", by=DPO, account="data-protection")
    found = sign(store, draft, "equality", by=DPO, account="data-protection")
    assert set(found.waiting) == {"legal", "safeguarding", "head-of-service"}


def test_a_draft_is_returned_only_with_a_comment(store):
    draft = ask(store, begin(store))
    with pytest.raises(SignpostError, match="say what should change"):
        sign(store, draft, "service-manager", by=MANAGER, verdict="returned")
    found = sign(store, draft, "service-manager", by=MANAGER, verdict="returned", comment="Shorter")
    assert found.signatures[1].comment == "Shorter"
    assert not found.ready


def test_no_account_may_both_write_and_approve():
    assert not {"officer", "analyst", "administrator"} & set(MAY_SIGN)


def test_a_locked_plan_is_amended_with_its_reason_and_agreement(store):
    draft = ask(store, begin(store))
    sign(store, draft, "service-manager", by=MANAGER)
    launch(store, draft)
    with store.write() as session:
        change = drafts.start_amendment(session, draft.key, actor=OFFICER)
        assert drafts.start_amendment(session, draft.key, actor=OTHER).id == change.id
    change = ask(store, save(store, change, 1, {"trial.ends": "2099-05-01"}))
    with store.read() as session:
        (found,) = amending.changes(session, change)
    assert (found["what"], found["after"]) == ("about.ends", "2099-05-01")
    sign(store, change, "service-manager", by=MANAGER)
    with pytest.raises(SignpostError, match="needs its reason"):
        launch(store, change)
    launch(store, change, reason="Fewer chats than expected")
    with store.read() as session:
        (amendment,) = registry.load(session, draft.key).amendments
    assert amendment.reason == "Fewer chats than expected"


def test_a_trial_registered_by_file_can_be_taken_up_in_the_browser(store, trial):
    with store.write() as session:
        registry.add(session, trial, actor=OFFICER)
        taken = drafts.adopt(session, trial.key, actor=OTHER)
        assert drafts.adopt(session, trial.key, actor=OFFICER).id == taken.id
    assert contents.trial_of(taken.content) == trial


def test_every_step_leaves_its_mark_in_the_log(store):
    draft = ask(store, begin(store))
    sign(store, draft, "service-manager", by=MANAGER)
    launch(store, draft)
    with store.read() as session:
        said = [e.action for e in audit.history(session, draft.key)]
        assert audit.verify(session) is None
    assert said == ["approval asked for", "draft approved", "trial added", "trial launched"]
