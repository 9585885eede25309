"""What trials share: people kept out of every one, and namespaces whose people are divided.

Both follow from an id alone, so that two doors asked at the same moment cannot give one person to
two trials: a trial that meets people one at a time claims its share of a namespace at launch, under
a lock, and every other trial of the namespace leaves those people to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.definition.model import Trial
from trials.designs.bucketing import Split, Step
from trials.designs.namespace import SEGMENTS, Claim, Namespace
from trials.errors import SignpostError
from trials.store.tables import ClaimRow, SealRow, SharedHoldoutRow, TrialRow

FREED_AFTER = timedelta(minutes=1)
"""How long a stopped trial keeps its share, so that every server has heard of the stop."""
_LOCK = 0x5349474E53
_ENDED = ("stopped", "decided")


@dataclass(frozen=True, slots=True)
class Shared:
    """Which units a trial has to leave alone.

    Attributes:
        holdout: share of everybody kept out of all trials, as it stood at launch.
        namespace: its key, its epoch and the segments that the trial claimed, if it did.
        divided: other trials have claimed shares of the namespace and this one has none.
    """

    holdout: float = 0.0
    namespace: tuple[str, int, frozenset[int]] | None = None
    divided: bool = False

    def gate(self) -> Callable[[str], str | None]:
        """Says why a unit (or, in a cluster design, a cluster) is left alone, if it is."""
        if not self.holdout and self.namespace is None:
            return lambda _unit: None
        assign = Split(
            trial="-", arms=("in",), steps=(Step(1.0, (1.0,)),), global_holdout=self.holdout,
            namespace=self.namespace,
        ).assigner()  # fmt: skip

        def refused(unit: str) -> str | None:
            reason = assign(unit).reason
            return reason if reason in ("global-holdout", "outside-namespace") else None

        return refused


def set_holdout(session: Session, share: float, *, actor: str) -> None:
    """Keep this share of everybody out of all trials launched from now on.

    Raises:
        SignpostError: the share is not between 0 and a half.
    """
    if not 0 <= share <= 0.5:
        raise SignpostError(f"{share} cannot be kept out of every trial",
                            "give a share from 0 to 0.5, such as 0.05")  # fmt: skip
    before = holdout(session)
    session.add(SharedHoldoutRow(share=share, since=clock.now(), set_by=actor))
    session.flush()
    audit.record(session, "shared holdout set", "trials", actor=actor,
                 detail={"before": before, "after": share})  # fmt: skip


def holdout(session: Session) -> float:
    """The share that a trial launched now keeps out."""
    newest = sa.select(SharedHoldoutRow.share).order_by(SharedHoldoutRow.id.desc()).limit(1)
    return session.scalar(newest) or 0.0


def claim(session: Session, row: TrialRow, trial: Trial) -> None:
    """Take the trial's share of its namespace, if it asks for one.

    Raises:
        Conflict: less than that is free.
    """
    design = trial.design
    if design.namespace is None or design.namespace_share is None:
        return
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    held = _namespace(session, design.namespace).claim(trial.key, design.namespace_share)
    segments = held.held_by(trial.key)[2]
    bits = sum(1 << segment for segment in segments).to_bytes(SEGMENTS // 8, "big")
    session.add(ClaimRow(trial_id=row.id, namespace=design.namespace, segments=bits))
    session.flush()


def of(session: Session, trial_id: int, trial: Trial) -> Shared:
    """What a launched trial has to leave alone."""
    seal = session.get(SealRow, trial_id)
    share = seal.shared_holdout if seal else 0.0
    name = trial.design.namespace
    if name is None:
        return Shared(share)
    own = session.get(ClaimRow, trial_id)
    if own is not None:
        return Shared(share, (name, 1, _segments(own.segments)))
    return Shared(share, divided=bool(_namespace(session, name).claims))


def _namespace(session: Session, name: str) -> Namespace:
    """The namespace as the trials that still run divide it."""
    rows = session.execute(
        sa.select(TrialRow.key, TrialRow.state, TrialRow.updated_at, ClaimRow.segments)
        .join(ClaimRow, ClaimRow.trial_id == TrialRow.id)
        .where(ClaimRow.namespace == name)
        .order_by(TrialRow.id)
    )
    heard = clock.now() - FREED_AFTER
    return Namespace(name, claims=tuple(
        Claim(key, _segments(bits)) for key, state, at, bits in rows
        if state not in _ENDED or at > heard
    ))  # fmt: skip


def _segments(bits: bytes) -> frozenset[int]:
    whole = int.from_bytes(bits, "big")
    return frozenset(segment for segment in range(SEGMENTS) if whole >> segment & 1)
