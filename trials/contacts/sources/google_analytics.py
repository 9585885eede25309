"""GA4: who saw which version of a page, and counts by version.

Two files are read. The event export (BigQuery's daily tables as JSON lines or Parquet, or a CSV
with one column for each parameter) gives one :class:`WebExposure` for each
``experience_impression``, whose ``exp_variant_string`` is ``TOOL-EXPERIMENT-VARIANT``: the tool
ends at the first dash, the variant begins after the last, and the experiment may hold dashes. Who
knows a trial's key takes that from the whole first, so that its arms may hold dashes too
(:mod:`trials.importing.met`). The aggregate CSV (variant, sessions, goals) gives
:class:`VariantTotals`, which needs no consent and no client id at all.

Late events keep arriving for three days, so a day counts as complete only when an export reaches
:data:`LATE_DAYS` beyond it (:func:`complete_until`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Final

from trials.contacts import cells
from trials.contacts.cells import fold, why_nothing
from trials.contacts.json_values import objects
from trials.contacts.moments import Moments
from trials.contacts.reading import sheet
from trials.contacts.record import Fault, Refused
from trials.contacts.sources.common import starts_like_json, text_of
from trials.errors import Invalid, Problem
from trials.people.identifiers import Refusal, normalise

NAME: Final = "ga4"
TITLE: Final = "GA4 experience events"
SIGNATURES: Final = (
    frozenset({"eventname", "eventtimestamp", "userpseudoid"}),
    frozenset({"eventname", "expvariantstring"}),
)
JSON_SIGNATURES: Final = (frozenset({"event_name", "event_timestamp"}),)
TOTALS_NAME: Final = "ga4-totals"
TOTALS_TITLE: Final = "GA4 counts by variant"
TOTALS_SIGNATURES: Final = (frozenset({"variant", "sessions"}),)

EVENT: Final = "experience_impression"
LATE_DAYS: Final = 3
_WHOLE: Final = Fault("not a whole number", "write it as 120")
_VARIANT = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.-]+)-([A-Za-z0-9_.]+)")


@dataclass(frozen=True, slots=True)
class WebExposure:
    """A visitor met one variant. ``session`` is normalised, not yet hashed: never stored so.

    ``arm`` is the last part of the variant string, ``experiment`` the middle; ``seen_at`` is in
    seconds since 1970, UTC.
    """

    file_line: int
    experiment: str
    arm: str
    seen_at: int
    session: str


@dataclass(frozen=True, slots=True)
class VariantTotals:
    """Counts of one variant: sessions in which it was shown, and those that reached the goal."""

    file_line: int
    variant: str
    sessions: int
    goals: int | None


def complete_until(latest: int) -> int:
    """Until when a window is complete, if the latest event of an export is of ``latest``."""
    return latest - LATE_DAYS * 86_400


def read(stream: IO[bytes]) -> Iterator[WebExposure | Refused]:
    """The exposures of an event export; other events are passed over in silence.

    Raises:
        Invalid: a needed column is missing.
        SignpostError: the file cannot be read at all.
    """
    moments = Moments(zone="UTC")
    for number, event in _events(stream):
        if isinstance(event, Refused):
            yield event
        elif event.get("event_name") == EVENT:
            yield _exposure(number, event, moments)


def _events(stream: IO[bytes]) -> Iterator[tuple[int, Mapping[str, str] | Refused]]:
    if starts_like_json(stream):
        for item in objects(stream):
            if isinstance(item, Refused):
                yield item.file_line, item
            else:
                yield item[0], _flat(item[1])
        return
    table = sheet(stream)
    at = table.columns()
    if "eventname" not in at:
        raise Invalid("the file", [Problem("header", "there is no column event_name", "", 1)])
    for row in table.rows:
        if isinstance(row, Refused):
            yield row.file_line, row
        else:
            yield row[0], _named({name: row[1][i] for name, i in at.items()})


def _flat(event: Mapping[str, Any]) -> dict[str, str]:
    """The scalar fields of an event with its parameters beside them."""
    done = {name: text_of(value) for name, value in event.items()}
    parameters = event.get("event_params")
    for one in parameters if isinstance(parameters, list) else []:
        if isinstance(one, dict):
            done[text_of(one.get("key"))] = _parameter(one.get("value"))
    return done


def _parameter(value: Any) -> str:
    if not isinstance(value, dict):
        return text_of(value)
    kinds = ("string_value", "int_value", "float_value", "double_value")
    return next((text_of(value[k]) for k in kinds if value.get(k) is not None), "")


_NAMES: Final = {
    "eventname": "event_name",
    "eventtimestamp": "event_timestamp",
    "userpseudoid": "user_pseudo_id",
    "expvariantstring": "exp_variant_string",
    "eventdate": "event_date",
}


def _named(row: Mapping[str, str]) -> dict[str, str]:
    """A row of a table as an event; nested parameters are in a column of JSON."""
    done = {_NAMES.get(name, name): text for name, text in row.items()}
    try:
        nested = json.loads(row.get("eventparams", ""))
    except (ValueError, RecursionError):
        return done
    return {**done, **_flat({"event_params": nested})}


def _exposure(number: int, event: Mapping[str, str], moments: Moments) -> WebExposure | Refused:
    seen_at = moments.read(event.get("event_timestamp", "")[:40])
    if isinstance(seen_at, Fault):
        return Refused(number, f"event_timestamp: {seen_at.says}", seen_at.remedy)
    parts = _VARIANT.fullmatch(event.get("exp_variant_string", "")[:200])
    if parts is None:
        return Refused(number, "exp_variant_string is not TOOL-EXPERIMENT-VARIANT",
                       "write it as SPST-TRIAL-ARM, with the keys of the two")  # fmt: skip
    session = normalise("session", event.get("user_pseudo_id", ""))
    if isinstance(session, Refusal):
        return Refused(number, "there is no user_pseudo_id (no consent, perhaps)", left_out=True)
    return WebExposure(number, parts[2], parts[3], seen_at, session)


def read_totals(stream: IO[bytes]) -> Iterator[VariantTotals | Refused]:
    """The counts by variant of an aggregate CSV.

    Raises:
        Invalid: a needed column is missing.
        SignpostError: the file cannot be read at all.
    """
    table = sheet(stream)
    at = table.columns()
    if missing := [name for name in ("variant", "sessions") if name not in at]:
        says = f"there is no column {' and no column '.join(missing)}"
        raise Invalid("the file", [Problem("header", says, "", 1)])
    goal = next((at[n] for n in map(fold, ("goals", "conversions", "key events")) if n in at), None)
    for row in table.rows:
        if isinstance(row, Refused):
            yield row
        else:
            texts = [row[1][at["variant"]], row[1][at["sessions"]]]
            yield _totals(row[0], texts, row[1][goal] if goal is not None else "")


def _totals(number: int, texts: list[str], goal: str) -> VariantTotals | Refused:
    variant = cells.words(texts[0])
    sessions = _whole(texts[1])
    goals = None if why_nothing(goal) is not None else _whole(goal)
    if not isinstance(variant, str):
        return Refused(number, "there is no variant that can be used", "name the variant")
    if isinstance(sessions, Fault) or isinstance(goals, Fault):
        return Refused(number, "sessions or goals are not whole numbers", _WHOLE.remedy)
    if goals is not None and goals > sessions:
        return Refused(number, "more goals than sessions", "count sessions with a goal, not goals")
    return VariantTotals(number, variant, sessions, goals)


def _whole(text: str) -> int | Fault:
    value = cells.number(text)
    if isinstance(value, float) and value >= 0 and value == int(value):
        return int(value)
    return _WHOLE
