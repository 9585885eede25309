"""Fieller's limits, for a ratio whose denominator may be near zero."""

from __future__ import annotations

import math

WEAK = 4.0
"""A denominator nearer to zero than this many standard errors calls for Fieller's interval."""


def fieller(
    means: tuple[float, float],
    covariance: tuple[float, float, float],
    critical: float,
) -> tuple[float, float] | None:
    """Fieller's (1954) limits for a ratio of two estimates; ``None`` where they are unbounded.

    ``covariance`` is (variance of the numerator, covariance, variance of the denominator).
    """
    (top, bottom), (v_top, cov, v_bottom) = means, covariance
    a = bottom**2 - critical**2 * v_bottom
    b = top * bottom - critical**2 * cov
    c = top**2 - critical**2 * v_top
    inside = b**2 - a * c
    if a <= 0 or inside < 0:
        return None
    root = math.sqrt(inside)
    return (b - root) / a, (b + root) / a
