"""The registry: which trials there are, what each says, and what has become of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.definition import plan, toml
from trials.definition.model import Trial
from trials.errors import Conflict, NotFound
from trials.store.tables import (
    ArmRow,
    AssignmentRow,
    MetricRow,
    PlanRow,
    RunRow,
    SealRow,
    TrialRow,
)

DRAFT_STATES = ("draft", "ready")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A locked plan changed: what, why, when, and whether outcomes were known by then."""

    number: int
    at: datetime
    by: str
    reason: str
    hash: str
    outcomes_before: int
    changes: list[dict[str, Any]]

    @property
    def before_first_outcome(self) -> bool:
        """Nothing had been measured when the plan was changed."""
        return self.outcomes_before == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The commitment to the seed; ``seed`` and ``nonce`` are shown once it is revealed."""

    commitment: str
    committed_at: datetime
    revealed_at: datetime | None
    seed: int | None
    nonce: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """All that is kept of one trial, its units apart.

    ``unrecorded`` is what the definition says otherwise than the plan locked last, which no way
    through this program leads to: ``{"what", "before", "after"}`` each.
    """

    id: int
    key: str
    definition: Trial
    state: str
    version: int
    decision: str | None
    created_at: datetime
    plan_hash: str
    locked_at: datetime | None
    locked_by: str | None
    launch_plan_hash: str | None
    seal: Seal | None
    amendments: tuple[Amendment, ...]
    history: tuple[audit.Entry, ...]
    unrecorded: tuple[dict[str, Any], ...] = ()

    @property
    def locked(self) -> bool:
        """A plan has been locked at launch."""
        return self.locked_at is not None

    @property
    def seed_commitment(self) -> str | None:
        """The published hash of the seed."""
        return self.seal.commitment if self.seal else None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a trial file: ``added``, ``updated`` or ``unchanged``."""

    outcome: str
    record: TrialRecord


def add(session: Session, trial: Trial, *, actor: str) -> Added:
    """Put a trial on the register, or bring a trial not yet launched up to date.

    Raises:
        Conflict: the trial has been launched and the plan differs; it takes an amendment.
    """
    row = session.scalar(sa.select(TrialRow).where(TrialRow.key == trial.key).with_for_update())
    if row is None:
        return _insert(session, trial, actor)
    if definition_of(row) == trial:
        return Added("unchanged", load(session, trial.key))
    if row.state not in DRAFT_STATES:
        over = row.state in ("stopped", "decided")
        raise Conflict(
            f"trial {trial.key!r} has been launched, so its plan is locked",
            "it is over: give the new trial a key of its own"
            if over
            else f"amend it with 'signpost trial amend {trial.key} FILE.toml --reason …'",
        )
    write_definition(session, row, trial)
    row.state = state_before_launch(trial)
    audit.record(session, "trial updated", trial.key, actor=actor,
                 detail={"plan_hash": plan.plan_hash(trial), "version": row.version})  # fmt: skip
    return Added("updated", load(session, trial.key))


def _insert(session: Session, trial: Trial, actor: str) -> Added:
    row = TrialRow(key=trial.key, state=state_before_launch(trial), version=0,
                   created_at=clock.now(), definition={})  # fmt: skip
    write_definition(session, row, trial)
    session.add(row)
    session.flush()
    sync_parts(session, row, trial)
    audit.record(session, "trial added", trial.key, actor=actor,
                 detail={"plan_hash": plan.plan_hash(trial)})  # fmt: skip
    return Added("added", load(session, trial.key))


def write_definition(session: Session, row: TrialRow, trial: Trial) -> None:
    """Set the row's definition and everything that is read off it."""
    about = trial.about
    row.title, row.area, row.channel = about.title, about.area, about.channel
    row.service, row.owner = about.service, about.owner
    row.starts, row.ends = about.starts, about.ends
    row.definition = stored(trial)
    row.version += 1
    row.updated_at = clock.now()
    if row.id is not None:
        sync_parts(session, row, trial)


def stored(trial: Trial) -> dict[str, Any]:
    """The definition as it is kept: the file's shape with dates as text."""
    data = toml.to_data(trial)
    for name in ("starts", "ends"):
        if name in data["trial"]:
            data["trial"][name] = data["trial"][name].isoformat()
    return data


def state_before_launch(trial: Trial) -> str:
    """``ready`` once everything a launch asks for is filled in, else ``draft``."""
    return "draft" if missing_for_launch(trial) else "ready"


def missing_for_launch(trial: Trial) -> list[str]:
    """What a good protocol says that this one leaves open."""
    about = trial.about
    asked = {
        "a hypothesis": about.hypothesis,
        "a mechanism": about.mechanism,
        "an owner": about.owner,
        "a start date": about.starts,
        "an end date": about.ends,
        "the smallest effect worth finding (mde) of the primary metric":
            trial.primary.mde or trial.primary.mde_relative,
    }  # fmt: skip
    return [what for what, given in asked.items() if not given]


def sync_parts(session: Session, row: TrialRow, trial: Trial) -> None:
    """Make the tables of arms and metrics say what the definition says; keep their numbers."""
    arms = {a.key: a for a in session.scalars(sa.select(ArmRow).where(ArmRow.trial_id == row.id))}
    for position, arm in enumerate(trial.arms):
        kept = arms.pop(arm.key, None) or ArmRow(trial_id=row.id, key=arm.key)
        kept.position, kept.control, kept.weight = position, arm.control, arm.weight
        kept.title, kept.wording = arm.title, arm.wording
        session.add(kept)
    metrics = {
        m.key: m for m in session.scalars(sa.select(MetricRow).where(MetricRow.trial_id == row.id))
    }
    for position, metric in enumerate(trial.metrics):
        held = metrics.pop(metric.key, None) or MetricRow(trial_id=row.id, key=metric.key)
        held.position, held.role = position, metric.role
        held.kind, held.title = metric.kind, metric.title
        session.add(held)
    for gone in [*arms.values(), *metrics.values()]:
        session.delete(gone)
    session.flush()


def row_of(session: Session, key: str, *, lock: bool = False) -> TrialRow:
    """The trial's row. Raises ``NotFound`` naming the nearest known key."""
    query = sa.select(TrialRow).where(TrialRow.key == key)
    row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise _unknown(session, key)
    return row


def _unknown(session: Session, key: str) -> NotFound:
    from trials.definition.near import nearest

    guess = nearest(key, session.scalars(sa.select(TrialRow.key)))
    remedy = f"did you mean {guess!r}?" if guess else "add it with 'signpost trial add FILE.toml'"
    return NotFound(f"there is no trial called {key!r}", remedy)


def load(session: Session, key: str) -> TrialRecord:
    """Everything about one trial. Raises ``NotFound``."""
    row = row_of(session, key)
    trial = definition_of(row)
    plans = list(
        session.scalars(
            sa.select(PlanRow).where(PlanRow.trial_id == row.id).order_by(PlanRow.number)
        )
    )
    first = plans[0] if plans else None
    return TrialRecord(
        id=row.id, key=row.key, definition=trial, state=row.state, version=row.version,
        decision=row.decision, created_at=row.created_at,
        plan_hash=plans[-1].hash if plans else plan.plan_hash(trial),
        locked_at=first.locked_at if first else None,
        locked_by=first.locked_by if first else None,
        launch_plan_hash=first.hash if first else None,
        seal=_seal(session, row.id), amendments=_amendments(plans),
        history=tuple(audit.history(session, key)),
        unrecorded=_unrecorded(plans, trial),
    )  # fmt: skip


def definition_of(row: TrialRow) -> Trial:
    """The definition that a row holds."""
    return restored(row.definition)


def restored(data: Mapping[str, Any]) -> Trial:
    """The definition that :func:`stored` wrote. Raises ``Invalid`` where it breaks a rule."""
    about = dict(data["trial"])
    for name in ("starts", "ends"):
        if isinstance(about.get(name), str):
            about[name] = date.fromisoformat(about[name])
    return toml.from_data({**data, "trial": about}, name=f"trial {about.get('key')}")


def _seal(session: Session, trial_id: int) -> Seal | None:
    row = session.get(SealRow, trial_id)
    if row is None:
        return None
    opened = row.revealed_at is not None
    return Seal(
        commitment=row.commitment, committed_at=row.committed_at, revealed_at=row.revealed_at,
        seed=int(row.seed) if opened else None, nonce=row.nonce if opened else None,
    )  # fmt: skip


def _unrecorded(plans: list[PlanRow], trial: Trial) -> tuple[dict[str, Any], ...]:
    if not plans or plans[-1].hash == plan.plan_hash(trial):
        return ()
    return tuple(plan.changes(plans[-1].document, plan.document(trial)))


def _amendments(plans: list[PlanRow]) -> tuple[Amendment, ...]:
    return tuple(
        Amendment(
            number=after.number - 1, at=after.locked_at, by=after.locked_by, reason=after.reason,
            hash=after.hash, outcomes_before=after.outcomes_before,
            changes=plan.changes(before.document, after.document),
        )
        for before, after in pairwise(plans)
    )  # fmt: skip


def summaries(session: Session) -> list[TrialSummary]:
    """Every trial, the latest first."""
    units = dict(
        session.execute(
            sa.select(AssignmentRow.trial_id, sa.func.count()).group_by(AssignmentRow.trial_id)
        ).all()
    )
    plans = dict(
        session.execute(
            sa.select(PlanRow.trial_id, PlanRow.hash).order_by(PlanRow.trial_id, PlanRow.number)
        ).all()
    )
    runs = _latest_runs(session)
    rows = session.scalars(sa.select(TrialRow).order_by(TrialRow.created_at.desc(), TrialRow.key))
    return [_summary(row, units, plans, runs) for row in rows]


def titles(session: Session, keys: Collection[str]) -> dict[str, str]:
    """The titles of those of ``keys`` that are trials, in the order of the titles."""
    query = sa.select(TrialRow.key, TrialRow.title).where(TrialRow.key.in_(keys))
    return dict(session.execute(query.order_by(TrialRow.title)).tuples().all())


def latest_result(session: Session, key: str) -> dict[str, Any] | None:
    """The result document of a trial's newest run; ``None`` before the first. Raises ``NotFound``.

    Kept here, beside the summaries, so that a page that shows a result loads no analysis.
    """
    row = row_of(session, key)
    newest = sa.select(RunRow.result).where(RunRow.trial_id == row.id).order_by(RunRow.id.desc())
    return session.scalar(newest.limit(1))


def _latest_runs(session: Session) -> dict[int, RunRow]:
    newest = sa.select(sa.func.max(RunRow.id)).group_by(RunRow.trial_id)
    rows = session.scalars(sa.select(RunRow).where(RunRow.id.in_(newest)))
    return {row.trial_id: row for row in rows}


def _says(result: dict[str, Any]) -> str:
    """The finding in a sentence, or why it is withheld until a declared look."""
    says: str = result.get("withheld") or result["verdict"]["says"]
    return says


def _summary(
    row: TrialRow, units: dict[int, int], plans: dict[int, str], runs: dict[int, RunRow]
) -> TrialSummary:
    run = runs.get(row.id)
    return TrialSummary(
        key=row.key, title=row.title, area=row.area, channel=row.channel, service=row.service,
        owner=row.owner, state=row.state,
        plan_hash=plans.get(row.id) or plan.plan_hash(definition_of(row)),
        locked=row.id in plans, units=units.get(row.id, 0), starts=row.starts, ends=row.ends,
        run_at=run.at if run else None,
        verdict_says=_says(run.result) if run else None, decision=row.decision,
    )  # fmt: skip
