"""A report is one page that travels alone and says everything a reader may ask."""

from __future__ import annotations

import base64
import copy
import hashlib
import html
import json
import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from bs4 import BeautifulSoup
from sample import (
    ONE_THING,
    donor_result,
    donor_trial,
    early_result,
    letter_result,
    letter_trial,
    variant,
)

from analysis.report import words
from analysis.report.html import policy, report_html
from trials import resources

NOW = datetime(2026, 7, 20, 9, 30, tzinfo=UTC)
CSS = ".sp-hero{color:#fff}"
CASES = {
    "letter": (letter_trial(), letter_result()),
    "donor": (donor_trial(), donor_result()),
    "early": (letter_trial(), early_result()),
    "unclear": (letter_trial(), variant(-0.004, 0.012)),
    "bare": (letter_trial(), {"trial": "council-tax-reminder", "metrics": []}),
}


def page(case, css=CSS):
    trial, result = CASES[case]
    return report_html(trial, result, css=css, generated_at=NOW, organisation="Wychbridge Council")


@pytest.fixture(scope="module")
def letter():
    return BeautifulSoup(page("letter"), "html.parser")


@pytest.mark.parametrize("case", CASES)
def test_a_report_asks_nothing_of_the_network_and_runs_nothing(case):
    made = page(case, resources.asset_text("report.css"))
    # The name of the SVG language and the style sheet's selectors for links are no addresses.
    made = re.sub(r'xmlns="http://www.w3.org/2000/svg"|\[href\^="https?://"\]', "", made)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", made)
    assert not re.search(r"<(script|link|iframe|img|object|embed)\b|\son\w+=|\bstyle=", made)


def test_its_policy_admits_its_own_style_and_nothing_else():
    digest = base64.b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    meta = BeautifulSoup(page("letter"), "html.parser").find(
        "meta", attrs={"http-equiv": "Content-Security-Policy"}
    )
    assert meta["content"] == policy(CSS)
    assert f"style-src 'sha256-{digest}'" in meta["content"]
    assert meta["content"].startswith("default-src 'none'")


@pytest.mark.parametrize("case", CASES)
def test_it_opens_with_the_sentence_and_holds_no_debris(case):
    trial, result = CASES[case]
    soup = BeautifulSoup(page(case), "html.parser")
    assert soup.h1.get_text() == words.headline(trial, result)
    assert len(soup.find_all("h1")) == 1
    text = soup.main.get_text(" ")
    assert not re.search(r"\b(nan|None|inf|Undefined)\b", text)


def test_headings_never_skip_a_level(letter):
    levels = [int(h.name[1]) for h in letter.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_contents_link_leads_somewhere(letter):
    targets = [a["href"][1:] for a in letter.nav.find_all("a")]
    assert len(targets) >= 9
    assert all(letter.find(id=target) for target in targets)


def test_every_chart_stands_with_its_sentence_and_its_table(letter):
    figures = letter.find_all("figure", class_="sp-chart")
    assert len(figures) == 5
    for figure in figures:
        assert figure.find("figcaption").p.get_text(strip=True)
        assert figure.find("table").find("tbody").find("tr")
        assert len(figure.find_all("svg")) == 2


def test_natural_frequencies_are_on_the_page(letter):
    text = letter.find(id="in-people").parent.get_text(" ", strip=True)
    assert "about 120 of every 1,000 accounts" in text
    assert "about 100 of every 1,000 accounts" in text


def test_wording_is_printed_word_for_word(letter):
    assert ONE_THING in [pre.get_text() for pre in letter.find_all("pre")]


def test_planned_against_actual_lists_every_row_and_every_amendment(letter):
    text = letter.find(id="plan").parent.get_text(" ", strip=True)
    plan = letter_result()["plan"]
    for row in plan["planned_against_actual"]:
        assert row["item"] in text
        assert row["actual"] in text
    assert "Amendment 1" in text
    assert "before the first outcome" in text
    for kept in (plan["hash"], plan["seed_commitment"], str(plan["seed"])):
        assert kept in text


def test_the_method_checks_guardrails_and_provenance_are_there(letter):
    text = letter.main.get_text(" ", strip=True)
    for said in ("intention to treat", "Numbers in each arm", "is not ruled out", "Holm",
                 "Versions and hashes", "0.1.0", "The end of 14 July 2026", "20 July 2026 at 10:30am"):  # fmt: skip
        assert said in text


def test_changes_of_a_plan_are_told_before_and_after():
    result = copy.deepcopy(letter_result())
    result["plan"]["amendments"][0]["changes"] = [
        {"what": "analysis.alpha", "before": 0.05, "after": 0.01},
        {"what": "analysis.segments", "before": None, "after": ["band", "ward"]},
    ]
    made = report_html(letter_trial(), result, css=CSS, generated_at=NOW)
    assert "How often a difference may be found where there is none: 5% became 1%" in made
    assert "Groups you will look at separately: nothing became band and ward" in made


def test_whoever_writes_markup_into_a_trial_sees_it_as_text():
    attack = "<img src=x onerror=alert(1)>"
    trial = letter_trial()
    arms = tuple(a.model_copy(update={"title": attack, "wording": attack}) for a in trial.arms)
    about = trial.about.model_copy(update={"title": attack, "hypothesis": attack})
    trial = trial.model_copy(update={"arms": arms, "about": about})
    result = json.loads(json.dumps(letter_result()).replace("print house", "<b>print</b>"))
    made = report_html(trial, result, css=CSS, generated_at=NOW)
    assert "<img" not in made
    assert "<b>" not in made
    assert html.escape(attack) in made


def test_the_style_sheet_that_travels_prints_and_uses_no_typeface_of_the_government():
    css = resources.asset_text("report.css")
    assert "@media print" in css
    assert "@page" in css
    assert "transport" not in css.lower()
    assert "crown" not in css.lower()
    assert len(page("letter", css)) < 250_000
