"""Posterior reports and fitted models in the store. Light enough for a web process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.draws import pack
from analysis.tables import Floats
from trials import clock
from trials.store.tables import FitRow, PosteriorRow

if TYPE_CHECKING:
    from analysis.fitting import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a run's posteriors leave behind."""

    document: dict[str, Any]
    draws: Mapping[str, Floats]
    answers: Sequence[Answer]


def report_of(session: Session, run_id: int) -> dict[str, Any] | None:
    """The posterior report of a run, exactly as it was made; ``None`` where there is none."""
    row = session.get(PosteriorRow, run_id)
    return None if row is None else row.document


def kept(session: Session, trial_id: int) -> dict[str, tuple[dict[str, Any], bytes]]:
    """The fits kept for a trial, by key."""
    rows = session.scalars(sa.select(FitRow).where(FitRow.trial_id == trial_id))
    return {row.key: (row.document, row.draws) for row in rows}


def keep(session: Session, trial_id: int, run_id: int, made: Made) -> None:
    """Keep a run's report and draws, and its new fits in place of those it no longer uses."""
    session.add(PosteriorRow(run_id=run_id, document=made.document, draws=pack(made.draws)))
    used = {answer.key: answer for answer in made.answers if answer.key}
    if not used:
        return
    session.execute(
        sa.delete(FitRow).where(FitRow.trial_id == trial_id, FitRow.key.not_in(list(used)))
    )
    known = set(session.scalars(sa.select(FitRow.key).where(FitRow.key.in_(list(used)))))
    session.add_all(
        FitRow(key=key, trial_id=trial_id, document=dict(answer.document),
               draws=pack(answer.draws), at=clock.now())
        for key, answer in used.items() if answer.fresh and key not in known
    )  # fmt: skip
