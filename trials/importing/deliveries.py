"""What GOV.UK Notify says became of each message: a delivery is when its unit met its arm.

Only references that Signpost wrote are followed, so nothing personal is read. Messages that failed,
came back or are still on their way are counted and give no exposure.
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
from trials.refusals import Refusals
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import ArmRow


def add(
    store: Store, key: str, path: Path, *, hasher: object = None, actor: str,
    keep_good_rows: bool = False, progress: ledger.Progress = ledger.silent,
) -> ledger.Report:  # fmt: skip
    """Take in Notify's statuses (its API's answers, callbacks or downloaded report).

    Raises:
        Invalid: rows are refused; every one is listed with its line.
        NotFound: there is no such trial.
    """
    del hasher  # the references hold the hashes already
    with store.read() as session:
        record = registry.load(session, key)
        rows = session.execute(sa.select(ArmRow.key, ArmRow.id).where(ArmRow.trial_id == record.id))
        arms = dict(rows.tuples().all())
    refusals, told = Refusals(path.name), Counter[str]()
    read, count = _read(path, refusals)
    progress(count)
    with staging.stage(store, exposures=exposures.COLUMNS) as stages:
        staged = []
        for one in notify.latest(read):
            if one.trial != key or one.unit is None:
                told["of other messages"] += 1
            elif one.arm not in arms:
                refusals.add(
                    one.file_line, "the arm of the reference is not one of the trial's", ""
                )
            elif one.rung != "delivered" or one.at is None:
                told[one.rung] += 1
            else:
                staged.append((one.file_line, bytes.fromhex(one.unit), one.at, arms[one.arm]))
        stages["exposures"].put(staged)
        exposures.refuse_strangers(stages, "exposures", record.id, refusals)
        refusals.raise_any(keep_good_rows=keep_good_rows)
        with stages.merge() as session:
            added = exposures.merge(session, record.id)
            report = ledger.Report(
                kind="deliveries", file=path.name, rows=count, added=added,
                unchanged=max(len(staged) - added, 0), refused=refusals.count,
                problems=tuple(refusals.problems), detail={"not_delivered": dict(told)},
                notes=tuple(f"{n:,} {what}, not counted as met" for what, n in told.items()),
            )  # fmt: skip
            ledger.enter(session, report, trial_id=record.id, subject=key,
                         fingerprint=files.fingerprint(path), actor=actor)  # fmt: skip
    return report


def _read(path: Path, refusals: Refusals) -> tuple[list[Delivery], int]:
    found: list[Delivery] = []
    count = 0
    with opened(path) as stream:
        for count, item in enumerate(notify.read(stream), 1):  # noqa: B007 - the last is the count
            if isinstance(item, Refused):
                refusals.add(item.file_line, item.says, "")
            else:
                found.append(item)
    return found, count
