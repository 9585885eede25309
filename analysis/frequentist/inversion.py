"""Turning a test into an interval: the values that it does not reject."""

from __future__ import annotations

import math
from collections.abc import Callable

_OUTWARD = 14
_BISECT = 36


def boundary(kept: Callable[[float], bool], centre: float, step: float) -> float:
    """The last value kept, going from ``centre`` in the direction of ``step``.

    Infinite where the test still keeps values some ten thousand steps away.
    """
    inside, outside = centre, centre + step
    for _ in range(_OUTWARD):
        if not kept(outside):
            break
        inside, outside = outside, outside + 2 * (outside - inside)
    else:
        return math.copysign(math.inf, step)
    for _ in range(_BISECT):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if kept(middle) else (inside, middle)
    return inside
