"""A trial as the service holds it in memory: everything an answer needs, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import lifecycle, registry, sharing
from trials.definition import wording
from trials.definition.model import Arm, Design, Trial
from trials.designs.bucketing import Assigned, Split, Step
from trials.designs.online import PermutedBlocks
from trials.designs.shares import ratio
from trials.enrolled import rivals
from trials.errors import SignpostError
from trials.importing.columns import scope
from trials.online import adaptive
from trials.online.adaptive import Adaptive
from trials.online.strata import Strata
from trials.store.tables import ArmRow, ImportRow, MetricRow, TrialRow

LIST_CHANNELS = ("letter", "email", "sms")
"""Channels that send to a list: nobody is met there one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One trial.

    Attributes:
        strata: enrols a unit within its stratum; ``None`` where the design has none.
        adaptive: enrols a unit under shares that follow the outcomes; ``None`` where they are
            fixed.
        assigner: gives a unit its arm; ``None`` where units are not met one at a time.
        listed: a list of units or assignments has been loaded, and it alone says who takes part.
        arm_ids: the arms' numbers in the store, by key.
        metric_ids: the metrics' numbers, likewise.
        values: what a caller shows or plays, by arm.
        left_alone: why a unit belongs to no trial, or to another of the namespace.
        rivals: the other trials of the namespace, by number.
    """

    id: int
    key: str
    version: int
    state: str
    trial: Trial
    scope: str
    listed: bool
    arm_ids: Mapping[str, int]
    metric_ids: Mapping[str, int]
    values: Mapping[str, Any]
    assigner: Callable[[str], Assigned] | None
    left_alone: Callable[[str], str | None]
    rivals: tuple[int, ...] = ()
    strata: Strata | None = None
    adaptive: Adaptive | None = None

    @property
    def open(self) -> bool:
        """Takes units on at the moment of contact."""
        ways = (self.assigner, self.strata, self.adaptive)
        return any(way is not None for way in ways) and not self.listed

    @property
    def needs_store(self) -> bool:
        """The id alone does not settle the arm: what is stored has to be looked up."""
        kept = self.strata is not None or self.adaptive is not None
        return not self.open or kept or bool(self.trial.design.exclusions)

    def ineligible(self, attributes: Mapping[str, str]) -> str | None:
        """Why a unit may not take part: its first exclusion, or one that cannot be judged."""
        for rule in self.trial.design.exclusions:
            if rule.column not in attributes:
                return "eligibility-not-known"
            if attributes[rule.column].strip().casefold() in {v.casefold() for v in rule.values}:
                return "excluded"
        return None

    def probability(self, arm: str | None) -> float:
        """The chance a unit had of what it got: as the draw of a list records it."""
        if arm is None:
            return self.trial.design.holdout
        return self.trial.arm(arm).weight / sum(a.weight for a in self.trial.arms)


def load(session: Session, before: Mapping[str, Served]) -> dict[str, Served]:
    """Every trial; what has not changed since ``before`` is taken from there."""
    listed = set(session.scalars(
        sa.select(ImportRow.trial_id).where(ImportRow.kind.in_(("units", "assignments")))
    ))  # fmt: skip
    found: dict[str, Served] = {}
    newest = adaptive.newest(session)
    for number, key, version in session.execute(
        sa.select(TrialRow.id, TrialRow.key, TrialRow.version)
    ):
        held = before.get(key)
        known = held is not None and _moved(held) == (
            number, version, number in listed, newest.get(number, 1),
        )  # fmt: skip
        found[key] = held if known and held else _read(session, number, listed=number in listed)
    return found


def _moved(held: Served) -> tuple[int, int, bool, int]:
    """What tells that a trial has to be read again."""
    number = held.adaptive.number if held.adaptive else 1
    return held.id, held.version, held.listed, number


def _read(session: Session, number: int, *, listed: bool) -> Served:
    row = session.get_one(TrialRow, number, populate_existing=True)
    trial = registry.definition_of(row)
    arms = session.execute(sa.select(ArmRow.key, ArmRow.id).where(ArmRow.trial_id == number))
    metrics = session.execute(
        sa.select(MetricRow.key, MetricRow.id).where(MetricRow.trial_id == number)
    )
    return Served(
        id=number, key=row.key, version=row.version, state=row.state, trial=trial,
        scope=scope(trial), listed=listed, arm_ids=dict(arms.tuples().all()),
        metric_ids=dict(metrics.tuples().all()),
        values={arm.key: value(arm) for arm in trial.arms},
        assigner=_assigner(session, row, trial), strata=_strata(session, row, trial),
        adaptive=_adaptive(session, row, trial),
        left_alone=sharing.of(session, number, trial).gate(),
        rivals=tuple(rivals(session, number, trial)),
    )  # fmt: skip


def value(arm: Arm) -> Any:
    """The payload; else the wording, where it names no column; else the arm's key."""
    if arm.payload is not None:
        return arm.payload
    if not arm.wording:
        return arm.key
    try:
        return wording.compile(arm.wording, ()).render({})
    except SignpostError:
        return arm.key


def _assigner(session: Session, row: TrialRow, trial: Trial) -> Callable[[str], Assigned] | None:
    design = trial.design
    alone = design.kind == "individual" and not (design.strata or design.cluster)
    if design.adaptive is not None or trial.about.channel in LIST_CHANNELS:
        return None
    if not alone or _divided_by_list(design):
        return None
    try:
        return split(trial, lifecycle.seed_of(session, row.id)).assigner()
    except SignpostError:
        return None  # not launched yet, so there is no seed; or an arm has no weight


def _adaptive(session: Session, row: TrialRow, trial: Trial) -> Adaptive | None:
    if trial.design.adaptive is None:
        return None
    try:
        seed = lifecycle.seed_of(session, row.id)
    except SignpostError:
        return None  # not launched yet
    number, shares = adaptive.current(session, row.id)
    return Adaptive(number, shares, split(trial, seed, shares).assigner())


def _strata(session: Session, row: TrialRow, trial: Trial) -> Strata | None:
    design = trial.design
    if design.kind not in ("individual", "stratified") or not design.strata:
        return None
    if _divided_by_list(design) or design.method != "blocks":
        return None
    if trial.about.channel in LIST_CHANNELS or trial.about.channel is None:
        return None
    keys = tuple(arm.key for arm in trial.arms)
    try:
        seed = lifecycle.seed_of(session, row.id)
        whole = ratio([arm.weight for arm in trial.arms], keys)
    except SignpostError:
        return None
    assign = split(trial, seed).assigner()
    return Strata(design.strata, PermutedBlocks(whole, seed, trial.key), keys,
                  lambda unit: assign(unit).reason == "holdout")  # fmt: skip


def _divided_by_list(design: Design) -> bool:
    """The trial has no share of its namespace of its own: only a list says who is in it."""
    return design.namespace is not None and design.namespace_share is None


def split(trial: Trial, seed: int, shares: Sequence[float] | None = None) -> Split:
    """How ``trial`` splits the units it meets, under its sealed seed; ``shares`` of one batch."""
    weights = tuple(arm.weight for arm in trial.arms) if shares is None else tuple(shares)
    return Split(
        trial=trial.key, arms=tuple(arm.key for arm in trial.arms),
        steps=(Step(trial.design.coverage, weights),),
        seed=seed, holdout=trial.design.holdout,
    )  # fmt: skip
