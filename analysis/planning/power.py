"""Sample size, detectable effect and power: one entry point, :func:`plan_power`.

Every question comes down to the chance that one comparison with control passes its critical value:
a non-central t (or normal) probability with the error of the design. Sizes and effects are found
by solving that one function, so the three answers always agree with each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import optimize, special

from analysis.frequentist.cluster import FEW
from analysis.frequentist.dunnett import critical_value, lambdas_of
from analysis.frequentist.sequential import Look, boundaries, inflation, with_futility
from analysis.frequentist.spending import Spending
from analysis.frequentist.walk import crossing
from analysis.planning.designs import (
    clusters_by_step,
    design_effect,
    stepped_wedge_df,
    stepped_wedge_variance,
)
from analysis.planning.outcome import Spread, non_inferiority, spread
from analysis.planning.request import Guardrail, PowerAnswer, PowerRequest, check
from analysis.planning.sentence import method_of, notes_of, says_of
from trials.errors import SignpostError

LARGEST = 1e13
"""A size beyond this is no answer."""
HORIZONS = (6, 12, 26)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of every arm, the control's first (units, or periods for a switchback)."""

    arms: tuple[float, ...]
    cluster_size: float | None = None


def plan_power(request: PowerRequest) -> PowerAnswer:
    """Find whichever of size, effect and power is not given.

    Raises:
        SignpostError: an option is impossible, or no size or effect answers the question.
    """
    check(request)
    r = _resolved(request)
    size = _given_size(r)
    if size is None:
        size = _whole(r, _solve_size(r))
        detectable = r.margin if r.margin is not None else r.mde
    else:
        detectable = detectable_effect(r, size)
    effect = r.margin if r.margin is not None else r.mde if r.mde is not None else detectable
    reached = power_at(r, size, effect) if effect is not None else r.power
    return _answer(r, size, reached, detectable)


def power_at(request: PowerRequest, size: Size, effect: float) -> float:
    """The chance that the rule succeeds with arms of this size if the effect is true.

    It is the least over the comparisons with control, times the chance that every guardrail is
    shown to be non-inferior where nothing has changed (taken as independent).
    """
    chances = []
    for arm in range(1, len(size.arms)):
        chance = _looked(request, _fixed(request, size, arm, _effect_spread(request, effect, arm)))
        for guardrail in request.guardrails:
            chance *= _fixed(request, size, arm, non_inferiority(guardrail), guarding=True)
        chances.append(chance)
    return min(chances)


def detectable_effect(request: PowerRequest, size: Size) -> float | None:
    """The smallest effect found with the wanted power; ``None`` if there is none."""
    top = _largest_effect(request)

    def gap(effect: float) -> float:
        return power_at(request, size, effect) - request.power

    tiny = top * 1e-12
    high = top if request.baseline is not None and _bounded(request) else _grow(gap, top)
    if high is None or gap(high) < 0:
        return None
    return float(optimize.brentq(gap, tiny, high, xtol=1e-15, rtol=1e-10))


def _resolved(request: PowerRequest) -> PowerRequest:
    """The request with what follows from other options filled in."""
    r = request if request.ratio is None else replace(request, arms=len(request.ratio))
    if r.weeks is not None and r.n is None and r.weekly is not None and not r.switchback:
        n = math.floor(r.weekly * r.weeks / sum(r.weights) + 1e-9)
        if n < 2:
            raise SignpostError(f"{r.weekly * r.weeks:g} {r.unit} are too few to compare", "wait")
        r = replace(r, n=n)
    if r.switchback and r.baseline is None:
        r = replace(r, baseline=1.0, kind="mean")
    return r


def _given_size(r: PowerRequest) -> Size | None:
    """The size that the options fix, or ``None`` when it is to be found."""
    share = [w / sum(r.weights) for w in r.weights]
    if r.switchback:
        periods = r.periods
        if periods is None and r.weeks is not None and r.weekly is not None:
            periods = math.floor(r.weekly * r.weeks)
        return None if periods is None else Size(arms=tuple(periods * s for s in share))
    if r.wedge:
        if r.clusters is None:
            return None
        total = r.clusters * ((r.steps or 1) + 1) * (r.cluster_size or 1)
        return Size(arms=(total / 2, total / 2), cluster_size=r.cluster_size)
    if r.clusters is not None and r.n is None:
        units = r.clusters * (r.cluster_size or 1)
        return Size(arms=tuple(units * s for s in share), cluster_size=r.cluster_size)
    if r.n is None:
        return None
    arms = tuple(r.n * w for w in r.weights)
    size = r.cluster_size
    if r.clusters is not None:
        size = sum(arms) / r.clusters
    return Size(arms=arms, cluster_size=size)


def _solve_size(r: PowerRequest) -> Size:
    """The (fractional) size that reaches the power."""
    effect = r.margin if r.margin is not None else r.mde
    assert effect is not None

    def at(base: float) -> Size:
        return Size(arms=tuple(base * w for w in r.weights), cluster_size=r.cluster_size)

    def gap(log_base: float) -> float:
        return power_at(r, at(math.exp(log_base)), effect) - r.power

    low, high = math.log(1.01), math.log(LARGEST)
    if gap(high) < 0:
        raise SignpostError("no size reaches the power", "ask for a larger effect or less power")
    if gap(low) >= 0:
        return at(2.0)
    return at(math.exp(optimize.brentq(gap, low, high, xtol=1e-13, rtol=1e-13)))


def _whole(r: PowerRequest, size: Size) -> Size:
    """The size rounded up to whole units, periods or clusters."""
    if r.wedge:
        steps, per = r.steps or 1, r.cluster_size or 1
        clusters = steps * math.ceil(sum(size.arms) / ((steps + 1) * per * steps) - 1e-9)
        half = clusters * (steps + 1) * per / 2
        return Size(arms=(half, half), cluster_size=per)
    if r.clustered:
        per = size.cluster_size or 1
        counts = [max(math.ceil(n / per - 1e-9), 2) for n in size.arms]
        return Size(arms=tuple(c * per for c in counts), cluster_size=per)
    return Size(arms=tuple(float(max(math.ceil(n - 1e-9), 2)) for n in size.arms))


def _effect_spread(r: PowerRequest, effect: float, arm: int) -> Spread:
    if r.switchback:
        return _switchback_spread(r, effect)
    if r.margin is not None:
        return non_inferiority(
            Guardrail(kind=r.kind, baseline=r.baseline or 0.0, margin=effect, sd=r.sd)
        )
    return spread(
        r.kind, baseline=r.baseline, sd=r.sd, effect=effect, direction=r.direction,
        weight=r.weights[arm] / r.weights[0],
    )  # fmt: skip


def _switchback_spread(r: PowerRequest, effect: float) -> Spread:
    """A period's mean varies by ``period_cv`` of the baseline."""
    variance = ((r.period_cv or 0.0) * (r.baseline or 1.0)) ** 2
    return Spread(effect=effect, control=variance, treated=variance, null=variance, student=False)


def _fixed(
    r: PowerRequest, size: Size, arm: int, outcome: Spread, *, guarding: bool = False
) -> float:
    """The chance that one comparison passes its critical value in a single look."""
    n0, n1 = size.arms[0], size.arms[arm]
    times = _error_factor(r, size) * (1 - r.explained)
    if r.wedge:
        variance = outcome.treated / 2 + outcome.control / 2
        error = null = math.sqrt(_wedge_variance(r, size, variance) * (1 - r.explained))
    else:
        error = math.sqrt(times * (outcome.control / n0 + outcome.treated / n1))
        null = math.sqrt(times * outcome.null * (1 / n0 + 1 / n1))
    alpha = r.alpha if guarding else comparison_alpha(r)
    df = _degrees(r, size, arm, outcome)
    if r.wedge and df is not None and df < FEW:
        return 0.0  # the analysis gives no p-value by the interval then
    return _passes(outcome.effect, error, null, alpha / 2, df)


def _passes(effect: float, error: float, null: float, tail: float, df: float | None) -> float:
    """P(T > critical) where the critical value was set with the null's error."""
    if error <= 0:
        return 1.0 if effect > 0 else 0.0
    if df is None or df > 1e6:
        return float(special.ndtr((effect + special.ndtri(tail) * null) / error))
    if df < 1:
        return tail
    critical = -float(special.stdtrit(df, tail)) * null / error
    from scipy import stats  # a second to load, which pages that plan nothing are spared

    return float(stats.nct.sf(critical, df, effect / error))


def _error_factor(r: PowerRequest, size: Size) -> float:
    if not r.clustered or r.wedge:
        return 1.0
    return design_effect(size.cluster_size or 1.0, r.icc or 0.0, r.cluster_cv)


def _wedge_variance(r: PowerRequest, size: Size, variance: float) -> float:
    return stepped_wedge_variance(
        _by_step(r, size), size=r.cluster_size or 1.0, icc=r.icc or 0.0, variance=variance,
        autocorrelation=r.cluster_autocorrelation,
    )  # fmt: skip


def _by_step(r: PowerRequest, size: Size) -> tuple[float, ...]:
    return clusters_by_step(_wedge_clusters(r, size), r.steps or 2)


def _wedge_clusters(r: PowerRequest, size: Size) -> float:
    return sum(size.arms) / (((r.steps or 2) + 1) * (r.cluster_size or 1.0))


def _degrees(r: PowerRequest, size: Size, arm: int, outcome: Spread) -> float | None:
    """Degrees of freedom of the comparison; ``None`` for a normal reference."""
    pair = size.arms[0] + size.arms[arm]
    if r.wedge:
        return stepped_wedge_df(_by_step(r, size))
    if r.switchback:
        return None
    if r.clustered:
        return pair / (size.cluster_size or 1.0) - 2
    return pair - 2 if outcome.student else None


def _looked(r: PowerRequest, fixed: float) -> float:
    """The power of the same comparison when it is looked at early."""
    if r.looks == 1:
        return fixed
    alpha = comparison_alpha(r)
    drift = float(special.ndtri(min(max(fixed, 1e-300), 1 - 1e-16)) - special.ndtri(alpha / 2))
    looks = planned_looks(r)
    return sum(
        crossing([x.fraction for x in looks], [x.efficacy for x in looks],
                 [x.futility if x.futility is not None else -np.inf for x in looks],
                 drift=drift).upper
    )  # fmt: skip


@lru_cache(maxsize=64)
def planned_looks(r: PowerRequest) -> tuple[Look, ...]:
    """The bounds at the plan's equally spaced looks."""
    fractions = tuple((k + 1) / r.looks for k in range(r.looks))
    alpha, spending = comparison_alpha(r), Spending(r.spending)
    looks = boundaries(fractions, alpha=alpha, spending=spending)
    if not r.futility:
        return looks
    plan = inflation(fractions, alpha=alpha, power=r.power, spending=spending, futility=Spending())
    return with_futility(looks, plan.drift, beta=1 - r.power)


@lru_cache(maxsize=256)
def comparison_alpha(r: PowerRequest) -> float:
    """The two-sided error rate each comparison with control is judged at."""
    weights = r.weights
    comparisons = len(weights) - 1
    if comparisons == 1 or r.several == "none" or r.margin is not None:
        return r.alpha
    if r.several == "bonferroni":
        return r.alpha / comparisons
    critical = critical_value(r.alpha, lambdas_of(weights[0], weights[1:]))
    return float(2 * special.ndtr(-critical))


def _bounded(r: PowerRequest) -> bool:
    return r.kind in ("proportion", "time-to-event") and r.margin is None and not r.switchback


def _largest_effect(r: PowerRequest) -> float:
    """The largest effect there can be, or a scale to start from where there is no limit."""
    if _bounded(r) and r.baseline is not None:
        return r.baseline if r.direction == "lower" else 1 - r.baseline
    if r.switchback:
        return (r.period_cv or 1.0) * (r.baseline or 1.0)
    return r.sd if r.sd is not None else math.sqrt(max(r.baseline or 1.0, 1e-12))


def _grow(gap: Callable[[float], float], start: float) -> float | None:
    high = start
    for _ in range(60):
        if gap(high) >= 0:
            return high
        high *= 2
    return None


def _answer(r: PowerRequest, size: Size, reached: float, detectable: float | None) -> PowerAnswer:
    by_arm = tuple(round(n) for n in size.arms)
    total = round(sum(size.arms))
    weeks = None if r.weekly is None else math.ceil(total / r.weekly - 1e-9)
    per = size.cluster_size
    answer = PowerAnswer(
        n_per_arm=min(by_arm),
        n_by_arm=by_arm,
        total=total,
        design_effect=_reported_effect(r, size),
        power=reached,
        detectable_effect=detectable,
        method=method_of(r),
        says="",
        weeks=weeks,
        clusters=_cluster_count(r, size),
        periods=total if r.switchback else None,
        attainable_power=_attainable(r, size, detectable),
        expected_total=_expected_total(r, total),
        looks=tuple(
            {"fraction": x.fraction, "efficacy": x.efficacy if math.isfinite(x.efficacy) else None,
             "futility": x.futility, "nominal_p": x.nominal_p, "spent": x.spent}
            for x in (planned_looks(r) if r.looks > 1 else ())
        ),
        horizon=_horizon(r, per),
    )  # fmt: skip
    return replace(answer, says=says_of(r, answer), notes=notes_of(r, answer, _with_t(r, size)))


def _cluster_count(r: PowerRequest, size: Size) -> int | None:
    if r.wedge:
        return round(_wedge_clusters(r, size))
    if r.clustered:
        return round(sum(size.arms) / (size.cluster_size or 1))
    return None


def _reported_effect(r: PowerRequest, size: Size) -> float:
    """How many times more units than without the design's clusters."""
    if not r.wedge:
        return _error_factor(r, size)
    simple = 1 / size.arms[0] + 1 / size.arms[1]
    return _wedge_variance(r, size, 1.0) / simple


def _attainable(r: PowerRequest, size: Size, detectable: float | None) -> float | None:
    """The most power these many clusters can give, however many units each has."""
    effect = r.mde if r.mde is not None else r.margin if r.margin is not None else detectable
    if not r.clustered or r.wedge or effect is None or not size.cluster_size:
        return None
    grown = 1e9 / size.cluster_size
    return power_at(r, Size(arms=tuple(n * grown for n in size.arms), cluster_size=1e9), effect)


def _expected_total(r: PowerRequest, total: int) -> int | None:
    """Average size when the looks are used and the planned effect is true."""
    if r.looks == 1:
        return None
    plan = inflation(
        tuple((k + 1) / r.looks for k in range(r.looks)), alpha=comparison_alpha(r),
        power=r.power, spending=Spending(r.spending), futility=Spending() if r.futility else None,
    )  # fmt: skip
    return round(total * plan.expected_effect / plan.factor)


def _horizon(r: PowerRequest, per: float | None) -> tuple[dict[str, float | None], ...]:
    """What can be seen after some weeks at the weekly volume."""
    if r.weekly is None or r.switchback or r.wedge or r.margin is not None:
        return ()
    rows: list[dict[str, float | None]] = []
    for weeks in HORIZONS:
        base = r.weekly * weeks / sum(r.weights)
        if base < 2 or (per and r.clustered and base < 2 * per):
            continue
        size = Size(arms=tuple(base * w for w in r.weights), cluster_size=per)
        rows.append(
            {"weeks": weeks, "total": r.weekly * weeks,
             "detectable_effect": detectable_effect(r, size)}
        )  # fmt: skip
    return tuple(rows)


def _with_t(r: PowerRequest, size: Size) -> float | None:
    """A switchback's detectable effect by the t interval its analysis will use."""
    periods = sum(size.arms)
    if not r.switchback or periods < 4:
        return None
    tail = comparison_alpha(r) / 2
    outcome = _switchback_spread(r, 1.0)
    error = math.sqrt(outcome.control / size.arms[0] + outcome.treated / size.arms[1])

    def gap(effect: float) -> float:
        return _passes(effect, error, error, tail, periods - 2) - r.power

    return float(optimize.brentq(gap, 1e-12, 1e3 * error))
