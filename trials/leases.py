"""Who alone may do a thing: a row that its owner must keep renewing.

A process that is killed simply stops renewing, and another takes over when the lease has run out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock
from trials.store.tables import LeaseRow
from trials.store.upsert import insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease as it stands."""

    name: str
    owner: str
    since: datetime
    seen: datetime
    until: datetime


def take(session: Session, name: str, owner: str, *, length: timedelta) -> bool:
    """Take or renew the lease; ``False`` while somebody else has it."""
    now = clock.now()
    fresh = {"seen": now, "until": now + length}
    renewed = session.execute(
        sa.update(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner)
        .values(**fresh).returning(LeaseRow.name),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    if renewed is not None:
        return True
    taken = session.execute(
        sa.update(LeaseRow).where(LeaseRow.name == name, LeaseRow.until < now)
        .values(owner=owner, since=now, **fresh).returning(LeaseRow.name),
        execution_options={"synchronize_session": False},
    ).first()  # fmt: skip
    if taken is not None:
        return True
    values = {"name": name, "owner": owner, "since": now, **fresh}
    added = session.execute(
        insert(session, LeaseRow).values(values).on_conflict_do_nothing(index_elements=["name"])
        .returning(LeaseRow.name)
    ).first()  # fmt: skip
    return added is not None


def held(session: Session, name: str, owner: str) -> bool:
    """Whether ``owner`` has the lease now; on PostgreSQL nobody can take it before the commit."""
    found = session.scalar(
        sa.select(LeaseRow.name).where(LeaseRow.name == name, LeaseRow.owner == owner,
                                       LeaseRow.until >= clock.now()).with_for_update()
    )  # fmt: skip
    return found is not None


def give_up(session: Session, name: str, owner: str) -> None:
    """Let the next one take it at once."""
    session.execute(
        sa.update(LeaseRow).where(LeaseRow.name == name, LeaseRow.owner == owner)
        .values(until=clock.now() - timedelta(seconds=1)),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


def look(session: Session, name: str) -> Lease | None:
    """The lease as it stands; ``None`` where nobody ever took it."""
    row = session.get(LeaseRow, name)
    if row is None:
        return None
    return Lease(name=row.name, owner=row.owner, since=row.since, seen=row.seen, until=row.until)
