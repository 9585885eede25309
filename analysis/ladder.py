"""The delivery ladder: of those allocated, who is still there at every rung, by arm.

The numbers at each rung are held against the planned shares (the sample-ratio test), because an arm
that loses people on the way is no longer comparable with one that does not. Taking the new version
up is its own effect, so that rung is counted and not tested. Sending and delivery are known where
GOV.UK Notify's statuses were taken in; reached is who met a version (a delivery, a call that heard
it, a page that was shown).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.checks.sample_ratio import goodness_of_fit
from trials.definition.model import Trial

OFF = 0.001
"""Below this p-value a rung's split is said to be off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """Units at a rung by arm; ``p`` is that of the planned shares, ``None`` where none is due."""

    key: str
    counts: Mapping[str, int]
    p: float | None

    def to_json(self) -> dict[str, Any]:
        """One row of the result's ``ladder``."""
        off = self.p is not None and self.p < OFF
        return {"rung": self.key, "counts": dict(self.counts), "p": self.p, "off": off}


def ladder(
    trial: Trial, *, allocated: Mapping[str, int], reached: Mapping[str, int],
    linkable: Mapping[str, int], known: Mapping[str, int], acted: Mapping[str, int] | None,
    sent: Mapping[str, int] | None = None, delivered: Mapping[str, int] | None = None,
) -> Sequence[Rung]:  # fmt: skip
    """The rungs for which anything is recorded, from the top.

    Shares are tested where single units are drawn with fixed weights; where whole clusters or
    periods are, or the weights move, the check of what was drawn has its own test.
    """
    design = trial.design
    tested = design.kind in ("individual", "stratified") and design.adaptive is None
    rungs = [("allocated", allocated), ("sent", sent or {}), ("delivered", delivered or {}),
             ("reached", reached), ("linkable", linkable), ("outcome-known", known)]  # fmt: skip
    found = [
        Rung(key=key, counts=counts, p=_p(trial, counts) if tested else None)
        for key, counts in rungs if any(counts.values())
    ]  # fmt: skip
    return [*found, *([Rung(key="acted", counts=acted, p=None)] if acted is not None else [])]


def _p(trial: Trial, counts: Mapping[str, int]) -> float:
    arms = [arm for arm in trial.arms if arm.weight > 0]
    return goodness_of_fit([counts[arm.key] for arm in arms], [arm.weight for arm in arms])
