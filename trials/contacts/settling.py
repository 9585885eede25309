"""Which of two values of a published table is used, who decided it and why: kept beside the log.

A table is known by its content, so that the choice is found again with the same table and is not
carried over to another edition. Both values stay in the record, and so does an earlier choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.contacts.kpis import TITLES, Indicator
from trials.contacts.reconcile import Choice, Finding, settled
from trials.errors import Invalid, Problem
from trials.store.engine import Store
from trials.store.tables import StatementRow

KIND: Final = "kpi-table"
LONGEST_REASON: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A choice with both values and the one to use, in the indicator's own unit."""

    choice: Choice
    published: float
    computed: float

    @property
    def value(self) -> float:
        """The value to use."""
        return self.published if self.choice.use == "published" else self.computed

    def to_json(self) -> dict[str, Any]:
        """Everything by name."""
        c = self.choice
        return {
            "period": c.period, "indicator": c.indicator, "use": c.use, "value": self.value,
            "published": self.published, "computed": self.computed, "why": c.why, "by": c.by,
            "at": c.at.isoformat(),
        }  # fmt: skip


def decide(
    store: Store, fingerprint: str, findings: Sequence[Finding], choices: Sequence[Choice], *,
    label: str, actor: str,
) -> list[Settled]:  # fmt: skip
    """Record choices about one table; a later one about the same figure takes the earlier's place.

    Args:
        store: the database.
        fingerprint: of the table's file.
        findings: what the table says against itself.
        choices: what somebody decided; each needs a reason.
        label: the file's name, for the audit log.
        actor: who decides.

    Raises:
        Conflict: a choice is about nothing that is open, or two disagree.
        Invalid: a choice has no reason, or one that is too long.
    """
    if any(not 0 < len(choice.why.strip()) <= LONGEST_REASON for choice in choices):
        says = f"a choice needs a reason of 1 to {LONGEST_REASON:,} characters"
        raise Invalid(label, [Problem("--because", says, "say why this value is the right one")])
    settled(findings, choices)
    with store.write() as session:
        row = _row(session, fingerprint)
        if row is None:
            row = StatementRow(kind=KIND, name=fingerprint, document={"choices": [], "earlier": []},
                               at=clock.epoch(clock.now()), actor=actor)  # fmt: skip
            session.add(row)
        row.document = _added(row.document, [_of(choice, findings) for choice in choices])
        for choice in choices:
            audit.record(session, "published figure settled", label, actor=actor, detail={
                "table": fingerprint, "period": choice.period, "indicator": choice.indicator,
                "use": choice.use, "why": choice.why})  # fmt: skip
        return _read(row.document)


def decided(session: Session, fingerprint: str) -> list[Settled]:
    """The choices that hold for a table, by period and indicator."""
    row = _row(session, fingerprint)
    return [] if row is None else _read(row.document)


def sentence(one: Settled) -> str:
    """A choice in plain English, both values in it."""
    c = one.choice
    other = "published" if c.use == "computed" else "computed"
    left = one.published if c.use == "computed" else one.computed
    return (
        f"{c.period}: {TITLES[c.indicator]} {one.value:.2f} ({c.use}) is used, not {left:.2f} "
        f"({other}): {c.why} ({c.by}, {clock.london(c.at):%d %B %Y})"
    )


def _row(session: Session, fingerprint: str) -> StatementRow | None:
    return session.scalar(
        sa.select(StatementRow).where(StatementRow.kind == KIND, StatementRow.name == fingerprint)
    )


def _of(choice: Choice, findings: Sequence[Finding]) -> Settled:
    about = (choice.period, choice.indicator)
    found = next(f for f in findings if (f.period, f.indicator) == about
                 and f.code == "answered-rate")  # fmt: skip
    assert found.published is not None
    assert found.computed is not None
    return Settled(choice=choice, published=found.published, computed=found.computed)


def _added(document: dict[str, Any], new: Sequence[Settled]) -> dict[str, Any]:
    about = {(one.choice.period, one.choice.indicator) for one in new}
    kept: list[Any] = []
    replaced: list[Any] = []
    for old in document["choices"]:
        (replaced if (old["period"], old["indicator"]) in about else kept).append(old)
    return {"choices": [*kept, *(one.to_json() for one in new)],
            "earlier": [*document["earlier"], *replaced]}  # fmt: skip


def _read(document: dict[str, Any]) -> list[Settled]:
    found = []
    for one in document["choices"]:
        indicator: Indicator = one["indicator"]
        choice = Choice(period=one["period"], indicator=indicator, use=one["use"], why=one["why"],
                        by=one["by"], at=datetime.fromisoformat(one["at"]))  # fmt: skip
        found.append(Settled(choice=choice, published=one["published"], computed=one["computed"]))
    return sorted(found, key=lambda one: (one.choice.period, one.choice.indicator))
