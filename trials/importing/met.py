"""Exposures as other systems tell them: GA4's experience events.

A visitor is found by the session, if exactly one unit of the trial has it. Nobody is assigned by
guess.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import sqlalchemy as sa

from trials import files, registry
from trials.contacts.reading import opened
from trials.contacts.record import Refused
from trials.contacts.sources import google_analytics
from trials.errors import NotFound
from trials.importing import exposures, ledger
from trials.importing.columns import link_number
from trials.people.identifiers import Hasher, Kind
from trials.plurals import counted
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import ArmRow

COLUMNS: dict[str, staging.Kind] = {
    **exposures.COLUMNS, "kind": "text", "number": "int",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """Somebody who has this identifier met an arm."""

    file_line: int
    at: int
    arm: str
    identifier: tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Passed:
    """A sound row that is no exposure in this trial, and why in a few words."""

    why: str


Item = Met | Passed | Refused


def add(
    store: Store, key: str, path: Path, *, source: str, hasher: Hasher, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in an export of ``ga4``: whole or not at all, and twice without harm.

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: there is no such trial or source.
    """
    if source not in READERS:
        raise NotFound(f"no exposures come from {source!r}", f"use one of {', '.join(READERS)}")
    fingerprint = files.fingerprint(path)
    with store.read() as session:
        trial_id = registry.load(session, key).id
        earlier = ledger.seen_before(
            session, trial_id=trial_id, kind="exposures", fingerprint=fingerprint
        )
        rows = session.execute(sa.select(ArmRow.key, ArmRow.id).where(ArmRow.trial_id == trial_id))
        arms = {name: number for name, number in rows}  # noqa: C416 - rows are not plain tuples
    if earlier is not None:
        return ledger.repeated(earlier, path.name)
    refusals, passed, count = Refusals(path.name), Counter[str](), 0
    with staging.stage(store, exposures=COLUMNS) as stages:
        with opened(path) as stream:
            batch: list[tuple[object, ...]] = []
            for item in READERS[source](stream, key, arms):
                count += 1
                row = _row(item, arms, hasher, refusals, passed)
                if row is not None:
                    batch.append(row)
                if len(batch) >= ledger.BATCH:
                    stages["exposures"].put(batch)
                    batch = []
                    progress(count)
            stages["exposures"].put(batch)
        refusals.raise_any(keep_good_rows=keep_good_rows)
        _find(stages, trial_id, passed)
        with stages.merge() as session:
            added = exposures.merge(session, trial_id)
            report = ledger.Report(
                kind="exposures", file=path.name, rows=count, added=added,
                unchanged=count - refusals.count - sum(passed.values()) - added,
                refused=refusals.count, problems=tuple(refusals.problems),
                notes=tuple(f"{counted(n, 'row')} left out: {why}"
                            for why, n in passed.most_common()),
            )  # fmt: skip
            ledger.enter(session, report, trial_id=trial_id, subject=key,
                         fingerprint=fingerprint, actor=actor)  # fmt: skip
    return report


def _row(
    item: Item, arms: dict[str, int], hasher: Hasher, refusals: Refusals, passed: Counter[str]
) -> tuple[object, ...] | None:
    if isinstance(item, Refused) and not item.left_out:
        refusals.add(item.file_line, item.says, item.remedy, place=item.place)
    elif isinstance(item, Refused):
        passed[item.says] += 1
    elif isinstance(item, Passed):
        passed[item.why] += 1
    elif item.arm not in arms:
        refusals.add(item.file_line, "it names an arm that the trial does not have",
                     f"name the variants as the arms: {', '.join(arms)}")  # fmt: skip
    else:
        number = link_number(hasher.digest(*item.identifier))
        return item.file_line, None, item.at, arms[item.arm], item.identifier[0], number
    return None


def _find(stages: staging.Staging, trial_id: int, passed: Counter[str]) -> None:
    """Give each row the unit that it is about; those about nobody here are left out and counted."""
    stages.connection.execute(sa.text(_BY_IDENTIFIER), {"trial": trial_id})
    ((nobody,),) = stages["exposures"].query(
        "SELECT count(*) FROM stage_exposures WHERE digest IS NULL"
    )
    if nobody:
        passed["no unit, or more than one, of this trial is known by it"] += nobody
        stages.connection.execute(sa.text("DELETE FROM stage_exposures WHERE digest IS NULL"))


_BY_IDENTIFIER: Final = """
    UPDATE stage_exposures SET digest = (
        SELECT k.digest FROM units k WHERE k.id = (
            SELECT min(i.unit_id) FROM identifiers i JOIN units u ON u.id = i.unit_id
            WHERE u.trial_id = :trial AND i.kind = stage_exposures.kind
            AND i.number = stage_exposures.number HAVING count(*) = 1))
    WHERE digest IS NULL AND number IS NOT NULL"""


def _ga4(stream: IO[bytes], key: str, arms: Collection[str]) -> Iterator[Item]:
    """Impressions of the experiment that is named like the trial; both names may hold dashes."""
    for item in google_analytics.read(stream):
        if isinstance(item, Refused):
            yield item
            continue
        whole = f"{item.experiment}-{item.arm}"
        arm = whole.removeprefix(f"{key}-")
        if arm not in arms and item.experiment != key:
            yield Passed("they are of another experiment")
        else:
            yield Met(file_line=item.file_line, at=item.seen_at, arm=arm,
                      identifier=("session", item.session))  # fmt: skip


READERS: Final[dict[str, Callable[[IO[bytes], str, Collection[str]], Iterator[Item]]]] = {
    google_analytics.NAME: _ga4,
}  # fmt: skip
