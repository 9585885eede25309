"""Contacts that a system sends as it goes: a batch of rows instead of a file.

Rows carry the contacts file's field names, each with its own ``contact_id``, so that a batch sent
twice changes nothing. The rules, the correction of older deliveries and the ledger are those of
files (:mod:`trials.contacts.load`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from trials.contacts import intake, load
from trials.contacts.record import Contact, Refused
from trials.contacts.rows import FIELDS, Cleaner
from trials.contacts.sources import TITLES
from trials.contacts.sources.common import text_of
from trials.definition.near import nearest
from trials.errors import Invalid, Problem
from trials.importing import ledger
from trials.people.identifiers import KINDS, Hasher
from trials.plurals import counted
from trials.store.engine import Store

LARGEST: Final = 10_000
"""Rows in one batch; a larger log is a file."""
LONGEST_SOURCE: Final = 64


def add_batch(
    store: Store, rows: Sequence[Mapping[str, Any]], *, source: str, hasher: Hasher, actor: str,
    keep_good_rows: bool = False,
) -> ledger.Report:  # fmt: skip
    """Take contacts into the log: all of them or none, and twice without harm.

    Args:
        store: the database.
        rows: one mapping a contact; the fields are those of the contacts file. Values may be
            text, numbers, booleans or null.
        source: the system that sends them; ids are unique within it.
        hasher: keyed hashes of identifiers.
        actor: who sends, for the ledger.
        keep_good_rows: take what can be used and report the rest.

    Returns:
        The report; a problem's ``line`` is the row's place in the batch, counted from 1.

    Raises:
        Invalid: rows are refused (every one is listed), or there are none, or too many.
    """
    name = _source(source)
    _check_size(rows)
    text = json.dumps([dict(row) for row in rows], sort_keys=True, default=str)
    fingerprint = hasher.stable(f"batch:{name}\n{text}").hex()
    return load.take(
        store, load.Delivery(name, "the batch", fingerprint), _batches(rows, hasher),
        actor=actor, keep_good_rows=keep_good_rows,
    )  # fmt: skip


def _source(name: str) -> str:
    clean = name.strip()
    if clean in TITLES or (clean and len(clean) <= LONGEST_SOURCE and clean.isprintable()):
        return clean
    says = f"a source is named with 1 to {LONGEST_SOURCE} printable characters"
    raise Invalid("the batch", [Problem("source", says, "name the system that sends")])


def _check_size(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise Invalid("the batch", [Problem("", "there are no rows in it", "send at least one")])
    if len(rows) > LARGEST:
        says = f"has {counted(len(rows), 'row')} where at most {LARGEST:,} are taken at once"
        raise Invalid("the batch", [Problem("", says, "send it in parts, or import a file")])


def _batches(rows: Sequence[Mapping[str, Any]], hasher: Hasher) -> Iterator[intake.Batch]:
    cleaner = Cleaner(place="row")
    items = (_read(number, row, cleaner) for number, row in enumerate(rows, start=1))
    return intake.batches(items, hasher)


def _read(number: int, row: Mapping[str, Any], cleaner: Cleaner) -> Contact | Refused:
    if strange := [name for name in row if name not in FIELDS]:
        return Refused(number, *_strange(strange[0]), place="row")
    if nested := [name for name, value in row.items() if isinstance(value, dict | list)]:
        return Refused(number, f"{nested[0]} holds an object or a list",
                       "give text, a number, true, false or null", place="row")  # fmt: skip
    texts = {name: text_of(value) for name, value in row.items()}
    if not any(texts.get(name) for name in ("unit", *KINDS)):
        return Refused(number, "has neither a unit nor an identifier",
                       f"give unit or one of {', '.join(KINDS)}", place="row")  # fmt: skip
    return cleaner.clean(number, texts)


def _strange(name: str) -> tuple[str, str]:
    return "holds a field that contacts do not have", f"did you mean {nearest(name, FIELDS)!r}?"
