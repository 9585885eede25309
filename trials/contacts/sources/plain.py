"""The contacts file of Signpost itself: the columns carry the fields' own names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Final

from trials.contacts import mapping
from trials.contacts.cells import fold
from trials.contacts.mapping import Binding, ColumnMapping
from trials.contacts.reading import sheet
from trials.contacts.record import Contact, Refused
from trials.contacts.rows import FIELDS
from trials.contacts.sources.common import USUAL, ReadOptions
from trials.errors import Invalid, Problem
from trials.people.identifiers import KINDS

NAME: Final = "contacts"
TITLE: Final = "A contacts file with Signpost's own columns"
SIGNATURES: Final = (frozenset({"contactid", "occurredat"}),)


def binding(header: Sequence[str], region: str = "GB") -> Binding:
    """The columns of ``header`` that are fields of a contact.

    Raises:
        Invalid: there is no contact_id, no occurred_at, or neither a unit nor an identifier.
    """
    present = {fold(name) for name in header}
    columns: dict[str, tuple[str, ...]] = {
        name: (name,) for name in FIELDS if fold(name) in present
    }
    problems = [
        Problem("header", f"there is no column {name}", "", 1)
        for name in ("contact_id", "occurred_at")
        if name not in columns
    ]
    if not any(name in columns for name in (*KINDS, "unit")):
        says = f"there is no identifier: one of {', '.join(KINDS)}, or unit"
        problems.append(Problem("header", says, "", 1))
    if problems:
        raise Invalid("the contacts file", problems, "rename the columns or use a mapping")
    return mapping.bind(ColumnMapping(name=NAME, columns=columns, region=region), header)


def read(stream: IO[bytes], options: ReadOptions = USUAL) -> Iterator[Contact | Refused]:
    """The contacts of a file with Signpost's own columns, in file order.

    Raises:
        Invalid: a required column is missing.
        SignpostError: the file cannot be read at all.
    """
    table = sheet(stream)
    return mapping.contacts(table, binding(table.header, options.region))
