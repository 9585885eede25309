"""How far each arm's units and contacts can be linked, counted where the log lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
from ibis import ir

from analysis.compress.engine import Log
from analysis.compress.frame import Asked
from analysis.linking import ArmLinking
from trials.definition.model import Trial
from trials.people.identifiers import KINDS
from trials.people.link_rates import ArmLinks, ArmOutcomes
from trials.store.tables import PEOPLE

_FIRST = len(PEOPLE) - len(KINDS)
"""Where the kinds begin in what people are known by: before them stands the unit itself."""


def linkable(named: ir.Table) -> ir.Table:
    """Units that an identifier of their own can find: ``unit_id`` and the strongest's ``tier``.

    ``named`` is the table of :func:`analysis.compress.log.holders`; a tier is a place in
    :data:`~trials.people.identifiers.KINDS`.
    """
    named = named.filter(named.place >= _FIRST)
    return named.group_by("unit_id").aggregate(tier=named.place.min() - _FIRST)


def by_arm(
    log: Log, units: ir.Table, can: ir.Table, linked: ir.Table | None, trial: Trial,
    arm_ids: Sequence[int], *, cutoff: int,
) -> list[ArmLinking]:  # fmt: skip
    """Units and contacts by arm, and by which kind of identifier they are linked."""
    joined = units.left_join(can, "unit_id")
    tiers = _counts(joined.group_by(["arm_id", "tier"]).aggregate(n=joined.count()), "tier")
    found = {} if linked is None else _contacts(linked)
    marked = {} if linked is None else _marked(log, units, linked, trial, cutoff)
    every = []
    for arm, number in zip(trial.arms, arm_ids, strict=True):
        mine = tiers.get(number, {})
        by_tier = {kind: mine[i] for i, kind in enumerate(KINDS) if mine.get(i)}
        every.append(ArmLinking(
            units=ArmLinks(arm=arm.key, total=sum(mine.values()), by_tier=by_tier),
            contacts=found.get(number, {}), marked=marked.get(arm.key),
        ))  # fmt: skip
    return every


def outcomes(
    valued: ir.Table, can: ir.Table, one: Asked, trial: Trial, arm_ids: Sequence[int]
) -> dict[str, ArmOutcomes]:
    """Matured units by arm, how many can be linked, and how many of them made contact."""
    used = valued.filter(valued[one.use] > 0)
    joined = used.left_join(can, "unit_id")
    known = ibis.ifelse(joined.tier.notnull(), 1, 0)
    counted = joined.group_by("arm_id").aggregate(
        units=joined.count(), linked=known.sum(),
        events=(ibis.ifelse(joined[f"{one.column}_y"] > 0, 1, 0) * known).sum(),
    )  # fmt: skip
    rows = {int(row["arm_id"]): row for row in counted.to_pyarrow().to_pylist()}
    return {
        arm.key: ArmOutcomes(units=int(rows[n]["units"]), linked=int(rows[n]["linked"]),
                             events=int(rows[n]["events"]))
        for arm, n in zip(trial.arms, arm_ids, strict=True) if n in rows
    }  # fmt: skip


def _contacts(linked: ir.Table) -> dict[int, dict[Any, int]]:
    counted = linked.group_by(["arm_id", "tier"]).aggregate(n=linked.contact.nunique())
    return {
        arm: {PEOPLE[tier]: n for tier, n in tiers.items()}
        for arm, tiers in _counts(counted, "tier").items()
    }


def _counts(table: ir.Table, by: str) -> dict[int, dict[Any, int]]:
    done: dict[int, dict[Any, int]] = {}
    for row in table.to_pyarrow().to_pylist():
        done.setdefault(int(row["arm_id"]), {})[row[by]] = int(row["n"])
    return done


def _marked(
    log: Log, units: ir.Table, linked: ir.Table, trial: Trial, cutoff: int
) -> Mapping[str, tuple[int, int]]:
    """Of the contacts that say themselves which arm they met: how many, how many are linked."""
    first = units.filter(units.start > 0).start.min().execute()
    if first is None or first != first:  # noqa: PLR0124 - NaN where nobody has a start
        return {}
    contacts = log.table("contacts")
    keys = [arm.key for arm in trial.arms]
    mine = contacts.filter(
        contacts.arm.isin(keys), contacts.occurred_at >= int(first), contacts.occurred_at <= cutoff
    ).select("id", "arm")
    known = linked.select(id=linked.contact).distinct().mutate(known=1)
    joined = mine.left_join(known, "id")
    counted = joined.group_by("arm").aggregate(
        total=joined.count(), known=ibis.coalesce(joined.known, 0).sum()
    )
    return {
        row["arm"]: (int(row["total"]), int(row["known"]))
        for row in counted.to_pyarrow().to_pylist()
    }
