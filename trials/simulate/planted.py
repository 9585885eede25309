"""From what a rehearsal plants to what each person does, and to the truth that follows from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trials.definition.model import Metric
from trials.errors import Invalid, Problem
from trials.simulate import calibration as known
from trials.simulate.arrays import Floats, Ints
from trials.simulate.people import People
from trials.simulate.process import PHONE, WEBCHAT, Index, Process
from trials.simulate.rehearsal import Override, Rehearsal
from trials.simulate.truth import (
    Behaviour,
    Match,
    Seen,
    Solver,
    averaged,
    expected,
    handled_match,
)


@dataclass(frozen=True)
class Planted:
    """Behaviours by arm and by level of the column that effects vary by (one level if by none)."""

    process: Process
    solver: Solver
    by: str | None
    levels: tuple[str, ...]
    behaviour: tuple[tuple[Behaviour, ...], ...]
    control: int

    @classmethod
    def of(cls, rehearsal: Rehearsal) -> Planted:
        """The behaviours that a rehearsal plants."""
        trial, plan = rehearsal.trial, rehearsal.plan
        process = Process.of(plan.baseline)
        channel = {"phone": PHONE, "webchat": WEBCHAT}[plan.channel]
        index = channel if plan.exposure == "contact" else None
        solver = Solver(process, index, rehearsal.window_days)
        by = next((c for arm in plan.arms.values() for c in arm.by), None)
        levels = tuple(_levels(rehearsal, by)) if by else ("",)
        behaviour = tuple(
            tuple(_behaviour(rehearsal, solver, arm.key, by, level) for level in levels)
            for arm in trial.arms
        )
        control = [arm.control for arm in trial.arms].index(True)
        return cls(process, solver, by, levels, behaviour, control)

    def level_of(self, people: People) -> Ints:
        """Each unit's level of the column that effects vary by."""
        return people.columns[self.by].codes if self.by else np.zeros(len(people), dtype=np.int64)

    def each(self, people: People, name: str) -> Floats:
        """A field of every unit's behaviour, under what was delivered to it."""
        table = np.array([[getattr(b, name) for b in arm] for arm in self.behaviour])
        met = np.where(people.delivered >= 0, people.delivered, self.control)
        return np.asarray(table[met, self.level_of(people)])

    def need(self, people: People) -> Floats:
        """Each unit's probability of a need. Raises ``Invalid`` where one is above 1."""
        return _checked(people.multiplier * self.each(people, "need"), "contact")

    def index(self, people: People) -> Index | None:
        """The index contacts, where the exposure is one. Raises as :meth:`need`."""
        if self.solver.index_channel is None:
            return None
        further = _checked(people.multiplier * self.each(people, "further"), "calls_after")
        return Index(
            self.solver.index_channel, self.each(people, "reaches_agent"),
            self.each(people, "call_back"), further,
        )  # fmt: skip


def _levels(rehearsal: Rehearsal, by: str) -> tuple[str, ...]:
    column = rehearsal.plan.columns.get(by)
    return tuple(column.levels) if column else ("yes", "no")


def _behaviour(
    rehearsal: Rehearsal, solver: Solver, arm: str, by: str | None, level: str
) -> Behaviour:
    plan = rehearsal.plan
    own = plan.arms.get(arm)
    layers: list[Override] = [] if own is None else [own]
    if own is not None and by is not None and level in own.by.get(by, {}):
        layers.insert(0, own.by[by][level])

    def value(name: str) -> float:
        given = (getattr(layer, name) for layer in layers)
        return float(next((v for v in given if v is not None), getattr(plan.baseline, name)))

    within = -np.expm1(-known.RETURN_WINDOW / plan.baseline.again_days)
    index = solver.index_channel is not None
    return Behaviour(
        need=solver.need_for(value("contact")),
        reaches_agent=value("reaches_agent") if index else 0.0,
        call_back=value("call_back") if index else 0.0,
        further=value("calls_after") / float(within) if index else 0.0,
    )


def _checked(probability: Floats, key: str) -> Floats:
    highest = float(probability.max(initial=0.0))
    if highest > 1:
        says = f"is too high: with the factors, one kind of person would reach {highest:.2f}"
        raise Invalid("the rehearsal", [Problem(f"[simulate] {key}", says, "lower a factor")])
    return probability


@dataclass
class Ledger:
    """Running sums over chunks: how many people of each level, and their multipliers.

    Truths average over the people drawn, in every arm alike: they are those of this sample's
    potential outcomes, in expectation over what each person then does.
    """

    planted: Planted
    people: Floats = field(default_factory=lambda: np.zeros(0))
    first: Floats = field(default_factory=lambda: np.zeros(0))
    second: Floats = field(default_factory=lambda: np.zeros(0))
    assigned: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        """Start from nothing."""
        size = len(self.planted.levels)
        self.people, self.first, self.second = np.zeros(size), np.zeros(size), np.zeros(size)

    def add(self, people: People, arms: tuple[str, ...]) -> None:
        """Count a chunk."""
        level, size = self.planted.level_of(people), len(self.planted.levels)
        self.people += np.bincount(level, minlength=size)
        self.first += np.bincount(level, people.multiplier, size)
        self.second += np.bincount(level, people.multiplier**2, size)
        for code, arm in enumerate(arms):
            self.assigned[arm] += int(((people.arm == code) & ~people.lost).sum())

    def mean(
        self, arm: int, kind: str, match: Match, seen: Seen, met: float,
        *, days: float | None = None,
    ) -> float:  # fmt: skip
        """An expectation under an arm, of whom the share ``met`` were delivered it."""
        solver = self.planted.solver if days is None else replace(self.planted.solver, days=days)
        control = self._mean(solver, self.planted.control, kind, match, seen)
        return met * self._mean(solver, arm, kind, match, seen) + (1 - met) * control

    def _mean(self, solver: Solver, arm: int, kind: str, match: Match, seen: Seen) -> float:
        total = 0.0
        for level, behaviour in enumerate(self.planted.behaviour[arm]):
            n = self.people[level]
            if n > 0:
                moments = (self.first[level] / n, self.second[level] / n)
                value = _expectation(solver, behaviour, kind, match, seen)
                total += n * averaged(value, moments)
        return float(total / self.people.sum())


def _expectation(
    solver: Solver, behaviour: Behaviour, kind: str, match: Match, seen: Seen
) -> Callable[[float], float]:
    """An expectation as a function of a person's multiplier."""
    if kind == "gross":
        return lambda m: solver.gross(behaviour, m, seen)
    if kind == "mean":
        return lambda m: solver.mean(behaviour, m, match, seen)
    return lambda m: solver.any(behaviour, m, match, seen)


def truths(rehearsal: Rehearsal, ledger: Ledger) -> dict[str, Any]:
    """The truth document: per arm and contrast, as it is and as the records can show it."""
    baseline = rehearsal.plan.baseline
    shown = np.array([1 - baseline.withheld, 1.0, 1.0, 1.0])
    views = {
        "actual": Seen.everything(),
        "recorded": Seen(linked=rehearsal.linked, shown=shown),
    }
    trial = rehearsal.trial
    by_view = {
        view: [_arm(rehearsal, ledger, code, seen) for code in range(len(trial.arms))]
        for view, seen in views.items()
    }
    control = ledger.planted.control
    return {
        "arms": [
            {"arm": arm.key, "assigned": ledger.assigned[arm.key],
             **{view: values[code] for view, values in by_view.items()}}
            for code, arm in enumerate(trial.arms)
        ],
        "contrasts": [
            {"arm": arm.key, "versus": trial.arms[control].key,
             **{view: _contrast(values[code], values[control]) for view, values in by_view.items()}}
            for code, arm in enumerate(trial.arms) if code != control
        ],
    }  # fmt: skip


def _arm(rehearsal: Rehearsal, ledger: Ledger, code: int, seen: Seen) -> dict[str, Any]:
    """What is to be expected of a unit given this arm, over the rehearsal's window."""
    arm = rehearsal.trial.arms[code].key
    plan = rehearsal.arm_plan(arm)
    met = plan.reached * (1 - plan.crossed)
    handled = handled_match()

    def mean(kind: str, match: Match) -> float:
        return ledger.mean(code, kind, match, seen, met)

    return {
        "index_reaches_agent": mean("gross", handled),
        "handled_contacts": mean("mean", handled),
        "any_handled_contact": mean("any", handled),
        "handled_by_channel": {
            name: mean("mean", _only(handled, c)) for c, name in enumerate(known.CHANNELS)
        },
        "metrics": _metrics(rehearsal, ledger, code, seen, met),
    }


def _only(match: Match, channel: int) -> Match:
    only = np.zeros_like(match)
    only[:, channel] = match[:, channel]
    return only


def _metrics(
    rehearsal: Rehearsal, ledger: Ledger, code: int, seen: Seen, met: float
) -> dict[str, float]:
    """The metrics whose mean is known: planted outcomes, and contacts by handling and channel."""
    found: dict[str, float | None] = {}
    for metric in rehearsal.trial.metrics:
        if metric.source == "outcomes":
            found[metric.key] = _outcome(rehearsal, ledger, metric.key, code, met)
        else:
            found[metric.key] = _contacts(rehearsal, ledger, metric, code, seen, met)
    return {key: value for key, value in found.items() if value is not None}


def _contacts(
    rehearsal: Rehearsal, ledger: Ledger, metric: Metric, code: int, seen: Seen, met: float
) -> float | None:
    asked = expected(metric, rehearsal.plan.line)
    days = (metric.window or 0) / 86_400
    if asked is None or days % rehearsal.block_days:
        return None
    kind, match = asked
    return ledger.mean(code, kind, match, seen, met, days=days)


def _outcome(rehearsal: Rehearsal, ledger: Ledger, key: str, code: int, met: float) -> float | None:
    if key not in rehearsal.plan.outcomes:
        return None
    plan = rehearsal.plan.outcomes[key]
    if plan.by and set(plan.by) != {ledger.planted.by}:
        return None
    shares = ledger.people / ledger.people.sum()
    control = float(shares @ outcome_means(rehearsal, ledger.planted, key)[ledger.planted.control])
    return (
        met * float(shares @ outcome_means(rehearsal, ledger.planted, key)[code])
        + (1 - met) * control
    )


def outcome_means(rehearsal: Rehearsal, planted: Planted, key: str) -> Floats:
    """The planted mean of an outcome by arm and by level of the column that effects vary by."""
    plan = rehearsal.plan.outcomes[key]
    rows = []
    for arm in rehearsal.trial.arms:
        usual = plan.arms.get(arm.key, plan.baseline)
        by = plan.by.get(planted.by or "", {})
        rows.append([by.get(level, {}).get(arm.key, usual) for level in planted.levels])
    return np.array(rows)


def _contrast(treated: dict[str, Any], control: dict[str, Any]) -> dict[str, Any]:
    """Differences as deflection states them: positive means fewer contacts, per unit."""
    gross = control["index_reaches_agent"] - treated["index_reaches_agent"]
    net = control["handled_contacts"] - treated["handled_contacts"]
    return {
        "gross": gross,
        "net": net,
        "leakage": 1 - net / gross if gross > 1e-9 else None,
        "displacement": {
            name: value - treated["handled_by_channel"][name]
            for name, value in control["handled_by_channel"].items()
        },
        "differences": {
            key: value - control["metrics"][key]
            for key, value in treated["metrics"].items() if key in control["metrics"]
        },
    }  # fmt: skip
