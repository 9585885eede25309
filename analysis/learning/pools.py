"""The findings of all trials put together: on average, and by area, channel and technique. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from analysis.bayesian.pooling import Finding, Normals, Pooled, pool
from analysis.bayesian.priors import EffectPrior
from analysis.estimates import Absent
from analysis.frequentist import meta

AVERAGE = EffectPrior(
    mean=0.0, sd=0.5, label="portfolio",
    source="two in three messages change contact by less than 40% either way",
)  # fmt: skip
"""The prior on the average ln ratio."""
SPREAD = 0.25
"""The scale of the half-normal priors of the spread between trials and between groups."""
METHODS: tuple[meta.TauMethod, ...] = ("dersimonian-laird", "reml")
OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A finding with what its trial was about."""

    finding: Finding
    area: str
    channel: str
    techniques: tuple[str, ...]

    @property
    def families(self) -> tuple[str, ...]:
        """The techniques without their finer part: ``easy:simplify`` is ``easy``."""
        return tuple(dict.fromkeys(t.split(":")[0] for t in self.techniques))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One area, channel or technique: its trials, their mean effect, and a new setting's."""

    name: str
    trials: tuple[str, ...]
    mean: Normals
    new_setting: Normals


@dataclass(frozen=True, slots=True, kw_only=True)
class Textbook:
    """The average by a textbook's random effects, with two intervals.

    The normal one, and Hartung and Knapp's, which few trials need.
    """

    normal: meta.Pooled
    knapp_hartung: meta.Pooled

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the average as a ratio beside."""
        made, one = self.normal, self.normal.mean
        return {
            "estimate": one.to_json(), "knapp_hartung": self.knapp_hartung.mean.to_json(),
            "tau2": made.tau2, "q": made.q, "q_p": made.q_p, "i2": made.i2,
            "prediction": None if made.prediction is None else list(made.prediction),
            "ratio": {"estimate": math.exp(one.estimate), "low": math.exp(one.low),
                      "high": math.exp(one.high)},
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What all trials say together, in logarithms of ratios."""

    tagged: tuple[Tagged, ...]
    all_trials: Pooled
    by: dict[str, tuple[Group, ...]]
    textbook: dict[str, Textbook | Absent]

    def shrunk(self, key: str) -> Normals | None:
        """A trial's effect as all trials together make it credible."""
        pairs = zip(self.all_trials.findings, self.all_trials.trials, strict=True)
        return next((x for f, x in pairs if f.trial == key), None)

    def group(self, by: str, name: str) -> Group | None:
        """One group, if there is such a one."""
        return next((g for g in self.by.get(by, ()) if g.name == name), None)


def learn(tagged: Sequence[Tagged]) -> Learned | Absent:
    """Pool all findings: once on their own, and once for each way of grouping them.

    A trial has several techniques, so each technique is set beside all other trials in a pool of
    its own; areas and channels share one pool each. What the same findings say is worked out once
    a process, and its quantiles with it.
    """
    return _learned(tuple(tagged))


@lru_cache(maxsize=16)
def _learned(found: tuple[Tagged, ...]) -> Learned | Absent:
    everything = pool([t.finding for t in found], prior=AVERAGE, tau_scale=SPREAD)
    if isinstance(everything, Absent):
        return everything
    families = sorted({f for t in found for f in t.families})
    return Learned(
        tagged=found, all_trials=everything,
        by={
            "technique": tuple(_technique(found, family) for family in families),
            "channel": _groups(found, lambda t: t.channel or "not said"),
            "area": _groups(found, lambda t: t.area),
        },
        textbook={method: _textbook(found, method) for method in METHODS},
    )  # fmt: skip


def _groups(tagged: Sequence[Tagged], of: Callable[[Tagged], str]) -> tuple[Group, ...]:
    findings = [replace(t.finding, group=of(t)) for t in tagged]
    made = pool(findings, prior=AVERAGE, tau_scale=SPREAD)
    if isinstance(made, Absent):
        return ()
    names = sorted({f.group for f in findings})
    return tuple(
        Group(
            name=name, trials=tuple(f.trial for f in findings if f.group == name),
            mean=made.groups.get(name, made.average),
            new_setting=made.in_group.get(name, made.predictive),
        )
        for name in names
    )  # fmt: skip


def _technique(tagged: Sequence[Tagged], family: str) -> Group:
    """The group of one technique, beside all trials without it."""
    groups = _groups(tagged, lambda t: family if family in t.families else OTHERS)
    return next(g for g in groups if g.name == family)


def _textbook(tagged: Sequence[Tagged], method: meta.TauMethod) -> Textbook | Absent:
    y = np.array([t.finding.estimate for t in tagged])
    se = np.array([t.finding.se for t in tagged])
    normal = meta.pool(y, se, tau=method, hartung_knapp=False)
    scaled = meta.pool(y, se, tau=method)
    if isinstance(normal, Absent):
        return normal
    return scaled if isinstance(scaled, Absent) else Textbook(normal=normal, knapp_hartung=scaled)


def informed_prior(
    learned: Learned, baseline: float, *, by: str = "", name: str = ""
) -> EffectPrior | Absent:
    """The prior that past trials give the next one, as a trial file states it.

    ``baseline`` is the control's expected rate, so that the predicted ratio becomes a difference
    in the metric's own units; ``by`` and ``name`` pick an area, channel or technique.
    """
    if not math.isfinite(baseline) or baseline <= 0:
        return Absent("no-baseline", "The rate under today's wording must be above 0.")
    group = learned.group(by, name)
    if by and group is None:
        return Absent("no-such-group", f"No trial in the pool has the {by} {name!r}.")
    basis = learned.all_trials.predictive if group is None else group.new_setting
    draws = baseline * np.expm1(basis.spread_out(2000))
    where = "all trials" if group is None else f"{by} {name} within all trials"
    marks = {t.finding.trial: " (imported)" if t.finding.imported else "" for t in learned.tagged}
    names = marks if group is None else dict.fromkeys(group.trials)
    return EffectPrior(
        mean=float(draws.mean()), sd=float(draws.std()), label="informed",
        source=f"predicted for a new setting from {where} ({len(marks)} trials), at a rate of "
        f"{baseline:g} today: {', '.join(key + marks[key] for key in names)}",
    )  # fmt: skip


def ratio(found: Normals) -> dict[str, float]:
    """A posterior of a logarithm as a ratio: its median with its 95% range."""
    low, middle, high = (found.quantile(p) for p in (0.025, 0.5, 0.975))
    return {"estimate": math.exp(middle), "low": math.exp(low), "high": math.exp(high)}
