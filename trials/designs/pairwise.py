"""Drawing again between two of several arms, everybody else's arm as it was.

A difference between two arms says nothing about what a third does, so where there are three a
full redraw, which gives people of the third one of the two, tests more than was asked. Given who
is in the other arms, and how many of each arm a block holds, every way to share the two arms among
the block's other units is equally likely: that draw is exact for the pair's own null hypothesis.

The sizes of permuted blocks are not stored. They are drawn once from what they can have been,
given everybody's arm (by Bayes' rule, each size equally likely before): given any such sizes the
shares within are as likely as those seen, so the test stays exact whichever were drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations

import numpy as np

from trials.designs.base import Redraw
from trials.designs.blocks import BLOCK_SIZES, SMALLEST_BLOCK
from trials.designs.tickets import Ints

MOST_ARMS = 6
"""With more arms than this the odds of a cut block's shares take too long to list."""


def within(groups: Ints, arm: Ints, pair: tuple[int, int]) -> Redraw:
    """A function that shares the pair's arms out anew among its units, group by group."""
    rows = np.flatnonzero(np.isin(arm, pair))
    rows = rows[np.argsort(groups[rows], kind="stable")]
    given, group = arm[rows], groups[rows]

    def redraw(rng: np.random.Generator) -> Ints:
        again = arm.copy()
        again[rows] = given[np.lexsort((rng.random(len(rows)), group))]
        return again

    return redraw


def blocks(arm: Ints, ratio: Sequence[int], rng: np.random.Generator, *, cut: bool) -> Ints | None:
    """The block of each unit of one stratum, drawn from those its arms, in order, can have had.

    ``cut`` says that the last block had only the places that were left (a list's), rather than
    places that nobody took yet. ``None`` where no blocks give these arms.
    """
    if cut and len(ratio) > MOST_ARMS:
        return None
    whole, n = np.asarray(ratio), len(arm)
    least = -(-SMALLEST_BLOCK // int(whole.sum()))
    choices = [least + c for c in range(BLOCK_SIZES)]
    counts = np.zeros((n + 1, len(whole)), np.int64)
    np.cumsum(arm[:, None] == np.arange(len(whole)), axis=0, out=counts[1:])
    lengths = [t * int(whole.sum()) for t in choices]
    full = [_full(counts, t * whole) for t in choices]
    after, odds = [-math.inf] * n + [0.0], [[-math.inf] * BLOCK_SIZES for _ in range(n)]
    for start in reversed(_reached(full, lengths, n)):
        for c, (t, length) in enumerate(zip(choices, lengths, strict=True)):
            if start + length <= n:
                odds[start][c] = full[c][start] + after[start + length]
            else:
                left = tuple((counts[n] - counts[start]).tolist())
                odds[start][c] = _cut(left, tuple(ratio)) if cut else _begun(left, t * whole)
        top = max(odds[start])
        if top > -math.inf:
            after[start] = top + math.log(sum(math.exp(o - top) for o in odds[start]) / BLOCK_SIZES)
    if after[0] == -math.inf:
        return None
    return _walked(odds, lengths, rng)


def _reached(full: list[list[float]], lengths: list[int], n: int) -> list[int]:
    """Where a block can begin, in order, blocks from the first on being whole."""
    begins = [True] + [False] * n
    for start in range(n):
        for whole, length in zip(full, lengths, strict=True):
            if begins[start] and start + length <= n and whole[start] > -math.inf:
                begins[start + length] = True
    return [start for start in range(n) if begins[start]]


def _walked(odds: list[list[float]], lengths: list[int], rng: np.random.Generator) -> Ints:
    """The blocks from the first on, each size by its odds given where it begins."""
    block = np.empty(len(odds), np.int64)
    start = number = 0
    while start < len(odds):
        chance = np.exp(np.array(odds[start]) - max(odds[start]))
        length = lengths[int(rng.choice(len(lengths), p=chance / chance.sum()))]
        block[start : start + length] = number
        start, number = start + length, number + 1
    return block


def _full(counts: Ints, wanted: Ints) -> list[float]:
    """For each start the log odds of the arms there if a whole block of these counts begins."""
    size = int(wanted.sum())
    if len(counts) <= size:
        return []
    odds, fits = -_ways(wanted.tolist()), (counts[size:] - counts[:-size] == wanted).all(axis=1)
    return [odds if fit else -math.inf for fit in fits.tolist()]


def _ways(counts: Sequence[int]) -> float:
    """The log of the orders in which so many of each arm can stand."""
    return math.lgamma(sum(counts) + 1) - sum(math.lgamma(c + 1) for c in counts)


def _begun(left: tuple[int, ...], wanted: Ints) -> float:
    """The log odds of the arms of a block's first places, ``left`` of each."""
    rest = [int(w) - k for w, k in zip(wanted, left, strict=True)]
    return -math.inf if min(rest) < 0 else _ways(rest) - _ways(wanted.tolist())


@lru_cache(maxsize=4096)
def _cut(left: tuple[int, ...], ratio: tuple[int, ...]) -> float:
    """The log odds of the arms of a block cut to so many places, as the shares are rounded.

    Every order of the arms and every starting point of :func:`trials.designs.shares.shares` is
    equally likely.
    """
    total, size = sum(ratio), sum(left)
    sure = [size * r // total for r in ratio]
    rest = [size * r % total for r in ratio]
    hits = cases = 0
    for order in permutations(range(len(ratio))):
        ends = np.cumsum([rest[a] for a in order])
        begins = ends - [rest[a] for a in order]
        starts = np.arange(total)[:, None]
        extras = (ends - 1 - starts) // total - (begins - 1 - starts) // total
        wanted = [left[a] - sure[a] for a in order]
        hits += int((extras == wanted).all(axis=1).sum())
        cases += total
    return math.log(hits / cases) - _ways(left) if hits else -math.inf
