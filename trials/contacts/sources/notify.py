"""GOV.UK Notify: what became of each letter, e-mail and text.

Read are the delivery callbacks and API answers (JSON, one or many), the returned-letter
callbacks, and the CSV that Notify offers for download. Notify may tell one notification several
times; the furthest status wins, except that a returned letter undoes a delivery
(:func:`latest`).

The ``reference`` we give Notify is ``trial:arm:unit`` where ``unit`` is a digest in hexadecimal,
so a delivery finds its unit without any personal data. The recipient is read only to be hashed,
where a reference is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Final, Literal, get_args

from trials.contacts.cells import fold
from trials.contacts.json_values import objects
from trials.contacts.moments import Moments
from trials.contacts.reading import sheet
from trials.contacts.record import Fault, Refused
from trials.contacts.sources.common import listed, starts_like_json, text_of
from trials.errors import Invalid, Problem
from trials.people.identifiers import Kind, Refusal, normalise

NAME: Final = "notify"
TITLE: Final = "GOV.UK Notify delivery statuses"
SIGNATURES: Final = (
    frozenset({"recipient", "template", "status"}),
    frozenset({"notificationid", "status"}),
    frozenset({"id", "reference", "status", "notificationtype"}),
)
JSON_SIGNATURES: Final = (
    frozenset({"notification_type", "status", "id"}),
    frozenset({"notification_id", "date_sent"}),
    frozenset({"notifications"}),
)

Rung = Literal["created", "sent", "delivered", "failed", "returned"]
RUNGS: Final[tuple[Rung, ...]] = get_args(Rung)
MessageType = Literal["letter", "email", "sms"]

STATUSES: Final[dict[str, Rung]] = {
    "created": "created", "pending": "sent", "sending": "sent", "sent": "sent",
    "delivered": "delivered", "permanentfailure": "failed", "temporaryfailure": "failed",
    "technicalfailure": "failed", "pendingviruscheck": "created", "virusscanfailed": "failed",
    "validationfailed": "failed", "accepted": "sent", "received": "delivered",
    "cancelled": "failed", "returned": "returned", "senttoprinter": "sent",
    "deliveredtoprovider": "sent", "emailaddressdoesntexist": "failed",
    "emailaddressdoesnotexist": "failed", "inboxnotacceptingmessagesrightnow": "failed",
    "phonenumberdoesntexist": "failed", "phonenumberdoesnotexist": "failed",
    "phonenotacceptingmessagesrightnow": "failed", "notdelivered": "failed", "failed": "failed",
    "sentinternationally": "sent", "printing": "sent",
    "posted": "delivered",
}  # fmt: skip
"""Notify's words → the rung of the delivery ladder. A letter that is ``received`` has reached the
printer's post; no letter is ever known to have arrived."""

_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]*):([A-Za-z0-9][A-Za-z0-9_-]*):([0-9a-f]{16,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One status of one notification.

    ``unit`` is the hexadecimal digest from the reference; ``recipient`` is normalised, not yet
    hashed, and only there when there is no reference. Times are seconds since 1970, UTC.
    """

    file_line: int
    notification: str
    rung: Rung
    message: MessageType | None
    trial: str | None
    arm: str | None
    unit: str | None
    recipient: tuple[Kind, str] | None
    at: int | None


def read(stream: IO[bytes]) -> Iterator[Delivery | Refused]:
    """The delivery statuses of callbacks, API answers or a downloaded CSV, in file order.

    Raises:
        Invalid: a needed column is missing.
        SignpostError: the file cannot be read at all.
    """
    if starts_like_json(stream):
        zone = Moments(zone="UTC")
        for item in _from_json(stream):
            yield item if isinstance(item, Refused) else _delivery(item[0], item[1], zone)
        return
    table = sheet(stream)
    at = table.columns()
    if "status" not in at:
        raise Invalid("the file", [Problem("header", "there is no column status", "", 1)])
    zone = Moments()
    for row in table.rows:
        if isinstance(row, Refused):
            yield row
        else:
            yield _delivery(row[0], _named({name: row[1][i] for name, i in at.items()}), zone)


def _from_json(stream: IO[bytes]) -> Iterator[tuple[int, Mapping[str, str]] | Refused]:
    for item in objects(stream):
        if isinstance(item, Refused):
            yield item
            continue
        line, value = item
        for one in listed(value, "notifications") if "notifications" in value else [value]:
            if isinstance(one, dict):
                yield line, {str(k): text_of(v) for k, v in one.items()}
            else:
                yield Refused(line, "not a notification", "export it again")


_COLUMNS: Final = {
    "recipient": "to", "notificationid": "id", "type": "notification_type",
    "notificationtype": "notification_type", "time": "created_at", "sentat": "sent_at",
    "createdat": "created_at", "completedat": "completed_at", "updatedat": "completed_at",
    "datesent": "date_sent",
}  # fmt: skip


def _named(row: Mapping[str, str]) -> dict[str, str]:
    return {_COLUMNS.get(name, name): text for name, text in row.items()}


def _delivery(line: int, one: Mapping[str, str], moments: Moments) -> Delivery | Refused:
    rung = STATUSES.get(fold(one.get("status", "")))
    if rung is None and one.get("notification_id"):
        rung = "returned"
    if rung is None:
        return Refused(line, "the status is not one that Notify uses", "keep Notify's own words")
    at = _time(one, moments)
    if isinstance(at, Fault):
        return Refused(line, f"time: {at.says}", at.remedy)
    message = _message(one.get("notification_type", ""), rung)
    parts = _REFERENCE.fullmatch(one.get("reference", ""))
    recipient = None if parts else _recipient(one.get("to", "") or one.get("email_address", ""))
    notification = (one.get("notification_id") or one.get("id") or "").strip()
    if not notification and parts is None and recipient is None:
        return Refused(line, "there is no id, no reference of ours and no usable recipient",
                       "export the report with its Reference column")  # fmt: skip
    trial, arm, unit = parts.groups() if parts else (None, None, None)
    return Delivery(
        file_line=line, notification=notification[:64], rung=rung, message=message, trial=trial,
        arm=arm, unit=unit, recipient=recipient, at=at,
    )  # fmt: skip


def _time(one: Mapping[str, str], moments: Moments) -> int | Fault | None:
    names = ("completed_at", "sent_at", "date_sent", "created_at")
    text = next((one[n] for n in names if one.get(n)), "")
    return moments.read(text[:40]) if text else None


def _message(text: str, rung: Rung) -> MessageType | None:
    name = fold(text)
    if name in {"letter", "email", "sms"}:
        return "letter" if name == "letter" else "email" if name == "email" else "sms"
    if name in {"text", "textmessage"}:
        return "sms"
    return "letter" if rung == "returned" else None


def _recipient(text: str) -> tuple[Kind, str] | None:
    kind: Kind = "email" if "@" in text else "phone"
    found = normalise(kind, text) if text else None
    return None if found is None or isinstance(found, Refusal) else (kind, found)


_ORDER: Final = {"created": 0, "sent": 1, "failed": 2, "delivered": 3, "returned": 4}


def rank(rung: Rung) -> int:
    """How much a status outweighs others of the same message."""
    return _ORDER[rung]


def latest(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """One status for each notification: the furthest up the ladder, a return above all."""
    best: dict[tuple[str | None, ...], Delivery] = {}
    for one in deliveries:
        key: tuple[str | None, ...] = (one.notification or None, one.trial, one.unit)
        if not one.notification and one.unit is None:
            key = (*one.recipient, str(one.at)) if one.recipient else key
        held = best.get(key)
        if held is None or _ORDER[one.rung] >= _ORDER[held.rung]:
            best[key] = one
    return list(best.values())
