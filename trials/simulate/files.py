"""The files of a rehearsal, written as a stream: contract columns, synthetic identifiers.

Telephone numbers are those that Ofcom sets aside for drama, addresses end in ``example.org``;
neither can belong to anybody. There are 19,000 such numbers, so that units beyond the rehearsal's
``phones`` are known by an account number instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from trials.simulate import calibration as known
from trials.simulate.arrays import Floats, Ints, Mask
from trials.simulate.log import CODES, NOT_ON_RECORD, ON_RECORD, OUTCOMES, WITHHELD, Log
from trials.simulate.people import People
from trials.simulate.process import PHONE, WEBCHAT


class CsvFile:
    """A CSV file that grows by tables; its header is that of the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._writer: pacsv.CSVWriter | None = None

    def add(self, columns: Mapping[str, pa.Array]) -> None:
        """Append rows."""
        table = pa.table(dict(columns))
        if self._writer is None:
            options = pacsv.WriteOptions(quoting_style="needed", quoting_header="needed")
            self._writer = pacsv.CSVWriter(self.path, table.schema, write_options=options)
        self._writer.write_table(table)
        self.rows += table.num_rows

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


class Names:
    """What units and people are called: unit keys and identifiers from their numbers."""

    def __init__(self, key: str, unit: str, *, phones: int, phones_from: int) -> None:
        self._key, self._unit = key, unit
        self._phones, self._from = phones, phones_from

    def unit(self, number: Ints) -> pa.Array:
        """The units' keys, as in ``account-0000123``."""
        return numbered(f"{self._unit}-", number)

    def phone(self, number: Ints, having: Mask) -> pa.Array:
        """Drama numbers of the people who have one; null for the others."""
        has = having & (number < self._phones)
        place = (number + self._from) % known.DRAMA_NUMBERS
        prefix = pa.array(known.DRAMA).take(pa.array(place // 1000))
        digits = pc.utf8_lpad(pc.cast(pa.array(place % 1000), pa.string()), 3, "0")
        return _where(has, pc.binary_join_element_wise(prefix, digits, ""))

    def email(self, number: Ints, having: Mask) -> pa.Array:
        """Addresses that end in example.org."""
        address = pc.binary_join_element_wise(numbered(f"{self._key}.", number), "example.org", "@")
        return _where(having, address)

    def account(self, number: Ints, having: Mask) -> pa.Array:
        """Account numbers."""
        return _where(having, numbered(f"{self._key}-c", number))

    def stranger(self, number: Ints, being: Mask) -> pa.Array:
        """A number for somebody whose identifiers are not on the list of units."""
        return _where(being, numbered(f"{self._key}-x", number))

    def session(self, number: Ints, having: Mask) -> pa.Array:
        """Chat sessions."""
        return _where(having, numbered(f"{self._key}-s", number))

    def of_units(self, people: People, email: Mask, *, session: bool) -> dict[str, pa.Array]:
        """The identifiers on record for units; those not linked have none, or a session alone."""
        linked = people.linked
        found = {
            "phone": self.phone(people.number, linked),
            "email": self.email(people.number, linked & email),
            "account": self.account(people.number, linked),
        }
        if session:
            found["session"] = self.session(people.number, np.ones(len(people), dtype=bool))
        return found

    def of_contacts(self, log: Log) -> dict[str, pa.Array]:
        """The identifiers that each contact carries; a chat always carries its session."""
        named, number = (log.trace == ON_RECORD) & log.linked, log.person
        by_phone = named & (log.channel == PHONE)
        by_email = named & ~by_phone & log.email
        by_account = named & (~by_phone | (number >= self._phones))
        withheld = words(np.where(log.trace == WITHHELD, 0, -1), ("withheld",))
        stranger = self.stranger(number, log.trace == NOT_ON_RECORD)
        return {
            "phone": pc.coalesce(self.phone(number, by_phone), withheld),
            "email": self.email(number, by_email),
            "account": pc.coalesce(self.account(number, by_account), stranger),
            "session": self.session(number, log.index & (log.channel == WEBCHAT)),
        }


def numbered(prefix: str, number: Ints) -> pa.Array:
    """A prefix and seven digits."""
    digits = pc.utf8_lpad(pc.cast(pa.array(number), pa.string()), 7, "0")
    return pc.binary_join_element_wise(prefix, digits, "")


def _where(rows: Mask, values: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(rows), values, pa.scalar(None, pa.string()))


def moments(when: Floats) -> pa.Array:
    """Epoch seconds as ``2026-04-01T09:30:00Z``."""
    text = pc.cast(pa.array(when.astype(np.int64), pa.timestamp("s")), pa.string())
    return pc.binary_join_element_wise(pc.binary_replace_slice(text, 10, 11, "T"), "Z", "")


def words(codes: Ints, levels: Sequence[str]) -> pa.Array:
    """The words that codes stand for; null for -1."""
    return pa.array(levels, pa.string()).take(pa.array(codes, mask=codes < 0))


def yes_no(rows: Mask) -> pa.Array:
    """``yes`` and ``no``."""
    return words(rows.astype(np.int64), ("no", "yes"))


def wholes(values: Floats | Ints) -> pa.Array:
    """Whole numbers; null for NaN and for -1."""
    absent = np.isnan(values) | (values < 0)
    return pa.array(np.where(absent, 0, values).astype(np.int64), mask=absent)


def contact_columns(log: Log, names: Names, prefix: str, first: int) -> dict[str, pa.Array]:
    """The rows of a contacts file. ``first`` is the number of the first contact."""
    number = np.arange(first, first + len(log))
    return {
        "contact_id": numbered(prefix, number),
        "occurred_at": moments(log.occurred),
        "channel": words(log.channel, known.CHANNELS),
        "line": words(log.line, log.lines),
        "reason": words(log.reason, CODES),
        "outcome": words(log.outcome, OUTCOMES),
        "handled": yes_no(log.handled),
        "ivr_seconds": wholes(log.ivr),
        "wait_seconds": wholes(log.wait),
        "handle_seconds": wholes(log.handle),
        "resolved": words(log.resolved, ("no", "yes")),
        "satisfaction": wholes(log.satisfaction),
        "email_on_record": yes_no(log.email),
        **names.of_contacts(log),
    }


def unit_columns(people: People, names: Names, *, session: bool) -> dict[str, pa.Array]:
    """The rows of a unit list, without arms."""
    email = has_email(people)
    found: dict[str, Any] = {"unit": names.unit(people.number)}
    for name, column in people.columns.items():
        found[name] = words(column.codes, column.levels)
    found["prior_contacts"] = pa.array(people.prior)
    return {**found, **names.of_units(people, email, session=session)}


def has_email(people: People) -> Mask:
    """Whether there is an e-mail address on record."""
    column = people.columns["has_email"]
    return np.asarray(column.codes == column.levels.index("yes"))


def reasons(path: Path, source: str) -> None:
    """The map from wrap codes to the taxonomy, as ``signpost import reasons`` reads it."""
    unique = {reason.code: reason for reason in known.REASONS}
    rows: list[tuple[str, str, str, float | None]] = [
        (r.code, r.code, r.category, r.avoidable) for r in unique.values()
    ]
    rows.append((known.OTHER_REASON, known.OTHER_REASON, "unclassified", None))
    n = len(rows)
    file = CsvFile(path)
    file.add(
        {
            "source": pa.array([source] * n),
            "code": pa.array([row[0] for row in rows]),
            "reason": pa.array([row[1] for row in rows]),
            "category": pa.array([row[2] for row in rows]),
            "avoidable_share": pa.array([row[3] for row in rows], pa.float64()),
            "valid_from": pa.array(["2020-01-01"] * n),
            "valid_to": pa.array([None] * n, pa.string()),
        }
    )
    file.close()
