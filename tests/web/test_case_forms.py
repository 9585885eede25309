"""What people send on the pages of the case for scaling: kept once, refused with the reason, by role."""

from __future__ import annotations

from datetime import date

import pytest
from bs4 import BeautifulSoup
from council import keep_result, settings
from sample import letter_result, letter_trial
from signed import hidden, submit

from analysis.casework import afterwards, benefits, decisions, memo, register, steps
from analysis.report import render
from trials import lifecycle, registry
from trials.store import migrate
from trials.store.engine import Store
from trials.store.tables import JobRow
from web import warming
from web.app import create_app

KEYS = ("agreed", "dissented", "logged", "priced")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """Stopped trials with a stored result, one for each story, in a database of their own."""
    made = settings(tmp_path_factory.mktemp("forms"))
    store = Store.open(made.database_url)
    migrate.upgrade(store)
    base = letter_trial()
    for key in KEYS:
        trial = base.model_copy(update={"about": base.about.model_copy(
            update={"key": key, "title": f"Trial {key}"})})  # fmt: skip
        with store.write() as session:
            registry.add(session, trial, actor="officer")
            lifecycle.launch(session, key, actor="officer")
            lifecycle.stop(session, key, actor="officer")
        result = letter_result()
        result["units"] |= {"matured": 10000, "maturing": 0}
        keep_result(store, key, result)
    store.close()
    return create_app(made)


@pytest.fixture
def read(app):
    """What the database says: ``read(f)`` calls ``f`` with a session."""

    def ask(question):
        with app.extensions["store"].read() as session:
            return question(session)

    return ask


def day(name, on):
    return {f"{name}-day": on.day, f"{name}-month": on.month, f"{name}-year": on.year}


def told(answer):
    """The problems of the error summary, by the field each leads to."""
    links = BeautifulSoup(answer.data, "html.parser").select(".govuk-error-summary a")
    return {a["href"].removeprefix("#"): a.text.strip() for a in links}


def as_held(page, action=None):
    """A form as the page shows it: every field with its value."""
    soup = BeautifulSoup(page.data, "html.parser")
    form = soup.select_one(f'form[action="{action}"]' if action else "main form[method=post]")
    return {i["name"]: i.get("value", "") for i in form.select("input[name]")}


STEP = {"what": "Put it in every reminder", "owner": "billing@wychbridge.example",
        **day("due", date(2027, 3, 1))}  # fmt: skip


def test_a_decision_as_recommended_is_recorded_once_with_its_step(client_as, read):
    client, officer = client_as("approver"), client_as("officer")
    at = "/trials/agreed/decision"
    form = {**hidden(client.get(at)), "decision": "scale-with-conditions", "reason": "It pays",
            **STEP}  # fmt: skip
    first, again = (client.post(at, data=form) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303)
    assert first.location == again.location
    held = read(lambda s: decisions.latest(s, "agreed"))
    assert (held.decided, held.recommended, held.dissents) == (
        "scale-with-conditions", "scale-with-conditions", False)  # fmt: skip
    (step,) = read(lambda s: steps.steps(s, "agreed"))
    assert (step.step.what, step.step.due) == (STEP["what"], date(2027, 3, 1))
    assert "Put it in every reminder" in client.get(at).text
    done = submit(officer, at, {"outcome": "Done with the March run"},
                  action=f"/trials/agreed/steps/{step.id}/done")  # fmt: skip
    assert done.status_code == 303
    assert read(lambda s: steps.steps(s, "agreed"))[0].outcome == "Done with the March run"


def test_dissent_without_a_reviewer_is_refused_and_nothing_is_half_written(client_as, read):
    client = client_as("approver")
    at = "/trials/dissented/decision"
    answer = submit(client, at, {"decision": "stop", "reason": "No appetite", **STEP})
    assert answer.status_code == 400
    assert "named reviewer" in told(answer)["reviewer"]
    assert "No appetite" in answer.text, "what was typed must not be lost"
    assert read(lambda s: registry.load(s, "dissented").state) == "stopped"
    assert read(lambda s: steps.steps(s, "dissented")) == ()
    answer = submit(client, at, {"decision": "stop", "reason": "No appetite",
                                 "reviewer": "P. Okafor"})  # fmt: skip
    assert answer.status_code == 303
    assert read(lambda s: decisions.latest(s, "dissented").dissents)
    assert "P. Okafor" in client.get(at).text


def test_a_decision_says_all_that_is_missing_at_once(client_as):
    answer = submit(client_as("approver"), "/trials/logged/decision", {"what": "Something", **day("due", date.max),
                    "due-day": "31", "due-month": "2"})  # fmt: skip
    assert answer.status_code == 422
    assert {"decision", "reason", "owner"} < set(told(answer))
    assert "must be a real date" in answer.text


def test_a_figure_is_kept_once_with_its_history_and_moves_the_case(client, read):
    at = "/trials/priced/case/figures/eligible_volume"
    page = client.get(at)
    form = {**as_held(page), "value": "250,000", "low": "", "high": "", "source": "Billing system",
            "date": "2026-06", "owner": "Revenues", "why": "counted for the year"}  # fmt: skip
    before = client.get("/trials/priced/case.json").json["contacts_avoided_per_year"]["median"]
    first, again = (client.post(at, data=form) for _ in range(2))
    assert (first.status_code, again.status_code) == (303, 303), told(first)
    (entry,) = read(lambda s: register.history(s, "eligible_volume", scope="priced"))
    assert (entry.assumption.value, entry.why) == (250_000, "counted for the year")
    after = client.get("/trials/priced/case.json").json
    was = next(a for a in client.get("/trials/logged/case.json").json["assumptions"]
               if a["name"] == "eligible_volume")  # fmt: skip
    assert after["contacts_avoided_per_year"]["median"] == pytest.approx(
        before * 250_000 / was["value"], rel=0.02), "linear in volume, up to the range that the former volume had"  # fmt: skip
    assert client.post(at, data={**form, "once": "x" * 32, "value": "1"}).status_code == 409, (
        "a page opened before the change must not overwrite it")  # fmt: skip


@pytest.mark.parametrize(("name", "value", "says"), [
    ("reach", "140", "1"), ("reach", "many", "number"), ("discount_rate", "", "value"),
    ("aht_seconds", "-5", "1"), ("posts_deleted", "1.5", "whole"),
])  # fmt: skip
def test_an_impossible_figure_is_refused_at_its_field(client, read, name, value, says):
    at = f"/assumptions/{name}"
    form = {**as_held(client.get(at)), "value": value, "low": "", "high": "", "source": "a guess",
            "date": "2026-06", "why": "to see", "act": "keep"}  # fmt: skip
    answer = client.post(at, data=form)
    assert answer.status_code == 422
    assert says in told(answer)["value"], told(answer)
    assert read(lambda s: register.history(s, name)) == ()


def test_a_shared_figure_shows_first_which_cases_move(client, read):
    at = "/assumptions/cost_per_contact_phone"
    form = {**as_held(client.get(at)), "value": "0.10", "low": "", "high": "",
            "source": "Finance", "date": "2026-06", "why": "new costing"}  # fmt: skip
    seen = client.post(at, data={**form, "act": "preview"})
    assert seen.status_code == 200
    assert "Trial logged" in seen.text or "logged" in seen.text
    assert read(lambda s: register.history(s, "cost_per_contact_phone")) == ()
    kept = submit(client, at, {**form, **hidden(client.get(at)), "act": "keep"})
    assert kept.status_code == 303, told(kept)
    given_up = submit(client, at, {"why_withdrawn": "wrong table"}, action=f"{at}/withdraw")
    assert given_up.status_code == 303
    assert read(lambda s: register.history(s, "cost_per_contact_phone"))[0].withdrawn


def test_a_benefit_reaches_the_ledger_stage_by_stage_and_never_twice(client, read):
    at, action = "/trials/logged/afterwards", "/trials/logged/benefits"
    said = {"title": "Fewer calls", "pounds": "£3,000", "by": "A. Rai", "evidence": "Paper 7",
            **day("on", date(2026, 9, 1))}  # fmt: skip
    refused = submit(client, at, {**said, "stage": "agreed"}, action=action)
    assert refused.status_code == 409
    assert "cannot become agreed" in told(refused)["stage"]
    form = {**hidden(client.get(at), action), **said, "stage": "forecast"}
    answers = [client.post(action, data=form) for _ in range(2)]
    assert [a.status_code for a in answers] == [303, 303], told(answers[0])
    (found,) = read(lambda s: benefits.of_trial(s, "logged"))
    assert [(e.stage, e.pounds) for e in found.events] == [("forecast", 3000.0)]
    assert "£3,000" in client.get("/portfolio").text


def test_an_approver_verifies_a_benefit_unless_that_account_entered_it(client_as, read):
    at, action = "/trials/logged/afterwards", "/trials/logged/benefits"
    said = {"title": "Shorter calls", "pounds": "900", "by": "A. Rai", "evidence": "Paper 7",
            "budget_line": "C12", **day("on", date(2026, 9, 1))}  # fmt: skip
    analyst, approver = client_as("analyst"), client_as("approver")
    for person, stage in ((analyst, "forecast"), (approver, "agreed"),
                          (analyst, "budget-line-removed")):  # fmt: skip
        assert submit(person, at, {**said, "stage": stage}, action=action).status_code == 303
    for person, says in ((analyst, "Only an approver"), (approver, "You entered a stage")):
        refused = submit(person, at, {**said, "stage": "verified", "by": "Audit"}, action=action)
        assert refused.status_code == 403
        assert says in told(refused)["stage"]
    (found,) = [b for b in read(lambda s: benefits.of_trial(s, "logged"))
                if b.title == "Shorter calls"]  # fmt: skip
    assert found.stage == "budget-line-removed"
    second = client_as("approver", domain="audit.example")
    done = submit(second, at, {**said, "stage": "verified", "by": ""}, action=action)
    assert done.status_code == 303, told(done)
    (found,) = [b for b in read(lambda s: benefits.of_trial(s, "logged"))
                if b.title == "Shorter calls"]  # fmt: skip
    assert (found.stage, found.events[-1].by) == ("verified", "Approver of Wychbridge")


def test_roll_out_holdback_and_adoption_are_kept(client, read):
    at = "/trials/logged/afterwards"
    for action, said in (
        ("rollout", {"eligible": "10,000", "holdback": "10", "waves": "3", "days_between": "28",
                     **day("starts", date(2026, 10, 1))}),
        ("holdback", {"estimate": "12", "standard_error": "4", "found_in": "Run 7",
                      **day("measured", date(2027, 1, 9))}),
        ("adoption", {"could": "900", "reached": "700", "as_designed": "600", "note": "",
                      **day("counted", date(2027, 1, 9))}),
    ):  # fmt: skip
        path = f"/trials/logged/{action}"
        answer = submit(client, at, said, action=path)
        assert answer.status_code == 303, (action, told(answer))
        nothing = submit(client, at, dict.fromkeys(said, ""), action=path)
        assert nothing.status_code == 422, action
        assert set(told(nothing)) >= {n for n in said if n in ("eligible", "estimate", "could")}
    assert read(lambda s: afterwards.rollout(s, "logged")).held_back == 1000
    assert len(read(lambda s: afterwards.realised(s, "logged"))) == 1
    (count,) = read(lambda s: afterwards.adoption(s, "logged"))
    assert (count.eligible, count.reached) == (900, 700)


def test_a_paper_is_asked_for_once(client, app):
    at = "/trials/logged/papers"
    form = {**hidden(client.get(at)), "paper": "case", "format": "pdf"}
    first, again = (client.post(at, data=form) for _ in range(2))
    assert first.status_code == 303
    assert first.location == again.location
    assert client.get(first.location).status_code == 200
    with app.extensions["store"].read() as session:
        assert session.query(JobRow).count() == 1
    assert submit(client, at, {"paper": "case", "format": "exe"}).status_code == 422


@pytest.mark.parametrize(("path", "role"), [
    ("/trials/priced/decision", "officer"), ("/trials/priced/decision", "administrator"),
    ("/trials/priced/steps", "approver"), ("/trials/priced/rollout", "viewer"),
    ("/trials/priced/holdback", "approver"), ("/trials/priced/benefits", "officer"),
    ("/trials/priced/case/figures/reach", "officer"), ("/assumptions/reach", "officer"),
    ("/trials/priced/case/ledger", "viewer"),
])  # fmt: skip
def test_a_role_that_may_not_is_refused_and_is_shown_no_form(client_as, path, role):
    person = client_as(role)
    token = hidden(person.get("/trials/priced/papers"))
    assert person.post(path, data=token).status_code == 403
    for page in ("decision", "afterwards", "case", "papers"):
        seen = BeautifulSoup(person.get(f"/trials/priced/{page}").data, "html.parser")
        assert not seen.select(f'main form[action="{path}"]')


def newest(app):
    return app.extensions["catalogue"].summaries()[0].key


def test_a_process_that_starts_makes_every_case_and_draws_before_anybody_asks(
    app, client, monkeypatch
):
    monkeypatch.setattr(memo, "_kept", type(memo._kept)())
    monkeypatch.setattr(warming, "MOST", 3)
    warming.begin(app).join(300)
    assert len(memo._kept) >= 1
    drawn = render._finished.cache_info().misses

    def made_again(_):
        raise AssertionError("the page made the case again")

    monkeypatch.setattr(memo, "make_case", made_again)
    assert client.get(f"/trials/{newest(app)}/results").status_code == 200
    assert render._finished.cache_info().misses == drawn
    assert client.get("/portfolio").status_code == 200
    assert client.get("/trials/agreed/case").status_code == 200


def test_a_process_that_cannot_read_its_database_still_starts(tmp_path):
    app = create_app(settings(tmp_path))
    warming.begin(app).join(300)
    assert app.test_client().get("/healthz").status_code == 200
