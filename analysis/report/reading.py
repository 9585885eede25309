"""What the numbers of a result document allow one to say: read once, judged in one place.

A result document is plain JSON (see the contract); any of its numbers may be absent with a reason.
Everything that turns a number into a claim goes through :func:`standing` (is a difference better,
worse, or neither shown) or :func:`guard` (is a guardrail kept), so that a sentence, a chart and a
table can never disagree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.estimates import Absent
from trials.definition.model import Arm, Direction, Metric, Trial

Json = Mapping[str, Any]
Standing = Literal["better", "worse", "unclear", "absent"]
Guard = Literal["kept", "breached", "open", "absent"]

_NOT_COMPUTED = Absent("not-computed", "this figure was not computed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate with the ends of its interval; an end that is ``None`` is unbounded."""

    estimate: float
    low: float | None
    high: float | None
    level: float = 0.95
    p: float | None = None
    p_adjusted: float | None = None
    method: str = ""

    def flipped(self) -> Interval:
        """The same interval with the opposite sign."""
        low = None if self.high is None else -self.high
        high = None if self.low is None else -self.low
        return Interval(
            estimate=-self.estimate, low=low, high=high, level=self.level,
            p=self.p, p_adjusted=self.p_adjusted, method=self.method,
        )  # fmt: skip


def finite(value: object) -> float | None:
    """``value`` as a float, or ``None`` when it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def part(document: object, key: str) -> Json:
    """The object under ``key``, or an empty one: documents of older versions lack some parts."""
    found = document.get(key) if isinstance(document, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def parts(document: object, key: str) -> list[Json]:
    """The list of objects under ``key``; anything else is an empty list."""
    found = document.get(key) if isinstance(document, Mapping) else None
    return [p for p in found if isinstance(p, Mapping)] if isinstance(found, list) else []


def text(document: object, key: str, default: str = "") -> str:
    """The text under ``key``, or ``default``."""
    found = document.get(key) if isinstance(document, Mapping) else None
    return found if isinstance(found, str) and found else default


def interval(value: object) -> Interval | Absent:
    """An estimate of the document as an :class:`Interval`, or the reason there is none."""
    if not isinstance(value, Mapping):
        return _NOT_COMPUTED
    if "absent" in value:
        return Absent(text(value, "absent", "absent"), text(value, "why", _NOT_COMPUTED.why))
    estimate = finite(value.get("estimate", value.get("mean")))
    if estimate is None:
        return _NOT_COMPUTED
    return Interval(
        estimate=estimate,
        low=finite(value.get("low")),
        high=finite(value.get("high")),
        level=finite(value.get("level")) or 0.95,
        p=finite(value.get("p")),
        p_adjusted=finite(value.get("p_adjusted")),
        method=text(value, "method"),
    )


def standing(found: Interval | Absent, *, better: Direction, alpha: float = 0.05) -> Standing:
    """Whether a difference (treatment minus control) is shown to be better or worse.

    It is shown only if the interval leaves out zero *and* the p-value, adjusted for the number of
    comparisons where the plan says so, is at most ``alpha``.
    """
    if isinstance(found, Absent):
        return "absent"
    p = found.p if found.p_adjusted is None else found.p_adjusted
    side = _side(found)
    if side == 0 or (p is not None and p > alpha):
        return "unclear"
    return "better" if (side > 0) == (better == "higher") else "worse"


def _side(found: Interval) -> int:
    """+1 when the whole interval is above zero, −1 when below, 0 when zero is in it."""
    if found.low is not None and found.low > 0:
        return 1
    return -1 if found.high is not None and found.high < 0 else 0


def guard(found: Interval | Absent, *, better: Direction, margin: float | None) -> Guard:
    """Whether a guardrail is kept: is harm larger than the agreed ``margin`` ruled out?

    ``kept``: the worst end of the interval is no worse than the margin (non-inferiority);
    ``breached``: the whole interval is worse than the margin; ``open``: neither. Without a margin
    the margin is zero, and a guardrail with no difference stays open.
    """
    if isinstance(found, Absent):
        return "absent"
    harm = found if better == "lower" else found.flipped()
    limit = margin or 0.0
    if harm.high is not None and harm.high < limit:
        return "kept"
    return "breached" if harm.low is not None and harm.low > limit else "open"


def rules_out_target(found: Interval | Absent, *, better: Direction, target: float | None) -> bool:
    """Whether the interval excludes an improvement as large as the plan looked for."""
    if isinstance(found, Absent) or target is None:
        return False
    gain = found if better == "higher" else found.flipped()
    return gain.high is not None and gain.high < target


def metric_entries(trial: Trial, result: Json) -> Iterator[tuple[Metric, Json]]:
    """The metrics of the result with their definitions: primary first, in the plan's order."""
    order = {"primary": 0, "secondary": 1, "guardrail": 2}
    entries = {text(m, "key"): m for m in parts(result, "metrics")}
    for metric in sorted(trial.metrics, key=lambda m: order[m.role]):
        if metric.key in entries:
            yield metric, entries[metric.key]


def primary_entry(trial: Trial, result: Json) -> Json:
    """The primary metric's part of the result, or an empty object."""
    return next((e for m, e in metric_entries(trial, result) if m.role == "primary"), {})


def arm_mean(entry: Json, arm: str) -> float | None:
    """The observed mean of ``arm`` in a metric's part of the result."""
    for found in parts(entry, "arms"):
        if found.get("arm") == arm:
            return finite(found.get("mean"))
    return None


def target_of(metric: Metric, entry: Json, control: str) -> float | None:
    """The smallest effect the plan looked for, as an absolute difference (always positive)."""
    if metric.mde is not None or metric.mde_relative is None:
        return metric.mde
    base = arm_mean(entry, control)
    return None if not base else abs(base) * metric.mde_relative


def arm_title(trial: Trial, key: str) -> str:
    """What people call the arm ``key``: its title, or its key with spaces for dashes."""
    arm: Arm | None = next((a for a in trial.arms if a.key == key), None)
    if arm is not None and arm.title:
        return arm.title
    return (key or "unnamed arm").replace("-", " ").capitalize()


def metric_title(metric: Metric) -> str:
    """What people call the metric: its title, or its key with spaces for dashes."""
    return metric.title or metric.key.replace("-", " ").capitalize()
