"""What a design does to the error of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_CLOSED = 1e-8
"""A direction in which a cluster has no more freedom than this left carries no residual."""
_WHOLE = 1e-6


def design_effect(size: float, icc: float, cv: float = 0.0) -> float:
    """1 + ((CV² + 1)·m − 1)·ICC (Eldridge, Ashby and Kerry 2006, equation 2).

    How many times more units are needed when whole clusters of mean ``size``, whose sizes vary by
    ``cv``, are randomised and analysed by their members.
    """
    return 1 + ((cv**2 + 1) * size - 1) * icc


def clusters_by_step(clusters: float, steps: int) -> tuple[float, ...]:
    """How many clusters cross over at each step; a remainder lies evenly between the steps.

    A number that is not whole, or of less than one a step, stands for equal groups.
    """
    over = round(clusters) % steps
    if abs(clusters - round(clusters)) > _WHOLE or not over or clusters < steps:
        return (max(clusters / steps, 1.0),) * steps
    more = {math.floor((i + 0.5) * steps / over) for i in range(over)}
    return tuple(float(round(clusters) // steps + (k in more)) for k in range(steps))


def stepped_wedge_variance(
    by_step: Sequence[float], *, size: float, icc: float, variance: float,
    autocorrelation: float = 1.0,
) -> float:  # fmt: skip
    """The variance of the effect in a stepped wedge with a fixed effect for each cluster.

    ``by_step`` clusters cross over at each of two or more steps after one period with none
    treated; ``size`` units are measured in each cluster and period (different people each time),
    with intra-cluster correlation ``icc`` within a period, of which the share ``autocorrelation``
    is left between two periods (Hooper et al. 2016), and a free effect for each period. The
    analysis takes the clusters' own levels out whole, so that what they have in common tells it
    nothing: this is what equation 8 of Hussey and Hughes (2007) comes to as the variance between
    clusters grows while that within them stays.
    """
    count = np.asarray(by_step)
    i, t = float(count.sum()), len(count) + 1
    periods = np.arange(len(count), 0, -1)
    # U: treated cluster-periods; W: sum over periods of treated clusters squared; V: sum over
    # clusters of treated periods squared.
    u, w, v = count @ periods, (count.cumsum() ** 2).sum(), count @ periods**2
    own = variance * ((1 - icc) / size + icc * (1 - autocorrelation))
    return float(i * t * own / (u**2 + i * t * u - t * w - i * v))


@lru_cache(maxsize=256)
def stepped_wedge_df(by_step: tuple[float, ...]) -> float:
    """Bell and McCaffrey's (2002) degrees of freedom of that effect with its CR2 error.

    Clusters of a step are alike, so their number need not be whole; each period counts alike.
    """
    steps, count = len(by_step), np.asarray(by_step)
    t = steps + 1
    treated = np.arange(t) > np.arange(steps)[:, None]
    periods = np.broadcast_to(np.eye(t)[:, 1:], (steps, t, steps))
    x = np.concatenate([periods, treated[:, :, None]], axis=2)
    x = x - x.mean(axis=1, keepdims=True)
    gram = x.swapaxes(1, 2) @ x
    values, vectors = np.linalg.eigh(np.einsum("s,sij->ij", count, gram))
    half = vectors / np.sqrt(values)
    wanted = half[-1]
    own_gram = half.T @ gram @ half
    free, turned = np.linalg.eigh(np.eye(len(wanted)) - own_gram)
    root = np.where(free > _CLOSED, np.where(free > _CLOSED, free, 1.0) ** -0.5, 0.0)
    adjusted = np.einsum("sij,sj->si", turned, root * np.einsum("sij,i->sj", turned, wanted))
    seen = np.einsum("sij,sj->si", own_gram, adjusted)
    shared = seen @ seen.T
    apart = np.einsum("si,si->s", adjusted, seen) - np.diag(shared)
    pairs = float(count @ shared**2 @ count - count @ np.diag(shared) ** 2)
    return float(count @ apart) ** 2 / (float(count @ apart**2) + pairs)
