"""From grouped tables to the metrics of a result: every contrast the plan asks for.

Pure: tables and a plan go in, result data comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np

from analysis import ratios
from analysis.bayesian.posterior import Posterior, effect_posterior
from analysis.estimates import Absent, Estimate, to_json
from analysis.estimators import UNSEGMENTED, arms_of, difference_of, interaction_of, ratio_of
from analysis.frequentist.dunnett import from_contrasts
from analysis.frequentist.multiplicity import adjust, family, stretched
from analysis.frequentist.subgroups import LEAST, shrink
from analysis.looking import Judged, shared
from analysis.precision import guarded, symmetric, worst
from analysis.secondaries import Group
from analysis.secondaries import Readers as Read
from analysis.tables import Grouped
from trials.definition.model import Metric, Prior, Trial

School = Literal["frequentist", "bayesian", "both"]
Outcome = Estimate | Absent
Readers = Mapping[tuple[str, str], Read]
NOT_REDRAWN = Absent(
    "not-redrawn", "The draw is made again for the main measure of everybody alone."
)


class Again(NamedTuple):
    """A contrast at any coverage, and whether the plan's looks had a say in it."""

    at: Callable[[float], Outcome]
    looked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """One arm against the control on one metric."""

    metric: Metric
    arm: str
    versus: str
    difference: Outcome
    unadjusted: Outcome
    ratio: Outcome
    posterior: Posterior | Absent | None
    guardrail: dict[str, Any] | None = None
    randomisation_p: float | Absent | None = None
    look: dict[str, Any] | None = None
    bounds: dict[str, Any] | None = None
    also: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The contract's contrast; ``randomisation_why`` says why there is no such p-value."""
        redrawn = NOT_REDRAWN if self.randomisation_p is None else self.randomisation_p
        return {
            "arm": self.arm, "versus": self.versus,
            "difference": to_json(self.difference), "ratio": to_json(self.ratio),
            "unadjusted": to_json(self.unadjusted),
            **_redrawn(redrawn),
            "posterior": None if self.posterior is None else self.posterior.to_json(),
            "guardrail": self.guardrail,
            **({"look": self.look} if self.look else {}),
            **({"bounds": self.bounds} if self.bounds else {}),
            **({"also": self.also} if self.also else {}),
        }  # fmt: skip


def _redrawn(found: float | Absent) -> dict[str, Any]:
    if isinstance(found, Absent):
        return {"randomisation_p": None, "randomisation_why": found.why}
    return {"randomisation_p": found}


def contrasts(
    trial: Trial, tables: Mapping[str, Grouped | Absent], school: School,
    judged: Judged | None = None, readers: Readers | None = None,
) -> list[Contrast]:  # fmt: skip
    """Every contrast of every metric, p-values adjusted within the plan's families.

    Where the plan's looks judged the main measure, its contrasts are as they were judged, and the
    secondaries', all ratios and all differences without covariates as their ``readers`` (by metric
    and arm) have them. A ratio's interval has the coverage that its difference's came to.
    """
    readers = readers or {}
    found = [
        contrast
        for metric in trial.metrics
        for contrast in _of_metric(trial, metric, tables[metric.key], school)
    ]
    again = _agains(trial, found, tables, judged, readers)
    if trial.analysis.multiplicity == "dunnett":
        done = _looked(_dunnett(trial, found, tables, again), judged)
    else:
        done = _adjusted(trial, _looked(_read(trial, found, again), judged), again)
    return [
        _read_alike(trial, plain, contrast, tables[contrast.metric.key],
                    readers.get((contrast.metric.key, contrast.arm)))
        for plain, contrast in zip(found, done, strict=True)
    ]  # fmt: skip


def _agains(
    trial: Trial, found: list[Contrast], tables: Mapping[str, Grouped | Absent],
    judged: Judged | None, readers: Readers,
) -> list[Again]:  # fmt: skip
    """For each contrast how to have it at another coverage, as the plan's looks allow it."""
    primary = iter(judged.again if judged is not None else ())
    made: list[Again] = []
    for contrast in found:
        plain = partial(_again, trial, contrast, tables)
        read = readers.get((contrast.metric.key, contrast.arm))
        if contrast.metric.role == "primary" and judged is not None:
            made.append(Again(next(primary), looked=True))
        elif contrast.metric.role == "secondary" and read is not None:
            made.append(Again(partial(read.difference, plain), looked=True))
        else:
            made.append(Again(plain, looked=False))
    return made


def adjusts(trial: Trial, table: Grouped) -> bool:
    """Whether the plan names covariates and the table holds them."""
    return bool(trial.analysis.adjust) and table.x is not None


def _read_alike(
    trial: Trial, plain: Contrast, done: Contrast, table: Grouped | Absent, read: Read | None
) -> Contrast:  # fmt: skip
    """The contrast with its ratio, and its difference without covariates, read at its looks.

    ``plain`` is the contrast of no reading.
    """
    if isinstance(table, Absent) or done.metric.role == "guardrail":
        return done
    wide = ratios.Wide.of(trial, plain.difference, done.difference, looked=read is not None)
    arm = [a.key for a in trial.arms].index(done.arm)
    again = partial(ratio_of, trial, done.metric, table, arm, adjust=adjusts(trial, table))
    ratio = ratios.read(plain.ratio, wide, again, read.ratio if read else None)
    if read is None:
        return replace(done, ratio=ratio)

    def unadjusted(level: float) -> Outcome:
        return difference_of(trial, done.metric, table, arm, level=level)

    return replace(done, ratio=ratio,
                   unadjusted=read.difference(unadjusted, 1 - trial.analysis.alpha))  # fmt: skip


def _read(trial: Trial, found: list[Contrast], again: Sequence[Again]) -> list[Contrast]:
    """The secondaries' contrasts as the looks allow them to be read."""
    return [
        replace(contrast, difference=how.at(1 - trial.analysis.alpha))
        if how.looked and contrast.metric.role == "secondary" else contrast
        for contrast, how in zip(found, again, strict=True)
    ]  # fmt: skip


def ordinary(trial: Trial, table: Grouped | Absent) -> list[Outcome]:
    """The main measure's ordinary estimate of each treatment arm, with the plan's covariates."""
    return [c.difference for c in _of_metric(trial, trial.primary, table, "frequentist")]


def whole(trial: Trial, metric: Metric, table: Grouped | Absent) -> list[Contrast]:
    """Each treatment arm's ordinary contrast on one metric, adjusted for no other question."""
    return _of_metric(trial, metric, table, "frequentist")


def _looked(found: list[Contrast], judged: Judged | None) -> list[Contrast]:
    """The main measure's contrasts as its looks judged them."""
    if judged is None:
        return found
    primary = iter(zip(judged.outcomes, judged.notes, strict=True))
    done = []
    for contrast in found:
        if contrast.metric.role != "primary":
            done.append(contrast)
            continue
        outcome, note = next(primary)
        done.append(replace(contrast, difference=outcome, look=note))
    return done


def _of_metric(
    trial: Trial, metric: Metric, table: Grouped | Absent, school: School
) -> list[Contrast]:
    control = trial.control.key
    others = [(i, arm.key) for i, arm in enumerate(trial.arms) if not arm.control]
    if isinstance(table, Absent):
        return [
            Contrast(metric=metric, arm=key, versus=control, difference=table, unadjusted=table,
                     ratio=table, posterior=table if school != "frequentist" else None)
            for _, key in others
        ]  # fmt: skip
    return [_contrast(trial, metric, table, i, key, school) for i, key in others]


def _contrast(
    trial: Trial, metric: Metric, table: Grouped, arm: int, key: str, school: School
) -> Contrast:
    level = 1 - trial.analysis.alpha
    adjust = adjusts(trial, table)
    plain = difference_of(trial, metric, table, arm, level=level)
    main = difference_of(trial, metric, table, arm, level=level, adjust=True) if adjust else plain
    return Contrast(
        metric=metric, arm=key, versus=trial.control.key,
        difference=main, unadjusted=plain,
        ratio=ratio_of(trial, metric, table, arm, level=level, adjust=adjust),
        posterior=posterior(trial, metric, main) if school != "frequentist" else None,
        guardrail=_guardrail(metric, main, trial.analysis.alpha),
        bounds=worst(metric, table, arm, level=level),
    )  # fmt: skip


def posterior(trial: Trial, metric: Metric, found: Outcome) -> Posterior | Absent:
    """The posterior of a contrast under the plan's prior.

    The plan's prior is on the primary metric's absolute effect. Another metric is given it only
    if both are proportions; otherwise the prior is flat, and so it is for a primary metric that is
    no proportion unless the plan states one, because the default is meant for shares of people.
    """
    if isinstance(found, Absent):
        return found
    if found.se is None or found.se <= 0:
        return Absent("no-standard-error", "There is no standard error to weigh the prior against.")
    planned = plan_prior_applies(trial, metric)
    prior = trial.analysis.prior
    if not planned:
        prior = prior.model_copy(update={"mean": 0.0, "sd": FLAT * found.se})
    rope = trial.analysis.rope if metric.role == "primary" else None
    made = effect_posterior(
        found.estimate, found.se, prior=prior, better=metric.better, rope=rope, df=found.df
    )
    if planned or isinstance(made, Absent):
        return made
    return made.noted("the plan states no prior for this metric: a flat one is used")


def plan_prior_applies(trial: Trial, metric: Metric) -> bool:
    """Whether the plan's prior speaks of this metric; see :func:`posterior`."""
    if metric.kind == trial.primary.kind == "proportion":
        return True
    return metric.role == "primary" and trial.analysis.prior != Prior()


FLAT = 1000.0
"""A normal prior this many standard errors wide moves the estimate by less than a millionth."""


def _guardrail(metric: Metric, found: Outcome, alpha: float) -> dict[str, Any] | None:
    """Non-inferiority by the margin, one-sided at half of alpha; see :mod:`analysis.precision`."""
    if metric.role != "guardrail" or metric.margin is None:
        return None
    return guarded(found, margin=metric.margin, better=metric.better, alpha=alpha)


def _adjusted(trial: Trial, found: list[Contrast], again: Sequence[Again]) -> list[Contrast]:
    """Adjust over the primary's contrasts and the secondaries; guardrails keep full alpha."""
    inside = [i for i, c in enumerate(found) if c.metric.role != "guardrail"]

    done = family(
        [found[i].difference for i in inside], trial.analysis.multiplicity,
        alpha=trial.analysis.alpha,
        recompute=lambda k, level: again[inside[k]].at(level),
    )  # fmt: skip
    result = list(found)
    for i, member in zip(inside, done, strict=True):
        assert member is not None
        result[i] = replace(found[i], difference=member)
    return result


def _again(
    trial: Trial, contrast: Contrast, tables: Mapping[str, Grouped | Absent], level: float
) -> Outcome:
    """A contrast at another coverage: worked out afresh where its interval is not symmetric."""
    found, table = contrast.difference, tables[contrast.metric.key]
    if isinstance(found, Absent) or isinstance(table, Absent):
        return found
    if symmetric(found):
        return stretched(found, level)
    arm = [a.key for a in trial.arms].index(contrast.arm)
    return difference_of(trial, contrast.metric, table, arm, level=level)


def _dunnett(
    trial: Trial, found: list[Contrast], tables: Mapping[str, Grouped | Absent],
    again: Sequence[Again],
) -> list[Contrast]:  # fmt: skip
    """Dunnett's test over the arms of each metric; guardrails keep full alpha.

    Under looks the error rate is split evenly over a metric's arms instead.
    """
    result = list(found)
    for metric in trial.metrics:
        if metric.role == "guardrail":
            continue
        mine = [i for i, c in enumerate(found) if c.metric.key == metric.key]
        if any(again[i].looked for i in mine):
            for i in mine if metric.role == "secondary" else []:
                outcome = again[i].at(1 - trial.analysis.alpha / len(mine))
                result[i] = replace(found[i], difference=shared(outcome, len(mine)))
            continue
        done = from_contrasts(
            [found[i].difference for i in mine],
            _shared_variance(trial, metric, tables[metric.key]), alpha=trial.analysis.alpha,
        )  # fmt: skip
        for i, member in zip(mine, done, strict=True):
            if member is not None:
                result[i] = replace(found[i], difference=member)
    return result


def _shared_variance(trial: Trial, metric: Metric, table: Grouped | Absent) -> float:
    """The covariance of two contrasts that share the control; the smallest, where there are more.

    From the contrasts' own errors, Cov(a − c, b − c) = (Var(a − c) + Var(b − c) − Var(a − b)) / 2,
    so that strata and covariates take from it what they take from the contrasts; without either it
    is the variance of the control's mean. The smallest errs cautious. 0 (contrasts taken as
    independent) where clustered, or where an error is not known.
    """
    if isinstance(table, Absent) or table.cluster is not None:
        return 0.0
    adjust = adjusts(trial, table)

    def variance(arm: int, versus: int) -> float:
        against = replace(table, control=versus)
        found = difference_of(trial, metric, against, arm, level=0.95, adjust=adjust)
        return found.se**2 if isinstance(found, Estimate) and found.se else math.inf

    others = [i for i in range(len(table.arms)) if i != table.control]
    own = {i: variance(i, table.control) for i in others}
    shared = [(own[a] + own[b] - variance(a, b)) / 2 for a, b in combinations(others, 2)]
    smallest = min(shared, default=0.0)
    return smallest if math.isfinite(smallest) and smallest > 0 else 0.0


def metric_json(
    metric: Metric, table: Grouped | Absent, mine: list[Contrast],
    segments: list[dict[str, Any]], readers: Readers | None = None,
) -> dict[str, Any]:  # fmt: skip
    """One entry of the result's ``metrics``; ``readers`` are those of :func:`contrasts`."""
    return {
        "key": metric.key, "title": metric.title, "role": metric.role, "kind": metric.kind,
        "better": metric.better,
        "arms": [] if isinstance(table, Absent) else arms_json(metric, table),
        "contrasts": [contrast.to_json() for contrast in mine],
        "segments": segments, "interactions": interactions_json(table, metric, readers),
        **({"absent": table.code, "why": table.why} if isinstance(table, Absent) else {}),
    }  # fmt: skip


def arms_json(metric: Metric, table: Grouped) -> list[dict[str, Any]]:
    """Per arm: n, clusters, mean, sd and interval."""
    return [arm.to_json() for arm in arms_of(metric, table)]


def segments_json(
    trial: Trial, metric: Metric, table: Grouped | Absent, school: School,
    readers: Mapping[Group, Read] | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The pre-specified segments of one metric: each level by itself, and partially pooled.

    Under the plan's looks differences and ratios are as their ``readers`` have them; what is pooled
    are the estimates and their errors, which looks do not change. ``shrunk`` is the first
    treatment's effect pulled towards the average over the levels; each contrast carries its own. A
    level with fewer than fifty units in an arm is counted and nothing more: neither its rates nor
    its effect would say anything, but they would be read.
    """
    if isinstance(table, Absent) or metric.kind in UNSEGMENTED:
        return []
    return [entry for by in table.segments
            for entry in _segment(trial, metric, table, by, school, readers or {})]  # fmt: skip


def _segment(
    trial: Trial, metric: Metric, table: Grouped, by: str, school: School,
    readers: Mapping[Group, Read],
) -> list[dict[str, Any]]:  # fmt: skip
    levels = table.segments[by].levels
    parts = [table.segment(by, level) for level in levels]
    found = [
        [_of_group(trial, contrast, part, readers.get((metric.key, by, level, contrast.arm)))
         for contrast in _of_level(trial, metric, part, school)]
        for level, part in zip(levels, parts, strict=True)
    ]  # fmt: skip
    pooled = [
        _shrunk(trial, metric, [contrasts_[k].difference for contrasts_ in found])
        for k in range(len(found[0]))
    ]
    return [
        {
            "by": by, "level": level, "arms": _level_arms(metric, parts[i]),
            "contrasts": [
                {**contrast.to_json(), "shrunk": pooled[k][i]} for k, contrast in enumerate(mine)
            ],
            "shrunk": pooled[0][i],
        }
        for i, (level, mine) in enumerate(zip(levels, found, strict=True))
    ]  # fmt: skip


def _of_group(trial: Trial, plain: Contrast, part: Grouped, read: Read | None) -> Contrast:
    """A group's contrast as the plan's looks allow it to be read."""
    if read is None or isinstance(plain.difference, Absent):
        return plain
    again = partial(_again, trial, plain, {plain.metric.key: part})
    done = replace(plain, difference=read.difference(again, 1 - trial.analysis.alpha))
    return _read_alike(trial, plain, done, part, read)


def _of_level(trial: Trial, metric: Metric, part: Grouped, school: School) -> list[Contrast]:
    """The contrasts within one level; none where an arm has too few units there."""
    n = part.per_arm()[0]
    few = Absent(
        "too-few-units", f"Fewer than {LEAST} {trial.about.unit}s in an arm of this group."
    )
    absent = iter(_of_metric(trial, metric, few, school))
    known = iter(_of_metric(trial, metric, part, school))
    others = [i for i, arm in enumerate(trial.arms) if not arm.control]
    return [
        a if min(n[i], n[part.control]) < LEAST else k
        for i, a, k in zip(others, absent, known, strict=True)
    ]


def _level_arms(metric: Metric, part: Grouped) -> list[dict[str, Any]]:
    """The arms of one level; of one with too few units no more than how many there are."""
    blank = {"mean": None, "sd": None, "low": None, "high": None}
    return [a if a["n"] >= LEAST else {**a, **blank} for a in arms_json(metric, part)]


def _shrunk(
    trial: Trial, metric: Metric, effects: Sequence[Outcome]
) -> list[dict[str, Any] | None]:
    """Each level's effect partially pooled with the others; ``None`` where it cannot be.

    The deviation between levels has a half-normal prior half as wide as the plan's on the effect
    (the default of :func:`analysis.bayesian.pooling.pool` too); the average has a flat one.
    """
    known = [i for i, e in enumerate(effects) if isinstance(e, Estimate) and e.se]
    scale = trial.analysis.prior.sd / 2 if plan_prior_applies(trial, metric) else None
    values = [e for e in effects if isinstance(e, Estimate) and e.se]
    made = shrink(
        np.array([e.estimate for e in values]), np.array([float(e.se or 0) for e in values]),
        tau_scale=scale, level=1 - trial.analysis.alpha,
    ) if values else Absent("no-levels", "No level has an effect.")  # fmt: skip
    result: list[dict[str, Any] | None] = [None] * len(effects)
    if isinstance(made, Absent):
        return result
    for i, effect in zip(known, made.effects, strict=True):
        result[i] = {"mean": effect.estimate, "low": effect.low, "high": effect.high,
                     "method": effect.method}  # fmt: skip
    return result


def interactions_json(
    table: Grouped | Absent, metric: Metric, readers: Readers | None = None
) -> list[dict[str, Any]]:  # fmt: skip
    """Whether each arm's effect differs between the levels of each pre-specified segment.

    Under declared looks ``p`` is the sequential one, as a secondary's is. ``p_adjusted`` is Holm's
    over all of the metric's tests, so that planning many segments does not find a difference
    between groups by chance.
    """
    if isinstance(table, Absent) or metric.kind in UNSEGMENTED:
        return []
    found = []
    for by in table.segments:
        for i, arm in enumerate(table.arms):
            if i == table.control:
                continue
            test = interaction_of(metric, table, by, i)
            read = readers.get((metric.key, arm)) if readers else None
            p = read.p if read and read.p else float
            told = test.to_json() if isinstance(test, Absent) else {"p": p(test.p), "f": test.f}
            found.append({"by": by, "arm": arm, **told})
    adjusted = adjust([one.get("p") for one in found], "holm")
    return [
        one if p is None else {**one, "p_adjusted": p}
        for one, p in zip(found, adjusted, strict=True)
    ]
