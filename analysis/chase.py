"""Time to the first chase: how long people leave it before they contact the council again.

The share who have chased by a day comes from a Kaplan-Meier curve per arm, so that people whose
follow-up is not over yet count for as long as they have been followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.estimates import Absent, Estimate
from analysis.frequentist.survival import (
    Curve,
    LogRank,
    kaplan_meier,
    log_rank,
    restricted_mean_difference,
    survival_difference,
)
from analysis.tables import LifeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmChase:
    """One arm against the control.

    ``fewer`` is how many fewer people, as a share, have chased by the horizon, ``later`` how many
    more days on average they went without chasing up to it; positive is better for both.
    """

    arm: str
    versus: str
    fewer: Estimate | Absent
    later: Estimate | Absent
    test: LogRank | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstChase:
    """Curves by arm (arms that were never followed have none), and their comparison."""

    horizon: float
    curves: Mapping[str, Curve]
    contrasts: tuple[ArmChase, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Curves as rows of day, people at risk and the share who have chased with its limits."""
        return {
            "horizon_days": self.horizon,
            "curves": {arm: _rows(curve) for arm, curve in self.curves.items()},
            "contrasts": [
                {"arm": c.arm, "versus": c.versus, "fewer": c.fewer.to_json(),
                 "later": c.later.to_json(),
                 "p": None if isinstance(c.test, Absent) else c.test.p}
                for c in self.contrasts
            ],
        }  # fmt: skip


def first_chase(table: LifeTable, *, horizon: float, level: float = 0.95) -> FirstChase:
    """Curves of time to the first chase and every arm against the control, up to ``horizon``.

    ``horizon`` is in the table's time unit (days): the window that the plan fixed.
    """
    present = {int(code) for code in table.arm}
    curves = {
        arm: kaplan_meier(table, code, level=level)
        for code, arm in enumerate(table.arms)
        if code in present
    }
    contrasts = tuple(
        _contrast(table, code, horizon=horizon, level=level)
        for code in range(len(table.arms))
        if code != table.control
    )
    return FirstChase(horizon=horizon, curves=curves, contrasts=contrasts)


def _contrast(table: LifeTable, code: int, *, horizon: float, level: float) -> ArmChase:
    """More people without a chase, and more days without one, are both treatment minus control."""
    return ArmChase(
        arm=table.arms[code], versus=table.arms[table.control],
        fewer=survival_difference(table, code, time=horizon, level=level),
        later=restricted_mean_difference(table, code, horizon=horizon, level=level),
        test=log_rank(table, code),
    )  # fmt: skip


def _rows(curve: Curve) -> list[dict[str, float]]:
    return [
        {"day": float(day), "at_risk": float(n), "chased": float(1 - s),
         "low": float(1 - high), "high": float(1 - low)}
        for day, n, s, low, high in zip(
            curve.time, curve.at_risk, curve.survival, curve.low, curve.high, strict=True
        )
    ]  # fmt: skip
