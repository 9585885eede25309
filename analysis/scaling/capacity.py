"""What happens to a line's queue: waits, hang-ups, and the agents a target needs.

Flat random arrivals within each stretch, one queue answered in turn: simplifications, which the
answer says. With a profile, each interval is taken at its own long run (stationary, independent,
period by period: Green, Kolesar & Soares 2001) and the day averages them over calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from analysis.estimates import Absent
from analysis.scaling.assumption import Assumption
from analysis.scaling.erlang import Steady
from analysis.scaling.fit import fit
from analysis.scaling.line import GROWS, LOOP, Line
from analysis.scaling.question import CapacityRequest, Interval, check
from trials.errors import Invalid, Problem

_LONG_PATIENCE = 3600.0
FLAT = "Calls arrive evenly and at random within each stretch and join one queue."


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What callers meet; seconds and fractions. ``offered`` is calls over the whole period."""

    offered: float | Absent
    load: float | Absent
    wait_answered: float | Absent
    wait_all: float | Absent
    abandoned: float | Absent
    occupancy: float | Absent
    service_level: float | Absent

    def to_json(self) -> dict[str, Any]:
        """The measures under the names of the outside contract."""
        return {
            "offered": _out(self.offered),
            "offered_load_erlangs": _out(self.load),
            "wait_answered_seconds": _out(self.wait_answered),
            "wait_all_seconds": _out(self.wait_all),
            "abandoned": _out(self.abandoned),
            "occupancy": _out(self.occupancy),
            "service_level": _out(self.service_level),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The line after demand, handling time or staff change, without and with the call-back loop.

    ``agents_for_target`` counts the call-backs that vanish; ``fte_freed`` compares it with the
    agents the target needs today.
    """

    demand_change: float
    aht_change: float
    agents_added: float
    without_retrials: State
    with_retrials: State
    agents_for_target: float
    fte_freed: float

    def to_json(self) -> dict[str, Any]:
        """The what-if as data."""
        return {
            "demand_change": self.demand_change,
            "aht_change": self.aht_change,
            "agents_added": self.agents_added,
            "without_retrials": self.without_retrials.to_json(),
            "with_retrials": self.with_retrials.to_json(),
            "agents_for_target": self.agents_for_target,
            "fte_freed": self.fte_freed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One interval of the profile with its agents, what its callers meet, and what it needs."""

    label: str
    hours: float
    agents: float
    state: State
    agents_for_target: float

    def to_json(self) -> dict[str, Any]:
        """The interval as data."""
        return {
            "interval": self.label, "hours": self.hours, "agents": self.agents,
            **self.state.to_json(), "agents_for_target": self.agents_for_target,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityAnswer:
    """Waits, hang-ups and staffing.

    ``gap`` is how far ``agents`` fall short of ``agents_for_target``, as a fraction of what is
    needed (negative when there are agents to spare); ``fte`` the posts to employ for the target,
    ``agents_for_target / (1 - shrinkage)``. With a profile, agents are averages over the hours.
    ``unique_offered`` is the demand of people with a need, call-backs taken out.
    """

    model: Literal["erlang-a", "erlang-c"]
    fitted: bool
    agents: float
    patience: float | None
    state: State
    unique_offered: float
    agents_for_target: float
    shrinkage: float
    settings: tuple[Assumption, ...]
    stretches: tuple[Stretch, ...]
    what_if: WhatIf | None
    notes: tuple[str, ...]

    @property
    def gap(self) -> float:
        """Shortfall as a fraction of the agents needed."""
        return (self.agents_for_target - self.agents) / self.agents_for_target

    @property
    def fte(self) -> float:
        """Full-time posts to employ for the target."""
        return self.agents_for_target / (1 - self.shrinkage)

    def to_json(self) -> dict[str, Any]:
        """The outside contract's document."""
        short = self.agents_for_target - self.agents
        return {
            **self.state.to_json(),
            "model": self.model,
            "agents": self.agents,
            "patience_seconds": self.patience,
            "fitted": self.fitted,
            "unique_offered": self.unique_offered,
            "agents_for_target": self.agents_for_target,
            "gap": self.gap,
            "gap_agents": short,
            "gap_fte": short / (1 - self.shrinkage),
            "fte": self.fte,
            "fte_now": self.agents / (1 - self.shrinkage),
            "intervals": [stretch.to_json() for stretch in self.stretches],
            "what_if": None if self.what_if is None else self.what_if.to_json(),
            "assumptions": [setting.to_json() for setting in self.settings],
            "notes": list(self.notes),
        }


def answer(request: CapacityRequest) -> CapacityAnswer:
    """The answer to a capacity question.

    Raises:
        Invalid: the question is impossible; every problem is listed.
    """
    check(request)
    settings = request.settings()
    target = settings["target_wait_seconds"].value
    shrinkage = settings["shrinkage"].value
    parts = _parts(request, settings)
    lines = [part.line for part in parts]
    now = [(line.load, line.now()) for line in lines]
    needs = [line.agents_for(target) for line in lines]
    stretches = tuple(
        Stretch(
            label=part.label, hours=part.hours, agents=part.line.agents, agents_for_target=need,
            state=_state([part], [result], request),
        )
        for part, result, need in zip(parts, now, needs, strict=True)
    )  # fmt: skip
    patience = lines[0].patience
    return CapacityAnswer(
        model="erlang-c" if patience is None else "erlang-a",
        fitted=request.fit is not None,
        agents=_average(parts, [line.agents for line in lines]),
        patience=patience,
        state=_state(parts, now, request),
        unique_offered=sum(_calls(part, part.line.unique, request) for part in parts),
        agents_for_target=_average(parts, needs),
        shrinkage=shrinkage,
        settings=tuple(settings.values()),
        stretches=stretches if request.profile else (),
        what_if=_what_if(request, parts, needs, target=target, shrinkage=shrinkage),
        notes=_notes(request, patience),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    label: str
    hours: float
    line: Line


def _parts(request: CapacityRequest, settings: dict[str, Assumption]) -> list[_Part]:
    """The stretches of the day, each a line of its own (one, without a profile)."""
    whole = Interval(label="day", hours=request.hours, share=1.0, agents=request.agents)
    agents, patience = request.agents, request.patience
    if request.fit is not None:
        load = request.offered / (request.days * request.hours) * request.aht / 3600
        seen = request.fit
        fitted = fit(load, aht=request.aht, wait=seen.wait, abandoned=seen.abandoned)
        agents, patience = fitted.agents, fitted.patience
    return [
        _Part(
            label=row.label,
            hours=row.hours,
            line=Line(
                rate=request.offered * row.share / (request.days * row.hours),
                aht=request.aht,
                agents=float(row.agents or agents or 0),
                patience=patience,
                retry=settings["retry"].value,
                within=settings["target_wait_seconds"].value,
            ),
        )
        for row in request.profile or (whole,)
    ]


def _calls(part: _Part, load: float, request: CapacityRequest) -> float:
    return load / part.line.aht * 3600 * part.hours * request.days


def _average(parts: Sequence[_Part], values: Sequence[float]) -> float:
    """An average over the hours of the day."""
    hours = sum(part.hours for part in parts)
    return sum(p.hours * v for p, v in zip(parts, values, strict=True)) / hours


def _state(
    parts: Sequence[_Part],
    results: Sequence[tuple[float, Steady] | None],
    request: CapacityRequest,
) -> State:
    """The stretches together: rates over calls, waits of the answered over answered calls."""
    if any(result is None for result in results):
        return State(offered=LOOP, load=LOOP, wait_answered=LOOP, wait_all=LOOP,
                     abandoned=LOOP, occupancy=LOOP, service_level=LOOP)  # fmt: skip
    known = [result for result in results if result is not None]
    calls = [_calls(p, load, request) for p, (load, _) in zip(parts, known, strict=True)]
    runs = [run for _, run in known]
    answered = [c * (1 - run.abandoned) for c, run in zip(calls, runs, strict=True)]
    staffed = [p.hours * p.line.agents for p in parts]

    def mean(weights: Sequence[float], of: Callable[[Steady], float]) -> float:
        total = sum(weights)
        if total == 0:
            return of(runs[0])
        pairs = zip(weights, runs, strict=True)
        return sum(w * of(run) for w, run in pairs if w > 0) / total

    return State(
        offered=sum(calls),
        load=_average(parts, [load for load, _ in known]),
        wait_answered=_finite(mean(answered, lambda run: run.wait_answered)),
        wait_all=_finite(mean(calls, lambda run: run.wait_all)),
        abandoned=mean(calls, lambda run: run.abandoned),
        occupancy=mean(staffed, lambda run: run.occupancy),
        service_level=mean(calls, lambda run: run.service_level),
    )


def _what_if(
    request: CapacityRequest, parts: Sequence[_Part], needs: Sequence[float], *, target: float,
    shrinkage: float,
) -> WhatIf | None:  # fmt: skip
    if request.demand_change == request.aht_change == request.agents_added == 0:
        return None
    change, slower = request.demand_change, 1 + request.aht_change
    scaled = [_changed(part, request) for part in parts]
    if min(part.line.agents for part in scaled) < 1:
        left = min(part.line.agents for part in scaled)
        problem = Problem("agents-added", f"{left:.3g} agents would be left", "leave at least 1")
        raise Invalid("the capacity question", [problem])
    unique = [part.line.unique * (1 + change) * slower for part in parts]
    pairs = list(zip(scaled, unique, strict=True))
    unlooped = [(part.line.load, part.line.now()) for part in scaled]
    looped = [part.line.settled_from(load) for part, load in pairs]
    after = [part.line.agents_from(load, target) for part, load in pairs]
    agents = _average(parts, after)
    return WhatIf(
        demand_change=change,
        aht_change=request.aht_change,
        agents_added=request.agents_added,
        without_retrials=_state(scaled, unlooped, request),
        with_retrials=_state(scaled, looped, request),
        agents_for_target=agents,
        fte_freed=(_average(parts, needs) - agents) / (1 - shrinkage),
    )


def _changed(part: _Part, request: CapacityRequest) -> _Part:
    """The stretch with all its calls, handling time and staff changed, call-backs in proportion."""
    line = part.line
    return replace(part, line=replace(
        line, rate=line.rate * (1 + request.demand_change),
        aht=line.aht * (1 + request.aht_change), agents=line.agents + request.agents_added,
    ))  # fmt: skip


def _finite(value: float) -> float | Absent:
    return value if math.isfinite(value) else GROWS


def _out(value: float | Absent) -> float | dict[str, Any]:
    return value.to_json() if isinstance(value, Absent) else value


def _notes(request: CapacityRequest, patience: float | None) -> tuple[str, ...]:
    notes = [FLAT]
    if patience is not None and patience > _LONG_PATIENCE:
        notes.append(
            f"A mean patience of {patience / 60:.0f} minutes is implausible: check that the wait "
            "and the abandonment count the same calls."
        )
    if patience is None and request.retry:
        notes.append("Nobody hangs up in this model, so nobody rings back.")
    if request.profile:
        notes.append("Each interval is taken at its own long run; call-backs stay within it.")
    moved = request.demand_change or request.agents_added
    if moved and patience is not None and request.retry:
        notes.append(
            "The gain from fewer call-backs is modelled, not measured: do not add it to a trial's "
            "net deflection."
        )
    return tuple(notes)
