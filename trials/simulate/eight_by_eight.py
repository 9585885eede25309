"""The contacts of a rehearsal as 8x8 Contact Center exports them (interaction details, CSV).

The export has the labels or the field keys of the report as its header, times in Europe/London
without an offset, and durations as ``hh:mm:ss``, seconds or milliseconds: the forms in which
people have it. Calls, chats and e-mails are in it; contact forms are not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from trials.simulate import files

Header = Literal["labels", "keys"]
Durations = Literal["hh:mm:ss", "seconds", "milliseconds"]

FIELDS: Final = {
    "interactionId": "Interaction ID",
    "creationTime": "Creation Time",
    "finishedTime": "Finished Time",
    "mediaType": "Media Type",
    "direction": "Direction",
    "queueName": "Queue Name",
    "ivrTreatmentDuration": "IVR Treatment Duration",
    "queueWaitDuration": "Queue Wait Duration",
    "timeToAbandon": "Time To Abandon",
    "participantHandlingDuration": "Participant Handling Duration",
    "wrapUpCodeText": "Wrap Up Code Text",
    "customerPhone": "Customer Phone",
    "customerEmail": "Customer Email",
    "customerAccountNumber": "Customer Account Number",
    "outcome": "Outcome",
}
_MEDIA: Final = {"phone": "Phone", "webchat": "Chat", "email": "Email"}
_OUTCOME: Final = {
    "handled": "Handled", "ended-in-ivr": "EndedInIvr", "abandoned-in-queue": "Abandoned",
    "call-back": "ForwardedToCallback",
}  # fmt: skip


FILE: Final = "8x8-interactions.csv"
REASONS: Final = "8x8-reasons.csv"


def beside(folder: Path) -> int:
    """Write the contacts of a rehearsal's folder as an 8x8 export, and the map of its wrap codes.

    Returns the number of contacts written. A code belongs to the system that gave it, so that the
    map names 8x8 as its source.
    """
    files.reasons(folder / REASONS, "8x8")
    return export(folder / "contacts.csv", folder / FILE)


def export(
    contacts: Path, target: Path, *, header: Header = "labels", durations: Durations = "hh:mm:ss"
) -> int:
    """Write a contract contacts CSV as an 8x8 export; returns the number of rows."""
    options = pacsv.ConvertOptions(
        column_types=dict.fromkeys(_TEXT, pa.string()) | dict.fromkeys(_SECONDS, pa.int64()),
        include_columns=[*_TEXT, *_SECONDS], include_missing_columns=True, strings_can_be_null=True,
    )  # fmt: skip
    table = pacsv.read_csv(contacts, convert_options=options)
    table = table.filter(pc.is_in(table["channel"], pa.array(list(_MEDIA))))
    columns = _columns(table, _duration(durations))
    names = list(FIELDS) if header == "keys" else list(FIELDS.values())
    done = pa.table([columns[key] for key in FIELDS], names=names)
    style = pacsv.WriteOptions(quoting_style="needed", quoting_header="needed")
    pacsv.write_csv(done, target, write_options=style)
    return int(done.num_rows)


_TEXT: Final = (
    "contact_id", "occurred_at", "channel", "line", "reason", "outcome", "phone", "email",
    "account",
)  # fmt: skip
_SECONDS: Final = ("ivr_seconds", "wait_seconds", "handle_seconds")


def _columns(table: pa.Table, duration: Callable[[pa.Array], pa.Array]) -> dict[str, pa.Array]:
    began = pc.cast(pc.strptime(table["occurred_at"], "%Y-%m-%dT%H:%M:%SZ", "s"), pa.int64())
    seconds = [pc.fill_null(table[name], 0) for name in _SECONDS]
    lasted = pc.add(pc.add(seconds[0], seconds[1]), seconds[2])
    abandoned = pc.is_in(table["outcome"], pa.array(["ended-in-ivr", "abandoned-in-queue"]))
    gave_up = pc.if_else(abandoned, lasted, pa.scalar(None, pa.int64()))
    return {
        "interactionId": table["contact_id"],
        "creationTime": _london(began),
        "finishedTime": _london(pc.add(began, lasted)),
        "mediaType": _words(table["channel"], _MEDIA),
        "direction": pa.array(["Inbound"] * table.num_rows),
        "queueName": table["line"],
        "ivrTreatmentDuration": duration(table["ivr_seconds"]),
        "queueWaitDuration": duration(table["wait_seconds"]),
        "timeToAbandon": duration(gave_up),
        "participantHandlingDuration": duration(table["handle_seconds"]),
        "wrapUpCodeText": table["reason"],
        "customerPhone": table["phone"],
        "customerEmail": table["email"],
        "customerAccountNumber": table["account"],
        "outcome": _words(table["outcome"], _OUTCOME),
    }


def _london(epoch: pa.Array) -> pa.Array:
    stamps = pc.cast(pc.cast(epoch, pa.timestamp("s")), pa.timestamp("s", tz="UTC"))
    local = pc.local_timestamp(stamps.cast(pa.timestamp("s", tz="Europe/London")))
    return pc.cast(local, pa.string())


def _words(values: pa.Array, table: dict[str, str]) -> pa.Array:
    place = pc.index_in(values, pa.array(list(table)))
    return pc.take(pa.array(list(table.values())), place)


def _duration(durations: Durations) -> Callable[[pa.Array], pa.Array]:
    if durations == "seconds":
        return lambda seconds: seconds
    if durations == "milliseconds":
        return lambda seconds: pc.multiply(seconds, 1000)
    return _clock


def _clock(seconds: pa.Array) -> pa.Array:
    hours = pc.divide(seconds, 3600)
    minutes = pc.divide(pc.subtract(seconds, pc.multiply(hours, 3600)), 60)
    rest = pc.subtract(seconds, pc.multiply(pc.divide(seconds, 60), 60))
    parts = [pc.utf8_lpad(pc.cast(part, pa.string()), 2, "0") for part in (hours, minutes, rest)]
    return pc.binary_join_element_wise(*parts, ":")
