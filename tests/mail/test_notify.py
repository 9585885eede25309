"""Mails by GOV.UK Notify: a server that speaks its API takes them, refuses them, or says nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from notify_server import KEY, NotifyServer
from sending import item, put

from trials import clock
from trials.mail import outbox
from trials.mail.settings import MailSettings, load
from web import present_mails
from web.mail.notify import Notify
from web.mail.postman import Postman

ANN = "ann@wychbridge.example"


@pytest.fixture(scope="module")
def listening():
    made = NotifyServer().start()
    yield made
    made.stop()


@pytest.fixture
def notify(listening):
    listening.taken.clear()
    listening.answers.clear()
    listening.status.clear()
    return listening


def settings_for(url):
    return MailSettings(way="notify", sender="signpost@wychbridge.example", notify_key=KEY,
                        notify_template="a-template", notify_url=url)  # fmt: skip


@pytest.fixture
def postman(sqlite_store, notify):
    return Postman(sqlite_store, {"mail": Notify(settings_for(notify.url), timeout=1)})


def test_a_message_goes_with_subject_text_number_and_the_link_that_stops_it(
    sqlite_store, notify, postman
):
    number = put(sqlite_store)
    assert postman.step()
    ((taken, body),) = notify.taken.items()
    found = item(sqlite_store, number)
    assert (found.state, found.reply) == ("sent", f"Notify {taken}")
    assert body["email_address"] == ANN
    assert body["template_id"] == "a-template"
    assert body["reference"] == found.message_id
    assert body["personalisation"]["subject"] == "A finding: 4 fewer calls"
    assert body["personalisation"]["body"].splitlines() == ["Hello", ".dot"]


@pytest.mark.parametrize(
    ("answer", "state", "rest", "says"),
    [
        (400, "failed", None, "Notify answered 400 ValidationError"),
        (403, "queued", 1, "Notify answered 403 AuthError"),
        (429, "queued", 1, "Notify answered 429 RateLimitError"),
    ],
)
def test_a_refusal_is_final_or_waited_out_as_notify_means_it_and_quotes_nobody(
    sqlite_store, notify, postman, time_, answer, state, rest, says
):
    notify.answers[:] = [answer]
    number = put(sqlite_store)
    postman.step()
    found = item(sqlite_store, number)
    assert (found.state, found.error) == (state, says)
    assert notify.taken == {}
    if rest is not None:
        assert found.due_at - clock.now() == timedelta(minutes=rest)
        time_.pass_(minutes=rest, seconds=1)
        postman.step()
        assert item(sqlite_store, number).state == "sent"
        assert len(notify.taken) == 1


@pytest.mark.parametrize("answer", ["lost", "garbled"])
def test_an_answer_that_is_lost_is_asked_for_and_nothing_is_sent_twice(
    sqlite_store, notify, postman, time_, answer
):
    notify.answers[:] = [answer]
    number = put(sqlite_store)
    postman.step()
    assert item(sqlite_store, number).state == "sent"
    time_.pass_(days=1)
    postman.round()
    assert not postman.step()
    assert len(notify.taken) == 1


@pytest.mark.parametrize("answer", [500, "slow"])
def test_what_notify_is_sure_not_to_have_had_is_sent_again(
    sqlite_store, notify, postman, time_, answer
):
    notify.answers[:] = [answer]
    number = put(sqlite_store)
    postman.step()
    assert item(sqlite_store, number).state == "doubtful"
    postman.round()
    postman.step()
    assert item(sqlite_store, number).state == "sent"
    assert len(notify.taken) == 1


def test_a_notify_that_cannot_be_reached_is_waited_for_and_leaves_no_doubt(
    sqlite_store, time_, listening
):
    gone = NotifyServer()
    gone._http.server_close()
    sender = Postman(sqlite_store, {"mail": Notify(settings_for(gone.url), timeout=1)})
    number = put(sqlite_store)
    sender.step()
    found = item(sqlite_store, number)
    assert (found.state, found.error) == ("queued", "Notify cannot be reached")


@pytest.mark.parametrize(
    ("status", "why"),
    [("permanent-failure", "does not exist"), ("temporary-failure", "three days"),
     ("technical-failure", "could not send it")],
)  # fmt: skip
def test_what_came_back_is_on_the_page_of_mails(sqlite_store, notify, postman, status, why):
    number = put(sqlite_store)
    postman.step()
    postman.round()
    assert item(sqlite_store, number).bounced_at is None
    notify.status[item(sqlite_store, number).message_id] = status
    postman.round()
    shown = present_mails.item(item(sqlite_store, number))
    assert shown.state == "Came back"
    assert why in shown.says
    with sqlite_store.read() as session:
        assert outbox.counts(session)["bounced"] == 1
    asked = notify.asked
    postman.round()
    assert notify.asked == asked, "what came back is not asked for again"


def test_the_settings_for_notify_are_asked_for_by_name():
    with pytest.raises(Exception, match="SIGNPOST_NOTIFY_KEY"):
        load({"SIGNPOST_MAIL_URL": "notify", "SIGNPOST_MAIL_FROM": "s@council.example"})
    found = load({"SIGNPOST_MAIL_URL": "notify", "SIGNPOST_MAIL_FROM": "s@council.example",
                  "SIGNPOST_NOTIFY_KEY": KEY, "SIGNPOST_NOTIFY_TEMPLATE": "t"})  # fmt: skip
    assert found.notify_url.startswith("https://api.notifications")
