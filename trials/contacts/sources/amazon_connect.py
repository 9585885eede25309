"""Amazon Connect contact records: JSON, one record after the other, delivered at least once.

A record may come several times, each time with a later ``LastUpdateTimestamp``; that time is kept
as the contact's ``version``, and the latest wins (:func:`trials.contacts.settle.settle`, or the
store's merge). Fields that are not known here are ignored. Times are UTC, durations seconds.

Outbound contacts, tasks and the later legs of a transferred contact are left out of the log. The
arm is the contact attribute ``trialArm``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

from trials.contacts.json_values import objects
from trials.contacts.record import Contact, Outcome, Refused
from trials.contacts.rows import Cleaner
from trials.contacts.sources.common import USUAL, ReadOptions, numbered, text_of, within

NAME: Final = "amazon-connect"
TITLE: Final = "Amazon Connect contact records"
JSON_SIGNATURES: Final = (frozenset({"ContactId", "InitiationMethod"}),)

CHANNELS: Final = {"VOICE": "phone", "CHAT": "webchat", "EMAIL": "email", "SMS": "sms"}
INBOUND: Final = frozenset({"INBOUND", "API", "CALLBACK", "WEBRTC_API", "MESSAGING", ""})
LEGS: Final = frozenset({"TRANSFER", "QUEUE_TRANSFER"})


def read(stream: IO[bytes], options: ReadOptions = USUAL) -> Iterator[Contact | Refused]:
    """The contacts of a stream of contact records, in the order of delivery.

    Raises:
        SignpostError: the stream cannot be read at all.
    """
    cleaner = Cleaner(region=options.region)
    line = place = 0
    for item in objects(stream):
        number = item.file_line if isinstance(item, Refused) else item[0]
        line, place = number, place + 1 if number == line else 1
        done = item if isinstance(item, Refused) else _contact(number, item[1], cleaner, options)
        yield numbered(done, "record", place) if place > 1 else done


def _contact(
    number: int, record: dict[str, Any], cleaner: Cleaner, options: ReadOptions
) -> Contact | Refused:
    why = _unwanted(record, options)
    if why is not None:
        return Refused(number, why, left_out=True)
    return cleaner.clean(number, _row(record))


def _unwanted(record: dict[str, Any], options: ReadOptions) -> str | None:
    method = text_of(record.get("InitiationMethod")).upper()
    if text_of(record.get("Channel")).upper() == "TASK":
        return "a task, not a contact"
    first = record.get("InitialContactId")
    if method in LEGS or (first and first != record.get("ContactId") and method != "CALLBACK"):
        return None if options.keep_legs else "a later leg of an earlier contact"
    return None if method in INBOUND else "not begun by the customer"


def _row(record: dict[str, Any]) -> dict[str, str]:
    channel = text_of(record.get("Channel"))
    row = {
        "contact_id": text_of(record.get("ContactId")),
        "occurred_at": text_of(record.get("InitiationTimestamp")),
        "version": text_of(record.get("LastUpdateTimestamp")),
        "channel": CHANNELS.get(channel.upper(), channel),
        "line": text_of(within(record, "Queue", "Name")),
        "outcome": _outcome(record),
        "wait_seconds": text_of(within(record, "Queue", "Duration")),
        "handle_seconds": _handled_for(record),
        "arm": text_of(within(record, "Attributes", "trialArm")),
        "reason": text_of(within(record, "Attributes", "wrapCode")),
        "customer": text_of(record.get("CustomerId")),
        **_endpoint(record),
    }
    return {name: text for name, text in row.items() if text}


def _endpoint(record: dict[str, Any]) -> dict[str, str]:
    address = text_of(within(record, "CustomerEndpoint", "Address"))
    kind = text_of(within(record, "CustomerEndpoint", "Type"))
    if not address:
        return {}
    return {"email": address} if "EMAIL" in kind or "@" in address else {"phone": address}


def _handled_for(record: dict[str, Any]) -> str:
    agent = record.get("Agent")
    parts = [
        within(agent, name)
        for name in ("AgentInteractionDuration", "CustomerHoldDuration", "AfterContactWorkDuration")
    ]
    known = [p for p in parts if isinstance(p, int | float) and not isinstance(p, bool)]
    return f"{sum(known):.15g}" if known else ""


def _outcome(record: dict[str, Any]) -> Outcome | str:
    """From what the record holds: an agent, a queue, or neither (the flow ended it)."""
    reason = text_of(record.get("DisconnectReason")).upper()
    if isinstance(record.get("Agent"), dict):
        return "transferred" if record.get("NextContactId") else "handled"
    if "CALLBACK" in reason or _asked_for_call_back(record):
        return "call-back"
    if isinstance(record.get("Queue"), dict):
        return "abandoned-in-queue"
    return "ended-in-ivr" if text_of(record.get("Channel")).upper() == "VOICE" else "other"


def _asked_for_call_back(record: dict[str, Any]) -> bool:
    """A queued contact without an agent that another one follows was put down for a call-back."""
    return bool(record.get("NextContactId")) and isinstance(record.get("Queue"), dict)
