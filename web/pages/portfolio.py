"""Every trial's worth together, and what became of it in the ledger."""

from __future__ import annotations

from flask import Blueprint, render_template

from analysis.casework import benefits, steps, totals
from analysis.report import figures
from analysis.scaling import words
from analysis.scaling.realisation import log_totals
from trials import clock
from web import present_decision
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
    rows = [
        (m.key, m.title, present_decision.label(m.decision) or "Not decided",
         words.spread(m.made.case.quantities["npv"], money=True) if m.made
         else figures.sentence(m.why_not), "Yes" if m.counts else "No")
        for m in found.members
    ]  # fmt: skip
    return render_template(
        "pages/case/portfolio.html", rows=rows, late=present_decision.steps(late, today),
        contacts=words.spread(found.contacts.total), npv=words.spread(found.npv.total, money=True),
        ignoring=words.spread(found.npv.ignoring_overlaps, money=True),
        counted=len(found.npv.counted), left_out=[x.says for x in found.npv.left_out],
        benefits=present_decision.benefits(log), totals=present_decision.totals(log_totals(log)),
    )  # fmt: skip
