"""Gross deflection, net deflection and leakage from the joint model of contact paths.

Positive means fewer agent contacts. Leakage is a ratio, so it is given only where gross deflection
is clearly above zero; otherwise there is nothing that could leak.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.bayesian.fits import Fit
from analysis.bayesian.importance import Weighted
from analysis.bayesian.models import paths
from analysis.bayesian.models.base import ModelData
from analysis.bayesian.posterior import Posterior, Rope, draws_posterior, resampled
from analysis.estimates import Absent
from analysis.tables import Floats

CLEARLY = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflectionPosterior:
    """One arm's deflection, per unit assigned; ``moved`` is the change in each way's share."""

    arm: str
    gross: Posterior
    net: Posterior
    leakage: Posterior | Absent
    moved: Mapping[str, Posterior]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "arm": self.arm, "gross": self.gross.to_json(), "net": self.net.to_json(),
            "leakage": self.leakage.to_json(),
            "moved": {way: p.to_json() for way, p in self.moved.items()},
        }  # fmt: skip


def deflection_of_fit(
    fit: Fit, *, rope: Rope | None = None, level: float = 0.95
) -> tuple[DeflectionPosterior, ...]:
    """The deflection of every arm from a fitted contact-paths model."""
    diagnostics = fit.diagnostics
    extra = {
        "rhat": max(diagnostics.rhat.values()), "ess": min(diagnostics.ess_bulk.values()),
        "divergences": diagnostics.divergences, "notes": fit.notes,
    }  # fmt: skip
    return deflections(fit.data, fit.sampled.flat("share"), rope=rope, level=level, extra=extra)


def deflection_of_draws(
    data: ModelData, drawn: Weighted, *, rope: Rope | None = None, level: float = 0.95
) -> tuple[DeflectionPosterior, ...]:
    """The same from importance draws of the model."""
    rows = resampled(np.arange(len(drawn.weights), dtype=float), drawn.weights).astype(np.int64)
    share = paths.shares(drawn.theta[rows], data)
    return deflections(data, share, rope=rope, level=level, extra={"ess": drawn.ess})


def deflections(
    data: ModelData, share: Floats, *, rope: Rope | None, level: float,
    extra: Mapping[str, Any] | None = None,
) -> tuple[DeflectionPosterior, ...]:  # fmt: skip
    """Deflection of every arm from draws of the ways' shares (draws × arms × ways)."""
    contacts = share @ data.arrays["cost"]
    handled = share @ data.arrays["handled"]
    reading = {"better": "higher", "level": level, "model": "ways a contact can go, jointly",
               **(extra or {})}  # fmt: skip
    out = []
    for k, arm in enumerate(data.order[1:], start=1):
        gross = handled[:, 0] - handled[:, k]
        net = contacts[:, 0] - contacts[:, k]
        out.append(DeflectionPosterior(
            arm=data.arms[arm], gross=draws_posterior(gross, rope=None, **reading),
            net=draws_posterior(net, rope=rope, **reading),
            leakage=_leakage(gross, net, reading),
            moved={
                way: draws_posterior(share[:, k, j] - share[:, 0, j], rope=None, **reading)
                for j, way in enumerate(data.levels)
            },
        ))  # fmt: skip
    return tuple(out)


def _leakage(gross: Floats, net: Floats, reading: dict[str, Any]) -> Posterior | Absent:
    positive = gross > 0
    if positive.mean() < CLEARLY:
        return Absent("no-gross-effect", "There is no clear gross deflection that could leak.")
    leakage = 1 - net[positive] / gross[positive]
    return draws_posterior(leakage, rope=None, **{**reading, "better": "lower"})
