"""A ratio's interval beside its difference's: at one level, so that they never tell two stories.

The level of a difference's interval comes from the plan's family and looks. The ratio of the same
two means takes it over, and its p-value is adjusted by as much as the difference's was, so that
its interval leaves out one exactly where its own adjusted p-value is at most alpha.

Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from analysis.estimates import Absent, Estimate, critical, upper_tail
from analysis.frequentist.multiplicity import stretched_logs
from analysis.precision import symmetric_logs
from analysis.secondaries import Outcome, Reader
from trials.definition.model import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Wide:
    """How wide a difference's interval came to be.

    ``nominal`` is the coverage of the ordinary interval that is as many errors wide, ``level`` the
    coverage that the interval is said to have, ``times`` what its p-value was multiplied by
    (``None`` where it has none).
    """

    nominal: float
    level: float
    times: float | None = None

    @classmethod
    def of(cls, trial: Trial, plain: Outcome, done: Outcome, *, looked: bool) -> Wide:
        """From a difference before (``plain``) and after looks and family had their say."""
        if isinstance(done, Absent):
            return cls(nominal=1 - trial.analysis.alpha, level=1 - trial.analysis.alpha)
        nominal, times = done.level, None
        if trial.analysis.multiplicity == "dunnett" and not looked and isinstance(plain, Estimate):
            nominal = _as_wide(plain, done)
        if done.p is not None and done.p_adjusted is not None:
            times = done.p_adjusted / done.p if done.p > 0 else 1.0
        return cls(nominal=nominal, level=done.level, times=times)


def read(
    plain: Outcome, wide: Wide, again: Callable[..., Outcome], looks: Reader | None
) -> Outcome:  # fmt: skip
    """The ratio as wide as its difference.

    Args:
        plain: the ordinary ratio.
        wide: its difference's interval.
        again: the ordinary ratio afresh, given ``level``.
        looks: how the plan's looks read a ratio; ``None`` without any.
    """

    def at(level: float) -> Outcome:
        if isinstance(plain, Absent) or plain.level == level:
            return plain
        return stretched_logs(plain, level) if symmetric_logs(plain) else again(level=level)

    found = at(wide.nominal) if looks is None else looks(at, wide.nominal)
    if isinstance(found, Absent):
        return found
    known = found.p is not None and wide.times is not None
    adjusted = min(1.0, found.p * wide.times) if known else None  # type: ignore[operator]
    return replace(found, level=wide.level, p_adjusted=adjusted)


def _as_wide(plain: Estimate, done: Estimate) -> float:
    """Dunnett's interval is wider than its joint coverage says of one by itself."""
    width = plain.high - plain.low
    if not (math.isfinite(width) and width > 0):
        return done.level
    by = (done.high - done.low) / width
    return 1 - 2 * upper_tail(by * critical(plain.level, plain.df), plain.df)
