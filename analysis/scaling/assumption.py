"""One assumption: a number with a range, where it comes from, and who agreed it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

import numpy as np
from scipy import special

from analysis.estimates import critical
from analysis.tables import Floats
from trials.errors import SignpostError

Shape = Literal["fixed", "triangular", "normal"]
Mark = Literal["published", "computed", "practitioner", "local"]

MARKS: dict[Mark, str] = {
    "published": "found in a published source",
    "computed": "computed from stated figures",
    "practitioner": "practitioners' rule of thumb, not verified",
    "local": "given by the council",
}
_Z95 = critical(0.95)
_PARTIAL_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What an assumption used to be, and who changed it when and why."""

    value: float
    low: float | None
    high: float | None
    source: str
    changed_on: str
    changed_by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """A number the case rests on.

    ``value`` is the central (for a triangular shape the most likely) value; ``low`` and ``high``
    are the ends of a triangular range, or the 95% interval of a normal one; both are ``None`` for
    a fixed number. ``dated`` is ISO 8601, to the year, month or day.
    """

    name: str
    value: float
    source: str
    dated: str
    low: float | None = None
    high: float | None = None
    shape: Shape = "fixed"
    mark: Mark = "local"
    unit: str = ""
    owner: str = ""
    agreed_by: str = ""
    is_default: bool = False
    history: tuple[Revision, ...] = field(default=())

    @property
    def has_range(self) -> bool:
        """Whether the number is uncertain at all."""
        return self.low is not None and self.high is not None and self.high > self.low

    def draws(self, size: int, rng: np.random.Generator) -> Floats:
        """``size`` random values; a fixed number is repeated."""
        if self.low is None or self.high is None or not self.has_range:
            return np.full(size, float(self.value))
        u = rng.random(size)
        if self.shape == "normal":
            spread = (self.high - self.low) / (2 * _Z95)
            return np.asarray(self.value + spread * special.ndtri(u), dtype=np.float64)
        return _triangular(u, self.low, self.value, self.high)

    def revised(
        self, *, value: float, low: float | None, high: float | None, source: str,
        on: str, by: str, why: str,
    ) -> Assumption:  # fmt: skip
        """The assumption with new figures and its old ones kept in ``history``.

        Raises :class:`~trials.errors.SignpostError` without a person and a reason.
        """
        if not (by.strip() and why.strip()):
            raise SignpostError(
                f"the change to {self.name} names no person or no reason", "give both"
            )
        was = Revision(
            value=self.value, low=self.low, high=self.high, source=self.source,
            changed_on=on, changed_by=by, why=why,
        )  # fmt: skip
        shape: Shape = "fixed" if low is None else (self.shape if self.has_range else "triangular")
        return replace(
            self, value=value, low=low, high=high, source=source, dated=on, shape=shape,
            mark="local", is_default=False, history=(*self.history, was),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Everything a reader needs to challenge the number."""
        return {
            "name": self.name,
            "value": _number(self.value),
            "low": _number(self.low),
            "high": _number(self.high),
            "shape": self.shape,
            "unit": self.unit,
            "source": self.source,
            "date": self.dated,
            "mark": self.mark,
            "default": self.is_default,
            "owner": self.owner or None,
            "agreed_by": self.agreed_by or None,
            "history": [
                {
                    "value": _number(r.value), "low": _number(r.low), "high": _number(r.high),
                    "source": r.source, "changed_on": r.changed_on, "changed_by": r.changed_by,
                    "why": r.why,
                }
                for r in self.history
            ],
        }  # fmt: skip


def _triangular(u: Floats, low: float, mode: float, high: float) -> Floats:
    """The inverse of the triangular distribution function, in closed form."""
    width = high - low
    rising = low + np.sqrt(u * width * (mode - low))
    falling = high - np.sqrt((1 - u) * width * (high - mode))
    return np.where(u < (mode - low) / width, rising, falling)


def valid_date(text: str) -> bool:
    """Whether ``text`` is a year, a month or a day in ISO 8601."""
    if not _PARTIAL_DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text + "-01-01"[3 * text.count("-") :])
    except ValueError:
        return False
    return True


def _number(value: float | None) -> float | str | None:
    """JSON has no infinity: it is written in words."""
    if value is None or math.isfinite(value):
        return value
    return "infinite"
