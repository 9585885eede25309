"""The case for scaling of a stored trial, and which cases move when a shared figure changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from analysis import worth
from analysis.casework import register
from analysis.casework.memo import case_from
from analysis.report.withhold import withheld
from analysis.scaling.assumptions import checked
from analysis.scaling.case import CaseForScaling, CaseInput, rests_on
from analysis.scaling.register import Register
from analysis.scaling.shared import Moved, moved, sharing
from trials import registry
from trials.errors import Conflict, SignpostError
from trials.registry import TrialRecord
from trials.store.tables import TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Which case: the arm (by default the verdict's) and figures that win over the register.

    ``weeks_more`` is the further length of trial whose worth is asked.
    """

    key: str
    arm: str | None = None
    over: Register | None = None
    seed: int = 1
    weeks_more: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A case with what it was made from."""

    record: TrialRecord
    result: Mapping[str, Any]
    case: CaseForScaling

    @property
    def run(self) -> int | None:
        """The number of the run behind it."""
        found: int | None = self.result.get("run", {}).get("id")
        return found


def case_of(session: Session, ask: Ask) -> Made:
    """The case for scaling of a trial from its latest result and the register.

    Raises:
        NotFound: there is no such trial.
        Conflict: it has not been analysed, its result is withheld, or there is no net deflection.
        Invalid: assumptions are missing; all are named.
    """
    record, result = shown_result(session, ask.key)
    given = input_of(session, record, result, ask)
    return Made(record=record, result=result, case=case_from(given))


def shown_result(session: Session, key: str) -> tuple[TrialRecord, dict[str, Any]]:
    """A trial and its latest result, where it may be used for a case."""
    record = registry.load(session, key)
    found = registry.latest_result(session, key)
    if found is None:
        raise Conflict(f"trial {key!r} has not been analysed", f"run 'signpost analyse {key}'")
    result = withheld(found)
    if held := result.get("withheld"):
        raise Conflict(str(held), "make the case once the look has come")
    return record, result


def input_of(
    session: Session, record: TrialRecord, result: Mapping[str, Any], ask: Ask
) -> CaseInput:
    """What the case is made from, figures of ``ask`` before those of the register."""
    held = register.of_trial(session, record.key)
    given = worth.case_input(
        record.definition, result, register=_over(held, ask.over), arm=ask.arm, seed=ask.seed
    )
    return replace(given, weeks_more=ask.weeks_more)


def _over(held: Register, over: Register | None) -> Register:
    if over is None:
        return held
    both = held.with_given(*over.given.values())
    mechanism = over.mechanism if over.mechanism.kind != "none" else held.mechanism
    return Register(given=both.given, mechanism=mechanism, line=over.line or held.line)


def moves(session: Session, name: str, table: Mapping[str, Any] | None) -> tuple[Moved, ...]:
    """The cases that would move if a shared figure became ``table`` (``None``: the default).

    Trials without a case (not analysed, withheld, figures missing) cannot move and are left out.
    """
    register.known(name)
    before = register.shared(session)
    left = {n: a for n, a in before.given.items() if n != name}
    after = Register(given=left if table is None else {**left, name: checked(name, table)})
    cases = [made for key in _keys(session) if (made := _own_input(session, key)) is not None]
    return moved(cases, before=before, after=after, make=case_from)


def resting_on(session: Session, name: str) -> tuple[str, ...]:
    """The trials whose cases use the shared figure."""
    common, found = register.shared(session), []
    for key in _keys(session):
        own = _own_input(session, key)
        if own is not None and name not in own.register.given:
            found += [key] if name in rests_on(sharing(own, common)) else []
    return tuple(found)


def _keys(session: Session) -> list[str]:
    return list(session.scalars(sa.select(TrialRow.key).order_by(TrialRow.key)))


def _own_input(session: Session, key: str) -> CaseInput | None:
    """A trial's input with its own figures only, if a case can be made of it at all."""
    try:
        record, result = shown_result(session, key)
        mechanism, line = register.settings(session, key)
        own = register.entries(session, key)
        given = {n: e.assumption for n, e in own.items() if not e.withdrawn}
        made = worth.case_input(
            record.definition,
            result,
            register=Register(given=given, mechanism=mechanism, line=line),
        )
        rests_on(sharing(made, register.shared(session)))
    except SignpostError:
        return None
    return made
