"""Matched pairs (or larger sets): for few clusters, put like beside like and draw within.

Sets of K, the sum of the weights' whole-number ratio, are built on the Mahalanobis distance of the
covariates: from the most remote entry still unmatched and its nearest neighbours, and then by
exchanging two entries wherever that lowers the sum of distances within sets, until nothing does
(greedy matching with exchange; Moore 2012 on blocking before randomisation). The draw then gives
every set its exact shares (:mod:`trials.designs.blocks`, the sets being the strata). Matching uses
no chance and no file order: entries are taken by key.

Source for pairing few clusters: Imai, King & Nall (2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trials.designs.base import Allocation, Redraw, Roster, check, factorise
from trials.designs.blocks import Blocked
from trials.designs.tickets import Floats, Ints
from trials.errors import Invalid, Problem

MOST = 2000
"""Entries that can be matched; beyond that, strata do as well."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Allocation within matched sets of units or, where ``clustered``, of whole clusters."""

    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    clustered: bool = False

    def draw(self, roster: Roster, *, seed: int, trial: str) -> Allocation:
        """See :class:`trials.designs.base.ListDesign`. All of the roster's covariates count."""
        check(roster, strata=False, clusters=self.clustered)
        keys = roster.clusters if self.clustered and roster.clusters else roster.keys
        names, of_unit = factorise(keys)
        first = np.unique(of_unit, return_index=True)[1]
        if len(names) > MOST or not roster.covariates:
            says = f"{len(names):,} are too many" if roster.covariates else "no covariate is given"
            remedy = "stratify instead" if roster.covariates else "name the columns to match on"
            raise Invalid("the units cannot be matched", [Problem("matching", says, remedy)])
        sets = match(_matrix(roster, first), sum(self.ratio))
        width = len(str(sets.max()))
        strata = [(f"set-{code + 1:0{width}d}",) for code in sets[of_unit].tolist()]
        within = Roster(roster.keys, strata, roster.clusters)
        return self._blocked().draw(within, seed=seed, trial=trial)

    def redraws(self, allocation: Allocation) -> Redraw:
        """See :class:`trials.designs.base.ListDesign`. The sets stay: no chance made them."""
        return self._blocked().redraws(allocation)

    def redraw(self, allocation: Allocation, rng: np.random.Generator) -> Ints:
        """See :class:`trials.designs.base.ListDesign`."""
        return self.redraws(allocation)(rng)

    def probabilities(self, allocation: Allocation) -> Floats:
        """See :class:`trials.designs.base.ListDesign`."""
        return self._blocked().probabilities(allocation)

    def _blocked(self) -> Blocked:
        return Blocked(self.arms, self.ratio, stratified=True, clustered=self.clustered)


def match(covariates: Floats, size: int) -> Ints:
    """The set of each entry; sets of ``size``, the last one smaller if it does not divide.

    Args:
        covariates: entries × columns.
        size: entries in a set, 2 for pairs.
    """
    distance = mahalanobis(covariates)
    return _exchange(distance, _greedy(distance, size))


def mahalanobis(covariates: Floats) -> Floats:
    """The distances between all entries in units of the covariates' joint spread."""
    centred = covariates - covariates.mean(axis=0)
    spread = np.linalg.pinv(np.atleast_2d(np.cov(centred, rowvar=False)), hermitian=True)
    inner = centred @ spread @ centred.T
    own = np.diag(inner)
    squared = own[:, None] + own[None, :] - 2 * inner
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)), np.float64)


def _greedy(distance: Floats, size: int) -> Ints:
    remote = np.argsort(-distance.mean(axis=1), kind="stable")
    sets, free = np.full(len(distance), -1, np.int64), np.ones(len(distance), np.bool_)
    number = 0
    for entry in remote:
        if free[entry]:
            near = np.argsort(np.where(free, distance[entry], np.inf), kind="stable")
            taken = [entry, *(i for i in near if i != entry and free[i])][:size]
            sets[taken], free[taken] = number, False
            number += 1
    return sets


def _exchange(distance: Floats, sets: Ints) -> Ints:
    """Swap the two entries whose exchange helps most, until none helps."""
    sets = sets.copy()
    member = np.zeros((len(sets), sets.max() + 1))
    member[np.arange(len(sets)), sets] = 1.0
    to_set = distance @ member
    own = to_set[np.arange(len(sets)), sets]
    for _ in range(20 * len(sets)):
        gain = to_set[:, sets] - own[:, None]
        change = gain + gain.T - 2 * distance
        change[sets[:, None] == sets[None, :]] = 0.0
        i, j = np.unravel_index(np.argmin(change), change.shape)
        if change[i, j] > -1e-9:
            break
        a, b = sets[i], sets[j]
        shift = distance[:, j] - distance[:, i]
        to_set[:, a] += shift
        to_set[:, b] -= shift
        sets[i], sets[j] = b, a
        own = to_set[np.arange(len(sets)), sets]
    return sets


def _matrix(roster: Roster, first: Ints) -> Floats:
    """The covariates of each entry: numbers as they are, texts as one column a level."""
    columns = [
        column
        for name, values in roster.covariates.items()
        for column in _columns(name, [values[i] for i in first.tolist()])
    ]
    return np.column_stack(columns)


def _columns(name: str, values: Sequence[str | float]) -> list[Floats]:
    texts = [str(value).strip() for value in values]
    if "" in texts:
        says = f"has no value in row {texts.index('') + 1} of the entries by key"
        raise Invalid("the units cannot be matched", [Problem(f"column {name}", says)])
    try:
        return [np.array([float(text) for text in texts])]
    except ValueError:
        levels, codes = factorise(texts)
        return [(codes == level).astype(float) for level in range(len(levels))]
