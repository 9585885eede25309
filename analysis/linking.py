"""Whether the arms' people can be linked alike, and what the effect can be where they cannot.

A unit that no identifier finds looks as if it never made contact. The test says whether arms differ
in that; where they do, the bounds say how far the effect on the main measure may be off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trials.people.link_rates import ArmLinks, ArmOutcomes, EffectBounds, bounds, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmLinking:
    """One arm: its units by the kind that finds them, and its contacts by the kind that did.

    ``marked`` counts the contacts that say themselves which arm they met, and of them those linked.
    """

    units: ArmLinks
    contacts: Mapping[str, int] = field(default_factory=dict)
    marked: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """One row of the result's ``linking``."""
        total, known = self.marked or (0, 0)
        return {
            "arm": self.units.arm, "units": self.units.total, "linked": self.units.linked,
            "rate": self.units.rate, "by_tier": dict(self.units.by_tier),
            "contacts_by_tier": dict(self.contacts),
            "contacts_naming_the_arm": {"contacts": total, "linked": known} if total else None,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Linking:
    """Everything about linking in one trial.

    ``outcomes`` is of the main measure by arm, where that is a share of people over the log.
    """

    arms: tuple[ArmLinking, ...]
    outcomes: Mapping[str, ArmOutcomes] = field(default_factory=dict)
    bulk_callers: int = 0
    listed_too_late: int = 0

    def to_json(self, control: str, *, level: float = 0.95) -> dict[str, Any]:
        """The result's ``linking``; bounds appear only where the arms link differently."""
        test = compare([arm.units for arm in self.arms])
        differs = test is not None and test.differs
        return {
            "arms": [arm.to_json() for arm in self.arms],
            "test": None if test is None else {
                "p": test.p, "p_tiers": test.p_tiers, "differs": test.differs, "says": test.says},
            "bounds": _bounds(self.outcomes, control, level) if differs else [],
            "bulk_callers": {"left_out": self.bulk_callers,
                             "listed_after_first_analysis": self.listed_too_late},
        }  # fmt: skip


def _bounds(
    outcomes: Mapping[str, ArmOutcomes], control: str, level: float
) -> list[dict[str, Any]]:
    if control not in outcomes:
        return []
    found = {
        arm: bounds(mine, outcomes[control], level=level)
        for arm, mine in outcomes.items() if arm != control
    }  # fmt: skip
    return [_bound(arm, control, one) for arm, one in found.items() if one is not None]


def _bound(arm: str, control: str, found: EffectBounds) -> dict[str, Any]:
    return {
        "arm": arm, "versus": control, "low": found.low, "high": found.high,
        "interval_low": found.ci_low, "interval_high": found.ci_high,
        "trimmed": None if found.trimmed is None else list(found.trimmed), "level": found.level,
    }  # fmt: skip


def totals(arms: Sequence[ArmLinking]) -> bool:
    """Whether there is anything to say: some unit can be found by an identifier."""
    return any(arm.units.linked for arm in arms)
