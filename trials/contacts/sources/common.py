"""What the importers of all systems share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO, Any, Final

from trials.contacts.reading import told
from trials.contacts.record import Contact, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """``region`` reads numbers without a country code; ``keep_legs`` counts each transfer leg."""

    region: str = "GB"
    keep_legs: bool = False


USUAL: Final = ReadOptions()


def starts_like_json(stream: IO[bytes]) -> bool:
    """Whether the first character that is no space opens a JSON object or array."""
    with told():
        head = stream.read(4096)
        stream.seek(0)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}


def text_of(value: Any) -> str:
    """A scalar of JSON as text; objects, arrays and null say nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def within(record: Any, *path: str) -> Any:
    """``record[path[0]][path[1]]…``, or ``None`` wherever the path ends early."""
    for name in path:
        if not isinstance(record, dict):
            return None
        record = record.get(name)
    return record


def numbered(item: Contact | Refused, what: str, number: int) -> Contact | Refused:
    """``item``, its refusal naming which record of a line it was: one line may hold them all."""
    if isinstance(item, Contact) or item.left_out:
        return item
    return replace(item, says=f"{what} {number}: {item.says}")


def listed(record: Any, *path: str) -> list[Any]:
    """The list at ``path``, empty if there is none."""
    found = within(record, *path)
    return found if isinstance(found, list) else []
