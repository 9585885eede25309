"""The question put to the capacity model, and everything that can be wrong with it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from analysis.scaling.assumption import Assumption
from analysis.scaling.specs import SPECS
from trials.errors import Invalid, Problem

MAX_AGENTS = 100_000.0
_COLUMNS = ("interval", "hours", "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A part of the day: its length in hours, its share of the day's calls, its agents.

    Without ``agents`` of its own an interval has those of the request.
    """

    label: str
    hours: float
    share: float
    agents: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen: mean wait of answered calls (seconds) and the share that gave up."""

    wait: float
    abandoned: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityRequest:
    """Calls ``offered`` over ``days`` of ``hours``, and who answers them.

    ``offered`` is what the switch counts, call-backs included. ``aht`` (handling time) and
    ``patience`` are mean seconds; without patience callers are taken never to hang up (Erlang C).
    ``fit`` finds agents and patience from what was observed instead. ``retry`` is the share of
    callers who give up that ring again, ``shrinkage`` the share of paid time off the phones; these
    and ``target_wait`` (seconds) have listed defaults. ``demand_change`` asks what if unique
    demand changed by that fraction (-0.02: 2% fewer needs to call) and ``aht_change`` likewise;
    ``agents_added`` asks what if there were so many more agents at every hour (fewer if negative).
    ``profile`` divides the day; without it the day is one flat stretch.
    """

    offered: float
    days: float
    hours: float
    aht: float
    agents: float | None = None
    patience: float | None = None
    fit: Observed | None = None
    target_wait: float | None = None
    retry: float | None = None
    shrinkage: float | None = None
    demand_change: float = 0.0
    aht_change: float = 0.0
    agents_added: float = 0.0
    profile: tuple[Interval, ...] = field(default=())

    def settings(self) -> dict[str, Assumption]:
        """Target wait, call-back share and shrinkage: as given, or the default, so marked."""
        given = {
            "target_wait_seconds": self.target_wait,
            "retry": self.retry,
            "shrinkage": self.shrinkage,
        }
        return {name: _setting(name, value) for name, value in given.items()}


def _setting(name: str, value: float | None) -> Assumption:
    spec = SPECS[name]
    if value is None:
        assert spec.default is not None
        return spec.default
    return Assumption(
        name=name, value=value, unit=spec.unit, source="given with the question", dated=""
    )


def check(request: CapacityRequest) -> None:
    """Refuse an impossible question; :class:`~trials.errors.Invalid` lists every problem."""
    problems = [*_numbers(request), *_who(request), *_intervals(request)]
    if problems:
        raise Invalid("the capacity question", problems)


def _numbers(r: CapacityRequest) -> Iterator[Problem]:
    yield from _between("offered", r.offered, 0.0, 1e9, "calls")
    yield from _between("days", r.days, 0.0, 3660.0, "days", open_low=True)
    yield from _between("hours", r.hours, 0.0, 24.0, "hours a day", open_low=True)
    yield from _between("aht", r.aht, 1.0, 36_000.0, "seconds")
    if r.patience is not None:
        yield from _between("patience", r.patience, 1.0, 1e6, "seconds")
    if r.agents is not None:
        yield from _between("agents", r.agents, 1.0, MAX_AGENTS, "agents")
    if r.target_wait is not None:
        yield from _between("target-wait", r.target_wait, 1.0, 7200.0, "seconds")
    if r.retry is not None:
        yield from _between("retry", r.retry, 0.0, 1.0, "as a fraction")
    if r.shrinkage is not None:
        yield from _between("shrinkage", r.shrinkage, 0.0, 0.95, "as a fraction")
    yield from _between("demand-change", r.demand_change, -0.99, 10.0, "as a fraction")
    yield from _between("aht-change", r.aht_change, -0.99, 10.0, "as a fraction")
    yield from _between("agents-added", r.agents_added, -MAX_AGENTS, MAX_AGENTS, "agents")
    if r.fit is not None:
        yield from _between("wait", r.fit.wait, 0.0, 36_000.0, "seconds", open_low=True)
        yield from _between("abandoned", r.fit.abandoned, 0.0, 1.0, "as a fraction", open_low=True)
        if r.fit.abandoned == 1:
            yield Problem("abandoned", "nobody was answered, so there is no wait to fit")


def _between(
    name: str, value: float, low: float, high: float, unit: str, *, open_low: bool = False
) -> Iterator[Problem]:
    fits = math.isfinite(value) and low <= value <= high and not (open_low and value == low)
    if not fits:
        bottom = f"more than {low:g}" if open_low else f"at least {low:g}"
        yield Problem(
            name, f"{value:g} is impossible", f"give {bottom} and at most {high:,.10g} ({unit})"
        )


def _who(r: CapacityRequest) -> Iterator[Problem]:
    if r.fit is not None:
        if r.agents is not None or r.patience is not None:
            yield Problem("fit", "finds agents and patience, which are also given", "remove them")
        if r.profile:
            yield Problem("fit", "needs one flat day", "fit first, then give the profile")
        if r.offered == 0:
            yield Problem("offered", "there are no calls to fit", "give the calls observed")
        return
    covered = bool(r.profile) and all(row.agents is not None for row in r.profile)
    if r.agents is None and not covered:
        yield Problem("agents", "are not given", "give --agents, or --fit with what was observed")
    if r.offered * r.aht > MAX_AGENTS * r.days * r.hours * 3600 > 0:
        yield Problem(
            "offered", f"is more than {MAX_AGENTS:,.0f} agents' work", "check the figures"
        )


def _intervals(r: CapacityRequest) -> Iterator[Problem]:
    if not r.profile:
        return
    for row in r.profile:
        yield from _between(f"interval {row.label}: share", row.share, 0.0, 1.0, "as a fraction")
        yield from _between(
            f"interval {row.label}: hours", row.hours, 0.0, 24.0, "hours", open_low=True
        )
        if row.agents is not None:
            yield from _between(
                f"interval {row.label}: agents", row.agents, 1.0, MAX_AGENTS, "agents"
            )
    if abs(sum(row.share for row in r.profile) - 1) > 0.005:
        total = sum(row.share for row in r.profile)
        yield Problem("profile", f"the shares add up to {total:.3f}", "they must add up to 1")
    if abs(sum(row.hours for row in r.profile) - r.hours) > 0.01:
        total = sum(row.hours for row in r.profile)
        yield Problem("profile", f"covers {total:g} hours, the day has {r.hours:g}", "match them")


def read_profile(text: str) -> tuple[Interval, ...]:
    """Intervals from CSV with columns ``interval``, ``hours``, ``share`` and perhaps ``agents``.

    :class:`~trials.errors.Invalid` lists every bad row with its line.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    absent = [c for c in _COLUMNS if c not in (reader.fieldnames or ())]
    if absent:
        problem = Problem("line 1", f"has no column {', '.join(absent)}", line=1)
        raise Invalid("the profile", [problem])
    rows, problems = [], []
    for row in reader:
        try:
            rows.append(_interval(row))
        except (TypeError, ValueError):
            line = reader.line_num
            problems.append(Problem(f"line {line}", "is not numbers", "check the row", line))
    if problems or not rows:
        raise Invalid("the profile", problems or [Problem("", "has no rows")])
    return tuple(rows)


def _interval(row: dict[str, str]) -> Interval:
    agents = (row.get("agents") or "").strip()
    return Interval(
        label=row["interval"],
        hours=float(row["hours"]),
        share=float(row["share"]),
        agents=float(agents) if agents else None,
    )
