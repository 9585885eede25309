"""Wrap-code exports of case systems whose columns are known, as built-in mappings.

Councils' own spreadsheets differ from one to the next; for those a mapping file is saved once
(:mod:`trials.contacts.mapping`). The ones here serve exports in the systems' own field names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Final

from trials.contacts import mapping
from trials.contacts.mapping import ColumnMapping
from trials.contacts.record import Contact, Refused
from trials.contacts.sources.common import USUAL, ReadOptions

FIRMSTEP: Final = mapping.of(
    {
        "name": "firmstep",
        "title": "Firmstep (Granicus govService) data capture",
        "columns": {
            "contact_id": "Case ref",
            "occurred_at": "Created",
            "channel": "Channel",
            "topic": "Service/Topic",
            "reason": ["Reason", "Sub-reason"],
            "email_on_record": "Email present",
            "uprn": "UPRN",
        },
    }
)
SALESFORCE: Final = mapping.of(
    {
        "name": "salesforce-case",
        "title": "Salesforce cases",
        "columns": {
            "contact_id": "CaseNumber",
            "occurred_at": "CreatedDate",
            "channel": "Origin",
            "topic": "Type",
            "reason": "Reason",
            "customer": "ContactId",
            "email": ["ContactEmail", "SuppliedEmail"],
        },
        "values": {"channel": {"Web": "form"}},
    }
)
DYNAMICS: Final = mapping.of(
    {
        "name": "dynamics-incident",
        "title": "Dynamics 365 cases",
        "columns": {
            "contact_id": "ticketnumber",
            "occurred_at": "createdon",
            "version": "modifiedon",
            "channel": "caseorigincode",
            "topic": "casetypecode",
            "reason": "subjectid",
            "customer": "customerid",
        },
        # The option sets of a new installation; a council's own additions need a saved mapping.
        "values": {"channel": {"1": "phone", "2": "email", "3": "web", "2483": "social",
                               "3986": "social"}},
    }
)  # fmt: skip
EIGHT_BY_EIGHT_WORK: Final = mapping.of(
    {
        "name": "8x8-work",
        "title": "8x8 Work call records",
        "columns": {
            "contact_id": "callId",
            "occurred_at": "startTimeUTC",
            "phone": "caller",
            "line": "dnis",
            "outcome": ["abandoned", "answered", "missed"],
            "wait_seconds": "waitTimeMS",
            "handle_seconds": "talkTimeMS",
        },
        "timezone": "UTC",
        "units": {"wait_seconds": "ms", "handle_seconds": "ms"},
        "constants": {"channel": "phone"},
        "values": {"outcome": {"Abandoned": "abandoned-in-queue", "Answered": "handled",
                               "Missed": "other"}},
        "leave_out": {"direction": ["Outgoing", "Outbound", "Internal"]},
    }
)  # fmt: skip

BUILT_IN: Final[dict[str, ColumnMapping]] = {
    made.name: made for made in (FIRMSTEP, SALESFORCE, DYNAMICS, EIGHT_BY_EIGHT_WORK)
}


def read(
    stream: IO[bytes], saved: ColumnMapping, options: ReadOptions = USUAL
) -> Iterator[Contact | Refused]:
    """The contacts of a wrap-code export by a saved or built-in mapping, in file order.

    Raises:
        Invalid: a column that the mapping names is missing.
        SignpostError: the file cannot be read at all.
    """
    region = options.region if options.region != USUAL.region else saved.region
    return mapping.read(stream, saved.model_copy(update={"region": region}))
