"""Pages that a mail leads to, for people with no account: confirm it, stop it, read its report."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, make_response, render_template
from flask.typing import ResponseReturnValue

from analysis.report.html import policy
from trials.errors import NotFound
from trials.mail import subscriptions
from trials.settings import Settings
from trials.store.tables import SentReportRow
from web.access import public, signed, store
from web.mail.letters import NAMES
from web.mail.links import Links

pages = Blueprint("mails", __name__)


@pages.get("/m/stop/<token>")
@public
def stop(token: str) -> str:
    """Ask whether a mail is to be stopped: programs that look at links must not stop it."""
    number = _links().read("stop", token)
    with store().read() as session:
        found = subscriptions.load(session, number)
    return render_template("pages/mail_stop.html", token=token, name=NAMES[found.kind],
                           stopped=found.state == "ended")  # fmt: skip


@pages.post("/m/stop/<token>")
@signed
def stopped(token: str) -> ResponseReturnValue:
    """Stop it (RFC 8058: sent by a mail program, without cookies; the link is the proof)."""
    number = _links().read("stop", token)
    with store().write() as session:
        subscriptions.end(session, number, why="by the link of a mail")
        name = NAMES[subscriptions.load(session, number).kind]
    return render_template("pages/mail_stop.html", token=token, name=name, stopped=True)


@pages.get("/m/confirm/<token>")
@public
def confirm(token: str) -> str:
    """Ask whether a mail is wanted: programs that look at links must not answer for a person."""
    number = _links().read("confirm", token)
    with store().read() as session:
        found = subscriptions.load(session, number)
    return render_template("pages/mail_confirm.html", token=token, name=NAMES[found.kind],
                           state=found.state)  # fmt: skip


@pages.post("/m/confirm/<token>")
@signed
def confirmed(token: str) -> ResponseReturnValue:
    """The person wants it; the link, sent to the address itself, is the proof."""
    number = _links().read("confirm", token)
    with store().write() as session:
        found = subscriptions.confirm(session, number)
    return render_template("pages/mail_confirm.html", token=token, name=NAMES[found.kind],
                           state=found.state)  # fmt: skip


@pages.get("/m/report/<token>")
@public
def report(token: str) -> Response:
    """The report exactly as it was when a mail first linked to it."""
    number = _links().read("report", token)
    with store().read() as session:
        row = session.get(SentReportRow, number)
        if row is None:
            raise NotFound("this report is no longer kept", "ask the council's improvement team")
        content = row.content
    response = make_response(content)
    response.mimetype = "text/html"
    response.headers["Content-Security-Policy"] = _policy(content.decode())
    return response


def _policy(page: str) -> str:
    """The policy for the very style that the kept page carries."""
    css = page.partition("<style>")[2].partition("</style>")[0]
    return f"{policy(css)}; frame-ancestors 'none'"


def _links() -> Links:
    found: Settings = current_app.extensions["settings"]
    return Links(found.base_url, found.secret_key)
