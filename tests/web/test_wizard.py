"""From a template to a locked trial through the pages, as a form of a browser would send them."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import pytest
from bs4 import BeautifulSoup
from signed import client_of, hidden

from trials import calendar, events, registry
from trials.drafting import drafts


def fields_of(page, action):
    """Everything a browser would send of the form to ``action``."""
    form = BeautifulSoup(page.data, "html.parser").select_one(f'form[action="{action}"]')
    found = {}
    for tag in form.select("input, textarea, select"):
        if tag.name == "textarea":
            found[tag["name"]] = tag.text.removeprefix("\n")
        elif tag.name == "select":
            chosen = tag.select_one("option[selected]")
            found[tag["name"]] = chosen["value"] if chosen else ""
        elif tag.get("type") in ("radio", "checkbox"):
            if tag.has_attr("checked"):
                found.setdefault(tag["name"], []).append(tag["value"])
        elif tag.get("type") != "file":
            found[tag["name"]] = tag.get("value", "")
    return found


def send(client, path, changed, action=None):
    page = client.get(path)
    assert page.status_code == 200, (path, page.status)
    return client.post(action or path, data={**fields_of(page, action or path), **changed})


def begun(client, template="webchat-closing", **more):
    answer = send(client, "/drafts/new", {"from": template, **more})
    assert answer.status_code == 303, answer.text
    return answer.location


def store_of(app):
    return app.extensions["store"]


SCREENED = {f"workshop-screening-{k}": "no" for k in ("linked", "vulnerable", "statutory", "phone", "policy", "never")} | {
    "workshop-screening-existing": "yes", "workshop-data-keeps": "Chat number, hashed, for two years."}  # fmt: skip
DATES = {"trial-starts-day": "5", "trial-starts-month": "1", "trial-starts-year": "2099",
         "trial-ends-day": "20", "trial-ends-month": "3", "trial-ends-year": "2099"}  # fmt: skip


def test_a_template_becomes_a_locked_trial_agreed_by_others(app):
    officer, manager = client_of(app, "officer"), client_of(app, "approver")
    at = begun(officer, title="Webchat close, autumn")
    arm = next(
        k
        for k in fields_of(officer.get(f"{at}/versions"), f"{at}/versions")
        if re.fullmatch(r"arms-(?!current).*-wording", k)
    )
    seen = officer.get(f"{at}/versions")
    wording = fields_of(seen, f"{at}/versions")[arm]
    assert (
        send(officer, f"{at}/versions", {arm: wording + "\nThank you for your patience."}).location
        == f"{at}/measures"
    )
    sized = send(
        officer,
        f"{at}/size",
        {"workshop-sizing-baseline": "31", "workshop-sizing-weekly": "400", "do": "stay"},
    )
    assert sized.status_code == 303
    assert re.search(r"About \w+ weeks at your volumes", officer.get(f"{at}/size").text)
    assert "Share of chats this happens to now" in officer.get(f"{at}/size").text
    assert seen.text.count("Names of columns go between") == 1
    assert "{# end protected #}" in seen.text
    assert "Not known yet: the first and the last day" in officer.get(f"{at}/dates").text
    move = events.Event(title="Move of the web chat", starts=date(2099, 2, 2),
                        ends=date(2099, 2, 3), kind="system")  # fmt: skip
    assert send(officer, f"{at}/dates", DATES).status_code == 303
    assert "Not known yet: the first and the last day" not in officer.get(f"{at}/dates").text
    with store_of(app).write() as session:
        calendar.put(session, move, actor="test")
    assert "Move of the web chat" in officer.get(f"{at}/dates").text
    assert send(officer, f"{at}/screening", SCREENED).location == f"{at}/check"
    assert send(officer, f"{at}/check", {}, action=f"{at}/ask").location == f"{at}/check"
    assert "Go to launch" not in officer.get(f"{at}/check").text
    waits = "it waits for you to sign as service manager"
    assert waits in manager.get("/").text
    assert "Waits for you" in manager.get("/drafts").text
    assert waits not in officer.get("/").text
    assert "Waits for you" not in officer.get("/drafts").text
    returned = {"role": "service-manager", "verdict": "returned", "comment": "Say it sooner."}
    assert send(manager, f"{at}/check", returned, action=f"{at}/sign").status_code == 303
    assert waits not in manager.get("/").text
    assert "What was said before" not in officer.get(f"{at}/check").text
    signed = send(
        manager,
        f"{at}/check",
        {"role": "service-manager", "verdict": "approved"},
        action=f"{at}/sign",
    )
    assert signed.status_code == 303, signed.text
    said = officer.get(f"{at}/check").text
    assert "Say it sooner." in said[said.index("What was said before") :]
    # A change of the plan takes the approval back; undoing it gives the version that was approved.
    assert send(officer, f"{at}/idea", {"trial-hypothesis": "Something else."}).status_code == 303
    assert send(officer, f"{at}/check", {}, action=f"{at}/ask").status_code == 303
    assert "Changed since" in officer.get(f"{at}/check").text
    send(
        manager,
        f"{at}/check",
        {"role": "service-manager", "verdict": "approved"},
        action=f"{at}/sign",
    )
    page = officer.get(f"{at}/launch")
    form = fields_of(page, f"{at}/launch")
    launched = officer.post(f"{at}/launch", data=form)
    assert launched.status_code == 303, launched.text
    again = officer.post(f"{at}/launch", data=form)
    assert again.location == launched.location
    with store_of(app).read() as session:
        assert registry.row_of(session, launched.location.rsplit("/", 1)[1]).state == "live"


def test_without_a_wording_for_today_the_page_says_why_nothing_stands_side_by_side(app):
    officer = client_of(app, "officer")
    at = begun(officer, title="No wording of today")
    assert "Nothing is shown side by side" in officer.get(f"{at}/versions").text
    today = {"arms-own-words-wording": "Is there anything else?"}
    assert send(officer, f"{at}/versions", today).status_code == 303
    page = officer.get(f"{at}/versions").text
    assert "Nothing is shown side by side" not in page
    assert "What changes:" in page


def test_saving_without_a_change_changes_nothing_on_any_step(app):
    officer = client_of(app, "officer")
    at = begun(officer, title="Untouched")
    with store_of(app).read() as session:
        before = drafts.load(session, int(at.rsplit("/", 1)[1]))
    for step in (
        "idea",
        "versions",
        "measures",
        "draw",
        "size",
        "dates",
        "safeguards",
        "screening",
    ):
        assert send(officer, f"{at}/{step}", {}).status_code == 303, step
    with store_of(app).read() as session:
        after = drafts.load(session, before.id)
    assert (after.version, after.content) == (before.version, before.content)


def test_two_people_at_one_field_are_told_and_others_are_merged(app):
    one, two = client_of(app, "officer"), client_of(app, "analyst")
    at = begun(one, title="Shared")
    theirs = fields_of(two.get(f"{at}/idea"), f"{at}/idea")
    send(one, f"{at}/idea", {"trial-hypothesis": "Fewer calls, says the first."})
    told = two.post(
        f"{at}/idea", data=theirs | {"trial-hypothesis": "Fewer chats, says the second."}
    )
    assert told.status_code == 409
    assert "Fewer calls, says the first." in told.text
    assert "Fewer chats, says the second." in told.text
    stays = two.post(f"{at}/idea", data=fields_of(told, f"{at}/idea"))
    assert stays.status_code == 303
    old = fields_of(one.get(f"{at}/idea"), f"{at}/idea")
    send(two, f"{at}/idea", {"trial-service": "Contact centre"})
    assert one.post(f"{at}/idea", data=old | {"trial-title": "Shared by two"}).status_code == 303
    with store_of(app).read() as session:
        draft = drafts.load(session, int(at.rsplit("/", 1)[1]))
    about = draft.content["trial"]
    assert (about["service"], about["title"]) == ("Contact centre", "Shared by two")
    assert about["hypothesis"] == "Fewer chats, says the second."


@pytest.mark.parametrize(("step", "changed", "says", "at_field"), [
    ("dates", {"trial-starts-day": "31", "trial-starts-month": "2", "trial-starts-year": "2099"}, "real date", "trial-starts"),
    ("size", {"workshop-sizing-baseline": "lots"}, "a number between 0 and 100", "workshop-sizing-baseline"),
    ("idea", {"trial-channel": "pigeon"}, "Choose one of the answers", "trial-channel"),
])  # fmt: skip
def test_what_cannot_be_read_is_said_at_its_field_and_nothing_is_saved(
    app, step, changed, says, at_field
):
    officer = client_of(app, "officer")
    at = begun(officer, title="Wrong")
    answer = send(officer, f"{at}/{step}", changed)
    page = BeautifulSoup(answer.data, "html.parser")
    assert answer.status_code == 422
    assert says in page.select_one(f'.govuk-error-summary a[href="#{at_field}"]').text
    assert page.select_one(f"#{at_field}") is not None
    with store_of(app).read() as session:
        assert drafts.load(session, int(at.rsplit("/", 1)[1])).version == 1


def test_a_draft_goes_out_as_a_file_and_starts_another(app):
    officer = client_of(app, "officer")
    at = begun(officer, title="Out and in")
    text = officer.get(f"{at}/trial.toml").text
    assert tomllib.loads(text)["trial"]["title"] == "Out and in"
    import io

    page = officer.get("/drafts/new")
    data = hidden(page, "/drafts/new") | {
        "from": "file",
        "file": (io.BytesIO(text.encode()), "t.toml"),
    }
    again = officer.post("/drafts/new", data=data, content_type="multipart/form-data")
    assert again.status_code == 303
    broken = hidden(officer.get("/drafts/new"), "/drafts/new") | {
        "from": "file",
        "file": (io.BytesIO(b"x ="), "t.toml"),
    }
    refused = officer.post("/drafts/new", data=broken, content_type="multipart/form-data")
    assert refused.status_code == 422


def test_only_those_who_sign_can_sign(app):
    officer = client_of(app, "officer")
    at = begun(officer, title="Not by me")
    page = officer.get(f"{at}/check")
    fields = hidden(page, f"{at}/ask")
    refused = officer.post(
        f"{at}/sign", data=fields | {"role": "service-manager", "verdict": "approved"}
    )
    assert refused.status_code == 403
