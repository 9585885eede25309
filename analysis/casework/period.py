"""What a stretch of time brought and what is ahead, over some trials: for packs and digests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.casework import afterwards, benefits, decisions, steps
from analysis.casework.decisions import Decided
from analysis.casework.steps import Step
from analysis.scaling.realisation import Benefit, Realised
from trials import clock, registry
from trials.store.tables import AuditRow, RolloutRow, TrialRow

ACTS = ("launched", "paused", "resumed", "stopped", "decided")
"""The turns of a trial's life, as the audit log names them after "trial"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A turn in a trial's life: ``act`` is one of :data:`ACTS`."""

    key: str
    title: str
    act: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What is planned for a day: ``what`` in words that begin small."""

    key: str
    title: str
    what: str
    on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What happened in some trials since a moment, and what is ahead of them.

    ``steps`` are open and due by ``until`` or overdue; ``undecided`` maps a stopped trial's key to
    what is recommended (``None`` where nothing can be); ``held`` are measurements on holdbacks.
    """

    since: date
    today: date
    titles: Mapping[str, str]
    turns: tuple[Turn, ...]
    decided: tuple[tuple[str, Decided], ...]
    undecided: Mapping[str, str | None]
    steps: tuple[Step, ...]
    benefits: tuple[Benefit, ...]
    held: tuple[tuple[str, Realised], ...]
    ahead: tuple[Ahead, ...]
    paused: tuple[str, ...]
    late: tuple[str, ...]


def of(
    session: Session, keys: Collection[str], *, since: datetime, today: date, ahead: timedelta
) -> Period:  # fmt: skip
    """The period of the trials ``keys`` from ``since`` until now, and what is ``ahead``."""
    rows = session.scalars(
        sa.select(TrialRow).where(TrialRow.key.in_(keys)).order_by(TrialRow.title)
    ).all()
    titles = {row.key: row.title for row in rows}
    until = today + ahead
    return Period(
        since=clock.london(since).date(), today=today, titles=titles,
        turns=_turns(session, titles, since),
        decided=tuple((key, found) for key, _, found in decisions.recent(session, limit=200)
                      if key in titles and found.at >= since),
        undecided={row.key: decisions.recommendation(session, row.key)
                   for row in rows if row.state == "stopped"},
        steps=tuple(s for s in steps.steps(session)
                    if s.trial in titles and s.step.done_on is None and s.step.due <= until),
        benefits=tuple(b for b in benefits.everything(session) if b.trial in titles),
        held=_held(session, titles), ahead=_ahead(session, rows, today, until),
        paused=tuple(row.key for row in rows if row.state == "paused"),
        late=tuple(row.key for row in rows
                   if row.state == "live" and row.ends is not None and row.ends < today),
    )  # fmt: skip


def _turns(session: Session, titles: Mapping[str, str], since: datetime) -> tuple[Turn, ...]:
    acts = {f"trial {act}": act for act in ACTS}
    rows = session.execute(
        sa.select(AuditRow.subject, AuditRow.action, AuditRow.at)
        .where(AuditRow.action.in_(acts), AuditRow.subject.in_(titles),
               AuditRow.at >= since.isoformat(timespec="microseconds"))
        .order_by(AuditRow.id)
    )  # fmt: skip
    return tuple(
        Turn(key=key, title=titles[key], act=acts[action],
             on=clock.london(datetime.fromisoformat(at)).date())
        for key, action, at in rows
    )  # fmt: skip


def _held(session: Session, titles: Mapping[str, str]) -> tuple[tuple[str, Realised], ...]:
    """The newest measurement on each trial's holdback that can be set beside its claim."""
    found = []
    for key in titles:
        newest = next(iter(afterwards.realised(session, key)), None)
        if newest is not None and isinstance(newest[1], Realised):
            found.append((key, newest[1]))
    return tuple(found)


def _ahead(
    session: Session, rows: Collection[TrialRow], today: date, until: date
) -> tuple[Ahead, ...]:
    """What is planned: starts, looks, ends, waves of a roll-out and measurements after it."""
    found = []
    for row in rows:
        days = [*_of_plan(row), *_of_rollout(session, row)]
        found += [Ahead(key=row.key, title=row.title, what=what, on=on)
                  for on, what in days if today <= on <= until]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.on, one.title)))


def _of_plan(row: TrialRow) -> list[tuple[date, str]]:
    from analysis import looking
    from trials.definition.model import Looks

    trial = registry.definition_of(row)
    if row.state in {"draft", "ready"}:
        return [(row.starts, "planned to start")] if row.starts else []
    if row.state not in {"live", "paused"}:
        return []
    looks = trial.analysis.looks
    days = looking.days(trial, looks) if isinstance(looks, Looks) else ()
    found = [(day, "a planned look at the results") for day in days if day != row.ends]
    return [*found, (row.ends, "planned to end")] if row.ends else found


def _of_rollout(session: Session, row: TrialRow) -> list[tuple[date, str]]:
    planned = session.scalar(
        sa.select(RolloutRow.id).where(RolloutRow.trial_id == row.id).limit(1)
    )  # fmt: skip
    plan = None if planned is None else afterwards.rollout(session, row.key)
    if plan is None:
        return []
    waves = [(w.starts, f"wave {w.number} of {len(plan.waves)} of the roll-out begins")
             for w in plan.waves]  # fmt: skip
    return [*waves, (plan.remeasure_on, "the effect is to be measured again on the holdback")]
