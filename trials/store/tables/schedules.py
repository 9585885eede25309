"""The clock: what is due when, what has been fired, and who may fire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class LeaseRow(Base):
    """Who alone may do a thing, and until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    since: Mapped[datetime]
    seen: Mapped[datetime]
    until: Mapped[datetime]


class TimetableRow(Base):
    """When a trial's analyses run, where somebody has changed it from the usual."""

    __tablename__ = "timetables"

    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), primary_key=True)
    at: Mapped[str] = mapped_column(String(5))
    days: Mapped[str] = mapped_column(String(12))
    paused: Mapped[bool]
    version: Mapped[int]
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(Text)


class ScheduleRow(Base):
    """Something that is due again and again, or once. ``next_at`` is ``None`` when it is over."""

    __tablename__ = "schedules"
    __table_args__ = (Index("ix_schedules_next_at", "next_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    trial_id: Mapped[int | None] = mapped_column(ForeignKey("trials.id"), index=True)
    rule: Mapped[dict[str, Any]]
    since: Mapped[datetime]
    next_at: Mapped[datetime | None]


class ScheduleRunRow(Base):
    """One occasion of a schedule. The unique pair makes firing twice harmless."""

    __tablename__ = "schedule_runs"
    __table_args__ = (UniqueConstraint("schedule_id", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedules.id"))
    due_at: Mapped[datetime] = mapped_column(index=True)
    fired_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10))
    why: Mapped[str] = mapped_column(Text, default="")
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))


class AlarmRow(Base):
    """APScheduler's own job store: alarms that point at schedules. Never the truth."""

    __tablename__ = "apscheduler_jobs"

    id: Mapped[str] = mapped_column(String(191), primary_key=True)
    next_run_time: Mapped[float | None] = mapped_column(Float(25), index=True)
    job_state: Mapped[bytes] = mapped_column(LargeBinary)
