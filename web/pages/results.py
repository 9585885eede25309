"""A trial's result: its health until a declared look has come, then the story."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, current_app, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from analysis import explored
from analysis.report.view import report
from trials import clock, jobs, registry
from trials.errors import Conflict, SignpostError
from web import present, present_results
from web.access import Permission, may, needs, signed_in, store
from web.catalogue import Catalogue
from web.filled import Filled, sent

pages = Blueprint("results", __name__)


@pages.get("/trials/<key>/results")
@needs(Permission.SEE_RESULTS)
def index(key: str) -> str:
    """The result as it may be read today."""
    return _page(key, Filled())


@pages.post("/trials/<key>/results")
@needs(Permission.ANALYSE)
def analyse(key: str) -> ResponseReturnValue:
    """Ask for an analysis: of a declared look, or a check of health that shows no result."""
    filled = sent()
    try:
        cutoff = _cutoff(filled["cutoff"])
    except ValueError:
        says = "Give the last day to count as in 2026-06-30, or leave it empty"
        return _page(key, filled.wrong("cutoff", says)), 400
    except SignpostError as refused:
        return _page(key, filled.wrong("cutoff", refused)), refused.status
    with store().write() as session:
        record = registry.load(session, key)
        if not record.locked:
            raise Conflict("the plan is not locked yet", "launch the trial first")
        payload = {"trial": key, **({"cutoff": cutoff} if cutoff else {})}
        number = jobs.enqueue(
            session,
            "analyse",
            payload=payload,
            subject=key,
            actor=signed_in().email,
            key=f"analyse/{key}/{filled['once'] or clock.now().isoformat()}",
        )
    return redirect(url_for("jobs.job", job_id=number), 303)


def _cutoff(given: str) -> str:
    """The end of the day given; empty for now. Raises ``ValueError`` for what is no date."""
    if not given:
        return ""
    day = date.fromisoformat(given)
    if day > clock.london(clock.now()).date():
        raise SignpostError("the last day to count lies in the future", "choose a day up to today")
    return min(clock.end_of_day(day), clock.now()).isoformat()


def _page(key: str, filled: Filled) -> str:
    catalogue: Catalogue = current_app.extensions["catalogue"]
    record, result = catalogue.record(key), catalogue.result(key)
    looks = present_results.looks(record)
    shown, two, outside = None, None, 0
    if result is not None and not result.get("withheld"):
        whose = str(current_app.config["ORGANISATION"])
        shown = report(record.definition, result, generated_at=clock.now(), organisation=whose)
        two = present_results.schools(record.definition, result)
        with store().read() as session:
            outside = explored.count(session, key)
    return render_template(
        "pages/results.html",
        key=key,
        title=record.definition.about.title,
        filled=filled,
        state=present.state_of(record.state),
        looks=looks,
        report=shown,
        charts=[d for d in shown.charts if d.chart.key in present_results.CHARTS] if shown else [],
        two=two,
        outside=outside,
        withheld=str((result or {}).get("withheld") or ""),
        any=result is not None,
        can_analyse=may(Permission.ANALYSE) and record.locked,
    )
