"""Every trial's worth together, and what became of it in the ledger."""

from __future__ import annotations

from flask import Blueprint, render_template

from analysis.casework import benefits, steps, totals
from analysis.scaling.realisation import log_totals
from trials import clock
from web import present_decision, present_portfolio
from web.access import Permission, needs, store

pages = Blueprint("portfolio", __name__)


@pages.get("/portfolio")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """What all trials are worth together, and the benefits that reached the ledger."""
    today = clock.london(clock.now()).date()
    with store().read() as session:
        found, log = totals.portfolio(session), benefits.everything(session)
        late = steps.overdue(steps.steps(session), today)
    return render_template(
        "pages/case/portfolio.html", page=present_portfolio.page(found),
        late=present_decision.steps(late, today), benefits=present_decision.benefits(log),
        totals=present_decision.totals(log_totals(log)),
    )  # fmt: skip
