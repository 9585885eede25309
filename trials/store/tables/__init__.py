"""The tables. Importing this package registers them all."""

from trials.store.tables.contacts import (
    PEOPLE,
    CodeRow,
    ContactCorrectionRow,
    ContactRow,
    EventRow,
    ReasonRow,
    SourceRow,
)
from trials.store.tables.jobs import JobRow
from trials.store.tables.keys import ApiKeyRow
from trials.store.tables.online import (
    ClaimRow,
    LeftOutRow,
    PlaceRow,
    ReceivedRow,
    SharedHoldoutRow,
    TurnedAwayRow,
)
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
    "PEOPLE",
    "ApiKeyRow",
    "ArmRow",
    "AssignmentRow",
    "AuditRow",
    "ClaimRow",
    "CodeRow",
    "ContactCorrectionRow",
    "ContactRow",
    "CorrectionRow",
    "EventRow",
    "ExclusionRow",
    "ExposureRow",
    "IdentifierRow",
    "ImportRow",
    "JobRow",
    "LeftOutRow",
    "MetricRow",
    "OutcomeRow",
    "PlaceRow",
    "PlanRow",
    "ReasonRow",
    "ReceivedRow",
    "RunRow",
    "SealRow",
    "SharedHoldoutRow",
    "SourceRow",
    "TrialRow",
    "TurnedAwayRow",
    "UnitRow",
    "UserRow",
]
