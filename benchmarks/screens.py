"""``make screens``: every page of the demonstration as pictures, at a desk and on a phone.

The pages are found as a person finds them: from the home page on, by following links. Each is
checked by axe, for sideways scrolling and for its weight while it is open. Pictures are written
to ``screenshots/``, which is not kept in the repository.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections import Counter, deque
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from trials import settings
from web.app import create_app

OUT = Path("screenshots")
WIDTHS = (1280, 360)
EACH = 3
"""So many pages of one kind are opened: trials, jobs and papers are many and alike."""
PATIENCE = 180_000
"""Milliseconds for a page: the first with many charts waits until the drawing library is loaded."""
_FILES = re.compile(r"\.(json|html|csv|pdf|docx|toml|ics|ipynb|nc|rss|zip|png|svg)$|/api/|/static/")


def main() -> None:
    """Take the pictures; exit with 1 where a page is found wanting."""
    home = os.environ.get("SIGNPOST_HOME") or str(settings.load().home)
    database = f"sqlite:///{Path(home) / 'demonstration.db'}"
    made = settings.load({**os.environ, "SIGNPOST_HOME": home, "SIGNPOST_DEMONSTRATION": "yes",
                          "SIGNPOST_ORGANISATION": "Wychbridge Council"},
                         database_url=database)  # fmt: skip
    server = make_server(
        "127.0.0.1", int(os.environ.get("PORT", "0")), create_app(made), threaded=True
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    OUT.mkdir(exist_ok=True)
    role = sys.argv[1] if len(sys.argv) > 1 else "administrator"
    faults = _walk(f"http://127.0.0.1:{server.server_port}", role)
    server.shutdown()
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


def _walk(site: str, role: str) -> list[str]:
    chromium = os.environ.get("SIGNPOST_CHROMIUM") or shutil.which("chromium")
    faults: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": WIDTHS[0], "height": 900}).new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{site}/sign-in")
        _picture(page, "sign-in", faults)
        page.locator(f"button[name=role][value={role}]").click()
        seen, kinds, ahead = set(), Counter[str](), deque(["/", "/nowhere"])
        while ahead:
            path = ahead.popleft()
            kind = re.sub(r"(?<=/trials/)[^/?]+|\d+|\?.*", "*", path)
            if path in seen or kinds[kind] >= EACH:
                continue
            seen.add(path)
            kinds[kind] += 1
            page.set_viewport_size({"width": WIDTHS[0], "height": 900})
            page.goto(site + path)
            name = f"{role}{re.sub(r'[^a-z0-9]+', '-', path.lower()).rstrip('-')}"[:110]
            _picture(page, name, faults)
            for href in page.eval_on_selector_all("a[href]", "all => all.map(a => a.href)"):
                where = urlsplit(urldefrag(href).url)
                if href.startswith(site) and not _FILES.search(where.path):
                    ahead.append(where.path + (f"?{where.query}" if where.query else ""))
        browser.close()
    print(f"{len(seen)} pages of {len(kinds)} kinds seen as {role}", file=sys.stderr)
    return faults


def _picture(page: Page, name: str, faults: list[str]) -> None:
    """Keep what ``page`` shows at both widths, and note what is wrong with it."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=str(OUT / f"{name}-{width}.png"), full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            faults.append(f"{page.url} at {width}: wider than the screen")
    found = Axe().run(page)
    faults += [f"{page.url}: {v['id']}: {v['help']}" for v in found.response["violations"]]
    drawings = page.evaluate(
        "[...document.querySelectorAll('svg')].reduce((n, s) => n + s.outerHTML.length, 0)"
    )
    weight = page.evaluate("document.documentElement.outerHTML.length") - drawings
    if weight > 200_000:
        faults.append(f"{page.url}: {weight:,} characters without its drawings")


if __name__ == "__main__":
    main()
