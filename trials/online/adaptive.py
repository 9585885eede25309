"""Enrolment one at a time under shares that follow the outcomes, and the record of these shares.

The arm follows from the unit's bucket and the shares of the batch in which it was first met, so it
can be worked out again from the seed and the record. Because shares move, what a unit was given is
written down before the answer, with its batch and the chance it had; whoever asks again gets what
is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, registry
from trials.definition.model import Trial
from trials.designs.bucketing import Assigned
from trials.online.recorder import Entry
from trials.store.engine import Store
from trials.store.tables import ArmRow, AssignmentRow, IdentifierRow, ShareRow, UnitRow

PLACES = 4
"""Shares are rounded to this many decimals, as finely as weights are read."""


@dataclass(frozen=True, slots=True)
class Adaptive:
    """How a trial enrols at the moment.

    Attributes:
        number: which batch this is, from 1.
        shares: the arms' chances in it, in the plan's order, adding up to 1.
        assigner: gives a unit its arm under these shares.
    """

    number: int
    shares: tuple[float, ...]
    assigner: Callable[[str], Assigned]

    def chance(self, trial: Trial, arm: str) -> float:
        """The chance a unit of this batch had of ``arm``."""
        return self.shares[[a.key for a in trial.arms].index(arm)]

    def enrol(self, store: Store, entry: Entry) -> int | None:
        """The number of the arm of a unit: what it has already, else that of ``entry``.

        Raises:
            SignpostError: the database cannot be written to; nothing was given.
        """
        try:
            return self._enrol(store, entry)
        except sa.exc.IntegrityError:  # another process met the same unit at the same moment
            return self._enrol(store, entry)

    def _enrol(self, store: Store, entry: Entry) -> int | None:
        with store.write() as session:
            kept = session.execute(
                sa.select(AssignmentRow.arm_id)
                .join(UnitRow, UnitRow.id == AssignmentRow.unit_id)
                .where(UnitRow.trial_id == entry.trial_id, UnitRow.digest == entry.digest)
            ).first()
            if kept is not None:
                return kept[0]
            unit = UnitRow(
                trial_id=entry.trial_id, digest=entry.digest, attributes=entry.attributes
            )
            session.add(unit)
            session.flush()
            session.add(AssignmentRow(
                unit_id=unit.id, trial_id=entry.trial_id, arm_id=entry.arm_id,
                assigned_at=entry.at, probability=entry.probability, epoch=self.number,
            ))  # fmt: skip
            session.add_all(
                IdentifierRow(unit_id=unit.id, kind=kind, number=number)
                for kind, number in dict(entry.identifiers).items()
            )
            session.flush()
            return entry.arm_id


def shares(session: Session, trial_id: int) -> dict[int, tuple[float, ...]]:
    """The arms' chances in every batch so far, by the batch's number, in the plan's order.

    Batch 1 has the plan's own weights.
    """
    arms = session.execute(
        sa.select(ArmRow.key, ArmRow.weight)
        .where(ArmRow.trial_id == trial_id)
        .order_by(ArmRow.position)
    ).all()
    whole = sum(weight for _, weight in arms) or 1.0
    found = {1: tuple(weight / whole for _, weight in arms)}
    rows = sa.select(ShareRow).where(ShareRow.trial_id == trial_id).order_by(ShareRow.number)
    for row in session.scalars(rows):
        found[row.number] = tuple(float(row.shares[key]) for key, _ in arms)
    return found


def current(session: Session, trial_id: int) -> tuple[int, tuple[float, ...]]:
    """The number and the shares of the present batch."""
    return max(shares(session, trial_id).items())


def newest(session: Session) -> dict[int, int]:
    """The number of the present batch of every trial whose shares have moved, by trial."""
    rows = session.execute(
        sa.select(ShareRow.trial_id, sa.func.max(ShareRow.number)).group_by(ShareRow.trial_id)
    )
    return dict(rows.tuples().all())


def history(session: Session, trial_id: int) -> list[ShareRow]:
    """Every change of the shares, the newest first."""
    rows = sa.select(ShareRow).where(ShareRow.trial_id == trial_id)
    return list(session.scalars(rows.order_by(ShareRow.number.desc())))


def move(
    session: Session, key: str, wanted: Mapping[str, float], known: Mapping[str, int], *, actor: str
) -> int:
    """Begin a new batch with ``wanted`` shares by arm; answers its number.

    ``known`` says how many units with a known outcome stand behind each arm.
    """
    row = registry.row_of(session, key, lock=True)
    number = current(session, row.id)[0] + 1
    rounded = _rounded(wanted)
    session.add(ShareRow(
        trial_id=row.id, number=number, since=clock.now(), shares=rounded, known=dict(known),
        actor=actor,
    ))  # fmt: skip
    audit.record(session, "shares moved", key, actor=actor,
                 detail={"batch": number, "shares": rounded, "known": dict(known)})  # fmt: skip
    return number


def _rounded(wanted: Mapping[str, float]) -> dict[str, float]:
    """Shares as whole ten-thousandths that add up to 1; the largest takes what rounding leaves."""
    scale = 10**PLACES
    whole = {arm: round(share * scale) for arm, share in wanted.items()}
    largest = max(whole, key=lambda arm: whole[arm])
    whole[largest] += scale - sum(whole.values())
    return {arm: n / scale for arm, n in whole.items()}
