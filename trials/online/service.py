"""Which arm somebody gets, asked at the moment of contact.

An answer needs no write and, for a trial that meets its units one at a time, no database at all:
trials and keys are held in memory and refreshed every few seconds, and the arm follows from the id.
When the database is locked or lost, the last known trials are answered from. Whoever is not in the
trial is given the control: held out, not on the list, not eligible, paused, stopped.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.util import Finalize
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from trials import apikeys, clock
from trials.errors import NotFound, SignpostError, Unavailable
from trials.importing.columns import link_number, stratum_label, unit_problem
from trials.online import recorder, served
from trials.online.adaptive import Adaptive
from trials.online.served import Served
from trials.people import left_out
from trials.people.identifiers import Hasher, Kind, Refusal, normalise
from trials.people.left_out import Mark
from trials.store.engine import Store
from trials.store.tables import AssignmentRow, UnitRow

REFRESH = 2.0
"""Seconds after which a pause, a launch or a revoked key is known everywhere."""
PATIENCE = 5.0
"""Seconds for which a database that failed is left alone."""
CONCEALED = ("webchat",)
"""Channels where staff could choose whom to let in: an arm is told only by enrolling the unit."""
_SOONEST = 0.25
_REMEMBERED = 100_000
_LONGEST_STRATUM = 500
_UNSTORABLE = re.compile("[\x00-\x1f\ud800-\udfff]")

_Kept = TypeVar("_Kept")
_Name = tuple[int, bytes]
"""A trial's number and a unit's digest in it."""
_Names = frozenset[_Name]

Reason = Literal[
    "split", "listed", "holdout", "excluded", "eligibility-not-known", "not-enrolled",
    "store-unreachable", "disabled", "objected", "never-trial", "erased",
    "stratum-not-known", "global-holdout", "outside-namespace", "outside-coverage",
    "in-another-trial",
]  # fmt: skip


class UnusableUnit(SignpostError):
    """The id of a unit is blank, too long or no text. The message never repeats it."""

    code = "unusable-unit"
    status = 422


@dataclass(frozen=True, slots=True)
class Ask:
    """Who is asked about: the unit's id, what the plan needs to know, how contacts name it."""

    unit: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[Kind, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody gets. ``enrolled`` says whether they count in the trial."""

    trial: str
    arm: str
    value: Any
    reason: Reason
    control: bool
    version: int

    @property
    def enrolled(self) -> bool:
        """The unit is in the trial, in an arm or in its holdout."""
        return self.reason in ("split", "listed", "holdout")


@dataclass(frozen=True, slots=True)
class _Known:
    """Trials and keys as they were last read."""

    trials: Mapping[str, Served]
    keys: Mapping[bytes, apikeys.ApiKey]
    left_out: Mapping[int | None, Mapping[tuple[str, int], left_out.Entry]]
    listed: Mark


class Online:
    """The service. One for each process; threads start with the first question."""

    def __init__(self, store: Store, hasher: Hasher, *, refresh: float = REFRESH) -> None:
        self._store, self._hasher, self._every = store, hasher, refresh
        self.recorder = recorder.Recorder(store)
        self._known: _Known | None = None
        self._loading, self._end = threading.Lock(), threading.Event()
        self._read_at = self._down_until = float("-inf")
        self._stored: dict[tuple[int, bytes], int | None] = {}
        self._rivals: dict[tuple[int, bytes], bool] = {}
        self._finalizer: Finalize | None = None

    def key(self, secret: str) -> apikeys.ApiKey | None:
        """The key that has this secret, if it may still be used. Raises ``Unavailable``."""
        digest = apikeys.digest(secret)
        found = self._now().keys.get(digest)
        if found is None and self._reread():
            found = self._now().keys.get(digest)
        return found

    def trial(self, key: str) -> Served:
        """The trial called ``key``. Raises ``NotFound`` or ``Unavailable``."""
        found = self._now().trials.get(key)
        if found is None and self._reread():
            found = self._now().trials.get(key)
        if found is None:
            raise NotFound("there is no trial of this key", "check how it is spelled")
        return found

    def trials(self) -> list[Served]:
        """Every trial that is live and can be asked about, by key."""
        known = self._now().trials.values()
        return sorted((t for t in known if t.state == "live" and t.open), key=lambda t: t.key)

    def assign(self, key: str, ask: Ask, *, record: bool = True) -> Answer:
        """What a unit gets; a unit met for the first time is recorded soon after.

        Raises:
            NotFound: there is no such trial.
            UnusableUnit: the id cannot be used.
            Unavailable: nothing has been read from the database yet.
        """
        return self.answer(self.trial(key), ask, record=record)

    def answers(self, ask: Ask) -> list[Answer]:
        """What a unit would get in every live trial, none of it recorded; one read at the most.

        Raises:
            UnusableUnit: the id cannot be used.
            Unavailable: nothing has been read from the database yet.
        """
        trials, unit = self.trials(), usable(ask.unit)
        unmet = self._read_ahead(trials, unit)
        return [self.answer(t, ask, record=False, unmet=unmet) for t in trials]

    def answer(
        self, trial: Served, ask: Ask, *, record: bool = True, unmet: _Names = frozenset()
    ) -> Answer:
        """The same for a trial at hand; ``unmet`` names whom it has not met, as far as known."""
        unit = usable(ask.unit)
        if trial.state != "live":
            return _control(trial, "disabled")
        digest = self._hasher.unit(trial.scope, unit)
        turned = self._turned_away(trial, digest, unit, ask, record=record, unmet=unmet)
        if turned is not None:
            return turned
        if trial.adaptive is not None:
            entry = self.entry(trial, digest, None, unit, ask)
            return self._adaptively(trial, trial.adaptive, entry, unit, record=record)
        if trial.assigner is None:
            return self._within(trial, digest, unit, ask, record=record)
        return self._bucketed(trial, digest, unit, ask, record=record)

    def _bucketed(
        self, trial: Served, digest: bytes, unit: str, ask: Ask, *, record: bool
    ) -> Answer:  # fmt: skip
        """The arm that follows from the id."""
        assert trial.assigner is not None
        if not record and trial.trial.about.channel in CONCEALED:
            return _control(trial, "not-enrolled")
        arm, _, why, _ = trial.assigner(unit)
        if why == "outside-coverage":
            return self._away(trial, digest, why, record=record)
        if record and not self.recorder.met(trial.id, digest, len(ask.identifiers)):
            self.recorder.put(self.entry(trial, digest, arm, unit, ask))
        return _control(trial, "holdout") if arm is None else _given(trial, arm, "split")

    def _turned_away(
        self, trial: Served, digest: bytes, unit: str, ask: Ask, *, record: bool, unmet: _Names
    ) -> Answer | None:
        """What a unit gets that was met before or takes no part; ``None`` for one to take on."""
        reason: str | None = None
        if entry := self._absent(trial, unit, ask):
            reason = entry.reason
        elif (trial.needs_store and (trial.id, digest) not in unmet
              and (kept := self._look_up(trial, digest)) is not None):  # fmt: skip
            return kept
        elif not trial.open:
            reachable = time.monotonic() >= self._down_until
            reason = "not-enrolled" if reachable else "store-unreachable"
        else:
            reason = (trial.ineligible(ask.attributes) or trial.left_alone(unit)
                      or self._elsewhere(trial, digest))  # fmt: skip
        return None if reason is None else self._away(trial, digest, reason, record=record)

    def _away(self, trial: Served, digest: bytes, reason: str, *, record: bool) -> Answer:
        """The control, for ``reason``, which is written down once the database can be reached."""
        if record:
            self.recorder.turn_away(trial.id, digest, reason)
        return _control(trial, reason)  # type: ignore[arg-type]

    def _elsewhere(self, trial: Served, digest: bytes) -> str | None:
        """Whether another trial of the namespace has had this unit.

        The answer is kept: those trials leave this one's segments alone from its launch on.
        """
        if not trial.rivals:
            return None
        name = (trial.id, digest)
        if name not in self._rivals:
            if time.monotonic() < self._down_until:
                return "store-unreachable"
            query = sa.select(UnitRow.id).where(
                UnitRow.digest == digest, UnitRow.trial_id.in_(trial.rivals)
            )
            try:
                with self._store.read() as session:
                    found = session.scalar(query.limit(1)) is not None
            except (SignpostError, sa.exc.SQLAlchemyError):
                self._down_until = time.monotonic() + PATIENCE
                return "store-unreachable"
            _keep(self._rivals, name, found)
        return "in-another-trial" if self._rivals[name] else None

    def _within(self, trial: Served, digest: bytes, unit: str, ask: Ask, *, record: bool) -> Answer:
        """Enrol a unit within its stratum, at once; without the database nobody is enrolled."""
        assert trial.strata is not None
        levels = tuple(ask.attributes.get(name, "").strip() for name in trial.strata.columns)
        if not all(map(_a_level, levels)) or len(stratum_label(levels) or "") > _LONGEST_STRATUM:
            return self._away(trial, digest, "stratum-not-known", record=record)
        if trial.strata.held_out(unit):
            if record:
                self.recorder.put(self.entry(trial, digest, None, unit, ask))
            return _control(trial, "holdout")
        if not record:
            return _control(trial, "not-enrolled")
        if time.monotonic() < self._down_until:
            return self._away(trial, digest, "store-unreachable", record=record)
        keys = trial.strata.arms
        entry = self.entry(trial, digest, keys[0], unit, ask)
        try:
            code = trial.strata.enrol(
                self._store, entry, levels, tuple(trial.arm_ids[key] for key in keys)
            )
        except (SignpostError, sa.exc.SQLAlchemyError):
            return self._away(trial, digest, "store-unreachable", record=record)
        return _given(trial, keys[code], "split")

    def _adaptively(
        self, trial: Served, adaptive: Adaptive, entry: recorder.Entry, unit: str, *, record: bool
    ) -> Answer:
        """Enrol a unit under the present shares, at once; without the database nobody is."""
        arm, _, why, _ = adaptive.assigner(unit)
        if why == "outside-coverage":
            return self._away(trial, entry.digest, why, record=record)
        if not record:
            return _control(trial, "not-enrolled")
        if time.monotonic() < self._down_until:
            return self._away(trial, entry.digest, "store-unreachable", record=record)
        chance = trial.probability(None) if arm is None else adaptive.chance(trial.trial, arm)
        entry = replace(entry, arm_id=None if arm is None else trial.arm_ids[arm],
                        probability=chance)  # fmt: skip
        try:
            given = adaptive.enrol(self._store, entry)
        except (SignpostError, sa.exc.SQLAlchemyError):
            return self._away(trial, entry.digest, "store-unreachable", record=record)
        kept = next((key for key, number in trial.arm_ids.items() if number == given), None)
        return _control(trial, "holdout") if kept is None else _given(trial, kept, "split")

    def candidate(self, trial: Served, ask: Ask) -> recorder.Entry | None:
        """What enrols a unit that is first heard of by its exposure; ``None`` where nothing can.

        Raises:
            UnusableUnit: the id cannot be used.
        """
        unit = usable(ask.unit)
        if not trial.open or trial.state != "live" or trial.assigner is None:
            return None
        if trial.ineligible(ask.attributes) or self._absent(trial, unit, ask):
            return None
        digest = self._hasher.unit(trial.scope, unit)
        if trial.left_alone(unit) or self._elsewhere(trial, digest):
            return None
        arm, _, why, _ = trial.assigner(unit)
        return None if why == "outside-coverage" else self.entry(trial, digest, arm, unit, ask)

    def close(self) -> None:
        """Stop refreshing and write what waits."""
        self._end.set()
        self.recorder.close()
        if self._finalizer is not None:
            self._finalizer.cancel()

    def entry(
        self, trial: Served, digest: bytes, arm: str | None, unit: str, ask: Ask
    ) -> recorder.Entry:
        """What is written down about a unit that was given ``arm`` (none: held out)."""
        numbers = self._numbers(unit, ask)
        return recorder.Entry(
            trial.id, digest, None if arm is None else trial.arm_ids[arm],
            clock.epoch(clock.now()), trial.probability(arm),
            recorder.document(trial.trial.columns, ask.attributes), tuple(numbers),
        )  # fmt: skip

    def _numbers(self, unit: str, ask: Ask) -> list[tuple[str, int]]:
        """What the unit and its contacts are joined on, by kind."""
        numbers: list[tuple[str, int]] = [("unit", link_number(self._hasher.unit("", unit)))]
        for kind, raw in ask.identifiers.items():
            written = normalise(kind, raw)
            if not isinstance(written, Refusal):
                numbers.append((kind, link_number(self._hasher.digest(kind, written))))
        return numbers

    def _absent(self, trial: Served, unit: str, ask: Ask) -> left_out.Entry | None:
        """Why somebody takes no part whatever the plan says: an objection, a never-trial list."""
        lists = self._now().left_out
        if not lists:
            return None
        absent = left_out.of(lists, trial.id)
        return absent.among(self._numbers(unit, ask)) if absent else None

    def _look_up(self, trial: Served, digest: bytes) -> Answer | None:
        """What a unit was given before; ``None`` where it was not, or cannot be known now."""
        name = (trial.id, digest)
        if name not in self._stored:
            if time.monotonic() < self._down_until:
                return None
            try:
                with self._store.read() as session:
                    row = session.execute(_KEPT, {"trial": trial.id, "digest": digest}).first()
            except (SignpostError, sa.exc.SQLAlchemyError):
                self._down_until = time.monotonic() + PATIENCE
                return None
            if row is None:
                return None
            _keep(self._stored, name, row[0])
        number = self._stored[name]
        arm = next((key for key, own in trial.arm_ids.items() if own == number), None)
        reason: Reason = "split" if trial.open else "listed"
        return _control(trial, "holdout") if arm is None else _given(trial, arm, reason)

    def _read_ahead(self, trials: list[Served], unit: str) -> _Names:
        """Read at once all that the trials would look up of a unit; answers where it is not met."""
        names = {t.id: (t.id, self._hasher.unit(t.scope, unit)) for t in trials}
        kept = {names[t.id] for t in trials if t.needs_store} - self._stored.keys()
        shared = [t for t in trials if t.rivals and names[t.id] not in self._rivals]
        rivals = {(number, names[t.id][1]) for t in shared for number in t.rivals}
        if not kept | rivals or time.monotonic() < self._down_until:
            return frozenset()
        query = sa.select(UnitRow.trial_id, UnitRow.digest, AssignmentRow.unit_id,
                          AssignmentRow.arm_id)  # fmt: skip
        query = query.outerjoin(AssignmentRow, AssignmentRow.unit_id == UnitRow.id).where(
            UnitRow.trial_id.in_({number for number, _ in kept | rivals}),
            UnitRow.digest.in_({digest for _, digest in kept | rivals}),
        )
        try:
            with self._store.read() as session:
                rows = {(n, bytes(d)): (who, arm) for n, d, who, arm in session.execute(query)}
        except (SignpostError, sa.exc.SQLAlchemyError):
            self._down_until = time.monotonic() + PATIENCE
            return frozenset()
        given = {name: arm for name, (who, arm) in rows.items() if who is not None}
        for name in kept & given.keys():
            _keep(self._stored, name, given[name])
        for trial in shared:
            name = names[trial.id]
            _keep(self._rivals, name, any((n, name[1]) in rows for n in trial.rivals))
        return frozenset(kept - given.keys())

    def _now(self) -> _Known:
        known = self._known
        if known is not None:
            return known
        with self._loading:
            if self._known is None:
                self._known = self._load()
                self._start()
            return self._known

    def _start(self) -> None:
        self.recorder.start()
        threading.Thread(target=self._refresh, name="signpost-refresh", daemon=True).start()
        self._finalizer = Finalize(None, self.recorder.close, exitpriority=100)

    def _load(self) -> _Known:
        """Read trials and keys. Raises ``Unavailable`` when the database cannot be used."""
        self._read_at = time.monotonic()
        known = self._known
        try:
            with self._store.read() as session:
                trials = served.load(session, known.trials if known else {})
                mark = left_out.mark(session)
                same = known is not None and known.listed == mark
                lists = known.left_out if known and same else left_out.every(session)
                return _Known(trials, apikeys.usable(session), lists, mark)
        except (SignpostError, sa.exc.SQLAlchemyError) as failure:
            self._down_until = time.monotonic() + PATIENCE
            says = "the trials cannot be read from the database"
            raise Unavailable(says, "show the control and try again in a moment") from failure

    def _reread(self) -> bool:
        """Read again at once, for what was launched or made this moment; seldom, never in need."""
        with self._loading:
            now = time.monotonic()
            if now < self._read_at + _SOONEST or now < self._down_until:
                return False
            return self._try()

    def reload(self) -> None:
        """Read again now, for what this process has changed itself."""
        with self._loading:
            self._try()

    def _refresh(self) -> None:
        while not self._end.wait(self._every):
            with self._loading:
                self._try()

    def _try(self) -> bool:
        try:
            self._known = self._load()
        except Unavailable:
            return False
        self._down_until = float("-inf")
        return True


def _keep(memory: dict[_Name, _Kept], name: _Name, what: _Kept) -> None:
    """Remember, within bounds."""
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[name] = what


def usable(unit: str) -> str:
    """The id without blanks around it. Raises ``UnusableUnit``."""
    name = unit.strip()
    says = unit_problem(name)
    if says is None and any("\ud800" <= c <= "\udfff" for c in name):
        says = "the unit is not text"
    if says:
        raise UnusableUnit(says, "send the id of the person, account or session")
    return name


def _a_level(text: str) -> bool:
    """Whether this can be the level of a stratum: text that can be stored and shown."""
    return bool(text) and not _UNSTORABLE.search(text)


def _given(trial: Served, arm: str, reason: Reason) -> Answer:
    return Answer(
        trial=trial.key, arm=arm, value=trial.values[arm], reason=reason,
        control=arm == trial.trial.control.key, version=trial.version,
    )  # fmt: skip


def _control(trial: Served, reason: Reason) -> Answer:
    return _given(trial, trial.trial.control.key, reason)


_KEPT = (
    sa.select(AssignmentRow.arm_id)
    .join(UnitRow, UnitRow.id == AssignmentRow.unit_id)
    .where(UnitRow.trial_id == sa.bindparam("trial"), UnitRow.digest == sa.bindparam("digest"))
)


def quick(url: str) -> Store:
    """The database as a service that must not wait opens it.

    A lock is waited for a quarter of a second and not half a minute, and a commit is on the disk
    before it is acknowledged, so that it outlives a power cut and not only the process.
    """
    address = sa.make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.update_query_dict({"connect_timeout": "2"})
    store = Store.open(address.render_as_string(hide_password=False))
    if store.dialect == "sqlite":
        sa.event.listen(store.engine, "connect", _impatient)
    return store


def _impatient(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA busy_timeout = 250")
    connection.execute("PRAGMA synchronous = FULL")
