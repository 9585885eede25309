"""Planned against actual: what the protocol said beside what happened, line by line."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from analysis.compress.compressed import Compressed
from analysis.facts import Facts
from trials import clock
from trials.definition.model import Trial


def planned_against_actual(
    trial: Trial, facts: Facts, data: Compressed, cutoff: datetime
) -> list[dict[str, Any]]:
    """Rows ``{"item", "planned", "actual", "same", "says"}`` for the report."""
    rows = [
        _row("Unit", trial.about.unit, trial.about.unit),
        _row("Design", _design(trial), _design(trial)),
        _row("Arms given", str(len(trial.arms)), str(sum(n > 0 for n in facts.assigned.values()))),
        _dates("First assignment", trial.about.starts, facts.first_assigned, after=True),
        _dates("Last assignment", trial.about.ends, facts.last_assigned, after=False),
        _row("Shares", _shares([arm.weight for arm in trial.arms]), _shares(list(data.assigned)),
             same=True),
    ]  # fmt: skip
    if trial.about.ends is not None:
        early = clock.london(cutoff).date() < trial.about.ends
        rows.append(
            {"item": "Analysed", "planned": f"after {_day(trial.about.ends)}",
             "actual": _day(clock.london(cutoff).date()), "same": not early,
             "says": "before the planned end" if early else ""}
        )  # fmt: skip
    return [row for row in rows if row is not None]


def _row(item: str, planned: str, actual: str, *, same: bool | None = None) -> dict[str, Any]:
    kept = planned == actual if same is None else same
    return {"item": item, "planned": planned, "actual": actual, "same": kept, "says": ""}


def _dates(
    item: str, planned: date | None, seen: datetime | None, *, after: bool
) -> dict[str, Any] | None:
    if planned is None:
        return None
    if seen is None:
        return {"item": item, "planned": _day(planned), "actual": "not recorded", "same": True,
                "says": "the source gave no times"}  # fmt: skip
    day = clock.london(seen).date()
    kept = day >= planned if after else day <= planned
    return {
        "item": item, "planned": f"{'from' if after else 'by'} {_day(planned)}",
        "actual": _day(day), "same": kept, "says": "" if kept else "outside the planned dates",
    }  # fmt: skip


def _design(trial: Trial) -> str:
    strata = f" by {', '.join(trial.design.strata)}" if trial.design.strata else ""
    cluster = f" of {trial.design.cluster}" if trial.design.cluster else ""
    return f"{trial.design.kind}{cluster}{strata}"


def _shares(parts: list[float] | list[int]) -> str:
    total = sum(parts)
    return " : ".join(f"{part / total:.1%}" for part in parts) if total else "nobody assigned"


def _day(day: date) -> str:
    return f"{day:%d %B %Y}".lstrip("0")
