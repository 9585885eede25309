"""The rehearsal file: a trial, and what is planted in it.

A rehearsal is a trial file with a ``[simulate]`` table, or a ``[simulate]`` table alone under
``trial = "KEY"``, the key of a built-in template or the path of a trial file beside it. Rates are
fractions, durations as in the trial file, dates those of the trial.

There are two kinds of exposure. With ``exposure = "contact"`` the exposure is itself a contact, a
call that hears the greeting or a chat that is closed: arms differ in ``reaches_agent`` (does that
contact reach an agent), ``call_back`` and ``calls_after`` (a call within seven days once it was
handled). With ``exposure = "message"`` (a letter, a reply, a page) arms differ in ``contact``: the
share of units with an agent-handled contact within the window. What an arm does not say is as in
``[simulate.baseline]``, which describes the control.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from trials.definition import toml
from trials.definition.model import Part, Seconds, Trial
from trials.definition.near import nearest
from trials.errors import Invalid, NotFound, Problem
from trials.resources import folder
from trials.simulate import calibration as known

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
TrialColumn = str


class Override(Part):
    """What differs from the baseline, for an arm or for one level of a column within it."""

    contact: Share | None = None
    reaches_agent: Share | None = None
    call_back: Share | None = None
    calls_after: Share | None = None


class ArmPlan(Override):
    """One arm: what it does to people, and how well it was delivered.

    ``reached`` met the message at all, ``crossed`` of those met the control's, ``lost`` of those
    allocated are missing from every file (a fault that the sample-ratio test must find).
    """

    by: dict[TrialColumn, dict[str, Override]] = Field(default_factory=dict)
    reached: Share = 1.0
    crossed: Share = 0.0
    lost: Share = 0.0
    message_seconds: float = Field(default=known.MESSAGE_SECONDS, gt=0)


class Frequent(Part):
    """A share of people who contact the council ``factor`` times as often as the others."""

    share: Share = 0.12
    factor: Positive = 3.0


class Channels(Part):
    """Shares of channels; scaled to add up to 1."""

    phone: float = Field(default=0.78, ge=0)
    webchat: float = Field(default=0.08, ge=0)
    email: float = Field(default=0.09, ge=0)
    form: float = Field(default=0.05, ge=0)


class Baseline(Part):
    """The control arm, and how people behave whatever the arm.

    ``returns`` of those not answered ring again within seven days, after ``return_days`` on
    average. Needs arise ``need_days`` after the exposure on average; a handled one is followed by
    another with probability ``again``, after ``again_days``. ``channels`` are those of contacts
    that do not follow a failed call. ``prior`` is the mean number of contacts in the ``prior_days``
    before. ``linked`` is the share of units whose identifiers are on record, ``withheld`` that of
    calls without a number.
    """

    contact: Share = 0.0
    reaches_agent: Share = known.ANSWERED
    call_back: Share = 0.0
    calls_after: Share = 0.0
    answered: Share = known.ANSWERED
    returns: Annotated[float, Field(ge=0, lt=0.98)] = known.RETURNS
    return_days: Positive = known.RETURN_DAYS
    need_days: Positive = 4.0
    again: Annotated[float, Field(ge=0, lt=1)] = 0.2
    again_days: Positive = 3.0
    cross_line: Share = 0.1
    channels: Channels = Channels()
    frequent: Frequent = Frequent()
    prior: float = Field(default=0.4, ge=0)
    prior_days: float = Field(default=90, gt=0)
    linked: Share = known.LINKED / (1 - known.WITHHELD * 0.78)
    withheld: Share = known.WITHHELD


class Column(Part):
    """A column of the unit list: its levels with their shares, and how much more they contact.

    ``factor`` multiplies a level's needs; levels not named have 1, and factors are scaled so that
    their mean over the shares is 1. A single level is a constant.
    """

    levels: dict[str, float] = Field(min_length=1)
    factor: dict[str, float] = Field(default_factory=dict)


class Epoch(Part):
    """From ``starts`` on, arms are drawn with these weights instead of the trial's."""

    starts: date
    weights: dict[str, float]


class Shock(Part):
    """Something that happened: from ``starts`` to ``ends`` needs are ``factor`` times as common."""

    title: str
    kind: str = "service-failure"
    starts: date
    ends: date
    factor: Positive = 1.0


class OutcomePlan(Part):
    """An outcome measured elsewhere: the control's mean, and those of the arms that differ.

    For a proportion means are probabilities; for any other metric outcomes are lognormal with
    standard deviation ``sd``. ``missing`` are not known.
    """

    baseline: float = Field(ge=0)
    arms: dict[str, float] = Field(default_factory=dict)
    by: dict[TrialColumn, dict[str, dict[str, float]]] = Field(default_factory=dict)
    sd: float = Field(default=0.0, ge=0)
    missing: Share = 0.0


class Simulation(Part):
    """The ``[simulate]`` table."""

    units: int = Field(gt=1, le=100_000_000)
    seed: int = Field(default=1, ge=0)
    starts: date | None = None
    ends: date | None = None
    exposure: Literal["contact", "message"]
    channel: Literal["phone", "webchat"] = "phone"
    line: str = "Other"
    window: Seconds | None = None
    follow_up: Seconds | None = None
    arrivals: Literal["open-hours", "any-time", "batches"] = "open-hours"
    batches: int = Field(default=3, ge=1)
    clusters: int | None = Field(default=None, ge=2)
    cluster_size: float = Field(default=1.3, ge=1)
    cluster_spread: float = Field(default=0.0, ge=0, le=1)
    phones: int = Field(default=0, ge=0, le=known.DRAMA_NUMBERS)
    phones_from: int = Field(default=0, ge=0, lt=known.DRAMA_NUMBERS)
    says: str = ""
    baseline: Baseline = Baseline()
    arms: dict[str, ArmPlan] = Field(default_factory=dict)
    columns: dict[str, Column] = Field(default_factory=dict)
    epochs: tuple[Epoch, ...] = Field(default=(), strict=False)
    shocks: tuple[Shock, ...] = Field(default=(), strict=False)
    outcomes: dict[str, OutcomePlan] = Field(default_factory=dict)


class Rehearsal(Part):
    """A trial and what is planted in it."""

    trial: Trial
    plan: Simulation

    def of_size(self, units: int) -> Rehearsal:
        """The same rehearsal with another number of units."""
        return self.model_copy(update={"plan": self.plan.model_copy(update={"units": units})})

    @property
    def dates(self) -> tuple[date, date]:
        """The first and the last day on which units are exposed."""
        starts = self.plan.starts or self.trial.about.starts
        ends = self.plan.ends or self.trial.about.ends
        assert starts is not None
        assert ends is not None
        return starts, ends

    @property
    def window_days(self) -> float:
        """The window in which contacts are counted: the plan's, or the primary metric's."""
        window = self.plan.window or self.trial.primary.window or 7 * 86_400
        return window / 86_400

    @property
    def linked(self) -> float:
        """Units with identifiers on record; all, where units are the numbers people ring from."""
        caller = self.plan.exposure == "contact" and self.plan.channel == "phone"
        return 1.0 if caller else self.plan.baseline.linked

    @property
    def block_days(self) -> float:
        """Delays keep to opening hours within blocks of this length: weeks where they fit."""
        return self.window_days if self.window_days % 7 else 7.0

    @property
    def follow_up_days(self) -> float:
        """How long contacts are recorded after an exposure: at least the longest window."""
        windows = [m.window or 0 for m in self.trial.metrics]
        asked = self.plan.follow_up or 0
        return max(*windows, asked, self.window_days * 86_400) / 86_400

    def arm_plan(self, key: str) -> ArmPlan:
        """What the plan says of an arm; an arm it does not name is as the control."""
        return self.plan.arms.get(key, ArmPlan())


def read(path: Path) -> Rehearsal:
    """The rehearsal in a file.

    Raises:
        Invalid: the file breaks one or more rules.
        NotFound: it names a trial that is neither a template nor a file.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as failure:
        raise NotFound(f"{path} cannot be read ({failure.strerror})") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise Invalid(path.name, [Problem("", f"not valid TOML: {failure}")]) from None
    return from_data(data, name=path.name, beside=path.parent)


def from_data(data: Mapping[str, Any], *, name: str, beside: Path | None = None) -> Rehearsal:
    """The rehearsal that plain data of the file's shape defines. Raises as :func:`read`."""
    rest = {key: value for key, value in data.items() if key != "simulate"}
    if "simulate" not in data:
        raise Invalid(name, [Problem("[simulate]", "is missing", "add it with units = …")])
    named = rest.get("trial")
    trial = (
        toml.read(_find(named, beside).read_text("utf-8"), named)
        if isinstance(named, str)
        else toml.from_data(rest, name=name)
    )
    try:
        plan = Simulation.model_validate(data["simulate"])
    except ValidationError as failure:
        raise Invalid(name, [_problem(dict(error)) for error in failure.errors()]) from None
    rehearsal = Rehearsal(trial=trial, plan=plan)
    if problems := list(_check(rehearsal)):
        raise Invalid(name, problems)
    return rehearsal


def _find(named: str, beside: Path | None) -> Path:
    templates = folder("templates") / "trials"
    places = [templates / f"{named}.toml", templates / named / "trial.toml"]
    if beside is not None:
        places.append(beside / named)
    for place in places:
        if place.is_file():
            return place
    keys = sorted(path.stem for path in templates.glob("*.toml"))
    raise NotFound(f"there is no trial {named!r}", f"did you mean {nearest(named, keys)!r}?")


def _problem(error: dict[str, Any]) -> Problem:
    place = "[simulate] " + ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return Problem(place, "is not a known key", f"use one of {', '.join(_keys(error['loc']))}")
    return Problem(place, str(error["msg"])[:1].lower() + str(error["msg"])[1:])


def _keys(place: tuple[str | int, ...]) -> list[str]:
    tables: dict[str, type[Part]] = {
        "baseline": Baseline, "arms": ArmPlan, "columns": Column, "epochs": Epoch,
        "shocks": Shock, "outcomes": OutcomePlan,
    }  # fmt: skip
    kind = tables.get(str(place[0]), Simulation) if len(place) > 1 else Simulation
    return list(kind.model_fields)


def _check(rehearsal: Rehearsal) -> list[Problem]:
    """The rules that need the trial and the plan together."""
    trial, plan = rehearsal.trial, rehearsal.plan
    arms = [arm.key for arm in trial.arms]
    found: list[Problem] = []

    def unknown(place: str, names: Mapping[str, Any], known_names: list[str]) -> None:
        found.extend(
            Problem(f"[simulate.{place}]", f"names {name!r}, which the trial does not have",
                    f"did you mean {nearest(name, known_names)!r}?")
            for name in names if name not in known_names
        )  # fmt: skip

    unknown("arms", plan.arms, arms)
    for epoch in plan.epochs:
        unknown("epochs", epoch.weights, arms)
    metrics = [m.key for m in trial.metrics if m.source == "outcomes"]
    unknown("outcomes", plan.outcomes, metrics)
    for key, outcome in plan.outcomes.items():
        unknown(f"outcomes.{key}", outcome.arms, arms)
    columns = [*plan.columns, "has_email"]
    for key, arm in plan.arms.items():
        unknown(f"arms.{key}.by", arm.by, columns)
    if len({column for arm in plan.arms.values() for column in arm.by}) > 1:
        found.append(Problem("[simulate.arms]", "vary by more than one column", "keep to one"))
    drawn = {*columns, "prior_contacts", "batch"}
    if trial.design.cluster:
        drawn.add(trial.design.cluster)
    found += [
        Problem("[simulate.columns]", f"lacks {column!r}, which the trial uses", "add its levels")
        for column in trial.columns if column not in drawn
    ]  # fmt: skip
    if (plan.starts or trial.about.starts) is None or (plan.ends or trial.about.ends) is None:
        found.append(Problem("[simulate]", "has no dates", "give starts and ends"))
    return found
