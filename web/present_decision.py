"""The decision on a trial and what follows it, in words: steps, roll-out, benefits, adoption."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import get_args

from analysis.casework.decisions import Decided
from analysis.casework.steps import Step
from analysis.estimates import Absent
from analysis.report import figures, marks
from analysis.report.chart import composed
from analysis.report.marks import Panel, Row, Rule
from analysis.report.view import Drawn
from analysis.scaling import words
from analysis.scaling.decision import Decision
from analysis.scaling.ranges import Range
from analysis.scaling.realisation import STAGES, Adoption, Benefit, Realised, Rollout, Stage
from trials import audit
from web.present import State

CHOICES: tuple[tuple[Decision, str, str], ...] = (
    ("scale", "Scale it up", "Everybody the service writes to or speaks with gets it."),
    ("scale-with-conditions", "Scale it up, on conditions", "Each condition is checked when met."),
    ("extend", "Carry the trial on", "Decide once more is known."),
    ("adapt", "Change it and test it again", "The idea may be right; this version is not."),
    ("stop", "Stop", "Keep the present way, and spend no more on this change."),
)  # fmt: skip
STAGE_NAMES: dict[Stage, str] = {
    "forecast": "Forecast", "agreed": "Agreed by Finance",
    "budget-line-removed": "Budget line removed", "verified": "Verified",
}  # fmt: skip
_OPEN = State("open", "Open", "blue")
_LATE = State("late", "Overdue", "red")
_DONE = State("done", "Done", "green")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A decision on record."""

    label: str
    at: str
    who: str
    reason: str
    recommended: str
    dissent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine:
    """A next step."""

    id: int
    version: int
    trial: str
    what: str
    owner: str
    due: str
    state: State
    remind: str
    outcome: str
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCell:
    """A benefit at one stage: reached with its pounds, or not."""

    name: str
    pounds: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BenefitLine:
    """A benefit on its way to the ledger; ``next`` is the stage it may reach now."""

    trial: str
    title: str
    cells: tuple[StageCell, ...]
    next: Stage | None
    next_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The effect measured on the holdback beside the claim."""

    on: str
    says: str
    rows: tuple[tuple[str, str], ...]


def label(decision: str | None) -> str:
    """A decision in words."""
    known = next((d for d in get_args(Decision) if d == decision), None)
    return words.DECISIONS[known] if known else ""


def taken(found: Decided) -> Taken:
    """A decision on record, in words."""
    dissent = ""
    if found.dissents:
        dissent = f"It differs from what was recommended; {found.reviewer} answers for that."
    return Taken(
        label=label(found.decided), at=figures.moment(found.at), who=audit.name(found.actor),
        reason=figures.sentence(found.reason), recommended=label(found.recommended),
        dissent=dissent,
    )  # fmt: skip


def steps(found: Sequence[Step], today: date) -> tuple[StepLine, ...]:
    """Next steps as lines."""
    return tuple(_step(s, today) for s in found)


def _step(found: Step, today: date) -> StepLine:
    s = found.step
    state = _DONE if s.done_on else (_LATE if s.due < today else _OPEN)
    return StepLine(
        id=found.id, version=found.version, trial=found.trial, what=s.what, owner=s.owner,
        due=figures.day(s.due), state=state,
        remind=f"Reminded {figures.day(s.reminded_on[-1])}" if s.reminded_on else (
            f"Reminder on {figures.day(found.remind_on)}" if found.remind_on else ""),
        outcome=f"{figures.day(s.done_on)}: {found.outcome}" if s.done_on else "",
        open=s.done_on is None,
    )  # fmt: skip


def waves(plan: Rollout) -> tuple[tuple[str, ...], ...]:
    """The waves of a roll-out and its holdback."""
    rows = [
        (f"Wave {w.number}", figures.day(w.starts), figures.number(w.units)) for w in plan.waves
    ]
    return (*rows, ("Held back as they were", f"until {figures.day(plan.remeasure_on)}",
                    figures.number(plan.held_back)))  # fmt: skip


def benefits(found: Sequence[Benefit]) -> tuple[BenefitLine, ...]:
    """Benefits as lines of four stages."""
    return tuple(_benefit(b) for b in found)


def _benefit(found: Benefit) -> BenefitLine:
    reached = {e.stage: e for e in found.events}
    cells = []
    for stage in STAGES:
        event = reached.get(stage)
        said = ""
        if event is not None:
            line = f", budget line {event.budget_line}" if event.budget_line else ""
            said = f"{figures.day(event.on)}, {event.by}: {event.evidence}{line}"
        pounds = words.pounds(event.pounds) if event else "Not yet"
        cells.append(StageCell(name=STAGE_NAMES[stage], pounds=pounds, said=said))
    following = STAGES[len(found.events)] if len(found.events) < len(STAGES) else None
    return BenefitLine(
        trial=found.trial, title=found.title, cells=tuple(cells), next=following,
        next_name=STAGE_NAMES[following] if following else "",
    )  # fmt: skip


def totals(found: dict[Stage, float]) -> tuple[tuple[str, str], ...]:
    """Pounds a year that reached each stage."""
    return tuple((STAGE_NAMES[stage], words.pounds(found[stage])) for stage in STAGES)


def measurements(
    found: Sequence[tuple[date, Realised | Absent]],
) -> tuple[Measurement, ...]:
    """The holdback's findings, the latest first."""
    return tuple(_measurement(on, realised) for on, realised in found)


def _measurement(on: date, found: Realised | Absent) -> Measurement:
    if isinstance(found, Absent):
        return Measurement(on=figures.day(on), says=figures.sentence(found.why), rows=())
    c, h, s = found.claimed, found.holdback, found.shortfall
    rows = [
        ("Claimed, per 1,000 people", _thousand(c.median, c.low, c.high)),
        ("Measured on the holdback, per 1,000", _thousand(h.estimate, h.low, h.high)),
        ("Claim less measurement, per 1,000", _thousand(s.estimate, s.low, s.high)),
        ("Share of the claim realised",
         figures.sentence(found.share.why) if isinstance(found.share, Absent)
         else figures.percent(found.share, 0)),
        ("Chance that it falls short", figures.chance(found.probability_short)),
        ("Where the measurement is", h.method),
    ]  # fmt: skip
    return Measurement(on=figures.day(on), says=found.says, rows=tuple(rows))


def holdback_chart(found: Sequence[tuple[date, Realised | Absent]]) -> Drawn | None:
    """The claim and every measurement since, on one scale."""
    known = [(on, r) for on, r in found if isinstance(r, Realised)]
    if not known:
        return None
    rows = [_row("The claim", known[0][1].claimed, kind="control")]
    rows += [
        _row(f"Measured on {figures.day(on)}",
             Range(median=r.holdback.estimate, low=r.holdback.low, high=r.holdback.high, unit=""))
        for on, r in reversed(known)
    ]  # fmt: skip
    chart = composed(
        "holdback",
        [Panel(rows=rows, axis="Contacts avoided per 1,000 people",
               rules=[Rule(at=0, colour=marks.INK)])],
        title="The claim and what the holdback shows", conclusion=known[0][1].says,
        columns=("What", "Contacts avoided per 1,000 people, with 95% interval"),
        rows=[(row.name, row.says) for row in rows],
    )  # fmt: skip
    return Drawn(chart=chart)


def _row(name: str, found: Range, kind: marks.Kind = "new") -> Row:
    return Row(name=name, value=1000 * found.median, low=1000 * found.low, high=1000 * found.high,
               says=_thousand(found.median, found.low, found.high), kind=kind)  # fmt: skip


def _thousand(middle: float, low: float, high: float) -> str:
    return (
        f"{figures.number(1000 * middle, 1)} "
        f"({figures.number(1000 * low, 1)} to {figures.number(1000 * high, 1)})"
    )


def adoption(found: Sequence[Adoption]) -> tuple[tuple[str, ...], ...]:
    """How far the change has become ordinary practice, the latest first."""
    return tuple(
        (figures.day(a.on), figures.number(a.eligible), _share(a.reach, a.reached),
         _share(a.fidelity, a.delivered_as_designed))
        for a in reversed(found)
    )  # fmt: skip


def _share(share: float | Absent, count: int) -> str:
    if isinstance(share, Absent):
        return figures.sentence(share.why)
    return f"{figures.number(count)} ({figures.percent(share, 0)})"
