"""Reading an assumption file: TOML with a ``[assumptions.NAME]`` table for every number.

::

    [assumptions.eligible_volume]
    value = 60000
    low = 55000
    high = 65000
    source = "Council Tax reminders sent, 2025/26"
    date = 2026-04-01
    agreed_by = "Finance business partner"

    [mechanism]
    kind = "contract-price"
    budget_line = "C1234"

A ``[line]`` table describes the line of enquiry whose queue is modelled
(:mod:`analysis.scaling.line_table`).

All that is wrong with a file is reported at once, each with its line.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, get_args

from analysis.scaling.assumption import Assumption, Shape, valid_date
from analysis.scaling.line_table import KEYS as LINE_KEYS
from analysis.scaling.line_table import read_line
from analysis.scaling.mechanism import KINDS, Mechanism
from analysis.scaling.register import Register, nearest
from analysis.scaling.specs import SPECS, Spec
from trials.errors import Invalid, Problem

_TEXTS = ("source", "owner", "agreed_by", "note")
_KEYS = ("value", "low", "high", "date", "shape", *_TEXTS)
_MECHANISM_KEYS = ("kind", "budget_line", "agreed_by")
_BOTH_COSTS = "both a cost per contact and an annual pay are given for the same calls"


def read(text: str) -> Register:
    """The register in a TOML ``text``; :class:`~trials.errors.Invalid` lists every problem."""
    document = _parse(text)
    lines = Lines(text)
    problems: list[Problem] = []
    known = ("assumptions", "mechanism", "line")
    problems += [
        _unknown(name, known, "", lines.table(name)) for name in document if name not in known
    ]
    tables = _table(document, "assumptions", problems, lines)
    given: dict[str, Assumption] = {}
    for name, table in tables.items():
        found, wrong = _assumption(name, table, lines)
        problems += wrong
        if found is not None:
            given[name] = found
    if "annual_pay" in given and "cost_per_contact_phone" in given:
        problems.append(_at("annual_pay", lines.of("annual_pay"), _BOTH_COSTS, "remove one"))
    mechanism = _mechanism(_table(document, "mechanism", problems, lines), problems, lines)
    line, wrong = read_line(
        _table(document, "line", problems, lines), lines.place("line"),
        lambda key: _unknown(key, LINE_KEYS, "line ", lines.within("line", key)),
    )  # fmt: skip
    problems += wrong
    if problems:
        raise Invalid("the assumption file", sorted(problems, key=lambda p: p.line or 0))
    return Register(given=given, mechanism=mechanism, line=line)


def checked(name: str, table: Mapping[str, Any]) -> Assumption:
    """One assumption from the keys of its table; what cannot be is :class:`Invalid`, all of it."""
    found, problems = _assumption(name, table, Lines(""))
    if found is None:
        raise Invalid("the assumption", problems)
    return found


class Lines:
    """Finds the line on which a table or one of its keys is written."""

    _HEADER = re.compile(r"^\s*\[\s*([^\]]+?)\s*\]")
    _KEY = re.compile(r"^\s*([\w\-.\"']+)\s*=")

    def __init__(self, text: str) -> None:
        self._places: dict[tuple[str, ...], int] = {}
        inside: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := self._HEADER.match(line):
                inside = _dotted(header[1])
                self._note(inside, number)
            elif key := self._KEY.match(line):
                self._note((*inside, *_dotted(key[1])), number)

    def _note(self, path: tuple[str, ...], number: int) -> None:
        for end in range(1, len(path) + 1):
            self._places.setdefault(path[:end], number)

    def table(self, name: str) -> int | None:
        """The line of a top-level table."""
        return self._places.get((name,))

    def within(self, table: str, key: str) -> int | None:
        """The line of a key in a top-level table, or else of the table."""
        return self._places.get((table, key), self.table(table))

    def place(self, table: str) -> Callable[[str], str]:
        """Says where a key of a top-level table is written."""
        return lambda key: (
            f"line {line}" if (line := self.within(table, key)) else f"[{table}] {key}".strip()
        )

    def of(self, name: str, key: str | None = None) -> int | None:
        """The line of ``[assumptions.NAME]`` or of a key in it."""
        table = self._places.get(("assumptions", name))
        return table if key is None else self._places.get(("assumptions", name, key), table)


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = int(line[1]) if line else max(1, len(text.splitlines()))
        problem = Problem(f"line {number}", f"is not TOML: {error}", line=number)
        raise Invalid("the assumption file", [problem]) from None


def _table(
    document: Mapping[str, Any], name: str, problems: list[Problem], lines: Lines
) -> dict[str, Any]:
    found = document.get(name, {})
    if isinstance(found, dict):
        return found
    line = lines.table(name)
    problems.append(Problem(f"line {line}", f"{name} is not a table", line=line))
    return {}


def _assumption(name: str, table: object, lines: Lines) -> tuple[Assumption | None, list[Problem]]:
    if name not in SPECS:
        return None, [_unknown(name, SPECS, "assumptions.", lines.of(name))]
    if not isinstance(table, dict):
        remedy = "write [assumptions.NAME] with value, source and date below it"
        return None, [_at(name, lines.of(name), "is a bare value", remedy)]
    problems = [
        _unknown(key, _KEYS, f"assumptions.{name} ", lines.of(name, key))
        for key in table
        if key not in _KEYS
    ]
    spec = SPECS[name]
    problems += _figure_problems(spec, table, lines) + _text_problems(name, table, lines)
    return (None, problems) if problems else (_built(spec, table), [])


def _built(spec: Spec, table: Mapping[str, Any]) -> Assumption:
    has_range = "low" in table
    return Assumption(
        name=spec.name,
        unit=spec.unit,
        value=float(table["value"]),
        low=float(table["low"]) if has_range else None,
        high=float(table["high"]) if has_range else None,
        shape=table.get("shape", "triangular" if has_range else "fixed"),
        source=table["source"],
        dated=_date_text(table["date"]),
        owner=table.get("owner", ""),
        agreed_by=table.get("agreed_by", ""),
    )


def _figure_problems(spec: Spec, table: Mapping[str, Any], lines: Lines) -> list[Problem]:
    if "value" not in table:
        return [_at(spec.name, lines.of(spec.name), "has no value", f"give it in {spec.unit}")]
    wrong = [
        _at(spec.name, lines.of(spec.name, key), f"{key} = {table[key]!r} {why}", _limits(spec))
        for key in ("value", "low", "high")
        if key in table and (why := impossible(spec, table[key], central=key == "value"))
    ]
    return wrong or _range_problems(spec, table, lines)


def impossible(spec: Spec, value: object, *, central: bool = True) -> str | None:
    """Why ``value`` cannot be a figure of this assumption, or ``None`` if it can."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "is not a number"
    if math.isnan(value) or (math.isinf(value) and not (central and _may_be_infinite(spec))):
        return "is not a finite number"
    if not spec.minimum <= value <= spec.maximum:
        return "is impossible"
    return "is not a whole number" if spec.whole and value != int(value) else None


def _may_be_infinite(spec: Spec) -> bool:
    """An effect may be taken never to fade; nothing else is without end."""
    return spec.name == "persistence_half_life_months"


def _limits(spec: Spec) -> str:
    top = "" if math.isinf(spec.maximum) else f" and at most {spec.maximum:g}"
    bottom = "any number" if math.isinf(spec.minimum) else f"at least {spec.minimum:g}"
    return f"it is {spec.unit}, {bottom}{top}"


def _range_problems(spec: Spec, table: Mapping[str, Any], lines: Lines) -> list[Problem]:
    ends = [key for key in ("low", "high") if key in table]
    line = lines.of(spec.name, ends[0]) if ends else lines.of(spec.name, "shape")
    why = _range_fault(spec, table, ends)
    return [_at(spec.name, line, why[0], why[1])] if why else []


def _range_fault(spec: Spec, table: Mapping[str, Any], ends: list[str]) -> tuple[str, str] | None:
    shape = table.get("shape", "triangular")
    if shape not in get_args(Shape):
        return f"shape {shape!r} is not known", "use triangular, normal or fixed"
    if not ends:
        given = "shape" in table and shape != "fixed"
        return (f"is {shape} without low and high", "give both ends") if given else None
    if len(ends) == 1:
        return f"has {ends[0]} without the other end", "give low and high, or neither"
    if not spec.may_vary:
        return "cannot have a range", "remove low and high"
    low, value, high = table["low"], table["value"], table["high"]
    if not low <= value <= high:
        return f"is out of order: {low:g}, {value:g}, {high:g}", "low ≤ value ≤ high"
    return _shape_fault(spec, shape, low=low, value=value, high=high)


def _shape_fault(
    spec: Spec, shape: str, *, low: float, value: float, high: float
) -> tuple[str, str] | None:
    if shape == "fixed":
        return "is fixed but has low and high", "remove them, or the shape"
    if shape == "triangular":
        return None
    if not math.isclose(value - low, high - value, rel_tol=1e-6, abs_tol=1e-12):
        return "is normal but value is not midway between low and high", "use triangular"
    reach = 2.5 * (high - low) / 2
    if value - reach < spec.minimum or value + reach > spec.maximum:
        return "is normal but its tails leave what is possible", "use triangular"
    return None


def _text_problems(name: str, table: Mapping[str, Any], lines: Lines) -> list[Problem]:
    problems = [
        _at(name, lines.of(name, key), f"{key} is not text", "put it in quotes")
        for key in _TEXTS
        if key in table and not isinstance(table[key], str)
    ]
    source = table.get("source")
    if source is None or (isinstance(source, str) and not source.strip()):
        problems.append(_at(name, lines.of(name, "source"), "has no source", "say where from"))
    if "date" not in table:
        problems.append(_at(name, lines.of(name), "has no date", "give the source's date"))
    elif not valid_date(_date_text(table["date"])):
        remedy = "write 2026-04-01, 2026-04 or 2026"
        line = lines.of(name, "date")
        problems.append(_at(name, line, f"date {table['date']!r} is not a date", remedy))
    return problems


def _date_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else str(value)


def _mechanism(table: Mapping[str, Any], problems: list[Problem], lines: Lines) -> Mechanism:
    line = lines.table("mechanism")
    wrong = [_unknown(k, _MECHANISM_KEYS, "mechanism ", line) for k in table
             if k not in _MECHANISM_KEYS]  # fmt: skip
    kind = table.get("kind", "none")
    if kind not in KINDS:
        says = f"kind {kind!r} is not known"
        wrong.append(Problem(f"line {line}", says, f"use one of {', '.join(KINDS)}", line))
    problems += wrong
    if wrong:
        return Mechanism()
    return Mechanism(
        kind=kind,
        budget_line=str(table.get("budget_line", "")),
        agreed_by=str(table.get("agreed_by", "")),
    )


def _unknown(name: str, known: Iterable[str], where: str, line: int | None) -> Problem:
    guess = nearest(name, known)
    place = f"line {line}" if line else f"[{where}{name}]"
    remedy = f"did you mean {guess}?" if guess else f"known: {', '.join(sorted(known))}"
    return Problem(place, f"{where}{name} is not known", remedy, line)


def _at(name: str, line: int | None, says: str, remedy: str) -> Problem:
    place = f"line {line}" if line else f"[assumptions.{name}]"
    return Problem(place, f"{name} {says}", remedy, line)
