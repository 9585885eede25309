"""What follows a trial: assumptions, benefits, roll-outs, next steps, decisions and papers.

Registers are append-only: a change is a new row with the next number, so that the history is the
table itself, and two people who change the same figure at once cannot both win.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class AssumptionRow(Base):
    """One state of one assumption.

    ``scope`` is a trial's key, or empty for a figure that all trials share. ``number`` counts its
    states from 1; the latest holds. ``withdrawn`` puts the product's default back.
    """

    __tablename__ = "assumptions"
    __table_args__ = (UniqueConstraint("scope", "name", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    number: Mapped[int]
    withdrawn: Mapped[bool] = mapped_column(default=False)
    value: Mapped[float]
    low: Mapped[float | None]
    high: Mapped[float | None]
    shape: Mapped[str] = mapped_column(String(12))
    source: Mapped[str] = mapped_column(Text)
    dated: Mapped[str] = mapped_column(String(10))
    owner: Mapped[str] = mapped_column(Text)
    agreed_by: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class CaseSettingRow(Base):
    """What else a trial's case rests on: how work becomes cash, and the line whose queue it eases.

    ``document`` is the content of the ``[mechanism]`` and ``[line]`` tables of an assumption file.
    """

    __tablename__ = "case_settings"
    __table_args__ = (UniqueConstraint("trial_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    number: Mapped[int]
    document: Mapped[dict[str, Any]]
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class BenefitRow(Base):
    """A benefit reaching a stage, from forecast to verified; each stage once."""

    __tablename__ = "benefit_events"
    __table_args__ = (UniqueConstraint("trial_id", "title", "stage"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))
    stage: Mapped[str] = mapped_column(String(20))
    pounds: Mapped[float]
    on: Mapped[date] = mapped_column("happened_on")
    by: Mapped[str] = mapped_column("done_by", Text)
    evidence: Mapped[str] = mapped_column(Text)
    budget_line: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class RolloutRow(Base):
    """A roll-out plan with its holdback; ``document`` holds its waves. The latest holds."""

    __tablename__ = "rollouts"
    __table_args__ = (UniqueConstraint("trial_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    number: Mapped[int]
    eligible: Mapped[int]
    held_back: Mapped[int]
    remeasure_on: Mapped[date]
    document: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class HoldbackRow(Base):
    """The effect measured again after roll-out, on the people held back.

    Contacts avoided per unit (positive = fewer), rolled out against held back; ``claim`` is the
    range that was claimed when the decision was taken, as it stood.
    """

    __tablename__ = "holdback_measures"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    on: Mapped[date] = mapped_column("measured_on")
    estimate: Mapped[float]
    standard_error: Mapped[float]
    claim: Mapped[dict[str, Any]]
    source: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class NextStepRow(Base):
    """What happens next in a trial, who does it, by when, and when the owner was reminded."""

    __tablename__ = "next_steps"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    what: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    due: Mapped[date] = mapped_column(index=True)
    remind_on: Mapped[date | None]
    done_on: Mapped[date | None]
    outcome: Mapped[str] = mapped_column(Text, default="")
    reminded: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class AdoptionRow(Base):
    """How far a change had become ordinary practice on a day."""

    __tablename__ = "adoptions"
    __table_args__ = (UniqueConstraint("trial_id", "observed_on"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    on: Mapped[date] = mapped_column("observed_on")
    eligible: Mapped[int]
    reached: Mapped[int]
    as_designed: Mapped[int]
    note: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class DecisionRow(Base):
    """What was decided, what had been recommended, and who answers for any difference."""

    __tablename__ = "decisions"

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"), index=True)
    run_id: Mapped[int | None] = mapped_column(ForeignKey("analysis_runs.id"))
    recommended: Mapped[str | None] = mapped_column(String(30))
    decided: Mapped[str] = mapped_column(String(30))
    reason: Mapped[str] = mapped_column(Text)
    reviewer: Mapped[str] = mapped_column(Text)
    dissents: Mapped[bool]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class PaperRow(Base):
    """A document exactly as it was given out: its bytes, and their SHA-256.

    ``basis`` is a hash of all it was written from, time of day apart: what says the same is not
    made twice.
    """

    __tablename__ = "papers"
    __table_args__ = (
        UniqueConstraint("trial_id", "digest"),
        Index("ix_papers_trial_id_paper", "trial_id", "paper"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id"))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("analysis_runs.id"))
    paper: Mapped[str] = mapped_column(String(20))
    format: Mapped[str] = mapped_column(String(10))
    filename: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(71))
    basis: Mapped[str] = mapped_column(String(71), default="")
    content: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)


class ReasonTableRow(Base):
    """A council's own table of wrap codes, for the opportunity model.

    ``reasons`` are rows of topic, reason, calls, no_email, avoidable, control and owner; ``months``
    is how long the table covers. The same content is kept once.
    """

    __tablename__ = "reason_tables"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    months: Mapped[float]
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    document: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(Text)
