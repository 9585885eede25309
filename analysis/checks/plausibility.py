"""Checks of the result itself: novelty, too good to be true, interference through a queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.checks.check import (
    Check,
    by_p,
    listed,
    not_applicable,
    p_text,
    percent,
)
from analysis.estimates import Estimate

FEWEST_DAYS = 4
USUAL_EFFECT_SD = 0.02
"""Spread of true effects of nudges on a rate: 2 points (DellaVigna and Linos 2022)."""


@dataclass(frozen=True, slots=True)
class DayEffect:
    """The effect among outcomes on one ``day`` since exposure (0 is the first), with its error."""

    day: float
    effect: float
    se: float


def novelty(days: Sequence[DayEffect], *, better: str = "lower") -> Check:
    """Whether the effect fades or grows with the days since exposure.

    A straight line in the day fitted by inverse variance; its error is widened by the scatter
    about the line where that exceeds what the errors explain.
    """
    known = [d for d in days if d.se > 0]
    if len(known) < FEWEST_DAYS:
        return not_applicable(
            "novelty", f"Fewer than {FEWEST_DAYS} days since exposure can be compared."
        )
    day = np.array([d.day for d in known], float)
    effect = np.array([d.effect for d in known], float)
    weight = 1 / np.array([d.se for d in known], float) ** 2
    centre = np.average(day, weights=weight)
    spread = (weight * (day - centre) ** 2).sum()
    mean = float(np.average(effect, weights=weight))
    slope = float((weight * (day - centre) * effect).sum() / spread)
    left = effect - mean - slope * (day - centre)
    excess = max(1.0, float((weight * left**2).sum()) / (len(known) - 2))
    z = slope / np.sqrt(excess / spread)
    p = float(2 * stats.norm.sf(abs(z)))
    first, last = mean + slope * (day.min() - centre), mean + slope * (day.max() - centre)
    return _novelty_check(p, float(first), float(last), slope, better)


def twyman(
    effect: Estimate, baseline: float | None, *, proportion: bool = True, relative: float = 0.5
) -> Check:
    """Whether an effect is too good to be true.

    Twyman's law: any figure that looks interesting or different is usually wrong.

    Args:
        effect: the absolute difference from control.
        baseline: the control's mean, ``None`` when it is not known.
        proportion: whether the outcome is a rate, so that usual effects are known.
        relative: the relative change at which to ask questions.
    """
    certain = effect.low > 0 or effect.high < 0
    change = None if not baseline else effect.estimate / abs(baseline)
    large = change is not None and abs(change) >= relative
    strange = proportion and abs(effect.estimate) >= 4 * USUAL_EFFECT_SD
    details = {"relative": change, "estimate": effect.estimate}
    if not (large or strange):
        return Check(
            key="twyman", verdict="pass", details=details,
            says="The effect is of a size that changes like this usually have.",
        )  # fmt: skip
    size = f"a change of {percent(abs(change), 0)}" if change is not None else "its size"
    if proportion and change is None:
        size = f"a change of {100 * abs(effect.estimate):.1f} percentage points"
    return Check(
        key="twyman", verdict="warn", details=details,
        says=f"The effect looks too good to be true: {size} is far beyond what changes like this "
        "usually bring." if certain else
        f"The estimate is very large ({size}) but uncertain enough to be chance.",
        what_to_do="Look first for a fault: a metric that counts the arms differently, lost "
        "records, or a few units that dominate; repeat the trial before promising it."
        if certain
        else "Expect it to shrink as more people are counted.",
    )  # fmt: skip


def interference(
    lines: Mapping[str, Collection[str]], *, kind: str = "individual", share: float | None = None
) -> Check:
    """Whether arms share a queue, so that one arm's calls change the other's wait.

    Args:
        lines: the arms that use each line or team.
        kind: the design; a switchback gives the whole queue to one arm at a time.
        share: the trial's share of the queue's demand, if known.
    """
    if not lines:
        return not_applicable("interference", "No queue is recorded for this trial.")
    shared = [line for line, arms in lines.items() if len(set(arms)) > 1]
    if kind == "switchback" or not shared:
        return Check(
            key="interference", verdict="pass", details={"shared": []},
            says="The arms do not wait in one queue at the same time.",
        )  # fmt: skip
    part = f", and make up {percent(share)} of its demand" if share is not None else ""
    queues = "one queue" if len(shared) == 1 else "the same queues"
    return Check(
        key="interference", verdict="warn", details={"shared": shared, "share": share},
        says=f"The arms wait in {queues} ({listed(shared)}){part}.",
        what_to_do="Fewer calls in one arm shorten everybody's wait, so the difference understates "
        "the gain to the whole line; never compare waiting times between these arms.",
    )  # fmt: skip


def _novelty_check(p: float, first: float, last: float, slope: float, better: str) -> Check:
    verdict = "pass" if by_p(p) == "pass" else "warn"
    details = {"first_day": first, "last_day": last, "slope_per_day": slope}
    if verdict == "pass":
        return Check(
            key="novelty", verdict="pass", p=p, details=details,
            says="The effect is about the same however long ago people met the message.",
        )  # fmt: skip
    gain_first, gain_last = (-first, -last) if better == "lower" else (first, last)
    if gain_last < gain_first:
        says = "The effect fades with the days since people met the message"
        do = "Judge it by its last days, or follow people for longer, before scaling."
    else:
        says = "The effect grows with the days since people met the message"
        do = "A longer window would show more of it; say which days the result covers."
    return Check(
        key="novelty", verdict="warn", p=p, says=f"{says} ({p_text(p)}).", what_to_do=do,
        details=details,
    )  # fmt: skip
