"""What can be done with a trial now, and who agreed to it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import url_for

from analysis.report import figures
from trials import lifecycle, registry
from trials.drafting import drafts
from trials.drafting.screening import ROLES
from trials.registry import TrialRecord
from trials.store.tables import DraftRow, SignOffRow
from web.access import Permission, may, store

_ROLES: dict[str, str] = {str(role): label for role, label in ROLES.items()}
_STANDING = {"open": "Being written", "launched": "Locked"}
_VERDICTS = {"approved": "Agreed", "returned": "Asked for changes"}


def acts(record: TrialRecord) -> list[tuple[str, str, str]]:
    """The buttons of a trial for whoever is signed in: label, address, look."""
    found = []
    if may(Permission.RUN_TRIALS):
        wanted = {
            "live": [("Pause", "pause", "secondary"), ("Stop for good", "stop", "warning")],
            "paused": [("Resume", "resume", "secondary"), ("Stop for good", "stop", "warning")],
        }.get(record.state, [])
        found += [
            (label, url_for("acts.ask", key=record.key, name=name), look)
            for label, name, look in wanted
        ]
    # The wizard is the usual way: the text is for those who know the file.
    amends = may(Permission.EDIT_TRIALS) and may(Permission.SEE_STATISTICS)
    if amends and record.state in lifecycle.AMENDABLE:
        where = url_for("acts.amending", key=record.key)
        found.append(("Amend the plan as a file", where, "secondary"))
    return found


def change(record: TrialRecord) -> str:
    """What the button says that leads into the wizard; empty where there is nothing to change."""
    if not may(Permission.EDIT_TRIALS):
        return ""
    if record.state in registry.DRAFT_STATES:
        return "Write it on in the wizard"
    return "Change this trial" if record.state in lifecycle.AMENDABLE else ""


def why_fixed(record: TrialRecord) -> str:
    """Why the plan can no longer be changed, for whoever might look for the button; else empty."""
    if not (may(Permission.EDIT_TRIALS) and record.locked) or record.state in lifecycle.AMENDABLE:
        return ""
    return "The trial is over, so its plan stays as it was run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A draft that a trial was written or changed in: what it was, and where it is read."""

    what: str
    standing: str
    href: str


def written(key: str) -> list[Written]:
    """The drafts and sign-off records of a trial, the first first."""
    with store().read() as session:
        return [
            Written(
                what="A change to the plan" if draft.kind == "amendment" else "The trial",
                standing=f"{_STANDING.get(draft.state, draft.state)}, "
                f"last saved by {draft.updated_by}",
                href=url_for("signoffs.check", number=draft.id),
            )
            for draft in drafts.all_of_trial(session, key)
        ]


def approvals(key: str) -> list[tuple[str, str, str]]:
    """Who said what of the drafts that this trial came from: role, what, when; the latest last."""
    query = (
        sa.select(SignOffRow)
        .join(DraftRow, DraftRow.id == SignOffRow.draft_id)
        .where(DraftRow.key == key)
        .order_by(SignOffRow.id)
    )
    with store().read() as session:
        return [
            (
                _ROLES.get(row.role, row.role),
                f"{_VERDICTS.get(row.verdict, row.verdict)}, {row.by}",
                figures.moment(row.at),
            )
            for row in session.scalars(query)
        ]
