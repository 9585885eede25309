"""The clock's pages: what is due, what ran and what became of it, and each trial's timetable."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from trials import leases, registry
from trials.errors import SignpostError
from trials.schedules import book, timetable
from trials.schedules.timetable import Timetable
from web import present_schedules
from web.access import Permission, needs, signed_in, store
from web.jobs import derived

pages = Blueprint("schedules", __name__)


@pages.get("/schedule")
@needs(Permission.SEE_TRIALS)
def index() -> str:
    """Everything that is due and that was."""
    with store().read() as session:
        return render_template(
            "pages/schedule.html", state=present_schedules.status(leases.look(session, "clock")),
            coming=present_schedules.coming(book.coming(session)),
            ran=present_schedules.ran(book.occasions(session)),
        )  # fmt: skip


@pages.get("/trials/<key>/schedule")
@needs(Permission.SEE_TRIALS)
def trial(key: str) -> str:
    """One trial's timetable, what is due for it, and what ran."""
    return _page(key, None, "")


@pages.post("/trials/<key>/schedule")
@needs(Permission.RUN_TRIALS)
def change(key: str) -> ResponseReturnValue:
    """Change a trial's timetable."""
    wanted = Timetable(
        at=request.form.get("at", "").strip(),
        days="every-day" if request.form.get("days") == "every-day" else "working-days",
        paused=request.form.get("paused") == "yes",
        version=request.form.get("version", 0, type=int),
    )  # fmt: skip
    try:
        _changed(key, wanted)
    except SignpostError as refused:
        return _page(key, wanted, str(refused)), refused.status
    return redirect(url_for("schedules.trial", key=key), 303)


def _changed(key: str, wanted: Timetable) -> None:
    with store().write() as session:
        timetable.change(session, key, wanted, actor=signed_in().email)
        row = registry.row_of(session, key)
        book.sync(session, derived.of_trial(session, row), of_trial=row.id)


def _page(key: str, given: Timetable | None, error: str) -> str:
    with store().read() as session:
        row = registry.row_of(session, key)
        return render_template(
            "pages/trial_schedule.html", key=key, title=row.title, error=error,
            table=given or timetable.of(session, row.id),
            coming=present_schedules.coming(book.coming(session, trial=key)),
            ran=present_schedules.ran(book.occasions(session, trial=key)),
        )  # fmt: skip
