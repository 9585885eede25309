"""Every mail as a server received it: taken apart, and looked at in a browser.

Light and dark, 600 and 320 pixels wide, with and without pictures. With SIGNPOST_PICTURES set to a
folder, the pictures are kept there to be looked at.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
from datetime import timedelta
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from mail_server import Server
from post import ANN, AT, KEY, MO, OUT, received
from sending import browser_path

from trials.store.engine import Store
from web.mail.compose import CHART

KINDS = ("weekly", "manager", "monthly", "quarterly", "quarterly outside", "reminder",
         "alert: sample-ratio", "alert: guardrail", "alert: harm", "alert: data-freshness")  # fmt: skip
WITH_CHART = ("weekly", "manager", "monthly", "quarterly", "quarterly outside")


@pytest.fixture(scope="module")
def post(tmp_path_factory, sqlite_template):
    """What arrived at a server with STARTTLS and a password, by kind."""
    folder = tmp_path_factory.mktemp("post")
    shutil.copy(sqlite_template, folder / "signpost.db")
    store = Store.open(f"sqlite:///{folder / 'signpost.db'}")
    server = Server(folder).start()
    try:
        yield received(store, folder, server)
    finally:
        server.stop()
        store.close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield opened
        opened.close()


def html_of(message, *, pictures=True):
    """The HTML part with its pictures put in, or left unfound as a reader does that blocks them."""
    html = message.get_body(("html",)).get_content()
    for part in message.walk():
        if number := part.get("Content-ID"):
            data = base64.b64encode(part.get_content()).decode() if pictures else "broken"
            html = html.replace(f"cid:{number.strip('<>')}", f"data:image/png;base64,{data}")
    assert "cid:" not in html
    return html


def test_every_kind_arrives_signed_in_and_with_the_headers_that_mail_programs_want(post):
    assert set(post) == {*KINDS, "confirm"}
    numbers = set()
    for kind, (item, to, message) in post.items():
        assert to == [parseaddr(message["To"])[1]], kind
        numbers.add(message["Message-ID"])
        assert abs(parsedate_to_datetime(message["Date"]) - AT) < timedelta(minutes=1), kind
        assert message["Auto-Submitted"] == "auto-generated"
        assert message.defects == []
        assert str(message["Subject"]) == item.subject
        assert all(part.defects == [] for part in message.walk()), kind
        if kind == "confirm":
            continue
        assert re.fullmatch(r"<http\S+/m/stop/\S+>", message["List-Unsubscribe"].strip()), kind
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len(numbers) == len(post)
    assert {post[k][1][0] for k in ("weekly", "alert: harm", "reminder")} == {ANN}
    assert post["monthly"][1] == [MO]
    assert post["quarterly outside"][1] == [OUT]


def test_the_parts_are_nested_as_mail_programs_expect_and_every_picture_has_words(post):
    for kind in KINDS:
        message = post[kind][2]
        plain, rich = message.get_payload()
        assert message.get_content_type() == "multipart/alternative"
        assert (plain.get_content_type(), plain.get_content_charset()) == ("text/plain", "utf-8")
        pictures = [p for p in message.walk() if p.get_content_maintype() == "image"]
        assert len(pictures) == (kind in WITH_CHART), kind
        if pictures:
            assert rich.get_content_type() == "multipart/related"
            assert pictures[0].get_content_disposition() == "inline"
            assert pictures[0].get_content().startswith(b"\x89PNG")
            assert len(pictures[0].get_content()) < 200_000
        html = message.get_body(("html",))
        assert html.get_content_charset() == "utf-8"
        alts = re.findall(r'<img [^>]*alt="([^"]*)"', html.get_content())
        assert len(alts) == len(pictures)
        assert all(len(alt) > 40 and "table below" not in alt for alt in alts)
        for line in message.as_bytes().split(b"\n"):
            assert len(line) < 999, kind


def test_the_plain_part_says_all_that_the_other_says(post):
    for kind in KINDS:
        message = post[kind][2]
        plain = " ".join(message.get_body(("plain",)).get_content().split())
        html = message.get_body(("html",)).get_content()
        body = re.sub(r"<(style|head)>.*?</\1>", "", html, flags=re.DOTALL)
        for said in re.findall(r"<(?:h1|li|p class=\"lead\")[^>]*>(.*?)</(?:h1|li|p)>", body):
            words = re.sub(r"<a .*?</a>", "", said)
            words = re.sub(r"<[^>]+>", "", words).strip()
            for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&#34;", '"'), ("&#39;", "'"),
                                 ("&amp;", "&")):  # fmt: skip
                words = words.replace(entity, sign)
            assert words in plain, (kind, words)


def test_no_mail_names_a_reader_or_a_colleague_to_somebody_outside(post):
    outside = post["quarterly outside"][2]
    for part in outside.walk():
        if part.get_content_maintype() == "text":
            shown = re.sub(r"<style>.*?</style>", "", part.get_content(), flags=re.DOTALL)
            shown = shown.replace(f"cid:{CHART}.{outside['Message-ID'].strip('<>')}", "")
            assert re.findall(r"\S*@\S*|Ann Smith|Mo Khan", shown) == []
    assert "Owner: Ann Smith" in post["monthly"][2].get_body(("plain",)).get_content()
    assert "/m/report/" in outside.get_body(("plain",)).get_content()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_mail_is_read_with_ease_wide_and_narrow_light_and_dark(post, browser, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    for kind in KINDS:
        for width in (600, 320):
            page.set_viewport_size({"width": width, "height": 800})
            page.set_content(html_of(post[kind][2]))
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (kind, width)
            _keep(page, f"{kind}-{width}-{scheme}")
        found = Axe().run(page)
        assert found.violations_count == 0, (kind, found.generate_report())
        assert page.locator('meta[name="color-scheme"]').get_attribute("content") == "light dark"
        shade = page.evaluate("getComputedStyle(document.querySelector('.page')).backgroundColor")
        assert (shade == "rgb(255, 255, 255)") == (scheme == "light")
        for picture in page.locator("img").all():
            assert picture.evaluate("i => i.complete && i.naturalWidth > 600")
    context.close()


@pytest.mark.browser
def test_with_pictures_off_the_words_of_the_chart_stand_in_its_place(post, browser):
    context = browser.new_context(viewport={"width": 320, "height": 800})
    page = context.new_page()
    for kind in WITH_CHART:
        page.set_content(html_of(post[kind][2], pictures=False))
        picture = page.locator("img")
        assert picture.evaluate("i => i.naturalWidth") == 0
        assert len(picture.get_attribute("alt")) > 40
        box, said = picture.bounding_box(), page.locator("section[aria-labelledby=chart] p").last
        assert 200 < box["width"] <= 320 - 32, kind
        assert 40 < box["height"] < 400, "no hole where the picture would be"
        assert said.inner_text(), "the finding is in words above the picture, too"
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        _keep(page, f"{kind}-no-pictures")
    context.close()


def _keep(page, name):
    if folder := os.environ.get("SIGNPOST_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name.replace(': ', '-')}.png", full_page=True)


def test_the_subject_carries_the_finding(post):
    subjects = {kind: post[kind][0].subject for kind in KINDS}
    assert re.search(r"fewer contacts a year, net", subjects["monthly"])
    assert subjects["quarterly"] == "1 decision; £18,500 of the £42,000 a year claimed is verified"
    assert subjects["reminder"] == "2 next steps are due, 1 of them overdue"
    assert "do not act yet" in subjects["weekly"]
    assert KEY not in str(subjects)
