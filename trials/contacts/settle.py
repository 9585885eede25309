"""Several deliveries of one contact become one: the rule of corrections, in memory.

A source may deliver a contact again, the same or changed. The one with the latest ``version`` (the
source's own last-update time) wins; without versions, or between equal ones, the later in the
order of delivery. A delivery without a version never beats one that has one. The store's merge
follows the same rule over millions of rows; this is its statement for a batch in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from trials.contacts.record import Contact


@dataclass(frozen=True, slots=True)
class Settled:
    """One contact for each id in order of first delivery, and what the others were.

    ``repeats`` said the same again; ``corrections`` said something else.
    """

    contacts: tuple[Contact, ...]
    repeats: int
    corrections: int


_SAID = tuple(f.name for f in fields(Contact) if f.name not in {"file_line", "version"})


def same(one: Contact, other: Contact) -> bool:
    """Whether two deliveries say the same, whenever and wherever they were delivered."""
    return all(getattr(one, name) == getattr(other, name) for name in _SAID)


def supersedes(later: Contact, held: Contact) -> bool:
    """Whether ``later`` (delivered after ``held``) is the one to keep."""
    if held.version is None:
        return True
    return later.version is not None and later.version >= held.version


def settle(contacts: Iterable[Contact]) -> Settled:
    """One contact for each ``contact_id``; rows without an id (to be derived) are all kept."""
    held: dict[str, Contact] = {}
    repeats = corrections = 0
    for number, contact in enumerate(contacts):
        key = contact.contact_id or f"\0{number}"
        before = held.get(key)
        if before is None:
            held[key] = contact
            continue
        repeats += same(contact, before)
        corrections += not same(contact, before)
        if supersedes(contact, before):
            held[key] = contact
    return Settled(tuple(held.values()), repeats, corrections)
