"""What a run's posteriors left behind: the report's figures, the draws, and fits worth keeping."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from trials.store.base import Base


class PosteriorRow(Base):
    """A run's posterior report: ``document`` as it was given out, ``draws`` packed."""

    __tablename__ = "run_posteriors"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("analysis_runs.id", ondelete="CASCADE"), primary_key=True
    )
    document: Mapped[dict[str, Any]]
    draws: Mapped[bytes] = mapped_column(LargeBinary)


class FitRow(Base):
    """A sampled model, kept under a hash of all it depends on, so that it is sampled once."""

    __tablename__ = "posterior_fits"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    trial_id: Mapped[int] = mapped_column(ForeignKey("trials.id", ondelete="CASCADE"), index=True)
    document: Mapped[dict[str, Any]]
    draws: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime]
