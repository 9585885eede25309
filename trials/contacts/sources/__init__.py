"""The systems whose exports are known, one file a system, and telling them apart.

Every reader of contacts takes a stream of bytes and yields
:class:`~trials.contacts.record.Contact` or :class:`~trials.contacts.record.Refused`, in file
order, one at a time. Script paths, GA4 and Notify hold no contacts; they have readers of their
own, and are named by :func:`detect` too, so that nobody loads them as contacts by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any, Final, NamedTuple

from trials.contacts.cells import fold
from trials.contacts.json_values import objects
from trials.contacts.mapping import ColumnMapping
from trials.contacts.reading import sheet
from trials.contacts.record import Contact, Refused
from trials.contacts.sources import (
    amazon_connect,
    eight_by_eight,
    genesys,
    google_analytics,
    notify,
    open311,
    plain,
    script_paths,
    wrap_codes,
)
from trials.contacts.sources.common import USUAL, ReadOptions, starts_like_json
from trials.errors import NotFound

Reader = Callable[[IO[bytes], ReadOptions], Iterator[Contact | Refused]]


def _by_mapping(saved: ColumnMapping) -> Reader:
    return lambda stream, options: wrap_codes.read(stream, saved, options)


READERS: Final[dict[str, Reader]] = {
    plain.NAME: plain.read,
    eight_by_eight.NAME: eight_by_eight.read,
    amazon_connect.NAME: amazon_connect.read,
    genesys.NAME: genesys.read,
    open311.NAME: open311.read,
    **{name: _by_mapping(saved) for name, saved in wrap_codes.BUILT_IN.items()},
}
"""Readers of contacts by the source's name."""

TITLES: Final[dict[str, str]] = {
    module.NAME: module.TITLE
    for module in (plain, eight_by_eight, amazon_connect, genesys, open311, script_paths,
                   google_analytics, notify)
} | {name: saved.title for name, saved in wrap_codes.BUILT_IN.items()}  # fmt: skip
TITLES[google_analytics.TOTALS_NAME] = google_analytics.TOTALS_TITLE

ELSEWHERE: Final[dict[str, str]] = {
    script_paths.NAME: "show them with 'signpost drop-off FILE'",
    google_analytics.NAME: "take them in with 'signpost import exposures KEY FILE --source ga4'",
    google_analytics.TOTALS_NAME: "export the events instead of the counts, for "
                                  "'signpost import exposures KEY FILE --source ga4'",
    notify.NAME: "take them in with 'signpost import deliveries KEY FILE'",
}  # fmt: skip
"""What to do with an export that is known and holds no contacts, by its source."""


class Signature(NamedTuple):
    """The columns (folded) or JSON keys by which an export is known."""

    source: str
    names: frozenset[str]


_TABLES: Final = tuple(
    Signature(source, names)
    for source, several in (
        (plain.NAME, plain.SIGNATURES),
        (eight_by_eight.NAME, eight_by_eight.SIGNATURES),
        (open311.NAME, open311.SIGNATURES),
        (script_paths.NAME, script_paths.SIGNATURES),
        (google_analytics.NAME, google_analytics.SIGNATURES),
        (google_analytics.TOTALS_NAME, google_analytics.TOTALS_SIGNATURES),
        (notify.NAME, notify.SIGNATURES),
    )
    for names in several
) + tuple(
    Signature(name, frozenset(fold(c) for names in saved.columns.values() for c in names))
    for name, saved in wrap_codes.BUILT_IN.items()
)
_JSON: Final = tuple(
    Signature(module.NAME, names)
    for module in (amazon_connect, genesys, open311, google_analytics, notify)
    for names in module.JSON_SIGNATURES
)


def reader(source: str) -> Reader:
    """The reader of contacts called ``source``.

    Raises:
        NotFound: no such source, or one that holds no contacts.
    """
    if source in READERS:
        return READERS[source]
    if source in TITLES:
        raise NotFound(f"{TITLES[source]} hold no contacts", ELSEWHERE[source])
    raise NotFound("there is no source of that name", f"use one of {', '.join(sorted(READERS))}")


def detect(header: Iterable[str]) -> str | None:
    """The source whose known columns are all in ``header``; the one with most of them wins."""
    return _best(_TABLES, {fold(name) for name in header})


def _best(signatures: Sequence[Signature], present: set[str]) -> str | None:
    fitting = [known for known in signatures if known.names <= present]
    return max(fitting, key=lambda known: len(known.names)).source if fitting else None


def identify(stream: IO[bytes]) -> str | None:
    """The source of an export from its header or its first JSON object; ``None`` if unknown.

    The stream is left at its start.

    Raises:
        SignpostError: the file cannot be read at all.
    """
    if starts_like_json(stream):
        first = next((item for item in objects(stream) if not isinstance(item, Refused)), None)
        stream.seek(0)
        return _of_json(first[1]) if first else None
    found = detect(sheet(stream).header)
    stream.seek(0)
    return found


def _of_json(value: dict[str, Any]) -> str | None:
    keys = set(value)
    if "items" in keys or "content" in keys:
        return eight_by_eight.NAME
    return _best(_JSON, keys)


__all__ = [
    "ELSEWHERE",
    "READERS",
    "TITLES",
    "USUAL",
    "ReadOptions",
    "Reader",
    "detect",
    "identify",
    "reader",
]
