"""People who take part in no trial, or not in one: objections and the council's never-trial list.

Kept are join numbers of keyed hashes alone. Whoever is left out gets the control from that moment
on; what they were given before stays on record, for a first assignment is never rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, registry
from trials.people.erasure import Number, numbers_of
from trials.people.identifiers import Hasher
from trials.store.tables import LeftOutRow

Why = Literal["objected", "never-trial"]
WHY: tuple[Why, ...] = get_args(Why)
Mark = tuple[int, int | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """Why somebody is left out, and since when."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Who is left out of one trial, by join number."""

    entries: Mapping[Number, Entry]

    def __bool__(self) -> bool:
        return bool(self.entries)

    def among(self, numbers: Iterable[Number]) -> Entry | None:
        """Why a unit with these numbers is left out; ``None`` where it is not."""
        if not self.entries:
            return None
        return next((e for n in numbers if (e := self.entries.get(n)) is not None), None)


def add(
    session: Session, pairs: Sequence[tuple[str, str]], *, hasher: Hasher, actor: str,
    reason: Why = "objected", trial: str | None = None,
) -> int:  # fmt: skip
    """Leave people out of every trial, or of ``trial``; answers how many identifiers were new.

    Raises:
        NotFound: there is no such trial.
        SignpostError: an identifier cannot be read.
    """
    number = None if trial is None else registry.row_of(session, trial).id
    new = 0
    for kind, value in dict.fromkeys(numbers_of(pairs, hasher)):
        if _row(session, kind, value, number) is None:
            session.add(LeftOutRow(kind=kind, number=value, reason=reason, trial_id=number,
                                   added_at=clock.now(), added_by=actor))  # fmt: skip
            new += 1
    session.flush()
    audit.record(session, "left out of trials", trial or "people", actor=actor,
                 detail={"reason": reason, "identifiers": new})  # fmt: skip
    return new


def remove(
    session: Session, pairs: Sequence[tuple[str, str]], *, hasher: Hasher, actor: str,
    trial: str | None = None,
) -> int:  # fmt: skip
    """Take an objection back, where the person asks for it; answers how many entries went.

    An erasure cannot be taken back.

    Raises:
        NotFound: there is no such trial.
        SignpostError: an identifier cannot be read.
    """
    number = None if trial is None else registry.row_of(session, trial).id
    gone = 0
    for kind, value in dict.fromkeys(numbers_of(pairs, hasher)):
        row = _row(session, kind, value, number)
        if row is not None and row.reason in WHY:
            session.delete(row)
            gone += 1
    session.flush()
    audit.record(session, "objection taken back", trial or "people", actor=actor,
                 detail={"identifiers": gone})  # fmt: skip
    return gone


def counts(session: Session) -> dict[str, int]:
    """How many identifiers are on the lists, by reason; never whose."""
    rows = session.execute(
        sa.select(LeftOutRow.reason, sa.func.count()).group_by(LeftOutRow.reason)
    )
    return dict(rows.tuples().all())


def every(session: Session) -> dict[int | None, dict[Number, Entry]]:
    """Who is left out, by trial; under ``None`` those who are left out of all."""
    found: dict[int | None, dict[Number, Entry]] = {}
    for row in session.execute(
        sa.select(LeftOutRow.trial_id, LeftOutRow.kind, LeftOutRow.number, LeftOutRow.reason,
                  LeftOutRow.added_at)
    ):  # fmt: skip
        found.setdefault(row[0], {})[(row[1], row[2])] = Entry(row[3], row[4])
    return found


def mark(session: Session) -> Mark:
    """What tells that somebody was put on a list or taken off since it was last read."""
    query = sa.select(
        sa.func.count(), sa.func.max(LeftOutRow.id), sa.func.max(LeftOutRow.added_at)
    ).select_from(LeftOutRow)  # fmt: skip
    entries, newest, since = session.execute(query).one()
    return entries, newest, since


def of(lists: Mapping[int | None, Mapping[Number, Entry]], trial_id: int) -> LeftOut:
    """Who is left out of one trial."""
    own, shared = lists.get(trial_id), lists.get(None, {})
    return LeftOut({**own, **shared} if own else shared)


def _row(session: Session, kind: str, number: int, trial_id: int | None) -> LeftOutRow | None:
    return session.scalar(sa.select(LeftOutRow).where(
        LeftOutRow.kind == kind, LeftOutRow.number == number,
        LeftOutRow.trial_id.is_(None) if trial_id is None else LeftOutRow.trial_id == trial_id,
    ))  # fmt: skip
