"""Factorial arms: several changes tried at once, each answered with all of the units.

Every combination of the factors' levels is an arm of an ordinary design, so that the draw keeps
the combinations even. A main effect then compares all arms at one level of a factor with all arms
at another, averaged evenly over the other factors (Collins, Dziak & Li 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from trials.designs.tickets import Floats, Ints
from trials.errors import NotFound


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing that is changed. The first level is how things are today."""

    key: str
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Factorial:
    """The arms made by crossing factors; the first arm has every factor at its first level."""

    factors: tuple[Factor, ...]

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The combinations of levels, the last factor changing fastest."""
        return tuple(product(*(factor.levels for factor in self.factors)))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms' keys: the levels joined by dashes."""
        return tuple("-".join(cell) for cell in self.cells)

    def levels(self, arm: Ints, factor: str) -> Ints:
        """The level of ``factor`` that each arm code stands for; -1 stays -1."""
        i = self._index(factor)
        of_cell = [self.factors[i].levels.index(cell[i]) for cell in self.cells]
        return np.append(np.array(of_cell, np.int64), -1)[arm]

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
        raise NotFound(f"there is no factor {factor}", f"use one of {_keys(self.factors)}")


def _keys(factors: Sequence[Factor]) -> str:
    return ", ".join(factor.key for factor in factors)
