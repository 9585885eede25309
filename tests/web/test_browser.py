"""In a real browser: accessible, usable by keyboard and without scripts, right on a phone."""

from __future__ import annotations

import pytest
from seen import Seen, accessible, no_sideways_scroll, unexpected

from trials import resources

pytestmark = pytest.mark.browser

PAGES = (
    "/", "/trials/council-tax-reminder", "/trials/matching-gifts", "/trials/fresh",
    "/trials/hostile", "/trials/over", "/trials/council-tax-reminder/report",
    "/trials/matching-gifts/report", "/trials/early-look/report", "/trials/hostile/report",
    "/trials/fresh/report", "/nowhere", "/trials/fresh/health", "/trials/fresh/uploads",
    "/trials/hostile/results", "/trials/fresh/acts/stop", "/calendar", "/calendar/add", "/people", "/people/1", "/keys", "/record", "/help",
)  # fmt: skip
REPORTS = ("council-tax-reminder", "matching-gifts", "early-look", "hostile")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_accessible_quiet_under_its_policy_and_fits(browser, site, path, width):
    with Seen(browser, width) as seen:
        page = seen.open(site + path)
        accessible(page)
        no_sideways_scroll(page)
        assert unexpected(seen.said) == []
        assert all(url.startswith(site) for url in seen.asked)
        assert page.title() != "1"  # the planted mark-up would have set it


@pytest.mark.parametrize("path", ["/", "/trials/fresh", "/trials/fresh/health", "/people"])
def test_no_row_of_the_navigation_wraps_at_a_desk(browser, site, path):
    with Seen(browser, 1280) as seen:
        page = seen.open(site + path)
        rows = page.eval_on_selector_all(
            "nav ul, .govuk-service-navigation__list",
            "all => all.map(l => new Set([...l.children].map(c => c.offsetTop)).size)",
        )
        assert rows
        assert set(rows) == {1}


@pytest.mark.parametrize("width", [1280, 360])
def test_the_empty_list_is_accessible_and_fits(browser, empty_site, width):
    with Seen(browser, width) as seen:
        page = seen.open(empty_site + "/")
        accessible(page)
        no_sideways_scroll(page)
        assert seen.said == []


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("key", REPORTS)
def test_a_report_from_disk_is_accessible_and_asks_for_nothing(
    browser, client, tmp_path, key, width
):
    file = tmp_path / "report.html"
    file.write_bytes(client.get(f"/trials/{key}/report.html").data)
    # The auditor is a script; the report's own policy would rightly refuse it.
    with Seen(browser, width, bypass_csp=True) as seen:
        accessible(seen.open(file.as_uri()))
    with Seen(browser, width) as seen:
        page = seen.open(file.as_uri())
        no_sideways_scroll(page)
        assert seen.asked == [file.as_uri()]
        assert seen.said == []
        colour = page.evaluate("getComputedStyle(document.querySelector('.sp-hero')).color")
        assert colour == "rgb(255, 255, 255)"  # its own style is in force


def test_the_keyboard_reaches_the_content_and_every_link_shows_its_focus(browser, site):
    with Seen(browser, 1280) as seen:
        page = seen.open(site + "/trials/council-tax-reminder/report")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent.trim()") == "Skip to main content"
        assert page.locator(".govuk-skip-link").is_visible()
        page.keyboard.press("Enter")
        page.wait_for_function("document.activeElement.id === 'main-content'")
        focused = set()
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            focused.add(page.evaluate("document.activeElement.textContent.trim()"))
            changed = page.evaluate(
                "(() => {const s = getComputedStyle(document.activeElement);"
                "return s.boxShadow !== 'none' || s.outlineStyle !== 'none'"
                " || s.backgroundColor === 'rgb(255, 221, 0)'})()"
            )
            assert changed
        assert {"What it means", "Guardrails", "Versions and hashes"} <= focused


def test_everything_reads_without_scripts(browser, site):
    with Seen(browser, 360, java_script_enabled=False) as seen:
        page = seen.open(site + "/")
        page.get_by_role("link", name="Council tax reminder: one thing to do", exact=True).click()
        page.get_by_role("link", name="Read the report").click()
        assert page.locator("h1").inner_text().startswith("Roll out ‘One thing to do’")
        assert page.locator("nav[aria-label='Main'] a").first.is_visible()
        assert page.locator(".sp-chart__narrow svg").first.is_visible()


@pytest.mark.parametrize(("width", "shown"), [(1280, "wide"), (360, "narrow")])
def test_each_screen_gets_the_drawing_made_for_it_with_text_large_enough(
    browser, site, width, shown
):
    with Seen(browser, width) as seen:
        page = seen.open(site + "/trials/council-tax-reminder/report")
        drawings = page.locator(f".sp-chart__{shown} svg")
        assert drawings.count() == 5
        for index in range(4):
            drawing = drawings.nth(index)
            assert drawing.is_visible()
            assert drawing.bounding_box()["width"] <= width
            smallest = drawing.evaluate(
                "svg => Math.min(...[...svg.querySelectorAll('text')]"
                ".map(t => t.getBoundingClientRect().height))"
            )
            assert smallest >= 12
        hidden = page.locator(f".sp-chart__{'narrow' if shown == 'wide' else 'wide'} svg")
        assert not hidden.first.is_visible()


def test_labels_of_a_chart_do_not_lie_on_each_other(browser, site):
    overlaps = """
    svg => {
      const seen = new Map();
      for (const t of svg.querySelectorAll('text')) {
        const b = t.getBoundingClientRect();
        if (b.width) seen.set(t.textContent + Math.round(b.x) + ',' + Math.round(b.y), b);
      }
      const boxes = [...seen.values()], found = [];
      boxes.forEach((a, i) => boxes.slice(i + 1).forEach(b => {
        const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (w > 2 && h > 4) found.push([w, h]);
      }));
      return found;
    }
    """
    for width, shown in ((1280, "wide"), (360, "narrow")):
        with Seen(browser, width) as seen:
            for key in ("council-tax-reminder", "matching-gifts", "hostile"):
                page = seen.open(f"{site}/trials/{key}/report")
                for drawing in page.locator(f".sp-chart__{shown} svg").all():
                    assert drawing.evaluate(overlaps) == []


def test_paper_gets_black_on_white_and_no_navigation(browser, site):
    with Seen(browser, 1280) as seen:
        page = seen.open(site + "/trials/council-tax-reminder/report")
        page.emulate_media(media="print")
        assert not page.locator(".sp-contents").is_visible()
        assert not page.locator(".govuk-service-navigation").is_visible()
        colour = page.evaluate("getComputedStyle(document.querySelector('h1')).color")
        assert colour in ("rgb(0, 0, 0)", "rgb(11, 12, 12)")


def test_no_page_wears_the_crown_or_the_typeface_of_the_government(browser, site):
    css = resources.asset_text("app.css").lower()
    assert "transport" not in css
    assert "crest" not in css
    with Seen(browser, 1280) as seen:
        page = seen.open(site + "/")
        assert "crown" not in page.content().lower()
        assert "gov.uk" not in page.content().lower()
        family = page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily")
        assert family.lower().startswith("arial")
