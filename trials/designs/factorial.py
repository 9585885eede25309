"""Factorial arms: several changes tried at once, each answered with all of the units.

Every combination of the factors' levels is an arm of an ordinary design, so that the draw keeps
the combinations even and nothing here draws anything. A main effect then compares all arms at one
level of a factor with all arms at another, averaged evenly over the other factors (Collins, Dziak
& Li 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trials.definition.model import Arm
from trials.designs.tickets import Floats
from trials.errors import NotFound


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that is changed. The first level is how things are today: the control's."""

    key: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Factorial:
    """Factors, sorted by key, and the level of each in every arm (``cells``, in arm order)."""

    factors: tuple[Factor, ...]
    cells: tuple[tuple[str, ...], ...]

    def main_effect(self, factor: str, level: str) -> Floats:
        """Weights of the arms' means whose sum is the effect of ``level`` against the first."""
        i = self._index(factor)
        others = len(self.cells) // len(self.factors[i].levels)
        first = self.factors[i].levels[0]
        return np.array([((c[i] == level) - (c[i] == first)) / others for c in self.cells])

    def interaction(self, one: tuple[str, str], other: tuple[str, str]) -> Floats:
        """Weights whose sum is how much the effect of ``one`` differs by ``other``.

        Each is a factor and its level; the difference is between the effect of ``one`` at
        ``other``'s level and at that factor's first level.
        """
        i, j = self._index(one[0]), self._index(other[0])
        first = [self.factors[f].levels[0] for f in (i, j)]
        sizes = [len(self.factors[f].levels) for f in (i, j)]
        others = len(self.cells) // (sizes[0] * sizes[1])
        signs = [
            ((c[i] == one[1]) - (c[i] == first[0])) * ((c[j] == other[1]) - (c[j] == first[1]))
            for c in self.cells
        ]
        return np.array(signs, float) / others

    def _index(self, factor: str) -> int:
        for i, known in enumerate(self.factors):
            if known.key == factor:
                return i
        keys = ", ".join(known.key for known in self.factors)
        raise NotFound(f"there is no factor {factor}", f"use one of {keys}")


def factorial_of(arms: Sequence[Arm]) -> Factorial | None:
    """The factors that the arms' ``levels`` cross; ``None`` where the arms have none.

    The arms keep the rules of :mod:`trials.definition.rules`: all name the same factors.
    """
    if not arms or not all(arm.levels for arm in arms):
        return None
    first = next((arm for arm in arms if arm.control), arms[0])
    ordered = [first, *(arm for arm in arms if arm is not first)]
    factors = tuple(
        Factor(key, tuple(dict.fromkeys(arm.levels[key] for arm in ordered)))
        for key in sorted(first.levels)
    )
    cells = tuple(tuple(arm.levels[factor.key] for factor in factors) for arm in arms)
    return Factorial(factors, cells)
