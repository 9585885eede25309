"""Whole columns cleaned at once: each different value once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trials.contacts import cells, durations
from trials.contacts.record import HANDLED_BY, Fault
from trials.contacts.rows import (
    FEW_DIGITS,
    LABELS,
    LONGEST_ID,
    holds_email,
    holds_identifier,
    holds_phone,
)
from trials.people.identifiers import DIGEST_BYTES, KINDS, Hasher, Kind, normalise

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
DIGEST: Final = pa.binary(DIGEST_BYTES)
REMEMBERED: Final = 1 << 19


def by_value(
    column: pa.Array,
    read: Callable[[str], Any],
    kind: pa.DataType,
    seen: dict[str, Any] | None = None,
) -> tuple[pa.Array, Mask]:
    """``column`` cleaned by ``read``, each different text once; the mask marks faults.

    ``seen`` remembers values from batch to batch.
    """
    known = {} if seen is None else seen
    if len(known) > REMEMBERED:
        known.clear()
    coded = column.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    for text in texts:
        if text not in known:
            known[text] = read(text) if text else None
    values = [known[text] for text in texts]
    faults = np.array([isinstance(value, Fault) for value in values], dtype=bool)
    clean = pa.array([None if isinstance(v, Fault) else v for v in values], type=kind)
    return clean.take(coded.indices), faults[coded.indices.to_numpy()]


def text_bytes(column: pa.Array) -> tuple[Ints, NDArray[np.uint8]]:
    """Where each text of a column without nulls begins (and the last ends), and all their bytes."""
    _, places, data = column.buffers()
    offsets = np.frombuffer(places, dtype=np.int32)[column.offset :][: len(column) + 1]
    held = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, np.uint8)
    return offsets.astype(np.int64), held


def unsound_ids(raw: pa.RecordBatch) -> Mask:
    """The rows whose id is not plainly one: blank, long, not printable, or holding an identifier.

    Most files are plain through and through, which the bytes of the whole column tell at once.
    """
    column = raw["contact_id"]
    offsets, data = text_bytes(column)
    part, starts = data[offsets[0] : offsets[-1]], offsets - offsets[0]
    lengths = np.diff(starts)
    odd = (lengths == 0) | (lengths > LONGEST_ID)
    if not bool(((part > 0x20) & (part < 0x7F)).all()):
        plain = pc.match_substring_regex(column, "^[!-~]([ -~]*[!-~])?$")
        odd |= ~plain.to_numpy(zero_copy_only=False)
    if "phone" in raw.schema.names:
        digits = np.concatenate([[0], np.cumsum((part >= 0x30) & (part <= 0x39))])
        many = digits[starts[1:]] - digits[starts[:-1]] >= 9
        odd |= _holding(raw, "phone", many, holds_phone)
    if "email" in raw.schema.names:
        odd |= _holding(raw, "email", _may_hold_email(raw), holds_email)
    return np.asarray(odd | telling_labels(raw), dtype=bool)


def telling_labels(raw: pa.RecordBatch) -> Mask:
    """The rows with a label that carries an identifier of the same row."""
    odd = np.zeros(raw.num_rows, dtype=bool)
    kinds = [kind for kind in (*KINDS, "unit") if kind in raw.schema.names]
    for name in (name for name in LABELS if name in raw.schema.names):
        coded = raw[name].dictionary_encode()
        some = [bool(FEW_DIGITS.search(text)) for text in coded.dictionary.to_pylist()]
        which = np.flatnonzero(np.array(some, dtype=bool)[coded.indices.to_numpy()])
        if len(which):
            rows = raw.select([name, *kinds]).take(pa.array(which)).to_pylist()
            odd[which] |= [any(holds_identifier(row[name], k, row[k]) for k in kinds)
                           for row in rows]  # fmt: skip
    return odd


def _may_hold_email(raw: pa.RecordBatch) -> Mask:
    """Only an id with an at sign can hold a sound address; an unsound one is looked at closely."""
    at_sign = pc.match_substring(raw["contact_id"], "@").to_numpy(zero_copy_only=False)
    unsound = ~pc.match_substring(raw["email"], "@").to_numpy(zero_copy_only=False)
    long = pc.binary_length(raw["email"]).to_numpy() > 5
    return np.asarray(at_sign | (unsound & long), dtype=bool)


def _holding(
    raw: pa.RecordBatch, name: str, candidates: Mask, holds: Callable[[str, str], bool]
) -> Mask:
    found = np.zeros(len(candidates), dtype=bool)
    which = np.flatnonzero(candidates)
    if len(which):
        pairs = raw.select(["contact_id", name]).take(pa.array(which))
        ids, others = (column.to_pylist() for column in pairs.columns)
        found[which] = [holds(one, other) for one, other in zip(ids, others, strict=True)]
    return found


def duration(text: str) -> int | Fault | None:
    """A duration's seconds; ``None`` of a cell that says nothing."""
    return None if cells.why_nothing(text) is not None else durations.seconds(text)


def handled(outcomes: pa.Array, said: pa.Array | None) -> tuple[pa.Array, Mask]:
    """``handled`` filled from the outcome, and where the two contradict each other."""
    implied, _ = by_value(outcomes, lambda text: HANDLED_BY.get(_outcome(text)), pa.bool_())
    if said is None:
        return implied, np.zeros(len(outcomes), dtype=bool)
    must, _ = by_value(outcomes, lambda text: _MUST.get(_outcome(text)), pa.bool_())
    clash = pc.fill_null(pc.not_equal(must, said), False).to_numpy(zero_copy_only=False)
    return pc.coalesce(said, implied), clash


_MUST: Final = {"handled": True, "ended-in-ivr": False, "abandoned-in-queue": False}


def _outcome(text: str) -> Any:
    found = cells.outcome(text)
    return None if isinstance(found, Fault) else found


@dataclass(slots=True)
class Digests:
    """Normalises and hashes one kind of identifier, remembering what was seen lately."""

    hasher: Hasher
    kind: Kind
    seen: dict[str, tuple[bytes | None, str | None]] = field(default_factory=dict)

    def columns(self, column: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        """The digests, and notes such as ``phone:withheld`` (``None`` if there are none)."""
        if self.kind != "phone":
            return self._by_value(column)
        plain, rest = plain_numbers(column)
        digests = np.zeros((len(column), DIGEST_BYTES), dtype=np.uint8)
        block = self.hasher.block("phone", "+44", rest.tobytes(), rest.shape[1])
        digests[plain] = np.frombuffer(block, dtype=np.uint8).reshape(-1, DIGEST_BYTES)
        others = pa.array(np.flatnonzero(~plain))
        if len(others) == 0:
            return _fixed(digests), None
        found, remarks = self._by_value(column.take(others))
        back = np.cumsum(~plain) - 1
        whose = pa.array(back, mask=plain)
        return (
            pc.if_else(pa.array(plain), _fixed(digests), found.take(whose)),
            None if remarks is None else remarks.take(whose),
        )

    def _by_value(self, column: pa.Array) -> tuple[pa.Array, pa.Array | None]:
        coded = column.dictionary_encode()
        found = [self._of(text) for text in coded.dictionary.to_pylist()]
        digests = pa.array([digest for digest, _ in found], type=DIGEST).take(coded.indices)
        if all(note is None for _, note in found):
            return digests, None
        return digests, pa.array([note for _, note in found], pa.string()).take(coded.indices)

    def _of(self, text: str) -> tuple[bytes | None, str | None]:
        done = self.seen.get(text)
        if done is None:
            if len(self.seen) >= REMEMBERED:
                self.seen.clear()
            done = self.seen[text] = self._fresh(text)
        return done

    def _fresh(self, text: str) -> tuple[bytes | None, str | None]:
        form = normalise(self.kind, text) if text else None
        if isinstance(form, str):
            return self.hasher.digest(self.kind, form), None
        if form is None or form.code == "blank":
            return None, None
        return None, f"{self.kind}:{form.code}"


def _fixed(digests: NDArray[np.uint8]) -> pa.Array:
    return pa.Array.from_buffers(DIGEST, len(digests), [None, pa.py_buffer(digests.tobytes())])


def plain_numbers(column: pa.Array) -> tuple[Mask, NDArray[np.uint8]]:
    """Which texts are British numbers as most systems write them, and their last ten digits.

    These are ``0`` and ten digits from 1, 2 or 7 on, and not one digit over and over; for them
    :func:`~trials.people.identifiers.normalise` does nothing but put ``+44`` for the ``0``.
    """
    offsets, data = text_bytes(column)
    plain = np.diff(offsets) == 11
    rows = np.flatnonzero(plain)
    text = data[offsets[rows][:, None] + np.arange(11)]
    fits = (text[:, 0] == 0x30) & np.isin(text[:, 1], np.frombuffer(b"127", dtype=np.uint8))
    fits &= ((text >= 0x30) & (text <= 0x39)).all(axis=1)
    fits &= (text[:, 3:] != text[:, 2:3]).any(axis=1)
    plain[rows[~fits]] = False
    return plain, text[fits, 1:]


def notes(columns: list[pa.Array]) -> pa.Array:
    """The notes of a row side by side, ``None`` where there are none."""
    if len(columns) == 1:
        return columns[0]
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return pa.array([" ".join(note for note in row if note) or None for row in rows], pa.string())


def units(column: pa.Array, hasher: Hasher, scope: str) -> tuple[pa.Array, Mask]:
    """The digests of units; the mask marks those that the rules refuse."""

    def read(text: str) -> bytes | Fault | None:
        clean = text.strip()
        if cells.why_nothing(clean) is not None:
            return None
        if len(clean) > LONGEST_ID or not clean.isprintable():
            return Fault("too long or not printable", "told by the streaming reader")
        return hasher.unit(scope, clean)

    return by_value(column, read, DIGEST)
