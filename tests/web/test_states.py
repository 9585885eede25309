"""Pages in states seldom looked at: refused forms, nothing yet, far too much; homes of every role."""

from __future__ import annotations

from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from signed import client_of, hidden

from trials.accounts import ROLES

NOWHERE = "http://signpost.test"
REFUSED = (
    ("/people", {"email": "nobody"}), ("/trials/over/results", {"cutoff": "soon"}),
    ("/trials/over/exploratory", {"measure": "none"}), ("/trials/over/posterior", {"seed": "x"}),
    ("/calendar", {}),
)  # fmt: skip
EMPTY = ("/drafts", "/ideas", "/learning", "/portfolio")
LONG = ("/trials/hostile", "/trials/hostile/results")

ONE_LINE = """[...document.querySelectorAll(".sp-pages__list, .govuk-breadcrumbs__list")]
  .every(row => row.offsetHeight < 50)"""


def states(app, empty_app):
    """Each state by name: the page as the application answers it."""
    boss = client_of(app, "administrator")
    for path, typed in REFUSED:
        form = hidden(boss.get(path))
        yield f"refused {path}", boss.post(path, data=form | typed)
    nobody = client_of(empty_app, "administrator")
    yield from ((f"empty {path}", nobody.get(path)) for path in EMPTY)
    yield from ((f"long {path}", boss.get(path)) for path in LONG)
    yield from ((f"home of {role}", client_of(app, role).get("/")) for role in ROLES)


def test_no_state_of_a_page_has_a_fault_that_axe_finds_or_is_wider_than_a_phone(
    app, empty_app, browser
):
    files = app.test_client()
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, shown = context.new_page(), {}

    def answer(route):
        path = urlsplit(route.request.url).path
        found = shown.get(path) or files.get(path)
        route.fulfill(status=200, body=found.data, content_type=found.content_type)

    page.route("**/*", answer)
    faults = []
    for number, (name, found) in enumerate(states(app, empty_app)):
        assert found.status_code == (400 if "refused" in name else 200) or (
            found.status_code == 422 and "refused" in name), (name, found.status)  # fmt: skip
        assert ("govuk-error-summary" in found.text) == ("refused" in name), name
        shown[f"/{number}"] = found
        page.goto(f"{NOWHERE}/{number}")
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            seen = Axe().run(page).response["violations"]
            faults += [f"{name} at {width}: {v['id']}: {v['nodes'][0]['html'][:120]}" for v in seen]
            if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                faults.append(f"{name} at {width}: wider than the screen")
            if width == 360 and not page.evaluate(ONE_LINE):
                faults.append(f"{name} at {width}: a row of pages or the breadcrumbs wrap")
    context.close()
    assert faults == []
