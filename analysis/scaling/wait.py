"""What fewer contacts would do to the line's wait: a modelled consequence, on a line of its own.

The trial's net deflection already nets out repeats by the people in it; the gain from everyone
else's queue getting shorter comes from the capacity model, and is in no other figure of the case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from analysis.estimates import Absent
from analysis.scaling.capacity import CapacityAnswer, State, answer
from analysis.scaling.question import CapacityRequest
from analysis.scaling.ranges import Range

LABEL = "Modelled, not measured; in no other figure of this case."


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitConsequence:
    """The line today and after the cut in demand, at the cut's median and 95% interval ends."""

    now: CapacityAnswer
    cut: Range
    after: dict[str, CapacityAnswer]

    def to_json(self) -> dict[str, Any]:
        """Waits and abandonment before and after, with and without the call-back loop."""
        return {
            "model": self.now.model,
            "label": LABEL,
            "demand_cut": self.cut.to_json(),
            "now": self.now.state.to_json(),
            "without_retrials": self._spread("without_retrials"),
            "with_retrials": self._spread("with_retrials"),
            "target_wait_seconds": self.now.settings[0].value,
            "agents_for_target_now": self.now.agents_for_target,
            "agents_for_target": {
                end: a.agents_for_target if a.what_if is None else a.what_if.agents_for_target
                for end, a in self.after.items()
            },
            "assumptions": [setting.to_json() for setting in self.now.settings],
            "notes": list(self.now.notes),
        }

    def state(self, end: str, loop: str) -> State:
        """The state at one end of the cut."""
        found = self.after[end]
        return found.state if found.what_if is None else getattr(found.what_if, loop)

    def _spread(self, loop: str) -> dict[str, Any]:
        measures = {
            "wait_answered_seconds": "wait_answered",
            "abandoned": "abandoned",
            "service_level": "service_level",
        }
        return {
            name: {end: _out(getattr(self.state(end, loop), field)) for end in self.after}
            for name, field in measures.items()
        }


def consequence(
    request: CapacityRequest, contacts_per_year: Range, *, working_days: float
) -> WaitConsequence | Absent:
    """The wait after ``contacts_per_year`` fewer calls on the line of ``request``.

    The cut is taken as a share of the line's calls in a year of ``working_days``. In each triple
    ``low`` and ``high`` go with the low and the high end of the cut.
    """
    yearly = request.offered / request.days * working_days
    if yearly <= 0:
        return Absent("no-calls", "the line takes no calls, so there is no wait to shorten")
    ends = {"median": contacts_per_year.median, "low": contacts_per_year.low,
            "high": contacts_per_year.high}  # fmt: skip
    cuts = {end: contacts / yearly for end, contacts in ends.items()}
    if max(cuts.values()) > 0.99 or min(cuts.values()) < -1:
        return Absent("wrong-line", "the change in contacts is larger than all the line's calls")
    return WaitConsequence(
        now=answer(replace(request, demand_change=0.0)),
        cut=Range(median=cuts["median"], low=cuts["low"], high=cuts["high"], unit="share"),
        after={end: answer(replace(request, demand_change=-cut)) for end, cut in cuts.items()},
    )


def _out(value: float | Absent) -> Any:
    return value.to_json() if isinstance(value, Absent) else value
