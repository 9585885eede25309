"""A clock that tests move, and a launched trial."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trials import clock, lifecycle, registry
from trials.store.tables import ArmRow, AssignmentRow, UnitRow


class Hands:
    """The hands of the clock."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def to(self, moment: datetime) -> None:
        self.moment = moment

    def on(self, **by) -> None:
        self.moment += timedelta(**by)


@pytest.fixture
def hands():
    found = Hands(datetime(2026, 3, 20, 12, tzinfo=UTC))
    clock.set_source(lambda: found.moment)
    yield found
    clock.set_source(None)


def launch(store, trial):
    """Launch ``trial`` with one unit in it."""
    with store.write() as session:
        registry.add(session, trial, actor="tester")
        lifecycle.launch(session, trial.key, actor="tester")
        row = registry.row_of(session, trial.key)
        unit = UnitRow(trial_id=row.id, digest=b"x" * 16)
        session.add(unit)
        session.flush()
        arm = session.query(ArmRow).filter_by(trial_id=row.id).first()
        session.add(
            AssignmentRow(
                trial_id=row.id, unit_id=unit.id, arm_id=arm.id, epoch=1, assigned_at=1767600000
            )
        )
    return row.id
