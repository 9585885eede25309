"""A page in a real browser, with all it said and asked for, and what every page must be."""

from __future__ import annotations

import threading

from axe_playwright_python.sync_playwright import Axe
from signed import browser_cookie
from werkzeug.serving import make_server

SITES = {}
"""The applications being served, by address."""


class Seen:
    """A page with everything it said and asked for, signed in as ``role`` where we serve it."""

    def __init__(self, browser, width, role="administrator", **options):
        self.role = role
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = self.context.new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda m: self.said.append(m.text))
        self.page.on("pageerror", lambda e: self.said.append(str(e)))
        self.page.on("request", lambda r: self.asked.append(r.url))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def open(self, url):
        address = "/".join(url.split("/")[:3])
        if self.role and address in SITES and not self.context.cookies(address):
            self.context.add_cookies([browser_cookie(SITES[address], self.role, address)])
        self.page.goto(url)
        return self.page


def served(app):
    """A server for ``app`` on a free port, and its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    SITES[address] = app
    return server, address


def unexpected(said):
    """Console messages but the browser's own note that an error page is an error page."""
    return [m for m in said if "404 (NOT FOUND)" not in m]


def accessible(page):
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def no_sideways_scroll(page):
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
