"""The backlog: ranked as its page says, changed by one person at a time, and the way to a draft."""

from __future__ import annotations

import os
import re

import pytest
from seen import Seen, accessible, no_sideways_scroll
from signed import client_of
from test_wizard import fields_of, send

from trials.drafting import drafts


def titles(page):
    return re.findall(r'href="/ideas/\d+">([^<]+)<', page.text)


def test_ideas_are_ranked_kept_from_overwriting_and_lead_to_one_draft(app):
    officer, second = client_of(app, "officer"), client_of(app, "analyst")
    assert "No idea is on the list yet" in officer.get("/ideas").text
    kept = [("Large", "8000", "controllable", "large"), ("Asked of a supplier", "5000",
             "influenceable", "small"), ("Unmeasured", "", "controllable", "small"),
            ("Ours and small", "3,000", "controllable", "small")]  # fmt: skip
    for title, volume, control, effort in kept:
        at = f"/ideas/new?title={title}&volume={volume}"
        answer = send(officer, at, {"control": control, "effort": effort}, "/ideas/new")
        assert answer.status_code == 303
    assert titles(officer.get("/ideas")) == [
        "Ours and small", "Asked of a supplier", "Large", "Unmeasured"
    ]  # fmt: skip
    refused = send(officer, "/ideas/new", {"title": "x", "volume": "many"})
    assert refused.status_code == 422
    assert "Write a whole number" in refused.text

    stale = fields_of(second.get("/ideas/4"), "/ideas/4")
    assert send(officer, "/ideas/4", {"title": "Ours"}).status_code == 303
    clash = second.post("/ideas/4", data={**stale, "title": "Mine"})
    assert clash.status_code == 409
    assert "changed this idea while you were writing" in clash.text
    again = second.post("/ideas/4", data=fields_of(clash, "/ideas/4"))
    assert again.status_code == 303
    assert "Mine" in titles(officer.get("/ideas"))

    first = send(officer, "/ideas", {}, "/ideas/4/start")
    number = int(first.headers["Location"].rsplit("/", 1)[1])
    with app.extensions["store"].read() as session:
        draft = drafts.load(session, number)
        assert (draft.idea_id, draft.title) == (4, "Mine")
    listed = officer.get("/ideas").text
    assert f'href="/drafts/{number}"' in listed
    assert "/ideas/4/start" not in listed
    put_away = send(officer, f"/drafts/{number}", {}, f"/drafts/{number}/discard")
    assert put_away.status_code == 303
    second_start = send(officer, "/ideas", {}, "/ideas/4/start")
    assert second_start.headers["Location"] != first.headers["Location"]
    assert client_of(app, "viewer").get("/ideas/new").status_code == 403


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 360])
def test_the_pages_are_accessible_fit_and_go_by_keyboard_without_scripts(browser, site, width):
    with Seen(browser, width, "officer", java_script_enabled=width == 1280) as seen:
        page = seen.open(f"{site}/ideas/new?volume=4200&control=controllable")
        with page.expect_navigation():
            page.get_by_role("button", name="Save", exact=True).press("Enter")
        shown(page, width, "wrong")
        page.get_by_label("What could change?").fill(f"Say when the refund arrives, {width}")
        with page.expect_navigation():
            page.get_by_role("button", name="Save", exact=True).press("Enter")
        shown(page, width, "list")
        page.get_by_role("button", name=f"arrives, {width}").press("Enter")
        page.wait_for_url("**/drafts/*")
        shown(page, width, "draft")


def shown(page, width, name):
    if folder := os.environ.get("SIGNPOST_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{width}-ideas-{name}.png", full_page=True)
    if width == 1280:
        accessible(page)
    no_sideways_scroll(page)
