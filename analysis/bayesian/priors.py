"""Priors on the absolute effect, and the standard set every result is checked against.

A plan states one normal prior on the difference treatment minus control of its primary metric, in
the metric's own units. Every model of this room puts exactly that prior on exactly that
difference, whatever scale its likelihood works on (:mod:`analysis.bayesian.models.base`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Better = Literal["lower", "higher"]


class NormalPrior(Protocol):
    """Anything with a mean and a standard deviation, such as the plan's ``Prior``."""

    @property
    def mean(self) -> float:
        """Where the prior is centred."""
        ...

    @property
    def sd(self) -> float:
        """How wide it is; infinite means flat."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPrior:
    """A normal prior on an absolute effect.

    ``sd`` may be infinite (flat). ``label`` says which prior it is (planned, flat, sceptical,
    enthusiastic, informed) and ``source`` where it came from.
    """

    mean: float = 0.0
    sd: float = 0.02
    label: str = "planned"
    source: str = ""

    def __post_init__(self) -> None:
        """Refuse a prior that is not a distribution."""
        if not math.isfinite(self.mean) or math.isnan(self.sd) or self.sd <= 0:
            raise ValueError("a prior needs a finite mean and an sd above 0")

    @property
    def flat(self) -> bool:
        """Whether the prior says nothing."""
        return math.isinf(self.sd)

    @property
    def precision(self) -> float:
        """One over the variance; zero for a flat prior."""
        return 0.0 if self.flat else 1 / self.sd**2

    def to_json(self) -> dict[str, Any]:
        """``mean``, ``sd`` (``null`` when flat), ``label`` and ``source``."""
        sd = None if self.flat else self.sd
        return {"mean": self.mean, "sd": sd, "label": self.label, "source": self.source}

    def says(self) -> str:
        """The prior in Unicode mathematics, as in ``δ ~ Normal(0, 0.02)``."""
        return "δ ~ flat" if self.flat else f"δ ~ Normal({self.mean:g}, {self.sd:g})"


def effect_prior(prior: NormalPrior, *, label: str = "planned", source: str = "") -> EffectPrior:
    """``prior`` as an :class:`EffectPrior`; one that already is keeps its label and source."""
    if isinstance(prior, EffectPrior):
        return prior
    return EffectPrior(mean=prior.mean, sd=prior.sd, label=label, source=source)


def sceptical(prior: NormalPrior) -> EffectPrior:
    """Centred on no effect and half as wide as the plan's prior."""
    return EffectPrior(
        mean=0.0, sd=prior.sd / 2, label="sceptical", source="no effect, half the plan's sd"
    )


def flat() -> EffectPrior:
    """The prior that says nothing: the data speak alone."""
    return EffectPrior(mean=0.0, sd=math.inf, label="flat", source="the data alone")


def enthusiastic(prior: NormalPrior, *, better: Better, mde: float | None = None) -> EffectPrior:
    """Centred on the effect the plan was powered for, in the good direction.

    Its sd leaves a 5% chance of no effect or harm (Spiegelhalter, Freedman & Parmar 1994), so it
    is the belief of somebody who wanted the trial to be run. Without a planned effect the plan's
    prior sd stands in for it.
    """
    size = abs(mde) if mde else prior.sd
    mean = -size if better == "lower" else size
    return EffectPrior(
        mean=mean, sd=size / _Z95, label="enthusiastic", source="centred on the planned effect"
    )


_Z95 = 1.6448536269514722
