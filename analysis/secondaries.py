"""Measures under the plan's looks: valid whenever the main measure ends the trial.

A trial that stops because of its main measure stops at a moment chosen by chance, and a secondary
measure that goes along with it, tested at the full level there, is wrong too often (Hung, Wang &
O'Neill 2007). So each secondary spends an error of its own over the same looks, as Glimm, Maurer &
Bretz (2010) advise: its interval is the repeated one (Jennison & Turnbull 1989), its p-value the
least error whose bound it would have crossed (Liu & Anderson 2008). Both hold at every look,
whatever ends the trial, and go into the plan's family as any others do. Under a live band
secondaries have a band too. The ratio of arms, the main measure's included, is read the same way.

So is a pre-specified group's effect, on the main measure too: it goes along with the whole's, which
it is a part of, and the looks held as much of it as they held of the group.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import special

from analysis import looking
from analysis.estimates import Absent, Estimate
from analysis.frequentist.always_valid import confidence_sequence, half_width
from analysis.frequentist.looks import Spent
from analysis.frequentist.spending import Spending
from analysis.tables import Grouped
from trials.definition.model import Looks, Trial

Outcome = Estimate | Absent
Ordinary = Callable[[float], Outcome]
"""The ordinary estimate at a coverage."""
Reader = Callable[[Ordinary, float], Outcome]
"""The estimate as the looks allow it to be read, at a coverage."""
Tables = Mapping[str, Grouped | Absent]


Group = tuple[str, str, str, str]
"""Metric, segment, level and arm."""


class Readers(NamedTuple):
    """How a contrast's difference is read (but the main measure's) and how its ratio.

    ``p`` is how the p-value of any other test on the same data is; ``None`` where it stands.
    """

    difference: Reader
    ratio: Reader
    p: Callable[[float], float] | None = None


SMALLEST = 1e-12
"""A nominal level below this is no different from none."""


def readers(
    trial: Trial, at: looking.Place, reads: Sequence[Tables]
) -> dict[tuple[str, str], Readers]:
    """How each measure but a guardrail is read, by metric and arm.

    Of the main measure that is for its ratio: the looks judge its difference themselves. There are
    none where the ordinary estimate stands. ``reads`` holds the tables at each look that has come.
    """
    if at.kind == "fixed" or not at.reached or not reads:
        return {}
    made: dict[tuple[str, str], Readers] = {}
    for metric in trial.metrics:
        tables = [tables[metric.key] for tables in reads]
        for i, arm in enumerate(trial.arms):
            if metric.role == "guardrail" or arm.control:
                continue
            main = reads[-1][trial.primary.key]
            reader = (
                _live(trial, tables[-1], main, i) if at.kind == "always-valid"
                else _repeated(trial, at, tables, i)
            )  # fmt: skip
            if reader is not None:
                made[metric.key, arm.key] = reader
    return made


def of_groups(
    trial: Trial, at: looking.Place, reads: Sequence[Tables]
) -> dict[Group, Readers]:  # fmt: skip
    """How the effects in pre-specified groups are read; the arguments are those of :func:`readers`.

    A live band is tuned to the group's share of the planned size. Guardrails' stand as they are.
    """
    if at.kind == "fixed" or not at.reached or not reads:
        return {}
    made: dict[Group, Readers] = {}
    arms = [(i, arm.key) for i, arm in enumerate(trial.arms) if not arm.control]
    for metric in trial.metrics:
        last = reads[-1][metric.key]
        if metric.role == "guardrail" or isinstance(last, Absent):
            continue
        tables = [tables[metric.key] for tables in reads]
        main = reads[-1][trial.primary.key]
        for by, level in ((by, level) for by, key in last.segments.items() for level in key.levels):
            parts = [_part(table, by, level) for table in tables]
            for i, arm in arms:
                reader = (
                    _live(trial, parts[-1], main, i, of=last) if at.kind == "always-valid"
                    else _repeated(trial, at, parts, i)
                )  # fmt: skip
                if reader is not None:
                    made[metric.key, by, level, arm] = reader
    return made


def _part(table: Grouped | Absent, by: str, level: str) -> Grouped | Absent:
    """A group's part of a look's table; nobody of it may have been there yet."""
    if isinstance(table, Absent):
        return table
    if by not in table.segments or level not in table.segments[by].levels:
        return Absent("no-outcomes", "Nobody of the group had been seen yet.")
    return table.segment(by, level)


def _repeated(
    trial: Trial, at: looking.Place, tables: Sequence[Grouped | Absent], arm: int
) -> Readers | None:
    plan = trial.analysis.looks
    assert isinstance(plan, Looks)
    information = [looking.information(table, arm) for table in tables]
    used: list[int] = []
    for k in reversed(range(len(tables))):
        if information[k] > 0 and (not used or information[k] < information[used[0]]):
            used.insert(0, k)
    if not used:
        return None
    scale = at.due[used[-1]].fraction / information[used[-1]]
    spent = Spent(
        fractions=tuple(information[k] * scale for k in used),
        timing=tuple(at.due[k].fraction for k in used), final=at.final,
        spending=Spending(plan.spending, plan.power),
    )  # fmt: skip
    read = partial(_at_look, spent)
    return Readers(read, read, spent.p)


def _at_look(spent: Spent, ordinary: Ordinary, level: float) -> Outcome:
    found = ordinary(1 - max(spent.nominal(1 - level), SMALLEST))
    if isinstance(found, Absent):
        return found
    return replace(
        found, level=level, p=None if found.p is None else spent.p(found.p),
        method=f"{found.method}; repeated confidence interval over {len(spent.fractions)} looks",
    )  # fmt: skip


def _live(
    trial: Trial, table: Grouped | Absent, main: Grouped | Absent, arm: int, *,
    of: Grouped | None = None,
) -> Readers | None:  # fmt: skip
    """The band of a measure; of one group of it where ``of`` is the measure's whole table."""
    if isinstance(table, Absent) or isinstance(main, Absent):
        return None
    units = _units(table, arm)
    share = 1.0 if of is None or not units else units / _units(of, arm)
    tuned_to = share * looking.tuned_to(trial, main, arm)
    at = 1 - trial.analysis.alpha

    def band(ordinary: Ordinary, level: float) -> Outcome:
        found = ordinary(level)
        if isinstance(found, Absent):
            return found
        return confidence_sequence(found, units, tuned_to=tuned_to, level=level, tuned_at=at)

    def ratio(ordinary: Ordinary, level: float) -> Outcome:
        """As many standard errors wide, on the scale on which the ordinary limits are had."""
        wide = half_width(units, tuned_to=tuned_to, level=level, tuned_at=at)
        if isinstance(wide, Absent):
            return wide
        found = ordinary(1 - max(2 * float(special.ndtr(-wide)), SMALLEST))
        if isinstance(found, Absent):
            return found
        says = f"{found.method}; as wide as the asymptotic confidence sequence"
        return replace(found, level=level, p=None, method=says)

    return Readers(band, ratio)


def _units(table: Grouped, arm: int) -> float:
    """Units of one comparison with a known outcome, clusters where these were randomised."""
    two = table.where(np.isin(table.arm, (arm, table.control)))
    return looking.clusters(two) if table.cluster is not None else two.total
