"""Genesys Cloud: conversation details (the answer of the analytics query, or its saved pages).

One conversation is one contact, however many participants, sessions and segments it has.
Waiting is the time in ACD sessions, handling the agents' ``interact``, ``hold`` and ``wrapup``
segments. A conversation that never reached an ACD and whose flow disconnected ended in the IVR.
The arm is the participant attribute ``trialArm``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, Any, Final

from trials.contacts.json_values import objects
from trials.contacts.moments import Moments
from trials.contacts.record import Contact, Outcome, Refused
from trials.contacts.rows import Cleaner
from trials.contacts.sources.common import USUAL, ReadOptions, listed, numbered, text_of, within

NAME: Final = "genesys"
TITLE: Final = "Genesys Cloud conversation details"
JSON_SIGNATURES: Final = (
    frozenset({"conversationId", "conversationStart"}),
    frozenset({"conversations"}),
)

CHANNELS: Final = {
    "voice": "phone", "callback": "phone", "chat": "webchat", "message": "webchat",
    "webmessaging": "webchat", "email": "email", "sms": "sms",
}  # fmt: skip
_HANDLING: Final = frozenset({"interact", "hold", "wrapup"})

Part = dict[str, Any]


def read(stream: IO[bytes], options: ReadOptions = USUAL) -> Iterator[Contact | Refused]:
    """The contacts of conversation details, in file order.

    Raises:
        SignpostError: the stream cannot be read at all.
    """
    cleaner = Cleaner(region=options.region)
    for item in objects(stream):
        if isinstance(item, Refused):
            yield item
            continue
        number, value = item
        for place, conversation in enumerate(_conversations(value), 1):
            yield numbered(_contact(number, conversation, cleaner), "conversation", place)


def _conversations(value: dict[str, Any]) -> Iterator[Any]:
    if "conversations" in value:
        yield from listed(value, "conversations")
    else:
        yield value


def _contact(number: int, conversation: Any, cleaner: Cleaner) -> Contact | Refused:
    if not isinstance(conversation, dict):
        return Refused(number, "not a conversation", "export the query's answer again")
    if text_of(conversation.get("originatingDirection")).casefold() == "outbound":
        return Refused(number, "an outbound conversation", left_out=True)
    return cleaner.clean(number, _row(conversation))


def _row(conversation: Part) -> dict[str, str]:
    people = [p for p in listed(conversation, "participants") if isinstance(p, dict)]
    customer = [p for p in people if p.get("purpose") in {"customer", "external"}]
    first = next(iter(_sessions(customer)), {})
    channel = text_of(first.get("mediaType"))
    queued, agents = _of(people, "acd"), _of(people, "agent")
    row = {
        "contact_id": text_of(conversation.get("conversationId")),
        "occurred_at": text_of(conversation.get("conversationStart")),
        "channel": CHANNELS.get(channel, channel),
        "line": _line(people),
        "reason": _wrap_code(agents),
        "outcome": _outcome(people),
        "ivr_seconds": _seconds(_segments(_of(people, "ivr"))),
        "wait_seconds": _seconds(_segments(queued)),
        "handle_seconds": _seconds(
            s for s in _segments(agents) if text_of(s.get("segmentType")).lower() in _HANDLING
        ),
        "arm": _attribute(people, "trialArm"),
        "customer": text_of(next((p.get("externalContactId") for p in customer), None)),
        **_caller(first),
    }
    return {name: text for name, text in row.items() if text}


def _of(people: list[Part], purpose: str) -> list[Part]:
    return [p for p in people if p.get("purpose") == purpose]


def _sessions(people: Iterable[Part]) -> Iterator[Part]:
    for person in people:
        yield from (s for s in listed(person, "sessions") if isinstance(s, dict))


def _segments(people: Iterable[Part]) -> Iterator[Part]:
    for session in _sessions(people):
        yield from (s for s in listed(session, "segments") if isinstance(s, dict))


def _seconds(segments: Iterable[Part]) -> str:
    """The time that segments with a start and an end cover, as a duration; blank if there are none.

    Fractions of a second are lost with each segment's ends, less than a second in all.
    """
    clock = Moments()
    total, found = 0, False
    for segment in segments:
        start = clock.read(text_of(segment.get("segmentStart"))[:40])
        end = clock.read(text_of(segment.get("segmentEnd"))[:40])
        if isinstance(start, int) and isinstance(end, int) and end >= start:
            total, found = total + end - start, True
    return f"PT{total}S" if found else ""


def _line(people: list[Part]) -> str:
    queue = next((s.get("queueId") for s in _segments(_of(people, "acd"))), None)
    flow = next((within(s, "flow", "flowName") for s in _sessions(_of(people, "ivr"))), None)
    return text_of(queue) or text_of(flow)


def _wrap_code(agents: list[Part]) -> str:
    codes = [text_of(s.get("wrapUpCode")) for s in _segments(agents)]
    return next((code for code in reversed(codes) if code), "")


def _attribute(people: list[Part], name: str) -> str:
    return next((t for p in people if (t := text_of(within(p, "attributes", name)))), "")


def _caller(session: Part) -> dict[str, str]:
    address = text_of(session.get("ani")) or text_of(session.get("addressFrom"))
    if not address:
        return {}
    is_mail = text_of(session.get("mediaType")) == "email"
    return {"email": address} if is_mail else {"phone": address}


def _outcome(people: list[Part]) -> Outcome:
    agents, queued = _of(people, "agent"), _of(people, "acd")
    spoken = [s for s in _segments(agents) if text_of(s.get("segmentType")).lower() == "interact"]
    if spoken:
        away = any("transfer" in text_of(s.get("disconnectType")).lower() for s in spoken)
        return "transferred" if away and len(agents) == 1 else "handled"
    media = {text_of(s.get("mediaType")) for s in _sessions(people)}
    if "callback" in media:
        return "call-back"
    if _of(people, "voicemail"):
        return "voicemail"
    if queued:
        return "abandoned-in-queue"
    return "ended-in-ivr" if _of(people, "ivr") else "other"
