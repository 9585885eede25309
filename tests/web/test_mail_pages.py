"""The page of mails: sending again what is in doubt, previews, and asking people outside."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from dataclasses import replace

import pytest
import sqlalchemy as sa
from council import fill, settings
from signed import client_of, submit

from trials import clock
from trials.mail import outbox, subscriptions
from trials.mail.settings import MailSettings
from trials.store import migrate
from trials.store.engine import Store
from trials.store.tables import OutboxRow, RunRow, SentReportRow
from web.app import create_app
from web.mail.links import Links

CLERK = "clerk@elsewhere.example"


@pytest.fixture(scope="module")
def posting(tmp_path_factory):
    """An application that may send mail, with the council's trials."""
    made = settings(tmp_path_factory.mktemp("mails"))
    store = Store.open(made.database_url)
    migrate.upgrade(store)
    fill(store)
    store.close()
    return create_app(replace(made, mail=MailSettings(way="folder", sender="s@council.example")))


def test_somebody_outside_gets_mail_only_after_saying_yes_by_the_link(posting):
    store, client = posting.extensions["store"], client_of(posting, "administrator")
    asked = {"email": CLERK, "kind": "quarterly", "scope": "all"}
    assert submit(client, "/mails", {**asked, "email": "clerk"}).status_code >= 400
    assert submit(client, "/mails", asked).status_code == 303
    assert submit(client, "/mails", asked).status_code == 303
    with store.write() as session:
        (item,) = outbox.latest(session)
        assert CLERK not in {r.email for r in subscriptions.readers(session, "quarterly")}
    body = email.message_from_bytes(item.message, policy=email.policy.default).get_content()
    path = re.search(r"/m/confirm/\S+", body).group()
    outside = posting.test_client()
    assert b"Do you want this mail?" in outside.get(path).data
    with store.read() as session:
        assert subscriptions.load(session, item.subscription_id).state == "asked"
    assert b"You will get this mail" in outside.post(path).data
    with store.write() as session:
        assert CLERK in {r.email for r in subscriptions.readers(session, "quarterly")}
    assert CLERK in client.get("/mails").text
    assert submit(client, "/mails", {**asked, "kind": "reminder"}).status_code == 400
    assert '<option value="reminder"' not in client.get("/mails").text


def test_a_message_in_doubt_is_sent_again_when_somebody_says_so(posting):
    store, client = posting.extensions["store"], client_of(posting, "administrator")
    with store.write() as session:
        number = outbox.put(session, outbox.Letter(
            occasion="doubt", kind="weekly", recipient="ann@wychbridge.example", subject="News",
            message=b"x", message_id="1@council.example", basis={},
        ))  # fmt: skip
        session.execute(sa.update(OutboxRow).where(OutboxRow.id == number)
                        .values(state="doubtful", error="no answer came"))  # fmt: skip
    assert "No answer came" in client.get("/mails").text
    path = f"/mails/{number}/again"
    assert submit(client, "/mails", {}, action=path).status_code == 303
    with store.read() as session:
        assert outbox.load(session, number).state == "queued"
    assert path not in client.get("/mails").text


def test_the_question_to_somebody_outside_can_be_looked_at_and_its_link_confirms_nothing(posting):
    client = client_of(posting, "administrator")
    page = client.get("/mails/preview/confirm")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "If you do not want it, do nothing" in page.text
    link = re.search(r"/m/confirm/[^\s<]+", page.text).group()
    assert posting.test_client().get(link).status_code == 400
    assert 'href="/mails/preview/confirm"' in client.get("/mails").text


@pytest.mark.parametrize("kind", subscriptions.KINDS)
def test_every_mail_can_be_looked_at_and_looking_writes_nothing(posting, kind):
    store, client = posting.extensions["store"], client_of(posting, "administrator")
    with store.read() as session:
        before = outbox.counts(session)
    page = client.get(f"/mails/preview/{kind}")
    assert page.status_code == 200
    assert "nobody reads the answers" in page.text
    assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
    with store.read() as session:
        assert outbox.counts(session) == before


def test_a_report_that_is_not_what_was_sent_is_said_to_be_so_and_not_shown(posting):
    content = b"<html><style></style>as it was sent</html>"
    made = posting.extensions["settings"]
    with posting.extensions["store"].write() as session:
        run = session.scalars(sa.select(RunRow).order_by(RunRow.id).limit(1)).one()
        row = SentReportRow(
            trial_id=run.trial_id, run_id=run.id, content=content, at=clock.now(),
            digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        )  # fmt: skip
        session.add(row)
        session.flush()
        number = row.id
    address = Links(made.base_url, made.secret_key).to("report", number)
    path = "/m/report/" + address.rpartition("/")[2]
    outside = posting.test_client()
    assert outside.get(path).data == content
    with posting.extensions["store"].write() as session:
        session.get(SentReportRow, number).content = content.replace(b"sent", b"lost")
    answer = outside.get(path)
    assert answer.status_code == 409
    assert "no longer what was sent" in answer.text
    assert "as it was lost" not in answer.text
