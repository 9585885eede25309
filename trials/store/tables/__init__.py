"""The tables. Importing this package registers them all."""

from trials.store.tables.beside import (
    BulkCallerRow,
    DeliveryRow,
    RemovalRow,
    SecondCodingRow,
    StatementRow,
)
from trials.store.tables.casework import (
    AdoptionRow,
    AssumptionRow,
    BenefitRow,
    CaseSettingRow,
    DecisionRow,
    HoldbackRow,
    NextStepRow,
    PaperRow,
    ReasonTableRow,
    RolloutRow,
)
from trials.store.tables.contacts import (
    PEOPLE,
    CodeRow,
    ContactCorrectionRow,
    ContactRow,
    EventRow,
    ReasonRow,
    SourceRow,
)
from trials.store.tables.drafts import (
    DraftRow,
    DraftVersionRow,
    IdeaRow,
    SignOffRow,
)
from trials.store.tables.jobs import (
    JobRow,
)
from trials.store.tables.keys import (
    ApiKeyRow,
)
from trials.store.tables.learning import (
    ForecastRow,
    PackRow,
)
from trials.store.tables.mails import (
    OutboxRow,
    SentReportRow,
    SubscriptionRow,
    WebhookRow,
)
from trials.store.tables.online import (
    ClaimRow,
    LeftOutRow,
    PlaceRow,
    ReceivedRow,
    SharedHoldoutRow,
    ShareRow,
    TurnedAwayRow,
)
from trials.store.tables.people import (
    AttemptRow,
    SessionRow,
    SubmissionRow,
)
from trials.store.tables.posteriors import (
    FitRow,
    PosteriorRow,
)
from trials.store.tables.runs import (
    AuditRow,
    ExplorationRow,
    RunRow,
    UserRow,
)
from trials.store.tables.schedules import (
    AlarmRow,
    LeaseRow,
    ScheduleRow,
    ScheduleRunRow,
    TimetableRow,
)
from trials.store.tables.trials import (
    ArmRow,
    MetricRow,
    PlanRow,
    SealRow,
    TrialRow,
)
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
    "AdoptionRow",
    "AlarmRow",
    "ApiKeyRow",
    "ArmRow",
    "AssignmentRow",
    "AssumptionRow",
    "AttemptRow",
    "AuditRow",
    "BenefitRow",
    "BulkCallerRow",
    "CaseSettingRow",
    "ClaimRow",
    "CodeRow",
    "ContactCorrectionRow",
    "ContactRow",
    "CorrectionRow",
    "DecisionRow",
    "DeliveryRow",
    "DraftRow",
    "DraftVersionRow",
    "EventRow",
    "ExclusionRow",
    "ExplorationRow",
    "ExposureRow",
    "FitRow",
    "ForecastRow",
    "HoldbackRow",
    "IdeaRow",
    "IdentifierRow",
    "ImportRow",
    "JobRow",
    "LeaseRow",
    "LeftOutRow",
    "MetricRow",
    "NextStepRow",
    "OutboxRow",
    "OutcomeRow",
    "PackRow",
    "PaperRow",
    "PlaceRow",
    "PlanRow",
    "PosteriorRow",
    "ReasonRow",
    "ReasonTableRow",
    "ReceivedRow",
    "RemovalRow",
    "RolloutRow",
    "RunRow",
    "ScheduleRow",
    "ScheduleRunRow",
    "SealRow",
    "SecondCodingRow",
    "SentReportRow",
    "SessionRow",
    "ShareRow",
    "SharedHoldoutRow",
    "SignOffRow",
    "SourceRow",
    "StatementRow",
    "SubmissionRow",
    "SubscriptionRow",
    "TimetableRow",
    "TrialRow",
    "TurnedAwayRow",
    "UnitRow",
    "UserRow",
    "WebhookRow",
]
