"""Trials, their plans, arms and metrics."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class TrialRow(Base):
    """One trial. ``definition`` is the trial file's content; ``version`` guards rival edits."""

    __tablename__ = "trials"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    area: Mapped[str] = mapped_column(String(100))
    channel: Mapped[str | None] = mapped_column(String(20))
    service: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10))
    starts: Mapped[date | None]
    ends: Mapped[date | None]
    definition: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(default=1)
    decision: Mapped[str | None] = mapped_column(String(30))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PlanRow(Base):
    """A locked plan. Number 1 is the plan at launch; later ones are amendments.

    ``outcomes_before`` counts the outcomes that were known when it was locked.
    """

    __tablename__ = "plans"
    __table_args__ = (UniqueConstraint("trial_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    number: Mapped[int]
    hash: Mapped[str] = mapped_column(String(71))
    document: Mapped[dict[str, Any]]
    definition: Mapped[dict[str, Any]]
    locked_at: Mapped[datetime]
    locked_by: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, default="")
    outcomes_before: Mapped[int] = mapped_column(default=0)


class SealRow(Base):
    """The commitment to a trial's seed: published at launch, opened at the end.

    ``shared_holdout`` is the share kept out of all trials, as it stood at launch.
    """

    __tablename__ = "seals"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    commitment: Mapped[str] = mapped_column(String(71))
    seed: Mapped[str] = mapped_column(String(80))
    nonce: Mapped[str] = mapped_column(String(64))
    committed_at: Mapped[datetime]
    revealed_at: Mapped[datetime | None]
    shared_holdout: Mapped[float] = mapped_column(default=0.0, server_default="0")


class ArmRow(Base):
    """An arm, so that assignments can refer to it by number."""

    __tablename__ = "arms"
    __table_args__ = (UniqueConstraint("trial_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    key: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    control: Mapped[bool]
    weight: Mapped[float]
    title: Mapped[str] = mapped_column(Text)
    wording: Mapped[str] = mapped_column(Text)


class MetricRow(Base):
    """A metric, so that outcomes can refer to it by number."""

    __tablename__ = "metrics"
    __table_args__ = (UniqueConstraint("trial_id", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    key: Mapped[str] = mapped_column(String(64))
    position: Mapped[int]
    role: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(Text)
