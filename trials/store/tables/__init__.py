"""The tables. Importing this package registers them all."""

from trials.store.tables.runs import AuditRow, RunRow, UserRow
from trials.store.tables.trials import ArmRow, MetricRow, PlanRow, SealRow, TrialRow
from trials.store.tables.units import (
    AssignmentRow,
    CorrectionRow,
    ExclusionRow,
    ExposureRow,
    IdentifierRow,
    ImportRow,
    OutcomeRow,
    UnitRow,
)

__all__ = [
    "ArmRow",
    "AssignmentRow",
    "AuditRow",
    "CorrectionRow",
    "ExclusionRow",
    "ExposureRow",
    "IdentifierRow",
    "ImportRow",
    "MetricRow",
    "OutcomeRow",
    "PlanRow",
    "RunRow",
    "SealRow",
    "TrialRow",
    "UnitRow",
    "UserRow",
]
