"""What a result says beside its headline estimate: other intervals, other estimands, sensitivity.

Pure. Nothing here decides anything; it lets a sceptic see whether the headline leans on the method
that was chosen. Each entry is an estimate, or the reason why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from analysis.chase import first_chase
from analysis.estimates import Absent, to_json
from analysis.estimation import Contrast
from analysis.estimators import few_clusters, too_uneven, wild
from analysis.frequentist.complier import Complier, complier_effect
from analysis.frequentist.counts import negative_binomial, overdispersion, quasi_poisson_ratio
from analysis.frequentist.missing import inverse_probability, lee_bounds
from analysis.frequentist.noninferiority import equivalence
from analysis.frequentist.proportions import (
    exact_p,
    is_binary,
    miettinen_nurminen,
    needs_exact,
    newcombe,
)
from analysis.frequentist.quantile import quantile_difference
from analysis.frequentist.stepped_wedge import wedge_complier_effect
from analysis.frequentist.survival import horizon_of, log_rank, survival_difference
from analysis.frequentist.switchback import carry_over
from analysis.precision import symmetric
from analysis.tables import Grouped
from trials.definition.model import Metric, Trial

Follows = Callable[[tuple[str, ...]], Any]


def added(
    trial: Trial, tables: Mapping[str, Grouped | Absent], found: Sequence[Contrast],
    follows: Follows | None = None,
) -> list[Contrast]:  # fmt: skip
    """Each contrast with its ``also``. ``follows`` says which periods of a switchback adjoin."""
    done = []
    for contrast in found:
        table = tables[contrast.metric.key]
        if isinstance(table, Absent):
            done.append(contrast)
            continue
        also = _of(trial, contrast, table, follows)
        done.append(replace(contrast, also=also or None))
    return done


def of_metric(metric: Metric, table: Grouped | Absent) -> dict[str, Any]:
    """What a metric's data look like as a whole: dispersion of counts, curves of a time."""
    if isinstance(table, Absent):
        return {}
    if metric.kind == "count":
        return {"dispersion": _dispersion(table)}
    if metric.kind == "time-to-event" and table.lives is not None:
        chase = first_chase(table.lives, horizon=horizon_of(metric.window))
        return {"curves": chase.to_json()["curves"]}
    return {}


def _of(
    trial: Trial, contrast: Contrast, table: Grouped, follows: Follows | None
) -> dict[str, Any]:
    metric, level = contrast.metric, 1 - trial.analysis.alpha
    arm = [a.key for a in trial.arms].index(contrast.arm)
    parts = {
        **_proportion(metric, table, arm, level),
        **_count(metric, table, arm, level),
        **_quantiles(metric, table, arm, level),
        **_survival(metric, table, arm, level),
        **_response(metric, table, arm, level),
        **_clusters(trial, metric, table, arm, level),
        **_equivalence(metric, contrast, trial.analysis.alpha),
    }
    if trial.analysis.uptake is not None and metric.key != trial.analysis.uptake:
        parts["compliers"] = _compliers(trial, metric, table, arm, level)
    if trial.design.kind == "switchback" and follows is not None and metric.kind != "ratio":
        parts["carry_over"] = _carry_over(table, arm, level, follows)
    return parts


def _proportion(metric: Metric, table: Grouped, arm: int, level: float) -> dict[str, Any]:
    plain = table.cluster is None and table.stratum is None and metric.kind == "proportion"
    if not plain or not is_binary(table):
        return {}
    n, y, _ = table.per_arm()
    treated, control = ((float(y[i]), float(n[i])) for i in (arm, table.control))
    if not (treated[1] and control[1]):
        return {}
    found = {
        "newcombe": to_json(newcombe(treated, control, level=level)),
        "miettinen_nurminen": to_json(miettinen_nurminen(treated, control, level=level)),
    }
    if not needs_exact(treated, control):
        return found
    p = exact_p(treated, control)
    return found if isinstance(p, Absent) else {**found, "exact_p": p}


def _count(metric: Metric, table: Grouped, arm: int, level: float) -> dict[str, Any]:
    if metric.kind != "count" or table.cluster is not None:
        return {}
    return {"quasi_poisson_ratio": to_json(quasi_poisson_ratio(table, arm, level=level))}


def _dispersion(table: Grouped) -> dict[str, Any]:
    index = overdispersion(table)
    if isinstance(index, Absent):
        return index.to_json()
    fitted = None if table.histogram is None else negative_binomial(table.histogram)
    if fitted is None or isinstance(fitted, Absent):
        return {"index": index.index, "p": index.p}
    return {
        "index": index.index, "p": index.p, "negative_binomial": {
            "dispersion": fitted.dispersion, "poisson_p": fitted.poisson_p,
            "no_contact": {"seen": fitted.zeros[0], "expected": fitted.zeros[1]},
        },
    }  # fmt: skip


def _quantiles(metric: Metric, table: Grouped, arm: int, level: float) -> dict[str, Any]:
    if not metric.quantiles or table.histogram is None:
        return {}
    if table.cluster is not None:
        why = Absent("clusters", "Limits of a quantile take units to be independent.").to_json()
        return {"quantiles": [{"q": q, "difference": why} for q in metric.quantiles]}
    whole = table.histogram
    return {"quantiles": [
        {"q": q, "difference": to_json(quantile_difference(whole, arm, q=q, level=level))}
        for q in metric.quantiles
    ]}  # fmt: skip


def _survival(metric: Metric, table: Grouped, arm: int, level: float) -> dict[str, Any]:
    if metric.kind != "time-to-event" or table.lives is None or table.cluster is not None:
        return {}
    test = log_rank(table.lives, arm)
    share = survival_difference(table.lives, arm, time=horizon_of(metric.window), level=level)
    told = test.to_json() if isinstance(test, Absent) else asdict(test)
    return {"log_rank": told, "share_without_event": to_json(share)}


def _response(metric: Metric, table: Grouped, arm: int, level: float) -> dict[str, Any]:
    """How the answer moves with what is assumed of units without an outcome."""
    two = np.isin(table.arm, (arm, table.control))
    if metric.source != "outcomes" or metric.kind == "ratio" or table.missing is None:
        return {}
    if not table.missing[two].sum():
        return {}
    found: dict[str, Any] = {}
    if metric.missing == "complete":
        weighted = inverse_probability(table, arm, level=level)
        found["inverse_probability"] = to_json(weighted)
    if table.histogram is not None:
        whole = np.bincount(table.arm, table.n + table.missing, len(table.arms))
        bounds = lee_bounds(table.histogram, arm, assigned=tuple(whole.tolist()), level=level)
        found["lee_bounds"] = bounds.to_json() if isinstance(bounds, Absent) else asdict(bounds)
    return found


def _clusters(
    trial: Trial, metric: Metric, table: Grouped, arm: int, level: float
) -> dict[str, Any]:
    if metric.kind == "ratio" or trial.design.kind == "stepped-wedge":
        return {}
    if metric.role != "primary" or not few_clusters(table, arm) or too_uneven(table, arm):
        return {}
    return {"wild_bootstrap": to_json(wild(table, arm, level=level))}


def _equivalence(metric: Metric, contrast: Contrast, alpha: float) -> dict[str, Any]:
    """Two one-sided tests at half of alpha each, read off the interval that is shown."""
    if metric.equivalence is None:
        return {}
    margin, found = metric.equivalence, contrast.difference
    if not isinstance(found, Absent) and not symmetric(found):
        found = replace(found, se=None)
    test = equivalence(found, low=-margin, high=margin, alpha=alpha / 2)
    told = test.to_json() if isinstance(test, Absent) else asdict(test)
    return {"equivalence": {"margin": margin, **told}}


def _compliers(
    trial: Trial, metric: Metric, table: Grouped, arm: int, level: float
) -> dict[str, Any] | None:
    if table.u is None or metric.kind == "ratio":
        why = Absent("no-uptake", "A ratio metric has no effect on those who took it up.")
        return why.to_json()
    own = replace(table, d=table.u, dd=table.u, dy=table.uy)
    made = (
        wedge_complier_effect(own, arm, level=level)
        if trial.design.kind == "stepped-wedge" and own.period is not None
        else complier_effect(own, arm, level=level)
    )
    return made.to_json() if isinstance(made, Absent) else _complier_json(made)


def _complier_json(made: Complier) -> dict[str, Any]:
    ends = [end if math.isfinite(end) else None for end in made.anderson_rubin]
    strength = made.first_stage_f if math.isfinite(made.first_stage_f) else None
    return {
        "effect": to_json(made.effect), "uptake": to_json(made.compliers),
        "first_stage_f": strength, "anderson_rubin": ends,
    }  # fmt: skip


def _carry_over(table: Grouped, arm: int, level: float, follows: Follows) -> dict[str, Any]:
    if table.period is None:
        return Absent("no-periods", "No periods are recorded.").to_json()
    own = replace(table, cluster=None)
    found = carry_over(own, arm, level=level, follows=follows(table.period.levels))
    return {"lag": to_json(found.lag), "settled": to_json(found.settled)}


__all__ = ["added", "of_metric"]
