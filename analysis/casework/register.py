"""The assumption register: every number with its source, date, owner, agreement and history.

A figure is shared by all trials or belongs to one, whose own figure then wins. Nothing is
overwritten: a change is the next state of the same name, and says who made it and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from analysis.scaling.assumption import Assumption, Revision
from analysis.scaling.assumptions import checked, read
from analysis.scaling.line_table import read_line
from analysis.scaling.mechanism import KINDS, Mechanism
from analysis.scaling.question import CapacityRequest
from analysis.scaling.register import Register, nearest
from analysis.scaling.specs import SPECS
from trials import audit, clock, registry
from trials.errors import Conflict, Invalid, NotFound, Problem, SignpostError
from trials.store.tables import AssumptionRow, CaseSettingRow

SHARED = ""
"""The scope of figures that all trials share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An assumption as the register has it: the figure, the state's number, who and when."""

    assumption: Assumption
    scope: str
    number: int
    withdrawn: bool
    why: str
    at: datetime
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A new state of an assumption.

    ``table`` has the keys of an assumption file: value, low, high, shape, source, date, owner,
    agreed_by. ``number`` is the state that was on the screen (0: none), so that nobody overwrites
    what they have not seen; ``None`` asks for no such check.
    """

    name: str
    table: Mapping[str, Any]
    why: str
    actor: str
    scope: str = SHARED
    number: int | None = None


def entries(session: Session, scope: str = SHARED) -> dict[str, Entry]:
    """The latest state of every figure in a scope, by name; those withdrawn too."""
    rows = session.scalars(
        sa.select(AssumptionRow)
        .where(AssumptionRow.scope == scope)
        .order_by(AssumptionRow.name, AssumptionRow.number)
    )
    states: dict[str, list[AssumptionRow]] = {}
    for row in rows:
        states.setdefault(row.name, []).append(row)
    return {name: _entry(found) for name, found in states.items()}


def history(session: Session, name: str, *, scope: str = SHARED) -> tuple[Entry, ...]:
    """Every state of one figure, the latest first. Raises ``NotFound`` for a name nobody knows."""
    known(name)
    rows = session.scalars(
        sa.select(AssumptionRow)
        .where(AssumptionRow.scope == scope, AssumptionRow.name == name)
        .order_by(AssumptionRow.number)
    ).all()
    return tuple(_entry(rows[: i + 1]) for i in reversed(range(len(rows))))


def known(name: str) -> None:
    """Refuse a name that is no assumption (``NotFound``), naming the nearest."""
    if name not in SPECS:
        guess = nearest(name, SPECS)
        remedy = f"did you mean {guess!r}?" if guess else "'signpost assumption list' has them"
        raise NotFound(f"there is no assumption called {name!r}", remedy)


def shared(session: Session) -> Register:
    """The register all trials share."""
    return Register(given=_given(entries(session)))


def of_trial(session: Session, key: str) -> Register:
    """What a trial's case rests on: its own figures over the shared ones, mechanism and line."""
    mechanism, line = settings(session, key)
    given = {**_given(entries(session)), **_given(entries(session, key))}
    return Register(given=given, mechanism=mechanism, line=line)


def change(session: Session, wanted: Change) -> Entry:
    """Write the next state of a figure.

    Raises:
        NotFound: no assumption has that name, or no trial that key.
        Invalid: the figure is impossible, or has no source or date; all problems are named.
        Conflict: somebody else changed it since it was read.
    """
    known(wanted.name)
    if wanted.scope:
        registry.row_of(session, wanted.scope)
    if not wanted.why.strip():
        raise SignpostError("a changed assumption needs its reason", "say why it changes")
    assumption = checked(wanted.name, wanted.table)
    return _write(session, wanted, assumption, withdrawn=False)


def withdraw(
    session: Session, name: str, *, why: str, actor: str, scope: str = SHARED,
    number: int | None = None,
) -> Entry:  # fmt: skip
    """Give a figure up, so that the shared figure or the product's default holds again.

    Raises:
        NotFound: the register has no such figure.
        SignpostError: no reason is given.
    """
    held = entries(session, scope).get(name)
    if held is None or held.withdrawn:
        raise NotFound(f"{name} is not in the register", "there is nothing to withdraw")
    if not why.strip():
        raise SignpostError("a changed assumption needs its reason", "say why it changes")
    wanted = Change(name=name, table={}, why=why, actor=actor, scope=scope, number=number)
    return _write(session, wanted, held.assumption, withdrawn=True)


def take_in(session: Session, text: str, *, scope: str, why: str, actor: str) -> tuple[str, ...]:
    """Put a whole assumption file into the register; the names whose figures changed.

    A file's mechanism and line belong to one trial: shared, they are refused.

    Raises:
        Invalid: the file has problems; nothing of it is kept.
    """
    found = read(text)
    if scope == SHARED and (found.mechanism != Mechanism() or found.line is not None):
        problem = Problem("[mechanism] and [line]", "belong to one trial", "name it with --trial")
        raise Invalid("the assumption file", [problem])
    held = entries(session, scope)
    changed = [a for a in found.given.values() if not _same(held.get(a.name), a)]
    for a in changed:
        _write(session, Change(name=a.name, table={}, why=why, actor=actor, scope=scope), a,
               withdrawn=False)  # fmt: skip
    if scope != SHARED and (found.mechanism != Mechanism() or found.line is not None):
        set_settings(session, scope, _tables_of(text), why=why, actor=actor)
    return tuple(a.name for a in changed)


def settings(session: Session, key: str) -> tuple[Mechanism, CapacityRequest | None]:
    """How a trial's saving becomes cash, and the line it eases."""
    return parsed(settings_document(session, key))


def settings_document(session: Session, key: str) -> dict[str, Any]:
    """The same as it is kept: the tables ``mechanism`` and ``line``."""
    row = _latest_settings(session, key)
    return row.document if row else {}


def set_settings(
    session: Session, key: str, document: Mapping[str, Any], *, why: str, actor: str
) -> None:
    """Keep a trial's mechanism and line.

    Raises:
        Invalid: either is impossible; every problem is named.
    """
    parsed(document)
    before = _latest_settings(session, key)
    row = CaseSettingRow(
        trial_id=registry.row_of(session, key, lock=True).id, document=dict(document),
        number=before.number + 1 if before else 1, why=why, at=clock.now(), actor=actor,
    )  # fmt: skip
    session.add(row)
    audit.record(session, "case settings changed", key, actor=actor,
                 detail={"number": row.number, "why": why, **document})  # fmt: skip


def parsed(document: Mapping[str, Any]) -> tuple[Mechanism, CapacityRequest | None]:
    """The mechanism and the line of their tables; :class:`Invalid` names every problem."""
    table = document.get("mechanism", {})
    problems = []
    if table.get("kind", "none") not in KINDS:
        remedy = f"use one of {', '.join(KINDS)}"
        problems.append(Problem("mechanism", f"{table['kind']!r} is not known", remedy))
    line, wrong = read_line(
        document.get("line", {}), lambda key: f"line {key}".strip(),
        lambda key: Problem(f"line {key}", "is not known"),
    )  # fmt: skip
    if problems := [*problems, *wrong]:
        raise Invalid("the case", problems)
    return Mechanism(**{k: table[k] for k in ("kind", "budget_line", "agreed_by") if k in table}), (
        line
    )


def _tables_of(text: str) -> dict[str, Any]:
    import tomllib

    document = tomllib.loads(text.removeprefix("\ufeff"))
    return {name: document[name] for name in ("mechanism", "line") if name in document}


def _latest_settings(session: Session, key: str) -> CaseSettingRow | None:
    trial_id = registry.row_of(session, key).id
    return session.scalar(
        sa.select(CaseSettingRow)
        .where(CaseSettingRow.trial_id == trial_id)
        .order_by(CaseSettingRow.number.desc())
        .limit(1)
    )


def _write(session: Session, wanted: Change, a: Assumption, *, withdrawn: bool) -> Entry:
    last = session.scalar(
        sa.select(sa.func.max(AssumptionRow.number)).where(
            AssumptionRow.scope == wanted.scope, AssumptionRow.name == wanted.name
        )
    )
    _unchanged(wanted, last or 0)
    row = AssumptionRow(
        scope=wanted.scope, name=wanted.name, number=(last or 0) + 1, withdrawn=withdrawn,
        value=a.value, low=a.low, high=a.high, shape=a.shape, source=a.source, dated=a.dated,
        owner=a.owner, agreed_by=a.agreed_by, why=wanted.why.strip(), at=clock.now(),
        actor=wanted.actor,
    )  # fmt: skip
    session.add(row)
    try:
        session.flush()
    except IntegrityError:
        raise _rival(wanted.name) from None
    action = "assumption withdrawn" if withdrawn else "assumption changed"
    audit.record(session, action, wanted.scope or f"assumption {wanted.name}", actor=wanted.actor,
                 detail={"name": wanted.name, "number": row.number, "value": str(a.value),
                         "why": row.why})  # fmt: skip
    return entries(session, wanted.scope)[wanted.name]


def _unchanged(wanted: Change, last: int) -> None:
    if wanted.number is not None and wanted.number != last:
        raise _rival(wanted.name)


def _rival(name: str) -> Conflict:
    return Conflict(
        f"somebody else changed {name} while you were looking at it",
        "read what it says now, then make your change again",
    )


def _given(found: Mapping[str, Entry]) -> dict[str, Assumption]:
    return {name: e.assumption for name, e in found.items() if not e.withdrawn}


def _same(held: Entry | None, a: Assumption) -> bool:
    return (
        held is not None and not held.withdrawn
        and replace(held.assumption, history=()) == replace(a, history=())
    )  # fmt: skip


def _entry(states: Iterable[AssumptionRow]) -> Entry:
    """The latest of a figure's states, the earlier ones its history."""
    *before, row = states
    after = [*before[1:], row] if before else []
    return Entry(
        assumption=_assumption(row, tuple(
            Revision(value=old.value, low=old.low, high=old.high, source=old.source,
                     changed_on=clock.london(new.at).date().isoformat(), changed_by=new.actor,
                     why=new.why)
            for old, new in zip(before, after, strict=True)
        )),
        scope=row.scope, number=row.number, withdrawn=row.withdrawn, why=row.why, at=row.at,
        actor=row.actor,
    )  # fmt: skip


def _assumption(row: AssumptionRow, past: tuple[Revision, ...]) -> Assumption:
    shape = row.shape if row.shape in ("triangular", "normal") else "fixed"
    return Assumption(
        name=row.name, value=row.value, low=row.low, high=row.high, source=row.source,
        dated=row.dated, owner=row.owner, agreed_by=row.agreed_by, unit=SPECS[row.name].unit,
        shape=shape, history=past,  # type: ignore[arg-type]  # one of the three, seen above
    )  # fmt: skip
