"""What a check hands back, and the small words all checks share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Verdict = Literal["pass", "warn", "fail", "not-applicable"]
CheckKey = Literal[
    "sample-ratio",
    "randomisation-balance",
    "exposure-balance",
    "link-rate-balance",
    "maturity",
    "contamination",
    "data-freshness",
    "period-coverage",
    "plan-deviation",
    "fidelity",
    "attrition",
    "novelty",
    "twyman",
    "interference",
]

UNTITLED: Mapping[str, str] = MappingProxyType({})
"""No titles: sentences name arms by their keys."""

WARN_P = 0.01
FAIL_P = 0.001
"""Checks run often and on many trials, so a p-value must be small before anybody is bothered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one check.

    ``says`` is one sentence of what was seen, ``what_to_do`` one of what it means and what to do
    (empty when there is nothing to do), ``p`` the p-value where the check is a test, ``details``
    JSON-ready numbers behind it.
    """

    key: CheckKey
    verdict: Verdict
    says: str
    what_to_do: str = ""
    p: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The contract's ``key``, ``verdict``, ``p`` and ``says``, with the rest beside them."""
        return {
            "key": self.key,
            "verdict": self.verdict,
            "p": self.p,
            "says": self.says,
            "what_to_do": self.what_to_do,
            "details": dict(self.details),
        }


def not_applicable(key: CheckKey, says: str) -> Check:
    """A check that this trial cannot have, or cannot have yet."""
    return Check(key=key, verdict="not-applicable", says=says)


def by_p(p: float, *, warn: float = WARN_P, fail: float = FAIL_P) -> Verdict:
    """The verdict of a test of something that ought to be true."""
    return "fail" if p < fail else "warn" if p < warn else "pass"


def called(arm: str, titles: Mapping[str, str]) -> str:
    """An arm in a sentence: by its title, in quotation marks, where ``titles`` has one."""
    return f"‘{titles[arm]}’" if arm in titles else arm


def number(value: float) -> str:
    """A count with its thousands separated: 12345 is "12,345"."""
    return f"{value:,.0f}"


def percent(share: float, places: int = 1) -> str:
    """A share in percent: 0.173 is "17.3%"."""
    return f"{100 * share:.{places}f}%"


def p_text(p: float) -> str:
    """A p-value in words people use: "p = 0.032", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def listed(items: Sequence[str]) -> str:
    """Words joined as in a sentence: "a", "a and b", "a, b and c"."""
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
