"""The case for scaling of a trial, what it rests on, and how its saving becomes cash."""

from __future__ import annotations

import math
import re
from typing import Any

from flask import Blueprint, Response, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from analysis.casework import papers, register
from analysis.casework.cases import Ask, Made, case_of
from analysis.casework.register import SHARED, Change
from analysis.report import figures
from analysis.scaling import words
from analysis.scaling.assumptions import checked
from analysis.scaling.register import Register
from analysis.scaling.specs import SPECS
from trials import clock, registry
from trials.errors import Conflict, Invalid, SignpostError
from trials.registry import TrialRecord
from web import present_case, present_figures, present_ledger, present_papers
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("cases", __name__)
_MISSING = re.compile(r"\[assumptions\.(\w+)\]")


@pages.get("/trials/<key>/case")
@needs(Permission.SEE_RESULTS)
def case(key: str) -> str:
    """The case for scaling; or why there is none, and what to do about it."""
    tried, arm = request.args.get("try", ""), request.args.get("arm") or None
    weeks = min(max(request.args.get("weeks", 3.0, type=float), 1.0), 104.0)
    if not math.isfinite(weeks):
        weeks = 3.0
    try:
        over, wrong = _over(tried), ""
    except SignpostError as refused:
        over, wrong, tried = None, str(refused), ""
    with store().read() as session:
        record = registry.load(session, key)
        try:
            made = case_of(session, Ask(key=key, arm=arm, over=over, weeks_more=weeks))
        except SignpostError as refused:
            return _none(record, refused)
        held = present_case.Held(
            shared=register.entries(session), own=register.entries(session, key)
        )
        kept = papers.kept(session, key)
    sheet = next((k for k in kept if k.kind == "case" and k.fmt == "pdf"), None)
    page = present_case.page(
        made, held, arm=arm, weeks=weeks, tried=tried,
        one_page=present_papers.one(sheet) if sheet else None,
    )  # fmt: skip
    return render_template("pages/case/case.html", page=page, wrong=wrong,
                           choices=present_figures.choices(made.case.assumptions))  # fmt: skip


@pages.get("/trials/<key>/case.json")
@needs(Permission.SEE_RESULTS)
def document(key: str) -> Response:
    """The same case as the document of the outside contract."""
    with store().read() as session:
        made = case_of(session, Ask(key=key, arm=request.args.get("arm") or None))
    return jsonify(made.case.to_json())


@pages.get("/trials/<key>/case/figures/<name>")
@needs(Permission.SEE_RESULTS)
def figure(key: str, name: str) -> str:
    """One figure of a trial's case: what holds, its history, and the form to change it."""
    return _figure_page(key, name, None)


@pages.post("/trials/<key>/case/figures/<name>")
@needs(Permission.EDIT_ASSUMPTIONS)
def change_figure(key: str, name: str) -> ResponseReturnValue:
    """Give a trial a figure of its own."""
    register.known(name)
    table, filled = present_figures.table_of(name, sent())
    if filled.problems:
        return _figure_page(key, name, filled), 422
    wanted = Change(name=name, table=table, why=filled["why"], actor=signed_in().email, scope=key,
                    number=request.form.get("number", 0, type=int))  # fmt: skip
    try:
        before = _case(key)
        with store().write() as session:
            register.change(session, wanted)
    except Conflict as refused:
        return _figure_page(key, name, filled.wrong("", refused)), refused.status
    flash(_moved(before, _case(key)))
    return redirect(url_for("cases.case", key=key, _anchor="figures"), 303)


@pages.post("/trials/<key>/case/figures/<name>/withdraw")
@needs(Permission.EDIT_ASSUMPTIONS)
def withdraw_figure(key: str, name: str) -> ResponseReturnValue:
    """Give a trial's own figure up: the shared one, or the default, holds again."""
    register.known(name)
    before = _case(key)
    try:
        with store().write() as session:
            register.withdraw(session, name, why=request.form.get("why_withdrawn", ""), scope=key,
                              actor=signed_in().email,
                              number=request.form.get("number", 0, type=int))  # fmt: skip
    except Conflict as refused:
        return _figure_page(key, name, Filled().wrong("", refused)), refused.status
    except SignpostError as refused:
        return _figure_page(key, name, Filled().wrong("why_withdrawn", refused)), refused.status
    flash(_moved(before, _case(key)))
    return redirect(url_for("cases.case", key=key, _anchor="figures"), 303)


@pages.get("/trials/<key>/case/ledger")
@needs(Permission.SEE_RESULTS)
def ledger(key: str) -> str:
    """How the saving becomes cash, and the line whose queue it eases."""
    with store().read() as session:
        held = register.settings_document(session, key)
    return _ledger_page(key, present_ledger.filled_from(held))


@pages.post("/trials/<key>/case/ledger")
@needs(Permission.EDIT_ASSUMPTIONS)
def change_ledger(key: str) -> ResponseReturnValue:
    """Change either."""
    made, filled = present_ledger.document_of(sent())
    if not filled["why"]:
        filled = filled.wrong("why", "Say why it changes.")
    if filled.problems:
        return _ledger_page(key, filled), 422
    try:
        with store().write() as session:
            register.set_settings(session, key, made, why=filled["why"], actor=signed_in().email)
    except Invalid as refused:
        return _ledger_page(key, present_ledger.refused(filled, refused)), refused.status
    flash("Saved. The case below rests on it.")
    return redirect(url_for("cases.case", key=key), 303)


def _over(tried: str) -> Register | None:
    """A figure put in for once, to see what it does; nothing of it is kept."""
    if not tried:
        return None
    register.known(tried)
    value = present_figures.number_of(tried, request.args.get("value", ""))
    table: dict[str, Any] = {"value": value, "source": "tried on this page",
                             "date": clock.london(clock.now()).date().isoformat()}  # fmt: skip
    return Register(given={tried: checked(tried, table)})


def _none(record: TrialRecord, refused: SignpostError) -> str:
    """Why there is no case, and what to do about it."""
    return render_template(
        "pages/case/none.html", record=record, says=figures.sentence(refused.says),
        remedy=figures.sentence(refused.remedy or "Analyse the trial once it has run"),
        missing=_missing(refused),
    )  # fmt: skip


def _missing(refused: SignpostError) -> list[tuple[str, str]]:
    """The figures that have neither value nor default: name and meaning."""
    if not isinstance(refused, Invalid):
        return []
    names = [m[1] for p in refused.problems if (m := _MISSING.search(p.place))]
    return [(name, words.input_name(name)) for name in names if name in SPECS]


def _case(key: str) -> Made | None:
    with store().read() as session:
        try:
            return case_of(session, Ask(key=key))
        except SignpostError:
            return None


def _moved(before: Made | None, after: Made | None) -> str:
    if before is None or after is None:
        return "Saved."
    was, now = (words.spread(m.case.quantities["npv"], money=True) for m in (before, after))
    old, new = (m.case.recommendation.decision for m in (before, after))
    advice = "The recommendation stays." if old == new else (
        f"The recommendation turns from ‘{words.DECISIONS[old]}’ to ‘{words.DECISIONS[new]}’"
    )  # fmt: skip
    money = "the net present value stays" if was == now else (
        f"the net present value moves from {was} to {now}"
    )  # fmt: skip
    return f"Saved: {money}. {advice}"


def _figure_page(key: str, name: str, filled: Filled | None) -> str:
    with store().read() as session:
        record = registry.load(session, key)
        history = register.history(session, name, scope=key)
        common = register.history(session, name, scope=SHARED)
        now = _in_case(key).get(name) or register.of_trial(session, key).find(name)
    return render_template(
        "pages/case/figure.html", record=record, filled=filled
        or present_figures.filled_from(name, now),
        page=present_figures.figure(name, now, history),
        common=[present_figures.change(e) for e in common],
    )  # fmt: skip


def _in_case(key: str) -> dict[str, Any]:
    made = _case(key)
    return {a.name: a for a in made.case.assumptions} if made else {}


def _ledger_page(key: str, filled: Filled) -> str:
    with store().read() as session:
        record = registry.load(session, key)
    return render_template("pages/case/ledger.html", record=record, filled=filled,
                           mechanisms=present_ledger.MECHANISMS)  # fmt: skip
