"""What other programs read: tables, decisions as RSS, dates as iCalendar."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from council import settings
from icalendar import Calendar
from signed import client_of, submit

from analysis import study
from analysis.casework import decisions, steps
from analysis.report import feed
from trials import accounts, apikeys, lifecycle, registry
from trials.definition import toml
from trials.importing import assignments, outcomes
from trials.people.identifiers import Hasher
from trials.schedules import book
from trials.schedules.rules import Rule
from trials.store import migrate
from trials.store.engine import Store
from web.app import create_app

PLAN = """
[trial]
key = "{key}"
title = "=Lead with the one thing to do"
unit = "account"
starts = 2026-04-01
ends = {ends}
[[arms]]
key = "c"
control = true
[[arms]]
key = "t"
[[metrics]]
key = "paid"
role = "primary"
kind = "proportion"
source = "outcomes"
better = "higher"
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feeds")
    made = settings(folder)
    store, hasher = Store.open(made.database_url), Hasher(made.identifier_key)
    migrate.upgrade(store)
    app = create_app(made)
    for key, ends in (("over", "2026-04-30"), ("early", "2026-12-31")):
        with store.write() as session:
            registry.add(session, toml.read(PLAN.format(key=key, ends=ends)), actor="test")
            lifecycle.launch(session, key, actor="test")
        given, paid = folder / "given.csv", folder / "paid.csv"
        given.write_text("unit,arm,assigned_at\n" + "".join(
            f"U{i},{'ct'[i % 2]},2026-04-01\n" for i in range(200)))  # fmt: skip
        paid.write_text("unit,paid\n" + "".join(
            f"U{i},{int(i % (3 + i % 2) == 0)}\n" for i in range(200)))  # fmt: skip
        assignments.add(store, key, given, hasher=hasher, actor="test")
        outcomes.add(store, key, paid, hasher=hasher, actor="test")
        study.analyse(store, study.Order(key=key, cutoff=study.cutoff_of("2026-05-20")))
    with store.write() as session:
        lifecycle.stop(session, "over", reason="it ended", actor="test")
        wish = decisions.Wish(key="over", decision="stop", reason="It pays for nobody.",
                              reviewer="Head of Revenues", actor="head@wychbridge.example")  # fmt: skip
        decisions.decide(session, wish)
        steps.set_step(session, "over", what="Tell the printers", owner="Sam", due=date(2026, 12, 9),
                       actor="test")  # fmt: skip
        row = registry.row_of(session, "early")
        rule = Rule(every="once", at="08:00", first=date(2027, 1, 4))
        book.sync(
            session, [book.Wanted(key="trial/early/end", kind="end", rule=rule, trial_id=row.id)]
        )
    yield app
    app.extensions["online"].close()


@pytest.fixture(scope="module")
def read_key(app):
    with app.extensions["store"].write() as session:
        return apikeys.add(session, "Power BI", ["read"], actor="test")[1]


def table(app, key, name):
    client = app.test_client()
    answer = client.get(f"/api/v1/tidy/{name}", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer


def test_effects_are_the_results_own_and_columns_are_in_the_dictionary(app, read_key):
    text = table(app, read_key, "effects.csv").get_data(as_text=True)
    rows = pd.read_csv(io.StringIO(text))
    assert list(rows.columns) == list(feed.EFFECTS)
    told = rows[(rows.trial == "over") & (rows.estimand == "difference")].iloc[0]
    treated = sum(i % 4 == 0 for i in range(200) if i % 2) / 100
    control = sum(i % 3 == 0 for i in range(200) if not i % 2) / 100
    assert told.estimate == pytest.approx(treated - control)
    assert told.low < told.estimate < told.high
    meanings = pd.read_csv(
        io.StringIO(table(app, read_key, "dictionary.csv").get_data(as_text=True))
    )
    assert set(meanings[meanings.table == "effects"].column) == set(rows.columns)
    assert meanings.means.str.len().min() > 10


def test_arms_add_up_and_json_says_the_same(app, read_key):
    rows = pd.read_csv(io.StringIO(table(app, read_key, "arms.csv").get_data(as_text=True)))
    over = rows[rows.trial == "over"]
    assert dict(zip(over.arm, over.units, strict=True)) == {"c": 100, "t": 100}
    same = table(app, read_key, "arms.json").get_json()["rows"]
    assert [r["mean"] for r in same if r["trial"] == "over"] == pytest.approx(list(over["mean"]))


def test_nothing_of_an_effect_is_told_before_the_look(app, read_key):
    for name in ("effects.csv", "arms.csv"):
        text = table(app, read_key, name).get_data(as_text=True)
        early = [r for r in csv.DictReader(io.StringIO(text)) if r["trial"] == "early"]
        assert early
        figures = ("estimate", "low", "high", "p", "mean", "sd", "probability_better")
        assert not any(r.get(f) for r in early for f in figures)
        assert all("withheld" in r["absent"] for r in early)


def test_a_title_cannot_run_as_a_formula(app, read_key):
    text = table(app, read_key, "effects.csv").get_data(as_text=True)
    assert all(r["title"].startswith("'=") for r in csv.DictReader(io.StringIO(text)))


def test_without_a_key_there_is_nothing(app):
    assert app.test_client().get("/api/v1/tidy/effects.csv").status_code == 401


def test_decisions_and_dates_come_without_signing_in_until_the_account_closes(app):
    client = client_of(app, "viewer")
    page = client.get("/feeds").get_data(as_text=True)
    news, dates = re.findall(r"http://localhost(/feeds/\S+?/(?:decisions\.rss|dates\.ics))", page)
    reader = app.test_client()
    rss = ET.fromstring(reader.get(news).data)
    item = rss.find("channel/item")
    assert item.findtext("title") == "=Lead with the one thing to do: stop"
    assert item.findtext("description") == "It pays for nobody."
    events = Calendar.from_ical(reader.get(dates).data).walk("VEVENT")
    found = {str(e["summary"]): e.decoded("dtstart") for e in events}
    assert found["Tell the printers (over)"] == date(2026, 12, 9)
    assert found["End of the trial: early"] == datetime(2027, 1, 4, 8, tzinfo=UTC)
    assert "wychbridge.example" not in reader.get(news).get_data(as_text=True)
    with app.extensions["store"].write() as session:
        accounts.disable(session, "viewer@wychbridge.example", actor="test")
    assert reader.get(news).status_code == reader.get(dates).status_code == 404
    assert (
        reader.get(news.replace("decisions", "x").replace("/feeds/", "/feeds/a")).status_code == 404
    )


def test_new_addresses_end_those_before(app):
    client, reader = client_of(app, "analyst"), app.test_client()

    def addresses():
        page = client.get("/feeds").get_data(as_text=True)
        return re.findall(r"http://localhost(/feeds/\S+?/(?:decisions\.rss|dates\.ics))", page)

    before = addresses()
    assert addresses() == before
    assert submit(client, "/feeds", {}, action="/feeds/renew").status_code == 303
    after = addresses()
    assert [reader.get(a).status_code for a in before + after] == [410, 410, 200, 200]
