"""Webhooks as their receiver sees them: over TLS, signed, once, in the form it reads."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sqlalchemy as sa
import trustme
from council import keep_result, settings
from post import KEY, failing

from analysis.casework.decisions import Wish, decide
from trials import clock
from trials.mail import webhooks
from trials.store.tables import OutboxRow
from web.jobs import mails
from web.mail import notices, postman
from web.mail.links import Links
from web.mail.notices import Notice

NOTICE = Notice(kind="alert", trial="t", title="A <b>title</b> & more",
                says="The arms are not as large as planned.", link="https://s.example/trials/t")  # fmt: skip


class Receiver:
    """Checks each message as Standard Webhooks 1.0 tells receivers to; ``answers`` come first."""

    def __init__(self, authority):
        self.secret, self.answers, self.taken, self.refused = "", [], {}, []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://localhost:{self._http.server_port}/in"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._http.shutdown()
        self._http.server_close()

    def take(self, headers, body):
        number, at = headers["webhook-id"], headers["webhook-timestamp"]
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{number}.{at}.".encode() + body, hashlib.sha256).digest()
        good = hmac.compare_digest(f"v1,{base64.b64encode(signed).decode()}",
                                   headers["webhook-signature"])  # fmt: skip
        if not good or abs(clock.now().timestamp() - int(at)) > 300:
            self.refused.append(number)
            return 401
        self.taken.setdefault(number, []).append(json.loads(body))
        return self.answers.pop(0) if self.answers else 204


def _handler(receiver):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.take(self.headers, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    return Handler


@pytest.fixture
def receiver(tmp_path, monkeypatch):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    made = Receiver(authority)
    yield made
    made.stop()


@pytest.fixture
def told(receiver, store, tmp_path):
    """Settings that allow the receiver's host, and its webhook added."""
    found = settings(tmp_path)
    allowing = replace(found, mail=replace(found.mail, webhook_hosts=("localhost",)))
    with store.write() as session:
        hook = webhooks.add(session, receiver.url, "json", hosts=("localhost",), actor="x")
    receiver.secret = webhooks.secret(hook, allowing.secret_key)
    return allowing


def work(post):
    """Everything that is due."""
    while post.step():
        pass


def rows(store):
    with store.read() as session:
        return session.scalars(sa.select(OutboxRow).where(OutboxRow.channel == "webhook")).all()


def test_a_notice_is_signed_and_taken_once_and_sent_again_after_a_failure(
    store, told, receiver, time_
):
    for _ in range(2):
        with store.write() as session:
            notices.put(session, NOTICE, occasion="alert/t/1")
    receiver.answers = [503, 204]
    post = postman.of(store, told)
    work(post)
    (row,) = rows(store)
    assert row.state == "queued"
    time_.pass_(minutes=2)
    work(post)
    (row,) = rows(store)
    assert row.state == "sent"
    ((number, messages),) = receiver.taken.items()
    assert number == row.message_id
    assert [m["data"]["says"] for m in messages] == [NOTICE.says] * 2  # one number, to be dropped
    assert receiver.refused == []


def test_an_alert_and_a_decision_are_told_to_webhooks_once(filled_store, tmp_path, time_):
    made = settings(tmp_path)
    keep_result(filled_store, "early-look", failing("sample-ratio"))
    with filled_store.write() as session:
        webhooks.add(session, "https://localhost/in", "json", hosts=("localhost",), actor="x")
    for _ in range(2):
        mails.alert(filled_store, made, "early-look")
    wish = Wish(key=KEY, decision="stop", reason="it helped nobody", actor="x", reviewer="Head")
    links = Links(made.base_url, made.secret_key)
    with filled_store.write() as session:
        notices.decided(session, links, decide(session, wish), reason=wish.reason)
    alert, decision = (json.loads(row.message) for row in rows(filled_store))
    assert alert["type"] == "trial.alert"
    assert alert["data"]["link"].endswith("/trials/early-look")
    assert decision["type"] == "trial.decision"
    assert decision["data"]["says"] == "Stop. It helped nobody."


def test_a_receiver_with_another_secret_refuses_and_the_message_has_failed(
    store, told, receiver, time_
):
    receiver.secret = "whsec_" + base64.b64encode(b"another").decode()
    with store.write() as session:
        notices.put(session, NOTICE, occasion="alert/t/1")
    work(postman.of(store, told))
    (row,) = rows(store)
    assert row.state == "failed"
    assert "401" in row.error
    assert "/in" not in row.error


def test_a_webhook_taken_away_hears_nothing_more(store, told, receiver, time_):
    with store.write() as session:
        notices.put(session, NOTICE, occasion="alert/t/1")
        webhooks.end(session, 1, actor="x")
    work(postman.of(store, told))
    assert receiver.taken == {}
    with store.write() as session:
        assert notices.put(session, NOTICE, occasion="alert/t/2") == 0


def test_slack_and_teams_get_what_they_read():
    slack = json.loads(notices.body(NOTICE, "slack"))
    assert list(slack) == ["text"]
    assert "A &lt;b&gt;title&lt;/b&gt; &amp; more" in slack["text"]
    assert "<https://s.example/trials/t|Open the trial>" in slack["text"]
    teams = json.loads(notices.body(NOTICE, "teams"))
    assert teams["type"] == "message"
    (attached,) = teams["attachments"]
    assert attached["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attached["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert [b["text"] for b in card["body"]] == [NOTICE.title, NOTICE.says]
    assert card["actions"][0] == {"type": "Action.OpenUrl", "title": "Open the trial",
                                  "url": NOTICE.link}  # fmt: skip
