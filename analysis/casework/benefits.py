"""The benefits-realisation log: each benefit from forecast to the ledger, stage by stage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from analysis.scaling.realisation import STAGES, Benefit, Event, Stage
from trials import audit, clock, registry
from trials.errors import Conflict, NotPermitted, SignpostError
from trials.store.tables import BenefitRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """A benefit of a trial that reaches a stage.

    ``signed_in`` says that ``actor`` is an account: no account verifies what it has entered.
    """

    key: str
    title: str
    event: Event
    actor: str
    signed_in: bool = False


def advance(session: Session, wanted: Advance) -> Benefit:
    """Write the next stage of a benefit.

    Raises:
        NotFound: there is no such trial.
        Conflict: a stage is skipped or repeated, or time runs backwards.
        Invalid: it lacks a person, its evidence, its budget line, or is verified by its forecaster.
        NotPermitted: an account verifies a benefit of which it entered a stage.
    """
    trial_id = registry.row_of(session, wanted.key, lock=True).id
    title = wanted.title.strip()
    if not title or len(title) > 200:
        raise SignpostError("a benefit needs a title of at most 200 characters", "give it")
    held = next((b for b in of_trial(session, wanted.key) if b.title == title), None)
    benefit = (held or Benefit(trial=wanted.key, title=title)).advance(wanted.event)
    e = wanted.event
    if e.stage == "verified" and wanted.signed_in:
        _by_another(session, trial_id, title, wanted.actor)
    session.add(
        BenefitRow(
            trial_id=trial_id, title=title, stage=e.stage, pounds=e.pounds, on=e.on,
            by=e.by.strip(), evidence=e.evidence.strip(), budget_line=e.budget_line.strip(),
            at=clock.now(), actor=wanted.actor,
        )
    )  # fmt: skip
    try:
        session.flush()
    except IntegrityError:
        raise Conflict(f"somebody else has just recorded {e.stage} of {title!r}",
                       "read what the log says now") from None  # fmt: skip
    audit.record(session, f"benefit {e.stage}", wanted.key, actor=wanted.actor,
                 detail={"title": title, "pounds": e.pounds, "on": e.on.isoformat()})  # fmt: skip
    return benefit


def _by_another(session: Session, trial_id: int, title: str, account: str) -> None:
    entered = sa.select(BenefitRow.id).where(
        BenefitRow.trial_id == trial_id, BenefitRow.title == title,
        sa.func.lower(BenefitRow.actor) == account.lower(),
    )  # fmt: skip
    if session.scalar(entered.limit(1)) is not None:
        raise NotPermitted("you entered a stage of this benefit yourself",
                           "let another approver sign in and verify it")  # fmt: skip


def everything(session: Session) -> tuple[Benefit, ...]:
    """Every benefit of every trial, by trial and title."""
    rows = session.execute(
        sa.select(TrialRow.key, BenefitRow).join(TrialRow, TrialRow.id == BenefitRow.trial_id)
    ).all()
    return _benefits((key, row) for key, row in rows)


def of_trial(session: Session, key: str) -> tuple[Benefit, ...]:
    """The benefits of one trial. Raises ``NotFound``."""
    trial_id = registry.row_of(session, key).id
    rows = session.scalars(sa.select(BenefitRow).where(BenefitRow.trial_id == trial_id))
    return _benefits((key, row) for row in rows)


def _benefits(rows: Iterable[tuple[str, BenefitRow]]) -> tuple[Benefit, ...]:
    found: dict[tuple[str, str], list[Event]] = {}
    for key, row in sorted(rows, key=lambda r: (r[0], r[1].title, STAGES.index(_stage(r[1])))):
        found.setdefault((key, row.title), []).append(Event(
            stage=_stage(row), pounds=row.pounds, on=row.on, by=row.by, evidence=row.evidence,
            budget_line=row.budget_line))  # fmt: skip
    return tuple(
        Benefit(trial=key, title=title, events=tuple(events))
        for (key, title), events in found.items()
    )


def _stage(row: BenefitRow) -> Stage:
    return next(stage for stage in get_args(Stage) if stage == row.stage)
