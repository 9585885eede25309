"""A council's own tables of wrap codes, kept so that the opportunity model can be run on them."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.scaling.opportunity import Reason
from analysis.scaling.reason_table import from_data, read_table, to_data
from trials import audit, clock
from trials.errors import Invalid, NotFound, Problem
from trials.store.tables import ReasonTableRow

MOST_MONTHS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A table as it is kept; ``months`` is how long it covers."""

    id: int
    name: str
    months: float
    reasons: tuple[Reason, ...]
    passed_over: tuple[str, ...]
    at: datetime
    actor: str

    def a_year(self, calls: float) -> int:
        """What so many calls of the table come to in a year, should it go on like that."""
        return round(calls * 12 / self.months)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A kept table in a list."""

    id: int
    name: str
    at: datetime


def keep(
    session: Session, stream: IO[bytes], *, name: str, months: float, actor: str
) -> tuple[Kept, bool]:
    """Keep a table; the table, and whether it is new (the same content is kept once).

    Raises:
        Invalid: the table or its ``months`` cannot be used; every problem is named.
        SignpostError: the file cannot be read.
    """
    if not (math.isfinite(months) and 0 < months <= MOST_MONTHS):
        remedy = f"give a number of months up to {MOST_MONTHS:g}"
        raise Invalid("the table", [Problem("months", "is not how long a table covers", remedy)])
    read = read_table(stream)
    document = {"reasons": to_data(read.reasons), "passed_over": list(read.passed_over)}
    print_ = hashlib.sha256(json.dumps([months, document["reasons"]]).encode()).hexdigest()
    known = session.scalar(sa.select(ReasonTableRow).where(ReasonTableRow.fingerprint == print_))
    if known is not None:
        return _kept(known), False
    row = ReasonTableRow(name=" ".join(name.split())[:200] or "table", months=months,
                         fingerprint=print_, document=document, at=clock.now(),
                         actor=actor)  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(session, "reason table kept", f"reason table {row.id}", actor=actor,
                 detail={"rows": len(read.reasons), "months": months})  # fmt: skip
    return _kept(row), True


def names(session: Session) -> tuple[Name, ...]:
    """Every table that is kept, the newest first."""
    rows = session.execute(
        sa.select(ReasonTableRow.id, ReasonTableRow.name, ReasonTableRow.at).order_by(
            ReasonTableRow.id.desc()
        )
    )
    return tuple(Name(id=row.id, name=row.name, at=row.at) for row in rows)


def load(session: Session, number: int) -> Kept:
    """One table. Raises ``NotFound``."""
    row = session.get(ReasonTableRow, number)
    if row is None:
        raise NotFound(f"there is no table {number}", "choose one from the list of tables")
    return _kept(row)


def _kept(row: ReasonTableRow) -> Kept:
    return Kept(
        id=row.id, name=row.name, months=row.months, reasons=from_data(row.document["reasons"]),
        passed_over=tuple(row.document["passed_over"]), at=row.at, actor=row.actor,
    )  # fmt: skip
