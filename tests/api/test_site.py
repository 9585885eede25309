"""The script on a council's own website, in a real browser and over a real server."""

from __future__ import annotations

import os
import re
import shutil
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import sync_playwright
from werkzeug.serving import make_server

from trials.designs.bucketing import bucket
from trials.store.tables import UnitRow
from web.app import create_app

SEED = 20260401
PAGE = """<!doctype html><title>Bins</title>
<p id="new" data-signpost-arm="bin-day" hidden>New</p><p id="old" data-signpost-arm="current">Old</p>
<script src="{src}/site/v1/signpost.js" data-trial="website-banner" data-unit="{unit}" {more}
 crossorigin="anonymous"></script>"""


def unit_in(low, high):
    """A visitor in the middle of the trial and in one half of its arm buckets."""

    def salted(purpose, unit):
        return bucket("website-banner", 1, f"{purpose}.{SEED}", unit)

    names = (f"v{i}" for i in range(200))
    return next(u for u in names if salted("holdout", u) > 0.1 and low <= salted("arm", u) < high)


@pytest.fixture
def website():
    """A website of its own origin that serves whatever page was put on it."""
    shown = {}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            body = shown.get("html", "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}", shown
    made.shutdown()


@pytest.fixture
def signpost(made, website):
    app = create_app(replace(made, allowed_origins=(website[0],)))
    served = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield app, f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    app.extensions["online"].close()


def test_only_named_websites_are_answered_and_who_objects_is_not_recorded(
    signpost, website, sqlite_store
):
    app, _ = signpost
    client, url = app.test_client(), "/site/v1/trials/website-banner/arm"
    new, home = unit_in(0.5, 1), {"Origin": website[0]}
    assert client.get(f"{url}?unit={new}").status_code == 403
    assert (
        client.get(f"{url}?unit={new}", headers={"Origin": "https://e.example"}).status_code == 403
    )
    for header in ("DNT", "Sec-GPC"):
        said = client.get(f"{url}?unit={new}", headers={**home, header: "1"})
        assert (said.json["arm"], said.json["reason"]) == ("current", "do-not-track")
    app.extensions["online"].recorder.flush()
    with sqlite_store.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(UnitRow)) == 0
    said = client.get(f"{url}?unit={new}", headers=home)
    assert (said.json["arm"], said.headers["Access-Control-Allow-Origin"]) == (
        "bin-day",
        website[0],
    )
    assert "Set-Cookie" not in said.headers


@pytest.mark.browser
def test_a_page_shows_the_servers_arm_keeps_nothing_and_falls_back_to_the_control(
    signpost, website
):
    _, home = signpost
    address, shown = website
    chromium = os.environ.get("SIGNPOST_CHROMIUM") or shutil.which("chromium")
    new, old, path = unit_in(0.5, 1), unit_in(0, 0.5), chromium
    if path is None:
        pytest.skip("no Chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context()
        page = context.new_page()

        def seen(unit, more="", src=home):
            shown["html"] = PAGE.format(src=src, unit=unit, more=more)
            page.goto(address)
            page.wait_for_selector("html[data-signpost-website-banner]")
            return page.locator("#new").is_visible(), page.locator("#old").is_visible()

        assert seen(new, 'data-timeout="5000"') == (True, False)
        assert seen(old, 'data-timeout="5000"') == (False, True)
        assert seen(new, "data-object") == (False, True)
        page.route("**/site/v1/trials/**", lambda route: None)  # never answered
        assert seen(new) == (False, True)
        page.unroute_all()
        page.route("**/site/v1/trials/**", lambda route: route.abort())
        assert seen(new, 'data-timeout="5000"') == (False, True)
        page.unroute_all()
        page.add_init_script(
            "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"
        )
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        assert seen(new, 'data-timeout="5000"') == (False, True)
        assert not any("/arm" in url for url in asked)
        assert context.cookies() == []
        assert page.evaluate("localStorage.length + sessionStorage.length") == 0
        browser.close()


def _html(page):
    text = (Path(__file__).parents[2] / "docs" / "how-to" / page).read_text("utf-8")
    return re.findall(r"^```html\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0]


@pytest.mark.browser
def test_the_printed_lines_show_one_version_and_tell_the_chat(signpost, website):
    """The HTML of both how-to pages as printed, but for the server's address."""
    _, home = signpost
    address, shown = website
    chromium = os.environ.get("SIGNPOST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_init_script(
            "window.told = []; window.chatApp = {setVariables: v => window.told.push(v)}"
        )

        def seen(unit):
            snippet = _html("website.md").replace("https://signpost.wychbridge.example", home)
            snippet = snippet.replace("defer", f'defer data-timeout="5000" data-unit="{unit}"')
            shown["html"] = "<!doctype html><title>Bins</title>" + _html("telephone.md") + snippet
            page.goto(address)
            page.wait_for_selector("html[data-signpost-website-banner]")
            visible = [page.locator(f'[data-signpost-arm="{a}"]').is_visible()
                       for a in ("bin-day", "current")]  # fmt: skip
            return visible, page.evaluate("window.told")

        assert seen(unit_in(0.5, 1)) == ([True, False], [{"_trialArm": "bin-day"}])
        assert seen(unit_in(0, 0.5)) == ([False, True], [{"_trialArm": "current"}])
        browser.close()
