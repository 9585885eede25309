"""Writing down who was given what, behind the request: many at a time, each once, first one kept.

Nothing is lost for good when a process dies before it has written: the arm follows from the id,
so the unit is recorded when it is next met, or when its exposure is sent.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import sqlalchemy as sa

from trials import clock
from trials.errors import SignpostError
from trials.importing.assignments import IDENTIFIERS, UNITS, merge
from trials.store import staging
from trials.store.engine import Store
from trials.store.tables import TurnedAwayRow
from trials.store.upsert import insert

EVERY = 0.05
"""Seconds between writes: one commit serves everybody met meanwhile."""
AT_ONCE = 5_000
LONGEST_QUEUE = 100_000
_RETRY = 0.5
_LAST_TRIES = 10
_REMEMBERED = 200_000
_log = logging.getLogger("signpost.online")


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment: hashes and numbers only. No arm means held out."""

    trial_id: int
    digest: bytes
    arm_id: int | None
    at: int
    probability: float
    attributes: str | None
    identifiers: tuple[tuple[str, int], ...]

    @property
    def name(self) -> tuple[int, bytes, int]:
        """What makes two entries the same: the unit, and how much is known of it."""
        return self.trial_id, self.digest, len(self.identifiers)


def document(columns: Iterable[str], given: Mapping[str, str]) -> str | None:
    """The attributes that the plan uses, as JSON text; a column not given is blank.

    Half characters become question marks: one entry that cannot be written would hold up all.
    """
    values = {name: given.get(name, "").strip() for name in columns}
    if not values:
        return None
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def write(store: Store, entries: Iterable[Entry]) -> None:
    """Make the entries durable; a unit that is there already keeps what it has.

    Raises:
        SignpostError: the database cannot be written to.
    """
    trials: dict[int, dict[bytes, Entry]] = {}
    for entry in entries:
        kept = trials.setdefault(entry.trial_id, {}).setdefault(entry.digest, entry)
        if len(entry.identifiers) > len(kept.identifiers):
            trials[entry.trial_id][entry.digest] = entry
    for trial_id, units in trials.items():
        try:
            _merge(store, trial_id, units)
        except sa.exc.IntegrityError:  # another process recorded one of them meanwhile
            _merge(store, trial_id, units)


def _merge(store: Store, trial_id: int, units: Mapping[bytes, Entry]) -> None:
    with staging.stage(store, units=UNITS, identifiers=IDENTIFIERS) as stages:
        stages["units"].put([
            (line, e.digest, e.arm_id, e.at, None, None, e.attributes, None, e.probability)
            for line, e in enumerate(units.values(), 1)
        ])  # fmt: skip
        stages["identifiers"].put(
            [(e.digest, kind, number) for e in units.values() for kind, number in e.identifiers]
        )
        with stages.merge():
            merge(stages, trial_id)


class Recorder:
    """The queue and the thread that empties it.

    Attributes:
        lost: how many times since the start somebody was left out of a trial and that could not be
            kept, for the database was away for too long. Whoever asks again is written down then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[Entry] = deque()
        self._names: set[tuple[int, bytes, int]] = set()
        self._turned: dict[tuple[int, bytes, str], int] = {}
        self._told: set[tuple[int, bytes, str]] = set()
        self._writing = threading.Lock()
        self._wake, self._end = threading.Event(), threading.Event()
        self._full = False
        self._counting = threading.Lock()
        self._lost_now = 0
        self.lost = 0

    def start(self) -> None:
        """Begin to write in the background."""
        threading.Thread(target=self._run, name="signpost-recorder", daemon=True).start()

    def met(self, trial_id: int, digest: bytes, identifiers: int) -> bool:
        """Whether a unit was met lately, known by so many identifiers beside its own id."""
        return (trial_id, digest, identifiers + 1) in self._names

    def put(self, entry: Entry) -> None:
        """Have ``entry`` written soon. Units met lately are passed over; never waits."""
        if entry.name in self._names:
            return
        if len(self._queue) >= LONGEST_QUEUE:
            if not self._full:
                _log.error("assignments cannot be written; units met from now on are recorded "
                           "when they are next met")  # fmt: skip
            self._full = True
            return
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        self._names.add(entry.name)
        self._queue.append(entry)
        self._wake.set()

    def turn_away(self, trial_id: int, digest: bytes, reason: str) -> None:
        """Have it written soon that a unit asked and was left out, and why; never waits.

        Whoever was written down lately is passed over, so that asking again costs no write.
        """
        name = trial_id, digest, reason
        if name in self._told or name in self._turned:
            return
        if len(self._turned) >= LONGEST_QUEUE:
            self._lose()
            return
        self._turned[name] = clock.epoch(clock.now())
        self._wake.set()

    def _lose(self) -> None:
        with self._counting:
            if not self._lost_now:
                _log.error("refusals cannot be written; those from now on are only counted")
            self._lost_now += 1
            self.lost += 1

    def flush(self) -> None:
        """Write everything that waits. Raises ``SignpostError`` when the database refuses."""
        with self._writing:
            while self._queue:
                some = [self._queue.popleft() for _ in range(min(len(self._queue), AT_ONCE))]
                try:
                    write(self._store, some)
                except BaseException:
                    self._queue.extendleft(reversed(some))
                    raise
            self._write_turned()
            self._full = False
        self._tell_lost()

    def _tell_lost(self) -> None:
        """Say once the database is back how many refusals went unwritten meanwhile."""
        with self._counting:
            lost, self._lost_now = self._lost_now, 0
        if lost:
            _log.error("the database is back; %d refusals met while it was away were not written, "
                       "so the trials' counts of who was left out are too low", lost)  # fmt: skip

    def _write_turned(self) -> None:
        waiting = iter(dict(self._turned).items())
        while some := dict(islice(waiting, AT_ONCE)):
            with self._store.write() as session:
                session.execute(insert(session, TurnedAwayRow).on_conflict_do_nothing(), [
                    {"trial_id": trial, "digest": digest, "reason": reason, "at": at}
                    for (trial, digest, reason), at in some.items()
                ])  # fmt: skip
            if len(self._told) >= _REMEMBERED:
                self._told.clear()
            self._told |= some.keys()
            for name in some:
                self._turned.pop(name, None)

    def close(self) -> None:
        """Stop, after some last attempts to write: another process may hold the database."""
        self._end.set()
        self._wake.set()
        for _ in range(_LAST_TRIES):
            try:
                self.flush()
            except (SignpostError, sa.exc.SQLAlchemyError) as failure:
                why = type(failure).__name__
                time.sleep(_RETRY)
            else:
                return
        says = "%d assignments were not written (%s); they are when those units are next met"
        _log.error(says, len(self._queue), why)

    def _run(self) -> None:
        while not self._end.is_set():
            self._wake.wait()
            self._end.wait(EVERY)
            self._wake.clear()
            try:
                self.flush()
            except Exception as failure:  # noqa: BLE001 - whatever it was, the recorder goes on
                _log.warning("assignments wait to be written (%s)", type(failure).__name__)
                self._end.wait(_RETRY)
                self._wake.set()
