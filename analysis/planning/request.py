"""The question a planner answers, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from trials.errors import SignpostError

Kind = Literal["proportion", "count", "mean", "ratio", "time-to-event"]
Direction = Literal["lower", "higher"]
Several = Literal["bonferroni", "dunnett", "none"]
SpendingKind = Literal["obrien-fleming", "pocock", "power"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A metric that must be shown not to worsen by ``margin`` before the change is adopted.

    No true difference is assumed. ``sd`` is needed unless it is a proportion or a Poisson count.
    """

    baseline: float
    margin: float
    kind: Kind = "proportion"
    sd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerRequest:
    """A design and what is known of it; two of size, effect and power, to find the third.

    Give ``mde`` (or ``margin``) to find the size; ``n``, ``clusters``, ``periods`` or ``weeks`` to
    find the detectable effect; both to find the power.

    Attributes:
        kind: the outcome's kind.
        baseline: the control's mean (a fraction for a proportion; the share with the event by the
            end of follow-up for time to event).
        sd: standard deviation between units; for a ratio metric that of its linearised value
            (see :func:`analysis.planning.history.ratio_sd`). A count without one is Poisson; one
            with more spread than Poisson's keeps its dispersion in every arm.
        mde: smallest absolute effect worth finding, above 0.
        direction: whether it is a fall or a rise.
        margin: non-inferiority margin; replaces ``mde``.
        n: units in each arm (in the smallest, where they are unequal).
        arms: number of arms, the first being the control.
        ratio: the arms' weights, the control's first.
        icc: intra-cluster correlation, where clusters are randomised.
        cluster_size: mean units per cluster (per cluster and period in a stepped wedge).
        cluster_cv: coefficient of variation of the clusters' sizes.
        cluster_autocorrelation: stepped wedge: what is left of the intra-cluster correlation
            between units of two periods, as a share of that within one.
        clusters: how many clusters there are in all.
        periods: switchback periods in all.
        period_cv: coefficient of variation between periods, after adjustment.
        steps: steps of a stepped wedge.
        looks: number of equally spaced looks, the last included.
        spending: how alpha is spent over them.
        futility: whether a look may also stop for futility (non-binding).
        explained: share of the outcome's variance that covariates explain.
        guardrails: metrics that must be non-inferior too before the change is adopted.
        weekly: units (or periods) that become available in a week, all arms together.
        weeks: weeks of recruitment, instead of ``n``.
        alpha: two-sided error rate (a margin is judged one-sided at half of it).
        power: chance wanted of finding the effect.
        several: how alpha is shared among the comparisons with control.
        unit: what is counted, in the plural, for the sentence.
    """

    kind: Kind = "proportion"
    baseline: float | None = None
    sd: float | None = None
    mde: float | None = None
    direction: Direction = "lower"
    margin: float | None = None
    n: int | None = None
    arms: int = 2
    ratio: tuple[float, ...] | None = None
    icc: float | None = None
    cluster_size: float | None = None
    cluster_cv: float = 0.0
    cluster_autocorrelation: float = 1.0
    clusters: int | None = None
    periods: int | None = None
    period_cv: float | None = None
    steps: int | None = None
    looks: int = 1
    spending: SpendingKind = "obrien-fleming"
    futility: bool = False
    explained: float = 0.0
    guardrails: tuple[Guardrail, ...] = ()
    weekly: float | None = None
    weeks: float | None = None
    alpha: float = 0.05
    power: float = 0.8
    several: Several = "bonferroni"
    unit: str = "units"

    @property
    def weights(self) -> tuple[float, ...]:
        """The arms' weights relative to the smallest, the control's first."""
        given = self.ratio or (1.0,) * self.arms
        return tuple(w / min(given) for w in given)

    @property
    def switchback(self) -> bool:
        """Whether periods are randomised."""
        return self.periods is not None or self.period_cv is not None

    @property
    def clustered(self) -> bool:
        """Whether clusters are randomised."""
        return self.icc is not None

    @property
    def wedge(self) -> bool:
        """Whether it is a stepped wedge."""
        return self.steps is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerAnswer:
    """The size, effect and power that go together, and a sentence that says so.

    ``n_per_arm`` is the smallest arm's size; ``n_by_arm`` lists all, the control's first. Sizes
    are in units, or periods for a switchback. ``attainable_power`` is the most that these many
    clusters can give however large they are. ``detectable_effect`` is ``None`` where no possible
    effect reaches the power.
    """

    n_per_arm: int
    n_by_arm: tuple[int, ...]
    total: int
    design_effect: float
    power: float
    detectable_effect: float | None
    method: str
    says: str
    weeks: int | None = None
    clusters: int | None = None
    periods: int | None = None
    attainable_power: float | None = None
    expected_total: int | None = None
    looks: tuple[Mapping[str, float | None], ...] = ()
    horizon: tuple[Mapping[str, float | None], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The contract's fields and the rest, JSON-ready."""
        return asdict(self)


_NEEDS_SD = {"mean": "a mean", "ratio": "a ratio metric"}


def check(request: PowerRequest) -> None:
    """Refuse a question that has no answer.

    Raises:
        SignpostError: with one sentence of what is wrong and what to give instead.
    """
    for test in (_check_rates, _check_outcome, _check_effect, _check_arms, _check_design):
        test(request)
    for guardrail in request.guardrails:
        _check_guardrail(guardrail)


def _refuse(says: str, remedy: str = "") -> SignpostError:
    return SignpostError(says, remedy)


def _check_rates(r: PowerRequest) -> None:
    if not 0 < r.alpha < 0.5:
        raise _refuse(f"alpha is {r.alpha:g}", "give a number between 0 and 0.5, such as 0.05")
    if not r.alpha < r.power < 1:
        raise _refuse(f"power is {r.power:g}", "give a number between alpha and 1, such as 0.8")
    if not 0 <= r.explained < 1:
        raise _refuse(
            f"the share of variance explained is {r.explained:g}", "give a number from 0 to below 1"
        )
    if not 1 <= r.looks <= 50:
        raise _refuse(f"{r.looks} looks cannot be planned", "give a number from 1 to 50")
    for name, value in (("weekly", r.weekly), ("weeks", r.weeks)):
        if value is not None and not 0 < value < 1e12:
            raise _refuse(f"{name} is {value:g}", "give a number above 0")
    if r.weeks is not None and r.weekly is None:
        raise _refuse("weeks need a weekly volume", "give weekly too, or n instead of weeks")


def _check_outcome(r: PowerRequest) -> None:
    if r.kind in ("proportion", "time-to-event"):
        if r.baseline is None and not (r.switchback and r.kind == "proportion"):
            raise _refuse(f"a {r.kind} metric needs its baseline", "give it as a fraction: 0.31")
        if r.baseline is not None and not 0 < r.baseline < 1:
            raise _refuse(
                f"the baseline is {r.baseline:g}", "give a fraction between 0 and 1: 0.31 is 31%"
            )
    if r.switchback:
        return
    if r.kind == "count" and r.sd is None and (r.baseline is None or not 0 < r.baseline < 1e9):
        raise _refuse("a count needs its baseline or its sd", "give the mean count per unit")
    if r.kind in _NEEDS_SD and r.sd is None:
        raise _refuse(f"{_NEEDS_SD[r.kind]} needs its sd", "give the spread between units")
    if r.sd is not None and not 0 < r.sd < 1e12:
        raise _refuse(f"sd is {r.sd:g}", "give a number above 0")


def _check_effect(r: PowerRequest) -> None:
    if r.mde is not None and r.margin is not None:
        raise _refuse("both an effect and a margin are given", "give mde or margin, not both")
    for name, value in (("mde", r.mde), ("margin", r.margin)):
        if value is not None and not 0 < value < 1e12:
            raise _refuse(f"{name} is {value:g}", "give its size as a number above 0")
    sized = r.n or r.weeks or r.clusters or r.periods
    if r.mde is None and r.margin is None and not sized:
        raise _refuse(
            "there is nothing to solve for", "give the effect (mde), the size (n) or both"
        )
    if r.baseline is None or r.mde is None:
        return
    if r.kind == "count" and r.direction == "lower" and r.mde > r.baseline:
        raise _refuse(
            f"a mean count of {r.baseline:g} cannot fall by {r.mde:g}", "give a smaller mde"
        )
    if r.kind not in ("proportion", "time-to-event"):
        return
    room = r.baseline if r.direction == "lower" else 1 - r.baseline
    if r.mde > room + 1e-12:
        way = "fall" if r.direction == "lower" else "rise"
        raise _refuse(
            f"{100 * r.baseline:g}% cannot {way} by {100 * r.mde:g} percentage points",
            "give mde as an absolute change of the fraction: 0.05 is 5 points",
        )


def _check_arms(r: PowerRequest) -> None:
    if r.ratio is not None and (len(r.ratio) < 2 or not all(0 < w < 1e9 for w in r.ratio)):
        raise _refuse("the ratio needs a weight above 0 for each arm", "give it as 1,1,2")
    if r.ratio is not None and r.arms not in (2, len(r.ratio)):
        raise _refuse(
            f"the ratio has {len(r.ratio)} weights for {r.arms} arms", "give one weight an arm"
        )
    if not 2 <= r.arms <= 50:
        raise _refuse(f"{r.arms} arms cannot be compared", "give a number from 2 to 50")
    if r.n is not None and r.n < 2:
        raise _refuse(f"n is {r.n}", "give at least 2 units in each arm")


def _check_design(r: PowerRequest) -> None:
    if r.switchback and (r.clustered or r.wedge):
        raise _refuse(
            "a switchback randomises periods, not clusters",
            "leave out icc and steps, or leave out periods and period-cv",
        )
    if r.switchback:
        _check_switchback(r)
    if r.wedge:
        _check_wedge(r)
    elif r.cluster_autocorrelation != 1:
        raise _refuse(
            "cluster-autocorrelation is of a stepped wedge", "give steps, or leave it out"
        )
    if r.clustered or r.wedge:
        _check_clusters(r)
    elif r.cluster_size is not None or r.clusters is not None or r.cluster_cv:
        raise _refuse(
            "clusters need their icc", "give icc, such as 0.02, or leave the clusters out"
        )


def _check_switchback(r: PowerRequest) -> None:
    if r.period_cv is None or not 0 < r.period_cv < 100:
        raise _refuse("a switchback needs period-cv above 0", "0.06 is 6% from period to period")
    if r.periods is not None and r.periods < 4:
        raise _refuse(f"{r.periods} periods are too few", "plan at least 4")
    if r.mde is not None and r.baseline is None and r.mde >= 1:
        raise _refuse("the effect needs its baseline", "without one give mde as a fraction of it")


def _check_wedge(r: PowerRequest) -> None:
    if r.steps is None or not 2 <= r.steps <= 52:
        raise _refuse(f"{r.steps} steps cannot be planned", "give a number from 2 to 52")
    if not 0 <= r.cluster_autocorrelation <= 1:
        says = f"the cluster autocorrelation is {r.cluster_autocorrelation:g}"
        raise _refuse(says, "give a share from 0 to 1, such as 0.8")
    if r.clusters is not None and r.clusters < r.steps:
        says = f"{r.clusters} clusters are too few for {r.steps} steps"
        raise _refuse(says, "at least one crosses over at each")
    if len(r.weights) != 2 or r.ratio is not None:
        raise _refuse("a stepped wedge compares two arms", "leave out arms and ratio")
    if r.looks > 1 or r.margin is not None or r.guardrails or r.cluster_cv:
        raise _refuse(
            "a stepped wedge is planned with one look, one outcome and equal clusters",
            "leave out looks, margin, guardrails and cluster-cv",
        )


def _check_clusters(r: PowerRequest) -> None:
    if r.icc is None or not 0 <= r.icc < 1:
        raise _refuse("the icc must be from 0 to below 1", "0.02 is common within households")
    if r.cluster_size is None and not (r.clusters and (r.n or r.weeks)):
        raise _refuse("clusters need their size", "give cluster-size, the mean units in one")
    if r.cluster_size is not None and not 1 <= r.cluster_size < 1e9:
        raise _refuse(f"the cluster size is {r.cluster_size:g}", "give a mean of at least 1")
    if not 0 <= r.cluster_cv < 10:
        raise _refuse(f"cluster-cv is {r.cluster_cv:g}", "give sd over mean of the sizes, as 0.5")
    if r.clusters is not None and r.clusters < 2 * len(r.weights):
        raise _refuse(f"{r.clusters} clusters are too few", "each arm needs at least two")


def _check_guardrail(g: Guardrail) -> None:
    if g.kind == "proportion" and not 0 < g.baseline < 1:
        raise _refuse(
            f"a guardrail's baseline is {g.baseline:g}", "give a fraction between 0 and 1"
        )
    if not g.margin > 0:
        raise _refuse(f"a guardrail's margin is {g.margin:g}", "give a number above 0")
    if g.kind in ("mean", "ratio") and not (g.sd and g.sd > 0):
        raise _refuse("a guardrail that is a mean needs its sd", "give the spread between units")
