"""Sign-off and launch: the whole draft on one page, who agreed to which version, and the button."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from trials import clock
from trials.drafting import drafts, signoff, steps
from trials.drafting.drafts import Draft
from trials.drafting.screening import ROLES
from trials.drafting.signoff import Verdict
from trials.errors import Conflict, NotPermitted, SignpostError
from web.access import Permission, may, needs, signed_in, store
from web.drafting import beside, changing, plainly, sizing, summary
from web.filled import Filled, sent

pages = Blueprint("signoffs", __name__)


@pages.get("/drafts/<int:number>/check")
@needs(Permission.SEE_TRIALS)
def check(number: int) -> str:
    """Everything on one page, as those who approve see it."""
    return _page(number, Filled())


@pages.post("/drafts/<int:number>/ask")
@needs(Permission.EDIT_TRIALS)
def ask(number: int) -> ResponseReturnValue:
    """Put the version that was read up for approval."""
    filled = sent()
    try:
        with store().write() as session:
            signoff.ask(session, number, saw=filled["saw"], actor=signed_in().email)
    except SignpostError as failure:
        return _page(number, Filled().wrong("", failure)), failure.status
    flash("Approval was asked for. You signed as improvement lead.")
    return redirect(url_for("signoffs.check", number=number), 303)


@pages.post("/drafts/<int:number>/sign")
@needs(Permission.SEE_TRIALS)
def sign(number: int) -> ResponseReturnValue:
    """Approve the version that was read, or return it."""
    if not (may(Permission.APPROVE) or may(Permission.PROTECT_DATA)):
        raise Forbidden("Your role does not approve trials. An administrator can change it.")
    filled, user = sent(), signed_in()
    role = next((r for r in ROLES if r == filled["role"]), None)
    verdict: Verdict = "approved" if filled["verdict"] == "approved" else "returned"
    if role is None:
        return _page(number, filled.wrong("role", "Choose the role you sign in")), 422
    if filled["verdict"] not in ("approved", "returned"):
        return _page(number, filled.wrong("verdict", "Choose whether you approve it")), 422
    try:
        with store().write() as session:
            signoff.sign(session, number, role=role, verdict=verdict, comment=filled["comment"],
                         saw=filled["saw"], actor=user.email, account=user.role)  # fmt: skip
    except SignpostError as failure:
        return _page(number, filled.wrong("", failure)), failure.status
    flash(f"You {verdict} it as {ROLES[role].lower()}.")
    return redirect(url_for("signoffs.check", number=number), 303)


@pages.get("/drafts/<int:number>/launch")
@needs(Permission.RUN_TRIALS)
def confirm(number: int) -> str:
    """What launching does, before it is done."""
    return _launching(number, Filled())


@pages.post("/drafts/<int:number>/launch")
@needs(Permission.RUN_TRIALS)
def launch(number: int) -> ResponseReturnValue:
    """Register the trial and lock its plan, or change the plan of a running one."""
    filled = sent()
    if _reason_missing(number, filled):
        return _launching(number, filled.wrong("reason", "Say why the plan changes")), 422
    try:
        with store().write() as session:
            _refuse_changed(drafts.load(session, number), filled["saw"])
            draft = signoff.launch(
                session, number, actor=signed_in().email, reason=filled["reason"],
                hasten=may(Permission.ADMINISTER),
            )  # fmt: skip
    except NotPermitted as failure:
        return _launching(number, filled.wrong("", failure)), failure.status
    except SignpostError as failure:
        return _launching(number, filled.wrong("", failure)), 409
    if draft.kind == "amendment":
        flash("The plan is changed. The plan before it is kept beside it.")
    else:
        flash("The trial is launched and its plan is locked.")
    return redirect(url_for("trials.trial", key=draft.key), 303)


def _reason_missing(number: int, filled: Filled) -> bool:
    with store().read() as session:
        return drafts.load(session, number).kind == "amendment" and not filled["reason"]


def _launching(number: int, filled: Filled) -> str:
    with store().read() as session:
        draft = drafts.load(session, number)
        agreed = signoff.standing(session, draft)
        changed = changing.of(session, draft)
    hastens = any(check.key == "looks" for check in agreed.checks)
    return render_template(
        "pages/drafts/launch.html", draft=draft, agreed=agreed, filled=filled, changed=changed,
        for_administrator=hastens and not may(Permission.ADMINISTER),
    )  # fmt: skip


def _refuse_changed(draft: Draft, saw: str) -> None:
    if saw != draft.hash:
        raise Conflict("the draft has changed since you opened this page", "read it again")


def _page(number: int, filled: Filled) -> str:
    user = signed_in()
    with store().read() as session:
        draft = drafts.load(session, number)
        agreed = signoff.standing(session, draft)
        roles = signoff.may_sign(session, draft, actor=user.email, account=user.role)
        clashes = beside.clashes(draft.content, session)
        changed = changing.of(session, draft)
        shown = {(s.role, s.by, s.at) for s in agreed.signatures}
        earlier = [
            one
            for one in signoff.conversation(session, number)
            if one.comment and (one.role, one.by, one.at) not in shown
        ]
    if request.method == "GET" and roles:
        filled = Filled({"role": roles[0]})
    return render_template(
        "pages/drafts/check.html", draft=draft, agreed=agreed, names=ROLES, filled=filled,
        earlier=earlier, changed=changed,
        roles=[(r, ROLES[r], "") for r in roles], groups=summary.groups(draft.content),
        problems=plainly.problems(draft.content), lacks=steps.missing(draft.content),
        size=sizing.of(draft.content), clashes=clashes, previews=beside.previews(draft.content),
        spelled=lambda at: f"{clock.london(at):%-d %B %Y at %H:%M}",
    )  # fmt: skip
