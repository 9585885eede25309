"""What can be done with a trial now, and who agreed to it."""

from __future__ import annotations

import sqlalchemy as sa
from flask import url_for

from analysis.report import figures
from trials.drafting.screening import ROLES
from trials.registry import TrialRecord
from trials.store.tables import DraftRow, SignOffRow
from web.access import Permission, may, store

_ROLES: dict[str, str] = {str(role): label for role, label in ROLES.items()}
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
    if may(Permission.EDIT_TRIALS) and record.locked and record.state != "decided":
        found.append(("Amend the plan", url_for("acts.amending", key=record.key), "secondary"))
    return found


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
