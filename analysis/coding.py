"""How each arm's contacts are coded, whether the arms are coded alike, and what miscoding hides.

All of it is told of the first contact in the window that an agent handled for each unit whose
window has closed: one contact a unit, for the tests and intervals take contacts to be independent.
It describes contacts that were made, so that a version that changes who gets in touch changes it
too; the effect on people is in the result's ``deflection``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.estimates import Absent
from analysis.frequentist.proportions import newcombe
from trials.contacts import second_coding
from trials.contacts.agreement import (
    Accuracy,
    Interval,
    NotKnown,
    corrected_difference,
    corrected_share,
    cross_table,
    kappa,
)
from trials.contacts.coding import (
    UNCODED,
    AvoidableShare,
    CodingDifference,
    Coverage,
    avoidable_share,
    coding_difference,
    coverage,
)
from trials.contacts.record import Category
from trials.people.link_rates import independence

ALPHA = 0.01
"""Below this p-value, of two tests each at half, arms are said to be coded unlike each other."""
RESAMPLES = 1_999


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCodes:
    """One arm's contacts by code (``UNCODED`` for none) and by category (of the mapped alone).

    ``avoidable`` is the sum of the avoidable shares of the mapped.
    """

    arm: str
    by_code: Mapping[str, int]
    by_category: Mapping[Category, int]
    avoidable: float

    @property
    def contacts(self) -> int:
        """All of them."""
        return sum(self.by_code.values())

    @property
    def unmapped(self) -> int:
        """Those without a meaning: uncoded, or with a code that no reason is given for."""
        return self.contacts - sum(self.by_category.values())

    @property
    def flagged(self) -> int:
        """Those of an avoidable category."""
        no = second_coding.NOT_AVOIDABLE
        return sum(n for category, n in self.by_category.items() if category not in no)

    @property
    def classified(self) -> int:
        """Those of any category but ``unclassified``."""
        return sum(self.by_category.values()) - self.by_category.get("unclassified", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The trial's contacts that were coded twice: (first, second) → how many, by arm."""

    by_arm: Mapping[str, Mapping[tuple[str, str], int]]

    @property
    def pairs(self) -> Counter[tuple[str, str]]:
        """All arms together."""
        every: Counter[tuple[str, str]] = Counter()
        for pairs in self.by_arm.values():
            every.update(pairs)
        return every

    @property
    def accuracy(self) -> Accuracy:
        """The first coder held against the second, in all arms together."""
        return _accuracy(self.pairs)

    def unlike(self) -> float | None:
        """The smaller p-value of two tests that arms are coded as accurately; ``None``: no test."""
        by_arm = [_accuracy(pairs) for pairs in self.by_arm.values()]
        tables = (
            np.array([(a.true_positives, a.positives - a.true_positives) for a in by_arm]),
            np.array([(a.true_negatives, a.negatives - a.true_negatives) for a in by_arm]),
        )
        found = [p for table in tables if (p := _alike(table)) is not None]
        return min(found, default=None)

    def usable(self) -> Accuracy | Absent:
        """One accuracy for all arms, or why one does not serve."""
        p = self.unlike()
        if p is not None and p < ALPHA / 2:
            return Absent(
                "coded-differently",
                "The second coding shows that contacts of different arms are coded with "
                f"another accuracy (p = {p:.2g}), so one correction does not fit all.",
            )
        return self.accuracy


def _accuracy(pairs: Mapping[tuple[str, str], int]) -> Accuracy:
    return second_coding.accuracy((*pair, n) for pair, n in pairs.items())


def _alike(table: np.ndarray) -> float | None:
    table = table[table.sum(axis=1) > 0]
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        return None
    return independence(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """Everything about coding in one trial; ``sample`` is what was coded twice."""

    window_days: float
    arms: tuple[ArmCodes, ...]
    mapped: bool
    sample: Sample | None = None

    def accuracy(self) -> Accuracy | Absent | None:
        """What corrects the trial's counts."""
        return None if self.sample is None else self.sample.usable()

    def to_json(self, control: str, *, seed: int, level: float = 0.95) -> dict[str, Any]:
        """The result's ``coding``."""
        counts = {arm.arm: arm.by_code for arm in self.arms}
        told = {one.arm: one for one in coverage(counts, level=level)}
        rng = np.random.default_rng(seed)
        differs = coding_difference(counts, rng, resamples=RESAMPLES)
        return {
            "window_days": self.window_days,
            "basis": "first handled contact of each unit whose window has closed",
            "arms": [self._arm(arm, told.get(arm.arm), level) for arm in self.arms],
            "difference": _json(differs),
            "avoidable_shares": self._shares(control, level) if self.mapped else [],
            "sample": None if self.sample is None else _sample(self.sample, level),
        }  # fmt: skip

    def _arm(self, arm: ArmCodes, told: Coverage | None, level: float) -> dict[str, Any]:
        shown: dict[str, Any] = {"arm": arm.arm, "contacts": arm.contacts}
        if told is None:
            return {**shown, "coded": _json(_NO_CONTACTS), "other": _json(_NO_CONTACTS),
                    "entropy": None, "unmapped": 0, "avoidable": None}  # fmt: skip
        shown |= {"coded": _json(told.coded), "other": _json(told.other), "entropy": told.entropy,
                  "unmapped": arm.unmapped - arm.by_code.get(UNCODED, 0)}  # fmt: skip
        share = avoidable_share(arm.by_category, uncoded=arm.unmapped, avoidable=arm.avoidable,
                                level=level) if self.mapped else None  # fmt: skip
        shown["avoidable"] = _share_json(share) if isinstance(share, AvoidableShare) else None
        accuracy = self.accuracy()
        if shown["avoidable"] is not None and accuracy is not None:
            shown["avoidable"]["corrected"] = (
                accuracy.to_json() if isinstance(accuracy, Absent)
                else _json(corrected_share(arm.flagged, arm.classified, accuracy, level=level))
            )  # fmt: skip
        return shown

    def _shares(self, control: str, level: float) -> list[dict[str, Any]]:
        """The share of an avoidable category among the classified, each arm against the control."""
        base = next(arm for arm in self.arms if arm.arm == control)
        return [
            {"arm": arm.arm, "versus": control, **self._difference(arm, base, level)}
            for arm in self.arms if arm is not base
        ]  # fmt: skip

    def _difference(self, arm: ArmCodes, base: ArmCodes, level: float) -> dict[str, Any]:
        if not arm.classified or not base.classified:
            return {
                "difference": _json(NotKnown("nothing-coded", "an arm has no classified contact"))
            }
        shares = [(one.flagged / one.classified, one.classified) for one in (arm, base)]
        (p, n), (q, m) = shares
        se = float(np.sqrt(p * (1 - p) / n + q * (1 - q) / m))
        plain = newcombe(
            (arm.flagged, arm.classified), (base.flagged, base.classified), level=level
        )
        found = {"difference": plain.to_json()}
        accuracy = self.accuracy()
        if accuracy is not None and se == 0:
            found["corrected"] = _json(NotKnown("no-variance", "every contact was coded alike"))
        elif accuracy is not None:
            found["corrected"] = (
                accuracy.to_json() if isinstance(accuracy, Absent)
                else _json(corrected_difference(p - q, se, accuracy, level=level))
            )  # fmt: skip
        return found


_NO_CONTACTS = NotKnown("no-contacts", "nobody of this arm had a contact that was handled")


def _sample(sample: Sample, level: float) -> dict[str, Any]:
    return {
        **_agreed(sample.pairs, level), "p_accuracy_by_arm": sample.unlike(),
        "arms": [{"arm": arm, **_agreed(pairs, level)} for arm, pairs in sample.by_arm.items()],
    }  # fmt: skip


def _agreed(pairs: Mapping[tuple[str, str], int], level: float) -> dict[str, Any]:
    first: list[str] = []
    second: list[str] = []
    for (one, other), n in pairs.items():
        first += [one] * n
        second += [other] * n
    table, accuracy = cross_table(first, second), _accuracy(pairs)
    return {
        "contacts": len(first), "agreed": int(table.trace()),
        "kappa": _json(kappa(table, level=level)),
        "sensitivity": accuracy.sensitivity if accuracy.positives else None,
        "specificity": accuracy.specificity if accuracy.negatives else None,
    }  # fmt: skip


def _share_json(share: AvoidableShare) -> dict[str, Any]:
    return {"classified": share.classified, "among_coded": _json(share.among_coded),
            "low": share.low, "high": share.high}  # fmt: skip


def _json(found: Interval | CodingDifference | NotKnown) -> dict[str, Any]:
    if isinstance(found, NotKnown):
        return {"absent": found.code, "why": f"{found.why[:1].upper()}{found.why[1:]}."}
    told = asdict(found)
    if isinstance(found, CodingDifference):
        arm, code, residual = found.largest
        told["largest"] = {"arm": arm, "code": code, "residual": residual}
    return told
