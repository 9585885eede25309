"""The effects of crossed factors, for trials whose arms are the combinations of their levels.

Pure: a plan and grouped tables go in, result data comes out.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from analysis.estimates import Absent, to_json
from analysis.estimation import School, adjusts, posterior
from analysis.frequentist.factorial import weighted_means
from analysis.frequentist.multiplicity import family
from analysis.tables import Floats, Grouped
from trials.definition.model import Metric, Trial
from trials.designs.factorial import Factorial, factorial_of

_LATER = "Read at the planned end: the main effects have no bounds for earlier looks."


def of_metric(
    trial: Trial, metric: Metric, table: Grouped | Absent, school: School
) -> dict[str, Any]:
    """``main_effects`` and ``factor_interactions`` of one metric; nothing where arms cross nothing.

    A metric's main effects are one family, adjusted as the plan says (Holm where it says Dunnett,
    which is for arms against a control); guardrails keep full alpha. Interactions are not adjusted.
    """
    crossed = factorial_of(trial.arms)
    if crossed is None:
        return {}
    return {
        "main_effects": _main_effects(trial, metric, table, crossed, school),
        "factor_interactions": _interactions(trial, metric, table, crossed),
    }


def _main_effects(
    trial: Trial, metric: Metric, table: Grouped | Absent, crossed: Factorial, school: School
) -> list[dict[str, Any]]:
    asked = [(f, level) for f in crossed.factors for level in f.levels[1:]]
    found = [_weighted(trial, metric, table, crossed.main_effect(f.key, level))
             for f, level in asked]  # fmt: skip
    planned = trial.analysis.multiplicity
    if metric.role != "guardrail":
        method = "holm" if planned == "dunnett" else planned
        adjusted = family(found, method, alpha=trial.analysis.alpha)
    else:
        adjusted = list(found)
    return [
        {
            "factor": factor.key, "level": level, "versus": factor.levels[0],
            "difference": to_json(told if told is not None else plain),
            "posterior": None if school == "frequentist"
            else posterior(trial, metric, plain).to_json(),
            **({"note": _LATER} if trial.analysis.looks != "fixed" else {}),
        }
        for (factor, level), plain, told in zip(asked, found, adjusted, strict=True)
    ]  # fmt: skip


def _interactions(
    trial: Trial, metric: Metric, table: Grouped | Absent, crossed: Factorial
) -> list[dict[str, Any]]:
    return [
        {
            "factors": [one.key, other.key], "levels": [a, b],
            "difference": to_json(_weighted(
                trial, metric, table, crossed.interaction((one.key, a), (other.key, b)))),
        }
        for one, other in combinations(crossed.factors, 2)
        for a in one.levels[1:] for b in other.levels[1:]
    ]  # fmt: skip


def _weighted(trial: Trial, metric: Metric, table: Grouped | Absent, weights: Floats) -> Any:
    if isinstance(table, Absent):
        return table
    if metric.kind in {"ratio", "time-to-event"}:
        return Absent("not-of-this-kind", f"Factors are not compared on a {metric.kind}.")
    adjust = adjusts(trial, table)
    return weighted_means(table, weights, level=1 - trial.analysis.alpha, adjust=adjust)
