"""Who gets which mail: people by their role and their trials, and others who have asked.

A row is made for everybody who is written to, so that stopping is remembered: whoever has stopped
a mail is not given it again by their role. Somebody without an account gets nothing before they
have confirmed, by a link sent to the address itself, that they want it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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

Kind = Literal["weekly", "manager", "monthly", "quarterly", "alert"]
KINDS: tuple[Kind, ...] = get_args(Kind)
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

    ``account`` is whether they can sign in; ``scopes`` holds ``all``, ``trial:KEY``, ``area:NAME``.
    """

    subscription: int
    email: str
    account: bool
    scopes: frozenset[str]

    def wants(self, key: str, area: str) -> bool:
        """Whether a trial is among those this reader is told of."""
        return not self.scopes.isdisjoint({"all", f"trial:{key}", f"area:{area}"})


def ask(session: Session, email: str, kind: str, scope: str, *, actor: str) -> Subscription:
    """Note that somebody is to be asked whether they want a mail; until then it is not sent.

    Raises:
        SignpostError: the address, the kind or the scope cannot be used.
    """
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address) or len(address) > 254:
        raise SignpostError("the e-mail address is not one", "write it as name@council.gov.uk")
    if kind not in KINDS:
        raise SignpostError(f"there is no mail {kind!r}", f"choose one of {', '.join(KINDS)}")
    _known(session, scope)
    row = _row(session, address, kind, scope, state="asked", actor=actor)
    if row.state == "ended":
        row.state, row.ended_at, row.why = "asked", None, ""
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
    """The person wants it. Raises ``NotFound``; ``SignpostError`` where they stopped it since."""
    row = _found(session, number)
    if row.state == "ended":
        raise SignpostError("this mail was stopped", "ask to be sent it again")
    if row.state == "asked":
        row.state, row.confirmed_at = "active", clock.now()
    return _subscription(row)


def end(session: Session, number: int, *, why: str) -> list[int]:
    """Stop a kind of mail to a person, whatever it is about, and what of it still waits.

    Answers the numbers of the rows that were ended. Raises ``NotFound``.
    """
    row = _found(session, number)
    same = sa.select(SubscriptionRow).where(
        SubscriptionRow.email == row.email, SubscriptionRow.kind == row.kind
    )
    ended = []
    for each in session.scalars(same):
        if each.state != "ended":
            each.state, each.ended_at, each.why = "ended", clock.now(), why[:200]
            outbox.cancel(session, each.id)
            ended.append(each.id)
    return ended


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
    accounts = {user.email for user in _users(session)}
    return [_reader(email, kept, accounts) for email in dict.fromkeys(row.email for row in kept)]


def _reader(email: str, rows: Iterable[SubscriptionRow], accounts: set[str]) -> Reader:
    own = [row for row in rows if row.email == email]
    return Reader(subscription=own[0].id, email=email, account=email in accounts,
                  scopes=frozenset(row.scope for row in own))  # fmt: skip


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
