"""A running trial is changed by the wizard's own steps: agreed, filed with its reason, and fixed parts kept."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from council import renamed, settings
from sample import letter_trial
from signed import client_of, hidden
from test_wizard import SCREENED, fields_of, send, store_of

from trials import lifecycle, registry
from trials.store import migrate
from trials.store.engine import Store
from trials.store.tables import ArmRow, AssignmentRow, UnitRow
from web.app import create_app

LATER = {"trial-ends-day": "30", "trial-ends-month": "6", "trial-ends-year": "2099"}
SOONER = {"trial-ends-day": "1", "trial-ends-month": "3", "trial-ends-year": "2099"}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A council of its own, because its trials are launched and changed."""
    here = settings(tmp_path_factory.mktemp("changing"))
    opened = Store.open(here.database_url)
    migrate.upgrade(opened)
    opened.close()
    return create_app(here)


@pytest.fixture
def officer(app):
    return client_of(app, "officer")


def running(app, key):
    """A live trial that was registered by file."""
    trial = renamed(letter_trial(), key, title=key, starts=date(2026, 3, 2), ends=date(2099, 3, 31))
    with store_of(app).write() as session:
        registry.add(session, trial, actor="analyst@wychbridge.example")
        lifecycle.launch(session, key, actor="analyst@wychbridge.example")


def give(app, key):
    """Somebody is assigned to an arm."""
    with store_of(app).write() as session:
        row = registry.row_of(session, key)
        arm = session.scalars(sa.select(ArmRow.id).where(ArmRow.trial_id == row.id)).first()
        unit = UnitRow(trial_id=row.id, digest=b"x" * 16)
        session.add(unit)
        session.flush()
        session.add(
            AssignmentRow(trial_id=row.id, unit_id=unit.id, arm_id=arm, epoch=1, assigned_at=1)
        )


def begun(client, key):
    action = f"/trials/{key}/change"
    answer = send(client, f"/trials/{key}", {}, action=action)
    assert answer.status_code == 303, answer.text
    return answer.location


def agreed(app, officer, at):
    """Screened, asked for and signed by the second person whom tier 1 wants."""
    for step, given in (("size", {"workshop-sizing-baseline": "31"}), ("screening", SCREENED)):
        assert send(officer, f"{at}/{step}", given).status_code == 303
    asked = send(officer, f"{at}/check", {}, action=f"{at}/ask")
    assert asked.status_code == 303, asked.text
    assert "It waits for: Service manager" in officer.get(f"{at}/check").text
    yes = {"role": "service-manager", "verdict": "approved"}
    signed = send(client_of(app, "approver"), f"{at}/check", yes, action=f"{at}/sign")
    assert signed.status_code == 303, signed.text


def test_a_change_is_shown_agreed_and_filed_with_its_reason(app, officer):
    running(app, "longer")
    assert "Change this trial" not in client_of(app, "viewer").get("/trials/longer").text
    at = begun(officer, "longer")
    assert begun(officer, "longer") == at
    assert "Nothing differs yet from the plan in force" in officer.get(f"{at}/check").text
    assert send(officer, f"{at}/dates", LATER).status_code == 303
    asked = fields_of(officer.get(f"{at}/versions"), f"{at}/versions")
    wording = next(n for n in asked if n.startswith("arms-one-") and n.endswith("-wording"))
    said = {wording: asked[wording].replace("Pay ", "Kindly pay ")}
    assert send(officer, f"{at}/versions", said).status_code == 303
    page = officer.get(at).text
    assert "<del>Pay</del>" in page
    assert "<ins>Kindly" in page
    assert "31/3/2099" in page
    assert "30/6/2099" in page
    agreed(app, officer, at)
    launch = f"{at}/launch"
    refused = send(officer, launch, {})
    assert refused.status_code == 422
    assert "Say why the plan changes" in refused.text
    done = send(officer, launch, {"reason": "Fewer letters than expected"})
    assert done.location == "/trials/longer"
    shown = officer.get("/trials/longer").text
    assert "Fewer letters than expected" in shown
    assert "Last day: 31 March 2099 became 30 June 2099" in shown
    assert "about.ends" not in shown
    assert f'href="{at}/check"' in shown
    with store_of(app).read() as session:
        record = registry.load(session, "longer")
    assert record.definition.about.ends == date(2099, 6, 30)
    assert [a.reason for a in record.amendments] == ["Fewer letters than expected"]
    # The next change starts from the answers that were agreed to.
    again = begun(officer, "longer")
    assert again != at
    assert "checked" in officer.get(f"{again}/screening").text


def test_only_an_administrator_files_a_change_that_brings_a_result_forward(app, officer):
    running(app, "sooner")
    at = begun(officer, "sooner")
    send(officer, f"{at}/dates", SOONER)
    agreed(app, officer, at)
    page = officer.get(f"{at}/launch")
    assert "an administrator has to file this change" in page.text
    administrator = client_of(app, "administrator")
    saw = fields_of(administrator.get(f"{at}/launch"), f"{at}/launch")["saw"]
    forged = hidden(officer.get(f"{at}/idea"), f"{at}/idea") | {"saw": saw, "reason": "Now"}
    assert officer.post(f"{at}/launch", data=forged).status_code == 403
    assert send(administrator, f"{at}/launch", {"reason": "We cannot wait"}).status_code == 303
    with store_of(app).read() as session:
        assert registry.load(session, "sooner").definition.about.ends == date(2099, 3, 1)


def test_answers_that_do_not_go_together_are_told_without_the_files_words(app, officer):
    running(app, "muddled")
    at = begun(officer, "muddled")
    for step, given in (("size", {"workshop-sizing-baseline": "31"}), ("screening", SCREENED),
                        ("dates", {**LATER, "trial-ends-year": "2025"})):  # fmt: skip
        assert send(officer, f"{at}/{step}", given).status_code == 303
    page = officer.get(f"{at}/check").text
    assert "The last day is before the first: choose a later last day." in page
    assert f'href="{at}/dates">Dates and what else happens then' in page
    assert "[trial]" not in page
    assert "set ends after starts" not in page
    assert "set ends after starts" in client_of(app, "analyst").get(f"{at}/check").text


def test_once_versions_are_given_out_they_and_how_they_are_spread_stay(app, officer):
    running(app, "given")
    at = begun(officer, "given")
    assert "Nobody has been given a version yet" in officer.get(f"{at}/draw").text
    early = fields_of(officer.get(f"{at}/draw"), f"{at}/draw")
    give(app, "given")
    page = officer.get(f"{at}/draw")
    assert "can no longer change" in page.text
    assert f'action="{at}/draw"' not in page.text
    assert (
        officer.post(f"{at}/draw", data={**early, "design-kind": "individual"}).status_code == 409
    )
    assert "Add a version" not in officer.get(f"{at}/versions").text
    assert send(officer, f"{at}/versions", {"do": "add"}).status_code == 409


def test_a_change_begun_from_an_older_plan_is_not_filed(app, officer):
    running(app, "crossed")
    at = begun(officer, "crossed")
    send(officer, f"{at}/dates", LATER)
    agreed(app, officer, at)
    with store_of(app).write() as session:
        before = registry.load(session, "crossed").definition
        about = before.about.model_copy(update={"ends": date(2099, 12, 1)})
        lifecycle.amend(session, before.model_copy(update={"about": about}), actor="t", reason="r")
    assert "The plan was changed meanwhile" in officer.get(f"{at}/check").text
    assert "It is over" not in officer.get(f"{at}/check").text
    form = hidden(officer.get(f"{at}/idea"), f"{at}/idea")
    assert officer.post(f"{at}/launch", data={**form, "reason": "x"}).status_code == 409
    with store_of(app).read() as session:
        assert registry.load(session, "crossed").definition.about.ends == date(2099, 12, 1)
    with store_of(app).write() as session:
        lifecycle.stop(session, "crossed", actor="t")
    assert "It is over" in officer.get(f"{at}/check").text
    assert "Change this trial" not in officer.get("/trials/crossed").text


def test_a_trial_registered_by_file_is_written_on_in_the_wizard(app, officer):
    with store_of(app).write() as session:
        registry.add(session, renamed(letter_trial(), "by-file", title="By file"), actor="t")
    at = begun(officer, "by-file")
    assert "Draft, version 1" in officer.get(at).text
    assert f'href="{at}/check"' in officer.get("/trials/by-file").text
    assert send(officer, "/trials/by-file", {}, action="/trials/by-file/change").location == at
