"""Time to contact: piecewise-exponential hazards on the life table.

Follow-up is cut at τ into at most eight intervals that share the events out. In interval j the
hazard is λⱼ for the control and λⱼ exp(βₖ + γₖⱼ) for arm k; γ sums to zero over the intervals and
is shrunk, so that hazards need not be proportional (a message that only puts the call off raises
the hazard later). Days are whole, so the likelihood is that of grouped data (Prentice & Gloeckler
1978): a unit at risk at the start of a day has its event within it with probability 1 − exp(−λ).
δ is the difference of restricted mean times without contact, in the life table's time unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.bayesian.models.base import (
    Model,
    ModelData,
    Params,
    arm_order,
    contrasts,
    draw_effect,
    effect_prior_term,
    libraries,
    prior_arrays,
    renumbered,
    shared_data,
    solve_rising,
)
from analysis.bayesian.priors import NormalPrior, effect_prior
from analysis.estimates import Absent
from analysis.tables import Floats, LifeTable

KEY = "piecewise-exponential"
INTERVALS = 8
BASE_SD = 1.5  # sd of the first log hazard about the typical one
STEP_SD = 0.5  # sd of the steps between neighbouring intervals' log hazards
# A floor of γ's sd too small to matter, and how far γ is centred: they keep chains out of the neck
# of the funnel and change nothing else.
FLOOR, CENTRING = 0.02, 0.3
DEPARTURE_SD = 0.3  # half-normal scale of the sd of γ


def prepare(
    table: LifeTable, *, horizon: float, prior: NormalPrior, typical: float | None = None
) -> ModelData | Absent:
    """The model's data from a life table, with ``horizon`` the τ of the restricted mean.

    Times are whole units since the start. When events at time zero occur, time t stands for the
    unit that begins then, otherwise for the unit that ends then. ``typical`` is the planned hazard
    per time unit; without it that of all arms together. Absent without two arms or any event.
    """
    total = table.events + table.censored
    n = np.bincount(table.arm, total, len(table.arms)).astype(float)
    order = arm_order(table.arms, table.control, n)
    if n[table.control] == 0 or len(order) < 2:
        return Absent("arm-empty", "A comparison needs units in the control and another arm.")
    days = round(horizon)
    events, calm, censored = _by_day(table, order, days)
    if events.sum() == 0:
        return Absent("no-events", "Nobody in any arm had the event within the horizon.")
    cuts = _cuts(events.sum(axis=0))
    given = effect_prior(prior)
    rate = typical or float(events.sum() / (events.sum() + calm.sum()))
    real = len(cuts) - 1
    basis, used = contrasts(real, INTERVALS)
    return ModelData(
        model=KEY, sizes={"arms": len(order)}, arms=table.arms, order=order, prior=given,
        typical=rate, unit=f"{table.time_unit}s without contact",
        labels={"cuts": tuple(cuts), "censored": censored, "units": n[list(order)]},
        arrays={
            "events": _summed(events, cuts), "calm": _summed(calm, cuts),
            "width": np.r_[np.diff(cuts).astype(float), np.zeros(INTERVALS - real)],
            "basis": basis, "used": used, "log_typical": np.asarray(np.log(rate)),
            **prior_arrays(given, float(days)),
        },
    )  # fmt: skip


def _by_day(table: LifeTable, order: tuple[int, ...], days: int) -> tuple[Floats, Floats, Floats]:
    """Each day's events, units that passed it without one, and the share that left before it.

    All are arms × days.
    """
    begins = np.any((table.time == 0) & (table.events > 0))
    arm = renumbered(table.arm, order)
    keep = arm >= 0
    arm, time = arm[keep], np.floor(table.time[keep]).astype(np.int64)
    last = time if begins else time - 1  # the day in which an event at this time fell
    events, gone = np.zeros((len(order), days + 1)), np.zeros((len(order), days + 1))
    np.add.at(events, (arm, np.clip(last, 0, days)), table.events[keep])
    np.add.at(gone, (arm, np.clip(time, 0, days)), table.censored[keep])
    # Those whose event comes on a later day, or who are censored after this one, pass it calmly.
    calm = (events + gone)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    before = events[:, :-1] + calm + gone[:, :-1]
    share = np.divide(gone[:, :-1], before, out=np.zeros_like(before), where=before > 0)
    return events[:, :-1], calm, share


def _cuts(events: Floats) -> np.ndarray:
    """Days at which intervals end: each interval gets about an eighth of the events."""
    share = np.cumsum(events) / events.sum()
    ends = np.searchsorted(share, np.arange(1, INTERVALS) / INTERVALS - 1e-12) + 1
    return np.unique(np.r_[0, ends[ends < len(events)], len(events)])


def _summed(values: Floats, cuts: np.ndarray) -> Floats:
    out = np.zeros((len(values), INTERVALS))
    out[:, : len(cuts) - 1] = np.add.reduceat(values, cuts[:-1], axis=1)
    return out


def build(data: ModelData) -> Any:
    """The PyMC model."""
    pm, pt = libraries()

    arms = data.sizes["arms"]
    with pm.Model() as model:
        events, calm, width, basis, used = shared_data(
            data, "events", "calm", "width", "basis", "used"
        )
        typical, mean, sd = shared_data(data, "log_typical", "prior_mean", "prior_sd")
        walk = pm.Flat("walk", shape=INTERVALS)
        steps = walk[1:] - walk[:-1]
        pm.Potential(
            "prior_on_walk", -0.5 * ((walk[0] / BASE_SD) ** 2 + pt.sum((steps / STEP_SD) ** 2))
        )
        log_base = typical + walk
        spread = pm.HalfNormal("departure_sd", DEPARTURE_SD)
        omega = pt.sqrt(spread**2 + FLOOR**2)
        scale = pt.switch(used > 0, omega**CENTRING, 1.0)
        z = pm.Normal("departure_z", 0, scale, shape=(arms - 1, INTERVALS - 1))
        beta = pm.Flat("beta", shape=arms - 1)
        tilt = beta[:, None] + omega ** (1 - CENTRING) * pt.dot(z, basis.T)
        log_hazard = pm.Deterministic(
            "log_hazard", pt.concatenate([log_base[None, :], log_base + tilt])
        )
        hazard = pt.exp(log_hazard)
        level, slope = _restricted_mean(hazard, width, pt)
        pm.Deterministic("level", level)
        delta = pm.Deterministic("effect", level[1:] - level[0])
        horizon = pt.sum(width)
        term = effect_prior_term(delta, pt.log(slope[1:]), -level[0], horizon - level[0], mean, sd)
        pm.Potential("prior_on_effect", pt.sum(term))
        log_p = events * pt.log(-pt.expm1(-hazard)) - calm * hazard
        pm.Potential("likelihood", pt.sum(pt.switch(width > 0, log_p, 0.0)))
    return model


def _restricted_mean(hazard: Any, width: Any, lib: Any) -> tuple[Any, Any]:
    """∫₀^τ S(t) dt by arm, and −d/dβ of it, which is ∫ H S dt (``lib``: numpy or pytensor)."""
    piece = hazard * width
    end = lib.cumsum(piece, axis=1)
    before = end - piece
    level = lib.sum(lib.exp(-before) * -lib.expm1(-piece) / hazard, axis=1)
    gain = (before + 1) * lib.exp(-before) - (end + 1) * lib.exp(-end)
    return level, lib.sum(gain / hazard, axis=1)


def restricted_means(log_hazard: Floats, width: Floats) -> Floats:
    """Mean time without the event up to the horizon, for each arm's log hazards."""
    level, _ = _restricted_mean(np.exp(log_hazard), width, np)
    return np.asarray(level)


def draw_prior(data: ModelData, rng: np.random.Generator) -> Params:
    """Parameters from the prior: baseline, departures, each δ, then the β that gives it."""
    a, arms = data.arrays, data.sizes["arms"]
    real = int(a["used"].sum()) + 1
    steps = rng.normal(0, STEP_SD, real - 1)
    log_base = np.full(INTERVALS, float(a["log_typical"]) + BASE_SD * rng.normal())
    log_base[1:real] += np.cumsum(steps)
    spread = np.hypot(rng.normal(0, DEPARTURE_SD), FLOOR)
    tilt = np.zeros((arms - 1, INTERVALS))
    tilt += spread * rng.normal(size=(arms - 1, INTERVALS - 1)) * a["used"] @ a["basis"].T
    control = float(restricted_means(log_base[None], a["width"])[0])
    horizon = float(a["width"].sum())
    effect, hazards = np.zeros(arms - 1), [log_base]
    for k in range(arms - 1):
        effect[k] = draw_effect(a, -control, horizon - control, rng)
        own = log_base + tilt[k]
        beta = solve_rising(
            lambda b, own=own: -float(  # type: ignore[misc]
                restricted_means((own + b)[None], a["width"])[0]),
            -(control + effect[k]), -40, 40,
        )  # fmt: skip
        hazards.append(own + beta)
    return {
        "effect": effect, "level": np.r_[control, control + effect],
        "log_hazard": np.vstack(hazards),
    }  # fmt: skip


def replicate(params: Params, data: ModelData, rng: np.random.Generator) -> ModelData:
    """New events day by day for as many units, censored as the data were.

    Censoring is independent: before each day a unit leaves with the chance that was observed.
    """
    a, leave = data.arrays, data.labels["censored"]
    hazard = np.exp(np.minimum(np.asarray(params["log_hazard"]), 3.0))
    chance = np.repeat(-np.expm1(-hazard), a["width"].astype(np.int64), axis=1)
    left = np.asarray(data.labels["units"], dtype=np.int64)
    events, calm = np.zeros(chance.shape), np.zeros(chance.shape)
    for day in range(chance.shape[1]):
        left = left - rng.binomial(left, leave[:, day])
        events[:, day] = rng.binomial(left, chance[:, day])
        left = left - events[:, day].astype(np.int64)
        calm[:, day] = left
    cuts = np.asarray(data.labels["cuts"])
    return data.with_arrays(events=_summed(events, cuts), calm=_summed(calm, cuts))


def statistics(data: ModelData) -> Mapping[str, float]:
    """Each arm's event rate per unit of time at risk, in the first and the second half."""
    a, out = data.arrays, {}
    ends = np.cumsum(a["width"])
    early = ends <= max(float(ends[-1]) / 2, float(ends[0]))
    for k, i in enumerate(data.order):
        for name, part in (("early", early), ("late", ~early & (a["width"] > 0))):
            time = a["events"][k, part].sum() + a["calm"][k, part].sum()
            if time > 0:
                rate = a["events"][k, part].sum() / time
                out[f"{name} rate of {data.arms[i]}"] = float(rate)
    return out


def notation(data: ModelData) -> tuple[str, ...]:
    """The model in Unicode mathematics."""
    cuts = ", ".join(f"{c:g}" for c in data.labels["cuts"])
    return (
        "events ~ Binomial(at risk, 1 − exp(−λₖⱼ)) in each unit of time of interval j",
        f"intervals end at {cuts}", "log λₖⱼ = log λ₀ⱼ + βₖ + γₖⱼ",
        f"log λ₀₁ ~ Normal(log {data.typical:.3g}, {BASE_SD:g})",
        f"log λ₀ⱼ − log λ₀ⱼ₋₁ ~ Normal(0, {STEP_SD:g})",
        f"γₖ ~ ZeroSumNormal(ω), ω² = w² + {FLOOR:g}², w ~ HalfNormal({DEPARTURE_SD:g})",
        "δₖ = ∫₀^τ (Sₖ(t) − S₀(t)) dt", f"{data.prior.says()} cut to what τ allows",
    )  # fmt: skip


MODEL = Model(
    key=KEY, title="piecewise-exponential time to event", build=build, draw_prior=draw_prior,
    replicate=replicate, statistics=statistics, notation=notation,
)  # fmt: skip
