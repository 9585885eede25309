"""People met in two arms: counted, analysed as first assigned, and set apart to see what changes.

Everybody counts in the arm first given: leaving anybody out would take more from a smaller arm and
undo the randomisation. So the analysis without them is shown as a test of how much they matter and
decides nothing. Trials that share people are compared in two ways (Kohavi, Tang & Xu 2020, ch. 4):
whether arms here and there were given independently, and whether the effect here differs by the arm
there.

Pure: grouped tables go in, result data comes out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.estimates import Absent, to_json
from analysis.estimation import ordinary
from analysis.estimators import interaction_of
from analysis.tables import Floats, Grouped, Ints, Key
from trials.definition.model import Trial

Mask = npt.NDArray[np.bool_]

HELD_OUT = "held out there"
DEPENDENT = 0.01
"""Below this p-value a test between two trials is reported as a warning: there may be many."""
_EXPECTED = 5.0
"""Counts expected in every cell for a chi-squared test of independence to hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another trial: its arms, and what each cell's units were given there (-1: not in it)."""

    trial: str
    arms: tuple[str, ...]
    given: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossings:
    """The main measure's table with, for each cell, who was reached by two arms or trials.

    ``units`` counts the units of each cell, whether or not their outcome is known.
    """

    table: Grouped
    units: Floats
    met_another: Mask
    same_line: Mask
    others: tuple[Other, ...] = ()

    def counted(self, such: Mask) -> dict[str, int]:
        """Units of each arm among the cells ``such``."""
        n = np.bincount(self.table.arm[such], self.units[such], len(self.table.arms))
        return {arm: int(count) for arm, count in zip(self.table.arms, n, strict=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Two trials that share people.

    ``p_dependence`` is of the hypothesis that arms were given independently; ``interactions`` holds
    for each treatment arm the p-value that its effect is the same whatever was given there.
    """

    trial: str
    units: int
    p_dependence: float | None
    interactions: tuple[tuple[str, float | Absent], ...]

    @property
    def dependent(self) -> bool:
        """Whether arms here went along with arms there."""
        return self.p_dependence is not None and self.p_dependence < DEPENDENT


def meetings(trial: Trial, found: Crossings) -> list[Meeting]:
    """Every other trial that shares people with this one."""
    return [_meeting(trial, found, other) for other in found.others]


def to_document(trial: Trial, found: Crossings | None) -> dict[str, Any] | None:
    """The result's ``contamination``; ``None`` where nobody is known to have met two arms."""
    if found is None:
        return None
    either = found.met_another | found.same_line
    return {
        "analysed": "as-first-assigned",
        "met_another_arm": found.counted(found.met_another),
        "same_line_as_another_arm": found.counted(found.same_line),
        "either": found.counted(either),
        "without_them": _without(trial, found, either),
        "other_trials": [
            {
                "trial": meeting.trial, "units": meeting.units,
                "independence": None if meeting.p_dependence is None
                else {"p": meeting.p_dependence},
                "interactions": [
                    {"arm": arm, **(p.to_json() if isinstance(p, Absent) else {"p": p})}
                    for arm, p in meeting.interactions
                ],
            }
            for meeting in meetings(trial, found)
        ],
    }  # fmt: skip


def _without(trial: Trial, found: Crossings, either: Mask) -> list[dict[str, Any]]:
    """The main measure's contrasts among those whom one arm alone reached."""
    if not either.any():
        return []
    effects = ordinary(trial, found.table.where(~either))
    arms = [arm.key for arm in trial.arms if not arm.control]
    return [
        {"arm": arm, "versus": trial.control.key, "difference": to_json(effect)}
        for arm, effect in zip(arms, effects, strict=True)
    ]


def _meeting(trial: Trial, found: Crossings, other: Other) -> Meeting:
    both = other.given >= 0
    key = Key(name=other.trial, codes=other.given, levels=other.arms)
    table = replace(found.table, segments={other.trial: key})
    return Meeting(
        trial=other.trial, units=int(found.units[both].sum()),
        p_dependence=_dependence(found, other),
        interactions=tuple(
            (arm.key, _differs(trial, table, other.trial, i))
            for i, arm in enumerate(trial.arms) if not arm.control
        ),
    )  # fmt: skip


def _differs(trial: Trial, table: Grouped, by: str, arm: int) -> float | Absent:
    test = interaction_of(trial.primary, table, by, arm)
    return test if isinstance(test, Absent) else test.p


def _dependence(found: Crossings, other: Other) -> float | None:
    """Pearson's chi-squared test of arms here by arms there; ``None`` where counts are too few."""
    if found.table.cluster is not None:
        return None
    both = other.given >= 0
    shape = (len(found.table.arms), len(other.arms))
    counts = np.zeros(shape)
    np.add.at(counts, (found.table.arm[both], other.given[both]), found.units[both])
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    if min(counts.shape, default=0) < 2:
        return None
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    if expected.min() < _EXPECTED:
        return None
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return float(special.chdtrc((counts.shape[0] - 1) * (counts.shape[1] - 1), statistic))
