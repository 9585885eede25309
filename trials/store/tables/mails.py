"""What is sent: the outbox, who asked for what, the reports that were sent, and webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class OutboxRow(Base):
    """One message to one recipient about one occasion; the pair is unique, whoever asks for it.

    ``message`` is the very bytes that are sent, ``basis`` the run of each trial that they tell of.
    ``recipient`` and ``message`` are taken out some time after the end; ``recipient_key`` stays,
    so that what was sent is never sent again.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("occasion", "recipient_key"),
        Index("ix_outbox_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    occasion: Mapped[str] = mapped_column(String(200))
    recipient_key: Mapped[str] = mapped_column(String(64), index=True)
    channel: Mapped[str] = mapped_column(String(10))
    kind: Mapped[str] = mapped_column(String(20))
    recipient: Mapped[str | None] = mapped_column(Text)
    subscription_id: Mapped[int | None] = mapped_column(ForeignKey("subscriptions.id"), index=True)
    subject: Mapped[str] = mapped_column(Text)
    message: Mapped[bytes | None] = mapped_column(LargeBinary)
    message_id: Mapped[str] = mapped_column(String(200), unique=True)
    basis: Mapped[dict[str, Any]]
    news: Mapped[bool]
    state: Mapped[str] = mapped_column(String(10))
    owner: Mapped[str | None] = mapped_column(String(100))
    until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    reply: Mapped[str] = mapped_column(Text, default="")
    error: Mapped[str] = mapped_column(Text, default="")
    bounced_at: Mapped[datetime | None]


class SubscriptionRow(Base):
    """Who gets which mail: ``kind`` about ``scope`` (all, ``trial:KEY`` or ``area:NAME``)."""

    __tablename__ = "subscriptions"
    __table_args__ = (UniqueConstraint("email", "kind", "scope"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    kind: Mapped[str] = mapped_column(String(20), index=True)
    scope: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(Text)
    confirmed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(Text, default="")


class SentReportRow(Base):
    """A run's report exactly as it was first linked to from a mail: its bytes and their SHA-256."""

    __tablename__ = "sent_reports"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("analysis_runs.id"), unique=True)
    digest: Mapped[str] = mapped_column(String(71))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]


class WebhookRow(Base):
    """An address that is told of alerts and decisions; its secret is derived and not kept."""

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    format: Mapped[str] = mapped_column(String(10))
    salt: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None]
