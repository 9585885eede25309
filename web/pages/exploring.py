"""Questions outside the plan: for those who see statistics, and only once the result is shown."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from analysis import explored
from analysis.report import exploratory
from analysis.report.figures import sentence
from analysis.report.reading import metric_title
from trials import clock, jobs, registry
from trials.definition.model import Trial
from trials.errors import Conflict, SignpostError
from web import present_jobs
from web.access import Permission, may, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("exploring", __name__)


@pages.get("/trials/<key>/exploratory")
@needs(Permission.SEE_STATISTICS)
def index(key: str) -> str:
    """What was asked outside the plan so far, and the form for the next question."""
    return _page(key, Filled())


@pages.post("/trials/<key>/exploratory")
@needs(Permission.SEE_STATISTICS)
def ask(key: str) -> ResponseReturnValue:
    """Ask a question; the log is read in the background."""
    if not may(Permission.ANALYSE):
        raise Forbidden("Your role does not include this. An administrator can change it.")
    filled = sent()
    with store().read() as session:
        trial = registry.definition_of(registry.row_of(session, key))
        explored.shown_run(session, key)
    try:
        explored.question(trial, filled["measure"], filled["segment"])
    except SignpostError as refused:
        return _page(key, filled.wrong("measure", refused)), 400
    with store().write() as session:
        jobs.enqueue(
            session, "explore", subject=key, actor=signed_in().email,
            payload={"trial": key, "measure": filled["measure"], "segment": filled["segment"]},
            key=f"explore/{key}/{filled['once'] or clock.now().isoformat()}",
        )  # fmt: skip
    return redirect(url_for("exploring.index", key=key), 303)


def _page(key: str, filled: Filled) -> str:
    held = ""
    with store().read() as session:
        trial = registry.definition_of(registry.row_of(session, key))
        try:
            explored.shown_run(session, key)
        except Conflict as refused:
            held = sentence(refused.says)
        found = [] if held else explored.taken(session, key)
        asked = [job for job in jobs.latest(session, subject=key, limit=20)
                 if job.kind == "explore"]  # fmt: skip
    failed = asked[0] if asked and asked[0].state == "failed" else None
    work = next((job for job in asked if not job.over), failed)
    return render_template(
        "pages/exploratory.html", key=key, title=trial.about.title, filled=filled, held=held,
        label=explored.LABEL, counted=exploratory.counted(len(found)),
        answers=[exploratory.told(trial, one) for one in found], columns=exploratory.COLUMNS,
        measures=_measures(trial), segments=_segments(trial),
        can_ask=not held and may(Permission.ANALYSE),
        page=present_jobs.page(work) if work and not held else None,
    )  # fmt: skip


def _measures(trial: Trial) -> list[tuple[str, str]]:
    """The measures to choose from: those of the plan, then those outside it."""
    return [
        (key, metric_title(metric)
         + ("" if metric in trial.metrics else " (not a measure of this plan)"))
        for key, metric in explored.measures(trial).items()
    ]  # fmt: skip


def _segments(trial: Trial) -> list[tuple[str, str]]:
    planned = set(trial.analysis.segments)
    return [
        ("", "Everybody together"),
        *((name, exploratory.named(name).capitalize()
           + (" (a group of this plan)" if name in planned else ""))
          for name in explored.segments(trial)),
    ]  # fmt: skip
