"""A council in which there is something to write of, and every mail of it through a real server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from council import fill, keep_result, settings
from sample import letter_result
from sending import settings_for

from analysis.casework import benefits, decisions, steps
from analysis.casework.benefits import Advance
from analysis.scaling.realisation import Event
from trials import accounts, clock
from trials.mail import outbox, subscriptions
from trials.store.engine import Store
from web.jobs import mails, reminders
from web.mail import invitation
from web.mail.postman import Postman
from web.mail.transport import Smtp

MONDAY = date(2026, 11, 30)
AT = datetime(2026, 11, 30, 7, 30, tzinfo=UTC)
ANN, MO, OUT = "ann@wychbridge.example", "mo@wychbridge.example", "clerk@elsewhere.example"
KEY = "council-tax-reminder"
SEEN = "seen@wychbridge.example"


def decided(store):
    """A decision, a benefit from claim to ledger, and next steps early and late."""
    with store.write() as session:
        decisions.decide(session, decisions.Wish(
            key=KEY, decision="scale-with-conditions", reason="Fewer calls, nobody worse off",
            actor=ANN, reviewer="Head of Revenues"))  # fmt: skip
        for stage, pounds, by in (("forecast", 42_000, "Ann"), ("agreed", 36_000, "Finance"),
                                  ("budget-line-removed", 20_000, "Finance"),
                                  ("verified", 18_500, "Audit")):  # fmt: skip
            benefits.advance(session, Advance(key=KEY, title="Fewer calls", actor=ANN, event=Event(
                stage=stage, pounds=pounds, on=date(2026, 11, 20), by=by, evidence="Ledger",
                budget_line="CT-4410")))  # fmt: skip
        for what, owner, due in (("Brief the Customer First Board", "Ann Smith", date(2026, 12, 3)),
                                 ("Tell the printer", ANN, date(2026, 11, 23))):  # fmt: skip
            steps.set_step(session, KEY, what=what, owner=owner, due=due, actor=ANN)


def failing(key):
    """A result with one check failed."""
    result = letter_result()
    for check in result["checks"]:
        if check["key"] == key:
            check |= {"verdict": "fail", "says": "It is not as it was planned"}
    return result


def harmful():
    """A result that has reached the plan's limit for harm, and crossed a guardrail."""
    result = letter_result()
    result["metrics"][0]["contrasts"][0]["posterior"]["probability_better"] = 0.001
    result["metrics"][3]["contrasts"][0]["difference"] |= {
        "estimate": -0.2, "low": -0.22, "high": -0.18}  # fmt: skip
    return result


def people(store):
    with store.write() as session:
        for address, name, role in ((ANN, "Ann Smith", "analyst"), (MO, "Mo Khan", "approver")):
            accounts.add(session, address, name=name, role=role, password=None, actor="test")


def council(store):
    """The council of the pages' tests, with people, a decision, and trials in trouble."""
    fill(store)
    people(store)
    result = letter_result()
    result["units"] |= {"matured": 10_000, "maturing": 0}
    keep_result(store, KEY, result)
    decided(store)
    for key, made in (("early-look", failing("sample-ratio")), ("on-hold", harmful()),
                      ("fresh", failing("data-freshness"))):  # fmt: skip
        keep_result(store, key, made)


def write_all(store, found):
    """Every kind of mail into the outbox."""
    for kind in ("weekly", "manager", "monthly", "quarterly"):
        mails.write(store, found, kind, MONDAY)
    for key in ("early-look", "on-hold", "fresh"):
        mails.alert(store, found, key)
    reminders.write(store, found, MONDAY)
    with store.write() as session:
        asked = subscriptions.ask(session, OUT, "quarterly", "all", actor="x")
        subscriptions.confirm(session, asked.id)
        invitation.invite(session, found, "new@elsewhere.example", "monthly", "all", actor="x")
    mails.write(store, found, "quarterly", MONDAY)


def received(store: Store, folder, server):
    """Every mail as it arrived, by its kind; the alerts by what they warn of."""
    clock.set_source(lambda: AT)
    try:
        found = replace(settings(folder), mail=settings_for(server))
        council(store)
        write_all(store, found)
        sender = Postman(store, {"mail": Smtp(found.mail, answer=20, take=20)})
        while sender.step():
            pass
        with store.read() as session:
            items = outbox.latest(session)
    finally:
        clock.set_source(None)
    assert {i.state for i in items} == {"sent"}, [(i.kind, i.error) for i in items]
    arrived = {m["Message-ID"].strip("<>"): (to, m) for to, _, m in server.box.received}
    return {_label(i): (i, *arrived[i.message_id]) for i in items}


def _label(item):
    if item.kind == "alert":
        return f"alert: {item.occasion.split('/')[2]}"
    return f"{item.kind} outside" if item.recipient == OUT else item.kind
