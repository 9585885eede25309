"""The calendar: what else moves demand or capacity, and which trials it touches."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from trials import calendar
from trials.errors import SignpostError
from trials.events import Event
from trials.plurals import counted
from web import present_calendar
from web.access import Permission, may, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("calendar", __name__)
MOST_BYTES = 2 << 20


@pages.get("/calendar")
@needs(Permission.SEE_TRIALS)
def index() -> str:
    """A month, and the list of what touches which trial."""
    return _index(Filled())


@pages.post("/calendar")
@needs(Permission.EDIT_TRIALS)
def take() -> ResponseReturnValue:
    """Take in a calendar file; the same one again adds nothing."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _index(sent().wrong("file", "Choose a file")), 400
    content = file.stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return _index(sent().wrong("file", "The file is larger than 2 MB: split it")), 400
    try:
        found = calendar.read(file.filename, content)
    except SignpostError as refused:
        return _index(sent().wrong("file", str(refused))), refused.status
    with store().write() as session:
        added = calendar.take(session, found, actor=signed_in().email)
    flash(f"{counted(len(found), 'event')} read, {added:,} new on the calendar.")
    return redirect(url_for("calendar.index"), 303)


@pages.get("/calendar/add")
@needs(Permission.EDIT_TRIALS)
def adding() -> str:
    """The form for a new event."""
    return _form(Filled(request.args.to_dict()), None)


@pages.post("/calendar/add")
@needs(Permission.EDIT_TRIALS)
def add() -> ResponseReturnValue:
    """Keep a new event."""
    return _kept(None)


@pages.get("/calendar/<int:number>")
@needs(Permission.EDIT_TRIALS)
def editing(number: int) -> str:
    """The form of an event that is on the calendar."""
    with store().read() as session:
        kept = calendar.load(session, number)
    return _form(present_calendar.filled(kept.event), number)


@pages.post("/calendar/<int:number>")
@needs(Permission.EDIT_TRIALS)
def change(number: int) -> ResponseReturnValue:
    """Change an event, or take it off."""
    if request.form.get("do") == "remove":
        with store().write() as session:
            calendar.remove(session, number, actor=signed_in().email)
        flash("The event is off the calendar.")
        return redirect(url_for("calendar.index"), 303)
    return _kept(number)


def _kept(number: int | None) -> ResponseReturnValue:
    filled = sent()
    event = _event(filled)
    if isinstance(event, Filled):
        return _form(event, number), 400
    with store().write() as session:
        calendar.put(session, event, actor=signed_in().email, number=number)
    flash(f"‘{event.title}’ is on the calendar.")
    return redirect(url_for("calendar.index", month=event.starts.strftime("%Y-%m")), 303)


def _event(filled: Filled) -> Event | Filled:
    """The event that was filled in, or the form with what is wrong with it."""
    wrong = filled
    if not filled["title"]:
        wrong = wrong.wrong("title", "Say what happens")
    try:
        starts = calendar.day(filled["starts"])
    except ValueError:
        return wrong.wrong("starts", "Give the first day as in 15/06/2026")
    try:
        ends = calendar.day(filled["ends"]) if filled["ends"] else starts
    except ValueError:
        return wrong.wrong("ends", "Give the last day as in 15/06/2026, or leave it empty")
    if ends < starts:
        return wrong.wrong("ends", "The last day is before the first")
    if wrong.problems:
        return wrong
    try:
        return calendar.of_words(dict(filled.values), starts, ends)
    except SignpostError as refused:
        return wrong.wrong("kind", refused)


def _form(filled: Filled, number: int | None) -> str:
    return render_template("pages/calendar_event.html", filled=filled, number=number,
                           kinds=present_calendar.KINDS)  # fmt: skip


def _index(filled: Filled) -> str:
    month = present_calendar.month_of(request.args.get("month"))
    with store().read() as session:
        shown = present_calendar.page(session, month)
    return render_template("pages/calendar.html", page=shown, filled=filled,
                           can_edit=may(Permission.EDIT_TRIALS))  # fmt: skip
