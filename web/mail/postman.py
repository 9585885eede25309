"""The sender: takes one message after another from the outbox and sees each through.

Any number may run: a message is claimed by one. The postman lives beside the clock, not in the
worker, so that a long analysis delays no alert.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from datetime import timedelta

from trials import clock
from trials.errors import SignpostError
from trials.mail import outbox
from trials.mail.outbox import LEASE, Item
from trials.settings import Settings
from trials.store.engine import Store
from web.jobs.worker import name
from web.mail.transport import InDoubt, Later, Refused, Transport
from web.mail.ways import chosen

_log = logging.getLogger("signpost.mail")
POLL_SECONDS = 2.0
PAUSE_SECONDS = 30.0
"""How long a postman rests when a server takes no mail at all."""
ROUND_SECONDS = 600.0
"""How often it looks after what is open: doubts that can be settled, bounces, old texts."""
BOUNCE_DAYS = timedelta(days=4)


class Postman:
    """One sender of a database, with a transport for each channel."""

    def __init__(
        self, store: Store, transports: Mapping[str, Transport], *, lease: timedelta = LEASE,
        resend: bool = False,
    ) -> None:  # fmt: skip
        self._store, self._transports = store, transports
        self._lease, self._resend = lease, resend
        self.name = name()
        self._pause_until = 0.0

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; a message under way is finished."""
        rounds = 0.0
        while not stop.is_set():
            try:
                if time.monotonic() - rounds > ROUND_SECONDS:
                    self.round()
                    rounds = time.monotonic()
                busy = self.step()
            except SignpostError as failure:
                _log.warning("the postman waits: %s", failure)
                busy = False
            resting = max(self._pause_until - time.monotonic(), 0.0)
            if resting or not busy:
                stop.wait(resting or POLL_SECONDS)

    def step(self) -> bool:
        """Send one message; ``False`` where none is due."""
        with self._store.write() as session:
            item = outbox.claim(session, self.name, lease=self._lease, resend=self._resend)
        if item is None:
            return False
        self._deliver(item)
        return True

    def _deliver(self, item: Item) -> None:
        way = self._transports.get(item.channel)
        if way is None:
            self._note(item, "later", "no way of sending this is set")
            return
        try:
            reply = way.send(item, lambda: self._hand_over(item))
        except Later as failure:
            self._note(item, "later", failure.says, rest=failure.rest)
            if failure.everybody:
                self._pause_until = time.monotonic() + PAUSE_SECONDS
        except Refused as failure:
            self._note(item, "refused", failure.says)
        except InDoubt as failure:
            self._note(item, "doubtful", failure.says)
            self._settle(item, way)
        else:
            self._note(item, "sent", reply)

    def _hand_over(self, item: Item) -> bool:
        with self._store.write() as session:
            return outbox.hand_over(session, item)

    def _note(self, item: Item, outcome: str, says: str, *, rest: timedelta | None = None) -> None:
        """Write down what came of it. The log gets its number, never an address."""
        with self._store.write() as session:
            if outcome == "sent":
                noted = outbox.sent(session, item, says)
            elif outcome == "later":
                noted = outbox.later(session, item, says, rest=rest)
            elif outcome == "refused":
                noted = outbox.refused(session, item, says)
            else:
                noted = outbox.doubtful(session, item, says)
        level = logging.INFO if outcome == "sent" else logging.WARNING
        _log.log(level, "message %s (%s): %s%s", item.id, item.kind, outcome,
                 "" if noted else ", but it is no longer ours")  # fmt: skip

    def _settle(self, item: Item, way: Transport, *, reopen: bool = False) -> None:
        """Ask a server that can be asked whether it has had a message; else it stays in doubt.

        With ``reopen``, one that a server is sure not to have had is sent again.
        """
        try:
            reply = way.taken(item)
        except Later:
            return
        with self._store.write() as session:
            if reply is not None:
                outbox.settle(session, item.id, reply=reply)
            elif reopen and way.certain:
                outbox.reopen(session, item.id)

    def round(self) -> None:
        """Settle what can be settled, note what came back, and drop old texts."""
        with self._store.write() as session:
            outbox.sweep(session)
        with self._store.read() as session:
            open_ = outbox.latest(session, state="doubtful")
            gone = outbox.latest(session, state="sent")
        for item in open_:
            if (way := self._transports.get(item.channel)) is not None:
                self._settle(item, way, reopen=True)
        self._bounces([i for i in gone if i.bounced_at is None])

    def _bounces(self, gone: list[Item]) -> None:
        """Ask Notify what became of the latest mails."""
        way = self._transports.get("mail")
        if way is None or not hasattr(way, "bounced"):
            return
        for item in gone:
            if item.channel != "mail" or clock.now() - item.created_at > BOUNCE_DAYS:
                continue
            try:
                says = way.bounced(item)
            except Later:
                return
            if says:
                with self._store.write() as session:
                    outbox.bounced(session, item.message_id, says)


def of(store: Store, settings: Settings) -> Postman:
    """The postman that the settings describe."""
    ways = {"mail": chosen(settings.mail, settings.home)}
    if settings.mail.webhook_hosts:
        from web.mail.hooks import Hooks

        ways["webhook"] = Hooks(store, settings)
    known = {channel: way for channel, way in ways.items() if way is not None}
    return Postman(store, known, resend=settings.mail.resend_in_doubt)
