"""The posterior of gross and net deflection together: sampled, or from the joint estimate at once.

Where the joint model of the ways a contact can go was fitted and stands, its draws are used. Where
it was not (clusters, no sampling), gross and net are jointly normal about their estimates, with
the covariance that the same people give them, and the plan's prior is on net (net is what the
prior speaks of; gross moves with it as far as the two go together).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.bayesian.document import density
from analysis.bayesian.posterior import Posterior, draws_posterior, effect_posterior
from analysis.bayesian.priors import EffectPrior
from analysis.contrast import Contrast, compare
from analysis.deflection import DeflectionTables
from analysis.estimates import Absent
from analysis.fitting import DEFLECTION, Answer, deflection_prior
from analysis.tables import Floats
from trials.definition.model import Trial

SIZE = 4000
CLEARLY = 0.95
JOINT = "gross and net jointly normal about their estimates, the plan's prior on net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One arm's deflection per unit: draws of net and gross that belong together row by row."""

    arm: str
    net: Floats
    gross: Floats
    level: float
    model: str
    sampled: bool
    moved: dict[str, Any]
    prior: EffectPrior
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Posteriors and densities of gross, net and leakage."""
        reading: dict[str, Any] = {"rope": None, "level": self.level, "model": self.model}
        net = draws_posterior(self.net, better="higher", prior=self.prior, **reading)
        gross = draws_posterior(self.gross, better="higher", **reading)
        leakage = self._leakage(reading)
        return {
            "arm": self.arm, "sampled": self.sampled, "model": self.model,
            "net": net.to_json(), "gross": gross.to_json(), "leakage": leakage.to_json(),
            "densities": {"net": density(net), "gross": density(gross)},
            "moved": self.moved, "notes": list(self.notes),
        }  # fmt: skip

    def _leakage(self, reading: dict[str, Any]) -> Posterior | Absent:
        clear = self.gross > 0
        if clear.mean() < CLEARLY:
            why = "There is no clear gross deflection that could leak."
            return Absent("no-gross-effect", why)
        ratio = 1 - self.net[clear] / self.gross[clear]
        return draws_posterior(ratio, better="lower", **reading)


def saved(
    trial: Trial, tables: DeflectionTables | Absent, answers: Sequence[Answer], *, seed: int
) -> tuple[Saved, ...]:
    """Every arm's deflection; none where the plan does not look at contacts.

    A joint model that was fitted and is not reliable gives nothing: its numbers are withheld.
    """
    if isinstance(tables, Absent):
        return ()
    level = 1 - trial.analysis.alpha
    model = next((a for a in answers if a.job.name == DEFLECTION), None)
    if model is not None and model.absent is not None and model.absent.code == "not-reliable":
        return ()
    rng, out = np.random.default_rng(seed), []
    for arm in tables.joint.arms:
        if arm == trial.control.key:
            continue
        made = _sampled(trial, model, arm, level) or _normal(trial, tables, arm, level, rng, model)
        if made is not None:
            out.append(made)
    return tuple(out)


def _sampled(trial: Trial, model: Answer | None, arm: str, level: float) -> Saved | None:
    if model is None or not model.usable or f"net/{arm}" not in model.draws:
        return None
    told = next(d for d in model.document["deflection"] if d["arm"] == arm)
    return Saved(
        arm=arm, net=model.draws[f"net/{arm}"].ravel(), gross=model.draws[f"gross/{arm}"].ravel(),
        level=level, model=told["net"]["model"], sampled=True, moved=told["moved"],
        prior=_mirrored(trial), notes=tuple(told["net"].get("notes", ())),
    )  # fmt: skip


def _mirrored(trial: Trial) -> EffectPrior:
    """The plan's prior on contacts added, as one on contacts saved."""
    prior = deflection_prior(trial)
    return EffectPrior(mean=-prior.mean, sd=prior.sd, label=prior.label, source=prior.source)


def _normal(
    trial: Trial, tables: DeflectionTables, arm: str, level: float, rng: np.random.Generator,
    model: Answer | None,
) -> Saved | None:  # fmt: skip
    contrast = compare(tables.joint, arm)
    if isinstance(contrast, Absent):
        return None
    net = contrast.difference("net", level=level)
    gross = contrast.difference("gross", level=level)
    if isinstance(net, Absent) or isinstance(gross, Absent) or not net.se or not gross.se:
        return None
    prior = _mirrored(trial)
    made = effect_posterior(net.estimate, net.se, prior=prior, better="higher", df=net.df)
    if isinstance(made, Absent):
        return None
    draws = made.sample(SIZE, rng)
    slope, rest = _regression(contrast, net.se, gross.se)
    beside = gross.estimate + slope * (draws - net.estimate) + rest * rng.normal(size=SIZE)
    notes = (model.absent.why,) if model is not None and model.absent is not None else ()
    return Saved(arm=arm, net=draws, gross=beside, level=level, model=JOINT, sampled=False,
                 moved={}, prior=prior, notes=notes)  # fmt: skip


def _regression(contrast: Contrast, net_se: float, gross_se: float) -> tuple[float, float]:
    """The slope of gross on net among repetitions of the trial, and the sd that is left."""
    a, b = contrast.fewer({"gross": 1.0}), contrast.fewer({"net": 1.0})
    covariance = float(a @ contrast.covariance @ b)
    slope = covariance / net_se**2
    return slope, math.sqrt(max(gross_se**2 - slope * covariance, 0.0))
