"""Pages that a mail leads to, for people with no account: confirm it, stop it, read its report."""

from __future__ import annotations

import hashlib

from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from analysis.report.html import policy
from trials import registry
from trials.errors import Altered, NotFound, SignpostError
from trials.mail import outbox, subscriptions
from trials.mail.subscriptions import KINDS
from trials.settings import Settings
from trials.store.tables import SentReportRow
from web.access import public, signed, store
from web.mail.letters import NAMES
from web.mail.links import Links

pages = Blueprint("mails", __name__)


@pages.get("/m/stop/<token>")
@public
def stop(token: str) -> str:
    """Ask what is to be stopped: programs that look at links must not stop anything."""
    number, key = _links().read_stop(token)
    with store().read() as session:
        gone = key if key in subscriptions.left_out(session, number) else ""
        return _stop_page(session, token, number, key, stopped=gone)


@pages.post("/m/stop/<token>")
@signed
def stopped(token: str) -> ResponseReturnValue:
    """Stop it (RFC 8058: sent by a mail program, without cookies; the link is the proof).

    A mail program stops what the mail was about: one trial, or the mail as a whole. Somebody on
    the page may choose the other (``what``: ``all``, or the key of a trial they were told of).
    """
    number, key = _links().read_stop(token)
    with store().write() as session:
        wanted = request.form.get("what") or key or "all"
        if wanted == "all":
            subscriptions.end(session, number, why="by the link of a mail")
        elif wanted not in {key, *_told(session, number)}:
            raise SignpostError("this mail is not about that trial", "choose one from the list")
        else:
            subscriptions.leave_out(session, number, wanted, why="by the link of a mail")
        return _stop_page(session, token, number, key, stopped=wanted)


def _stop_page(session: Session, token: str, number: int, key: str, *, stopped: str) -> str:
    """The page that stops a mail, with both choices, or that says what has been stopped."""
    found = subscriptions.load(session, number)
    over = found.state == "ended" and not subscriptions.follows(session, number)
    return render_template(
        "pages/mail_stop.html", token=token, name=NAMES[found.kind],
        stopped="all" if over else stopped, about=registry.titles(session, [key]).get(key, ""),
        key=key, title=registry.titles(session, [stopped]).get(stopped, ""),
        others=registry.titles(session, () if key else _told(session, number)),
    )  # fmt: skip


def _told(session: Session, number: int) -> list[str]:
    """The trials that the last mail of the same kind told its reader of, and no others."""
    found = subscriptions.load(session, number)
    kind = next(one for one in KINDS if one == found.kind)
    last = outbox.last_told(session, kind, found.email)
    return [] if last is None else sorted(last.basis)


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
    """The report exactly as it was when a mail first linked to it; refused if it is not now."""
    number = _links().read("report", token)
    with store().read() as session:
        row = session.get(SentReportRow, number)
        if row is None:
            raise NotFound("this report is no longer kept", "ask the council's improvement team")
        content, kept = row.content, row.digest
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != kept:
        raise Altered("this report is no longer what was sent, so it is not shown",
                      "ask the council’s improvement team to restore it from a backup")  # fmt: skip
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
