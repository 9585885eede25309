"""Checking the planner's answer: the whole trial simulated, with the real draw and estimator.

Arms are drawn by :mod:`trials.designs` and judged by
:func:`analysis.frequentist.difference.difference` (at planned looks, by
:func:`analysis.frequentist.looks.read`), as a real trial's would be. Every treated arm has the
planned effect; what is counted is the comparison of the smallest of them with control.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from analysis.estimates import Absent, Estimate
from analysis.frequentist.difference import difference
from analysis.frequentist.looks import read
from analysis.frequentist.spending import Spending
from analysis.planning.power import comparison_alpha
from analysis.planning.rehearse_time import rehearse_switchback, rehearse_wedge
from analysis.planning.request import Guardrail, Kind, PowerAnswer, PowerRequest
from analysis.planning.simulate import Simulated, simulate_power
from analysis.tables import Grouped, Ints, Key
from trials.definition.model import Arm, Design
from trials.designs import Roster, design_for
from trials.errors import SignpostError
from trials.plurals import counted

Floats: TypeAlias = npt.NDArray[np.float64]
Outcomes: TypeAlias = Callable[[Ints, np.random.Generator], Floats]

LARGEST_REHEARSAL = 2_000_000


@dataclass(frozen=True, slots=True)
class _Units:
    """The units of the rehearsed trial: the cluster of each, or each its own."""

    cluster: Ints | None
    count: int


@dataclass(frozen=True, slots=True)
class _Data:
    """One simulated trial: a table at each look, and one for each guardrail at the end."""

    looks: tuple[Grouped, ...]
    guardrails: tuple[Grouped, ...]


def rehearse(
    request: PowerRequest, answer: PowerAnswer, *, n_sims: int, seed: int = 1
) -> Simulated:
    """Simulate the trial that ``answer`` plans and count how often it succeeds.

    Raises:
        SignpostError: the design or outcome cannot be rehearsed, or it is too large.
    """
    r = request if request.ratio is None else replace(request, arms=len(request.ratio))
    _refuse_others(r, answer, n_sims)
    effect = r.margin if r.margin is not None else r.mde or answer.detectable_effect
    if effect is None:
        raise SignpostError("there is no effect to simulate", "give one with mde")
    if r.switchback or r.wedge:
        over_time = rehearse_switchback if r.switchback else rehearse_wedge
        return over_time(r, answer, effect, n_sims=n_sims, seed=seed)
    rng = np.random.default_rng(seed)
    units = _units(r, answer, rng)
    arms = tuple(Arm(key=f"arm-{i}", control=i == 0, weight=w) for i, w in enumerate(r.weights))
    redraw = _drawn(units, arms, seed)
    truth = 0.0 if r.margin is not None else -effect if r.direction == "lower" else effect
    judged = 1 + int(np.argmin(r.weights[1:]))
    alpha = comparison_alpha(r)
    return simulate_power(
        redraw,
        lambda data: _judge(r, data, judged, alpha),
        _world(r, units, tuple(a.key for a in arms), truth),
        n_sims=n_sims,
        rng=rng,
        alpha=alpha,
        truth=truth,
        success=None if r.margin is None else lambda e: e.high < effect,
    )


def _refuse_others(r: PowerRequest, answer: PowerAnswer, n_sims: int) -> None:
    if n_sims < 1:
        raise SignpostError(
            f"{counted(n_sims, 'trial')} cannot be simulated", "give a number above 0"
        )
    over_time = r.switchback or r.wedge
    if over_time and (r.looks > 1 or r.margin is not None or r.guardrails):
        raise SignpostError(
            "trials over time are simulated with one look and one outcome", "leave out simulate"
        )
    if r.kind not in ("proportion", "count", "mean") and not r.switchback:
        raise SignpostError(f"a {r.kind} metric cannot be simulated", "leave out simulate")
    if r.explained:
        raise SignpostError("the simulation has no covariates", "leave out explained")
    if answer.total > LARGEST_REHEARSAL:
        raise SignpostError(
            f"{counted(answer.total, 'unit is', 'units are')} too many to simulate",
            "ask for a larger effect",
        )


def _units(r: PowerRequest, answer: PowerAnswer, rng: np.random.Generator) -> _Units:
    """As many units as planned; clusters' sizes vary as a gamma distribution does."""
    if not r.clustered or answer.clusters is None:
        return _Units(None, answer.total)
    mean = answer.total / answer.clusters
    sizes = np.full(answer.clusters, mean)
    if r.cluster_cv:
        sizes = rng.gamma(1 / r.cluster_cv**2, mean * r.cluster_cv**2, answer.clusters)
    whole = np.maximum(np.round(sizes), 1).astype(np.int64)
    return _Units(np.repeat(np.arange(len(whole)), whole), int(whole.sum()))


def _drawn(
    units: _Units, arms: tuple[Arm, ...], seed: int
) -> Callable[[np.random.Generator], Ints]:
    clustered = units.cluster is not None
    design = design_for(
        Design(kind="cluster" if clustered else "individual", cluster="c" if clustered else None),
        arms,
    )
    names = None if units.cluster is None else [f"c{c:07d}" for c in units.cluster.tolist()]
    roster = Roster([f"u{i:07d}" for i in range(units.count)], clusters=names)
    return design.redraws(design.draw(roster, seed=seed, trial="rehearsal"))


def _world(
    r: PowerRequest, units: _Units, arms: tuple[str, ...], truth: float
) -> Callable[[Ints, np.random.Generator], _Data]:
    """What happens to the units, given their arms."""
    baseline = r.baseline if r.baseline is not None else 0.0
    primary = _outcomes(r.kind, baseline, r.sd, truth, units.cluster, r.icc or 0.0)
    rails = [_of_guardrail(g, units.cluster, r.icc or 0.0) for g in r.guardrails]
    table = _tabulator(arms, r.weights, units)
    cuts = [round(units.count * (k + 1) / r.looks) for k in range(r.looks)]

    def happen(arm: Ints, rng: np.random.Generator) -> _Data:
        y = primary(arm, rng)
        order = _order(units, rng) if r.looks > 1 else None
        return _Data(
            tuple(table(arm, y, None if order is None else order < cut) for cut in cuts),
            tuple(table(arm, rail(arm, rng), None) for rail in rails),
        )

    return happen


def _of_guardrail(guardrail: Guardrail, cluster: Ints | None, icc: float) -> Outcomes:
    return _outcomes(guardrail.kind, guardrail.baseline, guardrail.sd, 0.0, cluster, icc)


def _outcomes(
    kind: Kind,
    baseline: float,
    sd: float | None,
    truth: float,
    cluster: Ints | None,
    icc: float,
) -> Outcomes:
    """Draws every unit's outcome, with a beta, gamma or normal effect of its cluster."""

    def means(arm: Ints) -> Floats:
        return np.asarray(np.where(arm > 0, baseline + truth, baseline), float)

    def proportion(arm: Ints, rng: np.random.Generator) -> Floats:
        p = np.clip(means(arm), 0.0, 1.0)
        if cluster is not None and icc > 0:
            first = np.unique(cluster, return_index=True)[1]
            centre = np.clip(p[first], 1e-9, 1 - 1e-9)
            p = rng.beta(centre * (1 - icc) / icc, (1 - centre) * (1 - icc) / icc)[cluster]
        return (rng.random(len(arm)) < p).astype(float)

    def count(arm: Ints, rng: np.random.Generator) -> Floats:
        mean = np.maximum(means(arm), 0.0)
        variance = sd**2 if sd is not None else max(baseline, 1e-12)
        between = icc * variance if cluster is not None else 0.0
        if cluster is not None and between > 0:
            mean = mean * _frailty(between / baseline**2, int(cluster[-1]) + 1, rng)[cluster]
        extra = (1 - icc) * variance - baseline
        if sd is not None and extra > 0:
            mean = mean * _frailty(extra / baseline**2, len(arm), rng)
        return rng.poisson(mean).astype(float)

    def normal(arm: Ints, rng: np.random.Generator) -> Floats:
        spread = sd if sd is not None else 1.0
        y = means(arm) + rng.normal(0.0, spread * np.sqrt(1 - icc), len(arm))
        if cluster is not None and icc > 0:
            y = y + rng.normal(0.0, spread * np.sqrt(icc), int(cluster[-1]) + 1)[cluster]
        return np.asarray(y, float)

    if kind == "count" and (sd is None or (1 - icc) * sd**2 >= baseline):
        return count
    # Counts that vary less than Poisson's: a normal outcome with their mean and spread.
    return proportion if kind == "proportion" else normal


def _frailty(variance: float, size: int, rng: np.random.Generator) -> Floats:
    """Gamma multipliers with mean 1."""
    return rng.gamma(1 / variance, variance, size)


def _order(units: _Units, rng: np.random.Generator) -> Ints:
    """The order of arrival: units, or clusters with all their units."""
    if units.cluster is None:
        return rng.permutation(units.count)
    clusters = int(units.cluster[-1]) + 1
    return (rng.permutation(clusters)[units.cluster] * (units.count / clusters)).astype(np.int64)


def _tabulator(
    arms: tuple[str, ...], weights: tuple[float, ...], units: _Units
) -> Callable[[Ints, Floats, npt.NDArray[np.bool_] | None], Grouped]:
    """Groups units into cells: one an arm, or one a cluster."""
    cells = len(arms) if units.cluster is None else int(units.cluster[-1]) + 1
    levels = tuple(str(i) for i in range(cells))
    of_arm = np.arange(len(arms), dtype=np.int64)

    def table(arm: Ints, y: Floats, seen: npt.NDArray[np.bool_] | None) -> Grouped:
        into = arm if units.cluster is None else units.cluster
        once = np.ones(len(arm)) if seen is None else seen.astype(float)
        own, cluster = of_arm, None
        if units.cluster is not None:
            own = np.zeros(cells, np.int64)
            own[units.cluster] = arm
            cluster = Key(name="cluster", codes=np.arange(cells, dtype=np.int64), levels=levels)

        def summed(values: Floats) -> Floats:
            return np.bincount(into, once * values, cells).astype(float)

        n = summed(np.ones(len(arm)))
        grouped = Grouped(
            arms=arms, control=0, weights=weights, arm=own, n=n, y=summed(y), yy=summed(y**2),
            cluster=cluster,
        )  # fmt: skip
        return grouped.where(n > 0)

    return table


def _judge(r: PowerRequest, data: _Data, arm: int, alpha: float) -> Estimate | Absent:
    """The estimate of the smallest treated arm, with p = 1 where a guardrail was not held."""
    found = [difference(table, arm, level=1 - alpha) for table in data.looks]
    told = found[-1]
    if r.looks > 1:
        known = [e for e in found if isinstance(e, Estimate)]
        if len(known) < len(found):
            return Absent("no-variation", "A look holds too little to judge.")
        fractions = [(k + 1) / r.looks for k in range(r.looks)]
        reading = read(known, fractions, final=True, alpha=alpha, spending=Spending(r.spending))
        told = reading.estimate if not isinstance(reading, Absent) else reading
    for guardrail, table in zip(r.guardrails, data.guardrails, strict=True):
        held = difference(table, arm, level=1 - r.alpha)
        if not isinstance(held, Estimate) or held.high >= guardrail.margin:
            return replace(told, p=1.0) if isinstance(told, Estimate) else told
    return told
