"""Wychbridge Council: a fictional council with a rehearsal of every specimen trial.

Each specimen is planted with something that an analysis must get right: a clear winner, a mirage
(much gross, little net), a null, a harm, an underpowered trial, a confounded one and a sample-ratio
failure. Beside them stand what else happened that year, and the KPI table of a published committee
report, with its contradictions as printed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Final

from trials.events import Event, bank_holidays
from trials.resources import folder
from trials.simulate import background, run
from trials.simulate.rehearsal import Rehearsal, read

COUNCIL: Final = "Wychbridge Council"

SPECIMENS: Final[dict[str, str]] = {
    "webchat-closing": "winner",
    "ivr-council-tax": "mirage",
    "council-tax-reminder": "null",
    "highways-replies": "harm",
    "housing-next-steps": "underpowered",
    "missed-bin-page": "confounded",
    "waste-contact-form": "sample-ratio failure",
}
"""The built-in rehearsals by the key of their trial, and what each shows."""

_REPORT = "Wychbridge demonstration (fictional)"


def rehearsal(key: str) -> Rehearsal:
    """The built-in rehearsal of a specimen trial. Raises ``KeyError`` for any other key."""
    if key not in SPECIMENS:
        raise KeyError(key)
    return read(folder("templates") / "rehearsals" / f"{key}.toml")


def kpi_table() -> Path:
    """The KPI table of a council's published report, exactly as printed (CSV)."""
    return folder("templates") / "rehearsals" / "kpi-table.csv"


def write(
    target: Path,
    *,
    keys: Iterable[str] = tuple(SPECIMENS),
    progress: Callable[[str], None] | None = None,
) -> dict[str, run.Simulated]:
    """Write the files of the specimens into folders of ``target`` named after their keys."""
    made: dict[str, run.Simulated] = {}
    for key in keys:
        made[key] = run.simulate(rehearsal(key), target / key)
        if progress is not None:
            progress(key)
    return made


def write_council(target: Path, *, seed: int = 2022, share: float = 1.0) -> int:
    """Write a whole council's contacts from July to October 2022; the number of rows.

    Calls offered are ``share`` of those in the published table.
    """
    offered = {month: round(n * share) for month, n in background.OFFERED.items()}
    return background.write(offered, target, seed=seed, key="council")


def events() -> list[Event]:
    """What else happened while the specimens ran: invented, but for the bank holidays."""
    year = [
        Event(
            title="Annual council tax bills", starts=date(2026, 3, 9), ends=date(2026, 3, 20),
            kind="billing", services=("Council Tax", "Council Tax and Benefits"), source=_REPORT,
        ),
        *(
            Event(
                title=f"Council tax reminders, run {run_number}", starts=day, ends=day,
                kind="reminder", services=("Council Tax", "Council Tax and Benefits"),
                source=_REPORT,
            )
            for run_number, day in enumerate(
                (date(2026, 4, 13), date(2026, 5, 3), date(2026, 5, 23)), start=1
            )
        ),
        Event(
            title="Summonses", starts=date(2026, 6, 17), ends=date(2026, 6, 19), kind="summons",
            services=("Council Tax", "Council Tax and Benefits"), source=_REPORT,
        ),
        Event(
            title="Collection rounds failed", starts=date(2026, 6, 15), ends=date(2026, 6, 21),
            kind="service-failure", services=("Waste and Recycling",), lines=("Waste",),
            source=_REPORT,
        ),
        Event(
            title="Heavy rain and flooding", starts=date(2026, 5, 11), ends=date(2026, 5, 14),
            kind="weather", services=("Highways",), source=_REPORT,
        ),
        Event(
            title="Ten more agents on all lines", starts=date(2026, 5, 18), ends=date(2026, 8, 31),
            kind="staffing", nature="intervention", moved="capacity", source=_REPORT,
        ),
        Event(
            title="Call-back offered on the busiest lines", starts=date(2026, 6, 1),
            ends=date(2026, 8, 31), kind="call-back", nature="intervention", moved="capacity",
            services=("Council Tax and Benefits",), source=_REPORT,
        ),
        *bank_holidays(date(2026, 3, 1), date(2026, 8, 31)),
    ]  # fmt: skip
    return sorted(year, key=lambda event: (event.starts, event.title))
