"""What followed a contact: the matrix of repeat contacts, by line or by channel.

It describes what followed contacts that were made. It is no effect of a message: an arm that keeps
people from a first contact changes who is left to come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from analysis.estimates import Estimate
from analysis.frequentist.proportions import wilson
from analysis.tables import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatTable:
    """What followed contacts: ``counts[arm, origin, next]`` over ``labels``, within the window.

    ``origins[arm, origin]`` counts the contacts that had a whole window after them; each has at
    most one next contact. ``by`` says whether labels are lines or channels.
    """

    by: Literal["line", "channel"]
    arms: tuple[str, ...]
    labels: tuple[str, ...]
    counts: Floats
    origins: Floats

    def __post_init__(self) -> None:
        """Check the shapes against each other."""
        a, k = len(self.arms), len(self.labels)
        if self.counts.shape != (a, k, k) or self.origins.shape != (a, k):
            raise ValueError("counts and origins do not fit the arms and labels")
        if (self.counts.sum(axis=2) > self.origins + 1e-9).any():
            raise ValueError("more contacts were followed than there were")


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How often a contact at ``origin`` was followed by one at ``next`` (``None``: by any).

    ``share`` is of ``contacts``; its interval is Wilson's (1927) and takes contacts as independent.
    """

    by: Literal["line", "channel"]
    arm: str
    origin: str
    next: str | None
    contacts: float
    share: Estimate

    def to_json(self) -> dict[str, Any]:
        """One row of the repeat matrix."""
        share = {"share": self.share.estimate, "low": self.share.low, "high": self.share.high}
        return {
            "by": self.by, "arm": self.arm, "origin": self.origin, "next": self.next,
            "contacts": self.contacts, **share,
        }  # fmt: skip


def repeat_matrix(tables: Sequence[RepeatTable], *, level: float = 0.95) -> tuple[Followed, ...]:
    """How often contacts of each line or channel were followed, and where, by arm.

    A description of what followed contacts that were made, not an effect: an arm that keeps people
    from a first contact changes who is left to come back. Origins without contacts are left out.
    """
    rows: list[Followed] = []
    for table in tables:
        for a, o in np.argwhere(table.origins > 0):
            followed = table.counts[a, o]
            ends: list[tuple[str | None, float]] = [(None, float(followed.sum()))]
            ends += [(label, float(followed[j])) for j, label in enumerate(table.labels)]
            rows += [
                Followed(
                    by=table.by, arm=table.arms[a], origin=table.labels[o], next=label,
                    contacts=float(table.origins[a, o]),
                    share=_share(count, float(table.origins[a, o]), level=level),
                )
                for label, count in ends
            ]  # fmt: skip
    return tuple(rows)


def _share(count: float, contacts: float, *, level: float) -> Estimate:
    low, high = wilson(count, contacts, level=level)
    return Estimate(estimate=count / contacts, low=low, high=high, level=level, method="Wilson")
