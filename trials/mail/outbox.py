"""The outbox: one row for each message, recipient and occasion, and what became of it.

Its states::

    queued ──claim──► sending ──hand over──► handing ──► sent
      ▲                  │                      │  └────► failed (refused for good)
      └────── later ─────┴──────────────────────┘  └────► doubtful (no answer was recorded)

``sending`` is claimed by one sender and nothing is given away yet: one that dies here is simply
followed by another. ``handing`` is written down *before* the last byte that makes a server take
the message: one that dies here leaves a message of which nobody knows whether it went. Such a
message is never sent again by itself, unless the installation asks for that, or its receiver can
be asked or told what it has had already.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import audit, clock
from trials.errors import Conflict, NotFound
from trials.store.tables import OutboxRow
from trials.store.upsert import insert

State = Literal["queued", "sending", "handing", "sent", "failed", "doubtful", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
Channel = Literal["mail", "webhook"]
LEASE = timedelta(minutes=15)
"""How long a sender may take over one message; longer than any server may take to answer."""

BACK_OFF = (1, 5, 15, 30, 60, 120, 240)
"""Minutes that a message rests after each failure; the last counts for all further ones."""

GIVE_UP = timedelta(days=2)
"""After so long a message that still cannot be sent has failed."""

KEEP = timedelta(days=90)
"""How long address and text of a message that is over are kept."""

_UNKNOWN = "the sender stopped while the server was taking it, so it may or may not have arrived"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to be sent. ``occasion`` and ``recipient`` together are sent once."""

    occasion: str
    channel: Channel = "mail"
    kind: str
    recipient: str
    subject: str
    message: bytes
    message_id: str
    basis: Mapping[str, Any]
    news: bool = True
    subscription: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A row of the outbox as it stood when it was read."""

    id: int
    occasion: str
    channel: str
    kind: str
    recipient: str | None
    subscription_id: int | None
    subject: str
    message: bytes | None
    message_id: str
    basis: dict[str, Any]
    news: bool
    state: State
    owner: str | None
    attempts: int
    created_at: datetime
    due_at: datetime
    sent_at: datetime | None
    reply: str
    error: str
    bounced_at: datetime | None


def recipient_key(recipient: str) -> str:
    """What a recipient is known by once the address is taken out."""
    return hashlib.sha256(recipient.strip().lower().encode()).hexdigest()


def new_message_id(domain: str) -> str:
    """A ``Message-ID`` that no other message has, without its angle brackets."""
    return f"{secrets.token_hex(16)}@{domain}"


def put(session: Session, letter: Letter) -> int | None:
    """Put a message in the outbox within the caller's write transaction; answers its number.

    ``None`` where this recipient has had, or is to have, one about this occasion.
    """
    now = clock.now()
    values = {
        "occasion": letter.occasion, "recipient_key": recipient_key(letter.recipient),
        "channel": letter.channel, "kind": letter.kind, "recipient": letter.recipient.strip(),
        "subscription_id": letter.subscription, "subject": letter.subject,
        "message": letter.message, "message_id": letter.message_id, "basis": dict(letter.basis),
        "news": letter.news, "state": "queued", "attempts": 0, "created_at": now, "due_at": now,
        "reply": "", "error": "",
    }  # fmt: skip
    added: int | None = session.scalar(
        insert(session, OutboxRow).values(values)
        .on_conflict_do_nothing(index_elements=["occasion", "recipient_key"])
        .returning(OutboxRow.id)
    )  # fmt: skip
    return added


def has(session: Session, occasion: str, recipient: str) -> bool:
    """Whether this recipient has had, or is to have, a message about this occasion."""
    found = session.scalar(sa.select(OutboxRow.id).where(
        OutboxRow.occasion == occasion, OutboxRow.recipient_key == recipient_key(recipient)
    ))  # fmt: skip
    return found is not None


def claim(
    session: Session, owner: str, *, lease: timedelta = LEASE, resend: bool = False
) -> Item | None:
    """Take the next message that is due, or whose sender died before it gave anything away.

    ``resend`` also takes up messages whose sender died while handing them over.
    """
    now = clock.now()
    _age(session, now, resend=resend)
    due = sa.and_(OutboxRow.state == "queued", OutboxRow.due_at <= now)
    lost = sa.and_(OutboxRow.state == "sending", OutboxRow.until < now)
    chosen = (
        sa.select(OutboxRow.id).where(sa.or_(due, lost)).order_by(OutboxRow.due_at, OutboxRow.id)
        .limit(1).with_for_update(skip_locked=True)
    )  # fmt: skip
    number = session.scalar(
        sa.update(OutboxRow).where(OutboxRow.id == chosen.scalar_subquery())
        .values(state="sending", owner=owner, until=now + lease, attempts=OutboxRow.attempts + 1)
        .returning(OutboxRow.id),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    return None if number is None else load(session, number)


def _age(session: Session, now: datetime, *, resend: bool) -> None:
    """What has waited too long has failed; what was being handed over by a dead sender is open.

    Who receives a webhook knows each message by its number and can tell a second from a first, so
    those are sent again.
    """
    session.execute(
        sa.update(OutboxRow)
        .where(OutboxRow.state == "queued", OutboxRow.created_at < now - GIVE_UP,
               OutboxRow.attempts > 0)
        .values(state="failed", error="given up after two days; the last time: " + OutboxRow.error),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    lost = sa.and_(OutboxRow.state == "handing", OutboxRow.until < now)
    again = lost if resend else sa.and_(lost, OutboxRow.channel == "webhook")
    for which, state in ((again, "queued"), (lost, "doubtful")):
        session.execute(
            sa.update(OutboxRow).where(which).values(state=state, owner=None, error=_UNKNOWN),
            execution_options={"synchronize_session": False},
        )


def hand_over(session: Session, item: Item) -> bool:
    """Write down that the next byte gives the message away; ``False`` where it is not ours."""
    return _moved(session, item, "sending", state="handing")


def sent(session: Session, item: Item, reply: str) -> bool:
    """The server has taken it."""
    return _moved(session, item, "handing", state="sent", owner=None, until=None,
                  sent_at=clock.now(), reply=reply[:500], error="")  # fmt: skip


def later(session: Session, item: Item, says: str, *, rest: timedelta | None = None) -> bool:
    """It could not be sent for now; it is tried again."""
    minutes = BACK_OFF[min(item.attempts, len(BACK_OFF)) - 1]
    wait = rest or timedelta(minutes=minutes)
    return _moved(session, item, "sending", "handing", state="queued", owner=None, until=None,
                  due_at=clock.now() + wait, error=says[:500])  # fmt: skip


def refused(session: Session, item: Item, says: str) -> bool:
    """It is refused for good."""
    return _moved(session, item, "sending", "handing", state="failed", owner=None, until=None,
                  error=says[:500])  # fmt: skip


def doubtful(session: Session, item: Item, says: str) -> bool:
    """It was given away and no answer came."""
    return _moved(session, item, "handing", state="doubtful", owner=None, until=None,
                  error=says[:500])  # fmt: skip


def settle(session: Session, number: int, *, reply: str) -> None:
    """A message that was in doubt has turned out to have been taken."""
    session.execute(
        sa.update(OutboxRow).where(OutboxRow.id == number, OutboxRow.state == "doubtful")
        .values(state="sent", sent_at=clock.now(), reply=reply[:500], error=""),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


def reopen(session: Session, number: int) -> None:
    """A message that was in doubt has turned out not to have been taken."""
    session.execute(
        sa.update(OutboxRow).where(OutboxRow.id == number, OutboxRow.state == "doubtful")
        .values(state="queued", due_at=clock.now()),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


def requeue(session: Session, number: int, *, actor: str) -> Item:
    """Send a message again that failed or is in doubt: somebody has decided so.

    Raises:
        NotFound: there is no such message.
        Conflict: it is not one of those, or its text is no longer kept.
    """
    item = load(session, number)
    if item.state not in {"failed", "doubtful"} or item.message is None:
        raise Conflict("this message cannot be sent again", "look at what became of it")
    session.execute(
        sa.update(OutboxRow).where(OutboxRow.id == number)
        .values(state="queued", created_at=clock.now(), due_at=clock.now(), attempts=0),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    audit.record(session, "message sent again", f"message {number}", actor=actor,
                 detail={"kind": item.kind, "was": item.state})  # fmt: skip
    return load(session, number)


def bounced(session: Session, message_id: str, says: str) -> bool:
    """A server has sent it back after it was taken; ``False`` where it is not one of ours."""
    done = session.scalar(
        sa.update(OutboxRow).where(OutboxRow.message_id == message_id)
        .values(bounced_at=clock.now(), error=says[:500], state="sent").returning(OutboxRow.id),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    return done is not None


def cancel(session: Session, subscription: int, *, about: str = "") -> None:
    """What waits for somebody who no longer wants it is not sent.

    With ``about`` only the alerts about that trial: a mail about several is theirs still.
    """
    which = [OutboxRow.subscription_id == subscription, OutboxRow.state == "queued"]
    if about:
        which.append(OutboxRow.occasion.startswith(f"alert/{about}/", autoescape=True))
    session.execute(
        sa.update(OutboxRow).where(*which)
        .values(state="cancelled", error="the recipient has unsubscribed"),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


def sweep(session: Session) -> int:
    """Take address and text out of what has long been over; answers how many."""
    over = OutboxRow.state.in_(("sent", "failed", "cancelled", "doubtful"))
    done = session.execute(
        sa.update(OutboxRow)
        .where(over, OutboxRow.message.is_not(None), OutboxRow.created_at < clock.now() - KEEP)
        .values(message=None, recipient=None).returning(OutboxRow.id),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    return len(done.all())


def _moved(session: Session, item: Item, *before: State, **values: Any) -> bool:
    """Change a message only while it is still this sender's, in this attempt."""
    done = session.scalar(
        sa.update(OutboxRow)
        .where(OutboxRow.id == item.id, OutboxRow.state.in_(before),
               OutboxRow.owner == item.owner, OutboxRow.attempts == item.attempts)
        .values(**values).returning(OutboxRow.id),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    return done is not None


def load(session: Session, number: int) -> Item:
    """A message as it stands. Raises ``NotFound``."""
    row = session.get(OutboxRow, number, populate_existing=True)
    if row is None:
        raise NotFound(f"there is no message {number}", "see the outbox")
    return _item(row)


def latest(session: Session, *, state: str | None = None, limit: int = 100) -> list[Item]:
    """The messages made last, the newest first."""
    query = sa.select(OutboxRow).order_by(OutboxRow.id.desc()).limit(limit)
    if state == "bounced":
        query = query.where(OutboxRow.bounced_at.is_not(None))
    elif state:
        query = query.where(OutboxRow.state == state)
    return [_item(row) for row in session.scalars(query)]


def counts(session: Session) -> dict[str, int]:
    """How many messages are in each state, and how many came back."""
    rows = session.execute(sa.select(OutboxRow.state, sa.func.count()).group_by(OutboxRow.state))
    back = session.scalar(
        sa.select(sa.func.count()).where(OutboxRow.bounced_at.is_not(None))
    )  # fmt: skip
    return {**dict.fromkeys(STATES, 0), **dict(rows.tuples().all()), "bounced": back or 0}


def last_told(session: Session, kind: str, recipient: str) -> Item | None:
    """The last message of a kind that a recipient was sent."""
    row = session.scalar(
        sa.select(OutboxRow)
        .where(OutboxRow.kind == kind, OutboxRow.recipient_key == recipient_key(recipient),
               OutboxRow.state.not_in(("failed", "cancelled")))
        .order_by(OutboxRow.id.desc()).limit(1)
    )  # fmt: skip
    return None if row is None else _item(row)


def told_nothing_since(session: Session, recipient: str, since: datetime) -> bool:
    """Whether a recipient has had a mail since then that said there is no news."""
    found = session.scalar(
        sa.select(OutboxRow.id)
        .where(OutboxRow.recipient_key == recipient_key(recipient), OutboxRow.news.is_(False),
               OutboxRow.created_at > since).limit(1)
    )  # fmt: skip
    return found is not None


def _item(row: OutboxRow) -> Item:
    return Item(**{name: getattr(row, name) for name in Item.__dataclass_fields__})
