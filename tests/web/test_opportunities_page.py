"""The opportunity page: the published table recomputed, one's own table kept, ideas begun from it."""

from __future__ import annotations

import io
import os
from urllib.parse import parse_qs, urlsplit

import openpyxl
import pytest
from bs4 import BeautifulSoup
from council import settings
from seen import SITES, Seen, accessible, no_sideways_scroll
from signed import client_of, hidden, submit

from analysis.casework import reason_tables
from trials.drafting import ideas
from trials.store import migrate
from trials.store.engine import Store
from web.app import create_app

AT = "/opportunities/table"
OURS = """topic;reason;calls;no e-mail;avoidable_share;control;owner;agent
Waste;Missed bin;"1,200";300;0.4;controllable;Waste team;Pat
Council Tax;Balance;400;100;;influenceable;;Sam
"""


@pytest.fixture
def own(tmp_path):
    made = settings(tmp_path)
    store = Store.open(made.database_url)
    migrate.upgrade(store)
    store.close()
    return create_app(made)


def give(client, content, *, name="Wrap codes, spring", months="3", file="codes.csv"):
    data = content.encode() if isinstance(content, str) else content
    fields = {"file": (io.BytesIO(data), file), "name": name, "months": months}
    return submit(client, AT, fields, action=AT, content_type="multipart/form-data")


def soup(answer):
    return BeautifulSoup(answer.data, "html.parser")


def rows(answer):
    return {r.th.get_text(" ", strip=True).removesuffix(" : add an idea"):
            [c.get_text(strip=True) for c in r.find_all("td")]
            for r in soup(answer).select('[aria-label^="Reasons for calling"] tbody tr')}  # fmt: skip


def test_the_published_table_is_there_without_any_of_ones_own(own):
    page = client_of(own, "viewer").get("/opportunities")
    assert "Of 4,965 calls, 32.4% came from people without e-mail" in page.text
    assert "about 3,358 could be addressed" in page.text
    found = rows(page)
    assert len(found) == 23
    assert found["Waste Management: Waste Permit Scheme"][1] == "23.0% (14% to 35%)"
    assert AT not in page.text  # a viewer is shown no form


def test_the_stand_in_is_a_form_that_works_by_its_address_alone(own):
    client = client_of(own, "officer")
    half = client.get("/opportunities?truth=50&avoidable=40&by=control")
    assert f"about {4965 - 0.5 * 1607:,.0f} could be addressed" in half.text
    # 8% of 40% of what could be addressed: 133 calls, with a spread of 10 points either way.
    assert "would prevent about 133 calls" in half.text
    assert "50% (shown above)" in half.text
    assert soup(half).select_one("#truth")["value"] == "50"
    for wrong in ("150", "-1", "many", "nan", "1e999"):
        page = client.get("/opportunities", query_string={"truth": wrong})
        assert page.status_code == 200
        assert "Give a number from 0 to 100." in page.text
        assert "about 3,358 could be addressed" in page.text


def test_a_table_of_ones_own_is_kept_shown_and_feeds_the_backlog(own):
    client = client_of(own, "officer")
    done = give(client, OURS)
    assert done.status_code == 303
    page = client.get("/opportunities")
    assert "Wrap codes, spring: 3 months" in page.text
    assert "Columns passed over: agent" in page.text
    assert "Pat" not in page.text
    found = rows(page)
    assert found["Waste: Missed bin"][2].startswith("900 (")
    assert found["Waste: Missed bin"][4] == "Our own: Waste team"
    assert found["Council Tax: Balance"][3] == "Not judged"
    # 900 × 0.4 × 8% in three months is 115 a year.
    assert "would prevent about 115 calls a year" in page.text
    assert "1 of 2 reasons are not counted" in page.text
    link = next(a["href"] for a in soup(page).select("table a") if "Missed" in a.text)
    asked = {k: v[0] for k, v in parse_qs(urlsplit(link).query).items()}
    assert asked["volume"] == "3600"
    form = client.get(link)
    sent = client.post("/ideas/new", data={**hidden(form, "/ideas/new"), **asked,
                                           "effort": "small", "status": "new"})  # fmt: skip
    assert sent.status_code == 303
    with own.extensions["store"].read() as session:
        (kept,) = ideas.ranked(session)
    assert (kept.idea.title, kept.idea.service, kept.idea.volume, kept.idea.control) == (
        "Waste: Missed bin", "Waste", 3600, "controllable")  # fmt: skip
    assert "1,200 calls in Wrap codes, spring" in kept.idea.why
    assert "Of 4,965 calls" in client.get("/opportunities?table=published").text
    assert client.get("/opportunities?table=99").status_code == 404


def test_the_same_table_is_kept_once_and_a_workbook_is_as_good(own):
    client = client_of(own, "officer")
    first = give(client, OURS)
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in (("Topic", "Reason", "Calls", "No e-mail", "Avoidable share", "Control", "Owner"),
                ("Waste", "Missed bin", 1200, 300, 0.4, "controllable", "Waste team"),
                ("Council Tax", "Balance", 400, 100, None, "influenceable", None)):  # fmt: skip
        book.active.append(row)
    book.save(file)
    again = give(client, file.getvalue(), name="The same", file="codes.xlsx")
    assert again.headers["Location"] == first.headers["Location"]
    assert "here already, as “Wrap codes, spring”" in client.get(again.headers["Location"]).text
    other = give(client, OURS, months="6", name="")
    assert other.headers["Location"] != first.headers["Location"]
    with own.extensions["store"].read() as session:
        assert [n.name for n in reason_tables.names(session)] == ["codes.csv", "Wrap codes, spring"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("topic,reason,calls\na,b,1\n", "Line 1: has no column no_email"),
        ("topic,reason,calls,no_email\n", "The table: has no rows"),
        ("topic,reason,calls,no_email\na,b,#####,1\n", "Line 2: calls is empty"),
        ("topic,reason,calls,no_email\na,b,1.5,1\n", "Line 2: calls is not a whole number"),
        ("topic,reason,calls,no_email\na,b,many,1\n", "Line 2: calls is not a number"),
        ("topic,reason,calls,no_email\na,b,3,4\n", "Line 2: 4 of 3 calls cannot be without e-mail"),
        ("topic,reason,calls,no_email\na,b,3,1\nA,b ,4,1\n", "the topic and reason of line 2"),
        ("topic,reason,calls,no_email\na,01494 123456 99,3,1\n", "Line 2: reason is "),
        ("topic,reason,calls,no_email,avoidable_share\na,b,3,1,40\n", "40 ≤ 1 does not hold"),
        ("topic,reason,calls,no_email,avoidable_low\na,b,3,1,0.4\n", "avoidable_share is empty"),
        ("topic,reason,calls,no_email,control\na,b,3,1,ours\n", "control is not one of"),
        ('topic,reason,calls,no_email\n"a,b,3,1\n', "quotation marks"),
        (b"PK\x03\x04not a workbook", "workbook"),
        ("", "no header row"),
    ],
)
def test_a_table_with_a_fault_is_refused_in_words_and_nothing_is_kept(own, content, says):
    client = client_of(own, "officer")
    refused = give(client, content)
    assert 400 <= refused.status_code < 500
    told = soup(refused).select_one(".govuk-error-summary a")
    assert says in told.text
    assert told["href"] == "#file"
    assert "01494" not in refused.text
    with own.extensions["store"].read() as session:
        assert reason_tables.names(session) == ()


def test_every_fault_of_a_table_is_listed_and_so_is_what_the_form_lacks(own):
    client = client_of(own, "officer")
    both = give(client, "topic,reason,calls,no_email\na,,1,1\nb,c,x,0\n")
    assert "2 things are wrong with the table" in both.text
    assert "line 2: reason is empty" in both.text
    assert "line 3: calls is not a number" in both.text
    for months in ("", "0", "-3", "nan", "three", "1e9"):
        assert "Say how many months" in give(client, OURS, months=months).text
    assert "Choose the table." in give(client, OURS, file="").text
    assert client_of(own, "viewer").get(AT).status_code == 403


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 360])
def test_the_pages_are_accessible_fit_and_need_no_scripts(browser, site, width):
    officer = client_of(SITES[site], "officer")
    give(officer, OURS)
    with Seen(browser, width, "officer", java_script_enabled=width == 1280) as seen:
        page = seen.open(f"{site}/opportunities?table=published")
        if width == 1280:  # the slider, by keyboard: ten steps of five down
            slider = page.get_by_role("slider")
            for _ in range(10):
                slider.press("ArrowLeft")
        else:
            page.locator("#truth").fill("50")
            page.get_by_role("button", name="Work it out again").press("Enter")
        page.wait_for_url("**truth=50*")
        assert "about 4,162 could be addressed" in page.locator("main").inner_text()
        shown(page, width, "published")
        page = seen.open(f"{site}/opportunities")
        shown(page, width, "ours")
        page = seen.open(site + AT)
        page.get_by_role("button", name="Keep the table").press("Enter")
        assert "Choose the table." in page.locator("main").inner_text()
        shown(page, width, "form")
        assert seen.said == [] or width == 360 or all("422" in m for m in seen.said)


def shown(page, width, name):
    if folder := os.environ.get("SIGNPOST_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{width}-opportunities-{name}.png", full_page=True)
    if width == 1280:
        accessible(page)
        no_sideways_scroll(page)
    else:
        # Without scripts nothing can be asked of the page: a page that is too wide draws wider.
        assert page.locator("body").bounding_box()["width"] <= width
