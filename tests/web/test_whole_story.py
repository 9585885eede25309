"""The whole story in a real browser: from a hunch to a decision, by two people in the pages alone.

Only the worker and the clock are the test's: jobs are done by their own functions in this process,
so that weeks can pass between one page and the next.
"""

from __future__ import annotations

import csv
import io
import random
import re
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.serving import make_server

from trials import accounts, clock, jobs, settings
from trials.store import migrate
from trials.store.engine import Store
from web.app import create_app
from web.jobs import handlers

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OFFICER, MANAGER, ANALYST = (f"{name}@wychbridge.example" for name in ("olu", "mo", "ann"))
ROLES = {OFFICER: "officer", MANAGER: "approver", ANALYST: "analyst"}
PASSWORD = "correct horse battery"
CHATS = 1500
CALLS = {"own-words": 0.40, "what-happens-next": 0.20, "call-back": 0.36}
"""How often a chat is followed by a call: so far apart that 1,500 chats show it (z above 6)."""


class Council:
    """The installation: its address, its clock, and a worker that is told when to work."""

    def __init__(self, folder, monkeypatch):
        monkeypatch.setenv("SIGNPOST_HOME", str(folder))
        monkeypatch.setenv("SIGNPOST_DATABASE_URL", f"sqlite:///{folder / 'signpost.db'}")
        monkeypatch.setenv("SIGNPOST_SAMPLING", "off")
        monkeypatch.setenv("SIGNPOST_ORGANISATION", "Wychbridge Council")
        self.store = Store.open(f"sqlite:///{folder / 'signpost.db'}")
        migrate.upgrade(self.store)
        self.today("2026-03-02")
        with self.store.write() as session:
            for email, role in ROLES.items():
                accounts.add(session, email, name="", role=role, password=PASSWORD, actor="test")
        self.server = make_server("127.0.0.1", 0, create_app(settings.load()), threaded=True)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def today(self, day):
        """Ten in the morning of ``day``."""
        self.now = datetime.fromisoformat(f"{day}T10:00:00").replace(tzinfo=UTC)
        clock.set_source(lambda: self.now)

    def work(self):
        """Do every job that is due, mails apart."""
        while True:
            with self.store.write() as session:
                job = jobs.claim(session, "the story")
            if job is None:
                return
            if job.kind == "mail":
                result = {}
            else:
                place = handlers.HANDLERS[job.kind]
                result = handlers.handler(place, job.kind)(job, self.store, lambda *_: None)
            with self.store.write() as session:
                jobs.finish(session, job, result)


@pytest.fixture
def council(tmp_path, monkeypatch):
    made = Council(tmp_path, monkeypatch)
    yield made
    made.server.shutdown()
    clock.set_source(None)
    made.store.close()


@pytest.fixture
def signed_in(council, browser):
    """Somebody's browser, signed in by password: ``with signed_in(OFFICER) as page``."""

    @contextmanager
    def someone(email):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto(f"{council.address}/sign-in")
        page.get_by_label("E-mail address").fill(email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        yield page
        context.close()

    return someone


def units():
    """The chats, with what the plan and the wording need."""
    rng = random.Random(7)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["unit", "topic", "team", "has_email", "prior_contacts", "phone",
                     "what_has_been_done", "who", "do_what", "date", "link", "unresolved",
                     "slot_1", "slot_2"])  # fmt: skip
    for i in range(CHATS):
        writer.writerow([
            f"C{i:05d}", rng.choice(["waste", "council-tax", "other"]),
            rng.choice(["contact-centre", "other-officers"]), rng.choice(["yes", "no"]),
            rng.randrange(3), f"07700 {900000 + i:06d}", "we logged it", "the crew", "call",
            "Friday", "example.org", "yes", "9:00", "10:00",
        ])  # fmt: skip
    return out.getvalue().encode()


def contacts(arms):
    """Each chat's calls within the week, by the truth of its version."""
    rng = random.Random(11)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["contact_id", "occurred_at", "channel", "line", "handled", "phone"])
    for i, unit in enumerate(sorted(arms)):
        if rng.random() < CALLS[arms[unit]]:
            when = datetime(2026, 4, 14, 9, tzinfo=UTC) + timedelta(minutes=rng.randrange(7000))
            writer.writerow([f"K{i}", when.isoformat(), "phone", "Council Tax", "yes",
                             f"07700 {900000 + int(unit[1:]):06d}"])  # fmt: skip
    writer.writerow(["LAST", "2026-05-19T17:00:00+00:00", "phone", "Waste", "yes", ""])
    return out.getvalue().encode()


def outcomes(arms):
    """What the chat system knows: how long each chat took, and whether its visitor left."""
    rng = random.Random(12)
    rows = [f"{unit},{max(rng.gauss(12, 3), 1):.1f},{int(rng.random() < 0.03)}" for unit in arms]
    return "\n".join(["unit,chat-minutes,chat-left", *rows, ""]).encode()


def press(page, name):
    """Press the button of this name."""
    page.get_by_role("button", name=name, exact=True).click()


def hand_in(council, page, at, kind, data):
    """Upload a file, look at it, have it taken in; leaves the page of the job that did it."""
    page.goto(f"{at}/uploads/{kind}")
    page.locator("input[type=file]").set_input_files(
        {"name": f"{kind}.csv", "mimeType": "text/csv", "buffer": data}
    )
    page.locator("main form button").first.click()
    assert "077009" not in page.content()
    page.locator("main button[value=take]").click()
    council.work()
    page.reload()
    assert re.search(r"Refused\s+0", page.locator("main").inner_text())


def test_from_a_hunch_to_a_decision(council, signed_in):
    with signed_in(OFFICER) as page:
        page.get_by_role("link", name="Drafts", exact=True).first.click()
        page.get_by_role("button", name="Start a trial").click()
        page.get_by_label("Webchat: a structured close").check()
        page.get_by_label("Title", exact=True).fill("Webchat close, spring")
        press(page, "Start")
        draft = page.url

        page.goto(f"{draft}/versions")
        wording = page.get_by_label("Wording", exact=True).nth(1)
        wording.fill(wording.input_value() + "\nThank you for your patience.")
        press(page, "Save and continue")

        page.goto(f"{draft}/size")
        page.get_by_label("Share of chats this happens to now").fill("31")
        page.get_by_label("How many there are in a week").fill("400")
        press(page, "Save and show the size")
        assert re.search(r"About \w+ weeks at your volumes", page.locator("main").inner_text())

        page.goto(f"{draft}/dates")
        for end, (day, month) in (("First day", ("13", "4")), ("Last day", ("8", "5"))):
            group = page.get_by_role("group", name=end)
            for label, value in (("Day", day), ("Month", month), ("Year", "2026")):
                group.get_by_label(label).fill(value)
        press(page, "Save and continue")

        page.goto(f"{draft}/screening")
        questions = page.locator("main fieldset")
        for i in range(questions.count()):
            first = (
                questions.nth(i).locator("legend").inner_text().startswith("Is this new wording")
            )
            questions.nth(i).get_by_label("Yes" if first else "No", exact=True).check()
        page.get_by_label("What data about people are used").fill("Chat number, hashed, two years.")
        press(page, "Save and continue")

        page.goto(f"{draft}/check")
        press(page, "Ask for approval of this version")
        assert "waits for: Service manager" in page.locator("main").inner_text()

    with signed_in(MANAGER) as page:
        page.get_by_role("link", name="Webchat close, spring").first.click()
        page.get_by_label("Yes, I approve this version").check()
        press(page, "Sign")

    council.today("2026-04-10")
    with signed_in(OFFICER) as page:
        page.goto(f"{draft}/launch")
        press(page, "Launch and lock the plan")
        at = page.url
        assert "its plan is locked" in page.locator("main").inner_text()

    council.today("2026-04-13")
    with signed_in(OFFICER) as page:
        hand_in(council, page, at, "units", units())
        arms = {}
        for button in page.locator("main form[action*='/files/'] button").all():
            with page.expect_download() as waiting:
                button.click()
            with open(waiting.value.path(), newline="", encoding="utf-8") as file:
                arms |= {row["unit"]: row["arm"] for row in csv.DictReader(file)}
        assert len(arms) == CHATS
        page.goto(f"{at}/health")
        press(page, "Check now")
        council.work()
        page.goto(f"{at}/health")
        assert "The trial runs as planned" in page.locator("main").inner_text()
        page.goto(f"{at}/results")
        assert "The plan’s next look is on 8 May 2026" in page.locator("main").inner_text()

    council.today("2026-05-20")
    with signed_in(OFFICER) as page:
        hand_in(council, page, at, "contacts", contacts(arms))
        hand_in(council, page, at, "outcomes", outcomes(arms))
        page.goto(f"{at}/results")
        press(page, "Analyse")
        council.work()
        page.goto(f"{at}/results")
        said = page.locator("main").inner_text()
        assert "Roll out ‘Structured close’" in said.splitlines()[2]
        assert "Contacts really saved" in said
        page.goto(at)
        page.get_by_role("button", name="Stop for good").click()
        page.get_by_label("Why?").fill("It ran as long as planned.")
        press(page, "Stop the trial")

    with signed_in(ANALYST) as page:
        page.goto(f"{at}/posterior")
        assert "more than 99.9% likely" in page.locator("main").inner_text()
        page.goto(f"{at}/case")
        assert "Scale it up" in page.locator("main").inner_text()

    with signed_in(MANAGER) as page:
        page.goto(f"{at}/decision")
        page.get_by_label("Scale it up, on conditions").check()
        page.get_by_label("The reason, as it will be read by others").fill("It spares calls.")
        page.get_by_label("What is to be done").fill("Train both teams")
        page.get_by_label("Who does it").fill("Mo")
        for label, value in (("Day", "1"), ("Month", "7"), ("Year", "2026")):
            page.get_by_label(label, exact=True).fill(value)
        press(page, "Record the decision")
        page.goto(f"{at}/decision")
        said = page.locator("main").inner_text()
        assert "It spares calls." in said
        assert "Train both teams" in said
        page.goto(council.address)
        assert "Decided" in page.locator("main").inner_text()
