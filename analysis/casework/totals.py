"""What all trials are worth together: posteriors added, overlaps left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from analysis.casework.cases import Ask, Made, case_of
from analysis.scaling.portfolio import Total, TrialBenefit, add, spared
from analysis.scaling.ranges import Range
from trials import registry
from trials.errors import SignpostError

PURSES = ("contact_centre", "back_office", "other_public_bodies", "customer")
ADOPTED = frozenset({"scale", "scale-with-conditions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A trial in the portfolio: its case, or why it has none."""

    key: str
    title: str
    state: str
    decision: str | None
    made: Made | None
    why_not: str = ""

    @property
    def counts(self) -> bool:
        """Decided to scale, or recommended so and not decided otherwise."""
        if self.made is None:
            return False
        return (self.decision or self.made.case.recommendation.decision) in ADOPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """All trials, and the totals of those that are or would be scaled.

    ``spared`` is what the others that are expected to lose would have cost, rolled out.
    """

    members: tuple[Member, ...]
    contacts: Total
    npv: Total
    spared: Range | None

    def to_json(self) -> dict[str, Any]:
        """The portfolio as data."""
        return {
            "trials": [
                {"trial": m.key, "title": m.title, "state": m.state, "decision": m.decision,
                 "recommended": m.made.case.recommendation.decision if m.made else None,
                 "counted": m.counts, "why_not": m.why_not or None,
                 "npv": m.made.case.quantities["npv"].to_json() if m.made else None}
                for m in self.members
            ],
            "contacts_avoided_per_year": self.contacts.to_json(),
            "npv": self.npv.to_json(),
            "spared": self.spared.to_json() if self.spared else None,
        }  # fmt: skip


def portfolio(session: Session, *, keys: Collection[str] | None = None) -> Portfolio:
    """Every trial (or those of ``keys``), and what those that scale are worth together.

    Two trials that act on one line do not add. A trial whose file names no lines is taken to act
    on all the lines of its service.
    """
    known = registry.summaries(session)
    members = tuple(_member(session, s) for s in known if keys is None or s.key in keys)
    counted = [(m, m.made) for m in members if m.made is not None and m.counts]

    def benefits(name: str) -> list[TrialBenefit]:
        return [
            TrialBenefit(key=m.key, lines=lines_of(made), draws=made.case.draws[name])
            for m, made in counted
        ]

    return Portfolio(
        members=members,
        contacts=add(benefits("contacts"), unit="contacts a year", seed=1),
        npv=add(benefits("npv"), unit="£", seed=1),
        spared=spared(
            [
                TrialBenefit(key=m.key, lines=lines_of(m.made), draws=m.made.case.draws["npv"])
                for m in members
                if m.made is not None and not m.counts
            ],
            unit="£",
            seed=1,
        ),
    )


def of_year(found: Portfolio) -> dict[str, Range]:
    """What the trials counted in the contacts avoided are worth together in the first year.

    ``contacts`` a year, ``hours`` of handling, and in pounds the four purses by name and ``cash``:
    what of the council's two leaves a budget. Empty where no trial is counted.
    """
    chosen = [m for m in found.members if m.key in found.contacts.counted]
    units = {"hours": "hours a year", **dict.fromkeys(("cash", *PURSES), "£ a year")}
    parts = {
        name: [TrialBenefit(key=m.key, lines=frozenset({m.key}), draws=m.made.case.draws[name])
               for m in chosen if m.made is not None]
        for name in units
    }  # fmt: skip
    if not chosen:
        return {}
    sums = {name: add(parts[name], unit=unit, seed=1).total for name, unit in units.items()}
    return {"contacts": found.contacts.total, **sums}


def lines_of(made: Made) -> frozenset[str]:
    """The lines a trial acts on: those its outcome counts, or else its service as a whole."""
    trial = made.record.definition
    named: set[str] = set()
    for metric in trial.metrics:
        line = metric.where.get("line") if metric.where else None
        named |= {line} if isinstance(line, str) else set(line or ())
    service = trial.about.service or trial.about.area
    return frozenset({service}) if not named else frozenset(named | {service})


def _member(session: Session, summary: registry.TrialSummary) -> Member:
    made, why = None, ""
    try:
        made = case_of(session, Ask(key=summary.key))
    except SignpostError as refused:
        why = refused.says
    return Member(key=summary.key, title=summary.title, state=summary.state,
                  decision=summary.decision, made=made, why_not=why)  # fmt: skip
