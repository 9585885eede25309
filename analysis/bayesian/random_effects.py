"""Random-effects meta-analysis as textbooks print it, beside the hierarchical posterior.

Fixed (equal-effects), DerSimonian-Laird (1986, truncated at zero), Paule-Mandel (1982), maximum
likelihood and restricted maximum likelihood estimates of τ²; intervals by the normal or after
Hartung & Knapp (2001) with Sidik & Jonkman; prediction interval with k - 2 degrees of freedom
(Higgins, Thompson & Spiegelhalter 2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import optimize, special

from analysis.estimates import Absent, Estimate
from analysis.tables import Floats

Method = Literal["equal-effects", "dl", "pm", "ml", "reml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomEffects:
    """``q`` is Cochran's Q on ``k - 1`` degrees of freedom, ``i2`` a percentage.

    For every method but DerSimonian-Laird I² is computed from τ² and the typical within-trial
    variance (Higgins & Thompson 2002, eq. 9). ``prediction`` is where the effect of a new setting
    is expected, absent below three trials.
    """

    method: Method
    estimate: Estimate
    knapp_hartung: Estimate | Absent
    tau2: float
    q: float
    q_p: float
    i2: float
    prediction: tuple[float, float] | Absent

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        band = self.prediction
        return {
            "method": self.method, "estimate": self.estimate.to_json(),
            "knapp_hartung": self.knapp_hartung.to_json(), "tau2": self.tau2, "q": self.q,
            "q_p": self.q_p, "i2": self.i2,
            "prediction": band.to_json() if isinstance(band, Absent) else list(band),
        }  # fmt: skip


def random_effects(
    y: Floats, v: Floats, *, method: Method = "reml", level: float = 0.95
) -> RandomEffects | Absent:
    """Pool estimates ``y`` with sampling variances ``v``; absent below two trials."""
    if len(y) < 2 or np.any(v <= 0) or not np.all(np.isfinite(y)):
        return Absent("too-few-trials", "Pooling needs two trials with a positive variance.")
    k, q = len(y), _q(y, v, 0.0)
    tau2 = _TAU2[method](y, v)
    w = 1 / (v + tau2)
    mean, se = float(w @ y / w.sum()), float(w.sum() ** -0.5)
    scale = float(w @ (y - mean) ** 2) / (k - 1)
    adjusted = se * math.sqrt(scale)
    return RandomEffects(
        method=method, tau2=tau2, q=q, q_p=float(special.chdtrc(k - 1, q)),
        i2=_i2(v, tau2, q, method),
        estimate=Estimate.from_t(mean, se, df=None, level=level, method=f"{method}, normal"),
        knapp_hartung=Estimate.from_t(
            mean, adjusted, df=k - 1, level=level, method=f"{method}, Hartung-Knapp"
        ) if adjusted > 0 else Absent("no-variance", "All trials gave the same estimate."),
        prediction=_prediction(mean, se, tau2, k, level),
    )  # fmt: skip


def _q(y: Floats, v: Floats, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _i2(v: Floats, tau2: float, q: float, method: Method) -> float:
    k = len(v)
    if method in ("dl", "equal-effects"):
        return max(0.0, (q - (k - 1)) / q) * 100 if q > 0 else 0.0
    w = 1 / v
    typical = (k - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum())
    return float(100 * tau2 / (tau2 + typical))


def _prediction(
    mean: float, se: float, tau2: float, k: int, level: float
) -> tuple[float, float] | Absent:
    if k < 3:
        return Absent("too-few-trials", "A prediction interval needs three trials.")
    half = -float(special.stdtrit(k - 2, (1 - level) / 2)) * math.sqrt(tau2 + se**2)
    return mean - half, mean + half


def _zero(_y: Floats, _v: Floats) -> float:
    return 0.0


def _dersimonian_laird(y: Floats, v: Floats) -> float:
    w = 1 / v
    excess = _q(y, v, 0.0) - (len(y) - 1)
    return max(0.0, excess / float(w.sum() - (w**2).sum() / w.sum()))


def _paule_mandel(y: Floats, v: Floats) -> float:
    goal = len(y) - 1
    if _q(y, v, 0.0) <= goal:
        return 0.0
    high = float(np.ptp(y) ** 2) + float(v.max())
    return float(optimize.brentq(lambda t: _q(y, v, t) - goal, 0.0, high, xtol=1e-14))


def _likelihood(y: Floats, v: Floats, tau2: float, *, restricted: bool) -> float:
    w = 1 / (v + tau2)
    log = 0.5 * float(np.log(w).sum()) - 0.5 * _q(y, v, tau2)
    return log - 0.5 * math.log(float(w.sum())) if restricted else log


def _maximum(y: Floats, v: Floats, *, restricted: bool) -> float:
    """The τ² ≥ 0 of highest (restricted) likelihood, searched from a grid on the log scale."""
    top = float(np.ptp(y) ** 2 + v.max()) * 4
    grid = np.concatenate([[0.0], np.geomspace(1e-8 * top, top, 200)])
    values = [_likelihood(y, v, t, restricted=restricted) for t in grid]
    best = int(np.argmax(values))
    if best == 0:
        return 0.0
    ends = (grid[best - 1], grid[min(best + 1, len(grid) - 1)])
    found = optimize.minimize_scalar(
        lambda t: -_likelihood(y, v, t, restricted=restricted), bounds=ends, method="bounded",
        options={"xatol": 1e-12 * top},
    )  # fmt: skip
    return float(found.x)


_TAU2: dict[Method, Callable[[Floats, Floats], float]] = {
    "equal-effects": _zero,
    "dl": _dersimonian_laird,
    "pm": _paule_mandel,
    "ml": lambda y, v: _maximum(y, v, restricted=False),
    "reml": lambda y, v: _maximum(y, v, restricted=True),
}
