"""Looking at any time: confidence sequences and p-values that stay valid under every peek.

A confidence sequence covers the truth at all times at once with probability 1 − alpha. The price
is width: at the size it is tuned to, about 1.55 times the fixed interval, more elsewhere; so tune
it to the planned number of units. Before the planned end it is the live band, not the result.

* :func:`confidence_sequence`: asymptotic, for any estimate with a standard error (Waudby-Smith,
  Arbour, Sinha, Kennedy and Ramdas 2021, equation 9).
* :class:`NormalMixture`, :class:`BetaBinomialMixture`: uniform boundaries for sub-Gaussian and
  bounded sums (Howard, Ramdas, McAuliffe and Sekhon 2021, propositions 5 to 7).
* :func:`bernoulli_sequence`: one arm's rate, exact for every number of units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from analysis.estimates import Absent, Estimate

NO_BAND = Absent("no-error", "There is no standard error yet to build a live band from.")


def confidence_sequence(
    estimate: Estimate,
    units: float,
    *,
    tuned_to: float,
    level: float = 0.95,
    tuned_at: float | None = None,
) -> Estimate | Absent:
    """The always-valid interval and p-value of an ordinary estimate.

    Args:
        estimate: the ordinary estimate with its standard error, from all arms it compares.
        units: units in those arms so far (clusters or periods where these were randomised).
        tuned_to: the planned number of them; where the band is to be narrowest.
        level: coverage at all times together.
        tuned_at: the coverage at which it is narrowest there (default: ``level``). Bands of several
            coverages agree with one p-value only if they are tuned at the same one.

    Returns:
        The same point with the band's ends. The p-value is this moment's; over several moments
        take the least (it stays valid). ``Absent`` without a standard error or units.
    """
    wide = half_width(units, tuned_to=tuned_to, level=level, tuned_at=tuned_at)
    if not estimate.se or isinstance(wide, Absent):
        return NO_BAND
    rho2 = tuning(1 - (level if tuned_at is None else tuned_at), tuned_to) ** 2
    grown = units * rho2 + 1
    half = wide * estimate.se
    log_e = rho2 * units * (estimate.estimate / estimate.se) ** 2 / (2 * grown)
    return replace(
        estimate,
        low=estimate.estimate - half,
        high=estimate.estimate + half,
        p=float(min(1.0, np.exp(0.5 * np.log(grown) - log_e))),
        p_adjusted=None,
        df=None,
        level=level,
        method=f"{estimate.method}; asymptotic confidence sequence".lstrip("; "),
    )


def half_width(
    units: float, *, tuned_to: float, level: float = 0.95, tuned_at: float | None = None
) -> float | Absent:
    """Half of the band's width in standard errors; arguments as in :func:`confidence_sequence`."""
    if units <= 0 or tuned_to <= 0:
        return NO_BAND
    rho2 = tuning(1 - (level if tuned_at is None else tuned_at), tuned_to) ** 2
    grown = units * rho2 + 1
    return float(np.sqrt(2 * grown / (units * rho2) * np.log(np.sqrt(grown) / (1 - level))))


def tuning(alpha: float, units: float) -> float:
    """The mixture's scale rho that makes the band narrowest at ``units`` (the same, appendix)."""
    twice = -2 * np.log(alpha)
    return float(np.sqrt((twice + np.log(twice + 1)) / units))


@dataclass(frozen=True, slots=True)
class NormalMixture:
    """The normal-mixture supermartingale for a sum ``s`` with intrinsic time ``v``."""

    rho: float
    sides: int = 2

    @classmethod
    def tuned(cls, v: float, alpha: float = 0.05, *, sides: int = 2) -> NormalMixture:
        """The mixture whose boundary is tightest (to first order) at intrinsic time ``v``."""
        return cls(_best_rho(v, alpha, sides), sides)

    def log_value(self, s: float, v: float) -> float:
        """The log of the mixture supermartingale."""
        total = v + self.rho
        two = 0.5 * np.log(self.rho / total) + s**2 / (2 * total)
        if self.sides == 2:
            return float(two)
        return float(two + np.log(2) + special.log_ndtr(s / np.sqrt(total)))

    def bound(self, v: float, alpha: float = 0.05) -> float:
        """What the sum never passes, at any time, with probability 1 − alpha."""
        total = v + self.rho
        two = float(np.sqrt(total * (np.log(total / self.rho) - 2 * np.log(alpha))))
        if self.sides == 2:
            return two
        target = -np.log(alpha)
        return float(optimize.brentq(lambda s: self.log_value(s, v) - target, 0.0, 2 * two))


@dataclass(frozen=True, slots=True)
class BetaBinomialMixture:
    """The beta-binomial supermartingale for sums of terms in [−g, h]."""

    g: float
    h: float
    r: float
    sides: int = 2

    @classmethod
    def tuned(
        cls, v: float, *, g: float, h: float, alpha: float = 0.05, sides: int = 2
    ) -> BetaBinomialMixture:
        """The mixture whose boundary is tightest (to first order) at intrinsic time ``v``."""
        return cls(g, h, max(_best_rho(v, alpha, sides) - g * h, 1e-3 * g * h), sides)

    def log_value(self, s: float, v: float) -> float:
        """The log of the mixture supermartingale."""
        g, h, r = self.g, self.h, self.r
        edge = h / (g + h) if self.sides == 1 else 1.0
        known = (
            v / (g * h) * np.log(g + h)
            - (v + h * s) / (h * (g + h)) * np.log(g)
            - (v - g * s) / (g * (g + h)) * np.log(h)
        )
        here = _log_beta((r + v - g * s) / (g * (g + h)), (r + v + h * s) / (h * (g + h)), edge)
        return float(known + here - _log_beta(r / (g * (g + h)), r / (h * (g + h)), edge))

    def bound(self, v: float, alpha: float = 0.05) -> float:
        """What the sum never passes, at any time, with probability 1 − alpha."""
        target, most = -np.log(alpha), v / self.g
        if self.log_value(most, v) <= target:
            return float(most)
        return float(optimize.brentq(lambda s: self.log_value(s, v) - target, 0.0, most))


def bernoulli_sequence(
    successes: float, trials: float, *, tuned_to: float, alpha: float = 0.05
) -> tuple[float, float]:
    """A rate's confidence sequence: every rate that the mixture has not yet ruled out.

    Args:
        successes: events so far.
        trials: units so far.
        tuned_to: units at which it is to be narrowest.
        alpha: the chance that it ever misses.

    Returns:
        Its lower and upper end.
    """
    if trials <= 0:
        return 0.0, 1.0
    seen, target = successes / trials, -np.log(alpha)

    def excess(rate: float) -> float:
        mixture = BetaBinomialMixture.tuned(
            tuned_to * rate * (1 - rate), g=rate, h=1 - rate, alpha=alpha
        )
        value = mixture.log_value(successes - trials * rate, trials * rate * (1 - rate))
        return float(value - target)

    tiny = 1e-9
    low = optimize.brentq(excess, tiny, min(seen, 1 - tiny), xtol=1e-12) if seen > 0 else 0.0
    high = optimize.brentq(excess, max(seen, tiny), 1 - tiny, xtol=1e-12) if seen < 1 else 1.0
    return float(low), float(high)


def _best_rho(v: float, alpha: float, sides: int) -> float:
    twice = -2 * np.log(alpha if sides == 2 else 2 * alpha)
    return float(v / (twice + np.log(twice + 1)))


def _log_beta(a: float, b: float, x: float) -> float:
    whole = float(special.betaln(a, b))
    return whole if x >= 1 else whole + float(np.log(special.betainc(a, b, x)))
