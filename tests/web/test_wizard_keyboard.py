"""All nine steps of the wizard with the keyboard alone, in a browser that runs no scripts."""

from __future__ import annotations

import pytest
from seen import Seen

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STEPS = (
    "idea",
    "versions",
    "measures",
    "draw",
    "size",
    "dates",
    "safeguards",
    "screening",
    "check",
)


def reach(page, wanted):
    """Press Tab until ``wanted`` has the focus; the page is left as a person would find it."""
    for _ in range(150):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reaches {wanted}")


def write(page, label, text):
    """Replace what a field holds."""
    reach(page, page.get_by_label(label, exact=True))
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def choose(page, group, label):
    """Choose among the radio buttons of a group with the arrows."""
    options = group.get_by_role("radio")
    wanted = group.get_by_label(label, exact=True)
    chosen = group.locator("input:checked")
    reach(page, chosen if chosen.count() else options.first)
    page.keyboard.press("Space")
    for _ in range(options.count()):
        if wanted.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("ArrowDown")
    assert wanted.is_checked()


def follow(page, wanted):
    """Go where a button or link leads."""
    reach(page, wanted)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def press(page, name):
    follow(page, page.get_by_role("button", name=name, exact=True))


def test_nine_steps_by_keyboard_without_scripts(browser, site):
    with Seen(browser, 1280, "officer", java_script_enabled=False) as seen:
        page = seen.open(f"{site}/drafts/new")
        choose(
            page,
            page.locator("main form"),
            "Webchat: a structured close and the offer of a call-back",
        )
        write(page, "Title", "By keyboard alone")
        press(page, "Start")
        follow(page, page.get_by_role("link", name="The idea and why it should work"))
        for step in STEPS[:-1]:
            assert page.url.endswith(f"/{step}")
            if step == "size":
                write(page, "Share of chats this happens to now", "31")
                write(page, "How many there are in a week", "400")
            if step == "dates":
                for end, day in (("First day", "5"), ("Last day", "20")):
                    group = page.get_by_role("group", name=end)
                    for label, value in (("Day", day), ("Month", "3"), ("Year", "2099")):
                        reach(page, group.get_by_label(label, exact=True))
                        page.keyboard.type(value)
            if step == "screening":
                for group in page.locator("main fieldset").all():
                    new = group.locator("legend").inner_text().startswith("Is this new wording")
                    choose(page, group, "Yes" if new else "No")
                write(
                    page,
                    "What data about people are used, and how long are they kept?",
                    "Two years.",
                )
            press(page, "Save and continue")
        assert page.url.endswith("/check")
        press(page, "Ask for approval of this version")
        assert "It waits for: Service manager." in page.locator("main").inner_text()
