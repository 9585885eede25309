"""A person removed for good: every row about them in every trial and in the contact log.

Found are the contacts that carry one of the identifiers given, the units that it names, and what
those units' own other identifiers lead to. An identifier that several units of one trial share (a
couple's landline) names nobody: contacts that carry it go, units stay, and the answer says so.

What was already published stays: results are aggregates. How many units of which arm went is kept,
and so is the keyed hash of the identifiers, for one purpose: that the next export does not bring
the person back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock, registry
from trials.errors import Conflict, Invalid, Problem, SignpostError
from trials.importing.columns import link_number, scope
from trials.people.identifiers import KINDS, Hasher, Refusal, normalise
from trials.store.base import Base
from trials.store.engine import Store, told
from trials.store.tables import (
    PEOPLE,
    AssignmentRow,
    ContactCorrectionRow,
    ContactRow,
    IdentifierRow,
    LeftOutRow,
    RemovalRow,
    SecondCodingRow,
    TrialRow,
    TurnedAwayRow,
    UnitRow,
)

ERASED = "erased"
Number = tuple[str, int]
_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was removed; ``shared`` lists trials in which the identifier names several units."""

    contacts: int
    units: int
    trials: tuple[str, ...]
    shared: tuple[str, ...] = ()
    dry: bool = False

    def to_json(self) -> dict[str, object]:
        """As the command line gives it."""
        return {"contacts": self.contacts, "units": self.units, "trials": list(self.trials),
                "shared": list(self.shared), "dry_run": self.dry}  # fmt: skip


@dataclass(slots=True)
class _Found:
    """Numbers and units that belong to the person."""

    numbers: set[Number]
    units: dict[int, int] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)


def parse(texts: Iterable[str]) -> list[tuple[str, str]]:
    """``KIND=VALUE`` texts as pairs.

    Raises:
        Invalid: a text is not of that form, or its kind is none of ours.
    """
    known, pairs, problems = ("unit", *KINDS), [], []
    for text in texts:
        kind, equals, value = text.partition("=")
        if not equals or not value.strip() or kind.strip() not in known:
            says = "is not KIND=VALUE" if not equals else "has no kind or value that can be used"
            problems.append(Problem("identifier", says, f"kinds are {', '.join(known)}"))
        pairs.append((kind.strip(), value.strip()))
    if problems:
        raise Invalid("the identifiers", problems)
    return pairs


def numbers_of(pairs: Iterable[tuple[str, str]], hasher: Hasher) -> list[Number]:
    """The join numbers of identifiers.

    Raises:
        SignpostError: one of them cannot be read as what it is said to be.
    """
    found: list[Number] = []
    for kind, value in pairs:
        if kind == "unit":
            found.append((kind, link_number(hasher.unit("", value))))
            continue
        known = next(k for k in KINDS if k == kind)
        written = normalise(known, value)
        if isinstance(written, Refusal):
            raise SignpostError(f"the {kind} cannot be used: {written.says}", "check it")
        found.append((kind, link_number(hasher.digest(known, written))))
    return found


def erase(
    store: Store, pairs: Sequence[tuple[str, str]], *, hasher: Hasher, actor: str,
    dry_run: bool = False,
) -> Erasure:  # fmt: skip
    """Remove whoever the identifiers name; ``dry_run`` only counts.

    Raises:
        SignpostError: an identifier cannot be read.
    """
    given = numbers_of(pairs, hasher)
    if dry_run:
        with store.read() as session:
            return _counted(session, _follow(session, given))
    with store.write() as session:
        secure(session)
        found = _follow(session, given)
        done = _counted(session, found, dry=False)
        _remember(session, found.numbers, actor)
        _delete_contacts(session, found.numbers)
        _delete_turned_away(session, pairs, hasher)
        _note_removed(session, found.units)
        delete_units(session, list(found.units))
        audit.record(session, "person erased", "people", actor=actor,
                     detail=dict(done.to_json()))  # fmt: skip
    settle(store)
    return done


def _follow(session: Session, given: Iterable[Number]) -> _Found:
    """The closure over units and their own identifiers."""
    found = _Found(set(given))
    fresh = set(found.numbers)
    for _ in range(_ROUNDS):
        if not fresh:
            break
        units = _units_of(session, fresh, found)
        own = _own_numbers(session, units)
        fresh = own - found.numbers
        found.numbers |= fresh
    return found


def _units_of(session: Session, numbers: Iterable[Number], found: _Found) -> list[int]:
    """Units that an identifier names alone in their trial; the others are noted as shared."""
    fresh: list[int] = []
    for kind, number in numbers:
        rows = session.execute(
            sa.select(UnitRow.trial_id, UnitRow.id)
            .join(IdentifierRow, IdentifierRow.unit_id == UnitRow.id)
            .where(IdentifierRow.kind == kind, IdentifierRow.number == number)
        ).all()
        by_trial: dict[int, list[int]] = {}
        for trial, unit in rows:
            by_trial.setdefault(trial, []).append(unit)
        for trial, units in by_trial.items():
            if len(units) > 1:
                found.shared.add(trial)
            elif units[0] not in found.units:
                found.units[units[0]] = trial
                fresh.append(units[0])
    return fresh


def _own_numbers(session: Session, units: Sequence[int]) -> set[Number]:
    """The identifiers of units that no other unit has."""
    if not units:
        return set()
    rows = session.execute(
        sa.select(IdentifierRow.kind, IdentifierRow.number).where(IdentifierRow.unit_id.in_(units))
    ).all()
    return {(kind, number) for kind, number in rows if not _has_others(session, kind, number)}


def _has_others(session: Session, kind: str, number: int) -> bool:
    most = (
        sa.select(sa.func.count())
        .select_from(IdentifierRow)
        .join(UnitRow, UnitRow.id == IdentifierRow.unit_id)
        .where(IdentifierRow.kind == kind, IdentifierRow.number == number)
        .group_by(UnitRow.trial_id)
    )
    return any(n > 1 for n in session.scalars(most))


def _carrying(numbers: Iterable[Number]) -> sa.ColumnElement[bool]:
    """Contacts with one of the numbers."""
    by_kind: dict[str, list[int]] = {}
    for kind, number in numbers:
        by_kind.setdefault(kind, []).append(number)
    return sa.or_(*(getattr(ContactRow, kind).in_(held) for kind, held in by_kind.items()))


def _counted(session: Session, found: _Found, *, dry: bool = True) -> Erasure:
    keys = dict(session.execute(sa.select(TrialRow.id, TrialRow.key)).tuples().all())
    contacts = session.scalar(
        sa.select(sa.func.count()).select_from(ContactRow).where(_carrying(found.numbers))
    )
    return Erasure(
        contacts=int(contacts or 0), units=len(found.units), dry=dry,
        trials=tuple(sorted({keys[trial] for trial in found.units.values()})),
        shared=tuple(sorted(keys[trial] for trial in found.shared)),
    )  # fmt: skip


def _remember(session: Session, numbers: Iterable[Number], actor: str) -> None:
    """The hashes alone, so that later files leave the person out."""
    for kind, number in numbers:
        known = session.scalar(
            sa.select(LeftOutRow.id).where(
                LeftOutRow.kind == kind, LeftOutRow.number == number, LeftOutRow.reason == ERASED
            )
        )
        if known is None:
            session.add(LeftOutRow(kind=kind, number=number, reason=ERASED, trial_id=None,
                                   added_at=clock.now(), added_by=actor))  # fmt: skip


def _delete_contacts(session: Session, numbers: Iterable[Number]) -> None:
    carrying = _carrying(numbers)
    ids = sa.select(ContactRow.id).where(carrying)
    digests = sa.select(ContactRow.digest).where(carrying)
    session.execute(sa.delete(ContactCorrectionRow).where(ContactCorrectionRow.contact_id.in_(ids)))
    session.execute(sa.delete(SecondCodingRow).where(SecondCodingRow.contact.in_(digests)))
    session.execute(sa.delete(ContactRow).where(carrying))


def _delete_turned_away(
    session: Session, pairs: Iterable[tuple[str, str]], hasher: Hasher
) -> None:  # fmt: skip
    """That somebody asked and was left out, whom no trial has as a unit.

    Kept of them is the digest of the unit alone, so that other identifiers lead to nothing.
    """
    units = [value for kind, value in pairs if kind == "unit"]
    if not units:
        return
    for trial in session.scalars(sa.select(TurnedAwayRow.trial_id).distinct()).all():
        own = scope(registry.definition_of(session.get_one(TrialRow, trial)))
        try:
            digests = [hasher.unit(own, unit) for unit in units]
        except Conflict:  # the trial's key was destroyed: nobody's row can be found any more
            continue
        session.execute(sa.delete(TurnedAwayRow).where(
            TurnedAwayRow.trial_id == trial, TurnedAwayRow.digest.in_(digests)
        ))  # fmt: skip


def _note_removed(session: Session, units: dict[int, int]) -> None:
    """How many units went from which arm: later results say so."""
    rows = session.execute(
        sa.select(AssignmentRow.trial_id, AssignmentRow.arm_id, sa.func.count())
        .where(AssignmentRow.unit_id.in_(list(units)))
        .group_by(AssignmentRow.trial_id, AssignmentRow.arm_id)
    ).all()
    now = clock.epoch(clock.now())
    for trial, arm, count in rows:
        session.add(RemovalRow(trial_id=trial, arm_id=arm, reason=ERASED, units=count, at=now))
    session.flush()


def delete_units(session: Session, units: Sequence[int]) -> None:
    """Every row of every table that belongs to these units, then the units themselves."""
    if not units:
        return
    for table in reversed(Base.metadata.sorted_tables):
        column = table.columns.get("unit_id")
        if column is not None and column.references(UnitRow.__table__.c.id):
            session.execute(table.delete().where(column.in_(units)))
    digests = sa.select(UnitRow.digest).where(UnitRow.id.in_(units))
    session.execute(sa.delete(TurnedAwayRow).where(TurnedAwayRow.digest.in_(digests)))
    session.execute(sa.delete(UnitRow).where(UnitRow.id.in_(units)))


def secure(session: Session) -> None:
    """Have SQLite overwrite what it deletes, so that no bytes of it stay in the file."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(sa.text("PRAGMA secure_delete = ON"))


def settle(store: Store) -> None:
    """Nothing of the removed rows stays in the write-ahead log or in dead rows.

    A reader at that moment may hold it back; then the next checkpoint or vacuum does it.
    """
    with told(), store.engine.connect() as connection:
        if store.dialect == "sqlite":
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            names = "contacts, contact_corrections, units, identifiers, assignments, exposures"
            free = connection.execution_options(isolation_level="AUTOCOMMIT")
            free.exec_driver_sql(f"VACUUM {names}, outcomes, corrections")


def staged_condition() -> str:
    """SQL: the staged contacts that carry an erased identifier, for the import to leave out."""
    return " OR ".join(
        f"{kind} IN (SELECT number FROM left_out WHERE reason = '{ERASED}' AND kind = '{kind}')"  # noqa: S608 - constants
        for kind in PEOPLE
    )


__all__ = ["Erasure", "delete_units", "erase", "numbers_of", "parse", "staged_condition"]
