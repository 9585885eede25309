"""What all trials say together: what worked, by technique, channel and area."""

from __future__ import annotations

from flask import Blueprint, render_template

from analysis.forecasting import everything
from analysis.portfolio import portfolio
from analysis.report.forecasts import COLUMNS, calibrated, rows, says
from analysis.report.learned import learning_page
from web.access import Permission, needs, store

pages = Blueprint("learning", __name__)


@pages.get("/learning")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """What worked so far, and what to expect of the next trial."""
    with store().read() as session:
        found, said = portfolio(session), everything(session)
    return render_template(
        "pages/learning/learning.html", page=learning_page(found), columns=COLUMNS,
        forecasts=rows(said), forecasts_say=says(said), calibration=calibrated(said),
    )  # fmt: skip
