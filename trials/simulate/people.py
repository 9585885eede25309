"""The units of a rehearsal: who they are, when they met their arm, and which arm that was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from trials import clock
from trials.definition.model import Trial
from trials.simulate import calibration as known
from trials.simulate.arrays import Floats, Ints, Mask
from trials.simulate.hours import DAY, HOUR, Profile, day_number, day_numbers
from trials.simulate.rehearsal import Baseline, Column, Rehearsal, Simulation

CHUNK = 1 << 16
"""Units drawn at once. Part of what a seed means: changing it changes every rehearsal."""


@dataclass(frozen=True, slots=True)
class Levels:
    """A column of the unit list: one code a unit into ``levels``."""

    codes: Ints
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Units of one chunk, one entry each.

    ``number`` counts from 0 through all chunks. ``assigned`` and ``exposed`` are epoch seconds;
    ``arm`` is what was drawn, ``delivered`` what the unit met (-1: nothing). ``multiplier`` scales
    a unit's needs; ``linked`` units have identifiers on record.
    """

    number: Ints
    assigned: Floats
    exposed: Floats
    arm: Ints
    delivered: Ints
    lost: Mask
    multiplier: Floats
    prior: Ints
    linked: Mask
    cluster: Ints | None
    columns: dict[str, Levels]

    def __len__(self) -> int:
        return len(self.number)

    @property
    def start(self) -> Floats:
        """When the window of each unit begins: its exposure, or its allocation if it had none."""
        return np.where(self.delivered >= 0, self.exposed, self.assigned)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all chunks share: cluster effects and crossings, and the arm of each period."""

    cluster_effect: Floats | None
    cluster_arm: Ints | None
    period_arm: Ints | None
    crossing: Ints | None


def shared(rehearsal: Rehearsal, profile: Profile, rng: np.random.Generator) -> Shared:
    """Draw what the chunks have in common."""
    plan, design = rehearsal.plan, rehearsal.trial.design
    effect = arm = crossing = period = None
    if plan.clusters is not None:
        effect = _cluster_effect(plan, plan.clusters, rng)
        arm = _spread(np.zeros(plan.clusters), _weights(rehearsal.trial), rng)
        crossing = rng.permutation(plan.clusters) % plan.clusters
    if design.kind == "switchback":
        first, last = profile.hour[0], profile.hour[-1]
        periods = int((last - first) // (design.period or HOUR)) + 1
        period = _spread(np.arange(periods) // (2 * len(rehearsal.trial.arms)),
                         _weights(rehearsal.trial), rng)  # fmt: skip
    return Shared(effect, arm, period, crossing)


def people(
    rehearsal: Rehearsal, numbers: Ints, common: Shared, profile: Profile,
    rng: np.random.Generator,
) -> People:  # fmt: skip
    """The units with these numbers."""
    plan, trial = rehearsal.plan, rehearsal.trial
    n = len(numbers)
    assigned, exposed, batch = _moments(rehearsal, profile, n, rng)
    cluster, effect = _clusters(rehearsal, n, common, rng)
    columns = _columns(plan, n, cluster, rng)
    if plan.arrivals == "batches":
        columns["batch"] = Levels(batch, tuple(str(b + 1) for b in range(plan.batches)))
    multiplier = effect * _frequent(plan.baseline, n, rng)
    for name, column in plan.columns.items():
        multiplier = multiplier * _factors(column)[columns[name].codes]
    prior = rng.poisson(plan.baseline.prior * multiplier)
    multiplier = multiplier * _shocks(plan, exposed)
    arm = _arms(rehearsal, exposed, cluster, columns, common, rng)
    delivered, lost = _delivery(rehearsal, arm, rng)
    return People(
        number=numbers, assigned=assigned, exposed=exposed, arm=arm, delivered=delivered, lost=lost,
        multiplier=multiplier, prior=prior, linked=rng.random(n) < rehearsal.linked,
        cluster=None if cluster is None else _numbered(cluster, numbers, plan),
        columns=_all_columns(trial, columns),
    )  # fmt: skip


def _weights(trial: Trial) -> Floats:
    weights = np.array([arm.weight for arm in trial.arms])
    return np.asarray(weights / weights.sum())


def _numbered(cluster: Ints, numbers: Ints, plan: Simulation) -> Ints:
    """Clusters drawn within a chunk are numbered after its first unit, so that none repeats."""
    return cluster if plan.clusters is not None else cluster + numbers[0]


def _all_columns(trial: Trial, columns: dict[str, Levels]) -> dict[str, Levels]:
    """The columns in the order the trial names them, then the others."""
    order = [*(c for c in trial.columns if c in columns), *columns]
    return {name: columns[name] for name in dict.fromkeys(order)}


def _moments(
    rehearsal: Rehearsal, profile: Profile, n: int, rng: np.random.Generator
) -> tuple[Floats, Floats, Ints]:
    """When units were allocated and exposed, and their batch."""
    plan = rehearsal.plan
    first, last = rehearsal.dates
    begin, end = _midnight(first), _midnight(last + timedelta(days=1))
    if plan.arrivals != "batches":
        when = np.floor(profile.arrivals(begin, end, rng.random(n)))
        return when, when, np.zeros(n, dtype=np.int64)
    batch = rng.integers(0, plan.batches, n)
    sent = begin + np.floor(batch * (end - begin) / plan.batches / DAY) * DAY + 8 * HOUR
    posted = rng.choice([1, 2, 3, 5], p=[0.3, 0.4, 0.2, 0.1], size=n)
    opened = np.floor(rng.uniform(2 * HOUR, 10 * HOUR, n))
    return sent, sent + posted * DAY + opened, batch


def _midnight(day: date) -> int:
    return int(clock.start_of_day(day).timestamp())


def _cluster_effect(plan: Simulation, clusters: int, rng: np.random.Generator) -> Floats:
    return 1 + plan.cluster_spread * rng.uniform(-1, 1, clusters)


def _clusters(
    rehearsal: Rehearsal, n: int, common: Shared, rng: np.random.Generator
) -> tuple[Ints | None, Floats]:
    plan = rehearsal.plan
    if common.cluster_effect is not None:
        cluster = rng.integers(0, len(common.cluster_effect), n)
        return cluster, common.cluster_effect[cluster]
    if not rehearsal.trial.design.cluster:
        return None, np.ones(n)
    starts = rng.random(n) < 1 / plan.cluster_size
    starts[0] = True
    cluster = np.cumsum(starts) - 1
    return cluster, _cluster_effect(plan, int(cluster[-1]) + 1, rng)[cluster]


def _columns(
    plan: Simulation, n: int, cluster: Ints | None, rng: np.random.Generator
) -> dict[str, Levels]:
    """Levels of every column; those of a cluster's units are the same where clusters are drawn."""
    asked = {**plan.columns}
    asked.setdefault("has_email", Column(levels={"yes": 1 - known.NO_EMAIL, "no": known.NO_EMAIL}))
    personal = {"has_email"}
    found: dict[str, Levels] = {}
    for name, column in asked.items():
        shares = np.array(list(column.levels.values()), dtype=float)
        size = n if cluster is None or name in personal else int(cluster.max()) + 1
        drawn = rng.choice(len(shares), p=shares / shares.sum(), size=size)
        codes = drawn if size == n and (cluster is None or name in personal) else drawn[cluster]
        found[name] = Levels(codes.astype(np.int64), tuple(column.levels))
    return found


def _factors(column: Column) -> Floats:
    shares = np.array(list(column.levels.values()), dtype=float)
    factors = np.array([column.factor.get(level, 1.0) for level in column.levels])
    return np.asarray(factors / np.average(factors, weights=shares))


def _frequent(baseline: Baseline, n: int, rng: np.random.Generator) -> Floats:
    """Frequent callers and others; the mean is 1."""
    share, factor = baseline.frequent.share, baseline.frequent.factor
    ordinary = 1 / (1 - share + share * factor)
    return np.where(rng.random(n) < share, factor * ordinary, ordinary)


def _shocks(plan: Simulation, exposed: Floats) -> Floats:
    if not plan.shocks:
        return np.ones(len(exposed))
    day = day_numbers(exposed)
    factor = np.ones(len(exposed))
    for shock in plan.shocks:
        struck = (day >= day_number(shock.starts)) & (day <= day_number(shock.ends))
        factor[struck] *= shock.factor
    return factor


def _arms(
    rehearsal: Rehearsal, exposed: Floats, cluster: Ints | None, columns: dict[str, Levels],
    common: Shared, rng: np.random.Generator,
) -> Ints:  # fmt: skip
    """Which arm each unit was given, as the design says."""
    trial, plan = rehearsal.trial, rehearsal.plan
    weights, n = _weights(trial), len(exposed)
    if common.period_arm is not None:
        begin = _midnight(rehearsal.dates[0])
        period = ((exposed - begin) // (trial.design.period or HOUR)).astype(np.int64)
        return common.period_arm[np.clip(period, 0, len(common.period_arm) - 1)]
    if trial.design.kind == "stepped-wedge" and common.crossing is not None and cluster is not None:
        return _wedge(rehearsal, exposed, cluster, common.crossing)
    if cluster is not None and common.cluster_arm is not None:
        return common.cluster_arm[cluster]
    strata = strata_of(trial, columns, n)
    if cluster is not None:
        first = np.unique(cluster, return_index=True)[1]
        return _spread(strata[first], weights, rng)[cluster]
    if not plan.epochs:
        blocked = trial.design.kind == "stratified"
        return _spread(strata, weights, rng) if blocked else _independent(weights, n, rng)
    return _by_epoch(rehearsal, exposed, rng)


def _wedge(rehearsal: Rehearsal, exposed: Floats, cluster: Ints, crossing: Ints) -> Ints:
    """Clusters cross one after another, evenly over the trial, from the control to the other."""
    first, last = rehearsal.dates
    control = [arm.control for arm in rehearsal.trial.arms].index(True)
    other = next(i for i, arm in enumerate(rehearsal.trial.arms) if not arm.control)
    begin, end = _midnight(first), _midnight(last + timedelta(days=1))
    step = (end - begin) / (len(crossing) + 1)
    crossed = exposed >= begin + step * (crossing[cluster] + 1)
    return np.where(crossed, other, control)


def strata_of(trial: Trial, columns: dict[str, Levels], n: int) -> Ints:
    """The stratum of each unit, as one number; all 0 where the design has none."""
    code = np.zeros(n, dtype=np.int64)
    for name in trial.design.strata:
        code = code * len(columns[name].levels) + columns[name].codes
    return code


def _by_epoch(rehearsal: Rehearsal, exposed: Floats, rng: np.random.Generator) -> Ints:
    trial, plan = rehearsal.trial, rehearsal.plan
    day = day_numbers(exposed)
    arm = _independent(_weights(trial), len(exposed), rng)
    for epoch in sorted(plan.epochs, key=lambda e: e.starts):
        weights = np.array([epoch.weights.get(a.key, a.weight) for a in trial.arms])
        here = day >= day_number(epoch.starts)
        arm[here] = _independent(weights / weights.sum(), int(here.sum()), rng)
    return arm


def _independent(weights: Floats, n: int, rng: np.random.Generator) -> Ints:
    return np.searchsorted(np.cumsum(weights)[:-1], rng.random(n), side="right")


def _spread(strata: Floats | Ints, weights: Floats, rng: np.random.Generator) -> Ints:
    """Arms in the weights' proportions within every stratum, in random order (systematic draw)."""
    order = np.lexsort((rng.random(len(strata)), strata))
    _, start, size = np.unique(strata[order], return_index=True, return_counts=True)
    rank = np.arange(len(strata)) - np.repeat(start, size)
    place = (rank + np.repeat(rng.random(len(size)), size)) / np.repeat(size, size)
    arm = np.empty(len(strata), dtype=np.int64)
    arm[order] = np.searchsorted(np.cumsum(weights)[:-1], place, side="right")
    return arm


def _delivery(rehearsal: Rehearsal, arm: Ints, rng: np.random.Generator) -> tuple[Ints, Mask]:
    """What each unit met, and who is missing from the files."""
    plans = [rehearsal.arm_plan(a.key) for a in rehearsal.trial.arms]
    control = [a.control for a in rehearsal.trial.arms].index(True)
    n = len(arm)
    reached = rng.random(n) < np.array([p.reached for p in plans])[arm]
    crossed = rng.random(n) < np.array([p.crossed for p in plans])[arm]
    lost = rng.random(n) < np.array([p.lost for p in plans])[arm]
    return np.where(reached, np.where(crossed, control, arm), -1), lost
