"""How a trial's error is spent over its looks: functions of the information gathered so far.

A spending function says how much of the error rate may have been used by the time a share ``t`` of
the planned information is in (Lan and DeMets 1983). It is a cumulative rate, never a level at
which a p-value may be judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

Kind = Literal["obrien-fleming", "pocock", "power", "hwang-shih-decani"]


@dataclass(frozen=True, slots=True)
class Spending:
    """One family and its parameter.

    * ``obrien-fleming``: 2 − 2Φ(z(α/2)/√t), almost nothing early (Lan and DeMets 1983);
    * ``pocock``: α·ln(1 + (e − 1)t), about evenly (the same);
    * ``power``: α·t^parameter (Kim and DeMets 1987); 1 is even, 3 close to O'Brien–Fleming;
    * ``hwang-shih-decani``: α·(1 − e^(−γt))/(1 − e^(−γ)) with γ the parameter (1990).
    """

    kind: Kind = "obrien-fleming"
    parameter: float = 2.0

    def __post_init__(self) -> None:
        """Refuse a parameter for which the function does not grow from 0 to alpha."""
        if self.kind == "power" and not self.parameter > 0:
            raise ValueError("the power of a spending function must be above 0")

    def spent(self, fraction: float, alpha: float) -> float:
        """How much of ``alpha`` (one side's) may be used by ``fraction`` of the information."""
        t = min(max(fraction, 0.0), 1.0)
        return alpha * t if t in (0.0, 1.0) else float(_SHAPES[self.kind](t, alpha, self.parameter))


def _obrien_fleming(t: float, alpha: float, _: float) -> float:
    return float(2 * special.ndtr(special.ndtri(alpha / 2) / np.sqrt(t)))


def _pocock(t: float, alpha: float, _: float) -> float:
    return float(alpha * np.log1p((np.e - 1) * t))


def _power(t: float, alpha: float, power: float) -> float:
    return float(alpha * t**power)


def _hwang_shih_decani(t: float, alpha: float, gamma: float) -> float:
    if gamma == 0:
        return alpha * t
    return float(alpha * np.expm1(-gamma * t) / np.expm1(-gamma))


_SHAPES: dict[Kind, Callable[[float, float, float], float]] = {
    "obrien-fleming": _obrien_fleming,
    "pocock": _pocock,
    "power": _power,
    "hwang-shih-decani": _hwang_shih_decani,
}

OBRIEN_FLEMING = Spending()
"""The default: the bound of a last look stays close to that of a trial without looks."""
