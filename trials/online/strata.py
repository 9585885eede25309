"""Enrolment one at a time within strata: the next place of the stratum's block, taken once.

Unlike a bucket this needs the store: the counter and the assignment are written in one transaction
before the answer, and a rival who reads the same counter loses by the counter's own row (SQLite has
one writer at a time, PostgreSQL locks the row). Nobody can tell the next arm without the seed, and
an arm is told only with the enrolment that uses it up: that is what conceals the allocation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials.designs.online import PermutedBlocks, Place
from trials.importing.columns import stratum_label
from trials.online.recorder import Entry
from trials.store.engine import Store
from trials.store.tables import AssignmentRow, IdentifierRow, PlaceRow, UnitRow
from trials.store.upsert import insert


@dataclass(frozen=True, slots=True)
class Strata:
    """How a trial enrols within strata.

    Attributes:
        columns: the stratifying columns, in the plan's order.
        blocks: the blocks under the sealed seed.
        arms: the arms' keys, by code.
        held_out: whether a unit is kept out of every arm, which its id alone settles.
    """

    columns: tuple[str, ...]
    blocks: PermutedBlocks
    arms: tuple[str, ...]
    held_out: Callable[[str], bool]

    def enrol(
        self, store: Store, entry: Entry, levels: tuple[str, ...], arm_ids: tuple[int, ...]
    ) -> int:
        """The arm code of a unit: what it has already, else the stratum's next place.

        Raises:
            SignpostError: the database cannot be written to; nothing was given.
        """
        with store.write() as session:
            place = self._locked(session, entry.trial_id, stratum_label(levels) or "")
            kept = session.scalar(
                sa.select(AssignmentRow.arm_id)
                .join(UnitRow, UnitRow.id == AssignmentRow.unit_id)
                .where(UnitRow.trial_id == entry.trial_id, UnitRow.digest == entry.digest)
            )
            if kept is not None:
                return arm_ids.index(kept)
            at = Place(place.block, place.used)
            code, after = self.blocks.take(levels, at)
            place.block, place.used = after.block, after.used
            number = self.blocks.number(levels, at)
            _write(session, entry, arm_ids[code], place.stratum, number)
            return code

    def _locked(self, session: Session, trial_id: int, stratum: str) -> PlaceRow:
        """The stratum's counter, held until the transaction ends."""
        session.execute(
            insert(session, PlaceRow)
            .values(trial_id=trial_id, stratum=stratum, block=0, used=0)
            .on_conflict_do_nothing()
        )
        return session.scalars(
            sa.select(PlaceRow)
            .where(PlaceRow.trial_id == trial_id, PlaceRow.stratum == stratum)
            .with_for_update()
        ).one()


def _write(session: Session, entry: Entry, arm_id: int, stratum: str, number: int) -> None:
    unit = UnitRow(trial_id=entry.trial_id, digest=entry.digest, attributes=entry.attributes)
    session.add(unit)
    session.flush()
    session.add(AssignmentRow(
        unit_id=unit.id, trial_id=entry.trial_id, arm_id=arm_id, assigned_at=entry.at,
        stratum=stratum, probability=entry.probability, position=number, epoch=1,
    ))  # fmt: skip
    session.add_all(
        IdentifierRow(unit_id=unit.id, kind=kind, number=number)
        for kind, number in dict(entry.identifiers).items()
    )
    session.flush()
