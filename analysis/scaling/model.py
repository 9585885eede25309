"""The value of rolling out as a function of the effect and of every assumption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.scaling.appraisal import Appraisal, appraise
from analysis.scaling.assumption import Assumption
from analysis.scaling.benefits import Effect, Stream, needed, stream
from analysis.scaling.register import Register, central, draw
from analysis.tables import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A register, an effect and the assumptions they rest on, ready to be evaluated anywhere."""

    register: Register
    effect: Effect
    assumptions: Mapping[str, Assumption]
    years: int

    @classmethod
    def of(cls, register: Register, effect: Effect) -> Model:
        """The model; :class:`~trials.errors.Invalid` names every missing assumption."""
        names = (*needed(register, effect), "horizon_years")
        assumptions = register.resolve(names)
        years = int(assumptions["horizon_years"].value)
        return cls(register=register, effect=effect, assumptions=assumptions, years=years)

    def values(self, *, size: int, seed: int) -> dict[str, Floats]:
        """Draws of every assumption."""
        return draw(self.assumptions, size=size, seed=seed)

    def flows(self, net: Floats, v: Mapping[str, Floats]) -> Stream:
        """The stream where the net effect is ``net``."""
        effect = self.effect if net is self.effect.net else self.effect.at(net)
        return stream(self.register, effect, v, years=self.years)

    def appraise(self, net: Floats, v: Mapping[str, Floats]) -> Appraisal:
        """The appraisal where the net effect is ``net``."""
        return appraise(self.flows(net, v), v["discount_rate"])

    def npv_along(self, name: str | None, at: Floats) -> Floats:
        """Net present value along values of one assumption (``None``: the effect), rest central."""
        v = central(self.assumptions)
        if name is None:
            return self.appraise(at, v).npv
        net = np.full(len(at), self.central_effect)
        return self.appraise(net, v | {name: at}).npv

    def npv_where(self, *, net: float | None = None, **changed: float) -> float:
        """Net present value with everything central but the effect or assumptions ``changed``."""
        at = np.array([self.central_effect if net is None else net])
        v = central(self.assumptions) | {k: np.array([x]) for k, x in changed.items()}
        return float(self.appraise(at, v).npv[0])

    @property
    def central_effect(self) -> float:
        """The posterior median of the net effect."""
        return float(np.median(self.effect.net))
