"""The backlog of ideas: ranked, added to, changed, and a draft begun from one by a button."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from trials.drafting import ideas
from trials.drafting.ideas import CONTROL, EFFORT, STATUSES, Idea, Kept
from trials.errors import Conflict
from web.access import Permission, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("ideas", __name__)

_CONTROL = [("controllable", "We can make the change ourselves"),
            ("influenceable", "Another team or a supplier makes it, and we can ask"),
            ("unknown", "Not known yet")]  # fmt: skip
_EFFORT = [("small", "Small: words, or a setting"), ("medium", "Medium: some days of work"),
           ("large", "Large: a project")]  # fmt: skip
_STATUS = [("new", "New"), ("ready", "Ready to try"), ("started", "Started"), ("parked", "Parked")]
_LONGEST = {"title": 200, "why": 2000, "service": 120, "owner": 254}
_MOST = 1_000_000_000


@pages.get("/ideas")
@needs(Permission.SEE_TRIALS)
def index() -> str:
    """All ideas, the most promising first."""
    with store().read() as session:
        found = ideas.ranked(session)
    return render_template("pages/ideas/index.html", found=found, control=dict(_CONTROL),
                           status=dict(_STATUS))  # fmt: skip


@pages.get("/ideas/new")
@needs(Permission.EDIT_TRIALS)
def new() -> str:
    """A form for an idea; a link may fill it in beforehand."""
    given = {n: request.args.get(n, "")[:2000] for n in (*_LONGEST, "volume", "control", "effort")}
    given["control"] = given["control"] if given["control"] in CONTROL else "unknown"
    given["effort"] = given["effort"] if given["effort"] in EFFORT else "medium"
    given["owner"] = given["owner"] or signed_in().email
    return _page(Filled({"status": "new", **given}))


@pages.post("/ideas/new")
@needs(Permission.EDIT_TRIALS)
def add() -> ResponseReturnValue:
    """Keep a new idea."""
    idea, filled = _read(sent())
    if idea is None:
        return _page(filled), 422
    with store().write() as session:
        ideas.add(session, idea, actor=signed_in().email)
    flash(f"“{idea.title}” is on the list.")
    return redirect(url_for("ideas.index"), 303)


@pages.get("/ideas/<int:number>")
@needs(Permission.EDIT_TRIALS)
def edit(number: int) -> str:
    """One idea, to change."""
    with store().read() as session:
        kept = ideas.load(session, number)
    return _page(_filled(kept), kept)


@pages.post("/ideas/<int:number>")
@needs(Permission.EDIT_TRIALS)
def change(number: int) -> ResponseReturnValue:
    """Keep what was changed; what somebody else saved meanwhile is shown first."""
    with store().read() as session:
        kept = ideas.load(session, number)
    idea, filled = _read(sent())
    if idea is None:
        return _page(filled, kept), 422
    base = request.form.get("base", 0, type=int)
    try:
        with store().write() as session:
            ideas.change(session, number, idea, base=base, actor=signed_in().email)
    except Conflict as failure:
        with store().read() as session:
            kept = ideas.load(session, number)
        return _page(filled.wrong("", failure), kept, rival=_said(kept)), failure.status
    flash(f"“{idea.title}” is saved.")
    return redirect(url_for("ideas.index"), 303)


@pages.post("/ideas/<int:number>/start")
@needs(Permission.EDIT_TRIALS)
def start(number: int) -> ResponseReturnValue:
    """Begin a draft from the idea, or open the one there is."""
    with store().write() as session:
        draft = ideas.begin(session, number, actor=signed_in().email)
    return redirect(url_for("drafting.overview", number=draft.id), 303)


def _page(
    filled: Filled, kept: Kept | None = None, rival: list[tuple[str, str]] | None = None
) -> str:
    return render_template("pages/ideas/idea.html", filled=filled, kept=kept, rival=rival,
                           control_items=[(*c, "") for c in _CONTROL],
                           effort_items=[(*e, "") for e in _EFFORT], status=_STATUS)  # fmt: skip


def _filled(kept: Kept) -> Filled:
    i = kept.idea
    return Filled({
        "title": i.title, "why": i.why, "service": i.service, "control": i.control,
        "volume": "" if i.volume is None else str(i.volume), "effort": i.effort,
        "owner": i.owner, "status": i.status,
    })  # fmt: skip


def _said(kept: Kept) -> list[tuple[str, str]]:
    """What is saved now, in words."""
    i = kept.idea
    return [
        ("Title", i.title), ("Why", i.why or "Nothing"), ("Service", i.service or "Nothing"),
        ("Contacts a year", "Not known" if i.volume is None else f"{i.volume:,}"),
        ("Lever", dict(_CONTROL)[i.control]), ("Work", dict(_EFFORT)[i.effort]),
        ("Owner", i.owner or "Nobody"), ("Status", dict(_STATUS)[i.status]),
    ]  # fmt: skip


def _read(filled: Filled) -> tuple[Idea | None, Filled]:
    """The idea that was sent, or nothing and what is wrong with it."""
    if not filled["title"]:
        filled = filled.wrong("title", "Say in a few words what could change")
    for name, most in _LONGEST.items():
        if len(filled[name]) > most:
            filled = filled.wrong(name, f"Use at most {most:,} characters")
    typed = filled["volume"].replace(",", "").replace(" ", "")
    volume = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else None
    if typed and (volume is None or volume > _MOST):
        filled = filled.wrong("volume", "Write a whole number, such as 12,000, or leave it empty")
    for name, known in (("control", CONTROL), ("effort", EFFORT), ("status", STATUSES)):
        if filled[name] not in known:
            filled = filled.wrong(name, "Choose one of the list")
    if filled.problems:
        return None, filled
    return Idea(title=filled["title"], why=filled["why"], service=filled["service"],
                volume=volume, control=filled["control"], effort=filled["effort"],
                owner=filled["owner"], status=filled["status"]), filled  # fmt: skip
