"""Where small changes could matter most: reasons for calling, ranked, from one's own wrap codes."""

from __future__ import annotations

import math

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from analysis.casework import reason_tables
from trials.errors import Invalid, NotFound, SignpostError
from trials.plurals import counted
from web import present_opportunities
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent
from web.present_figures import parsed

pages = Blueprint("opportunities", __name__)
PUBLISHED = "published"
_TOLD = 20


@pages.get("/opportunities")
@needs(Permission.SEE_RESULTS)
def index() -> str:
    """Reasons for calling, ranked by what could be addressed; one's own newest table first."""
    return _ranking("pages/case/opportunities.html")


@pages.get("/opportunities/panel")
@needs(Permission.SEE_RESULTS)
def panel() -> str:
    """The ranking alone, for a page whose slider is moved."""
    return _ranking("pages/case/opportunities_panel.html")


def _ranking(template: str) -> str:
    wanted = request.args.get("table", "")
    with store().read() as session:
        names = reason_tables.names(session)
        number = _number(wanted, names)
        table = None if number is None else reason_tables.load(session, number)
    question = present_opportunities.asked(request.args)
    chosen = str(number) if number is not None else PUBLISHED
    return render_template(
        template, filled=question.filled, chosen=chosen, table=table,
        page=present_opportunities.page(table, question),
        tables=[*((str(n.id), n.name) for n in names), (PUBLISHED, "The published table of 2022")],
        provenance=present_opportunities.provenance(table),
    )  # fmt: skip


@pages.get("/opportunities/table")
@needs(Permission.EDIT_TRIALS)
def choose() -> str:
    """The form to give a table."""
    return _form(Filled())


@pages.post("/opportunities/table")
@needs(Permission.EDIT_TRIALS)
def keep() -> ResponseReturnValue:
    """Keep a table of wrap codes, whole or not at all."""
    filled, file = sent(), request.files.get("file")
    months = parsed(filled["months"]) if filled["months"] else None
    if months is None or not (math.isfinite(months) and 0 < months <= reason_tables.MOST_MONTHS):
        filled = filled.wrong("months", "Say how many months the table covers, such as 3.")
    if file is None or not file.filename:
        filled = filled.wrong("file", "Choose the table.")
    if filled.problems or months is None or file is None:
        return _form(filled), 422
    try:
        with store().write() as session:
            kept, new = reason_tables.keep(
                session, file.stream, name=filled["name"] or file.filename or "", months=months,
                actor=signed_in().email,
            )  # fmt: skip
    except Invalid as refused:
        says = f"{len(refused.problems)} things are wrong with the table; nothing of it was kept."
        one = str(refused.problems[0])
        says = says if len(refused.problems) > 1 else f"{one[:1].upper()}{one[1:]}"
        told = [str(p) for p in refused.problems]
        return _form(filled.wrong("file", says), told if len(told) > 1 else []), refused.status
    except SignpostError as refused:
        return _form(filled.wrong("file", refused)), refused.status
    flash(f"{counted(len(kept.reasons), 'reason')} kept." if new else
          f"That table is here already, as “{kept.name}”. Nothing was changed.")  # fmt: skip
    return redirect(url_for("opportunities.index", table=kept.id), 303)


def _number(wanted: str, names: tuple[reason_tables.Name, ...]) -> int | None:
    """The table asked for: its number, or ``None`` for the published one."""
    if wanted == PUBLISHED:
        return None
    if not wanted:
        return names[0].id if names else None
    number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10 else 0
    if number not in {n.id for n in names}:
        raise NotFound("there is no such table", "choose one from the list of tables")
    return number


def _form(filled: Filled, told: list[str] | None = None) -> str:
    told = told or []
    return render_template("pages/case/opportunity_table.html", filled=filled, told=told[:_TOLD],
                           more=max(0, len(told) - _TOLD))  # fmt: skip
