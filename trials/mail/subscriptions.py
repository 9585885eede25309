"""Who gets which mail: people by their role and their trials, and others who have asked.

A row is made for everybody who is written to, so that stopping is remembered: whoever has stopped
a mail is not given it again by their role. Whoever has stopped a mail about one trial has a row
for that trial that has ended, and is told of the others as before. Somebody without an account gets
nothing before they have confirmed, by a link sent to the address itself, that they want it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import NotFound, SignpostError
from trials.mail import outbox
from trials.store.tables import SubscriptionRow, TrialRow, UserRow
from trials.store.upsert import insert

Kind = Literal["weekly", "manager", "monthly", "quarterly", "alert", "reminder"]
KINDS: tuple[Kind, ...] = get_args(Kind)
OFFERED: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "reminder")
"""What somebody can be asked whether they want; a reminder goes to whoever owns a next step."""
ROLE = "role"
"""Who made the row of somebody who is written to because of their role."""

BY_ROLE: dict[str, tuple[Kind, ...]] = {
    "analyst": ("weekly", "alert"),
    "administrator": ("alert",),
    "approver": ("manager", "monthly", "quarterly"),
    "viewer": ("quarterly",),
}
"""What each role is sent about every trial; a supplier is sent nothing."""

OWNER: tuple[Kind, ...] = ("manager", "alert")
"""What the owner of a trial is sent about it, if they have an account that may see results."""

_EMAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\"]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One person's wish for one kind of mail. ``state``: asked, active or ended."""

    id: int
    email: str
    kind: str
    scope: str
    state: str
    created_by: str
    confirmed_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Somebody who gets a mail: the row it is stopped by, and the trials it may be about.

    ``account`` is whether they can sign in; ``scopes`` holds ``all``, ``trial:KEY``, ``area:NAME``;
    ``without`` the keys of the trials that they have had enough of.
    """

    subscription: int
    email: str
    account: bool
    scopes: frozenset[str]
    without: frozenset[str] = frozenset()

    def wants(self, key: str, area: str) -> bool:
        """Whether a trial is among those this reader is told of."""
        asked = not self.scopes.isdisjoint({"all", f"trial:{key}", f"area:{area}"})
        return asked and key not in self.without

    @property
    def only(self) -> str:
        """The key of the one trial that this reader follows; empty where there are more."""
        one = next(iter(self.scopes)) if len(self.scopes) == 1 else ""
        return one.removeprefix("trial:") if one.startswith("trial:") else ""


def ask(session: Session, email: str, kind: str, scope: str, *, actor: str) -> Subscription:
    """Note that somebody is to be asked whether they want a mail; until then it is not sent.

    Raises:
        SignpostError: the address, the kind or the scope cannot be used.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address) or len(address) > 254:
        raise SignpostError("the e-mail address is not one", "write it as name@council.gov.uk")
    if kind not in OFFERED:
        raise SignpostError(f"there is no mail {kind!r}", f"choose one of {', '.join(OFFERED)}")
    _known(session, scope)
    row = _row(session, address, kind, scope, state="asked", actor=actor)
    if row.state == "ended":  # and until they answer it stays as they have left it
        row.state = "asked"
    audit.record(session, "mail offered", f"subscription {row.id}", actor=actor,
                 detail={"kind": kind, "scope": scope})  # fmt: skip
    return _subscription(row)


def _known(session: Session, scope: str) -> None:
    word, _, name = scope.partition(":")
    column = {"trial": TrialRow.key, "area": TrialRow.area}.get(word)
    if scope == "all":
        return
    found = None if column is None else session.scalar(sa.select(TrialRow.id).where(column == name))
    if found is None:
        raise SignpostError("there is no such trial or area", "choose one from the list")


def confirm(session: Session, number: int) -> Subscription:
    """The person wants it. Raises ``NotFound``; ``SignpostError`` where they stopped it since.

    Who wants it about every trial wants it about those again that they had left out.
    """
    row = _found(session, number)
    if row.state == "ended":
        raise SignpostError("this mail was stopped", "ask to be sent it again")
    if row.state == "asked":
        _begin(row)
        if row.scope == "all":
            for each in session.scalars(_same(row).where(SubscriptionRow.state == "ended")):
                _begin(each)
    return _subscription(row)


def _begin(row: SubscriptionRow) -> None:
    row.state, row.confirmed_at, row.ended_at, row.why = "active", clock.now(), None, ""


def _same(row: SubscriptionRow) -> sa.Select[SubscriptionRow]:
    """All rows of the same person and kind of mail."""
    return sa.select(SubscriptionRow).where(
        SubscriptionRow.email == row.email, SubscriptionRow.kind == row.kind
    )


def end(session: Session, number: int, *, why: str) -> list[int]:
    """Stop a kind of mail to a person, whatever it is about, and what of it still waits.

    Answers the numbers of the rows that were ended. Raises ``NotFound``.
    """
    ended = []
    for each in session.scalars(_same(_found(session, number))):
        if each.state != "ended":
            each.state, each.ended_at, each.why = "ended", clock.now(), why[:200]
            ended.append(each.id)
        outbox.cancel(session, each.id)
    return ended


def leave_out(session: Session, number: int, key: str, *, why: str) -> None:
    """Stop a kind of mail to a person about one trial, and what of it still waits.

    They are told of other trials as before; where there are none, the mail is stopped altogether.
    Raises ``NotFound``.
    """
    row = _found(session, number)
    _known(session, f"trial:{key}")
    own = _row(session, row.email, row.kind, f"trial:{key}", state="active", actor=row.created_by)
    if own.state != "ended":
        own.state, own.ended_at, own.why = "ended", clock.now(), why[:200]
    rows = session.scalars(_same(row)).all()
    if all(each.state == "ended" for each in rows):
        end(session, number, why=why)
    for each in rows:
        outbox.cancel(session, each.id, about=key)


def follows(session: Session, number: int) -> bool:
    """Whether its person still gets this kind of mail about anything. Raises ``NotFound``."""
    rows = session.scalars(_same(_found(session, number)))
    return any(row.state == "active" for row in rows)


def left_out(session: Session, number: int) -> frozenset[str]:
    """The trials about which its person has stopped this kind of mail. Raises ``NotFound``."""
    row = _found(session, number)
    return _left_out(session, row.kind).get(row.email, frozenset())


def load(session: Session, number: int) -> Subscription:
    """One subscription. Raises ``NotFound``."""
    return _subscription(_found(session, number))


def everything(session: Session) -> list[Subscription]:
    """All subscriptions, those made by hand first."""
    rows = session.scalars(sa.select(SubscriptionRow).order_by(
        SubscriptionRow.created_by == ROLE, SubscriptionRow.email, SubscriptionRow.kind,
        SubscriptionRow.scope,
    ))  # fmt: skip
    return [_subscription(row) for row in rows]


def readers(session: Session, kind: Kind) -> list[Reader]:
    """Everybody who gets a kind of mail, each once, in the order of their addresses."""
    due = _by_role(session, kind)
    for email, scope in sorted(due):
        _row(session, email, kind, scope, state="active", actor=ROLE)
    rows = session.scalars(sa.select(SubscriptionRow).where(
        SubscriptionRow.kind == kind, SubscriptionRow.state == "active"
    ).order_by(SubscriptionRow.email, SubscriptionRow.id)).all()  # fmt: skip
    barred = _barred(session)
    kept = [row for row in rows if row.email not in barred
            and (row.created_by != ROLE or (row.email, row.scope) in due)]  # fmt: skip
    accounts, left = {user.email for user in _users(session)}, _left_out(session, kind)
    return [_reader(email, kept, accounts, left) for email in dict.fromkeys(r.email for r in kept)]


def reader_of(session: Session, email: str, kind: Kind) -> Reader | None:
    """A person with an account whom their work, not their role, makes the reader of a mail.

    ``None`` where they have stopped it, or may not be written to.
    """
    row = _row(session, email, kind, "all", state="active", actor=ROLE)
    if row.state != "active" or email in _barred(session):
        return None
    accounts = {user.email for user in _users(session)}
    return _reader(email, [row], accounts, _left_out(session, kind))


def account_of(session: Session, who: str) -> str | None:
    """The address of the account that ``who`` names, by its address or, if only one has it, name.

    ``None`` where there is none that may be written to.
    """
    named = who.strip().lower()
    users = [user for user in _users(session) if user.role != "supplier"]
    if any(user.email == named for user in users):
        return named
    same = [user.email for user in users if named and user.name.strip().lower() == named]
    return same[0] if len(same) == 1 else None


def _reader(
    email: str, rows: Iterable[SubscriptionRow], accounts: set[str],
    left: Mapping[str, frozenset[str]],
) -> Reader:  # fmt: skip
    own = [row for row in rows if row.email == email]
    return Reader(subscription=own[0].id, email=email, account=email in accounts,
                  scopes=frozenset(row.scope for row in own),
                  without=left.get(email, frozenset()))  # fmt: skip


def _left_out(session: Session, kind: str) -> dict[str, frozenset[str]]:
    """The trials of which each person has stopped a mail, by address.

    A row that is asked about again counts until its question is answered.
    """
    rows = session.scalars(sa.select(SubscriptionRow).where(
        SubscriptionRow.kind == kind, SubscriptionRow.ended_at.is_not(None),
        SubscriptionRow.scope.startswith("trial:"),
    ))  # fmt: skip
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row.email, set()).add(row.scope.removeprefix("trial:"))
    return {email: frozenset(keys) for email, keys in found.items()}


def _users(session: Session) -> list[UserRow]:
    return list(session.scalars(sa.select(UserRow).where(UserRow.disabled_at.is_(None))))


def _barred(session: Session) -> set[str]:
    """Those whose account may see no result, or is closed: a wish of before does not outlast it."""
    shut = sa.or_(UserRow.role == "supplier", UserRow.disabled_at.is_not(None))
    return set(session.scalars(sa.select(UserRow.email).where(shut)))


def _by_role(session: Session, kind: Kind) -> set[tuple[str, str]]:
    """The people and scopes that roles and ownership ask for."""
    users = {user.email: user.role for user in _users(session) if user.role != "supplier"}
    due = {(email, "all") for email, role in users.items() if kind in BY_ROLE.get(role, ())}
    if kind in OWNER:
        rows = session.execute(sa.select(TrialRow.key, TrialRow.owner)).tuples()
        due |= {(o, f"trial:{key}") for key, owner in rows if (o := owner.strip().lower()) in users}
    return due


def _row(
    session: Session, email: str, kind: str, scope: str, *, state: str, actor: str
) -> SubscriptionRow:
    now = clock.now()
    session.execute(
        insert(session, SubscriptionRow).values(
            email=email, kind=kind, scope=scope, state=state, created_at=now, created_by=actor,
            confirmed_at=now if state == "active" else None, ended_at=None, why="",
        ).on_conflict_do_nothing(index_elements=["email", "kind", "scope"])
    )  # fmt: skip
    return session.scalars(sa.select(SubscriptionRow).where(
        SubscriptionRow.email == email, SubscriptionRow.kind == kind,
        SubscriptionRow.scope == scope,
    )).one()  # fmt: skip


def _found(session: Session, number: int) -> SubscriptionRow:
    row = session.get(SubscriptionRow, number)
    if row is None:
        raise NotFound("there is no such subscription", "see the list of mails")
    return row


def _subscription(row: SubscriptionRow) -> Subscription:
    return Subscription(**{name: getattr(row, name) for name in Subscription.__dataclass_fields__})
