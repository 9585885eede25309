"""The pages about trials: the list, one trial, its report."""

from __future__ import annotations

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from analysis.report.html import policy, report_html
from analysis.report.view import report
from trials import clock, resources
from trials.errors import NotFound
from web import present, present_acts, present_board, waiting
from web.access import Permission, may, needs
from web.catalogue import Catalogue
from web.next_step import STARTS

pages = Blueprint("trials", __name__)


def catalogue() -> Catalogue:
    """What this application reads."""
    found: Catalogue = current_app.extensions["catalogue"]
    return found


@pages.get("/")
@needs(Permission.SEE_TRIALS)
def home() -> str:
    """Every trial."""
    summaries = catalogue().summaries()
    if not may(Permission.SEE_RESULTS):
        summaries = [present.without_result(s) for s in summaries]
    board = present_board.board(summaries, request.args)
    return render_template(
        "pages/trials.html", board=board, lines=present.lines(board.chosen),
        counts=present.counts(summaries), waiting=waiting.found(summaries),
        start=STARTS,
    )  # fmt: skip


@pages.get("/trials")
@needs(Permission.SEE_TRIALS)
def index() -> ResponseReturnValue:
    """The list is the home page."""
    return redirect(url_for("trials.home"), 308)


@pages.get("/trials/<key>")
@needs(Permission.SEE_TRIALS)
def trial(key: str) -> str:
    """One trial: its plan, its state, its history, and where its result is."""
    record = catalogue().record(key)
    result = catalogue().result(key) if may(Permission.SEE_RESULTS) else None
    return render_template(
        "pages/trial.html", page=present.page(record, result), acts=present_acts.acts(record),
        approvals=present_acts.approvals(key), change=present_acts.change(record),
        written=present_acts.written(key), fixed=present_acts.why_fixed(record),
    )  # fmt: skip


@pages.get("/trials/<key>/report")
@needs(Permission.SEE_RESULTS)
def trial_report(key: str) -> str:
    """The report of a trial's latest result."""
    record, result = catalogue().record(key), catalogue().result(key)
    if result is None:
        return render_template("pages/no_report.html", page=present.page(record, None))
    shown = report(record.definition, result, generated_at=clock.now(), organisation=_whose())
    return render_template("pages/report.html", report=shown)


@pages.get("/trials/<key>/report.html")
@needs(Permission.SEE_RESULTS)
def trial_report_file(key: str) -> Response:
    """The same report as one file to keep, mail or print."""
    record, result = catalogue().record(key), catalogue().result(key)
    if result is None:
        raise NotFound(f"trial {key!r} has no result yet", "run its analysis first")
    css = resources.asset_text("report.css")
    made = report_html(
        record.definition, result, css=css, generated_at=clock.now(), organisation=_whose()
    )
    response = make_response(made)
    response.headers["Content-Security-Policy"] = f"{policy(css)}; frame-ancestors 'none'"
    response.headers["Content-Disposition"] = f'attachment; filename="{record.key}-report.html"'
    return response


def _whose() -> str:
    return str(current_app.config["ORGANISATION"])
