"""What waits for whoever is signed in: trials that need them, and work that failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask import url_for

from trials import jobs
from trials.drafting import drafts, signoff
from trials.drafting.screening import ROLES
from trials.registry import TrialSummary
from web.access import Permission, may, signed_in, store
from web.jobs import handlers

MOST = 8
"""So many are shown; the list of trials below has the rest."""

_BY_STATE = {
    "stopped": (Permission.DECIDE, "it has stopped; decide what becomes of it."),
    "ready": (Permission.RUN_TRIALS, "the plan is complete; it can be launched."),
    "draft": (Permission.EDIT_TRIALS, "the plan still has gaps to fill in."),
    "paused": (Permission.RUN_TRIALS, "it is paused; nobody is being assigned."),
}
"""For each state that waits for somebody, whom it waits for and why; the most pressing first."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing to see to: what it is, where it is seen to, and why."""

    what: str
    href: str
    says: str


def found(summaries: Sequence[TrialSummary]) -> list[Waiting]:
    """What waits for whoever is signed in, the most pressing first."""
    asked = [*_failed(), *_agreements(), *_trials(summaries)]
    return asked[:MOST]


def _trials(summaries: Sequence[TrialSummary]) -> list[Waiting]:
    return [
        Waiting(one.title, url_for("trials.trial", key=one.key), says)
        for state, (permission, says) in _BY_STATE.items()
        if may(permission)
        for one in summaries
        if one.state == state
    ]


def _agreements() -> list[Waiting]:
    """Drafts put up for approval that whoever is signed in has still to answer."""
    if not (may(Permission.APPROVE) or may(Permission.PROTECT_DATA)):
        return []
    user, found = signed_in(), []
    with store().read() as session:
        for draft in drafts.everything(session):
            roles = signoff.waits_for(session, draft, actor=user.email, account=user.role)
            if roles:
                names = " or as ".join(ROLES[role].lower() for role in roles)
                href = url_for("signoffs.check", number=draft.id)
                found.append(Waiting(draft.title, href, f"it waits for you to sign as {names}."))
    return found


def _failed() -> list[Waiting]:
    """Work of the latest that failed and has not been done since."""
    if not may(Permission.RUN_TRIALS):
        return []
    with store().read() as session:
        latest = jobs.latest(session, limit=30)
    seen: set[tuple[str, str]] = set()
    failed = []
    for job in latest:
        about = (job.kind, job.subject)
        if about not in seen and job.state == "failed":
            what = (
                f"{handlers.title(job.kind)}, {job.subject}"
                if job.subject
                else handlers.title(job.kind)
            )
            href = url_for("jobs.job", job_id=job.id)
            failed.append(Waiting(what, href, "it failed; the page says why."))
        if job.over:
            seen.add(about)
    return failed
