"""All that the analysts' posterior report shows, as plain data: figures, notation, provenance."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from analysis.bayesian.checks import posterior_checks, prior_checks
from analysis.bayesian.fits import Fit
from analysis.bayesian.loading import without_numba
from analysis.bayesian.models import MODELS
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.posterior import Posterior
from analysis.bayesian.sampler import versions
from analysis.estimates import Absent
from analysis.tables import Floats

POINTS = 201


def density(posterior: Posterior) -> dict[str, list[float]]:
    """Points of the effect's density: a kernel estimate of the draws, or the exact normal."""
    if posterior.draws is None:
        x = np.linspace(
            posterior.mean - 4 * posterior.sd, posterior.mean + 4 * posterior.sd, POINTS
        )
        return _curve(x, stats.norm.pdf(x, posterior.mean, posterior.sd))
    low, high = np.quantile(posterior.draws, (0.001, 0.999))
    x = np.linspace(low - posterior.sd, high + posterior.sd, POINTS)
    return _curve(x, stats.gaussian_kde(posterior.draws)(x))


def prior_to_posterior(posterior: Posterior) -> dict[str, Any]:
    """Prior and posterior densities over one range, and how much narrower the data made it."""
    prior = posterior.prior
    after = density(posterior)
    if prior is None or prior.flat:
        return {"posterior": after, "prior": None, "narrower": None}
    low = min(prior.mean - 3.5 * prior.sd, after["x"][0])
    high = max(prior.mean + 3.5 * prior.sd, after["x"][-1])
    x = np.linspace(low, high, POINTS)
    before = _curve(x, stats.norm.pdf(x, prior.mean, prior.sd))
    return {"posterior": after, "prior": before, "narrower": 1 - posterior.sd / prior.sd}


def _curve(x: Floats, y: Floats) -> dict[str, list[float]]:
    return {"x": [float(v) for v in x], "density": [float(v) for v in y]}


def forest(
    raw: Mapping[str, Any], shrunk: Mapping[str, Posterior | Absent]
) -> list[dict[str, Any]]:
    """One row a level: the raw estimate beside the shrunk posterior."""
    return [
        {"level": name, "raw": _json(raw.get(name)), "shrunk": _json(posterior)}
        for name, posterior in shrunk.items()
    ]


def _json(value: Any) -> Any:
    return None if value is None else value.to_json()


def provenance(data: ModelData, *, seed: int, plan_hash: str = "") -> dict[str, Any]:
    """What is needed to repeat the run: hashes, seed, versions and the model in words."""
    return {
        "plan_hash": plan_hash, "data_hash": f"sha256:{data.digest}", "seed": seed,
        "model": MODELS[data.model].title, "notation": list(MODELS[data.model].notation(data)),
        "prior": data.prior.to_json(), "versions": versions(),
    }  # fmt: skip


def report_data(fit: Fit, *, plan_hash: str = "", replicates: int = 200) -> dict[str, Any]:
    """The report of one fitted model; nothing in it needs the sampler or the data again."""
    sampled = fit.sampled
    effects = {fit.data.arms[i]: e for i, e in enumerate(fit.effects) if e is not None}
    return {
        "effects": {arm: e.to_json() for arm, e in effects.items()},
        "densities": {
            arm: prior_to_posterior(e) for arm, e in effects.items() if isinstance(e, Posterior)
        },
        "segments": {
            name: {fit.data.arms[i]: _json(p) for i, p in enumerate(row) if p is not None}
            for name, row in fit.segments.items()
        },
        "diagnostics": fit.diagnostics.to_json(),
        "attempts": fit.attempts,
        "checks": [
            prior_checks(fit.data, replicates=replicates, seed=sampled.seed).to_json(),
            posterior_checks(fit.data, sampled, replicates=replicates, seed=sampled.seed).to_json(),
        ],
        "provenance": provenance(fit.data, seed=sampled.seed, plan_hash=plan_hash),
        "sampler": {
            "backend": sampled.backend, "chains": sampled.settings.chains,
            "draws": sampled.settings.draws, "tune": sampled.settings.tune,
            "target_accept": sampled.settings.target_accept, "seconds": dict(sampled.seconds),
        },
        "notes": list(fit.notes),
    }  # fmt: skip


def draws_csv(fit: Fit) -> str:
    """The draws of effects and arm means as CSV: chain, draw, then one column a quantity."""
    effect, level = fit.sampled.values["effect"], fit.sampled.values["level"]
    names = [fit.data.arms[i] for i in fit.data.order]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        ["chain", "draw", *(f"effect {n}" for n in names[1:]), *(f"mean {n}" for n in names)]
    )
    for chain in range(effect.shape[0]):
        for draw in range(effect.shape[1]):
            row = [*effect[chain, draw], *level[chain, draw]]
            writer.writerow([chain, draw, *(repr(float(v)) for v in row)])
    return out.getvalue()


def save_netcdf(fit: Fit, path: Path) -> None:
    """Write all draws and the sampler's record as NetCDF (ArviZ InferenceData)."""
    without_numba()
    import arviz as az

    sampled = fit.sampled
    data = az.from_dict(
        posterior=dict(sampled.values),
        sample_stats={"diverging": sampled.divergent, "energy": sampled.energy},
    )
    data.to_netcdf(str(path))
