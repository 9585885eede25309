"""Time and cost: a hurdle at zero and a lognormal above it, on sufficient statistics.

A unit's amount is zero with probability 1 − pₖ and otherwise lognormal; the mean per unit is
Mₖ = pₖ exp(μₖ + σₖ²/2). δ is the difference of means per unit. The model is written in Mₖ, pₖ and
σₖ, so that the prior is on the mean itself and μₖ follows.
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
    shared_data,
)
from analysis.bayesian.priors import NormalPrior, effect_prior
from analysis.estimates import Absent
from analysis.tables import Amounts, Floats

KEY = "hurdle-lognormal"
BASE_SD = 2.0
SIGMA_SD = 2.0  # half-normal scale of the sd of log amounts


def prepare(
    table: Amounts, *, prior: NormalPrior, typical: float | None = None
) -> ModelData | Absent:
    """The model's data from sufficient statistics (strata are summed over).

    ``typical`` is the baseline mean per unit the plan expects; without it that of all arms
    together. Absent without two arms with units, or with fewer than two positive amounts in one.
    """
    size = len(table.arms)
    names = ("n", "positive", "log_sum", "log_square")
    total = {
        name: np.bincount(table.arm, getattr(table, name), size).astype(float) for name in names
    }
    order = arm_order(table.arms, table.control, total["n"])
    if total["n"][table.control] == 0 or len(order) < 2:
        return Absent("arm-empty", "A comparison needs units in the control and another arm.")
    arrays = {name: values[list(order)].astype(float) for name, values in total.items()}
    if arrays["positive"].min() < 2:
        return Absent("too-few-positive", "Fewer than two amounts above zero in one arm.")
    scale = typical or _pooled_mean(arrays)
    given = effect_prior(prior)
    return ModelData(
        model=KEY, sizes={"arms": len(order)}, arms=table.arms, order=order, prior=given,
        typical=scale, unit="amount per unit",
        arrays={**arrays, "log_typical": np.asarray(np.log(scale)), **prior_arrays(given, scale)},
    )  # fmt: skip


def _pooled_mean(arrays: Mapping[str, Floats]) -> float:
    n, k, total, square = (
        arrays[name].sum() for name in ("n", "positive", "log_sum", "log_square")
    )
    mean = total / k
    return float(k / n * np.exp(mean + max(square / k - mean**2, 0.0) / 2))


def build(data: ModelData) -> Any:
    """The PyMC model."""
    pm, pt = libraries()

    arms = data.sizes["arms"]
    with pm.Model() as model:
        n, k, total, square = shared_data(data, "n", "positive", "log_sum", "log_square")
        typical, mean, sd = shared_data(data, "log_typical", "prior_mean", "prior_sd")
        base = typical + BASE_SD * pm.Normal("base", 0, 1)
        beta = pm.Flat("beta", shape=arms - 1)
        share = pm.Beta("share", 1, 1, shape=arms)
        sigma = pm.HalfNormal("sigma", SIGMA_SD, shape=arms)
        log_level = pt.concatenate([base[None], base + beta])
        level = pm.Deterministic("level", pt.exp(log_level))
        delta = pm.Deterministic("effect", level[1:] - level[0])
        term = effect_prior_term(delta, log_level[1:], -level[0], None, mean, sd)
        pm.Potential("prior_on_effect", pt.sum(term))
        mu = pm.Deterministic("mu", log_level - pt.log(share) - sigma**2 / 2)
        log_p = (
            k * pt.log(share) + (n - k) * pt.log1p(-share) - k * pt.log(sigma)
            - (square - 2 * mu * total + k * mu**2) / (2 * sigma**2)
        )  # fmt: skip
        pm.Potential("likelihood", pt.sum(log_p))
    return model


def log_density(theta: Floats, data: ModelData) -> float:
    """Log posterior of (base, β, logit share, log σ) up to a constant: second implementation."""
    arms, a = data.sizes["arms"], data.arrays
    base, beta = theta[0], theta[1:arms]
    logit, log_sigma = theta[arms : 2 * arms], theta[2 * arms :]
    log_level = float(a["log_typical"]) + BASE_SD * base + np.r_[0.0, beta]
    level = np.exp(log_level)
    term = effect_prior_log(level[1:] - level[0], log_level[1:], -level[0], None, a)
    sigma = np.exp(log_sigma)
    log_share, log_rest = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    prior = -0.5 * base**2 + np.sum(log_share + log_rest + log_sigma)
    prior += np.sum(-0.5 * (sigma / SIGMA_SD) ** 2)
    mu = log_level - log_share - sigma**2 / 2
    n, k = a["n"], a["positive"]
    log_p = (
        k * log_share + (n - k) * log_rest - k * log_sigma
        - (a["log_square"] - 2 * mu * a["log_sum"] + k * mu**2) / (2 * sigma**2)
    )  # fmt: skip
    return float(prior + term.sum() + log_p.sum())


def start(data: ModelData) -> Floats:
    """The arms' own maximum-likelihood values."""
    a = data.arrays
    share = (a["positive"] + 0.5) / (a["n"] + 1)
    mu = a["log_sum"] / a["positive"]
    variance = np.maximum(a["log_square"] / a["positive"] - mu**2, 1e-4)
    log_level = np.log(share) + mu + variance / 2
    base = (log_level[0] - float(a["log_typical"])) / BASE_SD
    return np.concatenate(
        [[base], log_level[1:] - log_level[0], special.logit(share), np.log(variance) / 2]
    )


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
    share, sigma = rng.beta(1, 1, arms), np.abs(rng.normal(0, SIGMA_SD, arms))
    return {
        "base": base, "effect": effect, "level": level, "share": share, "sigma": sigma,
        "mu": np.log(level) - np.log(share) - sigma**2 / 2,
    }  # fmt: skip


def replicate(params: Params, data: ModelData, rng: np.random.Generator) -> ModelData:
    """New sufficient statistics for as many units, given parameters."""
    n = data.arrays["n"].astype(np.int64)
    k = rng.binomial(n, params["share"])
    logs = [rng.normal(params["mu"][i], params["sigma"][i], int(k[i])) for i in range(len(n))]
    return data.with_arrays(
        positive=k.astype(float), log_sum=np.array([x.sum() for x in logs]),
        log_square=np.array([(x**2).sum() for x in logs]),
    )  # fmt: skip


def statistics(data: ModelData) -> Mapping[str, float]:
    """Share above zero, mean and sd of the log amounts, by arm."""
    a, out = data.arrays, {}
    for k, i in enumerate(data.order):
        positive = max(float(a["positive"][k]), 1.0)
        mean = float(a["log_sum"][k]) / positive
        spread = max(float(a["log_square"][k]) / positive - mean**2, 0.0)
        out[f"share above zero in {data.arms[i]}"] = float(a["positive"][k] / a["n"][k])
        out[f"mean log amount in {data.arms[i]}"] = mean
        out[f"sd of log amounts in {data.arms[i]}"] = float(np.sqrt(spread))
    return out


def notation(data: ModelData) -> tuple[str, ...]:
    """The model in Unicode mathematics."""
    return (
        "y = 0 with probability 1 − pₖ, otherwise log y ~ Normal(μₖ, σₖ)",
        "Mₖ = pₖ exp(μₖ + σₖ²/2)", f"log M₀ ~ Normal(log {data.typical:.3g}, {BASE_SD:g})",
        f"pₖ ~ Beta(1, 1), σₖ ~ HalfNormal({SIGMA_SD:g})", "δₖ = Mₖ − M₀",
        f"{data.prior.says()} cut to [−M₀, ∞)",
    )  # fmt: skip


MODEL = Model(
    key=KEY, title="hurdle lognormal amounts", build=build, draw_prior=draw_prior,
    replicate=replicate, statistics=statistics, notation=notation,
)  # fmt: skip
