"""How good the evidence is, and the optimism bias that goes with it.

The bias by grade follows the supplementary Green Book guidance on local cost-benefit analysis (HM
Treasury and New Economy Manchester, 2014) as practitioners remember it; check it against the
current edition, or give ``optimism_bias_benefits`` and ``optimism_bias_costs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from analysis.scaling.assumption import Assumption

EvidenceKind = Literal["trial-same-service", "trial-other-service", "before-after", "opinion"]
CheckVerdict = Literal["pass", "warn", "fail", "not-applicable"]

_BENEFITS = {1: 0.0, 2: 0.05, 3: 0.10, 4: 0.15, 5: 0.25, 6: 0.40}
_COSTS = {1: 0.0, 2: 0.05, 3: 0.10, 4: 0.15, 5: 0.25, 6: 0.40}
_SOURCE = "local CBA guidance (HMT/New Economy, 2014), evidence grade"

_WORDS = {
    1: "a randomised trial in this service, to a locked plan, with every check passed",
    2: "a randomised trial in this service, with a warning or without a locked plan",
    3: "a randomised trial, carried over from another service",
    4: "a randomised trial from another service, with a warning or without a locked plan",
    5: "a comparison that is not randomised, or a trial that failed a check",
    6: "opinion, or a comparison that is not randomised and carries a warning",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of the trial's integrity, as the result document gives it."""

    key: str
    verdict: CheckVerdict
    says: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """Evidence from 1 (best) to 6, with the words for it."""

    grade: int

    @property
    def says(self) -> str:
        """The grade in words."""
        return _WORDS[self.grade]

    def to_json(self) -> dict[str, Any]:
        """``{"grade": 1…6, "says": words}``."""
        return {"grade": self.grade, "says": self.says}


def grade(kind: EvidenceKind, *, locked: bool, checks: Sequence[Check]) -> Grade:
    """The grade of evidence of this ``kind``; a failed check makes a trial a mere comparison."""
    verdicts = {check.verdict for check in checks}
    flawed = "warn" in verdicts or not locked
    if kind == "opinion":
        return Grade(6)
    if kind == "before-after":
        return Grade(6 if "warn" in verdicts or "fail" in verdicts else 5)
    if "fail" in verdicts:
        return Grade(5)
    best = 1 if kind == "trial-same-service" else 3
    return Grade(best + int(flawed))


def optimism(of: Grade) -> tuple[Assumption, Assumption]:
    """The default optimism bias on gains and on costs for that grade."""
    return (
        _bias("optimism_bias_benefits", _BENEFITS[of.grade], of),
        _bias("optimism_bias_costs", _COSTS[of.grade], of),
    )


def transfer(kind: EvidenceKind) -> tuple[Assumption, ...]:
    """The default discount for carrying an effect to another service."""
    if kind == "trial-same-service":
        return ()
    return (
        Assumption(
            name="transfer",
            value=0.7,
            low=0.4,
            high=0.9,
            shape="triangular",
            unit="share",
            source="practitioners' rule of thumb for evidence from elsewhere",
            dated="2022-11",
            mark="practitioner",
            is_default=True,
        ),
    )


def _bias(name: str, value: float, of: Grade) -> Assumption:
    return Assumption(
        name=name,
        value=value,
        unit="share",
        source=f"{_SOURCE} {of.grade}",
        dated="2014-04",
        mark="practitioner",
        is_default=True,
    )
