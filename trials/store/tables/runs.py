"""Analysis runs, questions asked outside the plan, people with accounts, and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class RunRow(Base):
    """One run of a plan. ``result`` is the result document, kept exactly as it was given out."""

    __tablename__ = "analysis_runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    plan_hash: Mapped[str] = mapped_column(String(71))
    locked: Mapped[bool]
    school: Mapped[str] = mapped_column(String(12))
    cutoff: Mapped[int] = mapped_column(BigInteger)
    seed: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[str] = mapped_column(String(20))
    data_hash: Mapped[str] = mapped_column(String(71))
    at: Mapped[datetime]
    seconds: Mapped[float]
    actor: Mapped[str] = mapped_column(Text)
    result: Mapped[dict[str, Any]]


class ExplorationRow(Base):
    """A question asked outside the plan, of the data behind a run; ``document`` is its answer.

    ``segment`` is the column that people were grouped by, empty where they were not.
    """

    __tablename__ = "explorations"
    __table_args__ = (UniqueConstraint("run_id", "measure", "segment"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id"))
    measure: Mapped[str] = mapped_column(String(80))
    segment: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)
    document: Mapped[dict[str, Any]]


class UserRow(Base):
    """A person with an account. ``subject`` is who they are to the council's sign-in provider."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(String(300), unique=True, index=True)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class AuditRow(Base):
    """One entry of the append-only audit log; each carries the hash of the one before it."""

    __tablename__ = "audit_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(String(32))
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(Text)
    detail: Mapped[dict[str, Any]]
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
