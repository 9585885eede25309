"""What if demand, handling time, staffing or the target changed: one line's queue, worked out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, render_template, request

from analysis.casework import register
from analysis.casework.cases import Ask, case_of
from analysis.estimates import Absent
from analysis.report import figures
from analysis.scaling.question import CapacityRequest
from analysis.scaling.ranges import Range
from analysis.scaling.wait import LABEL, consequence
from trials import registry
from trials.errors import SignpostError
from web import present_capacity
from web.access import Permission, needs, store
from web.filled import Filled

pages = Blueprint("capacity", __name__)


@pages.get("/capacity")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """The what-if screen; every input is in the address, so that it can be sent on."""
    return render_template("pages/case/capacity.html", **_shown())


@pages.get("/capacity/panel")
@needs(Permission.SEE_RESULTS)
def panel() -> Response:
    """The part of that page that changes as a slider moves, for the page's own script."""
    made = render_template("pages/case/capacity_panel.html", **_shown())
    return Response(made, mimetype="text/html")


def _shown() -> dict[str, Any]:
    key = request.args.get("trial", "")
    with store().read() as session:
        trials = [(s.key, s.title) for s in registry.summaries(session)]
        known = key if key in dict(trials) else ""
        line = register.of_trial(session, known).queue if known else None
        filled, example = present_capacity.filled_from(request.args, line)
        asked, filled = present_capacity.question(filled)
        found = None
        if asked is not None:
            try:
                found = present_capacity.result(asked)
            except SignpostError as refused:
                filled = present_capacity.refused(filled, refused)
        of_trial = _of_trial(session, known, asked) if known and found else {}
    if key and not known:
        filled = filled.wrong("trial", f"There is no trial called {key}.")
    return {"filled": _with_trial(filled, known), "found": found, "example": example,
            "trials": [("", "None"), *trials], "trial": known, **of_trial}  # fmt: skip


def _with_trial(filled: Filled, key: str) -> Filled:
    return Filled({**filled.values, "trial": key}, filled.problems)


def _of_trial(session: Any, key: str, asked: CapacityRequest | None) -> dict[str, Any]:
    """What a trial's net deflection would do to the line asked about: a modelled consequence."""
    assert asked is not None
    try:
        case = case_of(session, Ask(key=key)).case
        contacts = case.quantities["contacts_avoided_per_year"]
        days = next(a.value for a in case.assumptions if a.name == "working_days_per_year")
        assert isinstance(contacts, Range)
        bare = replace(asked, demand_change=0.0, aht_change=0.0, agents_added=0.0)
        after = consequence(bare, contacts, working_days=days)
    except SignpostError as refused:
        return {"trial_why_not": figures.sentence(refused.says)}
    if isinstance(after, Absent):
        return {"trial_why_not": figures.sentence(after.why)}
    return {"trial_rows": present_capacity.trial_rows(after), "trial_label": LABEL,
            "trial_contacts": figures.number(contacts.median)}  # fmt: skip
