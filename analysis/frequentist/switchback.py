"""Switchbacks: a line, a menu or a page that alternates between arms by period.

What is randomised is the period (in each place that has its own calendar), so the period is the
cluster, and strata of the calendar (weekday by hour, say) are block fixed effects. What an arm
leaves behind in the next period ("carry-over") biases the comparison, so it is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from analysis.estimates import Absent, Estimate
from analysis.frequentist.cluster import robust
from analysis.frequentist.comparison import stratum_codes
from analysis.frequentist.difference import difference, interval
from analysis.frequentist.regression import Cells, Functional
from analysis.tables import Grouped, Ints, Key

_NO_ARM = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryOver:
    """Signs that a period's arm still acts in the next period.

    ``lag`` is the effect of the previous period's arm at a given present arm (zero without
    carry-over). ``settled`` is the difference in periods whose predecessor had the same arm, in
    which carry-over of one period has run its course; it costs about half of the data.
    """

    lag: Estimate | Absent
    settled: Estimate | Absent


def by_period(table: Grouped) -> Grouped:
    """The table with what was randomised, each period of each place, as its cluster.

    Raises:
        ValueError: the table has no periods.
    """
    if table.period is None:
        raise ValueError("a switchback's table has periods")
    place = table.cluster
    if place is None:
        return replace(table, cluster=table.period)
    size = len(table.period.levels)
    known = (table.period.codes >= 0) & (place.codes >= 0)
    codes = np.where(known, place.codes * size + table.period.codes, -1)
    return replace(table, cluster=Key(name="place and period", codes=codes, levels=()))


def switchback_difference(
    table: Grouped,
    arm: int,
    *,
    versus: int | None = None,
    level: float = 0.95,
    adjust: bool = False,
) -> Estimate | Absent:
    """Mean of ``arm`` less that of ``versus``, CR2 by period within calendar strata."""
    return difference(by_period(table), arm, versus=versus, level=level, adjust=adjust)


def carry_over(
    table: Grouped,
    arm: int,
    *,
    versus: int | None = None,
    level: float = 0.95,
    follows: npt.NDArray[np.bool_] | None = None,
) -> CarryOver:
    """Diagnostics of carry-over between periods that follow each other.

    Period codes are in the order of time. ``follows`` says of each period level whether it follows
    on the one before without a gap (default: all but the first).

    Raises:
        ValueError: the table has no periods.
    """
    versus = table.control if versus is None else versus
    previous = previous_arm(table, follows=follows)
    periods = by_period(table)
    pair = np.isin(previous, (arm, versus)) & np.isin(table.arm, (arm, versus)) & (table.n > 0)
    if not pair.any():
        gap = Absent("no-consecutive-periods", "No period follows on another in these arms.")
        return CarryOver(lag=gap, settled=gap)
    settled = periods.where(pair & (previous == table.arm))
    return CarryOver(
        lag=_lag(periods.where(pair), previous[pair] == arm, arm, level),
        settled=difference(settled, arm, versus=versus, level=level),
    )


def previous_arm(table: Grouped, *, follows: npt.NDArray[np.bool_] | None = None) -> Ints:
    """For each cell the arm of its place in the period before; -1 where there is none.

    Raises:
        ValueError: the table has no periods.
    """
    if table.period is None:
        raise ValueError("a switchback's table has periods")
    period = table.period.codes
    place = np.zeros_like(period) if table.cluster is None else table.cluster.codes
    _, site = np.unique(place, return_inverse=True)
    size = max(len(table.period.levels), int(period.max(initial=0)) + 1)
    held = np.full((int(site.max(initial=0)) + 1, size + 1), _NO_ARM)
    known = period >= 0
    held[site[known], period[known] + 1] = table.arm[known]
    before = np.where(known, held[site, np.maximum(period, 0)], _NO_ARM)
    if follows is not None:
        before = np.where(known & follows[np.maximum(period, 0)], before, _NO_ARM)
    return before.astype(np.int64)


def _lag(
    table: Grouped, before: npt.NDArray[np.bool_], arm: int, level: float
) -> Estimate | Absent:
    """Effect of the previous period's arm, given the present one, within calendar strata."""
    if table.cluster is None or len(np.unique(before)) < 2:
        return Absent("no-consecutive-periods", "Both arms have to go before some period.")
    x = np.column_stack([before, table.arm == arm]).astype(float)
    group = stratum_codes(table.stratum, table.cells)
    cells = Cells(
        n=table.n, y=table.y, yy=table.yy, x=x, group=group, groups=int(group.max()) + 1,
        cluster=table.cluster.codes,
    )  # fmt: skip
    result = robust(cells, Functional(x=np.array([1.0, 0.0]), group=np.zeros(cells.groups)))
    return interval(
        result, level=level, method="effect of the previous period's arm, CR2 by period",
        clustered=True,
    )  # fmt: skip
