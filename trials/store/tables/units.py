"""Units, what they were given, when they met it and what came of it.

Times are whole seconds since 1970 in UTC, so that a window is plain arithmetic on every engine.
A unit is known by a keyed hash alone; ``attributes`` holds only the columns that the plan uses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base, BigKey


class ImportRow(Base):
    """A file taken in: its fingerprint makes taking it twice harmless."""

    __tablename__ = "imports"
    __table_args__ = (Index("ix_imports_fingerprint", "trial_id", "kind", "fingerprint"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id"))
    kind: Mapped[str] = mapped_column(String(20))
    fingerprint: Mapped[str] = mapped_column(String(64))
    rows: Mapped[int]
    added: Mapped[int]
    unchanged: Mapped[int]
    corrected: Mapped[int]
    refused: Mapped[int]
    detail: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class UnitRow(Base):
    """A unit of a trial: a person, household, account or case."""

    __tablename__ = "units"
    __table_args__ = (UniqueConstraint("trial_id", "digest"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    attributes: Mapped[str | None] = mapped_column(Text)


class IdentifierRow(Base):
    """A number by which a unit can be recognised in another source: 63 bits of a keyed hash."""

    __tablename__ = "identifiers"
    __table_args__ = (Index("ix_identifiers_kind_number", "kind", "number"),)

    unit_id: Mapped[int] = mapped_column(BigKey, ForeignKey("units.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class AssignmentRow(Base):
    """Which arm a unit was given, once and for ever; no arm means held out.

    ``assigned_at`` 0 means that the source gave no time. ``position`` is the unit's place in the
    design's own order, which drawing again needs.
    """

    __tablename__ = "assignments"
    __table_args__ = (Index("ix_assignments_trial_arm", "trial_id", "arm_id"),)

    unit_id: Mapped[int] = mapped_column(BigKey, ForeignKey("units.id"), primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"))
    arm_id: Mapped[int | None] = mapped_column(ForeignKey("arms.id"))
    assigned_at: Mapped[int] = mapped_column(BigInteger)
    stratum: Mapped[str | None] = mapped_column(Text)
    cluster: Mapped[int | None] = mapped_column(BigInteger)
    probability: Mapped[float | None] = mapped_column(Float)
    position: Mapped[int | None] = mapped_column(BigInteger)
    epoch: Mapped[int] = mapped_column(default=1)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))


class ExclusionRow(Base):
    """How many units were left out before the draw, by reason; never who."""

    __tablename__ = "exclusions"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))
    reason: Mapped[str] = mapped_column(String(64))
    units: Mapped[int]


class ExposureRow(Base):
    """When a unit met its arm, and what it was in fact given if that is known."""

    __tablename__ = "exposures"
    __table_args__ = (UniqueConstraint("unit_id", "exposed_at"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    unit_id: Mapped[int] = mapped_column(BigKey, ForeignKey("units.id"))
    exposed_at: Mapped[int] = mapped_column(BigInteger)
    arm_id: Mapped[int | None] = mapped_column(ForeignKey("arms.id"))


class OutcomeRow(Base):
    """A value measured elsewhere. ``observed_at`` 0 means that the source gave no time."""

    __tablename__ = "outcomes"
    __table_args__ = (Index("ix_outcomes_trial", "trial_id"),)

    unit_id: Mapped[int] = mapped_column(BigKey, ForeignKey("units.id"), primary_key=True)
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"), primary_key=True)
    observed_at: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"))
    value: Mapped[float] = mapped_column(Float)


class CorrectionRow(Base):
    """A value that a later file replaced."""

    __tablename__ = "corrections"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    unit_id: Mapped[int] = mapped_column(BigKey, ForeignKey("units.id"))
    metric_id: Mapped[int] = mapped_column(ForeignKey("metrics.id"))
    observed_at: Mapped[int] = mapped_column(BigInteger)
    before: Mapped[float] = mapped_column(Float)
    after: Mapped[float] = mapped_column(Float)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))
