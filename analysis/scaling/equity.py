"""Who gains and who loses: effects by group, and the gate on the recommendation.

Groups are declared before launch; their effects arrive shrunk towards the common effect (partial
pooling), so that a small group is not judged on its noise. Positive effects are fewer contacts
per unit. A group whose number, or whose number with the outcome, is small is not shown at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np

from analysis.estimates import Absent, critical, upper_tail
from analysis.scaling.suppression import suppress

Gate = Literal["clear", "concern", "harm", "unknown"]
_Z95 = critical(0.95)

HIDDEN = Absent("small-numbers", "too few people in this group to show without risk to them")
_UNNAMED = "a group too small to name"
PROXY = (
    "No e-mail on record stands in for being digitally excluded and is likely to overstate it: "
    "about 4% of UK adults are offline and 16% lack foundation digital skills."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEffect:
    """The effect in one level of one pre-declared group, per assigned unit, fewer = positive.

    ``assigned`` and ``with_outcome`` are people over all arms; ``mean``, ``low`` and ``high`` the
    shrunk estimate and its 95% interval; ``excluded`` marks the digitally excluded group.
    """

    by: str
    level: str
    assigned: int
    with_outcome: int
    mean: float
    low: float
    high: float
    excluded: bool = False
    label: str = ""

    @property
    def name(self) -> str:
        """The label for people."""
        return self.label or f"{self.by}: {self.level}"

    def probability_worse_than(self, effect: float) -> float:
        """Posterior probability that the effect is below ``effect`` (normal approximation)."""
        sd = (self.high - self.low) / (2 * _Z95)
        if sd == 0:
            return float(self.mean < effect)
        return upper_tail((self.mean - effect) / sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """A group as it may be shown: its gate, and its figures or the reason they are hidden."""

    group: GroupEffect
    hidden: bool
    gate: Gate
    contacts_avoided: float | Absent

    def to_json(self) -> dict[str, Any]:
        """The group as data, without any figure that is suppressed."""
        g = self.group
        named = {"by": g.by, "level": g.level, "label": g.name, "digitally_excluded": g.excluded}
        if self.hidden or isinstance(self.contacts_avoided, Absent):
            return {**named, "gate": "unknown", "effect": HIDDEN.to_json(), "assigned": None,
                    "contacts_avoided_per_year": HIDDEN.to_json()}  # fmt: skip
        return {
            **named,
            "gate": self.gate,
            "assigned": g.assigned,
            "effect": {"mean": g.mean, "low": g.low, "high": g.high},
            "probability_harm": g.probability_worse_than(0.0),
            "contacts_avoided_per_year": self.contacts_avoided,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Equity:
    """Effects by group and the gate they set on the recommendation."""

    groups: tuple[GroupResult, ...]
    gate: Gate
    margin: float
    minimum: int

    @property
    def excluded(self) -> GroupResult | None:
        """The digitally excluded group, if the trial declared one."""
        return next((g for g in self.groups if g.group.excluded), None)

    @property
    def says(self) -> str:
        """The sentence for the page."""
        harmed, worrying = self._names("harm"), self._names("concern")
        if harmed:
            return f"It makes things worse for: {', '.join(harmed)}."
        if self.gate == "unknown":
            return "The effect on digitally excluded people is not known."
        if worrying:
            return f"Harm cannot be ruled out for: {', '.join(worrying)}."
        return "No declared group is made worse off by more than the margin."

    def _names(self, gate: Gate) -> list[str]:
        """The groups with this gate; those that may not be shown are not named."""
        names = [g.group.name if not g.hidden else _UNNAMED for g in self.groups if g.gate == gate]
        return list(dict.fromkeys(names))

    def to_json(self) -> dict[str, Any]:
        """The equity block of the case."""
        excluded = self.excluded
        unknown = Absent("not-declared", "the trial declared no digitally excluded group")
        shown = [g for g in self.groups if not g.hidden]
        avoided = [g.contacts_avoided for g in shown if isinstance(g.contacts_avoided, float)]
        return {
            "excluded_group": excluded.to_json() if excluded else unknown.to_json(),
            "gate": self.gate,
            "says": self.says,
            "margin": self.margin,
            "groups": [g.to_json() for g in self.groups],
            "gains": [g.group.name for g in shown if g.group.low > 0],
            "losses": [g.group.name for g in shown if g.group.high < 0],
            "largest_gain": max(avoided, default=None),
            "largest_loss": min(avoided, default=None),
            "suppressed": sum(g.hidden for g in self.groups),
            "small_cell_minimum": self.minimum,
            "proxy": PROXY,
        }


def assess(
    groups: Sequence[GroupEffect],
    *,
    margin: float,
    minimum: int,
    contacts: Callable[[float], float],
) -> Equity:
    """Effects by group, suppressed where small, and the gate.

    ``margin`` is the extra contacts per unit that count as harm; ``contacts`` turns an effect per
    assigned unit into contacts a year for the whole roll-out, shared out here by group size.
    """
    ordered = sorted(groups, key=lambda g: g.by)
    results = []
    for _, members in groupby(ordered, key=lambda g: g.by):
        results += _family(list(members), margin=margin, minimum=minimum, contacts=contacts)
    found = tuple(results)
    return Equity(groups=found, gate=_overall(found), margin=margin, minimum=minimum)


def _family(
    members: list[GroupEffect],
    *,
    margin: float,
    minimum: int,
    contacts: Callable[[float], float],
) -> list[GroupResult]:
    """The levels of one group: together they make up everybody, so they are hidden together."""
    table = np.array([[g.with_outcome, g.assigned - g.with_outcome] for g in members], dtype=float)
    sizes = np.array([g.assigned for g in members], dtype=float)
    hidden = suppress(table, minimum).any(axis=1) | suppress(sizes, minimum)
    total = sizes.sum()
    return [
        GroupResult(
            group=g,
            hidden=bool(h),
            gate=_gate(g, margin=margin) if g.assigned >= minimum else "unknown",
            contacts_avoided=HIDDEN if h else contacts(g.mean) * g.assigned / float(total),
        )
        for g, h in zip(members, hidden, strict=True)
    ]


def _gate(group: GroupEffect, *, margin: float) -> Gate:
    """Harm if the whole interval is; concern if it reaches beyond the margin."""
    if group.high < 0:
        return "harm"
    return "concern" if group.low < -margin else "clear"


def _overall(results: Sequence[GroupResult]) -> Gate:
    """The worst gate; what is not known counts only for the digitally excluded."""
    gates = {r.gate for r in results}
    if "harm" in gates:
        return "harm"
    excluded = [r for r in results if r.group.excluded]
    if not excluded or any(r.gate == "unknown" for r in excluded):
        return "unknown"
    return "concern" if "concern" in gates else "clear"


def impact_extract(
    equity: Equity, *, trial: str, mitigations: Sequence[str] = ()
) -> dict[str, Any]:
    """What an equality impact assessment needs from the trial, as plain data."""
    rows = [
        {
            "group": g.group.name,
            "shown": not g.hidden,
            "impact": _impact(g),
            "evidence": "small numbers, not shown" if g.hidden else _interval_words(g.group),
        }
        for g in equity.groups
    ]
    return {
        "trial": trial,
        "summary": equity.says,
        "groups": rows,
        "action_needed": equity.gate in ("harm", "concern", "unknown"),
        "mitigations": list(mitigations),
        "definition": PROXY,
        "method": (
            f"Effects are shrunk towards the common effect; groups of fewer than {equity.minimum} "
            "people, and those that would reveal them, are not shown."
        ),
    }


def _impact(result: GroupResult) -> str:
    if result.hidden or result.gate == "unknown":
        return "not known"
    if result.gate == "harm":
        return "negative"
    return "positive" if result.group.low > 0 else "no clear difference"


def _interval_words(group: GroupEffect) -> str:
    low, high = sorted((1000 * group.low, 1000 * group.high))
    return f"{1000 * group.mean:+.1f} contacts avoided per 1,000 people ({low:+.1f} to {high:+.1f})"
