"""The shapes of the API's answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from trials import registry
from trials.registry import TrialRecord, TrialSummary


class Answer(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class TrialLine(Answer):
    """A line of the list of trials."""

    key: str
    title: str
    area: str
    channel: str | None
    service: str
    owner: str
    state: str
    plan_hash: str
    locked: bool
    units: int
    starts: date | None
    ends: date | None
    run_at: datetime | None
    verdict_says: str | None
    decision: str | None


class TrialList(Answer):
    """Every trial, the latest first."""

    trials: list[TrialLine]


class HistoryEntry(Answer):
    """One entry of a trial's history."""

    at: datetime
    actor: str
    action: str


class AmendmentOut(Answer):
    """A change of a locked plan."""

    number: int
    at: datetime
    by: str
    reason: str
    hash: str
    before_first_outcome: bool
    changes: list[dict[str, Any]]


class TrialOut(Answer):
    """All that is kept of one trial, its units apart. ``definition`` has the trial file's shape."""

    key: str
    state: str
    decision: str | None
    plan_hash: str
    launch_plan_hash: str | None
    locked_at: datetime | None
    seed_commitment: str | None
    seed: int | None
    definition: dict[str, Any]
    amendments: list[AmendmentOut]
    history: list[HistoryEntry]


def trial_list(summaries: list[TrialSummary]) -> TrialList:
    """The list of trials."""
    return TrialList(trials=[TrialLine.model_validate(s) for s in summaries])


def trial_out(record: TrialRecord) -> TrialOut:
    """One trial."""
    return TrialOut(
        key=record.key, state=record.state, decision=record.decision, plan_hash=record.plan_hash,
        launch_plan_hash=record.launch_plan_hash, locked_at=record.locked_at,
        seed_commitment=record.seed_commitment, seed=record.seal.seed if record.seal else None,
        definition=registry.stored(record.definition),
        amendments=[AmendmentOut.model_validate(a) for a in record.amendments],
        history=[HistoryEntry.model_validate(h) for h in record.history],
    )  # fmt: skip
