"""Where small changes could matter most: the opportunity model.

``calls prevented = calls × avoidable share × (1 - digitally excluded) × plausible effect`` for
each reason for calling, with intervals, ranked by the calls that could be addressed and by who
controls the lever. The digitally excluded share starts from a stated proxy (no e-mail on record),
which overstates it; ``proxy_truth`` says what share of those the proxy flags really are excluded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from analysis.estimates import Absent, critical
from analysis.scaling.ranges import Range
from analysis.tables import Floats
from trials.errors import Invalid, Problem

Control = Literal["controllable", "influenceable", "unknown"]
_CONTROL_ORDER: Mapping[str, int] = {"controllable": 0, "influenceable": 1, "unknown": 2}
_Z95 = critical(0.95)

NO_SHARE = Absent(
    "avoidable-share-unknown", "nobody has judged what share of these calls is avoidable"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlausibleEffect:
    """How much of the calls it could reach a small change prevents: a normal prior, a fraction."""

    mean: float
    sd: float
    source: str
    dated: str


NUDGE_UNITS = PlausibleEffect(
    mean=0.080,
    sd=0.10,
    source=(
        "DellaVigna & Linos 2022: 126 trials by nudge units moved outcomes by 8.0% of control; "
        "the spread between trials is a rule of thumb"
    ),
    dated="2022",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A reason for calling. ``avoidable`` is a share with its range, ``None`` if not judged."""

    topic: str
    reason: str
    calls: int
    no_email: int
    avoidable: tuple[float, float, float] | None = None
    control: Control = "unknown"
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """What one reason offers.

    ``no_email_share`` has a Wilson interval; ``addressable`` is calls from people who are not
    excluded; ``preventable`` the calls a small change would plausibly prevent.
    """

    reason: Reason
    no_email_share: Range
    addressable: Range
    preventable: Range | Absent
    small: bool

    def to_json(self) -> dict[str, Any]:
        """The row as data."""
        r = self.reason
        return {
            "topic": r.topic, "reason": r.reason, "calls": r.calls, "no_email": r.no_email,
            "control": r.control, "owner": r.owner or None,
            "no_email_share": self.no_email_share.to_json(),
            "addressable": self.addressable.to_json(),
            "preventable": self.preventable.to_json(),
            "below_minimum": self.small,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunities:
    """All reasons, the largest addressable volume first, and what they add up to."""

    rows: tuple[Opportunity, ...]
    calls: int
    no_email: int
    preventable: Range | Absent
    proxy_truth: float
    effect: PlausibleEffect

    @property
    def addressable(self) -> float:
        """Calls from people who are not digitally excluded."""
        return self.calls - self.proxy_truth * self.no_email

    def by_control(self) -> tuple[Opportunity, ...]:
        """What the team controls first, then what it can influence; large before small."""
        return tuple(sorted(self.rows, key=lambda o: _CONTROL_ORDER[o.reason.control]))

    def to_json(self) -> dict[str, Any]:
        """Totals, definitions and rows."""
        return {
            "calls": self.calls,
            "no_email": self.no_email,
            "no_email_share": wilson(self.no_email, self.calls).to_json(),
            "addressable": self.addressable,
            "preventable": self.preventable.to_json(),
            "proxy": {
                "definition": "no e-mail address on record",
                "truly_excluded_share": self.proxy_truth,
            },
            "effect": {
                "mean": self.effect.mean, "sd": self.effect.sd, "source": self.effect.source,
                "date": self.effect.dated,
            },
            "rows": [row.to_json() for row in self.rows],
        }  # fmt: skip


def wilson(successes: int, trials: int) -> Range:
    """A share with its 95% Wilson (1927) interval; all of [0, 1] where there are no trials."""
    if trials == 0:
        return Range(median=0.0, low=0.0, high=1.0, unit="share", note="no calls")
    p, z2 = successes / trials, _Z95**2
    centre = (p + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 * np.sqrt(p * (1 - p) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return Range(median=p, low=low, high=high, unit="share")


def find(
    reasons: Sequence[Reason], *, effect: PlausibleEffect, seed: int, proxy_truth: float = 1.0,
    minimum_calls: int = 50, draws: int = 4000,
) -> Opportunities:  # fmt: skip
    """The opportunity in each reason and altogether.

    ``proxy_truth`` is the share of people without e-mail who really are digitally excluded;
    reasons of fewer than ``minimum_calls`` are marked. One plausible effect is drawn for all
    reasons together, so that the total is as uncertain as it should be.
    """
    if not 0 <= proxy_truth <= 1:
        problem = Problem("proxy_truth", f"{proxy_truth:g} is not a share", "give 0 to 1")
        raise Invalid("the opportunity model", [problem])
    effects = _stream(seed, "effect").normal(effect.mean, effect.sd, draws)
    total, unjudged, rows = np.zeros(draws), 0, []
    for reason in reasons:
        excluded = proxy_truth * _share_draws(reason, draws, seed)
        addressable = reason.calls * (1 - excluded)
        prevented = _prevented(reason, addressable, effects, seed)
        if isinstance(prevented, Absent):
            unjudged += 1
        else:
            total = total + prevented
        rows.append(_row(reason, prevented, proxy_truth=proxy_truth, minimum=minimum_calls))
    return Opportunities(
        rows=tuple(sorted(rows, key=lambda o: (-o.addressable.median, o.reason.reason))),
        calls=sum(r.calls for r in reasons),
        no_email=sum(r.no_email for r in reasons),
        preventable=_total(total, unjudged, len(rows)),
        proxy_truth=proxy_truth,
        effect=effect,
    )


def _row(
    reason: Reason, prevented: Floats | Absent, *, proxy_truth: float, minimum: int
) -> Opportunity:
    share = wilson(reason.no_email, reason.calls)
    return Opportunity(
        reason=reason,
        no_email_share=share,
        addressable=Range(
            median=reason.calls - proxy_truth * reason.no_email,
            low=reason.calls * (1 - proxy_truth * share.high),
            high=reason.calls * (1 - proxy_truth * share.low),
            unit="calls",
        ),
        preventable=prevented if isinstance(prevented, Absent) else Range.of(prevented, "calls"),
        small=reason.calls < minimum,
    )


def _total(total: Floats, unjudged: int, rows: int) -> Range | Absent:
    if rows == unjudged:
        return NO_SHARE
    note = f"{unjudged} of {rows} reasons are not counted: not judged" if unjudged else ""
    return Range.of(total, "calls", note)


def _share_draws(reason: Reason, draws: int, seed: int) -> Floats:
    """Draws of the share without e-mail: Jeffreys' posterior of a binomial share."""
    rng = _stream(seed, f"share {reason.topic}/{reason.reason}")
    drawn = rng.beta(reason.no_email + 0.5, reason.calls - reason.no_email + 0.5, draws)
    return np.asarray(drawn, dtype=np.float64)


def _prevented(reason: Reason, addressable: Floats, effects: Floats, seed: int) -> Floats | Absent:
    if reason.avoidable is None:
        return NO_SHARE
    low, mode, high = reason.avoidable
    if low == high:
        return np.asarray(addressable * mode * effects, dtype=np.float64)
    rng = _stream(seed, f"avoidable {reason.topic}/{reason.reason}")
    avoidable = rng.triangular(low, mode, high, len(addressable))
    return np.asarray(addressable * avoidable * effects, dtype=np.float64)


def _stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def judged(reasons: Iterable[Reason], share: float) -> tuple[Reason, ...]:
    """The reasons with ``share`` for the avoidable share of those that nobody has judged.

    Raises:
        Invalid: ``share`` is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        problem = Problem("avoidable share", f"{share:g} is not a share", "give 0 to 1")
        raise Invalid("the opportunity model", [problem])
    return tuple(
        replace(r, avoidable=(share, share, share)) if r.avoidable is None else r for r in reasons
    )


def totals_by_topic(reasons: Iterable[Reason]) -> dict[str, tuple[int, int]]:
    """Calls and calls without e-mail by topic."""
    totals: dict[str, tuple[int, int]] = {}
    for r in reasons:
        calls, without = totals.get(r.topic, (0, 0))
        totals[r.topic] = (calls + r.calls, without + r.no_email)
    return totals
