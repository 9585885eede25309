"""Forms that are sent twice do nothing twice: each carries a token that works once."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from trials import clock
from trials.store.tables import SubmissionRow

KEPT = timedelta(days=7)


def first(session: Session, token: str, *, user_id: int | None) -> bool:
    """Whether this token had not been sent before; it has been from now on."""
    session.execute(sa.delete(SubmissionRow).where(SubmissionRow.at < clock.now() - KEPT))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    done = session.execute(
        insert(SubmissionRow)
        .values(token=token, user_id=user_id, at=clock.now(), led_to=None)
        .on_conflict_do_nothing()
        .returning(SubmissionRow.token)
    )
    return done.first() is not None


def led_to(session: Session, token: str, *, user_id: int | None) -> str | None:
    """Where the first sending went on to, if it is finished and was the same person's."""
    row = session.get(SubmissionRow, token)
    return row.led_to if row is not None and row.user_id == user_id else None


def finish(session: Session, token: str, location: str) -> None:
    """Remember where the answer went on to."""
    session.execute(
        sa.update(SubmissionRow).where(SubmissionRow.token == token).values(led_to=location)
    )


def forget(session: Session, token: str) -> None:
    """Let the token be sent again: nothing was done."""
    session.execute(sa.delete(SubmissionRow).where(SubmissionRow.token == token))
