"""Every trial's worth together, what became of it in the ledger, and where to look next."""

from __future__ import annotations

import math

from flask import Blueprint, render_template, request

from analysis.casework import benefits, steps, totals
from analysis.report import figures
from analysis.scaling import opportunity, words
from analysis.scaling.realisation import log_totals
from trials import clock
from trials.resources import folder
from web import present_decision, present_opportunities
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


@pages.get("/opportunities")
@needs(Permission.SEE_RESULTS)
def opportunities() -> str:
    """Reasons for calling, ranked by what could be addressed."""
    truth = request.args.get("truth", 100.0, type=float)
    truth = min(max(truth, 0.0), 100.0) if math.isfinite(truth) else 100.0
    table = (folder("templates") / "reference" / "chart2.csv").read_text("utf-8-sig")
    found = opportunity.find(
        opportunity.read_reasons(table), effect=opportunity.NUDGE_UNITS, seed=0,
        proxy_truth=truth / 100,
    )  # fmt: skip
    by_control = request.args.get("by") == "control"
    return render_template(
        "pages/case/opportunities.html", truth=f"{truth:g}", by_control=by_control,
        page=present_opportunities.page(found, by_control=by_control),
    )  # fmt: skip
