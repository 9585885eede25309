"""What people expect of a trial before it starts, and how they did."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from analysis import forecasting
from analysis.bayesian.forecasts import Forecast
from analysis.report.forecasts import rows
from trials import registry
from trials.errors import SignpostError
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("forecasts", __name__)


@pages.get("/trials/<key>/forecasts")
@needs(Permission.SEE_RESULTS)
def index(key: str) -> str:
    """The forecasts of a trial, and before its launch the form for one's own."""
    return _page(key, Filled())


@pages.post("/trials/<key>/forecasts")
@needs(Permission.EDIT_TRIALS)
def add(key: str) -> ResponseReturnValue:
    """Keep the forecast of whoever is signed in."""
    filled = sent()
    try:
        chance = float(filled["chance"].removesuffix("%"))
    except ValueError:
        return _page(key, filled.wrong("chance", "Enter a number from 0 to 100")), 422
    user = signed_in()
    said = Forecast(who=user.name, probability_better=chance / 100)
    wish = forecasting.Wish(key=key, forecast=said, actor=user.email, arm=filled["arm"])
    try:
        with store().write() as session:
            forecasting.add(session, wish)
    except SignpostError as failure:
        return _page(key, filled.wrong("chance", failure)), failure.status
    flash("Your forecast is kept. It will be set beside the result.")
    return redirect(url_for("forecasts.index", key=key), 303)


def _page(key: str, filled: Filled) -> str:
    with store().read() as session:
        row = registry.row_of(session, key)
        trial, state = registry.definition_of(row), row.state
        found = forecasting.everything(session, key)
    arms = [(a.key, a.title or a.key) for a in trial.arms if not a.control]
    return render_template(
        "pages/learning/forecasts.html", key=key, title=trial.about.title, filled=filled,
        arms=arms, rows=rows(found), open=state in forecasting.BEFORE_LAUNCH,
    )  # fmt: skip
