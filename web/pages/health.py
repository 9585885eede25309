"""A trial's health while it runs: from the last count, never counted within a page."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from trials import clock, jobs, registry
from web import present, present_health
from web.access import Permission, may, needs, signed_in, store
from web.catalogue import Catalogue

pages = Blueprint("health", __name__)


@pages.get("/trials/<key>/health")
@needs(Permission.SEE_TRIALS)
def index(key: str) -> str:
    """The health page."""
    record, shown = _read(key)
    return render_template(
        "pages/health.html",
        key=key,
        title=record.definition.about.title,
        health=shown,
        lost=_lost(),
        state=present.state_of(record.state),
        can_check=may(Permission.RUN_TRIALS),
    )


@pages.get("/trials/<key>/health/panel")
@needs(Permission.SEE_TRIALS)
def panel(key: str) -> Response:
    """The part of that page that changes, for the page's own script."""
    _, shown = _read(key)
    response = Response(
        render_template("pages/health_panel.html", health=shown, key=key, lost=_lost()),
        mimetype="text/html",
    )
    response.headers["X-Over"] = "yes" if shown.over else "no"
    return response


@pages.post("/trials/<key>/health")
@needs(Permission.RUN_TRIALS)
def check(key: str) -> ResponseReturnValue:
    """Ask for a count now; asking again within a minute asks for the same one."""
    minute = clock.now().strftime("%Y-%m-%dT%H:%M")
    with store().write() as session:
        registry.row_of(session, key)
        jobs.enqueue(
            session,
            "health",
            payload={"trial": key},
            subject=key,
            key=f"health/{key}/{minute}",
            actor=signed_in().email,
        )
    flash("The check is under way. The page follows it by itself.")
    return redirect(url_for("health.index", key=key), 303)


def _read(key: str) -> tuple[registry.TrialRecord, present_health.Health]:
    catalogue: Catalogue = current_app.extensions["catalogue"]
    record, result = catalogue.record(key), catalogue.result(key)
    with store().read() as session:
        found, busy = present_health.latest(session, key)
    return record, present_health.health(record, found, result, busy=busy)


def _lost() -> int:
    """How often this process could not keep that somebody was left out of some trial."""
    lost: int = current_app.extensions["online"].recorder.lost
    return lost
