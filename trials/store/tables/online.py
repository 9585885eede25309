"""What assignment at the moment of contact keeps: rows received, counters, people left out.

Nobody is named: units and people are known by keyed hashes alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base, BigKey


class ReceivedRow(Base):
    """A row of a batch that was taken in, by its sender's own id: sent again, it changes nothing.

    ``fingerprint`` tells the same row from another one under the same id.
    """

    __tablename__ = "received"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    fingerprint: Mapped[int] = mapped_column(BigInteger)


class PlaceRow(Base):
    """How far a stratum has got: the next allocation is place ``used`` of ``block``."""

    __tablename__ = "places"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    stratum: Mapped[str] = mapped_column(String(500), primary_key=True)
    block: Mapped[int]
    used: Mapped[int]


class ShareRow(Base):
    """The shares of a trial's arms from ``since`` on, made from the outcomes known by then.

    ``number`` is what the assignments of that time carry as their epoch; number 1 has no row, being
    the plan's own weights. ``shares`` and ``known`` (units with an outcome) go by the arms' keys.
    """

    __tablename__ = "shares"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    shares: Mapped[dict[str, Any]]
    known: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(Text)


class TurnedAwayRow(Base):
    """A unit that asked to take part and was left out, and the code of the reason."""

    __tablename__ = "turned_away"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(16), primary_key=True)
    reason: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[int] = mapped_column(BigInteger)


class ClaimRow(Base):
    """The segments of a namespace that a trial holds, as 4,096 bits."""

    __tablename__ = "claims"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    namespace: Mapped[str] = mapped_column(String(64), index=True)
    segments: Mapped[bytes] = mapped_column(LargeBinary(512))


class LeftOutRow(Base):
    """Somebody who takes part in no trial: an objection, or a council's never-trial list.

    ``number`` is what units and contacts are joined on, so that whoever objects by one identifier
    is found under it in every list and at every contact.
    """

    __tablename__ = "left_out"
    __table_args__ = (UniqueConstraint("kind", "number", "trial_id"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    number: Mapped[int] = mapped_column(BigInteger, index=True)
    reason: Mapped[str] = mapped_column(String(16))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id"))
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(Text)


class SharedHoldoutRow(Base):
    """The share of everybody that is kept out of all trials launched from ``since`` on."""

    __tablename__ = "shared_holdouts"

    id: Mapped[int] = mapped_column(primary_key=True)
    share: Mapped[float]
    since: Mapped[datetime]
    set_by: Mapped[str] = mapped_column(Text)
