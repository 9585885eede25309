"""What GOV.UK Notify says became of each message: a delivery is when its unit met its arm.

Only references that Signpost wrote are followed, so nothing personal is read. How far each message
got is kept, for the delivery ladder. Messages that failed, came back or are still on their way give
no exposure.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from trials import files, registry
from trials.contacts.reading import opened
from trials.contacts.record import Refused
from trials.contacts.sources import notify
from trials.contacts.sources.notify import Delivery
from trials.importing import exposures, ledger
from trials.people.identifiers import Hasher
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import ArmRow

COLUMNS: dict[str, staging.Kind] = {
    "line": "int", "digest": "bytes", "notification": "bytes", "rung": "text", "rank": "int",
    "message": "text", "at": "int",
}  # fmt: skip


def add(
    store: Store, key: str, path: Path, *, hasher: Hasher, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in Notify's statuses (its API's answers, callbacks or downloaded report).

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: there is no such trial.
    """
    with store.read() as session:
        record = registry.load(session, key)
        rows = session.execute(sa.select(ArmRow.key, ArmRow.id).where(ArmRow.trial_id == record.id))
        arms = dict(rows.tuples().all())
    refusals, told = Refusals(path.name), Counter[str]()
    read, count = _read(path, refusals)
    progress(count)
    with staging.stage(store, exposures=exposures.COLUMNS, deliveries=COLUMNS) as stages:
        staged, messages = [], []
        for one in notify.latest(read):
            if one.trial != key or one.unit is None:
                told["of other messages"] += 1
            elif one.arm not in arms:
                refusals.add(one.file_line, "the arm of the reference is not one of the trial's",
                             f"use one of {', '.join(arms)}")  # fmt: skip
            else:
                unit = bytes.fromhex(one.unit)
                messages.append((one.file_line, unit, _number(one, hasher), one.rung,
                                 notify.rank(one.rung), one.message, one.at))  # fmt: skip
                if one.rung == "delivered" and one.at is not None:
                    staged.append((one.file_line, unit, one.at, arms[one.arm]))
                else:
                    told[one.rung] += 1
        stages["exposures"].put(staged)
        stages["deliveries"].put(messages)
        exposures.refuse_strangers(stages, "deliveries", record.id, refusals)
        refusals.raise_any(keep_good_rows=keep_good_rows)
        with stages.merge() as session:
            added = exposures.merge(session, record.id)
            for statement in _MERGE:
                session.execute(sa.text(statement), {"trial": record.id})
            report = ledger.Report(
                kind="deliveries", file=path.name, rows=count, added=added,
                unchanged=max(len(staged) - added, 0), refused=refusals.count,
                problems=tuple(refusals.problems), detail={"not_delivered": dict(told)},
                notes=tuple(f"{n:,} {what}, not counted as met" for what, n in told.items()),
            )  # fmt: skip
            ledger.enter(session, report, trial_id=record.id, subject=key,
                         fingerprint=files.fingerprint(path), actor=actor)  # fmt: skip
    return report


def _number(one: Delivery, hasher: Hasher) -> bytes:
    """What a message is known by: Notify's number, or the unit where a report gives none."""
    return hasher.stable(f"notification:{one.notification or one.unit}")


_RANK = " ".join(f"WHEN '{rung}' THEN {notify.rank(rung)}" for rung in notify.RUNGS)
_MERGE = (
    f"""
    UPDATE deliveries SET (rung, at) = (
        SELECT s.rung, s.at FROM stage_deliveries s WHERE s.notification = deliveries.notification)
    WHERE trial_id = :trial AND EXISTS (
        SELECT 1 FROM stage_deliveries s WHERE s.notification = deliveries.notification
        AND s.rank >= CASE deliveries.rung {_RANK} END)
    """,
    """
    INSERT INTO deliveries (trial_id, unit_id, notification, rung, message, at)
    SELECT :trial, k.id, s.notification, s.rung, s.message, s.at FROM stage_deliveries s
    JOIN units k ON k.trial_id = :trial AND k.digest = s.digest
    WHERE NOT EXISTS (SELECT 1 FROM deliveries d
                      WHERE d.trial_id = :trial AND d.notification = s.notification)
    """,
)
"""A later file may tell more of the same message; an older one never takes it back."""


def _read(path: Path, refusals: Refusals) -> tuple[list[Delivery], int]:
    found: list[Delivery] = []
    count = 0
    with opened(path) as stream:
        for count, item in enumerate(notify.read(stream), 1):  # noqa: B007 - the last is the count
            if isinstance(item, Refused):
                refusals.add(item.file_line, item.says, item.remedy)
            else:
                found.append(item)
    return found, count
