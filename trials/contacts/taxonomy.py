"""From wrap codes to reasons: one versioned taxonomy over the codes of every system.

The reasons file has a row for each code of each system: ``source``, ``code``, ``reason``,
``category``, ``avoidable_share``, ``valid_from``, ``valid_to``. A code may change its meaning over
time (dates are inclusive, Europe/London), and only part of its contacts may be avoidable. Codes
match without regard to case and spacing; a source of ``*`` serves every system that has no row of
its own for the code. A two-level code is written ``Topic > Reason``.

Nothing is dropped: a contact whose code is not mapped stays in the log, and :func:`unmapped` lists
such codes by how many contacts they hold.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import IO, Final

from trials import clock
from trials.contacts import cells
from trials.contacts.moments import Moments
from trials.contacts.reading import sheet
from trials.contacts.record import CATEGORIES, Category, Fault, Refused
from trials.errors import Invalid, Problem

ANY_SOURCE: Final = "*"
LEVELS: Final = " > "
NEEDED: Final = ("source", "code", "reason", "category")

USUAL_SHARE: Final[dict[Category, float | None]] = {
    **dict.fromkeys(CATEGORIES, 1.0),
    "value": 0.0,
    "unclassified": None,
}
"""The avoidable share where the file gives none: all of an avoidable category, none of ``value``,
and not known for ``unclassified``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What one code of one system means from ``valid_from`` to ``valid_to`` (both inclusive).

    ``avoidable_share`` is the part of such contacts that could have been avoided, 0 to 1, or
    ``None`` where it is not known.
    """

    source: str
    code: str
    reason: str
    category: Category
    avoidable_share: float | None
    valid_from: date | None = None
    valid_to: date | None = None

    def holds_on(self, day: date) -> bool:
        """Whether the meaning is in force on ``day``."""
        after_start = self.valid_from is None or day >= self.valid_from
        return after_start and (self.valid_to is None or day <= self.valid_to)


class Taxonomy:
    """All reasons, looked up by source, code and day."""

    __slots__ = ("_by_code", "reasons")

    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)
        self._by_code: dict[tuple[str, str], list[Reason]] = defaultdict(list)
        for reason in self.reasons:
            self._by_code[fold(reason.source), fold(reason.code)].append(reason)

    @property
    def version(self) -> str:
        """A fingerprint of the whole content, whatever the order of the rows."""
        rows = sorted(json.dumps(asdict(r), default=str, sort_keys=True) for r in self.reasons)
        return f"sha256:{hashlib.sha256(chr(10).join(rows).encode()).hexdigest()}"

    def resolve(
        self, source: str, code: str, day: date, *, topic: str | None = None
    ) -> Reason | None:
        """The meaning of ``code`` on ``day``, or ``None`` for a code that is not mapped.

        The two-level code is tried before the code alone, and the system's own rows before those
        for any system.
        """
        codes = [f"{topic}{LEVELS}{code}", code] if topic else [code]
        for one in codes:
            for where in (source, ANY_SOURCE):
                for reason in self._by_code.get((fold(where), fold(one)), ()):
                    if reason.holds_on(day):
                        return reason
        return None

    def resolve_at(
        self, source: str, code: str, occurred_at: int, *, topic: str | None = None
    ) -> Reason | None:
        """The same for a moment (seconds since 1970), by its date in London."""
        day = clock.london(clock.from_epoch(occurred_at)).date()
        return self.resolve(source, code, day, topic=topic)


def fold(code: str) -> str:
    """A code without case and with single spaces; punctuation tells codes apart and stays."""
    return " ".join(code.casefold().split())


def unmapped(
    taxonomy: Taxonomy, counts: Mapping[tuple[str, str], int], day: date
) -> list[tuple[str, str, int]]:
    """``(source, code, contacts)`` of codes without a meaning on ``day``, most contacts first.

    ``counts`` has the number of contacts by source and code as exported.
    """
    missing: Counter[tuple[str, str]] = Counter()
    for (source, code), contacts in counts.items():
        if taxonomy.resolve(source, code, day) is None:
            missing[source, code] += contacts
    ordered = sorted(missing.items(), key=lambda item: (-item[1], item[0]))
    return [(source, code, contacts) for (source, code), contacts in ordered]


def read(stream: IO[bytes]) -> Taxonomy:
    """The taxonomy in a reasons file.

    Raises:
        Invalid: every row that breaks a rule, and every pair of rows that give one code two
            meanings on one day.
        SignpostError: the file cannot be read at all.
    """
    table = sheet(stream)
    at = table.columns()
    if missing := [name for name in NEEDED if name not in at]:
        says = f"there is no column {', no column '.join(missing)}"
        raise Invalid("the reasons file", [Problem("header", says, "", 1)])
    problems: list[Problem] = []
    found: list[tuple[int, Reason]] = []
    for row in table.rows:
        done = row if isinstance(row, Refused) else _reason(row, at, table.place)
        if isinstance(done, Refused):
            problems.append(done.problem())
        elif not isinstance(row, Refused):
            found.append((row[0], done))
    problems += _overlaps(found)
    if problems:
        raise Invalid("the reasons file", problems, "nothing was imported")
    return Taxonomy(reason for _, reason in found)


def _reason(row: tuple[int, list[str]], at: Mapping[str, int], place: str) -> Reason | Refused:
    line, texts = row
    get = {name: texts[i].strip() for name, i in at.items()}
    faults = [f"there is no {name}" for name in NEEDED if not get[name]]
    category = _category(get["category"], faults)
    share = _share(get.get("avoidableshare", ""), category, faults)
    start = _day(get.get("validfrom", ""), "valid_from", faults)
    end = _day(get.get("validto", ""), "valid_to", faults)
    if start and end and end < start:
        faults.append("valid_to is before valid_from")
    if faults:
        return Refused(line, "; ".join(faults), "correct the row", place=place)
    return Reason(
        source=get["source"], code=get["code"], reason=get["reason"], category=category,
        avoidable_share=share, valid_from=start, valid_to=end,
    )  # fmt: skip


def _category(text: str, faults: list[str]) -> Category:
    name = "-".join(text.casefold().replace("_", " ").replace("-", " ").split())
    for category in CATEGORIES:
        if category == name:
            return category
    faults.append(f"the category is not one of {', '.join(CATEGORIES)}")
    return "unclassified"


def _share(text: str, category: Category, faults: list[str]) -> float | None:
    percent = text.endswith("%")
    value = cells.number(text.removesuffix("%").strip())
    if isinstance(value, Fault):
        faults.append("avoidable_share is not a number")
        return None
    if value is None:
        return USUAL_SHARE[category]
    value = value / 100 if percent else value
    if not 0 <= value <= 1:
        faults.append("avoidable_share is not between 0 and 1")
    elif category == "value" and value == 1:
        faults.append("a contact of value cannot be wholly avoidable; give another category")
    return value


def _day(text: str, name: str, faults: list[str]) -> date | None:
    if cells.why_nothing(text) is not None:
        return None
    moments = Moments()
    moments.allow_future()
    done = moments.read(text)
    if isinstance(done, Fault):
        faults.append(f"{name}: {done.says}")
        return None
    return clock.london(clock.from_epoch(done)).date()


def _overlaps(found: list[tuple[int, Reason]]) -> list[Problem]:
    by_code: dict[tuple[str, str], list[tuple[int, Reason]]] = defaultdict(list)
    for line, reason in found:
        by_code[fold(reason.source), fold(reason.code)].append((line, reason))
    problems = []
    for several in by_code.values():
        ordered = sorted(several, key=lambda item: item[1].valid_from or date.min)
        for (_, before), (line, after) in itertools.pairwise(ordered):
            if (before.valid_to or date.max) >= (after.valid_from or date.min):
                says = "the code has another meaning on the same day in an earlier row"
                remedy = "end the one with valid_to before the other's valid_from"
                problems.append(Problem(f"line {line}", says, remedy, line))
    return problems
