"""Shrunk effects by segment level, at once from the levels' estimates.

Each level's effect is pulled towards the average of all levels by as much as their differences can
be chance. One arm at a time, so with several arms the sampled binomial model, which fits them
jointly, is the answer of record for rates and this the preview; for other outcomes it is the
answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.bayesian.pooling import Finding, Pooled, pool
from analysis.bayesian.posterior import Posterior, Rope
from analysis.bayesian.priors import Better, NormalPrior
from analysis.estimates import Absent, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """One arm's effects by level, raw estimates beside posteriors, and how much levels differ.

    ``tau`` is the posterior mean of the sd of the effect between levels.
    """

    raw: Mapping[str, Estimate | Absent]
    levels: Mapping[str, Posterior | Absent]
    average: Posterior
    tau: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data: one row a level, raw beside shrunk."""
        return {
            "levels": [
                {"level": name, "raw": self.raw[name].to_json(), "shrunk": posterior.to_json()}
                for name, posterior in self.levels.items()
            ],
            "average": self.average.to_json(), "tau": self.tau, "notes": list(self.notes),
        }  # fmt: skip


def shrunk_effects(
    estimates: Mapping[str, Estimate | Absent],
    *,
    prior: NormalPrior,
    better: Better,
    rope: Rope | None = None,
    level: float = 0.95,
    tau_scale: float | None = None,
) -> Shrunk | Absent:
    """Shrink the effects of a segment's levels towards each other.

    ``prior`` is the plan's, on the average effect; the sd between levels is half-normal with
    ``tau_scale`` (half the prior's sd without one). A level without an estimate stays absent.
    """
    findings = [
        Finding(trial=name, estimate=e.estimate, se=e.se)
        for name, e in estimates.items()
        if isinstance(e, Estimate) and e.se is not None and e.se > 0
    ]
    if len(findings) < 2:
        return Absent("too-few-levels", "Fewer than two levels have an estimate to shrink.")
    pooled = pool(findings, prior=prior, tau_scale=tau_scale)
    if isinstance(pooled, Absent):
        return pooled
    reading: dict[str, Any] = {
        "better": better, "rope": rope, "level": level,
        "model": "levels' effects normal about a common mean (grid)",
    }  # fmt: skip
    return Shrunk(
        raw=estimates, levels=_levels(estimates, pooled, reading),
        average=pooled.average.posterior(**reading), tau=pooled.tau_mean,
        notes=pooled_notes(pooled),
    )  # fmt: skip


def _levels(
    estimates: Mapping[str, Estimate | Absent], pooled: Pooled, reading: dict[str, Any]
) -> dict[str, Posterior | Absent]:
    found = {
        f.trial: mixture.posterior(**reading)
        for f, mixture in zip(pooled.findings, pooled.trials, strict=True)
    }
    out: dict[str, Posterior | Absent] = {}
    for name, estimate in estimates.items():
        why = estimate if isinstance(estimate, Absent) else _NO_SE
        out[name] = found.get(name, why)
    return out


def pooled_notes(pooled: Pooled) -> tuple[str, ...]:
    """A word where the levels are too few to learn their spread."""
    if len(pooled.findings) < 5:
        return ("With fewer than five levels the amount of shrinkage rests mostly on the prior.",)
    return ()


_NO_SE = Absent("no-standard-error", "There is no usable standard error.")
