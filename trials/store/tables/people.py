"""Who is signed in, who tried to sign in, and which forms have been sent.

None of these keeps anything that opens a door: tokens are kept as digests, and the addresses of
those who tried as keyed hashes.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base, BigKey


class SessionRow(Base):
    """A person signed in with one browser."""

    __tablename__ = "sessions"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    begun_at: Mapped[datetime] = mapped_column(index=True)


class AttemptRow(Base):
    """A try to sign in by password, kept until it succeeds or no longer counts."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (
        Index("ix_sign_in_attempts_who_at", "who", "at"),
        Index("ix_sign_in_attempts_whence_at", "whence", "at"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    who: Mapped[bytes] = mapped_column(LargeBinary(32))
    whence: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime]


class SubmissionRow(Base):
    """A form that was sent: its token works once. ``led_to`` is where its answer went on to."""

    __tablename__ = "submissions"

    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    at: Mapped[datetime] = mapped_column(index=True)
    led_to: Mapped[str | None] = mapped_column(Text)
