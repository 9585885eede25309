"""What one trial adds to what all trials say: its effect as a logarithm of a ratio. Pure.

Trials count calls within 7 days or within 28, per household or per contact; differences of such
rates do not compare, their ratios do. So effects are pooled as ln(new version / control) of the
main measure, below zero where people needed fewer contacts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from analysis.bayesian.pooling import Finding
from analysis.estimates import Absent, critical
from analysis.report.reading import finite, metric_title, part, parts, primary_entry, text
from analysis.report.withhold import sentence
from trials.definition.model import Trial

Json = Mapping[str, Any]

RATES = frozenset({"proportion", "count", "ratio"})
"""Kinds of measure that say how often something happens: only these pool as ratios of rates."""


def finding(trial: Trial, result: Json | None, *, imported: bool = False) -> Finding | Absent:
    """A trial's effect on the common scale, or why it has none to add.

    Several new versions of one trial count once: as the mean of their effects, with the covariance
    that they have from sharing a control (the delta method's variance of its logarithm). Picking
    the best of them would bring the winner's curse back in.
    """
    why = _left_out(trial, result)
    if result is None or why is not None:
        return why or Absent("no-result", "It has not been analysed.")
    entry = primary_entry(trial, result)
    effects = [e for c in parts(entry, "contrasts") if (e := _log_ratio(part(c, "ratio")))]
    if not effects:
        return Absent("no-ratio", "Its effect has no ratio with a finite range.")
    estimate, se = _mean_of(effects, _control_variance(entry, trial.control.key))
    return Finding(trial=trial.key, estimate=estimate, se=se, imported=imported)


def _left_out(trial: Trial, result: Json | None) -> Absent | None:
    if result is None:
        return Absent("no-result", "It has not been analysed.")
    held = sentence(result) or text(result, "withheld")
    if held:
        return Absent("withheld", f"{held}.")
    metric = trial.primary
    if metric.better != "lower" or metric.kind not in RATES:
        says = f"Its main measure, {metric_title(metric)}, is not one of how often people "
        return Absent("other-measure", f"{says}have to get in touch.")
    if result.get("locked") is not True:
        return Absent("not-locked", "Its plan was not locked before the data came.")
    failed = [text(c, "key") for c in parts(result, "checks") if c.get("verdict") == "fail"]
    if failed:
        named = ", ".join(key.replace("-", " ") for key in failed)
        return Absent("failed-check", f"Its result cannot be trusted: {named} failed.")
    return None


def _log_ratio(ratio: Json) -> tuple[float, float] | None:
    """The logarithm of a ratio and its standard error, without one from its interval's ends.

    The ends may allow for looks or for other questions, which the error of a pool should not.
    """
    ends = [finite(ratio.get(name)) for name in ("estimate", "low", "high")]
    estimate, low, high = ends
    if estimate is None or low is None or high is None or not 0 < low < high:
        return None
    error = finite(ratio.get("se"))
    if error and estimate > 0:
        return math.log(estimate), error / estimate
    level, df = finite(ratio.get("level")) or 0.95, finite(ratio.get("df"))
    half = (math.log(high) - math.log(low)) / 2
    return math.log(estimate), half / critical(level, df)


def _control_variance(entry: Json, control: str) -> float:
    """Var(ln mean) of the control, which all contrasts of a trial share; 0 where it is not told."""
    found = next((a for a in parts(entry, "arms") if text(a, "arm") == control), {})
    mean, low, high = (finite(found.get(name)) for name in ("mean", "low", "high"))
    if mean is None or low is None or high is None or mean <= 0:
        return 0.0
    return ((high - low) / 2 / critical(0.95, None) / mean) ** 2


def _mean_of(effects: list[tuple[float, float]], shared: float) -> tuple[float, float]:
    k = len(effects)
    variance = sum(se**2 for _, se in effects)
    common = min(shared, *(se**2 for _, se in effects)) if k > 1 else 0.0
    total = (variance + k * (k - 1) * common) / k**2
    return sum(estimate for estimate, _ in effects) / k, math.sqrt(total)
