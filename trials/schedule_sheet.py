"""The schedule of a trial that goes by the calendar, ready to print, post or put into a diary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock, files, lifecycle, registry
from trials.definition.model import Trial
from trials.designs import Roster, switchback_for, wedge_for
from trials.designs.stepped_wedge import Wedge
from trials.errors import Conflict
from trials.importing.columns import required
from trials.refusals import Refusals
from trials.store.tables import TrialRow


@dataclass(frozen=True, slots=True)
class Sheet:
    """A schedule: a row a period (switchback) or a cluster (stepped wedge).

    ``arms`` gives every arm's title and its wording by key.
    """

    key: str
    title: str
    kind: str
    columns: tuple[str, ...]
    rows: list[dict[str, str]]
    icalendar: bytes
    arms: dict[str, tuple[str, str]]
    burn_in: int


def sheet(session: Session, key: str, *, clusters: Path | None = None) -> Sheet:
    """The schedule of trial ``key`` under its sealed seed.

    Raises:
        Conflict: the trial has not been launched, or does not go by the calendar.
        Invalid: the calendar is not complete, or the clusters cannot be drawn.
    """
    trial = registry.load(session, key).definition
    kind = trial.design.kind
    if kind not in ("switchback", "stepped-wedge"):
        raise Conflict(f"trial {key!r} is {kind}: it has no schedule",
                       "load its list with 'signpost units add'")  # fmt: skip
    number = session.scalar(sa.select(TrialRow.id).where(TrialRow.key == key))
    assert number is not None
    seed = lifecycle.seed_of(session, number)
    return _switchback(trial, seed) if kind == "switchback" else _wedge(trial, seed, clusters)


def _arms(trial: Trial) -> dict[str, tuple[str, str]]:
    return {arm.key: (arm.title or arm.key, arm.wording) for arm in trial.arms}


def _switchback(trial: Trial, seed: int) -> Sheet:
    drawn = switchback_for(trial).draw(seed=seed, trial=trial.key)
    rows = drawn.rows()
    titles = {key: title for key, (title, _) in _arms(trial).items()}
    return Sheet(
        key=trial.key, title=trial.about.title, kind="switchback", columns=tuple(rows[0]),
        rows=rows, icalendar=drawn.icalendar(made=clock.now(), titles=titles), arms=_arms(trial),
        burn_in=trial.design.burn_in,
    )  # fmt: skip


def _wedge(trial: Trial, seed: int, path: Path | None) -> Sheet:
    if path is None:
        raise Conflict(f"trial {trial.key!r} is a stepped wedge: its clusters are not known yet",
                       "name a file of them with --clusters FILE")  # fmt: skip
    wedge = wedge_for(trial).draw(_clusters(trial, path), seed=seed, trial=trial.key)
    rows = wedge.rows()
    return Sheet(
        key=trial.key, title=trial.about.title, kind="stepped-wedge", columns=tuple(rows[0]),
        rows=rows, icalendar=_crossings(trial, wedge), arms=_arms(trial), burn_in=0,
    )  # fmt: skip


def _clusters(trial: Trial, path: Path) -> Roster:
    strata = trial.design.strata
    with files.open_table(path) as table:
        name = trial.design.cluster
        column = name if name and table.index(name) is not None else "cluster"
        required(table, [column, *strata])
        at = table.index(column) or 0
        places = [table.index(s) or 0 for s in strata]
        keys: dict[str, tuple[str, ...]] = {}
        refusals = Refusals(path.name)
        for line, row in table.rows:
            levels = tuple(row[i].strip() for i in places)
            if row[at].strip() and keys.setdefault(row[at].strip(), levels) != levels:
                refusals.add(line, f"cluster {row[at].strip()!r} is in another stratum above",
                             "give each cluster one stratum")  # fmt: skip
        refusals.raise_any(keep_good_rows=False)
    return Roster(list(keys), strata=list(keys.values()) if strata else None)


def _crossings(trial: Trial, wedge: Wedge) -> bytes:
    """A whole-day event for every cluster that goes over."""
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//Signpost//stepped wedge//EN")
    calendar.add("version", "2.0")
    new = next(arm for arm in trial.arms if not arm.control)
    for i, cluster in enumerate(wedge.clusters):
        event = Event()
        event.add("uid", f"{trial.key}-{i}@signpost")
        event.add("dtstamp", clock.now())
        event.add("dtstart", wedge.crosses(cluster))
        event.add("summary", f"{cluster}: go over to “{new.title or new.key}”")
        calendar.add_component(event)
    return bytes(calendar.to_ical())
