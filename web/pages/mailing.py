"""The administrator's pages of mails: each kind as it looks today, the outbox, who gets what."""

from __future__ import annotations

from flask import Response, current_app, flash, make_response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from analysis.report.html import policy
from trials import clock, registry
from trials.errors import NotFound, SignpostError
from trials.mail import outbox, subscriptions
from trials.mail.subscriptions import KINDS, OFFERED
from trials.settings import Settings
from web import present_mails
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent
from web.jobs import mails
from web.mail import invitation, writing
from web.mail.letters import NAMES
from web.pages.mails import pages

__all__ = ["pages"]


@pages.get("/mails")
@needs(Permission.ADMINISTER)
def index() -> str:
    """The kinds of mail, the outbox, who gets what, and the form for somebody outside."""
    return _page(Filled())


@pages.post("/mails")
@needs(Permission.ADMINISTER)
def invite() -> ResponseReturnValue:
    """Ask somebody without an account, by a mail, whether they want to be written to."""
    filled = sent()
    try:
        with store().write() as session:
            asked = invitation.invite(session, _settings(), filled["email"], filled["kind"],
                                      filled["scope"], actor=signed_in().email)  # fmt: skip
    except SignpostError as failure:
        return _page(filled.wrong(_field_of(failure), failure)), failure.status
    flash(present_mails.INVITED[asked])
    return redirect(url_for("mails.index"), 303)


@pages.get("/mails/preview/<kind>")
@needs(Permission.ADMINISTER)
def preview(kind: str) -> Response:
    """A kind of mail as somebody who has had none before, and follows every trial, would get it."""
    if kind == "confirm":
        text, name = invitation.example(_settings()), "The question to people outside"
        return make_response(render_template("pages/mail_text.html", text=text, name=name))
    chosen = next((one for one in KINDS if one == kind), None)
    if chosen is None:
        raise NotFound("there is no such mail", "choose one from the list of mails")
    with store().read() as session:
        letter = mails.example(session, _settings(), chosen, clock.london(clock.now()).date())
    if letter is None:
        raise NotFound("this mail has nothing to tell of yet", "start a trial first")
    response = make_response(writing.preview(letter, _settings().organisation))
    response.headers["Content-Security-Policy"] = (
        f"{policy(writing.css())}; img-src data:; frame-ancestors 'none'"
    )
    return response


@pages.post("/mails/<int:number>/again")
@needs(Permission.ADMINISTER)
def again(number: int) -> ResponseReturnValue:
    """Send a message again that failed, or of which nobody knows whether it arrived."""
    with store().write() as session:
        outbox.requeue(session, number, actor=signed_in().email)
    flash(f"Message {number} waits to be sent again.")
    return redirect(url_for("mails.index"), 303)


def _page(filled: Filled) -> str:
    with store().read() as session:
        counts, items = outbox.counts(session), outbox.latest(session)
        known = subscriptions.everything(session)
        trials = [(one.key, one.title) for one in registry.summaries(session)]
    titles = dict(trials)
    return render_template(
        "pages/mails.html", filled=filled, kinds=tuple(NAMES.items()),
        offered=tuple((kind, NAMES[kind]) for kind in OFFERED),
        counts=present_mails.counts(counts), items=[present_mails.item(i) for i in items],
        readers=[present_mails.reader(one, titles) for one in known],
        scopes=[("all", "Every trial"), *((f"trial:{k}", title) for k, title in trials)],
        sends=_settings().mail.way != "none",
    )  # fmt: skip


def _field_of(failure: SignpostError) -> str:
    fields = {"address": "email", "no mail": "kind", "no such trial": "scope"}
    return next((name for word, name in fields.items() if word in failure.says), "")


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found
