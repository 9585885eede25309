"""Integrals of log-concave densities on an interval, many at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial.legendre import leggauss

from analysis.tables import Floats

Function = Callable[[Floats], Floats]

NODES = 40  # a side; 9 sd of a Gaussian on each side then integrate to machine precision
NATS = 42.0  # exp(-42) is below the rounding error of the integral
HALVINGS = 45


def log_integral(log_f: Function, slope: Function, low: Floats, high: Floats) -> Floats:
    """``log ∫ exp(log_f)`` over ``[low, high]``, one integral a row.

    ``log_f`` must be (nearly) concave and ``slope`` its derivative; both take an array whose
    first axis is the row. The mode is bracketed by bisection on the slope, the tails by bisection
    on a fall of 42 nats, and each side gets its own Gauss-Legendre rule, so neither conflict
    between prior and data nor a boundary costs accuracy.
    """
    start, mode, end = support(log_f, slope, low, high)
    nodes, weights = leggauss(NODES)
    x, w = _both_sides(start, mode, end, nodes, weights)
    values = log_f(x)
    top = values.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.sum(w * np.exp(values - top), axis=1)))


def support(
    log_f: Function, slope: Function, low: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Where each row's density starts to matter, peaks, and stops to matter."""
    mode = _bisect(lambda x: slope(x) > 0, low, high)
    top = log_f(mode)
    start = _bisect(lambda x: log_f(x) < top - NATS, low, mode)
    end = _bisect(lambda x: log_f(x) > top - NATS, mode, high)
    return start, mode, end


def _bisect(go_right: Callable[[Floats], np.ndarray], low: Floats, high: Floats) -> Floats:
    """The point where ``go_right`` stops being true, to the last bit, within ``[low, high]``."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        right = go_right(middle)
        low, high = np.where(right, middle, low), np.where(right, high, middle)
    return np.asarray((low + high) / 2)


def _both_sides(
    start: Floats, mode: Floats, end: Floats, nodes: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    pieces = [(start, mode), (mode, end)]
    x = [((b + a) / 2)[:, None] + ((b - a) / 2)[:, None] * nodes for a, b in pieces]
    w = [((b - a) / 2)[:, None] * weights for a, b in pieces]
    return np.concatenate(x, axis=1), np.concatenate(w, axis=1)
