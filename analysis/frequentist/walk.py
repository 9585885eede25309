"""The score process between looks: Armitage, McPherson and Rowe's recursion.

At a share ``t`` of the planned information the test statistic is Z(t) = S(t)/√t, where S has
independent normal increments with mean drift·Δt and variance Δt. What is carried from look to look
is the density of S on the paths that have not stopped (Armitage, McPherson and Rowe 1969; Jennison
and Turnbull 2000, chapter 19), held at Gauss–Legendre nodes of the continuing region, where it is
smooth, so the integrals are exact to about 1e-12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

Floats = npt.NDArray[np.float64]

REACH = 9.0
"""Standard deviations beyond which a path is not followed (2e-19 of them)."""
NODES_PER_STEP = 3.0
FEWEST_NODES, MOST_NODES = 96, 3000


@dataclass(frozen=True, slots=True)
class Walk:
    """Paths still going at information ``t``: score values ``s`` and the probability at each."""

    t: float
    s: Floats
    mass: Floats
    drift: float
    narrowest: float

    def above(self, t: float, z: float) -> float:
        """The chance of going on to ``t`` and finding Z(t) at or above ``z``."""
        step = t - self.t
        return float(
            self.mass @ special.ndtr((self.s + self.drift * step - z * np.sqrt(t)) / np.sqrt(step))
        )

    def below(self, t: float, z: float) -> float:
        """The chance of going on to ``t`` and finding Z(t) at or below ``z``."""
        step = t - self.t
        return float(
            self.mass @ special.ndtr((z * np.sqrt(t) - self.s - self.drift * step) / np.sqrt(step))
        )

    def onward(self, t: float, low: float, high: float) -> Walk:
        """The paths that reach ``t`` with ``low`` < Z(t) < ``high``."""
        step, root = t - self.t, np.sqrt(t)
        middle = self.drift * t
        start = max(low * root, middle - REACH * root)
        end = min(high * root, middle + REACH * root)
        if not start < end:
            return Walk(t, np.zeros(1), np.zeros(1), self.drift, self.narrowest)
        count = int(np.ceil(NODES_PER_STEP * (end - start) / np.sqrt(self.narrowest)))
        x, w = _legendre(min(max(count, FEWEST_NODES), MOST_NODES))
        s = 0.5 * (end - start) * x + 0.5 * (end + start)
        apart = (s[:, None] - self.s[None, :] - self.drift * step) / np.sqrt(step)
        density = np.exp(-0.5 * apart**2) @ self.mass / np.sqrt(2 * np.pi * step)
        return Walk(t, s, 0.5 * (end - start) * w * density, self.drift, self.narrowest)


def start(fractions: Sequence[float], drift: float = 0.0) -> Walk:
    """All paths before the first look.

    Raises:
        ValueError: the looks are not at increasing shares of the information above nought.
    """
    steps = np.diff(np.concatenate([[0.0], np.asarray(fractions, float)]))
    if len(steps) == 0 or np.any(~(steps > 0)):
        raise ValueError("looks must be at increasing shares of the information, above nought")
    return Walk(0.0, np.zeros(1), np.ones(1), drift, float(steps.min()))


@dataclass(frozen=True, slots=True)
class Crossing:
    """The chance of first crossing the upper or the lower bound at each look."""

    upper: tuple[float, ...]
    lower: tuple[float, ...]

    @property
    def total(self) -> float:
        """The chance of crossing either at any look."""
        return sum(self.upper) + sum(self.lower)


def crossing(
    fractions: Sequence[float],
    upper: Sequence[float],
    lower: Sequence[float] | None = None,
    *,
    drift: float = 0.0,
) -> Crossing:
    """Where paths first leave the bounds.

    Args:
        fractions: the share of information at each look.
        upper: bounds on Z from above; infinite where there is none.
        lower: bounds from below; ``None`` for none.
        drift: the mean of Z at full information (0: no effect).
    """
    floor = [-np.inf] * len(upper) if lower is None else list(lower)
    walk, up, down = start(fractions, drift), [], []
    for t, high, low in zip(fractions, upper, floor, strict=True):
        up.append(walk.above(t, high) if np.isfinite(high) else 0.0)
        down.append(walk.below(t, low) if np.isfinite(low) else 0.0)
        walk = walk.onward(t, low, high)
    return Crossing(tuple(up), tuple(down))


_CACHE: dict[int, tuple[Floats, Floats]] = {}


def _legendre(count: int) -> tuple[Floats, Floats]:
    """Gauss–Legendre nodes, kept, in steps of 32 so that few sizes are ever computed."""
    size = -(-count // 32) * 32
    if size not in _CACHE:
        _CACHE[size] = np.polynomial.legendre.leggauss(size)
    return _CACHE[size]
