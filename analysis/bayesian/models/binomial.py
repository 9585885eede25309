"""Rates: binomial arms with strata and segments partially pooled and clusters integrated out.

logit p = α + stratum + segment + β_arm + h_(arm, segment). Strata, segments and the effects'
differences between segments h are normal effects that sum to zero (so that α and β keep their
meaning); their sds are estimated. Clusters are not given a parameter each: a cluster's rate is
Beta with the cell's mean and intra-cluster correlation ρ, which integrates out to the
beta-binomial, exact and as cheap for ten thousand households as for ten. δ is the difference of
the arms' mean rates over the mix of units that was randomised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from analysis.bayesian.models.base import (
    Model,
    ModelData,
    Params,
    arm_order,
    contrasts,
    draw_effect,
    effect_prior_term,
    libraries,
    padded,
    prior_arrays,
    renumbered,
    shared_data,
    solve_rising,
)
from analysis.bayesian.priors import NormalPrior, effect_prior
from analysis.estimates import Absent
from analysis.tables import Floats, Grouped, Key

KEY = "binomial"
LEVEL_SD = 1.0  # half-normal scale of the sds of strata and segments, in logits
HETEROGENEITY_SD = 0.3  # half-normal scale of the effect's sd between segments, in logits
# How far effects are centred (Papaspiliopoulos, Roberts & Sköld 2007): with these shares data sets
# from 40 to 4,000 units a cell were walked without divergences. It does not change the posterior.
# The sds' floors, in logits: too small to matter, they keep chains out of the neck of the funnel.
FLOOR = {"strata": 0.05, "segments": 0.05, "heterogeneity": 0.01}
# How far effects are centred at least, and the variance against which a level's sampling variance
# is weighed to centre them further. Tuned on 40 to 100,000 units a cell.
CENTRING = {"strata": (0.7, 0.003), "segments": (0.5, 0.0005), "heterogeneity": (0.3, 0.003)}
ICC = (1.0, 9.0)  # beta prior of the intra-cluster correlation
# Added to ρ below the line: a millionth cannot be told from none, and without it the gamma
# functions lose all their digits as ρ nears zero, so that a chain is trapped by what is left.
LEAST = 1e-6


def prepare(
    table: Grouped, *, prior: NormalPrior, segment: str | None = None
) -> ModelData | Absent:
    """The model's data from a grouped table of a proportion.

    Strata and clusters are used when the table has them, ``segment`` names the segment whose
    effects are wanted. Absent when fewer than two arms have units or an outcome is not 0 or 1.
    """
    totals, events, _ = table.per_arm()
    order = arm_order(table.arms, table.control, totals)
    if totals[table.control] == 0 or len(order) < 2:
        return Absent("arm-empty", "A comparison needs units in the control and another arm.")
    if np.any(table.y < 0) or np.any(table.y > table.n) or np.any(events > totals):
        return Absent("not-a-proportion", "A rate needs outcomes that are 0 or 1.")
    table = table.only_arms(order)
    strata = _codes(table.stratum, table.cells)
    key = table.segments[segment] if segment else None
    levels = _codes(key, table.cells)
    names = () if key is None else key.levels
    if key is not None and int(levels.max()) == len(names):
        names = (*names, "not known")
    clustered = table.cluster is not None
    rows = [renumbered(table.arm, order), strata, levels]
    if clustered and table.cluster is not None:
        cells = _cluster_cells(table, [*rows, table.cluster.codes])
    else:
        cells = _cells(table, rows)
    given = effect_prior(prior)
    sizes = {
        "arms": len(order), "strata": padded(int(strata.max()) + 1),
        "segments": padded(len(names)), "clustered": int(clustered),
    }  # fmt: skip
    counts = {"strata": int(strata.max()) + 1, "segments": max(len(names), 1)}
    return ModelData(
        model=KEY, sizes=sizes, arms=table.arms, order=order, prior=given, levels=names,
        unit="rate", labels=counts,
        arrays={**cells, **_mix(strata, levels, table.n, max(sizes["segments"], 1)),
                **_bases(sizes, counts, cells), **prior_arrays(given, 1.0)},
    )  # fmt: skip


def _codes(key: Key | None, cells: int) -> np.ndarray:
    """Codes from zero; units whose level is not known make a level of their own."""
    if key is None:
        return np.zeros(cells, dtype=np.int64)
    return np.where(key.codes < 0, len(key.levels), key.codes).astype(np.int64)


def _cells(table: Grouped, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
    keys, into = np.unique(np.column_stack(rows), axis=0, return_inverse=True)
    n = np.bincount(into.ravel(), table.n, len(keys)).astype(float)
    y = np.bincount(into.ravel(), table.y, len(keys)).astype(float)
    return _named(keys, n, y, np.ones(len(keys)))


def _cluster_cells(table: Grouped, rows: list[np.ndarray]) -> dict[str, np.ndarray]:
    """One cell per distinct (arm, stratum, segment, size, events) of a cluster, with its count."""
    keys, into = np.unique(np.column_stack(rows), axis=0, return_inverse=True)
    n = np.bincount(into.ravel(), table.n, len(keys)).astype(float)
    y = np.bincount(into.ravel(), table.y, len(keys)).astype(float)
    kinds, times = np.unique(
        np.column_stack([keys[:, :3], n, y])[n > 0], axis=0, return_counts=True
    )
    return _named(kinds[:, :3].astype(np.int64), kinds[:, 3], kinds[:, 4], times.astype(float))


def _named(keys: np.ndarray, n: Floats, y: Floats, times: Floats) -> dict[str, np.ndarray]:
    return {
        "cell_arm": keys[:, 0].astype(np.int64), "cell_stratum": keys[:, 1].astype(np.int64),
        "cell_segment": keys[:, 2].astype(np.int64), "n": n.astype(float), "y": y.astype(float),
        "times": times.astype(float),
    }  # fmt: skip


def _mix(strata: np.ndarray, levels: np.ndarray, n: Floats, segments: int) -> dict[str, np.ndarray]:
    """The shares of strata and segments among all units, and within each segment."""
    keys, into = np.unique(np.column_stack([strata, levels]), axis=0, return_inverse=True)
    share = np.bincount(into.ravel(), n, len(keys))
    share = share / share.sum()
    within = np.zeros((max(segments, int(levels.max()) + 1), len(keys)))
    within[keys[:, 1], np.arange(len(keys))] = share
    total = within.sum(axis=1, keepdims=True)
    within = np.divide(within, total, out=np.zeros_like(within), where=total > 0)
    return {
        "mix_stratum": keys[:, 0].astype(np.int64), "mix_segment": keys[:, 1].astype(np.int64),
        "mix_share": share, "mix_within": within[:segments],
    }  # fmt: skip


def _bases(
    sizes: Mapping[str, int], counts: Mapping[str, int], cells: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for name, codes in (("strata", "cell_stratum"), ("segments", "cell_segment")):
        if sizes[name]:
            basis, used = contrasts(counts[name], sizes[name])
            noise = _noise(cells, codes, counts[name])
            centring = _centring(name, noise)
            out |= {f"{name}_basis": basis, f"{name}_used": used, f"{name}_centring": centring}
    if sizes["segments"]:
        out["heterogeneity_centring"] = _centring("heterogeneity", 2 * sizes["arms"] * noise)
    return out


def _noise(cells: Mapping[str, np.ndarray], codes: str, levels: int) -> float:
    """The typical sampling variance of a level's logit."""
    n = np.bincount(cells[codes], cells["n"] * cells["times"], levels) + 1
    y = np.bincount(cells[codes], cells["y"] * cells["times"], levels) + 0.5
    return float(np.mean(n / (y * (n + 0.5 - y))))


def _centring(kind: str, noise: float) -> np.ndarray:
    """How far effects are centred: the stronger the data, the further.

    After Papaspiliopoulos, Roberts & Sköld (2007); it changes how the posterior is walked, not
    what it is.
    """
    least, between = CENTRING[kind]
    return np.asarray(max(least, between / (between + noise)))


def build(data: ModelData) -> Any:
    """The PyMC model."""
    pm, pt = libraries()

    with pm.Model() as model:
        arm, stratum, segment, n, y, times = shared_data(
            data, "cell_arm", "cell_stratum", "cell_segment", "n", "y", "times"
        )
        m_stratum, m_segment, share, within, mean, sd = shared_data(
            data, "mix_stratum", "mix_segment", "mix_share", "mix_within", "prior_mean", "prior_sd"
        )
        alpha = pm.Logistic("alpha", 0, 1)
        beta = pm.Flat("beta", shape=data.sizes["arms"] - 1)
        base, tilt = _terms(data, alpha)
        shift = pt.concatenate([pt.zeros((1, tilt.shape[1])), beta[:, None] + tilt])
        eta = base(stratum, segment) + shift[arm, segment]
        mixed = pm.math.invlogit(base(m_stratum, m_segment) + shift[:, m_segment])
        level = pm.Deterministic("level", pt.dot(mixed, share))
        delta = pm.Deterministic("effect", level[1:] - level[0])
        slope = pt.dot(mixed * (1 - mixed), share)[1:]
        term = effect_prior_term(delta, pt.log(slope), -level[0], 1 - level[0], mean, sd)
        pm.Potential("prior_on_effect", pt.sum(term))
        if data.sizes["segments"]:
            by_level = pt.dot(mixed, within.T)
            pm.Deterministic("segment_effect", by_level[1:] - by_level[0])
            pm.Deterministic("segment_level", by_level)
        pm.Potential("likelihood", pt.sum(times * _log_likelihood(data, eta, n, y)))
    return model


def _terms(data: ModelData, alpha: Any) -> tuple[Any, Any]:
    """The baseline as a function of (stratum, segment), and the effect's differences h."""
    pm, pt = libraries()

    arms, effects = data.sizes["arms"] - 1, {}
    for name, label in (("strata", "stratum"), ("segments", "segment_baseline")):
        size = data.sizes[name]
        effects[name] = pt.zeros(1)
        if size:
            basis, used = shared_data(data, f"{name}_basis", f"{name}_used")
            spread = pm.HalfNormal(f"{label}_sd", LEVEL_SD)
            walk = _walk(data, name, label, spread=spread, used=used, shape=(size - 1,))
            effects[name] = pm.Deterministic(label, pt.dot(basis, walk))
            if name == "segments":
                differ = pm.HalfNormal("heterogeneity_sd", HETEROGENEITY_SD)
                kind = "heterogeneity"
                walk = _walk(data, kind, kind, spread=differ, used=used, shape=(arms, size - 1))
                effects["tilt"] = pm.Deterministic("heterogeneity", pt.dot(walk, basis.T))
    tilt = effects.get("tilt", pt.zeros((arms, 1)))
    strata, segments = effects["strata"], effects["segments"]
    return lambda s, g: alpha + strata[s] + segments[g], tilt


def _walk(
    data: ModelData, kind: str, label: str, *, spread: Any, used: Any, shape: tuple[int, ...]
) -> Any:
    """Coefficients ~ Normal(0, sd), walked partly centred; unused ones keep a fixed sd."""
    pm, pt = libraries()
    (centring,) = shared_data(data, f"{kind}_centring")
    sd = pt.sqrt(spread**2 + FLOOR[kind] ** 2)
    z = pm.Normal(f"{label}_z", 0, pt.switch(used > 0, sd**centring, 1.0), shape=shape)
    return sd ** (1 - centring) * z


def _log_likelihood(data: ModelData, eta: Any, n: Any, y: Any) -> Any:
    pm, pt = libraries()

    if not data.sizes["clustered"]:
        return y * eta - n * pt.softplus(eta)
    icc = pm.Beta("icc", *ICC)
    weight = (1 - icc) / (icc + LEAST)
    a = pm.math.invlogit(eta) * weight
    b = pm.math.invlogit(-eta) * weight
    return (
        pt.gammaln(y + a) - pt.gammaln(a) + pt.gammaln(n - y + b) - pt.gammaln(b)
        + pt.gammaln(weight) - pt.gammaln(n + weight)
    )  # fmt: skip


def draw_prior(data: ModelData, rng: np.random.Generator) -> Params:
    """Parameters from the prior: first the baselines, then each δ, then the β that gives it."""
    arms = data.sizes["arms"]
    out: dict[str, Any] = {"alpha": rng.logistic()}
    for name, label in (("strata", "stratum"), ("segments", "segment_baseline")):
        levels = data.labels[name] if data.sizes[name] else 1
        out[label] = np.zeros(1)
        if data.sizes[name]:
            basis, _ = contrasts(levels, levels)
            out[label] = basis @ (_sd(name, LEVEL_SD, rng) * rng.normal(size=levels - 1))
    levels = data.labels["segments"] if data.sizes["segments"] else 1
    out["heterogeneity"] = np.zeros((arms - 1, levels))
    if data.sizes["segments"]:
        basis, _ = contrasts(levels, levels)
        spread = _sd("heterogeneity", HETEROGENEITY_SD, rng)
        out["heterogeneity"] = spread * rng.normal(size=(arms - 1, levels - 1)) @ basis.T
    if data.sizes["clustered"]:
        out["icc"] = rng.beta(*ICC)
    return {**out, **_solved(out, data, rng)}


def _sd(kind: str, scale: float, rng: np.random.Generator) -> float:
    return float(np.hypot(rng.normal(0, scale), FLOOR[kind]))


def _solved(out: Params, data: ModelData, rng: np.random.Generator) -> Params:
    a, share = data.arrays, data.arrays["mix_share"]
    base = out["alpha"] + out["stratum"][a["mix_stratum"]]
    base = base + out["segment_baseline"][a["mix_segment"]]
    control = float(special.expit(base) @ share)
    effect, beta = np.zeros(len(data.order) - 1), np.zeros(len(data.order) - 1)
    for k in range(len(effect)):
        effect[k] = draw_effect(a, -control, 1 - control, rng)
        eta = base + out["heterogeneity"][k, a["mix_segment"]]
        beta[k] = solve_rising(
            lambda b, eta=eta: float(special.expit(eta + b) @ share),  # type: ignore[misc]
            control + effect[k], -60, 60,
        )  # fmt: skip
    return {"beta": beta, "effect": effect, "level": np.r_[control, control + effect]}


def replicate(params: Params, data: ModelData, rng: np.random.Generator) -> ModelData:
    """New outcomes for the same units, given parameters."""
    a = data.arrays
    beta, tilt = np.r_[0.0, params["beta"]], np.asarray(params["heterogeneity"])
    tilt = np.vstack([np.zeros(tilt.shape[1]), tilt])
    eta = params["alpha"] + np.asarray(params["stratum"])[a["cell_stratum"]]
    eta = eta + np.asarray(params["segment_baseline"])[a["cell_segment"]]
    p = special.expit(eta + beta[a["cell_arm"]] + tilt[a["cell_arm"], a["cell_segment"]])
    n = a["n"].astype(np.int64)
    if not data.sizes["clustered"]:
        return data.with_arrays(y=rng.binomial(n, p).astype(float))
    each = np.repeat(np.arange(len(n)), a["times"].astype(np.int64))
    weight = (1 - params["icc"]) / (params["icc"] + LEAST)
    rate = rng.beta(np.maximum(p * weight, 1e-12)[each], np.maximum((1 - p) * weight, 1e-12)[each])
    units = n[each]
    codes = [a[f"cell_{name}"][each] for name in ("arm", "stratum", "segment")]
    rows = np.column_stack([*codes, units, rng.binomial(units, rate)])
    kinds, times = np.unique(rows, axis=0, return_counts=True)
    return replace(data, arrays={**a, **_named(
        kinds[:, :3], kinds[:, 3], kinds[:, 4], times.astype(float))})  # fmt: skip


def statistics(data: ModelData) -> Mapping[str, float]:
    """Rates by arm, their spread over strata and, with clusters, over clusters."""
    a = data.arrays
    n, y = a["n"] * a["times"], a["y"] * a["times"]
    size = data.sizes["arms"]
    rate = np.bincount(a["cell_arm"], y, size) / np.bincount(a["cell_arm"], n, size)
    out = {f"rate of {data.arms[i]}": float(rate[k]) for k, i in enumerate(data.order)}
    for name in ("stratum", "segment"):
        total = np.bincount(a[f"cell_{name}"], n)
        if len(total) > 1:
            each = np.bincount(a[f"cell_{name}"], y)[total > 0] / total[total > 0]
            out[f"sd of rates between {name} levels"] = float(each.std())
    if data.sizes["clustered"]:
        gap = (a["y"] - a["n"] * rate[a["cell_arm"]]) ** 2 / np.maximum(a["n"], 1)
        out["spread between clusters"] = float(a["times"] @ gap / a["times"].sum())
    return out


def _prior_of(name: str, scale: float, kind: str) -> str:
    return f"{name}² = t² + {FLOOR[kind]:g}², t ~ HalfNormal({scale:g})"


def notation(data: ModelData) -> tuple[str, ...]:
    """The model in Unicode mathematics."""
    parts = ["α"]
    lines = []
    if data.sizes["strata"]:
        parts.append("sₛ")
        lines.append(f"s ~ ZeroSumNormal(τₛ), {_prior_of('τₛ', LEVEL_SD, 'strata')}")
    if data.sizes["segments"]:
        parts.append("g")
        lines.append(f"g ~ ZeroSumNormal(τ_g), {_prior_of('τ_g', LEVEL_SD, 'segments')}")
        prior = _prior_of("τₕ", HETEROGENEITY_SD, "heterogeneity")
        lines.append(f"hₖ ~ ZeroSumNormal(τₕ), {prior}")
    parts += ["βₖ", "hₖ"] if data.sizes["segments"] else ["βₖ"]
    likelihood = "y ~ Binomial(n, p)"
    if data.sizes["clustered"]:
        likelihood = "y ~ BetaBinomial(n, mean p, intra-cluster correlation ρ)"
        lines.append(f"ρ ~ Beta({ICC[0]:g}, {ICC[1]:g})")
    return (
        likelihood, f"logit p = {' + '.join(parts)}, β of the control = 0", "α ~ Logistic(0, 1)",
        *lines, "δₖ = Σ w (pₖ − p₀), w the shares of all randomised units",
        f"{data.prior.says()} cut to [−p₀, 1 − p₀]",
    )  # fmt: skip


MODEL = Model(
    key=KEY, title="rates with partially pooled strata and segments", build=build,
    draw_prior=draw_prior, replicate=replicate, statistics=statistics, notation=notation,
)  # fmt: skip
