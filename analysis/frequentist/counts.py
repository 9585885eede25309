"""Counts: contacts per person, with overdispersion taken as it comes.

The estimands are the difference and the ratio of mean counts (or of rates, where follow-up
differs between people and the table carries it as a denominator). Their errors are robust, so no
distribution is assumed. The negative binomial is fitted beside them as a check of the model and
as the working model of the posterior, from the histogram of counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

from analysis.estimates import Absent, Estimate
from analysis.frequentist.difference import difference, ratio
from analysis.frequentist.ratio_metric import ratio_difference, ratio_of_ratios
from analysis.tables import Floats, Grouped, Histogram

_LOG_SHAPE = (-12.0, 12.0)
_FLAT = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """Whether counts vary more than Poisson counts would.

    ``index`` is the Pearson statistic over its degrees of freedom (1 for Poisson counts), ``p``
    the upper tail of the chi-squared distribution (Fisher's 1950 dispersion test).
    """

    index: float
    df: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativeBinomial:
    """A negative binomial (NB2) fit with a mean for each arm and one dispersion.

    The variance is ``mean + dispersion * mean^2``. ``dispersion`` 0 means that the Poisson fits as
    well. ``zeros`` are (seen, expected) shares of units without a contact over the fitted arms.
    """

    means: tuple[float, ...]
    dispersion: float
    log_likelihood: float
    poisson_log_likelihood: float
    poisson_p: float
    zeros: tuple[float, float]

    @property
    def shape(self) -> float:
        """The shape ``k = 1/dispersion`` of the literature; infinite for the Poisson."""
        return 1 / self.dispersion if self.dispersion > 0 else math.inf


def rate_difference(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Difference in contacts a person, or in the rate where ``table.d`` holds the follow-up."""
    if table.d is not None:
        return ratio_difference(table, arm, versus=versus, level=level)
    return difference(table, arm, versus=versus, level=level)


def rate_ratio(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Ratio of contacts a person, or of the rates where ``table.d`` holds the follow-up."""
    if table.d is not None:
        return ratio_of_ratios(table, arm, versus=versus, level=level)
    return ratio(table, arm, versus=versus, level=level)


def overdispersion(table: Grouped) -> Overdispersion | Absent:
    """Fisher's dispersion test of counts within arms (and strata)."""
    key = table.arm if table.stratum is None else _crossed(table)
    _, group = np.unique(key, return_inverse=True)
    n, y, yy = (np.bincount(group, v).astype(float) for v in (table.n, table.y, table.yy))
    some = y > 0
    n, y, yy = n[some], y[some], yy[some]
    df = float((n - 1).sum())
    if df <= 0:
        return Absent("no-events", "Nobody has a contact, so there is no dispersion to see.")
    pearson = float(((yy - y**2 / n) * n / y).sum())
    return Overdispersion(index=pearson / df, df=df, p=float(stats.chi2.sf(pearson, df)))


def quasi_poisson_ratio(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Ratio of mean counts with Poisson errors scaled by the dispersion (Wedderburn 1974).

    A cross-check on :func:`rate_ratio`; it takes the dispersion to be the same in both arms.
    """
    versus = table.control if versus is None else versus
    n, y, yy = table.per_arm()
    pair = [arm, versus]
    if (n[pair] == 0).any():
        return Absent("empty-arm", "An arm has nobody with a known outcome.")
    if (y[pair] <= 0).any():
        return Absent("no-events", "An arm has no contact, so the log of its rate is unknown.")
    df = float(n[pair].sum() - 2)
    if df < 1:
        return Absent("no-variance", "One unit an arm cannot show how counts vary.")
    scale = float(((yy[pair] - y[pair] ** 2 / n[pair]) * n[pair] / y[pair]).sum()) / df
    if scale <= 0:
        return Absent("no-variation", "Every unit had the same count.")
    logs = Estimate.from_t(
        math.log(y[arm] / n[arm] / (y[versus] / n[versus])),
        math.sqrt(scale * (1 / y[arm] + 1 / y[versus])), df=df, level=level,
        method="ratio of rates, quasi-Poisson",
    )  # fmt: skip
    return logs.exponentiated()


def negative_binomial(
    counts: Histogram, arms: tuple[int, ...] | None = None
) -> NegativeBinomial | Absent:
    """Maximum likelihood NB2 with one mean an arm and a common dispersion.

    With the log link and one mean an arm the fitted means are the arms' own whatever the
    dispersion (Lawless 1987), so the likelihood is profiled in one dimension.
    """
    codes = tuple(range(len(counts.arms))) if arms is None else arms
    rows = np.isin(counts.arm, codes) & (counts.n > 0)
    arm, value, n = counts.arm[rows], counts.value[rows], counts.n[rows]
    size = np.bincount(arm, n, len(counts.arms))
    if not rows.any() or not value.any():
        return Absent("no-events", "Nobody has a contact, so there is no dispersion to see.")
    total = np.bincount(arm, n * value, len(counts.arms))
    mean = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    fitted = mean[arm]
    dispersion = _dispersion(value, n, fitted)
    poisson = _poisson(value, n, fitted)
    likelihood = _likelihood(math.log(dispersion), value, n, fitted) if dispersion else poisson
    gain = max(2 * (likelihood - poisson), 0.0)
    none = (1 + dispersion * mean) ** (-1 / dispersion) if dispersion else np.exp(-mean)
    everyone = float(size.sum())
    return NegativeBinomial(
        means=tuple(float(m) for m in mean), dispersion=dispersion, log_likelihood=likelihood,
        poisson_log_likelihood=poisson, poisson_p=_boundary_p(gain),
        zeros=(float(n[value == 0].sum()) / everyone, float((none * size).sum()) / everyone),
    )  # fmt: skip


def _crossed(table: Grouped) -> Floats:
    codes = np.zeros(table.cells) if table.stratum is None else table.stratum.codes + 1.0
    return np.asarray(codes * len(table.arms) + table.arm, dtype=float)


def _dispersion(value: Floats, n: Floats, mean: Floats) -> float:
    """The dispersion of highest likelihood; zero where the Poisson is the limit."""
    # The slope at the Poisson boundary decides which side the maximum is on (Dean 1992).
    slope = float((n * ((value - mean) ** 2 - value)).sum())
    if slope <= 0:
        return 0.0
    found = optimize.minimize_scalar(
        lambda a: -_likelihood(a, value, n, mean), bounds=_LOG_SHAPE, method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    dispersion = math.exp(float(found.x))
    return dispersion if float(found.x) > _LOG_SHAPE[0] + _FLAT else 0.0


def _likelihood(log_dispersion: float, value: Floats, n: Floats, mean: Floats) -> float:
    k = math.exp(-log_dispersion)
    some = mean > 0
    value, n, mean = value[some], n[some], mean[some]
    terms = (
        special.gammaln(value + k) - special.gammaln(k) - special.gammaln(value + 1)
        - k * np.log1p(mean / k) + special.xlogy(value, mean / (mean + k))
    )  # fmt: skip
    return float((n * terms).sum())


def _poisson(value: Floats, n: Floats, mean: Floats) -> float:
    terms = special.xlogy(value, mean) - mean - special.gammaln(value + 1)
    return float((n * terms).sum())


def _boundary_p(gain: float) -> float:
    """Likelihood ratio test of a dispersion of zero: half a chi-squared (Self & Liang 1987)."""
    return 1.0 if gain <= 0 else float(stats.chi2.sf(gain, 1)) / 2
