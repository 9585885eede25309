"""When a plan's looks fall, which have come, and what the main measure says at them.

Pure. A look comes at the close of its day in Europe/London: at ``starts + fraction * (ends -
starts)``. The error is spent by the plan's calendar (Lan and DeMets 1989), while the bounds allow
for the information that each look in fact held, so that slow or uneven intake costs no error.
Information is counted in units with a known outcome; in clustered trials that understates how
alike two looks are, which errs on the side of caution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any, Literal

import numpy as np

from analysis.estimates import Absent, Estimate
from analysis.frequentist import looks as group_sequential
from analysis.frequentist.always_valid import confidence_sequence
from analysis.frequentist.looks import Reading
from analysis.frequentist.sequential import Look, inflation
from analysis.frequentist.spending import Spending
from analysis.planning.power import plan_power
from analysis.planning.request import PowerRequest
from analysis.tables import Grouped
from trials import clock
from trials.definition.model import Looks, Trial
from trials.errors import SignpostError

Kind = Literal["fixed", "group-sequential", "always-valid"]
Outcome = Estimate | Absent
SPLIT = "the error rate split evenly over {m} comparisons with control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A look that has come: its number from 1, its planned share, its day and its data's end."""

    number: int
    fraction: float
    day: date
    cutoff: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a trial stands among its plan's looks.

    ``due`` are the looks that have come, ``next`` the day of the one to come (``None`` if none);
    ``final`` says that nothing more is to come, because the plan has run its course or the trial
    was stopped; ``stopped`` that it was ended before its last planned look.
    """

    kind: Kind
    of: int | None
    due: tuple[Due, ...]
    next: date | None
    final: bool
    stopped: bool = False

    @property
    def reached(self) -> bool:
        """Whether results may be read: a declared look has come, or any moment will do."""
        return self.kind == "always-valid" or bool(self.due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The main measure's contrasts under the plan's looks.

    ``outcomes``, ``again`` (the same at another coverage) and ``notes`` (what the contrast's
    ``look`` records) have one entry a treatment arm; ``decision`` is for all of them, ``bounds``
    are those of the first arm.
    """

    outcomes: tuple[Outcome, ...]
    again: tuple[Callable[[float], Outcome], ...]
    notes: tuple[dict[str, Any] | None, ...]
    decision: group_sequential.Decision | None = None
    bounds: tuple[Look, ...] = ()


def place(trial: Trial, *, cutoff: int, over: bool) -> Place:
    """Which looks have come by ``cutoff`` (epoch); ``over`` says that the trial was stopped."""
    looks, ends = trial.analysis.looks, trial.about.ends
    if isinstance(looks, Looks):
        return _sequential(trial, looks, cutoff=cutoff, over=over)
    passed = over or ends is None or cutoff >= _closes(ends)
    if looks == "always-valid":
        return Place(kind="always-valid", of=None, due=(), next=None if passed else ends,
                     final=passed)  # fmt: skip
    today = clock.london(clock.from_epoch(cutoff)).date()
    day = min(today, ends) if ends is not None else today
    due = (Due(number=1, fraction=1.0, day=day, cutoff=cutoff),) if passed else ()
    return Place(kind="fixed", of=1, due=due, next=None if passed else ends, final=passed)


def days(trial: Trial, looks: Looks) -> tuple[date, ...]:
    """The day of each look; none where the plan has no dates."""
    starts, ends = trial.about.starts, trial.about.ends
    if starts is None or ends is None:
        return ()
    length = (ends - starts).days
    return tuple(starts + timedelta(days=round(f * length)) for f in looks.fractions)


def judge(
    trial: Trial,
    at: Place,
    estimates: Sequence[Sequence[Outcome]],
    tables: Sequence[Grouped | Absent],
) -> Judged | None:
    """The main measure's contrasts as the plan's looks allow them to be read.

    Args:
        trial: the plan.
        at: where the trial stands.
        estimates: for each look that has come (for ``always-valid`` the one moment), the ordinary
            estimate of each treatment arm, in the plan's order.
        tables: the main measure's table at each of them.

    Returns:
        ``None`` where the ordinary estimates stand: a fixed plan, or no look yet.
    """
    if at.kind == "fixed" or not at.reached or not estimates:
        return None
    split = _split(trial)
    arms = [i for i, arm in enumerate(trial.arms) if not arm.control]
    if at.kind == "always-valid":
        again = tuple(partial(_live, trial, tables[-1], i, found, split)
                      for i, found in zip(arms, estimates[-1], strict=True))  # fmt: skip
        return Judged(outcomes=tuple(live(1 - trial.analysis.alpha / split) for live in again),
                      again=again, notes=tuple(None for _ in arms))  # fmt: skip
    readings = [
        _read(trial, at, [some[j] for some in estimates], [information(t, i) for t in tables],
              split)
        for j, i in enumerate(arms)
    ]  # fmt: skip
    known = [r for r, _ in readings if isinstance(r, Reading)]
    again = tuple(partial(_told, r, split) for r, _ in readings)
    return Judged(
        outcomes=tuple(told(1 - trial.analysis.alpha / split) for told in again),
        again=again,
        notes=tuple(_note(r, numbers) for r, numbers in readings),
        decision=_together(known) if known else None,
        bounds=known[0].bounds if known else (),
    )


def document(at: Place, judged: Judged | None = None) -> dict[str, Any]:
    """The result's ``look``."""
    last = at.due[-1] if at.due else None
    decision = judged.decision if judged else None
    return {
        "kind": at.kind, "number": last.number if last else 0, "of": at.of,
        "reached": at.reached, "date": last.day.isoformat() if last else None,
        "next": at.next.isoformat() if at.next else None, "final": at.final,
        "decision": decision,
        "bounds": [_bound(look) for look in judged.bounds] if judged else [],
        "says": _says(at, decision, _crossed(judged)),
    }  # fmt: skip


def tuned_to(trial: Trial, table: Grouped, arm: int) -> float:
    """The planned size of one comparison: the planner's, else that of the units assigned.

    In clusters where whole clusters were randomised.
    """
    two = table.where(np.isin(table.arm, (arm, table.control)))
    missing = 0.0 if two.missing is None else float(two.missing.sum())
    if table.cluster is not None:
        return clusters(two)
    return _planned(trial, table, arm) or two.total + missing


def printed(day: date) -> str:
    """``26 June 2026``."""
    return f"{day:%d %B %Y}".lstrip("0")


def _closes(day: date) -> int:
    """The last second of a day in Europe/London."""
    return clock.epoch(clock.end_of_day(day)) - 1


def _sequential(trial: Trial, looks: Looks, *, cutoff: int, over: bool) -> Place:
    planned = days(trial, looks)
    due = [
        Due(number=k, fraction=f, day=day, cutoff=min(_closes(day), cutoff))
        for k, (f, day) in enumerate(zip(looks.fractions, planned, strict=False), 1)
        if cutoff >= _closes(day)
    ]
    of, complete = len(looks.fractions), len(due) == len(looks.fractions)
    if complete:
        # The last look takes in whoever's outcome window closed after the planned end.
        due[-1] = replace(due[-1], cutoff=cutoff)
    elif over:
        day = clock.london(clock.from_epoch(cutoff)).date()
        due.append(Due(number=len(due) + 1, fraction=1.0, day=day, cutoff=cutoff))
    final = complete or over
    to_come = None if final or not planned else planned[len(due)]
    return Place(kind="group-sequential", of=of, due=tuple(due), next=to_come, final=final,
                 stopped=over and not complete)  # fmt: skip


def _split(trial: Trial) -> int:
    """Over how many comparisons the error rate is split: one look rule cannot serve them all."""
    return 1 if trial.analysis.multiplicity == "none" else len(trial.arms) - 1


def information(table: Grouped | Absent, arm: int) -> float:
    """Units with a known outcome behind one comparison (the harmonic sum of both arms)."""
    if isinstance(table, Absent):
        return 0.0
    n = table.per_arm()[0]
    both = float(n[arm] * n[table.control])
    return both / float(n[arm] + n[table.control]) if both > 0 else 0.0


def _read(
    trial: Trial, at: Place, found: Sequence[Outcome], information: Sequence[float], split: int
) -> tuple[Reading | Absent, tuple[int, ...]]:
    """The reading over the looks that held something new, and the numbers of those looks."""
    used = _growing(found, information)
    if not used:
        last = found[-1]
        why = last if isinstance(last, Absent) else Absent(
            "no-variation", "The outcome does not vary, so no look can be judged.")  # fmt: skip
        return why, ()
    scale = at.due[used[-1]].fraction / information[used[-1]]
    plan = trial.analysis.looks
    assert isinstance(plan, Looks)
    reading = group_sequential.read(
        [e for k in used if isinstance(e := found[k], Estimate)],
        [information[k] * scale for k in used],
        final=at.final, alpha=trial.analysis.alpha / split,
        spending=Spending(plan.spending, plan.power), better=trial.primary.better,
        futility=_futility(trial, plan, split),
        timing=[at.due[k].fraction for k in used],
    )  # fmt: skip
    return reading, tuple(at.due[k].number for k in used)


def _futility(trial: Trial, plan: Looks, split: int) -> tuple[float, float, Spending] | None:
    """The drift that the plan's power was reckoned for, the error to spend, and how."""
    if plan.futility is None:
        return None
    spends = Spending(plan.futility, plan.power)
    planned = inflation(
        plan.fractions, alpha=trial.analysis.alpha / split, power=trial.analysis.power,
        spending=Spending(plan.spending, plan.power), futility=spends,
    )  # fmt: skip
    return planned.drift, 1 - trial.analysis.power, spends


def _growing(found: Sequence[Outcome], information: Sequence[float]) -> list[int]:
    """The looks to count: each with an estimate, and with more units than the one before.

    Of looks that held the same data the latest counts; one that was not made spends nothing.
    """
    used: list[int] = []
    for k in reversed(range(len(found))):
        e, less = found[k], not used or information[k] < information[used[0]]
        if isinstance(e, Estimate) and e.se and information[k] > 0 and less:
            used.insert(0, k)
    return used


def _told(reading: Reading | Absent, split: int, level: float) -> Outcome:
    told = reading if isinstance(reading, Absent) else reading.at(level)
    return shared(told, split)


def shared(told: Outcome, split: int) -> Outcome:
    """An estimate at a share of the error rate, its p-value adjusted for the ``split``."""
    if split == 1 or isinstance(told, Absent):
        return told
    adjusted = None if told.p is None else min(1.0, split * told.p)
    return replace(told, p_adjusted=adjusted, method=f"{told.method}; {SPLIT.format(m=split)}")


def _note(reading: Reading | Absent, numbers: tuple[int, ...]) -> dict[str, Any]:
    if isinstance(reading, Absent):
        return reading.to_json()
    return {
        "decision": reading.decision, "number": numbers[reading.look - 1], "z": reading.z,
        "bound": _finite(reading.bounds[-1].efficacy),
    }  # fmt: skip


def _together(known: Sequence[Reading]) -> group_sequential.Decision:
    """One decision for all arms: a bound crossed by any, else go on while any goes on."""
    made = {reading.decision for reading in known}
    order: tuple[group_sequential.Decision, ...] = ("effect", "continue", "no-effect", "futility")
    return next(d for d in order if d in made)


def _bound(look: Look) -> dict[str, float | None]:
    futility = None if look.futility is None else _finite(look.futility)
    return {
        "fraction": look.fraction, "efficacy": _finite(look.efficacy), "futility": futility,
        "nominal_p": look.nominal_p, "spent": look.spent,
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _live(
    trial: Trial, table: Grouped | Absent, arm: int, found: Outcome, split: int, level: float
) -> Outcome:
    """The confidence sequence of one contrast, tuned to the size that was planned."""
    if isinstance(found, Absent) or isinstance(table, Absent):
        return found
    two = table.where(np.isin(table.arm, (arm, table.control)))
    units = clusters(two) if table.cluster is not None else two.total
    band = confidence_sequence(
        found, units, tuned_to=tuned_to(trial, table, arm), level=level,
        tuned_at=1 - trial.analysis.alpha / split,
    )  # fmt: skip
    return shared(band, split)


def clusters(two: Grouped) -> float:
    """How many clusters have a known outcome.

    Raises:
        ValueError: the table has no clusters.
    """
    if two.cluster is None:
        raise ValueError("the table has no clusters")
    return float(len(np.unique(two.cluster.codes[(two.n > 0) & (two.cluster.codes >= 0)])))


def _planned(trial: Trial, table: Grouped, arm: int) -> float | None:
    """Units of both arms that the plan's smallest effect asks for, by the planner."""
    n, y, yy = (float(values[table.control]) for values in table.per_arm())
    metric = trial.primary
    if n < 2 or metric.kind not in ("proportion", "count", "mean"):
        return None
    mean = y / n
    mde = metric.mde if metric.mde is not None else abs(mean) * (metric.mde_relative or 0.0)
    spread = math.sqrt(max(yy - y * y / n, 0.0) / (n - 1))
    if not mde or not spread:
        return None
    weights = [trial.control.weight, *(a.weight for a in trial.arms if not a.control)]
    try:
        answer = plan_power(PowerRequest(
            kind="proportion" if metric.kind == "proportion" else "mean", baseline=mean,
            sd=None if metric.kind == "proportion" else spread, mde=mde,
            direction=metric.better, arms=len(weights), ratio=tuple(weights),
            alpha=trial.analysis.alpha, power=trial.analysis.power,
        ))  # fmt: skip
    except SignpostError:
        return None
    others = [i for i, one in enumerate(trial.arms) if not one.control]
    return float(answer.n_by_arm[0] + answer.n_by_arm[1 + others.index(arm)])


def _crossed(judged: Judged | None) -> int | None:
    """The number of the look at which a bound was first crossed."""
    notes = [n for n in judged.notes if n and n.get("decision") == "effect"] if judged else []
    return min((n["number"] for n in notes), default=None)


def _says(at: Place, decision: group_sequential.Decision | None, crossed: int | None) -> str:
    if at.kind == "always-valid":
        return "The interval holds however often the results are looked at."
    if not at.due:
        return f"The first look is due on {printed(at.next)}." if at.next else "No look is due yet."
    if at.kind == "fixed":
        return "The results were read once, at the planned end or when the trial was stopped."
    last = at.due[-1]
    which = (
        f"The trial was stopped before look {last.number} of {at.of}, and what was left of the "
        "error rate was spent then" if at.stopped
        else f"This is look {last.number} of {at.of}, of {printed(last.day)}"
    )  # fmt: skip
    found = {
        "effect": f"; the bound was crossed at look {crossed}",
        "continue": "; no bound was crossed", "no-effect": "; no bound was crossed",
        "futility": "; the bound of futility was crossed",
    }  # fmt: skip
    after = f"; the next is due on {printed(at.next)}" if at.next else ""
    return f"{which}{found[decision] if decision else ''}{after}."


__all__ = [
    "Due", "Judged", "Place", "days", "document", "judge", "place", "printed", "tuned_to",
]  # fmt: skip
