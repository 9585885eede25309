"""What matters, and what would have to be true for the case to be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from analysis.estimates import Absent
from analysis.scaling.assumption import Assumption
from analysis.scaling.model import Model
from analysis.scaling.specs import SPECS
from analysis.tables import Floats

EFFECT = "net_effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of the tornado: net present value at the two ends of one input, others central."""

    name: str
    unit: str
    low: float
    high: float
    npv_low: float
    npv_high: float

    @property
    def swing(self) -> float:
        """How far the net present value moves between the two ends."""
        return abs(self.npv_high - self.npv_low)

    def to_json(self) -> dict[str, Any]:
        """The bar as data."""
        return {
            "name": self.name, "unit": self.unit, "low": self.low, "high": self.high,
            "npv_low": self.npv_low, "npv_high": self.npv_high, "swing": self.swing,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Where the net present value turns, as one input moves and the others stay central.

    ``pays`` says whether it is above £0 while every input is central.
    """

    name: str
    unit: str
    central: float
    breaks_even: float | Absent
    pays: bool

    def to_json(self) -> dict[str, Any]:
        """The threshold as data."""
        at = self.breaks_even
        return {
            "name": self.name, "unit": self.unit, "central": _json(self.central),
            "breaks_even": at.to_json() if isinstance(at, Absent) else at,
        }  # fmt: skip


def tornado(model: Model) -> tuple[Bar, ...]:
    """Every uncertain input, the one that moves the net present value most first.

    The effect moves over its 95% interval, assumptions over their range.
    """
    low, high = np.quantile(model.effect.net, [0.025, 0.975])
    bars = [
        Bar(
            name=EFFECT, unit="contacts per unit", low=float(low), high=float(high),
            npv_low=model.npv_where(net=float(low)), npv_high=model.npv_where(net=float(high)),
        )
    ]  # fmt: skip
    bars += [_bar(model, a) for a in model.assumptions.values() if a.has_range]
    return tuple(sorted(bars, key=lambda bar: (-bar.swing, bar.name)))


def _bar(model: Model, a: Assumption) -> Bar:
    low, high = float(a.low or 0), float(a.high or 0)
    return Bar(
        name=a.name, unit=a.unit, low=low, high=high,
        npv_low=model.npv_where(**{a.name: low}), npv_high=model.npv_where(**{a.name: high}),
    )  # fmt: skip


def thresholds(model: Model, names: Iterable[str] | None = None) -> tuple[Threshold, ...]:
    """The break-even value of the effect and of each uncertain assumption (or of ``names``)."""
    wanted = [n for n, a in model.assumptions.items() if a.has_range] if names is None else names
    pays = float(model.npv_along(None, np.array([model.central_effect]))[0]) > 0
    effect = Threshold(
        name=EFFECT, unit="contacts per unit", central=model.central_effect,
        breaks_even=_effect_threshold(model), pays=pays,
    )  # fmt: skip
    return (effect, *(_threshold(model, model.assumptions[name], pays=pays) for name in wanted))


def _effect_threshold(model: Model) -> float | Absent:
    reach = max(abs(model.central_effect), float(np.std(model.effect.net)), 1e-6) * 100
    return _root(
        lambda at: model.npv_along(None, at), -reach, reach, start=model.central_effect
    )  # fmt: skip


def _threshold(model: Model, a: Assumption, *, pays: bool) -> Threshold:
    spec = SPECS[a.name]
    far = 100 * max(abs(a.value), abs(a.high or 0), 1.0) if math.isfinite(a.value) else 1200.0
    low, high = max(spec.minimum, -far), min(spec.maximum, far)
    start = min(a.value, high)
    at = _root(lambda at: model.npv_along(a.name, at), low, high, start=start)
    return Threshold(name=a.name, unit=a.unit, central=a.value, breaks_even=at, pays=pays)


def _root(
    f: Callable[[Floats], Floats], low: float, high: float, *, start: float
) -> float | Absent:
    """Where ``f`` changes sign, nearest to ``start``: outwards on both sides, then bisection."""
    steps = np.repeat(np.geomspace(1e-3, 1, 40), 2)
    there = start + steps * (np.tile([low, high], 40) - start)
    values = f(np.append(start, there))
    here = float(values[0])
    if here == 0:
        return start
    turned = np.flatnonzero(here * values[1:] <= 0)
    if len(turned) == 0:
        return Absent("never-turns", f"no value from {low:g} to {high:g} turns the result round")
    end = float(there[turned[0]])
    return float(
        optimize.brentq(lambda x: float(f(np.array([x]))[0]), min(start, end), max(start, end))
    )


def _json(value: float) -> float | None:
    return value if math.isfinite(value) else None
