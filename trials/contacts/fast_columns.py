"""Whole columns cleaned at once: each different value once, times as arrays of seconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trials import clock
from trials.contacts import cells, durations
from trials.contacts.moments import EARLIEST
from trials.contacts.record import HANDLED_BY, Fault
from trials.contacts.rows import LONGEST_ID
from trials.people.identifiers import DIGEST_BYTES, Hasher, Kind, normalise

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
DIGEST: Final = pa.binary(DIGEST_BYTES)
REMEMBERED: Final = 1 << 19


def by_value(
    column: pa.Array, read: Callable[[str], Any], kind: pa.DataType
) -> tuple[pa.Array, Mask]:
    """``column`` cleaned by ``read``, each different text once; the mask marks faults."""
    coded = column.dictionary_encode()
    values = [read(text) if text else None for text in coded.dictionary.to_pylist()]
    faults = np.array([isinstance(value, Fault) for value in values], dtype=bool)
    clean = pa.array([None if isinstance(v, Fault) else v for v in values], type=kind)
    return clean.take(coded.indices), faults[coded.indices.to_numpy()]


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
            return Fault("too long or not printable")
        return hasher.unit(scope, clean)

    return by_value(column, read, DIGEST)


@dataclass(frozen=True, slots=True)
class Zone:
    """London's changes of clock as wall times (seconds as if UTC).

    From ``begins[i]`` on the clock is ``offset[i]`` ahead of UTC; in the hours from
    ``repeats_from`` to ``repeats_to`` every wall time comes twice.
    """

    begins: Ints
    offset: Ints
    repeats_from: Ints
    repeats_to: Ints


@cache
def london(until: int = 2050) -> Zone:
    """The changes from 1990 to ``until``, as the time-zone database has them."""
    begins, offsets, first, last = [-(2**62)], [_offset(EARLIEST)], [], []
    for moment in _changes(EARLIEST, int(datetime(until, 1, 1, tzinfo=UTC).timestamp())):
        before, after = _offset(moment - 1), _offset(moment)
        # In the hour that is skipped the old offset goes on; in the one repeated it is asked for.
        begins.append(moment + max(before, after))
        offsets.append(after)
        if after < before:
            first.append(moment + after)
            last.append(moment + before)
    return Zone(*(np.array(part, dtype=np.int64) for part in (begins, offsets, first, last)))


def _offset(moment: int) -> int:
    shift = clock.from_epoch(moment).astimezone(clock.LONDON).utcoffset()
    return int((shift or timedelta()).total_seconds())


def _changes(start: int, end: int) -> list[int]:
    """The moments at which the offset changes: looked at by the week, found to the second."""
    week = 7 * 86_400
    return [
        _change(begin, begin + week)
        for begin in range(start, end, week)
        if _offset(begin) != _offset(begin + week)
    ]


def _change(begin: int, end: int) -> int:
    """The first second from ``begin`` on whose offset is another one than at ``begin``."""
    old = _offset(begin)
    span = range(begin, end)
    return span[bisect_left(span, True, key=lambda moment: _offset(moment) != old)]


def instants(wall: pa.Array, zulu: pa.Array) -> tuple[Ints, Mask]:
    """Wall times as seconds since 1970; the mask marks those that need a closer look.

    These are times not read, out of range, or in an hour that comes twice.
    """
    zone = london()
    walls = pc.fill_null(wall, 0).to_numpy()
    exact = pc.fill_null(zulu, False).to_numpy(zero_copy_only=False)
    ahead = zone.offset[np.searchsorted(zone.begins, walls, side="right") - 1]
    at = np.where(exact, walls, walls - ahead)
    which = np.searchsorted(zone.repeats_from, walls, side="right") - 1
    twice = ~exact & (which >= 0) & (walls < zone.repeats_to[np.maximum(which, 0)])
    latest = clock.epoch(clock.now())
    odd = wall.is_null().to_numpy(zero_copy_only=False)
    return at, odd | twice | (at < EARLIEST + 86_400) | (at > latest)
