"""The data-protection pages: a person removed for good, and what is past its time.

Both count first and change nothing until a box is ticked. Identifiers are never stored or logged.
"""

from __future__ import annotations

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from analysis.report.figures import counted
from trials import clock, jobs
from trials.errors import SignpostError
from trials.people import erasure, retention
from trials.people.identifiers import Hasher
from trials.settings import Settings
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("protection", __name__)

KINDS = (
    ("phone", "Telephone number"),
    ("email", "E-mail address"),
    ("account", "Account number"),
    ("customer", "Customer number"),
    ("uprn", "Property number (UPRN)"),
    ("unit", "Number in a trial’s own list"),
)
"""What a person may be known by, as the form asks for it."""


@pages.get("/data-protection")
@needs(Permission.PROTECT_DATA)
def index() -> str:
    """What is past its time, and the form that looks for one person."""
    return _page(Filled())


@pages.post("/data-protection/erasure")
@needs(Permission.PROTECT_DATA)
def erase() -> ResponseReturnValue:
    """Count what is held about a person; with the box ticked, remove it."""
    filled = sent()
    pairs = [(kind, filled[kind]) for kind, _ in KINDS if filled[kind]]
    if not pairs:
        return _page(filled.wrong("phone", "Enter at least one thing the person is known by")), 422
    sure = filled["sure"] == "yes"
    try:
        done = erasure.erase(store(), pairs, hasher=_hasher(), actor=signed_in().email,
                             dry_run=not sure)  # fmt: skip
    except SignpostError as failure:
        field = next((kind for kind, _ in pairs if f"the {kind} " in failure.says), "phone")
        return _page(filled.wrong(field, failure)), failure.status
    if not sure:
        if filled["counted"]:
            filled = filled.wrong("sure", "Tick the box to remove the person")
        return _page(filled, counted=done), 422 if filled.problems else 200
    flash(
        f"Removed: {counted(done.contacts, 'contact')} and {counted(done.units, 'place')} in "
        "trials. Results already made stay. Backups made before today still hold the rows."
    )
    return redirect(url_for("protection.index"), 303)


@pages.post("/data-protection/retention")
@needs(Permission.PROTECT_DATA)
def retire() -> ResponseReturnValue:
    """Ask a worker to remove what is past its time, once the box is ticked."""
    filled = sent()
    if filled["agreed"] != "yes":
        return _page(filled.wrong("agreed", "Tick the box to remove what is past its time")), 422
    with store().write() as session:
        jobs.enqueue(
            session, "retention", payload={}, subject="", actor=signed_in().email,
            key=f"retention/{filled['once'] or clock.now().isoformat()}",
        )  # fmt: skip
    flash("What is past its time is being removed. Load this page again to see it gone.")
    return redirect(url_for("protection.index"), 303)


def _page(filled: Filled, counted: erasure.Erasure | None = None) -> str:
    rule = _settings()
    due = retention.run(
        store(), hasher=_hasher(), trial_days=rule.retention_days, contact_days=rule.contact_days,
        actor=signed_in().email, dry_run=True,
    )  # fmt: skip
    return render_template(
        "pages/protection/index.html", filled=filled, counted=counted, due=due, kinds=KINDS,
        trial_days=rule.retention_days, contact_days=rule.contact_days,
    )  # fmt: skip


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found


def _hasher() -> Hasher:
    return Hasher(_settings().identifier_key)
