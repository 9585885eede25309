"""What a trial says about itself, as far as a decision to scale depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from analysis.scaling.decision import Guardrail, Rule
from analysis.scaling.evidence import Check, EvidenceKind
from analysis.scaling.ranges import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the trial itself says, from its result document.

    ``locked`` and ``matured`` are about the plan and the outcome windows; ``leakage`` is the share
    of gross deflection that came back; ``weeks_run`` and ``standard_error`` (of the net effect,
    per unit) say what the data alone have told, for the value of more weeks.
    """

    evidence: EvidenceKind = "trial-same-service"
    locked: bool
    matured: bool
    checks: tuple[Check, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    leakage: Range | None = None
    weeks_run: float | None = None
    standard_error: float | None = None
    fidelity_measured: bool = False
    rule: Rule = field(default_factory=Rule)
