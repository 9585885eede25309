"""The decision on a trial, and its next steps."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from analysis.casework import decisions, steps
from analysis.casework.cases import Ask, case_of
from analysis.casework.decisions import Wish
from trials import clock, registry
from trials.errors import Conflict, SignpostError
from trials.settings import Settings
from web import dates, present_case, present_decision
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent
from web.mail import notices
from web.mail.links import Links

pages = Blueprint("decisions", __name__)


@pages.get("/trials/<key>/decision")
@needs(Permission.SEE_RESULTS)
def decision(key: str) -> str:
    """What is recommended, what was decided, what happens next."""
    return _page(key, Filled())


@pages.post("/trials/<key>/decision")
@needs(Permission.DECIDE)
def decide(key: str) -> ResponseReturnValue:
    """Record what is to become of the trial, with its next step if one is given."""
    filled = sent()
    if not filled["decision"]:
        filled = filled.wrong("decision", "Choose what is to become of the trial.")
    if not filled["reason"]:
        filled = filled.wrong("reason", "Give the reason.")
    due, filled = dates.read(filled, "due", "the day it is due", needed=bool(filled["what"]))
    if filled["what"] and not filled["owner"]:
        filled = filled.wrong("owner", "Name the one person who does it.")
    if filled.problems:
        return _page(key, filled), 422
    wish = Wish(key=key, decision=filled["decision"], reason=filled["reason"],
                reviewer=filled["reviewer"], actor=signed_in().email)  # fmt: skip
    try:
        with store().write() as session:
            record = decisions.decide(session, wish)
            notices.decided(session, _links(), record, reason=wish.reason)
            if filled["what"] and due:
                steps.set_step(session, key, what=filled["what"], owner=filled["owner"], due=due,
                               actor=signed_in().email)  # fmt: skip
    except Conflict as refused:
        return _page(key, filled.wrong("", refused)), refused.status
    except SignpostError as refused:
        place = "reviewer" if "reviewer" in refused.says else "decision"
        return _page(key, filled.wrong(place, refused)), refused.status
    flash("The decision is recorded.")
    return redirect(url_for("decisions.decision", key=key), 303)


def _links() -> Links:
    found: Settings = current_app.extensions["settings"]
    return Links(found.base_url, found.secret_key)


@pages.post("/trials/<key>/steps")
@needs(Permission.RUN_TRIALS)
def add_step(key: str) -> ResponseReturnValue:
    """Say what happens next, who does it and by when."""
    filled = sent()
    due, filled = dates.read(filled, "step-due", "the day it is due")
    remind, filled = dates.read(filled, "step-remind", "the day of the reminder", needed=False)
    for name, says in (("step-what", "Say what is to be done."),
                       ("step-owner", "Name the one person who does it.")):  # fmt: skip
        if not filled[name]:
            filled = filled.wrong(name, says)
    if filled.problems or due is None:
        return _page(key, filled), 422
    try:
        with store().write() as session:
            steps.set_step(session, key, what=filled["step-what"], owner=filled["step-owner"],
                           due=due, remind_on=remind, actor=signed_in().email)  # fmt: skip
    except SignpostError as refused:
        return _page(key, filled.wrong("step-remind", refused)), refused.status
    flash("The next step is kept. Its owner is reminded before and after the day.")
    return redirect(url_for("decisions.decision", key=key, _anchor="steps"), 303)


@pages.post("/trials/<key>/steps/<int:number>/done")
@needs(Permission.RUN_TRIALS)
def finish_step(key: str, number: int) -> ResponseReturnValue:
    """Say that a step is done, and what came of it."""
    outcome = request.form.get("outcome", "").strip()
    if not outcome:
        return _page(key, Filled().wrong(f"outcome-{number}", "Say what came of it.")), 422
    try:
        with store().write() as session:
            steps.finish_step(session, number, on=_today(), outcome=outcome, trial=key,
                              actor=signed_in().email,
                              version=request.form.get("version", type=int))  # fmt: skip
    except Conflict as refused:
        return _page(key, Filled().wrong("", refused)), refused.status
    flash("The step is done.")
    return redirect(url_for("decisions.decision", key=key, _anchor="steps"), 303)


def _today() -> date:
    return clock.london(clock.now()).date()


def _page(key: str, filled: Filled) -> str:
    with store().read() as session:
        record = registry.load(session, key)
        held, found = decisions.latest(session, key), steps.steps(session, key)
        try:
            case, why = case_of(session, Ask(key=key)).case, ""
        except SignpostError as refused:
            case, why = None, refused.says
        recommended = decisions.recommendation(session, key)
    if not filled.values:
        typed = dates.typed("due", steps.default_due(_today()))
        filled = Filled({**typed, **dates.typed("step-due", steps.default_due(_today()))},
                        filled.problems)  # fmt: skip
    return render_template(
        "pages/case/decision.html", record=record, filled=filled, why=why, case=case,
        taken=present_decision.taken(held) if held else None,
        recommended=present_decision.label(recommended),
        headline=present_case.headline(case) if case else "",
        choices=present_decision.CHOICES, steps=present_decision.steps(found, _today()),
    )  # fmt: skip
