"""A quantity over the draws of a posterior: its median and its 95% interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.tables import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Median and 95% interval of a quantity; an end may be infinite (a cost never paid back)."""

    median: float
    low: float
    high: float
    unit: str
    note: str = ""

    @classmethod
    def of(cls, draws: Floats, unit: str, note: str = "") -> Range:
        """The range of ``draws``; quantiles are draws themselves, so infinity is allowed."""
        method = "median_unbiased" if np.isfinite(draws).all() else "inverted_cdf"
        low, median, high = np.quantile(draws, [0.025, 0.5, 0.975], method=method)  # type: ignore[call-overload]
        return cls(median=float(median), low=float(low), high=float(high), unit=unit, note=note)

    def to_json(self) -> dict[str, Any]:
        """``{median, low, high, unit}``; infinity, which JSON lacks, is ``null`` with a note."""
        ends = {"median": self.median, "low": self.low, "high": self.high}
        shown = {k: v if math.isfinite(v) else None for k, v in ends.items()}
        return {**shown, "unit": self.unit, **({"note": self.note} if self.note else {})}
