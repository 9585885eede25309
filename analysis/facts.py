"""Facts about a trial's units that its checks and its report need, counted in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock
from trials.online import adaptive
from trials.store.tables import (
    ArmRow,
    AssignmentRow,
    DeliveryRow,
    ExclusionRow,
    ExposureRow,
    IdentifierRow,
    OutcomeRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counts by arm (keys of the planned arms), and the span of the data.

    ``shares`` are the chances that each batch gave, for a trial whose shares followed the outcomes.
    """

    assigned: Mapping[str, int]
    by_stratum: Mapping[str, Mapping[str, int]]
    by_epoch: Mapping[int, Mapping[str, int]]
    by_week: Mapping[int, Mapping[str, int]]
    exposed: Mapping[str, int]
    crossed: Mapping[str, int]
    linked: Mapping[str, int]
    held_out: int
    excluded: Mapping[str, int]
    first_assigned: datetime | None
    last_assigned: datetime | None
    last_outcome: datetime | None
    shares: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    delivered: Mapping[str, int] = field(default_factory=dict)


def gather(session: Session, trial_id: int, arms: Mapping[int, str]) -> Facts:
    """Count everything by arm. ``arms`` gives each arm's key by its number."""
    mine = AssignmentRow.trial_id == trial_id
    span = session.execute(
        sa.select(
            sa.func.min(sa.func.nullif(AssignmentRow.assigned_at, 0)),
            sa.func.max(sa.func.nullif(AssignmentRow.assigned_at, 0)),
        ).where(mine)
    ).one()
    latest = session.scalar(
        sa.select(sa.func.max(sa.func.nullif(OutcomeRow.observed_at, 0))).where(
            OutcomeRow.trial_id == trial_id
        )
    )
    excluded = session.execute(
        sa.select(ExclusionRow.reason, sa.func.sum(ExclusionRow.units))
        .where(ExclusionRow.trial_id == trial_id)
        .group_by(ExclusionRow.reason)
    )
    return Facts(
        assigned=_by_arm(session, arms, sa.select(AssignmentRow.arm_id, sa.func.count())
                         .where(mine).group_by(AssignmentRow.arm_id)),
        by_stratum=_split(session, arms, AssignmentRow.stratum, mine),
        by_epoch=_split(session, arms, AssignmentRow.epoch, mine),
        by_week=_split(session, arms, _week(span[0]), mine) if span[0] is not None else {},
        exposed=_by_arm(session, arms, _having(ExposureRow, mine)),
        crossed=_by_arm(session, arms, _crossed(mine)),
        sent=_by_arm(session, arms, _told(mine, "sent", "failed", "delivered", "returned")),
        delivered=_by_arm(session, arms, _told(mine, "delivered")),
        linked=_by_arm(session, arms, _having(IdentifierRow, mine, IdentifierRow.kind != "unit")),
        held_out=session.scalar(
            sa.select(sa.func.count()).select_from(AssignmentRow)
            .where(mine, AssignmentRow.arm_id.is_(None))) or 0,
        excluded={reason: int(n) for reason, n in excluded},
        first_assigned=_moment(span[0]), last_assigned=_moment(span[1]),
        last_outcome=_moment(latest),
        shares={
            number: dict(zip(arms.values(), some, strict=True))
            for number, some in adaptive.shares(session, trial_id).items()
        },
    )  # fmt: skip


def _week(first: int) -> sa.ColumnElement[int]:
    """Which week of the trial a unit was assigned in, counted from 1; NULL without a time."""
    at = sa.func.nullif(AssignmentRow.assigned_at, 0)
    return (at - first) // sa.literal(7 * 86_400) + 1


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else clock.from_epoch(seconds)


def _by_arm(session: Session, arms: Mapping[int, str], query: sa.Select) -> dict[str, int]:  # type: ignore[type-arg]
    found = {int(arm): int(n) for arm, n in session.execute(query) if arm is not None}
    return {key: found.get(number, 0) for number, key in arms.items()}


def _told(mine: sa.ColumnElement[bool], *rungs: str) -> sa.Select:  # type: ignore[type-arg]
    """Units by arm with a message that got as far as one of ``rungs``."""
    own = sa.and_(DeliveryRow.trial_id == AssignmentRow.trial_id,
                  DeliveryRow.unit_id == AssignmentRow.unit_id)  # fmt: skip
    known = sa.select(DeliveryRow.unit_id).where(own, DeliveryRow.rung.in_(rungs)).exists()
    return (
        sa.select(AssignmentRow.arm_id, sa.func.count())
        .where(mine, known)
        .group_by(AssignmentRow.arm_id)
    )


def _having(
    table: type[ExposureRow | IdentifierRow],
    mine: sa.ColumnElement[bool],
    *such: sa.ColumnElement[bool],
) -> sa.Select:  # type: ignore[type-arg]
    """Units by arm that have such a row in ``table``."""
    own = table.unit_id == AssignmentRow.unit_id
    known = sa.select(table.unit_id).where(own, *such).exists()
    return (
        sa.select(AssignmentRow.arm_id, sa.func.count()).where(mine, known)
        .group_by(AssignmentRow.arm_id)
    )  # fmt: skip


def _crossed(mine: sa.ColumnElement[bool]) -> sa.Select:  # type: ignore[type-arg]
    """Units by arm that were in fact given another arm."""
    other = (
        sa.select(ExposureRow.unit_id)
        .where(ExposureRow.unit_id == AssignmentRow.unit_id, ExposureRow.arm_id.is_not(None))
        .where(ExposureRow.arm_id != AssignmentRow.arm_id)
        .exists()
    )
    return (
        sa.select(AssignmentRow.arm_id, sa.func.count()).where(mine, other)
        .group_by(AssignmentRow.arm_id)
    )  # fmt: skip


def _split(session: Session, arms: Mapping[int, str], column: object,
           mine: sa.ColumnElement[bool]) -> dict:  # type: ignore[type-arg]  # fmt: skip
    rows = session.execute(
        sa.select(column, AssignmentRow.arm_id, sa.func.count())  # type: ignore[call-overload]
        .where(mine, AssignmentRow.arm_id.is_not(None))
        .group_by(column, AssignmentRow.arm_id)
        .order_by(column)
    )
    found: dict[object, dict[str, int]] = {}
    for level, arm, n in rows:
        found.setdefault(level, dict.fromkeys(arms.values(), 0))[arms[arm]] = n
    return {level: counts for level, counts in found.items() if level is not None}


def arm_names(session: Session, trial_id: int) -> dict[int, str]:
    """Arm keys by number, in the plan's order."""
    rows = session.execute(
        sa.select(ArmRow.id, ArmRow.key)
        .where(ArmRow.trial_id == trial_id)
        .order_by(ArmRow.position)
    )
    return {number: key for number, key in rows}  # noqa: C416 - rows are not plain tuples
