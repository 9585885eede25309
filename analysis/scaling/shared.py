"""What a change to the shared assumptions does to the cases that rest on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analysis.estimates import Absent
from analysis.scaling.case import CaseForScaling, CaseInput, make_case, rests_on
from analysis.scaling.ranges import Range
from analysis.scaling.register import Register, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A case before and after the register changed."""

    trial: str
    because: tuple[str, ...]
    npv_before: Range | Absent
    npv_after: Range | Absent
    decision_before: str
    decision_after: str

    def to_json(self) -> dict[str, Any]:
        """The change as data."""
        return {
            "trial": self.trial, "because": list(self.because),
            "npv_before": self.npv_before.to_json(), "npv_after": self.npv_after.to_json(),
            "decision_before": self.decision_before, "decision_after": self.decision_after,
        }  # fmt: skip


def moved(
    cases: Sequence[CaseInput], *, before: Register, after: Register,
    make: Callable[[CaseInput], CaseForScaling] = make_case,
) -> tuple[Moved, ...]:  # fmt: skip
    """The cases that rest on an assumption which differs between two shared registers.

    A trial's own figures (its ``register``) win over the shared ones. ``make`` makes a case.
    """
    names = set(changed(before, after))
    found = []
    for given in cases:
        old, new = sharing(given, before), sharing(given, after)
        own = set(given.register.given)
        because = tuple(name for name in rests_on(new) if name in names - own)
        if because:
            found.append(_moved(given.trial, because, make(old), make(new)))
    return tuple(found)


def sharing(given: CaseInput, shared: Register) -> CaseInput:
    """The input with the shared figures under the trial's own."""
    both = {**shared.given, **given.register.given}
    return replace(given, register=replace(given.register, given=both))


def _moved(trial: str, because: tuple[str, ...], old: CaseForScaling, new: CaseForScaling) -> Moved:
    return Moved(
        trial=trial, because=because,
        npv_before=old.quantities["npv"], npv_after=new.quantities["npv"],
        decision_before=old.recommendation.decision, decision_after=new.recommendation.decision,
    )  # fmt: skip
