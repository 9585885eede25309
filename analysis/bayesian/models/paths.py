"""The ways a contact can go, jointly: gross deflection, net deflection and leakage from one model.

Every unit goes exactly one way (resolved without an agent, handled, came back, moved channel …),
so the counts of an arm are multinomial. Control shares are π₀ ~ Dirichlet(1). Arm k tilts them:
πₖ ∝ π₀ exp(uₖ + tₖ c), where c is the number of agent-handled contacts a way costs, uₖ (orthogonal
to c) moves units between ways in any other pattern and is shrunk, and tₖ is fixed by the prior on
the absolute effect δₖ = Σ c (πₖ − π₀), the change in agent contacts per unit: minus the net
deflection. Gross deflection, net deflection and leakage are functions of the same draws.
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
    draw_effect,
    effect_prior_log,
    effect_prior_term,
    libraries,
    prior_arrays,
    renumbered,
    shared_data,
    solve_rising,
)
from analysis.bayesian.priors import NormalPrior, effect_prior
from analysis.estimates import Absent
from analysis.tables import Floats, Paths

KEY = "contact-paths"
SHIFT_SD = 1.0  # sd of u: moves between ways that leave the number of contacts alone


def prepare(table: Paths, *, prior: NormalPrior) -> ModelData | Absent:
    """The model's data from a table of ways.

    Absent without two arms with units, or when all ways cost the same number of contacts.
    """
    ways = len(table.path.levels)
    shape = (len(table.arms), ways)
    counts = np.zeros(shape)
    np.add.at(counts, (table.arm, table.path.codes), table.n)
    order = arm_order(table.arms, table.control, counts.sum(axis=1))
    if counts[table.control].sum() == 0 or len(order) < 2:
        return Absent("arm-empty", "A comparison needs units in the control and another arm.")
    cost = np.asarray(table.contacts, float)
    if ways < 3 or np.ptp(cost) == 0:
        return Absent("no-ways", "At least three ways that differ in contacts are needed.")
    given = effect_prior(prior)
    rows = renumbered(np.arange(len(table.arms)), order)
    kept = np.zeros((len(order), ways))
    kept[rows[rows >= 0]] = counts[rows >= 0]
    return ModelData(
        model=KEY, sizes={"arms": len(order), "ways": ways}, arms=table.arms, order=order,
        prior=given, levels=table.path.levels, unit="agent contacts per unit",
        arrays={"counts": kept, "cost": cost, "basis": _complement(cost),
                "handled": np.asarray(table.index_handled, float),
                **prior_arrays(given, float(np.ptp(cost)))},
    )  # fmt: skip


def _complement(cost: Floats) -> Floats:
    """An orthonormal basis of what is orthogonal to a constant and to the costs."""
    q, _ = np.linalg.qr(np.column_stack([np.ones(len(cost)), cost, np.eye(len(cost))]))
    return np.ascontiguousarray(q[:, 2 : len(cost)])


def build(data: ModelData) -> Any:
    """The PyMC model."""
    pm, pt = libraries()

    arms, ways = data.sizes["arms"], data.sizes["ways"]
    with pm.Model() as model:
        counts, cost, basis, handled = shared_data(data, "counts", "cost", "basis", "handled")
        mean, sd = shared_data(data, "prior_mean", "prior_sd")
        base = pm.Dirichlet("base", np.ones(ways))
        z = pm.Normal("shift_z", 0, 1, shape=(arms - 1, ways - 2))
        beta = pm.Flat("beta", shape=arms - 1)
        tilt = SHIFT_SD * pt.dot(z, basis.T) + beta[:, None] * (cost - pt.mean(cost))
        raw = pt.concatenate([pt.log(base)[None, :], pt.log(base) + tilt])
        log_share = raw - pt.logsumexp(raw, axis=1, keepdims=True)
        share = pm.Deterministic("share", pt.exp(log_share))
        level = pm.Deterministic("level", pt.dot(share, cost))
        delta = pm.Deterministic("effect", level[1:] - level[0])
        slope = pt.dot(share, cost**2) - level**2
        term = effect_prior_term(
            delta, pt.log(slope[1:]), pt.min(cost) - level[0], pt.max(cost) - level[0], mean, sd
        )
        pm.Potential("prior_on_effect", pt.sum(term))
        index = pt.dot(share, handled)
        pm.Deterministic("gross", index[0] - index[1:])
        pm.Potential("likelihood", pt.sum(counts * log_share))
    return model


def log_density(theta: Floats, data: ModelData) -> float:
    """Log posterior of (control's log-ratios, β, z) up to a constant: second implementation."""
    a = data.arrays
    log_share, z = _shares(theta, data)
    share, cost = np.exp(log_share), a["cost"]
    level = share @ cost
    slope = share[1:] @ cost**2 - level[1:] ** 2
    low, high = cost.min() - level[0], cost.max() - level[0]
    with np.errstate(divide="ignore"):
        term = effect_prior_log(level[1:] - level[0], np.log(slope), low, high, a)
    # Dirichlet(1) is flat on the simplex; the log-ratios' Jacobian is the product of the shares.
    return float(
        log_share[0].sum() - 0.5 * np.sum(z**2) + term.sum() + np.sum(a["counts"] * log_share)
    )


def _shares(theta: Floats, data: ModelData) -> tuple[Floats, Floats]:
    arms, ways, a = data.sizes["arms"], data.sizes["ways"], data.arrays
    base = np.r_[theta[: ways - 1], 0.0]
    beta = theta[ways - 1 : ways + arms - 2]
    z = theta[ways + arms - 2 :].reshape(arms - 1, ways - 2)
    tilt = SHIFT_SD * z @ a["basis"].T + beta[:, None] * (a["cost"] - a["cost"].mean())
    raw = np.vstack([base, base + tilt])
    return raw - np.logaddexp.reduce(raw, axis=1, keepdims=True), z


def start(data: ModelData) -> Floats:
    """The control's observed log-ratios and no effect."""
    counts = data.arrays["counts"].sum(axis=0) + 0.5
    arms, ways = data.sizes["arms"], data.sizes["ways"]
    return np.concatenate([np.log(counts[:-1] / counts[-1]), np.zeros((arms - 1) * (ways - 1))])


def shares(theta: Floats, data: ModelData) -> Floats:
    """Shares of the ways for draws of theta: draws × arms × ways."""
    return np.asarray(np.exp(np.stack([_shares(row, data)[0] for row in theta])))


def levels(theta: Floats, data: ModelData) -> Floats:
    """The arms' agent contacts per unit for draws of theta."""
    return np.asarray(shares(theta, data) @ data.arrays["cost"])


def draw_prior(data: ModelData, rng: np.random.Generator) -> Params:
    """Parameters from the prior: the control's shares, the shift u, each δ, then its tilt."""
    a, arms, ways = data.arrays, data.sizes["arms"], data.sizes["ways"]
    log_base = np.log(np.maximum(rng.dirichlet(np.ones(ways)), 1e-300))
    cost = a["cost"]
    control = float(np.exp(log_base) @ cost)
    effect, rows = np.zeros(arms - 1), [log_base]
    for k in range(arms - 1):
        effect[k] = draw_effect(a, cost.min() - control, cost.max() - control, rng)
        own = log_base + SHIFT_SD * a["basis"] @ rng.normal(size=ways - 2)
        tilt = solve_rising(
            lambda t, own=own: float(_softmax(own + t * cost) @ cost),  # type: ignore[misc]
            control + effect[k], -200, 200,
        )  # fmt: skip
        rows.append(own + tilt * cost)
    share = np.vstack([_softmax(row) for row in rows])
    index = share @ a["handled"]
    return {"effect": effect, "share": share, "level": share @ cost, "gross": index[0] - index[1:]}


def _softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def replicate(params: Params, data: ModelData, rng: np.random.Generator) -> ModelData:
    """New counts for as many units, given the shares."""
    units = data.arrays["counts"].sum(axis=1).astype(np.int64)
    share = np.asarray(params["share"], float)
    share = share / share.sum(axis=1, keepdims=True)
    return data.with_arrays(counts=rng.multinomial(units, share).astype(float))


def statistics(data: ModelData) -> Mapping[str, float]:
    """The share of every way in every arm."""
    counts = data.arrays["counts"]
    share = counts / counts.sum(axis=1, keepdims=True)
    return {
        f"{way} in {data.arms[i]}": float(share[k, j])
        for k, i in enumerate(data.order) for j, way in enumerate(data.levels)
    }  # fmt: skip


def notation(data: ModelData) -> tuple[str, ...]:
    """The model in Unicode mathematics."""
    return (
        f"counts ~ Multinomial(πₖ) over {', '.join(data.levels)}", "π₀ ~ Dirichlet(1)",
        "πₖ ∝ π₀ exp(uₖ + tₖ c), c the agent contacts of each way",
        f"uₖ ~ Normal(0, {SHIFT_SD:g}) orthogonal to c", "δₖ = Σ c (πₖ − π₀), net deflection = −δₖ",
        "gross deflection = P(index contact handled | control) − P(… | arm)",
        "leakage = 1 − net / gross", f"{data.prior.says()} cut to what c allows",
    )  # fmt: skip


MODEL = Model(
    key=KEY, title="ways a contact can go", build=build, draw_prior=draw_prior,
    replicate=replicate, statistics=statistics, notation=notation,
    watch=("effect", "level", "gross"),
)  # fmt: skip
