"""Shares that move and crossed changes, asked in plain words on the step about the draw."""

from __future__ import annotations

from signed import client_of
from test_wizard import begun, fields_of, send, store_of

from trials.drafting import content as contents
from trials.drafting import drafts


def content_of(app, at):
    with store_of(app).read() as session:
        return drafts.load(session, int(at.rsplit("/", 1)[1])).content


def test_shares_move_where_that_is_asked_for_and_the_page_says_when_not_to(app):
    officer = client_of(app, "officer")
    at = begun(officer, title="Moving shares")
    by_itself = {"design-kind": "individual", "design-strata": "", "design-namespace": ""}
    assert send(officer, f"{at}/draw", {"shares": "day", **by_itself}).status_code == 303
    assert content_of(app, at)["design"]["adaptive"] == {"floor": 0.1, "every": "day"}
    page = officer.get(f"{at}/draw").text
    assert "Fixed shares are better here" in page
    assert "what was known of people before" in page
    assert "Shares can move only where" not in page
    sized = {"workshop-sizing-baseline": "31", "do": "stay"}
    assert send(officer, f"{at}/size", sized).status_code == 303
    assert "This is for shares that stay" in officer.get(f"{at}/size").text
    refused = send(officer, f"{at}/draw", {"design-adaptive-floor": "60"})
    assert "must be from 1 to 49" in refused.text
    assert send(officer, f"{at}/draw", {"design-adaptive-floor": "20"}).status_code == 303
    assert send(officer, f"{at}/draw", {"shares": "week"}).status_code == 303
    assert content_of(app, at)["design"]["adaptive"] == {"floor": 0.2, "every": "week"}
    assert send(officer, f"{at}/draw", {"shares": "fixed"}).status_code == 303
    assert "adaptive" not in content_of(app, at)["design"]


def test_two_changes_at_once_are_four_versions_and_each_change_is_sized_over_all(app):
    officer = client_of(app, "officer")
    at = begun(officer, title="Two changes")
    assert not [n for n in fields_of(officer.get(f"{at}/draw"), f"{at}/draw") if "levels" in n]
    assert send(officer, f"{at}/versions", {"do": "add"}).status_code == 303
    asked = [n for n in fields_of(officer.get(f"{at}/draw"), f"{at}/draw") if "levels" in n]
    cells = ("Tone: plain, Link: none", "Tone: warm, Link: none", "Tone: plain, Link: code")
    given = dict(zip(asked, cells, strict=False))
    refused = send(officer, f"{at}/draw", {**given, asked[3]: "warm"})
    assert refused.status_code == 422
    assert "as in tone: warm, link: code" in refused.text
    assert send(officer, f"{at}/draw", {**given, asked[3]: cells[2]}).status_code == 303
    assert "Two versions have the same changes" in officer.get(f"{at}/draw").text
    assert (
        send(officer, f"{at}/draw", {asked[3]: "Tone: warm, Link: short code"}).status_code == 303
    )
    assert "A combination of the changes has no version" in officer.get(f"{at}/draw").text
    assert send(officer, f"{at}/draw", {asked[3]: "Tone: warm, Link: code"}).status_code == 303
    assert "A combination of" not in officer.get(f"{at}/draw").text
    apart = send(officer, f"{at}/draw", {"shares": "day"})
    page = officer.get(f"{at}/draw").text if apart.status_code == 303 else ""
    assert "choose one or the other" in page
    assert "Shares can move only where" in page
    assert send(officer, f"{at}/draw", {"shares": "fixed"}).status_code == 303
    trial = contents.trial_of(content_of(app, at) | {"trial": _dated(content_of(app, at))})
    assert [dict(arm.levels) for arm in trial.arms][3] == {"link": "code", "tone": "warm"}
    sized = {"workshop-sizing-baseline": "31", "do": "stay"}
    assert send(officer, f"{at}/size", sized).status_code == 303
    assert "compared over everybody, which takes" in officer.get(f"{at}/size").text


def _dated(content):
    return {**content["trial"], "starts": "2099-01-05", "ends": "2099-03-20"}
