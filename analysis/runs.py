"""Stored runs, read back; light enough for a web process."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import registry
from trials.errors import NotFound
from trials.store.tables import RunRow


def latest_result(session: Session, key: str) -> dict[str, Any] | None:
    """The result of a trial's newest run; ``None`` before the first. Raises ``NotFound``."""
    row = registry.row_of(session, key)
    return session.scalar(
        sa.select(RunRow.result)
        .where(RunRow.trial_id == row.id)
        .order_by(RunRow.id.desc())
        .limit(1)
    )


def result_of(session: Session, key: str, run_id: int) -> dict[str, Any]:
    """The result of one run, exactly as it was given out. Raises ``NotFound``."""
    row = session.get(RunRow, run_id)
    if row is None or row.trial_id != registry.row_of(session, key).id:
        raise NotFound(f"trial {key!r} has no run {run_id}", "see its page for the runs it has")
    return row.result
