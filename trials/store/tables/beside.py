"""What stands beside the contact log: bulk callers, deliveries, second codings, reports, removals.

Times are whole seconds since 1970 in UTC. Nobody is named: people, units and contacts are known by
keyed hashes alone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base, BigKey


class BulkCallerRow(Base):
    """An identifier that many people share, known beforehand: a switchboard, a support worker."""

    __tablename__ = "bulk_callers"
    __table_args__ = (UniqueConstraint("kind", "number"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    number: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str] = mapped_column(Text)
    added_at: Mapped[int] = mapped_column(BigInteger)
    added_by: Mapped[str] = mapped_column(Text)


class DeliveryRow(Base):
    """How far one message to a unit has got (a rung of the delivery ladder)."""

    __tablename__ = "deliveries"
    __table_args__ = (UniqueConstraint("trial_id", "notification"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    unit_id: Mapped[int] = mapped_column(BigKey, ForeignKey("units.id"), index=True)
    notification: Mapped[bytes] = mapped_column(LargeBinary(16))
    rung: Mapped[str] = mapped_column(String(10))
    message: Mapped[str | None] = mapped_column(String(6))
    at: Mapped[int | None] = mapped_column(BigInteger)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))


class SecondCodingRow(Base):
    """A contact of a random sample as two people coded it, the second blind to the first."""

    __tablename__ = "second_codings"

    contact: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    first: Mapped[str] = mapped_column(String(24))
    second: Mapped[str] = mapped_column(String(24))
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))


class StatementRow(Base):
    """A table that somebody published, as it was printed, and what was decided about it."""

    __tablename__ = "statements"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(120))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id"), index=True)
    document: Mapped[dict[str, Any]]
    at: Mapped[int] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(Text)


class RemovalRow(Base):
    """Units of a trial that were removed for good, as a count by arm; never who."""

    __tablename__ = "removals"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    arm_id: Mapped[int | None] = mapped_column(ForeignKey("arms.id"))
    reason: Mapped[str] = mapped_column(String(16))
    units: Mapped[int]
    at: Mapped[int] = mapped_column(BigInteger)
