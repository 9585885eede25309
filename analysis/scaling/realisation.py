"""After the decision: holdback, benefits log, next steps and adoption.

The effect is measured again on people held back and set beside the claim; each benefit is followed
from forecast to the ledger; the next step has an owner, a date and reminders.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Literal, get_args

from analysis.estimates import Absent, Estimate, critical, upper_tail
from analysis.scaling.ranges import Range
from trials.errors import Conflict, Invalid, Problem

Stage = Literal["forecast", "agreed", "budget-line-removed", "verified"]
STAGES: tuple[Stage, ...] = get_args(Stage)
_Z95 = critical(0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A benefit reaching a stage: how much, when, by whom, on what evidence."""

    stage: Stage
    pounds: float
    on: date
    by: str
    evidence: str
    budget_line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """One benefit on its way from forecast to the ledger; events in order."""

    trial: str
    title: str
    events: tuple[Event, ...] = ()

    @property
    def stage(self) -> Stage | None:
        """How far it has come."""
        return self.events[-1].stage if self.events else None

    def at(self, stage: Stage) -> float | Absent:
        """The pounds a year it was worth at ``stage``."""
        found = next((e.pounds for e in self.events if e.stage == stage), None)
        return Absent("not-reached", f"not yet {stage}") if found is None else found

    def advance(self, event: Event) -> Benefit:
        """The benefit one stage further.

        Raises:
            Conflict: a stage is skipped or repeated, or time runs backwards.
            Invalid: the event lacks a person, its evidence, its budget line, or the verifier is
                the person who made the forecast.
        """
        expected = STAGES[len(self.events)] if len(self.events) < len(STAGES) else None
        if event.stage != expected:
            now = self.stage or "not yet forecast"
            remedy = f"record {expected} next" if expected else "it is already verified"
            raise Conflict(f"a benefit that is {now} cannot become {event.stage}", remedy)
        if self.events and event.on < self.events[-1].on:
            raise Conflict(f"{event.stage} is dated before {self.events[-1].stage}", "correct it")
        if problems := _event_problems(self, event):
            raise Invalid("the benefits log", problems)
        return replace(self, events=(*self.events, event))


def _event_problems(benefit: Benefit, event: Event) -> list[Problem]:
    problems = []
    if not event.by.strip():
        problems.append(Problem(event.stage, "names nobody", "say who"))
    if not event.evidence.strip():
        problems.append(Problem(event.stage, "gives no evidence", "say what it rests on"))
    if not math.isfinite(event.pounds):
        problems.append(Problem(event.stage, "is not an amount", "give pounds a year"))
    if event.stage == "budget-line-removed" and not event.budget_line.strip():
        problems.append(Problem(event.stage, "names no budget line", "give the ledger code"))
    claimant = benefit.events[0].by if benefit.events else ""
    if event.stage == "verified" and _same_name(event.by, claimant):
        problems.append(
            Problem(event.stage, "is by the person who forecast it", "let somebody else verify")
        )
    return problems


def _same_name(one: str, other: str) -> bool:
    """Whether two names are written alike, whatever their capitals and spaces."""
    return "".join(one.split()).casefold() == "".join(other.split()).casefold()


def log_totals(benefits: Sequence[Benefit]) -> dict[Stage, float]:
    """Pounds a year that reached each stage, over all benefits."""
    return {
        stage: sum(e.pounds for b in benefits for e in b.events if e.stage == stage)
        for stage in STAGES
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """What the holdback shows beside what was claimed (both per unit, fewer = positive)."""

    claimed: Range
    holdback: Estimate
    shortfall: Estimate
    share: float | Absent
    probability_short: float
    says: str

    def to_json(self) -> dict[str, Any]:
        """The comparison as data."""
        share = self.share.to_json() if isinstance(self.share, Absent) else self.share
        return {
            "claimed": self.claimed.to_json(),
            "holdback": self.holdback.to_json(),
            "shortfall": self.shortfall.to_json(),
            "realised_share": share,
            "probability_short": self.probability_short,
            "says": self.says,
        }


def compare(claimed: Range, holdback: Estimate | Absent) -> Realised | Absent:
    """The effect re-measured on a holdback against the claim.

    The claim's spread is read from its 95% interval (normal approximation); the shortfall is
    claim minus holdback. ``holdback`` is rolled out versus held back, fewer contacts positive.
    """
    if isinstance(holdback, Absent):
        return holdback
    if holdback.se is None:
        return Absent("no-standard-error", "the holdback's estimate has no standard error")
    sd = (claimed.high - claimed.low) / (2 * _Z95)
    short = Estimate.from_t(
        claimed.median - holdback.estimate, math.hypot(sd, holdback.se), df=None,
        method="claim minus holdback, normal",
    )  # fmt: skip
    share: float | Absent = Absent("no-claim", "nothing was claimed, so there is no share of it")
    if claimed.median > 0:
        share = holdback.estimate / claimed.median
    se = short.se or 0.0
    probability = upper_tail(-short.estimate / se) if se > 0 else float(short.low > 0)
    return Realised(
        claimed=claimed, holdback=holdback, shortfall=short, share=share,
        probability_short=probability, says=_comparison_words(short, share),
    )  # fmt: skip


def _comparison_words(short: Estimate, share: float | Absent) -> str:
    part = "" if isinstance(share, Absent) else f" ({share:.0%} of the claim so far)"
    if short.low > 0:
        return f"The effect after roll-out falls short of the claim{part}."
    if short.high < 0:
        return f"The effect after roll-out is larger than the claim{part}."
    return f"The effect after roll-out is in line with the claim{part}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A step of the roll-out: how many units a year it newly reaches, and when."""

    number: int
    starts: date
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A roll-out in waves with a holdback kept as it was, and the date to measure again."""

    waves: tuple[Wave, ...]
    held_back: int
    remeasure_on: date


def plan_rollout(
    eligible: int, *, holdback_share: float, waves: int, starts: date, days_between: int,
    half_life_months: float,
) -> Rollout:  # fmt: skip
    """Waves of near-equal size after setting the holdback aside.

    The effect is re-measured after one half-life of its persistence, at the latest in a year.
    """
    problems = []
    if not 0 < holdback_share < 0.5:
        says = f"{holdback_share:g} is not a usable share"
        problems.append(Problem("holdback", says, "hold back more than 0 and less than half"))
    if eligible < 1 or waves < 1 or days_between < 1:
        problems.append(Problem("waves", "nobody is reached", "give people, waves and days"))
    if problems:
        raise Invalid("the roll-out", problems)
    held = max(1, round(eligible * holdback_share))
    size, over = divmod(eligible - held, waves)
    steps = tuple(
        Wave(
            number=i + 1,
            starts=starts + timedelta(days=i * days_between),
            units=size + (1 if i < over else 0),
        )
        for i in range(waves)
    )
    months = min(half_life_months, 12.0)
    return Rollout(
        waves=steps, held_back=held,
        remeasure_on=steps[-1].starts + timedelta(days=round(months * 365.25 / 12)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What happens next, who does it and by when; done when ``done_on`` is set."""

    what: str
    owner: str
    due: date
    done_on: date | None = None
    reminded_on: tuple[date, ...] = ()


# Days before (negative) and after the due date on which the owner is reminded.
REMINDERS = (-14, -3, 0, 7, 14, 28)


def reminder_due(step: NextStep, today: date) -> date | None:
    """The reminder that should go today: the latest one whose day has come and that has not gone.

    Missed days are not made up one by one, so that an owner never gets two at once.
    """
    if step.done_on is not None:
        return None
    days = [step.due + timedelta(days=offset) for offset in REMINDERS]
    ready = [day for day in days if day <= today]
    if not ready or any(sent >= ready[-1] for sent in step.reminded_on):
        return None
    return ready[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """How far a change has become ordinary practice on ``on``."""

    on: date
    eligible: int
    reached: int
    delivered_as_designed: int

    @property
    def reach(self) -> float | Absent:
        """Share of the eligible who are reached."""
        if self.eligible == 0:
            return Absent("nobody-eligible", "nobody is eligible")
        return self.reached / self.eligible

    @property
    def fidelity(self) -> float | Absent:
        """Share of those reached who get the change as designed."""
        if self.reached == 0:
            return Absent("nobody-reached", "nobody has been reached yet")
        return self.delivered_as_designed / self.reached
