"""Files handed in: chosen, looked at with people masked, and then taken in by a worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from trials import jobs, registry
from trials.contacts import mapping, reasons
from trials.contacts.mapping import ColumnMapping
from trials.contacts.record import CATEGORIES
from trials.contacts.sources import READERS, TITLES
from trials.errors import Invalid, NotFound, SignpostError
from trials.registry import TrialRecord
from trials.settings import Settings
from web import present_jobs, preview
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent, told
from web.jobs import mappings, uploads
from web.preview import Preview

pages = Blueprint("uploads", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of file: what it is for, and what has to be in it."""

    title: str
    purpose: str
    columns: str


KINDS = {
    "units": Kind(
        title="List of who takes part",
        purpose="They are drawn as the plan says, and you get one file for each version back.",
        columns="A column called unit, those that the plan uses, and the phone, email, account, "
        "uprn, customer or session by which people can be recognised later.",
    ),
    "contacts": Kind(
        title="Contact log",
        purpose="Who got in touch again, whatever the line or channel. One log serves every trial.",
        columns="An export of 8x8, Amazon Connect, Genesys or Open311, or any spreadsheet: you are "
        "asked once what its columns mean.",
    ),
    "outcomes": Kind(
        title="Outcomes",
        purpose="What was measured elsewhere: paid, voted, finished a form.",
        columns="unit, metric and value; or unit and one column for each measure.",
    ),
    "exposures": Kind(
        title="When people met their version",
        purpose="Time is counted from then. Without it, from when they were drawn.",
        columns="unit and exposed_at; arm, where what was really given is known.",
    ),
    "assignments": Kind(
        title="Who got what, drawn elsewhere",
        purpose="For a trial that another system drew.",
        columns="unit and arm; assigned_at, and the columns that the plan uses.",
    ),
    "reasons": Kind(
        title="What the wrap codes mean",
        purpose="So that contacts that could have been avoided are known as such.",
        columns="source, code, reason and category; avoidable_share, valid_from and valid_to.",
    ),
    "codings": Kind(
        title="Sample of contacts coded twice",
        purpose="A second person codes a random sample again, seeing neither the first code nor "
        "the version. It tells how far codes can be trusted, and results are corrected by it.",
        columns="contact_id; first, the code given at the time; second, the code given again.",
    ),
}
FIELDS = {
    "contact_id": "Number of the contact",
    "occurred_at": "When it happened",
    "channel": "Channel",
    "line": "Line or queue",
    "topic": "Service or topic",
    "reason": "Reason or wrap code",
    "outcome": "How it ended",
    "wait_seconds": "Time waited",
    "handle_seconds": "Time handled",
    "phone": "Phone number",
    "email": "Email address",
    "account": "Account number",
    "customer": "Customer number",
    "uprn": "Property number (UPRN)",
    "unit": "Unit of the trial",
}


@pages.get("/trials/<key>/uploads")
@needs(Permission.RUN_TRIALS)
def index(key: str) -> str:
    """What can be handed in, and what was."""
    with store().read() as session:
        title = registry.row_of(session, key).title
        found = [job for job in jobs.latest(session, subject=key) if job.kind.startswith("import-")]
    return render_template(
        "pages/uploads.html",
        key=key,
        title=title,
        kinds=KINDS,
        lines=present_jobs.lines(found[:20]),
    )


@pages.get("/trials/<key>/uploads/<kind>")
@needs(Permission.RUN_TRIALS)
def choose(key: str, kind: str) -> str:
    """The form to choose a file."""
    return _choose(_record(key), kind, Filled())


@pages.post("/trials/<key>/uploads/<kind>")
@needs(Permission.RUN_TRIALS)
def keep(key: str, kind: str) -> ResponseReturnValue:
    """Put the file aside, and look at it."""
    record, file = _record(key), request.files.get("file")
    if file is None or not file.filename:
        return _choose(record, kind, sent().wrong("file", "Choose a file")), 400
    token = ""
    try:
        token = uploads.keep(_home(), file.stream, file.filename)
        _look(record, kind, uploads.path_of(_home(), token), None)
    except SignpostError as refused:
        uploads.drop(_home(), token)
        return _choose(record, kind, sent().wrong("file", _short(refused))), refused.status
    return redirect(url_for("uploads.look", key=key, kind=kind, token=token), 303)


@pages.get("/trials/<key>/uploads/<kind>/<token>")
@needs(Permission.RUN_TRIALS)
def look(key: str, kind: str, token: str) -> str:
    """The first rows, masked; for an unknown contact log, what its columns mean."""
    return _looked(_record(key), kind, token, Filled())


@pages.post("/trials/<key>/uploads/<kind>/<token>")
@needs(Permission.RUN_TRIALS)
def take(key: str, kind: str, token: str) -> ResponseReturnValue:
    """Have the file taken in, or forget it, or save what its columns mean."""
    record, filled = _record(key), sent()
    _kind(kind)
    if filled["do"] == "forget":
        uploads.drop(_home(), token)
        flash("The file was deleted. Nothing was taken in.")
        return redirect(url_for("uploads.index", key=key), 303)
    if filled["do"] == "map":
        return _mapped(record, kind, token, filled)
    uploads.path_of(_home(), token)
    payload: dict[str, Any] = {"trial": key, "file": token}
    payload["keep_good_rows"] = filled["keep_good_rows"] == "yes"
    if kind == "units":
        payload["format"] = "notify" if filled["format"] == "notify" else "csv"
    if kind == "contacts":
        payload |= _how(filled)
    if kind == "codings" and filled["source"]:
        payload["source"] = filled["source"]
    with store().write() as session:
        number = jobs.enqueue(
            session,
            f"import-{kind}",
            payload=payload,
            subject=key,
            key=f"import/{kind}/{token}",
            actor=signed_in().email,
        )
    return redirect(url_for("jobs.job", job_id=number), 303)


def _how(filled: Filled) -> dict[str, str]:
    """How a contact log is to be read: a saved mapping, or a known system."""
    if filled["mapping"]:
        mappings.load(_home(), filled["mapping"])
        return {"mapping": filled["mapping"]}
    return {"source": filled["source"]} if filled["source"] in READERS else {}


def _mapped(record: TrialRecord, kind: str, token: str, filled: Filled) -> ResponseReturnValue:
    columns = {field: filled[f"column-{field}"] for field in FIELDS if filled[f"column-{field}"]}
    data: dict[str, Any] = {"name": filled["name"], "columns": columns}
    if filled["date_order"]:
        data["date_order"] = filled["date_order"]
    if "contact_id" not in columns:
        data["derive_ids"] = True
    if filled["channel"] and "channel" not in columns:
        data["constants"] = {"channel": filled["channel"]}
    try:
        made = mapping.of(data)
        mappings.save(_home(), made)
        _look(record, kind, uploads.path_of(_home(), token), made)
    except NotFound:
        raise
    except SignpostError as refused:
        return _looked(record, kind, token, filled.wrong("name", _short(refused))), refused.status
    return redirect(
        url_for("uploads.look", key=record.key, kind=kind, token=token, mapping=made.name), 303
    )


def _choose(record: TrialRecord, kind: str, filled: Filled) -> str:
    return render_template(
        "pages/upload.html",
        key=record.key,
        kind=kind,
        filled=filled,
        title=record.definition.about.title,
        about=_kind(kind),
    )


def _looked(record: TrialRecord, kind: str, token: str, filled: Filled) -> str:
    about, path = _kind(kind), uploads.path_of(_home(), token)
    name = request.args.get("mapping", "")
    how = mappings.load(_home(), name) if name else None
    shown = _look(record, kind, path, how)
    known = shown.source if shown.source in READERS or how else None
    unknown = kind == "contacts" and known is None and shown.columns
    return render_template(
        "pages/upload_look.html",
        key=record.key,
        kind=kind,
        token=token,
        filled=filled,
        title=record.definition.about.title,
        about=about,
        preview=shown,
        unknown=unknown,
        source=known if not how else None,
        mapping=name,
        fields=FIELDS,
        system=TITLES.get(known or "", known or ""),
        size=path.stat().st_size,
        fitting=mappings.fitting(_home(), shown.columns) if unknown else [],
        guess=mapping.suggest(shown.columns) if unknown else {},
        systems=_systems() if kind == "codings" else [],
    )


def _systems() -> list[tuple[str, str]]:
    """What the codes of a sample may be: categories, or the wrap codes of a system."""
    with store().read() as session:
        names = sorted({reason.source for reason in reasons.load(session).reasons})
    codes = [(name, f"Wrap codes of {TITLES.get(name, name)}") for name in names]
    return [("", f"Categories: {', '.join(CATEGORIES)}"), *codes]


def _look(record: TrialRecord, kind: str, path: Path, how: ColumnMapping | None) -> Preview:
    if kind == "contacts":
        return preview.of_contacts(path, how)
    return preview.of_file(path, kind, record.definition)


def _record(key: str) -> TrialRecord:
    with store().read() as session:
        return registry.load(session, key)


def _kind(kind: str) -> Kind:
    if kind not in KINDS:
        raise NotFound("there is no such kind of file", "choose one on the page of uploads")
    return KINDS[kind]


def _home() -> Path:
    settings: Settings = current_app.extensions["settings"]
    return settings.home


def _short(refused: SignpostError) -> str:
    if isinstance(refused, Invalid) and refused.problems:
        text = str(refused.problems[0])
        return text[:1].upper() + text[1:]
    return told(refused)
