"""The rules that every contact obeys, whatever system it came from.

A source hands over a dictionary from the contract's field names to the text of the cells; here
it becomes a :class:`~trials.contacts.record.Contact`, or a
:class:`~trials.contacts.record.Refused` that names every rule the row breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from trials.contacts import cells, durations
from trials.contacts.durations import DurationUnit
from trials.contacts.moments import DateOrder, Moments, Passes
from trials.contacts.record import HANDLED_BY, Contact, Fault, Outcome, Refused
from trials.people.identifiers import KINDS, Kind, Refusal, RefusalCode, normalise

DURATIONS: Final = ("ivr_seconds", "wait_seconds", "handle_seconds")
WORDS: Final[dict[str, Callable[[str], Any]]] = {
    "channel": cells.channel,
    "line": cells.line,
    "topic": cells.words,
    "reason": cells.words,
    "outcome": cells.outcome,
    "handled": cells.yes_no,
    "resolved": cells.yes_no,
    "satisfaction": cells.number,
    "cost": cells.number,
    "email_on_record": cells.yes_no,
    "arm": cells.words,
}
FIELDS: Final[tuple[str, ...]] = (
    "contact_id", "occurred_at", *WORDS, *DURATIONS, "unit", "version", *KINDS,
)  # fmt: skip
"""Every field that a source may fill."""

LABELS: Final = ("line", "topic", "reason", "arm")
"""Fields that are kept as they are written."""

LONGEST_ID: Final = 200
SHORTEST_HELD: Final = 6
LONGEST_TIME: Final = 60
OWN_ID: Final = "use the id that the system gave the contact"
_NO_ID: Final = Fault(
    "no contact_id", f"{OWN_ID}; where it gives none, set derive_ids in a mapping"
)
FEW_DIGITS: Final = re.compile(r"(?:\d\D*){4}")
_NINE_DIGITS = re.compile(r"(?:\d[\s()+-]*){9}")
_NO_DIGIT = re.compile(r"\D")
_PHONE_MARKS = re.compile(r"[\s()+-]")


class Cleaner:
    """Turns rows of one file into contacts, in file order.

    ``units`` says in what unit a bare number of a duration column is; ``derive_ids`` lets rows
    come without a ``contact_id``.
    """

    __slots__ = ("_derive_ids", "_region", "_units", "_versions", "moments", "place")

    def __init__(
        self,
        *,
        zone: str = "Europe/London",
        order: DateOrder = "dmy",
        region: str = "GB",
        units: Mapping[str, DurationUnit] | None = None,
        derive_ids: bool = False,
        place: str = "line",
        passes: Passes | None = None,
    ) -> None:
        self.moments = Moments(zone=zone, order=order, passes=passes)
        self._versions = Moments(zone=zone, order=order)
        self._region = region
        self._units = dict(units or {})
        self._derive_ids = derive_ids
        self.place = place

    def clean(self, file_line: int, row: Mapping[str, str]) -> Contact | Refused:
        """The contact that ``row`` (field name → text of the cell) describes."""
        faults: list[Fault] = []
        values = self._plain(row, faults)
        values["contact_id"] = self._contact_id(row.get("contact_id", ""), faults)
        values["occurred_at"] = _moment(self.moments, row, "occurred_at", faults)
        updated = row.get("version")
        values["version"] = _moment(self._versions, row, "version", faults) if updated else None
        values["unit"] = _unit(row.get("unit", ""), faults)
        found, unusable = self._identifiers(row)
        _keep_apart(values["contact_id"], row, faults)
        _agree(values, faults)
        if faults:
            says = "; ".join(fault.says for fault in faults)
            return Refused(file_line, says, _remedy(faults), place=self.place)
        return Contact(file_line=file_line, identifiers=found, unusable=unusable, **values)

    def _plain(self, row: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, read in WORDS.items():
            if text := row.get(name):
                values[name] = _kept(name, read(text), faults)
        for name in DURATIONS:
            text = row.get(name)
            if text and cells.why_nothing(text) is None:
                done = durations.seconds(text, self._units.get(name, "s"))
                values[name] = _kept(name, done, faults)
        return values

    def _contact_id(self, text: str, faults: list[Fault]) -> str:
        clean = text.strip()
        if not clean and not self._derive_ids:
            faults.append(_NO_ID)
        if len(clean) > LONGEST_ID:
            faults.append(Fault(f"contact_id is longer than {LONGEST_ID} characters", OWN_ID))
        elif not clean.isprintable():
            says = "contact_id holds characters that cannot be printed"
            faults.append(Fault(says, cells.PRINTED))
        return clean

    def _identifiers(
        self, row: Mapping[str, str]
    ) -> tuple[tuple[tuple[Kind, str], ...], tuple[tuple[Kind, RefusalCode], ...]]:
        found: list[tuple[Kind, str]] = []
        unusable: list[tuple[Kind, RefusalCode]] = []
        for kind in KINDS:
            text = row.get(kind)
            if not text:
                continue
            done = normalise(kind, text, self._region)
            if not isinstance(done, Refusal):
                found.append((kind, done))
            elif done.code != "blank":
                unusable.append((kind, done.code))
        return tuple(found), tuple(unusable)


def _remedy(faults: list[Fault]) -> str:
    """What to do about a row's faults; where they need different things, with the field of each."""
    if len({fault.remedy for fault in faults}) == 1:
        return faults[0].remedy
    parts = [(fault.says.partition(": ")[0], fault.remedy) for fault in faults]
    return "; ".join(dict.fromkeys(
        f"{name}: {remedy}" if name in FIELDS else remedy for name, remedy in parts))  # fmt: skip


def _moment(moments: Moments, row: Mapping[str, str], name: str, faults: list[Fault]) -> int | None:
    text = row.get(name, "")
    if cells.why_nothing(text) is not None:
        faults.append(Fault(f"no {name}", "give every row the time of the contact"))
        return None
    done = moments.read(text if len(text) <= LONGEST_TIME else "")
    value: int | None = _kept(name, done, faults)
    return value


def _kept(name: str, value: Any, faults: list[Fault]) -> Any:
    if isinstance(value, Fault):
        faults.append(Fault(f"{name}: {value.says}", value.remedy))
        return None
    return value


def _unit(text: str, faults: list[Fault]) -> str | None:
    clean = text.strip()
    if cells.why_nothing(clean) is not None:
        return None
    if len(clean) > LONGEST_ID or not clean.isprintable():
        says = "unit is too long or holds characters that cannot be printed"
        faults.append(Fault(says, "write the unit as the trial's list has it"))
    return clean


def _keep_apart(contact_id: str, row: Mapping[str, str], faults: list[Fault]) -> None:
    """The contact's id is stored as it is, so it must not carry the caller's number or address."""
    if holds_email(contact_id, row.get("email", "")):
        faults.append(Fault("contact_id holds the e-mail address", OWN_ID))
    if holds_phone(contact_id, row.get("phone", "")):
        faults.append(Fault("contact_id holds the telephone number", OWN_ID))
    for name in LABELS:
        label = row.get(name, "")
        told = any(fault.says.startswith(f"{name}: ") for fault in faults)
        if (
            label
            and not told
            and any(holds_identifier(label, k, row.get(k, "")) for k in (*KINDS, "unit"))
        ):
            faults.append(Fault(f"{name}: holds an identifier of its row", "leave it out there"))


def holds_email(contact_id: str, email: str) -> bool:
    """Whether an id carries the e-mail address of its row."""
    address = email.strip().casefold()
    return len(address) > 5 and address in contact_id.casefold()


def holds_phone(contact_id: str, phone: str) -> bool:
    """Whether an id carries the telephone number of its row, by its last nine digits."""
    if not phone or not _NINE_DIGITS.search(contact_id):
        return False
    digits = _NO_DIGIT.sub("", phone)[-9:]
    return len(digits) == 9 and digits in _PHONE_MARKS.sub("", contact_id)


def holds_identifier(label: str, kind: str, text: str) -> bool:
    """Whether a label carries an identifier of its row, however either is spaced.

    Labels with fewer than four digits are not looked at: what identifies somebody by letters alone
    is an e-mail address, which no label may hold anyhow.
    """
    if not text or not FEW_DIGITS.search(label):
        return False
    if kind == "phone":
        return holds_phone(label, text)
    bare = cells.fold(text)
    return len(bare) >= SHORTEST_HELD and bare in cells.fold(label)


def _agree(values: dict[str, Any], faults: list[Fault]) -> None:
    """Fill ``handled`` from the outcome, and refuse a row in which the two contradict."""
    outcome: Outcome | None = values.get("outcome")
    if outcome is None:
        return
    implied = HANDLED_BY.get(outcome)
    if values.get("handled") is None:
        values["handled"] = implied
    elif _contradict(outcome, handled=bool(values["handled"])):
        says = "outcome and handled contradict each other"
        faults.append(Fault(says, "correct one of the two"))


def _contradict(outcome: Outcome, *, handled: bool) -> bool:
    """Only what cannot both be true: staff may well deal with a voicemail or a call-back."""
    if handled:
        return outcome in {"ended-in-ivr", "abandoned-in-queue"}
    return outcome == "handled"
