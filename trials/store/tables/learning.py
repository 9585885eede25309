"""What was expected of trials beforehand, and the trials of other councils."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class ForecastRow(Base):
    """What somebody expected of a new version, in the units of the main measure."""

    __tablename__ = "forecasts"
    __table_args__ = (UniqueConstraint("trial_id", "arm", "who"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"))
    arm: Mapped[str] = mapped_column(String(64))
    who: Mapped[str] = mapped_column(String(200))
    probability_better: Mapped[float | None]
    effect: Mapped[float | None]
    sd: Mapped[float]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class PackRow(Base):
    """Another council's trial: plan, aggregates, wording and context, exactly as it came."""

    __tablename__ = "trial_packs"
    __table_args__ = (UniqueConstraint("council", "trial"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    council: Mapped[str] = mapped_column(String(200))
    trial: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(71))
    document: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)
