"""The randomisation p-value of the main measure: the trial's own draw, made again.

For lists that Signpost drew in blocks or by whole clusters (an imported assignment has no draw to
repeat; matching and minimisation need columns that are not kept as they were), for units met one
at a time, by their bucket or in their stratum's blocks, for switchbacks that ran by the schedule
that their seed gives, and for stepped wedges without strata, whose draw is any order of the
clusters. The outcome is compared as it is, without covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import pyarrow as pa
from ibis import ir

from analysis.compress.engine import Log
from analysis.compress.frame import Asked
from analysis.estimates import Absent
from analysis.frequentist.randomisation import RandomisationTest, Randomised, randomisation_test
from analysis.frequentist.stepped_wedge import wedge_randomisation_test
from analysis.tables import Floats, Grouped, Ints
from trials.definition.model import Trial
from trials.designs import bucketing, design_for, pairwise, switchback_for
from trials.designs.base import Redraw, recorded
from trials.designs.online import PermutedBlocks
from trials.designs.shares import ratio

DRAWS = 999
MOST = 50_000
"""Entries of the draw (units, or clusters) beyond which drawing again is too slow to be usual."""

PAIRS = 20_000_000
"""Entries times draws that are worked through at most; fewer draws for a longer list."""

FEWEST_DRAWS = 399


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The entries of a draw: arm codes, places, batches, and their sums of outcomes.

    ``met`` says that units were met one at a time: ``position`` is then the number of arrival in
    the stratum, and means nothing where the trial has no strata.
    """

    met: bool
    arm: Ints
    position: Ints
    batch: Ints
    stratum: Ints
    n: Floats
    y: Floats


def can_redraw(trial: Trial) -> bool:
    """Whether the plan's own draw can be made again from what is stored."""
    of_list = trial.design.kind in ("individual", "stratified", "cluster")
    measured = trial.primary.kind in ("proportion", "count", "mean")
    fixed = trial.design.method == "blocks" and trial.design.adaptive is None
    return of_list and measured and fixed


def entries(
    log: Log, valued: ir.Table, one: Asked, trial: Trial, arm_ids: Sequence[int]
) -> Drawn | None:
    """The draw's entries from the log, at most :data:`MOST`; ``None`` where it was not ours.

    ``valued`` is the table of :func:`analysis.compress.frame.valued`.
    """
    given = log.table("assignments").select("unit_id", "position", "import_id")
    rows = valued.join(given, "unit_id")
    key = rows.cluster if trial.design.kind == "cluster" else rows.unit_id
    grouped = rows.group_by(entry=key).aggregate(
        arm=rows.arm_id.max(), arms=rows.arm_id.nunique(), stratum=rows.stratum.max(),
        position=rows.position.max(), batch=rows.epoch.min(),
        met=ibis.ifelse(rows.import_id.isnull(), 1, 0).min(),
        n=rows[one.use].sum(), y=rows[f"{one.column}_y"].sum(),
    )  # fmt: skip
    ordered = grouped.order_by(["batch", "position", "entry"]).to_pyarrow()
    return _drawn(ordered, arm_ids, strata=bool(trial.design.strata))


def why_none(trial: Trial) -> str:
    """Why the main measure's draw cannot be made again, where :func:`p_values` has no answer."""
    design = trial.design
    if trial.primary.kind not in ("proportion", "count", "mean"):
        return "The draw is made again only for a proportion, a count or a mean."
    if design.kind == "stepped-wedge":
        return ("The clusters of a stepped wedge are drawn again only without strata, and where "
                "none went back to the control.")  # fmt: skip
    if design.kind == "switchback":
        return "The periods are not known to have run by the schedule that the plan's seed gives."
    if design.adaptive is not None:
        return "The shares followed the outcomes, so there is no one draw to make again."
    if design.method != "blocks":
        return "A draw by matching or minimisation needs columns that are not kept."
    return f"Only a draw made here, of at most {MOST:,} entries, is made again."


def p_values(trial: Trial, drawn: Drawn | None, *, seed: int) -> dict[str, float | Absent]:
    """The two-sided randomisation p-value of each treatment arm against the control.

    999 draws (fewer, down to 399, for long lists), so that no p-value is below 1/1,000. With
    several arms the units of the two are drawn again and those of the others stay, so that the
    test is of the pair alone.
    """
    if drawn is None or not can_redraw(trial):
        return {}
    draws = min(DRAWS, PAIRS // max(len(drawn.arm), 1))
    control = next(i for i, arm in enumerate(trial.arms) if arm.control)
    units = Randomised(arm=drawn.arm, n=drawn.n, y=drawn.y,
                       stratum=drawn.stratum if trial.design.strata else None)  # fmt: skip
    found: dict[str, float | Absent] = {}
    for i, arm in enumerate(trial.arms):
        if i == control:
            continue
        rng = np.random.default_rng([seed, i])
        pair = _pairwise(trial, drawn, (i, control), rng) if len(trial.arms) > 2 else None
        test = randomisation_test(
            units, pair or _redraw(trial, drawn), rng, arm=i, versus=control,
            draws=max(draws, FEWEST_DRAWS),
        )  # fmt: skip
        found[arm.key] = test.p if isinstance(test, RandomisationTest) else test
    return found


def over_time(
    trial: Trial, table: Grouped, *, seed: int, sealed: int | None
) -> dict[str, float | Absent]:  # fmt: skip
    """The same for a trial randomised over time; ``sealed`` is the seed of its schedule."""
    if table.period is None or trial.primary.kind not in ("proportion", "count", "mean"):
        return {}
    if trial.design.kind == "stepped-wedge":
        return _wedge(trial, table, seed=seed)
    return {} if sealed is None else _switchback(trial, table, seed=seed, sealed=sealed)


def schedule(trial: Trial, sealed: int | None) -> dict[str, str]:
    """The arm of each period of a switchback's own schedule, by the period's name."""
    if trial.design.kind != "switchback" or sealed is None:
        return {}
    drawn = switchback_for(trial).draw(seed=sealed, trial=trial.key)
    return {f"{i:06d}": drawn.allocation.arms[arm] for i, arm in enumerate(drawn.arm.tolist())}


def _switchback(
    trial: Trial, table: Grouped, *, seed: int, sealed: int
) -> dict[str, float | Absent]:
    """Periods given arms again under the same calendar; none where another schedule was run."""
    design = switchback_for(trial)
    schedule = design.draw(seed=sealed, trial=trial.key)
    periods = table.where(table.n > 0).collapse("period")
    assert periods.period is not None
    place = np.array([int(periods.period.levels[code]) for code in periods.period.codes])
    if not len(place) or (schedule.arm[place] != periods.arm).any():
        return {}
    units = Randomised(arm=periods.arm, n=periods.n, y=periods.y,
                       stratum=schedule.allocation.stratum[place])  # fmt: skip
    again = design.redraws(schedule.allocation)
    found: dict[str, float | Absent] = {}
    for i in (i for i in range(len(table.arms)) if i != table.control):
        test = randomisation_test(
            units, lambda rng: again(rng)[place], np.random.default_rng([seed, i]), arm=i,
            versus=table.control, draws=DRAWS,
        )  # fmt: skip
        found[table.arms[i]] = test.p if isinstance(test, RandomisationTest) else test
    return found


def _wedge(trial: Trial, table: Grouped, *, seed: int) -> dict[str, float | Absent]:
    """Clusters given each other's days of going over."""
    known = table.where(table.n > 0)
    if trial.design.strata or known.cluster is None or known.period is None:
        return {}
    arm = next(i for i in range(len(table.arms)) if i != table.control)
    _, cluster = np.unique(known.cluster.codes, return_inverse=True)
    beyond = len(known.period.levels)
    crossed = np.full(int(cluster.max(initial=-1)) + 1, beyond)
    np.minimum.at(crossed, cluster, np.where(known.arm == arm, known.period.codes, beyond))
    went_back = (known.arm != arm) & (known.period.codes >= crossed[cluster])
    if went_back.any():
        return {}
    test = wedge_randomisation_test(
        table, lambda rng: rng.permutation(crossed), np.random.default_rng([seed, arm]), arm=arm,
        draws=FEWEST_DRAWS,
    )  # fmt: skip
    return {table.arms[arm]: test.p if isinstance(test, RandomisationTest) else test}


def _drawn(table: pa.Table, arm_ids: Sequence[int], *, strata: bool) -> Drawn | None:
    columns = {name: table.column(name) for name in table.column_names}
    one_arm = all(n == 1 for n in columns["arms"].to_pylist())
    met = all(columns["met"].to_pylist())
    lacking = bool(columns["position"].null_count) and (strata or not met)
    if not table.num_rows or lacking or not one_arm:
        return None
    code = {number: i for i, number in enumerate(arm_ids)}
    arm = [code[int(a)] for a in columns["arm"].to_pylist()]
    labels = [s or "" for s in columns["stratum"].to_pylist()]
    return Drawn(
        met=met, arm=np.array(arm, np.int64),
        position=np.array([p or 0 for p in columns["position"].to_pylist()], np.int64),
        batch=np.array(columns["batch"].to_pylist(), np.int64),
        stratum=np.unique(labels, return_inverse=True)[1].astype(np.int64),
        n=np.array(columns["n"].to_pylist(), float), y=np.array(columns["y"].to_pylist(), float),
    )  # fmt: skip


def _redraw(trial: Trial, drawn: Drawn) -> Redraw:
    """Every list of the trial drawn again by itself, as it was drawn, and so those met singly."""
    design = design_for(trial.design, trial.arms)
    weights = [arm.weight for arm in trial.arms]
    if drawn.met and trial.design.strata:
        blocks = PermutedBlocks(ratio(weights, design.arms), 0, trial.key)
        return blocks.redraws(drawn.stratum, drawn.position)
    if drawn.met:
        return bucketing.redraws(weights, len(drawn.arm))
    parts = []
    for batch in np.unique(drawn.batch):
        rows = np.flatnonzero(drawn.batch == batch)
        stratum = np.unique(drawn.stratum[rows], return_inverse=True)[1].astype(np.int64)
        whole = recorded(
            drawn.arm[rows], arms=design.arms, shares=weights, position=drawn.position[rows],
            stratum=stratum if trial.design.strata else None,
        )  # fmt: skip
        parts.append((rows, design.redraws(whole)))

    def redraw(rng: np.random.Generator) -> Ints:
        arm = np.empty_like(drawn.arm)
        for rows, again in parts:
            arm[rows] = again(rng)
        return arm

    return redraw


def _pairwise(
    trial: Trial, drawn: Drawn, pair: tuple[int, int], rng: np.random.Generator
) -> Redraw | None:
    """Two of several arms drawn again among their own units; ``None`` where it cannot be.

    That is where units were taken out of the stored draw, so that its blocks cannot be told.
    """
    strata = drawn.stratum if trial.design.strata else np.zeros_like(drawn.stratum)
    batch = np.zeros_like(drawn.batch) if drawn.met and trial.design.strata else drawn.batch
    _, groups = np.unique(np.stack([batch, strata]), axis=1, return_inverse=True)
    groups = groups.reshape(-1).astype(np.int64)
    if not trial.design.strata:
        return pairwise.within(groups, drawn.arm, pair)
    whole = ratio([arm.weight for arm in trial.arms], [arm.key for arm in trial.arms])
    block = np.empty_like(groups)
    for code in range(int(groups.max()) + 1):
        rows = np.flatnonzero(groups == code)
        rows = rows[np.argsort(drawn.position[rows], kind="stable")]
        first, last = drawn.position[rows[[0, -1]]]
        if last - first != len(rows) - 1 or (drawn.met and first):
            return None
        found = pairwise.blocks(drawn.arm[rows], whole, rng, cut=not drawn.met)
        if found is None:
            return None
        block[rows] = found
    return pairwise.within(groups * (int(block.max()) + 1) + block, drawn.arm, pair)


__all__ = ["Drawn", "can_redraw", "entries", "over_time", "p_values", "why_none"]
