"""Rehearsing trials that are randomised over time: switchbacks and stepped wedges.

As :mod:`analysis.planning.rehearse`: the design's own draw, made-up outcomes, and the estimator
that will judge the trial.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta

import numpy as np

from analysis.frequentist.stepped_wedge import wedge_difference
from analysis.frequentist.switchback import switchback_difference
from analysis.planning.power import comparison_alpha
from analysis.planning.request import PowerAnswer, PowerRequest
from analysis.planning.simulate import Simulated, simulate_power
from analysis.tables import Floats, Grouped, Ints, Key
from trials.designs import Roster
from trials.designs.stepped_wedge import SteppedWedge, Wedge
from trials.designs.switchback import Calendar, Switchback
from trials.errors import SignpostError

MONDAY = date(2026, 1, 5)
_DAY = 86_400
_INSIDE = 1e-9
"""A beta variable's mean lies inside 0 and 1."""


def rehearse_switchback(
    r: PowerRequest, answer: PowerAnswer, effect: float, *, n_sims: int, seed: int
) -> Simulated:
    """Days drawn within weekdays; each day's mean varies by the period's variation.

    Raises:
        SignpostError: the arms' weights are not whole numbers.
    """
    weights = [round(w) for w in r.weights]
    if any(abs(w - v) > 1e-9 for w, v in zip(weights, r.weights, strict=True)):
        raise SignpostError("a switchback is simulated with whole weights", "give ratio as 1,2")
    days = answer.total
    calendar = Calendar(MONDAY, MONDAY + timedelta(days - 1),
                        {d: ((time(0), time(0)),) for d in range(7)})  # fmt: skip
    arms = tuple(f"arm-{i}" for i in range(len(weights)))
    design = Switchback(arms, tuple(weights), calendar, _DAY)
    redraw = design.redraws(design.draw(seed=seed, trial="rehearsal").allocation)
    base = r.baseline if r.baseline is not None else 1.0
    spread, truth = base * (r.period_cv or 0.0), _signed(r, effect)
    weekday, one = _key("weekday", np.arange(days) % 7), np.ones(days)

    def happen(arm: Ints, rng: np.random.Generator) -> Grouped:
        y = base + truth * (arm > 0) + rng.normal(0.0, spread, days)
        return Grouped(arms=arms, control=0, weights=r.weights, arm=arm, n=one, y=y, yy=y * y,
                       period=_key("period", np.arange(days)), stratum=weekday)  # fmt: skip

    alpha = comparison_alpha(r)
    judged = 1 + int(np.argmin(r.weights[1:]))
    return simulate_power(
        redraw, lambda t: switchback_difference(t, judged, level=1 - alpha), happen,
        n_sims=n_sims, rng=np.random.default_rng(seed), alpha=alpha, truth=truth,
    )  # fmt: skip


def rehearse_wedge(
    r: PowerRequest, answer: PowerAnswer, effect: float, *, n_sims: int, seed: int
) -> Simulated:
    """Clusters cross over in drawn order, one step a week, under the same people's weeks.

    Raises:
        SignpostError: the outcome is neither a proportion nor a mean, or clusters hold no whole
            number of units.
    """
    size, clusters = round(r.cluster_size or 1), answer.clusters or 0
    if r.kind not in ("proportion", "mean") or size != (r.cluster_size or 1):
        raise SignpostError("a stepped wedge is simulated for proportions and means in clusters of "
                            "a whole size", "leave out simulate")  # fmt: skip
    steps = r.steps or 1
    design = SteppedWedge(MONDAY, MONDAY + timedelta(7 * (steps + 1) - 1), 7 * _DAY)
    wedge = design.draw(
        Roster([f"c{i:05d}" for i in range(clusters)]), seed=seed, trial="rehearsal"
    )
    truth, alpha = _signed(r, effect), comparison_alpha(r)
    return simulate_power(
        design.redraws(wedge.allocation), lambda t: wedge_difference(t, 1, level=1 - alpha),
        _weeks(r, wedge, size, truth), n_sims=n_sims, rng=np.random.default_rng(seed), alpha=alpha,
        truth=truth,
    )  # fmt: skip


def _weeks(
    r: PowerRequest, wedge: Wedge, size: int, truth: float
) -> Callable[[Ints, np.random.Generator], Grouped]:
    clusters, weeks = len(wedge.clusters), len(wedge.starts)
    cluster, week = np.divmod(np.arange(clusters * weeks), weeks)
    n = np.full(len(cluster), float(size))
    draw = _shares if r.kind == "proportion" else _means

    def happen(sequence: Ints, rng: np.random.Generator) -> Grouped:
        arm = wedge.treated(sequence).ravel()
        y, yy = draw(r, cluster, truth * arm.astype(np.float64), size, rng)
        return Grouped(
            arms=("before", "after"), control=0, weights=(1, 1), arm=arm, n=n, y=y, yy=yy,
            cluster=_key("cluster", cluster), period=_key("week", week),
        )  # fmt: skip

    return happen


def _shares(
    r: PowerRequest, cluster: Ints, shift: Floats, size: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    base, icc, count = r.baseline or 0.0, r.icc or 0.0, int(cluster.max()) + 1
    own = _beta(np.full(count, base), icc * r.cluster_autocorrelation, rng)
    # A share of a share: the second spread makes up what the first leaves of the icc.
    moving = icc * (1 - r.cluster_autocorrelation) / (1 - icc * r.cluster_autocorrelation)
    chance = _beta(own[cluster], moving, rng)
    y = rng.binomial(size, np.clip(chance + shift, 0.0, 1.0)).astype(float)
    return y, y


def _beta(mean: Floats, icc: float, rng: np.random.Generator) -> Floats:
    """Beta variables about their means, with ``icc`` of the variance of 0 and 1."""
    if icc <= 0:
        return mean
    inner = np.clip(mean, _INSIDE, 1 - _INSIDE)
    return rng.beta(inner * (1 - icc) / icc, (1 - inner) * (1 - icc) / icc)


def _means(
    r: PowerRequest, cluster: Ints, shift: Floats, size: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    sd, icc, count = r.sd or 1.0, r.icc or 0.0, int(cluster.max()) + 1
    lasting = sd * np.sqrt(icc * r.cluster_autocorrelation)
    moving = sd * np.sqrt(icc * (1 - r.cluster_autocorrelation))
    level = (r.baseline or 0.0) + rng.normal(0.0, lasting, count)[cluster] + shift
    level = level + rng.normal(0.0, moving, len(cluster))
    values = level[:, None] + rng.normal(0.0, sd * np.sqrt(1 - icc), (len(cluster), size))
    return values.sum(axis=1), (values**2).sum(axis=1)


def _signed(r: PowerRequest, effect: float) -> float:
    return -effect if r.direction == "lower" else effect


def _key(name: str, codes: Ints) -> Key:
    levels = tuple(str(i) for i in range(int(codes.max()) + 1))
    return Key(name=name, codes=codes.astype(np.int64), levels=levels)
