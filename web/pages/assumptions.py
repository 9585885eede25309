"""The assumption register that all trials share: figures, history, and which cases move."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from analysis.casework import cases, register
from analysis.casework.register import Change
from analysis.scaling.specs import SPECS
from trials import registry
from trials.errors import Conflict, SignpostError
from web import present_figures
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("assumptions", __name__)


@pages.get("/assumptions")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """Every figure that cases rest on."""
    with store().read() as session:
        held = register.shared(session)
    groups = present_figures.register({name: held.find(name) for name in SPECS})
    return render_template("pages/case/assumptions.html", groups=groups)


@pages.get("/assumptions/<name>")
@needs(Permission.SEE_RESULTS)
def figure(name: str) -> str:
    """One figure: what holds, its history, the cases that rest on it, and its form."""
    return _page(name, None)


@pages.post("/assumptions/<name>")
@needs(Permission.EDIT_ASSUMPTIONS)
def change(name: str) -> ResponseReturnValue:
    """Show which cases would move, or keep the figure."""
    register.known(name)
    table, filled = present_figures.table_of(name, sent())
    if filled.problems:
        return _page(name, filled), 422
    if filled["act"] == "preview":
        with store().read() as session:
            moved = present_figures.moved(cases.moves(session, name, table))
        return _page(name, filled, moved=moved)
    wanted = Change(name=name, table=table, why=filled["why"], actor=signed_in().email,
                    number=request.form.get("number", 0, type=int))  # fmt: skip
    try:
        with store().write() as session:
            register.change(session, wanted)
    except Conflict as refused:
        return _page(name, filled.wrong("", refused)), refused.status
    flash("The figure is kept. Every case that rests on it uses it from now on.")
    return redirect(url_for("assumptions.figure", name=name), 303)


@pages.post("/assumptions/<name>/withdraw")
@needs(Permission.EDIT_ASSUMPTIONS)
def withdraw(name: str) -> ResponseReturnValue:
    """Give a shared figure up: the product's default holds again."""
    register.known(name)
    try:
        with store().write() as session:
            register.withdraw(session, name, why=request.form.get("why_withdrawn", ""),
                              actor=signed_in().email,
                              number=request.form.get("number", 0, type=int))  # fmt: skip
    except SignpostError as refused:
        return _page(name, Filled().wrong("why_withdrawn", refused)), refused.status
    flash("The figure is given up; the default holds again.")
    return redirect(url_for("assumptions.figure", name=name), 303)


def _page(
    name: str, filled: Filled | None, *, moved: tuple[tuple[str, ...], ...] | None = None
) -> str:
    with store().read() as session:
        history = register.history(session, name)
        now = register.shared(session).find(name)
        resting = [
            (key, registry.row_of(session, key).title) for key in cases.resting_on(session, name)
        ]
    return render_template(
        "pages/case/assumption.html", page=present_figures.figure(name, now, history),
        filled=filled or present_figures.filled_from(name, now), resting=resting, moved=moved,
    )  # fmt: skip
