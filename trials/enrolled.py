"""A trial as its enrolment needs it, and who is in it, or in a rival, from earlier lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import registry
from trials.definition.model import Trial
from trials.designs import HELD_OUT
from trials.importing.columns import cluster_number, scope
from trials.people.identifiers import Hasher
from trials.sharing import Shared
from trials.store.tables import AssignmentRow, TrialRow, UnitRow


@dataclass(frozen=True, slots=True)
class Listed:
    """A trial, its seed, its arms as the store numbers them, and which of its lists this is."""

    record: registry.TrialRecord
    seed: int
    arm_ids: tuple[int, ...]
    batch: int
    hasher: Hasher
    shared: Shared

    @property
    def definition(self) -> Trial:
        """The plan as the registry keeps it."""
        return self.record.definition

    def cluster(self, cluster: str) -> int:
        """A cluster's number in the store."""
        return cluster_number(self.hasher, scope(self.definition), cluster)

    @property
    def name(self) -> str:
        """The trial as the draw names it: later lists of one trial draw afresh."""
        return self.record.key if self.batch == 1 else f"{self.record.key}/{self.batch}"


def drawn_clusters(session: Session, trial: Listed) -> dict[int, int]:
    """Arm codes of the clusters that earlier lists of this trial drew."""
    if trial.batch == 1 or trial.definition.design.kind != "cluster":
        return {}
    codes = {number: code for code, number in enumerate(trial.arm_ids)}
    rows = session.execute(
        sa.select(AssignmentRow.cluster, AssignmentRow.arm_id)
        .where(AssignmentRow.trial_id == trial.record.id, AssignmentRow.cluster.is_not(None))
        .distinct()
    )
    return {
        cluster: HELD_OUT if arm is None else codes[arm]
        for cluster, arm in rows if cluster is not None
    }  # fmt: skip


def rivals(session: Session, trial_id: int, trial: Trial) -> list[int]:
    """The other trials of a trial's namespace, by number."""
    namespace = trial.design.namespace
    if namespace is None:
        return []
    return [
        row.id for row in session.scalars(sa.select(TrialRow))
        if row.id != trial_id and row.definition.get("design", {}).get("namespace") == namespace
    ]  # fmt: skip


class Known:
    """Which units are in this trial already, and which in another of its namespace."""

    def __init__(self, session: Session, trial: Listed) -> None:
        self._session, self._trial = session, trial
        self._scope = scope(trial.definition)
        self._ids = {number: code for code, number in enumerate(trial.arm_ids)}
        self._namespace = rivals(session, trial.record.id, trial.definition)

    def among(self, keys: Sequence[str]) -> tuple[dict[str, int], set[str]]:
        """Of a batch: arm codes of units in this trial, and units in a rival trial."""
        trial_ids = [self._trial.record.id, *self._namespace]
        if self._trial.batch == 1 and not self._namespace:
            return {}, set()
        digests = {self._trial.hasher.unit(self._scope, key): key for key in keys}
        query = (
            sa.select(UnitRow.digest, UnitRow.trial_id, AssignmentRow.arm_id)
            .join(AssignmentRow, AssignmentRow.unit_id == UnitRow.id)
            .where(UnitRow.trial_id.in_(trial_ids))
        )
        known: dict[str, int] = {}
        elsewhere: set[str] = set()
        for some in _chunks(list(digests), 500):
            for digest, trial_id, arm_id in self._session.execute(
                query.where(UnitRow.digest.in_(some))
            ):
                key = digests[bytes(digest)]
                if trial_id == self._trial.record.id:
                    known[key] = HELD_OUT if arm_id is None else self._ids[arm_id]
                else:
                    elsewhere.add(key)
        return known, elsewhere


def _chunks(values: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
