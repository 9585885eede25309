"""Which trust checks a run makes, and from which facts. Pure but for the shapes it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from analysis import checks, crossing
from analysis.checks import Check, Kept, Share, Split
from analysis.checks.check import called
from analysis.checks.plausibility import DayEffect
from analysis.compress import periods
from analysis.compress.compressed import Compressed
from analysis.contrast import compare
from analysis.deflection import LINE, ON
from analysis.estimates import Absent, Estimate
from analysis.estimation import Contrast
from analysis.facts import Facts
from analysis.reading import Read
from analysis.tables import Grouped
from trials import clock
from trials.definition.model import Trial
from trials.plurals import counted

DAY = 86400


def run(
    trial: Trial, facts: Facts, read: Read, *, locked: bool, cutoff: datetime,
    contrasts: Sequence[Contrast], schedule: Mapping[str, str] | None = None,
    amended: Sequence[str] = (), unrecorded: str = "",
) -> list[Check]:  # fmt: skip
    """Every check that the facts allow, in the order a report prints them.

    ``schedule`` says which arm each period of a switchback was meant to have, ``amended`` on which
    days the plan was changed after outcomes were known, ``unrecorded`` what of it was changed
    without an amendment.
    """
    data, primary = read.data, read.tables[trial.primary.key]
    titles = _titles(trial)
    return [
        _sample_ratio(trial, facts, data),
        _balance(data, trial),
        checks.exposure_balance(_shares(facts.exposed, facts.assigned), titles=titles)
        if any(facts.exposed.values())
        else checks.not_applicable("exposure-balance", "No exposures are recorded."),
        checks.link_rate_balance(_shares(facts.linked, facts.assigned), titles=titles)
        if any(facts.linked.values())
        else checks.not_applicable("link-rate-balance", "No unit carries an identifier."),
        _maturity(trial, facts, data, primary),
        _contamination(trial, facts, read),
        _freshness(trial, facts, read, cutoff),
        _coverage(trial, read, cutoff, schedule or {}),
        checks.plan_deviation(_kept(trial, facts, amended, unrecorded), locked=locked),
        _attrition(primary, facts, titles),
        _fidelity(facts, titles),
        _interference(trial, read),
        _novelty(trial, read),
        *_twyman(trial, contrasts, primary),
    ]


def _titles(trial: Trial) -> dict[str, str]:
    """What the arms are called where people read."""
    return {arm.key: arm.title for arm in trial.arms if arm.title}


def _contamination(trial: Trial, facts: Facts, read: Read) -> Check:
    """Who met two arms, by exposures and shared lines, and who is in another trial.

    Whether effects differ by the arm there is no matter of health: it waits for the result.
    """
    found = read.crossings
    if not any(facts.exposed.values()) and found is None:
        return checks.not_applicable(
            "contamination", "No exposures are recorded, and no two units are known to be one."
        )
    if found is None:
        return checks.contamination(_shares(facts.crossed, facts.exposed))
    met = crossing.meetings(trial, found)
    told = [f"{counted(m.units, 'unit is', 'units are')} also in trial ‘{m.trial}’"
            + (", whose arms were not given independently of these" if m.dependent else "")
            for m in met]  # fmt: skip
    return checks.contamination(
        _shares(facts.crossed, facts.exposed) if any(facts.exposed.values()) else {},
        lines=_shares(found.counted(found.same_line), facts.assigned),
        elsewhere=told, warns=any(m.dependent for m in met),
    )  # fmt: skip


def _sample_ratio(trial: Trial, facts: Facts, data: Compressed) -> Check:
    """The planned shares, of what was randomised: clusters where whole clusters were."""
    weights, titles = {arm.key: arm.weight for arm in trial.arms}, _titles(trial)
    if trial.design.kind == "stepped-wedge":
        return checks.not_applicable(
            "sample-ratio",
            "In a stepped wedge the arms' shares change by design as clusters go over.",
        )
    if trial.design.kind in ("cluster", "switchback") and data.clusters is not None:
        counts = dict(zip(weights, data.clusters, strict=True))
        unit = "period" if trial.design.kind == "switchback" else trial.design.cluster
        return checks.sample_ratio(counts, weights, unit=unit or "cluster",
                                   titles=titles)  # fmt: skip
    strata = [Split(str(name), counts) for name, counts in facts.by_stratum.items()]
    if trial.design.adaptive is not None:
        batches = [Split(f"batch {n}", counts, facts.shares[n])
                   for n, counts in facts.by_epoch.items()]  # fmt: skip
        return checks.sample_ratio(facts.assigned, weights, unit=trial.about.unit, epochs=batches,
                                   titles=titles)  # fmt: skip
    epochs = [Split(f"list {name}", counts) for name, counts in facts.by_epoch.items()]
    if len(epochs) < 2:
        epochs = [Split(f"week {name}", counts) for name, counts in facts.by_week.items()]
    return checks.sample_ratio(
        facts.assigned, weights, unit=trial.about.unit, titles=titles,
        strata=strata if len(strata) > 1 else (), epochs=epochs if len(epochs) > 1 else (),
        rungs=_rungs(trial, facts, data),
    )  # fmt: skip


def _rungs(trial: Trial, facts: Facts, data: Compressed) -> list[Split]:
    """Who is still there further down: met their arm, can be linked, has a known outcome."""
    known = data.metrics[trial.primary.key].per_arm()[0]
    rungs = {
        "met their arm": facts.exposed, "can be linked": facts.linked,
        "outcome known": {a.key: int(n) for a, n in zip(trial.arms, known, strict=True)},
    }  # fmt: skip
    return [Split(name, counts) for name, counts in rungs.items() if any(counts.values())]


def _fidelity(facts: Facts, titles: Mapping[str, str]) -> Check:
    """How many of an arm's people met that arm, of all that it has.

    Imperfect delivery waters the effect down but does not bias the comparison, so it warns.
    """
    if not any(facts.exposed.values()):
        return checks.not_applicable("fidelity", "What was delivered is not recorded.")
    own = {
        arm: Share(max(facts.exposed[arm] - facts.crossed[arm], 0), n)
        for arm, n in facts.assigned.items() if facts.exposed[arm]
    }  # fmt: skip
    found = checks.fidelity(own, titles=titles)
    return replace(found, verdict="warn") if found.verdict == "fail" else found


def _interference(trial: Trial, read: Read) -> Check:
    """Which lines hold contacts of more than one arm: their callers wait in one queue."""
    tables = read.deflection
    if isinstance(tables, Absent) or tables.lines is None:
        return checks.interference({}, kind=trial.design.kind)
    lines = tables.lines
    used = {
        name.removeprefix(LINE): [lines.arms[a] for a in range(len(lines.arms))
                                  if lines.sums[lines.arm == a, k].sum() > 0]
        for k, name in enumerate(lines.names)
    }  # fmt: skip
    return checks.interference(used, kind=trial.design.kind)


def _novelty(trial: Trial, read: Read) -> Check:
    """The effect on handled contacts by day since exposure, of the first arm against control."""
    tables = read.deflection
    if isinstance(tables, Absent) or tables.on is None or trial.primary.source != "contacts":
        return checks.not_applicable("novelty", "No contacts by day since exposure are known.")
    arm = next(a.key for a in trial.arms if not a.control)
    found = compare(tables.on, arm)
    if isinstance(found, Absent):
        return checks.not_applicable("novelty", found.why)
    days = []
    for name in tables.on.names:
        told = found.difference(name, level=1 - trial.analysis.alpha)
        if isinstance(told, Estimate) and told.se:
            days.append(DayEffect(float(name.removeprefix(ON)), -told.estimate, told.se))
    return checks.novelty(days)


def _balance(data: Compressed, trial: Trial) -> Check:
    return checks.randomisation_balance(data.metrics[trial.primary.key], titles=_titles(trial))


def _shares(some: Mapping[str, int], every: Mapping[str, int]) -> dict[str, Share]:
    return {arm: Share(some.get(arm, 0), n) for arm, n in every.items()}


def _maturity(trial: Trial, facts: Facts, data: Compressed, primary: Grouped | Absent) -> Check:
    window = trial.primary.window
    if window is None:
        return checks.not_applicable("maturity", "The main measure has no window to wait for.")
    keys = [arm.key for arm in trial.arms]
    events = None
    if isinstance(primary, Grouped):
        events = dict(zip(keys, primary.per_arm()[1].tolist(), strict=True))
    matured = dict(zip(keys, data.matured, strict=True))
    maturing = {arm: data.assigned[i] - data.matured[i] for i, arm in enumerate(keys)}
    closes = facts.last_assigned + timedelta(seconds=window) if facts.last_assigned else None
    return checks.maturity(
        matured, maturing, window_days=window / DAY, events=events,
        complete_on=f"{closes:%d %B %Y}".lstrip("0") if closes else "", titles=_titles(trial),
    )  # fmt: skip


def _freshness(trial: Trial, facts: Facts, read: Read, cutoff: datetime) -> Check:
    """Contacts must reach the close of the last window, outcomes the last assignment.

    Later silence is no fault: once every window has closed, old data are complete data.
    """
    windows = [metric.window or 0 for metric in trial.metrics if metric.source == "contacts"]
    last = facts.last_assigned
    sources: dict[str, datetime | None] = {}
    if facts.last_outcome is not None and last is not None:
        sources["outcomes"] = cutoff - max(min(cutoff, last) - facts.last_outcome, timedelta(0))
    if read.reach is not None and last is not None and windows:
        due = min(cutoff, last + timedelta(seconds=max(windows)))
        sources["contacts"] = cutoff - max(due - clock.from_epoch(read.reach), timedelta(0))
    if not sources:
        return checks.not_applicable(
            "data-freshness", "The data carry no times, so their age cannot be told."
        )
    return checks.data_freshness(sources, cutoff)


def _coverage(trial: Trial, read: Read, cutoff: datetime, schedule: Mapping[str, str]) -> Check:
    """Whether every period of the calendar that is over holds units."""
    over = [span for span in periods.spans(trial) if span.finishes <= clock.epoch(cutoff)]
    if trial.design.kind not in periods.OVER_TIME:
        return checks.not_applicable("period-coverage", "This design has no periods.")
    counts = {span.says: read.data.by_period.get(span.name, 0.0) for span in over}
    arms = {span.says: called(schedule[span.name], _titles(trial))
            for span in over if span.name in schedule}  # fmt: skip
    return checks.period_coverage(counts, arms=arms)


def _kept(trial: Trial, facts: Facts, amended: Sequence[str], unrecorded: str) -> list[Kept]:
    about = trial.about
    points = [
        Kept("the plan", "as it was locked", f"amended on {day}, after outcomes were known")
        for day in amended
    ]
    if unrecorded:
        changed = f"changed without an amendment ({unrecorded})"
        points.append(Kept("the plan", "as it was locked", changed, material=True))
    if about.starts and facts.first_assigned:
        points.append(Kept("first assignment on or after", f"{about.starts:%d %B %Y}".lstrip("0"),
                           _kept_day(facts.first_assigned, about.starts, after=True)))  # fmt: skip
    if about.ends and facts.last_assigned:
        points.append(Kept("last assignment on or before", f"{about.ends:%d %B %Y}".lstrip("0"),
                           _kept_day(facts.last_assigned, about.ends, after=False)))  # fmt: skip
    return points


def _kept_day(seen: datetime, planned: object, *, after: bool) -> str:
    from trials.clock import london

    day = london(seen).date()
    kept = day >= planned if after else day <= planned  # type: ignore[operator]
    return f"{planned if kept else day:%d %B %Y}".lstrip("0")


def _attrition(
    primary: Grouped | Absent, facts: Facts, titles: Mapping[str, str]
) -> Check:  # fmt: skip
    if isinstance(primary, Absent) or primary.missing is None:
        return checks.not_applicable("attrition", "There are no outcomes to be missing.")
    lost = np.bincount(primary.arm, primary.missing, len(primary.arms))
    known = primary.per_arm()[0]
    arms = list(facts.assigned)
    return checks.attrition(
        {arm: Share(int(lost[i]), int(lost[i] + known[i])) for i, arm in enumerate(arms)},
        titles=titles,
    )


def _twyman(trial: Trial, contrasts: Sequence[Contrast], primary: Grouped | Absent) -> list[Check]:
    if isinstance(primary, Absent):
        return []
    mine = [c for c in contrasts if c.metric.role == "primary"]
    known = [c.difference for c in mine if isinstance(c.difference, Estimate)]
    if not known or trial.primary.kind == "ratio":
        return []
    n, y, _ = primary.per_arm()
    base = float(y[primary.control] / n[primary.control]) if n[primary.control] else None
    largest = max(known, key=lambda e: abs(e.estimate))
    return [checks.twyman(largest, base, proportion=trial.primary.kind == "proportion")]
