"""How a running trial fares, told without its effect: who came in, whom it reached, what arrived.

One reading of the store, made by a worker, never within a page. It counts by arm only what an
effect cannot move (assignment, meeting the version, being linkable); outcomes and contacts are
counted in total, so that whoever watches a trial learns nothing of its result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis.checks.sample_ratio import goodness_of_fit
from trials import clock, registry
from trials.definition.model import Trial
from trials.store.engine import Store
from trials.store.tables import (
    ArmRow,
    AssignmentRow,
    ContactRow,
    ExposureRow,
    IdentifierRow,
    ImportRow,
    MetricRow,
    OutcomeRow,
    SourceRow,
    TurnedAwayRow,
)

DAY = 86_400
OFF = 0.0005
"""Below this p-value a rung's split is said to be off: seldom by chance, though looked at daily."""

Counts = dict[str, int]


def take(store: Store, key: str) -> dict[str, Any]:
    """Count everything once. Raises ``NotFound`` where there is no such trial.

    Returns:
        ``at``, ``assigned`` (by arm), ``weeks`` (Monday, by arm), ``rungs`` (each with ``counts``
        by arm, ``p`` and ``off``), ``fidelity`` (by arm: ``same``, ``other``), ``maturing``,
        ``sources`` (each with its newest moment), ``guardrails`` (values held, of all arms),
        ``left_out`` (who asked and was given the control outside the trial, by reason).
    """
    with store.read() as session:
        row = registry.row_of(session, key)
        trial = registry.definition_of(row)
        arms = dict(
            session.execute(sa.select(ArmRow.id, ArmRow.key).where(ArmRow.trial_id == row.id))
            .tuples()
            .all()
        )
        reading = _Reading(session, row.id, trial, arms)
        assigned = reading.by_arm(sa.select(AssignmentRow.arm_id, sa.func.count()))
        return {
            "at": clock.now().isoformat(),
            "assigned": assigned,
            "weeks": reading.weeks(),
            "rungs": reading.rungs(assigned),
            "fidelity": reading.fidelity(),
            "maturing": reading.maturing(),
            "sources": reading.sources(),
            "guardrails": reading.guardrails(),
            "left_out": reading.left_out(),
        }


class _Reading:
    """The queries about one trial."""

    def __init__(
        self, session: Session, trial_id: int, trial: Trial, arms: Mapping[int, str]
    ) -> None:
        self._session, self._id, self._trial, self._arms = session, trial_id, trial, arms
        self._mine = AssignmentRow.trial_id == trial_id

    def by_arm(self, query: sa.Select[Any, Any]) -> Counts:
        """A count by arm, nought included; who is held out belongs to none."""
        rows = self._session.execute(query.where(self._mine).group_by(AssignmentRow.arm_id))
        found = {self._arms[arm]: int(n) for arm, n in rows if arm in self._arms}
        return {arm.key: found.get(arm.key, 0) for arm in self._trial.arms}

    def weeks(self) -> list[dict[str, Any]]:
        """Assignments by week (from Monday, UTC) and arm, where the source gave a time."""
        day = (AssignmentRow.assigned_at // DAY).label("day")
        rows = self._session.execute(
            sa.select(day, AssignmentRow.arm_id, sa.func.count())
            .where(self._mine, AssignmentRow.assigned_at > 0, AssignmentRow.arm_id.is_not(None))
            .group_by("day", AssignmentRow.arm_id)
        )
        weeks: dict[int, Counts] = {}
        for number, arm, n in rows:
            monday = int(number) - (int(number) + 3) % 7
            counts = weeks.setdefault(monday, {a.key: 0 for a in self._trial.arms})
            counts[self._arms[int(arm or 0)]] += int(n)
        return [
            {"from": clock.from_epoch(monday * DAY).date().isoformat(), "counts": counts}
            for monday, counts in sorted(weeks.items())
        ]

    def rungs(self, assigned: Counts) -> list[dict[str, Any]]:
        """Who was assigned, who met their version, and who can be linked, by arm."""
        met = sa.exists().where(ExposureRow.unit_id == AssignmentRow.unit_id)
        known = sa.exists().where(IdentifierRow.unit_id == AssignmentRow.unit_id)
        count = sa.select(AssignmentRow.arm_id, sa.func.count())
        found = [("assigned", assigned)]
        found += [
            ("met", self.by_arm(count.where(met))),
            ("linkable", self.by_arm(count.where(known))),
        ]
        return [self._rung(name, counts) for name, counts in found]

    def _rung(self, name: str, counts: Counts) -> dict[str, Any]:
        weights = [arm.weight for arm in self._trial.arms if arm.weight > 0]
        seen = [counts[arm.key] for arm in self._trial.arms if arm.weight > 0]
        p = goodness_of_fit(seen, weights) if sum(seen) else None
        design = self._trial.design
        judged = design.kind in ("individual", "stratified") and design.adaptive is None
        return {
            "key": name,
            "counts": counts,
            "p": p if judged else None,
            "off": bool(judged and p is not None and p < OFF),
        }

    def fidelity(self) -> dict[str, dict[str, int]]:
        """Of the meetings that say what was given, how many gave what was planned."""
        same = sa.func.sum(sa.case((ExposureRow.arm_id == AssignmentRow.arm_id, 1), else_=0))
        rows = self._session.execute(
            sa.select(AssignmentRow.arm_id, sa.func.count(), same)
            .join(ExposureRow, ExposureRow.unit_id == AssignmentRow.unit_id)
            .where(self._mine, ExposureRow.arm_id.is_not(None), AssignmentRow.arm_id.is_not(None))
            .group_by(AssignmentRow.arm_id)
        )
        return {
            self._arms[arm]: {"same": int(as_planned), "other": int(n) - int(as_planned)}
            for arm, n, as_planned in rows
        }

    def maturing(self) -> int:
        """Units whose window of the main measure is still open."""
        window = self._trial.primary.window
        if not window:
            return 0
        first = (
            sa.select(sa.func.min(ExposureRow.exposed_at))
            .where(ExposureRow.unit_id == AssignmentRow.unit_id)
            .scalar_subquery()
        )
        begins = sa.func.coalesce(first, AssignmentRow.assigned_at)
        open_ = (
            sa.select(sa.func.count())
            .select_from(AssignmentRow)
            .where(
                self._mine,
                AssignmentRow.arm_id.is_not(None),
                begins > clock.epoch(clock.now()) - window,
            )
        )
        return int(self._session.scalar(open_) or 0)

    def sources(self) -> list[dict[str, Any]]:
        """What each kind of data reaches up to, and when it was last handed in."""
        newest = {
            "assignments": sa.select(sa.func.max(AssignmentRow.assigned_at)).where(self._mine),
            "exposures": sa.select(sa.func.max(ExposureRow.exposed_at)).where(
                ExposureRow.trial_id == self._id
            ),
            "outcomes": sa.select(sa.func.max(OutcomeRow.observed_at)).where(
                OutcomeRow.trial_id == self._id
            ),
        }
        taken = self._taken()
        found = [
            {"name": name, "newest": _moment(self._session.scalar(query)), "taken": taken.get(name)}
            for name, query in newest.items()
        ]
        logs = self._session.execute(
            sa.select(SourceRow.name, sa.func.max(ContactRow.occurred_at))
            .join(ContactRow, ContactRow.source_id == SourceRow.id)
            .group_by(SourceRow.name)
            .order_by(SourceRow.name)
        )
        return found + [
            {"name": f"contacts: {name}", "newest": _moment(at), "taken": None} for name, at in logs
        ]

    def _taken(self) -> dict[str, str]:
        rows = self._session.execute(
            sa.select(ImportRow.kind, sa.func.max(ImportRow.at))
            .where(ImportRow.trial_id == self._id)
            .group_by(ImportRow.kind)
        )
        found = {kind: at.isoformat() for kind, at in rows if at is not None}
        if "units" in found:
            found["assignments"] = max(found["units"], found.get("assignments", ""))
        return found

    def guardrails(self) -> list[dict[str, Any]]:
        """What must not get worse, and how many values are held of it, over all arms."""
        held = dict(
            self._session.execute(
                sa.select(MetricRow.key, sa.func.count())
                .join(OutcomeRow, OutcomeRow.metric_id == MetricRow.id)
                .where(MetricRow.trial_id == self._id)
                .group_by(MetricRow.key)
            )
            .tuples()
            .all()
        )
        return [
            {"key": m.key, "from_log": m.source == "contacts", "values": held.get(m.key, 0)}
            for m in self._trial.metrics
            if m.role == "guardrail"
        ]

    def left_out(self) -> Counts:
        """How many units asked and were left out, by reason, the most first."""
        count = sa.func.count()
        rows = self._session.execute(
            sa.select(TurnedAwayRow.reason, count)
            .where(TurnedAwayRow.trial_id == self._id)
            .group_by(TurnedAwayRow.reason)
            .order_by(count.desc(), TurnedAwayRow.reason)
        )
        return {reason: int(n) for reason, n in rows}


def _moment(epoch: int | None) -> str | None:
    return clock.from_epoch(int(epoch)).isoformat() if epoch else None
