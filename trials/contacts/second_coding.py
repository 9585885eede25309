"""A random sample of contacts coded a second time, blind to the first code and to the arm.

A sample that names its contacts is kept beside the log (their digests and two categories, nothing
else), so that every trial whose contacts are in it can be corrected for miscoding.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Session

from trials import clock, files
from trials.contacts import reasons
from trials.contacts.agreement import Accuracy, Interval, NotKnown, cross_table, kappa
from trials.contacts.record import CATEGORIES
from trials.contacts.taxonomy import Taxonomy
from trials.errors import Invalid, Problem
from trials.importing import ledger
from trials.importing.columns import required
from trials.store.engine import Store
from trials.store.tables import ContactRow, SecondCodingRow, SourceRow

NOT_AVOIDABLE: Final = frozenset({"value", "unclassified"})
UNCLASSIFIED: Final = "unclassified"
_REMEDY = f"use one of {', '.join(CATEGORIES)}, or name the system whose wrap codes these are"
_CHUNK = 500
PLAIN: Final[Mapping[str, str]] = {name: name for name in CATEGORIES}


class Categories(Protocol):
    """Whatever turns a code into its category."""

    def get(self, code: str, /) -> str | None:
        """The category; ``None`` for a code that is not known."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Wrap codes of one system → categories, as they are mapped on a day; or categories as such."""

    taxonomy: Taxonomy
    source: str
    day: date

    def get(self, code: str, /) -> str | None:
        """The category; ``None`` for a code that is not mapped."""
        found = self.taxonomy.resolve(self.source, code, self.day)
        return PLAIN.get(code) if found is None else found.category


def categories(session: Session, source: str | None) -> Categories:
    """What a sample's codes are read by: today's mapping of ``source``, or categories as such."""
    if source is None:
        return PLAIN
    return Mapped(reasons.load(session), source, clock.london(clock.now()).date())


@dataclass(frozen=True, slots=True)
class Pair:
    """One contact coded twice; ``arm`` is blank where it is not told, so is ``contact``."""

    arm: str
    first: str
    second: str
    contact: str = ""
    line: int = 0


def read(path: Path, categories: Categories) -> list[Pair]:
    """The pairs of a file with the columns ``first`` and ``second``, and ``arm`` or ``contact_id``.

    Raises:
        Invalid: a column is missing, or rows have codes that are not known; every one is named.
    """
    problems, pairs = [], []
    with files.open_table(path) as table:
        required(table, ["first", "second"])
        one, two = table.index("first") or 0, table.index("second") or 0
        arm, contact = table.index("arm"), table.index("contact_id")
        for line, row in table.rows:
            codes = [categories.get(row[i].strip()) for i in (one, two)]
            if codes[0] is None or codes[1] is None:
                missed = row[one if codes[0] is None else two].strip()[:64]
                says = f"{missed!r} is no code that is known"
                problems.append(Problem(f"line {line}", says, _REMEDY, line))
                continue
            named = [row[i].strip() if i is not None else "" for i in (arm, contact)]
            pairs.append(Pair(named[0], codes[0], codes[1], named[1], line))
    if problems:
        raise Invalid(path.name, problems)
    return pairs


def accuracy(pairs: Iterable[tuple[str, str, int]]) -> Accuracy:
    """The first coder held against the second, avoidable or not, from (first, second, how many).

    A contact that either coder could not classify says nothing of how the classified are coded.
    """
    seen: Counter[tuple[bool, bool]] = Counter()
    for first, second, n in pairs:
        if UNCLASSIFIED not in (first, second):
            seen[first not in NOT_AVOIDABLE, second not in NOT_AVOIDABLE] += n
    return Accuracy(
        true_positives=seen[True, True], positives=seen[True, True] + seen[False, True],
        true_negatives=seen[False, False], negatives=seen[False, False] + seen[True, False],
    )  # fmt: skip


def agreement(pairs: Sequence[Pair]) -> dict[str, Any]:
    """How far the two coders agree: in all, and in ``arms`` by each arm that the rows name.

    ``contacts``, ``agreed``, ``kappa`` (or why there is none), and ``sensitivity`` and
    ``specificity`` of the first coder against the second (``None``: nothing to tell them by).
    """
    of = {arm: [p for p in pairs if p.arm == arm] for arm in sorted({p.arm for p in pairs} - {""})}
    return {**_agreed(pairs), "arms": [{"arm": arm, **_agreed(some)} for arm, some in of.items()]}


def _agreed(pairs: Sequence[Pair]) -> dict[str, Any]:
    found = accuracy((pair.first, pair.second, 1) for pair in pairs)
    table = cross_table([p.first for p in pairs], [p.second for p in pairs])
    return {
        "contacts": len(pairs), "agreed": int(table.trace()), "kappa": told(kappa(table)),
        "sensitivity": found.sensitivity if found.positives else None,
        "specificity": found.specificity if found.negatives else None,
    }  # fmt: skip


def told(found: Interval | NotKnown) -> dict[str, Any]:
    """An estimate as a document holds it, or why there is none."""
    if isinstance(found, NotKnown):
        return {"absent": found.code, "why": found.why}
    return asdict(found)


def digest(contact: str) -> bytes:
    """What the log knows a contact's own id by."""
    return hashlib.blake2b(contact.encode(), digest_size=16).digest()


def keep(
    store: Store, path: Path, pairs: Sequence[Pair], *, source: str | None, actor: str
) -> ledger.Report:
    """Keep a sample beside the log. A contact coded again is a correction: the newer wins.

    Raises:
        Invalid: rows without a contact, with one twice, or with one that the log does not hold.
    """
    digests = {digest(pair.contact): pair for pair in pairs}
    with store.write() as session:
        held = _held(session, list(digests), source)
        known = {row.contact: row for row in _kept(session, list(digests))}
        problems = _problems(pairs, held)
        if problems:
            raise Invalid(path.name, problems, "nothing was kept")
        added, corrected = 0, 0
        for key, pair in digests.items():
            old = known.get(key)
            if old is None:
                added += 1
                session.add(SecondCodingRow(contact=key, first=pair.first, second=pair.second))
            elif (old.first, old.second) != (pair.first, pair.second):
                corrected += 1
                old.first, old.second = pair.first, pair.second
        report = ledger.Report(kind="second codings", file=path.name, rows=len(pairs), added=added,
                               corrected=corrected,
                               unchanged=len(pairs) - added - corrected)  # fmt: skip
        ledger.enter(session, report, trial_id=None, subject="contact log",
                     fingerprint=files.fingerprint(path), actor=actor)  # fmt: skip
    return report


def _held(session: Session, digests: Sequence[bytes], source: str | None) -> Counter[bytes]:
    """In how many systems the log holds each contact (of ``source`` alone where it is named)."""
    found: Counter[bytes] = Counter()
    for start in range(0, len(digests), _CHUNK):
        query = sa.select(ContactRow.digest).where(
            ContactRow.digest.in_(digests[start : start + _CHUNK])
        )
        if source is not None:
            query = query.join(SourceRow, SourceRow.id == ContactRow.source_id).where(
                SourceRow.name == source)  # fmt: skip
        found.update(session.scalars(query))
    return found


def _kept(session: Session, digests: Sequence[bytes]) -> Iterable[SecondCodingRow]:
    for start in range(0, len(digests), _CHUNK):
        some = digests[start : start + _CHUNK]
        yield from session.scalars(
            sa.select(SecondCodingRow).where(SecondCodingRow.contact.in_(some))
        )


def _problems(pairs: Sequence[Pair], held: Mapping[bytes, int]) -> list[Problem]:
    found: list[Problem] = []
    seen: set[str] = set()
    for pair in pairs:
        says = remedy = ""
        if not pair.contact:
            says, remedy = "there is no contact_id", "give the contact's own id"
        elif pair.contact in seen:
            says, remedy = "the contact is in the file before", "leave one of the two out"
        elif held.get(digest(pair.contact), 0) == 0:
            says, remedy = "the contact is not in the log", "import its contact log first"
        elif held[digest(pair.contact)] > 1:
            says, remedy = "several systems have a contact of that id", "name the system"
        if says:
            found.append(Problem(f"line {pair.line}", says, remedy, pair.line))
        seen.add(pair.contact)
    return found


def kept(session: Session) -> list[tuple[int, str, str]]:
    """Every contact of the log that was coded twice: its number, first and second category."""
    rows = session.execute(
        sa.select(ContactRow.id, SecondCodingRow.first, SecondCodingRow.second)
        .join(SecondCodingRow, SecondCodingRow.contact == ContactRow.digest)
        .order_by(ContactRow.id)
    )
    return [(int(number), first, second) for number, first, second in rows]
