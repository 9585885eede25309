"""Where the usual t interval is not the best answer: few events, margins, missing outcomes.

Pure. Each function takes an estimate or a table and gives what a result carries beside it or in
its place.
"""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from analysis.estimates import Absent, Estimate, critical
from analysis.frequentist.missing import worst_case
from analysis.frequentist.noninferiority import Better, non_inferiority
from analysis.frequentist.proportions import (
    is_binary,
    miettinen_nurminen,
    needs_exact,
    newcombe,
)
from analysis.tables import Grouped
from trials.definition.model import Metric, ProportionInterval

Outcome = Estimate | Absent
_VERDICTS = {
    "superior": "kept", "non-inferior": "kept", "inferior": "breached", "inconclusive": "open",
}  # fmt: skip


def small_sample(
    metric: Metric, table: Grouped, arm: int, found: Outcome, *, level: float
) -> Outcome:
    """The Miettinen-Nurminen interval where a cell of two plain proportions expects fewer than 5.

    The point and the standard error stay (for two proportions they are the same). A comparison
    within strata or clusters keeps its own interval, for which no score form is at hand.
    """
    plain = table.cluster is None and table.stratum is None and metric.kind == "proportion"
    if isinstance(found, Absent) or found.se is None or not plain or not is_binary(table):
        return found
    n, y, _ = table.per_arm()
    treated, control = ((float(y[i]), float(n[i])) for i in (arm, table.control))
    if not needs_exact(treated, control):
        return found
    score = miettinen_nurminen(treated, control, level=level)
    if isinstance(score, Absent):
        return found
    why = "an arm expects fewer than five events or non-events: score interval"
    return replace(score, se=found.se, notes=(*found.notes, why))


def named(metric: Metric, found: Outcome) -> Outcome:
    """The outcome with its method told truly where a count or an amount was 0 or 1 for everybody.

    Its means are then shares, and score intervals hold for them, but proportions they are not.
    """
    if metric.kind == "proportion" or isinstance(found, Absent) or found is None:
        return found
    return replace(found, method=found.method.replace("of proportions", "of means, all 0 or 1")
                   .replace("in proportions", "in means, all 0 or 1"))  # fmt: skip


def planned_interval(
    asked: ProportionInterval, metric: Metric, table: Grouped, arm: int, found: Outcome, *,
    level: float,
) -> Outcome:  # fmt: skip
    """The interval that the plan names, for two plain proportions; otherwise what was found."""
    plain = table.cluster is None and table.stratum is None and metric.kind == "proportion"
    if asked == "robust" or not plain or not is_binary(table):
        return found
    n, y, _ = table.per_arm()
    treated, control = ((float(y[i]), float(n[i])) for i in (arm, table.control))
    made = (newcombe if asked == "newcombe" else miettinen_nurminen)(treated, control, level=level)
    if isinstance(made, Absent) or isinstance(found, Absent):
        return made
    return replace(made, se=found.se, notes=found.notes)


def symmetric(found: Estimate) -> bool:
    """Whether the interval's arms are so many standard errors, so that it can be stretched.

    A score interval of two equal rates has arms of one length too, but not of that length.
    """
    arms = found.high - found.estimate, found.estimate - found.low
    if not np.isclose(arms[0], arms[1], rtol=1e-9, atol=1e-15):
        return False
    if found.se is None:
        return True
    return bool(np.isclose(arms[0], critical(found.level, found.df) * found.se, rtol=1e-6))


def symmetric_logs(found: Estimate) -> bool:
    """The same of a ratio on the log scale."""
    ends = found.low, found.estimate, found.high
    if not all(0 < end < math.inf for end in ends):
        return False
    return bool(np.isclose(ends[1] / ends[0], ends[2] / ends[1], rtol=1e-9, atol=0))


def guarded(found: Outcome, *, margin: float, better: Better, alpha: float) -> dict[str, Any]:
    """A guardrail's verdict: is harm beyond the margin ruled out, shown, or still open?

    One-sided at half of alpha, so that the bound is the end of the two-sided interval on the
    harmful side and the two cannot disagree.
    """
    if isinstance(found, Absent):
        return {"margin": margin, "verdict": "not-known", **found.to_json()}
    # A score interval is not its standard error times a quantile: its own ends are the bound.
    judged = found if found.se and symmetric(found) else replace(found, se=None)
    test = non_inferiority(judged, margin=margin, better=better, alpha=alpha / 2)
    if isinstance(test, Absent):
        return {"margin": margin, "verdict": "not-known", **test.to_json()}
    verdict = _VERDICTS[test.verdict]
    return {
        "margin": margin, "bound": test.bound, "verdict": verdict, "p": test.p,
        "non_inferior": verdict == "kept", "breached": verdict == "breached",
        "level": 1 - alpha / 2,
    }  # fmt: skip


def worst(metric: Metric, table: Grouped, arm: int, *, level: float) -> dict[str, Any] | None:
    """How far unknown outcomes of a proportion could move the effect; ``None`` if none are."""
    if metric.kind != "proportion" or metric.source != "outcomes" or table.missing is None:
        return None
    two = np.isin(table.arm, (arm, table.control))
    if not table.missing[two].sum() or not is_binary(table):
        return None
    bounds = worst_case(table, arm, level=level)
    return bounds.to_json() if isinstance(bounds, Absent) else asdict(bounds)
