"""What is done to a running trial: pause, resume, stop, amend; each asked twice."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from analysis.report import changed as told_changes
from analysis.report import figures
from trials import lifecycle, registry
from trials.definition import plan, toml
from trials.definition.model import Trial
from trials.drafting.amending import refuse_hastening
from trials.errors import NotFound, SignpostError
from trials.store.tables import OutcomeRow
from web.access import Permission, may, needs, signed_in, store
from web.filled import Filled, sent

pages = Blueprint("acts", __name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What a page asks before it is done, and what it says afterwards."""

    title: str
    means: tuple[str, ...]
    button: str
    done: str
    warns: bool = False


ACTS = {
    "pause": Act(
        title="Pause the trial",
        button="Pause the trial",
        done="The trial is paused.",
        means=(
            "Everybody gets the version in use today for the time being; nobody new takes part.",
            "Whoever has been given a version keeps it, and what happens to them still counts.",
            "You can resume at any time.",
        ),
    ),
    "resume": Act(
        title="Resume the trial",
        button="Resume the trial",
        done="The trial is live again.",
        means=("People are given versions again, by the same shares as before.",),
    ),
    "stop": Act(
        title="Stop the trial for good",
        button="Stop the trial",
        warns=True,
        done="The trial has stopped, and its seed is published on this page.",
        means=(
            "Nobody is given a version any more. A stopped trial cannot be started again.",
            "The seed of the draw is published, so that anybody with the list can check it.",
            "Stopping because of how a result looks before its time makes it unreliable.",
        ),
    ),
}


@pages.get("/trials/<key>/acts/<name>")
@needs(Permission.RUN_TRIALS)
def ask(key: str, name: str) -> str:
    """What an act would do, and the question whether to do it."""
    return _asked(key, name, Filled())


@pages.post("/trials/<key>/acts/<name>")
@needs(Permission.RUN_TRIALS)
def do(key: str, name: str) -> ResponseReturnValue:
    """Do it, with its reason."""
    filled, act = sent(), _act(name)
    if not filled["reason"]:
        return _asked(
            key, name, filled.wrong("reason", "Say why, for those who read this later")
        ), 400
    moved = {"pause": lifecycle.pause, "resume": lifecycle.resume, "stop": lifecycle.stop}[name]
    try:
        with store().write() as session:
            moved(session, key, actor=signed_in().email, reason=filled["reason"])
    except NotFound:
        raise
    except SignpostError as refused:
        return _asked(key, name, filled.wrong("", refused.says.capitalize())), refused.status
    flash(act.done)
    return redirect(url_for("trials.trial", key=key), 303)


@pages.get("/trials/<key>/amend")
@needs(Permission.EDIT_TRIALS)
def amending(key: str) -> str:
    """The locked plan as a text to change, with a place for the reason."""
    with store().read() as session:
        record = registry.load(session, key)
        filled = Filled({"plan": toml.write(record.definition)})
        return _amending(session, record, filled, None)


@pages.post("/trials/<key>/amend")
@needs(Permission.EDIT_TRIALS)
def amend(key: str) -> ResponseReturnValue:
    """Show what would change; once that has been seen, change it."""
    filled = sent()
    try:
        changed = toml.read(filled.values.get("plan", "").replace("\r\n", "\n"), "the plan")
        if filled["seen"] == plan.plan_hash(changed):
            return _amended(key, changed, filled["reason"])
    except SignpostError as refused:
        return _again(key, filled.wrong("plan", refused)), refused.status
    if changed.key != key:
        return _again(key, filled.wrong("plan", f"Keep the key as it is: {key}")), 400
    if not filled["reason"]:
        return _again(key, filled.wrong("reason", "Say why the plan is changed")), 400
    with store().read() as session:
        return _amending(session, registry.load(session, key), filled, changed)


def _again(key: str, filled: Filled) -> str:
    with store().read() as session:
        return _amending(session, registry.load(session, key), filled, None)


def _amended(key: str, changed: Trial, reason: str) -> ResponseReturnValue:
    with store().write() as session:
        before = registry.load(session, key).definition
        refuse_hastening(before, changed, allowed=may(Permission.ADMINISTER))
        lifecycle.amend(session, changed, actor=signed_in().email, reason=reason)
    flash("The plan is amended. The plan before it is kept beside it.")
    return redirect(url_for("trials.trial", key=key), 303)


def _amending(
    session: Session, record: registry.TrialRecord, filled: Filled, changed: Trial | None
) -> str:
    before = plan.document(record.definition)
    found = plan.changes(before, plan.document(changed)) if changed else []
    known = (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(OutcomeRow)
            .where(OutcomeRow.trial_id == record.id)
        )
        or 0
    )
    return render_template(
        "pages/amend.html",
        key=record.key,
        title=record.definition.about.title,
        filled=filled,
        locked=record.locked,
        over=record.locked and record.state not in lifecycle.AMENDABLE,
        can_explore=may(Permission.ANALYSE),
        changes=told_changes.lines(changed or record.definition, found),
        seen=plan.plan_hash(changed) if changed and found else "",
        same=changed is not None and not found,
        known=figures.counted(int(known), "outcome") if known else "",
    )


def _act(name: str) -> Act:
    if name not in ACTS:
        raise NotFound("there is no such thing to do to a trial", "go back to its page")
    return ACTS[name]


def _asked(key: str, name: str, filled: Filled) -> str:
    act = _act(name)
    with store().read() as session:
        row = registry.row_of(session, key)
        allowed = row.state in lifecycle.MOVES[name].allowed  # type: ignore[index]
        return render_template(
            "pages/act.html",
            key=key,
            title=row.title,
            act=act,
            filled=filled,
            allowed=allowed,
            state=row.state,
        )
