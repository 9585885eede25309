"""Whether a run of the sampler may be believed: the gate between draws and numbers.

R-hat and effective sample sizes after Vehtari et al. (2021), divergences and the energy fraction
of missing information after Betancourt (2016). A run that fails is repeated once with a stated
remedy; one that fails again is withheld.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.bayesian.loading import without_numba
from analysis.bayesian.sampler import Sampled
from analysis.tables import Floats

RHAT, ESS, BFMI = 1.01, 400.0, 0.3
NUISANCE_ESS = 100.0  # parameters that are not reported must have mixed, but need no precision
WATCHED_TOO = ("alpha", "icc", "omega", "sigma")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """The worst of each diagnostic over what is watched, and what failed.

    ``rhat``, ``ess_bulk`` and ``ess_tail`` map every watched quantity to its worst element.
    """

    rhat: Mapping[str, float]
    ess_bulk: Mapping[str, float]
    ess_tail: Mapping[str, float]
    divergences: int
    bfmi: float
    failures: tuple[str, ...]

    @property
    def reliable(self) -> bool:
        """Whether numbers from the run may be shown."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """Plain data for the report."""
        return {
            "rhat": max(self.rhat.values(), default=1.0),
            "ess_bulk": min(self.ess_bulk.values(), default=0.0),
            "ess_tail": min(self.ess_tail.values(), default=0.0),
            "divergences": self.divergences,
            "bfmi": self.bfmi,
            "reliable": self.reliable,
            "failures": list(self.failures),
            "by_quantity": {
                name: {"rhat": self.rhat[name], "ess_bulk": self.ess_bulk[name],
                       "ess_tail": self.ess_tail[name]}
                for name in self.rhat
            },
        }  # fmt: skip


def diagnose(sampled: Sampled, watch: tuple[str, ...]) -> Diagnostics:
    """Diagnostics of the watched quantities, every sd among the parameters included."""
    names = [n for n in sampled.values if n in watch or n in WATCHED_TOO or n.endswith("_sd")]
    found = {name: convergence(sampled.values[name]) for name in names}
    divergences = int(sampled.divergent.sum())
    energy = bfmi(sampled.energy)
    rhat = {name: value[0] for name, value in found.items()}
    bulk = {name: value[1] for name, value in found.items()}
    tail = {name: value[2] for name, value in found.items()}
    return Diagnostics(
        rhat=rhat, ess_bulk=bulk, ess_tail=tail, divergences=divergences, bfmi=energy,
        failures=_failures(rhat, bulk, tail, divergences, energy, watch),
    )  # fmt: skip


def convergence(values: Floats) -> tuple[float, float, float]:
    """The worst R-hat, bulk and tail effective sizes over the elements of one quantity.

    ``values`` is chains × draws × shape. Elements that never move (padding) are left out.
    """
    az = _arviz()
    flat = values.reshape(*values.shape[:2], -1)
    moving = flat[:, :, np.ptp(flat, axis=(0, 1)) > 0]
    if moving.shape[2] == 0:
        return 1.0, float(flat.shape[0] * flat.shape[1]), float(flat.shape[0] * flat.shape[1])
    data = az.convert_to_dataset({"x": moving})
    rhat = np.asarray(az.rhat(data)["x"].values)
    bulk = np.asarray(az.ess(data, method="bulk")["x"].values)
    tail = np.asarray(az.ess(data, method="tail")["x"].values)
    return float(np.max(rhat)), float(np.min(bulk)), float(np.min(tail))


def _arviz() -> Any:
    without_numba()
    import arviz

    return arviz


def bfmi(energy: Floats) -> float:
    """The lowest energy fraction of missing information over the chains (chains × draws)."""
    change = np.mean(np.diff(energy, axis=1) ** 2, axis=1)
    spread = np.var(energy, axis=1)
    return float(np.min(change / np.where(spread > 0, spread, 1.0)))


def _failures(
    rhat: Mapping[str, float], bulk: Mapping[str, float], tail: Mapping[str, float],
    divergences: int, energy: float, watch: tuple[str, ...],
) -> tuple[str, ...]:  # fmt: skip
    out = []
    for name in rhat:
        if not rhat[name] <= RHAT:
            out.append(f"the chains disagree about {name} (R-hat {rhat[name]:.3f} above {RHAT})")
        enough = ESS if name in watch else NUISANCE_ESS
        if not bulk[name] >= enough:
            out.append(f"{name} has only {bulk[name]:.0f} effective draws, {enough:.0f} are needed")
        if not tail[name] >= enough:
            out.append(f"the tails of {name} have only {tail[name]:.0f} effective draws")
    if divergences:
        out.append(f"{divergences} draws diverged, so part of the posterior was not explored")
    if not energy > BFMI:
        out.append(f"the energy diagnostic is {energy:.2f}, above {BFMI} is needed")
    return tuple(out)
