"""Trials exchanged with other councils: packs taken in and handed over."""

from __future__ import annotations

import json

from flask import (
    Blueprint,
    Response,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask.typing import ResponseReturnValue

from analysis import packs
from analysis.report import figures
from trials.errors import SignpostError
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("packs", __name__)

LARGEST = 5_000_000
"""Bytes of a pack; one holds some tens of thousands."""


@pages.get("/learning/packs")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """What came from other councils, and the forms to take in and to hand over."""
    return _page(Filled())


@pages.post("/learning/packs")
@needs(Permission.EDIT_ASSUMPTIONS)
def take_in() -> ResponseReturnValue:
    """Take in another council's pack; its result joins the pool, marked as imported."""
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(sent().wrong("file", "Choose the file of a pack")), 422
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        return _page(sent().wrong("file", "This file is too large to be a pack")), 422
    try:
        text = data.decode("utf-8")
        with store().write() as session:
            outcome = packs.take_in(session, text, actor=signed_in().email)
    except UnicodeDecodeError:
        return _page(sent().wrong("file", "This file is no pack: it is not text")), 422
    except SignpostError as refused:
        return _page(sent().wrong("file", refused)), 422
    said = {
        "imported": "The pack is taken in. Its result counts on the page of learning, marked as "
        "imported.",
        "unchanged": "This very pack is here already. Nothing has changed.",
    }
    flash(said[outcome])
    return redirect(url_for("packs.index"), 303)


@pages.post("/learning/packs/export")
@needs(Permission.EDIT_ASSUMPTIONS)
def hand_over() -> ResponseReturnValue:
    """A trial as a pack, with a line in the audit log of who took it."""
    filled = sent()
    if not filled["trial"]:
        return _page(filled.wrong("trial", "Choose a trial")), 422
    try:
        with store().write() as session:
            made = packs.hand_over(
                session, filled["trial"], council=str(current_app.config["ORGANISATION"]),
                actor=signed_in().email,
            )  # fmt: skip
    except SignpostError as refused:
        return _page(filled.wrong("trial", refused)), refused.status
    response: Response = make_response(json.dumps(made, ensure_ascii=False, indent=2) + "\n")
    response.headers["Content-Type"] = "application/json"
    name = f"{made['definition']['trial']['key']}-pack.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _page(filled: Filled) -> str:
    with store().read() as session:
        taken, ready = packs.imported(session), packs.ready(session)
    rows = [(p.title, p.council, p.says, figures.day(p.at), p.actor) for p in taken]
    return render_template("pages/learning/packs.html", rows=rows, ready=ready, filled=filled)
