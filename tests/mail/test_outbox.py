"""Each message goes out once, over a real socket, whatever the server or the sender does."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from mail_server import Server, free_port, slow
from sending import item, put, settings_for

from trials import clock
from trials.mail import outbox
from web.mail.postman import Postman
from web.mail.transport import Smtp, stuffed

HERE = Path(__file__).parent
ANN, BOB = "ann@wychbridge.example", "bob@wychbridge.example"


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_mail_arrives_as_it_was_written_over_each_kind_of_connection(
    sqlite_store, tmp_path, security
):
    password = "" if security == "none" else "open sesame"
    server = Server(tmp_path, security=security, password=password).start()
    try:
        way = Smtp(settings_for(server, password=password), answer=5, take=5)
        number = put(sqlite_store, text="Hello\n.a line that begins with a dot\n..two\n")
        assert Postman(sqlite_store, {"mail": way}).step()
    finally:
        server.stop()
    ((to, signed_in, message),) = server.box.received
    assert to == [ANN]
    assert bool(signed_in) == (security != "none")
    assert message["To"] == ANN
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{item(sqlite_store, number).message_id}>"
    text = message.get_content().replace("\r\n", "\n")
    assert text == "Hello\n.a line that begins with a dot\n..two\n"
    assert item(sqlite_store, number).state == "sent"


def test_an_occasion_is_put_once_for_each_recipient_and_in_any_spelling(store):
    assert put(store) is not None
    assert put(store) is None
    assert put(store, "ANN@Wychbridge.example ") is None
    assert put(store, BOB) is not None
    assert put(store, occasion="weekly/2") is not None


def test_a_certificate_nobody_vouches_for_and_a_wrong_password_send_nothing(sqlite_store, server):
    for changes in ({"ca_file": ""}, {"password": "wrong"}, {"security": "tls"}):
        way = Smtp(settings_for(server, **changes), answer=2, take=2)
        number = put(sqlite_store, occasion=f"weekly/{changes}"[:40])
        Postman(sqlite_store, {"mail": way}).step()
        found = item(sqlite_store, number)
        assert found.state == "queued", found
        assert "mail server" in found.error
        assert "open sesame" not in found.error
    assert server.box.received == []


def test_a_server_that_offers_no_encryption_is_not_given_the_password(sqlite_store, tmp_path):
    server = Server(tmp_path, security="none", password="").start()
    try:
        way = Smtp(settings_for(server, security="starttls"), answer=2, take=2)
        number = put(sqlite_store)
        Postman(sqlite_store, {"mail": way}).step()
    finally:
        server.stop()
    assert item(sqlite_store, number).state == "queued"
    assert server.box.received == []


def test_greylisting_is_waited_out_and_one_refused_recipient_stops_nobody_else(
    store, server, postman, time_
):
    server.box.to = {ANN: ["451 4.7.1 greylisted, ann@wychbridge.example, come back"],
                     BOB: ["550 5.1.1 no such person bob@wychbridge.example"]}  # fmt: skip
    ann, bob = put(store, ANN), put(store, BOB)
    cat = put(store, "cat@wychbridge.example")
    while postman.step():
        pass
    waiting = item(store, ann)
    assert (waiting.state, waiting.due_at - clock.now()) == ("queued", timedelta(minutes=1))
    assert waiting.error == "451 4.7.1 greylisted, … come back"
    assert item(store, bob).state == "failed"
    assert "bob@" not in item(store, bob).error
    assert item(store, cat).state == "sent"
    time_.pass_(seconds=61)
    assert postman.step()
    assert item(store, ann).state == "sent"
    time_.pass_(days=30)
    assert not postman.step()
    assert len(server.box.received) == 2


def test_a_server_that_is_down_is_tried_again_with_growing_rests_then_given_up(
    store, time_, tmp_path
):
    server = Server(tmp_path)  # not started
    way = Smtp(settings_for(server), answer=1, take=1)
    postman = Postman(store, {"mail": way})
    number, rests = put(store), []
    while postman.step():
        found = item(store, number)
        rests.append((found.due_at - clock.now()) / timedelta(minutes=1))
        time_.at = found.due_at
    assert rests[:8] == [1, 5, 15, 30, 60, 120, 240, 240]
    assert sum(rests) <= 2 * 24 * 60 + 240
    found = item(store, number)
    assert found.state == "failed"
    assert found.error.startswith("given up after two days")
    server.start()
    try:
        with store.write() as session:
            outbox.requeue(session, number, actor="ann")
        assert postman.step()
        assert item(store, number).state == "sent"
    finally:
        server.stop()


def test_a_server_slower_than_the_patience_leaves_a_doubt_and_no_second_mail(
    store, server, postman, time_
):
    server.box.at_end = [slow(2)]
    number = put(store)
    impatient = Postman(store, {"mail": Smtp(settings_for(server), answer=3, take=0.5)})
    impatient.step()
    assert item(store, number).state == "doubtful"
    time_.pass_(days=1)
    assert not postman.step()
    server.box.at_end = [slow(0.5)]
    other = put(store, occasion="weekly/2")
    postman.step()
    assert item(store, other).state == "sent"


def test_a_sender_killed_at_any_point_sends_nothing_twice_and_loses_nothing(
    database_url, store, server
):
    """kill -9 before anything is given away, before the last dot, and between sent and recorded."""
    for point, state, again in (
        ("claimed", "sending", 1),
        ("dot", "handing", 0),
        ("sent", "handing", 0),
    ):
        before = len(server.box.received)
        number = put(store, occasion=f"kill/{point}")
        done = subprocess.run(
            [sys.executable, str(HERE / "killed_sender.py"), database_url, str(server.port),
             str(server.ca_file), point],
            check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == -9
        assert item(store, number).state == state
        arrived = len(server.box.received) - before
        assert arrived == (1 if point == "sent" else 0)
        _after_the_lease(store, server)
        assert len(server.box.received) - before - arrived == again
        # What is open is on view, and one decision away from being sent.
        left = item(store, number)
        assert left.state == ("sent" if point == "claimed" else "doubtful")
        if point == "dot":
            with store.write() as session:
                outbox.requeue(session, number, actor="ann")
            _after_the_lease(store, server)
            assert len(server.box.received) - before == 1
    numbers = [m["Message-ID"] for _, _, m in server.box.received]
    assert len(set(numbers)) == len(numbers) == 3


def test_with_resend_a_doubt_is_sent_again_under_the_same_number(database_url, store, server):
    put(store)
    subprocess.run([sys.executable, str(HERE / "killed_sender.py"), database_url,
                    str(server.port), str(server.ca_file), "sent"], check=False, timeout=60)  # fmt: skip
    _after_the_lease(store, server, resend=True)
    first, second = (m["Message-ID"] for _, _, m in server.box.received)
    assert first == second


def _after_the_lease(store, server, *, resend=False):
    now = clock.now() + timedelta(minutes=16)
    clock.set_source(lambda: now)
    try:
        way = Smtp(settings_for(server), answer=5, take=5)
        other = Postman(store, {"mail": way}, resend=resend)
        while other.step():
            pass
    finally:
        clock.set_source(None)


def test_many_senders_at_once_send_each_message_once(store, server):
    for n in range(30):
        put(store, f"person{n}@wychbridge.example")

    def work():
        way = Smtp(settings_for(server), answer=10, take=10)
        sender = Postman(store, {"mail": way})
        while sender.step():
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    to = sorted(t[0] for t, _, _ in server.box.received)
    assert to == sorted(f"person{n}@wychbridge.example" for n in range(30))


def test_a_sender_that_slept_past_its_lease_gives_nothing_away(sqlite_store, server, time_):
    """Its message is another's by then; the hand-over is refused before the last dot."""
    number = put(sqlite_store)
    way = Smtp(settings_for(server), answer=5, take=5)
    sleeper = Postman(sqlite_store, {"mail": way}, lease=timedelta(minutes=1))
    other = Postman(sqlite_store, {"mail": way}, lease=timedelta(minutes=1))
    body = way._body

    def sleepy(connection, message):
        body(connection, message)
        way._body = body
        time_.pass_(minutes=2)
        assert other.step()

    way._body = sleepy
    sleeper.step()
    assert item(sqlite_store, number).state == "sent"
    assert len(server.box.received) == 1


def test_addresses_and_texts_are_dropped_after_a_while_and_stay_known(
    store, time_, server, postman
):
    number = put(store)
    postman.step()
    time_.pass_(days=91)
    with store.write() as session:
        assert outbox.sweep(session) == 1
    found = item(store, number)
    assert (found.recipient, found.message) == (None, None)
    assert put(store) is None


def test_dots_and_ends_of_lines_travel_as_the_protocol_wants():
    assert stuffed(b"a\n.b\r\nc\r.") == b"a\r\n..b\r\nc\r\n..\r\n"
    assert free_port() != 0
