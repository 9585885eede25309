"""8x8 Contact Center: the *interaction details* report.

The report comes as CSV or XLSX under field keys (``queueWaitDuration``, durations in
milliseconds) or labels (``Queue Wait Duration``, durations as ``hh:mm:ss`` or seconds), and as
JSON pages of ``{"items": [{"key", "label", "value"}]}`` (milliseconds). All are the same contacts.

Outbound interactions and the later legs of a transferred one are left out of the log: what counts
is that somebody contacted the council, once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, Final

from trials.contacts.cells import fold, why_nothing
from trials.contacts.durations import DurationUnit, seconds
from trials.contacts.json_values import objects
from trials.contacts.reading import sheet
from trials.contacts.record import Contact, Fault, Outcome, Refused
from trials.contacts.rows import Cleaner
from trials.contacts.sheets import Sheet
from trials.contacts.sources.common import USUAL, ReadOptions, numbered, starts_like_json
from trials.errors import Invalid, Problem

NAME: Final = "8x8"
TITLE: Final = "8x8 Contact Center interaction details"
SIGNATURES: Final = (
    frozenset({"interactionid", "creationtime"}),
    frozenset({"interactionid", "mediatype"}),
)

OUTCOMES: Final[dict[str, Outcome]] = {
    "handled": "handled",
    "abandoned": "abandoned-in-queue",
    "endedinivr": "ended-in-ivr",
    "forwardedtocallback": "call-back",
    "canceled": "call-back",
    "cancelled": "call-back",
    "forwardedtovoicemail": "voicemail",
    "rejected": "refused",
    "offeringtimeout": "refused",
    "transferredtoqueue": "transferred",
    "transfertoanothernumber": "transferred",
    "unknownoutcome": "other",
}
"""What 8x8 calls an outcome → what we call it. Where several labels are given the first in this
order decides: an interaction that was handled in the end was handled."""

MEDIA: Final = {
    "phone": "phone",
    "chat": "webchat",
    "email": "email",
    "voicemail": "phone",
    "sms": "sms",
    "social": "social",
    "socialexpression": "social",
}

_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "contact_id": ("interactionid",),
    "occurred_at": ("creationtime", "time", "created", "starttime"),
    "line": ("queuename", "channelname", "queue"),
    "reason": ("wrapupcodetext", "wrapupcode", "wrapupshortcode"),
    "ivr_seconds": ("ivrtreatmentduration",),
    "arm": ("trialarm",),
    "phone": ("customerphone", "customerphonenumber"),
    "email": ("customeremail",),
    "account": ("customeraccountnumber", "accountnumber"),
}
_ARM = re.compile(r"_trialArm\W+(?:value\W+)?([A-Za-z0-9][A-Za-z0-9_-]{0,63})")
_CODES = re.compile(r"\s*[;|\n]\s*")

Cells = Mapping[str, str]


def read(stream: IO[bytes], options: ReadOptions = USUAL) -> Iterator[Contact | Refused]:
    """The contacts of an interaction-details export, in file order.

    Raises:
        Invalid: there is no Interaction ID or no Creation Time column.
        SignpostError: the file cannot be read at all.
    """
    if starts_like_json(stream):
        return _from_json(stream, options)
    return _from_table(sheet(stream), options)


def _from_table(table: Sheet, options: ReadOptions) -> Iterator[Contact | Refused]:
    at = table.columns()
    for needed in ("contact_id", "occurred_at"):
        if not any(alias in at for alias in _ALIASES[needed]):
            raise Invalid(
                "the file",
                [Problem("header", f"there is no column for {needed}", "", 1)],
                "export the interaction-details report with Interaction ID and Creation Time",
            )
    unit: DurationUnit = "ms" if _has_keys(table.header) else "s"
    cleaner = Cleaner(region=options.region, units={"ivr_seconds": unit}, place=table.place)
    return _contacts(table, at, cleaner, _Reader(unit=unit, options=options))


def _has_keys(header: Sequence[str]) -> bool:
    """Keys are in camel case (``queueName``); labels are words (``Queue Name``)."""
    keys = sum(1 for n in header if re.fullmatch(r"_?[a-z]+(?:[A-Z][A-Za-z]*)+", n))
    labels = sum(1 for n in header if " " in n.strip())
    return keys > labels


def _contacts(
    table: Sheet, at: dict[str, int], cleaner: Cleaner, reader: _Reader
) -> Iterator[Contact | Refused]:
    for item in table.rows:
        if isinstance(item, Refused):
            yield item
            continue
        number, values = item
        yield reader.contact(number, {name: values[i] for name, i in at.items()}, cleaner)


def _from_json(stream: IO[bytes], options: ReadOptions) -> Iterator[Contact | Refused]:
    cleaner = Cleaner(region=options.region, units={"ivr_seconds": "ms"})
    reader = _Reader(unit="ms", options=options)
    for item in objects(stream):
        if isinstance(item, Refused):
            yield item
            continue
        number, page = item
        for place, record in enumerate(_records(page), 1):
            yield numbered(reader.contact(number, _flat(record), cleaner), "interaction", place)


def _records(page: dict[str, Any]) -> Iterator[Any]:
    """A page is one interaction (``items``) or a list of them (``content``, ``data``)."""
    for name in ("content", "data", "interactions"):
        if isinstance(page.get(name), list):
            yield from page[name]
            return
    yield page


def _flat(record: Any) -> dict[str, str]:
    items = record.get("items") if isinstance(record, dict) else record
    if isinstance(items, list):
        pairs = [(i.get("key", ""), i.get("value")) for i in items if isinstance(i, dict)]
    else:
        pairs = list(record.items()) if isinstance(record, dict) else []
    return {fold(str(key)): _value(value) for key, value in pairs}


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return _value(value.get("value"))
    if isinstance(value, list):
        return ";".join(_value(part) for part in value[:50])
    return "" if value is None else str(value)


class _Reader:
    """One interaction's cells → the fields of a contact."""

    def __init__(self, *, unit: DurationUnit, options: ReadOptions) -> None:
        self._unit = unit
        self._options = options

    def contact(self, number: int, cells: Cells, cleaner: Cleaner) -> Contact | Refused:
        if fold(cells.get("direction", "")).startswith("outbound"):
            return Refused(number, "an outbound interaction", left_out=True, place=cleaner.place)
        first = _first(cells, ("originalinteractionid",))
        if first and first != _first(cells, _ALIASES["contact_id"]) and not self._options.keep_legs:
            return Refused(
                number, "a later leg of an earlier contact", left_out=True, place=cleaner.place
            )
        return cleaner.clean(number, self._row(cells))

    def _row(self, cells: Cells) -> dict[str, str]:
        row = {name: _first(cells, aliases) for name, aliases in _ALIASES.items()}
        row["channel"] = _channel(cells)
        row["outcome"] = _outcome(cells)
        row["reason"] = _CODES.split(row["reason"].strip())[0]
        row["wait_seconds"] = self._wait(cells, abandoned=row["outcome"] == "abandoned-in-queue")
        row["handle_seconds"] = self._added(
            cells, ("participanthandlingduration", "participantwrapupduration")
        )
        row["arm"] = row["arm"] or _arm(cells)
        return {name: text for name, text in row.items() if text}

    def _wait(self, cells: Cells, *, abandoned: bool) -> str:
        names = ("timetoabandon", "queuewaitduration", "queuetime")
        return self._added(cells, (_present(cells, names if abandoned else names[1:]),))

    def _added(self, cells: Cells, names: tuple[str, ...]) -> str:
        """The sum of several durations; one that cannot be read is passed on to be refused."""
        texts = [t for t in (cells.get(name, "") for name in names) if why_nothing(t) is None]
        total = 0
        for text in texts:
            value = seconds(text, self._unit)
            if isinstance(value, Fault):
                return text
            total += value
        return f"PT{total}S" if texts else ""


def _present(cells: Cells, names: tuple[str, ...]) -> str:
    return next((n for n in names if why_nothing(cells.get(n, "")) is None), names[-1])


def _first(cells: Cells, names: tuple[str, ...]) -> str:
    for name in names:
        text = cells.get(name, "")
        if why_nothing(text) is None:
            return text
    return ""


def _channel(cells: Cells) -> str:
    text = _first(cells, ("mediatype",))
    return MEDIA.get(fold(text), text)


def _outcome(cells: Cells) -> str:
    """Ours for the strongest of the labels; the label itself if none is known."""
    text = _first(cells, ("outcome",)) or _first(cells, ("interactionlabels", "labels"))
    given = {fold(part) for part in re.split(r"[,;|\[\]\"]", text) if part.strip()}
    known: Callable[[str], bool] = given.__contains__
    strongest = next(filter(known, OUTCOMES), None)
    if strongest is not None:
        return OUTCOMES[strongest]
    return "other" if given else ""


def _arm(cells: Cells) -> str:
    """The arm that the ``_trialArm`` variable carried along with the interaction."""
    match = _ARM.search(_first(cells, ("externaltransactiondata", "variables")))
    return match[1] if match else ""
