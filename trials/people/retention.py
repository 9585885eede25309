"""What is kept for how long: the unit-level rows of finished trials, and old contacts.

When a trial has been over for the period that the council has set, its units go with all that was
recorded about them: hashes, attributes, arms, exposures, outcomes, deliveries. Their key is
destroyed, so that no backup's hashes can be matched to a list; a namespace's key goes with the last
of its trials. The plan, the results and the audit log stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import Conflict, NotFound
from trials.people.erasure import secure, settle
from trials.people.identifiers import Hasher
from trials.store.base import Base
from trials.store.engine import Store
from trials.store.tables import (
    AssignmentRow,
    ContactCorrectionRow,
    ContactRow,
    RemovalRow,
    SecondCodingRow,
    TrialRow,
    UnitRow,
)

RETIRED = "retention"
OVER = ("stopped", "decided")
BEFORE_DAYS = 90
"""Contacts this long before a running trial's first day serve as its covariate and stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What one trial lost."""

    trial: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run of the retention rule removed, or would remove."""

    trials: tuple[Retired, ...]
    contacts: int
    dry: bool

    def to_json(self) -> dict[str, object]:
        """As the command line gives it."""
        return {"trials": [{"trial": t.trial, "units": t.units} for t in self.trials],
                "contacts": self.contacts, "dry_run": self.dry}  # fmt: skip


def run(
    store: Store, *, hasher: Hasher, trial_days: int, contact_days: int, actor: str,
    key: str | None = None, dry_run: bool = False,
) -> Run:  # fmt: skip
    """Apply the rule now.

    Args:
        store: the database.
        hasher: holds the trials' own keys.
        trial_days: how long after its end a trial's unit-level rows are kept.
        contact_days: how long a contact is kept in the log.
        actor: who runs it, for the audit log.
        key: retire this one finished trial at once, whatever its age, and touch nothing else.
        dry_run: only count.

    Raises:
        NotFound: there is no trial ``key``.
        Conflict: trial ``key`` is not over yet.
    """
    opened = store.read if dry_run else store.write
    with opened() as session:
        due = [_named(session, key)] if key else _due(session, trial_days)
        counts = [Retired(trial=row.key, units=_units(session, row.id)) for row in due]
        horizon = None if key else _horizon(session, contact_days)
        done = Run(trials=tuple(one for one in counts if one.units), dry=dry_run,
                   contacts=_old(session, horizon))  # fmt: skip
        if not dry_run:
            secure(session)
            for row, count in zip(due, counts, strict=True):
                _retire(session, row, count, actor)
            _forget_contacts(session, horizon, done.contacts, actor)
        scopes = _finished_scopes(session, due)
    if not dry_run:
        for scope in scopes:
            hasher.destroy(scope)
        settle(store)
    return done


def retired(session: Session, trial_id: int) -> bool:
    """Whether a trial's unit-level rows have been removed by the rule."""
    found = sa.select(RemovalRow.id).where(
        RemovalRow.trial_id == trial_id, RemovalRow.reason == RETIRED
    )
    return session.scalar(found.limit(1)) is not None


def _named(session: Session, key: str) -> TrialRow:
    row = session.scalar(sa.select(TrialRow).where(TrialRow.key == key))
    if row is None:
        raise NotFound(f"there is no trial {key!r}", "'signpost trial list' shows the keys")
    if row.state not in OVER:
        raise Conflict(f"trial {key!r} is {row.state}", "stop it first; only a trial that is over "
                       "can lose its units")  # fmt: skip
    return row


def _due(session: Session, days: int) -> list[TrialRow]:
    limit = clock.now() - timedelta(days=days)
    return list(
        session.scalars(
            sa.select(TrialRow)
            .where(TrialRow.state.in_(OVER), TrialRow.updated_at < limit)
            .order_by(TrialRow.key)
        )
    )


def _finished_scopes(session: Session, due: list[TrialRow]) -> list[str]:
    """The scopes of unit keys that no trial with units, nor any to come, uses any more."""
    over = {row.key for row in due}
    in_use = {
        _scope(row) for row in session.scalars(sa.select(TrialRow))
        if row.key not in over and (row.state not in OVER or _units(session, row.id))
    }  # fmt: skip
    return sorted({_scope(row) for row in due} - in_use)


def _scope(row: TrialRow) -> str:
    design = row.definition.get("design") or {}
    return f"ns.{design['namespace']}" if design.get("namespace") else row.key


def _units(session: Session, trial_id: int) -> int:
    count = sa.select(sa.func.count()).select_from(UnitRow).where(UnitRow.trial_id == trial_id)
    return int(session.scalar(count) or 0)


def _retire(session: Session, row: TrialRow, count: Retired, actor: str) -> None:
    """Every row of a unit of the trial, by sets; how many went from which arm is kept.

    Whoever asked and was left out goes also where nobody took part.
    """
    for name in ("received", "turned_away"):
        table = Base.metadata.tables[name]
        session.execute(table.delete().where(table.c.trial_id == row.id))
    if not count.units:
        return
    now = clock.epoch(clock.now())
    by_arm = session.execute(
        sa.select(AssignmentRow.arm_id, sa.func.count())
        .where(AssignmentRow.trial_id == row.id).group_by(AssignmentRow.arm_id)
    ).all()  # fmt: skip
    for arm, units in by_arm:
        session.add(RemovalRow(trial_id=row.id, arm_id=arm, reason=RETIRED, units=units, at=now))
    mine = sa.select(UnitRow.id).where(UnitRow.trial_id == row.id)
    for table in reversed(Base.metadata.sorted_tables):
        column = table.columns.get("unit_id")
        if column is not None and column.references(UnitRow.__table__.c.id):
            session.execute(table.delete().where(column.in_(mine)))
    session.execute(sa.delete(UnitRow).where(UnitRow.trial_id == row.id))
    audit.record(session, "unit-level data removed", row.key, actor=actor,
                 detail={"units": count.units, "rule": RETIRED})  # fmt: skip


def _horizon(session: Session, days: int) -> int:
    """Contacts before this moment are past their time and no trial under way needs them."""
    limit = clock.epoch(clock.now() - timedelta(days=days))
    first = session.scalar(
        sa.select(sa.func.min(sa.func.nullif(AssignmentRow.assigned_at, 0)))
        .join(TrialRow, TrialRow.id == AssignmentRow.trial_id)
    )  # fmt: skip
    return limit if first is None else min(limit, int(first) - BEFORE_DAYS * 86_400)


def _old(session: Session, horizon: int | None) -> int:
    if horizon is None:
        return 0
    old = sa.select(sa.func.count()).where(ContactRow.occurred_at < horizon)
    return int(session.scalar(old) or 0)


def _forget_contacts(session: Session, horizon: int | None, count: int, actor: str) -> None:
    if horizon is None or not count:
        return
    old = ContactRow.occurred_at < horizon
    ids = sa.select(ContactRow.id).where(old)
    session.execute(sa.delete(ContactCorrectionRow).where(ContactCorrectionRow.contact_id.in_(ids)))
    digests = sa.select(ContactRow.digest).where(old)
    session.execute(sa.delete(SecondCodingRow).where(SecondCodingRow.contact.in_(digests)))
    session.execute(sa.delete(ContactRow).where(old))
    audit.record(session, "old contacts removed", "contact log", actor=actor,
                 detail={"contacts": count, "before": horizon})  # fmt: skip
