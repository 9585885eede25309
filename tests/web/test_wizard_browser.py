"""The wizard in a real browser: accessible at both widths, and without scripts."""

from __future__ import annotations

import os

import pytest
from seen import Seen, accessible, no_sideways_scroll, unexpected

pytestmark = pytest.mark.browser
STEPS = ("", "/idea", "/versions", "/measures", "/draw", "/size", "/dates", "/safeguards", "/screening", "/check", "/launch")  # fmt: skip


@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_of_the_wizard_is_accessible_and_fits(browser, site, width):
    with Seen(browser, width, "officer") as seen:
        page = seen.open(f"{site}/drafts/new")
        accessible(page)
        page.get_by_label("Webchat: a structured close").check()
        page.get_by_label("Title", exact=True).fill(f"Seen at {width}")
        page.get_by_role("button", name="Start", exact=True).click()
        at = page.url
        for step in STEPS:
            page.goto(at + step)
            if folder := os.environ.get("SIGNPOST_SCREENSHOTS"):
                page.screenshot(
                    path=f"{folder}/{width}{step.replace('/', '-')}.png", full_page=True
                )
            accessible(page)
            no_sideways_scroll(page)
        page.goto(f"{site}/trials/fresh")
        accessible(page)
        no_sideways_scroll(page)
        page.get_by_role("button", name="Change this trial").click()
        at = page.url
        page.goto(f"{at}/dates")
        page.get_by_label("Year").last.fill(f"{2027 + width % 7}")
        page.get_by_role("button", name="Save and continue").click()
        for step in ("", "/versions", "/draw", "/check", "/launch"):
            page.goto(at + step)
            if folder := os.environ.get("SIGNPOST_SCREENSHOTS"):
                page.screenshot(
                    path=f"{folder}/change-{width}{step.replace('/', '-')}.png", full_page=True
                )
            accessible(page)
            no_sideways_scroll(page)
        assert unexpected(seen.said) == []


def test_a_step_is_filled_in_without_scripts(browser, site):
    with Seen(browser, 1280, "officer", java_script_enabled=False) as seen:
        page = seen.open(f"{site}/drafts/new")
        page.get_by_label("A blank page").check()
        page.get_by_label("Title", exact=True).fill("By hand")
        page.get_by_role("button", name="Start", exact=True).press("Enter")
        page.get_by_role("link", name="The idea and why it should work").press("Enter")
        page.get_by_label("Service").fill("Council Tax")
        page.get_by_role("button", name="Save and come back later").press("Enter")
        page.get_by_role("link", name="The idea and why it should work").press("Enter")
        assert page.get_by_label("Service").input_value() == "Council Tax"
