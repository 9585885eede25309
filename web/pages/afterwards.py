"""After the decision: the roll-out and its holdback, the benefits log, adoption."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from analysis.casework import afterwards, benefits
from analysis.casework.afterwards import Measured, RolloutWish
from analysis.casework.benefits import Advance
from analysis.scaling.realisation import STAGES, Adoption, Event
from trials import clock, registry
from trials.errors import SignpostError
from web import dates, present_decision
from web.access import Permission, may, needs, signed_in, store
from web.filled import Filled, sent
from web.present_figures import parsed

pages = Blueprint("afterwards", __name__)

VERIFIES = "By you, as you are signed in; not of a benefit that you entered any stage of."


@pages.get("/trials/<key>/afterwards")
@needs(Permission.SEE_RESULTS)
def index(key: str) -> str:
    """What became of the change once it was decided on."""
    return _page(key, Filled())


@pages.post("/trials/<key>/rollout")
@needs(Permission.RUN_TRIALS)
def rollout(key: str) -> ResponseReturnValue:
    """Plan the roll-out, with a share of people held back."""
    filled = sent()
    starts, filled = dates.read(filled, "starts", "the day of the first wave")
    numbers, filled = _numbers(filled, "eligible", "holdback", "waves", "days_between")
    if filled.problems or starts is None:
        return _page(key, filled), 422
    wish = RolloutWish(
        eligible=int(numbers["eligible"]), holdback_share=numbers["holdback"] / 100,
        waves=int(numbers["waves"]), starts=starts, days_between=int(numbers["days_between"]),
    )  # fmt: skip
    return _done(key, filled, "eligible", "The roll-out is planned.", lambda session: (
        afterwards.set_rollout(session, key, wish, actor=signed_in().email)))  # fmt: skip


@pages.post("/trials/<key>/holdback")
@needs(Permission.ANALYSE)
def holdback(key: str) -> ResponseReturnValue:
    """Keep what the holdback shows beside the claim."""
    filled = sent()
    on, filled = dates.read(filled, "measured", "the day of the measurement")
    numbers, filled = _numbers(filled, "estimate", "standard_error")
    if not filled["found_in"]:
        filled = filled.wrong("found_in", "Say where the measurement is to be found.")
    if filled.problems or on is None:
        return _page(key, filled), 422
    found = Measured(on=on, source=filled["found_in"], **numbers)
    return _done(key, filled, "estimate", "The measurement is kept beside the claim.", (
        lambda session: afterwards.measure_holdback(session, key, found, actor=signed_in().email)
    ))  # fmt: skip


@pages.post("/trials/<key>/benefits")
@needs(Permission.EDIT_ASSUMPTIONS)
def benefit(key: str) -> ResponseReturnValue:
    """Take a benefit one stage further on its way to the ledger.

    Whoever is signed in verifies: an approver whose account entered none of the earlier stages.
    """
    filled = sent()
    on, filled = dates.read(filled, "on", "the day on which it reached the stage")
    numbers, filled = _numbers(filled, "pounds")
    stage = next((s for s in STAGES if s == filled["stage"]), None)
    verifies = stage == "verified"
    for name, says in (("title", "Name the benefit."), ("by", "Say who says so."),
                       ("evidence", "Say what it rests on.")):  # fmt: skip
        if not filled[name] and not (verifies and name == "by"):
            filled = filled.wrong(name, says)
    if stage is None:
        filled = filled.wrong("stage", "Choose the stage it has reached.")
    if verifies and not may(Permission.APPROVE):
        return _page(key, filled.wrong("stage", "Only an approver verifies a benefit.")), 403
    if filled.problems or on is None or stage is None:
        return _page(key, filled), 422
    user = signed_in()
    by = (user.name or user.email) if verifies else filled["by"]
    event = Event(stage=stage, pounds=numbers["pounds"], on=on, by=by,
                  evidence=filled["evidence"], budget_line=filled["budget_line"])  # fmt: skip
    wanted = Advance(key=key, title=filled["title"], event=event, actor=user.email,
                     signed_in=True)  # fmt: skip
    return _done(key, filled, "stage", "The benefits log is brought up to date.",
                 lambda session: benefits.advance(session, wanted))  # fmt: skip


@pages.post("/trials/<key>/adoption")
@needs(Permission.RUN_TRIALS)
def adoption(key: str) -> ResponseReturnValue:
    """Keep how far the change has become ordinary practice."""
    filled = sent()
    on, filled = dates.read(filled, "counted", "the day of the count")
    numbers, filled = _numbers(filled, "could", "reached", "as_designed")
    if filled.problems or on is None:
        return _page(key, filled), 422
    found = Adoption(on=on, eligible=int(numbers["could"]), reached=int(numbers["reached"]),
                     delivered_as_designed=int(numbers["as_designed"]))  # fmt: skip
    return _done(key, filled, "could", "The count is kept.", lambda session: (
        afterwards.observe(session, key, found, note=filled["note"], actor=signed_in().email)
    ))  # fmt: skip


def _done(
    key: str, filled: Filled, place: str, says: str, act: Callable[[Session], object]
) -> ResponseReturnValue:
    """Do it and lead back to the page; a refusal is shown at ``place``."""
    try:
        with store().write() as session:
            act(session)
    except SignpostError as refused:
        return _page(key, filled.wrong(place, refused)), refused.status
    flash(says)
    return redirect(url_for("afterwards.index", key=key), 303)


def _numbers(filled: Filled, *names: str) -> tuple[dict[str, float], Filled]:
    """The numbers in these fields, and the form with what is wrong."""
    found = {}
    for name in names:
        number = parsed(filled[name]) if filled[name] else None
        if number is None or abs(number) > 1e12:
            filled = filled.wrong(name, "Give a number.")
        else:
            found[name] = number
    return found, filled


def _page(key: str, filled: Filled) -> str:
    with store().read() as session:
        record = registry.load(session, key)
        plan, measured = afterwards.rollout(session, key), afterwards.realised(session, key)
        counts, log = afterwards.adoption(session, key), benefits.of_trial(session, key)
    if not filled.values:
        filled = Filled({"holdback": "10", "waves": "3", "days_between": "28", **_today("starts"),
                         **_today("on"), **_today("measured"), **_today("counted")})  # fmt: skip
    return render_template(
        "pages/case/afterwards.html", record=record, filled=filled,
        decided=record.state == "decided",
        waves=present_decision.waves(plan) if plan else (),
        measurements=present_decision.measurements(measured),
        chart=present_decision.holdback_chart(measured),
        adoption=present_decision.adoption(counts), benefits=present_decision.benefits(log),
        stages=[(s, present_decision.STAGE_NAMES[s], VERIFIES if s == "verified" else "")
                for s in STAGES if s != "verified" or may(Permission.APPROVE)],
    )  # fmt: skip


def _today(name: str) -> dict[str, str]:
    today: date = clock.london(clock.now()).date()
    return dates.typed(name, today)
