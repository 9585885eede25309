"""Outcomes that are not known: how far they could move the answer, and weighting for them.

``missing`` of the table counts units whose outcome is not known. Bounds need no assumption beyond
the outcome's range (Manski 1990) or that the arm moves response in one direction (Lee 2009);
weights need that response is at random within cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special, stats

from analysis.estimates import Absent, Estimate, critical
from analysis.frequentist.cluster import robust
from analysis.frequentist.difference import difference, interval
from analysis.frequentist.regression import Cells, Functional
from analysis.tables import Floats, Grouped, Histogram, Ints

MODELLED = "logistic regression on the covariates"
_ALIKE = ("arm", "nothing")
_COARSER = ("stratum", *_ALIKE)
_ONE_IN_A_HUNDRED = 0.01
"""At most so many of an arm may have had a smaller chance than this of an answer."""

_STEPS, _SETTLED, _STEEPEST, _ROUNDING = 50, 1e-12, 30.0, 1e-10
_LARGEST = 3e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The smallest and the largest effect that the data allow, and an interval around them.

    ``low`` and ``high`` cover the true effect with the level asked for (Imbens & Manski 2004).
    """

    smallest: float
    largest: float
    low: float
    high: float
    level: float
    method: str


def worst_case(
    table: Grouped,
    arm: int,
    *,
    versus: int | None = None,
    range_: tuple[float, float] = (0.0, 1.0),
    level: float = 0.95,
) -> Bounds | Absent:
    """Manski's (1990) bounds: unknown outcomes at the ends of the outcome's range.

    Strata and clusters are those of :func:`analysis.frequentist.difference.difference`.

    Raises:
        ValueError: a known mean lies outside the range.
    """
    versus = table.control if versus is None else versus
    least, most = range_
    mean = table.y[table.n > 0] / table.n[table.n > 0]
    if len(mean) and (mean.min() < least or mean.max() > most):
        raise ValueError("an outcome lies outside the range given")
    smallest = difference(_filled(table, arm, least, most), arm, versus=versus, level=level)
    largest = difference(_filled(table, arm, most, least), arm, versus=versus, level=level)
    if isinstance(smallest, Absent):
        return smallest
    if isinstance(largest, Absent):
        return largest
    z = critical(level)
    # Where everybody is filled alike a score interval has ends but no standard error.
    below = smallest.se or (smallest.estimate - smallest.low) / z
    above = largest.se or (largest.high - largest.estimate) / z
    return _bounds(
        (smallest.estimate, largest.estimate), (below, above), level,
        "worst-case bounds (Manski 1990)",
    )  # fmt: skip


def lee_bounds(
    table: Histogram,
    arm: int,
    *,
    assigned: tuple[float, ...],
    versus: int | None = None,
    level: float = 0.95,
) -> Bounds | Absent:
    """Lee's (2009) trimming bounds on the effect among those who respond in either arm.

    ``assigned`` is the number of units of each arm, responding or not. The arm with the higher
    response is trimmed by the excess at one end, then at the other.
    """
    versus = table.control if versus is None else versus
    first, second = _Responses.of(table, arm, assigned), _Responses.of(table, versus, assigned)
    if first.n < 2 or second.n < 2:
        return Absent("too-few-units", "An arm has fewer than two known outcomes.")
    flipped = first.rate < second.rate
    more, fewer = (second, first) if flipped else (first, second)
    low, high = (_trimmed(more, fewer, top=top) for top in (True, False))
    ends = (low[0] - fewer.mean, high[0] - fewer.mean)
    errors = tuple(math.sqrt(part[1] + fewer.variance / fewer.n) for part in (low, high))
    if flipped:
        ends, errors = (-ends[1], -ends[0]), (errors[1], errors[0])
    return _bounds(ends, (errors[0], errors[1]), level, "trimming bounds (Lee 2009)")


def inverse_probability(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Difference in means with each known outcome standing for its cell's unknown ones.

    Cells are arm by stratum by covariate values. Where nobody answered in some of them, the chance
    of an answer is that of a logistic regression on strata and covariates within each arm
    (Robins, Rotnitzky & Zhao 1994); where that leaves many unlike all who answered, cells are arm
    by stratum; else the arm. Errors (HC2 or CR2) treat the weights as known, which errs wide.
    """
    made = _weighted(table, arm, table.control if versus is None else versus)
    if isinstance(made, Absent):
        return made
    result = robust(made.cells, made.treated - made.control)
    method = f"difference in means, inverse probability of response by {made.used}"
    return interval(
        result, level=level, method=method, notes=made.notes, clustered=table.cluster is not None
    )  # fmt: skip


def inverse_probability_ratio(
    table: Grouped, arm: int, *, versus: int | None = None, level: float = 0.95
) -> Estimate | Absent:
    """Ratio of the means of :func:`inverse_probability`, delta method on the log scale."""
    made = _weighted(table, arm, table.control if versus is None else versus)
    if isinstance(made, Absent):
        return made
    top, bottom = (robust(made.cells, f).estimate for f in (made.treated, made.control))
    if min(top, bottom) <= 0:
        return Absent("control-mean-zero", "An arm's mean is not above zero: no log scale.")
    result = robust(made.cells, made.treated.times(1 / top) - made.control.times(1 / bottom))
    logs = interval(
        replace(result, estimate=math.log(top / bottom)), level=level, notes=made.notes,
        method=f"ratio of means, inverse probability of response by {made.used}",
        clustered=table.cluster is not None,
    )  # fmt: skip
    return logs if isinstance(logs, Absent) else logs.exponentiated()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighted:
    """Two arms' known outcomes with their weights, and what the weights rest on."""

    cells: Cells
    used: str
    notes: tuple[str, ...]

    @property
    def treated(self) -> Functional:
        return Functional(x=np.zeros(0), group=np.array([0.0, 1.0]))

    @property
    def control(self) -> Functional:
        return Functional(x=np.zeros(0), group=np.array([1.0, 0.0]))


def _weighted(table: Grouped, arm: int, versus: int) -> _Weighted | Absent:
    two = table.where(np.isin(table.arm, (arm, versus)))
    weight, used = _response_weights(two)
    notes: tuple[str, ...] = ()
    if two.x is not None and used in _COARSER:
        notes += (f"some values of the covariates have nobody with an outcome: by {used} alone",)
    if used in _ALIKE:
        notes += ("the weights are alike within an arm: the answer is that of known outcomes",)
    two, weight = two.where(two.n > 0), weight[two.n > 0]
    for code in (arm, versus):
        if two.n[two.arm == code].sum() < 2:
            return Absent("too-few-units", "An arm has fewer than two known outcomes.")
    cells = Cells(
        n=two.n, y=two.y, yy=two.yy, x=np.zeros((two.cells, 0)), weight=weight,
        group=(two.arm == arm).astype(np.int64), groups=2,
        cluster=None if two.cluster is None else two.cluster.codes,
    )  # fmt: skip
    return _Weighted(cells=cells, used=used, notes=notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Responses:
    """The known outcomes of an arm in order, with how many units it had in all."""

    value: Floats
    count: Floats
    assigned: float

    @classmethod
    def of(cls, table: Histogram, arm: int, assigned: tuple[float, ...]) -> _Responses:
        rows = table.arm == arm
        value, code = np.unique(table.value[rows], return_inverse=True)
        count = np.bincount(code, table.n[rows], len(value)).astype(float)
        return cls(value=value, count=count, assigned=max(assigned[arm], float(count.sum())))

    @property
    def n(self) -> float:
        return float(self.count.sum())

    @property
    def rate(self) -> float:
        return self.n / self.assigned if self.assigned else 0.0

    @property
    def mean(self) -> float:
        return float(self.count @ self.value / self.n)

    @property
    def variance(self) -> float:
        return float(self.count @ (self.value - self.mean) ** 2 / self.n)


def _trimmed(more: _Responses, fewer: _Responses, *, top: bool) -> tuple[float, float]:
    """Mean and variance of the responses left when the excess is cut at the top or the bottom.

    The variance is that of Lee (2009), proposition 3, with the trimming share estimated.
    """
    kept = fewer.rate / more.rate
    order = slice(None) if top else slice(None, None, -1)
    value, count = more.value[order], more.count[order]
    left = np.diff(np.minimum(count.cumsum(), kept * more.n), prepend=0.0)
    total = kept * more.n
    mean = float(left @ value / total)
    edge = float(value[np.flatnonzero(left > 0)[-1]])
    spread = float(left @ (value - mean) ** 2 / total)
    share = (1 - more.rate) / (more.assigned * more.rate)
    share += (1 - fewer.rate) / (fewer.assigned * fewer.rate)
    return mean, (spread + (edge - mean) ** 2 * (1 - kept)) / total + (edge - mean) ** 2 * share


def _filled(table: Grouped, arm: int, in_arm: float, elsewhere: float) -> Grouped:
    """The table with unknown outcomes of the arm and of the others at a value."""
    missing = np.zeros_like(table.n) if table.missing is None else table.missing
    value = np.where(table.arm == arm, in_arm, elsewhere)
    return replace(
        table, n=table.n + missing, y=table.y + missing * value,
        yy=table.yy + missing * value**2, missing=None,
    )  # fmt: skip


def _bounds(
    ends: tuple[float, float], errors: tuple[float, float], level: float, method: str
) -> Bounds:
    """Imbens and Manski's (2004) interval, equation 6: it covers the effect, not the whole set."""
    widest = max(errors)
    if widest <= 0:
        return Bounds(
            smallest=ends[0], largest=ends[1], low=ends[0], high=ends[1], level=level,
            method=method,
        )  # fmt: skip
    gap = max(ends[1] - ends[0], 0.0) / widest
    critical = float(optimize.brentq(
        lambda c: stats.norm.cdf(c + gap) - stats.norm.cdf(-c) - level, 0.0, 10.0
    ))  # fmt: skip
    return Bounds(
        smallest=ends[0], largest=ends[1], low=ends[0] - critical * errors[0],
        high=ends[1] + critical * errors[1], level=level, method=method,
    )  # fmt: skip


def _response_weights(two: Grouped) -> tuple[Floats, str]:
    """One over the response of each cell's group, with the finest grouping that has no gaps.

    Between covariates' own cells and coarser groups stands the regression.
    """
    missing = np.zeros_like(two.n) if two.missing is None else two.missing
    for name, code in _groupings(two):
        size = int(code.max(initial=-1)) + 1
        known, unknown = np.bincount(code, two.n, size), np.bincount(code, missing, size)
        if not ((known == 0) & (unknown > 0)).any():
            whole = np.divide(known + unknown, known, out=np.ones(size), where=known > 0)
            return whole[code], name
        chance = _modelled(two, missing) if name == "covariates" else None
        if chance is not None:
            return 1 / chance, MODELLED
    return np.ones_like(two.n), "nothing"


def _modelled(two: Grouped, missing: Floats) -> Floats | None:
    """Each cell's chance of an answer by regression; ``None`` where too many had next to none.

    Also where the strata are too many for columns of their own.
    """
    assert two.x is not None
    given = np.isfinite(two.x)
    stratum = np.zeros(two.cells) if two.stratum is None else two.stratum.codes
    strata = np.unique(stratum)
    if two.cells * float(len(strata)) > _LARGEST:
        return None
    columns = [
        (stratum[:, None] == strata).astype(float), np.where(given, two.x, 0.0), ~given,
    ]  # fmt: skip
    x, chance = np.column_stack(columns), np.ones(two.cells)
    for code in np.unique(two.arm):
        rows = two.arm == code
        chance[rows] = logistic(x[rows], two.n[rows], missing[rows])
        unlike = float(missing[rows & (chance < _ONE_IN_A_HUNDRED)].sum())
        if unlike > _ONE_IN_A_HUNDRED * float((two.n + missing)[rows].sum()):
            return None
    return chance


def logistic(x: Floats, yes: Floats, no: Floats) -> Floats:
    """The fitted chances of maximum likelihood for a logit linear in the columns of ``x``.

    Newton's steps by pseudo-inverse, so that columns may be sums of others. Where the columns tell
    the answers apart without a mistake the chances approach 0 and 1.
    """
    scale = np.sqrt((x**2).mean(axis=0))
    x = x[:, scale > 0] / scale[scale > 0]
    total, best, least = yes + no, np.full(len(yes), 0.5), np.inf
    beta = step = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        fitted = special.expit(np.clip(x @ beta, -_STEEPEST, _STEEPEST))
        deviance = -2 * float((special.xlogy(yes, fitted) + special.xlogy(no, 1 - fitted)).sum())
        if deviance > least:  # too far: half of the way
            step = step / 2
            beta = beta - step
            continue
        settled = least - deviance <= _SETTLED * (1 + deviance)
        best, least = fitted, deviance
        if settled:
            break
        information = x.T @ (x * (total * fitted * (1 - fitted))[:, None])
        step = np.linalg.lstsq(information, x.T @ (yes - total * fitted), rcond=_ROUNDING)[0]
        beta = beta + step
    return np.asarray(best)


def _groupings(two: Grouped) -> list[tuple[str, Ints]]:
    stratum = np.zeros(two.cells) if two.stratum is None else two.stratum.codes
    columns = [two.arm.astype(float), stratum.astype(float)]
    finest = columns if two.x is None else [*columns, *np.nan_to_num(two.x, nan=np.inf).T]
    choices = [("arm", columns[:1])]
    if two.stratum is not None:
        choices.insert(0, ("stratum", columns))
    if two.x is not None:
        choices.insert(0, ("covariates", finest))
    return [
        (name, np.unique(np.column_stack(c), axis=0, return_inverse=True)[1].ravel())
        for name, c in choices
    ]
