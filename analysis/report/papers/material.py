"""What papers are written from: the trial, its result, its case, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from analysis.report.view import Report, report
from analysis.scaling.case import CaseForScaling
from trials.definition.model import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision on record: what, why, who, and whether it differs from what was recommended."""

    decided: str
    recommended: str | None
    reason: str
    reviewer: str
    dissents: bool
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything that papers about one trial may tell.

    ``case`` is absent with ``why_no_case``; ``definition`` is the trial file as locked; ``steps``
    are rows of what, owner, date and state; ``facts`` those that are kept of the plan.
    """

    trial: Trial
    result: Mapping[str, Any]
    case: CaseForScaling | None
    why_no_case: str
    decision: Decision | None
    steps: tuple[tuple[str, str, str, str], ...]
    events: tuple[str, ...]
    definition: str
    locked_by: str
    state: str
    organisation: str
    generated_at: datetime

    def view(self) -> Report:
        """The report's words and figures."""
        return report(
            self.trial, self.result, generated_at=self.generated_at, organisation=self.organisation
        )
