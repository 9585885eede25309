"""The two shapes in which every number of an analysis travels: an estimate, or its absence.

A method never returns NaN, zero or an exception in place of a number it cannot give: it returns
:class:`Absent` with a stable code and a sentence.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import Any

from scipy import special

_LARGEST_LOG = math.log(sys.float_info.max)

BARELY = (
    "Gross is only just above nothing, and leakage is given only because it is: among such trials "
    "its range holds the truth less often than it says."
)
"""A note of leakage, which those who only read results look for too."""


def critical(level: float, df: float | None = None) -> float:
    """The two-sided critical value of t (``df``) or of the normal at a coverage of ``level``."""
    tail = (1 - level) / 2
    return -float(special.ndtri(tail) if df is None else special.stdtrit(df, tail))


def upper_tail(statistic: float, df: float | None = None) -> float:
    """The chance of a t (``df``) or normal variable above ``statistic``."""
    return float(special.ndtr(-statistic) if df is None else special.stdtr(df, -statistic))


@dataclass(frozen=True, slots=True)
class Absent:
    """A number that cannot be had. ``code`` is stable (kebab-case), ``why`` one sentence."""

    code: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """``{"absent": code, "why": sentence}``."""
        return {"absent": self.code, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A point estimate with its uncertainty.

    ``estimate``, ``se``, ``low`` and ``high`` are in the estimand's own units; ``level`` is the
    coverage of ``[low, high]``; ``df`` the degrees of freedom of the reference t distribution
    (``None`` means normal); ``p`` is two-sided against no effect unless ``method`` says otherwise.
    """

    estimate: float
    low: float
    high: float
    se: float | None = None
    df: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    level: float = 0.95
    method: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a number that is not one: the caller owes an :class:`Absent` instead."""
        for name in ("estimate", "low", "high", "se", "df", "p", "p_adjusted"):
            value = getattr(self, name)
            if value is not None and math.isnan(value):
                raise ValueError(f"{name} is not a number; return Absent with a reason instead")

    @classmethod
    def from_t(
        cls,
        estimate: float,
        se: float,
        *,
        df: float | None,
        level: float = 0.95,
        null: float = 0.0,
        method: str = "",
        notes: tuple[str, ...] = (),
    ) -> Estimate:
        """An estimate with a t (``df``) or normal (``df=None``) interval and two-sided p-value."""
        half = critical(level, df) * se
        p = 2 * upper_tail(abs(estimate - null) / se, df) if se > 0 else None
        return cls(
            estimate=float(estimate), se=float(se), df=df, level=level, p=p, method=method,
            low=float(estimate - half), high=float(estimate + half), notes=notes,
        )  # fmt: skip

    def negated(self) -> Estimate:
        """The same estimate with the opposite sign (contacts saved instead of contacts added)."""
        return replace(self, estimate=-self.estimate, low=-self.high, high=-self.low)

    def scaled(self, by: float) -> Estimate:
        """The same estimate in another unit (``by`` > 0), for instance per 1,000 people."""
        se = None if self.se is None else self.se * by
        return replace(
            self, estimate=self.estimate * by, low=self.low * by, high=self.high * by, se=se
        )

    def exponentiated(self) -> Estimate:
        """A ratio from this estimate of its logarithm; ``se`` by the delta method."""
        value = math.exp(self.estimate)
        return replace(
            self, estimate=value, low=_exp(self.low), high=_exp(self.high),
            se=None if self.se is None else value * self.se,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The contract's fields; absent ones are left out except ``p_adjusted`` and ``df``."""
        return {
            "estimate": self.estimate,
            "se": self.se,
            "low": _finite(self.low),
            "high": _finite(self.high),
            "df": self.df,
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "level": self.level,
            "method": self.method,
            **({"notes": list(self.notes)} if self.notes else {}),
        }


def _exp(end: float) -> float:
    """A limit's exponential; one beyond the largest number is no limit."""
    return math.exp(end) if end < _LARGEST_LOG else math.inf


def _finite(value: float) -> float | None:
    """JSON has no infinity: an unbounded end is ``null``."""
    return value if math.isfinite(value) else None


def to_json(value: Estimate | Absent | None) -> dict[str, Any] | None:
    """Either shape, or ``None``, as JSON-ready data."""
    return None if value is None else value.to_json()
