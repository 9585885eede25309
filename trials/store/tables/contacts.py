"""The contact log: who contacted the council again, how, and what it was about.

People are known by numbers alone: 63 bits of a keyed hash of each identifier, the same number that
units carry in ``identifiers``, so that linking is a join on whole numbers. Contacts are never
deleted by a correction: what an older delivery said is kept beside.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base, BigKey

PEOPLE = ("unit", "account", "customer", "phone", "email", "uprn", "session")
"""The identifying columns, strongest first: the order in which linking tries them."""


class SourceRow(Base):
    """A system that contacts come from."""

    __tablename__ = "contact_sources"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)


class CodeRow(Base):
    """A wrap code as a system writes it, with the upper level of a two-level reason."""

    __tablename__ = "contact_codes"
    __table_args__ = (UniqueConstraint("source_id", "topic", "code"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("contact_sources.id"))
    topic: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)


class ContactRow(Base):
    """One contact, as its source's latest delivery says."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("source_id", "digest"),
        Index("ix_contacts_occurred_at", "occurred_at"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("contact_sources.id"))
    digest: Mapped[bytes] = mapped_column(LargeBinary(16))
    occurred_at: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int | None] = mapped_column(BigInteger)
    channel: Mapped[str | None] = mapped_column(String(16))
    line: Mapped[str | None] = mapped_column(Text)
    code_id: Mapped[int | None] = mapped_column(ForeignKey("contact_codes.id"))
    outcome: Mapped[str | None] = mapped_column(String(20))
    handled: Mapped[int | None] = mapped_column(SmallInteger)
    ivr_seconds: Mapped[int | None]
    wait_seconds: Mapped[int | None]
    handle_seconds: Mapped[int | None]
    resolved: Mapped[int | None] = mapped_column(SmallInteger)
    satisfaction: Mapped[float | None] = mapped_column(Float)
    cost: Mapped[float | None] = mapped_column(Float)
    email_on_record: Mapped[int | None] = mapped_column(SmallInteger)
    arm: Mapped[str | None] = mapped_column(String(64))
    unit: Mapped[int | None] = mapped_column(BigInteger)
    account: Mapped[int | None] = mapped_column(BigInteger)
    customer: Mapped[int | None] = mapped_column(BigInteger)
    phone: Mapped[int | None] = mapped_column(BigInteger)
    email: Mapped[int | None] = mapped_column(BigInteger)
    uprn: Mapped[int | None] = mapped_column(BigInteger)
    session: Mapped[int | None] = mapped_column(BigInteger)
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))


class ContactCorrectionRow(Base):
    """What an older delivery of a contact said."""

    __tablename__ = "contact_corrections"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    contact_id: Mapped[int] = mapped_column(BigKey, ForeignKey("contacts.id"), index=True)
    occurred_at: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int | None] = mapped_column(BigInteger)
    channel: Mapped[str | None] = mapped_column(String(16))
    line: Mapped[str | None] = mapped_column(Text)
    code_id: Mapped[int | None] = mapped_column(ForeignKey("contact_codes.id"))
    outcome: Mapped[str | None] = mapped_column(String(20))
    handled: Mapped[int | None] = mapped_column(SmallInteger)
    handle_seconds: Mapped[int | None]
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))


class ReasonRow(Base):
    """What a wrap code means from one day to another (both inclusive)."""

    __tablename__ = "reasons"
    __table_args__ = (UniqueConstraint("source", "code", "valid_from"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(String(24))
    avoidable_share: Mapped[float | None] = mapped_column(Float)
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    import_id: Mapped[int | None] = mapped_column(ForeignKey("imports.id"))


class EventRow(Base):
    """Something that moves demand or capacity: a bill run, a bank holiday, staffing, weather."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(primary_key=True)
    detail: Mapped[dict[str, Any]]
    starts: Mapped[date]
    ends: Mapped[date]
