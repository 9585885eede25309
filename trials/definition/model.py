"""The definition of a trial: frozen objects, one for each part of the trial file.

The objects hold what the file says, with every default filled in and every duration in seconds,
so that two files that mean the same are equal. Rules that need more than one field are in
:mod:`trials.definition.rules`.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Mechanism = Literal["expectation", "signposting", "deflection"]
Channel = Literal["ivr", "letter", "email", "sms", "web", "webchat", "auto-reply", "form"]
DesignKind = Literal["individual", "stratified", "cluster", "switchback", "stepped-wedge"]
Method = Literal["blocks", "matched", "minimisation"]
Role = Literal["primary", "secondary", "guardrail"]
MetricKind = Literal["proportion", "count", "mean", "ratio", "time-to-event"]
Source = Literal["contacts", "outcomes"]
Direction = Literal["lower", "higher"]
Multiplicity = Literal["holm", "hochberg", "benjamini-hochberg", "dunnett", "none"]
Spending = Literal["obrien-fleming", "pocock", "power"]
ProportionInterval = Literal["robust", "newcombe", "miettinen-nurminen"]
FewClusters = Literal["cr2", "wild-bootstrap"]
Unknown = Literal["complete", "inverse-probability"]

KEY = r"^[a-z0-9][a-z0-9-]*$"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+)\s*([smhdw])")


def seconds(text: str) -> int:
    """The length of a duration such as ``14d``, ``1h`` or ``90s`` in seconds.

    Raises:
        ValueError: ``text`` is not a whole number followed by s, m, h, d or w.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ValueError("must be a whole number above 0 followed by s, m, h, d or w, as in 14d")
    return int(match[1]) * UNITS[match[2]]


def duration(total: int) -> str:
    """``total`` seconds in the largest unit that divides it: 1209600 is ``14d``."""
    unit = next(u for u in ("d", "h", "m", "s") if total % UNITS[u] == 0)
    return f"{total // UNITS[unit]}{unit}"


def _duration_field(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


Seconds = Annotated[int, BeforeValidator(_duration_field)]
KeyText = Annotated[str, Field(pattern=KEY, max_length=64)]


class Part(BaseModel):
    """What all parts share: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Exclusion(Part):
    """Units left out before the draw: ``column`` of the unit list holds one of ``values``."""

    reason: KeyText
    column: str
    values: tuple[str, ...] = Field(min_length=1, strict=False)


class Adaptive(Part):
    """Shares that follow the outcomes: Thompson sampling, never below ``floor`` for any arm.

    Shares move once a day or once a week (Mondays), from the outcomes known by then.
    """

    floor: float = Field(default=0.1, gt=0, lt=0.5)
    every: Literal["day", "week"] = "day"

    @property
    def days(self) -> int:
        """For how many days the shares stay as they are."""
        return 1 if self.every == "day" else 7


class Design(Part):
    """How arms are allocated. Durations are in seconds.

    ``method`` says how the few clusters (or units) of a list are kept alike: in permuted blocks,
    in sets matched on the columns of ``balance``, or by minimisation over them. ``hours`` are a
    switchback's opening hours, as in ``Mon-Fri 09:00-17:00``; without them the line never closes.
    ``bank_holidays`` counts only where hours are given. ``namespace_share`` is what a trial that
    meets people one at a time claims of its namespace; ``coverage`` the share of those it meets
    that it takes in, which an amendment may raise. ``adaptive`` lets the shares follow the
    outcomes; the arms' weights are then those it begins with.
    """

    kind: DesignKind = "individual"
    strata: tuple[str, ...] = Field(default=(), strict=False)
    cluster: str | None = None
    period: Seconds | None = None
    burn_in: Seconds = 0
    seed: int | None = None
    namespace: KeyText | None = None
    namespace_share: float | None = Field(default=None, gt=0, le=1)
    holdout: float = Field(default=0.0, ge=0, lt=1)
    coverage: float = Field(default=1.0, gt=0, le=1)
    exclusions: tuple[Exclusion, ...] = Field(default=(), strict=False)
    method: Method = "blocks"
    balance: tuple[str, ...] = Field(default=(), strict=False)
    hours: tuple[str, ...] = Field(default=(), strict=False)
    bank_holidays: Literal["closed", "open"] = "closed"
    adaptive: Adaptive | None = None


class Arm(Part):
    """One version of the message. ``weight`` is its share relative to the other arms.

    ``levels`` says which level of each factor the arm has, where several changes are crossed: the
    arms are then every combination, and each change is compared over all of them.
    """

    key: KeyText
    title: str = ""
    control: bool = False
    weight: float = Field(default=1.0, ge=0)
    wording: str = ""
    payload: Any = None
    levels: dict[KeyText, KeyText] = Field(default_factory=dict)


class Metric(Part):
    """What is measured, over which window (seconds), and which way is better.

    A time to an event is measured in days without it, up to the window. ``quantiles`` are compared
    beside the mean (mean, count). ``equivalence`` is the margin, absolute and on both sides, within
    which an effect counts as none. ``missing`` says how units without an outcome are dealt with:
    left out, or stood for by those like them in arm, stratum and covariates (inverse probability).
    """

    key: KeyText
    title: str = ""
    role: Role = "secondary"
    kind: MetricKind
    source: Source = "contacts"
    window: Seconds | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    value: str | None = None
    denominator: str | None = None
    better: Direction = "lower"
    mde: float | None = Field(default=None, gt=0)
    mde_relative: float | None = Field(default=None, gt=0)
    cap: float | None = Field(default=None, gt=0, le=1)
    margin: float | None = Field(default=None, gt=0)
    absent_means: Literal["missing", "zero"] = "missing"
    quantiles: tuple[float, ...] = Field(default=(), strict=False)
    equivalence: float | None = Field(default=None, gt=0)
    missing: Unknown = "complete"


class Looks(Part):
    """Pre-declared looks: the fractions of the planned information, and how alpha is spent.

    ``futility`` spends the error of the second kind too: a look may then say that going on is
    pointless (the bounds are not binding).
    """

    fractions: tuple[float, ...] = Field(min_length=1, strict=False)
    spending: Spending = "obrien-fleming"
    power: float = Field(default=2.0, gt=0)
    futility: Spending | None = None


class Prior(Part):
    """A normal prior on the primary metric's absolute effect."""

    mean: float = 0.0
    sd: float = Field(default=0.02, gt=0)


class Decision(Part):
    """Probabilities at which the plan ships, or stops for harm."""

    ship_if_probability: float = Field(default=0.95, gt=0.5, lt=1)
    stop_for_harm_probability: float = Field(default=0.95, gt=0.5, lt=1)


class Analysis(Part):
    """How the result is computed and judged.

    ``interval`` is the headline interval of a proportion without strata, clusters or covariates.
    ``few_clusters`` is how the error is had where clusters are few. ``uptake`` names what counts as
    having taken the new version up, for the effect on those who did: ``"exposure"`` (they met it)
    or the key of a proportion.
    """

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    power: float = Field(default=0.8, gt=0, lt=1)
    looks: Literal["fixed", "always-valid"] | Looks = "fixed"
    adjust: tuple[str, ...] = Field(default=(), strict=False)
    segments: tuple[str, ...] = Field(default=(), strict=False)
    multiplicity: Multiplicity = "holm"
    prior: Prior = Prior()
    rope: tuple[float, float] | None = Field(default=None, strict=False)
    decision: Decision = Decision()
    interval: ProportionInterval = "robust"
    few_clusters: FewClusters = "cr2"
    uptake: str | None = None


class About(Part):
    """What the trial is about: the ``[trial]`` table of the file."""

    key: KeyText
    title: str = Field(min_length=1, max_length=200)
    area: str = "other-correspondence"
    channel: Channel | None = None
    service: str = ""
    hypothesis: str = ""
    mechanism: Mechanism | None = None
    techniques: tuple[str, ...] = Field(default=(), strict=False)
    unit: str = "person"
    owner: str = ""
    starts: date | None = None
    ends: date | None = None


class Trial(Part):
    """A whole trial definition."""

    about: About
    design: Design
    arms: tuple[Arm, ...]
    metrics: tuple[Metric, ...]
    analysis: Analysis

    @property
    def key(self) -> str:
        """The trial's key."""
        return self.about.key

    @property
    def control(self) -> Arm:
        """The control arm."""
        return next(arm for arm in self.arms if arm.control)

    @property
    def primary(self) -> Metric:
        """The primary metric."""
        return next(metric for metric in self.metrics if metric.role == "primary")

    def arm(self, key: str) -> Arm:
        """The arm called ``key``. Raises ``KeyError`` when there is none."""
        for arm in self.arms:
            if arm.key == key:
                return arm
        raise KeyError(key)

    def metric(self, key: str) -> Metric:
        """The metric called ``key``. Raises ``KeyError`` when there is none."""
        for metric in self.metrics:
            if metric.key == key:
                return metric
        raise KeyError(key)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the unit list that the plan uses, in a fixed order, each once."""
        covariates = [c for c in self.analysis.adjust if not c.startswith("pre:")]
        named = [
            *self.design.strata,
            *self.design.balance,
            *self.analysis.segments,
            *covariates,
        ]
        if self.design.cluster:
            named.append(self.design.cluster)
        return tuple(dict.fromkeys(named))
