"""Counts: negative binomial arms on the histogram of counts.

y ~ NB2(mean Mₖ, variance Mₖ + ωₖ² Mₖ²), each arm with its own overdispersion, so that an arm that
changes the shape of the distribution does not bias the uncertainty of the other. δ is the
difference of means per unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import special

from analysis.bayesian.models.base import (
    Model,
    ModelData,
    Params,
    arm_order,
    draw_effect,
    effect_prior_log,
    effect_prior_term,
    libraries,
    prior_arrays,
    renumbered,
    shared_data,
)
from analysis.bayesian.priors import NormalPrior, effect_prior
from analysis.estimates import Absent
from analysis.tables import Floats, Histogram

KEY = "negative-binomial"
BASE_SD = 2.0  # sd of the control's log mean about the typical value: a factor of 50 either way
# Added to ω²: a millionth cannot be told from Poisson, and without it Γ(y + 1/ω²)/Γ(1/ω²) loses all
# its digits as ω nears zero, which traps chains there.
LEAST = 1e-6
OVERDISPERSION_SD = 1.0  # half-normal scale of ω, the root of 1/size


def prepare(
    table: Histogram, *, prior: NormalPrior, typical: float | None = None
) -> ModelData | Absent:
    """The model's data from a histogram of counts (strata are summed over).

    ``typical`` is the baseline mean the plan expects; without it the mean of all arms together,
    which is blind to the effect. Absent without units in two arms or when nobody had an event.
    """
    n = np.bincount(table.arm, table.n, len(table.arms)).astype(float)
    order = arm_order(table.arms, table.control, n)
    if n[table.control] == 0 or len(order) < 2:
        return Absent("arm-empty", "A comparison needs units in the control and another arm.")
    if np.any(table.value < 0) or np.any(table.value != np.round(table.value)):
        return Absent("not-a-count", "A count needs whole numbers from zero up.")
    arm = renumbered(table.arm, order)
    keep = (arm >= 0) & (table.n > 0)
    mean = float(table.n[keep] @ table.value[keep] / table.n[keep].sum())
    if mean == 0:
        return Absent("no-events", "Nobody in any arm had a single event.")
    rows = np.column_stack([arm[keep], table.value[keep]])
    kinds, into = np.unique(rows, axis=0, return_inverse=True)
    times = np.bincount(into.ravel(), table.n[keep], len(kinds))
    given, scale = effect_prior(prior), typical or mean
    return ModelData(
        model=KEY, sizes={"arms": len(order)}, arms=table.arms, order=order, prior=given,
        typical=scale, unit="events per unit",
        arrays={"arm": kinds[:, 0].astype(np.int64), "value": kinds[:, 1], "times": times,
                "log_typical": np.asarray(np.log(scale)), **prior_arrays(given, scale)},
    )  # fmt: skip


def build(data: ModelData) -> Any:
    """The PyMC model."""
    pm, pt = libraries()

    arms = data.sizes["arms"]
    with pm.Model() as model:
        arm, value, times, typical, mean, sd = shared_data(
            data, "arm", "value", "times", "log_typical", "prior_mean", "prior_sd"
        )
        base = typical + BASE_SD * pm.Normal("base", 0, 1)
        beta = pm.Flat("beta", shape=arms - 1)
        omega = pm.HalfNormal("omega", OVERDISPERSION_SD, shape=arms)
        log_level = pt.concatenate([base[None], base + beta])
        level = pm.Deterministic("level", pt.exp(log_level))
        delta = pm.Deterministic("effect", level[1:] - level[0])
        term = effect_prior_term(delta, log_level[1:], -level[0], None, mean, sd)
        pm.Potential("prior_on_effect", pt.sum(term))
        log_mu, k = log_level[arm], 1 / (omega**2 + LEAST)[arm]
        ratio = pt.log1p(pt.exp(log_mu) / k)
        log_p = (
            pt.gammaln(value + k) - pt.gammaln(k) - value * pt.log(k) - k * ratio
            + value * (log_mu - ratio)
        )  # fmt: skip
        pm.Potential("likelihood", pt.sum(times * log_p))
    return model


def log_density(theta: Floats, data: ModelData) -> float:
    """Log posterior of (base, β, log ω) up to a constant: the second implementation."""
    arms, a = data.sizes["arms"], data.arrays
    base, beta, log_omega = theta[0], theta[1:arms], theta[arms:]
    log_level = float(a["log_typical"]) + BASE_SD * base + np.r_[0.0, beta]
    level = np.exp(log_level)
    term = effect_prior_log(level[1:] - level[0], log_level[1:], -level[0], None, a)
    omega = np.exp(log_omega)
    prior = -0.5 * base**2 + np.sum(-0.5 * (omega / OVERDISPERSION_SD) ** 2 + log_omega)
    mu, k = level[a["arm"]], 1 / (omega[a["arm"]] ** 2 + LEAST)
    value = a["value"]
    log_p = (
        special.gammaln(value + k) - special.gammaln(k) - k * np.log1p(mu / k)
        + special.xlogy(value, mu / (k + mu))
    )  # fmt: skip
    return float(prior + term.sum() + a["times"] @ log_p)


def start(data: ModelData) -> Floats:
    """A point from which the mode is easily found: the arms' means, moderate overdispersion."""
    a, arms = data.arrays, data.sizes["arms"]
    n = np.bincount(a["arm"], a["times"], arms)
    mean = (np.bincount(a["arm"], a["times"] * a["value"], arms) + 0.5) / (n + 1)
    base = (np.log(mean[0]) - float(a["log_typical"])) / BASE_SD
    return np.concatenate([[base], np.log(mean[1:] / mean[0]), np.full(arms, np.log(0.7))])


def levels(theta: Floats, data: ModelData) -> Floats:
    """The arms' means for draws of theta (draws × parameters)."""
    arms = data.sizes["arms"]
    base = float(data.arrays["log_typical"]) + BASE_SD * theta[:, :1]
    return np.asarray(np.exp(np.hstack([base, base + theta[:, 1:arms]])))


def draw_prior(data: ModelData, rng: np.random.Generator) -> Params:
    """Parameters from the prior."""
    arms = data.sizes["arms"]
    base = rng.normal()
    control = float(np.exp(data.arrays["log_typical"] + BASE_SD * base))
    effect = draw_effect(data.arrays, np.full(arms - 1, -control), np.inf, rng)
    level = np.r_[control, np.maximum(control + effect, 1e-12)]
    omega = np.abs(rng.normal(0, OVERDISPERSION_SD, arms))
    return {"base": base, "effect": effect, "level": level, "omega": omega}


def replicate(params: Params, data: ModelData, rng: np.random.Generator) -> ModelData:
    """New counts for as many units in each arm, given parameters."""
    a, arms = data.arrays, data.sizes["arms"]
    units = np.bincount(a["arm"], a["times"], arms).astype(np.int64)
    rows = []
    for k in range(arms):
        size = 1 / (float(params["omega"][k]) ** 2 + LEAST)
        mu = float(params["level"][k])
        counts = rng.poisson(rng.gamma(size, mu / size, units[k]))
        values, times = np.unique(counts, return_counts=True)
        rows.append(np.column_stack([np.full(len(values), k), values, times]))
    table = np.vstack(rows)
    return data.with_arrays(
        arm=table[:, 0].astype(np.int64), value=table[:, 1].astype(float),
        times=table[:, 2].astype(float),
    )  # fmt: skip


def statistics(data: ModelData) -> Mapping[str, float]:
    """Mean, variance over mean, share of zeros and the largest count, by arm."""
    a, out = data.arrays, {}
    for k, i in enumerate(data.order):
        here = a["arm"] == k
        value, share = a["value"][here], a["times"][here] / a["times"][here].sum()
        mean = float(share @ value)
        out[f"mean of {data.arms[i]}"] = mean
        spread = float(share @ (value - mean) ** 2)
        out[f"variance over mean of {data.arms[i]}"] = spread / mean if mean else 0.0
        out[f"share of zeros in {data.arms[i]}"] = float(share @ (value == 0))
        out[f"largest in {data.arms[i]}"] = float(value.max())
    return out


def notation(data: ModelData) -> tuple[str, ...]:
    """The model in Unicode mathematics."""
    return (
        "y ~ NegativeBinomial(mean Mₖ, variance Mₖ + ωₖ² Mₖ²)",
        f"log M₀ ~ Normal(log {data.typical:.3g}, {BASE_SD:g})",
        f"ωₖ ~ HalfNormal({OVERDISPERSION_SD:g})", "δₖ = Mₖ − M₀",
        f"{data.prior.says()} cut to [−M₀, ∞)",
    )  # fmt: skip


MODEL = Model(
    key=KEY, title="negative binomial counts", build=build, draw_prior=draw_prior,
    replicate=replicate, statistics=statistics, notation=notation,
)  # fmt: skip
