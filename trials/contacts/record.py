"""One contact, as the log keeps it, and one row that could not be used.

The columns are those of the contacts file (``contact_id``, ``occurred_at``, …) with three more
that systems give: ``topic`` (the upper level of a two-level reason), ``ivr_seconds`` (time in the
recorded messages before the queue) and ``email_on_record`` (the usual proxy for digital
exclusion).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from trials.errors import Problem
from trials.people.identifiers import Kind, RefusalCode

Channel = Literal[
    "phone", "ivr", "webchat", "email", "form", "letter", "sms", "social", "face-to-face", "web"
]
Outcome = Literal[
    "handled", "ended-in-ivr", "abandoned-in-queue", "call-back", "voicemail", "self-served",
    "transferred", "refused", "other",
]  # fmt: skip
Category = Literal[
    "value", "clarification", "signposting", "repeat-notification", "progress-chasing",
    "premature-closure", "could-self-serve", "tried-and-failed", "wrong-organisation",
    "unclassified",
]  # fmt: skip

CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)

HANDLED_BY: Final[dict[Outcome, bool]] = {
    "handled": True,
    "transferred": True,
    "ended-in-ivr": False,
    "abandoned-in-queue": False,
    "call-back": False,
    "voicemail": False,
    "self-served": False,
    "refused": False,
}
"""Whether an outcome alone says that a member of staff dealt with the contact. A call-back asked
for is not yet handled (the call made later is a contact of its own); ``other`` says nothing."""


@dataclass(slots=True, kw_only=True)
class Contact:
    """One contact, cleaned. ``None`` means not known, never zero.

    ``occurred_at`` is in whole seconds since 1970 (UTC), durations in whole seconds (so that sums
    are exact on every engine), ``satisfaction`` on the source's own scale, ``cost`` in pounds.
    ``identifiers`` are normalised but not yet hashed: a contact in this form is never stored.
    ``unusable`` lists identifiers that were withheld or could not be read, by kind and code.
    ``version`` orders deliveries of one contact (the source's own last-update time); where it is
    ``None`` the order in the file decides. An empty ``contact_id`` asks the loader for a derived
    one. ``file_line`` is the line (or row) the contact was read from.
    """

    file_line: int
    contact_id: str
    occurred_at: int
    channel: Channel | None = None
    line: str | None = None
    topic: str | None = None
    reason: str | None = None
    outcome: Outcome | None = None
    handled: bool | None = None
    ivr_seconds: int | None = None
    wait_seconds: int | None = None
    handle_seconds: int | None = None
    resolved: bool | None = None
    satisfaction: float | None = None
    cost: float | None = None
    email_on_record: bool | None = None
    arm: str | None = None
    unit: str | None = None
    identifiers: tuple[tuple[Kind, str], ...] = ()
    unusable: tuple[tuple[Kind, RefusalCode], ...] = ()
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that did not become a record, and why.

    ``left_out`` rows are sound but do not belong in the log (an outbound call, a leg of an
    earlier contact); the others break a rule, and ``remedy`` says what to do about it. Neither
    text ever repeats what a cell held.
    """

    file_line: int
    says: str
    remedy: str = ""
    left_out: bool = False
    place: str = "line"

    def problem(self) -> Problem:
        """The same as a :class:`~trials.errors.Problem`."""
        return Problem(f"{self.place} {self.file_line}", self.says, self.remedy, self.file_line)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one cell cannot be used, and what to do; neither text ever repeats the cell."""

    says: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What an import came to: counts of contacts, rows left out, rows refused and notes."""

    contacts: int
    left_out: dict[str, int]
    refused: tuple[Refused, ...]
    unusable: dict[str, int]


def tally(items: Iterable[Contact | Refused]) -> tuple[list[Contact], Tally]:
    """The contacts of a stream in memory, and what became of the other rows."""
    contacts: list[Contact] = []
    refused: list[Refused] = []
    left_out: Counter[str] = Counter()
    unusable: Counter[str] = Counter()
    for item in items:
        if isinstance(item, Contact):
            contacts.append(item)
            unusable.update(f"{kind}: {code}" for kind, code in item.unusable)
        elif item.left_out:
            left_out[item.says] += 1
        else:
            refused.append(item)
    return contacts, Tally(len(contacts), dict(left_out), tuple(refused), dict(unusable))
