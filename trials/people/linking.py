"""Who is who: identifiers joined into people, by a rule that can be stated in a sentence.

Rows that carry the same identifier belong to one person, and so do the identifiers that one row
carries (the connected components of that graph). **Except** that a shared identifier joins
nobody: one that occurs together with more than :data:`SHARED_BEYOND` different values of any one
personal kind (unit, account, customer, telephone number, e-mail address) is a switchboard, a
support worker, a landline of flats or a library's computer. Bulk callers known beforehand are
given as ``excluded`` and join nobody either.

Nothing here sees an identifier, only its digest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trials.people.identifiers import DIGEST_BYTES, KINDS, Kind

Ints = NDArray[np.int64]
Partner = Literal["unit"] | Kind

SHARED_BEYOND: Final = 3
"""An identifier met with more than this many different people is shared. People do have several
accounts (council tax, rent, benefits) and couples share a landline; a number that comes with four
accounts is hardly one person's."""

PERSONAL: Final[tuple[Partner, ...]] = ("unit", "account", "customer", "phone", "email")
"""Kinds whose different values mean different people. A property and a browser do not."""

NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Coded:
    """Digests of rows as whole numbers.

    ``codes[kind][row]`` (−1 for none) indexes ``digests[kind]``, an array of 16-byte strings
    without repeats. Take single digests by :meth:`digest`: numpy drops trailing zero bytes.
    """

    codes: Mapping[Kind, Ints]
    digests: Mapping[Kind, NDArray[np.bytes_]]
    rows: int

    def digest(self, kind: Kind, code: int) -> bytes:
        """The digest that a code stands for, in its full width."""
        return bytes(self.digests[kind][code]).ljust(DIGEST_BYTES, b"\0")


def encode(columns: Mapping[Kind, Sequence[bytes | None]]) -> Coded:
    """Columns of digests (one for each kind that is there, all of one length) as codes.

    Raises:
        ValueError: the columns differ in length.
    """
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError("the columns of identifiers differ in length")
    codes: dict[Kind, Ints] = {}
    digests: dict[Kind, NDArray[np.bytes_]] = {}
    for kind in KINDS:
        if kind in columns:
            digests[kind], codes[kind] = _coded(columns[kind])
    return Coded(codes, digests, next(iter(lengths), 0))


def _coded(column: Sequence[bytes | None]) -> tuple[NDArray[np.bytes_], Ints]:
    there = np.fromiter((value is not None for value in column), dtype=bool, count=len(column))
    # All values have the full width, so that trailing zero bytes make no two of them equal.
    values = np.array([v for v in column if v is not None], dtype=f"S{DIGEST_BYTES}")
    unique, inverse = np.unique(values, return_inverse=True)
    codes = np.full(len(column), NOBODY, dtype=np.int64)
    codes[there] = inverse
    return unique, codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Who each row is.

    ``person`` by row (−1: no usable identifier), ``tier`` by row the strongest usable kind as an
    index into ``KINDS`` (−1: none). ``of`` gives each kind's persons by code (−1: shared or
    excluded), ``shared`` the codes that join nobody. ``merged`` maps a known person's number to
    the one it turned out to be.
    """

    person: Ints
    tier: NDArray[np.int8]
    of: Mapping[Kind, Ints]
    shared: Mapping[Kind, Ints]
    merged: Mapping[int, int]


Known = Mapping[Kind, Mapping[bytes, int]]
"""People found before: their number by kind and digest."""


def link(
    rows: Coded,
    *,
    units: Ints | None = None,
    known: Known | None = None,
    excluded: Mapping[Kind, Collection[bytes]] | None = None,
    shared_beyond: int = SHARED_BEYOND,
    first_number: int = 0,
) -> Links:
    """People numbered from ``first_number`` in order of first appearance; known ones keep theirs.

    ``units`` is the unit's number by row (−1 for none), which counts as a personal kind. Where a
    row shows that two known people are one, the lower number stays. An identifier that turns out
    to be shared only later does not undo earlier joins: link again without ``known`` for that.
    """
    shared = {
        kind: _shared(rows, kind, units, shared_beyond) | _members(rows, kind, excluded)
        for kind in rows.codes
    }
    offsets, nodes = _offsets(rows)
    usable = {
        kind: np.where((codes >= 0) & ~_at(shared[kind], codes), codes + offsets[kind], NOBODY)
        for kind, codes in rows.codes.items()
    }
    ties, numbers = _known_ties(rows, offsets, shared, known, nodes)
    component = _components(list(usable.values()), ties, nodes + len(numbers))
    first = _strongest(list(usable.values()), rows.rows)
    by_component, merged = _numbered(component, first, nodes, numbers, first_number)
    of = {
        kind: np.where(
            flags, NOBODY, by_component[component[offsets[kind] + np.arange(len(flags))]]
        )
        for kind, flags in shared.items()
    }
    row_component = component[np.maximum(first, 0)] if nodes else np.zeros(rows.rows, np.int64)
    return Links(
        person=np.where(first >= 0, by_component[row_component], NOBODY) if nodes else first,
        tier=_tiers(usable, rows.rows), of=of, merged=merged,
        shared={kind: np.flatnonzero(flags) for kind, flags in shared.items()},
    )  # fmt: skip


def _offsets(rows: Coded) -> tuple[dict[Kind, int], int]:
    offsets: dict[Kind, int] = {}
    nodes = 0
    for kind in rows.codes:
        offsets[kind] = nodes
        nodes += len(rows.digests[kind])
    return offsets, nodes


def _at(flags: NDArray[np.bool_], codes: Ints) -> NDArray[np.bool_]:
    if len(flags) == 0:
        return np.zeros(len(codes), dtype=bool)
    return np.asarray(flags[np.maximum(codes, 0)] & (codes >= 0), dtype=bool)


def _shared(rows: Coded, kind: Kind, units: Ints | None, beyond: int) -> NDArray[np.bool_]:
    size = len(rows.digests[kind])
    flags = np.zeros(size, dtype=bool)
    for partner in PERSONAL:
        if partner == kind:
            continue
        other = units if partner == "unit" else rows.codes.get(partner)
        if other is not None:
            flags |= _different(rows.codes[kind], other, size) > beyond
    return flags


def _different(codes: Ints, other: Ints, size: int) -> Ints:
    """How many different values of ``other`` each code occurs with."""
    both = (codes >= 0) & (other >= 0)
    if not both.any():
        return np.zeros(size, dtype=np.int64)
    span = int(other.max()) + 1
    pairs = np.unique(codes[both] * span + other[both])
    return np.bincount(pairs // span, minlength=size)


def _members(
    rows: Coded, kind: Kind, excluded: Mapping[Kind, Collection[bytes]] | None
) -> NDArray[np.bool_]:
    wanted = list((excluded or {}).get(kind, ()))
    if not wanted:
        return np.zeros(len(rows.digests[kind]), dtype=bool)
    listed = np.array(wanted, dtype=f"S{DIGEST_BYTES}")
    return np.isin(rows.digests[kind], listed)


def _known_ties(
    rows: Coded,
    offsets: Mapping[Kind, int],
    shared: Mapping[Kind, NDArray[np.bool_]],
    known: Known | None,
    nodes: int,
) -> tuple[tuple[Ints, Ints], Ints]:
    """Edges from identifiers to the people already known by them, who are nodes of their own."""
    left: list[int] = []
    people: list[int] = []
    for kind, numbers in (known or {}).items():
        if kind not in rows.codes:
            continue
        for code in np.flatnonzero(~shared[kind]).tolist():
            number = numbers.get(rows.digest(kind, code))
            if number is not None:
                left.append(offsets[kind] + code)
                people.append(number)
    unique, inverse = np.unique(np.array(people, dtype=np.int64), return_inverse=True)
    return (np.array(left, dtype=np.int64), inverse.astype(np.int64) + nodes), unique


def _components(columns: list[Ints], ties: tuple[Ints, Ints], nodes: int) -> Ints:
    lefts, rights = [ties[0]], [ties[1]]
    for i, column in enumerate(columns):
        for other in columns[i + 1 :]:
            both = (column >= 0) & (other >= 0)
            lefts.append(column[both])
            rights.append(other[both])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(nodes, nodes))
    if nodes == 0:
        return np.zeros(0, dtype=np.int64)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _strongest(columns: list[Ints], rows: int) -> Ints:
    """The node of each row's strongest usable identifier, −1 if it has none."""
    first = np.full(rows, NOBODY, dtype=np.int64)
    for column in reversed(columns):
        first = np.where(column >= 0, column, first)
    return first


def _numbered(
    component: Ints, first: Ints, nodes: int, numbers: Ints, first_number: int
) -> tuple[Ints, dict[int, int]]:
    """A person's number for each component, and which known people turned out to be another."""
    by_component = np.full(int(component.max()) + 1 if len(component) else 0, NOBODY, np.int64)
    merged: dict[int, int] = {}
    for node, number in zip(component[nodes:].tolist(), numbers.tolist(), strict=True):
        if by_component[node] >= 0:
            merged[number] = int(by_component[node])  # numbers ascend, so the lower one is held
        else:
            by_component[node] = number
    appearing = component[first[first >= 0]]
    unique, position = np.unique(appearing, return_index=True)
    fresh = unique[np.argsort(position)]
    fresh = fresh[by_component[fresh] < 0]
    start = max(first_number, int(numbers.max()) + 1 if len(numbers) else 0)
    by_component[fresh] = start + np.arange(len(fresh))
    return by_component, merged


def _tiers(usable: Mapping[Kind, Ints], rows: int) -> NDArray[np.int8]:
    tier = np.full(rows, NOBODY, dtype=np.int8)
    for kind in reversed(KINDS):
        if kind in usable:
            tier[usable[kind] >= 0] = KINDS.index(kind)
    return tier


@dataclass(frozen=True, slots=True)
class Match:
    """Which unit each contact belongs to.

    ``unit`` by contact (−1: none), ``tier`` the kind that found it (index into ``KINDS``, −1:
    none), ``ambiguous`` where identifiers were known but each belonged to several units.
    """

    unit: Ints
    tier: NDArray[np.int8]
    ambiguous: NDArray[np.bool_]


def match(
    contacts: Mapping[Kind, Sequence[bytes | None]],
    units: Mapping[Kind, Sequence[bytes | None]],
    unit_numbers: Ints,
    *,
    excluded: Mapping[Kind, Collection[bytes]] | None = None,
) -> Match:
    """The unit of each contact by its strongest identifier that belongs to exactly one unit.

    An identifier of several units (a couple's landline) decides nothing and the next weaker is
    tried; nobody is assigned by guess.
    """
    size = len(next(iter(contacts.values()), ()))
    unit = np.full(size, NOBODY, dtype=np.int64)
    tier = np.full(size, NOBODY, dtype=np.int8)
    ambiguous = np.zeros(size, dtype=bool)
    for kind in KINDS:
        if kind not in contacts or kind not in units:
            continue
        found, several = _holders(contacts[kind], units[kind], unit_numbers, kind, excluded)
        take = (unit < 0) & (found >= 0)
        unit[take], tier[take] = found[take], KINDS.index(kind)
        ambiguous |= several
    return Match(unit, tier, ambiguous & (unit < 0))


def _holders(
    wanted: Sequence[bytes | None],
    held: Sequence[bytes | None],
    numbers: Ints,
    kind: Kind,
    excluded: Mapping[Kind, Collection[bytes]] | None,
) -> tuple[Ints, NDArray[np.bool_]]:
    out = (excluded or {}).get(kind, ())
    holders: dict[bytes, int] = {}
    for digest, number in zip(held, numbers.tolist(), strict=True):
        if digest is not None and digest not in out:
            holders[digest] = number if holders.get(digest, number) == number else -2
    found = np.fromiter(
        (NOBODY if d is None else holders.get(d, NOBODY) for d in wanted), np.int64, len(wanted)
    )
    return np.where(found >= 0, found, NOBODY), found == -2
