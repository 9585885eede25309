"""The seam between files and the store: clean columns, every identifier already hashed.

A loader asks :func:`batches` for Arrow record batches of :data:`SCHEMA` and writes them to its
staging table; what could not be used comes beside them. Nothing that leaves here identifies a
person without the key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from trials.contacts.record import Contact, Refused
from trials.people.identifiers import DIGEST_BYTES, KINDS, Hasher

SCHEMA: Final = pa.schema(
    [
        pa.field("file_line", pa.int64(), nullable=False),
        pa.field("contact_id", pa.string(), nullable=False),
        pa.field("occurred_at", pa.int64(), nullable=False),
        pa.field("version", pa.int64()),
        *(
            pa.field(name, pa.string())
            for name in ("channel", "line", "topic", "reason", "outcome")
        ),
        pa.field("handled", pa.bool_()),
        *(pa.field(name, pa.int32()) for name in ("ivr_seconds", "wait_seconds", "handle_seconds")),
        pa.field("resolved", pa.bool_()),
        pa.field("satisfaction", pa.float64()),
        pa.field("cost", pa.float64()),
        pa.field("email_on_record", pa.bool_()),
        pa.field("arm", pa.string()),
        pa.field("unit", pa.binary(DIGEST_BYTES)),
        *(pa.field(kind, pa.binary(DIGEST_BYTES)) for kind in KINDS),
        pa.field("unusable", pa.string()),
    ]
)
"""The columns of a batch. ``unit`` and the identifiers are 16-byte digests; ``unusable`` lists
identifiers that were withheld or unreadable, as ``phone:withheld email:malformed``."""

BATCH: Final = 50_000
_AS_THEY_ARE: Final = tuple(
    name for name in SCHEMA.names if name not in {"contact_id", "unit", "unusable", *KINDS}
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some contacts as columns, and the rows met among them that did not become contacts."""

    contacts: pa.RecordBatch
    refused: tuple[Refused, ...] = ()


@dataclass(slots=True)
class Names:
    """Derived ids for rows without one: a digest of what the row says, and its occurrence.

    The same file gives the same ids again, so importing it twice changes nothing; two equal rows
    of one file stay two contacts.
    """

    hasher: Hasher
    seen: Counter[bytes] = field(default_factory=Counter)

    def of(self, contact: Contact) -> str:
        """The contact's own id, or one derived from its content."""
        if contact.contact_id:
            return contact.contact_id
        said = [getattr(contact, name) for name in _AS_THEY_ARE if name != "file_line"]
        digest = self.hasher.stable(repr((said, contact.unit, contact.identifiers)))
        self.seen[digest] += 1
        return f"row-{digest.hex()}-{self.seen[digest]}"


def batches(
    items: Iterable[Contact | Refused],
    hasher: Hasher,
    *,
    unit_scope: str = "",
    size: int = BATCH,
) -> Iterator[Batch]:
    """The stream of an importer as batches of at most ``size`` rows, in file order.

    ``unit_scope`` is the key of the trial whose units the ``unit`` column names.
    """
    names = Names(hasher)
    held: list[Contact] = []
    refused: list[Refused] = []
    for item in items:
        if isinstance(item, Contact):
            held.append(item)
        else:
            refused.append(item)
        if len(held) + len(refused) >= size:
            yield Batch(columns(held, names, unit_scope), tuple(refused))
            held, refused = [], []
    if held or refused:
        yield Batch(columns(held, names, unit_scope), tuple(refused))


def columns(contacts: list[Contact], names: Names, unit_scope: str = "") -> pa.RecordBatch:
    """Contacts as one record batch of :data:`SCHEMA`, identifiers and units hashed."""
    hasher = names.hasher
    data: dict[str, list[Any]] = {
        name: [getattr(c, name) for c in contacts] for name in _AS_THEY_ARE
    }
    data["contact_id"] = [names.of(c) for c in contacts]
    units = {c.unit for c in contacts if c.unit is not None}
    digests = {unit: hasher.unit(unit_scope, unit) for unit in units}
    data["unit"] = [None if c.unit is None else digests[c.unit] for c in contacts]
    found = [dict(c.identifiers) for c in contacts]
    for kind in KINDS:
        data[kind] = hasher.digests(kind, [one.get(kind) for one in found])
    data["unusable"] = [" ".join(f"{k}:{code}" for k, code in c.unusable) or None for c in contacts]
    arrays = [pa.array(data[one.name], type=one.type) for one in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
