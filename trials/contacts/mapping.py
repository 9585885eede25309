"""Saved column mappings: how one system's spreadsheet becomes contacts.

A mapping is a small TOML file::

    name = "firmstep"
    date_order = "dmy"

    [columns]
    contact_id = "Case ref"
    occurred_at = ["Date", "Time"]        # joined by a space
    topic = "Service/Topic"
    reason = ["Reason", "Sub-reason"]     # joined by " > "
    handle_seconds = ["Talk", "Wrap"]     # durations are added up
    email = "Email"

    [values.channel]
    "Front desk" = "face-to-face"
    "*" = "phone"                         # whatever is not named

    [constants]
    line = "Customer Service Centre"

    [units]
    handle_seconds = "min"

    [leave_out]
    Direction = ["Outbound"]

Column names match without regard to case, spaces and punctuation.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, Final

import tomli_w
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from trials.contacts.cells import fold, why_nothing
from trials.contacts.durations import DurationUnit, seconds
from trials.contacts.moments import DateOrder
from trials.contacts.reading import sheet
from trials.contacts.record import Contact, Fault, Refused
from trials.contacts.rows import DURATIONS, FIELDS, Cleaner
from trials.contacts.sheets import Layout, Sheet
from trials.errors import Invalid, Problem, Unavailable
from trials.people.identifiers import KINDS

ANYTHING_ELSE: Final = "*"
_JOINED: Final = {"occurred_at": " ", "reason": " > ", "topic": " > ", "contact_id": "-"}


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...], BeforeValidator(_several), Field(min_length=1, max_length=8, strict=False)
]


class ColumnMapping(BaseModel):
    """Which column fills which field of a contact; see the module's example."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    title: str = ""
    encoding: str = "utf-8"
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    skip_lines: int = Field(default=0, ge=0, le=1000)
    sheet: str | None = None
    timezone: str = "Europe/London"
    date_order: DateOrder = "dmy"
    region: str = Field(default="GB", pattern=r"^[A-Z]{2}$")
    derive_ids: bool = False
    columns: dict[str, Names]
    values: dict[str, dict[str, str]] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)
    units: dict[str, DurationUnit] = Field(default_factory=dict)
    leave_out: dict[str, Names] = Field(default_factory=dict)

    @property
    def layout(self) -> Layout:
        """How the file is laid out."""
        return Layout(
            encoding=self.encoding,
            delimiter=self.delimiter,
            skip_lines=self.skip_lines,
            sheet=self.sheet,
        )

    def cleaner(self, place: str = "line") -> Cleaner:
        """The cleaner with this mapping's conventions."""
        return Cleaner(
            zone=self.timezone,
            order=self.date_order,
            region=self.region,
            units=self.units,
            derive_ids=self.derive_ids,
            place=place,
        )


def load(source: Path | str) -> ColumnMapping:
    """The mapping in a TOML file (a path) or text.

    Raises:
        Invalid: the TOML is broken, or a key, field, zone or encoding is not known.
        Unavailable: the file cannot be read.
    """
    text = _text(source) if isinstance(source, Path) else source
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise Invalid("the mapping", [Problem("", f"not valid TOML: {failure}")]) from None
    except RecursionError:
        raise Invalid("the mapping", [Problem("", "nested too deeply")]) from None
    return of(data)


def of(data: Mapping[str, Any]) -> ColumnMapping:
    """The mapping that ``data`` (a parsed TOML document) describes.

    Raises:
        Invalid: every key, field, zone or encoding that is not known, at once.
    """
    try:
        made = ColumnMapping.model_validate(dict(data))
    except ValidationError as failure:
        problems = [_problem(error) for error in failure.errors(include_url=False)]
        raise Invalid("the mapping", problems) from None
    if problems := [*_unknown_fields(made), *_unknown_settings(made), *_missing(made)]:
        raise Invalid("the mapping", problems)
    return made


def dumps(mapping: ColumnMapping) -> str:
    """The mapping as TOML that :func:`load` reads back to an equal one."""
    data = mapping.model_dump(mode="json", exclude_defaults=True)
    return tomli_w.dumps(_plain(data))


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    for table in ("columns", "leave_out"):
        names = data.get(table, {})
        data[table] = {k: v[0] if len(v) == 1 else v for k, v in names.items()}
    return {k: v for k, v in data.items() if v not in ({}, None)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise Unavailable(f"the mapping {path.name} cannot be read", "check the path") from None


def _problem(error: Any) -> Problem:
    place = " ".join(str(part) for part in error["loc"][:2])
    if error["type"] == "extra_forbidden":
        return Problem(place, "is not a key of a mapping", _nearest(place, ColumnMapping))
    return Problem(place, str(error["msg"]))


def _nearest(name: str, model: type[BaseModel]) -> str:
    near = difflib.get_close_matches(name, model.model_fields, n=1)
    return f"did you mean {near[0]}?" if near else ""


def _unknown_fields(made: ColumnMapping) -> Iterator[Problem]:
    for table in ("columns", "values", "constants", "units"):
        known = DURATIONS if table == "units" else FIELDS
        for name in getattr(made, table):
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else ""
                yield Problem(f"[{table}] {name}", "is not a field of a contact", hint)


def _unknown_settings(made: ColumnMapping) -> Iterator[Problem]:
    import codecs
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(made.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem("timezone", "is not a known time zone", "for instance Europe/London")
    try:
        codecs.lookup(made.encoding)
    except (LookupError, ValueError):
        yield Problem("encoding", "is not a known encoding", "for instance utf-8 or cp1252")
    if made.delimiter in {'"', "\n", "\r"}:
        yield Problem("delimiter", "cannot be a quotation mark or a line end")


def _missing(made: ColumnMapping) -> Iterator[Problem]:
    given = {*made.columns, *made.constants}
    if "occurred_at" not in given:
        yield Problem("[columns]", "has no occurred_at", "name the column with date and time")
    if "contact_id" not in given and not made.derive_ids:
        remedy = "name the column with the system's own id, or set derive_ids = true"
        yield Problem("[columns]", "has no contact_id", remedy)


@dataclass(frozen=True, slots=True)
class Binding:
    """A mapping fitted to one header: cells in, a row of contact fields out."""

    mapping: ColumnMapping
    positions: tuple[tuple[str, tuple[int, ...]], ...]
    leave_out: tuple[tuple[int, frozenset[str]], ...]
    values: dict[str, dict[str, str]]

    def row(self, cells: Sequence[str]) -> dict[str, str] | None:
        """The fields that ``cells`` fill, or ``None`` for a row that is to be left out."""
        for position, unwanted in self.leave_out:
            if fold(cells[position]) in unwanted:
                return None
        done = dict(self.mapping.constants)
        for name, places in self.positions:
            text = cells[places[0]] if len(places) == 1 else self._joined(name, cells, places)
            if text:
                done[name] = text
        for name, known in self.values.items():
            if name in done:
                done[name] = known.get(fold(done[name]), known.get(ANYTHING_ELSE, done[name]))
        return done

    def _joined(self, name: str, cells: Sequence[str], places: tuple[int, ...]) -> str:
        parts = [cells[p].strip() for p in places if why_nothing(cells[p]) is None]
        if name in DURATIONS:
            return _added(parts, self.mapping.units.get(name, "s"))
        if name in _JOINED:
            return _JOINED[name].join(parts)
        return parts[0] if parts else ""


def _added(parts: list[str], unit: DurationUnit) -> str:
    """Durations added up; where one cannot be read, that one, so that the cleaner refuses it."""
    total = 0
    for part in parts:
        value = seconds(part, unit)
        if isinstance(value, Fault):
            return part
        total += value
    return f"PT{total}S" if parts else ""


def bind(mapping: ColumnMapping, header: Sequence[str]) -> Binding:
    """``mapping`` fitted to ``header``.

    Raises:
        Invalid: columns that the mapping names and the file lacks, all of them.
    """
    at = {fold(name): i for i, name in enumerate(header) if fold(name)}
    wanted = [(f, n) for f, names in mapping.columns.items() for n in names]
    wanted += [("leave_out", name) for name in mapping.leave_out]
    missing = [
        Problem("header", f"there is no column {name!r}, which the mapping needs for {f}", "", 1)
        for f, name in wanted
        if fold(name) not in at
    ]
    if missing:
        raise Invalid("the file", missing, "correct the mapping or choose another one")
    return Binding(
        mapping=mapping,
        positions=tuple(
            (f, tuple(at[fold(n)] for n in names)) for f, names in mapping.columns.items()
        ),
        leave_out=tuple(
            (at[fold(column)], frozenset(map(fold, unwanted)))
            for column, unwanted in mapping.leave_out.items()
        ),
        values={f: _folded(known) for f, known in mapping.values.items()},
    )


def _folded(known: Mapping[str, str]) -> dict[str, str]:
    return {(ANYTHING_ELSE if k == ANYTHING_ELSE else fold(k)): v for k, v in known.items()}


def read(stream: IO[bytes], mapping: ColumnMapping) -> Iterator[Contact | Refused]:
    """The contacts of a CSV, XLSX or Parquet file by ``mapping``, in file order.

    Raises:
        Invalid: the file lacks a header or a column that the mapping names.
        SignpostError: the file cannot be read at all.
    """
    table = sheet(stream, mapping.layout)
    return contacts(table, bind(mapping, table.header))


def contacts(table: Sheet, binding: Binding) -> Iterator[Contact | Refused]:
    """The contacts of an open table by a bound mapping."""
    cleaner = binding.mapping.cleaner(table.place)
    for item in table.rows:
        if isinstance(item, Refused):
            yield item
            continue
        row = binding.row(item[1])
        if row is None:
            yield Refused(item[0], "left out by the mapping", left_out=True, place=table.place)
        else:
            yield cleaner.clean(item[0], row)


def suggest(header: Sequence[str]) -> dict[str, str]:
    """A first guess at ``[columns]`` for an unknown header: field → column, for the wizard."""
    at = {fold(name): name for name in header if fold(name)}
    guesses = {}
    for name, usual in _USUAL.items():
        found = next((at[word] for word in usual if word in at), None)
        if found is not None:
            guesses[name] = found
    return guesses


def usual(field: str) -> tuple[str, ...]:
    """What columns that fill ``field`` are usually called, folded."""
    return _USUAL.get(field, ())


_USUAL: Final[dict[str, tuple[str, ...]]] = {
    "contact_id": ("contactid", "caseref", "casereference", "casenumber", "caseid", "reference",
                   "interactionid", "callid", "ticketnumber", "id"),
    "occurred_at": ("occurredat", "created", "createddate", "createdon", "creationtime", "datetime",
                    "timestamp", "starttime", "logged", "dateandtime"),
    "channel": ("channel", "origin", "mediatype", "contactmethod", "source"),
    "line": ("line", "queue", "queuename", "skill", "dnis"),
    "topic": ("topic", "servicetopic", "service", "department", "category"),
    "reason": ("reason", "wrapupcode", "wrapcode", "callreason", "disposition", "enquirytype"),
    "outcome": ("outcome", "result", "calloutcome"),
    "wait_seconds": ("waitseconds", "waittime", "queuetime", "queuewaitduration"),
    "handle_seconds": ("handleseconds", "handletime", "aht", "talktime"),
    **{kind: (kind,) for kind in KINDS},
    "phone": ("phone", "phonenumber", "telephone", "mobile", "cli", "ani", "caller",
              "callernumber"),
    "email": ("email", "emailaddress", "customeremail", "contactemail"),
    "account": ("account", "accountnumber", "accountref", "counciltaxaccount"),
    "customer": ("customer", "customerid", "personid", "contactid"),
    "unit": ("unit",),
}  # fmt: skip
