"""Weights as whole-number ratios, and shares rounded so that no arm is favoured."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from trials.designs.tickets import Chance, Ints
from trials.errors import Invalid, Problem

FINEST = 10_000
"""Weights are read as fractions with a denominator of at most this."""


def fraction(value: float) -> Fraction:
    """``value`` as the nearest fraction with a denominator of at most ``FINEST``."""
    return Fraction(value).limit_denominator(FINEST)


def ratio(weights: Sequence[float], names: Sequence[str]) -> tuple[int, ...]:
    """The smallest whole numbers in proportion to ``weights``: 0.25 and 0.75 are 1 and 3.

    Raises:
        Invalid: a weight is zero, negative or too small beside the others to count.
    """
    parts = [fraction(w) if np.isfinite(w) else Fraction(0) for w in weights]
    problems = [
        Problem(f"arm {name}", "has no weight", "give it a weight above 0 or remove the arm")
        for name, part in zip(names, parts, strict=True)
        if part <= 0
    ]
    if problems:
        raise Invalid("the arms cannot be drawn", problems)
    scale = lcm(*(p.denominator for p in parts))
    whole = [int(p * scale) for p in parts]
    common = gcd(*whole)
    return tuple(w // common for w in whole)


def shares(
    sizes: Ints, ratio: Sequence[int], *, labels: Sequence[str], arms: Sequence[str], chance: Chance
) -> Ints:
    """How many of each block's places go to each arm, as an array of blocks × arms.

    Every arm gets its exact share rounded down or up. Places left over are given by systematic
    sampling over the arms' remainders in random order (Madow 1949), so that an arm's expected
    count is its exact share: with ``sizes`` n and ratio r out of K, n·r/K.

    ``labels`` names each block for the tickets: PURPOSE ``order:ARM`` orders the arms and
    ``start`` gives the starting point below K.
    """
    parts = np.asarray(ratio, np.int64)
    total = int(parts.sum())
    exact = sizes[:, None] * parts[None, :]
    counts, rest = exact // total, exact % total
    rows = np.flatnonzero(rest.any(axis=1))
    if rows.size:
        named = [labels[i] for i in rows.tolist()]
        counts[rows] += _extras(rest[rows], total, labels=named, arms=arms, chance=chance)
    return counts


def _extras(
    rest: Ints, total: int, *, labels: Sequence[str], arms: Sequence[str], chance: Chance
) -> Ints:
    leading = [chance.noise(f"order:{arm}", labels)[-1] for arm in arms]
    order = np.argsort(np.column_stack(leading), axis=1, kind="stable")
    start = chance.below("start", labels, total)[:, None]
    queued = np.take_along_axis(rest, order, axis=1)
    ends = np.cumsum(queued, axis=1)
    before = (ends - queued - 1 - start) // total
    taken = (ends - 1 - start) // total - before
    extras = np.empty_like(rest)
    np.put_along_axis(extras, order, taken, axis=1)
    return extras
