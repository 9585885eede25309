"""Officers' forecasts made before launch, scored against what came.

Brier (1950) for "it will be better"; the continuous ranked probability score (Gneiting & Raftery
2007, sec. 4.2) for a stated effect. What came is itself uncertain, so scores are expected scores
over the posterior. Lower is better in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from analysis.bayesian.posterior import Posterior
from analysis.estimates import Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What somebody expected: an effect ± sd, and how likely it was to be better.

    ``sd`` 0 is a point forecast; either part may be missing.
    """

    who: str
    probability_better: float | None = None
    effect: float | None = None
    sd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A forecast's scores; ``crps`` is in the metric's units. ``None`` where nothing was said."""

    who: str
    brier: float | None
    crps: float | None
    surprise: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A group of forecasts in a bin of stated probability: what was said and what came."""

    low: float
    high: float
    n: int
    said: float
    came: float


def score(forecast: Forecast, posterior: Posterior) -> Score:
    """Expected scores over the posterior of what came.

    ``surprise`` is how many joint standard deviations the result lay from the forecast.
    """
    p = posterior.probability_better
    q = forecast.probability_better
    brier = None if q is None else p * (1 - q) ** 2 + (1 - p) * q**2
    crps = surprise = None
    if forecast.effect is not None:
        crps = expected_crps(forecast.effect, forecast.sd, posterior.mean, posterior.sd)
        joint = math.hypot(forecast.sd, posterior.sd)
        surprise = (posterior.mean - forecast.effect) / joint if joint > 0 else None
    return Score(who=forecast.who, brier=brier, crps=crps, surprise=surprise)


def expected_crps(mean: float, sd: float, came: float, came_sd: float) -> float:
    """E[CRPS] of a normal forecast when what came is normal: E|X - Y| - E|X - X'|/2."""
    return _mean_absolute(mean - came, math.hypot(sd, came_sd)) - sd / math.sqrt(math.pi)


def _mean_absolute(mean: float, sd: float) -> float:
    if sd == 0:
        return abs(mean)
    z = mean / sd
    density = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return float(mean * (2 * special.ndtr(z) - 1) + 2 * sd * density)


def calibration(
    forecasts: Sequence[tuple[float, float]], *, bins: int = 5
) -> tuple[Calibration, ...] | Absent:
    """Stated against realised probabilities of better: pairs (said, posterior), in equal bins."""
    if not forecasts:
        return Absent("no-forecasts", "Nobody made a forecast.")
    out = []
    for i in range(bins):
        low, high = i / bins, (i + 1) / bins
        here = [f for f in forecasts if low <= f[0] < high or (i == bins - 1 and f[0] == 1)]
        if here:
            said = sum(f[0] for f in here) / len(here)
            came = sum(f[1] for f in here) / len(here)
            out.append(Calibration(low=low, high=high, n=len(here), said=said, came=came))
    return tuple(out)
