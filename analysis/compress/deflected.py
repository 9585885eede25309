"""From the linked contacts to the joint moments of deflection, repeats and life tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ibis
import numpy as np
import pyarrow as pa
from ibis import ir

from analysis.compress.compressed import Columns, key_of
from analysis.compress.frame import Asked
from analysis.compress.periods import has_clusters, has_strata
from analysis.deflection import CHANNEL, DAY, LINE, ON, DeflectionTables
from analysis.joint import Joint
from analysis.repeats import RepeatTable
from analysis.tables import Floats, Ints, Key, LifeTable
from trials.contacts.second_coding import NOT_AVOIDABLE, UNCLASSIFIED
from trials.definition.model import Trial

DAY_SECONDS = 86_400
MOST_LINES = 12
MOST_DAYS = 28
"""Days since exposure that are looked at one by one."""
KEYS = ("arm_id", "stratum", "cluster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to count: the window in seconds, and the channels and lines that occur.

    ``sampled``: some contacts were coded twice, so that miscoding can be corrected.
    """

    window: int
    channels: tuple[str, ...]
    lines: tuple[str, ...]
    coded: bool
    sampled: bool = False

    @property
    def days(self) -> int:
        """Whole days in the window, at least one."""
        return max(1, self.window // DAY_SECONDS)

    @property
    def joint(self) -> tuple[str, ...]:
        """The outcomes whose products are needed."""
        coded = ["avoidable", "uncoded"] if self.coded else []
        coded += ["flagged", "unclassified"] if self.coded and self.sampled else []
        return ("gross", "net", *coded, *(CHANNEL + name for name in self.channels))


def wanted(contacts: ir.Table, *, window: int, coded: bool, sampled: bool = False) -> Wanted:
    """Which channels and lines have handled contacts in the window; the busiest lines only."""
    inside = handled(contacts, window)

    def names(column: str) -> list[str]:
        table = inside.group_by(column).aggregate(n=inside.count())
        rows = table.to_pyarrow().to_pylist()
        known = [row for row in rows if row[column] is not None]
        return [row[column] for row in sorted(known, key=lambda r: (-r["n"], r[column]))]

    return Wanted(
        window=window, channels=tuple(sorted(names("channel"))),
        lines=tuple(names("line")[:MOST_LINES]), coded=coded,
        sampled=sampled,
    )  # fmt: skip


def handled(contacts: ir.Table, window: int) -> ir.Table:
    """The contacts in the window that an agent handled."""
    return contacts.filter(
        contacts.since >= 0, contacts.since < window, ibis.coalesce(contacts.handled, 0) == 1
    )


def _columns(asked: Wanted) -> dict[str, str]:
    """Engine-safe column names of every outcome."""
    names = [*asked.joint, *(LINE + name for name in asked.lines)]
    names += [f"{DAY}{d}" for d in range(1, asked.days + 1)]
    names += [f"{ON}{d}" for d in range(1, min(asked.days, MOST_DAYS) + 1)]
    return {name: f"o{i}" for i, name in enumerate(names)}


def per_unit(contacts: ir.Table, asked: Wanted) -> ir.Table:
    """One row for every unit with a contact in the window: each outcome's value."""
    inside = contacts.filter(contacts.since >= 0, contacts.since < asked.window)
    one = ibis.ifelse(ibis.coalesce(inside.handled, 0) == 1, 1.0, 0.0)
    classified = ibis.coalesce(inside.category, UNCLASSIFIED) != UNCLASSIFIED
    flagged = classified & ~ibis.coalesce(inside.category, "").isin(sorted(NOT_AVOIDABLE))
    # The first contact decides; of two in the same second the handled one.
    first = (inside.since * 2 + ibis.ifelse(one > 0, 0, 1)).min()
    values: dict[str, ir.Value] = {
        "gross": ibis.ifelse(first % 2 == 0, 1.0, 0.0), "net": one.sum(),
        "avoidable": (one * ibis.coalesce(inside.share, 0.0)).sum(),
        "uncoded": ibis.ifelse(inside.share.isnull(), one, 0.0).sum(),
        "flagged": ibis.ifelse(flagged, one, 0.0).sum(),
        "unclassified": ibis.ifelse(classified, 0.0, one).sum(),
    }  # fmt: skip
    for name in asked.channels:
        values[CHANNEL + name] = ibis.ifelse(inside.channel == name, one, 0.0).sum()
    for name in asked.lines:
        values[LINE + name] = ibis.ifelse(inside.line == name, one, 0.0).sum()
    for day in range(1, asked.days + 1):
        by_then = inside.since < day * DAY_SECONDS
        values[f"{DAY}{day}"] = ibis.ifelse(by_then, one, 0.0).sum()
        today = by_then & (inside.since >= (day - 1) * DAY_SECONDS)
        values[f"{ON}{day}"] = ibis.ifelse(today, one, 0.0).sum()
    named = _columns(asked)
    return inside.group_by("unit_id").aggregate(
        **{column: values[name] for name, column in named.items()},
        index=values["gross"],
        all=values["net"],
        moved=_moved(inside, one, asked),
    )


def _moved(inside: ir.Table, one: ir.Value, asked: Wanted) -> ir.Value:
    """How many handled contacts were in another channel than the first contact.

    A call that a machine answered and one that an agent did are both calls.
    """
    known = [name for name in asked.channels if name != "ivr"] + ["other"]
    channel = ibis.ifelse(inside.channel == "ivr", "phone", inside.channel)
    number = ibis.cases(*((channel == name, i) for i, name in enumerate(known)),
                        else_=len(known) - 1)  # fmt: skip
    later = ibis.ifelse(one > 0, 0, 1)
    first = (inside.since * (2 * len(known)) + later * len(known) + number).min() % len(known)
    stayed: ir.Value = ibis.literal(0.0)
    for i in range(len(known)):
        stayed = stayed + ibis.ifelse(
            first == i, ibis.ifelse(number == i, one, 0.0).sum(), 0.0)  # fmt: skip
    return one.sum() - stayed


def cells(frame: ir.Table, units: ir.Table, asked: Wanted, *, cutoff: int) -> ir.Table:
    """Sums and products of all outcomes by arm, stratum and cluster, of matured units."""
    named = _columns(asked)
    ripe = frame.filter(frame.start > 0, frame.start + asked.window <= cutoff)
    joined = ripe.left_join(units, "unit_id")
    y = {name: ibis.coalesce(joined[column], 0.0) for name, column in named.items()}
    sums: dict[str, ir.Value] = {"n": joined.count()}
    for name, column in named.items():
        sums[f"s_{column}"] = y[name].sum()
        sums[f"q_{column}"] = (y[name] * y[name]).sum()
    joint = asked.joint
    for i, a in enumerate(joint):
        for b in joint[i + 1 :]:
            sums[f"p_{named[a]}_{named[b]}"] = (y[a] * y[b]).sum()
    return joined.group_by(list(KEYS)).aggregate(**sums).order_by(list(KEYS))


def tables(
    result: pa.Table, trial: Trial, arm_ids: Sequence[int], asked: Wanted,
    repeats: Sequence[RepeatTable] = (),
) -> DeflectionTables:  # fmt: skip
    """The joint moments as :mod:`analysis.deflection` takes them."""
    columns = Columns(result)
    code = {number: i for i, number in enumerate(arm_ids)}
    arm = np.array([code[int(a)] for a in result.column("arm_id").to_pylist()], dtype=np.int64)
    stratum = key_of("stratum", columns.texts("stratum")) if has_strata(trial) else None
    cluster = key_of("cluster", columns.texts("cluster")) if has_clusters(trial) else None
    shared = _Shared(trial, arm, columns.floats("n"), stratum, cluster)
    named = _columns(asked)
    return DeflectionTables(
        window_days=asked.window / DAY_SECONDS,
        joint=shared.joint(asked.joint, *_moments(columns, named, asked.joint)),
        lines=shared.squares(columns, named, LINE),
        days=shared.squares(columns, named, DAY),
        on=shared.squares(columns, named, ON),
        repeats=tuple(repeats),
    )


def _moments(
    columns: Columns, named: dict[str, str], names: tuple[str, ...]
) -> tuple[Floats, Floats]:
    sums = np.column_stack([columns.floats(f"s_{named[name]}") for name in names])
    products = np.empty((len(sums), len(names), len(names)))
    for i, a in enumerate(names):
        products[:, i, i] = columns.floats(f"q_{named[a]}")
        for j in range(i + 1, len(names)):
            both = columns.floats(f"p_{named[a]}_{named[names[j]]}")
            products[:, i, j] = products[:, j, i] = both
    return sums, products


@dataclass(frozen=True, slots=True)
class _Shared:
    trial: Trial
    arm: Ints
    n: Floats
    stratum: Key | None
    cluster: Key | None

    def joint(self, names: tuple[str, ...], sums: Floats, products: Floats) -> Joint:
        arms = tuple(a.key for a in self.trial.arms)
        return Joint(
            arms=arms, control=next(i for i, a in enumerate(self.trial.arms) if a.control),
            arm=self.arm, n=self.n, names=names, sums=sums, products=products,
            stratum=self.stratum, cluster=self.cluster,
        )  # fmt: skip

    def squares(self, columns: Columns, named: dict[str, str], prefix: str) -> Joint | None:
        names = tuple(name for name in named if name.startswith(prefix))
        if not names:
            return None
        sums = np.column_stack([columns.floats(f"s_{named[name]}") for name in names])
        squares = np.column_stack([columns.floats(f"q_{named[name]}") for name in names])
        return self.joint(names, sums, squares)


def repeats(
    contacts: ir.Table, trial: Trial, arm_ids: Sequence[int], labels: tuple[str, ...], *,
    by: Literal["line", "channel"], window: int, within: int, cutoff: int,
) -> RepeatTable | None:  # fmt: skip
    """Which line or channel a contact's next contact within ``window`` was on, by arm.

    The contacts that may be followed are those of the first ``within`` seconds.
    """
    if not labels:
        return None
    inside = contacts.filter(contacts.since >= 0, contacts[by].isin(list(labels)))
    order = ibis.window(group_by=inside.unit_id, order_by=[inside.occurred_at, inside.contact])
    after = inside.mutate(
        next_label=inside[by].lead().over(order), next_at=inside.occurred_at.lead().over(order)
    )
    after = after.filter(after.since < within, after.occurred_at + window <= cutoff)
    soon = ibis.coalesce(after.next_at - after.occurred_at < window, False)
    counted = after.group_by(
        ["arm_id", by, ibis.ifelse(soon, after.next_label, None).name("follows")]
    ).aggregate(n=after.count())
    k, arms = len(labels), [arm.key for arm in trial.arms]
    counts, origins = np.zeros((len(arms), k, k)), np.zeros((len(arms), k))
    code = {number: i for i, number in enumerate(arm_ids)}
    place = {label: i for i, label in enumerate(labels)}
    for row in counted.to_pyarrow().to_pylist():
        a, o = code[int(row["arm_id"])], place[row[by]]
        origins[a, o] += row["n"]
        if row["follows"] is not None:
            counts[a, o, place[row["follows"]]] += row["n"]
    return RepeatTable(by=by, arms=tuple(arms), labels=labels, counts=counts, origins=origins)


def life_table(
    frame: ir.Table, values: ir.Table, one: Asked, trial: Trial, arm_ids: Sequence[int]
) -> LifeTable:
    """First events by day since the start, and how far those without one were followed."""
    window = one.metric.window or one.cutoff
    known = frame.filter(frame.start > 0, frame.start <= one.cutoff)
    joined = known.left_join(values.select("unit_id", f"{one.column}_first"), "unit_id")
    first = joined[f"{one.column}_first"]
    followed = ibis.least(one.cutoff - joined.start, window)
    event = first.notnull() & (first < followed)
    day = ibis.ifelse(event, first, followed - 1) // DAY_SECONDS + 1
    counted = (
        joined.mutate(day=day, event=ibis.ifelse(event, 1, 0))
        .group_by(["arm_id", "stratum", "day"])
        .aggregate(events=lambda t: t.event.sum(), units=lambda t: t.count())
    )
    columns = Columns(counted.to_pyarrow())
    code = {number: i for i, number in enumerate(arm_ids)}
    events = columns.floats("events")
    return LifeTable(
        arms=tuple(a.key for a in trial.arms),
        control=next(i for i, a in enumerate(trial.arms) if a.control),
        arm=np.array([code[int(a)] for a in columns.floats("arm_id")], dtype=np.int64),
        time=columns.floats("day"), events=events, censored=columns.floats("units") - events,
        stratum=key_of("stratum", columns.texts("stratum")) if has_strata(trial) else None,
    )  # fmt: skip
