"""Interrupted time series: did the level or the trend of counts break when something changed?

A segmented quasi-Poisson regression on the log scale (Lopez Bernal, Cummins and Gasparrini 2017)
with pairs of harmonics for the season. Errors are the larger of two: the quasi-Poisson one, which
allows for overdispersion, and Newey and West's (1987), which allows for autocorrelation too; both
with Student's t on the residual degrees of freedom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist.quasi import Mask, QuasiResult, graded
from analysis.tables import Floats

FEWEST_BEFORE = 12
"""Fewer points before the break do not show what would have happened without it."""
MOST_STEPS = 100
CONVERGED = 1e-12
EMPTY = 1e-6
"""A fitted mean below this share of the average: a term that fits a stretch of noughts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Counts in equal periods, in order.

    ``after`` marks the periods with the change in force; ``exposure`` is what the counts come from
    (customers, open hours), equal if ``None``; ``events`` are further known disturbances, one
    column each (a bank holiday, a mail-out).
    """

    counts: Floats
    after: Mask
    exposure: Floats | None = None
    events: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GLM:
    """A fitted log-linear model: coefficients, both covariances and the dispersion."""

    beta: Floats
    mean: Floats
    quasi: Floats
    newey_west: Floats
    dispersion: float
    df: int
    residuals: Floats


def interrupted_time_series(
    series: Series,
    *,
    season: float | None = None,
    harmonics: int = 0,
    trend: bool = True,
    slope_change: bool = False,
    lags: int | None = None,
    level: float = 0.95,
) -> QuasiResult:
    """The rate after the break over what it would have been, averaged over the periods after.

    Args:
        series: the counts.
        season: periods in a season (12 for months in a year, 7 for days in a week).
        harmonics: pairs of sine and cosine for it.
        trend: whether a straight trend (on the log scale) ran before the break.
        slope_change: whether the trend may change with it, and not only the level.
        lags: Newey–West lags; ⌊4(n/100)^(2/9)⌋ if ``None`` (Newey and West 1994).
        level: coverage of the interval.
    """
    lacking = _lacking(series)
    if lacking is not None:
        return graded("interrupted-time-series", lacking, scale="ratio")
    x = _columns(series, season, harmonics, trend=trend, slope_change=slope_change)
    fitted = quasi_poisson(series.counts, x, series.exposure, lags=lags)
    if isinstance(fitted, Absent):
        return graded("interrupted-time-series", fitted, scale="ratio")
    wanted = np.zeros(x.shape[1])
    wanted[1] = 1.0
    if slope_change:
        wanted[2] = float(x[series.after, 2].mean())
    return graded(
        "interrupted-time-series",
        ratio_of(fitted, wanted, level=level),
        scale="ratio",
        warnings=_warnings(series, fitted),
        details=_details(series, fitted, level, slope_change=slope_change),
    )


def ratio_of(
    fitted: GLM, wanted: Floats, *, level: float = 0.95, errors: str = "larger"
) -> Estimate:
    """The exponential of a combination of coefficients.

    Args:
        fitted: the model.
        wanted: the combination.
        level: coverage.
        errors: ``larger`` of the two with Student's t, or ``quasi-poisson`` or ``newey-west``
            with the normal distribution, as they are usually printed.
    """
    log = float(wanted @ fitted.beta)
    quasi, robust = (
        float(np.sqrt(max(float(wanted @ cov @ wanted), 0.0)))
        for cov in (fitted.quasi, fitted.newey_west)
    )
    se = {"quasi-poisson": quasi, "newey-west": robust}.get(errors, max(quasi, robust))
    name = "quasi-Poisson" if se == quasi else "Newey–West"
    return Estimate.from_t(
        log, se, df=float(fitted.df) if errors == "larger" else None, level=level,
        method=f"segmented quasi-Poisson regression, {name} errors",
    ).exponentiated()  # fmt: skip


def quasi_poisson(
    counts: Floats, x: Floats, exposure: Floats | None = None, *, lags: int | None = None
) -> GLM | Absent:
    """Poisson regression by iteratively reweighted least squares, with both covariances."""
    n, k = x.shape
    if n <= k or np.linalg.matrix_rank(x) < k:
        return Absent("too-few-periods", "There are too few periods for the terms of the model.")
    offset = np.zeros(n) if exposure is None else np.log(exposure)
    beta = np.zeros(k)
    beta[0] = np.log(counts.sum()) - np.log(np.exp(offset).sum())
    for _ in range(MOST_STEPS):
        mean = np.exp(np.clip(x @ beta + offset, -700, 700))
        root = np.sqrt(mean)
        step = np.linalg.lstsq(x * root[:, None], (counts - mean) / root, rcond=None)[0]
        beta = beta + step
        if mean.min() < EMPTY * counts.mean():
            break
        if np.abs(step).max() < CONVERGED * (1 + np.abs(beta).max()):
            return _fitted(counts, x, np.exp(x @ beta + offset), beta, lags)
    return Absent("no-fit", "The model does not settle: a stretch of the series holds no contacts.")


def newey_west_lags(n: int) -> int:
    """⌊4(n/100)^(2/9)⌋ (Newey and West 1994)."""
    return int(4 * (n / 100) ** (2 / 9))


def _fitted(counts: Floats, x: Floats, mean: Floats, beta: Floats, lags: int | None) -> GLM:
    n, k = x.shape
    bread = np.asarray(np.linalg.inv(x.T @ (x * mean[:, None])), float)
    left = counts - mean
    dispersion = float((left**2 / mean).sum() / (n - k))
    score = x * left[:, None]
    meat = np.asarray(score.T @ score, float)
    most = newey_west_lags(n) if lags is None else lags
    for lag in range(1, min(most, n - 1) + 1):
        cross = score[lag:].T @ score[:-lag]
        meat += (1 - lag / (most + 1)) * (cross + cross.T)
    return GLM(
        beta=beta, mean=mean, quasi=dispersion * bread, newey_west=bread @ meat @ bread,
        dispersion=dispersion, df=n - k, residuals=left / np.sqrt(mean),
    )  # fmt: skip


def _columns(
    series: Series, season: float | None, harmonics: int, *, trend: bool, slope_change: bool
) -> Floats:
    """Constant, step, perhaps the change of slope, trend, harmonics, events."""
    time = np.arange(len(series.counts), dtype=float)
    columns = [np.ones_like(time), series.after.astype(float)]
    if slope_change:
        columns.append(np.where(series.after, time - time[series.after][0], 0.0))
    if trend:
        columns.append(time)
    for i in range(1, harmonics + 1 if season else 1):
        angle = 2 * np.pi * i * time / (season or 1.0)
        columns += [np.sin(angle), np.cos(angle)]
    if series.events is not None:
        columns += list(series.events.reshape(len(time), -1).T)
    return np.column_stack(columns)


def _lacking(series: Series) -> Absent | None:
    counts, after = series.counts, series.after
    if after.all() or not after.any():
        return Absent("one-side", "There must be periods before and after the change.")
    if counts[after].sum() == 0 or counts[~after].sum() == 0:
        return Absent("nothing-happened", "One side of the change holds no contacts.")
    if series.exposure is not None and np.any(~(series.exposure > 0)):
        return Absent("no-exposure", "A period has no exposure to set its contacts against.")
    return None


def _warnings(series: Series, fitted: GLM) -> list[str]:
    found = []
    if int((~series.after).sum()) < FEWEST_BEFORE:
        found.append(f"Fewer than {FEWEST_BEFORE} periods before the change: the trend is a guess.")
    if _autocorrelation(fitted) > 0.3:
        found.append("What is left over runs on from period to period: the model misses something.")
    return found


def _autocorrelation(fitted: GLM) -> float:
    left = fitted.residuals
    total = float((left**2).sum())
    return float((left[1:] * left[:-1]).sum() / total) if total > 0 else 0.0


def _details(series: Series, fitted: GLM, level: float, *, slope_change: bool) -> dict[str, Any]:
    unit = np.eye(len(fitted.beta))
    details: dict[str, Any] = {
        "dispersion": fitted.dispersion,
        "autocorrelation": _autocorrelation(fitted),
        "periods_before": int((~series.after).sum()),
        "periods_after": int(series.after.sum()),
        "level_change": ratio_of(fitted, unit[1], level=level).to_json(),
    }
    if slope_change:
        details["slope_change"] = ratio_of(fitted, unit[2], level=level).to_json()
    return details


def placebo_breaks(
    series: Series, breaks: Sequence[int], **options: Any
) -> list[tuple[int, Estimate | Absent]]:
    """The same model before the change only, with a break pretended at each of ``breaks``.

    A method that finds breaks where nothing happened is not to be believed where something did.
    """
    before = ~series.after
    found: list[tuple[int, Estimate | Absent]] = []
    for at in breaks:
        pretended = Series(
            counts=series.counts[before],
            after=np.arange(int(before.sum())) >= at,
            exposure=None if series.exposure is None else series.exposure[before],
            events=None if series.events is None else series.events[before],
        )
        found.append((at, interrupted_time_series(pretended, **options).estimate))
    return found
