"""What every design over a list shares: the roster that goes in, the allocation that comes out.

A design owns its draw and its redraw: the same object assigns the units, draws again for
randomisation inference and draws again for power simulation, so that the analysis always
re-runs the very mechanism that ran.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from trials.designs.tickets import Floats, Ints
from trials.errors import Invalid, Problem

HELD_OUT = -1
"""The arm code of a unit kept out of every arm."""

JOIN = "\x1f"
"""Joins the levels of a stratum into one label (the ASCII unit separator)."""

Redraw: TypeAlias = Callable[[np.random.Generator], Ints]
"""Draws once more; arm codes in the order of the allocation's units."""


@dataclass(frozen=True, slots=True)
class Roster:
    """The eligible units of a list, in file order.

    ``strata`` holds for each unit its levels of the stratifying columns, ``clusters`` what it is
    randomised with, ``covariates`` further columns that pairing or minimisation balances.
    """

    keys: Sequence[str]
    strata: Sequence[tuple[str, ...]] | None = None
    clusters: Sequence[str] | None = None
    covariates: Mapping[str, Sequence[str] | Sequence[float]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who got what. Every array has one entry for each unit, in the roster's order.

    Attributes:
        arm: index into ``arms``; -1 for a unit held out of every arm.
        stratum: index into ``strata``; all 0 where the design has no strata.
        cluster: index of the unit's cluster; each unit its own where the design has none.
        position: the unit's (or its cluster's) place in the design's own order, which a redraw
            needs and which does not depend on the file's order.
        probability: the chance the unit had of what it got: its arm's share of the weights, or
            the holdout's share of all units.
        block: number of the permuted block; None where the design has none.
        arms: the arms' keys, in the order of the trial file.
        strata: the strata's levels, sorted.
    """

    arm: Ints
    stratum: Ints
    cluster: Ints
    position: Ints
    probability: Floats
    block: Ints | None
    arms: tuple[str, ...]
    strata: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.arm)

    def counts(self) -> dict[str, int]:
        """Units in each arm."""
        tally = np.bincount(self.arm[self.arm >= 0], minlength=len(self.arms))
        return {arm: int(n) for arm, n in zip(self.arms, tally, strict=True)}

    @property
    def held_out(self) -> int:
        """Units kept out of every arm."""
        return int((self.arm == HELD_OUT).sum())


def recorded(
    arm: Ints,
    *,
    arms: tuple[str, ...],
    shares: Sequence[float],
    stratum: Ints | None = None,
    cluster: Ints | None = None,
    position: Ints | None = None,
) -> Allocation:
    """An allocation read back from the store, ready to be drawn again.

    Args:
        arm: arm codes, -1 for the holdout.
        arms: the arms' keys.
        shares: the arms' weights.
        stratum: stratum codes, if the design has strata.
        cluster: cluster codes, if it has clusters.
        position: as stored at the draw; the array's own order where it was not stored.
    """
    n = len(arm)
    zero, own = np.zeros(n, np.int64), np.arange(n, dtype=np.int64)
    stratum = zero if stratum is None else stratum
    share = np.append(np.asarray(shares, float) / np.sum(shares), np.mean(arm == HELD_OUT))
    levels = tuple((str(code),) for code in range(int(stratum.max(initial=0)) + 1))
    return Allocation(
        arm=arm,
        stratum=stratum,
        cluster=own if cluster is None else cluster,
        position=own if position is None else position,
        probability=share[arm],
        block=None,
        arms=arms,
        strata=levels,
    )


class ListDesign(Protocol):
    """A way to allocate a list of units to arms."""

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms' keys; arm codes index this."""

    def draw(self, roster: Roster, *, seed: int, trial: str) -> Allocation:
        """Allocate every unit; the same seed, trial and units give the same result.

        Raises:
            Invalid: the roster cannot be drawn; every problem is listed.
        """

    def redraws(self, allocation: Allocation) -> Redraw:
        """A function that draws again, with everything that stays the same done once."""

    def redraw(self, allocation: Allocation, rng: np.random.Generator) -> Ints:
        """Arm codes of the same units under a fresh draw of the same mechanism.

        Units held out stay held out: inference is among those who were in the draw.
        """

    def probabilities(self, allocation: Allocation) -> Floats:
        """Each unit's chance of each arm (units × arms); all 0 for a unit held out."""


def factorise(values: Sequence[str]) -> tuple[list[str], Ints]:
    """The distinct ``values`` in code-point order, and for each value its index among them."""
    labels = sorted(set(values))
    index = {label: i for i, label in enumerate(labels)}
    return labels, np.fromiter((index[v] for v in values), np.int64, len(values))


def check(roster: Roster, *, strata: bool, clusters: bool) -> None:
    """Refuse a roster that cannot be drawn. Rows are counted from 1; no key is repeated.

    Raises:
        Invalid: it is empty, a unit is nameless or there twice, or a column is missing.
    """
    problems = _shape(roster, strata=strata, clusters=clusters) or _keys(roster.keys)
    if clusters and roster.clusters is not None and not problems:
        problems = [
            Problem(f"row {i}", "has no cluster", "give every unit the cluster it belongs to")
            for i, cluster in enumerate(roster.clusters, 1)
            if not cluster.strip()
        ]
    if problems:
        raise Invalid("the units cannot be drawn", problems)


def _shape(roster: Roster, *, strata: bool, clusters: bool) -> list[Problem]:
    if not len(roster):
        return [Problem("units", "there are none", "check the list and the exclusions")]
    needed = [(strata, roster.strata, "strata"), (clusters, roster.clusters, "clusters")]
    return [
        Problem(what, "do not cover the list", "each unit needs a value")
        for wanted, column, what in needed
        if wanted and (column is None or len(column) != len(roster))
    ]


def _keys(keys: Sequence[str]) -> list[Problem]:
    if len(set(keys)) == len(keys) and "" not in set(keys):
        return []
    problems, first = [], dict[str, int]()
    for row, key in enumerate(keys, 1):
        if not key:
            problems.append(Problem(f"row {row}", "has no unit", "name every unit"))
        elif key in first:
            says = f"is the same unit as row {first[key]}"
            problems.append(Problem(f"row {row}", says, "list each unit once"))
        else:
            first[key] = row
    return problems
