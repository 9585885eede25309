"""Running a rehearsal: units, assignments, exposures, contacts, outcomes and the truth, as files.

Units are drawn in chunks, each from its own seed, so that memory stays flat however many there are
and the same seed gives the same files. Contacts are in order of time within a chunk.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trials.simulate import calibration as known
from trials.simulate import files, log, people, planted, process
from trials.simulate.arrays import Floats
from trials.simulate.hours import Profile, profile
from trials.simulate.people import People
from trials.simulate.rehearsal import Rehearsal

SYNTHETIC = "Synthetic data: drawn by a computer for rehearsal and teaching. No person is in it."


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a run wrote: rows by file, and the truth."""

    folder: Path
    rows: dict[str, int]
    truth: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hours:
    """Arrivals of units, of calls and chats, and of what may be sent at any time."""

    arrivals: Profile
    calls: Profile
    web: Profile


_NAMES = ("units", "assignments", "exposures", "contacts", "outcomes")


def simulate(
    rehearsal: Rehearsal, folder: Path, *, progress: Callable[[int], None] | None = None
) -> Simulated:
    """Write the files of a rehearsal into ``folder``, which is made if need be.

    ``progress`` is told the number of units done after every chunk.

    Raises:
        Invalid: what is planted cannot be (a probability would exceed 1).
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = planted.Planted.of(rehearsal)
    ledger = planted.Ledger(plan)
    out = {name: files.CsvFile(folder / f"{name}.csv") for name in _NAMES}
    seeds = np.random.SeedSequence(rehearsal.plan.seed)
    hours = hours_of(rehearsal)
    common = people.shared(rehearsal, hours.arrivals, np.random.default_rng(seeds.spawn(1)[0]))
    total = rehearsal.plan.units
    for first in range(0, total, people.CHUNK):
        rng = np.random.default_rng(seeds.spawn(1)[0])
        numbers = np.arange(first, min(first + people.CHUNK, total))
        drawn = people.people(rehearsal, numbers, common, hours.arrivals, rng)
        ledger.add(drawn, tuple(arm.key for arm in rehearsal.trial.arms))
        _write(rehearsal, plan, drawn, hours, out, rng)
        if progress is not None:
            progress(int(numbers[-1]) + 1)
    for file in out.values():
        file.close()
    truth = _truth(rehearsal, ledger)
    _beside(rehearsal, folder, truth)
    return Simulated(folder, {name: file.rows for name, file in out.items()}, truth)


def hours_of(rehearsal: Rehearsal) -> Hours:
    """The arrivals over the days that a rehearsal spans."""
    first, last = rehearsal.dates
    before = timedelta(days=rehearsal.plan.baseline.prior_days + 8)
    after = timedelta(days=rehearsal.follow_up_days + 15)
    calls = profile(known.open_hours(), first - before, last + after, closed_on_holidays=True)
    web = profile(known.any_time(), first - before, last + after, closed_on_holidays=False)
    return Hours(web if rehearsal.plan.arrivals == "any-time" else calls, calls, web)


def _write(
    rehearsal: Rehearsal, plan: planted.Planted, drawn: People, hours: Hours,
    out: dict[str, files.CsvFile], rng: np.random.Generator,
) -> None:  # fmt: skip
    names = names_of(rehearsal)
    session = rehearsal.plan.exposure == "contact" and rehearsal.plan.channel == "webchat"
    units = files.unit_columns(drawn, names, session=session)
    if drawn.cluster is not None and rehearsal.trial.design.cluster:
        name = rehearsal.trial.design.cluster
        units = {"unit": units["unit"], name: files.numbered(f"{name}-", drawn.cluster), **units}
    out["units"].add(units)
    kept = ~drawn.lost
    keys = tuple(arm.key for arm in rehearsal.trial.arms)
    _filtered(out["assignments"], kept, {
        "unit": units["unit"], "arm": files.words(drawn.arm, keys),
        "assigned_at": files.moments(drawn.assigned),
        **{name: column for name, column in units.items() if name != "unit"},
    })  # fmt: skip
    _filtered(out["exposures"], kept & (drawn.delivered >= 0), {
        "unit": units["unit"], "exposed_at": files.moments(drawn.exposed),
        "arm": files.words(drawn.delivered, keys),
    })  # fmt: skip
    entries = contacts(rehearsal, plan, drawn, hours, rng)
    prefix = f"syn-{rehearsal.trial.key}-"
    out["contacts"].add(files.contact_columns(entries, names, prefix, out["contacts"].rows))
    _outcomes(rehearsal, plan, drawn, units["unit"], out["outcomes"], rng)


def names_of(rehearsal: Rehearsal) -> files.Names:
    """How the units of a rehearsal are called."""
    return files.Names(
        rehearsal.trial.key, rehearsal.trial.about.unit,
        phones=rehearsal.plan.phones, phones_from=rehearsal.plan.phones_from,
    )  # fmt: skip


def _filtered(file: files.CsvFile, rows: Any, columns: dict[str, pa.Array]) -> None:
    mask = pa.array(rows)
    file.add({name: column.filter(mask) for name, column in columns.items()})


def contacts(
    rehearsal: Rehearsal, plan: planted.Planted, drawn: People, hours: Hours,
    rng: np.random.Generator,
) -> log.Log:  # fmt: skip
    """The contact log of these units: what they did before, at and after their exposure."""
    index = plan.index(drawn)
    made = process.draw(
        plan.process, plan.need(drawn), index, horizon=rehearsal.follow_up_days, rng=rng
    )
    after = process.Attempts.joined([_before(rehearsal, plan, drawn, rng), made])
    line, lines = log.lines_of(after, rehearsal.plan.line, rng)
    reaches = None
    if index is not None and index.channel == process.PHONE:
        reaches = (index.reaches_agent + index.call_back)[after.unit]
    seconds = np.array(
        [rehearsal.arm_plan(arm.key).message_seconds for arm in rehearsal.trial.arms]
    )
    met = np.where(drawn.delivered >= 0, drawn.delivered, plan.control)
    source = log.Source(
        made=after, person=drawn.number[after.unit],
        occurred=_moments(rehearsal, drawn, after, hours), line=line, lines=lines,
        email=files.has_email(drawn)[after.unit], linked=drawn.linked[after.unit],
        in_message=log.in_message_shares(
            after, reaches, rehearsal.plan.baseline.reaches_agent
        ),
        message=seconds[met][after.unit], withheld=rehearsal.plan.baseline.withheld,
    )  # fmt: skip
    return log.write(source, rng)


def _before(
    rehearsal: Rehearsal, plan: planted.Planted, drawn: People, rng: np.random.Generator
) -> process.Attempts:
    """Handled contacts in the days before the exposure: those that ``prior_contacts`` counts."""
    unit = np.repeat(np.arange(len(drawn)), drawn.prior)
    n = len(unit)
    day = -rehearsal.plan.baseline.prior_days * rng.random(n)
    channel = np.searchsorted(np.cumsum(plan.process.channels)[:-1], rng.random(n), side="right")
    yes = np.ones(n, dtype=bool)
    return process.Attempts(unit, day, np.full(n, process.NEED), channel, yes, yes, ~yes)


def _moments(rehearsal: Rehearsal, drawn: People, made: process.Attempts, hours: Hours) -> Floats:
    """When contacts were made: in opening hours where people are needed to take them."""
    start, block = drawn.start[made.unit], rehearsal.block_days
    live = made.channel <= process.WEBCHAT
    when = np.where(
        live,
        hours.calls.after(start, made.day, block=block),
        hours.web.after(start, made.day, block=block),
    )
    when = np.floor(when)
    when = np.where(made.day > 0, np.maximum(when, start + 1), np.minimum(when, start - 1))
    return np.where(made.kind == process.INDEX, start, when)


def _outcomes(
    rehearsal: Rehearsal, plan: planted.Planted, drawn: People, unit: pa.Array,
    file: files.CsvFile, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Outcomes measured elsewhere: a row for each unit and outcome that is known."""
    window = np.floor(drawn.start + rehearsal.window_days * 86_400)
    met = np.where(drawn.delivered >= 0, drawn.delivered, plan.control)
    for key, outcome in rehearsal.plan.outcomes.items():
        mean = planted.outcome_means(rehearsal, plan, key)[met, plan.level_of(drawn)]
        if rehearsal.trial.metric(key).kind == "proportion":
            value = (rng.random(len(drawn)) < mean).astype(float)
        else:
            value = np.round(_lognormal(mean, outcome.sd, rng), 2)
        known_ones = ~drawn.lost & (rng.random(len(drawn)) >= outcome.missing)
        _filtered(file, known_ones, {
            "unit": unit, "metric": pa.array([key] * len(drawn)), "value": pa.array(value),
            "observed_at": files.moments(window),
        })  # fmt: skip


def _lognormal(mean: Floats, sd: float, rng: np.random.Generator) -> Floats:
    if sd == 0:
        return mean
    spread = np.log1p((sd / mean) ** 2)
    return np.asarray(rng.lognormal(np.log(mean) - spread / 2, np.sqrt(spread)))


def _truth(rehearsal: Rehearsal, ledger: planted.Ledger) -> dict[str, Any]:
    plan = rehearsal.plan
    return {
        "synthetic": True, "says": SYNTHETIC, "planted": plan.says,
        "trial": rehearsal.trial.key, "seed": plan.seed, "units": plan.units,
        "window_days": rehearsal.window_days, "linked": rehearsal.linked,
        **planted.truths(rehearsal, ledger),
        "faults": _faults(rehearsal),
    }  # fmt: skip


def _faults(rehearsal: Rehearsal) -> list[str]:
    """In words: what was done to the trial that its analysis ought to notice."""
    plan = rehearsal.plan
    found = [
        f"{arm.lost:.1%} of those allocated to {key} are missing from every file"
        for key, arm in plan.arms.items() if arm.lost > 0
    ]  # fmt: skip
    found += [f"From {e.starts} arms are drawn {e.weights}" for e in plan.epochs]
    found += [
        f"{s.title}, {s.starts} to {s.ends}: needs {s.factor:g} times as common"
        for s in plan.shocks
    ]
    return found


def _beside(rehearsal: Rehearsal, folder: Path, truth: dict[str, Any]) -> None:
    """The truth, the map of codes, the events, and a note on what all this is."""
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", "utf-8")
    files.reasons(folder / "reasons.csv", "contacts")
    lines = "\n".join(f"| `{name}.csv` | {what} |" for name, what in _WHAT.items())
    text = (
        f"# {rehearsal.trial.about.title}\n\n**{SYNTHETIC}**\n\n"
        f"{rehearsal.plan.says}\n\n| file | holds |\n|---|---|\n{lines}\n"
        "| `truth.json` | what was planted, computed exactly: `actual` as it is, `recorded` as "
        "far as contacts can be traced to units |\n\n"
        "Telephone numbers are those set aside by Ofcom for drama; addresses end in "
        "`example.org`.\n"
    )
    (folder / "README.md").write_text(text, "utf-8")


_WHAT = {
    "units": "the unit list, with identifiers",
    "assignments": "who was given which arm, and when",
    "exposures": "who met it, and when",
    "contacts": "the contact log",
    "outcomes": "outcomes measured elsewhere",
    "reasons": "the map from wrap codes to the taxonomy",
}
