"""The mails themselves: what they say, to whom, when, and what they must not say."""

from __future__ import annotations

import email
import email.policy
import re
import time
from datetime import date
from pathlib import Path

import pytest
from council import keep_result, renamed, settings
from sample import early_result, letter_result, letter_trial

from analysis.report import mailed
from trials import accounts, registry
from trials.errors import SignpostError
from trials.mail import outbox, subscriptions, webhooks
from web.app import create_app
from web.jobs import mails
from web.mail.links import Links

MONDAY, NEXT = date(2026, 11, 30), date(2026, 12, 7)
ANN, MO, OUT = "ann@wychbridge.example", "mo@wychbridge.example", "clerk@elsewhere.example"


@pytest.fixture
def council(filled_store):
    """The council of the pages' tests with an analyst, a manager and a supplier."""
    with filled_store.write() as session:
        for address, role in ((ANN, "analyst"), (MO, "approver"), ("s@x.example", "supplier")):
            accounts.add(session, address, name="", role=role, password=None, actor="test")
    return filled_store


@pytest.fixture
def found(tmp_path):
    return settings(tmp_path)


def written(store, kind=None):
    with store.read() as session:
        return [i for i in outbox.latest(session) if kind in (None, i.kind)]


def parsed(item):
    return email.message_from_bytes(item.message, policy=email.policy.default)


def bodies(item):
    message = parsed(item)
    return [message.get_body((kind,)).get_content() for kind in ("plain", "html")]


def test_an_occasion_is_written_once_and_says_no_news_at_most_weekly(council, found, time_):
    assert mails.write(council, found, "weekly", MONDAY) == 1
    assert mails.write(council, found, "weekly", MONDAY) == 0
    (first,) = written(council)
    assert (first.recipient, first.news) == (ANN, True)
    time_.pass_(days=1)
    assert mails.write(council, found, "weekly", date(2026, 12, 1)) == 1
    assert written(council)[0].news is False
    time_.pass_(days=3)
    assert mails.write(council, found, "weekly", date(2026, 12, 4)) == 0
    time_.pass_(days=4)
    assert mails.write(council, found, "weekly", date(2026, 12, 8)) == 1
    assert written(council)[0].subject == "No news from your trials"


def test_a_manager_is_written_to_when_there_is_news(council, found, time_):
    assert mails.write(council, found, "manager", MONDAY) == 1
    assert mails.write(council, found, "manager", NEXT) == 0
    result = letter_result()
    result["checks"][0] |= {"key": "sample-ratio", "verdict": "fail", "says": "It is lopsided"}
    keep_result(council, "council-tax-reminder", result)
    assert mails.write(council, found, "manager", date(2026, 12, 14)) == 1
    text, html = bodies(written(council)[0])
    for body in (text, html):
        assert "The check of numbers in each arm has failed since." in body
        assert body.index("It is lopsided") < body.index(
            "The check of numbers in each arm has failed"
        )
    assert "do not act yet" in written(council)[0].subject


def test_before_a_look_a_mail_tells_of_health_alone(sqlite_store, found, time_):
    with sqlite_store.write() as session:
        accounts.add(session, ANN, name="", role="analyst", password=None, actor="test")
        registry.add(session, renamed(letter_trial(), "early"), actor="test")
        registry.row_of(session, "early").state = "live"
    result = {**letter_result(), "look": {"reached": False, "kind": "fixed", "next": "2026-12-24"}}
    result["metrics"][0]["contrasts"][0]["difference"]["estimate"] = -0.0777
    keep_result(sqlite_store, "early", result)
    mails.write(sqlite_store, found, "weekly", MONDAY)
    (item,) = written(sqlite_store)
    assert "results on 24 December 2026" in item.subject
    assert not [p for p in parsed(item).walk() if p.get_content_type() == "image/png"]
    for body in bodies(item):
        assert "withheld until the planned end on 24 December 2026" in body
        told = re.sub(r"<style>.*?</style>|http\S+", "", body, flags=re.DOTALL)  # drawn letters
        assert not re.search(r"fewer|78|7\.7|Roll out|did better", told)


def test_somebody_without_an_account_confirms_reads_the_report_as_it_was_and_stops(
    council, found, time_
):
    with council.write() as session:
        asked = subscriptions.ask(
            session, OUT, "quarterly", "trial:council-tax-reminder", actor="x"
        )
    mails.write(council, found, "quarterly", MONDAY)
    assert OUT not in {i.recipient for i in written(council)}
    with council.write() as session:
        subscriptions.confirm(session, asked.id)
    mails.write(council, found, "quarterly", NEXT)
    (item,) = [i for i in written(council) if i.recipient == OUT]
    assert set(item.basis) == {"council-tax-reminder"}
    text, _ = bodies(item)
    assert OUT not in text
    assert re.search(r"/m/report/\S+", text)
    with council.write() as session:
        subscriptions.end(session, asked.id, why="by its link")
    assert next(i for i in written(council) if i.recipient == OUT).state == "cancelled"
    mails.write(council, found, "quarterly", date(2026, 12, 14))
    assert len([i for i in written(council) if i.recipient == OUT]) == 1


def test_a_wish_of_before_sends_nothing_to_a_supplier_or_a_closed_account(council, found, time_):
    with council.write() as session:
        for address in ("s@x.example", MO):
            asked = subscriptions.ask(session, address, "weekly", "all", actor="x")
            subscriptions.confirm(session, asked.id)
        accounts.disable(session, MO, actor="x")
    mails.write(council, found, "weekly", MONDAY)
    assert {i.recipient for i in written(council)} == {ANN}


@pytest.mark.parametrize("url", [r"https://evil.example\.hooks.example/x",
                                 "https://hooks.example.evil.example/x"])  # fmt: skip
def test_a_webhook_goes_to_no_host_but_those_that_are_named(sqlite_store, url):
    with pytest.raises(SignpostError, match="not allowed"), sqlite_store.write() as session:
        webhooks.add(session, url, "json", hosts=("hooks.example",), actor="x")


def test_a_person_whose_role_asks_for_a_mail_can_stop_it_for_good(council, found, time_):
    mails.write(council, found, "weekly", MONDAY)
    (item,) = written(council)
    with council.write() as session:
        subscriptions.end(session, item.subscription_id, why="by its link")
    assert mails.write(council, found, "weekly", NEXT) == 0


def test_an_alarm_is_raised_once_an_episode_and_shows_no_effect(council, found, time_):
    broken = early_result()
    for check in broken["checks"]:
        if check["key"] == "sample-ratio":
            check |= {"verdict": "fail", "says": "The arms do not have their shares"}
    keep_result(council, "early-look", broken)
    assert mails.alert(council, found, "early-look") == 1
    keep_result(council, "early-look", broken)
    assert mails.alert(council, found, "early-look") == 0
    keep_result(council, "early-look", early_result())
    assert mails.alert(council, found, "early-look") == 0
    keep_result(council, "early-look", broken)
    assert mails.alert(council, found, "early-look") == 1
    subject = "Alert: An early look: people are not split as planned (sample ratio)"
    assert written(council)[0].subject == subject
    assert not re.search(r"fewer|more of every", bodies(written(council)[0])[0])


def test_a_link_serves_one_purpose_and_only_as_it_was_signed(found):
    links = Links(found.base_url, found.secret_key)
    token = links.to("stop", 7).rsplit("/", 1)[1]
    assert links.read("stop", token) == 7
    for purpose, given in (("report", token), ("stop", token[:-2]), ("stop", "7")):
        with pytest.raises(Exception, match="not complete"):
            links.read(purpose, given)


def test_one_click_stops_a_mail_without_cookies_and_opening_the_page_does_not(
    council, found, time_
):
    with council.write() as session:
        asked = subscriptions.ask(session, OUT, "quarterly", "all", actor="x")
        subscriptions.confirm(session, asked.id)
    mails.write(council, found, "quarterly", MONDAY)
    item = next(i for i in written(council) if i.recipient == OUT)
    message = parsed(item)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = message["List-Unsubscribe"].strip(" <>").removeprefix(found.base_url)
    client = create_app(found).test_client()
    assert client.get(path).status_code == 200
    read = re.search(r"/m/report/\S+", bodies(item)[0])[0]
    assert "sha256-" in client.get(read).headers["Content-Security-Policy"]
    with council.read() as session:
        assert subscriptions.load(session, asked.id).state == "active"
    done = client.post(path, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    with council.read() as session:
        assert subscriptions.load(session, asked.id).state == "ended"
    assert client.post(path + "x").status_code == 400


def broken_early(store):
    """Fail the split of two trials, so that both have an alert."""
    result = early_result()
    for check in result["checks"]:
        if check["key"] == "sample-ratio":
            check |= {"verdict": "fail", "says": "The arms do not have their shares"}
    for key in ("early-look", "on-hold"):
        keep_result(store, key, result)
        mails.alert(store, settings_of(store), key)


def settings_of(store):
    return settings(Path(store.url.database).parent)


def stop_path(item, found):
    return parsed(item)["List-Unsubscribe"].strip(" <>").removeprefix(found.base_url)


def test_one_click_in_an_alert_stops_the_alerts_of_that_trial_and_of_no_other(
    council, found, time_
):
    broken_early(council)
    first = next(i for i in written(council) if i.occasion.startswith("alert/early-look/"))
    client = create_app(found).test_client()
    page = client.get(stop_path(first, found)).text
    assert "Only about ‘An early look’" in page
    assert "About every trial" in page
    done = client.post(stop_path(first, found), data={"List-Unsubscribe": "One-Click"})
    assert "You are still told of other trials" in done.text
    assert "You are still told of other trials" in client.get(stop_path(first, found)).text
    states = {i.occasion.split("/")[1]: i.state for i in written(council)}
    assert states == {"early-look": "cancelled", "on-hold": "queued"}
    time_.pass_(days=1)
    for key in ("early-look", "on-hold"):  # an episode ends, and another begins
        keep_result(council, key, early_result())
    broken_early(council)
    assert [i.occasion.split("/")[1] for i in written(council)].count("on-hold") == 2
    assert [i.occasion.split("/")[1] for i in written(council)].count("early-look") == 1
    done = client.post(stop_path(first, found), data={"what": "all"})
    assert "You will not get this mail again" in done.text
    assert {i.state for i in written(council)} == {"cancelled"}


def test_a_mail_about_many_trials_can_be_kept_without_one_of_them(council, found, time_):
    mails.write(council, found, "weekly", MONDAY)
    (item,) = written(council)
    path, client = stop_path(item, found), create_app(found).test_client()
    assert '<option value="council-tax-reminder">' in client.get(path).text
    assert client.post(path, data={"what": "no-such-trial"}).status_code == 400
    assert client.post(path, data={"what": "council-tax-reminder"}).status_code == 200
    time_.pass_(days=7)
    mails.write(council, found, "weekly", NEXT)
    with council.read() as session:
        told = outbox.last_told(session, "weekly", ANN)
    assert told.occasion == f"weekly/{NEXT}"
    assert set(item.basis) - set(told.basis) == {"council-tax-reminder"}


def test_who_left_a_trial_out_and_is_asked_again_gets_it_back_by_saying_yes(council):
    with council.write() as session:
        asked = subscriptions.ask(session, OUT, "weekly", "all", actor="x")
        subscriptions.confirm(session, asked.id)
        subscriptions.leave_out(session, asked.id, "early-look", why="by its link")
        one = subscriptions.ask(session, OUT, "weekly", "trial:early-look", actor="x")

        def wants():
            (reader,) = [r for r in subscriptions.readers(session, "weekly") if r.email == OUT]
            return reader.wants("early-look", "")

        assert not wants()
        subscriptions.confirm(session, one.id)
        assert wants()


def test_stopping_the_only_trial_somebody_follows_stops_the_mail(council, found, time_):
    with council.write() as session:
        asked = subscriptions.ask(
            session, OUT, "quarterly", "trial:council-tax-reminder", actor="x"
        )
        subscriptions.confirm(session, asked.id)
    mails.write(council, found, "quarterly", MONDAY)
    item = next(i for i in written(council) if i.recipient == OUT)
    create_app(found).test_client().post(stop_path(item, found))
    with council.read() as session:
        assert outbox.load(session, item.id).state == "cancelled"
    with council.write() as session:
        assert OUT not in {r.email for r in subscriptions.readers(session, "quarterly")}


@pytest.mark.parametrize(("purpose", "days"), [("confirm", 7), ("report", 30)])
def test_a_link_that_reads_or_confirms_stops_working_after_its_days(
    found, purpose, days, monkeypatch
):
    links = Links(found.base_url, found.secret_key)
    token = links.to(purpose, 7).rsplit("/", 1)[1]
    stop = links.stop(7, "early-look").rsplit("/", 1)[1]
    made = time.time()
    monkeypatch.setattr(time, "time", lambda: made + days * 86400 - 60)
    assert links.read(purpose, token) == 7
    monkeypatch.setattr(time, "time", lambda: made + days * 86400 + 60)
    with pytest.raises(SignpostError, match="too old"):
        links.read(purpose, token)
    assert links.read_stop(stop) == (7, "early-look")


def test_a_finding_says_how_sure_it_is_and_how_many_are_still_to_come():
    result = letter_result()
    result["metrics"][0]["contrasts"][0]["posterior"]["probability_better"] = 0.934
    found = mailed.told(letter_trial(), "live", result, None).finding
    assert re.fullmatch(r"of every 1,000 \w+, about 20 fewer .+, 93% sure; 500 \w+ to go", found)
    assert mailed.told(letter_trial(), "stopped", result, None).finding.endswith(", 93% sure")
    worse = letter_result()
    contrast = worse["metrics"][0]["contrasts"][0]
    contrast["difference"] |= {"estimate": 0.02, "low": 0.008, "high": 0.032}
    contrast["posterior"]["probability_better"] = 0.03
    assert "more had" in mailed.told(letter_trial(), "stopped", worse, None).finding
    assert mailed.told(letter_trial(), "stopped", worse, None).finding.endswith(", 97% sure")
    for check in result["checks"]:
        check["verdict"] = "fail" if check["key"] == "sample-ratio" else check["verdict"]
    assert "sure" not in mailed.told(letter_trial(), "live", result, None).finding
