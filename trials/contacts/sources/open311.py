"""Open311 GeoReport v2 service requests (FixMyStreet Pro and others): CSV, JSON or XML.

A report made online is a contact that needed no member of staff to take it down: its channel is
``web`` and its outcome ``self-served``. That a request is closed does not say that the need was
met, so ``resolved`` stays unknown. The address, position and description are not read at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final
from xml.etree import ElementTree as ET

from trials.contacts import mapping
from trials.contacts.json_values import objects
from trials.contacts.mapping import ColumnMapping
from trials.contacts.reading import sheet, told
from trials.contacts.record import Contact, Refused
from trials.contacts.rows import Cleaner
from trials.contacts.sources.common import (
    USUAL,
    ReadOptions,
    listed,
    numbered,
    starts_like_json,
    text_of,
)
from trials.errors import SignpostError

NAME: Final = "open311"
TITLE: Final = "Open311 GeoReport v2 service requests"
SIGNATURES: Final = (frozenset({"servicerequestid", "requesteddatetime"}),)
JSON_SIGNATURES: Final = (
    frozenset({"service_request_id", "requested_datetime"}),
    frozenset({"service_requests"}),
)

_COLUMNS: Final = {
    "contact_id": "service_request_id",
    "occurred_at": "requested_datetime",
    "version": "updated_datetime",
    "reason": "service_name",
    "topic": "service_group",
    "email": "email",
    "phone": "phone",
    "uprn": "uprn",
}
_CONSTANT: Final = {"channel": "web", "outcome": "self-served"}


def read(stream: IO[bytes], options: ReadOptions = USUAL) -> Iterator[Contact | Refused]:
    """The contacts of a service-request export, in file order.

    Raises:
        Invalid: a needed column is missing.
        SignpostError: the file cannot be read at all.
    """
    if starts_like_json(stream):
        return _cleaned(_json(stream), Cleaner(region=options.region))
    if _starts_like_xml(stream):
        return _cleaned(_xml(stream), Cleaner(region=options.region, place="request"))
    return _table(stream, options)


def _table(stream: IO[bytes], options: ReadOptions) -> Iterator[Contact | Refused]:
    table = sheet(stream)
    present = table.columns()
    columns: dict[str, tuple[str, ...]] = {
        name: (column,)
        for name, column in _COLUMNS.items()
        if name in {"contact_id", "occurred_at"} or column.replace("_", "") in present
    }
    found = ColumnMapping(
        name=NAME, columns=columns, constants=dict(_CONSTANT), region=options.region
    )
    return mapping.contacts(table, mapping.bind(found, table.header))


def _cleaned(
    items: Iterator[tuple[int, dict[str, Any]] | Refused], cleaner: Cleaner
) -> Iterator[Contact | Refused]:
    line = place = 0
    for item in items:
        if isinstance(item, Refused):
            yield item
            continue
        number, request = item
        place = place + 1 if number == line else 1
        line = number
        row = {name: text_of(request.get(column)) for name, column in _COLUMNS.items()}
        row = {name: text for name, text in row.items() if text} | _CONSTANT
        done = cleaner.clean(number, row)
        yield numbered(done, "request", place) if place > 1 else done


def _json(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]] | Refused]:
    for item in objects(stream):
        if isinstance(item, Refused) or "service_requests" not in item[1]:
            yield item
            continue
        for request in listed(item[1], "service_requests"):
            if isinstance(request, dict):
                yield item[0], request
            else:
                yield Refused(item[0], "not a service request", "export it again")


def _starts_like_xml(stream: IO[bytes]) -> bool:
    with told():
        head = stream.read(512)
        stream.seek(0)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def _xml(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]] | Refused]:
    """The ``request`` elements. A document type is refused: it could define endless entities."""
    number = 0
    with told():
        if b"<!DOCTYPE" in stream.read(4096).upper():
            raise SignpostError("the XML has a document type", "export it without one")
        stream.seek(0)
    try:
        for _event, element in ET.iterparse(stream, events=("end",)):  # noqa: S314 - no entities without a document type
            if element.tag != "request":
                continue
            number += 1
            yield number, {child.tag: (child.text or "").strip() for child in element}
            element.clear()
    except (ET.ParseError, ValueError, LookupError):
        yield Refused(
            number + 1, "the XML is broken from here on", "export it again", place="request"
        )
