"""Exposures and outcomes that arrive in batches: read, judged row by row, written durably.

Every row has its sender's own id. The same row again changes nothing, however late it comes: an
outcome resent after it was corrected does not undo the correction. A batch is taken whole or not at
all, unless its good rows are wanted anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from trials.definition.near import nearest
from trials.errors import Invalid, Problem
from trials.importing import ledger, values
from trials.importing.outcomes import MISSING, notes, parser
from trials.online.recorder import Entry
from trials.online.served import Served
from trials.online.service import Ask, Online, UnusableUnit, usable
from trials.people.identifiers import Hasher

Kind = Literal["exposures", "outcomes"]

LARGEST = 10_000
"""Rows in one batch; more come as a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One row as it was sent. ``arm`` is an exposure's, ``metric`` and ``value`` an outcome's."""

    id: str
    ask: Ask
    at: str | None
    arm: str | None = None
    metric: str | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row ready to be written: hashes and numbers only.

    ``value`` is ``None`` for an outcome that is blank; ``entry`` enrols a unit not yet known.
    """

    number: int
    id: bytes
    fingerprint: int
    digest: bytes
    at: int
    arm_id: int | None = None
    metric_id: int | None = None
    value: float | None = None
    entry: Entry | None = None


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one request brings, and what is wrong with it so far."""

    trial: Served
    kind: Kind
    size: int
    keep_good_rows: bool
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, number: int, says: str, remedy: str = "") -> None:
        """One more row that cannot be used; ``says`` never repeats what was sent."""
        self.problems.append(Problem(f"row {number}", says, remedy, number))

    @property
    def refused(self) -> bool:
        """Nothing of it is to be taken."""
        return bool(self.problems) and not self.keep_good_rows

    def refusal(self) -> Invalid:
        """The error that lists every problem in the order of the rows."""
        return Invalid(f"the {self.kind} cannot be used", self._sorted(), "nothing was taken in")

    def report(self, *, added: int, unchanged: int, corrected: int, blank: int) -> ledger.Report:
        """What became of it."""
        unread = Counter(
            m.key for row in self.rows for m in self.trial.trial.metrics
            if m.source == "contacts" and row.metric_id == self.trial.metric_ids[m.key]
        )  # fmt: skip
        return ledger.Report(
            kind=self.kind, file="the batch", rows=self.size, added=added, unchanged=unchanged,
            corrected=corrected, refused=len(self.problems), problems=tuple(self._sorted()),
            notes=notes(blank, unread), repeated=not (added or corrected or self.problems),
        )  # fmt: skip

    def _sorted(self) -> list[Problem]:
        return sorted(self.problems, key=lambda problem: problem.line or 0)


def read(
    online: Online, hasher: Hasher, trial: Served, kind: Kind, sent: Sequence[Sent],
    *, keep_good_rows: bool = False,
) -> Batch:  # fmt: skip
    """Judge what can be judged without the database.

    Raises:
        Invalid: there are no rows, or too many, or one cannot be used and not only the good ones
            are wanted; every problem is listed.
    """
    if not 1 <= len(sent) <= LARGEST:
        says = f"there are {len(sent):,}; send 1 to {LARGEST:,} at a time"
        raise Invalid(f"the {kind} cannot be used", [Problem("rows", says)])
    batch = Batch(trial=trial, kind=kind, size=len(sent), keep_good_rows=keep_good_rows)
    reader = _Reader(online, hasher, batch)
    for number, row in enumerate(sent, 1):
        try:
            batch.rows.append(reader(number, row))
        except (UnusableUnit, values.ValueRefused) as refused:
            says = refused.says if isinstance(refused, UnusableUnit) else str(refused)
            batch.refuse(number, says)
    if batch.refused:
        raise batch.refusal()
    return batch


class _Reader:
    """Turns sent rows into rows to be written; raises for what cannot be used."""

    def __init__(self, online: Online, hasher: Hasher, batch: Batch) -> None:
        self._online, self._hasher, self._batch = online, hasher, batch
        self._parse: Mapping[str, Callable[[str], float]] = {
            metric.key: parser(metric) for metric in batch.trial.trial.metrics
        }

    def __call__(self, number: int, sent: Sent) -> Row:
        trial, hasher = self._batch.trial, self._hasher
        if not sent.id.strip():
            raise values.ValueRefused("the id is blank")
        unit = usable(sent.ask.unit)
        exposure = self._batch.kind == "exposures"
        at = self._moment(sent, end_of_day=not exposure)
        arm, metric = self._arm(sent.arm), self._metric(sent.metric)
        value = None if sent.metric is None else self._value(sent.metric, sent.value)
        said = [self._batch.kind, sent.id, unit, at, sent.arm, sent.metric, value]
        return Row(
            number=number, id=hasher.unit("row", sent.id), fingerprint=_fingerprint(hasher, said),
            digest=hasher.unit(trial.scope, unit), at=at, arm_id=arm, metric_id=metric, value=value,
            entry=self._online.candidate(trial, sent.ask) if exposure else None,
        )  # fmt: skip

    def _moment(self, sent: Sent, *, end_of_day: bool) -> int:
        name = "observed_at" if end_of_day else "exposed_at"
        if sent.at is None:
            if end_of_day:
                return 0
            raise values.ValueRefused("exposed_at is missing")
        try:
            return values.moment(sent.at, end_of_day=end_of_day)
        except (values.ValueRefused, OverflowError) as refused:
            says = str(refused) if isinstance(refused, values.ValueRefused) else "is out of range"
            raise values.ValueRefused(f"{name} {says}") from None

    def _arm(self, arm: str | None) -> int | None:
        if arm is None:
            return None
        return _known("arm", arm, self._batch.trial.arm_ids)

    def _metric(self, metric: str | None) -> int | None:
        if metric is None:
            return None
        return _known("metric", metric, self._batch.trial.metric_ids)

    def _value(self, metric: str, text: str | None) -> float | None:
        if text is None or text.strip().casefold() in MISSING:
            return None
        try:
            return self._parse[metric](text)
        except values.ValueRefused as refused:
            raise values.ValueRefused(f"the value {refused}") from None


def _known(what: str, name: str, ids: Mapping[str, int]) -> int:
    if name not in ids:
        guess = nearest(name, ids)
        hint = f"; did you mean {guess!r}?" if guess else f"; use one of {', '.join(ids)}"
        raise values.ValueRefused(f"the {what} is not one of the trial's{hint}")
    return ids[name]


def _fingerprint(hasher: Hasher, said: Iterable[Any]) -> int:
    """63 bits that tell one row's content from another's, and nobody's without the key."""
    text = hashlib.sha256(json.dumps(list(said)).encode()).hexdigest()
    return int.from_bytes(hasher.unit("row-content", text)[:8]) >> 1
