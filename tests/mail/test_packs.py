"""The directors' pack, the committee's digest and reminders: what they count, and what they leave out."""

from __future__ import annotations

import re
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from council import keep_result, renamed, settings
from post import ANN, KEY, MO, decided, people
from sample import early_result, letter_result, letter_trial

from analysis.casework import cases, decisions, steps, totals
from analysis.report import digest
from analysis.scaling.ranges import Range
from trials import lifecycle, registry
from trials.mail import outbox, subscriptions
from trials.mail.subscriptions import Reader
from trials.store.tables import UserRow
from web.jobs import mails, packs, reminders

MONDAY = date(2026, 11, 30)
ALL = Reader(subscription=0, email="x@y.example", account=True, scopes=frozenset({"all"}))
OUTSIDE = Reader(subscription=0, email="x@y.example", account=False, scopes=frozenset({"all"}))


@pytest.fixture
def council(filled_store, time_):
    """The council with a decision on its letter trial, its benefits, and steps early and late."""
    time_.pass_(days=7)
    people(filled_store)
    result = letter_result()
    result["units"] |= {"matured": 10_000, "maturing": 0}
    keep_result(filled_store, KEY, result)
    decided(filled_store)
    return filled_store


@pytest.fixture
def found(tmp_path):
    return settings(tmp_path)


def pack(store, make, reader=ALL, since=None):
    with store.write() as session:
        made = make(session, reader, MONDAY, since)
    return made, {s.heading.split(" since ")[0]: s for s in made.sections}


def test_the_months_figures_are_the_sums_of_the_cases_and_cash_stands_apart(council):
    _, parts = pack(council, packs.monthly)
    shown = dict(parts["What it is worth in a year"].figures)
    with council.read() as session:
        whole = totals.portfolio(session)
        (only,) = whole.contacts.counted
        case = cases.case_of(session, cases.Ask(key=only)).case
    # one trial is counted, as all the others act on its line: the pack must say what its case says
    for says, name in (("Contacts avoided, net", "contacts_avoided_per_year"),
                       ("Hours of handling", "handling_hours")):  # fmt: skip
        assert _first(shown[says]) == pytest.approx(case.quantities[name].median, abs=0.51)
    assert _first(shown["Cash that leaves a budget"]) == pytest.approx(
        case.quantities["cash_releasing"].median, abs=0.51)  # fmt: skip
    council_s = case.purses["contact_centre"].median
    assert _first(shown["Contact centre: officers’ time"]) == pytest.approx(council_s, abs=0.51)
    customer = case.purses["customer"].median
    assert _first(shown[next(k for k in shown if "not the council’s money" in k)]) == pytest.approx(
        customer, abs=0.51)  # fmt: skip


def _first(text):
    return float(re.match(r"£?([\d,.]+)", text)[1].replace(",", ""))


def test_the_pack_says_what_turned_what_waits_what_is_due_and_what_is_at_risk(council):
    with council.write() as session:
        lifecycle.stop(session, "fresh", actor="x")
        row = registry.row_of(session, "early-look")
        row.ends = date(2026, 11, 1)
    keep_result(council, "fresh", letter_result())
    made, parts = pack(council, packs.monthly)
    assert made.news
    turned = dict(parts["What happened"].items)
    assert turned["On hold"] == "Started on 30 November 2026, was paused on 30 November 2026."
    assert "was decided on 30 November 2026" in turned["Council tax reminder: one thing to do"]
    assert [title for title, _ in parts["Waiting for your decision"].items] == ["Fresh and live"]
    with council.read() as session:  # 500 of its people are still within their window
        assert decisions.recommendation(session, "fresh") == "extend"
    assert parts["Waiting for your decision"].items[0][1] == "Recommended: run it for longer."
    due = [says for _, says in parts["Next steps"].items]
    assert due == [
        f"Tell the printer. Overdue by 7 days: it was due on 23 November 2026. Owner: {ANN}.",
        "Brief the Customer First Board. Due in 3 days, on 3 December 2026. Owner: Ann Smith.",
    ]
    risks = parts["At risk"].items
    assert ("On hold", "It is paused, and everybody gets the present way.") in risks
    assert ("An early look", "Its planned end has passed, and it still runs.") in risks
    assert "1 trial waits for a decision; 1 step overdue" in made.heading


def test_a_pack_goes_on_where_the_last_one_ended(council, found, time_):
    mails.write(council, found, "monthly", MONDAY)
    time_.pass_(days=30)
    with council.write() as session:
        lifecycle.resume(session, "on-hold", actor="x")
        (last,) = [i for i in outbox.latest(session) if i.kind == "monthly"]
    _, parts = pack(council, packs.monthly, since=last.created_at + timedelta(days=1))
    assert dict(parts["What happened"].items) == {"On hold": "Was resumed on 30 December 2026."}


def test_the_digest_sets_benefits_beside_claims_and_says_what_was_decided_and_learned(council):
    made, parts = pack(council, packs.quarterly)
    assert made.heading == "1 decision; £18,500 of the £42,000 a year claimed is verified"
    (only,) = parts["Decisions"].items
    assert only[1].startswith("Roll it out, with conditions. Fewer calls, nobody worse off.")
    assert parts["Benefits: what was claimed, and what came of it"].figures == (
        ("Claimed", "£42,000 a year"), ("Agreed by Finance", "£36,000 a year"),
        ("Taken out of a budget", "£20,000 a year"), ("Verified afterwards", "£18,500 a year"),
    )  # fmt: skip
    assert "on average" in parts["What has been learned"].says[0]
    assert made.chart is not None
    assert "on average" in made.chart.alt


def test_before_a_look_neither_pack_nor_digest_gives_a_figure_of_an_effect(sqlite_store, time_):
    with sqlite_store.write() as session:
        registry.add(session, renamed(letter_trial(), "early"), actor="test")
        lifecycle.launch(session, "early", actor="test")
    result = {**early_result(), "look": {"reached": False, "kind": "fixed", "next": "2026-12-24"}}
    keep_result(sqlite_store, "early", result)
    for make in (packs.monthly, packs.quarterly):
        made, parts = pack(sqlite_store, make)
        assert parts
        said = f"{made.heading} {made.sections}"
        assert not re.search(r"fewer|better|Roll|£[1-9]|\d%(?! ranges)", said), said
        assert made.chart is None


def test_nobody_outside_is_told_the_name_of_a_colleague(council):
    for make in (packs.monthly, packs.quarterly):
        made, _ = pack(council, make, OUTSIDE)
        assert not re.search(rf"Ann|{ANN}|Khan", str(made.sections))


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [(120, 480, "about 300 fewer contacts a year, net"),
     (-480, -120, "about 300 more contacts a year, net"),
     (-50, 650, "no clear change in contacts yet")],
)  # fmt: skip
def test_a_subject_claims_no_more_than_the_range_shows(low, high, says):
    middle = (low + high) / 2
    found = Range(median=middle, low=low, high=high, unit="contacts a year")
    assert digest.saved({"contacts": found}) == says
    assert digest.saved({}) == ""


def written(store, kind="reminder"):
    with store.read() as session:
        return [i for i in outbox.latest(session) if i.kind == kind]


def test_an_owner_is_reminded_of_all_that_presses_once_and_again_on_the_next_day_that_is_set(
    council, found
):
    assert reminders.write(council, found, MONDAY) == 1
    assert reminders.write(council, found, MONDAY) == 0
    (item,) = written(council)
    assert (item.recipient, item.subject) == (ANN, "2 next steps are due, 1 of them overdue")
    assert reminders.write(council, found, MONDAY + timedelta(days=1)) == 0
    assert reminders.write(council, found, date(2026, 12, 3)) == 1
    assert written(council)[0].subject == (
        "Due today: Brief the Customer First Board (Council tax reminder: one thing to do)"
    )
    with council.write() as session:
        for one in steps.steps(session):
            steps.finish_step(session, one.id, on=MONDAY, outcome="done", actor=ANN)
    assert reminders.write(council, found, date(2027, 1, 4)) == 0


def test_a_step_of_somebody_without_an_account_goes_to_the_trials_owner_to_pass_on(
    council, found, time_
):
    with council.write() as session:
        registry.row_of(session, KEY).owner = MO
        steps.set_step(session, KEY, what="Ask the supplier", owner="Jo Hill", actor=ANN,
                       due=MONDAY)  # fmt: skip
    reminders.write(council, found, MONDAY)
    item = next(i for i in written(council) if i.recipient == MO)
    assert b"Jo Hill is named for it and has no account here" in item.message.replace(b"=\r\n", b"")


def test_a_reminder_that_was_stopped_is_not_sent_and_a_name_that_two_people_have_is_nobodys(
    council, found
):
    reminders.write(council, found, MONDAY)
    (item,) = written(council)
    with council.write() as session:
        subscriptions.end(session, item.subscription_id, why="by its link")
        assert subscriptions.account_of(session, "ann smith") == ANN
        session.query(UserRow).filter_by(email=MO).one().name = "Ann Smith"
        session.flush()
        assert subscriptions.account_of(session, "Ann Smith") is None
        assert subscriptions.account_of(session, "") is None
    assert reminders.write(council, found, date(2026, 12, 3)) == 0
    assert written(council)[0].state == "cancelled"


def test_the_clock_s_job_writes_packs_and_reminders_and_doing_it_twice_changes_nothing(
    council, tmp_path, monkeypatch
):
    monkeypatch.setenv("SIGNPOST_HOME", str(tmp_path))
    at = "2026-11-30T08:15:00+00:00"
    for kind, how_many in (("reminder", 1), ("monthly", 1), ("quarterly", 1)):
        job = SimpleNamespace(payload={"occasion": kind, "at": at})
        for expected in (how_many, 0):
            made = mails.handle(job, council, lambda *_: None)
            assert made == {"written": expected}, kind
